//! Transfers: carries a job out and says how it ended.
//!
//! A job's marks are looked at again and normalised into a [`batch::Batch`]; the target's kind carries it out: rsync for
//! daemons and ssh ([`rsync`]), in process for local directories ([`local`]). The guards' facts are collected before
//! anything is sent, and again right before anything is deleted. The room decides nothing of its own: what may be sent and
//! deleted follows from [`crate::engine::guard`]. It knows nothing of watches, schedules, retries or the ledger. Called by
//! the service, one [`run`] a job, or [`run_here`] where the target is local.

pub mod batch;
mod facts;
pub mod hook;
mod linked;
pub mod local;
pub mod normalise;
pub mod orphans;
mod preview;
pub mod progress;
pub mod rsync;
pub mod tally;
mod temporary;

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use batch::Batch;
use hook::Gate;
use normalise::Scope;
use progress::{Cancel, Progress};
use tally::Tally;

use crate::engine::guard::{self, GuardFacts};
use crate::engine::{Hold, Job, Outcome, Trouble, Verdict, broken_off};
use crate::filter::Filter;
use crate::plan::{RouteName, Target};

pub use preview::{Preview, preview};
pub use rsync::{Rsync, RsyncBinary, command_lines, probe, secret_trouble};

/// What the host gives to every transfer.
#[derive(Clone, Debug)]
pub struct Context {
    /// The rsync to use. Local targets need none.
    pub rsync: Rsync,
    /// ssh, absolute.
    pub ssh: PathBuf,
    /// A directory of our own, mode 0700, with a short name: sockets of lasting connections, an empty home. It exists.
    pub runtime_dir: PathBuf,
    /// In every child's environment as [`Context::OWNER`], so that what survives a SIGKILL of the service can be found.
    pub owner_tag: String,
    /// Children of an earlier service that could not be ended.
    pub orphans: Vec<i32>,
    /// Sessions that are begun ahead.
    pub sessions: Arc<rsync::Sessions>,
    /// Whether each file that is sent or deleted is said in the log.
    pub log_files: bool,
}

impl Context {
    /// The environment variable that marks our children.
    pub const OWNER: &'static str = "HELIOSTAT_OWNER";

    /// A child's whole environment. The home directory is empty, so that no `.popt` can change rsync's options.
    pub(crate) fn environment(&self, route: &RouteName) -> Vec<(&'static str, OsString)> {
        vec![
            ("LC_ALL", "C".into()),
            ("PATH", "/usr/local/bin:/usr/bin:/bin".into()),
            ("HOME", self.runtime_dir.join("home").into()),
            (Self::OWNER, self.owner_tag.clone().into()),
            (Self::ROUTE, route.to_string().into()),
        ]
    }
}

/// A job with what was found out for it.
pub(crate) struct Prepared {
    /// The job.
    pub(crate) job: Job,
    /// The route's filter.
    pub(crate) filter: Filter,
    /// What it comes to.
    pub(crate) batch: Batch,
    /// Whether it is a few small files. Only asked for where rsync carries it out.
    pub(crate) small: bool,
    /// Who wants to know of each path.
    pub(crate) tally: Option<Arc<Tally>>,
    /// What is passed before the first write.
    pub(crate) gate: Option<Arc<Gate>>,
}

/// Ends what is held open between transfers. For the end of the service.
pub async fn close(context: &Context) {
    context.sessions.close().await;
    rsync::close(context).await;
}

/// Carries a job out whose target is local, on this thread. Never fails: whatever happens is in the outcome.
pub fn run_here(job: Job, context: &Context, cancel: &Cancel, progress: &Progress) -> Outcome {
    let tally = Tally::of(&job, context).map(Arc::new);
    let gate = Gate::of(&job, context, cancel);
    let outcome = here(job, (tally.clone(), gate.clone()), cancel, progress);
    told(outcome, tally, gate)
}

/// With what was heard of its paths and of its hook.
fn told(outcome: Outcome, tally: Option<Arc<Tally>>, gate: Option<Arc<Gate>>) -> Outcome {
    let changed = tally.map(|tally| {
        tally.settle();
        tally.taken()
    });
    let changed = changed.unwrap_or_default();
    Outcome {
        changed: match &outcome.verdict {
            Verdict::Done => changed,
            _ => broken_off(changed),
        },
        before: gate.and_then(|gate| gate.hooked()),
        ..outcome
    }
}

fn here(
    job: Job,
    (tally, gate): (Option<Arc<Tally>>, Option<Arc<Gate>>),
    cancel: &Cancel,
    progress: &Progress,
) -> Outcome {
    let (facts, prepared) = match prepare(job) {
        (facts, Ok(prepared)) => (
            facts,
            Prepared {
                tally,
                gate,
                ..prepared
            },
        ),
        // Without the mounts: what a guard misses must not be forgotten.
        (_, Err(verdict)) => return Outcome::bare(verdict),
    };
    let outcome = match &prepared.job.route.target {
        _ if cancel.is_cancelled() => Outcome::bare(Verdict::Cancelled),
        _ if prepared.batch.entries.is_empty() => Outcome::bare(Verdict::Done),
        Target::Local { path } => in_process(&prepared, Path::new(path), cancel, progress),
        Target::Daemon { .. } | Target::Ssh { .. } => unreachable!("who calls it knows the target"),
    };
    Outcome {
        mounts: Some(facts.mounts),
        ..outcome
    }
}

/// Carries a job out. Never fails: whatever happens is in the outcome.
pub async fn run(
    job: &Job,
    context: &Context,
    cancel: &Cancel,
    progress: &Arc<Progress>,
) -> Outcome {
    if matches!(job.route.target, Target::Local { .. }) {
        let (job, cancel, progress) = (job.clone(), cancel.clone(), Arc::clone(progress));
        let context = context.clone();
        return match blocking(move || run_here(job, &context, &cancel, &progress)).await {
            Ok(outcome) => outcome,
            Err(trouble) => Outcome::bare(Verdict::Retry(trouble)),
        };
    }
    let tally = Tally::of(job, context).map(Arc::new);
    let gate = Gate::of(job, context, cancel);
    let (facts, prepared) = match blocking({
        let job = job.clone();
        move || prepare(job)
    })
    .await
    {
        Ok((facts, Ok(prepared))) => {
            let (tally, gate) = (tally.clone(), gate.clone());
            (
                facts,
                Prepared {
                    tally,
                    gate,
                    ..prepared
                },
            )
        }
        // Without the mounts: what a guard misses must not be forgotten.
        Ok((_, Err(verdict))) => return Outcome::bare(verdict),
        Err(trouble) => return Outcome::bare(Verdict::Retry(trouble)),
    };
    let mut outcome = if cancel.is_cancelled() {
        Outcome::bare(Verdict::Cancelled)
    } else if prepared.batch.entries.is_empty() {
        Outcome::bare(Verdict::Done)
    } else if let Some(trouble) = context.orphaned(&prepared.job.route.name).await {
        Outcome::bare(Verdict::Retry(trouble))
    } else {
        rsync::run(&prepared, context, cancel, progress).await
    };
    outcome.mounts = Some(facts.mounts);
    told(outcome, tally, gate)
}

fn in_process(
    prepared: &Prepared,
    target_root: &Path,
    cancel: &Cancel,
    progress: &Progress,
) -> Outcome {
    let Prepared {
        job, filter, batch, ..
    } = prepared;
    let request = local::Request {
        source_root: job.source.path.as_ref(),
        target_root,
        filter,
        batch,
        job,
        tally: prepared.tally.as_deref(),
        gate: prepared.gate.as_deref(),
    };
    local::run(&request, cancel, progress)
}

/// Looks at the source: the guards first, then the marked paths.
fn prepare(job: Job) -> (GuardFacts, Result<Prepared, Verdict>) {
    let facts = facts::collect(&job);
    if let Some(refusal) = guard::refuse(&job, &facts) {
        return (facts, Err(Verdict::Held(Hold::Guard(refusal))));
    }
    let filter = match Filter::compile(&job.route.filter) {
        Ok(filter) => filter,
        Err(error) => {
            let trouble = Trouble {
                code: "usage",
                message: format!("filter: {}", error.message),
                soon: false,
            };
            return (facts, Err(Verdict::Permanent(trouble)));
        }
    };
    let scope = Scope {
        filter: &filter,
        delete: job.route.delete,
        hard_links: job.route.attributes.hard_links,
        fences: if job.source.one_file_system {
            &facts.mounts
        } else {
            &[]
        },
        // In process a listed path costs no more than one that is come across.
        entries: job
            .deletes
            .target_entries
            .filter(|_| !matches!(job.route.target, Target::Local { .. })),
    };
    let batch = normalise::normalise(
        &job.work,
        scope,
        &facts::Disk {
            root: job.source.path.as_ref(),
        },
    );
    let small = !matches!(job.route.target, Target::Local { .. })
        && facts::is_small(job.source.path.as_ref(), &batch);
    (
        facts,
        Ok(Prepared {
            job,
            filter,
            batch,
            small,
            tally: None,
            gate: None,
        }),
    )
}

/// The guards' facts of a job, looked at again.
pub(crate) async fn refusal(job: &Job) -> Result<(), Verdict> {
    let job = job.clone();
    match blocking(move || guard::refuse(&job, &facts::collect(&job))).await {
        Ok(None) => Ok(()),
        Ok(Some(refusal)) => Err(Verdict::Held(Hold::Guard(refusal))),
        Err(trouble) => Err(Verdict::Retry(trouble)),
    }
}

/// Whether the source has nothing that belongs to the route.
pub(crate) async fn source_empty(job: &Job, filter: &Filter) -> Result<bool, Verdict> {
    let (root, filter) = (PathBuf::from(&job.source.path), filter.clone());
    blocking(move || facts::is_empty(&root, &filter))
        .await
        .map_err(Verdict::Retry)
}

/// Runs what blocks on a thread of its own.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, Trouble> {
    tokio::task::spawn_blocking(work)
        .await
        .map_err(|_| Trouble {
            code: "unknown",
            message: "looking at the source ended in a fault of this program: please report it"
                .to_string(),
            soon: false,
        })
}
