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
    Commit, Event, Hold, Input, RelPath, Stats, Survey, SurveyId, SurveyScope, Surveyed, Trouble,
};
use crate::filter::Filter;
use crate::host;
use crate::ledger::{Ledger, ParkedRows, Rows, Run};
use crate::plan::{RouteName, SourceName, When};
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

    /// The ledger, to read in.
    pub fn ledger(&self) -> Ledger {
        self.ledger.clone()
    }

    /// Begins a survey; its end is an input.
    pub fn survey(&mut self, survey: Survey, inputs: mpsc::Sender<Input>) {
        let stop = Arc::new(AtomicBool::new(false));
        self.surveys.insert(survey.id, Arc::clone(&stop));
        let (ledger, private) = (self.ledger.clone(), self.private.clone());
        let id = survey.id;
        answer(id, inputs, move || look(&survey, &ledger, private, &stop));
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

    /// Another root is in a source's place. Answered when it is on disk.
    pub fn disown(&self, source: SourceName, inputs: mpsc::Sender<Input>) {
        let ledger = self.ledger.clone();
        tokio::task::spawn_blocking(move || {
            ledger.disown(&source);
            // Nobody hears it only when the service is over.
            let _ = inputs.blocking_send(Input::Disowned(source));
        });
    }

    /// What is said of one route does not hold any more. Answered when it is taken back on disk.
    pub fn disown_route(&self, route: RouteName, inputs: mpsc::Sender<Input>) {
        let ledger = self.ledger.clone();
        tokio::task::spawn_blocking(move || {
            ledger.disown_route(&route);
            // As above.
            let _ = inputs.blocking_send(Input::Disowned(route.source));
        });
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

/// Looks on a thread of its own, and says what came of it in any case: a source whose survey is never over would have no
/// checkpoint any more.
fn answer(
    id: SurveyId,
    inputs: mpsc::Sender<Input>,
    look: impl FnOnce() -> Surveyed + Send + 'static,
) {
    let looked = tokio::task::spawn_blocking(look);
    tokio::spawn(async move {
        let found = looked.await.unwrap_or_else(|_| {
            Surveyed::Failed("it ended in a fault of this program: please report it".into())
        });
        // Nobody hears it only when the service is over.
        let _ = inputs.send(Input::Surveyed(id, found)).await;
    });
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
    if known.is_none() && survey.scope != SurveyScope::Everything && ledger.keeps() {
        // There is nothing that rows of some places could join: the ledger has lost the others, or never took them. Where
        // it keeps nothing at all, as on a read-only disk, it would only be asked in vain for a look at everything.
        return Surveyed::Everything;
    }
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
    let surveyed = survey::run(&request, &keep, stop);
    if survey.scope == SurveyScope::Everything {
        ledger.rest();
        host::give_back();
    }
    surveyed
}

/// What the history says of an event; `None`: nothing.
pub(super) fn run_of(event: &Event, now: Timestamp) -> Option<Run> {
    let run = |route: &RouteName, result: &str| Run {
        at: now,
        route: route.clone(),
        trigger: String::new(),
        took_ms: 0,
        lag_ms: 0,
        result: result.to_owned(),
        trouble: None,
        stats: Stats::default(),
        failed: Vec::new(),
        failed_count: 0,
    };
    let milliseconds = |span: Duration| u64::try_from(span.as_millis()).unwrap_or(u64::MAX);
    match event {
        Event::Sent(sent) => Some(Run {
            trigger: sent.trigger.to_owned(),
            took_ms: milliseconds(sent.took),
            lag_ms: milliseconds(sent.lag),
            stats: sent.stats,
            failed: sent.failures.clone(),
            failed_count: sent.failed as u64,
            ..run(
                &sent.route,
                if sent.failed == 0 { "done" } else { "partial" },
            )
        }),
        Event::Failed {
            route,
            trigger,
            took,
            stats,
            lag,
            trouble: Trouble { code, message, .. },
            ..
        } => Some(Run {
            trigger: (*trigger).to_owned(),
            took_ms: milliseconds(*took),
            lag_ms: milliseconds(*lag),
            stats: *stats,
            trouble: Some(format!("{code}: {message}")),
            ..run(route, "failed")
        }),
        Event::Cancelled {
            route,
            trigger,
            took,
            stats,
            why,
        } => Some(Run {
            trigger: (*trigger).to_owned(),
            took_ms: milliseconds(*took),
            trouble: Some(why.clone()),
            stats: *stats,
            ..run(route, "cancelled")
        }),
        Event::Held {
            route,
            trigger,
            took,
            stats,
            lag,
            hold,
            id,
        } => {
            let why = match hold {
                Hold::Deletes(plan) => {
                    format!("would delete {} of {} (id {id})", plan.count, plan.of)
                }
                Hold::Guard(refusal) => refusal.message.clone(),
            };
            Some(Run {
                trigger: (*trigger).to_owned(),
                took_ms: milliseconds(*took),
                lag_ms: milliseconds(*lag),
                stats: *stats,
                trouble: Some(why),
                ..run(route, "held")
            })
        }
        // One before a transfer is the failure of that transfer.
        Event::Hooked {
            route,
            when: When::After,
            trigger,
            hooked,
            ..
        } => hooked.failure.as_ref().map(|why| Run {
            trigger: (*trigger).to_owned(),
            took_ms: milliseconds(hooked.took),
            trouble: Some(format!("hook: {why}")),
            ..run(route, "failed")
        }),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::path::Path;

    use super::*;
    use crate::engine::{Deletions, GuardRefusal, PathFailure, Sent};
    use crate::manifest::{self, SourceFile};
    use crate::plan::{self, HostFacts, SourcePlan, TargetName};

    fn route() -> RouteName {
        RouteName {
            source: SourceName("site".into()),
            target: TargetName("copy".into()),
        }
    }

    /// A source at this place.
    fn source(path: &Path) -> Arc<SourcePlan> {
        let file = SourceFile {
            name: "one.yaml".into(),
            text: format!(
                "{{apiVersion: heliostat/v1, kind: Manifest, sources: \
                 {{site: {{path: '{}', targets: {{copy: {{path: /copy}}}}}}}}}}",
                path.display()
            ),
        };
        let (manifests, problems) = manifest::load(&[file]);
        let compiled = plan::compile(&manifests, &Default::default(), &HostFacts::default());
        let mut plan = compiled.plan.unwrap_or_else(|| panic!("{problems:?}"));
        Arc::new(plan.sources.pop_first().unwrap().1)
    }

    #[tokio::test]
    async fn a_survey_that_panics_has_failed() {
        let (inputs, mut heard) = mpsc::channel(1);
        answer(SurveyId(3), inputs, || panic!("as in a fault"));
        let told = tokio::time::timeout(Duration::from_secs(60), heard.recv());
        let told = told.await.unwrap().unwrap();
        let failed = matches!(told, Input::Surveyed(SurveyId(3), Surveyed::Failed(_)));
        assert!(failed, "{told:?}");
    }

    #[test]
    fn places_are_not_surveyed_where_the_ledger_has_no_rows_that_they_could_join() {
        let scratch = tempfile::tempdir().unwrap();
        let (root, state) = (scratch.path().join("source"), scratch.path().join("state"));
        for directory in [&root, &state] {
            std::fs::create_dir(directory).unwrap();
        }
        let ledger = Ledger::open(&state).ledger;
        let survey = |id, scope| Survey {
            id: SurveyId(id),
            source: source(&root),
            root: crate::host::identify(&root).unwrap(),
            scope,
            compare: false,
            told: Default::default(),
            release: None,
        };
        let places = || SurveyScope::Places {
            directories: BTreeSet::from([RelPath::root()]),
            subtrees: BTreeSet::new(),
        };
        let look = |survey: &Survey| look(survey, &ledger, state.clone(), &AtomicBool::new(false));
        assert_eq!(look(&survey(1, places())), Surveyed::Everything);
        let done = |found| matches!(found, Surveyed::Done { .. });
        assert!(done(look(&survey(2, SurveyScope::Everything))));
        ledger.commit(Commit {
            survey: SurveyId(2),
            source: route().source,
            key: "s".into(),
            whole: true,
            routes: Default::default(),
        });
        assert!(ledger.flush());
        assert!(done(look(&survey(3, places()))));
        assert!(ledger.clone().close());
        assert!(done(look(&survey(4, places()))), "nothing is kept any more");
    }

    #[test]
    fn a_run_says_why_it_was_made_what_it_did_and_what_failed() {
        let now = Timestamp::UNIX_EPOCH;
        let run = |event| run_of(&event, now).unwrap();
        let failure = |at: &str| PathFailure {
            path: RelPath::new(at.as_bytes()).unwrap(),
            reason: "permission denied".into(),
        };
        let stats = Stats {
            files: 5,
            created: 1,
            attributes: 2,
            bytes: 7,
            deleted: 3,
            target_entries: None,
        };
        let sent = |failed, failures| {
            run(Event::Sent(Sent {
                route: route(),
                trigger: "rescan",
                stats,
                took: Duration::from_millis(12),
                lag: Duration::from_millis(34),
                failed,
                failures,
            }))
        };
        let done = sent(0, Vec::new());
        assert_eq!((&*done.result, &*done.trigger), ("done", "rescan"));
        assert_eq!((done.took_ms, done.lag_ms, done.stats), (12, 34, stats));
        let partial = sent(30, vec![failure("a"), failure("b")]);
        assert_eq!((&*partial.result, partial.failed_count), ("partial", 30));
        assert_eq!(partial.failed, [failure("a"), failure("b")]);
        let failed = run(Event::Failed {
            route: route(),
            trigger: "change",
            took: Duration::from_secs(2),
            stats,
            lag: Duration::from_secs(3),
            trouble: Trouble {
                code: "noSpace",
                message: "it is full".into(),
                soon: false,
            },
            tries: 1,
            wait: Duration::ZERO,
        });
        assert_eq!((&*failed.result, &*failed.trigger), ("failed", "change"));
        assert_eq!(failed.trouble.as_deref(), Some("noSpace: it is full"));
        assert_eq!(
            (failed.took_ms, failed.lag_ms, failed.stats),
            (2000, 3000, stats)
        );
        let cancelled = run(Event::Cancelled {
            route: route(),
            trigger: "change",
            took: Duration::from_millis(7),
            stats,
            why: "paused by me: work".into(),
        });
        assert_eq!((&*cancelled.result, cancelled.took_ms), ("cancelled", 7));
        assert_eq!(cancelled.trouble.as_deref(), Some("paused by me: work"));
        assert_eq!(cancelled.stats.deleted, 3);
        let held = |hold| {
            run(Event::Held {
                route: route(),
                trigger: "start",
                took: Duration::from_secs(1),
                stats: Stats::default(),
                lag: Duration::from_secs(4),
                hold,
                id: "id".into(),
            })
        };
        let guard = held(Hold::Guard(GuardRefusal {
            guard: "marker",
            message: "it is not there".into(),
        }));
        assert_eq!((&*guard.result, &*guard.trigger), ("held", "start"));
        assert_eq!(guard.lag_ms, 4000);
        assert_eq!(guard.trouble.as_deref(), Some("it is not there"));
        let plan = Deletions::of([&failure("a").path]).plan("site/copy", 9);
        let deletes = held(Hold::Deletes(Arc::new(plan))).trouble.unwrap();
        assert_eq!(deletes, "would delete 1 of 9 (id id)");
    }
}
