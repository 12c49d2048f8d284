//! The checkpoint's hands: makes surveys, keeps their rows in the ledger, and books transfers.
//!
//! It decides nothing: what is surveyed, committed or forgotten is the engine's word.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, SystemTime};

use jiff::Timestamp;
use tokio::sync::mpsc;

use crate::engine::{
    Commit, Event, Hold, Input, RelPath, Stats, Survey, SurveyId, Surveyed, Trouble,
};
use crate::filter::Filter;
use crate::ledger::{Ledger, ParkedRows, Rows, Run};
use crate::plan::{RouteName, SourceName};
use crate::survey::{self, Base, Request};

/// More threads only compete with the transfers for the same disks.
const THREADS_MAX: usize = 4;

/// The checkpoint's hands.
#[derive(Debug)]
pub struct Keeper {
    ledger: Ledger,
    /// The state directory, which is never part of a source.
    private: PathBuf,
    /// The surveys that are under way or wait to be committed; set: not any more.
    surveys: HashMap<SurveyId, Arc<AtomicBool>>,
}

impl Keeper {
    /// One that has nothing to do yet.
    pub fn new(ledger: Ledger, private: PathBuf) -> Keeper {
        Keeper {
            ledger,
            private,
            surveys: HashMap::new(),
        }
    }

    /// Begins a survey; its end is an input.
    pub fn survey(&mut self, survey: Survey, inputs: mpsc::Sender<Input>) {
        let stop = Arc::new(AtomicBool::new(false));
        self.surveys.insert(survey.id, Arc::clone(&stop));
        let (ledger, private) = (self.ledger.clone(), self.private.clone());
        tokio::task::spawn_blocking(move || {
            let found = look(&survey, &ledger, private, &stop);
            // Nobody hears it only when the service is over.
            let _ = inputs.blocking_send(Input::Surveyed(survey.id, found));
        });
    }

    /// Its rows are void.
    pub fn forget(&mut self, id: SurveyId) {
        if let Some(stop) = self.surveys.remove(&id) {
            stop.store(true, Ordering::Relaxed);
        }
        self.ledger.forget(id);
    }

    /// Writes a checkpoint.
    pub fn commit(&mut self, commit: Commit) {
        self.surveys.remove(&commit.survey);
        let (source, whole) = (&commit.source, commit.whole);
        let marks: usize = commit.routes.values().map(|route| route.marks.len()).sum();
        tracing::debug!(%source, whole, marks, "checkpoint");
        self.ledger.commit(commit);
    }

    /// Keeps mount points.
    pub fn remember(&self, source: &SourceName, mounts: Vec<RelPath>) {
        self.ledger.remember_mounts(source, mounts);
    }

    /// Books what became of a transfer.
    pub fn book(&self, event: &Event, now: Timestamp) {
        if let Some(run) = run_of(event, now) {
            self.ledger.book(run);
        }
    }

    /// Ends the surveys, and waits until the ledger is written.
    pub fn close(self) {
        for stop in self.surveys.values() {
            stop.store(true, Ordering::Relaxed);
        }
        if !self.ledger.close() {
            tracing::warn!("the ledger was not written to its end: the next start looks at more");
        }
    }
}

/// The ledger's rows of a source, as a survey wants them.
enum Known {
    Rows(Rows),
    /// As they were when a route was parked.
    Parked(ParkedRows),
}

impl Base for Known {
    fn row(&self, directory: &RelPath) -> Option<Vec<u8>> {
        match self {
            Known::Rows(rows) => rows.row(directory),
            Known::Parked(rows) => rows.row(directory),
        }
    }
}

fn look(survey: &Survey, ledger: &Ledger, private: PathBuf, stop: &AtomicBool) -> Surveyed {
    let filter = match Filter::compile(&survey.source.filter) {
        Ok(filter) => filter,
        Err(error) => return Surveyed::Failed(format!("filter: {}", error.message)),
    };
    let known = match &survey.release {
        None => ledger.rows(&survey.source.name).map(Known::Rows),
        Some(route) => ledger.parked(route).map(Known::Parked),
    };
    let threads = thread::available_parallelism().map_or(1, |threads| threads.get());
    let request = Request {
        survey,
        filter: &filter,
        private: &private,
        base: known.as_ref().map(|known| known as &dyn Base),
        threads: threads.min(THREADS_MAX),
        now: SystemTime::now,
    };
    let keep = |rows| {
        if survey.release.is_none() && !stop.load(Ordering::Relaxed) {
            ledger.stage(survey.id, rows);
        }
    };
    survey::run(&request, &keep, stop)
}

fn run_of(event: &Event, now: Timestamp) -> Option<Run> {
    let run = |route: &RouteName, result: &str, trouble: Option<String>| Run {
        at: now,
        route: route.clone(),
        trigger: String::new(),
        took_ms: 0,
        lag_ms: 0,
        result: result.to_owned(),
        trouble,
        stats: Stats::default(),
        failed: Vec::new(),
        failed_count: 0,
    };
    let milliseconds = |span: Duration| u64::try_from(span.as_millis()).unwrap_or(u64::MAX);
    match event {
        Event::Sent(sent) => {
            let result = if sent.failed == 0 { "done" } else { "partial" };
            Some(Run {
                trigger: sent.trigger.to_owned(),
                took_ms: milliseconds(sent.took),
                lag_ms: milliseconds(sent.lag),
                stats: sent.stats,
                failed_count: sent.failed as u64,
                ..run(&sent.route, result, None)
            })
        }
        Event::Failed { route, trouble, .. } => {
            let Trouble { code, message, .. } = trouble;
            Some(run(route, "failed", Some(format!("{code}: {message}"))))
        }
        Event::Held { route, hold, id } => {
            let why = match hold {
                Hold::Deletes(plan) => {
                    format!("would delete {} of {} (id {id})", plan.count, plan.of)
                }
                Hold::Guard(refusal) => refusal.message.clone(),
            };
            Some(run(route, "held", Some(why)))
        }
        _ => None,
    }
}
