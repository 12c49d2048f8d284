//! What a transfer carries, and what becomes of it where the transfer does not bring it in step.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use super::change_set::Pending;
use super::failing::Failing;
use super::route::{PassDue, Route};
use super::{DeletePlan, Dirt, Mark, RelPath, Stamp, TransferId, Work};

/// The transfer that runs.
#[derive(Debug)]
pub struct Running {
    /// Its name.
    pub id: TransferId,
    /// When it began.
    pub started: Duration,
    /// What it carries.
    pub load: Load,
    /// For the log.
    pub trigger: &'static str,
    /// The plan of deletions that it may carry out: a try that fails keeps the operator's word.
    pub approved: Option<Arc<DeletePlan>>,
    /// Why it was told to end, if it was by the engine.
    pub cancelled: Option<String>,
}

/// What a transfer carries, to be put back if it fails.
#[derive(Debug, Default)]
pub struct Load {
    /// The marks of a batch.
    pub marks: BTreeMap<RelPath, Pending>,
    /// The full pass.
    pub pass: Option<PassDue>,
    /// Failing paths that are tried again with it.
    pub retried: Failing,
    /// Whether it only [fills](super::Dirt::FILL): it deletes nothing, whatever the policy.
    pub fills: bool,
    /// The oldest change that it carries.
    pub oldest: Option<Stamp>,
}

impl Route {
    /// The job's side of a load.
    pub fn work_of(load: &Load) -> Work {
        match load.pass {
            Some(pass) => Work::Pass(pass.compare),
            None => {
                let mut marks: BTreeMap<RelPath, Dirt> = load
                    .marks
                    .iter()
                    .map(|(path, pending)| (path.clone(), pending.dirt))
                    .collect();
                for (path, failed) in load.retried.iter() {
                    *marks.entry(path.clone()).or_default() |= failed.pending.dirt;
                }
                let marks = marks.into_iter().map(|(path, dirt)| Mark {
                    path,
                    dirt: dirt.as_sent(),
                });
                Work::Batch(marks.collect())
            }
        }
    }

    /// Puts a load back: nothing of it is known to be in step.
    pub fn put_back(&mut self, load: Load) {
        for (path, pending) in load.marks {
            match pending.dirt.only_fills() {
                true => self.filling.add(path, pending),
                false => self.pending.put_back(path, pending),
            }
        }
        if let Some(pass) = load.pass {
            self.want_pass(pass.compare, pass.since, pass.trigger);
        }
        self.failing.merge(load.retried);
    }
}
