//! Fills a page from the status, what was counted, and the process.

use std::time::Duration;

use jiff::Timestamp;

use super::page::Page;
use super::process::Process;
use super::table::*;
use super::tally::{Counts, RouteCounts};
use crate::engine::status::{RouteStatus, SourceStatus, State};
use crate::ledger::Health;
use crate::plan::{RouteName, SourceName, TargetName};
use crate::service::in_force::Origin;
use crate::service::protocol::StatusAnswer;

/// Every state a route can be in.
const STATES: [State; 10] = [
    State::Held,
    State::Failing,
    State::Waiting,
    State::Retrying,
    State::Paused,
    State::Starting,
    State::Sending,
    State::Pending,
    State::NotCompared,
    State::InSync,
];

/// Results of a reload: they are there before the first.
const RELOAD_RESULTS: [&str; 3] = ["applied", "unchanged", "rejected"];

/// What a page is made of.
#[derive(Debug)]
pub struct View<'a> {
    /// As `status` has it.
    pub status: &'a StatusAnswer,
    /// What was counted.
    pub counts: Counts,
    /// How the ledger is.
    pub ledger: Health,
    /// How long the engine took to answer.
    pub latency: Duration,
    /// When.
    pub now: Timestamp,
}

/// The page of now.
pub fn page(view: &View<'_>) -> Page {
    let mut page = Page::default();
    for route in &view.status.status.routes {
        if let Some((source, target)) = route.route.split_once('/') {
            let name = RouteName {
                source: SourceName(source.to_owned()),
                target: TargetName(target.to_owned()),
            };
            let counts = view.counts.routes.get(&name).cloned();
            one_route(
                &mut page,
                [source, target],
                route,
                counts.unwrap_or_default(),
            );
        }
    }
    for source in &view.status.status.sources {
        one_source(&mut page, source, &view.counts);
    }
    service(&mut page, view);
    if let Some(process) = Process::look() {
        page.number(&STARTED, &[], process.start);
        page.number(&CHILDREN_CPU, &[], process.children_cpu);
        page.number(&CPU, &[], process.cpu);
        page.count(&RESIDENT, &[], process.resident);
        page.number(&START, &[], process.start);
        page.count(&FDS, &[], process.fds);
        if let Some(most) = process.fds_max {
            page.count(&FDS_MAX, &[], most);
        }
    }
    page
}

fn one_route(page: &mut Page, name: [&str; 2], route: &RouteStatus, counts: RouteCounts) {
    let [source, target] = name;
    for state in STATES {
        let labels = [source, target, &label(state)];
        page.flag(&ROUTE_STATE, &labels, route.state == state);
    }
    if let Some(hold) = &route.hold {
        page.flag(&ROUTE_HELD, &[source, target, &hold.reason], true);
    }
    if let Some(otherwise) = route.without_pause {
        let labels = [source, target, &label(otherwise)];
        page.flag(&ROUTE_PAUSED, &labels, true);
    }
    if let Some(code) = &route.code {
        page.flag(&ROUTE_TROUBLE, &[source, target, code], true);
    }
    let labels = &[source, target][..];
    if let Some(count) = route.paused_deletions {
        page.count(&ROUTE_PAUSED_DELETIONS, labels, count);
    }
    page.number(&ROUTE_LAG, labels, route.lag_seconds.unwrap_or(0.0));
    page.count(&ROUTE_PENDING, labels, route.pending);
    page.count(&ROUTE_FAILING, labels, route.failing_count);
    let mut at = |metric, time: Option<Timestamp>| {
        if let Some(time) = time {
            page.number(metric, labels, seconds(time));
        }
    };
    let paused = route.paused.as_ref();
    at(&ROUTE_PAUSED_SINCE, paused.map(|pause| pause.since));
    at(&ROUTE_PAUSED_UNTIL, paused.map(|pause| pause.until));
    at(&ROUTE_LAST_SUCCESS, parsed(route.last_good.as_deref()));
    at(&ROUTE_COMPARED, parsed(route.last_compared.as_deref()));
    at(&ROUTE_NEXT_RESCAN, parsed(route.next_rescan.as_deref()));
    for (outcome, count) in [
        ("done", counts.done),
        ("partial", counts.partial),
        ("failed", counts.failed),
        ("held", counts.held),
        ("cancelled", counts.cancelled),
    ] {
        page.count(&ROUTE_TRANSFERS, &[source, target, outcome], count);
    }
    page.count(&ROUTE_BYTES, labels, counts.bytes);
    page.count(&ROUTE_FILES, labels, counts.files);
    page.count(&ROUTE_DELETED, labels, counts.deleted);
    page.durations(&ROUTE_DURATION, labels, counts.took);
}

/// A state as a label's value.
fn label(state: State) -> String {
    state.word().replace(' ', "_")
}

fn one_source(page: &mut Page, source: &SourceStatus, counts: &Counts) {
    let name = &[source.name.as_str()][..];
    page.flag(&SOURCE_READY, name, source.ready);
    page.flag(&SOURCE_WAITING, name, source.waiting.is_some());
    page.count(&SOURCE_DIRECTORIES, name, source.directories);
    page.count(&SOURCE_POLLED, name, source.unwatched);
    page.count(&SOURCE_DOUBTED, name, source.doubted);
    if let Some(mechanism) = &source.mechanism {
        page.flag(&SOURCE_MECHANISM, &[&source.name, mechanism], true);
    }
    let counts = counts.sources.get(&SourceName(source.name.clone()));
    let (events, lost) = counts.map_or((0, 0), |counts| (counts.events(), counts.lost));
    page.count(&SOURCE_EVENTS, name, events);
    page.count(&SOURCE_LOST, name, lost);
}

fn service(page: &mut Page, view: &View<'_>) {
    let (status, counts) = (view.status, &view.counts);
    let standing = &status.in_force;
    page.flag(&BUILD, &[&status.version], true);
    page.count(&GENERATION, &[], status.status.generation);
    let origin = match standing.origin {
        Origin::Files => "files",
        Origin::Rollback { .. } => "rollback",
        Origin::LastGood { .. } => "last_good",
    };
    page.flag(&ORIGIN, &[origin], true);
    if let Some(since) = parsed(Some(&standing.since)) {
        page.number(&PLAN_SINCE, &[], seconds(since));
    }
    page.flag(&DRIFT, &[], status.drift.is_some());
    page.flag(&REJECTED, &[], standing.rejected.is_some());
    for result in RELOAD_RESULTS {
        let count = counts.reloads.get(result).copied();
        page.count(&RELOADS, &[result], count.unwrap_or_default());
    }
    // fanotify marks a file system, and polling watches nothing.
    let watching = status.status.sources.iter().filter(|source| {
        let mechanism = source.mechanism.as_deref();
        matches!(mechanism, Some("inotify" | "notify"))
    });
    page.count(
        &WATCHES,
        &[],
        watching.map(|source| source.directories).sum(),
    );
    if let Some(limit) = status.watch_limit {
        page.count(&WATCHES_MAX, &[], limit);
    }
    page.number(&LATENCY, &[], view.latency.as_secs_f64());
    page.flag(&LEDGER_KEPT, &[], view.ledger.kept);
    page.flag(&LEDGER_DAMAGED, &[], view.ledger.damaged);
    page.number(&WRITTEN, &[], seconds(view.now));
    for ((kind, result), count) in &counts.heartbeats {
        page.count(&HEARTBEATS, &[kind, result], *count);
    }
    if let Some(last) = counts.heartbeat {
        page.number(&HEARTBEAT_LAST, &[], seconds(last));
    }
}

fn parsed(time: Option<&str>) -> Option<Timestamp> {
    time?.parse().ok()
}

fn seconds(time: Timestamp) -> f64 {
    time.as_duration().as_secs_f64()
}
