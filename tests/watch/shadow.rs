//! A consumer of marks as strict as a transfer may be: it copies what a mark covers, and nothing else.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use heliostat::engine::{Dirt, Mark, RelPath};
use heliostat::filter::{Filter, Verdict};

/// What is known of one path.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Entry {
    mode: u32,
    mtime: (i64, i64),
    content: Vec<u8>,
}

impl std::fmt::Debug for Entry {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "{:o} {}.{:09} {}",
            self.mode,
            self.mtime.0,
            self.mtime.1,
            String::from_utf8_lossy(&self.content)
        )
    }
}

impl Entry {
    fn is_dir(&self) -> bool {
        self.mode & 0o170000 == 0o040000
    }
}

/// A copy of a tree, brought in step by marks.
pub(crate) struct Shadow {
    root: PathBuf,
    filter: Filter,
    entries: BTreeMap<Vec<u8>, Entry>,
}

impl Shadow {
    /// A full copy of the tree as it is.
    pub(crate) fn full(root: &Path, filter: Filter) -> Shadow {
        let mut shadow = Shadow {
            root: root.into(),
            filter,
            entries: BTreeMap::new(),
        };
        shadow.apply(&Mark {
            path: RelPath::root(),
            dirt: Dirt::SUBTREE | Dirt::CONTENT,
        });
        shadow
    }

    /// Copies what the mark covers: never more.
    pub(crate) fn apply(&mut self, mark: &Mark) {
        let path = mark.path.as_bytes();
        if !path.is_empty() && !self.wanted(path, true) && !self.wanted(path, false) {
            panic!("a mark on the excluded path {}", mark.path);
        }
        let ancestors: Vec<Vec<u8>> = mark.path.ancestors().map(|a| a.to_vec()).collect();
        for ancestor in ancestors {
            match self.look(&ancestor, None) {
                Some(entry) if entry.is_dir() => {
                    if !self.entries.get(&ancestor).is_some_and(Entry::is_dir) {
                        self.put(&ancestor, entry); // made on the way, as rsync does
                    }
                }
                Some(_) => {
                    self.below(&ancestor)
                        .iter()
                        .for_each(|key| self.remove(key));
                    return;
                }
                None => return self.remove(&ancestor),
            }
        }
        self.copy(
            path,
            mark.dirt.has(Dirt::CONTENT),
            mark.dirt.has(Dirt::SUBTREE),
        );
    }

    fn copy(&mut self, path: &[u8], content: bool, subtree: bool) {
        let known = self.entries.get(path).cloned().filter(|_| !content);
        let Some(entry) = self.look(path, known.as_ref()) else {
            return self.remove(path);
        };
        if !path.is_empty() && !self.wanted(path, entry.is_dir()) {
            return self.remove(path); // what is known of it was of another type
        }
        let is_dir = entry.is_dir();
        self.put(path, entry);
        if is_dir && subtree {
            let mut names: Vec<Vec<u8>> = Vec::new();
            for entry in fs::read_dir(self.absolute(path))
                .into_iter()
                .flatten()
                .flatten()
            {
                names.push(entry.file_name().as_bytes().to_vec());
            }
            names.sort();
            let gone: Vec<Vec<u8>> = self
                .below(path)
                .into_iter()
                .filter(|key| {
                    let rest = &key[if path.is_empty() { 0 } else { path.len() + 1 }..];
                    !rest.contains(&b'/')
                        && names
                            .binary_search_by(|name| name.as_slice().cmp(rest))
                            .is_err()
                })
                .collect();
            gone.iter().for_each(|key| self.remove(key));
            for name in names {
                let child = if path.is_empty() {
                    name
                } else {
                    [path, b"/", &name].concat()
                };
                self.copy(&child, content, true);
            }
        }
    }

    /// What is there now; with `known`, content of the same size and time is trusted, as the quick check does.
    fn look(&self, path: &[u8], known: Option<&Entry>) -> Option<Entry> {
        let absolute = self.absolute(path);
        let meta = fs::symlink_metadata(&absolute).ok()?;
        let (mode, mtime) = (meta.mode(), (meta.mtime(), meta.mtime_nsec()));
        let content = if meta.is_symlink() {
            fs::read_link(&absolute)
                .ok()?
                .into_os_string()
                .as_bytes()
                .to_vec()
        } else if meta.is_file() {
            match known {
                Some(known) if known.mtime == mtime && known.content.len() as u64 == meta.len() => {
                    known.content.clone()
                }
                _ => fs::read(&absolute).ok()?,
            }
        } else {
            Vec::new()
        };
        Some(Entry {
            mode,
            mtime,
            content,
        })
    }

    fn put(&mut self, path: &[u8], entry: Entry) {
        if !entry.is_dir() {
            self.remove(path);
        }
        self.entries.insert(path.to_vec(), entry);
    }

    fn remove(&mut self, path: &[u8]) {
        self.entries.remove(path);
        for key in self.below(path) {
            self.entries.remove(&key);
        }
    }

    fn below(&self, path: &[u8]) -> Vec<Vec<u8>> {
        if path.is_empty() {
            return self
                .entries
                .keys()
                .filter(|key| !key.is_empty())
                .cloned()
                .collect();
        }
        let edge = |end: u8| [path, &[end]].concat();
        self.entries
            .range(edge(b'/')..edge(b'/' + 1))
            .map(|(key, _)| key.clone())
            .collect()
    }

    fn wanted(&self, path: &[u8], is_dir: bool) -> bool {
        let above = RelPath::new(path).unwrap();
        above
            .ancestors()
            .all(|ancestor| self.filter.decide(ancestor, true).verdict != Verdict::Excluded)
            && self.filter.decide(path, is_dir).verdict != Verdict::Excluded
    }

    fn absolute(&self, path: &[u8]) -> PathBuf {
        if path.is_empty() {
            self.root.clone()
        } else {
            self.root.join(OsStr::from_bytes(path))
        }
    }

    /// What differs from the tree as it is now.
    pub(crate) fn differences(&self) -> Vec<String> {
        let real = Shadow::full(&self.root, self.filter.clone());
        let mut out = Vec::new();
        for (path, entry) in &real.entries {
            match self.entries.get(path) {
                Some(known) if known == entry => {}
                known => out.push(format!(
                    "{}: is {entry:?}, known as {known:?}",
                    String::from_utf8_lossy(path)
                )),
            }
        }
        let gone = self
            .entries
            .keys()
            .filter(|path| !real.entries.contains_key(*path));
        out.extend(
            gone.map(|path| format!("{}: is gone, still known", String::from_utf8_lossy(path))),
        );
        out
    }

    pub(crate) fn len(&self) -> usize {
        self.entries.len()
    }
}
