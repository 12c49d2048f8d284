//! Surveys: a local look at a source that is held against what the ledger knows of it.
//!
//! A survey reads each directory of its scope with the facts of every name in it (`lstat`), which makes a *row*; rows
//! are opaque here. What differs from the rows of the last checkpoint becomes marks; the new rows are kept by the shell
//! under the survey's id until the engine has them committed, or forgotten.

use std::collections::BTreeSet;
use std::sync::Arc;

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
        /// Directories with something in them that changed so shortly before the look that a later change could bear the
        /// same time: to be looked at again.
        young: Vec<RelPath>,
    },
    /// More differs than marks are good for, or there was nothing to compare with: everything is dirty. Its rows are good.
    Everything,
    /// It could not be made; there are no rows of it.
    Failed(String),
}
