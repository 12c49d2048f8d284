//! Which directories are watched: the one thing that a watch remembers of a tree. Never files.
//!
//! A node a directory (`nodes`, which says what it costs), and a little more for those that are polled, be it instead of being
//! watched or as well. Paths come in and
//! go out; inside there is none, so that a rename costs nothing for what is below. Every directory but the root hangs
//! under another one that is known, so one whose parent was forgotten cannot be put in: it is found again with its parent.
//!
//! A directory is *loose* when something in it was looked for and not found where its path says. It was removed, or a
//! directory above was renamed and the event for that is still on its way. When that event comes, what is loose below is
//! listed again ([`Directories::take_loose`]), because nothing else would tell of what was not found.

use std::collections::HashMap;

use super::backend::WatchId;
use super::disk::{Identity, Signature};
pub(crate) use super::nodes::NodeId;
use super::nodes::Nodes;
use crate::engine::RelPath;

/// A directory that is in scope.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Directory {
    /// Which one was found there when it was placed.
    pub(crate) identity: Identity,
    /// The watch that stands on it; without one it is polled.
    pub(crate) watch: Option<WatchId>,
}

/// The directories of one tree.
#[derive(Debug, Default)]
pub(crate) struct Directories {
    nodes: Nodes,
    /// Those without a watch, and those whose watch does not tell all: their state at the last look; `None`: they cannot be
    /// read.
    polled: HashMap<NodeId, Option<Signature>>,
}

impl Directories {
    /// The directory at `path`.
    pub(crate) fn get(&self, path: &RelPath) -> Option<Directory> {
        let id = self.nodes.at(path)?;
        Some(Directory {
            identity: self.nodes.identity(id),
            watch: self.nodes.watch(id),
        })
    }

    /// Where the directory with this watch is.
    pub(crate) fn with_watch(&self, watch: WatchId) -> Option<RelPath> {
        Some(self.nodes.path(self.nodes.watched_by(watch)?))
    }

    /// How many are watched.
    pub(crate) fn watched(&self) -> u64 {
        self.nodes.watched() as u64
    }

    /// How many are polled instead.
    pub(crate) fn unwatched(&self) -> u64 {
        (self.nodes.len() - self.nodes.watched()) as u64
    }

    /// How many are polled as well.
    pub(crate) fn doubted(&self) -> u64 {
        self.polled.len() as u64 - self.unwatched()
    }

    /// A watch stands on it; false if its parent is not known (any more).
    pub(crate) fn insert_watched(
        &mut self,
        path: &RelPath,
        identity: Identity,
        watch: WatchId,
    ) -> bool {
        let Some(id) = self.insert(path, identity) else {
            return false;
        };
        self.nodes.set_watch(id, Some(watch));
        self.polled.remove(&id);
        true
    }

    /// The watch that stands on it does not tell all: it is polled as well.
    pub(crate) fn doubt(&mut self, path: &RelPath, state: Option<Signature>) {
        if let Some(id) = self.nodes.at(path) {
            self.polled.insert(id, state);
        }
    }

    /// No watch stands on it; it is polled. False if its parent is not known (any more).
    pub(crate) fn insert_polled(
        &mut self,
        path: &RelPath,
        identity: Identity,
        state: Option<Signature>,
    ) -> bool {
        let Some(id) = self.insert(path, identity) else {
            return false;
        };
        self.nodes.set_watch(id, None);
        self.polled.insert(id, state);
        true
    }

    fn insert(&mut self, path: &RelPath, identity: Identity) -> Option<NodeId> {
        if let Some(id) = self.nodes.at(path) {
            self.nodes.set_identity(id, identity);
            return Some(id);
        }
        match path.parent() {
            Some(parent) => {
                let parent = self.nodes.at(&parent)?;
                self.nodes.add(Some((parent, path.name())), identity)
            }
            None => self.nodes.add(None, identity),
        }
    }

    /// Forgets `path` and everything below it; returns whether anything was there, and says each watch that stood there.
    pub(crate) fn remove(&mut self, path: &RelPath, mut each: impl FnMut(WatchId)) -> bool {
        let Some(id) = self.nodes.at(path) else {
            return false;
        };
        let polled = &mut self.polled;
        self.nodes.remove(id, |id, watch| {
            if !polled.is_empty() {
                polled.remove(&id);
            }
            if let Some(watch) = watch {
                each(watch);
            }
        });
        true
    }

    /// Every path at and below `path`.
    pub(crate) fn paths(&self, path: &RelPath) -> Vec<RelPath> {
        let id = self.nodes.at(path);
        id.into_iter()
            .flat_map(|id| self.nodes.subtree(id))
            .map(|id| self.nodes.path(id))
            .collect()
    }

    /// How many are at and below `path`, counted up to `most`.
    pub(crate) fn count(&self, path: &RelPath, most: usize) -> usize {
        self.nodes
            .at(path)
            .map_or(0, |id| self.nodes.subtree(id).take(most).count())
    }

    /// Where else than at `path` the directory `identity` was placed: for a while after a rename, and under bind mounts.
    pub(crate) fn find(&self, identity: Identity, path: &RelPath) -> Option<RelPath> {
        let own = self.nodes.at(path);
        let mut others = self.nodes.identified(identity);
        others
            .find(|id| Some(*id) != own)
            .map(|id| self.nodes.path(id))
    }

    /// The directory at `from` is at `to` now, with all that is below it. False, and nothing is changed, where the two
    /// do not fit: `to` is taken, below `from`, or in a directory that is not known.
    pub(crate) fn rename(&mut self, from: &RelPath, to: &RelPath) -> bool {
        let (Some(id), Some(parent)) = (self.nodes.at(from), to.parent()) else {
            return false;
        };
        self.nodes
            .at(&parent)
            .is_some_and(|parent| self.nodes.hang(id, parent, to.name()))
    }

    /// Something in this directory could not be found.
    pub(crate) fn set_loose(&mut self, path: &RelPath) {
        if let Some(id) = self.nodes.at(path) {
            self.nodes.set_loose(id, true);
        }
    }

    /// The loose ones at and below `path`, which are no longer.
    pub(crate) fn take_loose(&mut self, path: &RelPath) -> Vec<RelPath> {
        let Some(top) = self.nodes.at(path) else {
            return Vec::new();
        };
        let loose: Vec<NodeId> = self
            .nodes
            .subtree(top)
            .filter(|id| self.nodes.is_loose(*id))
            .collect();
        for id in &loose {
            self.nodes.set_loose(*id, false);
        }
        loose.into_iter().map(|id| self.nodes.path(id)).collect()
    }

    /// Those that are polled, each after the one that holds it; without those that are `doubted` too, where they are not asked
    /// for.
    pub(crate) fn polled(&self, doubted: bool) -> Vec<NodeId> {
        let top = self.nodes.at(&RelPath::root());
        let meant = |id: &NodeId| {
            self.polled.contains_key(id) && (doubted || self.nodes.watch(*id).is_none())
        };
        top.into_iter()
            .flat_map(|top| self.nodes.subtree(top))
            .filter(meant)
            .collect()
    }

    /// Where a polled directory is, and its state at the last look; `None` if it is not polled (any more).
    pub(crate) fn polled_at(&self, id: NodeId) -> Option<(RelPath, Option<Signature>)> {
        let state = *self.polled.get(&id)?;
        Some((self.nodes.path(id), state))
    }

    /// The state of a polled directory at this look.
    pub(crate) fn set_state(&mut self, path: &RelPath, state: Option<Signature>) {
        if let Some(found) = self.nodes.at(path).and_then(|id| self.polled.get_mut(&id)) {
            *found = state;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn p(text: &str) -> RelPath {
        RelPath::new(text.as_bytes()).unwrap()
    }

    fn inode(inode: u64) -> Identity {
        Identity { device: 1, inode }
    }

    fn tree(paths: &[&str]) -> Directories {
        let mut directories = Directories::default();
        for (at, path) in paths.iter().enumerate() {
            assert!(directories.insert_watched(&p(path), inode(at as u64), WatchId(at as i32 + 1)));
        }
        directories
    }

    fn names(directories: &Directories, path: &str) -> Vec<String> {
        let mut all: Vec<String> = directories
            .paths(&p(path))
            .iter()
            .map(|path| path.to_string())
            .collect();
        all.sort();
        all
    }

    #[test]
    fn a_subtree_is_forgotten_and_its_neighbours_are_not() {
        let mut directories = tree(&["", "a", "a-b", "a/b", "a/b/c", "a0", "ab"]);
        directories.insert_polled(&p("a/b/c"), inode(4), None);
        assert_eq!((directories.watched(), directories.unwatched()), (6, 1));
        assert_eq!(names(&directories, "a"), ["a", "a/b", "a/b/c"]);
        let mut ended = Vec::new();
        assert!(directories.remove(&p("a"), |watch| ended.push(watch.0)));
        assert_eq!(ended, [2, 4]);
        assert!(!directories.remove(&p("a"), |_| ()));
        assert_eq!((directories.watched(), directories.unwatched()), (4, 0));
        assert_eq!(directories.find(inode(3), &p("x")), None);
        assert_eq!(directories.find(inode(2), &p("x")), Some(p("a-b")));
        assert_eq!(directories.find(inode(2), &p("a-b")), None);
        assert_eq!(directories.with_watch(WatchId(4)), None);
        assert_eq!(directories.with_watch(WatchId(6)), Some(p("a0")));
        assert_eq!(directories.count(&p(""), 3), 3);
        assert!(!directories.insert_watched(&p("a/b"), inode(9), WatchId(9)));
        assert!(directories.remove(&RelPath::root(), |_| ()));
        assert_eq!((directories.watched(), directories.get(&p(""))), (0, None));
    }

    #[test]
    fn a_rename_takes_everything_below_along_and_loops_are_refused() {
        let mut directories = tree(&["", "a", "a/b", "a/b/c", "z"]);
        directories.set_loose(&p("a/b"));
        assert!(!directories.rename(&p("a"), &p("a/b/a")), "into itself");
        assert!(!directories.rename(&p("a"), &p("z")), "onto another");
        assert!(!directories.rename(&p("a"), &p("none/a")), "into nothing");
        assert!(!directories.rename(&p(""), &p("z/root")), "the root");
        assert!(directories.rename(&p("a"), &p("z/y")));
        assert_eq!(
            names(&directories, ""),
            [".", "z", "z/y", "z/y/b", "z/y/b/c"]
        );
        assert_eq!(directories.with_watch(WatchId(4)), Some(p("z/y/b/c")));
        assert_eq!(directories.get(&p("a/b")), None);
        assert_eq!(directories.take_loose(&p("z")), [p("z/y/b")]);
        assert!(directories.take_loose(&p("z")).is_empty());
    }

    /// Against a plain map, over a history in which most names are forgotten.
    #[test]
    fn a_long_history_leaves_what_a_map_would_hold() {
        let mut random = fastrand::Rng::with_seed(7);
        let mut directories = tree(&[""]);
        let mut known = std::collections::BTreeMap::from([(String::new(), 1)]);
        for step in 2..60_000 {
            let at = random.usize(..known.len());
            let base = known.keys().nth(at).cloned().unwrap_or_default();
            let name = format!("{}-{}", random.u32(..40), "n".repeat(random.usize(..200)));
            let path = match base.is_empty() {
                true => name,
                false => format!("{base}/{name}"),
            };
            if known.len() > 60 && !base.is_empty() {
                assert!(directories.remove(&p(&base), |_| ()));
                known.retain(|path, _| *path != base && !path.starts_with(&format!("{base}/")));
            } else if random.u8(..) < 40 && !base.is_empty() {
                let to = format!("moved-{step}");
                assert!(directories.rename(&p(&base), &p(&to)));
                let below = format!("{base}/");
                known = known
                    .into_iter()
                    .map(|(path, watch)| match path.strip_prefix(&below) {
                        Some(rest) => (format!("{to}/{rest}"), watch),
                        None if path == base => (to.clone(), watch),
                        None => (path, watch),
                    })
                    .collect();
            } else {
                assert!(directories.insert_watched(&p(&path), inode(step), WatchId(step as i32)));
                known.insert(path, step as i32);
            }
        }
        assert_eq!(directories.watched(), known.len() as u64);
        for (path, watch) in &known {
            assert_eq!(directories.with_watch(WatchId(*watch)), Some(p(path)));
            assert_eq!(
                directories.get(&p(path)).unwrap().watch,
                Some(WatchId(*watch))
            );
        }
        assert!(directories.nodes.heap() < 400_000, "holes are given back");
    }

    #[test]
    fn a_directory_costs_less_than_a_hundred_bytes() {
        let mut directories = tree(&[""]);
        let mut inodes = 2..;
        let mut put = |path: &str| {
            let inode_number = inodes.next().unwrap();
            directories.insert_watched(&p(path), inode(inode_number), WatchId(inode_number as i32));
        };
        for top in 0..100 {
            put(&format!("release-{top:03}"));
            for below in 0..600 {
                put(&format!("release-{top:03}/package-{below:04}"));
            }
        }
        // 60,000 fill the tables little more than half: that is near the worst case.
        let each = directories.nodes.heap() as f64 / directories.watched() as f64;
        assert!(each < 100.0, "{each} bytes a directory");
    }
}
