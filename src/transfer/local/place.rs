//! Putting a finished object under its final name.
//!
//! Invariant (G3): a regular file's content is written under a temporary name in the same directory, and renamed when
//! it and its metadata are complete. Whatever ends the run before that takes the temporary name away again; a killed
//! process leaves it behind, and the next pass through the directory removes it.

use std::os::fd::OwnedFd;

use rustix::fs::{AtFlags, FlockOperation, Mode, OFlags};
use rustix::io::Errno;

use super::tree::Dir;

const PREFIX: &[u8] = b".heliostat-";
const SUFFIX: &[u8] = b".tmp";
const RANDOM_DIGITS: usize = 16;

/// Tries for a name that is free; with 64 random bits the second is never needed.
const NAME_TRIES: u32 = 8;

/// Whether a name is one of our temporary ones.
///
/// Such a name is never carried over, on either side: where one route's target is the next route's source, what the
/// first is just writing is no user's file. Sixteen hex digits keep it from being any user's in practice.
pub(in crate::transfer) fn is_temporary(name: &[u8]) -> bool {
    name.strip_prefix(PREFIX)
        .and_then(|rest| rest.strip_suffix(SUFFIX))
        .is_some_and(|random| {
            random.len() == RANDOM_DIGITS
                && random
                    .iter()
                    .all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
        })
}

/// Something under a temporary name, which goes away unless it is put in place.
pub(super) struct Temporary<'a> {
    dir: &'a Dir,
    name: Option<String>,
}

impl<'a> Temporary<'a> {
    /// Makes something under a fresh name; `make` must refuse a name that is taken.
    fn make<T>(
        dir: &'a Dir,
        mut make: impl FnMut(&str) -> Result<T, Errno>,
    ) -> Result<(Temporary<'a>, T), Errno> {
        let mut tries = 0;
        loop {
            let name = format!(".heliostat-{:016x}.tmp", fastrand::u64(..));
            match make(&name) {
                Ok(made) => {
                    return Ok((
                        Temporary {
                            dir,
                            name: Some(name),
                        },
                        made,
                    ));
                }
                Err(Errno::EXIST) if tries < NAME_TRIES => tries += 1,
                Err(error) => return Err(error),
            }
        }
    }

    /// An empty file that only this user can open. It is locked as long as it is open, so that a pass of another
    /// process does not take it for a leftover.
    pub(super) fn file(dir: &'a Dir) -> Result<(Temporary<'a>, OwnedFd), Errno> {
        let flags =
            OFlags::RDWR | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let (temporary, fd) = Temporary::make(dir, |name| {
            rustix::fs::openat(dir.fd(), name, flags, Mode::RUSR | Mode::WUSR)
        })?;
        // A file system without locks gives an error; then leftovers there are told by nothing.
        let _ = rustix::fs::flock(&fd, FlockOperation::NonBlockingLockExclusive);
        Ok((temporary, fd))
    }

    /// Anything else, made by `make` under the name that it is given.
    pub(super) fn other(
        dir: &'a Dir,
        make: impl FnMut(&str) -> Result<(), Errno>,
    ) -> Result<Temporary<'a>, Errno> {
        Temporary::make(dir, make).map(|(temporary, ())| temporary)
    }

    /// Its name so far.
    pub(super) fn name(&self) -> &[u8] {
        self.name.as_deref().unwrap_or_default().as_bytes()
    }

    /// Gives it its final name, in place of what stands there; a directory there is an error.
    pub(super) fn put(mut self, name: &[u8]) -> Result<(), Errno> {
        rustix::fs::renameat(self.dir.fd(), self.name(), self.dir.fd(), name)?;
        self.name = None;
        Ok(())
    }
}

impl Drop for Temporary<'_> {
    fn drop(&mut self) {
        if let Some(name) = self.name.take() {
            let _ = rustix::fs::unlinkat(self.dir.fd(), &*name, AtFlags::empty());
        }
    }
}

/// Removes what a killed process left behind under a temporary name, unless its writer is alive.
pub(super) fn remove_leftover(dir: &Dir, name: &[u8]) {
    debug_assert!(is_temporary(name));
    let flags =
        OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
    if let Ok(fd) = rustix::fs::openat(dir.fd(), name, flags, Mode::empty())
        && let Err(Errno::AGAIN) = rustix::fs::flock(&fd, FlockOperation::NonBlockingLockExclusive)
    {
        return;
    }
    let _ = rustix::fs::unlinkat(dir.fd(), name, AtFlags::empty());
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::RelPath;
    use crate::transfer::local::tree::{For, Tree};

    #[test]
    fn a_temporary_name_is_known_by_its_exact_form() {
        assert!(is_temporary(b".heliostat-0123456789abcdef.tmp"));
        for name in [
            &b".heliostat-0123456789abcde.tmp"[..],
            b".heliostat-0123456789ABCDEF.tmp",
            b".heliostat-.tmp",
            b".heliostat-source",
            b"heliostat-0123456789abcdef.tmp",
            b".heliostat-0123456789abcdef.tmp2",
        ] {
            assert!(!is_temporary(name));
        }
    }

    #[test]
    fn what_is_not_put_in_place_goes_away() {
        let scratch = tempfile::tempdir().unwrap();
        let dir = &Tree::open(scratch.path())
            .unwrap()
            .dir(&RelPath::root(), For::Listing)
            .unwrap();
        let names = || {
            dir.list()
                .names
                .iter()
                .map(|name| name.bytes.to_vec())
                .collect::<Vec<_>>()
        };
        let (temporary, fd) = Temporary::file(dir).unwrap();
        assert!(is_temporary(temporary.name()));
        remove_leftover(dir, temporary.name());
        assert_eq!(names().len(), 1, "its writer is alive");
        let name = temporary.name().to_vec();
        drop(fd);
        remove_leftover(dir, &name);
        assert!(names().is_empty(), "its writer is gone");
        drop(temporary);
        let (temporary, _fd) = Temporary::file(dir).unwrap();
        drop(temporary);
        assert!(names().is_empty());
        let (temporary, _fd) = Temporary::file(dir).unwrap();
        temporary.put(b"final").unwrap();
        assert_eq!(names(), [b"final"]);
    }
}
