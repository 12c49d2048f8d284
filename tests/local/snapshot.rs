//! A tree as data, so that two of them can be compared.

use std::collections::{BTreeMap, HashMap};
use std::ffi::OsStr;
use std::fmt::Write;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::Path;

use heliostat::engine::{RelPath, escape};
use heliostat::plan::Attributes;

/// What of one entry is compared.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Seen {
    kind: char,
    mode: u32,
    owner: (u32, u32),
    mtime: (i64, i64),
    content: String,
    xattrs: BTreeMap<Vec<u8>, Vec<u8>>,
    /// The first name of its hard-link group.
    group: Option<RelPath>,
}

impl Seen {
    /// Whether it is a file of just these bytes.
    pub(super) fn content_is(&self, bytes: &[u8]) -> bool {
        self.content == digest(bytes)
    }
}

fn digest(bytes: &[u8]) -> String {
    format!("{} {}", bytes.len(), blake3::hash(bytes).to_hex())
}

pub(super) type Snapshot = BTreeMap<RelPath, Seen>;

/// Reads everything of a tree that a route with these attributes carries.
pub(super) fn of(root: &Path, attributes: &Attributes) -> Snapshot {
    let mut found = Snapshot::new();
    let mut groups = HashMap::new();
    let mut stack = vec![RelPath::root()];
    while let Some(path) = stack.pop() {
        let full = path.under(root);
        let meta = std::fs::symlink_metadata(&full).unwrap();
        let kind = meta.file_type();
        let (letter, content) = if kind.is_dir() {
            for entry in std::fs::read_dir(&full).unwrap() {
                stack.push(path.join(entry.unwrap().file_name().as_bytes()));
            }
            ('d', String::new())
        } else if kind.is_symlink() {
            (
                'l',
                escape(std::fs::read_link(&full).unwrap().as_os_str().as_bytes()).into_owned(),
            )
        } else if kind.is_file() {
            let bytes = std::fs::read(&full).unwrap();
            (
                'f',
                format!("{} {}", bytes.len(), blake3::hash(&bytes).to_hex()),
            )
        } else {
            let letter = match () {
                () if kind.is_fifo() => 'p',
                () if kind.is_socket() => 's',
                () if kind.is_char_device() => 'c',
                () => 'b',
            };
            (
                letter,
                if matches!(letter, 'c' | 'b') {
                    format!("{:x}", meta.rdev())
                } else {
                    String::new()
                },
            )
        };
        if matches!(letter, 'p' | 's' | 'c' | 'b') && !attributes.devices {
            continue;
        }
        let mut xattrs = BTreeMap::new();
        for name in xattr::list(&full).unwrap() {
            let acl = name.as_bytes().starts_with(b"system.posix_acl");
            let asked = if acl {
                attributes.acls
            } else {
                attributes.xattrs && !name.as_bytes().starts_with(b"system.")
            };
            if asked {
                xattrs.insert(
                    name.as_bytes().to_vec(),
                    xattr::get(&full, &name).unwrap().unwrap_or_default(),
                );
            }
        }
        let seen = Seen {
            kind: letter,
            mode: if letter == 'l' {
                0
            } else {
                meta.mode() & 0o7777
            },
            owner: (meta.uid(), meta.gid()),
            mtime: (meta.mtime(), meta.mtime_nsec()),
            content,
            xattrs,
            group: None,
        };
        if letter != 'd' && attributes.hard_links && meta.nlink() > 1 {
            groups
                .entry((meta.dev(), meta.ino()))
                .or_insert_with(Vec::new)
                .push(path.clone());
        }
        found.insert(path, seen);
    }
    for names in groups.into_values().filter(|names| names.len() > 1) {
        let first = names.iter().min().cloned();
        for name in names {
            found.get_mut(&name).unwrap().group = first.clone();
        }
    }
    found
}

/// Without hard-link groups.
pub(super) fn ungrouped(mut snapshot: Snapshot) -> Snapshot {
    snapshot.values_mut().for_each(|seen| seen.group = None);
    snapshot
}

/// The differences, for people; empty where there are none.
pub(super) fn differences(one: &Snapshot, other: &Snapshot) -> String {
    let mut text = String::new();
    for path in one
        .keys()
        .chain(other.keys().filter(|path| !one.contains_key(*path)))
    {
        let (left, right) = (one.get(path), other.get(path));
        if left != right {
            writeln!(text, "{path}\n  - {left:?}\n  + {right:?}").unwrap();
        }
    }
    text
}

/// The names in a directory.
pub(super) fn names(dir: &Path) -> Vec<Vec<u8>> {
    let mut names: Vec<_> = std::fs::read_dir(dir)
        .unwrap()
        .map(|entry| entry.unwrap().file_name())
        .map(|name: std::ffi::OsString| OsStr::as_bytes(&name).to_vec())
        .collect();
    names.sort();
    names
}

/// Panics if a temporary file of ours is anywhere below.
pub(super) fn assert_no_leftovers(root: &Path) {
    let everything = Attributes {
        devices: true,
        ..Attributes::default()
    };
    for path in of(root, &everything).keys() {
        assert!(
            !heliostat::transfer::local::is_temporary(path.name()),
            "left over: {path}"
        );
    }
}
