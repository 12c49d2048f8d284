//! How deletions become possible that were not before. What a reviewer must not overlook.

use serde::Serialize;

use super::Look;
use crate::plan::{DeleteBudget, DeletePolicy, RoutePlan, SourceGuard, SourcePlan};

/// Target sizes at which two budgets are held against each other. Between them budgets are straight lines.
const TOTALS: [u64; 12] = [
    0,
    1,
    10,
    99,
    100,
    199,
    200,
    1_000,
    10_000,
    1_000_000,
    1_000_000_000,
    1_000_000_000_000,
];

/// Why something may be deleted on a target that would not have been.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(
    tag = "risk",
    rename_all = "camelCase",
    rename_all_fields = "camelCase"
)]
pub enum DeleteRisk {
    /// A new route with `delete: mirror`: what its target has and the source has not goes in the first pass.
    NewMirror,
    /// `delete` allows more than before.
    Policy {
        /// In the old plan.
        before: DeletePolicy,
        /// In the new one.
        after: DeletePolicy,
    },
    /// `delete: mirror` into another place: what is there and not in the source goes.
    OtherTarget,
    /// `delete: mirror` from another directory: what the target has and that one has not goes.
    OtherSource,
    /// `delete: mirror`, and on the target these are protected by no exclude any more.
    Unprotected {
        /// Where.
        below: Look,
    },
    /// More may be deleted in one pass before it is held.
    Budget,
    /// A guard that held the route, and so its deletions, is gone or another.
    Guard {
        /// Its key.
        key: &'static str,
    },
}

pub(super) fn added(new: &RoutePlan) -> Vec<DeleteRisk> {
    match new.delete {
        DeletePolicy::Mirror => vec![DeleteRisk::NewMirror],
        DeletePolicy::Never | DeletePolicy::Propagate => Vec::new(),
    }
}

/// A route with its source, before and after. `elsewhere`: the target is another place.
pub(super) fn changed(
    (old_source, old): (&SourcePlan, &RoutePlan),
    (new_source, new): (&SourcePlan, &RoutePlan),
    elsewhere: bool,
) -> Vec<DeleteRisk> {
    let mut out = Vec::new();
    if new.delete == DeletePolicy::Never {
        return out;
    }
    let (before, after) = (old.delete, new.delete);
    if rank(after) > rank(before) {
        out.push(DeleteRisk::Policy { before, after });
    }
    if after == DeletePolicy::Mirror {
        if elsewhere {
            out.push(DeleteRisk::OtherTarget);
        }
        if old_source.path != new_source.path {
            out.push(DeleteRisk::OtherSource);
        }
        let below = Look::widened(&old.filter, &new.filter);
        if below != Look::Nothing {
            out.push(DeleteRisk::Unprotected { below });
        }
    }
    if allows_more(old.max_delete, new.max_delete) {
        out.push(DeleteRisk::Budget);
    }
    let SourceGuard {
        marker,
        allow_empty,
        require_mount,
    } = &old_source.guard;
    let guard = &new_source.guard;
    let gone = [
        ("guard.marker", marker.is_some() && *marker != guard.marker),
        ("guard.allowEmpty", guard.allow_empty && !allow_empty),
        ("guard.requireMount", *require_mount && !guard.require_mount),
    ];
    let gone = gone.into_iter().filter(|(_, gone)| *gone);
    out.extend(gone.map(|(key, _)| DeleteRisk::Guard { key }));
    out
}

fn rank(policy: DeletePolicy) -> u8 {
    match policy {
        DeletePolicy::Never => 0,
        DeletePolicy::Propagate => 1,
        DeletePolicy::Mirror => 2,
    }
}

/// Whether there is a target on which the second allows more than the first.
fn allows_more(old: DeleteBudget, new: DeleteBudget) -> bool {
    TOTALS
        .iter()
        .any(|total| new.allows(*total) > old.allows(*total))
}
