//! One tree under watch: raw events become marks, and every directory in scope has its watch.
//!
//! Invariants:
//! - A directory is listed after its watch exists (or its links are counted, see `disk::Open::list`), and whatever is found in it is placed in the same way, before the
//!   `SUBTREE` mark on the topmost new directory is made: what happened before is covered by that mark, what happens
//!   later by events.
//! - An event is a hint that a path is to be looked at. Only the *structure* (which directory has a watch) is acted on,
//!   and then what is on disk now decides, never what the event says.
//! - A backend by path may end the watches at and below a path whenever it tells that the path was deleted or renamed
//!   away, be that event ever so old. So after each such event the directories known there are forgotten, and what is
//!   there now is placed afresh. With a backend that follows, the watches that are forgotten are ended here; only a rename
//!   of which both halves are told keeps them (`rename` says when and why it may).
//! - With a backend that follows, a directory hangs under its parent's *inode*: it is opened in the directory that the
//!   parent was when it was placed, never in another one that has taken its path (`place`).
//!
//! The tree does no waiting and knows no clock; the worker calls it.

use std::collections::{HashMap, VecDeque};

use super::backend::{At, Backend, Placed, RawEvent, RawKind};
use super::directories::Directories;
use super::disk::{Disk, Open};
use super::marks::Marks;
use super::rescope::Rewalk;
use super::scope::Scope;
use crate::engine::{Dirt, RelPath};

/// A directory that lies differently since a mount changed is placed anew on its own if no more than this are below it.
/// To end single watches costs notify a look at all of them.
const UNWATCH_MAX: usize = 256;

/// What the worker must do about the whole tree.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub(crate) enum Whole {
    /// Nothing.
    #[default]
    Stands,
    /// The root was renamed: see whether another one is at its path.
    Suspect,
    /// The root was removed or unmounted: what is at its path now is another one, even under the same number.
    Replaced,
    /// The watches are void, for this reason: all are to be placed anew.
    Void(&'static str),
}

/// A new directory and what is below it, on the way to being watched.
#[derive(Debug)]
pub(super) struct Group {
    number: u64,
    pub(super) top: RelPath,
    /// What is marked on `top` once everything is placed.
    dirt: Dirt,
    pub(super) pending: Vec<RelPath>,
    /// What is held against a new filter.
    pub(super) rewalk: Option<Rewalk>,
}

/// One tree under watch.
#[derive(Debug)]
pub(crate) struct Tree {
    pub(super) disk: Disk,
    pub(super) scope: Scope,
    pub(super) directories: Directories,
    pub(super) marks: Marks,
    pub(super) losses: Losses,
    /// By device: whether its file system changes without this kernel's doing.
    pub(super) doubted: HashMap<u64, bool>,
    /// The directory in which something was placed last, open while a round of placing lasts.
    pub(super) reached: Option<(RelPath, Open)>,
    pub(super) groups: VecDeque<Group>,
    last_group: u64,
    whole: Whole,
}

/// Why some directories are not watched, for people.
#[derive(Debug, Default)]
pub(super) struct Losses {
    pub(super) reasons: Vec<String>,
    /// The limit is told once, until nothing is unwatched any more.
    pub(super) limit_told: bool,
    /// The limit was met in this round: no use in asking for more watches.
    pub(super) limit_met: bool,
}

impl Tree {
    /// A tree of which nothing is watched yet; `dirt` is marked on its root once everything is.
    pub(crate) fn new(disk: Disk, scope: Scope, dirt: Dirt) -> Tree {
        let mut tree = Tree {
            disk,
            scope,
            directories: Directories::default(),
            marks: Marks::default(),
            losses: Losses::default(),
            doubted: HashMap::new(),
            reached: None,
            groups: VecDeque::new(),
            last_group: 0,
            whole: Whole::Stands,
        };
        tree.start(RelPath::root(), dirt, vec![RelPath::root()]);
        tree
    }

    /// Takes in one event.
    pub(crate) fn event(&mut self, backend: &mut dyn Backend, event: &RawEvent) {
        let Some(path) = self.place_of(&event.at) else {
            return;
        };
        let on = self.scope.events;
        if path.is_root() {
            match event.kind {
                RawKind::Attributes if on.attrib => self.marks.add(path, Dirt::ATTRIBUTES),
                RawKind::SelfMoved => self.whole = Whole::Suspect,
                RawKind::Deleted { .. } | RawKind::Unmounted | RawKind::MovedFrom(_) => {
                    self.whole = Whole::Replaced;
                }
                _ => {}
            }
            return;
        }
        self.explain(&path, &event.kind);
        match event.kind {
            RawKind::Created { directory: false } => {
                self.parent_changed(&path);
                self.mark_file(path, on.create, Dirt::CONTENT);
            }
            RawKind::Created { directory: true } => {
                self.parent_changed(&path);
                self.arrived(path, Dirt::none());
            }
            RawKind::MovedTo(half) => {
                self.parent_changed(&path);
                let directory = half
                    .directory
                    .map_or_else(|| self.disk.is_directory(&path), Some);
                match directory {
                    Some(true) => self.arrived(path, Dirt::GONE),
                    _ => self.mark_file(path, on.moved_to, Dirt::CONTENT | Dirt::GONE),
                }
            }
            RawKind::Written => self.mark_file(path, on.close_write, Dirt::CONTENT),
            RawKind::Modified => self.mark_file(path, on.modify, Dirt::CONTENT),
            RawKind::Attributes => self.attributes_changed(path),
            RawKind::MovedFrom(_) => {
                self.parent_changed(&path);
                // Whether it was a directory does not count: a file of that name may have stood on the targets before.
                self.left(backend, path, on.moved_from, false);
            }
            RawKind::Deleted { directory } => {
                self.parent_changed(&path);
                self.left(backend, path, on.delete, directory);
            }
            RawKind::Unmounted => self.left(backend, path, false, true),
            RawKind::SelfMoved => self.self_moved(backend, path),
        }
    }

    /// A directory was renamed. Usually that was told already, by its parent, and it stands at its new place.
    fn self_moved(&mut self, backend: &mut dyn Backend, path: RelPath) {
        let parent = path
            .parent()
            .and_then(|parent| self.directories.get(&parent));
        if backend.follows() && parent.is_some_and(|parent| parent.watch.is_some()) {
            return; // it stood in the queue before this
        }
        let known = self.directories.get(&path).map(|known| known.identity);
        if known.is_some() && self.disk.identity(&path).ok() != known {
            self.left(backend, path, self.scope.events.moved_from, true);
        }
    }

    /// Where in the tree something happened; `None` if it is not in the tree (any more).
    pub(super) fn place_of(&self, at: &At) -> Option<RelPath> {
        match at {
            At::Path(path) => RelPath::below(self.disk.root(), path),
            At::Entry(watch, name) => {
                let directory = self.directories.with_watch(*watch)?;
                Some(match name.is_empty() {
                    true => directory,
                    false => directory.join(name),
                })
            }
        }
    }

    /// The mount at `path` came, went or changed: no event tells that. Ends watches that stand on what is covered now.
    pub(crate) fn mount_changed(&mut self, backend: &mut dyn Backend, path: &RelPath) {
        let in_scope = path
            .parent()
            .is_some_and(|parent| self.directories.get(&parent).is_some());
        if !in_scope || !self.scope.wants(path, true) {
            return;
        }
        let known = self
            .directories
            .get(path)
            .map(|directory| directory.identity);
        if known.is_some() && self.disk.identity(path).ok() == known {
            return;
        }
        if !backend.follows() && self.directories.count(path, UNWATCH_MAX + 1) > UNWATCH_MAX {
            self.whole = Whole::Void("a mount below the source came or went");
            return;
        }
        self.forget(backend, path);
        self.start(
            path.clone(),
            Dirt::SUBTREE | Dirt::CONTENT,
            vec![path.clone()],
        );
    }

    /// Places at most `steps` directories that wait for it.
    pub(crate) fn place(&mut self, backend: &mut dyn Backend, steps: usize) {
        for _ in 0..steps {
            if !self.place_next(backend) {
                break;
            }
        }
        self.reached = None;
    }

    /// Places one directory, or marks a group that is placed; false if nothing waits.
    fn place_next(&mut self, backend: &mut dyn Backend) -> bool {
        let Some(group) = self.groups.front_mut() else {
            return false;
        };
        let Some(path) = group.pending.pop() else {
            if self.rewalk(backend) {
                return true;
            }
            let done = self.groups.pop_front().expect("its front was looked at");
            if self.scope.wants(&done.top, true) {
                self.marks.add(done.top, done.dirt);
            }
            return true;
        };
        let children = self.place_one(backend, &path);
        if let Some(group) = self.groups.front_mut() {
            group.pending.extend(children);
        }
        true
    }

    /// Whether everything that was known to need a watch when the last group was `number` has been placed, and marked.
    pub(crate) fn is_settled(&self, number: u64) -> bool {
        self.groups
            .front()
            .is_none_or(|group| group.number > number)
    }

    /// The youngest group's number.
    pub(crate) fn last_group(&self) -> u64 {
        self.last_group
    }

    /// What must be done about the whole tree; asked once.
    pub(crate) fn take_whole(&mut self) -> Whole {
        std::mem::take(&mut self.whole)
    }

    /// Why directories are not watched, since it was last asked.
    pub(crate) fn take_losses(&mut self) -> Vec<String> {
        std::mem::take(&mut self.losses.reasons)
    }

    /// How many directories are watched, and how many are polled instead.
    pub(crate) fn counts(&self) -> (u64, u64) {
        (self.directories.watched(), self.directories.unwatched())
    }

    /// How many directories are polled although they are watched.
    pub(crate) fn doubted(&self) -> u64 {
        self.directories.doubted()
    }

    /// Whether the limit of watches was met since the last round of polling began.
    pub(crate) fn met_limit(&self) -> bool {
        self.losses.limit_met
    }

    /// The marks that wait to be told.
    pub(crate) fn marks(&mut self) -> &mut Marks {
        &mut self.marks
    }

    /// Begins to place `pending`; `dirt` is marked on `top` afterwards.
    pub(super) fn start(&mut self, top: RelPath, dirt: Dirt, pending: Vec<RelPath>) {
        self.last_group += 1;
        self.groups.push_back(Group {
            number: self.last_group,
            top,
            dirt,
            pending,
            rewalk: None,
        });
    }

    /// Something vanished, or what was known at `path` is void. What is there now is placed afresh.
    pub(super) fn left(
        &mut self,
        backend: &mut dyn Backend,
        path: RelPath,
        tell: bool,
        was_directory: bool,
    ) {
        let known = match backend.follows() {
            true => self.forget(backend, &path),
            false => self.directories.remove(&path, |_| ()), // the backend has ended their watches, or will
        };
        if tell && self.scope.wants(&path, known || was_directory) {
            self.marks.add(path.clone(), Dirt::CONTENT | Dirt::GONE);
        }
        if known {
            self.arrived(path, Dirt::none());
        }
    }

    /// Ends the watches at and below `path`, and forgets the directories; whether there were any.
    pub(super) fn forget(&mut self, backend: &mut dyn Backend, path: &RelPath) -> bool {
        if !backend.follows() {
            for path in self.directories.paths(path) {
                if self
                    .directories
                    .get(&path)
                    .is_some_and(|known| known.watch.is_some())
                {
                    backend.unwatch(Placed::Under(&path.under(self.disk.root())));
                }
            }
        }
        let numbered = backend.follows();
        self.directories.remove(path, |watch| {
            if numbered {
                backend.unwatch(Placed::Number(watch));
            }
        })
    }

    /// A directory came to be at `path`, if it is still there.
    pub(super) fn arrived(&mut self, path: RelPath, dirt: Dirt) {
        if !self.scope.wants(&path, true) {
            return;
        }
        let Some(found) = self.disk.presence(&path) else {
            return self.missed(&path);
        };
        if self
            .directories
            .get(&path)
            .is_some_and(|known| Some(known.identity) == found)
        {
            self.marks.add(path, Dirt::ATTRIBUTES | dirt); // found and placed when its parent was listed
        } else {
            self.start(
                path.clone(),
                Dirt::SUBTREE | Dirt::CONTENT | dirt,
                vec![path],
            );
        }
    }

    /// There is no directory at `path`. A later event says what became of it; if it is the rename of a directory above,
    /// that one will have to be looked into again.
    pub(super) fn missed(&mut self, path: &RelPath) {
        if let Some(parent) = path.parent() {
            self.directories.set_loose(&parent);
        }
    }

    /// A name came into or went out of the parent: its times changed, also if the name itself is excluded.
    pub(super) fn parent_changed(&mut self, path: &RelPath) {
        if let Some(parent) = path.parent()
            && (self.directories.get(&parent).is_some() || self.scope.wants(&parent, true))
        {
            self.marks.add(parent, Dirt::ATTRIBUTES);
        }
    }

    fn mark_file(&mut self, path: RelPath, tell: bool, dirt: Dirt) {
        if tell && self.scope.wants(&path, false) {
            self.marks.add(path, dirt);
        }
    }

    fn attributes_changed(&mut self, path: RelPath) {
        if !self.scope.events.attrib {
            return;
        }
        let (as_file, as_directory) = (
            self.scope.wants(&path, false),
            self.scope.wants(&path, true),
        );
        let wanted = match as_file == as_directory {
            true => as_file,
            false if self.directories.get(&path).is_some() => as_directory,
            false if self.disk.is_directory(&path) == Some(true) => as_directory,
            false => as_file,
        };
        if wanted {
            self.marks.add(path, Dirt::ATTRIBUTES);
        }
    }
}
