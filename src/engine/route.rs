//! One route's state: what is dirty, what runs, what keeps it from running.
//!
//! Invariants: a mark is in exactly one of `pending`, `filling`, `failing`, the running transfer or the hold; it leaves them only
//! in [`Route::finished`], and only for [`Verdict::Done`]. What changes while it is [parked](super::parked) is in none of
//! them, but in the ledger. At most one transfer runs.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;

use super::change_set::{ChangeSet, MARKS_MAX, Pending};
use super::failing::Failing;
use super::filling::Filling;
use super::held::Held;
use super::hooking::Hooking;
use super::load::{Load, Running};
use super::pace::Pace;
use super::parked::Parked;
use super::rescoping::Rescoping;
use super::{DeletePlan, Dirt, Mark, Now, RelPath, Stamp, Stats, TargetId, Trouble};
use crate::plan::{Compare, DeletePolicy, RoutePlan, SourcePlan, Sync, jitter_key};
use crate::schedule::{self, Schedule};

/// The state of one route.
#[derive(Debug)]
pub struct Route {
    /// Its plan.
    pub plan: Arc<RoutePlan>,
    /// Its source's plan.
    pub source: Arc<SourcePlan>,
    /// What no transfer has taken yet.
    pub pending: ChangeSet,
    /// How fast it changes.
    pub pace: Pace,
    /// What a transfer could not bring in step, path by path.
    pub failing: Failing,
    /// What came into its filter, and is sent without deleting anything.
    pub filling: Filling,
    /// What comes into its filter once the watch sees it.
    pub rescoping: Option<Rescoping>,
    /// Taken over by a reload: nothing is sent before what the ledger says of the earlier plan is taken back.
    pub fresh: bool,
    /// A full pass that is wanted.
    pub pass: Option<PassDue>,
    /// The transfer that runs.
    pub running: Option<Running>,
    /// After a failure as a whole.
    pub backoff: Option<Backoff>,
    /// What waits for an operator or a guard.
    pub held: Option<Held>,
    /// Whether the next start passes over windows, schedules and backoff.
    pub forced: bool,
    /// Whether a gathered send is due.
    pub flush: bool,
    /// The next periodic pass.
    pub next_rescan: Option<Timestamp>,
    /// The next gathered send.
    pub next_sync: Option<Timestamp>,
    /// Whether what the target has was compared since the start, by a full pass or by a survey of the source where the route
    /// stands, so that "in sync" is known.
    pub compared: bool,
    /// Since when that is so.
    pub compared_since: Option<Timestamp>,
    /// When a full pass last compared the target itself, and nothing failed; also before the start.
    pub last_compared: Option<Timestamp>,
    /// Whether what the target has is known relative to the rows in the ledger and the marks of this route.
    pub standing: bool,
    /// Whether it has been in step since the start. What an earlier process was writing when it was killed is sent
    /// before that.
    pub settled: bool,
    /// What is older than this may differ, until a survey has told.
    pub suspect: Option<Stamp>,
    /// Whether its changes are left to the ledger.
    pub parked: Option<Parked>,
    /// Its hooks.
    pub hooking: Hooking,
    /// When a transfer last succeeded.
    pub last_good: Option<Timestamp>,
    /// Entries on the target after the last full pass.
    pub target_entries: Option<u64>,
    /// Which directory its local target was, when it was last written to.
    pub target: Option<TargetId>,
    /// What was done since the start.
    pub totals: Stats,
    /// Transfers since the start.
    pub transfers: u64,
    /// What was deleted, less what was created, when.
    pub spent: VecDeque<(Duration, i64)>,
    batch_before: bool,
    /// What the jitter of its schedules hangs on.
    pub(super) key: String,
}

/// A full pass that is wanted.
#[derive(Clone, Copy, Debug)]
pub struct PassDue {
    /// How files are compared.
    pub compare: Compare,
    /// Since when; everything older is covered by it.
    pub since: Stamp,
    /// `start`, `reload`, `rescan`, `lost`, `replaced`.
    pub trigger: &'static str,
}

/// After a failure as a whole.
#[derive(Clone, Debug)]
pub struct Backoff {
    /// Why.
    pub trouble: Trouble,
    /// Whether only a change outside helps.
    pub permanent: bool,
    /// How many failed in a row.
    pub tries: u32,
    /// When it is tried again.
    pub next: Duration,
    /// When the first failed.
    pub since: Timestamp,
}

/// When a route can start its next transfer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Due {
    /// Now, with this.
    Now(Kind),
    /// Not before then.
    At(Duration),
    /// Not before something else happens.
    Idle,
}

/// What a transfer will be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// The pending marks and the failing paths that are due.
    Batch,
    /// What came into its filter.
    Fill,
    /// The full pass that is wanted.
    Pass,
    /// What is held, again.
    Held,
    /// No transfer yet: what was left to the ledger is to be told first.
    Release,
}

impl Route {
    /// A route that knows nothing yet.
    pub fn new(source: Arc<SourcePlan>, plan: Arc<RoutePlan>, host: &str, now: Now) -> Route {
        let key = jitter_key(host, &plan.name);
        let mut route = Route {
            next_rescan: plan
                .rescan
                .schedule
                .as_ref()
                .and_then(|schedule| schedule.next_after(now.wall, &key)),
            next_sync: None,
            // A period counts from the last time; nothing is known of that, so the first send is due at once.
            flush: matches!(&plan.sync, Sync::Scheduled(Schedule::Every { .. })),
            plan,
            source,
            pending: ChangeSet::default(),
            pace: Pace::default(),
            failing: Failing::default(),
            filling: Filling::default(),
            rescoping: None,
            fresh: false,
            pass: None,
            running: None,
            backoff: None,
            held: None,
            forced: false,
            compared: false,
            compared_since: None,
            last_compared: None,
            standing: false,
            settled: false,
            suspect: None,
            parked: None,
            hooking: Hooking::default(),
            last_good: None,
            target_entries: None,
            target: None,
            totals: Stats::default(),
            transfers: 0,
            spent: VecDeque::new(),
            batch_before: false,
            key,
        };
        if let Sync::Scheduled(schedule) = &route.plan.sync {
            route.next_sync = schedule.next_after(now.wall, &route.key);
        }
        route
    }

    /// From now on it is known what the target has.
    pub fn is_compared(&mut self, at: Timestamp) {
        self.compared = true;
        self.compared_since = self.compared_since.or(Some(at));
    }

    /// Something changed: what is held is looked at again soon.
    pub fn heard(&mut self, marks: &[Mark], now: Now) {
        if let Some(held) = self.held.as_mut().filter(|_| !marks.is_empty()) {
            held.changed(now.mono);
        }
    }

    /// Look here.
    pub fn mark(&mut self, marks: &[Mark], stamp: Stamp) {
        let mut here = Vec::with_capacity(marks.len());
        for mark in marks {
            if mark.dirt.only_fills() {
                let pending = Pending {
                    dirt: mark.dirt,
                    since: stamp,
                };
                self.filling.add(mark.path.clone(), pending);
                continue;
            }
            if mark.path.is_root() && mark.dirt.has(Dirt::SUBTREE) {
                let compare = if mark.dirt.has(Dirt::CONTENT) {
                    Compare::Checksum
                } else {
                    Compare::Quick
                };
                self.want_pass(compare, stamp, "lost");
                continue;
            }
            if self.leaves_to_rows(&mark.path, stamp) {
                continue;
            }
            let pending = Pending {
                dirt: mark.dirt,
                since: stamp,
            };
            // Not with each change: it would fail as often.
            let soon = stamp.at + Duration::from_millis(self.plan.retry.initial_ms);
            if self.failing.changed(&mark.path, pending, soon) {
                continue;
            }
            let mut mark = mark.clone();
            if let Some(looked) = self.failing.remove(&mark.path) {
                mark.dirt |= looked.pending.dirt;
                self.pending.put_back(mark.path.clone(), looked.pending);
            }
            here.push(mark);
        }
        self.pace.add(here.len(), stamp.at);
        self.pending.add(&here, stamp);
        if self.pending.len() > MARKS_MAX {
            self.pending
                .collapse(MARKS_MAX, self.plan.delete == DeletePolicy::Propagate);
            if let Some(all) = self.pending.remove(&RelPath::root()) {
                if all.dirt.has(Dirt::SUBTREE) {
                    self.want_pass(Compare::Checksum, all.since, "lost");
                } else {
                    self.pending.put_back(RelPath::root(), all);
                }
            }
        }
    }

    /// A full pass is wanted; two become one that is as thorough as both, and as old as the older.
    pub fn want_pass(&mut self, compare: Compare, since: Stamp, trigger: &'static str) {
        let stronger = |a, b| if a == Compare::Checksum { a } else { b };
        self.pass = Some(match self.pass {
            Some(have) => PassDue {
                compare: stronger(have.compare, compare),
                since: have.since.min(since),
                trigger: have.trigger,
            },
            None => PassDue {
                compare,
                since,
                trigger,
            },
        });
    }

    /// Schedules that have come due. Each fires once, however far the clock jumped; where it was `set_back`, the next
    /// time is reckoned anew.
    pub fn clock(&mut self, now: Now, set_back: bool, stamp: Stamp) {
        let past = |next: Option<Timestamp>| next.is_some_and(|next| now.wall >= next);
        let (rescan, sync) = (past(self.next_rescan), past(self.next_sync));
        if !(rescan || sync || set_back) {
            return;
        }
        if let Some(schedule) = self
            .plan
            .rescan
            .schedule
            .as_ref()
            .filter(|_| rescan || set_back)
        {
            self.next_rescan = schedule.next_after(now.wall, &self.key);
        }
        if let Sync::Scheduled(schedule) = &self.plan.sync
            && (sync || set_back)
        {
            self.next_sync = schedule.next_after(now.wall, &self.key);
        }
        if rescan {
            self.want_pass(self.plan.rescan.compare, stamp, "rescan");
        }
        self.flush |= sync;
    }

    /// When and with what the next transfer can start, as far as the route itself is concerned.
    pub fn due(&self, now: Now) -> Due {
        if self.running.is_some() || self.hooking.running.is_some() {
            return Due::Idle;
        }
        if let Some(held) = &self.held {
            let ready = self.forced || held.next_check <= now.mono;
            return if ready {
                Due::Now(Kind::Held)
            } else {
                Due::At(held.next_check)
            };
        }
        let work = self.work(now);
        if matches!(work, Due::Idle) || self.forced {
            return work;
        }
        if let Some(backoff) = self
            .backoff
            .as_ref()
            .filter(|backoff| backoff.next > now.mono)
        {
            return Due::At(backoff.next);
        }
        if !schedule::open(&self.plan.windows, now.wall) {
            return match schedule::next_change(&self.plan.windows, now.wall) {
                Some(at) => Due::At(now.mono + until(now.wall, at)),
                None => Due::Idle,
            };
        }
        work
    }

    /// What there is to do, leaving aside what keeps the whole route back.
    fn work(&self, now: Now) -> Due {
        let gathered = matches!(self.plan.sync, Sync::Scheduled(_));
        let sends = !gathered || self.flush || self.forced;
        let pass = self
            .pass
            .filter(|pass| sends || !matches!(pass.trigger, "start" | "reload"))
            .is_some();
        let (mut soonest, mut fills) = (None, None);
        if sends {
            let debounce = self.plan.debounce;
            let closes = self.pending.closes(
                self.pace.quiet(debounce, &self.plan.target),
                Duration::from_millis(debounce.max_wait_ms),
            );
            let closes = closes.map(|at| {
                if self.forced || self.flush {
                    Duration::ZERO
                } else {
                    at
                }
            });
            // Until a parked route has been told what changed, its word is kept, but not for what fails again and again.
            let at_once = self.forced && self.parked.is_none();
            let retry = self
                .failing
                .next()
                .map(|at| if at_once { Duration::ZERO } else { at });
            soonest = closes.into_iter().chain(retry).min();
            fills = self.fills(at_once);
        }
        match soonest {
            Some(at) if at <= now.mono && !(pass && self.batch_before) => Due::Now(Kind::Batch),
            _ if pass => Due::Now(Kind::Pass),
            _ if fills.is_some_and(|at| at <= now.mono) => Due::Now(Kind::Fill),
            // Not only when nothing fails any more: a path may fail for ever.
            _ if sends && self.parked.is_some_and(|parked| !parked.asked) => {
                Due::Now(Kind::Release)
            }
            _ => match soonest.into_iter().chain(fills).min() {
                Some(at) => Due::At(at),
                None => Due::Idle,
            },
        }
    }

    /// Takes out what the transfer will carry.
    pub fn take(&mut self, kind: Kind, now: Now) -> (Load, Option<Arc<DeletePlan>>) {
        let mut approved = None;
        let mut load = Load::default();
        match kind {
            Kind::Pass => {
                load.pass = self.pass.take();
                let fills = self.filling.oldest();
                load.oldest = load
                    .pass
                    .map(|pass| pass.since)
                    .into_iter()
                    .chain(fills)
                    .min();
                load.marks = self.filling.take();
            }
            Kind::Fill => self.take_fills(&mut load, now),
            Kind::Batch => {
                load.retried = self.failing.take_due(now.mono, self.forced);
                load.oldest = self
                    .pending
                    .oldest()
                    .into_iter()
                    .chain(load.retried.oldest())
                    .min();
                load.marks = self.pending.take();
            }
            Kind::Release => {}
            Kind::Held => {
                if let Some(held) = &mut self.held {
                    load = std::mem::take(&mut held.load);
                    approved = held.approved.take();
                }
            }
        }
        self.batch_before = kind == Kind::Batch;
        let more = self.pass.is_some() || !self.pending.is_empty() || !self.filling.is_empty();
        if !more && self.parked.is_none() {
            self.flush = false;
            self.forced = false;
        }
        if self.held.is_some() {
            self.forced = false;
        }
        (load, approved)
    }

    /// The oldest change that is not known to be on the target.
    pub fn oldest(&self) -> Option<Stamp> {
        let running = self
            .running
            .as_ref()
            .and_then(|running| running.load.oldest);
        let held = self.held.as_ref().and_then(|held| held.load.oldest);
        let pass = self.pass.map(|pass| pass.since);
        [
            self.pending.oldest(),
            self.filling.oldest(),
            self.rescoping.as_ref().map(|coming| coming.since),
            self.failing.oldest(),
            running,
            held,
            pass,
            self.suspect,
            self.parked.and_then(|parked| parked.since),
            self.oldest_hook(),
        ]
        .into_iter()
        .flatten()
        .min()
    }

    /// How many marks wait, run, fail or are held.
    pub fn pending_len(&self) -> usize {
        let load = |load: &Load| load.marks.len() + load.retried.len();
        self.pending.len()
            + self.filling.len()
            + self.failing.len()
            + self
                .running
                .as_ref()
                .map_or(0, |running| load(&running.load))
            + self.held.as_ref().map_or(0, |held| load(&held.load))
    }

    /// The next instant at which only the wall clock makes something happen.
    pub fn next_by_wall(&self) -> Option<Timestamp> {
        self.next_rescan.into_iter().chain(self.next_sync).min()
    }
}

/// The time from one instant to a later one; zero if it is not later.
pub fn until(from: Timestamp, to: Timestamp) -> Duration {
    Duration::try_from(to.duration_since(from)).unwrap_or(Duration::ZERO)
}
