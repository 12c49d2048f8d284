//! Many short random histories onto every kind of target at once, the rescans off: each of them begins anew, and ends with
//! equal trees when the service says so.
//!
//! `HELIOSTAT_E2E_HISTORIES` says how many, `HELIOSTAT_SEED` with which seed they begin. A red one is a bug with a seed.

use std::fs::{self, File};
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use rustix::fs::{CWD, RenameFlags, renameat_with};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};

use super::{PATIENCE, SHOWN_MAX, extend, knob, local, remote, retry, site};
use crate::rig::churn::Churn;
use crate::rig::programs::{Kit, Programs};
use crate::rig::rsyncd::Rsyncd;
use crate::rig::service::{Heliostat, manifest};
use crate::rig::sshd::Sshd;
use crate::rig::swaps::Swaps;
use crate::rig::tree::{Look, differences};
use crate::rig::{Scratch, wait_for};

/// Without `HELIOSTAT_E2E_HISTORIES`.
const HISTORIES: u64 = 200;

/// One in so many is made over ssh as well, which takes its time.
const OVER_SSH: u64 = 10;

/// Operations of one.
const OPERATIONS: std::ops::Range<u32> = 2..20;

/// The longest pause between two of them.
const PAUSE_MS: u64 = 30;

/// One source and its targets, with what is compared on each. A history has a directory of its own, so that many of them
/// share one service; the one before goes away meanwhile.
struct Field {
    // Ended before its files and daemons go.
    service: Heliostat,
    targets: Vec<(PathBuf, Look)>,
    source: PathBuf,
    outside: PathBuf,
    kit: Kit,
    _daemons: Vec<Rsyncd>,
    _sshd: Option<Sshd>,
    _scratch: Scratch,
}

/// Beside `archive`.
fn strict() -> (Value, Look) {
    let keys = json!({"attributes": ["archive", "hardLinks", "xattrs"]});
    let look = Look {
        xattrs: true,
        hard_links: true,
        ..Look::default()
    };
    (keys, look)
}

fn over_ssh(sshd: &Sshd, path: &Path) -> Value {
    json!({
        "url": format!("ssh://root@127.0.0.1:{}{}", sshd.port(), path.display()),
        "ssh": {"identityFile": sshd.file("user key"), "knownHostsFile": sshd.file("known hosts")},
        "retry": retry(),
    })
}

impl Field {
    /// A module and a directory, each with the ordinary attributes and strictly; or, with `ssh`, two places behind that.
    fn new(ssh: bool) -> Field {
        let scratch = Scratch::new();
        let (mut routes, mut targets, mut daemons) = (json!({}), Vec::new(), Vec::new());
        let sshd = ssh.then(|| Sshd::start(&scratch.dir("sshd")));
        for (name, (keys, look)) in [
            ("plain", (json!({}), Look::default())),
            ("strict", strict()),
        ] {
            let mut add = |kind: &str, path: PathBuf, mut target: Value| {
                extend(&mut target, &keys);
                extend(
                    &mut target,
                    &json!({"delete": "mirror", "maxDelete": 100_000}),
                );
                routes[format!("{kind}-{name}")] = target;
                targets.push((path, look.clone()));
            };
            if let Some(sshd) = &sshd {
                let far = scratch.dir(&format!("far-{name}"));
                add("ssh", far.clone(), over_ssh(sshd, &far));
                continue;
            }
            let (module, copy) = (
                scratch.dir(&format!("module-{name}")),
                scratch.dir(&format!("copy-{name}")),
            );
            let mut daemon = Rsyncd::new(&scratch.dir(&format!("daemon-{name}")), &module);
            daemon.start();
            add("module", module, remote(&daemon));
            add("copy", copy.clone(), local(&copy));
            daemons.push(daemon);
        }
        let source = scratch.dir("source");
        let text = manifest(&json!({"site": site(&source, routes)}));
        Field {
            service: Heliostat::new(&scratch.dir("service"), &text),
            targets,
            source,
            outside: scratch.dir("outside"),
            kit: Kit::new(&scratch.dir("kit")),
            _daemons: daemons,
            _sshd: sshd,
            _scratch: scratch,
        }
    }

    fn histories(mut self, seeds: std::ops::Range<u64>) {
        self.service.start();
        for seed in seeds.clone() {
            if let Err(panic) = catch_unwind(AssertUnwindSafe(|| self.history(seed))) {
                let again = |first, count| {
                    format!("HELIOSTAT_SEED={first} HELIOSTAT_E2E_HISTORIES={count}")
                };
                let (alone, after) = (again(seed, 1), again(seeds.start, seed + 1 - seeds.start));
                eprintln!(
                    "\nto see it again: {alone}, or after those before it: {after}\n{}",
                    self.service.log()
                );
                resume_unwind(panic);
            }
        }
        assert_eq!(self.service.stop().0, 0, "{}", self.service.tail());
    }

    fn history(&mut self, seed: u64) {
        let mut random = fastrand::Rng::with_seed(seed);
        let place = self.source.join(format!("h{seed}"));
        let outside = self.outside.join(format!("h{seed}"));
        fs::create_dir(&outside).unwrap();
        let mut churn = Churn::new(&place, seed);
        let mut swaps = Swaps::new(&place, &outside, seed);
        let mut programs = Programs::new(&place, &self.kit, seed);
        let operations = random.u32(OPERATIONS);
        let clears = random.u32(..operations);
        for at in 0..operations {
            match random.u32(..10) {
                0..4 => churn.step(),
                4..7 => swaps.step(),
                _ => programs.step(),
            }
            if at == clears && seed > 0 {
                // Whatever the last one left.
                let _ = fs::remove_dir_all(self.source.join(format!("h{}", seed - 1)));
            }
            // Most follow at once.
            if random.u32(..8) == 0 {
                pause(Duration::from_millis(random.u64(..PAUSE_MS)));
            }
        }
        self.settle();
        fs::remove_dir_all(outside).unwrap();
    }

    /// Waits until the service says that everything is in sync, and holds it to its word at once.
    fn settle(&mut self) {
        let settled = self.service.wait(PATIENCE);
        assert!(
            settled,
            "not in sync: {:#}",
            self.service.status().unwrap_or_default()
        );
        for (target, look) in &self.targets {
            let left = differences(&self.source, target, look);
            assert!(
                left.is_empty(),
                "said to be in sync, and {} differ in {}: {:#?}",
                left.len(),
                target.display(),
                &left[..left.len().min(SHOWN_MAX)]
            );
        }
    }
}

fn pause(time: Duration) {
    let _ = wait_for(time, || None::<()>);
}

fn seeds(count: u64) -> std::ops::Range<u64> {
    let first = knob("HELIOSTAT_SEED", 1);
    first..first + count
}

#[test]
fn short_histories_reach_every_kind_of_target() {
    let count = knob("HELIOSTAT_E2E_HISTORIES", HISTORIES);
    Field::new(false).histories(seeds(count));
    eprintln!("figure: short end-to-end histories {count}, onto four targets each");
}

#[test]
fn short_histories_go_over_ssh() {
    if !Sshd::is_there() {
        eprintln!("figure: short end-to-end histories over ssh 0: there is no sshd here");
        return;
    }
    let count = knob("HELIOSTAT_E2E_HISTORIES", HISTORIES).div_ceil(OVER_SSH);
    Field::new(true).histories(seeds(count));
    eprintln!("figure: short end-to-end histories over ssh {count}, onto two targets each");
}

/// rsync links what it lists together: a directory that came with a name of a file outside of it was sent alone.
#[test]
fn a_further_name_that_comes_with_its_directory_is_the_same_file() {
    let mut field = Field::new(false);
    super::write(&field.source, "a", "under two names");
    super::write(&field.source, "e/b", "under two names");
    field.service.start();
    field.settle();
    let new = field.outside.join("new");
    fs::create_dir_all(new.join("d")).unwrap();
    fs::hard_link(field.source.join("a"), new.join("d/a")).unwrap();
    fs::hard_link(field.source.join("e/b"), new.join("b")).unwrap();
    fs::rename(new, field.source.join("new")).unwrap();
    field.settle();
}

/// The run that links a file to its other names came before the one that sent it, if that one had several names to delete.
#[test]
fn a_further_name_that_comes_with_removals_is_the_same_file() {
    let mut field = Field::new(false);
    for name in ["a", "d/x", "d/y", "d/z"] {
        super::write(&field.source, name, name);
    }
    field.service.start();
    field.settle();
    // All in one batch.
    let process = Pid::from_raw(field.service.id().unwrap() as i32).unwrap();
    kill_process(process, Signal::STOP).unwrap();
    fs::hard_link(field.source.join("a"), field.source.join("b")).unwrap();
    for name in ["d/x", "d/y"] {
        fs::remove_file(field.source.join(name)).unwrap();
    }
    kill_process(process, Signal::CONT).unwrap();
    field.settle();
}

/// What was linked by its size and time was not looked at any more: two files of two names each, exchanged, stayed where
/// they were on a local target.
#[test]
fn linked_files_of_equal_size_and_time_are_exchanged() {
    let mut field = Field::new(false);
    let time = SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000_000);
    let at = |name: &str| field.source.join(name);
    for (name, text) in [("a", "1111"), ("b", "2222")] {
        super::write(&field.source, name, text);
        File::open(at(name)).unwrap().set_modified(time).unwrap();
        fs::hard_link(at(name), at(&format!("{name}-linked"))).unwrap();
    }
    field.service.start();
    field.settle();
    for (one, other) in [("a", "b"), ("a-linked", "b-linked")] {
        let at = |name: &str| field.source.join(name);
        renameat_with(CWD, at(one), CWD, at(other), RenameFlags::EXCHANGE).unwrap();
    }
    field.settle();
}
