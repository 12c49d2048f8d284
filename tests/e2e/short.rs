//! Many short random histories onto every kind of target, the rescans off: each of them begins anew, and ends with
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
use crate::rig::{Scratch, left_out, wait_for};

/// Without `HELIOSTAT_E2E_HISTORIES`.
const HISTORIES: u64 = 200;

/// Operations of one.
const OPERATIONS: std::ops::Range<u32> = 2..20;

/// The longest pause between two of them.
const PAUSE_MS: u64 = 30;

/// One source and its targets, with what is compared on each. A history has a directory of its own, so that many of them
/// share one service; the one before goes away meanwhile.
struct Field {
    // Ended before its files and daemons go.
    service: Heliostat,
    onto: Onto,
    targets: Vec<(PathBuf, Look)>,
    source: PathBuf,
    outside: PathBuf,
    kit: Kit,
    _daemon: Option<Rsyncd>,
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

/// Which targets a field has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Onto {
    /// A module and a directory, with the ordinary attributes.
    Plain,
    /// The same, strictly.
    Strict,
    /// Two places behind ssh, one of them strictly.
    Ssh,
}

impl Onto {
    /// One in so many of all histories goes there. ssh takes its time.
    fn share(self) -> u64 {
        match self {
            Onto::Plain | Onto::Strict => 2,
            Onto::Ssh => 20,
        }
    }
}

impl Field {
    fn new(onto: Onto) -> Field {
        let scratch = Scratch::new();
        let (mut routes, mut targets, mut daemon) = (json!({}), Vec::new(), None);
        let mut add = |name: &str, path: PathBuf, mut target: Value, strictly: bool| {
            let (keys, look) = if strictly {
                strict()
            } else {
                (json!({}), Look::default())
            };
            extend(&mut target, &keys);
            extend(
                &mut target,
                &json!({"delete": "mirror", "maxDelete": 100_000}),
            );
            routes[name] = target;
            targets.push((path, look));
        };
        let sshd = (onto == Onto::Ssh).then(|| Sshd::start(&scratch.dir("sshd")));
        if let Some(sshd) = &sshd {
            for (name, strictly) in [("far", false), ("strict", true)] {
                let far = scratch.dir(name);
                add(name, far.clone(), over_ssh(sshd, &far), strictly);
            }
        } else {
            let strictly = onto == Onto::Strict;
            let (module, copy) = (scratch.dir("module"), scratch.dir("copy"));
            let rsyncd = daemon.insert(Rsyncd::new(&scratch.dir("daemon"), &module));
            rsyncd.start();
            add("module", module, remote(rsyncd), strictly);
            add("copy", copy.clone(), local(&copy), strictly);
        }
        let source = scratch.dir("source");
        let text = manifest(&json!({"site": site(&source, routes)}));
        Field {
            service: Heliostat::new(&scratch.dir("service"), &text),
            onto,
            targets,
            source,
            outside: scratch.dir("outside"),
            kit: Kit::new(&scratch.dir("kit")),
            _daemon: daemon,
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
                let before = seed + 1 - seeds.start;
                let (alone, after) = (
                    again(seed, 1),
                    again(seeds.start, before * self.onto.share()),
                );
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
        // Another history for each kind of target.
        let salted = seed.wrapping_mul(3) + self.onto as u64;
        let mut random = fastrand::Rng::with_seed(salted);
        let place = self.source.join(format!("h{seed}"));
        let outside = self.outside.join(format!("h{seed}"));
        fs::create_dir(&outside).unwrap();
        let mut churn = Churn::new(&place, salted);
        let mut swaps = Swaps::new(&place, &outside, salted);
        let mut programs = Programs::new(&place, &self.kit, salted);
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

/// How many were made.
fn histories(onto: Onto) -> u64 {
    let count = knob("HELIOSTAT_E2E_HISTORIES", HISTORIES).div_ceil(onto.share());
    let first = knob("HELIOSTAT_SEED", 1);
    Field::new(onto).histories(first..first + count);
    count
}

#[test]
fn short_histories_reach_a_module_and_a_directory() {
    let count = histories(Onto::Plain);
    eprintln!("figure: short end-to-end histories {count}");
}

#[test]
fn short_histories_keep_links_and_extended_attributes() {
    let count = histories(Onto::Strict);
    eprintln!("figure: short end-to-end histories with links and extended attributes {count}");
}

#[test]
fn short_histories_go_over_ssh() {
    if !Sshd::is_there() {
        return left_out("there is no sshd");
    }
    let count = histories(Onto::Ssh);
    eprintln!("figure: short end-to-end histories over ssh {count}");
}

/// rsync links what it lists together: a directory that came with a name of a file outside of it was sent alone.
#[test]
fn a_further_name_that_comes_with_its_directory_is_the_same_file() {
    let mut field = Field::new(Onto::Strict);
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
    let mut field = Field::new(Onto::Strict);
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
    let mut field = Field::new(Onto::Strict);
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
