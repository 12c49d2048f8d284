//! The marks that wait to be told, one a path, joined.

use std::collections::BTreeMap;

use crate::engine::{Dirt, Mark, RelPath};

/// Marks that were made and not yet told.
#[derive(Debug, Default)]
pub(crate) struct Marks(BTreeMap<RelPath, Dirt>);

impl Marks {
    /// Joins `dirt` to what is known of `path`.
    pub(crate) fn add(&mut self, path: RelPath, dirt: Dirt) {
        if !dirt.is_empty() {
            *self.0.entry(path).or_default() |= dirt;
        }
    }

    /// At most `most` of them, in the order of their paths.
    pub(crate) fn take(&mut self, most: usize) -> Vec<Mark> {
        let mut taken = Vec::with_capacity(self.0.len().min(most));
        while taken.len() < most
            && let Some((path, dirt)) = self.0.pop_first()
        {
            taken.push(Mark { path, dirt });
        }
        taken
    }

    /// Forgets them: everything is dirty anyway.
    pub(crate) fn clear(&mut self) {
        self.0.clear();
    }
}
