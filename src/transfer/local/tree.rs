//! Directories by descriptor: the only way this room reaches anything below a root.
//!
//! Invariant: no path below a root is ever resolved through a symlink. A local user who owns a directory of either tree
//! can swap any name in it at any moment; what was opened stays what it was, and a swapped name gives an error.
//!
//! Directories are opened by their whole path from the root, one system call each (`openat2`), instead of holding one
//! descriptor a level: a walk then needs two descriptors whatever the depth.

use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;

use rustix::fs::{AtFlags, CWD, Mode, OFlags, RawDir, ResolveFlags, SeekFrom};
use rustix::io::Errno;

use super::meta::{Id, Kind, Meta};
use crate::engine::{RelPath, TargetId};
use crate::host;

/// The top of one of the two trees.
pub(super) struct Tree {
    root: Dir,
    /// Which directory it is.
    pub(super) id: Id,
}

/// An open directory.
pub(super) struct Dir(OwnedFd);

/// One name of a directory.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Name {
    pub(super) bytes: Box<[u8]>,
    /// What it is; `None`: the file system does not say it here.
    pub(super) kind: Option<Kind>,
}

/// Names as far as they could be read, sorted; with the error that ended the reading.
pub(super) struct Listing {
    pub(super) names: Vec<Name>,
    pub(super) error: Option<Errno>,
}

/// How a directory is opened.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum For {
    /// Its names are listed.
    Listing,
    /// Names in it are reached: needs no permission to read it.
    Reach,
}

impl Listing {
    /// The entry of that name.
    pub(super) fn find(&self, name: &[u8]) -> Option<&Name> {
        let at = self
            .names
            .binary_search_by(|entry| (*entry.bytes).cmp(name))
            .ok()?;
        self.names.get(at)
    }
}

impl For {
    fn flags(self) -> OFlags {
        let base = OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        match self {
            For::Listing => base | OFlags::RDONLY,
            For::Reach => base | OFlags::PATH,
        }
    }
}

/// `openat2` gives `EAGAIN` when it cannot be sure during a rename elsewhere; then components are walked instead.
const RESOLVE: ResolveFlags = ResolveFlags::BENEATH.union(ResolveFlags::NO_SYMLINKS);

/// Fits the entries of most directories in one or two system calls.
const LIST_BUFFER: usize = 32 * 1024;

impl Tree {
    /// Opens a root. The root's own path may lead through symlinks: it is the operator's, and guarded as a whole.
    pub(super) fn open(path: &Path) -> Result<Tree, Errno> {
        let root = Dir(rustix::fs::openat(
            CWD,
            path,
            OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC,
            Mode::empty(),
        )?);
        let id = root.meta()?.id;
        Ok(Tree { root, id })
    }

    /// Which directory it is, for longer than this process; where what is written `lasts`, for longer than the machine runs.
    pub(super) fn target_id(&self, lasts: bool) -> Option<TargetId> {
        host::target_id(&self.root.0, lasts)
    }

    /// Waits until everything that was done to its file system is on the disk.
    pub(super) fn sync(&self) -> Result<(), Errno> {
        rustix::fs::syncfs(&self.root.0)
    }

    /// Opens a directory below the root.
    pub(super) fn dir(&self, path: &RelPath, purpose: For) -> Result<Dir, Errno> {
        let flags = purpose.flags();
        if path.is_root() {
            return rustix::fs::openat(self.root.fd(), ".", flags, Mode::empty()).map(Dir);
        }
        match rustix::fs::openat2(
            self.root.fd(),
            path.as_bytes(),
            flags,
            Mode::empty(),
            RESOLVE,
        ) {
            Ok(fd) => Ok(Dir(fd)),
            Err(Errno::NOSYS | Errno::AGAIN | Errno::PERM | Errno::NAMETOOLONG) => {
                self.dir_by_components(path, flags)
            }
            Err(error) => Err(error),
        }
    }

    /// The same for kernels before 5.6, behind sandboxes that refuse `openat2`, and deeper than a path may be long.
    fn dir_by_components(&self, path: &RelPath, flags: OFlags) -> Result<Dir, Errno> {
        let reach = For::Reach.flags();
        let mut here: Option<OwnedFd> = None;
        let mut names = path.as_bytes().split(|byte| *byte == b'/').peekable();
        while let Some(name) = names.next() {
            let at = here.as_ref().map_or(self.root.fd(), |fd| fd.as_fd());
            let flags = if names.peek().is_some() { reach } else { flags };
            here = Some(rustix::fs::openat(at, name, flags, Mode::empty())?);
        }
        here.map(Dir).ok_or(Errno::NOENT)
    }
}

impl Dir {
    /// Its descriptor.
    pub(super) fn fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }

    /// Its own metadata.
    pub(super) fn meta(&self) -> Result<Meta, Errno> {
        rustix::fs::fstat(&self.0).map(|stat| Meta::of(&stat))
    }

    /// What a name in it is; `None`: there is no such name.
    pub(super) fn look(&self, name: &[u8]) -> Result<Option<Meta>, Errno> {
        match rustix::fs::statat(&self.0, name, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(stat) => Ok(Some(Meta::of(&stat))),
            Err(Errno::NOENT) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// A handle on the object under a name, whatever its type, that neither reads nor follows it.
    pub(super) fn hold(&self, name: &[u8]) -> Result<OwnedFd, Errno> {
        rustix::fs::openat(
            &self.0,
            name,
            OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC,
            Mode::empty(),
        )
    }

    /// Opens a regular file for reading. Opening never blocks, whatever was put under the name meanwhile, and does not
    /// touch the access time where that is permitted.
    pub(super) fn read(&self, name: &[u8]) -> Result<OwnedFd, Errno> {
        let flags =
            OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
        match rustix::fs::openat(&self.0, name, flags | OFlags::NOATIME, Mode::empty()) {
            Err(Errno::PERM) => rustix::fs::openat(&self.0, name, flags, Mode::empty()),
            opened => opened,
        }
    }

    /// Opens a directory in it.
    pub(super) fn child(&self, name: &[u8], purpose: For) -> Result<Dir, Errno> {
        rustix::fs::openat(&self.0, name, purpose.flags(), Mode::empty()).map(Dir)
    }

    /// Lists it from its beginning, sorted by name.
    pub(super) fn list(&self) -> Listing {
        // A descriptor that was listed before stands at the end.
        if let Err(error) = rustix::fs::seek(&self.0, SeekFrom::Start(0)) {
            return Listing {
                names: Vec::new(),
                error: Some(error),
            };
        }
        let mut buffer = [MaybeUninit::<u8>::uninit(); LIST_BUFFER];
        let mut raw = RawDir::new(&self.0, &mut buffer);
        let mut names = Vec::new();
        let mut error = None;
        while let Some(entry) = raw.next() {
            match entry {
                Ok(entry) => {
                    let bytes = entry.file_name().to_bytes();
                    if bytes == b"." || bytes == b".." {
                        continue;
                    }
                    names.push(Name {
                        bytes: bytes.into(),
                        kind: Kind::of(entry.file_type()),
                    });
                }
                Err(stopped) => {
                    error = Some(stopped);
                    break;
                }
            }
        }
        names.sort_unstable_by(|one, other| one.bytes.cmp(&other.bytes));
        Listing { names, error }
    }

    /// What a listed name is, asking where the listing does not say. `None`: it is gone by now.
    pub(super) fn kind(&self, name: &Name) -> Result<Option<Kind>, Errno> {
        match name.kind {
            Some(kind) => Ok(Some(kind)),
            None => Ok(self.look(&name.bytes)?.map(|meta| meta.kind)),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    fn p(text: &str) -> RelPath {
        RelPath::new(text.as_bytes()).unwrap()
    }

    #[test]
    fn no_symlink_is_followed_below_a_root() {
        let scratch = tempfile::tempdir().unwrap();
        let root = scratch.path().join("root");
        std::fs::create_dir_all(root.join("a/b")).unwrap();
        std::fs::create_dir_all(scratch.path().join("outside/b")).unwrap();
        symlink("../outside", root.join("link")).unwrap();
        symlink("a", root.join("near")).unwrap();
        let tree = Tree::open(&root).unwrap();
        for purpose in [For::Listing, For::Reach] {
            assert!(tree.dir(&p("a/b"), purpose).is_ok());
            assert!(tree.dir(&p("."), purpose).is_ok());
            for path in ["link", "link/b", "near", "near/b", "a/none"] {
                assert!(tree.dir(&p(path), purpose).is_err(), "{path}");
                assert!(
                    tree.dir_by_components(&p(path), purpose.flags()).is_err(),
                    "{path}"
                );
            }
            assert!(tree.dir_by_components(&p("a/b"), purpose.flags()).is_ok());
        }
    }

    #[test]
    fn a_listing_is_sorted_and_knows_directories() {
        let scratch = tempfile::tempdir().unwrap();
        for name in ["b", "a", "c\n"] {
            std::fs::write(scratch.path().join(name), name).unwrap();
        }
        std::fs::create_dir(scratch.path().join("d")).unwrap();
        let tree = Tree::open(scratch.path()).unwrap();
        let listing = tree.dir(&RelPath::root(), For::Listing).unwrap().list();
        assert!(listing.error.is_none());
        let names: Vec<_> = listing
            .names
            .iter()
            .map(|name| (&*name.bytes, name.kind == Some(Kind::Dir)))
            .collect();
        assert!(listing.find(b"b").is_some() && listing.find(b"e").is_none());
        assert_eq!(
            names,
            [
                (&b"a"[..], false),
                (b"b", false),
                (b"c\n", false),
                (b"d", true)
            ]
        );
    }
}
