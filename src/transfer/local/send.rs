//! Making an object of the target anew: file, link or special file; and making room for it.

use std::os::fd::AsFd;

use rustix::fs::{AtFlags, FileType, Mode};
use rustix::io::Errno;

use super::attributes::{self, Wanted};
use super::fault::{Fault, at_source, at_target};
use super::leaf::{Spot, hold, open_file, read_link, stat};
use super::meta::{Id, Kind};
use super::place::Temporary;
use super::session::Session;
use super::xattrs;
use crate::plan::{DeletePolicy, Durability};
use crate::transfer::tally::Did;

impl Session<'_> {
    /// Makes the object anew and puts it in place; says which object it is.
    pub(super) fn send(&self, spot: &Spot<'_>) -> Result<Id, Fault> {
        self.first_write()?;
        match spot.source.kind {
            Kind::File => self.send_file(spot),
            _ => self.send_other(spot),
        }
    }

    fn send_file(&self, spot: &Spot<'_>) -> Result<Id, Fault> {
        let Spot {
            pair,
            name,
            source,
            there,
            ..
        } = spot;
        let (ours, before) =
            open_file(&pair.source, name).map_err(|error| at_source("opening", error))?;
        if before.id != source.id {
            return Err(Fault::Again);
        }
        let old = there.as_ref().filter(|there| there.kind == Kind::File);
        let mode = self.keep.mode(&before, old);
        let (temporary, fresh) = Temporary::file(&pair.target, self.keep.first_mode(&before, mode))
            .map_err(|error| at_target("making a file on", error))?;
        self.copier.copy(&ours, &before, &fresh)?;
        let xattrs = if self.keep.extras() {
            Some(xattrs::of_source(&self.keep, &ours)?)
        } else {
            None
        };
        let wanted = Wanted {
            source: &before,
            xattrs,
            mode,
        };
        let current = stat(&fresh).map_err(|error| at_target("looking at", error))?;
        attributes::apply(&self.keep, &wanted, fresh.as_fd(), &current)?;
        let after = stat(&ours).map_err(|error| at_source("looking at", error))?;
        if !before.same_version(&after) {
            return Err(Fault::Again);
        }
        if self.job.route.durability != Durability::None {
            rustix::fs::fsync(&fresh).map_err(|error| at_target("syncing a file on", error))?;
        }
        self.put(temporary, spot)?;
        Ok(current.id)
    }

    /// Symlinks and special files.
    fn send_other(&self, spot: &Spot<'_>) -> Result<Id, Fault> {
        let Spot {
            pair,
            name,
            source,
            there,
            ..
        } = spot;
        let link = match source.kind {
            Kind::Symlink => Some(
                read_link(&pair.source, name)
                    .map_err(|error| at_source("reading a link of", error))?,
            ),
            _ => None,
        };
        let temporary = Temporary::other(&pair.target, |temporary| match (&link, source.kind) {
            (Some(link), _) => rustix::fs::symlinkat(&**link, pair.target.fd(), temporary),
            (None, kind) => {
                let kind = match kind {
                    Kind::Fifo => FileType::Fifo,
                    Kind::Socket => FileType::Socket,
                    Kind::Block => FileType::BlockDevice,
                    _ => FileType::CharacterDevice,
                };
                let device = if matches!(source.kind, Kind::Char | Kind::Block) {
                    source.rdev
                } else {
                    0
                };
                rustix::fs::mknodat(
                    pair.target.fd(),
                    temporary,
                    kind,
                    Mode::RUSR | Mode::WUSR,
                    device,
                )
            }
        })
        .map_err(|error| at_target("making a link or special file on", error))?;
        let fresh = pair
            .target
            .hold(temporary.name())
            .map_err(|error| at_target("opening", error))?;
        let current = stat(&fresh).map_err(|error| at_target("looking at", error))?;
        if current.kind != source.kind || current.nlink != 1 {
            return Err(Fault::Failed(
                "somebody else writes on the target under our temporary names".into(),
            ));
        }
        let ours = hold(&pair.source, name, source).map_err(|error| at_source("opening", error))?;
        let xattrs = if self.keep.extras() {
            Some(xattrs::of_source(&self.keep, &ours)?)
        } else {
            None
        };
        let old = there.as_ref().filter(|there| there.kind == source.kind);
        let wanted = Wanted {
            source,
            xattrs,
            mode: self.keep.mode(source, old),
        };
        attributes::apply(&self.keep, &wanted, fresh.as_fd(), &current)?;
        self.put(temporary, spot)?;
        Ok(current.id)
    }

    /// Gives the finished object its final name, and counts it.
    pub(super) fn put(&self, temporary: Temporary<'_>, spot: &Spot<'_>) -> Result<(), Fault> {
        if spot.there.is_some_and(|there| there.is_dir()) {
            self.make_room(spot)?;
        }
        // The last name of a file is expensive to lose: its blocks are freed, which waits at times for the journal. Held, it
        // goes when its successor is in place.
        let _replaced = spot.there.map(|_| spot.pair.target.hold(spot.name));
        temporary.put(spot.name).map_err(|error| match error {
            Errno::ISDIR | Errno::NOTEMPTY | Errno::EXIST => {
                Fault::Failed("a directory came in the way on the target meanwhile".into())
            }
            error => at_target("renaming on", error),
        })?;
        self.report.count(|stats| {
            stats.files += 1;
            stats.created += u64::from(spot.there.is_none());
        });
        self.tell(Did::Sent, spot.path);
        Ok(())
    }

    /// Removes the directory that stands where a file shall be: its content only as far as the survey listed it, and
    /// the guard let it pass.
    fn make_room(&self, spot: &Spot<'_>) -> Result<(), Fault> {
        let Spot {
            pair, path, name, ..
        } = spot;
        let inside = self.doomed.below(path);
        self.delete(inside)?;
        rustix::fs::unlinkat(pair.target.fd(), *name, AtFlags::REMOVEDIR).map_err(|error| match error {
            Errno::NOTEMPTY | Errno::EXIST => Fault::Failed(
                match self.policy() {
                    DeletePolicy::Never => "a directory with content is in the way, and `delete: never`",
                    DeletePolicy::Propagate if !self.from_marks => {
                        "a directory with content is in the way, and `delete: propagate` removes what was seen to vanish only"
                    }
                    _ => "a directory is in the way that holds excluded or new entries: move them away",
                }
                .into(),
            ),
            error => at_target("removing a directory on", error),
        })
    }
}
