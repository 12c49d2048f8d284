//! Who is compared: heliostat in its ways, the other tools, and a bare rsync as the yardstick.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::place::{Place, RSYNC};
use crate::rig::process::Process;
use crate::rig::rsyncd::Rsyncd;
use crate::rig::service::{Heliostat, manifest};
use crate::rig::wait_for;
use crate::rivals;

/// How long a tool may take to watch its source and be in step: with 100,000 files on a busy machine this is minutes.
const START_MAX: Duration = Duration::from_secs(600);

/// Between two changes that ask whether a tool is awake.
const PROBE_EVERY: Duration = Duration::from_secs(3);

/// Where a tool sends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum To {
    /// The daemon's module.
    Module,
    /// A directory on the same host.
    Local,
    /// Both at once.
    Both,
}

/// This program's settings; what is not here is as a manifest has it that says nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ours {
    /// The targets.
    pub to: To,
    /// `delete: mirror`, which is what the script and lsyncd do.
    pub mirror: bool,
    /// `debounce: {quiet: 0ms}`: a change leaves at once.
    pub at_once: bool,
}

impl Ours {
    /// As a manifest has it that says nothing.
    pub const fn new(to: To) -> Ours {
        Ours {
            to,
            mirror: false,
            at_once: false,
        }
    }

    /// With `delete: mirror`.
    pub const fn mirror(to: To) -> Ours {
        Ours {
            mirror: true,
            ..Ours::new(to)
        }
    }

    /// With `quiet: 0ms`.
    pub const fn at_once(to: To) -> Ours {
        Ours {
            at_once: true,
            ..Ours::new(to)
        }
    }
}

/// A tool in one of its ways.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Peer {
    /// This program.
    Heliostat(Ours),
    /// `inotifywait | while read; do rsync --delete; done`.
    Script,
    /// lsyncd with this delay in seconds.
    Lsyncd { delay: u32, tuned: bool },
    /// watchman with a trigger that gives the changed names to rsync.
    Watchman { tuned: bool },
    /// One rsync, by hand: what the change costs where somebody knows of it already.
    Hand,
}

impl Peer {
    /// For tables.
    pub fn name(self) -> String {
        match self {
            Peer::Heliostat(ours) => {
                let to = match ours.to {
                    To::Module => "daemon module",
                    To::Local => "local",
                    To::Both => "module + local",
                };
                let mirror = if ours.mirror { ", mirror" } else { "" };
                let at_once = if ours.at_once { ", quiet 0" } else { "" };
                format!("heliostat, {to}{mirror}{at_once}")
            }
            Peer::Script => "inotifywait + rsync --delete".to_string(),
            Peer::Lsyncd { delay, tuned } => format!("lsyncd, delay={delay}{}", words(tuned)),
            Peer::Watchman { tuned } => format!("watchman + rsync --files-from{}", words(tuned)),
            Peer::Hand => "bare rsync, by hand".to_string(),
        }
    }

    /// Whether it is this program.
    pub fn is_ours(self) -> bool {
        matches!(self, Peer::Heliostat(_))
    }

    /// The program that it needs and that is not here.
    pub fn missing(self) -> Option<&'static str> {
        let needs: &[&'static str] = match self {
            Peer::Heliostat(Ours { to: To::Local, .. }) => &[],
            Peer::Heliostat(_) | Peer::Hand => &["rsync"],
            Peer::Script => &["rsync", "bash", "inotifywait"],
            Peer::Lsyncd { .. } => &["rsync", "lsyncd"],
            Peer::Watchman { .. } => &["rsync", "watchman"],
        };
        needs
            .iter()
            .find(|program| find(program).is_none())
            .copied()
    }

    /// Starts it on `place`, and waits until it watches and is in step.
    pub fn start(self, place: &Place) -> Running {
        let own = place.own(&self.name());
        let mut daemon = Rsyncd::new(&own.join("rsyncd"), &place.module);
        let to = match self {
            Peer::Heliostat(ours) => ours.to,
            _ => To::Module,
        };
        if to != To::Local {
            daemon.start();
        }
        let work = match self {
            Peer::Heliostat(ours) => heliostat(&own, place, &daemon, ours),
            Peer::Script => Work::Process(rivals::script(&own, place, &daemon)),
            Peer::Lsyncd { delay, tuned } => {
                Work::Process(rivals::lsyncd(&own, place, &daemon, delay, tuned))
            }
            Peer::Watchman { tuned } => {
                Work::Process(rivals::watchman(&own, place, &daemon, tuned))
            }
            Peer::Hand => Work::Hand,
        };
        let target = if to == To::Local {
            &place.local
        } else {
            &place.module
        };
        let mut running = Running {
            target: target.clone(),
            work,
            daemon,
        };
        running.ready(place, self);
        running
    }
}

/// A tool that runs; ended with everything it started when it goes out of scope.
pub struct Running {
    /// Where the changes are looked for.
    pub target: PathBuf,
    work: Work,
    daemon: Rsyncd,
}

/// What does the work.
enum Work {
    Heliostat(Box<Heliostat>),
    Process(Process),
    Hand,
}

impl Running {
    /// The processes that do the work, at both ends, without their children.
    pub fn ids(&self) -> Vec<u32> {
        self.id().into_iter().chain(self.daemon.id()).collect()
    }

    /// The tool itself, without the daemon.
    pub fn id(&self) -> Option<u32> {
        match &self.work {
            Work::Heliostat(service) => service.id(),
            Work::Process(process) => Some(process.id()),
            Work::Hand => None,
        }
    }

    /// heliostat itself.
    pub fn service(&mut self) -> Option<&mut Heliostat> {
        match &mut self.work {
            Work::Heliostat(service) => Some(service),
            Work::Process(_) | Work::Hand => None,
        }
    }

    /// The target is away from now on.
    pub fn lose_daemon(&mut self) {
        self.daemon.stop();
    }

    /// Something was changed in `source`; by hand, that is sent now. `None`: everything.
    pub fn changed(&self, source: &Path, path: Option<&Path>) {
        if !matches!(self.work, Work::Hand) {
            return;
        }
        let mut command = Command::new(RSYNC);
        command.env_clear().args(["-a", "--sockopts=TCP_NODELAY"]);
        command.arg(format!(
            "--password-file={}",
            self.daemon.password_file().display()
        ));
        match path {
            // A path with `/./` brings its parents along, as a list of files does.
            Some(path) => command
                .arg("--relative")
                .arg(source.join(".").join(path))
                .arg(self.daemon.url()),
            None => command
                .arg("--modify-window=-1")
                .arg(source.join(""))
                .arg(self.daemon.url()),
        };
        let status = command.stdin(Stdio::null()).status().unwrap();
        assert!(status.success(), "rsync by hand: {status}");
    }

    /// Ends it as its operator would.
    pub fn end(mut self) {
        if let Work::Heliostat(service) = &mut self.work {
            service.stop();
        }
    }

    /// Waits until a change to the first file arrives, which it does only while the source is watched.
    fn ready(&mut self, place: &Place, peer: Peer) {
        let begin = Instant::now();
        if let Work::Heliostat(service) = &mut self.work {
            assert!(
                service.wait(START_MAX),
                "heliostat is not in step:\n{}",
                service.tail()
            );
        }
        let file = &place.files[0];
        let mut number = 0;
        let awake = wait_for(START_MAX, || {
            number += 1;
            let content = unique(number);
            place.write(file, &content);
            self.changed(&place.source, Some(file));
            wait_for(PROBE_EVERY, || {
                holds(&self.target.join(file), &content).then_some(())
            })
        });
        assert!(awake.is_some(), "{} sends nothing", peer.name());
        let took = begin.elapsed().as_secs_f64();
        eprintln!(
            "{}: watching and in step after {took:.1} s with {} files",
            peer.name(),
            place.files.len()
        );
    }
}

fn words(tuned: bool) -> &'static str {
    if tuned { ", tuned" } else { "" }
}

/// A file's content that was in no file before: what a tool before this one sent does not count.
pub fn unique(number: usize) -> String {
    format!("{number} {}\n", jiff::Timestamp::now().as_nanosecond())
}

/// Whether the file holds exactly this.
pub fn holds(path: &Path, content: &str) -> bool {
    fs::read(path).is_ok_and(|found| found == content.as_bytes())
}

/// Where a program is, looked for as a shell would.
pub fn find(program: &str) -> Option<PathBuf> {
    let path = env::var_os("PATH")?;
    env::split_paths(&path)
        .map(|directory| directory.join(program))
        .find(|path| path.is_file())
}

fn heliostat(own: &Path, place: &Place, daemon: &Rsyncd, ours: Ours) -> Work {
    let mut targets = serde_json::Map::new();
    let mut target = |name: &str, mut settings: Value| {
        if ours.mirror {
            settings["delete"] = "mirror".into();
            settings["maxDelete"] = 1_000_000.into();
        }
        targets.insert(name.to_string(), settings);
    };
    if ours.to != To::Local {
        target(
            "module",
            json!({"url": daemon.url(), "passwordFile": daemon.password_file()}),
        );
    }
    if ours.to != To::Module {
        target(
            "local",
            json!({"url": format!("file://{}", place.local.display())}),
        );
    }
    // Periodic passes would hide what the event path loses.
    let mut source = json!({"path": place.source, "rescan": {"every": "24h"}, "targets": targets});
    if ours.at_once {
        source["debounce"] = json!({"quiet": "0ms"});
    }
    let sources = json!({"site": source});
    let mut service = Heliostat::new(&own.join("service"), &manifest(&sources));
    if let Some(level) = env::var_os("HELIOSTAT_BENCH_LOG_LEVEL") {
        service = service.arg("--log-level").arg(level);
    }
    service.start();
    Work::Heliostat(Box::new(service))
}
