//! Names that are one file: which objects of the target stand for which objects of the source, within one run.
//!
//! As with `rsync -aH` only the names that a run comes by are known to it: all of them in a full pass, those of the
//! list in a batch.

use std::collections::HashMap;

use super::meta::Id;
use crate::engine::RelPath;

/// The groups seen so far. Holds only objects with more than one name; that many entries it costs, as it does rsync.
#[derive(Default)]
pub(super) struct Links {
    /// By source object: a name of its group on the target, and which object that is.
    leaders: HashMap<Id, (RelPath, Id)>,
    /// By target object with several names: the source object that the first of them stands for.
    claims: HashMap<Id, Id>,
}

impl Links {
    /// The name to link to, if one of the group was brought in step before.
    pub(super) fn leader(&self, source: Id) -> Option<&(RelPath, Id)> {
        self.leaders.get(&source)
    }

    /// `path` is in step, and further names of the same source object are linked to it.
    pub(super) fn lead(&mut self, source: Id, path: RelPath, target: Id) {
        self.leaders.insert(source, (path, target));
    }

    /// A target object with several names stands for `source` under one of them; false: it stands for another one
    /// under another name, and must not be shared.
    pub(super) fn claim(&mut self, target: Id, source: Id) -> bool {
        *self.claims.entry(target).or_insert(source) == source
    }
}
