//! Directories: making them, and bringing their own attributes in step.

use std::collections::BTreeSet;
use std::os::fd::AsFd;
use std::sync::{MutexGuard, PoisonError};

use rustix::fs::{AtFlags, Mode};
use rustix::io::Errno;

use super::attributes::{self, Change, Wanted};
use super::fault::{Fault, Stop, at_source, at_target, vanished};
use super::meta::Meta;
use super::session::Session;
use super::tree::{Dir, For};
use super::xattrs;
use crate::engine::RelPath;
use crate::filter::Verdict;
use crate::transfer::tally::Did;

/// What the owner of a directory needs to work in it. Root needs none of it.
const OWNER_ALL: u32 = 0o700;

impl Session<'_> {
    /// Opens a directory of the target to work in it; makes it, and what is missing above it, with the source's
    /// attributes. Directories it made are settled at the end.
    pub(super) fn ensure_dir(&self, path: &RelPath) -> Result<Dir, Fault> {
        match self.open_target(path, For::Reach) {
            Err(error) if vanished(error) => {}
            opened => return opened.map_err(|error| at_target("opening a directory of", error)),
        }
        let mut here = self
            .open_target(&RelPath::root(), For::Reach)
            .map_err(|error| at_target("opening", error))?;
        for above in path
            .ancestors()
            .chain([path.as_bytes()])
            .filter_map(RelPath::new)
        {
            let there = here
                .look(above.name())
                .map_err(|error| at_target("looking at", error))?;
            if there.is_none_or(|there| !there.is_dir()) {
                self.make_dir(&here, &above, there.as_ref())?;
            }
            here = self
                .open_target(&above, For::Reach)
                .map_err(|error| at_target("opening a directory of", error))?;
        }
        Ok(here)
    }

    /// Makes the directory `path` in `parent`, in place of the file that stands `there`, with the source's owner and
    /// mode. It is settled at the end, or when the walk leaves it.
    pub(super) fn make_dir(
        &self,
        parent: &Dir,
        path: &RelPath,
        there: Option<&Meta>,
    ) -> Result<(), Fault> {
        let source = self
            .source
            .dir(path, For::Reach)
            .map_err(|error| at_source("opening a directory of", error))?;
        self.first_write()?;
        if there.is_some() {
            if self.filter.decide(path.as_bytes(), false).verdict == Verdict::Excluded {
                return Err(Fault::Failed(
                    "an excluded file is in the way on the target: move it away".into(),
                ));
            }
            rustix::fs::unlinkat(parent.fd(), path.name(), AtFlags::empty())
                .map_err(|error| at_target("making room on", error))?;
        }
        rustix::fs::mkdirat(parent.fd(), path.name(), Mode::RWXU)
            .map_err(|error| at_target("making a directory on", error))?;
        self.settle_later([path.clone()]);
        self.report.count(|stats| {
            stats.files += 1;
            stats.created += u64::from(there.is_none());
        });
        self.tell(Did::Sent, path);
        let target = parent
            .child(path.name(), For::Reach)
            .map_err(|error| at_target("opening a directory of", error))?;
        let working = if self.keep.root { 0 } else { OWNER_ALL };
        self.liken(&source, &target, working, true).map(|_| ())
    }

    /// Brings a directory's own attributes in step, with `working` bits added to its mode.
    fn liken(
        &self,
        source: &Dir,
        target: &Dir,
        working: u32,
        fresh: bool,
    ) -> Result<Change, Fault> {
        let meta = source
            .meta()
            .map_err(|error| at_source("looking at", error))?;
        let current = target
            .meta()
            .map_err(|error| at_target("looking at", error))?;
        let xattrs = if self.keep.extras() {
            Some(xattrs::of_source(&self.keep, source.fd())?)
        } else {
            None
        };
        let mode = self.keep.mode(&meta, (!fresh).then_some(&current)) | working;
        let wanted = Wanted {
            source: &meta,
            xattrs,
            mode,
        };
        self.first_metadata(&wanted, target.fd(), &current)?;
        attributes::apply(&self.keep, &wanted, target.fd().as_fd(), &current)
    }

    /// Brings the attributes of `path` in step, now that nothing more is done in it.
    pub(super) fn settle(&self, path: &RelPath) -> Result<(), Stop> {
        let done = self.settle_once(path);
        self.record(path, done).map(|_| ())
    }

    fn settle_once(&self, path: &RelPath) -> Result<(), Fault> {
        let source = match self.source.dir(path, For::Reach) {
            // Its own disappearing is another mark's business.
            Err(error) if vanished(error) => return Ok(()),
            opened => opened.map_err(|error| at_source("opening a directory of", error))?,
        };
        let target = match self.target.dir(path, For::Reach) {
            Err(error) if vanished(error) => return Ok(()),
            opened => opened.map_err(|error| at_target("opening a directory of", error))?,
        };
        if self.liken(&source, &target, 0, false)?.other {
            self.report.count(|stats| {
                stats.files += 1;
                stats.attributes += 1;
            });
            self.tell(Did::Sent, path);
        }
        Ok(())
    }

    /// These are settled at the end.
    pub(super) fn settle_later(&self, paths: impl IntoIterator<Item = RelPath>) {
        self.unsettled().extend(paths);
    }

    /// The walk settles it: not at the end again.
    pub(super) fn settle_now(&self, path: &RelPath) -> Result<(), Stop> {
        self.unsettled().remove(path);
        self.settle(path)
    }

    /// A set is whole whoever broke off.
    fn unsettled(&self) -> MutexGuard<'_, BTreeSet<RelPath>> {
        self.settle.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Settles whatever is left to settle; deepest first, since a mode may shut what lies below.
    pub(super) fn settle_all(&self) -> Result<(), Stop> {
        let mut first = Ok(());
        while let Some(path) = self.unsettled().pop_last() {
            let settled = self.settle(&path);
            first = first.and(settled);
        }
        first
    }

    /// Opens a directory of the target. Without root an own directory that its mode shuts is opened up, and settled at
    /// the end.
    pub(super) fn open_target(&self, path: &RelPath, purpose: For) -> Result<Dir, Errno> {
        if self.keep.root {
            return self.target.dir(path, purpose);
        }
        let dir = self.target.dir(path, For::Reach)?;
        let meta = dir.meta()?;
        if meta.mode & OWNER_ALL != OWNER_ALL
            && attributes::chmod(dir.fd(), meta.mode | OWNER_ALL).is_ok()
        {
            self.settle_later([path.clone()]);
        }
        if purpose == For::Reach {
            Ok(dir)
        } else {
            self.target.dir(path, purpose)
        }
    }
}
