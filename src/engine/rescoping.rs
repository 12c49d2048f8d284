//! A filter that was widened by a reload: what came in is marked once the watch sees it.
//!
//! The order matters. First the watch takes the new filter over and watches the directories that came in; then a barrier
//! asked for after that comes back; then what came in is marked. So a change in there is either older than the look that
//! the mark means, or told by the watch. Until then the route owes it: it is not in sync, waits wait, and a checkpoint
//! says that a full pass is owed.

use std::time::Duration;

use super::core::Engine;
use super::load::Load;
use super::route::Route;
use super::{Now, Stamp};
use crate::plan::{Look, SourceName};

/// What comes into a route's filter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rescoping {
    /// Since when.
    pub since: Stamp,
    /// What.
    pub look: Look,
}

impl Route {
    /// This comes into its filter, beside what comes already.
    pub fn rescope(&mut self, look: &Look, stamp: Stamp) {
        let before = self.rescoping.take();
        self.rescoping = Some(match before {
            Some(before) => Rescoping {
                since: before.since.min(stamp),
                look: before.look.join(look.clone()),
            },
            None => Rescoping {
                since: stamp,
                look: look.clone(),
            },
        });
    }

    /// When what came in can be sent, if there is anything.
    pub fn fills(&self, at_once: bool) -> Option<Duration> {
        let retry = self.failing.next_fill();
        let retry = retry.map(|at| if at_once { Duration::ZERO } else { at });
        let new = (!self.filling.is_empty()).then_some(Duration::ZERO);
        new.into_iter().chain(retry).min()
    }

    /// Takes out what came in, for a transfer that deletes nothing.
    pub fn take_fills(&mut self, load: &mut Load, now: Now) {
        load.fills = true;
        load.retried = self.failing.take_fills_due(now.mono, self.forced);
        let oldest = self.filling.oldest().into_iter();
        load.oldest = oldest.chain(load.retried.oldest()).min();
        load.marks = self.filling.take();
    }
}

impl Engine {
    /// A barrier has come: behind the one that was asked for with a new filter, what came in is seen.
    pub(super) fn rescoped(&mut self, name: &SourceName, barrier: u64, now: Now) {
        let Some(source) = self.sources.get_mut(name) else {
            return;
        };
        if source.rescoping != Some(barrier) {
            return;
        }
        source.rescoping = None;
        source.census.changed(now.mono);
        for route in super::checkpoint::routes_of(&mut self.routes, name) {
            if let Some(coming) = route.rescoping.take() {
                route.filling.look(&coming.look, coming.since);
            }
        }
    }
}
