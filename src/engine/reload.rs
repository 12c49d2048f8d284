//! Takes a plan over in the place of the one that runs: what differs is changed, and nothing else is touched.
//!
//! [`plan::diff`] says what differs, by the names of sources and routes; here each class is carried out.
//!
//! - *keep*: nothing. Watch, marks, backoff, hold, budget and what runs go on; only a failure that nothing but a change
//!   outside can mend is tried again at once, for the change may have been made.
//! - *retune*: the new numbers, times and guards hold from now on. What is held stays held, and is counted again.
//! - *rescope*: the watch takes the new filter over, and what came in is [filled](super::rescoping). What runs under the
//!   other filter is ended and what it carried stays marked: it might delete what is protected from now on.
//! - *resync*, *rebuild*: everything is compared with the target by a full pass. Marks stay, for a pass under `propagate`
//!   does not know what was seen to vanish; so does what the budget has used up. A rebuilt source is watched anew.
//! - *add*: as at the start, without a memory.
//! - *remove*: the route is gone. What runs may end by itself for [ten seconds](super::leaving::DRAIN), then it is told to; nothing is deleted for it.
//!
//! What is left of an earlier plan's transfers is *leaving*: their outcomes say nothing of the routes as they are now, but
//! that their deletions count against the budget. No transfer to the same place starts before they have ended.
//!
//! # What the ledger says of an earlier plan
//!
//! A checkpoint counts for the plan under which it was made, by its keys. That plan may come back, by a reload, a roll-back,
//! or a start that falls back to the last good one, and then what was sent in between is in no row. A row that
//! is merely old costs looking; but a pass under other attributes, from another directory or by another route may have
//! changed on the target what differs from the rows in nothing. So where the key of a route changes, or it goes, what the ledger
//! says of it is taken back on disk, and where the key of a source changes, all that it says of that source, *before*
//! a route that is taken over sends anything. Routes that did not change go on meanwhile.
//!
//! The rows of a source do not depend on its routes. A route that is added to a source with rows knows nothing of its
//! target and makes a full pass; it stands on the rows from the first checkpoint on that has its marks, or the pass that it
//! owes. Rows that were made under a narrower or wider filter are void as a whole: until they are made anew, which begins
//! at once and disturbs no route, a loss of events costs a full pass.

use std::sync::Arc;

use super::checkpoint::routes_of;
use super::core::Engine;
use super::input::{Answer, Effect, Reload, RequestId};
use super::leaving::same_place;
use super::route::Route;
use super::source::Source;
use super::{Memory, Now, SourceMemory, Stamp, WatchId};
use crate::plan::{
    self, Class, Look, OnStart, RouteDiff, RouteName, RoutePlan, SourceDiff, SourceName,
    SourcePlan, Sync, route_key, source_key,
};

/// How a full pass compares that a reload asks for.
const COMPARE: plan::Compare = super::START_COMPARE;

impl Engine {
    /// Takes a plan over, and answers when nothing of an earlier one runs any more.
    pub(super) fn reload_for(
        &mut self,
        now: Now,
        request: RequestId,
        reload: Reload,
        effects: &mut Vec<Effect>,
    ) {
        if self.is_draining() {
            effects.push(Effect::Answer(request, Answer::Ending));
            return;
        }
        self.reload(now, reload, effects);
        self.reloads.wait(request);
    }

    /// Takes a plan over.
    pub(super) fn reload(&mut self, now: Now, reload: Reload, effects: &mut Vec<Effect>) {
        let stamp = self.stamp(now);
        self.generation = reload.generation;
        self.limits = reload.limits;
        self.watched = reload.watched;
        self.pauses.recall(&reload.memory.pauses, now);
        let diff = plan::diff(&self.plan, &reload.plan);
        self.plan = reload.plan;
        let at = Taking {
            now,
            stamp,
            host: &reload.host,
            memory: &reload.memory,
        };
        // What goes makes room for what comes.
        for (name, of_source) in &diff.sources {
            if of_source.class == Class::Remove {
                self.drop_source(name, at, effects);
            }
        }
        for (name, of_source) in &diff.sources {
            match of_source.class {
                Class::Remove => {}
                Class::Add => self.add_source(name, at, effects),
                Class::Rebuild => self.rebuild(name, of_source, at, effects),
                Class::Keep | Class::Retune | Class::Rescope | Class::Resync => {
                    self.change(name, of_source, at, effects);
                }
            }
        }
        self.make_way(now);
        if self.reloads.are_over() {
            self.are_settled();
        }
    }

    fn add_source(&mut self, name: &SourceName, at: Taking<'_>, effects: &mut Vec<Effect>) {
        let memory = at.memory.sources.get(name).cloned().unwrap_or_default();
        self.watch_source(name, memory, effects);
        let Some(plan) = self.plan_of(name) else {
            return;
        };
        for route in plan.routes.values() {
            self.add_route(&plan, route, at);
        }
    }

    /// Begins to watch a source of the plan.
    fn watch_source(&mut self, name: &SourceName, memory: SourceMemory, effects: &mut Vec<Effect>) {
        let Some(plan) = self.plan_of(name) else {
            return;
        };
        let watch = WatchId(self.next_id());
        self.sources
            .insert(name.clone(), Source::new(plan.clone(), watch, memory));
        effects.push(Effect::Watch(watch, plan));
    }

    fn plan_of(&self, name: &SourceName) -> Option<Arc<SourcePlan>> {
        self.plan.sources.get(name).cloned().map(Arc::new)
    }

    fn add_route(&mut self, source: &Arc<SourcePlan>, plan: &RoutePlan, at: Taking<'_>) {
        let mut route = Route::new(source.clone(), Arc::new(plan.clone()), at.host, at.now);
        let of_source = self.sources.get(&source.name);
        let based = of_source.is_some_and(|source| source.census.base.is_some());
        let remembered = at.memory.routes.get(&plan.name).filter(|_| based);
        if let Some(memory) = remembered {
            route.recall(memory, at.stamp, at.now);
        }
        route.fresh = true;
        route.hooking.settled = at.memory.settled_hooks.contains(&plan.name);
        if !route.hooking.settled {
            route.doubt_hook(at.stamp);
        }
        route.spent = self.reloads.spent(&plan.target);
        if let Some(spent) = at.memory.spent.get(&plan.name) {
            route.recall_spent(spent, at.now);
        }
        // Where the watch does not stand yet, that it stands says what is to be done.
        let stands = of_source.is_some_and(|source| source.report.is_some());
        if stands && plan.rescan.on_start != OnStart::Never {
            route.want_pass(COMPARE, at.stamp, "start");
        }
        self.routes.insert(plan.name.clone(), route);
    }

    fn drop_source(&mut self, name: &SourceName, at: Taking<'_>, effects: &mut Vec<Effect>) {
        let Some(mut source) = self.sources.remove(name) else {
            return;
        };
        if let Some(survey) = source.census.abandon() {
            effects.push(Effect::ForgetSurvey(survey.id));
        }
        effects.push(Effect::Unwatch(source.watch));
        let routes: Vec<RouteName> = routes_of(&mut self.routes, name)
            .map(|route| route.plan.name.clone())
            .collect();
        for route in routes {
            self.drop_route(&route, at.now);
        }
        self.disown(name, effects);
    }

    /// The route is gone, but for what it has under way.
    fn drop_route(&mut self, name: &RouteName, now: Now) {
        let Some(mut route) = self.routes.remove(name) else {
            return;
        };
        if let Some(running) = route.running.take() {
            self.reloads.drain(&running, route.plan.target.clone(), now);
        }
        let spent = std::mem::take(&mut route.spent);
        self.reloads.remember(route.plan.target.clone(), spent, now);
    }

    fn disown(&mut self, name: &SourceName, effects: &mut Vec<Effect>) {
        self.reloads.disown(name);
        effects.push(Effect::Disown(name.clone()));
    }

    fn rebuild(
        &mut self,
        name: &SourceName,
        diff: &SourceDiff,
        at: Taking<'_>,
        effects: &mut Vec<Effect>,
    ) {
        let mut memory = SourceMemory::default();
        if let Some(mut source) = self.sources.remove(name) {
            if let Some(survey) = source.census.abandon() {
                effects.push(Effect::ForgetSurvey(survey.id));
            }
            effects.push(Effect::Unwatch(source.watch));
            let path = self.plan.sources.get(name).map(|plan| &plan.path);
            if path == Some(&source.plan.path) {
                memory.mounts = source.mounts.into_iter().collect();
            } else if !source.mounts.is_empty() {
                // They were below another root.
                effects.push(Effect::Remember(name.clone(), Vec::new()));
            }
        }
        self.disown(name, effects);
        self.watch_source(name, memory, effects);
        // Who waits asked the watch that is gone.
        if let Some(source) = self.sources.get(name) {
            let asked = self.waits.of(name).into_iter();
            effects.extend(asked.map(|id| Effect::Barrier(source.watch, id)));
        }
        self.change_routes(name, diff, at, effects);
    }

    /// A source whose watch goes on, and its routes.
    fn change(
        &mut self,
        name: &SourceName,
        diff: &SourceDiff,
        at: Taking<'_>,
        effects: &mut Vec<Effect>,
    ) {
        let keeps = |route: &RouteDiff| route.class == Class::Keep;
        if diff.class == Class::Keep && diff.routes.values().all(keeps) {
            for route in routes_of(&mut self.routes, name) {
                route.try_again(at.now);
            }
            return;
        }
        let Some(plan) = self.plan_of(name) else {
            return;
        };
        let barrier = self.next_id();
        let before = self
            .sources
            .get(name)
            .map(|source| source_key(&source.plan));
        let rows_are_void = before.is_some_and(|before| before != source_key(&plan));
        if rows_are_void {
            self.break_survey(name, at.now, effects);
        }
        let Some(source) = self.sources.get_mut(name) else {
            return;
        };
        source.plan = plan.clone();
        source.census.changed(at.now.mono);
        if diff.class == Class::Rescope {
            source.rescoping = Some(barrier);
            effects.push(Effect::Rescope(source.watch, plan));
            effects.push(Effect::Barrier(source.watch, barrier));
        }
        if rows_are_void {
            source.claimed = false;
            source.census.drop_base(at.now.mono);
            for route in routes_of(&mut self.routes, name) {
                route.lose_rows(at.stamp);
            }
            self.disown(name, effects);
        }
        let void = self.change_routes(name, diff, at, effects);
        // Where the rows are void, all that the ledger says of the source is taken back.
        for route in void.into_iter().filter(|_| !rows_are_void) {
            self.reloads.disown(name);
            effects.push(Effect::DisownRoute(route));
        }
    }

    /// The routes of which the ledger says what does not hold any more.
    fn change_routes(
        &mut self,
        name: &SourceName,
        diff: &SourceDiff,
        at: Taking<'_>,
        effects: &mut Vec<Effect>,
    ) -> Vec<RouteName> {
        let mut all_void = Vec::new();
        let Some(plan) = self.plan_of(name) else {
            return all_void;
        };
        for (target, change) in &diff.routes {
            let route = RouteName {
                source: name.clone(),
                target: target.clone(),
            };
            let new = plan.routes.get(target);
            let mut void = change.class == Class::Remove;
            match (change.class, new) {
                (Class::Remove, _) | (_, None) => self.drop_route(&route, at.now),
                (Class::Add, Some(new)) => self.add_route(&plan, new, at),
                (_, Some(new)) => {
                    void |= self.change_route(&route, (&plan, new), change, at, effects);
                }
            }
            if void {
                all_void.push(route);
            }
        }
        all_void
    }

    /// Whether what the ledger says of it is void.
    fn change_route(
        &mut self,
        name: &RouteName,
        (source, plan): (&Arc<SourcePlan>, &RoutePlan),
        diff: &RouteDiff,
        at: Taking<'_>,
        effects: &mut Vec<Effect>,
    ) -> bool {
        let seen = self
            .sources
            .get(&name.source)
            .is_none_or(|source| source.rescoping.is_none());
        let Some(route) = self.routes.get_mut(name) else {
            return false;
        };
        let before = (route.source.clone(), route.plan.clone());
        if diff.class != Class::Keep {
            route.plan = Arc::new(plan.clone());
        }
        route.source = source.clone();
        route.try_again(at.now);
        let void = route_key(&before.0, &before.1) != route_key(source, plan);
        route.fresh |= void;
        let filters = before.1.filter != route.plan.filter;
        let another = !same_place(&before.1.target, &plan.target);
        let ends = match diff.class {
            Class::Rescope => filters,
            Class::Resync | Class::Rebuild => true,
            _ => false,
        };
        if ends && let Some(running) = route.running.take() {
            self.reloads.end_now(&running, before.1.target.clone());
            effects.push(Effect::Cancel(running.id));
            route.put_back(running.load);
            // What it has sent is not listed when it is sent again.
            route.doubt_hook(at.stamp);
            // What was held was being looked at again; it is held anew if need be.
            route.held = None;
        }
        if diff.class > Class::Keep {
            route.retune(&before, at.now);
            route.retune_hooks(&before.1, effects);
        }
        match diff.class {
            Class::Rescope if diff.look != Look::Nothing => match seen {
                true => route.filling.look(&diff.look, at.stamp),
                false => route.rescope(&diff.look, at.stamp),
            },
            Class::Resync | Class::Rebuild => {
                route.begin_anew(at.stamp);
                if another || diff.class == Class::Rebuild {
                    route.leave_hold();
                }
                if another {
                    route.target_entries = None;
                    route.target = None;
                    route.settled = false;
                }
            }
            _ => {}
        }
        void
    }
}

/// With what a plan is taken over.
#[derive(Clone, Copy)]
struct Taking<'a> {
    now: Now,
    stamp: Stamp,
    host: &'a str,
    memory: &'a Memory,
}

impl Route {
    /// The manifest was looked at: what only a change outside can mend is tried again.
    fn try_again(&mut self, now: Now) {
        if let Some(backoff) = self.backoff.as_mut().filter(|backoff| backoff.permanent) {
            backoff.next = backoff.next.min(now.mono);
        }
    }

    /// New numbers hold from now on.
    fn retune(&mut self, (of_source, before): &(Arc<SourcePlan>, Arc<RoutePlan>), now: Now) {
        if before.rescan.schedule != self.plan.rescan.schedule {
            let schedule = self.plan.rescan.schedule.as_ref();
            self.next_rescan = schedule.and_then(|at| at.next_after(now.wall, &self.key));
        }
        if before.sync != self.plan.sync {
            self.flush = false;
            self.next_sync = match &self.plan.sync {
                Sync::Live => None,
                Sync::Scheduled(at) => at.next_after(now.wall, &self.key),
            };
        }
        // It is counted again, not released.
        let counts = |source: &SourcePlan, route: &RoutePlan| {
            let (delete, filter) = (route.delete, route.filter.clone());
            let guard = (source.guard.clone(), route.require_mount);
            (route.max_delete, delete, filter, guard)
        };
        if let Some(held) = &mut self.held
            && counts(of_source, before) != counts(&self.source, &self.plan)
        {
            held.next_check = held.next_check.min(now.mono);
        }
    }

    /// There are no rows any more by which a comparison could tell what differs.
    fn lose_rows(&mut self, stamp: Stamp) {
        self.standing = false;
        self.give_up_parking(stamp);
        if self.suspect.is_some() {
            self.despair(stamp, "lost");
        }
    }

    /// Nothing is known of what the target has; what is marked stays marked.
    fn begin_anew(&mut self, stamp: Stamp) {
        self.suspect = None;
        self.parked = None;
        self.rescoping = None;
        self.compared = false;
        self.compared_since = None;
        self.last_compared = None;
        self.standing = false;
        self.backoff = None;
        self.want_pass(COMPARE, stamp, "reload");
        if let Some(held) = &mut self.held {
            held.approved = None;
        }
    }

    /// What was held was counted for another place.
    fn leave_hold(&mut self) {
        if let Some(held) = self.held.take() {
            self.put_back(held.load);
        }
    }
}
