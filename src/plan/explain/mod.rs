//! A plan told to people: what is watched, when what is sent, what may be deleted, and with which commands.
//!
//! First the plan becomes [`sheet`]s (headings with rows of words), then a renderer lays them out. The command lines come
//! in as texts, because what a transfer looks like is known one floor above; so does what watches a source, which is the host's. Called by `plan` and by `--dry-run`.

mod render;
mod sheet;
#[cfg(test)]
mod tests;
pub(super) mod words;

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::Serialize;

pub(super) use self::render::{code, plain};
pub use self::sheet::{Kind, Row, Value};
pub use self::words::grouped;

use super::{Plan, RouteName, RoutePlan, SourcePlan, Sync};
use crate::schedule::{self, Schedule};

/// A plan at an instant on a host.
pub struct Explain<'a> {
    /// What to explain.
    pub plan: &'a Plan,
    /// From when on the next times count.
    pub now: Timestamp,
    /// The host's name.
    pub host: &'a str,
    /// The command lines of a route, as they would be typed; none for what is copied in process.
    pub command_lines: &'a dyn Fn(&SourcePlan, &RoutePlan) -> Vec<String>,
    /// What watches a source, and why: the host's answer.
    pub watched_by: &'a dyn Fn(&SourcePlan) -> String,
}

impl Explain<'_> {
    /// What there is to say of one route, key by key, without those of which there is nothing.
    pub fn route(&self, source: &SourcePlan, route: &RoutePlan) -> Vec<Row> {
        let mut rows = sheet::route_sheet(self, source, route).rows;
        rows.retain(|row| !row.values.is_empty());
        rows
    }

    /// Aligned text.
    pub fn human(&self) -> String {
        render::human(&sheet::head(self), &sheet::sheets(self))
    }

    /// Headings and tables, for a merge request or a wiki.
    pub fn markdown(&self) -> String {
        render::markdown(&sheet::head(self), &sheet::sheets(self))
    }
}

/// What happens to a route by the clock.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct NextTime {
    /// Whose.
    pub route: RouteName,
    /// What happens.
    pub what: What,
    /// When; in the time zone of its schedule it is the wall clock's.
    #[schemars(with = "String")]
    pub at: Timestamp,
}

/// What happens by the clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum What {
    /// A full pass.
    Rescan,
    /// What was gathered is sent.
    Send,
    /// The windows open: transfers may start.
    WindowOpens,
    /// The windows close: no transfer starts.
    WindowCloses,
}

/// The next time of everything that a route does by the clock, as if the service had started `now`; in the order of time.
pub fn next_times(route: &RoutePlan, now: Timestamp, host: &str) -> Vec<NextTime> {
    let key = jitter_key(host, &route.name);
    let due = |schedule: &Schedule| schedule.next_after(now, &key);
    let mut out = Vec::new();
    let mut push = |what: What, at: Option<Timestamp>| {
        out.extend(at.map(|at| NextTime {
            route: route.name.clone(),
            what,
            at,
        }));
    };
    push(What::Rescan, route.rescan.schedule.as_ref().and_then(due));
    if let Sync::Scheduled(schedule) = &route.sync {
        push(What::Send, due(schedule));
    }
    let change = if schedule::open(&route.windows, now) {
        What::WindowCloses
    } else {
        What::WindowOpens
    };
    push(change, schedule::next_change(&route.windows, now));
    out.sort_by_key(|next| next.at);
    out
}

/// What a route's share of a schedule's jitter is a hash of: the same route on many hosts is spread, too. Whoever runs
/// a plan must use the same, or what was printed is not what happens.
pub fn jitter_key(host: &str, route: &RouteName) -> String {
    format!("{host}/{route}")
}
