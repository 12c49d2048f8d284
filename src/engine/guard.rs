//! The guards: verdicts on facts that a transfer collected, before anything is sent or deleted.
//!
//! Pure. `transfer` looks at the world and brings [`GuardFacts`] and counted deletions; this file says what follows.

use std::sync::Arc;

use super::{DeleteLeave, DeletePlan, Deletions, GuardRefusal, Job, RelPath, RootId};
use crate::plan::{DeletePolicy, RoutePlan, SourcePlan, Target};

/// What a transfer found before it began (and finds again after it).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GuardFacts {
    /// The root's identity; `None`: it is not there, or not a directory.
    pub root: Option<RootId>,
    /// Whether the root is a mount point or lies on another mount than `/`; true where that is not asked for.
    pub root_mounted: bool,
    /// Whether the marker is there; true where none is asked for.
    pub marker: bool,
    /// Mount points below the root.
    pub mounts: Vec<RelPath>,
    /// Whether a local target is (on) a mount other than `/`; true for remote targets.
    pub target_mounted: bool,
}

/// Why nothing may be sent, if so. Checked before every transfer.
pub fn refuse(job: &Job, facts: &GuardFacts) -> Option<GuardRefusal> {
    let SourcePlan { path, guard, .. } = job.source.as_ref();
    let refusal = |guard, message| Some(GuardRefusal { guard, message });
    let Some(root) = &facts.root else {
        return refusal(
            "rootMissing",
            format!("the source `{path}` is not there: mount or create it"),
        );
    };
    if job.root.as_ref().is_some_and(|expected| expected != root) {
        return refusal(
            "rootReplaced",
            format!(
                "the source `{path}` is another directory than the one watched: looking at it anew"
            ),
        );
    }
    if guard.require_mount && !facts.root_mounted {
        return refusal(
            "mount",
            format!("no file system is mounted at the source `{path}`: mount it"),
        );
    }
    if !facts.marker {
        let marker = guard.marker.as_deref().unwrap_or_default();
        return refusal(
            "marker",
            format!(
                "the marker `{path}/{marker}` is not there: mount the source, or create the marker"
            ),
        );
    }
    if !facts.target_mounted
        && let Target::Local { path } = &job.route.target
    {
        return refusal(
            "targetMount",
            format!("no file system is mounted at the target `{path}`: mount it"),
        );
    }
    if job.route.delete != DeletePolicy::Never
        && let Some(lost) = job
            .mounts
            .iter()
            .find(|mount| !facts.mounts.contains(mount))
    {
        return refusal(
            "lostMount",
            format!(
                "the mount at `{path}/{lost}` is gone: mount it again, or approve that it is gone"
            ),
        );
    }
    None
}

/// Why counted deletions may not be made, if so.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DeleteRefusal {
    /// More than the budget has.
    Budget(Arc<DeletePlan>),
    /// The source has become empty.
    Empty(GuardRefusal),
}

/// What is known before deletions are made.
#[derive(Clone, Copy, Debug)]
pub struct DeleteCase<'a> {
    /// The route.
    pub route: &'a RoutePlan,
    /// Its source.
    pub source: &'a SourcePlan,
    /// Its budget's state.
    pub leave: &'a DeleteLeave,
    /// Whether the source's root has no entry that belongs to the route.
    pub source_empty: bool,
    /// Entries (in the route's scope) on the target before the deletions.
    pub target_entries: u64,
}

/// Whether `all`, every entry that would be deleted (those inside deleted directories included), may be deleted.
pub fn deletions(case: DeleteCase<'_>, all: &Deletions) -> Result<(), DeleteRefusal> {
    let count = all.beyond(case.leave.approved.as_deref());
    if count == 0 {
        return Ok(());
    }
    if case.source_empty && !case.source.guard.allow_empty {
        let path = &case.source.path;
        return Err(DeleteRefusal::Empty(GuardRefusal {
            guard: "empty",
            message: format!(
                "the source `{path}` has become empty, and {count} entries would be deleted: mount it, or set `allowEmpty: true`"
            ),
        }));
    }
    let allowed = case.route.max_delete.allows(case.target_entries);
    if case.leave.spent + count > allowed {
        let plan = all.plan(&case.route.name.to_string(), case.target_entries);
        return Err(DeleteRefusal::Budget(Arc::new(plan)));
    }
    Ok(())
}
