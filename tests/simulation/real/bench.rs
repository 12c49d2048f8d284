//! Where histories happen for real: a source and a target on disk, and the product's own transfer between them.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use heliostat::engine::{Job, Outcome};
use heliostat::plan::{Secret, Target};
use heliostat::transfer::progress::{Cancel, Progress};
use heliostat::transfer::{Context, Rsync};
use tokio::runtime::Runtime;

use crate::rig::Scratch;
use crate::rig::rsyncd::Rsyncd;

/// A daemon that serves the targets of all histories.
pub struct Daemon {
    daemon: Rsyncd,
    module: PathBuf,
    scratch: Scratch,
}

impl Daemon {
    pub fn new() -> Daemon {
        let scratch = Scratch::new();
        let module = scratch.dir("module");
        let mut daemon = Rsyncd::new(&scratch.dir("daemon"), &module);
        daemon.start();
        Daemon {
            daemon,
            module,
            scratch,
        }
    }
}

/// One source and one target.
pub struct Bench<'a> {
    daemon: Option<&'a Daemon>,
    /// Below the module, or anywhere.
    directory: tempfile::TempDir,
    runtime: Runtime,
    context: Context,
    pub source: PathBuf,
    pub target: PathBuf,
}

impl<'a> Bench<'a> {
    /// Through the daemon, or without one by the local copier.
    pub fn new(daemon: Option<&'a Daemon>) -> Bench<'a> {
        let above = daemon.map_or_else(std::env::temp_dir, |daemon| daemon.module.clone());
        let directory = tempfile::Builder::new()
            .prefix("history-")
            .tempdir_in(above)
            .unwrap();
        let dir = |name: &str| {
            let path = directory.path().join(name);
            std::fs::create_dir_all(&path).unwrap();
            path
        };
        let runtime_dir = match daemon {
            Some(daemon) => daemon.scratch.dir("run"),
            None => dir("run"),
        };
        Bench {
            daemon,
            source: dir("source"),
            target: dir("target"),
            directory,
            runtime: tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .unwrap(),
            context: Context {
                rsync: Rsync::new(None),
                ssh: "/usr/bin/ssh".into(),
                runtime_dir,
                owner_tag: "model".into(),
                orphans: Vec::new(),
                sessions: Default::default(),
                log_files: false,
            },
        }
    }

    /// Where a job's target is.
    pub fn address(&self) -> Target {
        let Some(daemon) = self.daemon else {
            return Target::Local {
                path: self.target.display().to_string(),
            };
        };
        let name = Path::new(self.directory.path().file_name().unwrap());
        Target::Daemon {
            user: Some("website".into()),
            host: "127.0.0.1".into(),
            port: daemon.daemon.port(),
            module: "m".into(),
            path: name.join("target").display().to_string(),
            password: Some(Secret::File(
                daemon.daemon.password_file().display().to_string(),
            )),
        }
    }

    /// Runs a job to its end.
    pub fn run(&self, job: &Job) -> Outcome {
        let progress = Arc::new(Progress::new());
        self.runtime.block_on(heliostat::transfer::run(
            job,
            &self.context,
            &Cancel::new(),
            &progress,
        ))
    }
}
