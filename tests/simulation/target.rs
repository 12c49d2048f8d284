//! A target: its tree, and what may be wrong with it.

use std::collections::{BTreeMap, BTreeSet};

use super::path::P;
use super::source::{Facts, Kind};

/// What is wrong with a target now.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Trouble {
    pub offline: bool,
    pub frozen: bool,
    pub read_only: bool,
    pub refuses: bool,
    /// Entries that it has room for.
    pub room: Option<usize>,
}

#[derive(Debug, Default)]
pub struct Target {
    pub tree: BTreeMap<P, Facts>,
    pub trouble: Trouble,
    /// A restart breaks what runs.
    pub epoch: u64,
    /// Somebody edited it, and no pass by checksum has ended since.
    pub drifted: bool,
    /// What somebody put there, and no transfer has touched since: under `propagate` it stays.
    pub foreign: BTreeSet<P>,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Drift {
    Removed(P),
    Changed(P),
    Added(P),
}

impl Target {
    /// What is at and below `path`, the deepest first.
    pub fn below(&self, path: P) -> Vec<P> {
        let mut below: Vec<P> = self
            .tree
            .range(path..path.after())
            .map(|(at, _)| *at)
            .collect();
        below.reverse();
        below
    }

    pub fn children(&self, path: P) -> Vec<P> {
        self.tree
            .range(path..path.after())
            .map(|(at, _)| *at)
            .filter(|at| at.parent() == Some(path))
            .collect()
    }

    pub fn is_directory(&self, path: P) -> bool {
        self.tree
            .get(&path)
            .is_some_and(|facts| facts.kind == Kind::Directory)
    }

    /// Entries in the routes' scope.
    pub fn entries(&self) -> u64 {
        self.tree
            .keys()
            .filter(|path| !path.is_excluded() && **path != P::ROOT)
            .count() as u64
    }

    pub fn has_room(&self, more: usize) -> bool {
        self.trouble
            .room
            .is_none_or(|room| self.tree.len() + more <= room)
    }

    pub fn put(&mut self, path: P, facts: Facts, now: u64) {
        self.foreign.remove(&path);
        self.tree.insert(path, facts);
        self.touched(path, now);
    }

    pub fn take(&mut self, path: P, now: u64) {
        self.foreign.remove(&path);
        self.tree.remove(&path);
        self.touched(path, now);
    }

    /// A change of names makes the directory's time the present.
    fn touched(&mut self, path: P, now: u64) {
        if let Some(parent) = path.parent().and_then(|parent| self.tree.get_mut(&parent)) {
            parent.mtime = now;
        }
    }

    /// Whether something protected lies in it.
    pub fn shelters(&self, path: P) -> bool {
        self.below(path).iter().any(|at| at.is_excluded())
    }

    /// Somebody edits it.
    pub fn drift(&mut self, drift: Drift, now: u64) {
        match drift {
            Drift::Removed(path) if path != P::ROOT => {
                for path in self.below(path) {
                    self.take(path, now);
                }
            }
            Drift::Changed(path) => {
                if let Some(facts) = self.tree.get_mut(&path)
                    && facts.kind == Kind::File
                {
                    facts.content = u32::MAX;
                }
            }
            Drift::Added(path) if path != P::ROOT => {
                let parent = path.parent().unwrap_or_default();
                if self.is_directory(parent) && !self.tree.contains_key(&path) {
                    let facts = Facts {
                        kind: Kind::File,
                        content: u32::MAX,
                        size: 9,
                        mtime: now,
                        mode: 0o600,
                    };
                    self.put(path, facts, now);
                    self.foreign.insert(path);
                }
            }
            Drift::Removed(_) | Drift::Added(_) => {}
        }
        self.drifted = true;
    }
}
