//! The sentences of the status picture: what is going on with a route, and what a human can do about it.

use std::time::Duration;

use super::change_set::Pending;
use super::core::Engine;
use super::route::{Due, Route};
use super::status::{EVERYTHING, PendingStatus, State, span};
use super::{Hold, Now, Pause, RelPath};
use crate::plan::{RouteName, Sync, grouped};
use crate::schedule;

/// `1 path`, `2,311 paths`.
fn paths(count: usize) -> String {
    match count {
        1 => "1 path".to_owned(),
        count => format!("{} paths", grouped(count as u64)),
    }
}

/// What a hold is for, and what releases it.
pub fn held(hold: &Hold, name: &RouteName, id: &str) -> (&'static str, String) {
    match hold {
        Hold::Deletes(plan) => {
            let (count, of) = (grouped(plan.count), grouped(plan.of));
            (
                "deletes",
                format!("would delete {count} of {of}: heliostat approve {name} --id {id}"),
            )
        }
        Hold::Guard(refusal) if refusal.guard == "lostMount" => (
            refusal.guard,
            format!("{}: heliostat approve {name} --id {id}", refusal.message),
        ),
        Hold::Guard(refusal) => (refusal.guard, refusal.message.clone()),
    }
}

/// Who has paused it, for how long still and what for; `beneath`: how it would be without.
pub fn paused(
    name: &RouteName,
    (pause, left): (&Pause, Duration),
    beneath: (State, Option<String>),
    runs: bool,
) -> String {
    let mut text = format!(
        "by {} for another {}",
        pause.by,
        span(left.as_millis().div_ceil(1000) as u64)
    );
    if let Some(reason) = &pause.reason {
        text += &format!(": {reason}");
    }
    text += &format!("; heliostat resume {name}");
    if runs {
        text += "; the transfer that runs is let end";
    }
    match beneath {
        (State::Held, Some(why)) => text += &format!("; held as well: {why}"),
        (state @ (State::Failing | State::Retrying | State::Waiting), Some(why)) => {
            // There is no next try while it is paused.
            let why = why.rsplit_once("; try ").map_or(&*why, |(why, _)| why);
            text += &format!("; {} before: {why}", state.word());
        }
        _ => {}
    }
    text
}

/// What the transfer that runs does, and since when.
pub fn running(route: &Route, now: Now) -> Option<String> {
    let running = route.running.as_ref()?;
    let since = span(now.mono.saturating_sub(running.started).as_secs());
    let load = &running.load;
    Some(match load.pass {
        Some(pass) => {
            let why = match pass.trigger {
                "start" => "the first since the start",
                "rescan" => "a rescan",
                "reload" => "after a reload",
                "replaced" => "another directory is in the target's place",
                _ => "events were lost",
            };
            format!("compares everything with the target since {since}: {why}")
        }
        None => {
            let count = load.marks.len() + load.retried.len();
            format!("sends {} since {since}", paths(count))
        }
    })
}

/// Nothing was compared, and nobody asked for it.
pub fn not_compared(name: &RouteName) -> String {
    format!("taken to be right, as `onStart: never` says: heliostat rescan {name} compares it")
}

impl Engine {
    /// What changes wait for.
    pub(super) fn pending_reason(&self, route: &Route, now: Now) -> String {
        if !schedule::open(&route.plan.windows, now.wall) {
            let opens = schedule::next_change(&route.plan.windows, now.wall);
            let name = &route.plan.name;
            return opens.map_or("no window is open".to_owned(), |at| {
                format!("no window is open until {at:.0}; heliostat trigger {name} sends now")
            });
        }
        if matches!(route.plan.sync, Sync::Scheduled(_)) && !route.flush {
            let name = &route.plan.name;
            return route.next_sync.map_or("gathered".to_owned(), |at| {
                format!("gathered, sent {at:.0}; heliostat trigger {name} sends now")
            });
        }
        if route.parked.is_some_and(|parked| parked.asked) {
            return "what changed while it could not be sent is looked up".to_owned();
        }
        if route.hooking.owed.is_some() && route.pending_len() == 0 && route.pass.is_none() {
            return "the `after` hook is still to run".to_owned();
        }
        if route.rescoping.is_some() {
            return "what came into its filter is looked up".to_owned();
        }
        match route.due(now) {
            Due::Now(_) if !self.has_room(&route.plan.name) => {
                let running = self.running().count();
                format!("waits for its turn: {running} transfers run, and `limits` let no more")
            }
            Due::Now(_) => "waits for its turn".to_owned(),
            Due::At(_) if !route.failing.is_empty() => {
                "some paths changed while they were sent".to_owned()
            }
            Due::At(_) | Due::Idle => "gathers changes".to_owned(),
        }
    }

    /// The paths of a route that are not on the target and do not fail, those under way first; at most `most`.
    pub(super) fn pending_paths(&self, route: &Route, now: Now, most: usize) -> Vec<PendingStatus> {
        let paused = self.pauses.of(&route.plan.name, now);
        let kept_back = match (&paused, &route.held, &route.backoff) {
            (Some(_), ..) => Some("paused".to_owned()),
            (None, Some(_), _) => Some("the route is held".to_owned()),
            (None, None, Some(backoff)) => {
                Some(format!("the last try failed: {}", backoff.trouble.message))
            }
            (None, None, None) => None,
        };
        let waits = kept_back.unwrap_or_else(|| self.pending_reason(route, now));
        let show = |(path, pending): (&RelPath, &Pending), reason: &str| PendingStatus {
            path: path.to_string(),
            dirt: pending.dirt.to_string(),
            age_seconds: now.mono.saturating_sub(pending.since.at).as_secs_f64(),
            reason: reason.to_owned(),
        };
        let whole = |since: super::Stamp, reason: String| PendingStatus {
            path: RelPath::root().to_string(),
            dirt: EVERYTHING.to_owned(),
            age_seconds: now.mono.saturating_sub(since.at).as_secs_f64(),
            reason,
        };
        let under_way = route.running.iter().flat_map(|running| {
            let pass = running
                .load
                .pass
                .map(|pass| whole(pass.since, "everything is being compared".to_owned()));
            let marks = running.load.marks.iter();
            pass.into_iter()
                .chain(marks.map(|mark| show(mark, "is being sent")))
        });
        let held = route.held.iter().flat_map(|held| {
            let pass = held.load.pass;
            let pass = pass.map(|pass| whole(pass.since, "the route is held".to_owned()));
            let marks = held.load.marks.iter();
            pass.into_iter()
                .chain(marks.map(|mark| show(mark, "the route is held")))
        });
        let wanted = route.pass.map(|pass| {
            whole(
                pass.since,
                format!("everything is to be compared ({}): {waits}", pass.trigger),
            )
        });
        let suspect = route.suspect.map(|since| {
            let reason = "the source is compared with what is known of it".to_owned();
            whole(since, reason)
        });
        under_way
            .chain(held)
            .chain(suspect)
            .chain(wanted)
            .chain(route.pending.iter().map(|mark| show(mark, &waits)))
            .chain(
                route
                    .filling
                    .iter()
                    .map(|mark| show(mark, "came into the filter, and waits for its turn")),
            )
            .take(most)
            .collect()
    }
}
