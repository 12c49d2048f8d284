//! Which directories are watched: the one thing that a watch remembers of a tree. Never files.
//!
//! About 150 bytes a directory beside what the backend and the kernel keep. Sorted by bytes, so that a subtree is a
//! range: what lies below `a` sorts from `a/` up to `a0`.

use std::collections::hash_map::Entry;
use std::collections::{BTreeMap, HashMap};
use std::ops::Bound;

use super::disk::{Identity, Signature};
use crate::engine::RelPath;

/// A directory that is in scope.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Directory {
    /// Which one was found there when it was placed.
    pub(crate) identity: Identity,
    /// Whether a watch stands on it; otherwise it is polled.
    pub(crate) watched: bool,
}

/// The directories of one tree.
#[derive(Debug, Default)]
pub(crate) struct Directories {
    all: BTreeMap<Box<[u8]>, Directory>,
    /// How many paths have it: more than one for a while after a rename, and under bind mounts.
    identities: HashMap<Identity, u32>,
    /// Those without a watch: their state at the last look; `None`: they cannot be read.
    polled: BTreeMap<Box<[u8]>, Option<Signature>>,
}

impl Directories {
    /// The directory at `path`.
    pub(crate) fn get(&self, path: &RelPath) -> Option<Directory> {
        self.all.get(path.as_bytes()).copied()
    }

    /// How many are watched.
    pub(crate) fn watched(&self) -> u64 {
        (self.all.len() - self.polled.len()) as u64
    }

    /// How many are polled instead.
    pub(crate) fn unwatched(&self) -> u64 {
        self.polled.len() as u64
    }

    /// A watch stands on it.
    pub(crate) fn insert_watched(&mut self, path: &RelPath, identity: Identity) {
        self.polled.remove(path.as_bytes());
        self.insert(
            path,
            Directory {
                identity,
                watched: true,
            },
        );
    }

    /// No watch stands on it; it is polled.
    pub(crate) fn insert_polled(
        &mut self,
        path: &RelPath,
        identity: Identity,
        state: Option<Signature>,
    ) {
        self.polled.insert(path.as_bytes().into(), state);
        self.insert(
            path,
            Directory {
                identity,
                watched: false,
            },
        );
    }

    fn insert(&mut self, path: &RelPath, directory: Directory) {
        if let Some(before) = self.all.insert(path.as_bytes().into(), directory) {
            self.release(before.identity);
        }
        *self.identities.entry(directory.identity).or_default() += 1;
    }

    fn release(&mut self, identity: Identity) {
        if let Entry::Occupied(mut count) = self.identities.entry(identity) {
            *count.get_mut() -= 1;
            if *count.get() == 0 {
                count.remove();
            }
        }
    }

    /// Forgets `path` and everything below it; returns what was there.
    pub(crate) fn remove(&mut self, path: &RelPath) -> Vec<(RelPath, Directory)> {
        let paths: Vec<Box<[u8]>> = self.below(path).map(|(path, _)| path.into()).collect();
        paths
            .into_iter()
            .filter_map(|path| {
                let directory = self.all.remove(&path)?;
                self.release(directory.identity);
                if !directory.watched {
                    self.polled.remove(&path);
                }
                Some((RelPath::new(&path)?, directory))
            })
            .collect()
    }

    /// How many are at and below `path`, counted up to `most`.
    pub(crate) fn count(&self, path: &RelPath, most: usize) -> usize {
        self.below(path).take(most).count()
    }

    /// Where else than at `path` the directory `identity` was placed. Looks at all of them where it was, which is rare.
    pub(crate) fn find(&self, identity: Identity, path: &RelPath) -> Option<RelPath> {
        let own = self
            .get(path)
            .is_some_and(|directory| directory.identity == identity);
        if self
            .identities
            .get(&identity)
            .is_none_or(|count| *count <= u32::from(own))
        {
            return None;
        }
        let mut with_it = self
            .all
            .iter()
            .filter(|(_, directory)| directory.identity == identity);
        RelPath::new(with_it.find(|(key, _)| key.as_ref() != path.as_bytes())?.0)
    }

    /// Those that are polled, each with its state at the last look.
    pub(crate) fn polled(&self) -> impl Iterator<Item = (RelPath, Option<Signature>)> {
        self.polled
            .iter()
            .filter_map(|(path, state)| Some((RelPath::new(path)?, *state)))
    }

    /// The state of a polled directory at this look.
    pub(crate) fn set_state(&mut self, path: &RelPath, state: Option<Signature>) {
        if let Some(found) = self.polled.get_mut(path.as_bytes()) {
            *found = state;
        }
    }

    fn below(&self, path: &RelPath) -> impl Iterator<Item = (&[u8], &Directory)> {
        let (own, from, to) = if path.is_root() {
            (None, Bound::Unbounded, Bound::Unbounded)
        } else {
            let key = |end: u8| Bound::Excluded([path.as_bytes(), &[end]].concat());
            (
                self.all.get_key_value(path.as_bytes()),
                key(b'/'),
                key(b'/' + 1),
            )
        };
        let from: Bound<&[u8]> = from.as_ref().map(Vec::as_slice);
        let to: Bound<&[u8]> = to.as_ref().map(Vec::as_slice);
        let range = self.all.range::<[u8], _>((from, to));
        own.into_iter()
            .chain(range)
            .map(|(path, directory)| (path.as_ref(), directory))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn p(text: &str) -> RelPath {
        RelPath::new(text.as_bytes()).unwrap()
    }

    #[test]
    fn a_subtree_is_forgotten_and_its_neighbours_are_not() {
        let mut directories = Directories::default();
        for (at, path) in ["", "a", "a-b", "a/b", "a/b/c", "a0", "ab"]
            .into_iter()
            .enumerate()
        {
            directories.insert_watched(
                &p(path),
                Identity {
                    device: 1,
                    inode: at as u64,
                },
            );
        }
        directories.insert_polled(
            &p("a/b/c"),
            Identity {
                device: 1,
                inode: 4,
            },
            None,
        );
        assert_eq!((directories.watched(), directories.unwatched()), (6, 1));
        let gone: Vec<String> = directories
            .remove(&p("a"))
            .into_iter()
            .map(|(path, _)| path.to_string())
            .collect();
        assert_eq!(gone, ["a", "a/b", "a/b/c"]);
        assert_eq!((directories.watched(), directories.unwatched()), (4, 0));
        let inode = |inode| Identity { device: 1, inode };
        assert_eq!(directories.find(inode(3), &p("x")), None);
        assert_eq!(directories.find(inode(2), &p("x")), Some(p("a-b")));
        assert_eq!(directories.find(inode(2), &p("a-b")), None);
        assert_eq!(directories.count(&p(""), 3), 3);
        assert_eq!(directories.remove(&RelPath::root()).len(), 4);
    }
}
