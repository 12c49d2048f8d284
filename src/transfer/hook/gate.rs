//! What a transfer passes right before it writes for the first time: the `before` hook is run there, once.
//!
//! So the hook is run where something is written and nowhere else, and before it. In process the first write itself opens
//! the gate; rsync does not ask before it writes, so there a dry run tells whether it would. A hook that fails
//! keeps the gate shut, unless its failure is not to be heeded.

use std::sync::{Arc, Mutex, PoisonError};

use tokio::runtime::Handle;
use tokio::sync::OnceCell;

use super::super::Context;
use super::super::batch::Batch;
use super::super::progress::Cancel;
use crate::engine::{Changed, HookJob, Hooked, Job, Stats, Trouble, Verdict};
use crate::plan::{OnError, When};

/// The gate of one transfer.
#[derive(Debug)]
pub struct Gate {
    job: HookJob,
    context: Context,
    cancel: Cancel,
    /// In process, many threads may come to it at once.
    runtime: Option<Handle>,
    opened: OnceCell<Result<(), Verdict>>,
    hooked: Mutex<Option<Hooked>>,
}

impl Gate {
    /// That of this job; `None`: it has no hook before it.
    pub fn of(job: &Job, context: &Context, cancel: &Cancel) -> Option<Arc<Gate>> {
        job.route.hooks.before.as_ref()?;
        Some(Arc::new(Gate {
            job: HookJob {
                id: job.id,
                source: Arc::clone(&job.source),
                route: Arc::clone(&job.route),
                when: When::Before,
                trigger: job.trigger,
                outcome: "planned",
                stats: Stats::default(),
                failed: 0,
                changed: Changed::unknown(),
                tries: 0,
            },
            context: context.clone(),
            cancel: cancel.clone(),
            runtime: Handle::try_current().ok(),
            opened: OnceCell::new(),
            hooked: Mutex::default(),
        }))
    }

    /// Something is written now: `planned`, as far as it is known. An error is the transfer's verdict.
    pub async fn open(&self, planned: Changed) -> Result<(), Verdict> {
        let run = async {
            let job = HookJob {
                changed: planned,
                ..self.job.clone()
            };
            let hooked = super::run(job, &self.context, &self.cancel).await;
            let failure = hooked.failure.clone();
            *self.hooked.lock().unwrap_or_else(PoisonError::into_inner) = Some(hooked);
            let hook = self.job.hook();
            let heeded = hook.is_some_and(|hook| hook.on_error == OnError::Fail);
            match failure {
                _ if self.cancel.is_cancelled() => Err(Verdict::Cancelled),
                Some(reason) if heeded => Err(Verdict::Retry(Trouble {
                    code: "hook",
                    message: format!("the `before` hook failed, and nothing was sent: {reason}"),
                    soon: false,
                })),
                _ => Ok(()),
            }
        };
        self.opened.get_or_init(|| run).await.clone()
    }

    /// The same, of a batch that is written in process, on a thread that may wait.
    pub fn open_for(&self, batch: &Batch) -> Result<(), Verdict> {
        if let Some(opened) = self.opened.get() {
            return opened.clone();
        }
        let planned = match batch.pass {
            Some(_) => Changed::unknown(),
            None => {
                let mut planned = Changed::default();
                for entry in &batch.entries {
                    planned.add(&entry.path);
                }
                planned
            }
        };
        match &self.runtime {
            Some(runtime) => runtime.block_on(self.open(planned)),
            None => Err(Verdict::Retry(Trouble {
                code: "internal",
                message: "the `before` hook has nothing to run on: please report it".to_owned(),
                soon: false,
            })),
        }
    }

    /// How the hook ended; `None`: it was not run.
    pub fn hooked(&self) -> Option<Hooked> {
        let hooked = self.hooked.lock();
        hooked.unwrap_or_else(PoisonError::into_inner).take()
    }
}
