//! Tells the [`Tap`](super::tap) what the watches hear, the engine decides and the transfers do.
//!
//! It looks on from the driver's loop and from the watches' threads, and changes nothing there. While nobody listens it
//! does nothing; what it does while somebody does is bounded for each step.

use std::collections::HashMap;

use jiff::Timestamp;

use super::keeper::run_of;
use super::tap::{SAMPLE_MAX, Tap, What};
use crate::engine::{
    Dirt, Engine, Event, Glimpse, Hold, Input, Job, Mark, Notice, Now, RelPath, TransferId,
    WatchId, Work,
};
use crate::filter::{Filter, FilterSpec, Rule, Verdict};
use crate::plan::{RouteName, SourceName, SourcePlan};
use crate::watch::{By, Ear, LeftOut};

/// Marks of one notice that are told by name; a watch tells a few hundred at most, a wide loss many.
const MARKS_MAX: usize = 256;

/// Who looks on.
#[derive(Debug, Default)]
pub struct Tapper {
    tap: Tap,
    /// What was heard in this step: the marks, and how many more there are.
    heard: Option<(WatchId, Vec<Mark>)>,
    started: Vec<Began>,
    /// Routes' own filters, compiled.
    filters: HashMap<RouteName, (FilterSpec, Filter)>,
}

/// A transfer that began in this step.
#[derive(Debug)]
struct Began {
    id: TransferId,
    route: RouteName,
    kind: &'static str,
    paths: usize,
    sample: Vec<String>,
}

impl Tapper {
    /// Where it is told.
    pub fn tap(&self) -> &Tap {
        &self.tap
    }

    /// What is about to go into the engine.
    pub fn hear(&mut self, input: &Input) {
        if !self.tap.is_heard() {
            return;
        }
        if let Input::Watch(watch, Notice::Changed(marks)) = input {
            let some = marks.iter().take(MARKS_MAX).cloned();
            self.heard = Some((*watch, some.collect()));
        }
    }

    /// A transfer begins.
    pub fn starts(&mut self, job: &Job) {
        if !self.tap.is_heard() {
            return;
        }
        let (kind, paths, sample) = match &job.work {
            Work::Pass(_) => ("pass", 0, Vec::new()),
            Work::Batch(marks) => {
                let some = marks.iter().take(SAMPLE_MAX);
                let some = some.map(|mark| mark.path.to_string());
                ("batch", marks.len(), some.collect())
            }
        };
        self.started.push(Began {
            id: job.id,
            route: job.route.name.clone(),
            kind,
            paths,
            sample,
        });
    }

    /// What operators read.
    pub fn tells(&mut self, event: &Event, now: Timestamp) {
        if !self.tap.is_heard() {
            return;
        }
        if let Some(run) = run_of(event, now) {
            self.tap.tell(now, What::Outcome(run.into()));
        }
        if let Some(state) = state_of(event) {
            self.tap.tell(now, state);
        }
    }

    /// After a step.
    pub fn look(&mut self, engine: &Engine, now: Now) {
        // Mostly both are empty, also where somebody listens.
        if let Some((watch, marks)) = self.heard.take() {
            let plan = engine.watched_by(watch).cloned();
            if let Some(plan) = plan {
                self.events(&plan, &marks, now);
                self.windows(&plan, &marks, engine.glimpses(&plan.name, now), now);
            }
        }
        for began in std::mem::take(&mut self.started) {
            let trigger = engine.trigger_of(&began.route, began.id);
            let what = What::Transfer {
                route: began.route.to_string(),
                transfer: began.id.0,
                trigger: trigger.unwrap_or_default().to_owned(),
                kind: began.kind.to_owned(),
                paths: began.paths as u64,
                sample: began.sample,
            };
            self.tap.tell(now.wall, what);
        }
    }

    fn events(&self, source: &SourcePlan, marks: &[Mark], now: Now) {
        for mark in marks {
            let what = What::Event {
                source: source.name.to_string(),
                path: mark.path.to_string(),
                dirt: mark.dirt.to_string(),
            };
            self.tap.tell(now.wall, what);
        }
    }

    fn windows(&mut self, source: &SourcePlan, marks: &[Mark], routes: Vec<Glimpse<'_>>, now: Now) {
        for route in routes {
            let name = &route.plan.name;
            if route.plan.filter != source.filter {
                for what in self.left_out(source, &route, marks) {
                    self.tap.tell(now.wall, what);
                }
            }
            if route.waiting == 0 {
                continue;
            }
            let leaves = route.leaves.map(|leaves| leaves.as_millis() as u64);
            let what = What::Window {
                route: name.to_string(),
                paths: route.waiting as u64,
                leaves_in_ms: leaves,
                why: route.why.clone(),
            };
            self.tap.tell(now.wall, what);
        }
    }

    /// What this route leaves out of what its source has.
    fn left_out(&mut self, source: &SourcePlan, route: &Glimpse<'_>, marks: &[Mark]) -> Vec<What> {
        let name = &route.plan.name;
        let kept = self.filters.get(name);
        if kept.is_none_or(|(spec, _)| *spec != route.plan.filter) {
            let Ok(filter) = Filter::compile(&route.plan.filter) else {
                return Vec::new(); // a plan that exists has filters that compile
            };
            let spec = route.plan.filter.clone();
            self.filters.insert(name.clone(), (spec, filter));
        }
        let Some((_, filter)) = self.filters.get(name) else {
            return Vec::new();
        };
        let left_out = |mark: &Mark| {
            // What a file's mark is on may have become a directory: then the transfer sees it.
            let directory = mark.dirt.has(Dirt::SUBTREE) || mark.dirt.has(Dirt::LISTING);
            let decided = filter.decide(mark.path.as_bytes(), directory);
            let excluded = decided.verdict == Verdict::Excluded && !mark.path.is_root();
            excluded.then(|| {
                let by = match decided.rule {
                    Some(_) => "exclude",
                    None => "include",
                };
                let at = (&source.name, Some(name));
                filtered(at, &mark.path, None, by, decided.rule)
            })
        };
        marks.iter().filter_map(left_out).collect()
    }
}

fn filtered(
    (source, route): (&SourceName, Option<&RouteName>),
    path: &RelPath,
    event: Option<&str>,
    by: &str,
    rule: Option<&Rule>,
) -> What {
    let origin = rule.and_then(|rule| rule.origin.as_ref());
    let place = origin.map(|origin| format!("{}:{}", origin.file, origin.line));
    What::Filtered {
        source: source.to_string(),
        route: route.map(ToString::to_string),
        path: path.to_string(),
        event: event.map(str::to_owned),
        by: by.to_owned(),
        rule: rule.map(|rule| rule.pattern.clone()),
        place,
    }
}

/// What a watch leaves out, told to the tap from the watch's thread.
#[derive(Debug)]
pub struct SourceEar {
    /// Where it is told.
    pub tap: Tap,
    /// Whose watch.
    pub source: SourceName,
}

impl Ear for SourceEar {
    fn listens(&self) -> bool {
        self.tap.is_heard()
    }

    fn left_out(&self, left: LeftOut<'_>) {
        let (by, rule) = match left.by {
            By::Rule(rule) => ("exclude", Some(rule)),
            By::NoInclude => ("include", None),
            By::Events => ("events", None),
        };
        let at = (&self.source, None);
        let what = filtered(at, left.path, Some(left.event), by, rule);
        self.tap.tell(Timestamp::now(), what);
    }
}

/// What an event says of a route or a source, beside what the history says of it.
fn state_of(event: &Event) -> Option<What> {
    let of_route = |route: &RouteName, state: &str, text: String| {
        Some(What::State {
            source: route.source.to_string(),
            route: Some(route.to_string()),
            state: state.to_owned(),
            text,
        })
    };
    let of_source = |source: &SourceName, state: &str, text: String| {
        Some(What::State {
            source: source.to_string(),
            route: None,
            state: state.to_owned(),
            text,
        })
    };
    match event {
        Event::Ready(source, report) => {
            let text = format!(
                "{} directories by {}",
                report.directories, report.by.mechanism
            );
            of_source(source, "watched", text)
        }
        Event::Waiting(source, reason) => of_source(source, "waiting", reason.clone()),
        Event::Lost(source, reason) => of_source(source, "lost", reason.clone()),
        Event::Surveyed(source, differ) => {
            let text = match differ {
                Some(differ) => format!("{differ} paths differ from what is known"),
                None => "too much differs from what is known".to_owned(),
            };
            of_source(source, "surveyed", text)
        }
        Event::SurveyFailed(source, reason) => of_source(source, "notSurveyed", reason.clone()),
        Event::Replaced(route) => {
            let text = "another directory is in the target's place".to_owned();
            of_route(route, "replaced", text)
        }
        Event::Parked(route) => {
            of_route(route, "parked", "its changes are left to the ledger".into())
        }
        Event::Unparked(route, differ) => {
            let text = match differ {
                Some(differ) => format!("{differ} paths differ"),
                None => "everything is compared".to_owned(),
            };
            of_route(route, "unparked", text)
        }
        Event::Held {
            route, hold, id, ..
        } => {
            let text = match hold {
                Hold::Deletes(_) => format!("heliostat approve {route} --id {id}"),
                Hold::Guard(refusal) => refusal.message.clone(),
            };
            of_route(route, "held", text)
        }
        Event::Released(route) => of_route(route, "released", String::new()),
        Event::Recovered(route) => of_route(route, "recovered", String::new()),
        Event::Paused(route, pause) => {
            let reason = pause.reason.as_deref().unwrap_or("no reason given");
            let text = format!("by {} until {:.0}: {reason}", pause.by, pause.until);
            of_route(route, "paused", text)
        }
        Event::Resumed(route, by) => {
            let text = by
                .as_ref()
                .map_or("its time is up".to_owned(), |by| format!("by {by}"));
            of_route(route, "resumed", text)
        }
        Event::Hooked {
            route,
            when,
            hooked,
            ..
        } => {
            let state = match hooked.failure {
                Some(_) => "hookFailed",
                None => "hookDone",
            };
            let reason = hooked.failure.as_deref().unwrap_or("done");
            of_route(route, state, format!("`{}`: {reason}", when.word()))
        }
        Event::Note(route, note) => {
            let text = format!("{}: {}", note.path, note.text);
            of_route(route, "note", text)
        }
        Event::PathsFailing {
            route,
            count,
            first: (path, reason),
        } => {
            let text = format!("{count} paths, the first: {path}: {reason}");
            of_route(route, "failing", text)
        }
        Event::Sent(_) | Event::Failed { .. } | Event::Cancelled { .. } => None,
    }
}
