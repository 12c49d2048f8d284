//! Local copying on the real file system: against the real rsync, under random histories, against hostile neighbours.

#![allow(clippy::unwrap_used, reason = "in tests the panic is the message")]

mod batches;
mod differential;
mod forest;
mod guards;
mod hostile;
mod ordinary;
mod snapshot;
mod speed;
mod wide;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use heliostat::engine::{DeleteLeave, Job, Outcome, RelPath, TransferId, Work};
use heliostat::filter::{Filter, FilterSpec, Rule};
use heliostat::plan::{
    Attributes, Compare, Compress, Debounce, DeleteBudget, DeletePolicy, Durability, EventSet,
    OnStart, Rescan, Retry, RouteName, RoutePlan, SourceGuard, SourceName, SourcePlan, Sync,
    Target, TargetName,
};
use heliostat::transfer::batch::{Act, Batch, Entry};
use heliostat::transfer::local::{self, Request};
use heliostat::transfer::progress::{Cancel, Progress};

/// A source and a target in a scratch directory, and how they are kept in step.
struct World {
    scratch: tempfile::TempDir,
    attributes: Attributes,
    delete: DeletePolicy,
    max_delete: DeleteBudget,
    leave: DeleteLeave,
    exclude: Vec<&'static str>,
    allow_empty: bool,
    one_file_system: bool,
    bandwidth: Option<u64>,
    durability: Durability,
    sweep: bool,
    cancel: Cancel,
    progress: Progress,
}

impl World {
    fn new() -> World {
        let scratch = tempfile::Builder::new()
            .prefix("heliostat-local-")
            .tempdir()
            .unwrap();
        std::fs::create_dir(scratch.path().join("source")).unwrap();
        std::fs::create_dir(scratch.path().join("target")).unwrap();
        World {
            scratch,
            attributes: Attributes::default(),
            delete: DeletePolicy::Mirror,
            max_delete: DeleteBudget::Count(1_000_000),
            leave: DeleteLeave::default(),
            exclude: Vec::new(),
            allow_empty: true,
            one_file_system: false,
            bandwidth: None,
            durability: Durability::None,
            sweep: false,
            cancel: Cancel::new(),
            progress: Progress::new(),
        }
    }

    fn source(&self) -> PathBuf {
        self.scratch.path().join("source")
    }

    fn target(&self) -> PathBuf {
        self.scratch.path().join("target")
    }

    fn job(&self) -> Job {
        let name = SourceName("source".into());
        let filter = FilterSpec {
            include: vec![Rule {
                pattern: "**".into(),
                origin: None,
            }],
            exclude: self
                .exclude
                .iter()
                .map(|glob| Rule {
                    pattern: (*glob).into(),
                    origin: None,
                })
                .collect(),
        };
        let route = RoutePlan {
            name: RouteName {
                source: name.clone(),
                target: TargetName("target".into()),
            },
            target: Target::Local {
                path: self.target().display().to_string(),
            },
            filter: filter.clone(),
            delete: self.delete,
            max_delete: self.max_delete,
            sync: Sync::Live,
            windows: Vec::new(),
            debounce: Debounce {
                quiet_ms: 5,
                max_wait_ms: 1000,
            },
            rescan: Rescan {
                schedule: None,
                compare: Compare::Quick,
                on_start: OnStart::Auto,
            },
            bandwidth: self.bandwidth,
            compress: Compress::None,
            durability: self.durability,
            warm: false,
            attributes: self.attributes,
            timeout_ms: 60_000,
            retry: Retry {
                initial_ms: 1000,
                max_ms: 60_000,
            },
            rsync_args: Vec::new(),
            require_mount: false,
            hooks: Default::default(),
        };
        let source = SourcePlan {
            name,
            path: self.source().display().to_string(),
            filter,
            events: EventSet::default(),
            one_file_system: self.one_file_system,
            guard: SourceGuard {
                marker: None,
                allow_empty: self.allow_empty,
                require_mount: false,
            },
            labels: BTreeMap::new(),
            routes: BTreeMap::new(),
        };
        Job {
            id: TransferId(1),
            source: Arc::new(source),
            route: Arc::new(route),
            work: Work::Pass(Compare::Quick),
            deletes: self.leave.clone(),
            root: None,
            mounts: Vec::new(),
            bandwidth: None,
            sweep: self.sweep,
            trigger: "change",
            owes: false,
        }
    }

    fn run(&self, batch: &Batch) -> Outcome {
        self.run_between(&self.source(), &self.target(), batch)
    }

    fn run_between(&self, source_root: &Path, target_root: &Path, batch: &Batch) -> Outcome {
        let job = self.job();
        let filter = Filter::compile(&job.route.filter).unwrap();
        let request = Request {
            source_root,
            target_root,
            filter: &filter,
            batch,
            job: &job,
            tally: None,
            gate: None,
        };
        local::run(&request, &self.cancel, &self.progress)
    }

    fn pass(&self) -> Outcome {
        self.run(&pass(Compare::Quick, self.delete == DeletePolicy::Mirror))
    }
}

/// A full pass.
fn pass(compare: Compare, delete: bool) -> Batch {
    let act = Act::Reconcile {
        trust: true,
        delete,
    };
    Batch {
        entries: vec![Entry {
            path: RelPath::root(),
            act,
        }],
        pass: Some(compare),
    }
}

/// A batch of marks, in any order.
fn batch(entries: impl IntoIterator<Item = (RelPath, Act)>) -> Batch {
    let mut entries: Vec<_> = entries
        .into_iter()
        .map(|(path, act)| Entry { path, act })
        .collect();
    entries.sort_by(|one, other| one.path.cmp(&other.path));
    Batch {
        entries,
        pass: None,
    }
}

fn p(text: &str) -> RelPath {
    RelPath::new(text.as_bytes()).unwrap()
}

/// Whether owners, devices and the like can be made here.
fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}
