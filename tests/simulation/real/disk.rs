//! Trees of the model on a real file system: planted, changed and read back.
//!
//! A content is a file of its number, once for each unit of size; a link leads to its number. Times are the model's, in
//! microseconds. A directory that a change of names gave the present time has another one there than here, and is only
//! known as such.

use std::collections::{BTreeMap, HashMap};
use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};

use heliostat::engine::RelPath;
use rustix::fs::{AtFlags, CWD, Timespec, Timestamps, UTIME_OMIT};

use crate::simulation::path::P;
use crate::simulation::source::{Facts, Kind, Source};

/// Times of the model that are smaller were not given by the source's clock, but are the present.
const PRESENT_MAX: u64 = 100_000_000_000_000;

/// The present, whatever it is.
const PRESENT: u64 = 1;

/// Bytes a unit of size.
const UNIT: usize = 8;

/// What the model's letters are called: `a b c d`. Names that begin with a dot, or look like an option, a comment, a
/// pattern or rsync's own escapes, or are no text at all.
pub const ALPHABETS: [[&[u8]; 4]; 4] = [
    [b"a", b"b", b"c", b"d"],
    [b".n", b"n", b"#c", b"-d"],
    [b"two\nlines", b"\xff\xfe", b"\\#012", b" blank "],
    [b"*", b"[a]", b"a:b", b";y"],
];

/// The names of one history.
#[derive(Clone, Copy, Debug)]
pub struct Names(pub usize);

impl Names {
    fn name(self, letter: u8) -> &'static [u8] {
        match letter {
            b'a'..=b'd' => ALPHABETS[self.0][usize::from(letter - b'a')],
            _ => b"x",
        }
    }

    /// What the model calls so on the disk.
    pub fn there(self, path: P) -> RelPath {
        let mut found = RelPath::root();
        for name in path.rel().as_bytes().split(|byte| *byte == b'/') {
            if let [letter] = name {
                found = found.join(self.name(*letter));
            }
        }
        found
    }

    /// What the model calls what is so called on the disk.
    pub fn here(self, path: &RelPath) -> Option<P> {
        let mut found = P::ROOT;
        for name in path.as_bytes().split(|byte| *byte == b'/') {
            if !name.is_empty() {
                let letter = b"abcdx".iter().find(|letter| self.name(**letter) == name)?;
                found = found.join(*letter)?;
            }
        }
        Some(found)
    }

    fn at(self, root: &Path, path: P) -> PathBuf {
        self.there(path).under(root)
    }
}

/// A tree of the model.
pub type Tree = BTreeMap<P, Facts>;

/// The facts as far as they can be compared.
pub fn comparable(mut facts: Facts) -> Facts {
    match facts.kind {
        Kind::Directory if facts.mtime < PRESENT_MAX => facts.mtime = PRESENT,
        // It has a mode and a size of its own.
        Kind::Link => (facts.mode, facts.size) = (0, 0),
        _ => {}
    }
    facts
}

/// Makes the source anew.
pub fn plant(source: &Source, root: &Path, names: Names) {
    empty(root);
    let mut first: HashMap<usize, P> = HashMap::new();
    for (path, number) in &source.names {
        match first.get(number) {
            Some(other) => {
                fs::hard_link(names.at(root, *other), names.at(root, *path)).unwrap();
            }
            None => {
                create(source.inodes[*number].facts, &names.at(root, *path));
                first.insert(*number, *path);
            }
        }
    }
    for (path, number) in source.names.iter().rev() {
        dress(source.inodes[*number].facts, &names.at(root, *path));
    }
}

/// Makes of the tree `before` the tree `after`.
pub fn change(before: &Tree, after: &Tree, root: &Path, names: Names) {
    for (path, facts) in before.iter().rev() {
        let at = names.at(root, *path);
        if after.get(path).is_none_or(|other| other.kind != facts.kind) {
            match facts.kind {
                Kind::Directory => fs::remove_dir(at).unwrap(),
                Kind::File | Kind::Link => fs::remove_file(at).unwrap(),
            }
        }
    }
    for (path, facts) in after {
        let same = before
            .get(path)
            .is_some_and(|there| there == facts || there.kind == Kind::Directory);
        if !same {
            let at = names.at(root, *path);
            // Never in place: it may have further names.
            let _ = fs::remove_file(&at);
            create(*facts, &at);
        }
    }
    for (path, facts) in after.iter().rev() {
        dress(*facts, &names.at(root, *path));
    }
}

/// Removes everything in a directory.
fn empty(root: &Path) {
    for entry in fs::read_dir(root).unwrap() {
        let entry = entry.unwrap();
        match entry.file_type().unwrap().is_dir() {
            true => fs::remove_dir_all(entry.path()).unwrap(),
            false => fs::remove_file(entry.path()).unwrap(),
        }
    }
}

fn create(facts: Facts, at: &Path) {
    match facts.kind {
        Kind::Directory => {
            if !at.is_dir() {
                fs::create_dir(at).unwrap();
            }
        }
        Kind::File => {
            let unit = format!("{:0UNIT$x}", facts.content);
            fs::write(at, unit.repeat(facts.size as usize)).unwrap();
        }
        Kind::Link => symlink(format!("to{}", facts.content), at).unwrap(),
    }
}

fn dress(facts: Facts, at: &Path) {
    if facts.kind != Kind::Link {
        fs::set_permissions(at, PermissionsExt::from_mode(u32::from(facts.mode))).unwrap();
    }
    if facts.kind == Kind::Directory && facts.mtime < PRESENT_MAX {
        return;
    }
    let times = Timestamps {
        last_access: Timespec {
            tv_sec: 0,
            tv_nsec: UTIME_OMIT,
        },
        last_modification: Timespec {
            tv_sec: (facts.mtime / 1_000_000) as i64,
            tv_nsec: (facts.mtime % 1_000_000 * 1000) as i64,
        },
    };
    rustix::fs::utimensat(CWD, at, &times, AtFlags::SYMLINK_NOFOLLOW).unwrap();
}

/// Reads a tree back. What no tree of the model can be is an error. `since`: when the present began, in seconds.
pub fn read(root: &Path, names: Names, since: i64) -> Result<Tree, String> {
    let mut tree = Tree::new();
    let mut open = vec![RelPath::root()];
    while let Some(at) = open.pop() {
        let full = at.under(root);
        let info = full
            .symlink_metadata()
            .map_err(|error| format!("{at:?}: {error}"))?;
        let path = names
            .here(&at)
            .ok_or_else(|| format!("{at:?} is foreign"))?;
        let kind = info.file_type();
        let (kind, content, size) = if kind.is_dir() {
            for entry in fs::read_dir(&full).unwrap() {
                open.push(at.join(entry.unwrap().file_name().as_bytes()));
            }
            (Kind::Directory, 0, 0)
        } else if kind.is_symlink() {
            (Kind::Link, link(&fs::read_link(&full).unwrap())?, 1)
        } else {
            let (content, size) = file(&fs::read(&full).unwrap())?;
            (Kind::File, content, size)
        };
        let mtime = if kind == Kind::Directory && info.mtime() >= since {
            PRESENT
        } else {
            (info.mtime() * 1_000_000 + info.mtime_nsec() / 1000) as u64
        };
        let facts = Facts {
            kind,
            content,
            size,
            mtime,
            mode: (info.mode() & 0o7777) as u16,
        };
        tree.insert(path, facts);
    }
    Ok(tree)
}

fn link(to: &Path) -> Result<u32, String> {
    let to = OsStr::as_bytes(to.as_os_str());
    let number = to.strip_prefix(b"to").and_then(|to| text(to)?.parse().ok());
    number.ok_or_else(|| format!("a link to {to:?}"))
}

fn file(bytes: &[u8]) -> Result<(u32, u32), String> {
    let number = bytes
        .get(..UNIT)
        .and_then(|unit| u32::from_str_radix(text(unit)?, 16).ok());
    let whole = |number: &u32| {
        let unit = format!("{number:0UNIT$x}");
        bytes.len() % UNIT == 0 && bytes.chunks(UNIT).all(|part| part == unit.as_bytes())
    };
    let number = number.filter(whole);
    let number = number.ok_or_else(|| format!("neither old nor new: {bytes:?}"))?;
    Ok((number, (bytes.len() / UNIT) as u32))
}

fn text(bytes: &[u8]) -> Option<&str> {
    std::str::from_utf8(bytes).ok()
}
