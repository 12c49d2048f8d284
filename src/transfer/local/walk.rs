//! Reconciling directories with everything below them, or one alone.
//!
//! Both sides are listed one directory at a time, by as many threads as there is work and room for ([`Crew`]); nothing of
//! the tree is kept but the way to what is still to be done. A directory's own attributes come last, once, when everything
//! in it is done.

use std::ops::Range;
use std::sync::Arc;

use super::crew::{Below, Crew, Node, Opened, Step, pieces};
use super::fault::{Stop, at_source, at_target, words};
use super::leaf::Pair;
use super::meta::Kind;
use super::place::remove_leftovers;
use super::session::Session;
use super::tree::{For, Listing};
use crate::engine::RelPath;
use crate::filter::Verdict;
use crate::transfer::temporary::is_temporary;

impl Session<'_> {
    /// Brings `tops`, which the target has and of which none lies in another, and everything below them in step; deletes
    /// nothing.
    pub(super) fn reconcile(&self, tops: Vec<RelPath>, trust: bool) -> Result<(), Stop> {
        let tops = tops.into_iter().map(|top| {
            let verdict = self.filter.decide(top.as_bytes(), true).verdict;
            (top, verdict)
        });
        Crew::new(tops).run(&|crew, step| {
            self.check()?;
            match step {
                Step::Enter {
                    path,
                    verdict,
                    above,
                } => self.enter(crew, Node::new(path, above, 1), verdict, trust),
                Step::Names {
                    node,
                    opened,
                    names,
                } => self.piece(crew, node, &opened, names, trust),
            }
        })
    }

    /// Brings `path`, which the target has, and the names directly in it in step: of the directories among them only their
    /// own attributes. Deletes nothing.
    pub(super) fn reconcile_listing(&self, path: &RelPath) -> Result<(), Stop> {
        let verdict = self.filter.decide(path.as_bytes(), true).verdict;
        let below = match self.look_in(path, verdict)? {
            Some(opened) => self.names(path, &opened, 0..opened.ours.names.len(), true)?,
            None => Below::new(),
        };
        self.progress.add_files(1 + below.len() as u64);
        // What is sent into them by other entries comes first: they are settled at the end.
        self.settle_later([path.clone()]);
        self.settle_later(below.into_iter().map(|(name, _)| path.join(&name)));
        Ok(())
    }

    /// Enters a directory of a walk.
    fn enter(
        &self,
        crew: &Crew,
        node: Arc<Node>,
        verdict: Verdict,
        trust: bool,
    ) -> Result<(), Stop> {
        let opened = self.look_in(&node.path, verdict)?;
        self.progress.add_files(1);
        let Some(opened) = opened else {
            return self.leave(node);
        };
        let pieces = pieces(opened.ours.names.len());
        if let [names] = &pieces[..] {
            return self.piece(crew, node, &opened, names.clone(), trust);
        }
        let node = Node::new(node.path.clone(), node.above.clone(), pieces.len());
        crew.put_pieces(&node, &Arc::new(opened), pieces.into_iter());
        Ok(())
    }

    /// Does a piece of an entered directory.
    fn piece(
        &self,
        crew: &Crew,
        node: Arc<Node>,
        opened: &Opened,
        names: Range<usize>,
        trust: bool,
    ) -> Result<(), Stop> {
        let below = self.names(&node.path, opened, names, trust)?;
        crew.put_below(&node, below);
        self.leave(node)
    }

    /// Something in a directory is done. Where that was the last of it, the directory is settled, and done in the one
    /// above it.
    fn leave(&self, mut node: Arc<Node>) -> Result<(), Stop> {
        while node.close_one() {
            self.settle_now(&node.path)?;
            match &node.above {
                Some(above) => node = Arc::clone(above),
                None => break,
            }
        }
        Ok(())
    }

    /// Opens and lists a directory on both sides; `None`: it is not gone through, and why is written down.
    fn look_in(&self, path: &RelPath, verdict: Verdict) -> Result<Option<Opened>, Stop> {
        let opened = self
            .source
            .dir(path, For::Listing)
            .and_then(|dir| Ok((dir.meta()?, dir)));
        let opened = opened.map_err(|error| at_source("opening a directory of", error));
        let Some((meta, source)) = self.record(path, opened)? else {
            return Ok(None);
        };
        if self.is_foreign(&meta) {
            return Ok(None);
        }
        if meta.id == self.target.id {
            self.report.failed(
                path,
                "the target itself lies here in the source: exclude it".into(),
            );
            return Ok(None);
        }
        let opened = self
            .open_target(path, For::Listing)
            .and_then(|dir| Ok((dir.meta()?, dir)));
        let opened = opened.map_err(|error| at_target("opening a directory of", error));
        let Some((there, target)) = self.record(path, opened)? else {
            return Ok(None);
        };
        self.not_the_source(path, &there)?;

        let ours = source.list();
        if let Some(error) = ours.error {
            self.report
                .failed(path, format!("listing the source: {}", words(error)));
        }
        let theirs = target.list();
        if let Some(error) = theirs.error {
            self.report
                .failed(path, format!("listing the target: {}", words(error)));
        }
        remove_leftovers(&target, &theirs);
        self.expect(ours.names.len() as u64);
        Ok(Some(Opened {
            pair: Pair { source, target },
            ours,
            theirs,
            verdict,
        }))
    }

    /// Brings some names of a directory in step; gives the directories among them.
    fn names(
        &self,
        path: &RelPath,
        opened: &Opened,
        names: Range<usize>,
        trust: bool,
    ) -> Result<Below, Stop> {
        let Opened {
            pair,
            ours,
            theirs,
            verdict,
        } = opened;
        let mut below = Below::new();
        let names = ours.names[names].iter();
        for name in names.filter(|name| !is_temporary(&name.bytes)) {
            let child = path.join(&name.bytes);
            let kind = pair
                .source
                .kind(name)
                .map_err(|error| at_source("looking at", error));
            let Some(kind) = self.record(&child, kind)? else {
                continue;
            };
            let Some(kind) = kind else {
                self.report.again(&child);
                continue;
            };
            let is_dir = kind == Kind::Dir;
            let verdict = self
                .filter
                .decide_child(*verdict, child.as_bytes(), is_dir)
                .verdict;
            if verdict == Verdict::Excluded {
                self.progress.add_files(1);
                continue;
            }
            if !is_dir {
                self.check()?;
                let absent = theirs.error.is_none() && theirs.find(&name.bytes).is_none();
                self.leaf(pair, &child, trust, absent)?;
            } else if self.has_dir(pair, theirs, &child)? {
                below.push_back((name.bytes.clone(), verdict));
            }
        }
        Ok(below)
    }

    /// Whether the target has the directory by now: it is made where it is missing.
    fn has_dir(&self, pair: &Pair, theirs: &Listing, path: &RelPath) -> Result<bool, Stop> {
        if theirs
            .find(path.name())
            .is_some_and(|name| name.kind == Some(Kind::Dir))
        {
            return Ok(true);
        }
        let made = pair
            .target
            .look(path.name())
            .map_err(|error| at_target("looking at", error));
        let made = made.and_then(|there| match there {
            Some(there) if there.is_dir() => Ok(()),
            there => self.make_dir(&pair.target, path, there.as_ref()),
        });
        Ok(self.record(path, made)?.is_some())
    }

    /// Whether a directory of the source lies on another file system than the root, and the route stays on one.
    pub(super) fn is_foreign(&self, meta: &super::meta::Meta) -> bool {
        self.job.source.one_file_system && meta.id.0 != self.source.id.0
    }
}
