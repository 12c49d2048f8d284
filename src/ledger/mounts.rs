//! The mount points below sources' roots, as the file is to have them: without them a guard of deletions is off at the
//! next start, as nobody misses a mount that nobody remembers.
//!
//! Invariant: what was said last of a source is in the file, or owed to it, whatever becomes of the file meanwhile.

use std::collections::{BTreeMap, BTreeSet};

use crate::engine::{Memory, RelPath};
use crate::plan::SourceName;

/// What is known, and what of it the file does not have yet.
#[derive(Debug, Default)]
pub struct Mounts {
    known: BTreeMap<SourceName, Vec<RelPath>>,
    owed: BTreeSet<SourceName>,
}

impl Mounts {
    /// As a file has them.
    pub fn of(memory: &Memory) -> Mounts {
        let mut mounts = Mounts::default();
        mounts.join(memory);
        mounts
    }

    /// Takes in what a file has of sources that nothing is known of: what is known is younger.
    pub fn join(&mut self, memory: &Memory) {
        for (source, memory) in &memory.sources {
            self.known
                .entry(source.clone())
                .or_insert_with(|| memory.mounts.clone());
        }
    }

    /// A source has these from now on.
    pub fn set(&mut self, source: SourceName, paths: Vec<RelPath>) {
        self.owed.insert(source.clone());
        self.known.insert(source, paths);
    }

    /// Forgets every source that is not among these.
    pub fn keep(&mut self, sources: &[SourceName]) {
        self.known.retain(|source, _| sources.contains(source));
        self.owed.retain(|source| sources.contains(source));
    }

    /// The file is another one: it is owed everything.
    pub fn owe_all(&mut self) {
        self.owed = self.known.keys().cloned().collect();
    }

    /// Whether anything is owed.
    pub fn owes(&self) -> bool {
        !self.owed.is_empty()
    }

    /// What is owed.
    pub fn owed(&self) -> Vec<(SourceName, Vec<RelPath>)> {
        let known = self.known.iter();
        known
            .filter(|(source, _)| self.owed.contains(source))
            .map(|(source, paths)| (source.clone(), paths.clone()))
            .collect()
    }

    /// What was owed is in the file.
    pub fn written(&mut self) {
        self.owed.clear();
    }
}
