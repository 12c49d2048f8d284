//! Bringing one name in step that is no directory.

use std::os::fd::{AsFd, OwnedFd};

use rustix::fs::AtFlags;
use rustix::io::Errno;

use super::attributes::{self, Wanted};
use super::fault::{Fault, Stop, at_source, at_target};
use super::keep::Keep;
use super::links::Turn;
use super::meta::{Id, Kind, Meta};
use super::place::Temporary;
use super::session::Session;
use super::tree::{Dir, For};
use super::xattrs;
use crate::engine::RelPath;
use crate::filter::Verdict;
use crate::transfer::tally::Did;
use crate::transfer::temporary::is_temporary;

/// The two directories that hold a name.
pub(super) struct Pair {
    pub(super) source: Dir,
    pub(super) target: Dir,
}

/// How often a name that changes while it is looked at is tried before the engine hears of it: enough for a file saved
/// in two strokes, and no busy loop over one that is written all the time.
const TRIES: u32 = 3;

/// One name on both sides.
pub(super) struct Spot<'a> {
    pub(super) pair: &'a Pair,
    pub(super) path: &'a RelPath,
    pub(super) name: &'a [u8],
    pub(super) source: Meta,
    /// What stands under the name on the target, whatever its type.
    pub(super) there: Option<Meta>,
}

impl Session<'_> {
    /// Brings `path` in step. With `trust` equal size and time stand for equal content. `absent`: the target is known
    /// not to have the name.
    pub(super) fn leaf(
        &self,
        pair: &Pair,
        path: &RelPath,
        trust: bool,
        absent: bool,
    ) -> Result<(), Stop> {
        if is_temporary(path.name()) {
            return Ok(());
        }
        let mut tries = 1;
        let done = loop {
            match self.leaf_once(pair, path, trust, absent && tries == 1) {
                Err(Fault::Again) if tries < TRIES => tries += 1,
                done => break done,
            }
        };
        self.progress.add_files(1);
        self.record(path, done).map(|_| ())
    }

    fn leaf_once(
        &self,
        pair: &Pair,
        path: &RelPath,
        trust: bool,
        absent: bool,
    ) -> Result<(), Fault> {
        let name = path.name();
        let source = pair
            .source
            .look(name)
            .map_err(|error| at_source("looking at", error))?
            .ok_or(Fault::Again)?;
        if source.is_dir() {
            return Err(Fault::Again);
        }
        if !self.keep.carries(source.kind) {
            self.report.note(path, Keep::left_out(source.kind));
            return Ok(());
        }
        let mut there = if absent {
            None
        } else {
            pair.target
                .look(name)
                .map_err(|error| at_target("looking at", error))?
        };
        if let Some(there) = &mut there {
            self.level_time(&pair.target, &source, there);
        }
        if there.is_some_and(|there| there.is_dir())
            && self.filter.decide(path.as_bytes(), true).verdict == Verdict::Excluded
        {
            return Err(Fault::Failed(
                "an excluded directory is in the way on the target: move it away".into(),
            ));
        }
        let spot = Spot {
            pair,
            path,
            name,
            source,
            there,
        };
        let grouped = self.keep.hard_links && source.nlink > 1;
        let _leading = match grouped.then(|| self.links.turn(source.id)) {
            None => None,
            Some(Turn::Lead(leading)) => Some(leading),
            Some(Turn::Follow(leader, object)) => {
                if self.link(&spot, &leader, object)? {
                    return Ok(());
                }
                None
            }
        };
        let object = match there {
            Some(there) if self.same(&spot, &there, trust)? => {
                self.adjust(&spot, &there)?;
                there.id
            }
            _ => self.send(&spot)?,
        };
        if grouped {
            self.links.lead(source.id, path.clone(), object);
        }
        Ok(())
    }

    /// Whether what stands on the target can stay, but for its metadata.
    fn same(&self, spot: &Spot<'_>, there: &Meta, trust: bool) -> Result<bool, Fault> {
        let Spot {
            pair, name, source, ..
        } = spot;
        if source.kind != there.kind {
            return Ok(false);
        }
        if there.nlink > 1 && !self.may_share(spot, there)? {
            return Ok(false);
        }
        match source.kind {
            Kind::Symlink => Ok(read_link(&pair.source, name)
                .map_err(|error| at_source("reading a link of", error))?
                == read_link(&pair.target, name)
                    .map_err(|error| at_target("reading a link of", error))?),
            Kind::Char | Kind::Block => Ok(source.rdev == there.rdev),
            Kind::File => {
                if source.size != there.size || source.mtime != there.mtime {
                    return Ok(false);
                }
                // Who owned it before may still hold it open, or have chosen its content.
                if source.mode & 0o6000 != 0 && self.keep.new_owner(source, there) != (None, None) {
                    return Ok(false);
                }
                if trust {
                    Ok(true)
                } else {
                    self.same_content(spot, there)
                }
            }
            Kind::Fifo | Kind::Socket | Kind::Dir => Ok(true),
        }
    }

    /// Compares content where size and time are equal already. Such a file has mostly been sent before (an event came
    /// twice), and comparing it from the page cache is cheaper than rewriting it, and wears no disk: 0.05 ms against
    /// 0.28 ms for 4 KiB, 38 ms against 115 ms for 100 MiB (ext4, `tests/local/speed.rs`).
    fn same_content(&self, spot: &Spot<'_>, there: &Meta) -> Result<bool, Fault> {
        let Spot {
            pair, name, source, ..
        } = spot;
        let (ours, before) =
            open_file(&pair.source, name).map_err(|error| at_source("opening", error))?;
        let (theirs, now) =
            open_file(&pair.target, name).map_err(|error| at_target("opening", error))?;
        if !before.same_version(source) {
            return Err(Fault::Again);
        }
        if now.id != there.id {
            return Ok(false);
        }
        let same = self.copier.same(&ours, &before, &theirs)?;
        let after = rustix::fs::fstat(&ours).map_err(|error| at_source("looking at", error))?;
        if before.same_version(&Meta::of(&after)) {
            Ok(same)
        } else {
            Err(Fault::Again)
        }
    }

    /// Whether a target object with several names may stay under this one.
    ///
    /// Names of one source file may share it. Otherwise it may stay while nothing has to be changed on it: the other
    /// names may be a snapshot's, or another user's file that somebody linked in here.
    fn may_share(&self, spot: &Spot<'_>, there: &Meta) -> Result<bool, Fault> {
        let Spot {
            pair, name, source, ..
        } = spot;
        if self.keep.hard_links && !self.links.claim(there.id, source.id) {
            return Ok(false);
        }
        if self.keep.hard_links && source.nlink > 1 {
            return Ok(true);
        }
        let mode = self.keep.mode(source, Some(there));
        let differs = self.keep.new_owner(source, there) != (None, None)
            || (source.kind != Kind::Symlink && mode != there.mode)
            || (self.keep.archive && source.mtime != there.mtime);
        if differs || !self.keep.extras() {
            return Ok(!differs);
        }
        let ours = hold(&pair.source, name, source).map_err(|error| at_source("opening", error))?;
        let theirs =
            hold(&pair.target, name, there).map_err(|error| at_target("opening", error))?;
        Ok(xattrs::of_source(&self.keep, &ours)? == xattrs::of_target(&self.keep, &theirs)?)
    }

    /// Brings the metadata of what stays in step.
    fn adjust(&self, spot: &Spot<'_>, there: &Meta) -> Result<(), Fault> {
        let Spot {
            pair, name, source, ..
        } = spot;
        let mode = self.keep.mode(source, Some(there));
        let stands = self.keep.new_owner(source, there) == (None, None)
            && (source.kind == Kind::Symlink || mode == there.mode)
            && (!self.keep.archive || source.mtime == there.mtime);
        if stands && !self.keep.extras() {
            return Ok(());
        }
        let xattrs = if self.keep.extras() {
            let ours =
                hold(&pair.source, name, source).map_err(|error| at_source("opening", error))?;
            Some(xattrs::of_source(&self.keep, &ours)?)
        } else {
            None
        };
        let theirs =
            hold(&pair.target, name, there).map_err(|error| at_target("opening", error))?;
        let wanted = Wanted {
            source,
            xattrs,
            mode,
        };
        self.first_metadata(&wanted, &theirs, there)?;
        if attributes::apply(&self.keep, &wanted, theirs.as_fd(), there)?.any() {
            self.report.count(|stats| {
                stats.files += 1;
                stats.attributes += 1;
            });
            self.tell(Did::Sent, spot.path);
        }
        Ok(())
    }

    /// Links the name to one of its group that is in step already, and is `object`; false: it cannot be linked to.
    fn link(&self, spot: &Spot<'_>, leader: &RelPath, object: Id) -> Result<bool, Fault> {
        let Spot {
            pair, path, there, ..
        } = spot;
        if there.is_some_and(|there| there.id == object) {
            return Ok(true);
        }
        let Some(parent) = leader.parent().filter(|_| leader != *path) else {
            return Ok(false);
        };
        let Ok(dir) = self.target.dir(&parent, For::Reach) else {
            return Ok(false);
        };
        self.first_write()?;
        let made = Temporary::other(&pair.target, |name| {
            rustix::fs::linkat(
                dir.fd(),
                leader.name(),
                pair.target.fd(),
                name,
                AtFlags::empty(),
            )
        });
        // Too many links, another file system below the target, a leader that somebody removed: it is copied.
        let Ok(temporary) = made else {
            return Ok(false);
        };
        let linked = pair
            .target
            .look(temporary.name())
            .map_err(|error| at_target("looking at", error))?;
        if linked.is_none_or(|linked| linked.id != object) {
            return Ok(false);
        }
        self.put(temporary, spot)?;
        Ok(true)
    }
}

/// Opens a regular file for reading; anything else under the name is an error that says so.
pub(super) fn open_file(dir: &Dir, name: &[u8]) -> Result<(OwnedFd, Meta), Errno> {
    let fd = dir.read(name)?;
    let meta = stat(&fd)?;
    if meta.kind == Kind::File {
        Ok((fd, meta))
    } else {
        Err(Errno::LOOP)
    }
}

/// A handle on the very object that was looked at.
pub(super) fn hold(dir: &Dir, name: &[u8], seen: &Meta) -> Result<OwnedFd, Errno> {
    let fd = dir.hold(name)?;
    if stat(&fd)?.id == seen.id {
        Ok(fd)
    } else {
        Err(Errno::LOOP)
    }
}

pub(super) fn stat(fd: impl AsFd) -> Result<Meta, Errno> {
    rustix::fs::fstat(fd).map(|stat| Meta::of(&stat))
}

pub(super) fn read_link(dir: &Dir, name: &[u8]) -> Result<Vec<u8>, Errno> {
    rustix::fs::readlinkat(dir.fd(), name, Vec::new()).map(|link| link.into_bytes())
}
