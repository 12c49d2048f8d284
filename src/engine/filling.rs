//! What came into a route's filter by a reload, and is to be sent without deleting anything for it.
//!
//! A filter change deletes nothing on a target by itself: what the target has where an exclude protected it so far stays
//! there until the source says something of it (an event), or a full pass is made. So these paths are sent by transfers
//! of their own, to a target that deletes nothing.

use std::collections::BTreeMap;

use super::change_set::Pending;
use super::{Dirt, RelPath, Stamp};
use crate::plan::Look;

/// More subtrees than this are one: the whole source.
const FILLING_MAX: usize = 10_000;

/// Paths at or below which everything may be missing on the target. Only widens; a transfer takes all of it.
#[derive(Clone, Debug, Default)]
pub struct Filling(BTreeMap<RelPath, Pending>);

impl Filling {
    /// Adds a path.
    pub fn add(&mut self, path: RelPath, pending: Pending) {
        self.0
            .entry(path)
            .and_modify(|have| *have = have.join(pending))
            .or_insert(pending);
        if self.0.len() > FILLING_MAX {
            let all = std::mem::take(&mut self.0).into_values();
            self.0
                .extend(all.reduce(Pending::join).map(|all| (RelPath::root(), all)));
        }
    }

    /// Adds what is to be looked at.
    pub fn look(&mut self, look: &Look, since: Stamp) {
        let pending = Pending {
            dirt: Dirt::FILL | Dirt::ATTRIBUTES,
            since,
        };
        match look {
            Look::Nothing => {}
            Look::Everything => self.add(RelPath::root(), pending),
            Look::Below(paths) => {
                for path in paths {
                    let path = RelPath::new(path.as_bytes()).unwrap_or_else(RelPath::root);
                    self.add(path, pending);
                }
            }
        }
    }

    /// Takes everything.
    pub fn take(&mut self) -> BTreeMap<RelPath, Pending> {
        std::mem::take(&mut self.0)
    }

    /// The mark of this path.
    pub fn get(&self, path: &RelPath) -> Option<&Pending> {
        self.0.get(path)
    }

    /// In the order of their paths.
    pub fn iter(&self) -> impl Iterator<Item = (&RelPath, &Pending)> {
        self.0.iter()
    }

    /// Since when, of the oldest.
    pub fn oldest(&self) -> Option<Stamp> {
        self.0.values().map(|pending| pending.since).min()
    }

    /// How many.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}
