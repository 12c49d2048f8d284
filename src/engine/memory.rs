//! What is kept across restarts, as data: the checkpoint that the ledger holds.
//!
//! Invariant: for each route in a checkpoint and each directory of its source, what the target has in it equals what the
//! rows of the same checkpoint say, or an undelivered mark of the same checkpoint covers it. Whatever changes later has
//! another signature, so that a survey finds it: an old checkpoint costs work. What came and went since, or was moved away and
//! back, is told by its marks or not at all: `docs/guarantee.md` says what that leaves.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;

use super::{Mark, Pause, RelPath, SurveyId, TargetId};
use crate::plan::{Compare, RouteName, SourceName};

/// Everything that is remembered. A cache: losing any part of it costs scanning.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Memory {
    /// Of the sources.
    pub sources: BTreeMap<SourceName, SourceMemory>,
    /// Of the routes.
    pub routes: BTreeMap<RouteName, RouteMemory>,
    /// Routes that an operator has paused, of this plan or another. No cache: it is kept apart from the ledger.
    pub pauses: BTreeMap<RouteName, Pause>,
    /// Routes to whose `after` hook nothing is owed.
    pub settled_hooks: BTreeSet<RouteName>,
    /// What the routes' last transfers deleted, oldest first: it counts against their budgets as if nobody had started anew.
    pub spent: BTreeMap<RouteName, Vec<Spending>>,
}

/// What a transfer used up of its route's budget.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Spending {
    /// When it ended.
    pub at: Timestamp,
    /// What it deleted, less what it created.
    pub net: i64,
}

/// What is remembered of a source.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SourceMemory {
    /// Mount points seen below its root.
    pub mounts: Vec<RelPath>,
    /// There are rows for all of it, made under the plan with this key; `None`: there are not.
    pub rows: Option<String>,
}

/// What is remembered of a route.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RouteMemory {
    /// Under which plan it was; under another, nothing is known of its target.
    pub key: String,
    /// What is not delivered; no path twice.
    pub marks: Vec<Mark>,
    /// A full pass that is owed.
    pub pass: Option<Compare>,
    /// Entries on the target after the last full pass.
    pub target_entries: Option<u64>,
    /// When a transfer last succeeded.
    pub last_good: Option<Timestamp>,
    /// When a full pass last compared the target itself, and nothing failed.
    pub last_compared: Option<Timestamp>,
    /// When the next periodic pass was to be.
    pub next_rescan: Option<Timestamp>,
    /// When the next gathered send was to be.
    pub next_sync: Option<Timestamp>,
    /// Which directory its local target was.
    pub target: Option<TargetId>,
    /// Whether the ledger keeps rows for it that are replaced.
    pub parked: Parking,
}

/// Whether the ledger keeps for a route the rows that are replaced, so that what changed since can be told later.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Parking {
    /// None; what was kept goes.
    #[default]
    No,
    /// From this checkpoint's rows on, under this number; what was kept goes.
    Begins(i64),
    /// As before: of each directory the first that is replaced. Where nothing is kept under this number, nothing is known.
    Goes(i64),
}

/// A checkpoint of one source, to be written in one transaction or not at all.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Commit {
    /// The survey whose rows go in.
    pub survey: SurveyId,
    /// Of which source.
    pub source: SourceName,
    /// The key of the plan under which they were made.
    pub key: String,
    /// Whether these rows are all that there are. Else they replace single ones, which only stands where the ledger has
    /// rows for all of the source under the same key.
    pub whole: bool,
    /// All of the source's routes; others of it that the ledger knows go.
    pub routes: BTreeMap<RouteName, RouteMemory>,
}
