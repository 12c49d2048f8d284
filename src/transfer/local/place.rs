//! Putting a finished object under its final name.
//!
//! Invariant (G3): a regular file's content is written under a temporary name in the same directory, and renamed when
//! it and its metadata are complete. Whatever ends the run before that takes the temporary name away again; a killed
//! process leaves it behind, and the next pass through the directory removes it.

use std::os::fd::OwnedFd;

use rustix::fs::{AtFlags, FlockOperation, Mode, OFlags};
use rustix::io::Errno;

use super::tree::{Dir, Listing};
use crate::transfer::temporary::{self, is_temporary};

/// Tries for a name that is free; with 64 random bits the second is never needed.
const NAME_TRIES: u32 = 8;

/// The mode of a file that only this user can open.
pub(super) const PRIVATE: u32 = 0o600;

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
            let name = temporary::name(fastrand::u64(..));
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

    /// An empty file that this user can write, and others can open as `mode` says. It is locked as long as it is open, so
    /// that a pass of another process does not take it for a leftover.
    pub(super) fn file(dir: &'a Dir, mode: u32) -> Result<(Temporary<'a>, OwnedFd), Errno> {
        let flags =
            OFlags::RDWR | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let (temporary, fd) = Temporary::make(dir, |name| {
            rustix::fs::openat(dir.fd(), name, flags, Mode::from_raw_mode(mode))
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

/// Removes what killed processes left behind in a directory under temporary names.
pub(super) fn remove_leftovers(dir: &Dir, listing: &Listing) {
    let names = listing.names.iter().map(|name| &*name.bytes);
    for name in names.filter(|name| is_temporary(name)) {
        remove_leftover(dir, name);
    }
}

/// Removes what a killed process left behind under a temporary name, unless its writer is alive.
fn remove_leftover(dir: &Dir, name: &[u8]) {
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
        let (temporary, fd) = Temporary::file(dir, PRIVATE).unwrap();
        assert!(is_temporary(temporary.name()));
        remove_leftover(dir, temporary.name());
        assert_eq!(names().len(), 1, "its writer is alive");
        let name = temporary.name().to_vec();
        drop(fd);
        remove_leftover(dir, &name);
        assert!(names().is_empty(), "its writer is gone");
        drop(temporary);
        let (temporary, _fd) = Temporary::file(dir, PRIVATE).unwrap();
        drop(temporary);
        assert!(names().is_empty());
        let (temporary, _fd) = Temporary::file(dir, PRIVATE).unwrap();
        temporary.put(b"final").unwrap();
        assert_eq!(names(), [b"final"]);
    }
}
