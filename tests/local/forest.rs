//! Random trees: every type, odd names, odd modes; the same seed grows the same tree.

use std::ffi::OsStr;
use std::fs::File;
use std::io::{Seek, SeekFrom, Write};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};

use fastrand::Rng;
use heliostat::plan::Attributes;
use rustix::fs::{AtFlags, CWD, FileType, Mode, Timespec, Timestamps, UTIME_OMIT, XattrFlags};

use super::is_root;

/// Few names, so that two trees meet often; most of them once broke some tool.
const NAMES: &[&[u8]] = &[
    b"a",
    b"b",
    b"c",
    b"a.b",
    b"-rf",
    b"#x",
    b";y",
    b"two\nlines",
    b"\xff\xfe",
    b" blank ",
    b"*",
    b"[a]",
    b"\\#012",
    b"gr\xc3\xbcn",
    b"a:b",
];

/// Names in a directory at most.
const WIDTH: usize = 7;

/// Levels of directories.
const DEPTH: usize = 4;

/// Grows a tree in the existing directory `root`.
pub(super) fn grow(root: &Path, rng: &mut Rng, attributes: &Attributes) {
    let mut grower = Grower {
        rng,
        attributes,
        files: Vec::new(),
    };
    grower.directory(root, DEPTH);
}

struct Grower<'a> {
    rng: &'a mut Rng,
    attributes: &'a Attributes,
    /// What can get a further name.
    files: Vec<PathBuf>,
}

impl Grower<'_> {
    fn directory(&mut self, dir: &Path, depth: usize) {
        for _ in 0..self.rng.usize(0..=WIDTH) {
            let path = dir.join(OsStr::from_bytes(&name(self.rng)));
            if path.symlink_metadata().is_err() {
                self.entry(&path, depth);
            }
        }
        self.dress(dir, false);
    }

    fn entry(&mut self, path: &Path, depth: usize) {
        match self.rng.usize(0..20) {
            0..6 if depth > 0 => {
                std::fs::create_dir(path).unwrap();
                self.directory(path, depth - 1);
                return;
            }
            6..8 => {
                let to: &[u8] = self
                    .rng
                    .choice([&b"a"[..], b"../a", b"nowhere", b"/etc/passwd", b"."])
                    .unwrap();
                symlink(OsStr::from_bytes(to), path).unwrap();
                self.dress(path, true);
                return;
            }
            8 => return special(path, self.rng),
            9 if !self.files.is_empty() => {
                let old = self.rng.choice(&self.files).unwrap();
                std::fs::hard_link(old, path).unwrap();
                return;
            }
            10 => {
                let mut file = File::create_new(path).unwrap();
                file.write_all(b"head").unwrap();
                file.seek(SeekFrom::Start(self.rng.u64(5_000..400_000)))
                    .unwrap();
                file.write_all(b"tail").unwrap();
                file.set_len(500_000 + self.rng.u64(0..3)).unwrap();
            }
            _ => std::fs::write(path, content(self.rng)).unwrap(),
        }
        self.dress(path, false);
        self.files.push(path.to_path_buf());
    }

    /// Owner, mode, attributes, time.
    fn dress(&mut self, path: &Path, link: bool) {
        let rng = &mut *self.rng;
        if is_root() {
            let owner = *rng.choice(&[0, 0, 1, 1000]).unwrap();
            std::os::unix::fs::lchown(path, Some(owner), Some(rng.u32(0..2) * 100)).unwrap();
        }
        if !link {
            let dir = path.is_dir();
            let modes: &[u32] = match (dir, is_root()) {
                (true, true) => &[0o755, 0o700, 0o555, 0o2775, 0o1777, 0o000],
                (true, false) => &[0o755, 0o700, 0o555, 0o2775],
                (false, true) => &[0o644, 0o600, 0o4755, 0o2755, 0o444, 0o000, 0o7777],
                (false, false) => &[0o644, 0o600, 0o444, 0o755],
            };
            let mode = *rng.choice(modes).unwrap();
            if rng.u32(0..4) == 0 {
                std::fs::set_permissions(path, PermissionsExt::from_mode(0o700)).unwrap();
                for _ in 0..rng.usize(1..4) {
                    let name = format!("user.k{}", rng.u32(0..3));
                    set_xattr(path, &name, format!("v{}", rng.u32(0..3)).as_bytes());
                }
                if is_root() && self.attributes.xattrs {
                    set_xattr(path, "trusted.heliostat", &[rng.u8(0..3)]);
                }
            }
            std::fs::set_permissions(path, PermissionsExt::from_mode(mode)).unwrap();
            if self.attributes.acls && rng.u32(0..4) == 0 {
                set_xattr(path, "system.posix_acl_access", &acl(rng));
                if dir && rng.bool() {
                    set_xattr(path, "system.posix_acl_default", &acl(rng));
                }
            }
        }
        set_time(
            path,
            rng.i64(-1_000..2_000_000_000),
            rng.i64(0..1_000_000_000),
        );
    }
}

/// A name, at times as long as names can be.
pub(super) fn name(rng: &mut Rng) -> Vec<u8> {
    if rng.u32(0..30) == 0 {
        return vec![b'n'; 255];
    }
    rng.choice(NAMES).unwrap().to_vec()
}

/// A file's content: mostly small, at times beyond every buffer.
pub(super) fn content(rng: &mut Rng) -> Vec<u8> {
    let length = match rng.u32(0..12) {
        0 => 0,
        1 => rng.usize(130_000..600_000),
        _ => rng.usize(1..40),
    };
    let byte = rng.u8(..);
    (0..length)
        .map(|at| byte.wrapping_add((at / 7) as u8))
        .collect()
}

/// A fifo, socket or device. Users' attributes cannot be on them.
fn special(path: &Path, rng: &mut Rng) {
    let kinds = [FileType::Fifo, FileType::Socket, FileType::CharacterDevice];
    let kind = if is_root() {
        kinds[rng.usize(0..3)]
    } else {
        kinds[rng.usize(0..2)]
    };
    let device = if kind == FileType::CharacterDevice {
        rustix::fs::makedev(1, rng.u32(3..8))
    } else {
        0
    };
    rustix::fs::mknodat(CWD, path, kind, Mode::from_raw_mode(0o600), device).unwrap();
    if is_root() {
        std::os::unix::fs::lchown(path, Some(rng.u32(0..2)), None).unwrap();
    }
    std::fs::set_permissions(path, PermissionsExt::from_mode(0o640)).unwrap();
    set_time(path, rng.i64(0..2_000_000_000), rng.i64(0..1_000_000_000));
}

/// An ACL as the kernel keeps it: version 2, then tag, permissions and id of each entry.
fn acl(rng: &mut Rng) -> Vec<u8> {
    let mut bytes = 2u32.to_le_bytes().to_vec();
    let none = u32::MAX;
    for (tag, id) in [
        (1u16, none),
        (2, 1 + rng.u32(0..2)),
        (4, none),
        (0x10, none),
        (0x20, none),
    ] {
        bytes.extend(tag.to_le_bytes());
        bytes.extend(rng.u16(0..8).to_le_bytes());
        bytes.extend(id.to_le_bytes());
    }
    bytes
}

fn set_xattr(path: &Path, name: &str, value: &[u8]) {
    rustix::fs::lsetxattr(path, name, value, XattrFlags::empty()).unwrap();
}

/// Sets a modification time.
pub(super) fn set_time(path: &Path, seconds: i64, nanoseconds: i64) {
    let times = Timestamps {
        last_access: Timespec {
            tv_sec: 0,
            tv_nsec: UTIME_OMIT,
        },
        last_modification: Timespec {
            tv_sec: seconds,
            tv_nsec: nanoseconds,
        },
    };
    rustix::fs::utimensat(CWD, path, &times, AtFlags::SYMLINK_NOFOLLOW).unwrap();
}
