//! Two directory trees, compared by type, mode, owner, nanosecond time, size, content and link target.

use std::collections::{BTreeMap, HashMap};
use std::ffi::OsStr;
use std::fmt;
use std::fs::{self, Metadata};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::Path;
use std::time::{Duration, Instant};

use super::wait_for;

/// What is compared beside types, modes, sizes, file and directory times and link targets.
#[derive(Clone, Debug)]
pub struct Look {
    /// Content of regular files, by hash.
    pub content: bool,
    /// Owner and group.
    pub owner: bool,
    /// The times of symlinks.
    pub link_times: bool,
    /// Extended attributes, and with them ACLs.
    pub xattrs: bool,
    /// Which names are one file.
    pub hard_links: bool,
    /// Paths that are left out, with all below them.
    pub ignore: Vec<Vec<u8>>,
}

impl Default for Look {
    /// What `attributes: [archive]` keeps.
    fn default() -> Look {
        Look {
            content: true,
            owner: true,
            link_times: false,
            xattrs: false,
            hard_links: false,
            ignore: Vec::new(),
        }
    }
}

/// What is at a path, as far as it must be equal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// What it is.
    pub kind: Kind,
    /// Permission bits; 0 for symlinks, which have none of their own.
    pub mode: u32,
    /// User and group, if looked at.
    pub owner: Option<(u32, u32)>,
    /// Seconds and nanoseconds; of symlinks only if looked at.
    pub modified: Option<(i64, i64)>,
    /// Extended attributes by name, if looked at.
    pub xattrs: BTreeMap<Vec<u8>, Vec<u8>>,
    /// The first path, in order, of the same file where it has several in this tree, if looked at.
    pub same_as: Option<Vec<u8>>,
}

/// What is at a path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A directory.
    Directory,
    /// A regular file.
    File {
        /// In bytes.
        size: u64,
        /// If looked at.
        content: Option<Content>,
    },
    /// A symlink, and where it points.
    Link(Vec<u8>),
    /// A device, with its number.
    Device {
        /// A block device; else a character device.
        block: bool,
        /// Major and minor.
        number: u64,
    },
    /// A named pipe.
    Fifo,
    /// A socket.
    Socket,
}

/// What a file holds.
#[derive(Clone, PartialEq, Eq)]
pub enum Content {
    /// Its blake3 hash.
    Hash(blake3::Hash),
    /// It could not be read, by errno.
    Unreadable(i32),
}

impl fmt::Debug for Content {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Content::Hash(hash) => write!(f, "{:.8}", hash.to_hex()),
            Content::Unreadable(errno) => write!(f, "unreadable ({errno})"),
        }
    }
}

/// A path that is not the same in both trees.
#[derive(Clone, PartialEq, Eq)]
pub enum Difference {
    /// Only in the source.
    Missing(Vec<u8>),
    /// Only in the target.
    Extra(Vec<u8>),
    /// In both: the source's and the target's.
    Differs(Vec<u8>, Box<(Entry, Entry)>),
}

impl fmt::Debug for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Difference::Missing(path) => write!(f, "missing {}", path.escape_ascii()),
            Difference::Extra(path) => write!(f, "extra {}", path.escape_ascii()),
            Difference::Differs(path, entries) => {
                let (source, target) = &**entries;
                write!(
                    f,
                    "differs {}\n  source {source:?}\n  target {target:?}",
                    path.escape_ascii()
                )
            }
        }
    }
}

/// Everything below `root`, by path relative to it. What vanishes under way is not there.
pub fn snapshot(root: &Path, look: &Look) -> BTreeMap<Vec<u8>, Entry> {
    let mut entries = BTreeMap::new();
    let mut files: HashMap<(u64, u64), Vec<Vec<u8>>> = HashMap::new();
    let mut open = vec![Vec::new()];
    while let Some(directory) = open.pop() {
        let Ok(listing) = fs::read_dir(root.join(OsStr::from_bytes(&directory))) else {
            continue;
        };
        for name in listing.filter_map(|entry| Some(entry.ok()?.file_name().into_vec())) {
            let path = if directory.is_empty() {
                name
            } else {
                [&directory[..], &name].join(&b'/')
            };
            let at = root.join(OsStr::from_bytes(&path));
            let Ok(metadata) = fs::symlink_metadata(&at) else {
                continue;
            };
            if look.ignore.contains(&path) {
                continue;
            }
            if metadata.is_dir() {
                open.push(path.clone());
            } else if look.hard_links && metadata.nlink() > 1 {
                files
                    .entry((metadata.dev(), metadata.ino()))
                    .or_default()
                    .push(path.clone());
            }
            entries.insert(path, entry(&at, &metadata, look));
        }
    }
    for mut names in files.into_values().filter(|names| names.len() > 1) {
        names.sort();
        for name in &names {
            let entry = entries.get_mut(name).expect("it was found under this name");
            entry.same_as = Some(names[0].clone());
        }
    }
    entries
}

fn entry(at: &Path, metadata: &Metadata, look: &Look) -> Entry {
    let kind = metadata.file_type();
    let is_link = kind.is_symlink();
    Entry {
        mode: if is_link { 0 } else { metadata.mode() & 0o7777 },
        owner: look.owner.then(|| (metadata.uid(), metadata.gid())),
        modified: (!is_link || look.link_times).then(|| (metadata.mtime(), metadata.mtime_nsec())),
        xattrs: if look.xattrs {
            xattrs(at)
        } else {
            BTreeMap::new()
        },
        same_as: None,
        kind: if is_link {
            Kind::Link(
                fs::read_link(at)
                    .map(|to| to.into_os_string().into_vec())
                    .unwrap_or_default(),
            )
        } else if kind.is_dir() {
            Kind::Directory
        } else if kind.is_file() {
            Kind::File {
                size: metadata.len(),
                content: look.content.then(|| content(at)),
            }
        } else if kind.is_fifo() {
            Kind::Fifo
        } else if kind.is_socket() {
            Kind::Socket
        } else {
            Kind::Device {
                block: kind.is_block_device(),
                number: metadata.rdev(),
            }
        },
    }
}

fn content(at: &Path) -> Content {
    let mut hasher = blake3::Hasher::new();
    let read = fs::File::open(at).and_then(|mut file| std::io::copy(&mut file, &mut hasher));
    match read {
        Ok(_) => Content::Hash(hasher.finalize()),
        Err(error) => Content::Unreadable(error.raw_os_error().unwrap_or(0)),
    }
}

/// Of the file itself, not of what a link points to.
fn xattrs(at: &Path) -> BTreeMap<Vec<u8>, Vec<u8>> {
    let names = xattr::list(at).into_iter().flatten();
    names
        .filter_map(|name| {
            let value = xattr::get(at, &name).ok()??;
            Some((name.into_vec(), value))
        })
        .collect()
}

/// How `target` is not like `source`; empty when it is.
pub fn differences(source: &Path, target: &Path, look: &Look) -> Vec<Difference> {
    let (source, mut target) = (snapshot(source, look), snapshot(target, look));
    let mut found = Vec::new();
    for (path, ours) in source {
        match target.remove(&path) {
            None => found.push(Difference::Missing(path)),
            Some(theirs) if theirs != ours => {
                found.push(Difference::Differs(path, Box::new((ours, theirs))))
            }
            Some(_) => {}
        }
    }
    found.extend(target.into_keys().map(Difference::Extra));
    found
}

/// Waits until the trees are equal: how long it took, or what still differs at the deadline.
pub fn wait_equal(
    source: &Path,
    target: &Path,
    deadline: Duration,
    look: &Look,
) -> Result<Duration, Vec<Difference>> {
    let start = Instant::now();
    let mut last = Vec::new();
    let equal = wait_for(deadline, || {
        last = differences(source, target, look);
        last.is_empty().then(|| start.elapsed())
    });
    equal.ok_or(last)
}

#[cfg(test)]
mod tests {
    use std::fs::Permissions;
    use std::os::unix::fs::{PermissionsExt, chown, symlink};
    use std::process::Command;

    use super::*;
    use crate::rig::Scratch;

    const EVERYTHING: Look = Look {
        content: true,
        owner: true,
        link_times: true,
        xattrs: true,
        hard_links: true,
        ignore: Vec::new(),
    };

    /// A tree with one of each, and an equal one made by `cp -a`.
    fn pair() -> (Scratch, std::path::PathBuf, std::path::PathBuf) {
        let scratch = Scratch::new();
        let source = scratch.dir("source");
        fs::create_dir(source.join("d")).unwrap();
        fs::write(source.join("d/f"), "content").unwrap();
        fs::write(source.join("d/g"), "content").unwrap();
        fs::hard_link(source.join("d/g"), source.join("d/h")).unwrap();
        fs::write(source.join(OsStr::from_bytes(b"\xff\n")), "").unwrap();
        symlink("d/f", source.join("l")).unwrap();
        let fifo = rustix::fs::Mode::from_raw_mode(0o600);
        rustix::fs::mknodat(
            rustix::fs::CWD,
            source.join("p"),
            rustix::fs::FileType::Fifo,
            fifo,
            0,
        )
        .unwrap();
        let target = scratch.path().join("target");
        assert!(
            Command::new("/bin/cp")
                .arg("-a")
                .arg(&source)
                .arg(&target)
                .status()
                .unwrap()
                .success()
        );
        assert_eq!(differences(&source, &target, &EVERYTHING), []);
        (scratch, source, target)
    }

    /// After `change` to the target exactly `expected` is seen, each as its first word and path.
    fn check(look: &Look, change: impl FnOnce(&Path), expected: &[&str]) {
        let (_scratch, source, target) = pair();
        let root = fs::metadata(target.join("d")).unwrap().modified().unwrap();
        change(&target);
        // What is changed inside a directory changes its time, which is not what is looked for.
        if let Ok(directory) = fs::File::open(target.join("d")) {
            directory.set_modified(root).unwrap();
        }
        let shown: Vec<String> = differences(&source, &target, look)
            .iter()
            .map(|difference| format!("{difference:?}").lines().next().unwrap().to_owned())
            .collect();
        assert_eq!(shown, expected);
    }

    fn rewrite(path: &Path, content: &str) {
        let time = fs::metadata(path).unwrap().modified().unwrap();
        fs::write(path, content).unwrap();
        fs::File::open(path).unwrap().set_modified(time).unwrap();
    }

    #[test]
    fn each_kind_of_difference_is_seen() {
        let all = &EVERYTHING;
        check(all, |_| {}, &[]);
        check(
            all,
            |target| fs::remove_file(target.join("d/f")).unwrap(),
            &["missing d/f"],
        );
        check(
            all,
            |target| fs::write(target.join("d/x"), "").unwrap(),
            &["extra d/x"],
        );
        check(
            all,
            |target| fs::write(target.join(OsStr::from_bytes(b"\xfe")), "").unwrap(),
            &["extra \\xfe"],
        );
        check(
            all,
            |target| rewrite(&target.join("d/f"), "CONTENT"),
            &["differs d/f"],
        );
        check(
            all,
            |target| rewrite(&target.join("d/f"), "longer content"),
            &["differs d/f"],
        );
        check(
            all,
            |target| chown(target.join("d/f"), Some(1), None).unwrap(),
            &["differs d/f"],
        );
        check(
            all,
            |target| chown(target.join("d/f"), None, Some(1)).unwrap(),
            &["differs d/f"],
        );
        check(
            all,
            |target| {
                fs::set_permissions(target.join("d/f"), Permissions::from_mode(0o755)).unwrap()
            },
            &["differs d/f"],
        );
        check(
            all,
            |target| fs::set_permissions(target.join("d"), Permissions::from_mode(0o1755)).unwrap(),
            &["differs d"],
        );
        check(
            all,
            |target| xattr::set(target.join("d/f"), "user.x", b"1").unwrap(),
            &["differs d/f"],
        );
        check(
            all,
            |target| {
                fs::remove_file(target.join("p")).unwrap();
                fs::write(target.join("p"), "").unwrap();
            },
            &["differs p"],
        );
    }

    #[test]
    fn a_nanosecond_is_seen() {
        let later = |path: &Path| {
            let time = fs::metadata(path).unwrap().modified().unwrap() + Duration::from_nanos(1);
            fs::File::open(path).unwrap().set_modified(time).unwrap();
        };
        check(
            &EVERYTHING,
            |target| later(&target.join("d/f")),
            &["differs d/f"],
        );
        let (_scratch, source, target) = pair();
        later(&target.join("d"));
        assert_eq!(differences(&source, &target, &EVERYTHING).len(), 1);
    }

    #[test]
    fn a_link_is_looked_at_and_never_through() {
        let relink = |to: &'static str| {
            move |target: &Path| {
                fs::remove_file(target.join("l")).unwrap();
                symlink(to, target.join("l")).unwrap();
            }
        };
        check(&EVERYTHING, relink("d/g"), &["differs l"]);
        check(&EVERYTHING, relink("d/f"), &["differs l"]); // by its time alone
        check(
            &Look {
                link_times: false,
                ..EVERYTHING
            },
            relink("d/f"),
            &[],
        );
        check(
            &EVERYTHING,
            |target| rewrite(&target.join("d/f"), "CONTENT"),
            &["differs d/f"],
        );
    }

    #[test]
    fn one_file_under_two_names_is_not_two_files() {
        let split = |target: &Path| {
            let time = fs::metadata(target.join("d/h"))
                .unwrap()
                .modified()
                .unwrap();
            fs::remove_file(target.join("d/h")).unwrap();
            fs::write(target.join("d/h"), "content").unwrap();
            fs::File::open(target.join("d/h"))
                .unwrap()
                .set_modified(time)
                .unwrap();
        };
        check(&EVERYTHING, split, &["differs d/g", "differs d/h"]);
        check(
            &Look {
                hard_links: false,
                ..EVERYTHING
            },
            split,
            &[],
        );
    }

    #[test]
    fn what_is_not_looked_at_makes_no_difference() {
        let content = |target: &Path| rewrite(&target.join("d/f"), "CONTENT");
        check(
            &Look {
                content: false,
                ..EVERYTHING
            },
            content,
            &[],
        );
        let owner = |target: &Path| chown(target.join("d/f"), Some(1), Some(1)).unwrap();
        check(
            &Look {
                owner: false,
                ..EVERYTHING
            },
            owner,
            &[],
        );
        let xattrs = |target: &Path| xattr::set(target.join("d/f"), "user.x", b"1").unwrap();
        check(
            &Look {
                xattrs: false,
                ..EVERYTHING
            },
            xattrs,
            &[],
        );
        check(
            &Look {
                ignore: vec![b"d".to_vec()],
                ..EVERYTHING
            },
            content,
            &[],
        );
        check(
            &Look {
                ignore: vec![b"d/fa".to_vec()],
                ..EVERYTHING
            },
            content,
            &["differs d/f"],
        );
    }

    #[test]
    fn waiting_gives_the_differences_that_are_left() {
        let (_scratch, source, target) = pair();
        assert!(wait_equal(&source, &target, Duration::ZERO, &Look::default()).is_ok());
        fs::remove_file(target.join("l")).unwrap();
        let left = wait_equal(&source, &target, Duration::from_millis(5), &Look::default());
        assert_eq!(left, Err(vec![Difference::Missing(b"l".to_vec())]));
    }
}
