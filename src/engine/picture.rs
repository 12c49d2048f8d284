//! Draws the status picture from the engine's state.

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::core::Engine;
use super::failing::{Failed, Failing};
use super::route::{Due, Route};
use super::source::Source;
use super::status::{
    HoldStatus, PATHS_MAX, PathStatus, RouteStatus, SourceStatus, State, Status, span,
};
use super::{Hold, Now, RelPath, escape};
use crate::plan::{Sync, Target};
use crate::schedule;

impl Engine {
    /// The picture as it is now.
    pub fn status(&self, now: Now) -> Status {
        let mut routes: Vec<RouteStatus> = self
            .routes
            .values()
            .map(|route| route_status(route, self.sources.get(&route.plan.name.source), now))
            .collect();
        routes.sort_by(|a, b| (a.state, &a.route).cmp(&(b.state, &b.route)));
        let sources = self.sources.values().map(source_status).collect();
        Status {
            generation: self.generation,
            sources,
            routes,
        }
    }
}

fn source_status(source: &Source) -> SourceStatus {
    let report = source.report.as_ref();
    let by = report
        .map(|report| &report.by)
        .filter(|by| !by.mechanism.is_empty());
    SourceStatus {
        name: source.plan.name.to_string(),
        path: source.plan.path.clone(),
        ready: source.is_ready(),
        directories: report.map_or(0, |report| report.directories),
        unwatched: report.map_or(0, |report| report.unwatched),
        doubted: report.map_or(0, |report| report.doubted),
        mechanism: by.map(|by| by.mechanism.to_owned()),
        mechanism_why: by.map(|by| by.why.clone()),
        waiting: source.waiting.clone(),
    }
}

fn route_status(route: &Route, source: Option<&Source>, now: Now) -> RouteStatus {
    let (state, code, why) = state_of(route, source, now);
    let failing = failing(route);
    let seconds = |at: std::time::Duration| at.saturating_sub(now.mono).as_secs_f64();
    RouteStatus {
        route: route.plan.name.to_string(),
        target: describe(&route.plan.target),
        state,
        lag_seconds: route
            .oldest()
            .map(|oldest| now.mono.saturating_sub(oldest.at).as_secs_f64()),
        pending: route.pending_len() as u64,
        last_good: route.last_good.map(|at| at.to_string()),
        next_rescan: route.next_rescan.map(|at| at.to_string()),
        next_sync: route.next_sync.map(|at| at.to_string()),
        code,
        why,
        hold: route
            .held
            .as_ref()
            .map(|held| hold_status(&held.hold, &held.id, held.since)),
        failing_count: failing.len() as u64,
        failing: failing
            .into_iter()
            .take(PATHS_MAX)
            .map(|(path, failed)| PathStatus {
                path: path.to_string(),
                reason: failed.reason.clone(),
                since: failed.since.to_string(),
                tries: failed.tries,
                next_try_seconds: seconds(failed.next),
                trying: is_tried(route, path),
            })
            .collect(),
        transfers: route.transfers,
        files: route.totals.files,
        bytes: route.totals.bytes,
        deleted: route.totals.deleted,
    }
}

/// What fails, in the order of the paths. What is tried again just now, or is held meanwhile, still fails: it comes off
/// the list when it has succeeded.
fn failing(route: &Route) -> BTreeMap<&RelPath, &Failed> {
    let running = route.running.iter().map(|running| &running.load.retried);
    let held = route.held.iter().map(|held| &held.load.retried);
    let tried = running.chain(held).flat_map(Failing::iter);
    tried.chain(route.failing.iter()).collect()
}

/// Whether the transfer that runs tries this path again.
fn is_tried(route: &Route, path: &RelPath) -> bool {
    let running = route.running.as_ref();
    running.is_some_and(|running| running.load.retried.get(path).is_some())
}

/// The state alone.
pub(super) fn state(route: &Route, source: Option<&Source>, now: Now) -> State {
    state_of(route, source, now).0
}

/// The state with its code and reason, worst first.
fn state_of(
    route: &Route,
    source: Option<&Source>,
    now: Now,
) -> (State, Option<String>, Option<String>) {
    let seconds = |at: std::time::Duration| span(at.saturating_sub(now.mono).as_secs());
    let waiting = source.and_then(|source| source.waiting.as_ref());
    let held = route
        .held
        .as_ref()
        .filter(|held| route.is_held() && !(waiting.is_some() && held.is_of_root()));
    if let Some(held) = held {
        let (code, why) = match &held.hold {
            Hold::Deletes(plan) => {
                let (name, id) = (&route.plan.name, &held.id);
                (
                    "deletes",
                    format!(
                        "would delete {} of {}: heliostat approve {name} --id {id}",
                        plan.count, plan.of
                    ),
                )
            }
            Hold::Guard(refusal) if refusal.guard == "lostMount" => (
                refusal.guard,
                format!(
                    "{}: heliostat approve {} --id {}",
                    refusal.message, route.plan.name, held.id
                ),
            ),
            Hold::Guard(refusal) => (refusal.guard, refusal.message.clone()),
        };
        return (State::Held, Some(code.to_owned()), Some(why));
    }
    if let Some(reason) = waiting {
        return (
            State::Waiting,
            Some("source".to_owned()),
            Some(reason.clone()),
        );
    }
    if let Some(backoff) = &route.backoff {
        let state = if backoff.permanent {
            State::Failing
        } else {
            State::Retrying
        };
        let next = if route.running.is_some() {
            "now".to_owned()
        } else {
            format!("in {}", seconds(backoff.next))
        };
        let why = format!(
            "{}; try {} {next}",
            backoff.trouble.message,
            backoff.tries + 1
        );
        return (state, Some(backoff.trouble.code.to_owned()), Some(why));
    }
    let all = failing(route);
    // Also while it is tried again: who asks twice a minute would else hear that all is well, every other time.
    if let Some((path, failed)) = all.iter().find(|(_, failed)| !failed.changing) {
        let many = all.len();
        let (paths, verb) = if many == 1 {
            ("path", "fails")
        } else {
            ("paths", "fail")
        };
        let next = if is_tried(route, path) {
            "now".to_owned()
        } else {
            format!("in {}", seconds(failed.next))
        };
        let why = format!(
            "{many} {paths} {verb}: {path}: {}; try {} {next}",
            failed.reason,
            failed.tries + 1,
        );
        return (State::Failing, Some("paths".to_owned()), Some(why));
    }
    let partly = source
        .and_then(|source| source.report.as_ref())
        .filter(|report| report.unwatched > 0)
        .map(|report| {
            format!(
                "{} directories are not watched but polled",
                report.unwatched
            )
        });
    if let Some(running) = &route.running {
        let state = if running
            .load
            .pass
            .is_some_and(|pass| pass.trigger == "start")
        {
            State::Starting
        } else {
            State::Sending
        };
        return (state, None, partly);
    }
    if !source.is_some_and(Source::is_ready) {
        return (
            State::Starting,
            None,
            Some("the watches are being placed".to_owned()),
        );
    }
    if route.suspect.is_some() {
        let why = "the source is compared with what is known of it".to_owned();
        return (State::Starting, None, Some(why));
    }
    if route.oldest().is_some() {
        return (State::Pending, None, Some(pending_reason(route, now)));
    }
    if !route.compared {
        return (State::NotCompared, None, partly);
    }
    (State::InSync, None, partly)
}

fn pending_reason(route: &Route, now: Now) -> String {
    if !schedule::open(&route.plan.windows, now.wall) {
        let opens = schedule::next_change(&route.plan.windows, now.wall);
        return opens.map_or("no window is open".to_owned(), |at| {
            format!("no window is open until {at}")
        });
    }
    if matches!(route.plan.sync, Sync::Scheduled(_)) && !route.flush {
        return route
            .next_sync
            .map_or("gathered".to_owned(), |at| format!("gathered, sent {at}"));
    }
    if route.parked.is_some_and(|parked| parked.asked) {
        return "what changed while it could not be sent is looked up".to_owned();
    }
    if route.rescoping.is_some() {
        return "what came into its filter is looked up".to_owned();
    }
    match route.due(now) {
        Due::Now(_) => "waits for its turn".to_owned(),
        Due::At(_) if !route.failing.is_empty() => {
            "some paths changed while they were sent".to_owned()
        }
        Due::At(_) | Due::Idle => "gathers changes".to_owned(),
    }
}

fn hold_status(hold: &Hold, id: &str, since: Timestamp) -> HoldStatus {
    let (reason, plan) = match hold {
        Hold::Deletes(plan) => ("deletes", Some(plan)),
        Hold::Guard(refusal) => (refusal.guard, None),
    };
    HoldStatus {
        id: id.to_owned(),
        reason: reason.to_owned(),
        count: plan.map(|plan| plan.count),
        of: plan.map(|plan| plan.of),
        sample: plan
            .map(|plan| plan.sample.iter().map(|path| path.to_string()).collect())
            .unwrap_or_default(),
        since: since.to_string(),
    }
}

/// A target as its URL, without secrets.
pub fn describe(target: &Target) -> String {
    let host = |host: &str| {
        if host.contains(':') {
            format!("[{host}]")
        } else {
            host.to_owned()
        }
    };
    let user = |user: &Option<String>| {
        user.as_ref()
            .map(|user| format!("{user}@"))
            .unwrap_or_default()
    };
    match target {
        Target::Daemon {
            user: name,
            host: at,
            port,
            module,
            path,
            ..
        } => {
            let path = if path.is_empty() {
                String::new()
            } else {
                format!("/{path}")
            };
            let port = if *port == 873 {
                String::new()
            } else {
                format!(":{port}")
            };
            escape(format!("rsync://{}{}{port}/{module}{path}", user(name), host(at)).as_bytes())
                .into_owned()
        }
        Target::Ssh {
            user: name,
            host: at,
            port,
            path,
            ..
        } => {
            let port = port.map(|port| format!(":{port}")).unwrap_or_default();
            escape(format!("ssh://{}{}{port}{path}", user(name), host(at)).as_bytes()).into_owned()
        }
        Target::Local { path } => escape(format!("file://{path}").as_bytes()).into_owned(),
    }
}
