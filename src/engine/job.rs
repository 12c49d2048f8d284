//! What the engine asks of a transfer, and what it hears back.

use std::fmt;
use std::sync::Arc;

use serde::Serialize;

use super::{Changed, Deletions, Hooked, Mark, RelPath};
use crate::plan::{Compare, RoutePlan, SourcePlan};

/// Never reused, so that a late exit of an old transfer falls away.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug, Serialize)]
pub struct TransferId(pub u64);

/// One transfer to be made: a batch of marks, or a full pass.
#[derive(Clone, Debug)]
pub struct Job {
    /// Its name.
    pub id: TransferId,
    /// From.
    pub source: Arc<SourcePlan>,
    /// To, and how.
    pub route: Arc<RoutePlan>,
    /// What to bring in step.
    pub work: Work,
    /// What bounds its deletions.
    pub deletes: DeleteLeave,
    /// Which root the source's watch stands on: the transfer is void if the root is another one by now.
    pub root: Option<RootId>,
    /// Mount points below the source's root that were seen earlier: one that is gone holds every deletion.
    pub mounts: Vec<RelPath>,
    /// Bandwidth where the route has none of its own: bytes a second.
    pub bandwidth: Option<u64>,
    /// Whether an earlier process may have been killed while it wrote where this job writes: what it left under temporary
    /// names goes.
    pub sweep: bool,
    /// For hooks: `change`, `start`, `rescan` …
    pub trigger: &'static str,
    /// Before it begins, it is to be taken back on disk that nothing is owed to the route's `after` hook.
    pub owes: bool,
}

/// What a job covers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Work {
    /// These marks; no path twice. A mark on the root with `SUBTREE` is a full pass in a batch's clothes.
    Batch(Vec<Mark>),
    /// The whole tree against the target itself.
    Pass(Compare),
}

/// What bounds a job's deletions.
#[derive(Clone, Debug, Default)]
pub struct DeleteLeave {
    /// How much of the budget the passes of the last minute have used up (net of what they created).
    pub spent: u64,
    /// Entries (in the route's scope) on the target after the last full pass; `None`: not known yet.
    pub target_entries: Option<u64>,
    /// A plan that an operator approved: its deletions are free, all others count against the budget as ever.
    pub approved: Option<Arc<DeletePlan>>,
}

/// A set of deletions that was counted before it was made.
#[derive(Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct DeletePlan {
    /// The first hex digits of a hash over the route and its paths: the same plan has the same id, also after a restart.
    pub id: String,
    /// How many entries.
    pub count: u64,
    /// Of how many entries on the target.
    pub of: u64,
    /// The first of them, in order; at most [`DeletePlan::SAMPLE_MAX`].
    pub sample: Vec<RelPath>,
    /// A 64-bit hash of each path, sorted.
    #[serde(skip)]
    pub hashes: Arc<Vec<u64>>,
}

impl DeletePlan {
    /// Enough to recognise what is meant.
    pub const SAMPLE_MAX: usize = 20;

    /// Whether `path` is among its deletions.
    pub fn covers(&self, path: &RelPath) -> bool {
        Deletions::of([path]).beyond(Some(self)) == 0
    }
}

impl fmt::Debug for DeletePlan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({} of {})", self.id, self.count, self.of)
    }
}

/// The identity of a source's root: every component of its path, so that a swapped symlink or a remount above it shows.
#[derive(Clone, PartialEq, Eq, Debug, Hash)]
pub struct RootId(
    /// (device, inode) of each component by `lstat`, then of the root itself by `stat`.
    pub Vec<(u64, u64)>,
);

/// How a transfer ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// What follows from it.
    pub verdict: Verdict,
    /// Paths that were not brought in step, each with its reason; they stay dirty. Only with [`Verdict::Done`] is
    /// everything else of the job in step.
    pub failed: Vec<PathFailure>,
    /// Paths that changed while they were sent: looked at again at once, no failure.
    pub again: Vec<RelPath>,
    /// What is worth saying and needs nothing: a special file left out, a protected directory kept.
    pub notes: Vec<PathNote>,
    /// What was done.
    pub stats: Stats,
    /// The mount points below the source's root, where they were looked at.
    pub mounts: Option<Vec<RelPath>>,
    /// Which directory a local target was.
    pub target: Option<TargetId>,
    /// Which paths changed on the target, where the route has hooks.
    pub changed: Changed,
    /// How the `before` hook ended, where it was run.
    pub before: Option<Hooked>,
}

/// Identifies the directory that is a local target.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct TargetId {
    /// The file system's own id.
    pub file_system: u64,
    /// The directory's inode.
    pub inode: u64,
}

/// What follows from a transfer's end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Everything of the job but `failed` and `again` is in step.
    Done,
    /// Nothing is known to be in step; tried again with backoff.
    Retry(Trouble),
    /// Nothing is known to be in step; only a change of the manifest, the host or the peer helps. Tried again slowly all the same.
    Permanent(Trouble),
    /// Nothing was deleted; waits for an operator or for the reason to go away.
    Held(Hold),
    /// It was told to end.
    Cancelled,
}

/// Why a transfer failed as a whole.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Trouble {
    /// A stable word for scripts and metrics: `unreachable`, `auth`, `timeout`, `noSpace`, `readOnly`, `unknownModule`,
    /// `busy`, `noRsync`, `passwordFile`, `sourceMissing`, `protocol`, `usage`, `ssh`, `unknown`…
    pub code: &'static str,
    /// One line for people, escaped, without secrets; says what to do where that is known.
    pub message: String,
    /// Worth another try at once, without backoff growing: the peer is merely busy.
    pub soon: bool,
}

/// Why a route waits.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "reason", rename_all = "camelCase")]
pub enum Hold {
    /// More deletions than the budget has.
    Deletes(Arc<DeletePlan>),
    /// A guard refused; goes away by itself when the guard is content again.
    Guard(GuardRefusal),
}

/// What a guard found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct GuardRefusal {
    /// `marker`, `empty`, `mount`, `lostMount`, `rootReplaced`, `rootMissing`, `targetMount`.
    pub guard: &'static str,
    /// One line for people, with what to do.
    pub message: String,
}

/// A path that was not brought in step.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct PathFailure {
    /// Which.
    pub path: RelPath,
    /// One line for people, escaped.
    pub reason: String,
}

/// Something worth saying about a path.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct PathNote {
    /// Which.
    pub path: RelPath,
    /// One line for people, escaped.
    pub text: String,
}

/// What a transfer did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Stats {
    /// Entries sent or changed.
    pub files: u64,
    /// Of which new on the target.
    pub created: u64,
    /// Of which nothing but attributes changed.
    pub attributes: u64,
    /// Of file content, as far as it went over the wire.
    pub bytes: u64,
    /// Entries deleted.
    pub deleted: u64,
    /// Entries on the target (in the route's scope) afterwards; only a full pass knows it.
    pub target_entries: Option<u64>,
}

impl Outcome {
    /// An outcome with nothing but its verdict.
    pub fn bare(verdict: Verdict) -> Outcome {
        Outcome {
            verdict,
            failed: Vec::new(),
            again: Vec::new(),
            notes: Vec::new(),
            stats: Stats::default(),
            mounts: None,
            target: None,
            changed: Changed::default(),
            before: None,
        }
    }
}
