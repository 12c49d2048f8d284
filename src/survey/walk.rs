//! The walk of one thread: takes a directory, reads it, holds it against its row, and goes on with those in it.
//!
//! Invariant: a row is only trusted where the row of the directory above lists this very directory. Below one that is
//! new or another, nothing is compared (one mark covers it), so a row that was left behind by a directory long gone is
//! never taken for what is there now. The places of a survey that does not compare stand for themselves: their rows mark
//! nothing, and only say which facts are those of the last checkpoint. That holds also where the row is of another
//! directory, for facts that are equal then (inode, and the time of the last change) are of the same object.
//!
//! Invariant: that the rows at and below a place go reaches the sink before any new row at or below it does.

use std::sync::atomic::{AtomicBool, Ordering};

use rustix::fs::OFlags;

use super::compare;
use super::found::Found;
use super::listing::{Entry, Listing, Reading, Unlisted};
use super::queue::{Children, Queue, Task, Turn};
use super::row::{Kind, Row, is_settled};
use super::scope::Scope;
use super::signature::Moment;
use super::{Request, Sink};
use crate::engine::{Dirt, RelPath};
use crate::host::{Look, Root};

/// Rows handed over at once: enough to make the handing over cheap.
const CHUNK_ROWS: usize = 256;
/// And their bytes: what each thread holds back, beside the row that goes beyond it.
const CHUNK_BYTES: usize = 1 << 20;

/// What all threads of a walk share.
pub(super) struct Walk<'a> {
    pub(super) request: &'a Request<'a>,
    pub(super) root: Root,
    pub(super) scope: Scope<'a>,
    pub(super) queue: Queue,
    pub(super) found: Found,
    pub(super) sink: Sink<'a>,
    pub(super) stop: &'a AtomicBool,
}

/// One thread of it.
pub(super) struct Walker<'a> {
    walk: &'a Walk<'a>,
    listing: Listing,
    chunk: Vec<(RelPath, Option<Vec<u8>>)>,
    chunk_bytes: usize,
    /// The chunk has in it that rows go.
    rows_go: bool,
}

/// How a directory compares with its row.
struct Compared {
    /// It is not as its row says, or has none.
    changed: bool,
    /// It is itself as its row says, whatever is in it.
    own_known: bool,
}

impl<'a> Walker<'a> {
    /// A thread that has read nothing.
    pub(super) fn new(walk: &'a Walk<'a>) -> Walker<'a> {
        Walker {
            walk,
            listing: Listing::new(),
            chunk: Vec::new(),
            chunk_bytes: 0,
            rows_go: false,
        }
    }

    /// Reads directories until there are no more.
    pub(super) fn run(&mut self) {
        while let Some(turn) = self.walk.queue.next() {
            if self.walk.stop.load(Ordering::Relaxed) {
                self.walk.queue.stop();
                return;
            }
            self.visit(&turn);
        }
        self.flush();
    }

    fn visit(&mut self, turn: &Turn) {
        let walk = self.walk;
        let path = &turn.task.path;
        // Before the directory is opened: what changes from here on is young.
        let moment = Moment::of((walk.request.now)());
        let directory = match walk.root.open(path, OFlags::RDONLY) {
            Ok(directory) => directory,
            Err(Look::Gone) => return self.gone(path),
            Err(Look::Unreadable) => return self.unreadable(path),
        };
        let reading = Reading {
            directory,
            path,
            verdict: turn.task.verdict,
            moment,
            scope: &walk.scope,
            stop: walk.stop,
        };
        let read = self.listing.read(&reading);
        drop(reading);
        match read {
            Ok(()) => {}
            Err(Unlisted::Unreadable) => return self.unreadable(path),
            Err(Unlisted::Outside) => return self.emit(path.clone(), None),
            Err(Unlisted::Stopped) => return walk.queue.stop(),
        }
        if self.listing.young {
            walk.found.young(path.clone());
        }
        let seen = self.compare(&turn.task);
        let survey = walk.request.survey;
        if !survey.compare {
            self.listing.distrust(path, seen.own_known, &survey.told);
        }
        if seen.changed || !survey.compare {
            self.emit(path.clone(), Some(self.listing.row.clone()));
        }
        if self.rows_go {
            // Others may read the directories below from here on.
            self.flush();
        }
        turn.bring(self.below(&turn.task));
    }

    /// Holds what was read against its row.
    fn compare(&mut self, task: &Task) -> Compared {
        let another = Compared {
            changed: true,
            own_known: false,
        };
        let Some(base) = self.walk.request.base.filter(|_| task.known) else {
            return another;
        };
        let before = base.row(&task.path);
        if before.as_ref() == Some(&self.listing.row) && is_settled(&self.listing.row) {
            for entry in &mut self.listing.entries {
                entry.known = true;
            }
            return Compared {
                changed: false,
                own_known: true,
            };
        }
        let row = before.as_deref().and_then(Row::read);
        let now = self.listing.own;
        let Some((row, own)) = row.and_then(|row| Some((row, compare::own(row.own, now)?))) else {
            // Without a row nothing is known of what the target has there: what lies below may be as old as it likes,
            // with the same size and time, so it is not trusted.
            let whole = Dirt::SUBTREE | Dirt::CONTENT;
            let dirt = row.map_or(whole, |row| compare::replaced(row.own, now));
            self.mark(&task.path, dirt);
            self.emit(task.path.clone(), None);
            return another;
        };
        if !own.is_empty() {
            self.mark(&task.path, own);
        }
        let (walk, mut gone) = (self.walk, Vec::new());
        compare::names(&row, &mut self.listing, |difference| {
            let path = task.path.join(difference.name);
            if difference.rows_go {
                gone.push(path.clone());
            }
            if walk.request.survey.compare {
                walk.found.mark(path, difference.dirt);
            }
        });
        for path in gone {
            self.emit(path, None);
        }
        Compared {
            changed: true,
            own_known: own.is_empty(),
        }
    }

    /// The directories in the one that was read, so far as they are to be read.
    fn below(&self, task: &Task) -> Children {
        let mut children = Children::new(&task.path);
        let comparing = self.walk.request.survey.compare;
        let wanted = |entry: &&Entry| {
            entry.facts.kind == Kind::Directory
                // What is new has no rows yet, and only a comparison knows what is new.
                && (task.recurse || comparing && !entry.known)
        };
        for entry in self.listing.entries.iter().filter(wanted) {
            children.add(self.listing.name(entry), entry.verdict, entry.known);
        }
        children
    }

    /// It went since its name was read, or it is a place where nothing is any more.
    fn gone(&mut self, path: &RelPath) {
        self.emit(path.clone(), None);
        if let Some(parent) = path.parent() {
            self.walk.found.young(parent);
        }
    }

    /// What it has is not known, nor what the target should have.
    fn unreadable(&mut self, path: &RelPath) {
        self.mark(path, Dirt::SUBTREE);
        self.emit(path.clone(), None);
    }

    fn mark(&self, path: &RelPath, dirt: Dirt) {
        if self.walk.request.survey.compare {
            self.walk.found.mark(path.clone(), dirt);
        }
    }

    fn emit(&mut self, path: RelPath, row: Option<Vec<u8>>) {
        self.rows_go |= row.is_none();
        self.chunk_bytes += path.as_bytes().len() + row.as_ref().map_or(0, Vec::len);
        self.chunk.push((path, row));
        if self.chunk.len() >= CHUNK_ROWS || self.chunk_bytes >= CHUNK_BYTES {
            self.flush();
        }
    }

    fn flush(&mut self) {
        self.chunk_bytes = 0;
        self.rows_go = false;
        if !self.chunk.is_empty() {
            (self.walk.sink)(std::mem::take(&mut self.chunk));
        }
    }
}
