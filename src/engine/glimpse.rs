//! Looks into the engine for one who listens live; they change nothing.

use std::sync::Arc;
use std::time::Duration;

use super::core::Engine;
use super::route::{Due, Route};
use super::{Now, TransferId, WatchId};
use crate::plan::{RouteName, RoutePlan, SourceName, SourcePlan};

/// A route as it stands after a step.
#[derive(Clone, Debug)]
pub struct Glimpse<'e> {
    /// Its plan.
    pub plan: &'e Arc<RoutePlan>,
    /// Marks that no transfer has taken yet.
    pub waiting: usize,
    /// In how long they leave; `None`: not before something else happens.
    pub leaves: Option<Duration>,
    /// What they wait for.
    pub why: String,
}

impl Engine {
    /// The source on which this watch stands.
    pub fn watched_by(&self, watch: WatchId) -> Option<&Arc<SourcePlan>> {
        let mut all = self.sources.values();
        let source = all.find(|source| source.watch == watch)?;
        Some(&source.plan)
    }

    /// The routes of a source.
    pub fn glimpses(&self, source: &SourceName, now: Now) -> Vec<Glimpse<'_>> {
        let first = super::checkpoint::first_of(source);
        let routes = self.routes.range(first..);
        routes
            .take_while(|(name, _)| name.source == *source)
            .map(|(name, route)| self.glimpse(name, route, now))
            .collect()
    }

    fn glimpse<'e>(&'e self, name: &RouteName, route: &'e Route, now: Now) -> Glimpse<'e> {
        let pause = self.pauses.of(name, now);
        let runs = route.running.is_some();
        let (leaves, why) = match (pause, &route.held, &route.backoff) {
            (Some((_, left)), ..) => (Some(left), "the route is paused".to_owned()),
            (None, Some(_), _) => (None, "the route is held".to_owned()),
            (None, None, _) if runs => (None, "a transfer runs".to_owned()),
            (None, None, backoff) => {
                let leaves = match route.due(now) {
                    Due::Now(_) => Some(Duration::ZERO),
                    Due::At(at) => Some(at.saturating_sub(now.mono)),
                    Due::Idle => None,
                };
                let why = match backoff {
                    Some(backoff) => format!("the last try failed: {}", backoff.trouble.message),
                    None => self.pending_reason(route, now),
                };
                (leaves, why)
            }
        };
        Glimpse {
            plan: &route.plan,
            waiting: route.pending.len(),
            leaves,
            why,
        }
    }

    /// Why the transfer that runs on a route was made, if it is this one.
    pub fn trigger_of(&self, route: &RouteName, id: TransferId) -> Option<&'static str> {
        let running = self.routes.get(route)?.running.as_ref()?;
        (running.id == id).then_some(running.trigger)
    }
}
