//! What would leave the target, listed before anything is touched.
//!
//! Invariant (G2): a path is listed only if the source directory that should hold it was read to its end without an
//! error and has it not, and no filter protects it or anything in it. A directory that could not be read suspends the
//! deletions in it and below it, and nowhere else.

use std::collections::HashSet;
use std::sync::Arc;

use rustix::io::Errno;

use super::doomed::Doomed;
use super::fault::{Fault, Stop, at_target, vanished, words};
use super::meta::{Kind, Meta};
use super::session::Session;
use super::tree::For;
use crate::engine::guard::{self, DeleteCase, DeleteRefusal};
use crate::engine::{Deletions, Hold, RelPath, Verdict as End};
use crate::filter::Verdict;
use crate::plan::DeletePolicy;
use crate::transfer::batch::{Act, Batch, Entry};
use crate::transfer::temporary::is_temporary;

/// What a directory of the target holds.
struct Content {
    /// Everything in it that may go, below it at any depth.
    paths: Vec<RelPath>,
    /// Directories that stay, since something in them stays; the top one among them, if so.
    kept: HashSet<RelPath>,
}

impl Session<'_> {
    /// Lists what the batch would delete and asks the guard; a refusal ends the run.
    pub(super) fn survey(&mut self, batch: &Batch) -> Result<(), Stop> {
        let mut doomed = Vec::new();
        for Entry { path, act } in &batch.entries {
            self.check()?;
            match *act {
                Act::Remove => self.survey_removed(path, &mut doomed)?,
                Act::Send | Act::Attributes => self.survey_replaced(path, &mut doomed)?,
                Act::Reconcile { delete, .. } if delete || self.may_replace() => {
                    self.survey_tree(path, delete, &mut doomed)?;
                }
                Act::Reconcile { .. } => {}
                Act::Listing => {
                    let verdict = self.filter.decide(path.as_bytes(), true).verdict;
                    self.survey_directory(path, verdict, true, &mut doomed)?;
                }
            }
        }
        doomed.sort_unstable();
        doomed.dedup();
        if doomed.is_empty() {
            return Ok(());
        }
        let target_entries = match self.job.deletes.target_entries {
            Some(entries) => entries,
            None => self.count_target()?,
        };
        let case = DeleteCase {
            route: &self.job.route,
            source: &self.job.source,
            leave: &self.job.deletes,
            source_empty: self.source_is_empty(),
            target_entries,
        };
        match guard::deletions(case, &Deletions::of(&doomed)) {
            Ok(()) => {}
            Err(DeleteRefusal::Budget(plan)) => return Err(held(Hold::Deletes(Arc::clone(&plan)))),
            Err(DeleteRefusal::Empty(refusal)) => return Err(held(Hold::Guard(refusal))),
        }
        self.settle_later(doomed.iter().filter_map(RelPath::parent));
        self.doomed = Doomed::new(doomed);
        Ok(())
    }

    /// Whether a directory with content may make room for a file.
    fn may_replace(&self) -> bool {
        match self.policy() {
            DeletePolicy::Mirror => true,
            DeletePolicy::Propagate => self.from_marks,
            DeletePolicy::Never => false,
        }
    }

    /// A path that the batch says is gone from the source.
    fn survey_removed(&self, path: &RelPath, doomed: &mut Vec<RelPath>) -> Result<(), Stop> {
        match self.source_has(path) {
            Ok(true) => {
                self.report.again(path);
                Ok(())
            }
            Ok(false) => self.doom(path, doomed),
            Err(error) => {
                self.report.failed(
                    path,
                    format!("looking for it in the source: {}", words(error)),
                );
                Ok(())
            }
        }
    }

    /// A path that the batch says is a file: it may be in the way of itself.
    fn survey_replaced(&self, path: &RelPath, doomed: &mut Vec<RelPath>) -> Result<(), Stop> {
        let Some(parent) = path.parent() else {
            return Ok(());
        };
        if !self.may_replace() {
            return Ok(());
        }
        let Ok(dir) = self.target.dir(&parent, For::Reach) else {
            return Ok(());
        };
        let Ok(Some(there)) = dir.look(path.name()) else {
            return Ok(());
        };
        let plain = self.keep.carries(Kind::Symlink) && self.keep.carries(Kind::Fifo);
        if !there.is_dir() && plain {
            return Ok(());
        }
        let look = self
            .source
            .dir(&parent, For::Reach)
            .and_then(|dir| dir.look(path.name()));
        match look {
            Ok(Some(source)) if source.is_dir() => Ok(()),
            Ok(Some(source)) if !self.keep.carries(source.kind) => self.doom(path, doomed),
            Ok(Some(_)) if there.is_dir() => self.doom_inside(path, doomed),
            _ => Ok(()),
        }
    }

    /// A directory with everything below it. Without `delete` only what is in the way is listed.
    fn survey_tree(
        &self,
        top: &RelPath,
        delete: bool,
        doomed: &mut Vec<RelPath>,
    ) -> Result<(), Stop> {
        let mut dirs = vec![(
            top.clone(),
            self.filter.decide(top.as_bytes(), true).verdict,
        )];
        while let Some((path, verdict)) = dirs.pop() {
            dirs.extend(self.survey_directory(&path, verdict, delete, doomed)?);
        }
        Ok(())
    }

    /// The names directly in a directory; gives the directories that both sides have.
    fn survey_directory(
        &self,
        path: &RelPath,
        verdict: Verdict,
        delete: bool,
        doomed: &mut Vec<RelPath>,
    ) -> Result<Vec<(RelPath, Verdict)>, Stop> {
        self.check()?;
        let mut below = Vec::new();
        // Errors are told by the walk that follows; here they only mean that nothing is deleted below.
        let Ok(source) = self.source.dir(path, For::Listing) else {
            return Ok(below);
        };
        let Ok(target) = self.target.dir(path, For::Listing) else {
            return Ok(below);
        };
        let (Ok(meta), Ok(there)) = (source.meta(), target.meta()) else {
            return Ok(below);
        };
        self.not_the_source(path, &there)?;
        if self.is_foreign(&meta) || meta.id == self.target.id {
            return Ok(below);
        }
        let ours = source.list();
        let theirs = target.list();
        if ours.error.is_some() {
            return Ok(below);
        }
        for name in theirs
            .names
            .iter()
            .filter(|name| !is_temporary(&name.bytes))
        {
            let child = path.join(&name.bytes);
            let Ok(Some(kind)) = target.kind(name) else {
                continue;
            };
            let there = self
                .filter
                .decide_child(verdict, child.as_bytes(), kind == Kind::Dir)
                .verdict;
            if there == Verdict::Excluded {
                continue;
            }
            let counterpart = match ours.find(&name.bytes).map(|name| source.kind(name)) {
                None | Some(Ok(None)) => None,
                Some(Ok(Some(kind))) => Some(kind),
                Some(Err(_)) => continue,
            };
            let counterpart = counterpart
                .filter(|kind| self.keep.carries(*kind))
                .map(|kind| {
                    (
                        kind,
                        self.filter
                            .decide_child(verdict, child.as_bytes(), kind == Kind::Dir)
                            .verdict,
                    )
                });
            match counterpart {
                None | Some((_, Verdict::Excluded)) if delete => self.doom(&child, doomed)?,
                None | Some((_, Verdict::Excluded)) => {}
                Some((Kind::Dir, verdict)) if kind == Kind::Dir => below.push((child, verdict)),
                Some((Kind::Dir, _)) => {}
                Some(_) if kind == Kind::Dir => self.doom_inside(&child, doomed)?,
                Some(_) => {}
            }
        }
        Ok(below)
    }

    /// Lists a path of the target and what is in it, as far as nothing protects it.
    fn doom(&self, path: &RelPath, doomed: &mut Vec<RelPath>) -> Result<(), Stop> {
        let Some(parent) = path.parent() else {
            return Ok(());
        };
        let look = match self
            .target
            .dir(&parent, For::Reach)
            .and_then(|dir| dir.look(path.name()))
        {
            Err(error) if vanished(error) => Ok(None),
            look => look.map_err(|error| at_target("looking at", error)),
        };
        let Some(Some(there)) = self.record(path, look)? else {
            return Ok(());
        };
        if self.filter.decide(path.as_bytes(), there.is_dir()).verdict == Verdict::Excluded {
            return Ok(());
        }
        if there.is_dir() {
            let Content { paths, kept } = self.content(path)?;
            doomed.extend(paths);
            if kept.contains(path) {
                return Ok(());
            }
        }
        doomed.push(path.clone());
        Ok(())
    }

    /// Lists what is in a directory of the target that shall make room; nothing, if something in it has to stay.
    fn doom_inside(&self, path: &RelPath, doomed: &mut Vec<RelPath>) -> Result<(), Stop> {
        let Content { paths, kept } = self.content(path)?;
        if kept.is_empty() {
            doomed.extend(paths);
        }
        Ok(())
    }

    /// What is in a directory of the target.
    fn content(&self, top: &RelPath) -> Result<Content, Stop> {
        let mut content = Content {
            paths: Vec::new(),
            kept: HashSet::new(),
        };
        let mut dirs = vec![(
            top.clone(),
            self.filter.decide(top.as_bytes(), true).verdict,
        )];
        while let Some((path, verdict)) = dirs.pop() {
            self.check()?;
            let opened = self
                .target
                .dir(&path, For::Listing)
                .and_then(|dir| Ok((dir.meta()?, dir)));
            let (meta, dir) = match opened {
                Ok(opened) => opened,
                Err(error) if vanished(error) => continue,
                Err(error) => {
                    content.keep(&path, top);
                    let fault = at_target("opening a directory of", error);
                    self.record(&path, Err::<(), Fault>(fault))?;
                    continue;
                }
            };
            self.not_the_source(&path, &meta)?;
            if self.job.source.one_file_system && meta.id.0 != self.target.id.0 {
                content.keep(&path, top);
                self.report
                    .note(&path, "kept: another file system is mounted here".into());
                continue;
            }
            let listing = dir.list();
            if let Some(error) = listing.error {
                content.keep(&path, top);
                self.record(&path, Err::<(), Fault>(at_target("listing", error)))?;
            }
            let mut protected = false;
            for name in &listing.names {
                let child = path.join(&name.bytes);
                if is_temporary(&name.bytes) {
                    content.paths.push(child);
                    continue;
                }
                let Ok(Some(kind)) = dir.kind(name) else {
                    continue;
                };
                let is_dir = kind == Kind::Dir;
                let verdict = self
                    .filter
                    .decide_child(verdict, child.as_bytes(), is_dir)
                    .verdict;
                if verdict == Verdict::Excluded {
                    protected = true;
                    continue;
                }
                if is_dir {
                    dirs.push((child.clone(), verdict));
                }
                content.paths.push(child);
            }
            if protected {
                content.keep(&path, top);
                self.report
                    .note(&path, "kept: it holds excluded entries".into());
            }
        }
        content.paths.retain(|path| !content.kept.contains(path));
        Ok(content)
    }

    /// Ends the run if a directory of the target is the source itself: names may hide that (bind mounts, symlinks above
    /// the roots), and a mirror would empty it.
    pub(super) fn not_the_source(&self, path: &RelPath, there: &Meta) -> Result<(), Stop> {
        if there.id != self.source.id {
            return Ok(());
        }
        let message =
            format!("the source lies inside the target, at `{path}`: name another target");
        Err(Stop::permanent("usage", message))
    }

    /// Whether the source has a path, in a form that the route carries.
    pub(super) fn source_has(&self, path: &RelPath) -> Result<bool, Errno> {
        let Some(parent) = path.parent() else {
            return Ok(true);
        };
        let look = match self
            .source
            .dir(&parent, For::Reach)
            .and_then(|dir| dir.look(path.name()))
        {
            Err(error) if vanished(error) => None,
            look => look?,
        };
        Ok(look.is_some_and(|meta| {
            self.keep.carries(meta.kind)
                && self.filter.decide(path.as_bytes(), meta.is_dir()).verdict != Verdict::Excluded
        }))
    }

    /// Whether the source's root has no entry that belongs to the route. A root that cannot be read counts as empty:
    /// then the guard speaks up.
    fn source_is_empty(&self) -> bool {
        let Ok(root) = self.source.dir(&RelPath::root(), For::Listing) else {
            return true;
        };
        let listing = root.list();
        !listing.names.iter().any(|name| {
            !is_temporary(&name.bytes)
                && matches!(root.kind(name), Ok(Some(kind)) if self.filter
                    .decide(&name.bytes, kind == Kind::Dir)
                    .verdict
                    != Verdict::Excluded)
        })
    }

    /// Counts the entries of the target that belong to the route.
    pub(super) fn count_target(&self) -> Result<u64, Stop> {
        let mut count = 0;
        let mut dirs = vec![(RelPath::root(), Verdict::Included)];
        while let Some((path, verdict)) = dirs.pop() {
            self.check()?;
            let Ok(dir) = self.target.dir(&path, For::Listing) else {
                continue;
            };
            for name in dir
                .list()
                .names
                .iter()
                .filter(|name| !is_temporary(&name.bytes))
            {
                let Ok(Some(kind)) = dir.kind(name) else {
                    continue;
                };
                let child = path.join(&name.bytes);
                let verdict = self
                    .filter
                    .decide_child(verdict, child.as_bytes(), kind == Kind::Dir)
                    .verdict;
                if verdict == Verdict::Excluded {
                    continue;
                }
                count += 1;
                if kind == Kind::Dir {
                    dirs.push((child, verdict));
                }
            }
        }
        Ok(count)
    }
}

impl Content {
    /// Something in `path` stays, and so do the directories above it, up to `top`.
    fn keep(&mut self, path: &RelPath, top: &RelPath) {
        let mut here = path.clone();
        while self.kept.insert(here.clone()) && here != *top {
            match here.parent() {
                Some(parent) => here = parent,
                None => break,
            }
        }
    }
}

fn held(hold: Hold) -> Stop {
    Stop(Box::new(End::Held(hold)))
}
