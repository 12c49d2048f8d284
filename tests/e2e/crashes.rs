//! Crash loops: killed at random moments of random work, the state directory kept, wiped or damaged, it comes back, is the
//! only writer, deletes nothing that is there, and leaves nothing half-written.
//!
//! `HELIOSTAT_KILLS` says how often, `HELIOSTAT_SEED` with which seed. Neither size nor time may hide a change here: that
//! is for a rescan by content.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, SystemTime};

use serde_json::json;

use super::lifecycle::{processes, temporaries};
use super::{PATIENCE, Story, knob};
use crate::rig::programs::Kit;
use crate::rig::swaps::walk;
use crate::rig::wait_for;
use crate::rig::work::Work;

/// Without `HELIOSTAT_KILLS`.
const KILLS: u64 = 50;

/// Operations in a life.
const OPERATIONS: std::ops::Range<u32> = 1..40;

/// The longest pause between two of them.
const PAUSE_MS: u64 = 25;

/// Large enough to be killed in the midst of, with the bandwidth that the targets have here.
const LARGE: std::ops::Range<usize> = 100_000..1_500_000;

/// What an entry is, so that another one under its name is told from it.
type Identity = (u64, u32, Option<SystemTime>);

/// What is in the source, in the daemon's spelling, and what was not there all the time since both targets were last equal to it.
struct Truth {
    source: PathBuf,
    there: BTreeMap<String, Identity>,
    gone: BTreeSet<String>,
    /// What both targets had then.
    reflected: BTreeSet<String>,
    /// Deletions in the daemon's log by then.
    logged: usize,
    /// Kills since then.
    kills: usize,
}

impl Truth {
    fn new(source: &Path) -> Truth {
        let mut truth = Truth {
            source: source.to_owned(),
            there: BTreeMap::new(),
            gone: BTreeSet::new(),
            reflected: BTreeSet::new(),
            logged: 0,
            kills: 0,
        };
        truth.look();
        truth
    }

    /// After each operation, so that nothing goes and comes unseen.
    fn look(&mut self) {
        let identity = |path: &PathBuf| {
            let metadata = fs::symlink_metadata(path).ok()?;
            let kind = metadata.mode() & 0o170_000;
            Some((metadata.ino(), kind, metadata.created().ok()))
        };
        let name = |path: &PathBuf| {
            logged(
                path.strip_prefix(&self.source)
                    .unwrap()
                    .as_os_str()
                    .as_bytes(),
            )
        };
        let found: BTreeMap<_, _> = walk(&self.source)
            .iter()
            .filter_map(|path| Some((name(path), identity(path)?)))
            .collect();
        let changed = |(path, identity): &(&String, &Identity)| found.get(*path) != Some(*identity);
        self.gone.extend(
            self.there
                .iter()
                .filter(changed)
                .map(|(path, _)| path.clone()),
        );
        self.there = found;
    }

    /// Both targets are equal to the source: what was deleted was gone, and what is gone was deleted.
    fn check(&mut self, story: &Story) -> usize {
        let all = story.daemon.deletions();
        let deleted: BTreeSet<&String> = all[self.logged..].iter().collect();
        let stayed = |path: &&String| self.there.contains_key(*path) && !self.gone.contains(*path);
        let false_ones: Vec<_> = deleted.iter().copied().filter(stayed).collect();
        let log = || story.service.log();
        assert!(
            false_ones.is_empty(),
            "deleted, and never gone: {false_ones:?}\n{}",
            log()
        );
        let left = |path: &&String| !self.there.contains_key(*path) && !deleted.contains(path);
        let untold: Vec<_> = self.reflected.iter().filter(left).collect();
        // The daemon's half of a killed transfer ends anywhere, also between a deletion and its line in the log.
        assert!(
            untold.len() <= self.kills,
            "gone by no deletion: {untold:?}\n{}",
            log()
        );
        self.kills = 0;
        self.reflected = self.there.keys().cloned().collect();
        let count = deleted.len();
        self.logged = all.len();
        self.gone.clear();
        count
    }
}

/// A path as the daemon's log spells it.
fn logged(path: &[u8]) -> String {
    let mut spelt = String::new();
    for (at, byte) in path.iter().enumerate() {
        let octal = |text: &[u8]| text.len() == 3 && text.iter().all(u8::is_ascii_digit);
        let escape = path[at..].starts_with(b"\\#") && path.get(at + 2..at + 5).is_some_and(octal);
        if escape || (*byte != b'\t' && !(0x20..0x7f).contains(byte)) {
            spelt.push_str(&format!("\\#{byte:03o}"));
        } else {
            spelt.push(char::from(*byte));
        }
    }
    spelt
}

/// One of what may become of a state directory while nobody holds it.
fn damage(state: &Path, random: &mut fastrand::Rng) -> &'static str {
    let files: Vec<PathBuf> = walk(state)
        .into_iter()
        .filter(|path| fs::symlink_metadata(path).is_ok_and(|metadata| metadata.is_file()))
        .collect();
    let what = ["kept", "kept", "wiped", "truncated", "flipped"][random.usize(..5)];
    for path in &files {
        let mut bytes = fs::read(path).unwrap();
        match what {
            "truncated" if random.bool() => bytes.truncate(random.usize(..=bytes.len())),
            "flipped" if !bytes.is_empty() => {
                for _ in 0..random.u32(1..8) {
                    let at = random.usize(..bytes.len());
                    bytes[at] ^= 1 << random.u32(..8);
                }
            }
            _ => continue,
        }
        fs::write(path, bytes).unwrap();
    }
    if what == "wiped" {
        fs::remove_dir_all(state).unwrap();
    }
    what
}

/// Processes that carry this service's mark and do not descend from it: an earlier life left them.
fn strays(state: &Path, service: u32) -> Vec<String> {
    let mark = [b"HELIOSTAT_OWNER=", state.as_os_str().as_bytes()].concat();
    let mut parents = BTreeMap::new();
    for entry in fs::read_dir("/proc").unwrap().flatten() {
        let Ok(id) = entry.file_name().to_string_lossy().parse::<u32>() else {
            continue;
        };
        let environment = fs::read(entry.path().join("environ")).unwrap_or_default();
        let status = fs::read_to_string(entry.path().join("status")).unwrap_or_default();
        let parent = status.lines().find_map(|line| line.strip_prefix("PPid:"));
        let marked = environment
            .split(|byte| *byte == 0)
            .any(|word| word == mark);
        if let Some(parent) = parent.and_then(|id| id.trim().parse::<u32>().ok())
            && marked
        {
            parents.insert(id, parent);
        }
    }
    let stray = |(_, parent): &(&u32, &u32)| **parent != service && !parents.contains_key(*parent);
    let found = parents.iter().filter(stray);
    found.map(|(id, _)| id.to_string()).collect()
}

/// What the loop came to.
#[derive(Default)]
struct Count {
    restarts: u64,
    deletions: usize,
}

#[test]
fn killed_at_any_moment_it_comes_back_and_converges() {
    let (seed, kills) = (knob("HELIOSTAT_SEED", 7), knob("HELIOSTAT_KILLS", KILLS));
    let mut story =
        Story::with(&json!({"delete": "mirror", "maxDelete": 100_000, "bandwidth": "8MiB/s"}));
    let rsync = format!("{}/", story.daemon.url());
    let over = AtomicBool::new(false);
    let mut count = Count::default();
    thread::scope(|scope| {
        // Looks at all times for a second writer to the module.
        let watcher = scope.spawn(|| {
            let mut most = Vec::new();
            let _ = wait_for(Duration::MAX / 4, || {
                let found = processes(&rsync);
                if found.len() > most.len() {
                    most = found;
                }
                over.load(Ordering::Relaxed).then_some(())
            });
            most
        });
        let outcome = catch_unwind(AssertUnwindSafe(|| {
            lives(&mut story, kills, seed, &mut count);
        }));
        over.store(true, Ordering::Relaxed);
        let most = watcher.join().unwrap();
        if let Err(panic) = outcome {
            eprintln!("\nto see it again: HELIOSTAT_SEED={seed} HELIOSTAT_KILLS={kills}\n");
            resume_unwind(panic);
        }
        assert!(most.len() <= 1, "two writers at once: {most:?}");
    });
    assert_eq!(story.service.call(&["rescan"]).code, 0);
    story.settle();
    for target in [&story.module, &story.copy] {
        assert_eq!(temporaries(target), Vec::<String>::new());
    }
    story.service.stop();
    assert_eq!(processes(&rsync), Vec::<String>::new());
    eprintln!(
        "figure: kills {kills}, restarts held to their word {}, deletions all of them true {}",
        count.restarts, count.deletions
    );
}

fn lives(story: &mut Story, kills: u64, seed: u64, count: &mut Count) {
    let mut random = fastrand::Rng::with_seed(seed);
    let kit = Kit::new(&story.scratch.dir("kit"));
    let mut work = Work::new(&story.source, &story.scratch.dir("outside"), &kit, seed).told();
    (0..150).for_each(|_| work.step());
    let mut truth = Truth::new(&story.source);
    for life in 0..=kills {
        story.service.watched_by(&super::mechanism(life));
        story.service.start();
        // Into its work; otherwise into its start.
        if random.bool() || life == kills {
            let answers = wait_for(PATIENCE, || story.service.status());
            assert!(answers.is_some(), "no answer:\n{}", story.service.tail());
            let service = story.service.id().unwrap();
            let state = story.service.state().canonicalize().unwrap();
            assert_eq!(strays(&state, service), Vec::<String>::new());
            story.settle();
            count.restarts += 1;
            count.deletions += truth.check(story);
        }
        if life == kills {
            break;
        }
        let operations = random.u32(OPERATIONS);
        for _ in 0..operations {
            step(&mut work, &mut truth, &mut random);
            if random.u32(..4) == 0 {
                let pause = Duration::from_millis(random.u64(..PAUSE_MS));
                let _ = wait_for(pause, || None::<()>);
            }
        }
        story.service.kill();
        truth.kills += 1;
        for _ in 0..random.u32(..15) {
            step(&mut work, &mut truth, &mut random);
        }
        let what = damage(&story.service.state(), &mut random);
        eprintln!("life {life}: killed after {operations} operations, its state {what}");
    }
}

fn step(work: &mut Work<'_>, truth: &mut Truth, random: &mut fastrand::Rng) {
    if random.u32(..20) == 0 {
        let large = vec![random.u8(..); random.usize(LARGE)];
        fs::write(truth.source.join("churn/large"), large).unwrap();
    } else {
        work.step();
    }
    truth.look();
}
