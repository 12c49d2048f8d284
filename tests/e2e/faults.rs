//! Faults of every kind, alone and two at a time, in the midst of random work: when they are over, everything heals by
//! itself, without a restart and without a new event.
//!
//! `HELIOSTAT_FAULTS` says how many, `HELIOSTAT_SEED` with which seed they begin. What each failure says is held in
//! `failures`; here they meet each other.

use std::fs::{self, File, Permissions};
use std::io::Write;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::path::{Path, PathBuf};
use std::process::Command;

use rustix::fs::{IFlags, ioctl_getflags, ioctl_setflags};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::json;

use super::failures::UNPRIVILEGED;
use super::{PATIENCE, SHOWN_MAX, equal, extend, knob, local, remote, site, soon, write};
use crate::rig::Scratch;
use crate::rig::mount::Mount;
use crate::rig::programs::Kit;
use crate::rig::proxy::Proxy;
use crate::rig::rsyncd::Rsyncd;
use crate::rig::service::{Heliostat, manifest};
use crate::rig::tree::{Look, differences};
use crate::rig::work::Work;

/// Without `HELIOSTAT_FAULTS`. Each kind comes twice, at least.
const FAULTS: u64 = 36;

/// Operations while a fault lasts.
const OPERATIONS: std::ops::Range<u32> = 5..40;

/// Events that no queue is expected to hold.
const QUEUE_MAX: u32 = 200_000;

/// Of either target's disk.
const DISK: &str = "48m";

/// One source behind a symlink, onto a module behind a relay and a directory, each on a disk of its own; and another
/// source that has a disk below its root.
struct Stand {
    // Ended before what it works on.
    service: Heliostat,
    daemon: Rsyncd,
    proxy: Proxy,
    /// The module's and the directory's.
    disks: [(Mount, PathBuf); 2],
    below: Option<Mount>,
    /// How many directories `current` has pointed to.
    releases: u32,
    /// Files that cannot be changed.
    fixed: Vec<File>,
    skipped: Vec<String>,
    scratch: Scratch,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fault {
    /// Every connection ends in the midst of a transfer.
    Cut,
    /// No connection comes about.
    Refused,
    /// Connections stay open, and nothing passes.
    Stalled,
    Full,
    ReadOnly,
    Immutable,
    Password,
    Unreadable,
    Overflow,
    /// Another directory takes the root's place.
    Replaced,
    /// The root is a symlink, and points elsewhere.
    Swapped,
    /// A disk below a root is gone.
    Unmounted,
    /// The module's directory is gone.
    Moved,
    Killed,
    /// The daemon, with all its connections.
    Restarted,
}

const ALL: &[Fault] = &[
    Fault::Cut,
    Fault::Refused,
    Fault::Stalled,
    Fault::Full,
    Fault::ReadOnly,
    Fault::Immutable,
    Fault::Password,
    Fault::Unreadable,
    Fault::Overflow,
    Fault::Replaced,
    Fault::Swapped,
    Fault::Unmounted,
    Fault::Moved,
    Fault::Killed,
    Fault::Restarted,
];

impl Stand {
    fn new() -> Stand {
        let scratch = Scratch::new();
        symlink("release-0", scratch.path().join("current")).unwrap();
        write(&scratch.dir("release-0"), "closed/a", "a");
        write(&scratch.path().join("release-0"), "closed/sub/b", "b");
        write(&scratch.dir("disk"), "c", "on a disk below");
        write(&scratch.dir("outer"), "d", "beside it");
        scratch.dir("outer/below");
        let disks = ["module", "copy"].map(|name| {
            let at = scratch.dir(&format!("disk-{name}"));
            let mount = Mount::tmpfs(&at, DISK);
            fs::create_dir(at.join("tree")).unwrap();
            (mount, at)
        });
        let mut daemon = Rsyncd::new(&scratch.dir("daemon"), &disks[0].1.join("tree"));
        daemon.start();
        let proxy = Proxy::new(daemon.port());
        let mut module = remote(&daemon);
        module["url"] = json!(daemon.url_through(proxy.port()));
        let mut targets = [
            module,
            local(&disks[1].1.join("tree")),
            local(&scratch.dir("outer-copy")),
        ];
        for target in &mut targets {
            extend(target, &json!({"delete": "mirror", "maxDelete": 100_000}));
        }
        let [module, copy, outer] = targets;
        let current = scratch.path().join("current");
        let mut second = site(&scratch.path().join("outer"), json!({"copy": outer}));
        extend(&mut second, &json!({"oneFileSystem": false}));
        let sources = json!({
            "site": site(&current, json!({"module": module, "copy": copy})),
            "outer": second,
        });
        Stand {
            service: Heliostat::new(&scratch.dir("service"), &manifest(&sources))
                .under(UNPRIVILEGED),
            daemon,
            proxy,
            disks,
            below: Some(Mount::bind(
                &scratch.path().join("disk"),
                &scratch.path().join("outer/below"),
            )),
            releases: 0,
            fixed: Vec::new(),
            skipped: Vec::new(),
            scratch,
        }
    }

    fn at(&self, name: &str) -> PathBuf {
        self.scratch.path().join(name)
    }

    fn trees(&self) -> [(PathBuf, PathBuf); 3] {
        let target = |at: usize| (self.at("current"), self.disks[at].1.join("tree"));
        [
            target(0),
            target(1),
            (self.at("outer"), self.at("outer-copy")),
        ]
    }

    fn signal(&self, signal: Signal) {
        let id = self.service.id().expect("it runs");
        kill_process(Pid::from_raw(id as i32).unwrap(), signal).unwrap();
    }

    fn begin(&mut self, fault: Fault, random: &mut fastrand::Rng) {
        let current = self.at("current");
        match fault {
            Fault::Cut => {
                let before = self.proxy.cuts();
                self.proxy.cut_after(random.u32(300..150_000));
                let large = vec![random.u8(..); random.usize(200_000..400_000)];
                fs::write(current.join("churn/large"), &large).unwrap();
                soon("a connection is cut", || self.proxy.cuts() > before);
            }
            Fault::Refused => self.proxy.refuse(true),
            Fault::Stalled => self.proxy.hold(true),
            Fault::Full => {
                for (_, disk) in &self.disks {
                    let mut ballast = File::create(disk.join("ballast")).unwrap();
                    while ballast.write_all(&[0; 1 << 16]).is_ok() {}
                }
                write(
                    &current,
                    "churn/large",
                    &"x".repeat(random.usize(100_000..300_000)),
                );
            }
            Fault::ReadOnly => self.disks.iter().for_each(|(mount, _)| mount.remount("ro")),
            Fault::Immutable => self.fix(&current),
            Fault::Password => self.daemon.set_password("another"),
            Fault::Unreadable => {
                write(&current, "closed/a", &random.u64(..).to_string());
                write(&current, "closed/sub/b", &random.u64(..).to_string());
                chmod(&current.join("closed"), 0);
            }
            Fault::Overflow => self.overflow(&current),
            Fault::Replaced => {
                let release = self.at(&format!("release-{}", self.releases));
                fs::rename(&release, self.at("away")).unwrap();
            }
            Fault::Swapped => {
                let next = format!("release-{}", self.releases + 1);
                copy_tree(&current, &self.at(&next));
                write(&self.at(&next), "churn/swapped", &next);
                symlink(&next, self.at("next")).unwrap();
                fs::rename(self.at("next"), &current).unwrap();
                self.releases += 1;
            }
            Fault::Unmounted => {
                self.below = None;
                write(&self.at("outer"), "e", &random.u64(..).to_string());
            }
            Fault::Moved => self.moves("tree", "moved"),
            Fault::Killed => self.service.kill(),
            Fault::Restarted => self.daemon.stop(),
        }
    }

    fn end(&mut self, fault: Fault) {
        match fault {
            Fault::Cut | Fault::Swapped => {}
            Fault::Refused => self.proxy.refuse(false),
            Fault::Stalled => self.proxy.hold(false),
            Fault::Full => {
                for (_, disk) in &self.disks {
                    fs::remove_file(disk.join("ballast")).unwrap();
                }
            }
            Fault::ReadOnly => self.disks.iter().for_each(|(mount, _)| mount.remount("rw")),
            Fault::Immutable => {
                for file in self.fixed.drain(..) {
                    ioctl_setflags(&file, IFlags::empty()).unwrap();
                }
            }
            Fault::Password => self.daemon.set_password("website"),
            Fault::Unreadable => chmod(&self.at("current/closed"), 0o755),
            Fault::Overflow => self.signal(Signal::CONT),
            Fault::Replaced => {
                let release = self.at(&format!("release-{}", self.releases));
                copy_tree(&self.at("away"), &self.at("fresh"));
                write(&self.at("fresh"), "churn/replaced", "by another directory");
                fs::rename(self.at("fresh"), release).unwrap();
                fs::remove_dir_all(self.at("away")).unwrap();
            }
            Fault::Unmounted => {
                let mount = Mount::bind(&self.at("disk"), &self.at("outer/below"));
                self.below = Some(mount);
            }
            Fault::Moved => self.moves("moved", "tree"),
            Fault::Killed => self.service.start(),
            Fault::Restarted => self.daemon.start(),
        }
    }

    /// Of the module alone: a local directory that is gone is made anew.
    fn moves(&self, from: &str, to: &str) {
        let disk = &self.disks[0].1;
        fs::rename(disk.join(from), disk.join(to)).unwrap();
    }

    /// A file that both targets have is changed in the source, and cannot be there.
    fn fix(&mut self, current: &Path) {
        for (_, disk) in &self.disks {
            let file = File::open(disk.join("tree/closed/a")).unwrap();
            let flags = ioctl_getflags(&file).unwrap_or(IFlags::empty());
            match ioctl_setflags(&file, flags | IFlags::IMMUTABLE) {
                Ok(()) => self.fixed.push(file),
                Err(error) => self
                    .skipped
                    .push(format!("no immutable files: {error} on {}", disk.display())),
            }
        }
        write(current, "closed/a", "cannot be written");
    }

    /// The service stands still until the kernel forgets events.
    fn overflow(&mut self, current: &Path) {
        let limit = fs::read_to_string("/proc/sys/fs/inotify/max_queued_events").unwrap();
        let limit: u32 = limit.trim().parse().unwrap();
        self.signal(Signal::STOP);
        if limit > QUEUE_MAX {
            self.skipped
                .push(format!("no overflow: the queue holds {limit} events"));
            return;
        }
        for name in ["one", "other"] {
            write(current, &format!("churn/{name}"), name);
        }
        // One after the other, or equal events would become one.
        for at in 0..limit / 2 + 2000 {
            for name in ["one", "other"] {
                chmod(&current.join("churn").join(name), 0o600 | (at & 0o77));
            }
        }
    }

    /// Everything heals by itself, and the service says so.
    fn heals(&mut self) {
        for (source, target) in self.trees() {
            equal(&source, &target, &self.service);
        }
        let settled = self.service.wait(PATIENCE);
        let status = self.service.status().unwrap_or_default();
        assert!(settled, "equal, and not in sync: {status:#}");
        for (source, target) in self.trees() {
            let left = differences(&source, &target, &Look::default());
            let shown = &left[..left.len().min(SHOWN_MAX)];
            assert!(left.is_empty(), "said to be in sync: {shown:#?}");
        }
    }
}

impl Drop for Stand {
    fn drop(&mut self) {
        // Or its files could not be removed.
        self.end(Fault::Immutable);
        if self.service.id().is_some() && self.service.alive() {
            self.signal(Signal::CONT);
        }
    }
}

fn chmod(path: &Path, mode: u32) {
    fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
}

fn copy_tree(from: &Path, to: &Path) {
    fs::create_dir(to).unwrap();
    let mut command = Command::new("/bin/cp");
    let done = command.arg("-a").arg(from.join(".")).arg(to).status();
    assert!(done.unwrap().success());
}

/// Whether two of them can be had at once: those of a kind are in each other's way.
fn go_together(one: Fault, other: Fault) -> bool {
    let alone = |fault| match fault {
        // There must be a service, a root, and something that passes.
        Fault::Killed | Fault::Overflow => 0,
        Fault::Replaced | Fault::Swapped | Fault::Unreadable => 1,
        Fault::Full | Fault::ReadOnly | Fault::Moved | Fault::Immutable => 2,
        Fault::Refused | Fault::Stalled | Fault::Password | Fault::Restarted => 3,
        Fault::Unmounted => 4,
        Fault::Cut => 5,
    };
    let (low, high) = (alone(one).min(alone(other)), alone(one).max(alone(other)));
    // An overflow works on the root; and only what has room and a way can be cut.
    low != high && (low, high) != (0, 1) && (high != 5 || low == 4)
}

#[test]
fn faults_at_any_moment_heal_by_themselves() {
    let (seed, count) = (knob("HELIOSTAT_SEED", 5), knob("HELIOSTAT_FAULTS", FAULTS));
    let mut stand = Stand::new();
    let outcome = catch_unwind(AssertUnwindSafe(|| rounds(&mut stand, count, seed)));
    if let Err(panic) = outcome {
        eprintln!(
            "\nto see it again: HELIOSTAT_SEED={seed} HELIOSTAT_FAULTS={count}\n{}",
            stand.service.tail()
        );
        resume_unwind(panic);
    }
    let mut skipped = stand.skipped.clone();
    skipped.sort();
    skipped.dedup();
    let note = if skipped.is_empty() {
        String::new()
    } else {
        format!("; {}", skipped.join("; "))
    };
    eprintln!("figure: faults {count}, of {} kinds{note}", ALL.len());
}

fn rounds(stand: &mut Stand, count: u64, seed: u64) {
    let mut random = fastrand::Rng::with_seed(seed);
    let current = stand.at("current");
    let kit = Kit::new(&stand.scratch.dir("kit"));
    let mut work = Work::new(&current, &stand.scratch.dir("outside"), &kit, seed);
    (0..100).for_each(|_| work.step());
    stand.service.start();
    stand.heals();
    let (mut left, mut deck): (u64, Vec<Fault>) = (count, Vec::new());
    while left > 0 {
        if deck.is_empty() {
            deck = ALL.to_vec();
            random.shuffle(&mut deck);
        }
        let first = deck.pop().expect("it was filled");
        let second = deck.iter().position(|other| go_together(first, *other));
        let second = second.filter(|_| left > 1 && random.u32(..3) == 0);
        let mut faults = vec![first];
        faults.extend(second.map(|at| deck.swap_remove(at)));
        left -= faults.len() as u64;
        eprintln!("{faults:?}");
        (0..random.u32(OPERATIONS)).for_each(|_| work.step());
        for fault in &faults {
            stand.begin(*fault, &mut random);
        }
        // Without a root there is nothing to work on.
        if !faults.contains(&Fault::Replaced) {
            (0..random.u32(OPERATIONS)).for_each(|_| work.step());
        }
        random.shuffle(&mut faults);
        for fault in faults {
            stand.end(fault);
        }
        stand.heals();
    }
    assert_eq!(stand.service.stop().0, 0, "{}", stand.service.tail());
}
