//! Transfers in the model: begun, taken on step by step, checked for each deletion, and reported to the engine.

use std::sync::Arc;

use heliostat::engine::{Input, Job, Outcome, TransferId, Verdict, Work};
use heliostat::plan::{Compare, DeletePolicy};
use heliostat::transfer::normalise::Scope;

use super::bugs::Bug;
use super::check::{Deletion, wrong_deletion};
use super::script::filter;
use super::transfer::{Stage, Transfer};
use super::world::{Ev, SECOND, World};

impl World {
    pub fn start(&mut self, mut job: Box<Job>) {
        let route = self.route(&job.route.name);
        let id = job.id;
        self.note(|| format!("start {id:?} {} {:?}", job.route.name, job.work));
        if self
            .transfers
            .values()
            .any(|other| *other.name() == job.route.name)
        {
            self.violate(format!("two transfers to t{route} at once"));
        }
        let wall = heliostat::service::driver::Shell::now(self).wall;
        let pause = self.pauses.get(&job.route.name);
        if let Some(pause) = pause.filter(|pause| wall < pause.until && wall >= pause.said) {
            let until = pause.until;
            self.violate(format!(
                "a transfer to t{route} at {wall}, which is paused until {until}"
            ));
        }
        if self.has(Bug::LateExitBelieved) && self.ended.remove(&route) {
            // Of the one before.
            return self.input(Input::Finished(id, Outcome::bare(Verdict::Done)));
        }
        self.figures.transfers += 1;
        let source = self.script.setup.routes[route].source;
        // A pass by size and time over what an earlier one has sent does not see every rewrite.
        if job.work == Work::Pass(Compare::Quick) && self.lossy[source] {
            self.quick[source] = true;
        }
        if self.shelf.has_rows_of_another(&job) {
            self.strays.insert(route);
        }
        let setup = &self.script.setup.routes[route];
        let epoch = self.targets[route].epoch;
        let fills = job.route.delete != setup.delete;
        if self.bug == Some(Bug::FillsDelete) {
            Arc::make_mut(&mut job.route).delete = setup.delete;
        }
        let mut transfer = Transfer::new(job, self.now, setup.local, epoch, self.bug);
        transfer.fills = fills;
        let wait = 1 + self.random.below(setup.pace);
        self.transfers.insert((self.incarnation, id), transfer);
        self.at(self.now + wait, Ev::Step(self.incarnation, id));
    }

    pub fn step(&mut self, incarnation: u64, id: TransferId) {
        let Some(mut transfer) = self.transfers.remove(&(incarnation, id)) else {
            return;
        };
        let route = self.route(transfer.name());
        let setup = &self.script.setup.routes[route];
        let (pace, hard_links) = (setup.pace, setup.hard_links);
        let delete = transfer.job.route.delete;
        let source = setup.source;
        let mut deletions = Vec::new();
        let mut stage = Stage {
            now: self.now,
            source: &self.sources[source],
            target: &mut self.targets[route],
            scope: Scope {
                filter: filter(),
                delete,
                hard_links,
                fences: &[],
                entries: None,
            },
            deletions: &mut deletions,
        };
        let outcome = transfer.step(&mut stage);
        let frozen = self.targets[route].trouble.frozen;
        for deletion in deletions {
            self.deleted(route, deletion, &transfer);
        }
        match outcome {
            None => {
                let wait = if frozen {
                    SECOND
                } else {
                    1 + self.random.below(pace)
                };
                self.transfers.insert((incarnation, id), transfer);
                self.at(self.now + wait, Ev::Step(incarnation, id));
            }
            Some(outcome) => {
                let net = outcome.stats.deleted as i64 - outcome.stats.created as i64;
                if transfer.job.deletes.approved.is_some() && outcome.verdict == Verdict::Done {
                    self.spent[route].clear();
                } else if !transfer.orphan {
                    self.spent[route].push_back((self.now, net));
                }
                if self.quiet || !transfer.orphan || self.has(Bug::OrphanIsHeard) {
                    self.finish(id, outcome, transfer.orphan);
                }
            }
        }
    }

    fn finish(&mut self, id: TransferId, mut outcome: Outcome, orphan: bool) {
        if orphan && !self.has(Bug::OrphanIsHeard) {
            return;
        }
        match outcome.verdict {
            Verdict::Retry(_) if self.has(Bug::RetryTakenAsDone) => outcome.verdict = Verdict::Done,
            Verdict::Held(_) if self.retuned && self.has(Bug::RetuneReleases) => {
                outcome.verdict = Verdict::Done;
            }
            Verdict::Held(_) if self.has(Bug::HeldTakenAsDone) => outcome.verdict = Verdict::Done,
            _ => {}
        }
        if self.has(Bug::PartialTakenAsDone) {
            outcome.failed.clear();
        }
        self.look = true;
        self.input(Input::Finished(id, outcome));
    }

    fn deleted(&mut self, route: usize, deletion: Deletion, transfer: &Transfer) {
        self.figures.deletes += 1;
        let setup = &self.script.setup.routes[route];
        let source = &self.sources[setup.source];
        let policy = match transfer.fills {
            true => DeletePolicy::Never,
            false => setup.delete,
        };
        if let Some(why) = wrong_deletion(source, deletion, policy) {
            self.violate(format!("G2: {why} (t{route})"));
            return;
        }
        let approved = transfer
            .job
            .deletes
            .approved
            .as_ref()
            .is_some_and(|plan| plan.covers(&deletion.path.rel()));
        if approved || transfer.orphan {
            return;
        }
        let recent = self.spent[route]
            .iter()
            .filter(|(at, _)| at + 60 * SECOND >= transfer.started);
        let spent = recent.fold(0, |spent: i64, (_, net)| (spent + net).max(0)) as u64;
        let now = transfer.unapproved + spent;
        // What was counted against may have shrunk since; the share is of what there was before, as far as that is known:
        // what rsync puts in the place of another type counts as new, until the next pass.
        let before = self.targets[route].entries() + transfer.deleted();
        let known = transfer.job.deletes.target_entries.unwrap_or(0);
        let allowed = setup.budget.allows(before.max(known));
        if now > allowed {
            self.violate(format!(
                "G2: {now} deletions on t{route}, and {allowed} are allowed"
            ));
        }
    }
}
