//! Surveys: a local look at a source that is held against what the ledger knows of it.
//!
//! A survey reads each directory of its scope with the facts of every name in it (`lstat`), which makes a *row*; rows
//! are opaque here. What differs from the rows of the last checkpoint becomes marks; the new rows are kept by the shell
//! under the survey's id until the engine has them committed, or forgotten.
//!
//! A row must not be ahead of what the engine was told: a file that is held open and written to changes without an event
//! until it is closed, and a row that has its new size in it would hide that from the next survey. So the facts of a
//! name go into a row only if they are those of the last checkpoint, or changed no later than the engine last heard of
//! it ([`Told`]); else the row says that they are not known.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use jiff::Timestamp;

use super::{Mark, RelPath, RootId};
use crate::plan::SourcePlan;

/// Never reused, so that a late end of an abandoned survey falls away.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub struct SurveyId(pub u64);

/// A survey to be made.
#[derive(Clone, Debug)]
pub struct Survey {
    /// Its name.
    pub id: SurveyId,
    /// Of what.
    pub source: Arc<SourcePlan>,
    /// The root that the watch stands on: a survey of another one has failed.
    pub root: RootId,
    /// Where.
    pub scope: SurveyScope,
    /// Whether what differs from the rows in the ledger is to be told as marks; else the rows are only made anew.
    pub compare: bool,
    /// What the engine was told, where it does not compare: what differs is then not marked.
    pub told: Told,
}

/// What the engine has heard of, and when by the wall clock.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Told {
    /// Of everything, until then.
    pub since: Option<Timestamp>,
    /// Of single paths.
    pub paths: BTreeMap<RelPath, Heard>,
}

/// When the engine last heard of a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Heard {
    /// Of itself.
    pub at: Timestamp,
    /// Of everything below it.
    pub below: Option<Timestamp>,
    /// Whether it may be a directory with a row of its own.
    pub directory: bool,
}

impl Told {
    /// Whether the engine has heard of `path` no earlier than it `changed`.
    pub fn covers(&self, path: &RelPath, changed: Timestamp) -> bool {
        let heard = |at: Option<Timestamp>| at.is_some_and(|at| at >= changed);
        if heard(self.since) {
            return true;
        }
        let own = self.paths.get(path);
        if own.is_some_and(|own| own.at >= changed || heard(own.below)) {
            return true;
        }
        let mut above = path.parent();
        while let Some(directory) = above {
            if self
                .paths
                .get(&directory)
                .is_some_and(|here| heard(here.below))
            {
                return true;
            }
            above = directory.parent();
        }
        false
    }
}

/// Where a survey looks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SurveyScope {
    /// At the whole source.
    Everything,
    /// Only there.
    Places {
        /// Directories, each for itself. One that is not there any more loses its row, and so does what lay below it.
        directories: BTreeSet<RelPath>,
        /// Directories with everything below them.
        subtrees: BTreeSet<RelPath>,
    },
}

/// How a survey ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Surveyed {
    /// Everything in its scope was looked at.
    Done {
        /// What differs from the ledger; empty without `compare`.
        marks: Vec<Mark>,
        /// Paths that changed so shortly before the look that a later change could bear the same time: to be looked at
        /// again. Not all of them, where there are too many: what is not known of them costs work after the next start.
        young: Vec<RelPath>,
    },
    /// More differs than marks are good for, or there was nothing to compare with: everything is dirty. Its rows are good.
    Everything,
    /// It could not be made; there are no rows of it.
    Failed(String),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_told_covers_what_changed_before() {
        let at = |second| Timestamp::from_second(second).unwrap();
        let path = |text: &str| RelPath::new(text.as_bytes()).unwrap();
        let heard = |second, below: Option<i64>| Heard {
            at: at(second),
            below: below.map(at),
            directory: below.is_some(),
        };
        let told = Told {
            since: Some(at(10)),
            paths: BTreeMap::from([
                (path("d"), heard(40, Some(30))),
                (path("d/f"), heard(50, None)),
            ]),
        };
        let covered = |text, second| told.covers(&path(text), at(second));
        assert!(covered("other", 10) && !covered("other", 11));
        assert!(covered("d/f", 50) && !covered("d/f", 51));
        assert!(covered("d/x/y", 30) && !covered("d/x/y", 31));
        assert!(covered("d", 40) && !covered("d", 41));
        assert!(!covered("d-", 30));
    }
}
