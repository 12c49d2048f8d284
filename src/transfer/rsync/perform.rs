//! A batch is carried out: its runs, one after the other, and deletions only after they were counted.
//!
//! Invariant: no run deletes more than was counted in this job and let through by [`guard::deletions`], or one single
//! file. In order:
//!
//! 1. *Everything but deletions.* Each run with `--max-delete=0`, which transfers, deletes nothing and reports that it
//!    would have. Two exceptions, for the sake of latency: a job with one removal and nothing else that may delete makes
//!    it at once (without `--force`, so a directory that is not empty stays whole); one with several listed removals goes
//!    straight to the count, and transfers along with deleting.
//! 2. *Count.* The runs that would delete, dry, with the path of each deletion. The guards' facts are collected anew.
//! 3. *Delete*, if the guard lets all of them through together, with `--max-delete=<counted>`. Otherwise the job is held,
//!    with nothing deleted. What was to be sent after a run that waits for this is sent behind it.

use std::sync::Arc;
use std::time::Duration;

use super::super::progress::{Cancel, Progress};
use super::super::{Context, Prepared, refusal, source_empty};
use super::foresee::Begun;
use super::invocation::{Leave, Orders};
use super::judge::{Case, Judged, judge, target_entries};
use super::kind::{Kind, kind_of};
use super::process::{self, Deadlines, End, Watched};
use super::report::Report;
use super::steps::{Step, steps};
use super::warm::{self, Wish};
use crate::engine::guard::{self, DeleteCase, DeleteRefusal};
use crate::engine::{DeleteLeave, Deletions, Hold, Outcome, RelPath, Trouble, Verdict};
use crate::plan::{Compare, DeletePolicy};
use crate::transfer::batch::{Act, Entry};

/// A run may be silent for so long beyond twice the route's timeout: rsync's own timeout comes first and says more.
const IDLE_SLACK: Duration = Duration::from_secs(5);

/// No run lasts longer: a first pass over a slow line may take days, but not weeks.
const TOTAL: Duration = Duration::from_secs(7 * 24 * 3600);

/// Carries a batch out on a target of one of the [`KINDS`](super::kind::KINDS).
pub(crate) async fn run(
    prepared: &Prepared,
    context: &Context,
    cancel: &Cancel,
    progress: &Arc<Progress>,
) -> Outcome {
    if let Err(message) = context.rsync.get().await {
        return Outcome::bare(Verdict::Permanent(Trouble {
            code: "noRsync",
            message,
            soon: false,
        }));
    }
    let Some(kind) = kind_of(&prepared.job.route.target) else {
        let message = "this target needs no rsync".to_string();
        return Outcome::bare(Verdict::Permanent(Trouble {
            code: "usage",
            message,
            soon: false,
        }));
    };
    let performer = Performer {
        prepared,
        context,
        kind,
        cancel,
        progress,
    };
    let mut outcome = Outcome::bare(Verdict::Done);
    let performed = match performer.pass_the_gate(&mut outcome).await {
        Ok(Begun::Yes) => performer.perform_behind_the_gate(&mut outcome).await,
        Ok(Begun::NothingToDo) => Ok(()),
        Err(verdict) => Err(verdict),
    };
    match performed {
        Ok(()) => performer.prepare(),
        Err(verdict) => outcome.verdict = verdict,
    }
    if matches!(&outcome.verdict, Verdict::Retry(trouble) if is_crowded(trouble)) {
        context.sessions.refrain(&prepared.job.route.target);
    }
    tidy(&mut outcome);
    outcome
}

/// Whether the far side had no connection to spare: a daemon by its `max connections`, sshd by its `MaxSessions`, which ssh
/// says of the lasting connection before it makes one of its own.
pub(super) fn is_crowded(trouble: &Trouble) -> bool {
    trouble.code == "busy" || trouble.message.contains("open refused by peer")
}

/// Each path once; what failed is not also "again".
fn tidy(outcome: &mut Outcome) {
    outcome.failed.sort_by(|a, b| a.path.cmp(&b.path));
    outcome.failed.dedup_by(|a, b| a.path == b.path);
    outcome.again.sort();
    outcome.again.dedup();
    outcome.notes.sort_by(|a, b| a.path.cmp(&b.path));
    outcome.notes.dedup();
}

pub(super) struct Performer<'a> {
    pub(super) prepared: &'a Prepared,
    pub(super) context: &'a Context,
    pub(super) kind: &'a dyn Kind,
    pub(super) cancel: &'a Cancel,
    pub(super) progress: &'a Arc<Progress>,
}

impl Performer<'_> {
    pub(super) async fn perform(&self, outcome: &mut Outcome) -> Result<(), Verdict> {
        let steps = steps(
            &self.prepared.batch,
            self.prepared.job.route.delete != DeletePolicy::Never,
        );
        let at_once = self.single_removal(&steps).await?;
        let mut wanting: Vec<Wanting> = Vec::new();
        // Behind a run that sends only when it deletes: a file sent by it would lose the links that these give it.
        let mut behind: Vec<&Step> = Vec::new();
        for step in &steps {
            if !step.delete {
                if wanting.iter().any(|wanting| !wanting.sent) {
                    behind.push(step);
                } else {
                    add(outcome, self.one(step, Leave::Never).await?);
                }
                continue;
            }
            if step.removals() > 1 {
                wanting.push(Wanting {
                    step: step.clone(),
                    sent: false,
                });
                continue;
            }
            let leave = if at_once && step.removals() == 1 {
                Leave::One
            } else {
                Leave::None
            };
            let judged = self.one(step, leave).await?;
            if judged.wants_deletions {
                // What was just sent is right by size and time: the deleting run need not send it again.
                wanting.push(Wanting {
                    step: Step {
                        trust: true,
                        ..step.clone()
                    },
                    sent: true,
                });
            }
            add(outcome, judged);
        }
        if !wanting.is_empty() {
            self.delete(wanting, outcome).await?;
        }
        for step in behind {
            add(outcome, self.one(step, Leave::Never).await?);
        }
        Ok(())
    }

    /// Whether the job's only possible deletion is one listed path, and the guard lets one go.
    async fn single_removal(&self, steps: &[Step]) -> Result<bool, Verdict> {
        let mut removals = steps
            .iter()
            .flat_map(|step| &step.entries)
            .filter(|entry| entry.act == Act::Remove);
        let (Some(Entry { path, .. }), None) = (removals.next(), removals.next()) else {
            return Ok(false);
        };
        let reconciles = |entry: &Entry| entry.act.deletes() && entry.act.looks_inside();
        if steps.iter().flat_map(|step| &step.entries).any(reconciles) {
            return Ok(false);
        }
        refusal(&self.prepared.job).await?;
        let leave = &self.prepared.job.deletes;
        let entries = leave.target_entries.unwrap_or(0);
        Ok(self
            .let_through(leave, entries, &Deletions::of([path]))
            .await?
            .is_ok())
    }

    pub(super) async fn let_through(
        &self,
        leave: &DeleteLeave,
        target_entries: u64,
        all: &Deletions,
    ) -> Result<Result<(), DeleteRefusal>, Verdict> {
        let job = &self.prepared.job;
        let source_empty = source_empty(job, &self.prepared.filter).await?;
        let case = DeleteCase {
            route: &job.route,
            source: &job.source,
            leave,
            source_empty,
            target_entries,
        };
        Ok(guard::deletions(case, all))
    }

    /// Counts, asks, deletes.
    async fn delete(&self, wanting: Vec<Wanting>, outcome: &mut Outcome) -> Result<(), Verdict> {
        let job = &self.prepared.job;
        refusal(job).await?;
        let mut counts = Vec::with_capacity(wanting.len());
        let mut all = Deletions::default();
        let mut known = job.deletes.target_entries;
        for wanting in &wanting {
            let counted = self.count(&wanting.step).await?;
            counts.push(counted.deletions.len() as u64);
            all.join(&counted.deletions);
            known = counted.target_entries.or(known);
        }
        all.settle();
        // What this very job has deleted is not in the budget's state yet.
        let leave = DeleteLeave {
            spent: job.deletes.spent + outcome.stats.deleted,
            ..job.deletes.clone()
        };
        let mut verdict = self.let_through(&leave, known.unwrap_or(0), &all).await?;
        if let (Err(DeleteRefusal::Budget(_)), None) = (&verdict, known) {
            // The budget is a share of what the target has: only a look at all of it tells.
            verdict = self
                .let_through(&leave, self.target_entries().await?, &all)
                .await?;
        }
        if let Err(refused) = verdict {
            for wanting in wanting.iter().filter(|wanting| !wanting.sent) {
                add(outcome, self.one(&wanting.step, Leave::None).await?);
            }
            return Err(Verdict::Held(match refused {
                DeleteRefusal::Budget(plan) => Hold::Deletes(plan),
                DeleteRefusal::Empty(refusal) => Hold::Guard(refusal),
            }));
        }
        refusal(job).await?;
        for (wanting, count) in wanting.iter().zip(counts) {
            let judged = self.one(&wanting.step, Leave::Counted(count)).await?;
            let fence = judged.wants_deletions;
            add(outcome, judged);
            if fence {
                // The source went on changing, and more was to go than was counted: that is counted anew, soon.
                let deletes = |entry: &&Entry| entry.act.deletes();
                let entries = wanting.step.entries.iter().filter(deletes);
                outcome
                    .again
                    .extend(entries.map(|entry| entry.path.clone()));
            }
        }
        Ok(())
    }

    /// Every deletion that a run would make.
    async fn count(&self, step: &Step) -> Result<Counted, Verdict> {
        let mut report = Report::new(true);
        let code = self.execute(step, Leave::Count, &mut report).await?;
        let case = self.case(step, Leave::Count);
        let judged = judge(case, code, &report);
        if judged.verdict != Verdict::Done {
            return Err(judged.verdict);
        }
        let target_entries = target_entries(case, &report);
        Ok(Counted {
            deletions: report.counted(),
            target_entries,
        })
    }

    /// How many entries the target has, by a dry pass over everything.
    pub(super) async fn target_entries(&self) -> Result<u64, Verdict> {
        let act = Act::Reconcile {
            trust: true,
            delete: true,
        };
        let entries = vec![Entry {
            path: RelPath::root(),
            act,
        }];
        let step = Step {
            entries,
            recurse: true,
            trust: true,
            delete: true,
            pass: Some(Compare::Quick),
        };
        Ok(self.count(&step).await?.target_entries.unwrap_or(0))
    }

    pub(super) fn case<'b>(&'b self, step: &'b Step, leave: Leave) -> Case<'b> {
        let job = &self.prepared.job;
        Case {
            source: &job.source,
            route: &job.route,
            kind: self.kind,
            step,
            leave,
        }
    }

    /// Begins a session for what most often comes next: a few small files.
    fn prepare(&self) {
        let Prepared { job, .. } = self.prepared;
        // With a limit, a session could be slow without being dead.
        let limited = job.route.bandwidth.or(job.bandwidth).is_some();
        if !job.route.warm || limited || self.cancel.is_cancelled() {
            return;
        }
        let deletes = job.route.delete != DeletePolicy::Never;
        let step = Step {
            recurse: true,
            delete: deletes,
            ..Step::default()
        };
        let leave = if deletes { Leave::None } else { Leave::Never };
        let orders = Orders {
            small: true,
            ..self.orders()
        };
        if let Ok(invocation) = self.kind.lower(orders, &step, leave, self.context) {
            self.context.sessions.prepare(Wish {
                route: job.route.name.clone(),
                target: job.route.target.clone(),
                invocation,
                root: job.root.clone(),
                timeout: Duration::from_millis(job.route.timeout_ms),
            });
        }
    }

    /// One run in the session that was begun for it; `None`: there is none, or it came to nothing.
    async fn warm(&self, step: &Step, leave: Leave) -> Result<Option<Judged>, Verdict> {
        let Prepared { job, small, .. } = self.prepared;
        if !small || !job.route.warm {
            return Ok(None);
        }
        let lowered = self.kind.lower(self.orders(), step, leave, self.context);
        let invocation = lowered.map_err(Verdict::Permanent)?;
        let sessions = &self.context.sessions;
        let taken = sessions
            .take(
                &job.route.name,
                &invocation,
                &job.root,
                job.source.path.as_ref(),
            )
            .await;
        let Some(session) = taken else {
            return Ok(None);
        };
        let mut report = Report::told(&self.prepared.tally);
        let idle = Duration::from_millis(job.route.timeout_ms).min(warm::IDLE);
        let watched = Watched {
            deadlines: Deadlines { idle, total: TOTAL },
            report: &mut report,
            cancel: self.cancel,
            progress: self.progress,
        };
        match process::attend(session, &invocation, watched).await {
            End::Exit(code) => {
                let judged = self.judged(step, leave, code, &report);
                Ok(Some(judged).filter(|judged| judged.verdict == Verdict::Done))
            }
            End::Cancelled => Err(Verdict::Cancelled),
            // It may still write, so nobody else may.
            End::Trouble(trouble) if trouble.code == "stuck" => Err(Verdict::Retry(trouble)),
            End::Trouble(_) => Ok(None),
        }
    }

    /// One run, judged; an error is the whole job's verdict.
    async fn one(&self, step: &Step, leave: Leave) -> Result<Judged, Verdict> {
        if let Some(judged) = self.warm(step, leave).await? {
            return Ok(judged);
        }
        let mut report = Report::told(&self.prepared.tally);
        let code = self.execute(step, leave, &mut report).await?;
        let judged = self.judged(step, leave, code, &report);
        if judged.verdict == Verdict::Done {
            Ok(judged)
        } else {
            Err(judged.verdict)
        }
    }

    /// What rsync lists before it sends it may have failed.
    fn judged(&self, step: &Step, leave: Leave, code: Option<i32>, report: &Report) -> Judged {
        let judged = judge(self.case(step, leave), code, report);
        if let Some(tally) = &self.prepared.tally {
            judged
                .failed
                .iter()
                .for_each(|failed| tally.take_out(&failed.path));
            tally.settle();
        }
        judged
    }

    fn orders(&self) -> Orders<'_> {
        let Prepared {
            job, filter, small, ..
        } = self.prepared;
        Orders {
            source: &job.source,
            route: &job.route,
            filter,
            bandwidth: job.bandwidth,
            small: *small,
        }
    }

    pub(super) async fn execute(
        &self,
        step: &Step,
        leave: Leave,
        report: &mut Report,
    ) -> Result<Option<i32>, Verdict> {
        let route = &self.prepared.job.route.name;
        self.context.sessions.give_up(route).await;
        self.execute_beside(step, leave, report).await
    }

    /// As [`Performer::execute`], beside a session that was begun ahead: for a run that writes nothing.
    pub(super) async fn execute_beside(
        &self,
        step: &Step,
        leave: Leave,
        report: &mut Report,
    ) -> Result<Option<i32>, Verdict> {
        let job = &self.prepared.job;
        let orders = self.orders();
        let lowered = self.kind.lower(orders, step, leave, self.context);
        let invocation = lowered.map_err(Verdict::Permanent)?;
        let timeout = Duration::from_millis(job.route.timeout_ms);
        // Where rsync knows the timeout itself, it comes first and says more.
        let idle = if orders.tells_timeout() {
            timeout.saturating_mul(2) + IDLE_SLACK
        } else {
            timeout
        };
        let watched = Watched {
            deadlines: Deadlines { idle, total: TOTAL },
            report,
            cancel: self.cancel,
            progress: self.progress,
        };
        match process::run(&invocation, watched).await {
            End::Exit(code) => Ok(code),
            End::Cancelled => Err(Verdict::Cancelled),
            End::Trouble(trouble) if trouble.code == "noRsync" => Err(Verdict::Permanent(trouble)),
            End::Trouble(trouble) => Err(Verdict::Retry(trouble)),
        }
    }
}

/// A run that would delete.
struct Wanting {
    step: Step,
    /// Whether everything but its deletions is done.
    sent: bool,
}

struct Counted {
    deletions: Deletions,
    target_entries: Option<u64>,
}

fn add(outcome: &mut Outcome, judged: Judged) {
    outcome.failed.extend(judged.failed);
    outcome.again.extend(judged.again);
    outcome.notes.extend(judged.notes);
    let stats = &mut outcome.stats;
    stats.files += judged.stats.files;
    stats.created += judged.stats.created;
    stats.attributes += judged.stats.attributes;
    stats.bytes += judged.stats.bytes;
    stats.deleted += judged.stats.deleted;
    stats.target_entries = judged.stats.target_entries.or(stats.target_entries);
}
