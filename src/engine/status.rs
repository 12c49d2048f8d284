//! The picture that `status` shows, as data.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::core::Engine;
use super::route::{Due, Route};
use super::source::Source;
use super::{Hold, Now, escape};
use crate::plan::{Sync, Target};

/// Everything, worst route first.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Status {
    /// Counts the plans that were taken over since the start.
    pub generation: u64,
    /// By name.
    pub sources: Vec<SourceStatus>,
    /// Worst first, then by name.
    pub routes: Vec<RouteStatus>,
}

/// One source.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SourceStatus {
    /// Its name.
    pub name: String,
    /// Its root.
    pub path: String,
    /// Whether every directory in scope is watched or polled.
    pub ready: bool,
    /// Directories watched.
    pub directories: u64,
    /// Directories that should be watched and are polled instead.
    pub unwatched: u64,
    /// Why it is not ready.
    pub waiting: Option<String>,
}

/// How a route is. In the order of how much it wants to be looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum State {
    /// Waits for an operator or a guard.
    #[serde(rename = "held")]
    Held,
    /// Only a change of the manifest, the host or the peer helps; tried again slowly.
    #[serde(rename = "failing")]
    Failing,
    /// The source is not there.
    #[serde(rename = "waiting")]
    Waiting,
    /// Failed as a whole, tried again with backoff.
    #[serde(rename = "retrying")]
    Retrying,
    /// Not known yet: no pass has ended since the start.
    #[serde(rename = "starting")]
    Starting,
    /// A transfer runs.
    #[serde(rename = "sending")]
    Sending,
    /// Changes wait for their window, schedule or turn.
    #[serde(rename = "pending")]
    Pending,
    /// `onStart: never`, and nothing has changed since: taken to be right, not compared.
    #[serde(rename = "not compared")]
    NotCompared,
    /// Every change up to now is on the target.
    #[serde(rename = "in sync")]
    InSync,
}

impl State {
    /// As `status` prints it.
    pub fn word(self) -> &'static str {
        match self {
            State::Held => "held",
            State::Failing => "failing",
            State::Waiting => "waiting",
            State::Retrying => "retrying",
            State::Starting => "starting",
            State::Sending => "sending",
            State::Pending => "pending",
            State::NotCompared => "not compared",
            State::InSync => "in sync",
        }
    }
}

/// One route.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RouteStatus {
    /// `source/target`.
    pub route: String,
    /// Where to, without secrets.
    pub target: String,
    /// How it is.
    pub state: State,
    /// Age of the oldest change that is not on the target, in seconds.
    pub lag_seconds: Option<f64>,
    /// Changed paths that are not on the target.
    pub pending: u64,
    /// When a transfer last succeeded.
    pub last_good: Option<String>,
    /// When the next periodic pass is due.
    pub next_rescan: Option<String>,
    /// When gathered changes are sent next.
    pub next_sync: Option<String>,
    /// A stable word for the trouble, if there is one.
    pub code: Option<String>,
    /// What to know or to do, one line.
    pub why: Option<String>,
    /// What is held.
    pub hold: Option<HoldStatus>,
    /// Failing paths, the first [`PATHS_MAX`].
    pub failing: Vec<PathStatus>,
    /// How many fail.
    pub failing_count: u64,
    /// Transfers since the start.
    pub transfers: u64,
    /// Entries sent since the start.
    pub files: u64,
    /// Bytes sent since the start.
    pub bytes: u64,
    /// Entries deleted since the start.
    pub deleted: u64,
}

/// What is held.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct HoldStatus {
    /// For `approve`.
    pub id: String,
    /// `deletes`, or the guard's name.
    pub reason: String,
    /// Entries that would be deleted.
    pub count: Option<u64>,
    /// Of so many on the target.
    pub of: Option<u64>,
    /// The first of them.
    pub sample: Vec<String>,
    /// Since when.
    pub since: String,
}

/// A failing path.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PathStatus {
    /// Which, escaped.
    pub path: String,
    /// Why.
    pub reason: String,
    /// Since when.
    pub since: String,
    /// Tries so far.
    pub tries: u32,
    /// Seconds until the next.
    pub next_try_seconds: f64,
}

/// Failing paths in one answer.
pub const PATHS_MAX: usize = 1000;

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
    SourceStatus {
        name: source.plan.name.to_string(),
        path: source.plan.path.clone(),
        ready: source.is_ready(),
        directories: report.map_or(0, |report| report.directories),
        unwatched: report.map_or(0, |report| report.unwatched),
        waiting: source.waiting.clone(),
    }
}

fn route_status(route: &Route, source: Option<&Source>, now: Now) -> RouteStatus {
    let (state, code, why) = state_of(route, source, now);
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
        failing: route
            .failing
            .iter()
            .take(PATHS_MAX)
            .map(|(path, failed)| PathStatus {
                path: path.to_string(),
                reason: failed.reason.clone(),
                since: failed.since.to_string(),
                tries: failed.tries,
                next_try_seconds: seconds(failed.next),
            })
            .collect(),
        failing_count: route.failing.len() as u64,
        transfers: route.transfers,
        files: route.totals.files,
        bytes: route.totals.bytes,
        deleted: route.totals.deleted,
    }
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
    if let Some((path, failed)) = route.failing.first_fault() {
        let many = route.failing.len();
        let (paths, verb) = if many == 1 {
            ("path", "fails")
        } else {
            ("paths", "fail")
        };
        let why = format!(
            "{many} {paths} {verb}: {path}: {}; try {} in {}",
            failed.reason,
            failed.tries + 1,
            seconds(failed.next)
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
    if route.oldest().is_some() {
        return (State::Pending, None, Some(pending_reason(route, now)));
    }
    if !route.compared {
        return (State::NotCompared, None, partly);
    }
    (State::InSync, None, partly)
}

fn pending_reason(route: &Route, now: Now) -> String {
    if !crate::schedule::open(&route.plan.windows, now.wall) {
        let opens = crate::schedule::next_change(&route.plan.windows, now.wall);
        return opens.map_or("no window is open".to_owned(), |at| {
            format!("no window is open until {at}")
        });
    }
    if matches!(route.plan.sync, Sync::Scheduled(_)) && !route.flush {
        return route
            .next_sync
            .map_or("gathered".to_owned(), |at| format!("gathered, sent {at}"));
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

/// Seconds for people: `5s`, `14m`, `3h`, `12d`.
pub fn span(seconds: u64) -> String {
    match seconds {
        0..=119 => format!("{seconds}s"),
        120..=7199 => format!("{}m", seconds / 60),
        7200..=172_799 => format!("{}h", seconds / 3600),
        _ => format!("{}d", seconds / 86_400),
    }
}
