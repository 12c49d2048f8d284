//! A source, a target behind a real rsync daemon, and jobs from one to the other.

use std::collections::BTreeMap;
use std::fs;
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use heliostat::engine::{
    DeleteLeave, Dirt, Job, Mark, Outcome, RelPath, TransferId, Verdict, Work,
};
use heliostat::filter::{FilterSpec, Rule};
use heliostat::plan::*;
use heliostat::transfer::progress::{Cancel, Progress};
use heliostat::transfer::{Context, Rsync};

/// Directories and a daemon, gone with it.
pub struct Rig {
    pub dir: tempfile::TempDir,
    pub source: PathBuf,
    pub target: PathBuf,
    pub port: u16,
    daemon: Child,
    rsync: Rsync,
}

/// The daemon's user and password.
pub const USER: &str = "mirror";
pub const PASSWORD: &str = "correct horse";

impl Rig {
    /// A daemon with the module `m`; `extra` goes into that module's section, after which it may begin others.
    pub async fn new(extra: &str) -> Rig {
        let dir = tempfile::tempdir().unwrap();
        fs::set_permissions(dir.path(), PermissionsExt::from_mode(0o755)).unwrap();
        let at = |name: &str| dir.path().join(name);
        let (source, target) = (at("source"), at("target"));
        for path in [&source, &target, &at("run")] {
            fs::create_dir(path).unwrap();
        }
        secret(&at("secrets"), &format!("{USER}:{PASSWORD}\n"));
        secret(&at("password"), &format!("{PASSWORD}\n"));
        let port = free_port();
        let text = format!(
            "uid = root\ngid = root\nuse chroot = yes\nport = {port}\naddress = 127.0.0.1\nlog file = {log}\n\
             [m]\npath = {target}\nread only = no\nauth users = {USER}\nsecrets file = {secrets}\n{extra}\n",
            log = at("daemon.log").display(),
            target = target.display(),
            secrets = at("secrets").display(),
        );
        fs::write(at("rsyncd.conf"), text).unwrap();
        let mut command = Command::new("/usr/bin/rsync");
        command
            .args(["--daemon", "--no-detach"])
            .arg(format!("--config={}", at("rsyncd.conf").display()));
        let daemon = command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        wait("the daemon listens", || {
            TcpStream::connect(("127.0.0.1", port)).is_ok()
        });
        Rig {
            dir,
            source,
            target,
            port,
            daemon,
            rsync: Rsync::new(None),
        }
    }

    pub fn daemon_id(&self) -> u32 {
        self.daemon.id()
    }

    pub fn at(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// The context of a transfer.
    pub fn context(&self) -> Context {
        Context {
            rsync: self.rsync.clone(),
            ssh: "/usr/bin/ssh".into(),
            runtime_dir: self.at("run"),
            owner_tag: "test".into(),
            orphans: Vec::new(),
            sessions: Default::default(),
            log_files: false,
        }
    }

    /// Where the module is.
    pub fn module(&self, module: &str) -> Target {
        Target::Daemon {
            user: Some(USER.into()),
            host: "127.0.0.1".into(),
            port: self.port,
            module: module.into(),
            path: String::new(),
            password: Some(Secret::File(self.at("password").display().to_string())),
        }
    }

    /// A route to the module `m`, to be changed by tests.
    pub fn route(&self, delete: DeletePolicy) -> RoutePlan {
        RoutePlan {
            name: RouteName {
                source: SourceName("web".into()),
                target: TargetName("far".into()),
            },
            target: self.module("m"),
            filter: filter(&["**"], &[]),
            delete,
            max_delete: DeleteBudget::Default,
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
            bandwidth: None,
            compress: Compress::None,
            durability: Durability::None,
            warm: true,
            attributes: Attributes::default(),
            timeout_ms: 20_000,
            retry: Retry {
                initial_ms: 1000,
                max_ms: 60_000,
            },
            rsync_args: Vec::new(),
            require_mount: false,
            hooks: Default::default(),
        }
    }

    /// A job for a route.
    pub fn job(&self, route: RoutePlan, work: Work) -> Job {
        let source = SourcePlan {
            name: SourceName("web".into()),
            path: self.source.display().to_string(),
            filter: filter(&["**"], &[]),
            events: EventSet::default(),
            one_file_system: true,
            guard: SourceGuard::default(),
            labels: BTreeMap::new(),
            routes: BTreeMap::new(),
        };
        Job {
            id: TransferId(1),
            source: Arc::new(source),
            route: Arc::new(route),
            work,
            deletes: DeleteLeave::default(),
            root: None,
            mounts: Vec::new(),
            bandwidth: None,
            sweep: false,
            trigger: "change",
            owes: false,
        }
    }

    /// Runs a job to its end.
    pub async fn run(&self, job: &Job) -> Outcome {
        let context = self.context();
        heliostat::transfer::run(job, &context, &Cancel::new(), &Arc::new(Progress::new())).await
    }

    /// Runs a batch, which must bring everything in step.
    pub async fn done(&self, route: RoutePlan, marks: &[Mark]) -> Outcome {
        let outcome = self
            .run(&self.job(route, Work::Batch(marks.to_vec())))
            .await;
        assert_done(&outcome);
        outcome
    }

    /// Runs a full pass, which must bring everything in step.
    pub async fn pass(&self, route: RoutePlan) -> Outcome {
        let outcome = self.run(&self.job(route, Work::Pass(Compare::Quick))).await;
        assert_done(&outcome);
        outcome
    }

    pub fn write(&self, name: &str, text: &str) {
        let path = self.source.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
}

impl Drop for Rig {
    fn drop(&mut self) {
        let _ = self.daemon.kill();
        let _ = self.daemon.wait();
    }
}

pub fn assert_done(outcome: &Outcome) {
    let clean =
        outcome.verdict == Verdict::Done && outcome.failed.is_empty() && outcome.again.is_empty();
    assert!(clean, "{outcome:#?}");
}

pub fn filter(include: &[&str], exclude: &[&str]) -> FilterSpec {
    let rules = |patterns: &[&str]| {
        patterns
            .iter()
            .map(|pattern| Rule {
                pattern: pattern.to_string(),
                origin: None,
            })
            .collect()
    };
    FilterSpec {
        include: rules(include),
        exclude: rules(exclude),
    }
}

pub fn path(bytes: &[u8]) -> RelPath {
    RelPath::new(bytes).unwrap()
}

pub fn mark(name: &str, dirt: Dirt) -> Mark {
    Mark {
        path: path(name.as_bytes()),
        dirt,
    }
}

/// Writes a file that only root reads.
pub fn secret(path: &Path, text: &str) {
    fs::write(path, text).unwrap();
    fs::set_permissions(path, PermissionsExt::from_mode(0o600)).unwrap();
}

pub fn free_port() -> u16 {
    TcpListener::bind(("127.0.0.1", 0))
        .unwrap()
        .local_addr()
        .unwrap()
        .port()
}

/// Waits for a condition, with a deadline.
pub fn wait(what: &str, condition: impl Fn() -> bool) {
    let end = Instant::now() + Duration::from_secs(10);
    while !condition() {
        assert!(Instant::now() < end, "waited in vain: {what}");
        std::thread::park_timeout(Duration::from_millis(5));
    }
}
