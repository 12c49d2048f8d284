//! Directories below a root, never reached through a symlink.
//!
//! Stateless: no descriptor stays open, or the root could not be unmounted. Every look opens the root by its path and
//! holds it against the one that is expected; another root reads as [`Look::Gone`], and who asked finds out why.
//!
//! Invariant: below the root no symlink is ever followed, whoever swaps a name at whatever moment. The root's own path
//! may lead through symlinks: it is the operator's, and [`identify`](super::identify) guards it.

use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, Mode, OFlags, ResolveFlags, Stat, fstat, open, openat, openat2, statat};
use rustix::io::Errno;

use crate::engine::RelPath;

/// Which directory it is: device and inode.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Identity {
    /// Of the file system.
    pub device: u64,
    /// On that file system.
    pub inode: u64,
}

impl Identity {
    /// Of what was looked at. The integer types of `Stat` differ between architectures, hence the casts.
    #[allow(clippy::unnecessary_cast)]
    pub fn of(stat: &Stat) -> Identity {
        Identity {
            device: stat.st_dev as u64,
            inode: stat.st_ino as u64,
        }
    }
}

/// Why a directory cannot be looked at.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Look {
    /// Not there, not a directory, or behind a symlink.
    Gone,
    /// It may not be read, or reading failed.
    Unreadable,
}

impl Look {
    /// What an error of a look means.
    pub fn of(error: Errno) -> Look {
        match error {
            Errno::NOENT | Errno::NOTDIR | Errno::LOOP | Errno::STALE => Look::Gone,
            _ => Look::Unreadable,
        }
    }
}

/// The tree below one root.
#[derive(Clone, Debug)]
pub struct Root {
    path: PathBuf,
    expected: Identity,
}

impl Root {
    /// The tree below the directory at `path`, which is `expected`.
    pub fn new(path: PathBuf, expected: Identity) -> Root {
        Root { path, expected }
    }

    /// The root's path.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The root's identity.
    pub fn identity(&self) -> Identity {
        self.expected
    }

    /// Opens the directory at `path`: `access` is how (`RDONLY` to list it, `PATH` to reach names in it).
    pub fn open(&self, path: &RelPath, access: OFlags) -> Result<OwnedFd, Look> {
        let root = open(&self.path, DIRECTORY | OFlags::PATH, Mode::empty()).map_err(Look::of)?;
        let found = fstat(&root).map_err(Look::of)?;
        if Identity::of(&found) != self.expected {
            return Err(Look::Gone);
        }
        let flags = DIRECTORY | OFlags::NOFOLLOW | access;
        match openat2(
            &root,
            path.as_path(),
            flags,
            Mode::empty(),
            ResolveFlags::NO_SYMLINKS,
        ) {
            // Before Linux 5.6, behind a filter of system calls, or deeper than a path may be long.
            Err(Errno::NOSYS | Errno::PERM | Errno::AGAIN | Errno::NAMETOOLONG) => {
                by_components(root, path, flags)
            }
            other => other,
        }
        .map_err(Look::of)
    }
}

const DIRECTORY: OFlags = OFlags::DIRECTORY.union(OFlags::CLOEXEC);

/// What is at `path` below this root, deeper than a path may be long; no link is followed.
pub fn stat_deep(root: &Path, path: &RelPath) -> Result<Stat, Errno> {
    let reach = DIRECTORY | OFlags::PATH;
    let top = open(root, reach, Mode::empty())?;
    let above = path.parent().unwrap_or_else(RelPath::root);
    let parent = by_components(top, &above, reach | OFlags::NOFOLLOW)?;
    statat(&parent, path.name(), AtFlags::SYMLINK_NOFOLLOW)
}

/// The same, one name after the other.
fn by_components(root: OwnedFd, path: &RelPath, flags: OFlags) -> Result<OwnedFd, Errno> {
    let reach = DIRECTORY | OFlags::NOFOLLOW | OFlags::PATH;
    let mut here = root;
    let parent = path.ancestors().last().map_or(0, |above| above.len() + 1);
    let (way, name) = path.as_bytes().split_at(parent);
    for name in way.split(|byte| *byte == b'/').filter(|n| !n.is_empty()) {
        here = openat(here.as_fd(), name, reach, Mode::empty())?;
    }
    let name = if name.is_empty() { b"." } else { name };
    openat(here.as_fd(), name, flags, Mode::empty())
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::MetadataExt;

    use super::*;

    fn p(text: &str) -> RelPath {
        RelPath::new(text.as_bytes()).unwrap()
    }

    fn root(path: &Path) -> Root {
        let stat = fs::metadata(path).unwrap();
        let (device, inode) = (stat.dev(), stat.ino());
        Root::new(path.into(), Identity { device, inode })
    }

    #[test]
    fn no_symlink_below_the_root_is_followed_on_either_way() {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir_all(dir.path().join("real/sub")).unwrap();
        std::os::unix::fs::symlink("real", dir.path().join("link")).unwrap();
        let root = root(dir.path());
        let flags = DIRECTORY | OFlags::NOFOLLOW | OFlags::RDONLY;
        let top = || open(dir.path(), DIRECTORY | OFlags::PATH, Mode::empty()).unwrap();
        for path in ["", "real", "real/sub"] {
            assert!(root.open(&p(path), OFlags::RDONLY).is_ok(), "{path}");
            assert!(by_components(top(), &p(path), flags).is_ok(), "{path}");
        }
        for path in ["link", "link/sub", "none", "real/none"] {
            let found = root.open(&p(path), OFlags::RDONLY);
            assert_eq!(found.unwrap_err(), Look::Gone, "{path}");
            let found = by_components(top(), &p(path), flags);
            assert_eq!(Look::of(found.unwrap_err()), Look::Gone, "{path}");
        }
    }

    #[test]
    fn a_tree_deeper_than_a_path_may_be_long_is_reached() {
        let dir = tempfile::tempdir().unwrap();
        let name = "n".repeat(200);
        let mut here = open(dir.path(), DIRECTORY, Mode::empty()).unwrap();
        let mut path = RelPath::root();
        for _ in 0..30 {
            rustix::fs::mkdirat(&here, &*name, Mode::RWXU).unwrap();
            here = openat(&here, &*name, DIRECTORY, Mode::empty()).unwrap();
            path = path.join(name.as_bytes());
        }
        let found = root(dir.path()).open(&path, OFlags::RDONLY).unwrap();
        let identity = |fd: &OwnedFd| Identity::of(&fstat(fd).unwrap());
        assert_eq!(identity(&found), identity(&here));
        let stat = stat_deep(dir.path(), &path).unwrap();
        assert_eq!(Identity::of(&stat), identity(&here));
        let none = stat_deep(dir.path(), &path.join(b"none"));
        assert_eq!(none.unwrap_err(), Errno::NOENT);
    }
}
