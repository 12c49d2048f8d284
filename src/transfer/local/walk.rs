//! Reconciling a directory with everything below it, or alone.
//!
//! Both sides are listed one directory at a time; nothing of the tree is kept but the way to what is still to be done.

use super::fault::{Stop, at_source, at_target, words};
use super::leaf::Pair;
use super::meta::Kind;
use super::place::remove_leftovers;
use super::session::Session;
use super::tree::{For, Listing};
use crate::engine::RelPath;
use crate::filter::Verdict;
use crate::transfer::temporary::is_temporary;

/// What is still to be done.
enum Step {
    Enter(RelPath, Verdict),
    Leave(RelPath),
}

impl Session<'_> {
    /// Brings `top`, which the target has, and everything below it in step; deletes nothing.
    pub(super) fn reconcile(&mut self, top: &RelPath, trust: bool) -> Result<(), Stop> {
        let verdict = self.filter.decide(top.as_bytes(), true).verdict;
        let mut steps = vec![Step::Enter(top.clone(), verdict)];
        while let Some(step) = steps.pop() {
            self.check()?;
            match step {
                Step::Leave(path) => {
                    self.settle.remove(&path);
                    self.settle(&path)?;
                }
                Step::Enter(path, verdict) => {
                    let below = self.enter(&path, verdict, trust)?;
                    self.progress.add_files(1);
                    steps.push(Step::Leave(path));
                    steps.extend(
                        below
                            .into_iter()
                            .rev()
                            .map(|(path, verdict)| Step::Enter(path, verdict)),
                    );
                }
            }
        }
        Ok(())
    }

    /// Brings `path`, which the target has, and the names directly in it in step: of the directories among them only their
    /// own attributes. Deletes nothing.
    pub(super) fn reconcile_listing(&mut self, path: &RelPath) -> Result<(), Stop> {
        let verdict = self.filter.decide(path.as_bytes(), true).verdict;
        let below = self.enter(path, verdict, true)?;
        self.progress.add_files(1 + below.len() as u64);
        // What is sent into them by other entries comes first: they are settled at the end.
        self.settle.insert(path.clone());
        self.settle.extend(below.into_iter().map(|(path, _)| path));
        Ok(())
    }

    /// Brings the names of one directory in step; gives the directories among them.
    fn enter(
        &mut self,
        path: &RelPath,
        verdict: Verdict,
        trust: bool,
    ) -> Result<Vec<(RelPath, Verdict)>, Stop> {
        let mut below = Vec::new();
        let opened = self
            .source
            .dir(path, For::Listing)
            .and_then(|dir| Ok((dir.meta()?, dir)));
        let opened = opened.map_err(|error| at_source("opening a directory of", error));
        let Some((meta, source)) = self.record(path, opened)? else {
            return Ok(below);
        };
        if self.is_foreign(&meta) {
            return Ok(below);
        }
        if meta.id == self.target.id {
            self.report.failed(
                path,
                "the target itself lies here in the source: exclude it".into(),
            );
            return Ok(below);
        }
        let opened = self
            .open_target(path, For::Listing)
            .and_then(|dir| Ok((dir.meta()?, dir)));
        let opened = opened.map_err(|error| at_target("opening a directory of", error));
        let Some((there, target)) = self.record(path, opened)? else {
            return Ok(below);
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
        let pair = Pair { source, target };
        for name in ours.names.iter().filter(|name| !is_temporary(&name.bytes)) {
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
                .decide_child(verdict, child.as_bytes(), is_dir)
                .verdict;
            if verdict == Verdict::Excluded {
                self.progress.add_files(1);
                continue;
            }
            if !is_dir {
                self.check()?;
                let absent = theirs.error.is_none() && theirs.find(&name.bytes).is_none();
                self.leaf(&pair, &child, trust, absent)?;
            } else if self.has_dir(&pair, &theirs, &child)? {
                below.push((child, verdict));
            }
        }
        Ok(below)
    }

    /// Whether the target has the directory by now: it is made where it is missing.
    fn has_dir(&mut self, pair: &Pair, theirs: &Listing, path: &RelPath) -> Result<bool, Stop> {
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
