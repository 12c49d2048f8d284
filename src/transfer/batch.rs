//! A batch, normalised: what every target kind carries out.

use crate::engine::RelPath;
use crate::plan::Compare;

/// What one transfer brings in step, after every marked path was looked at.
///
/// Invariants: sorted by path; no path twice; no entry lies below a [`Act::Remove`], below a [`Act::Reconcile`] that
/// covers it (one that does not trust covers everything; one that trusts covers attributes, and where it deletes also
/// removals and listings), or directly in a [`Act::Listing`] that covers it (attributes and removals); no entry's path
/// leads through anything but real directories of the source; no entry is excluded by the route's filter.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Batch {
    /// What to do, by path.
    pub entries: Vec<Entry>,
    /// A full pass: then there is the one entry `Reconcile` on the root, and files are compared so.
    pub pass: Option<Compare>,
}

/// One path of a batch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Which.
    pub path: RelPath,
    /// What to do with it.
    pub act: Act,
}

/// What to do with a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Act {
    /// The source has it not: it leaves the target. Only in batches of routes that may delete.
    Remove,
    /// A file, link or special file: sent without trusting size and time. Its parent directories' attributes go along.
    Send,
    /// A path of any type: the quick check decides; a directory's own attributes only, never what is inside it.
    Attributes,
    /// A directory, with everything below it.
    Reconcile {
        /// Whether equal size and time is taken for equal content inside it.
        trust: bool,
        /// Whether what the source has not is deleted inside it.
        delete: bool,
    },
    /// A directory and the names directly in it, and nothing below these: what the source has not leaves (a directory with
    /// everything in it), files go by the quick check, directories are made where they are missing and have their own
    /// attributes brought in step. Only in batches of routes that mirror: without deletions a changed listing is no more
    /// than the directory's attributes, since its names have marks of their own.
    Listing,
}

impl Act {
    /// Whether something may leave the target for it that is not merely in its way.
    pub fn deletes(self) -> bool {
        match self {
            Act::Remove | Act::Listing | Act::Reconcile { delete: true, .. } => true,
            Act::Send | Act::Attributes | Act::Reconcile { delete: false, .. } => false,
        }
    }

    /// Whether equal size and time is taken for equal content in it.
    pub fn trusts(self) -> bool {
        match self {
            Act::Attributes | Act::Listing | Act::Reconcile { trust: true, .. } => true,
            Act::Remove | Act::Send | Act::Reconcile { trust: false, .. } => false,
        }
    }

    /// Whether names that the batch does not list are looked at for it.
    pub fn looks_inside(self) -> bool {
        matches!(self, Act::Listing | Act::Reconcile { .. })
    }
}
