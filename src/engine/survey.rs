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

use super::{Dirt, Mark, RelPath, RootId};
use crate::plan::{RouteName, SourcePlan};

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
    /// The parked route for which it is made: it compares with the rows that were kept for that route, where there are such,
    /// and its own rows are not kept.
    pub release: Option<Release>,
}

/// A parking, to be compared with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Release {
    /// Of which route.
    pub route: RouteName,
    /// Which of its parkings.
    pub number: i64,
}

/// What the engine has heard of, and when by the wall clock.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Told {
    /// Of everything, until then.
    pub since: Option<Timestamp>,
    /// Of single paths.
    pub paths: BTreeMap<RelPath, Heard>,
    /// Of everything below these directories.
    pub below: BTreeMap<RelPath, Timestamp>,
}

/// When the engine last heard of a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Heard {
    /// Of itself.
    pub at: Timestamp,
    /// Whether it may be a directory with a row of its own.
    pub directory: bool,
    /// Whether rows below it are to be made anew.
    pub subtree: bool,
}

impl Told {
    /// A mark was told.
    pub fn mark(&mut self, mark: &Mark, now: Timestamp) {
        let heard = Heard {
            at: now,
            // Else it may be a directory whose own attributes changed, or one that is gone.
            directory: mark.dirt != Dirt::CONTENT,
            subtree: mark.dirt.has(Dirt::SUBTREE),
        };
        self.add(mark.path.clone(), heard);
        // A mark that trusts size and time does not tell of all that changed below.
        if mark.dirt.has(Dirt::SUBTREE | Dirt::CONTENT) {
            self.below.insert(mark.path.clone(), now);
        }
    }

    /// The wall clock was set back: it is not known any more what was heard of when.
    pub fn set_back(&mut self) {
        self.since = None;
        self.below.clear();
        for heard in self.paths.values_mut() {
            heard.at = Timestamp::MIN;
        }
    }

    /// A path was heard of.
    pub fn add(&mut self, path: RelPath, heard: Heard) {
        let have = self.paths.entry(path).or_insert(heard);
        have.at = have.at.max(heard.at);
        have.directory |= heard.directory;
        have.subtree |= heard.subtree;
    }

    /// Takes in what was told elsewhere.
    pub fn join(&mut self, other: Told) {
        for (path, heard) in other.paths {
            self.add(path, heard);
        }
        for (path, at) in other.below {
            let have = self.below.entry(path).or_insert(at);
            *have = (*have).max(at);
        }
    }

    /// Whether the engine has heard of `path` no earlier than it `changed`.
    pub fn covers(&self, path: &RelPath, changed: Timestamp) -> bool {
        if self.since.is_some_and(|since| since >= changed)
            || self.paths.get(path).is_some_and(|own| own.at >= changed)
        {
            return true;
        }
        if self.below.is_empty() {
            return false;
        }
        let mut at = Some(path.clone());
        while let Some(here) = at {
            if self.below.get(&here).is_some_and(|at| *at >= changed) {
                return true;
            }
            at = here.parent();
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
        /// Directories in which something changed so shortly before the look that a later change could bear the same time:
        /// to be looked at again. Not all of them, where there are too many: what is not known of what is in them costs
        /// work after the next start.
        young: Vec<RelPath>,
    },
    /// Of a comparison: more differs than marks are good for. Of any but a look at everything: there are no rows that
    /// could be compared or added to. All rows are to be made anew.
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
        let mut told = Told {
            since: Some(at(10)),
            ..Told::default()
        };
        for (text, dirt, second) in [
            ("d", Dirt::SUBTREE | Dirt::CONTENT, 30),
            ("d", Dirt::SUBTREE, 40),
            ("d/f", Dirt::CONTENT, 50),
        ] {
            let path = path(text);
            told.mark(&Mark { path, dirt }, at(second));
        }
        let covered = |text, second| told.covers(&path(text), at(second));
        assert!(covered("other", 10) && !covered("other", 11));
        assert!(covered("d/f", 50) && !covered("d/f", 51));
        assert!(covered("d/x/y", 30) && !covered("d/x/y", 31));
        assert!(covered("d", 40) && !covered("d", 41));
        assert!(!covered("d-", 30));
    }
}
