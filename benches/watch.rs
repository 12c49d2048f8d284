//! The benchmark of the watch alone: each mechanism on the same tree, in one run, in a process of its own.
//!
//! `cargo bench --bench watch -- --help`. It asks how long a watch takes to stand, what it keeps resident, what it
//! does while nothing happens, how soon after many removals, and after a rename of a great directory, the next change is
//! told, and prints each beside the first mechanism's. It never fails for a time; ratios belong to the mechanisms, times to
//! the machine.
#![allow(clippy::unwrap_used)] // a benchmark that cannot go on ends: the panic is the message

#[allow(dead_code)] // the comparison asks for more of it
#[path = "compare/report.rs"]
mod report;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use clap::{Parser, ValueEnum};
use heliostat::engine::{Notice, RelPath};
use heliostat::filter::{FilterSpec, Rule};
use heliostat::plan::{EventSet, SourceGuard, SourceName, SourcePlan};
use heliostat::watch::{Mechanism, Surroundings, WatchHandle, WatchOptions, spawn};
use serde::{Deserialize, Serialize};

/// Directories in one: a tree as wide as it is deep would have few large ones.
const EACH: usize = 1000;

/// Files that are written on the same file system, in no source.
const ELSEWHERE: usize = 20_000;

/// The kernel counts CPU time in `/proc` in hundredths of a second on every architecture.
const TICKS_PER_SECOND: f64 = 100.0;

/// Only a watch that is broken takes so long.
const TOLD_MAX: Duration = Duration::from_secs(300);

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Kind {
    Inotify,
    Fanotify,
    Notify,
    Polling,
}

/// The watch alone, with each mechanism.
#[derive(Debug, Parser)]
struct Settings {
    /// Directories in the tree, a multiple of 1,000
    #[arg(long, default_value_t = 100_000)]
    directories: usize,
    /// Directories that are removed at once
    #[arg(long, default_value_t = 1_000)]
    removed: usize,
    /// Seconds in which nothing happens
    #[arg(long, default_value_t = 10)]
    idle: u64,
    /// Only this mechanism
    #[arg(long)]
    only: Option<Kind>,
    /// Measures on a tree that is there: what this program starts
    #[arg(long, hide = true)]
    tree: Option<PathBuf>,
    /// Writes files in this directory: what goes on elsewhere
    #[arg(long, hide = true)]
    noise: Option<PathBuf>,
    /// Given by cargo
    #[arg(long, hide = true)]
    bench: bool,
}

/// What one mechanism took.
#[derive(Debug, Serialize, Deserialize)]
struct Taken {
    /// Until everything was watched.
    stand_ms: f64,
    /// CPU time until then.
    stand_cpu_ms: f64,
    /// More resident than before, for each directory.
    bytes_each: f64,
    /// CPU time in the idle seconds, of the whole.
    idle_share: f64,
    /// Wakeups a second meanwhile.
    idle_wakeups: f64,
    /// CPU time while [`ELSEWHERE`] files are written in no source.
    elsewhere_cpu_ms: f64,
    /// From the last removal until a change after it was told.
    removed_ms: f64,
    /// From the rename of a directory of 1,000 until a change in it was told, with a barrier.
    renamed_ms: f64,
}

fn main() -> ExitCode {
    let settings = Settings::parse();
    if let Some(elsewhere) = &settings.noise {
        for at in 0..ELSEWHERE {
            fs::write(elsewhere.join(at.to_string()), "").unwrap();
        }
        return ExitCode::SUCCESS;
    }
    if let (Some(tree), Some(kind)) = (&settings.tree, settings.only) {
        println!(
            "{}",
            serde_json::to_string(&measure(&settings, tree, kind)).unwrap()
        );
        return ExitCode::SUCCESS;
    }
    if !settings.bench {
        println!("this takes a minute: run it with `cargo bench --bench watch`");
        return ExitCode::SUCCESS;
    }
    let kinds: Vec<Kind> = [Kind::Inotify, Kind::Fanotify, Kind::Notify, Kind::Polling]
        .into_iter()
        .filter(|kind| settings.only.is_none_or(|only| only == *kind))
        .collect();
    let all: Vec<(Kind, Taken)> = kinds
        .into_iter()
        .map(|kind| (kind, apart(&settings, kind)))
        .collect();
    print(&settings, &all);
    ExitCode::SUCCESS
}

/// Measures one mechanism on a tree of its own, in a process of its own.
fn apart(settings: &Settings, kind: Kind) -> Taken {
    let scratch = tempfile::tempdir().unwrap();
    let root = scratch.path().join("root");
    fs::create_dir(&root).unwrap();
    for top in 0..settings.directories.div_ceil(EACH) {
        let top = root.join(format!("package-{top:04}"));
        fs::create_dir(&top).unwrap();
        for at in 1..EACH {
            fs::create_dir(top.join(format!("release-{at:04}"))).unwrap();
        }
    }
    let name = kind.to_possible_value().unwrap();
    let output = Command::new(std::env::current_exe().unwrap())
        .args(["--only", name.get_name()])
        .args(["--directories", &settings.directories.to_string()])
        .args(["--removed", &settings.removed.to_string()])
        .args(["--idle", &settings.idle.to_string()])
        .arg("--tree")
        .arg(scratch.path())
        .stderr(std::process::Stdio::inherit())
        .output()
        .unwrap();
    serde_json::from_slice(&output.stdout).unwrap()
}

fn measure(settings: &Settings, scratch: &Path, kind: Kind) -> Taken {
    let root = scratch.join("root");
    let before = resident();
    let began = Instant::now();
    let (watch, told) = start(scratch, kind);
    until(&told, |notice| matches!(notice, Notice::Ready(_)));
    let stand_ms = milliseconds(began);
    let stand_cpu_ms = cpu_seconds() * 1000.0;
    let bytes_each = resident().saturating_sub(before) as f64 / settings.directories as f64;

    let idle = Duration::from_secs(settings.idle);
    let (cpu, wakeups) = (cpu_seconds(), wakeups());
    std::thread::sleep(idle); // the measure itself: that nothing happens
    let seconds = idle.as_secs_f64();
    let idle_share = (cpu_seconds() - cpu) / seconds;
    let idle_wakeups = (self::wakeups() - wakeups) as f64 / seconds - 1.0 / seconds; // one is the sleep's own

    let noise = scratch.join("elsewhere");
    fs::create_dir(&noise).unwrap();
    let cpu = cpu_seconds();
    let done = Command::new(std::env::current_exe().unwrap())
        .arg("--noise")
        .arg(&noise)
        .status();
    assert!(done.unwrap().success());
    watch.barrier(0); // behind it all has been read
    until(&told, |notice| *notice == Notice::Barrier(0));
    let elsewhere_cpu_ms = (cpu_seconds() - cpu) * 1000.0;

    for at in 0..settings.removed {
        // Spread over the tree, as a cleaner's work is.
        let top = at % settings.directories.div_ceil(EACH);
        let name = 1 + at / settings.directories.div_ceil(EACH);
        fs::remove_dir(root.join(format!("package-{top:04}/release-{name:04}"))).unwrap();
    }
    let began = Instant::now();
    let removed_ms = change(&root, "package-0000/after", &told, began);

    watch.barrier(1);
    until(&told, |notice| *notice == Notice::Barrier(1));
    let began = Instant::now();
    fs::rename(root.join("package-0001"), root.join("renamed")).unwrap();
    fs::write(root.join("renamed/release-0900/after"), "").unwrap();
    watch.barrier(2);
    until(&told, |notice| *notice == Notice::Barrier(2));
    let renamed_ms = milliseconds(began);
    watch.stop();
    Taken {
        stand_ms,
        stand_cpu_ms,
        bytes_each,
        idle_share,
        idle_wakeups,
        elsewhere_cpu_ms,
        removed_ms,
        renamed_ms,
    }
}

/// Writes a file, and waits until it is told; since `began`.
fn change(root: &Path, path: &str, told: &Receiver<Notice>, began: Instant) -> f64 {
    fs::write(root.join(path), "").unwrap();
    let path = RelPath::new(path.as_bytes()).unwrap();
    until(
        told,
        |notice| matches!(notice, Notice::Changed(marks) if marks.iter().any(|mark| mark.path == path)),
    );
    milliseconds(began)
}

fn start(scratch: &Path, kind: Kind) -> (WatchHandle, Receiver<Notice>) {
    let everything = Rule {
        pattern: "**".into(),
        origin: None,
    };
    let plan = SourcePlan {
        name: SourceName("bench".into()),
        path: scratch.join("root").to_str().unwrap().into(),
        filter: FilterSpec {
            include: vec![everything],
            exclude: Vec::new(),
        },
        events: EventSet::default(),
        one_file_system: true,
        guard: SourceGuard::default(),
        labels: Default::default(),
        routes: Default::default(),
    };
    let options = WatchOptions {
        cookies: scratch.join("cookies"),
        watch_limit: None,
        mechanism: match kind {
            Kind::Inotify => Mechanism::Inotify,
            Kind::Notify => Mechanism::Notify,
            Kind::Fanotify => Mechanism::Fanotify,
            Kind::Polling => Mechanism::Polling,
        },
        surroundings: Surroundings::listen(),
        ear: None,
    };
    let (sender, told) = channel();
    let sink = Box::new(move |notice| sender.send(notice).is_ok());
    (spawn(Arc::new(plan), options, sink), told)
}

fn until(told: &Receiver<Notice>, end: impl Fn(&Notice) -> bool) {
    let deadline = Instant::now() + TOLD_MAX;
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        let notice = told.recv_timeout(left).unwrap();
        if let Notice::Lost { reason } = &notice {
            eprintln!("lost: {reason}");
        }
        if end(&notice) {
            return;
        }
    }
}

fn milliseconds(since: Instant) -> f64 {
    since.elapsed().as_secs_f64() * 1000.0
}

/// Resident bytes of this process.
fn resident() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kilobytes: u64 = line
        .unwrap()
        .trim()
        .trim_end_matches(" kB")
        .parse()
        .unwrap();
    kilobytes * 1024
}

/// CPU time of this process.
fn cpu_seconds() -> f64 {
    let stat = fs::read_to_string("/proc/self/stat").unwrap();
    let fields: Vec<&str> = stat
        .rsplit(')')
        .next()
        .unwrap()
        .split_whitespace()
        .collect();
    let ticks = |at: usize| fields[at].parse::<f64>().unwrap();
    (ticks(11) + ticks(12)) / TICKS_PER_SECOND
}

/// How often threads of this process gave up the processor of themselves: once each time they had woken.
fn wakeups() -> u64 {
    let threads = fs::read_dir("/proc/self/task").unwrap().flatten();
    threads
        .filter_map(|thread| fs::read_to_string(thread.path().join("status")).ok())
        .filter_map(|status| {
            let count = status
                .lines()
                .find_map(|line| line.strip_prefix("voluntary_ctxt_switches:"));
            count?.trim().parse::<u64>().ok()
        })
        .sum()
}

fn print(settings: &Settings, all: &[(Kind, Taken)]) {
    let mut table = report::Table::new(
        &format!("A watch on {} directories", settings.directories),
        &[
            "mechanism",
            "stands after",
            "CPU for that",
            "resident a directory",
            "CPU idle",
            "wakeups a second idle",
            &format!("CPU for {ELSEWHERE} files elsewhere"),
            &format!("next change after {} removals", settings.removed),
            "renamed directory of 1,000, barrier",
        ],
    );
    let Some((_, first)) = all.first() else {
        return;
    };
    for (kind, taken) in all {
        let beside = |this: f64, by: f64| {
            format!(
                "{} ({})",
                report::milliseconds(this),
                report::ratio(this, by)
            )
        };
        table.row(vec![
            format!("{kind:?}").to_lowercase(),
            beside(taken.stand_ms, first.stand_ms),
            beside(taken.stand_cpu_ms, first.stand_cpu_ms),
            format!(
                "{:.0} B ({})",
                taken.bytes_each,
                report::ratio(taken.bytes_each, first.bytes_each)
            ),
            format!("{:.2} %", taken.idle_share * 100.0),
            format!("{:.1}", taken.idle_wakeups),
            report::milliseconds(taken.elsewhere_cpu_ms),
            beside(taken.removed_ms, first.removed_ms),
            beside(taken.renamed_ms, first.renamed_ms),
        ]);
    }
    println!("Load: {}.", report::load());
    if cfg!(debug_assertions) {
        println!("NOT OPTIMISED: this was no release build.");
    }
    table.print();
    let raw = serde_json::json!({ "machine": report::machine(), "watch": all.iter().map(|(kind, taken)| (format!("{kind:?}"), taken)).collect::<Vec<_>>() });
    let path = report::keep("watch.json", &format!("{raw:#}\n"));
    println!("\nraw results: {}", path.display());
}
