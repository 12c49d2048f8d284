//! Draws the status picture from the engine's state.

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::core::Engine;
use super::failing::{Failed, Failing};
use super::input::Selector;
use super::route::Route;
use super::source::Source;
use super::status::{
    HoldStatus, PATHS_MAX, PathStatus, RouteStatus, SourceStatus, State, Status, span,
};
use super::{Hold, Now, RelPath, escape, why};
use crate::plan::{DeletePolicy, RouteName, Target, grouped};

/// Pending paths in one answer, of all routes together: it is written while the engine waits, which so many make some
/// milliseconds long…
const PATHS_IN_ALL: usize = 10_000;
/// …but of each route so many.
const PATHS_MIN: usize = 5;

impl Engine {
    /// The picture as it is now.
    pub fn status(&self, now: Now) -> Status {
        self.draw(now, &Selector::default(), false)
    }

    /// The picture of some routes, with their pending paths.
    pub fn paths(&self, now: Now, selector: &Selector) -> Status {
        self.draw(now, selector, true)
    }

    fn draw(&self, now: Now, selector: &Selector, paths: bool) -> Status {
        let meant = |name: &RouteName| selector.matches(name);
        let many = self.routes.keys().filter(|name| meant(name)).count();
        let most = (PATHS_IN_ALL / many.max(1)).clamp(PATHS_MIN, PATHS_MAX);
        let chosen = self.routes.iter().filter(|(name, _)| meant(name));
        let mut routes: Vec<RouteStatus> = chosen
            .map(|(_, route)| RouteStatus {
                pending_paths: match paths {
                    true => self.pending_paths(route, now, most),
                    false => Vec::new(),
                },
                ..self.route_status(route, now)
            })
            .collect();
        routes.sort_by(|a, b| (a.state, &a.route).cmp(&(b.state, &b.route)));
        let chosen = self.sources.iter();
        let chosen = chosen.filter(|(name, _)| selector.concerns(name));
        Status {
            generation: self.generation,
            sources: chosen.map(|(_, source)| source_status(source)).collect(),
            routes,
        }
    }

    fn route_status(&self, route: &Route, now: Now) -> RouteStatus {
        let source = self.sources.get(&route.plan.name.source);
        let (mut state, mut code, mut why) = self.state_of(route, source, now);
        let pause = self.pauses.of(&route.plan.name, now);
        let without_pause = pause.map(|_| state);
        if let Some(pause) = pause {
            let runs = route.running.is_some();
            let text = why::paused(&route.plan.name, pause, (state, why), runs);
            (state, why) = (State::Paused, Some(text));
            code = Some("paused".to_owned());
        }
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
            last_compared: route.last_compared.map(|at| at.to_string()),
            next_rescan: route.next_rescan.map(|at| at.to_string()),
            next_sync: route.next_sync.map(|at| at.to_string()),
            code,
            why,
            hold: route
                .held
                .as_ref()
                .map(|held| hold_status(&held.hold, &held.id, held.since)),
            paused: pause.map(|(pause, _)| pause.clone()),
            without_pause,
            paused_deletions: pause.and_then(|_| vanished(route)),
            pending_paths: Vec::new(),
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

    /// The state alone.
    pub(super) fn state(&self, route: &Route, now: Now) -> State {
        let source = self.sources.get(&route.plan.name.source);
        match self.pauses.of(&route.plan.name, now) {
            Some(_) => State::Paused,
            None => self.state_of(route, source, now).0,
        }
    }

    /// The state with its code and reason, worst first, leaving pauses aside.
    fn state_of(
        &self,
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
            let (code, why) = why::held(&held.hold, &route.plan.name, &held.id);
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
            let why = match backoff.permanent && route.running.is_none() {
                true => format!("{why}, at once by heliostat trigger {}", route.plan.name),
                false => why,
            };
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
                "{} {paths} {verb}: {path}: {}; try {} {next}",
                grouped(many as u64),
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
                    "{} directories are not watched but polled: heliostat doctor says why",
                    report.unwatched
                )
            });
        if let Some(failing) = &route.hooking.failing {
            let next = match route.hooking.running.is_some() {
                true => "now".to_owned(),
                false => format!("in {}", seconds(failing.next)),
            };
            let why = format!(
                "hook failing: {}; try {} {next}",
                failing.reason,
                failing.tries + 1
            );
            return (State::Failing, Some("hook".to_owned()), Some(why));
        }
        if route.hooking.running.is_some() {
            let why = "the `after` hook runs".to_owned();
            return (State::Sending, None, Some(why));
        }
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
            return (state, None, partly.or_else(|| why::running(route, now)));
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
        if route.oldest().is_some() || route.hooking.owed.is_some() {
            return (State::Pending, None, Some(self.pending_reason(route, now)));
        }
        let state = match route.compared {
            true => State::InSync,
            false => State::NotCompared,
        };
        if let Some((when, reason, at)) = &route.hooking.warned {
            let why = format!("the `{}` hook failed at {at}: {reason}", when.word());
            return (state, Some("hook".to_owned()), Some(why));
        }
        if !route.compared {
            let why = partly.unwrap_or_else(|| why::not_compared(&route.plan.name));
            return (State::NotCompared, None, Some(why));
        }
        (State::InSync, None, partly)
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

/// How many names wait to be deleted on the target; `None`: nothing is.
fn vanished(route: &Route) -> Option<u64> {
    let deletes = route.plan.delete != DeletePolicy::Never;
    deletes.then(|| route.pending.gone() as u64)
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
