//! Names of one file. Where hard links are kept, what is written through one name is written under all of them, without an
//! event for the others, and they are sent together or not at all.
//!
//! Looks at the source alone, for normalising, and blocks as [`facts`](super::facts) does. Whatever cannot be known is
//! answered so that more is looked at, never less.

use std::collections::{HashMap, HashSet};
use std::fs::{self, Metadata};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::Path;

use crate::engine::RelPath;

/// Directories that are entered to see whether there is any file with several names; beyond them there may be.
const SEARCH_MAX: usize = 10_000;
/// Directories that are entered for the names of a file, in about a second; beyond them a full pass is the better look.
const DIRECTORIES_MAX: usize = 100_000;
/// More names are not sent one by one.
const NAMES_MAX: usize = 10_000;

/// How a walk ended.
#[derive(PartialEq, Eq, Debug)]
enum Walked {
    /// It saw everything.
    Whole,
    /// It saw what it was made for.
    Enough,
    /// Something could not be looked at, or there is too much.
    InVain,
}

/// Whether something below has several names. What cannot be looked at may have; what is gone has none.
pub fn several_names_below(root: &Path, directory: &RelPath) -> bool {
    let mut walk = Walk {
        root,
        directories_left: SEARCH_MAX,
        lenient: false,
    };
    let found = walk.files(directory, |_, info| has_several(info));
    found != Walked::Whole
}

/// Every name that the source has of the files with several names that are among these or below the directories among
/// them, each once, in no order. `None`: they are too many, or cannot be known.
pub fn names(root: &Path, of: &[RelPath]) -> Option<Vec<RelPath>> {
    let mut walk = Walk {
        root,
        directories_left: DIRECTORIES_MAX,
        lenient: false,
    };
    let mut wanted: HashMap<(u64, u64), u64> = HashMap::new();
    for path in of {
        let see = |info: &Metadata, wanted: &mut HashMap<_, _>| {
            if has_several(info) {
                wanted.insert((info.dev(), info.ino()), info.nlink());
            }
            wanted.len() > NAMES_MAX
        };
        let seen = match path.under(root).symlink_metadata() {
            Ok(info) if info.is_dir() => walk.files(path, |_, info| see(info, &mut wanted)),
            Ok(info) if see(&info, &mut wanted) => Walked::Enough,
            Ok(_) => Walked::Whole,
            Err(error) if error.kind() == io::ErrorKind::NotFound => Walked::Whole,
            Err(_) => Walked::InVain,
        };
        if seen != Walked::Whole {
            return None;
        }
    }
    let mut left = wanted
        .values()
        .fold(0, |sum: u64, links| sum.saturating_add(*links));
    let mut names = HashSet::new();
    if left == 0 {
        return Some(Vec::new());
    }
    // What cannot be entered cannot be sent either.
    walk.lenient = true;
    let walked = walk.files(&RelPath::root(), |path, info| {
        if has_several(info) && wanted.contains_key(&(info.dev(), info.ino())) {
            names.insert(path);
            left -= 1;
        }
        left == 0 || names.len() > NAMES_MAX
    });
    let known = walked != Walked::InVain && names.len() <= NAMES_MAX;
    known.then(|| names.into_iter().collect())
}

/// Whether a file has several names that are kept. Those of block devices are not.
fn has_several(info: &Metadata) -> bool {
    info.nlink() > 1 && !info.file_type().is_block_device()
}

/// A walk through a part of the source.
struct Walk<'a> {
    root: &'a Path,
    /// How many may still be entered.
    directories_left: usize,
    /// Directories that cannot be read are passed by.
    lenient: bool,
}

impl Walk<'_> {
    /// Shows every file below a directory, with its path, until `enough` says so.
    fn files(
        &mut self,
        top: &RelPath,
        mut enough: impl FnMut(RelPath, &Metadata) -> bool,
    ) -> Walked {
        let gone = |error: &io::Error| error.kind() == io::ErrorKind::NotFound;
        let mut waiting = vec![top.clone()];
        while let Some(directory) = waiting.pop() {
            if self.directories_left == 0 {
                return Walked::InVain;
            }
            self.directories_left -= 1;
            let entries = match fs::read_dir(directory.under(self.root)) {
                Ok(entries) => entries,
                Err(error) if gone(&error) || self.lenient => continue,
                Err(_) => return Walked::InVain,
            };
            for entry in entries {
                let found = entry.and_then(|entry| Ok((entry.metadata()?, entry)));
                match found {
                    Ok((info, entry)) => {
                        let path = directory.join(entry.file_name().as_bytes());
                        if info.is_dir() {
                            waiting.push(path);
                        } else if enough(path, &info) {
                            return Walked::Enough;
                        }
                    }
                    Err(error) if gone(&error) || self.lenient => {}
                    Err(_) => return Walked::InVain,
                }
            }
        }
        Walked::Whole
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
    fn what_cannot_be_searched_may_hold_several_names_and_what_is_gone_does_not() {
        let scratch = tempfile::tempdir().unwrap();
        let root = scratch.path();
        fs::create_dir_all(root.join("d/e")).unwrap();
        fs::write(root.join("d/e/f"), "1").unwrap();
        symlink("loop", root.join("loop")).unwrap();
        let several = |at| several_names_below(root, &p(at));
        assert!(!several("d"));
        assert!(!several("gone"));
        assert!(several("loop") && several("d/e/f"));
        fs::hard_link(root.join("d/e/f"), root.join("other")).unwrap();
        assert!(several("d"));
    }

    #[test]
    fn every_name_is_found_and_nothing_else() {
        let scratch = tempfile::tempdir().unwrap();
        let root = scratch.path();
        for directory in ["a", "b/c", "d"] {
            fs::create_dir_all(root.join(directory)).unwrap();
        }
        for (first, others) in [
            ("a/1", &["b/c/1", "1"][..]),
            ("a/2", &["a/3"]),
            ("d/4", &[]),
        ] {
            fs::write(root.join(first), first).unwrap();
            for other in others {
                fs::hard_link(root.join(first), root.join(other)).unwrap();
            }
        }
        let found = |of: &[&str]| {
            let of: Vec<RelPath> = of.iter().map(|at| p(at)).collect();
            let names = names(root, &of)?;
            let mut names: Vec<String> = names.iter().map(RelPath::to_string).collect();
            names.sort();
            Some(names.join(" "))
        };
        assert_eq!(found(&["b/c/1"]).unwrap(), "1 a/1 b/c/1");
        assert_eq!(found(&["b"]).unwrap(), "1 a/1 b/c/1");
        assert_eq!(found(&["a", "1"]).unwrap(), "1 a/1 a/2 a/3 b/c/1");
        assert_eq!(found(&["d", "d/4", "gone"]).unwrap(), "");
        symlink("loop", root.join("loop")).unwrap();
        assert_eq!(found(&["loop/x"]), None);
    }
}
