//! Bringing one object's metadata in step, through a handle on the object itself.
//!
//! The order is forced by the kernel: a change of owner clears the setuid bits and file capabilities; an ACL that goes
//! leaves its mask in the mode, one that comes sets it; every change but that of the time leaves the time alone. So:
//! owner, attributes, mode, ACLs, time.

use std::os::fd::BorrowedFd;

use rustix::fs::{AtFlags, CWD, Gid, Mode, Timespec, Timestamps, UTIME_OMIT, Uid};
use rustix::io::Errno;

use super::fault::{Fault, at_target};
use super::keep::Keep;
use super::meta::{Kind, Meta, Time};
use super::xattrs::{self, Step, Xattrs, by_descriptor};

/// What one object should look like.
pub(super) struct Wanted<'a> {
    /// The source's.
    pub(super) source: &'a Meta,
    /// The source's attributes, where they are kept.
    pub(super) xattrs: Option<Xattrs>,
    /// The permission bits.
    pub(super) mode: u32,
}

/// What was done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Change {
    /// The modification time.
    pub(super) time: bool,
    /// Anything else.
    pub(super) other: bool,
}

impl Change {
    /// Whether anything was done.
    pub(super) fn any(self) -> bool {
        self.time || self.other
    }
}

/// Makes the object under `fd`, which is now as `current` says, what is wanted.
pub(super) fn apply(
    keep: &Keep,
    wanted: &Wanted<'_>,
    fd: BorrowedFd<'_>,
    current: &Meta,
) -> Result<Change, Fault> {
    let Wanted {
        source,
        xattrs,
        mode,
    } = wanted;
    let link = source.kind == Kind::Symlink;
    let mut change = Change::default();
    let mut mode_stands = current.mode == *mode;

    let (uid, gid) = keep.new_owner(source, current);
    if uid.is_some() || gid.is_some() {
        let owner = (uid.map(Uid::from_raw), gid.map(Gid::from_raw));
        match rustix::fs::chownat(fd, "", owner.0, owner.1, AtFlags::EMPTY_PATH) {
            Ok(()) => {
                change.other = true;
                mode_stands &= current.mode & 0o6000 == 0;
            }
            // As rsync: who may not give files away keeps what owners he can.
            Err(Errno::PERM) if !keep.gives => {}
            Err(error) => return Err(at_target("changing the owner on", error)),
        }
    }

    let theirs = match xattrs {
        Some(_) => xattrs::of_target(keep, fd)?,
        None => Xattrs::new(),
    };
    if let Some(ours) = xattrs
        && *ours != theirs
    {
        if !keep.root && !link && current.mode & 0o200 == 0 {
            chmod(fd, current.mode | 0o200)?;
            mode_stands = false;
        }
        if xattrs::apply(ours, &theirs, fd, Step::BeforeMode)? {
            change.other = true;
            mode_stands = false;
        }
    }
    if !link && !mode_stands {
        chmod(fd, *mode)?;
        change.other = true;
    }
    if let Some(ours) = xattrs {
        change.other |= xattrs::apply(ours, &theirs, fd, Step::AfterMode)?;
    }
    if keep.archive && source.mtime != current.mtime {
        set_time(fd, source.mtime)?;
        change.time = true;
    }
    Ok(change)
}

/// Sets permission bits. A handle that cannot read is refused by `fchmod`, and reached by its name under `/proc`.
pub(super) fn chmod(fd: BorrowedFd<'_>, mode: u32) -> Result<(), Fault> {
    let bits = Mode::from_raw_mode(mode);
    let done = match rustix::fs::fchmod(fd, bits) {
        Err(Errno::BADF) => rustix::fs::chmodat(CWD, by_descriptor(fd), bits, AtFlags::empty()),
        done => done,
    };
    done.map_err(|error| at_target("changing the mode on", error))
}

/// Sets the modification time, and no other.
pub(super) fn set_time(fd: BorrowedFd<'_>, (seconds, nanoseconds): Time) -> Result<(), Fault> {
    let times = Timestamps {
        last_access: Timespec {
            tv_sec: 0,
            tv_nsec: UTIME_OMIT,
        },
        last_modification: Timespec {
            tv_sec: seconds,
            tv_nsec: nanoseconds.into(),
        },
    };
    let done = match rustix::fs::utimensat(fd, "", &times, AtFlags::EMPTY_PATH) {
        // Kernels before 5.8.
        Err(Errno::INVAL | Errno::NOENT) => {
            rustix::fs::utimensat(CWD, by_descriptor(fd), &times, AtFlags::empty())
        }
        done => done,
    };
    done.map_err(|error| at_target("changing the time on", error))
}
