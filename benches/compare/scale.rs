//! A great tree: what is resident, what happens while nothing happens, and how soon after a thousand removed directories
//! the next change is there. One service on one tree, since the tree takes longest.

use std::fs;
use std::thread;
use std::time::{Duration, Instant};

use serde::Serialize;
use serde_json::json;

use crate::measure::{Goal, Measure, Report, Unit};
use crate::peers::{Ours, Peer, Running, To, holds, unique};
use crate::place::Place;
use crate::processes;
use crate::report::{Table, milliseconds};
use crate::settings::Settings;

/// The measure.
pub const MEASURE: Measure = Measure {
    name: "scale",
    about: "a great tree: resident memory, an idle service, a thousand removed directories",
    has_goals: true,
    run,
};

const FILES_EACH: usize = 10;

/// Files that are changed at once: a burst's memory must not stay.
const BURST: usize = 10_000;

/// Directories that are removed at once.
const REMOVED: usize = 1_000;

/// Timers that are due: a look at the wall clock a minute, for schedules.
const DUE_WAKEUPS: f64 = 1.0 / 60.0;

/// How long everything may take to be sent.
const SENT_MAX: Duration = Duration::from_secs(600);

/// How long the program may take to come to rest.
const REST_MAX: Duration = Duration::from_secs(60);

/// A session that is held ready is let go after this, and the checkpoint has been written, which is due within a minute of
/// a change.
const SETTLED: Duration = Duration::from_secs(75);

/// A change that has not come by then is lost.
const LOST_AFTER: Duration = Duration::from_secs(60);

/// Between two looks for it.
const LOOK: Duration = Duration::from_micros(250);

/// A moment.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Moment {
    when: &'static str,
    resident: u64,
    resident_max: u64,
}

/// One service.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Scale {
    tool: String,
    directories: usize,
    files: usize,
    moments: Vec<Moment>,
    idle_seconds: f64,
    /// Of one core.
    idle_percent: f64,
    /// Of all threads, a second.
    idle_wakeups: f64,
    /// From the last removal until a change after it was on the target.
    removed_ms: Option<f64>,
    /// Paths that were not equal before the removal.
    left: usize,
}

/// With the goals a hundred thousand directories and a local target; else a tenth of them, and a module too.
fn run(settings: &Settings) -> Report {
    let directories = match settings.goals && !settings.quick {
        true => 100_000,
        false => 10_000,
    };
    let targets: &[To] = match settings.goals {
        true => &[To::Local],
        false => &[To::Module, To::Local],
    };
    let ours: Vec<Peer> = targets
        .iter()
        .map(|to| Peer::Heliostat(Ours::new(*to)))
        .collect();
    let peers = settings.peers(&ours);
    let nothing = peers.first().map(|peer| nothing(*peer));
    let all: Vec<Scale> = peers
        .into_iter()
        .map(|peer| one(settings, peer, directories))
        .collect();
    Report {
        tables: vec![memory_table(&all, nothing.unwrap_or(0)), idle_table(&all)],
        goals: all.first().map(reached).unwrap_or_default(),
        failed: all.iter().any(|one| one.left > 0),
        raw: json!({"nothing": nothing, "trees": all}),
    }
}

/// What is resident with next to nothing watched.
fn nothing(peer: Peer) -> u64 {
    let place = Place::new(1, 2, false);
    let running = peer.start(&place);
    processes::rest(&running.ids(), REST_MAX);
    let resident = running.id().and_then(processes::memory);
    running.end();
    resident.map_or(0, |(now, _)| now)
}

fn one(settings: &Settings, peer: Peer, directories: usize) -> Scale {
    eprintln!("making {directories} directories with {FILES_EACH} files each");
    let place = Place::new(directories, FILES_EACH, false);
    let mut running = peer.start(&place);
    let mut moments = Vec::new();
    moments.extend(moment(
        &running,
        "after the first pass onto an empty target",
    ));
    for path in &place.files[..BURST] {
        place.write(path, "changed\n");
    }
    sent(&mut running);
    moments.extend(moment(&running, "after 10,000 changed files"));
    let (idle_seconds, idle_percent, idle_wakeups) = idle(settings, &running);
    let left = place.left_at(&running.target).len();
    let removed_ms = removed(&place, &running, directories);
    sent(&mut running);
    moments.extend(moment(&running, "after 1,000 removed directories"));
    running.end();
    Scale {
        tool: peer.name(),
        directories,
        files: directories * FILES_EACH,
        moments,
        idle_seconds,
        idle_percent,
        idle_wakeups,
        removed_ms,
        left,
    }
}

fn sent(running: &mut Running) {
    if let Some(service) = running.service() {
        assert!(service.wait(SENT_MAX), "not in step:\n{}", service.tail());
    }
}

fn moment(running: &Running, when: &'static str) -> Option<Moment> {
    processes::rest(&running.ids(), REST_MAX);
    let (resident, resident_max) = processes::memory(running.id()?)?;
    eprintln!("{when}: {resident} bytes resident, at most {resident_max}");
    Some(Moment {
        when,
        resident,
        resident_max,
    })
}

/// Seconds, per cent of a core and wakeups a second, with nothing to do.
fn idle(settings: &Settings, running: &Running) -> (f64, f64, f64) {
    let Some(id) = running.id() else {
        return (0.0, 0.0, 0.0);
    };
    thread::sleep(SETTLED); // what is held ready for the next change has its own time
    let begin = Instant::now();
    let (ran, woke) = processes::threads(id);
    thread::sleep(Duration::from_secs(if settings.quick { 5 } else { 30 })); // the measure itself
    let seconds = begin.elapsed().as_secs_f64();
    let (ran_then, woke_then) = processes::threads(id);
    let share = ran_then.saturating_sub(ran) as f64 / 1e9 / seconds;
    let woke = woke_then.saturating_sub(woke) as f64 / seconds;
    eprintln!(
        "idle: {:.3} % of a core, {woke:.2} wakeups a second",
        share * 100.0
    );
    (seconds, share * 100.0, woke)
}

/// Removes directories all over the tree, as a cleaner does, and writes a file that is to be sent.
fn removed(place: &Place, running: &Running, directories: usize) -> Option<f64> {
    let step = directories / REMOVED;
    for number in 0..REMOVED {
        let file = &place.files[(number * step + 1) * FILES_EACH - 1];
        let directory = file.parent().expect("files are in directories");
        if number == 0 {
            continue; // the probe's file lies in it
        }
        fs::remove_dir_all(place.source.join(directory)).unwrap();
    }
    let begin = Instant::now();
    let (file, content) = (&place.files[0], unique(0));
    place.write(file, &content);
    let target = running.target.join(file);
    while begin.elapsed() < LOST_AFTER {
        if holds(&target, &content) {
            let took = begin.elapsed().as_secs_f64() * 1000.0;
            eprintln!("after {REMOVED} removed directories a change came after {took:.1} ms");
            return Some(took);
        }
        thread::sleep(LOOK);
    }
    None
}

fn reached(scale: &Scale) -> Vec<Goal> {
    let size = format!("{} files in {} directories", scale.files, scale.directories);
    let most = |value: fn(&Moment) -> u64| {
        let most = scale.moments.iter().map(value).max();
        most.map(|bytes| bytes as f64)
    };
    let rest = most(|moment| moment.resident);
    let mb = |bytes: Option<f64>| bytes.map(|bytes| bytes / 1e6);
    vec![
        Goal::at_most(
            format!("{size}: resident, at rest"),
            60.0,
            Unit::Megabytes,
            mb(rest),
        ),
        Goal::at_most(
            format!("{size}: resident, at most"),
            60.0,
            Unit::Megabytes,
            mb(most(|moment| moment.resident_max)),
        ),
        Goal::at_most(
            format!("{} directories idle: CPU", scale.directories),
            0.1,
            Unit::Percent,
            Some(scale.idle_percent),
        ),
        Goal::at_most(
            format!(
                "{} directories idle: wakeups beyond the timer that is due once a minute",
                scale.directories
            ),
            0.1,
            Unit::PerSecond,
            Some((scale.idle_wakeups - DUE_WAKEUPS).max(0.0)),
        ),
        Goal::at_most(
            format!(
                "{REMOVED} of {} directories removed: the next change is on the target",
                scale.directories
            ),
            200.0,
            Unit::Milliseconds,
            scale.removed_ms,
        ),
    ]
}

fn memory_table(all: &[Scale], nothing: u64) -> Table {
    let mut table = Table::new(
        "Resident memory of a great tree",
        &[
            "tool",
            "directories",
            "files",
            "when",
            "resident",
            "at most",
            "against one directory, each",
        ],
    );
    let mb = |bytes: u64| Unit::Megabytes.show(bytes as f64 / 1e6);
    for scale in all {
        for moment in &scale.moments {
            let grown = moment.resident.saturating_sub(nothing) as f64;
            table.row(vec![
                scale.tool.clone(),
                scale.directories.to_string(),
                scale.files.to_string(),
                moment.when.to_string(),
                mb(moment.resident),
                mb(moment.resident_max),
                Unit::Bytes.show(grown / scale.directories as f64),
            ]);
        }
    }
    table
}

fn idle_table(all: &[Scale]) -> Table {
    let mut table = Table::new(
        "A great tree at rest, and after removals",
        &[
            "tool",
            "directories",
            "CPU idle",
            "wakeups idle",
            "a change after 1,000 removed directories",
            "trees before that",
        ],
    );
    for scale in all {
        table.row(vec![
            scale.tool.clone(),
            scale.directories.to_string(),
            Unit::Percent.show(scale.idle_percent),
            Unit::PerSecond.show(scale.idle_wakeups),
            scale.removed_ms.map_or("lost".into(), milliseconds),
            match scale.left {
                0 => "equal".into(),
                left => format!("{left} paths differ"),
            },
        ]);
    }
    table
}
