//! Looks at directories below the root, never through a symlink.
//!
//! Stateless, as [`Root`] is; another root than the one that the watch stands on reads as [`Look::Gone`], and the
//! worker's own check finds out why.

use std::cell::OnceCell;
use std::collections::hash_map::DefaultHasher;
use std::hash::{Hash, Hasher};
use std::mem::MaybeUninit;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rustix::fs::{
    AtFlags, Dir, FileType, Mode, OFlags, RawDir, Stat, fstat, fstatfs, openat, statat,
};

use crate::engine::RelPath;
use crate::host::Root;
pub(crate) use crate::host::{Identity, Look};

/// A directory's state, so far as its own listing shows it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Signature {
    hash: u64,
    /// When it was looked at: seconds since 1970.
    at: i64,
    /// Something in it changed so short before the look that a later change could bear the same time.
    racy: bool,
}

impl Signature {
    /// Whether what was seen later proves that nothing changed in between.
    pub(crate) fn proves(self, later: Signature) -> bool {
        !self.racy && self.hash == later.hash
    }

    /// What has changed since this look bears a time from here on: seconds since 1970.
    pub(crate) fn since(self) -> i64 {
        self.at.saturating_sub(RACY.as_secs() as i64)
    }
}

/// What [`Disk::sign`] finds in a directory.
#[derive(Debug)]
pub(crate) struct Signed {
    /// Its state.
    pub(crate) signature: Signature,
    /// The names of the directories in it.
    pub(crate) directories: Vec<Vec<u8>>,
    /// The names of everything else in it; the first [`OTHERS_MAX`].
    pub(crate) others: Vec<Vec<u8>>,
    /// Those of everything else that changed since the time asked about.
    pub(crate) young: Vec<Vec<u8>>,
}

/// As many names are kept of one look; where there are more, none of them is worth a mark of its own.
pub(crate) const OTHERS_MAX: usize = 1000;

/// Times on common file systems are as coarse as this.
const RACY: Duration = Duration::from_secs(2);

/// Names are read so many bytes at a time: those of most directories at once.
const LIST_BUFFER: usize = 32 * 1024;

/// File systems on which a directory has two links and one more for each directory in it (ext2 to ext4, XFS, tmpfs):
/// numbers of `statfs`. A layered file system has a number of its own.
const COUNTING: [i128; 3] = [0xEF53, 0x5846_5342, 0x0102_1994];

/// What [`Disk::enter`] finds.
#[derive(Debug)]
pub(crate) enum Entered {
    /// The directory, and the one that holds it, which the root has not.
    Here(Open, Option<Open>),
    /// Another directory than the expected one is at the parent's path.
    Elsewhere,
}

/// A directory that is open, with `O_PATH`.
#[derive(Debug)]
pub(crate) struct Open {
    /// The descriptor; not to be kept, or the file system could not be unmounted.
    pub(crate) open: OwnedFd,
    /// Which one it is.
    pub(crate) identity: Identity,
}

impl Open {
    /// The directory of this name in it, whatever it is called itself by now.
    pub(crate) fn enter(&self, name: &[u8]) -> Result<Open, Look> {
        let flags = OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC | OFlags::PATH;
        let open = openat(&self.open, name, flags, Mode::empty()).map_err(Look::of)?;
        let found = fstat(&open).map_err(Look::of)?;
        Ok(Open {
            open,
            identity: Identity::of(&found),
        })
    }

    /// The names of the directories in it. Where it is `counted`, it is only read if there are any.
    ///
    /// A link is counted before the event of the directory that it stands for is queued. So where a watch stands already,
    /// two links say what an empty list would: what is not counted yet comes as an event.
    pub(crate) fn list(&self, counted: bool) -> Result<Vec<Vec<u8>>, Look> {
        if counted && fstat(&self.open).map_err(Look::of)?.st_nlink == 2 {
            return Ok(Vec::new());
        }
        let flags = OFlags::DIRECTORY | OFlags::CLOEXEC | OFlags::RDONLY;
        let open = openat(&self.open, c".", flags, Mode::empty()).map_err(Look::of)?;
        directories_in(&open)
    }

    /// Whether its file system counts the directories in a directory as its links.
    #[allow(clippy::unnecessary_cast)] // the integer types of `StatFs` differ between architectures
    fn counts(&self) -> bool {
        fstatfs(&self.open).is_ok_and(|found| COUNTING.contains(&(found.f_type as i128)))
    }
}

/// The tree below one root.
#[derive(Debug)]
pub(crate) struct Disk {
    root: Root,
    /// Of the root's file system.
    counts: OnceCell<bool>,
}

impl Disk {
    /// The tree below the directory at `root`, which is `expected`.
    pub(crate) fn new(root: PathBuf, expected: Identity) -> Disk {
        Disk {
            root: Root::new(root, expected),
            counts: OnceCell::new(),
        }
    }

    /// Whether the links of this directory say whether directories are in it. Only known of the root's file system.
    pub(crate) fn counted(&self, open: &Open) -> bool {
        open.identity.device == self.root.identity().device
            && *self.counts.get_or_init(|| open.counts())
    }

    /// The root's path.
    pub(crate) fn root(&self) -> &Path {
        self.root.path()
    }

    /// The root's identity.
    pub(crate) fn root_identity(&self) -> Identity {
        self.root.identity()
    }

    /// Which directory is at `path` now.
    pub(crate) fn identity(&self, path: &RelPath) -> Result<Identity, Look> {
        let directory = self.root.open(path, OFlags::PATH)?;
        fstat(&directory)
            .map(|stat| Identity::of(&stat))
            .map_err(Look::of)
    }

    /// Opens the directory at `path`, which the directory `parent` is expected to hold.
    pub(crate) fn enter(&self, path: &RelPath, parent: Option<Identity>) -> Result<Entered, Look> {
        let Some(above) = path.parent() else {
            let open = self.root.open(path, OFlags::PATH)?;
            let identity = self.root.identity();
            return Ok(Entered::Here(Open { open, identity }, None));
        };
        let open = self.root.open(&above, OFlags::PATH)?;
        let found = fstat(&open).map_err(Look::of)?;
        let above = Open {
            open,
            identity: Identity::of(&found),
        };
        if parent.is_some_and(|expected| expected != above.identity) {
            return Ok(Entered::Elsewhere);
        }
        Ok(Entered::Here(above.enter(path.name())?, Some(above)))
    }

    /// Whether a directory is at `path` now, and which one, so far as that may be seen.
    pub(crate) fn presence(&self, path: &RelPath) -> Option<Option<Identity>> {
        match self.identity(path) {
            Ok(identity) => Some(Some(identity)),
            Err(Look::Unreadable) => Some(None),
            Err(Look::Gone) => None,
        }
    }

    /// Which directory is at `path` now, and its directories' names.
    pub(crate) fn list(&self, path: &RelPath) -> Result<(Identity, Vec<Vec<u8>>), Look> {
        let directory = self.root.open(path, OFlags::RDONLY)?;
        let identity = fstat(&directory)
            .map(|stat| Identity::of(&stat))
            .map_err(Look::of)?;
        Ok((identity, directories_in(&directory)?))
    }

    /// The state of the directory at `path`, and what in it changed `since` (seconds since 1970). Entries that are not
    /// `wanted` (name, whether it is a directory) do not count; of directories in it their times do not count, for they
    /// are looked at themselves.
    pub(crate) fn sign(
        &self,
        path: &RelPath,
        since: i64,
        wanted: impl Fn(&[u8], bool) -> bool,
    ) -> Result<Signed, Look> {
        let directory = self.root.open(path, OFlags::RDONLY)?;
        let now = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default();
        let at = now.as_secs() as i64;
        let fresh = now.saturating_sub(RACY).as_secs() as i64;
        let own = fstat(&directory).map_err(Look::of)?;
        let mut racy = own.st_ctime >= fresh;
        let mut sum = digest(b"", &own, true);
        let (mut directories, mut others, mut young) = (Vec::new(), Vec::new(), Vec::new());
        for entry in Dir::read_from(&directory).map_err(Look::of)? {
            let entry = entry.map_err(Look::of)?;
            let name = entry.file_name();
            if matches!(name.to_bytes(), b"." | b"..") {
                continue;
            }
            let Ok(stat) = statat(&directory, name, AtFlags::SYMLINK_NOFOLLOW) else {
                racy = true; // it vanished just now
                continue;
            };
            if !wanted(name.to_bytes(), is_dir(&stat)) {
                continue;
            }
            if is_dir(&stat) {
                directories.push(name.to_bytes().to_vec());
            } else {
                racy |= stat.st_ctime >= fresh;
                if others.len() < OTHERS_MAX {
                    others.push(name.to_bytes().to_vec());
                }
                if stat.st_ctime >= since {
                    young.push(name.to_bytes().to_vec());
                }
            }
            sum = sum.wrapping_add(digest(name.to_bytes(), &stat, !is_dir(&stat))); // in whatever order
        }
        Ok(Signed {
            signature: Signature {
                hash: sum,
                at,
                racy,
            },
            directories,
            others,
            young,
        })
    }

    /// Whether there is a directory at `path`; `None` if nothing is there.
    pub(crate) fn is_directory(&self, path: &RelPath) -> Option<bool> {
        let parent = self.root.open(&path.parent()?, OFlags::PATH).ok()?;
        statat(&parent, path.name(), AtFlags::SYMLINK_NOFOLLOW)
            .ok()
            .map(|stat| is_dir(&stat))
    }
}

fn directories_in(directory: &OwnedFd) -> Result<Vec<Vec<u8>>, Look> {
    let mut names = Vec::new();
    let mut buffer = [MaybeUninit::<u8>::uninit(); LIST_BUFFER];
    let mut all = RawDir::new(directory, &mut buffer);
    while let Some(entry) = all.next() {
        let entry = entry.map_err(Look::of)?;
        let name = entry.file_name();
        if matches!(name.to_bytes(), b"." | b"..") {
            continue;
        }
        let is_directory = match entry.file_type() {
            FileType::Unknown => {
                statat(directory, name, AtFlags::SYMLINK_NOFOLLOW).is_ok_and(|s| is_dir(&s))
            }
            kind => kind == FileType::Directory,
        };
        if is_directory {
            names.push(name.to_bytes().to_vec());
        }
    }
    Ok(names)
}

fn is_dir(stat: &Stat) -> bool {
    FileType::from_raw_mode(stat.st_mode) == FileType::Directory
}

fn digest(name: &[u8], stat: &Stat, times: bool) -> u64 {
    let mut hasher = DefaultHasher::new();
    (
        name,
        stat.st_mode,
        stat.st_uid,
        stat.st_gid,
        stat.st_ino,
        stat.st_dev,
    )
        .hash(&mut hasher);
    if times {
        (
            stat.st_size,
            stat.st_mtime,
            stat.st_mtime_nsec,
            stat.st_ctime,
            stat.st_ctime_nsec,
        )
            .hash(&mut hasher);
    }
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::os::unix::fs::MetadataExt;

    fn disk(root: &Path) -> Disk {
        let stat = fs::metadata(root).unwrap();
        Disk::new(
            root.into(),
            Identity {
                device: stat.dev(),
                inode: stat.ino(),
            },
        )
    }

    fn p(text: &str) -> RelPath {
        RelPath::new(text.as_bytes()).unwrap()
    }

    #[test]
    fn nothing_is_seen_through_a_symlink() {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir_all(dir.path().join("real/sub")).unwrap();
        std::os::unix::fs::symlink("real", dir.path().join("link")).unwrap();
        let disk = disk(dir.path());
        assert!(disk.identity(&p("real/sub")).is_ok());
        assert_eq!(disk.identity(&p("link")), Err(Look::Gone));
        assert_eq!(disk.identity(&p("link/sub")), Err(Look::Gone));
        assert_eq!(disk.list(&RelPath::root()).unwrap().1, [b"real".to_vec()]);
        assert_eq!(disk.is_directory(&p("link")), Some(false));
        assert_eq!(disk.is_directory(&p("nothing")), None);
    }

    #[test]
    fn a_directory_without_directories_need_not_be_read_where_links_are_counted() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("file"), "").unwrap();
        let disk = disk(dir.path());
        let open = || match disk.enter(&RelPath::root(), None).unwrap() {
            Entered::Here(open, None) => open,
            other => panic!("{other:?}"),
        };
        let leaf = open();
        // That it is true of this file system, where the program believes it: two, and one for each.
        let links = || fstat(&leaf.open).unwrap().st_nlink;
        let counted = disk.counted(&leaf);
        assert!(!counted || links() == 2);
        assert_eq!(leaf.list(counted).unwrap(), Vec::<Vec<u8>>::new());
        for (made, name) in ["a", "b"].iter().enumerate() {
            fs::create_dir(dir.path().join(name)).unwrap();
            assert!(!counted || links() == 3 + made as u64);
            assert_eq!(leaf.list(counted).unwrap().len(), made + 1);
        }
        let elsewhere = Open {
            identity: Identity {
                device: !0,
                ..leaf.identity
            },
            ..leaf
        };
        assert!(!disk.counted(&elsewhere), "another file system's links");
    }

    #[test]
    fn a_file_system_that_does_not_count_is_not_believed() {
        let proc = Open {
            open: rustix::fs::open("/proc", OFlags::PATH, Mode::empty()).unwrap(),
            identity: Identity {
                device: 0,
                inode: 0,
            },
        };
        assert!(!proc.counts());
    }

    #[test]
    fn another_root_at_the_same_path_is_not_looked_into() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().join("root");
        fs::create_dir_all(root.join("a")).unwrap();
        let disk = disk(&root);
        fs::rename(&root, dir.path().join("away")).unwrap();
        fs::create_dir_all(root.join("a")).unwrap();
        assert_eq!(disk.identity(&p("a")), Err(Look::Gone));
    }

    #[test]
    fn a_fresh_change_is_never_proof_of_sameness() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("f"), "1").unwrap();
        let disk = disk(dir.path());
        let first = disk
            .sign(&RelPath::root(), 0, |_, _| true)
            .unwrap()
            .signature;
        let later = disk
            .sign(&RelPath::root(), first.since(), |_, _| true)
            .unwrap();
        assert_eq!(later.young, [b"f".to_vec()]);
        let second = later.signature;
        assert_eq!(first.hash, second.hash);
        assert!(
            !first.proves(second),
            "the file is younger than its file system's clock may tell apart"
        );
    }
}
