//! What a batch would do, by a dry run of the same runs: for `run --dry-run`, and to know whether a `before` hook is to be run.

use std::sync::Arc;
use std::time::Duration;

use super::super::Preview;
use super::super::progress::{Cancel, Progress};
use super::super::{Context, Prepared, refusal};
use super::invocation::Leave;
use super::judge::{judge, target_entries};
use super::kind::kind_of;
use super::perform::{Performer, is_crowded};
use super::report::Report;
use super::steps::steps;
use crate::engine::guard::DeleteRefusal;
use crate::engine::{Changed, Deletions, Hold, Outcome, Stats, Trouble, Verdict};
use crate::plan::DeletePolicy;

/// A far side that has just had the dry run is asked again after so long, then twice that …
const FREE_SOON: Duration = Duration::from_millis(20);
/// … up to this.
const FREE_AT_LAST: Duration = Duration::from_millis(640);

/// Whether the gate was passed.
pub(super) enum Begun {
    /// There is something to do, and it may be done.
    Yes,
    /// There is nothing to do: everything is in step.
    NothingToDo,
}

/// What a dry run has told.
#[derive(Default)]
struct Foreseen {
    preview: Preview,
    deletions: Deletions,
    /// The first paths, where they are asked for.
    planned: Changed,
    /// Whether anything would be sent or changed.
    sends: bool,
    /// Something could not be looked at, or rsync was seen to keep it to itself.
    unsure: bool,
}

/// What the pass of a prepared job would do, by a dry run.
pub(crate) async fn preview(
    prepared: &Prepared,
    context: &Context,
    cancel: &Cancel,
    progress: &Arc<Progress>,
) -> Result<Preview, Verdict> {
    let trouble = |code, message| {
        Verdict::Permanent(Trouble {
            code,
            message,
            soon: false,
        })
    };
    context
        .rsync
        .get()
        .await
        .map_err(|message| trouble("noRsync", message))?;
    let Some(kind) = kind_of(&prepared.job.route.target) else {
        return Err(trouble("usage", "this target needs no rsync".to_string()));
    };
    let performer = Performer {
        prepared,
        context,
        kind,
        cancel,
        progress,
    };
    performer
        .foresee(Report::preview)
        .await
        .map(|foreseen| foreseen.preview)
}

impl Performer<'_> {
    async fn foresee(&self, fresh: fn() -> Report) -> Result<Foreseen, Verdict> {
        let mut found = Foreseen::default();
        let deletes = self.prepared.job.route.delete != DeletePolicy::Never;
        for step in steps(&self.prepared.batch, deletes) {
            let case = self.case(&step, Leave::Count);
            // The session that was begun ahead is kept for what follows, unless the far side has no connection for both.
            let mut report = fresh();
            let code = self
                .execute_beside(&step, Leave::Count, &mut report)
                .await?;
            let mut judged = judge(case, code, &report);
            let crowded = matches!(&judged.verdict, Verdict::Retry(trouble) if is_crowded(trouble));
            let route = &self.prepared.job.route.name;
            if crowded && self.context.sessions.give_up(route).await {
                self.context
                    .sessions
                    .refrain(&self.prepared.job.route.target);
                report = fresh();
                let code = self.execute(&step, Leave::Count, &mut report).await?;
                judged = judge(case, code, &report);
            }
            if judged.verdict != Verdict::Done {
                return Err(judged.verdict);
            }
            found.unsure |= !judged.failed.is_empty() || !judged.again.is_empty();
            let preview = &mut found.preview;
            preview.target_entries += target_entries(case, &report).unwrap_or(0);
            let named = report.named();
            preview.delete.extend(named.deletes);
            preview.send.extend(named.sends);
            found.sends |= report.files > 0;
            found.planned.join(report.planned());
            found.deletions.join(&report.counted());
        }
        found.deletions.settle();
        Ok(found)
    }

    /// Where there is a `before` hook: runs it, if the batch would write anything. rsync itself does not ask before it
    /// writes, so that a dry run is made first. Where that tells of nothing, nothing is done; what changed since is another
    /// mark's business.
    pub(super) async fn pass_the_gate(&self, outcome: &mut Outcome) -> Result<Begun, Verdict> {
        let Prepared {
            job, gate, batch, ..
        } = self.prepared;
        let Some(gate) = gate else {
            return Ok(Begun::Yes);
        };
        let Foreseen {
            preview,
            deletions,
            planned,
            sends,
            unsure,
        } = self.foresee(Report::foretaste).await?;
        // A dry run does not tell of every link that is to be made.
        let unsure = unsure || job.route.attributes.hard_links;
        if !sends && deletions.is_empty() && !unsure {
            let entries = Some(preview.target_entries);
            outcome.stats.target_entries = entries.filter(|_| batch.pass.is_some());
            return Ok(Begun::NothingToDo);
        }
        if !deletions.is_empty() {
            self.would_be_let_through(&deletions, preview.target_entries)
                .await?;
        }
        gate.open(planned).await?;
        Ok(Begun::Yes)
    }

    /// Carries out what has passed the gate. A daemon takes a moment to know that the dry run's place is free again: where it
    /// has but one, the transfer waits for that, rather than fail and have the hook run once more.
    pub(super) async fn perform_behind_the_gate(
        &self,
        outcome: &mut Outcome,
    ) -> Result<(), Verdict> {
        let mut wait = FREE_SOON;
        loop {
            let performed = self.perform(outcome).await;
            let refused = matches!(&performed, Err(Verdict::Retry(trouble)) if is_crowded(trouble));
            let untouched = outcome.stats == Stats::default();
            if self.prepared.gate.is_none() || !refused || !untouched || wait > FREE_AT_LAST {
                return performed;
            }
            tokio::select! {
                () = tokio::time::sleep(wait) => wait *= 2,
                () = self.cancel.cancelled() => return Err(Verdict::Cancelled),
            }
        }
    }

    /// What will be held needs no hook. It is counted and asked again before anything is deleted.
    async fn would_be_let_through(
        &self,
        all: &Deletions,
        target_entries: u64,
    ) -> Result<(), Verdict> {
        let (job, batch) = (&self.prepared.job, &self.prepared.batch);
        refusal(job).await?;
        let mut entries = job.deletes.target_entries;
        if batch.pass.is_some() {
            entries = Some(target_entries);
        }
        let leave = &job.deletes;
        let mut asked = self.let_through(leave, entries.unwrap_or(0), all).await?;
        if let (Err(DeleteRefusal::Budget(_)), None) = (&asked, entries) {
            let entries = self.target_entries().await?;
            asked = self.let_through(leave, entries, all).await?;
        }
        asked.map_err(|refused| {
            Verdict::Held(match refused {
                DeleteRefusal::Budget(plan) => Hold::Deletes(plan),
                DeleteRefusal::Empty(refusal) => Hold::Guard(refusal),
            })
        })
    }
}
