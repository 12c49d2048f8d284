//! The production shell: watches, transfers and answers of the real host.

mod shell;

use std::collections::{BTreeMap, HashMap};
use std::panic::AssertUnwindSafe;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use tokio::sync::{mpsc, oneshot};

use super::alarm::Alarm;
use super::clock::Clock;
use super::keeper::Keeper;
use super::metrics::Tally;
use super::news::{News, only_looks};
use super::pauses::PauseFile;
use super::question::Question;
use super::settled::Settled;
use super::signals::Signals;
use super::state::StateDir;
use super::tap::Tap;
use super::tapper::{SourceEar, Tapper};
use super::vitals::Vitals;
use crate::engine::{
    Answer, Engine, HookJob, Hooked, Input, Job, Memory, Notice, Outcome, Pause, RequestId,
    TransferId, Trouble, Verdict, WatchId, WatchReport,
};
use crate::host;
use crate::ledger::Ledger;
use crate::plan::{RouteName, SourcePlan, Target};
use crate::transfer::progress::{Cancel, Progress};
use crate::transfer::{self, Context, hook};
use crate::watch::{self, Mechanism, Surroundings, WatchHandle, WatchOptions};

/// Inputs that wait for the engine; a watch that runs ahead of it waits, and its own bounded queue takes up the rest.
const INPUTS_MAX: usize = 4096;
/// Questions from the control socket that wait for the engine.
const QUESTIONS_MAX: usize = 256;

/// A transfer that runs.
#[derive(Debug)]
pub struct Transfer {
    /// Of which route.
    pub route: RouteName,
    /// Whether it is a full pass.
    pub pass: bool,
    /// How far it is.
    pub progress: Arc<Progress>,
    cancel: Cancel,
}

/// What ends the service.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ending {
    No,
    /// What runs may end by itself until then.
    Draining {
        until: Duration,
    },
    /// Everything was told to end; what has not by then is left behind.
    Cancelling {
        until: Duration,
    },
    Over,
}

/// At SIGTERM, what runs and what is pending gets so long…
const DRAIN: Duration = Duration::from_secs(7);
/// …and what was told to end gets so long again.
const CANCEL: Duration = Duration::from_secs(4);

/// The real host.
#[derive(Debug)]
pub struct World {
    clock: Clock,
    alarm: Alarm,
    state: StateDir,
    context: Arc<Context>,
    watch_limit: Option<u64>,
    mechanism: Mechanism,
    surroundings: Surroundings,
    inputs: mpsc::Receiver<Input>,
    sender: mpsc::Sender<Input>,
    questions: mpsc::Receiver<Question>,
    asker: mpsc::Sender<Question>,
    answers: HashMap<RequestId, oneshot::Sender<Answer>>,
    last_request: u64,
    watches: HashMap<WatchId, WatchHandle>,
    transfers: HashMap<TransferId, Transfer>,
    hooks: HashMap<TransferId, Cancel>,
    settled: Settled,
    memory: Memory,
    keeper: Keeper,
    pauses: PauseFile,
    tapper: Tapper,
    news: News,
    ending: Ending,
    drain_asked: bool,
    signals: Signals,
    watched: bool,
    show_every: Duration,
    tally: Tally,
    vitals: Option<Vitals>,
}

/// What a world is made of.
#[derive(Debug)]
pub struct WorldParts {
    /// From the service's start.
    pub clock: Clock,
    /// Its own.
    pub alarm: Alarm,
    /// Held for as long as the world lives.
    pub state: StateDir,
    /// For transfers.
    pub context: Context,
    /// Watches each source may have.
    pub watch_limit: Option<u64>,
    /// What watches.
    pub mechanism: Mechanism,
    /// What was remembered before.
    pub memory: Memory,
    /// Surveys, the ledger, history.
    pub keeper: Keeper,
    /// SIGTERM, SIGINT.
    pub signals: Signals,
    /// Whether sources are watched; else each is taken as it is, once.
    pub watched: bool,
    /// While a full pass lasts, a step is made at least so often, so that its progress can be shown.
    pub show_every: Duration,
}

impl World {
    /// A world in which nothing has happened yet.
    pub fn new(parts: WorldParts) -> World {
        let pauses = PauseFile::of(parts.state.path());
        let (sender, inputs) = mpsc::channel(INPUTS_MAX);
        let (asker, questions) = mpsc::channel(QUESTIONS_MAX);
        World {
            hooks: HashMap::new(),
            settled: Settled::of(parts.state.path()),
            clock: parts.clock,
            alarm: parts.alarm,
            state: parts.state,
            context: Arc::new(parts.context),
            watch_limit: parts.watch_limit,
            mechanism: parts.mechanism,
            surroundings: if parts.watched {
                Surroundings::listen()
            } else {
                Surroundings::deaf()
            },
            inputs,
            sender,
            questions,
            asker,
            answers: HashMap::new(),
            last_request: 0,
            watches: HashMap::new(),
            transfers: HashMap::new(),
            memory: parts.memory,
            keeper: parts.keeper,
            pauses,
            tapper: Tapper::default(),
            news: News::default(),
            ending: Ending::No,
            drain_asked: false,
            signals: parts.signals,
            watched: parts.watched,
            show_every: parts.show_every,
            tally: Tally::default(),
            vitals: None,
        }
    }

    /// A service manager watches this service.
    pub fn watched_by(&mut self, vitals: Vitals) {
        self.vitals = Some(vitals);
    }

    /// The engine has made a step.
    pub fn stepped(&mut self, engine: &Engine) {
        if let Some(vitals) = &mut self.vitals {
            let now = self.clock.now();
            vitals.step(Instant::now(), self.drain_asked, || engine.summary(now));
        }
    }

    /// Where the control socket puts its questions.
    pub fn asker(&self) -> mpsc::Sender<Question> {
        self.asker.clone()
    }

    /// The ledger, to read what was sent.
    pub fn ledger(&self) -> Ledger {
        self.keeper.ledger()
    }

    /// What is counted.
    pub fn tally(&self) -> Tally {
        self.tally.clone()
    }

    /// The state directory.
    pub fn state(&self) -> &StateDir {
        &self.state
    }

    /// Where inputs from outside go.
    pub fn sender(&self) -> mpsc::Sender<Input> {
        self.sender.clone()
    }

    /// Where it is told what happens.
    pub fn tap(&self) -> &Tap {
        self.tapper.tap()
    }

    /// Where it is told that the picture is different.
    pub fn news(&self) -> &News {
        &self.news
    }

    /// After each step: what came of it is told to whoever listens.
    pub fn looked(&mut self, engine: &Engine) {
        if self.tapper.tap().is_heard() {
            self.tapper.look(engine, self.clock.now());
        }
    }

    /// For transfers.
    pub fn context(&self) -> &Arc<Context> {
        &self.context
    }

    /// What runs now.
    pub fn transfers(&self) -> impl Iterator<Item = &Transfer> {
        self.transfers.values()
    }

    /// What was remembered; taken once.
    pub fn remembered(&mut self) -> Memory {
        std::mem::take(&mut self.memory)
    }

    /// Ends watches and whatever transfers left running beside them.
    pub async fn close(self) {
        for (_, watch) in self.watches {
            // Nobody takes inputs any more, so its thread is not held up by them.
            tokio::task::spawn_blocking(move || watch.stop());
        }
        drop(self.inputs);
        // What is still to be written is waited for, on a thread that may wait.
        let _ = tokio::task::spawn_blocking(move || self.keeper.close()).await;
        transfer::close(&self.context).await;
    }

    /// Ends the loop at the next turn.
    pub fn finish(&mut self) {
        self.ending = Ending::Over;
    }

    /// Whether somebody asked for the end.
    pub fn interrupted(&self) -> bool {
        self.drain_asked
    }

    fn watch(&mut self, id: WatchId, source: &Arc<SourcePlan>) {
        let sender = self.sender.clone();
        if !self.watched {
            let source = Arc::clone(source);
            tokio::task::spawn_blocking(move || {
                let notice = match host::identify(Path::new(&source.path)) {
                    Ok(root) => Notice::Ready(WatchReport {
                        root,
                        directories: 0,
                        unwatched: 0,
                        doubted: 0,
                        by: Default::default(),
                    }),
                    Err(reason) => Notice::Waiting { reason },
                };
                // Nobody hears it only when the service is over.
                let _ = sender.blocking_send(Input::Watch(id, notice));
            });
            return;
        }
        let events = self.tally.events(&source.name);
        let sink = move |notice: Notice| {
            if let Notice::Changed(marks) = &notice {
                events.fetch_add(marks.len() as u64, Ordering::Relaxed);
            }
            sender.blocking_send(Input::Watch(id, notice)).is_ok()
        };
        let options = WatchOptions {
            cookies: self.state.cookies(&source.name, id),
            watch_limit: self.watch_limit,
            mechanism: self.mechanism,
            surroundings: self.surroundings.clone(),
            ear: Some(Arc::new(SourceEar {
                tap: self.tapper.tap().clone(),
                source: source.name.clone(),
            })),
        };
        self.watches.insert(
            id,
            watch::spawn(Arc::clone(source), options, Box::new(sink)),
        );
    }

    fn start(&mut self, job: Job) {
        let (progress, cancel) = (Arc::new(Progress::new()), Cancel::new());
        let transfer = Transfer {
            route: job.route.name.clone(),
            pass: matches!(job.work, crate::engine::Work::Pass(_)),
            progress: Arc::clone(&progress),
            cancel: cancel.clone(),
        };
        self.transfers.insert(job.id, transfer);
        let (sender, context, id) = (self.sender.clone(), Arc::clone(&self.context), job.id);
        let owes = job.owes.then(|| self.settled.clone());
        if matches!(job.route.target, Target::Local { .. }) {
            // On one thread from its beginning to its end: passing a small change on costs as much as copying it.
            tokio::task::spawn_blocking(move || {
                let run = AssertUnwindSafe(|| {
                    owe(owes, &job.route.name);
                    transfer::run_here(job, &context, &cancel, &progress)
                });
                let outcome = std::panic::catch_unwind(run);
                let outcome = outcome.unwrap_or_else(|_| broke_off("it ended in a fault"));
                // Nobody hears it only when the service is over.
                let _ = sender.blocking_send(Input::Finished(id, outcome));
            });
            return;
        }
        tokio::spawn(async move {
            let task = tokio::spawn(async move {
                if owes.is_some() {
                    let route = job.route.name.clone();
                    // A fault in it has been said.
                    let _ = tokio::task::spawn_blocking(move || owe(owes, &route)).await;
                }
                transfer::run(&job, &context, &cancel, &progress).await
            });
            let outcome = task
                .await
                .unwrap_or_else(|error| broke_off(&error.to_string()));
            // Nobody hears it only when the service is over.
            let _ = sender.send(Input::Finished(id, outcome)).await;
        });
    }

    /// Keeps the pauses, and tells who asked when they are on the disk.
    fn keep_pauses(
        &mut self,
        pauses: BTreeMap<RouteName, Pause>,
        answer: Option<(RequestId, Answer)>,
    ) {
        let keep = self.pauses.keep(pauses);
        let waiting = answer.and_then(|(id, answer)| Some((self.answers.remove(&id)?, answer)));
        tokio::task::spawn_blocking(move || {
            let kept = keep();
            if let Err(error) = &kept {
                tracing::warn!("a pause does not outlive this process: {error}");
            }
            if let Some((waiting, answer)) = waiting {
                let answer = match (kept, answer) {
                    (Err(error), Answer::Accepted(routes)) => Answer::NotKept(routes, error),
                    (_, answer) => answer,
                };
                // Who went away does not want it.
                let _ = waiting.send(answer);
            }
        });
    }

    fn hook(&mut self, job: HookJob) {
        let (id, cancel) = (job.id, Cancel::new());
        self.hooks.insert(id, cancel.clone());
        let (sender, context) = (self.sender.clone(), Arc::clone(&self.context));
        tokio::spawn(async move {
            let task = tokio::spawn(async move { hook::run(job, &context, &cancel).await });
            let hooked = task.await.unwrap_or_else(|error| Hooked {
                took: Duration::ZERO,
                failure: Some(format!("it broke off: {error}; please report it")),
            });
            // Nobody hears it only when the service is over.
            let _ = sender.send(Input::Hooked(id, hooked)).await;
        });
    }

    fn cancel_all(&mut self) {
        self.hooks.values().for_each(Cancel::cancel);
        for transfer in self.transfers.values() {
            transfer.cancel.cancel();
        }
    }

    /// The step after a signal, or after its time is up.
    fn end_harder(&mut self) {
        let now = self.clock.now().mono;
        self.ending = match self.ending {
            Ending::No => Ending::Draining { until: now + DRAIN },
            Ending::Draining { .. } => {
                tracing::info!(transfers = self.transfers.len(), "ending what still runs");
                self.cancel_all();
                Ending::Cancelling {
                    until: now + CANCEL,
                }
            }
            Ending::Cancelling { .. } | Ending::Over => Ending::Over,
        };
    }

    fn question(&mut self, question: Question) -> Input {
        if !only_looks(&question.ask) {
            self.news.ring();
        }
        self.last_request += 1;
        let id = RequestId(self.last_request);
        self.answers.insert(id, question.answer);
        Input::Ask(id, question.ask)
    }

    /// An answer that nobody waits for any more.
    fn abandoned(&mut self) -> Option<RequestId> {
        let id = *self
            .answers
            .iter()
            .find(|(_, answer)| answer.is_closed())?
            .0;
        self.answers.remove(&id);
        Some(id)
    }
}

/// Before a transfer: that nothing is owed to its route's hook does not hold any more.
fn owe(settled: Option<Settled>, route: &RouteName) {
    if let Some(Err(error)) = settled.map(|settled| settled.owe(route)) {
        tracing::warn!(
            %route,
            "cannot keep that its `after` hook is still to run: {error}; if heliostat is killed before that, it is not run"
        );
    }
}

/// What becomes of a transfer that ended in a fault of this program.
fn broke_off(why: &str) -> Outcome {
    let message = format!("the transfer broke off: {why}; please report it");
    Outcome::bare(Verdict::Retry(Trouble {
        code: "internal",
        message,
        soon: false,
    }))
}
