//! A canary: whether the kernel tells of a change in a source.
//!
//! Nothing is written. The root's mode is set to what it is, which the kernel tells as a change of attributes; a service
//! that runs looks at the root again, and sends nothing. Where the root is another user's, it is only opened.

use std::os::fd::AsFd;
use std::path::Path;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::inotify::{CreateFlags, WatchFlags, add_watch, init};
use rustix::fs::{Mode, OFlags, fchmod, fstat, open};
use rustix::io::Errno;

use super::{Finding, Subject};
use crate::plan::SourcePlan;

/// An event that comes takes microseconds.
const PATIENCE: Duration = Duration::from_secs(3);

/// Changes nothing about the root, and waits to hear of it.
pub fn check(source: &SourcePlan) -> Finding {
    let subject = Subject::new("canary", &source.name);
    match sing(Path::new(&source.path)) {
        Ok(true) => subject.good("the kernel tells of changes in it"),
        Ok(false) => subject.error(
            "the kernel did not tell of a change in it: what changes is only found by `rescan`",
            "set `rescan: {every: 10m}`, or so often as you can afford, and look which file system it is on",
        ),
        Err(Errno::PERM | Errno::ACCESS) => {
            subject.note("whether the kernel tells of changes in it cannot be tried: this user may not look into it")
        }
        Err(Errno::NOSPC | Errno::MFILE) => subject.error(
            "the kernel has no inotify watch to spare",
            "see the limits: sysctl fs.inotify.max_user_watches, fs.inotify.max_user_instances",
        ),
        Err(error) => subject.error(
            format!("the kernel cannot watch it: {error}"),
            "set `rescan: {every: 10m}`, or so often as you can afford",
        ),
    }
}

fn sing(root: &Path) -> Result<bool, Errno> {
    let inotify = init(CreateFlags::CLOEXEC | CreateFlags::NONBLOCK)?;
    let look = || {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        open(root, flags, Mode::empty())
    };
    let directory = look()?;
    add_watch(&inotify, root, WatchFlags::ATTRIB | WatchFlags::ONLYDIR)?;
    let mode = Mode::from_raw_mode(fstat(&directory)?.st_mode);
    match fchmod(&directory, mode) {
        // It is another's: that it is looked into is told in the same way.
        Err(Errno::PERM | Errno::ACCESS | Errno::ROFS) => {
            add_watch(&inotify, root, WatchFlags::OPEN | WatchFlags::ONLYDIR)?;
            look()?;
        }
        set => set?,
    }
    let until = Instant::now() + PATIENCE;
    loop {
        let left = until.saturating_duration_since(Instant::now());
        let wait = Timespec::try_from(left).map_err(|_| Errno::INVAL)?;
        let mut asked = [PollFd::from_borrowed_fd(inotify.as_fd(), PollFlags::IN)];
        match poll(&mut asked, Some(&wait)) {
            Ok(count) => return Ok(count > 0),
            Err(Errno::INTR) => {}
            Err(error) => return Err(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_directory_of_an_ordinary_file_system_is_heard() {
        let scratch = tempfile::tempdir().unwrap();
        let before = std::fs::metadata(scratch.path()).unwrap();
        assert_eq!(sing(scratch.path()), Ok(true));
        let after = std::fs::metadata(scratch.path()).unwrap();
        assert_eq!(
            (before.permissions(), before.modified().unwrap()),
            (after.permissions(), after.modified().unwrap())
        );
        assert!(sing(&scratch.path().join("none")).is_err());
    }
}
