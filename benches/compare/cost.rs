//! What one directory, one file and one event cost: three trees that differ in one thing each, and the difference divided.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use rustix::process::Signal;
use serde::Serialize;
use serde_json::json;

use crate::measure::{Measure, Report, Unit};
use crate::peers::{Ours, Peer, Running, To, find, holds, unique};
use crate::place::Place;
use crate::processes;
use crate::report::Table;
use crate::rig::process::Process;
use crate::rig::wait_for;
use crate::settings::Settings;

/// The measure.
pub const MEASURE: Measure = Measure {
    name: "cost",
    about: "what a directory, a file and an event cost: memory, disk, CPU, system calls",
    has_goals: false,
    run,
};

/// Directories, and files in each; and where it must be quick.
const TREES: [(usize, usize); 3] = [(1_000, 10), (1_000, 100), (10_000, 10)];
const QUICK: [(usize, usize); 3] = [(300, 10), (300, 60), (1_800, 10)];

/// `/proc` counts in hundredths of a second: so many restarts are a few tenths.
const RESTARTS: usize = 5;

const CHANGES: usize = 60;

/// Changes that wait for a target that is away. More than this are kept on disk.
const WAITING: usize = 10_000;

/// How long the program may take to come to rest: longer than between two checkpoints.
const REST_MAX: Duration = Duration::from_secs(60);

/// How long everything may take to be sent, and one change.
const SENT_MAX: Duration = Duration::from_secs(600);

/// How long strace may take to attach, and to end.
const TRACER_MAX: Duration = Duration::from_secs(20);

/// One tree.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Tree {
    directories: usize,
    files: usize,
    first_cpu_ms: f64,
    restart_cpu_ms: f64,
    /// After a restart.
    resident: u64,
    ledger: u64,
    left: usize,
}

/// One kind of target.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Change {
    tool: String,
    /// CPU time of the tool and everything that it runs at both ends.
    cpu_us: f64,
    /// Of the tool and what it runs, without the daemon; nothing where strace is not there.
    system_calls: Option<f64>,
}

fn run(settings: &Settings) -> Report {
    let trees = if settings.quick { QUICK } else { TREES };
    let trees: Vec<Tree> = trees
        .iter()
        .map(|(directories, files)| tree(settings, *directories, *files))
        .collect();
    let changes: Vec<Change> = [To::Local, To::Module]
        .map(|to| Peer::Heliostat(Ours::new(to)))
        .into_iter()
        .filter(|peer| peer.missing().is_none())
        .map(|peer| change(settings, peer))
        .collect();
    let waiting = waiting();
    let slabs = slabs();
    Report {
        tables: vec![
            tree_table(&trees),
            each_table(&trees, waiting),
            change_table(&changes),
            slab_table(&slabs),
        ],
        goals: Vec::new(),
        failed: trees.iter().any(|tree| tree.left > 0),
        raw: json!({"trees": trees, "changes": changes, "waitingBytes": waiting, "slabs": slabs}),
    }
}

fn tree(settings: &Settings, directories: usize, files: usize) -> Tree {
    eprintln!("{directories} directories with {files} files each");
    let place = Place::new(directories, files, false);
    let mut running = Peer::Heliostat(Ours::new(To::Local)).start(&place);
    processes::rest(&running.ids(), REST_MAX);
    let first_cpu_ms = cpu(&running);
    let left = place.left_at(&running.target).len();
    let service = running.service().expect("it is heliostat");
    let ledger = checkpointed(&service.state());
    let restarts = settings.size(RESTARTS, 2);
    let mut restart_cpu_ms = 0.0;
    for _ in 0..restarts {
        let service = running.service().expect("it is heliostat");
        service.stop();
        service.start();
        assert!(service.wait(SENT_MAX), "not in step:\n{}", service.tail());
        restart_cpu_ms += cpu(&running) / restarts as f64;
        processes::rest(&running.ids(), REST_MAX);
    }
    let resident = running.id().and_then(processes::memory);
    running.end();
    Tree {
        directories,
        files: directories * files,
        first_cpu_ms,
        restart_cpu_ms,
        resident: resident.map_or(0, |(now, _)| now),
        ledger,
        left,
    }
}

fn cpu(running: &Running) -> f64 {
    processes::cpu(&Vec::from_iter(running.id())).as_secs_f64() * 1000.0
}

/// The ledger's size on the disk when it has stopped growing.
fn checkpointed(state: &Path) -> u64 {
    let size = || -> u64 {
        let entries = fs::read_dir(state).into_iter().flatten().flatten();
        entries
            .filter_map(|entry| entry.metadata().ok())
            .map(|facts| facts.len())
            .sum()
    };
    let (mut last, mut same) = (size(), 0);
    wait_for(REST_MAX, || {
        let now = size();
        same = if now == last { same + 1 } else { 0 };
        last = now;
        (same > 100).then_some(()) // five seconds of looks, longer than a checkpoint waits
    });
    last
}

fn change(settings: &Settings, peer: Peer) -> Change {
    let place = Place::with_files(1_000);
    let mut running = peer.start(&place);
    processes::rest(&running.ids(), REST_MAX);
    let before = processes::cpu(&running.ids());
    let changes = settings.size(CHANGES, 20);
    changed(&place, &running, changes);
    let used = processes::cpu(&running.ids()).saturating_sub(before);
    let system_calls = running.id().and_then(|id| {
        traced(&place.own("tracer"), id, || {
            changed(&place, &running, changes)
        })
        .map(|calls| calls as f64 / changes as f64)
    });
    if let Some(service) = running.service() {
        assert!(service.wait(SENT_MAX), "not in step:\n{}", service.tail());
    }
    running.end();
    Change {
        tool: peer.name(),
        cpu_us: used.as_secs_f64() * 1e6 / changes as f64,
        system_calls,
    }
}

/// Single changes, each when the one before has arrived and the tool is at rest.
fn changed(place: &Place, running: &Running, count: usize) {
    for number in 0..count {
        let (file, content) = (&place.files[1 + number], unique(number));
        place.write(file, &content);
        let target = running.target.join(file);
        let there = wait_for(SENT_MAX, || holds(&target, &content).then_some(()));
        assert!(there.is_some(), "a change did not arrive");
        processes::rest(&running.ids(), REST_MAX);
    }
}

/// How many system calls a process and its descendants make meanwhile.
fn traced(own: &Path, id: u32, act: impl FnOnce()) -> Option<u64> {
    find("strace")?;
    let (counts, said) = (own.join("counts"), own.join("said"));
    let mut command = Command::new("strace");
    command
        .args(["-f", "-c", "-p", &id.to_string(), "-o"])
        .arg(&counts);
    command
        .stdout(Stdio::null())
        .stderr(fs::File::create(&said).ok()?);
    let mut tracer = Process::spawn(&mut command);
    wait_for(TRACER_MAX, || {
        let text = fs::read_to_string(&said).unwrap_or_default();
        text.contains("attached").then_some(())
    })?;
    act();
    tracer.signal(Signal::INT, TRACER_MAX)?;
    let text = fs::read_to_string(&counts).ok()?;
    // The last line is the sum: `100.00 seconds usecs/call calls [errors] total`.
    let total = text.lines().rfind(|line| line.ends_with("total"))?;
    total.split_whitespace().nth(3)?.parse().ok()
}

/// Resident bytes for each change that waits because its target is away.
fn waiting() -> Option<f64> {
    let peer = Peer::Heliostat(Ours::new(To::Module));
    if peer.missing().is_some() {
        return None;
    }
    let place = Place::with_files(WAITING + 1_000);
    let mut running = peer.start(&place);
    running.lose_daemon();
    processes::rest(&running.ids(), REST_MAX);
    let before = running.id().and_then(processes::memory)?.0;
    for file in &place.files[1..=WAITING] {
        place.write(file, "waits\n");
    }
    let service = running.service().expect("it is heliostat");
    let all = wait_for(REST_MAX, || {
        let status = service.status()?;
        let pending = status
            .pointer("/status/routes/0/pending")
            .or(status.pointer("/routes/0/pending"))?;
        (pending.as_u64()? >= WAITING as u64).then_some(())
    });
    processes::rest(&running.ids(), REST_MAX);
    let after = running.id().and_then(processes::memory)?.0;
    running.end();
    all.map(|()| after.saturating_sub(before) as f64 / WAITING as f64)
}

/// The kernel's own sizes of what a watch holds: the mark, and the inode and name that it keeps in memory.
fn slabs() -> Vec<(String, u64)> {
    let text = fs::read_to_string("/proc/slabinfo").unwrap_or_default();
    let wanted = [
        "inotify_inode_mark",
        "ext4_inode_cache",
        "xfs_inode",
        "dentry",
    ];
    let size = |line: &str| {
        let mut words = line.split_whitespace();
        let name = words.next().filter(|name| wanted.contains(name))?;
        // Name, active objects, all objects, the size of one.
        Some((name.to_string(), words.nth(2)?.parse().ok()?))
    };
    text.lines().filter_map(size).collect()
}

fn tree_table(all: &[Tree]) -> Table {
    let mut table = Table::new(
        "Trees that differ in one thing",
        &[
            "directories",
            "files",
            "CPU of the first pass, local",
            "CPU of a restart",
            "resident after it",
            "ledger",
            "trees",
        ],
    );
    let mb = |bytes: u64| Unit::Megabytes.show(bytes as f64 / 1e6);
    for tree in all {
        table.row(vec![
            tree.directories.to_string(),
            tree.files.to_string(),
            Unit::Milliseconds.show(tree.first_cpu_ms),
            Unit::Milliseconds.show(tree.restart_cpu_ms),
            mb(tree.resident),
            mb(tree.ledger),
            match tree.left {
                0 => "equal".into(),
                left => format!("{left} paths differ"),
            },
        ]);
    }
    table
}

/// The differences, divided: the second tree has only more files than the first, the third only more directories than the
/// second.
fn each_table(trees: &[Tree], waiting: Option<f64>) -> Table {
    let mut table = Table::new(
        "What one more costs",
        &["", "a directory", "a file", "a change that waits"],
    );
    let [few, files, directories] = trees else {
        return table;
    };
    let mut row = |name: &str, value: fn(&Tree) -> f64, unit: &str, waits: String| {
        let file = (value(files) - value(few)) / (files.files - few.files) as f64;
        let directory = (value(directories) - value(files))
            / (directories.directories - files.directories) as f64;
        table.row(vec![
            name.into(),
            format!("{directory:.1} {unit}"),
            format!("{file:.1} {unit}"),
            waits,
        ]);
    };
    let waits = waiting.map_or("–".into(), |bytes| format!("{bytes:.0} B"));
    row("resident", |tree| tree.resident as f64, "B", waits);
    row("ledger", |tree| tree.ledger as f64, "B", "–".into());
    row(
        "CPU of a restart",
        |tree| tree.restart_cpu_ms * 1000.0,
        "µs",
        "–".into(),
    );
    row(
        "CPU of the first pass, local",
        |tree| tree.first_cpu_ms * 1000.0,
        "µs",
        "–".into(),
    );
    table
}

fn change_table(all: &[Change]) -> Table {
    let mut table = Table::new(
        "One change",
        &[
            "tool",
            "CPU, both ends",
            "system calls of the tool and its rsync",
        ],
    );
    for change in all {
        table.row(vec![
            change.tool.clone(),
            format!("{:.0} µs", change.cpu_us),
            change
                .system_calls
                .map_or("no strace here".into(), |calls| format!("{calls:.0}")),
        ]);
    }
    table
}

fn slab_table(all: &[(String, u64)]) -> Table {
    let mut table = Table::new("In the kernel, for each watch", &["what", "bytes"]);
    for (name, bytes) in all {
        table.row(vec![name.clone(), bytes.to_string()]);
    }
    table
}
