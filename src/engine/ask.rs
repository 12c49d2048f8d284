//! Those who wait for "everything up to now is on the targets".
//!
//! A wait first asks the watch of each source for a barrier, so that what the kernel has already seen is told before
//! it; then it waits until no route that it means has a change older than that barrier.

use std::collections::{BTreeMap, BTreeSet};

use super::core::Engine;
use super::input::{Answer, Effect, RequestId, Selector};
use super::route::Route;
use crate::plan::{RouteName, SourceName};

/// Those who wait. Bounded by the connections of the control socket.
#[derive(Debug, Default)]
pub struct Waits(BTreeMap<RequestId, Wait>);

/// One who waits.
#[derive(Debug)]
struct Wait {
    /// Sources whose barrier has not come yet.
    barriers: BTreeMap<u64, SourceName>,
    /// Routes that are to have nothing at or before the barrier.
    routes: BTreeMap<RouteName, Option<u64>>,
}

impl Waits {
    /// Nobody waits under this number any more.
    pub fn forget(&mut self, request: RequestId) {
        self.0.remove(&request);
    }

    /// The barriers of a source that are waited for: another watch is to be asked for them.
    pub fn of(&self, source: &SourceName) -> Vec<u64> {
        let all = self.0.values().flat_map(|wait| &wait.barriers);
        all.filter_map(|(id, of)| (of == source).then_some(*id))
            .collect()
    }

    /// A source's barrier has come: what counts was told with an input before number `seq`.
    pub fn barrier(&mut self, source: &SourceName, id: u64, seq: u64) {
        for wait in self.0.values_mut() {
            if wait.barriers.remove(&id).is_some() {
                for (_, at) in wait
                    .routes
                    .iter_mut()
                    .filter(|(name, _)| name.source == *source)
                {
                    *at = Some(seq);
                }
            }
        }
    }
}

impl Engine {
    pub(super) fn begin_wait(
        &mut self,
        request: RequestId,
        selector: Selector,
        effects: &mut Vec<Effect>,
    ) {
        let routes: BTreeMap<RouteName, Option<u64>> = self
            .routes
            .keys()
            .filter(|name| selector.matches(name))
            .map(|name| (name.clone(), None))
            .collect();
        if routes.is_empty() && (selector.source.is_some() || selector.target.is_some()) {
            effects.push(Effect::Answer(request, Answer::NoSuchRoute));
            return;
        }
        let sources: BTreeSet<SourceName> = routes.keys().map(|name| name.source.clone()).collect();
        let mut barriers = BTreeMap::new();
        for source in sources {
            let id = self.next_id();
            if let Some(state) = self.sources.get(&source) {
                effects.push(Effect::Barrier(state.watch, id));
                barriers.insert(id, source);
            }
        }
        self.waits.0.insert(request, Wait { barriers, routes });
    }

    /// Answers those whose barrier is passed everywhere, or is passed everywhere but where a route is held or paused.
    pub(super) fn answer_waits(&mut self, effects: &mut Vec<Effect>) {
        let (routes, sources) = (&self.routes, &self.sources);
        let clean = |name: &RouteName, at: Option<u64>| match (routes.get(name), at) {
            (None, _) => true, // removed by a reload: there is nothing to wait for
            (Some(_), None) => false,
            // A source whose watch does not stand knows of no change, which is not the same as having none.
            (Some(route), Some(seq)) => {
                sources
                    .get(&name.source)
                    .is_some_and(|source| source.is_ready())
                    && route.oldest().is_none_or(|oldest| oldest.seq > seq)
            }
        };
        let held = |name: &RouteName| {
            // One that is being looked at again may be over in a moment.
            routes.get(name).is_some_and(|route: &Route| {
                let of_root = route.held.as_ref().is_some_and(|held| held.is_of_root());
                route.is_held() && !of_root && route.running.is_none() && !route.forced
            })
        };
        // Once it is told what there is; then what is late stays so for as long as the pause lasts.
        let paused = |name: &RouteName, at: Option<u64>| {
            self.pauses.hold(name)
                && at.is_some()
                && routes
                    .get(name)
                    .is_some_and(|route: &Route| route.running.is_none() && route.suspect.is_none())
                && sources
                    .get(&name.source)
                    .is_some_and(|source| source.is_ready())
        };
        self.waits.0.retain(|request, wait| {
            let late: Vec<(&RouteName, Option<u64>)> = wait
                .routes
                .iter()
                .map(|(name, at)| (name, *at))
                .filter(|(name, at)| !clean(name, *at))
                .collect();
            if late.is_empty() {
                effects.push(Effect::Answer(*request, Answer::Reached));
                return false;
            }
            if late
                .iter()
                .all(|&(name, at)| held(name) || paused(name, at))
            {
                let late = late.into_iter().map(|(name, _)| name.clone());
                effects.push(Effect::Answer(*request, Answer::Held(late.collect())));
                return false;
            }
            true
        });
    }
}
