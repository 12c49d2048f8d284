//! Takes changed files over, or an earlier generation, one order after the other.
//!
//! All or nothing: what cannot be read and compiled as a whole changes nothing, and who asked hears why. What can is kept
//! as a generation, handed to the engine, and said to be in force. What is equal to what runs is said to be that.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tokio::sync::{mpsc, oneshot};

use super::generations::{Generation, Generations};
use super::in_force::{InForce, Origin, Standing};
use super::manager::Manager;
use super::metrics::Tally;
use super::protocol::FORMAT_VERSION;
use super::question::Question;
use super::reading::{Diagnostics, Reader, Reading, Rejection};
use crate::engine::{Answer, Ask, Memory, Reload};
use crate::plan::{self, Class, Limits, Plan};

/// Transfers of the earlier plan are waited for that long; then they are said to be still there.
const LEAVE: Duration = Duration::from_secs(15);

/// Something to be taken over.
#[derive(Debug)]
pub struct Order {
    /// What.
    pub wish: Wish,
    /// Who asks: `reload`, `rollback`, `SIGHUP`, `watchManifests`.
    pub by: &'static str,
    /// Where the answer goes.
    pub answer: Option<oneshot::Sender<Reloaded>>,
}

/// What is to be taken over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wish {
    /// The files, as they are now.
    Files,
    /// An earlier generation; `None`: the one before that which is in force.
    Back(Option<u64>),
}

/// What became of an order.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Reloaded {
    /// [`FORMAT_VERSION`].
    pub format_version: u32,
    /// What became of it.
    pub result: Verdict,
    /// The generation that is in force now.
    pub generation: u64,
    /// Of the plan in force.
    pub digest: String,
    /// The commit that its files were checked out from.
    pub revision: Option<String>,
    /// Why it was rejected.
    pub error: Option<String>,
    /// How many sources and routes there are of each class that is not `keep`, and `keep`.
    pub classes: BTreeMap<String, Classes>,
    /// Whether transfers of the earlier plan were still ending.
    pub leaving: bool,
    /// What takes effect with the next start only, and the like.
    pub notes: Vec<String>,
    /// For people: warnings, or what is wrong.
    pub report: String,
    /// For programs: the same.
    pub diagnostics: Value,
}

/// So many of a class.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Classes {
    /// Sources.
    pub sources: usize,
    /// Routes.
    pub routes: usize,
}

/// What became of an order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Verdict {
    /// It is in force.
    Applied,
    /// It was in force already.
    Unchanged,
    /// Nothing was changed.
    Rejected,
}

impl Verdict {
    /// In one word.
    pub fn word(self) -> &'static str {
        match self {
            Verdict::Applied => "applied",
            Verdict::Unchanged => "unchanged",
            Verdict::Rejected => "rejected",
        }
    }
}

/// Takes over.
#[derive(Debug)]
pub struct Reloader {
    /// Reads the files.
    pub reader: Arc<dyn Reader>,
    /// Earlier plans.
    pub generations: Generations,
    /// What is in force.
    pub in_force: InForce,
    /// As it is in force.
    pub plan: Plan,
    /// Of the whole service, as in force.
    pub limits: Limits,
    /// This host's name.
    pub host: String,
    /// Asks the engine.
    pub asker: mpsc::Sender<Question>,
    /// Counts attempts.
    pub tally: Tally,
    /// Hears of it.
    pub manager: Manager,
}

/// What is about to be in force.
struct Candidate {
    plan: Plan,
    limits: Limits,
    revision: Option<String>,
    /// Of an earlier generation; `None`: it gets the next one.
    number: Option<u64>,
    origin: Origin,
    notes: Vec<String>,
    diagnostics: Diagnostics,
}

impl Reloader {
    /// Carries orders out until nobody gives any.
    pub async fn run(mut self, mut orders: mpsc::Receiver<Order>) {
        while let Some(Order { wish, by, answer }) = orders.recv().await {
            let began = Instant::now();
            let told = self.manager.reloading().await;
            let reloaded = match self.candidate(wish).await {
                Ok(candidate) => self.apply(candidate).await,
                Err(rejection) => Err(rejection),
            };
            let reloaded = match reloaded {
                Ok(reloaded) => reloaded,
                Err(rejection) => self.reject(by, rejection),
            };
            self.tally.reload(reloaded.result.word());
            tell(by, &reloaded, began.elapsed());
            if told {
                let rejected = reloaded.error.as_ref().map(|reason| {
                    format!(
                        "reload rejected, generation {} goes on: {reason}",
                        reloaded.generation
                    )
                });
                self.manager.reloaded(rejected.as_deref()).await;
            }
            if let Some(answer) = answer {
                // Who went away does not want it.
                let _ = answer.send(reloaded);
            }
        }
    }

    async fn candidate(&self, wish: Wish) -> Result<Candidate, Rejection> {
        let broken = |_| refusal("it ended in a fault of this program: please report it");
        match wish {
            Wish::Files => {
                let reader = Arc::clone(&self.reader);
                let read = tokio::task::spawn_blocking(move || reader.read());
                let Reading {
                    plan,
                    limits,
                    revision,
                    diagnostics,
                    notes,
                } = read.await.map_err(broken)??;
                Ok(Candidate {
                    plan,
                    limits,
                    revision,
                    number: None,
                    origin: Origin::Files,
                    notes,
                    diagnostics,
                })
            }
            Wish::Back(number) => {
                let (kept, now) = (self.generations.clone(), self.in_force.get().generation);
                let found = tokio::task::spawn_blocking(move || back(&kept, number, now));
                let found = found.await.map_err(broken)?.map_err(|why| refusal(&why))?;
                Ok(Candidate {
                    plan: found.plan,
                    limits: self.limits,
                    revision: found.revision,
                    number: Some(found.number),
                    origin: Origin::Rollback { before: now },
                    notes: vec![
                        "until the next reload: mend the files before that, or the same is in force again"
                            .into(),
                    ],
                    diagnostics: Diagnostics::default(),
                })
            }
        }
    }

    async fn apply(&mut self, candidate: Candidate) -> Result<Reloaded, Rejection> {
        let Candidate {
            plan,
            limits,
            revision,
            number,
            origin,
            mut notes,
            diagnostics,
        } = candidate;
        let before = self.in_force.get();
        let digest = plan::digest(&plan);
        let same = digest == before.digest;
        let mut standing = Standing {
            digest,
            revision,
            origin,
            rejected: None,
            ..before.clone()
        };
        if same {
            if let Origin::Rollback { .. } = standing.origin {
                standing.origin = before.origin.clone();
            }
        } else {
            standing.since = Timestamp::now().to_string();
            standing.generation = match number {
                Some(number) => number,
                None => self.keep(&standing, &plan, &mut notes).await,
            };
        }
        let classes = classes(&self.plan, &plan);
        let unchanged = same && limits == self.limits;
        // Also where nothing changed: a password's file may have, and what failed for it is tried again.
        let reload = Reload {
            plan: plan.clone(),
            generation: standing.generation,
            host: self.host.clone(),
            limits,
            memory: Memory::default(),
            watched: true,
        };
        let leaving = self.ask(reload).await?;
        if !same {
            self.mark(standing.generation, &mut notes).await;
        } else if !unchanged {
            notes.push("the host's limits have changed, and nothing else".into());
        }
        (self.plan, self.limits) = (plan, limits);
        self.in_force.set(standing.clone());
        Ok(Reloaded {
            format_version: FORMAT_VERSION,
            result: match unchanged {
                true => Verdict::Unchanged,
                false => Verdict::Applied,
            },
            generation: standing.generation,
            digest: standing.digest,
            revision: standing.revision,
            error: None,
            classes,
            leaving,
            notes,
            report: diagnostics.report,
            diagnostics: diagnostics.list,
        })
    }

    /// The engine takes it over; whether transfers of the earlier plan are still ending.
    async fn ask(&self, reload: Reload) -> Result<bool, Rejection> {
        let ending = || refusal("the service is ending");
        let (answer, answered) = oneshot::channel();
        let question = Question {
            ask: Ask::Reload(Box::new(reload)),
            answer,
        };
        let sent = self.asker.send(question).await;
        sent.map_err(|_| ending())?;
        match tokio::time::timeout(LEAVE, answered).await {
            Ok(Ok(Answer::Reloaded)) => Ok(false),
            Ok(Ok(_) | Err(_)) => Err(ending()),
            Err(_) => Ok(true),
        }
    }

    /// Keeps it as a generation; its number.
    async fn keep(&self, standing: &Standing, plan: &Plan, notes: &mut Vec<String>) -> u64 {
        let (generations, standing, plan) =
            (self.generations.clone(), standing.clone(), plan.clone());
        let least = standing.generation + 1;
        let kept = tokio::task::spawn_blocking(move || {
            let generation = Generation {
                number: generations.next().max(least),
                at: Timestamp::now(),
                digest: standing.digest,
                revision: standing.revision,
                plan,
            };
            let kept = generations.keep(&generation);
            (generation.number, kept.map_err(|error| error.to_string()))
        });
        let (number, kept) = match kept.await {
            Ok(kept) => kept,
            Err(error) => (least, Err(error.to_string())),
        };
        if let Err(error) = kept {
            notes.push(format!(
                "it is in force, and cannot be kept for `heliostat rollback` and the next start: {error}"
            ));
        }
        number
    }

    async fn mark(&self, number: u64, notes: &mut Vec<String>) {
        let generations = self.generations.clone();
        let marked = tokio::task::spawn_blocking(move || generations.set_current(number));
        if let Ok(Err(error)) = marked.await {
            notes.push(format!("that it is in force cannot be kept: {error}"));
        }
    }

    fn reject(&self, by: &str, rejection: Rejection) -> Reloaded {
        let Rejection {
            reason,
            diagnostics,
        } = rejection;
        self.in_force.reject(by, &reason, &diagnostics.report);
        let standing = self.in_force.get();
        Reloaded {
            format_version: FORMAT_VERSION,
            result: Verdict::Rejected,
            generation: standing.generation,
            digest: standing.digest,
            revision: standing.revision,
            error: Some(reason),
            classes: BTreeMap::new(),
            leaving: false,
            notes: Vec::new(),
            report: diagnostics.report,
            diagnostics: diagnostics.list,
        }
    }
}

fn refusal(reason: &str) -> Rejection {
    Rejection {
        reason: reason.to_owned(),
        diagnostics: Diagnostics::default(),
    }
}

/// The generation to go back to.
fn back(kept: &Generations, number: Option<u64>, now: u64) -> Result<Generation, String> {
    match number {
        Some(number) => kept.get(number),
        None => kept
            .all()
            .into_iter()
            .rev()
            .find(|generation| generation.number < now)
            .ok_or_else(|| {
                format!("there is no generation before {now}: `heliostat rollback --list` shows those that are kept")
            }),
    }
}

fn classes(old: &Plan, new: &Plan) -> BTreeMap<String, Classes> {
    let diff = plan::diff(old, new);
    let mut classes: BTreeMap<String, Classes> = BTreeMap::new();
    for source in diff.sources.values() {
        classes
            .entry(source.class.word().to_owned())
            .or_default()
            .sources += 1;
        for route in source.routes.values() {
            classes
                .entry(route.class.word().to_owned())
                .or_default()
                .routes += 1;
        }
    }
    classes
}

impl Reloaded {
    /// `keep 12, retune 1`: routes by class, for people.
    pub fn routes(&self) -> String {
        let all = Class::ALL.iter().filter_map(|class| {
            let count = self.classes.get(class.word())?.routes;
            (count > 0).then(|| format!("{} {count}", class.word()))
        });
        let all: Vec<String> = all.collect();
        match all.is_empty() {
            true => "none".to_owned(),
            false => all.join(", "),
        }
    }
}

/// One line a reload; what was wrong, in full.
fn tell(by: &str, reloaded: &Reloaded, took: Duration) {
    let Reloaded {
        generation,
        digest,
        revision,
        ..
    } = reloaded;
    let (revision, took) = (revision.as_deref().unwrap_or("unknown"), took.as_millis());
    match reloaded.result {
        Verdict::Applied => {
            let (routes, leaving) = (reloaded.routes(), reloaded.leaving);
            tracing::info!(
                by, generation, digest, revision, routes, leaving, took, "reloaded"
            );
        }
        Verdict::Unchanged if by == "watchManifests" => {
            tracing::debug!(by, generation, digest, "nothing to reload");
        }
        Verdict::Unchanged => {
            tracing::info!(
                by,
                generation,
                digest,
                revision,
                "nothing to reload: this runs already"
            );
        }
        Verdict::Rejected => {
            let error = reloaded.error.as_deref().unwrap_or_default();
            tracing::error!(
                by,
                generation,
                "reload rejected, generation {generation} goes on: {error}"
            );
            for line in reloaded.report.lines() {
                tracing::error!("{line}");
            }
        }
    }
    for note in &reloaded.notes {
        tracing::warn!("{note}");
    }
}
