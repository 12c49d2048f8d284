//! What a transfer's end means for its route.

use std::sync::Arc;
use std::time::Duration;

use super::change_set::Pending;
use super::failing::Failed;
use super::held::Held;
use super::input::{Answer, Effect, Event, Sent};
use super::load::{Load, Running};
use super::route::{Backoff, Route};
use super::{Dirt, Hold, Now, Outcome, RelPath, Stamp, Stats, Trouble, Verdict, backoff};
use crate::plan::Compare;

/// A guard is asked again after this, doubling up to [`GUARD_CHECK_MAX`]: it costs a few system calls.
const GUARD_CHECK: Duration = Duration::from_secs(1);
const GUARD_CHECK_MAX: Duration = Duration::from_secs(10);
/// A plan of deletions is counted again after this, doubling up to [`PLAN_CHECK_MAX`]: it may cost a full pass.
const PLAN_CHECK: Duration = Duration::from_secs(60);
const PLAN_CHECK_MAX: Duration = Duration::from_secs(3600);
/// What changed under the transfer is first looked at again after this, doubling: a file that is written for an hour is
/// not sent for an hour; the end of the writing is an event of its own.
const AGAIN_MS: u64 = 100;
/// The doubling ends here, or at twice what the transfer took if that is more: what is looked at again in vain costs at
/// most a third of the time, and what was merely in the way of a burst of changes is not late long after it.
const AGAIN_MAX: Duration = Duration::from_secs(1);

/// Why a transfer was told to end where the engine has not said so.
const ENDING: &str = "the service ends";

/// A transfer that did not bring things in step.
#[derive(Clone, Copy)]
struct Vain {
    now: Now,
    took: Duration,
    trigger: &'static str,
    stats: Stats,
    /// The age of the oldest change that it carried.
    lag: Duration,
}

/// How a transfer came to its end.
#[derive(Clone, Copy)]
struct End<'a> {
    now: Now,
    took: Duration,
    outcome: &'a Outcome,
    /// Whether an operator released its deletions.
    approved: bool,
}

impl Route {
    /// Takes an outcome in. Only [`Verdict::Done`] clears marks, and only those that the transfer carried.
    pub fn finished(&mut self, now: Now, mut outcome: Outcome, effects: &mut Vec<Effect>) {
        let Some(running) = self.running.take() else {
            return;
        };
        self.book_hooks(now, &running, &mut outcome, effects);
        let name = self.plan.name.clone();
        let took = now.mono.saturating_sub(running.started);
        effects.extend(
            outcome
                .notes
                .iter()
                .map(|note| Effect::Tell(Event::Note(name.clone(), note.clone()))),
        );
        let held = self.held.take();
        if outcome.verdict != Verdict::Done && outcome.stats.deleted > 0 {
            self.spend(now, &outcome.stats, running.approved.is_some());
        }
        let lag = running
            .load
            .oldest
            .map_or(Duration::ZERO, |oldest| now.mono.saturating_sub(oldest.at));
        let vain = Vain {
            now,
            took,
            trigger: running.trigger,
            stats: outcome.stats,
            lag,
        };
        match outcome.verdict.clone() {
            Verdict::Done => {
                let end = End {
                    now,
                    took,
                    outcome: &outcome,
                    approved: running.approved.is_some(),
                };
                self.done(end, running.load, effects);
                effects.extend(held.map(|_| Effect::Tell(Event::Released(name.clone()))));
                if self.backoff.take().is_some() {
                    effects.push(Effect::Tell(Event::Recovered(name.clone())));
                }
                let sent = Sent {
                    route: name,
                    trigger: running.trigger,
                    stats: outcome.stats,
                    took,
                    lag,
                    failed: outcome.failed.len(),
                    failures: outcome
                        .failed
                        .into_iter()
                        .take(Sent::FAILURES_MAX)
                        .collect(),
                };
                effects.push(Effect::Tell(Event::Sent(sent)));
            }
            Verdict::Retry(trouble) => {
                let wait = self.failed(vain, trouble, false, effects);
                self.keep(running, held, now.mono + wait);
            }
            Verdict::Permanent(trouble) => {
                let wait = self.failed(vain, trouble, true, effects);
                self.keep(running, held, now.mono + wait);
            }
            Verdict::Held(hold) => self.hold(vain, running.load, hold, held, effects),
            Verdict::Cancelled => {
                effects.push(Effect::Tell(Event::Cancelled {
                    route: name,
                    trigger: running.trigger,
                    took,
                    stats: outcome.stats,
                    why: running.cancelled.clone().unwrap_or_else(|| ENDING.into()),
                }));
                self.keep(running, held, now.mono);
            }
        }
    }

    /// Takes in which directory its local target was; true where that is another than before, and no pass went through it.
    pub fn is_replaced(&mut self, outcome: &Outcome) -> bool {
        let done = outcome.verdict == Verdict::Done;
        let Some(target) = outcome.target.filter(|_| done) else {
            return false;
        };
        let other = self
            .target
            .replace(target)
            .is_some_and(|before| before != target);
        let passed = self
            .running
            .as_ref()
            .is_some_and(|running| running.load.pass.is_some());
        if other && !passed {
            self.target_entries = None;
        }
        other && !passed
    }

    fn done(&mut self, end: End<'_>, load: Load, effects: &mut Vec<Effect>) {
        let outcome = end.outcome;
        self.book(end.now, &outcome.stats, end.approved);
        self.last_good = Some(end.now.wall);
        if load.pass.is_some() {
            self.is_compared(end.now.wall);
            if outcome.failed.is_empty() {
                self.last_compared = Some(end.now.wall);
            }
        }
        if let Some(parked) = &mut self.parked {
            parked.sent = true;
        }
        self.settled |=
            outcome.failed.is_empty() && self.suspect.is_none() && self.pending.is_empty();
        for path in &outcome.again {
            self.fail(end, &load, path, None);
        }
        for failure in &outcome.failed {
            self.fail(end, &load, &failure.path, Some(&failure.reason));
        }
        if let Some(first) = outcome.failed.first() {
            effects.push(Effect::Tell(Event::PathsFailing {
                route: self.plan.name.clone(),
                count: self.failing.len(),
                first: (first.path.clone(), first.reason.clone()),
            }));
        }
    }

    /// Books a path that stays dirty: a fault with its reason, or one that changed while it was sent.
    fn fail(&mut self, end: End<'_>, load: &Load, path: &RelPath, fault: Option<&str>) {
        let before = load
            .retried
            .get(path)
            .filter(|failed| failed.changing == fault.is_none());
        let tries = before.map_or(0, |failed| failed.tries) + 1;
        let mut retry = self.plan.retry;
        if fault.is_none() {
            let most = AGAIN_MAX.max(end.took.saturating_mul(2)).as_millis() as u64;
            retry.initial_ms = retry.initial_ms.min(AGAIN_MS);
            retry.max_ms = retry.max_ms.min(most);
        }
        // One jitter for all: what failed together is tried together.
        let wait = backoff::delay(retry, tries, false, &format!("{} paths", self.plan.name));
        let mut pending = cover(load, path, end.now);
        if load.fills {
            pending.dirt = Dirt::FILL | Dirt::ATTRIBUTES;
        }
        let failed = Failed {
            pending,
            reason: fault.unwrap_or("it changed while it was sent").to_owned(),
            changing: fault.is_none(),
            since: before.map_or(end.now.wall, |failed| failed.since),
            tries,
            next: end.now.mono + wait,
            wait,
        };
        self.failing.insert(path.clone(), failed);
    }

    /// Keeps what a transfer carried: under its hold where an operator's word is bound to it, else as dirt.
    fn keep(&mut self, running: Running, held: Option<Held>, next_check: Duration) {
        // The operator may have spoken while it was only counted again.
        let spoken = || held.as_ref().and_then(|held| held.approved.clone());
        let approved = running.approved.or_else(spoken);
        match held.filter(|_| approved.is_some()) {
            Some(held) => {
                self.held = Some(Held {
                    load: running.load,
                    approved,
                    next_check,
                    ..held
                });
            }
            None => self.put_back(running.load),
        }
    }

    /// Books a failure as a whole; the time until the next try.
    fn failed(
        &mut self,
        vain: Vain,
        trouble: Trouble,
        permanent: bool,
        effects: &mut Vec<Effect>,
    ) -> Duration {
        let Vain {
            now,
            took,
            trigger,
            stats,
            lag,
        } = vain;
        let before = self.backoff.take();
        let tries = before.as_ref().map_or(0, |backoff| backoff.tries) + 1;
        let name = self.plan.name.clone();
        let counted = if trouble.soon { 1 } else { tries };
        let wait = backoff::delay(self.plan.retry, counted, permanent, &name.to_string());
        let since = before.map_or(now.wall, |backoff| backoff.since);
        self.backoff = Some(Backoff {
            trouble: trouble.clone(),
            permanent,
            tries,
            next: now.mono + wait,
            since,
        });
        self.forced = false;
        effects.push(Effect::Tell(Event::Failed {
            route: name,
            trigger,
            took,
            stats,
            lag,
            trouble,
            tries,
            wait,
        }));
        wait
    }

    fn hold(
        &mut self,
        vain: Vain,
        load: Load,
        hold: Hold,
        before: Option<Held>,
        effects: &mut Vec<Effect>,
    ) {
        let Vain {
            now,
            took,
            trigger,
            stats,
            lag,
        } = vain;
        let id = hold_id(&self.plan.name.to_string(), &hold);
        let same = before.as_ref().is_some_and(|held| held.id == id);
        let checks = if same {
            before.as_ref().map_or(0, |held| held.checks) + 1
        } else {
            0
        };
        let (first, most) = match hold {
            Hold::Deletes(_) => (PLAN_CHECK, PLAN_CHECK_MAX),
            Hold::Guard(_) => (GUARD_CHECK, GUARD_CHECK_MAX),
        };
        // The operator may have spoken while it was only counted again: that was for this plan, so it is not asked twice.
        let approved = before
            .as_ref()
            .filter(|_| same)
            .and_then(|held| held.approved.clone());
        let wait = match approved {
            Some(_) => Duration::ZERO,
            None => first.saturating_mul(1 << checks.min(16)).min(most),
        };
        let since = before.filter(|_| same).map_or(now.wall, |held| held.since);
        if !same {
            effects.push(Effect::Tell(Event::Held {
                route: self.plan.name.clone(),
                trigger,
                took,
                stats,
                lag,
                hold: hold.clone(),
                id: id.clone(),
            }));
        }
        self.backoff = None;
        self.forced = false;
        self.held = Some(Held {
            hold,
            id,
            load,
            since,
            next_check: now.mono + wait,
            checks,
            approved,
        });
    }

    /// An operator releases the hold with this id. `Err` with what is said to one who cannot. `Ok(true)`: the mounts that
    /// are gone are meant to be.
    pub fn approve(&mut self, id: &str) -> Result<bool, Answer> {
        let Some(held) = &mut self.held else {
            return Err(Answer::NotHeld(None));
        };
        if held.id != id {
            return Err(Answer::NotHeld(Some(held.id.clone())));
        }
        let of_mounts = match &held.hold {
            Hold::Deletes(plan) => {
                held.approved = Some(Arc::clone(plan));
                false
            }
            Hold::Guard(refusal) if refusal.guard == "lostMount" => true,
            Hold::Guard(refusal) => return Err(Answer::NotReleasable(refusal.message.clone())),
        };
        held.next_check = Duration::ZERO;
        Ok(of_mounts)
    }

    /// Whether it is held and nobody has approved that, be it that the transfer which was approved runs by now.
    pub fn is_held(&self) -> bool {
        let approved = |running: &Running| running.approved.is_some();
        self.held
            .as_ref()
            .is_some_and(|held| held.approved.is_none())
            && !self.running.as_ref().is_some_and(approved)
    }

    /// The next start passes over windows, schedules and backoff; a hold is looked at again.
    pub fn force(&mut self) {
        if let Some(failing) = &mut self.hooking.failing {
            failing.next = Duration::ZERO;
        }
        self.forced = self.held.is_some()
            || self.pass.is_some()
            || !self.pending.is_empty()
            || !self.filling.is_empty()
            || !self.failing.is_empty()
            || self.running.is_some()
            || self.parked.is_some();
    }
}

/// The name of a hold: the same reason has the same name.
fn hold_id(route: &str, hold: &Hold) -> String {
    match hold {
        Hold::Deletes(plan) => plan.id.clone(),
        Hold::Guard(refusal) => {
            blake3::hash(format!("{route}\0{}", refusal.guard).as_bytes()).to_hex()[..8].to_string()
        }
    }
}

/// What is dirty about a path that a load did not bring in step: the mark that covered it, or for a pass everything at
/// or below it by the quick check, joined with the marks below it (a directory that could not be made stands for them).
fn cover(load: &Load, path: &RelPath, now: Now) -> Pending {
    let below = Dirt::ATTRIBUTES | Dirt::SUBTREE;
    let mut found = above(load, path);
    // A name like `d-` sorts between `d` and `d/x`, so the prefix ends the search and the path decides.
    let named = load
        .marks
        .range(path.clone()..)
        .take_while(|(at, _)| at.as_bytes().starts_with(path.as_bytes()));
    for (_, mark) in named.filter(|(at, _)| *at != path && at.starts_with(path)) {
        let mark = Pending {
            dirt: mark.dirt | below,
            since: mark.since,
        };
        found = Some(found.map_or(mark, |found| found.join(mark)));
    }
    found.unwrap_or_else(|| match load.pass {
        Some(pass) => {
            let content = if pass.compare == Compare::Checksum {
                Dirt::CONTENT
            } else {
                Dirt::none()
            };
            Pending {
                dirt: below | content,
                since: pass.since,
            }
        }
        // Not among what was sent, so nothing is known of it: older than everything, and not trusted.
        None => Pending {
            dirt: below | Dirt::CONTENT,
            since: Stamp {
                seq: 0,
                at: now.mono,
            },
        },
    })
}

/// Every mark that covered a path, its own and those of the subtrees and the listing in which it lies, new ones and
/// retried ones joined: one of them alone would forget what the others knew, which is a lost update. Where none did, the
/// nearest one above, which is why the path was touched.
fn above(load: &Load, path: &RelPath) -> Option<Pending> {
    let (mut found, mut nearest): (Option<Pending>, Option<Pending>) = (None, None);
    let mut at = Some(path.clone());
    while let Some(here) = at {
        let fresh = load.marks.get(&here).copied();
        let retried = load.retried.get(&here).map(|failed| failed.pending);
        for mark in fresh.into_iter().chain(retried) {
            let own = here == *path;
            // Content and gone are reconciled as a subtree where they mark a directory, and this one is one. A listing
            // covers the names directly in it. They keep its mark: what was to leave is then still seen to vanish.
            let subtree = !mark
                .dirt
                .without(Dirt::ATTRIBUTES | Dirt::LISTING)
                .is_empty();
            let listed = mark.dirt.has(Dirt::LISTING) && path.parent().as_ref() == Some(&here);
            let covers = own || subtree || listed;
            let inside = if own {
                Dirt::none()
            } else if listed && !subtree {
                Dirt::ATTRIBUTES
            } else {
                Dirt::ATTRIBUTES | Dirt::SUBTREE
            };
            let mark = Pending {
                dirt: mark.dirt | inside,
                since: mark.since,
            };
            if covers {
                found = Some(found.map_or(mark, |found| found.join(mark)));
            }
            nearest = nearest.or(Some(mark));
        }
        at = here.parent();
    }
    found.or(nearest)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path(text: &str) -> RelPath {
        RelPath::new(text.as_bytes()).unwrap()
    }

    #[test]
    fn a_failed_directory_stands_for_the_marks_below_it() {
        let stamp = |seq| Stamp {
            seq,
            at: Duration::from_secs(seq),
        };
        let mark = |dirt, seq| Pending {
            dirt,
            since: stamp(seq),
        };
        let marks = [
            ("d/a", mark(Dirt::CONTENT, 3)),
            ("d/b", mark(Dirt::ATTRIBUTES, 2)),
            ("d-", mark(Dirt::GONE, 1)),
            ("e", mark(Dirt::SUBTREE, 4)),
        ];
        let load = Load {
            marks: marks.map(|(at, mark)| (path(at), mark)).into(),
            ..Load::default()
        };
        let now = Now {
            mono: Duration::from_secs(9),
            wall: jiff::Timestamp::UNIX_EPOCH,
        };
        let all = Dirt::CONTENT | Dirt::ATTRIBUTES | Dirt::SUBTREE;
        assert_eq!(cover(&load, &path("d"), now), mark(all, 2));
        assert_eq!(cover(&load, &path("d/a"), now), mark(Dirt::CONTENT, 3));
        assert_eq!(
            cover(&load, &path("e/x/y"), now),
            mark(Dirt::SUBTREE | Dirt::ATTRIBUTES, 4)
        );
        assert_eq!(cover(&load, &path("unknown"), now).since.seq, 0);
    }

    #[test]
    fn a_listing_answers_for_the_names_directly_in_it() {
        let mark = |dirt, seq| Pending {
            dirt,
            since: Stamp {
                seq,
                at: Duration::ZERO,
            },
        };
        let marks = [
            ("e", mark(Dirt::SUBTREE, 7)),
            ("e/d", mark(Dirt::LISTING, 3)),
            ("e/f", mark(Dirt::CONTENT, 2)),
        ];
        let load = Load {
            marks: marks.map(|(at, mark)| (path(at), mark)).into(),
            ..Load::default()
        };
        let now = Now {
            mono: Duration::from_secs(9),
            wall: jiff::Timestamp::UNIX_EPOCH,
        };
        let (tree, listing) = (Dirt::ATTRIBUTES | Dirt::SUBTREE, Dirt::LISTING);
        // As old as the listing, though the subtree around it was marked later.
        assert_eq!(
            cover(&load, &path("e/d/x"), now),
            mark(tree | listing, 3),
            "a name in it"
        );
        assert_eq!(
            cover(&load, &path("e/d/x/y"), now),
            mark(tree, 7),
            "below one"
        );
        assert_eq!(
            cover(&load, &path("e/f/x"), now),
            mark(tree | Dirt::CONTENT, 2),
            "below a file that became a directory"
        );
        let alone = Load {
            marks: [(path("d"), mark(listing, 3))].into(),
            ..Load::default()
        };
        assert_eq!(
            cover(&alone, &path("d/x"), now),
            mark(listing | Dirt::ATTRIBUTES, 3)
        );
        // A directory that could not be deleted with all that is in it.
        assert_eq!(cover(&alone, &path("d/x/y"), now), mark(listing | tree, 3));
        assert_eq!(cover(&alone, &path("d"), now), mark(listing, 3));
    }
}
