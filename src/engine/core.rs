//! The state machine: [`Engine::step`] takes one input and says what is to be done.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use super::ask::Waits;
use super::input::{Answer, Ask, Effect, Event, Input, RequestId, Selector};
use super::leaving::Reloads;
use super::load::Running;
use super::parked::PARKED_MARKS;
use super::pause::Pauses;
use super::route::{Due, Kind, Route, until};
use super::source::Source;
use super::{Job, Notice, Now, Outcome, RelPath, Stamp, TransferId, Verdict, WatchId};
use crate::plan::{DeletePolicy, Limits, Plan, RouteName, RoutePlan, SourceName, Sync, Target};

/// Schedules are looked at again at the latest after so long, so that a step of the wall clock is noticed.
const CLOCK_LOOK: Duration = Duration::from_secs(60);

/// The engine. Invariant: everything it does follows from its inputs in their order; the same inputs give the same effects.
#[derive(Debug)]
pub struct Engine {
    pub(super) sources: BTreeMap<SourceName, Source>,
    pub(super) routes: BTreeMap<RouteName, Route>,
    pub(super) waits: Waits,
    pub(super) pauses: Pauses,
    pub(super) generation: u64,
    /// A route that cannot send is parked above so many marks.
    pub(super) parked_marks: usize,
    pub(super) plan: Plan,
    pub(super) limits: Limits,
    pub(super) watched: bool,
    pub(super) reloads: Reloads,
    transfers: BTreeMap<TransferId, RouteName>,
    pub(super) hooks: BTreeMap<TransferId, RouteName>,
    stepped: Option<Now>,
    seq: u64,
    last_id: u64,
    draining: bool,
    /// What ran was told to end while draining: its time is up, and nothing starts in its place.
    ending: bool,
    drained: bool,
}

impl Default for Engine {
    fn default() -> Engine {
        Engine {
            sources: BTreeMap::new(),
            routes: BTreeMap::new(),
            waits: Waits::default(),
            pauses: Pauses::default(),
            generation: 0,
            parked_marks: PARKED_MARKS,
            plan: Plan::default(),
            limits: Limits::default(),
            watched: false,
            reloads: Reloads::default(),
            transfers: BTreeMap::new(),
            hooks: BTreeMap::new(),
            stepped: None,
            seq: 0,
            last_id: 0,
            draining: false,
            ending: false,
            drained: false,
        }
    }
}

impl Engine {
    /// One input in, what is to be done out.
    pub fn step(&mut self, now: Now, input: Input) -> Vec<Effect> {
        let mut effects = Vec::new();
        self.seq += 1;
        self.end_pauses(now, &mut effects);
        match input {
            Input::Reload(reload) => self.reload(now, reload, &mut effects),
            Input::Watch(watch, notice) => self.notice(now, watch, notice, &mut effects),
            Input::Finished(transfer, outcome) => {
                self.finished(now, transfer, outcome, &mut effects)
            }
            Input::Hooked(hook, hooked) => self.hooked(now, hook, hooked, &mut effects),
            Input::Surveyed(survey, found) => self.surveyed(now, survey, found, &mut effects),
            Input::Disowned(name) => self.disowned(&name),
            Input::Ask(request, ask) => self.ask(now, request, ask, &mut effects),
            Input::Forget(request) => {
                self.waits.forget(request);
                self.reloads.forget(request);
            }
            Input::Drain => self.drain(),
            Input::Tick => {}
        }
        let stamp = self.stamp(now);
        let before = self.stepped.replace(now);
        let set_back = before.is_some_and(|before| now.wall < before.wall);
        if set_back {
            self.set_back(now, &mut effects);
        }
        for route in self.routes.values_mut() {
            route.clock(now, set_back, stamp);
        }
        self.reloads.end(now, &mut effects);
        if !self.drained && !self.ending {
            self.start_hooks(now, &mut effects);
            self.start(now, &mut effects);
            if self.watched {
                self.take_census(now, &mut effects);
            }
        }
        self.answer_waits(&mut effects);
        self.reloads.answer(&mut effects);
        let over = self.transfers.is_empty() && self.hooks.is_empty();
        if self.draining && !self.drained && over {
            self.drained = true;
            let names: Vec<SourceName> = self.sources.keys().cloned().collect();
            for name in names {
                self.save(&name, &mut effects);
            }
            effects.push(Effect::Drained);
        }
        effects
    }

    /// When the engine wants to be stepped again although nothing happened, on the monotonic clock.
    ///
    /// Reckoned from the last step, not from the present: what has become due since then is a deadline that has passed,
    /// whereas what was due *at* that step was started, or waits for a transfer to end.
    pub fn deadline(&self) -> Option<Duration> {
        let now = self.stepped?;
        let mut soonest: Option<Duration> = None;
        let mut consider = |at: Duration| soonest = Some(soonest.map_or(at, |have| have.min(at)));
        self.reloads.deadline().into_iter().for_each(&mut consider);
        let pauses = self.pauses.deadline(now, CLOCK_LOOK);
        pauses.into_iter().for_each(&mut consider);
        self.hook_deadline(now).into_iter().for_each(&mut consider);
        for (name, route) in &self.routes {
            if let Some(at) = route.next_by_wall() {
                consider(now.mono + until(now.wall, at).min(CLOCK_LOOK));
            }
            let is_ready = self.sources.get(&name.source).is_some_and(Source::is_ready);
            if !is_ready || self.pauses.hold(name) {
                continue;
            }
            if let Due::At(at) = route.due(now) {
                consider(at.max(now.mono));
            }
        }
        if self.watched && !self.drained && !self.ending {
            self.census_deadline(now)
                .into_iter()
                .for_each(&mut consider);
        }
        soonest
    }

    /// Whether the end was asked for.
    pub(super) fn is_draining(&self) -> bool {
        self.draining
    }

    /// Transfers that run.
    pub fn running(&self) -> impl Iterator<Item = TransferId> {
        self.transfers.keys().copied()
    }

    /// Windows are closed, so that what is pending leaves; from now on only batches start.
    fn drain(&mut self) {
        self.draining = true;
        for route in self
            .routes
            .values_mut()
            .filter(|route| route.plan.sync == Sync::Live)
        {
            route.flush = true;
        }
    }

    pub(super) fn stamp(&self, now: Now) -> Stamp {
        Stamp {
            seq: self.seq,
            at: now.mono,
        }
    }

    pub(super) fn next_id(&mut self) -> u64 {
        self.last_id += 1;
        self.last_id
    }

    fn notice(&mut self, now: Now, watch: WatchId, notice: Notice, effects: &mut Vec<Effect>) {
        let stamp = self.stamp(now);
        let Some((name, source)) = self
            .sources
            .iter_mut()
            .find(|(_, source)| source.watch == watch)
        else {
            return; // a late event of an old watch
        };
        let name = name.clone();
        match notice {
            Notice::Ready(report) => self.stands(&name, report, now, stamp, effects),
            Notice::Changed(marks) => self.changed(&name, marks, now, stamp, effects),
            Notice::Lost { reason } => {
                effects.push(Effect::Tell(Event::Lost(name.clone(), reason)))
            }
            Notice::Waiting { reason } => {
                if source.waiting(&reason, now.wall) {
                    effects.push(Effect::Tell(Event::Waiting(name.clone(), reason)));
                }
                self.break_survey(&name, now, effects);
            }
            Notice::Barrier(id) => {
                self.waits.barrier(&name, id, self.seq);
                self.rescoped(&name, id, now);
                self.settled(&name, id, now, effects);
            }
            Notice::Report(report) => source.report = Some(report),
        }
    }

    fn finished(
        &mut self,
        now: Now,
        transfer: TransferId,
        outcome: Outcome,
        effects: &mut Vec<Effect>,
    ) {
        let stamp = self.stamp(now);
        let Some(name) = self.transfers.remove(&transfer) else {
            return;
        };
        if self.left(now, transfer, &name, &outcome, effects) {
            self.ending |= self.draining && outcome.verdict == Verdict::Cancelled;
            return;
        }
        let Some(route) = self.routes.get_mut(&name).filter(|route| {
            route
                .running
                .as_ref()
                .is_some_and(|running| running.id == transfer)
        }) else {
            return;
        };
        let fresh = outcome
            .mounts
            .as_ref()
            .zip(self.sources.get_mut(&name.source))
            .and_then(|(mounts, source)| source.remember(mounts));
        if let Some(memory) = fresh {
            effects.push(Effect::Remember(name.source.clone(), memory));
        }
        if let Some(source) = self.sources.get_mut(&name.source) {
            source.census.changed(now.mono);
        }
        self.ending |= self.draining && outcome.verdict == Verdict::Cancelled;
        let replaced = route.is_replaced(&outcome);
        route.finished(now, outcome, effects);
        if replaced {
            route.want_pass(super::START_COMPARE, stamp, "replaced");
            effects.push(Effect::Tell(Event::Replaced(name)));
        }
    }

    fn ask(&mut self, now: Now, request: RequestId, ask: Ask, effects: &mut Vec<Effect>) {
        let stamp = self.stamp(now);
        let answer = match ask {
            Ask::Status => Answer::Status(Box::new(self.status(now))),
            Ask::Paths(selector) => Answer::Status(Box::new(self.paths(now, &selector))),
            Ask::Plan => Answer::Plan(Box::new(self.plan.clone())),
            Ask::Trigger(selector) => {
                let done = self.each(&selector, |route| route.force());
                self.begun(&selector, done)
            }
            Ask::Pause(selector, wish) => {
                return self.pause(now, request, (&selector, wish), effects);
            }
            Ask::Resume(selector, by) => return self.resume(request, &selector, &by, effects),
            Ask::Detail(name) => match self.detail(&name, now) {
                Some(detail) => Answer::Detail(Box::new(detail)),
                None => Answer::NoSuchRoute,
            },
            Ask::Rescan(selector, compare) => {
                // What was accepted is done, also by another process if this one ends before.
                for (name, source) in &mut self.sources {
                    if selector.source.as_ref().is_none_or(|source| source == name) {
                        source.census.changed(now.mono);
                    }
                }
                let done = self.each(&selector, |route| {
                    route.want_pass(compare, stamp, "rescan");
                    route.force();
                });
                self.begun(&selector, done)
            }
            Ask::Wait(selector) => return self.begin_wait(request, selector, effects),
            Ask::Reload(reload) => return self.reload_for(now, request, *reload, effects),
            Ask::Approve(name, id) => match self.routes.get_mut(&name) {
                None => Answer::NoSuchRoute,
                Some(route) => match route.approve(&id) {
                    Err(answer) => answer,
                    Ok(forget_mounts) => {
                        if let Some(source) =
                            self.sources.get_mut(&name.source).filter(|_| forget_mounts)
                        {
                            source.forget_mounts();
                            effects.push(Effect::Remember(name.source.clone(), Vec::new()));
                        }
                        self.begun(&Selector::of(&name), Answer::Accepted(1))
                    }
                },
            },
        };
        effects.push(Effect::Answer(request, answer));
    }

    fn each(&mut self, selector: &Selector, mut act: impl FnMut(&mut Route)) -> Answer {
        let mut count = 0;
        for (_, route) in self
            .routes
            .iter_mut()
            .filter(|(name, _)| selector.matches(name))
        {
            act(route);
            count += 1;
        }
        if count == 0 {
            Answer::NoSuchRoute
        } else {
            Answer::Accepted(count)
        }
    }

    /// Starts what is due, the oldest change first, within the limits.
    fn start(&mut self, now: Now, effects: &mut Vec<Effect>) {
        let mut due: Vec<(Option<Stamp>, RouteName, Kind)> = Vec::new();
        for (name, route) in &self.routes {
            let is_ready = self.sources.get(&name.source).is_some_and(Source::is_ready);
            if !is_ready || self.pauses.hold(name) {
                continue;
            }
            // A transfer of an earlier plan may still be on its way to the same target.
            if self.transfers.values().any(|busy| busy == name)
                || self.hooks.values().any(|busy| busy == name)
                || self.reloads.occupy(&route.plan.target)
                || (route.fresh && !self.reloads.are_over())
            {
                continue;
            }
            if let Due::Now(kind) = route.due(now)
                && (kind == Kind::Batch || !self.draining)
            {
                due.push((route.oldest(), name.clone(), kind));
            }
        }
        due.sort();
        for (_, name, kind) in due {
            if kind == Kind::Release {
                self.release(&name);
                continue;
            }
            if !self.has_room(&name) {
                continue;
            }
            let id = TransferId(self.next_id());
            let (Some(route), Some(source)) =
                (self.routes.get_mut(&name), self.sources.get(&name.source))
            else {
                continue;
            };
            let (load, approved) = route.take(kind, now);
            let trigger = match (&approved, load.pass, load.marks.is_empty()) {
                (Some(_), ..) => "approve",
                (None, None, false) if load.fills => "reload",
                (None, Some(pass), _) => pass.trigger,
                (None, None, true) => "retry",
                (None, None, false) => "change",
            };
            let job = Job {
                id,
                source: route.source.clone(),
                route: match load.fills {
                    true => Arc::new(RoutePlan {
                        delete: DeletePolicy::Never,
                        ..RoutePlan::clone(&route.plan)
                    }),
                    false => route.plan.clone(),
                },
                work: Route::work_of(&load),
                deletes: route.delete_leave(now, approved.clone()),
                root: source.report.as_ref().map(|report| report.root.clone()),
                mounts: source.mounts.iter().cloned().collect::<Vec<RelPath>>(),
                bandwidth: self.limits.bandwidth,
                sweep: !route.settled,
                trigger,
                owes: route.begins_to_owe(),
            };
            route.running = Some(Running {
                id,
                started: now.mono,
                load,
                trigger,
                approved,
                cancelled: None,
            });
            self.transfers.insert(id, name);
            effects.push(Effect::Start(Box::new(job)));
        }
    }

    /// Whether the limits let a transfer of this route start.
    pub(super) fn has_room(&self, name: &RouteName) -> bool {
        let host = |target: Option<&Target>| match target {
            Some(Target::Daemon { host, .. } | Target::Ssh { host, .. }) => Some(host.clone()),
            Some(Target::Local { .. }) | None => None,
        };
        let target = |name: &RouteName| self.routes.get(name).map(|route| &route.plan.target);
        if self.transfers.len() >= self.limits.transfers as usize {
            return false;
        }
        let Some(mine) = host(target(name)) else {
            return true;
        };
        let same = self
            .transfers
            .iter()
            .map(|(id, other)| host(self.reloads.target(*id).or(target(other))))
            .filter(|other| other.as_ref() == Some(&mine))
            .count();
        same < self.limits.transfers_per_host as usize
    }
}
