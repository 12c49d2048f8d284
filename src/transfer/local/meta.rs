//! What is known of one file system object, as one `lstat` gives it.

use rustix::fs::{FileType, Stat};

/// What an object is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    File,
    Dir,
    Symlink,
    Fifo,
    Socket,
    Char,
    Block,
}

impl Kind {
    /// As the kernel names it; `None`: it does not say.
    pub(super) fn of(kind: FileType) -> Option<Kind> {
        Some(match kind {
            FileType::RegularFile => Kind::File,
            FileType::Directory => Kind::Dir,
            FileType::Symlink => Kind::Symlink,
            FileType::Fifo => Kind::Fifo,
            FileType::Socket => Kind::Socket,
            FileType::CharacterDevice => Kind::Char,
            FileType::BlockDevice => Kind::Block,
            FileType::Unknown => return None,
        })
    }
}

/// Device and inode: which object it is, whatever its name.
pub(super) type Id = (u64, u64);

/// Seconds and nanoseconds.
pub(super) type Time = (i64, u32);

/// One object's metadata.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Meta {
    pub(super) kind: Kind,
    /// The twelve permission bits.
    pub(super) mode: u32,
    pub(super) uid: u32,
    pub(super) gid: u32,
    pub(super) size: u64,
    /// Of 512 bytes each, as far as the file system has really allocated them.
    pub(super) blocks: u64,
    pub(super) mtime: Time,
    pub(super) ctime: Time,
    pub(super) id: Id,
    pub(super) nlink: u64,
    pub(super) rdev: u64,
}

impl Meta {
    /// Reads what the kernel said. The integer types of `Stat` differ between architectures, hence the casts.
    #[allow(clippy::unnecessary_cast)]
    pub(super) fn of(stat: &Stat) -> Meta {
        let kind = Kind::of(FileType::from_raw_mode(stat.st_mode)).unwrap_or(Kind::File);
        Meta {
            kind,
            mode: stat.st_mode as u32 & 0o7777,
            uid: stat.st_uid,
            gid: stat.st_gid,
            size: stat.st_size as u64,
            blocks: stat.st_blocks as u64,
            mtime: (stat.st_mtime as i64, stat.st_mtime_nsec as u32),
            ctime: (stat.st_ctime as i64, stat.st_ctime_nsec as u32),
            id: (stat.st_dev as u64, stat.st_ino as u64),
            nlink: stat.st_nlink as u64,
            rdev: stat.st_rdev as u64,
        }
    }

    /// Whether it is a directory.
    pub(super) fn is_dir(&self) -> bool {
        self.kind == Kind::Dir
    }

    /// Whether nothing was done to the object between the two looks: the same object, size and times. `ctime` cannot be
    /// set by anyone, so a writer that puts `mtime` back is seen as well.
    pub(super) fn same_version(&self, later: &Meta) -> bool {
        (self.id, self.kind, self.size, self.mtime, self.ctime)
            == (later.id, later.kind, later.size, later.mtime, later.ctime)
    }
}
