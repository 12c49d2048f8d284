//! The hooks of a route: what is owed to its `after` hook, and what became of both.
//!
//! `before` is run by the transfer itself, right before it writes. `after` is owed when a transfer has changed something, or
//! has run `before`, and is started as soon as the transfer has ended; what several transfers changed until then is told to it
//! together. While it runs, nothing is sent to its target, so that the two never overlap; other routes do not wait.
//!
//! With `onError: fail` it is owed until it has succeeded: the route has no earlier claim to be in sync, and the hook is run
//! again with growing delay, while new changes are sent between the tries. Nothing is sent again for it.
//!
//! # Across restarts
//!
//! What is owed is not kept, but that *nothing* is, which the shell takes back on disk before a transfer begins
//! ([`Job::owes`](super::Job)) and says again when the hook has succeeded ([`Effect::Settle`]). So a process that is killed at
//! any moment, and a state directory that is lost, cost a further run of the hook, whose paths are then unknown; never one
//! that is missing.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;

use super::core::Engine;
use super::input::{Effect, Event};
use super::load::Running;
use super::route::{Due, Route};
use super::source::Source;
use super::{Changed, Known, Now, Outcome, Stamp, Stats, TransferId, Verdict, backoff};
use crate::plan::{Hook, OnError, RouteName, RoutePlan, SourcePlan, When};

/// What a route keeps of its hooks.
#[derive(Debug, Default)]
pub struct Hooking {
    /// What the `after` hook is to be told.
    pub owed: Option<Owed>,
    /// The `after` hook that runs, and for what.
    pub running: Option<(TransferId, Owed)>,
    /// After a failure of an `after` hook that must succeed.
    pub failing: Option<Failing>,
    /// The last failure of each hook that has not succeeded since, and goes unheeded.
    pub warned: Option<(When, String, Timestamp)>,
    /// Whether the disk says that nothing is owed.
    pub settled: bool,
}

/// What is owed to an `after` hook.
#[derive(Clone, Debug)]
pub struct Owed {
    /// Paths that changed.
    pub changed: Changed,
    /// What was done, of all transfers together.
    pub stats: Stats,
    /// Paths that failed in the last of them.
    pub failed: u64,
    /// Why the last of them was made.
    pub trigger: &'static str,
    /// How the last of them ended.
    pub outcome: &'static str,
    /// The oldest change that is not done before the hook is.
    pub oldest: Stamp,
    /// Nothing is known of it but that an earlier process may have owed it: it waits until the route is at rest.
    pub recalled: bool,
}

/// A hook that fails.
#[derive(Clone, Debug)]
pub struct Failing {
    /// Why.
    pub reason: String,
    /// How often in a row.
    pub tries: u32,
    /// When it is tried again.
    pub next: Duration,
    /// When the first of these failed.
    pub since: Timestamp,
}

/// A hook to be run.
#[derive(Clone, Debug)]
pub struct HookJob {
    /// Its name: of the same kind as a transfer's.
    pub id: TransferId,
    /// From.
    pub source: Arc<SourcePlan>,
    /// Whose hook it is.
    pub route: Arc<RoutePlan>,
    /// Which.
    pub when: When,
    /// Why the transfer was made.
    pub trigger: &'static str,
    /// How it ended: `done`, `partial`, `failed`, `held`, `cancelled`; for `before`, `planned`; `unknown` after a restart.
    pub outcome: &'static str,
    /// What was done.
    pub stats: Stats,
    /// Paths that failed.
    pub failed: u64,
    /// Paths that changed; for `before`, that will.
    pub changed: Changed,
    /// How often it was run for this before.
    pub tries: u32,
}

impl HookJob {
    /// The hook; `None` where the plan has it not.
    pub fn hook(&self) -> Option<&Hook> {
        match self.when {
            When::Before => self.route.hooks.before.as_ref(),
            When::After => self.route.hooks.after.as_ref(),
        }
    }
}

/// How a hook ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hooked {
    /// How long it took.
    pub took: Duration,
    /// Why it failed, one line, escaped; `None`: it has succeeded.
    pub failure: Option<String>,
}

impl Route {
    /// Books what a transfer says of its `before` hook, and what it owes to the `after` hook.
    pub(super) fn book_hooks(
        &mut self,
        now: Now,
        running: &Running,
        outcome: &mut Outcome,
        effects: &mut Vec<Effect>,
    ) {
        let before = outcome.before.take();
        if let Some(hooked) = &before {
            self.tell_hook(When::Before, now, running.trigger, hooked, effects);
        }
        if self.plan.hooks.after.is_none() {
            return;
        }
        let changed = std::mem::take(&mut outcome.changed);
        // Who was told of a beginning is told of the end.
        let begun = before.is_some_and(|hooked| hooked.failure.is_none());
        // Not the count of entries: in it is each directory whose time follows what happened in it.
        let some = outcome.stats.deleted > 0 || !changed.is_nothing();
        if !begun && !some {
            // One that did not come to its end may have written what it did not tell.
            if outcome.verdict == Verdict::Done {
                self.settle_hook(effects);
            }
            return;
        }
        let failed = outcome.failed.len() as u64;
        let owed = Owed {
            changed,
            stats: outcome.stats,
            failed,
            trigger: running.trigger,
            outcome: match &outcome.verdict {
                Verdict::Done if failed > 0 => "partial",
                Verdict::Done => "done",
                Verdict::Retry(_) | Verdict::Permanent(_) => "failed",
                Verdict::Held(_) => "held",
                Verdict::Cancelled => "cancelled",
            },
            oldest: running.load.oldest.unwrap_or(Stamp {
                seq: 0,
                at: running.started,
            }),
            recalled: false,
        };
        self.owe(owed);
    }

    fn owe(&mut self, mut owed: Owed) {
        if let Some(before) = self.hooking.owed.take() {
            let (last, stats) = (owed.changed, owed.stats);
            owed.changed = before.changed;
            owed.changed.join(last);
            owed.stats = Stats {
                files: before.stats.files + stats.files,
                created: before.stats.created + stats.created,
                attributes: before.stats.attributes + stats.attributes,
                bytes: before.stats.bytes + stats.bytes,
                deleted: before.stats.deleted + stats.deleted,
                target_entries: stats.target_entries.or(before.stats.target_entries),
            };
            owed.oldest = owed.oldest.min(before.oldest);
            owed.recalled &= before.recalled;
        }
        self.hooking.owed = Some(owed);
    }

    /// Whether anything was changed that the `after` hook was not told is not known.
    pub(super) fn doubt_hook(&mut self, stamp: Stamp) {
        if self.plan.hooks.after_must_succeed() {
            self.owe(Owed {
                changed: Changed::unknown(),
                stats: Stats::default(),
                failed: 0,
                trigger: "start",
                outcome: "unknown",
                oldest: stamp,
                recalled: true,
            });
        }
    }

    /// The plan has other hooks from now on.
    pub(super) fn retune_hooks(&mut self, before: &RoutePlan, effects: &mut Vec<Effect>) {
        let (old, new) = (&before.hooks, &self.plan.hooks);
        if old == new {
            return;
        }
        // Another command may do better.
        self.hooking.failing = None;
        self.hooking.warned = None;
        if new.after.is_none() {
            self.hooking.owed = None;
        }
        let idle =
            self.hooking.owed.is_none() && self.hooking.running.is_none() && self.running.is_none();
        if new.after_must_succeed() && !old.after_must_succeed() {
            self.hooking.settled = idle;
            if idle {
                effects.push(Effect::Settle(self.plan.name.clone()));
            }
        }
    }

    /// Whether this start of a transfer is to take back on disk that nothing is owed.
    pub(super) fn begins_to_owe(&mut self) -> bool {
        self.plan.hooks.after_must_succeed() && std::mem::take(&mut self.hooking.settled)
    }

    /// When the `after` hook can be run.
    fn hook_due(&self, now: Now, ready: bool) -> Due {
        let Some(owed) = &self.hooking.owed else {
            return Due::Idle;
        };
        if self.running.is_some() || self.hooking.running.is_some() {
            return Due::Idle;
        }
        if owed.recalled && !(ready && self.is_at_rest()) {
            return Due::Idle;
        }
        match &self.hooking.failing {
            Some(failing) if failing.next > now.mono => Due::At(failing.next),
            _ => Due::Now(super::route::Kind::Batch),
        }
    }

    /// Whether nothing waits to be compared or sent.
    fn is_at_rest(&self) -> bool {
        self.pass.is_none()
            && self.pending.is_empty()
            && self.suspect.is_none()
            && self.rescoping.is_none()
            && self.held.is_none()
            && !self.fresh
    }

    /// The oldest change that is on the target, and whose hook must still succeed.
    pub(super) fn oldest_hook(&self) -> Option<Stamp> {
        if !self.plan.hooks.after_must_succeed() {
            return None;
        }
        let running = self.hooking.running.as_ref().map(|(_, owed)| owed.oldest);
        let owed = self.hooking.owed.as_ref().map(|owed| owed.oldest);
        running.into_iter().chain(owed).min()
    }

    /// Which hook fails, and since when.
    pub(super) fn hook_fails(&self) -> Option<(When, Timestamp)> {
        let failing = self.hooking.failing.as_ref();
        let failing = failing.map(|failing| (When::After, failing.since));
        let warned = self.hooking.warned.as_ref();
        failing.or(warned.map(|(when, _, at)| (*when, *at)))
    }

    /// The hook's end.
    fn hooked(&mut self, now: Now, hooked: Hooked, effects: &mut Vec<Effect>) {
        let Some((_, owed)) = self.hooking.running.take() else {
            return;
        };
        self.tell_hook(When::After, now, owed.trigger, &hooked, effects);
        if !self.plan.hooks.after_must_succeed() {
            return;
        }
        if hooked.failure.is_some() {
            self.owe(owed);
        } else {
            self.settle_hook(effects);
        }
    }

    /// Says on disk that nothing is owed, if nothing is.
    fn settle_hook(&mut self, effects: &mut Vec<Effect>) {
        let owed = self.hooking.owed.is_some() || self.hooking.running.is_some();
        if self.plan.hooks.after_must_succeed() && !owed && !self.hooking.settled {
            self.hooking.settled = true;
            effects.push(Effect::Settle(self.plan.name.clone()));
        }
    }

    /// Says how a hook ended, and keeps what is to be shown of it.
    fn tell_hook(
        &mut self,
        when: When,
        now: Now,
        trigger: &'static str,
        hooked: &Hooked,
        effects: &mut Vec<Effect>,
    ) {
        let hook = match when {
            When::Before => self.plan.hooks.before.as_ref(),
            When::After => self.plan.hooks.after.as_ref(),
        };
        let heeded = hook.is_some_and(|hook| hook.on_error == OnError::Fail);
        let mut wait = None;
        match &hooked.failure {
            None => {
                if self
                    .hooking
                    .warned
                    .as_ref()
                    .is_some_and(|(of, ..)| *of == when)
                {
                    self.hooking.warned = None;
                }
                if when == When::After {
                    self.hooking.failing = None;
                }
            }
            // The transfer's own failure says it.
            Some(_) if heeded && when == When::Before => {}
            Some(reason) if heeded => {
                let before = self.hooking.failing.as_ref();
                let tries = before.map_or(0, |failing| failing.tries) + 1;
                let since = before.map_or(now.wall, |failing| failing.since);
                let key = format!("{} hook", self.plan.name);
                let delay = backoff::delay(self.plan.retry, tries, false, &key);
                wait = Some(delay);
                self.hooking.failing = Some(Failing {
                    reason: reason.clone(),
                    tries,
                    next: now.mono + delay,
                    since,
                });
            }
            // Where a reload has taken the hook away while it ran, nobody could mend it, and no later success would take this back.
            Some(_) if hook.is_none() => {}
            Some(reason) => self.hooking.warned = Some((when, reason.clone(), now.wall)),
        }
        effects.push(Effect::Tell(Event::Hooked {
            route: self.plan.name.clone(),
            when,
            trigger,
            hooked: hooked.clone(),
            wait,
        }));
    }
}

impl Engine {
    /// Starts the hooks that are due. They do not count against the limits: what they do is not sending.
    pub(super) fn start_hooks(&mut self, now: Now, effects: &mut Vec<Effect>) {
        let due: Vec<RouteName> = self
            .routes
            .iter()
            .filter(|(name, route)| {
                let ready = self.sources.get(&name.source).is_some_and(Source::is_ready);
                // One of an earlier plan may still run.
                matches!(route.hook_due(now, ready), Due::Now(_))
                    && !self.hooks.values().any(|busy| busy == *name)
            })
            .map(|(name, _)| name.clone())
            .collect();
        for name in due {
            let id = TransferId(self.next_id());
            let Some(route) = self.routes.get_mut(&name) else {
                continue;
            };
            let Some(owed) = route.hooking.owed.take() else {
                continue;
            };
            let job = HookJob {
                id,
                source: route.source.clone(),
                route: route.plan.clone(),
                when: When::After,
                trigger: owed.trigger,
                outcome: owed.outcome,
                stats: owed.stats,
                failed: owed.failed,
                changed: owed.changed.clone(),
                tries: route
                    .hooking
                    .failing
                    .as_ref()
                    .map_or(0, |failing| failing.tries),
            };
            route.hooking.running = Some((id, owed));
            self.hooks.insert(id, name);
            effects.push(Effect::Hook(Box::new(job)));
        }
    }

    /// A hook ended.
    pub(super) fn hooked(
        &mut self,
        now: Now,
        id: TransferId,
        hooked: Hooked,
        effects: &mut Vec<Effect>,
    ) {
        let Some(name) = self.hooks.remove(&id) else {
            return;
        };
        let route = self.routes.get_mut(&name);
        let own = |route: &&mut Route| {
            let running = route.hooking.running.as_ref();
            running.is_some_and(|(running, _)| *running == id)
        };
        if let Some(route) = route.filter(own) {
            route.hooked(now, hooked, effects);
        }
    }

    /// When the next hook is due.
    pub(super) fn hook_deadline(&self, now: Now) -> Option<Duration> {
        let at = |route: &Route| match route.hook_due(now, true) {
            Due::At(at) => Some(at),
            Due::Now(_) | Due::Idle => None,
        };
        self.routes.values().filter_map(at).min()
    }
}

/// How much is known of what a transfer has changed that did not come to its end.
pub fn broken_off(mut changed: Changed) -> Changed {
    if !changed.is_nothing() {
        changed.at_most(Known::Cut);
    }
    changed
}
