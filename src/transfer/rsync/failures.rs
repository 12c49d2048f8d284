//! The paths that failed in one run, within what the batch has: a far side may name a directory, and those in it, in every line.

use std::collections::HashSet;

use crate::engine::{PathFailure, RelPath};
use crate::transfer::batch::Entry;

/// Gathered so far.
#[derive(Debug, Default)]
pub struct Failures {
    all: Vec<PathFailure>,
    /// Entries that failed with a directory above them, each once.
    below: HashSet<RelPath>,
    /// Those directories.
    whole: HashSet<RelPath>,
}

impl Failures {
    /// A path failed.
    pub fn add(&mut self, path: RelPath, reason: &str) {
        self.all.push(PathFailure {
            path,
            reason: reason.to_string(),
        });
    }

    /// Every entry below this directory failed with it.
    pub fn add_below(&mut self, directory: &RelPath, entries: &[Entry], reason: &str) {
        if !self.whole.insert(directory.clone()) {
            return;
        }
        let below = entries.iter().map(|entry| &entry.path);
        for path in below.filter(|path| *path != directory && path.starts_with(directory)) {
            if self.below.insert(path.clone()) {
                self.add(path.clone(), reason);
            }
        }
    }

    /// All of them, some perhaps twice.
    pub fn into_all(self) -> Vec<PathFailure> {
        self.all
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::transfer::batch::Act;

    #[test]
    fn a_directory_that_is_named_again_and_again_costs_nothing() {
        let path = |text: &str| RelPath::new(text.as_bytes()).unwrap();
        let entries: Vec<Entry> = (0..1000)
            .map(|at| Entry {
                path: path(&format!("d/e/{at}")),
                act: Act::Send,
            })
            .collect();
        let mut failures = Failures::default();
        for _ in 0..20_000 {
            for directory in ["d", "d/e"] {
                failures.add_below(&path(directory), &entries, "mkdir: no");
            }
        }
        assert_eq!(failures.into_all().len(), 1000);
    }
}
