//! One route, looked at closely: its plan, and what the picture has no room for.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;

use super::Now;
use super::core::Engine;
use super::status::PendingStatus;
use crate::plan::{RouteName, RoutePlan, SourcePlan, When};

/// Pending paths in one answer: enough to see what kind they are.
pub const PENDING_MAX: usize = 100;

/// One route, looked at closely.
#[derive(Clone, Debug, PartialEq)]
pub struct Detail {
    /// Its source's plan.
    pub source: Arc<SourcePlan>,
    /// Its own.
    pub route: Arc<RoutePlan>,
    /// Since when the source is watched, or is not there.
    pub source_since: Option<Timestamp>,
    /// Whether what the target has was compared since the start.
    pub compared: bool,
    /// Since when it is.
    pub compared_since: Option<Timestamp>,
    /// Since when it has failed as a whole, and how often.
    pub failed: Option<(Timestamp, u32)>,
    /// Which hook fails, and since when.
    pub hook: Option<(When, Timestamp)>,
    /// Why the transfer that runs was made, and how long it has run.
    pub running: Option<(String, Duration)>,
    /// Pending paths, those under way first, at most [`PENDING_MAX`].
    pub pending: Vec<PendingStatus>,
}

impl Engine {
    /// One route, looked at closely; `None`: there is none of this name.
    pub(super) fn detail(&self, name: &RouteName, now: Now) -> Option<Detail> {
        let route = self.routes.get(name)?;
        let source = self.sources.get(&name.source)?;
        Some(Detail {
            source: Arc::clone(&route.source),
            route: Arc::clone(&route.plan),
            source_since: source.since,
            compared: route.compared,
            compared_since: route.compared_since,
            failed: route
                .backoff
                .as_ref()
                .map(|backoff| (backoff.since, backoff.tries)),
            hook: route.hook_fails(),
            running: route.running.as_ref().map(|running| {
                let lasts = now.mono.saturating_sub(running.started);
                (running.trigger.to_owned(), lasts)
            }),
            pending: self.pending_paths(route, now, PENDING_MAX),
        })
    }
}
