//! One small change, from the write to its content on the target.

use std::thread;
use std::time::{Duration, Instant};

use serde::Serialize;
use serde_json::json;

use crate::measure::{Goal, Measure, Report, Unit};
use crate::peers::{Ours, Peer, Running, To, holds, unique};
use crate::place::{EMPTY_FROM, Place};
use crate::processes;
use crate::report::{Table, milliseconds, ratio};
use crate::samples::percentile;
use crate::settings::Settings;

/// The measure.
pub const MEASURE: Measure = Measure {
    name: "latency",
    about: "one small change, from the write to its content on the target",
    has_goals: true,
    run,
};

/// A change that has not come by then is lost: the slowest tool takes some seconds where a tree is large.
const LOST_AFTER: Duration = Duration::from_secs(20);

/// Between two looks at the target: fine enough for a millisecond, and a few per cent of one core.
const LOOK: Duration = Duration::from_micros(100);

/// A tool may work on after a change has arrived for so long before the next one is made.
const REST_MAX: Duration = Duration::from_secs(20);

/// From a first pass until its checkpoint has begun.
const FIRST_CHECKPOINT: Duration = Duration::from_secs(4);

/// Changes of another tool where only this program's 99th percentile is asked for.
const OTHERS_CHANGES_MAX: usize = 30;

const MODULE: Peer = Peer::Heliostat(Ours::new(To::Module));
const LOCAL: Peer = Peer::Heliostat(Ours::new(To::Local));
const AT_ONCE: Peer = Peer::Heliostat(Ours::at_once(To::Local));

/// What the goals name; the first is what the others are measured by.
const GOALS: &[Peer] = &[
    MODULE,
    LOCAL,
    AT_ONCE,
    Peer::Watchman { tuned: false },
    Peer::Lsyncd {
        delay: 0,
        tuned: false,
    },
];

/// What is compared beside them.
const MORE: &[Peer] = &[
    Peer::Heliostat(Ours::mirror(To::Module)),
    Peer::Heliostat(Ours::mirror(To::Both)),
    Peer::Hand,
    Peer::Script,
    Peer::Lsyncd {
        delay: 1,
        tuned: false,
    },
];

/// What is faster than its documentation says that it can be, and this program where it waits for no quiet either.
const TUNED: &[Peer] = &[
    Peer::Heliostat(Ours::at_once(To::Module)),
    Peer::Watchman { tuned: true },
    Peer::Lsyncd {
        delay: 0,
        tuned: true,
    },
];

/// One tool on one tree.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Latency {
    files: usize,
    tool: String,
    /// In the order in which they were made, in milliseconds; those that were lost are not here.
    samples_ms: Vec<f64>,
    lost: usize,
    /// CPU time at both ends, per change.
    cpu_ms: f64,
    /// Of the tool with everything that it runs, without the daemon, when it has come to rest.
    resident: u64,
    /// Paths that were not equal at the end.
    left: usize,
    #[serde(skip)]
    peer: Peer,
}

impl Latency {
    fn at(&self, share: f64) -> Option<f64> {
        percentile(&self.samples_ms, share)
    }
}

/// Every tool on every tree.
fn run(settings: &Settings) -> Report {
    let mut all = Vec::new();
    let mut goals = Vec::new();
    for files in settings.files() {
        eprintln!("making {files} files, three times");
        let place = Place::with_files(files);
        let here: Vec<Latency> = peers(settings, files)
            .into_iter()
            .map(|peer| on(settings, peer, &place))
            .collect();
        goals.extend(reached(&here, files));
        all.extend(here);
    }
    Report {
        tables: vec![table(&all)],
        goals,
        failed: all.iter().any(|one| one.peer.is_ours() && one.left > 0),
        raw: json!(all),
    }
}

/// Where a tree is as large as goals have it, a tool takes minutes to be ready: those that are asked for by name, and those
/// that the goals name.
fn peers(settings: &Settings, files: usize) -> Vec<Peer> {
    let mut peers = GOALS.to_vec();
    let large = files >= EMPTY_FROM && settings.tool.is_empty();
    if !settings.goals && !large {
        peers.extend(MORE);
    }
    if !large {
        peers.extend(TUNED);
    }
    settings.peers(&peers)
}

fn on(settings: &Settings, peer: Peer, place: &Place) -> Latency {
    // What the tool before it left behind is no business of this one's.
    place.equalise();
    let running = peer.start(place);
    let latency = one(settings, peer, place, &running);
    running.end();
    eprintln!(
        "{}: {} files, p50 {:.1} ms, {} lost, {} paths differ",
        latency.tool,
        latency.files,
        latency.at(0.5).unwrap_or(f64::NAN),
        latency.lost,
        latency.left
    );
    latency
}

fn one(settings: &Settings, peer: Peer, place: &Place, running: &Running) -> Latency {
    let mut random = fastrand::Rng::with_seed(settings.seed);
    let (mut samples_ms, mut lost) = (Vec::new(), 0);
    let ids = running.ids();
    // What the first pass found is noted two seconds after it, which takes a walk of its own.
    thread::sleep(FIRST_CHECKPOINT);
    processes::rest(&ids, REST_MAX);
    let cpu = || processes::cpu(&ids) + processes::ended_children();
    let before = cpu();
    let changes = match settings.goals && !peer.is_ours() {
        true => settings.changes().min(OTHERS_CHANGES_MAX),
        false => settings.changes(),
    };
    for number in 0..changes {
        // The first file was the probe's.
        let file = &place.files[random.usize(1..place.files.len())];
        let content = unique(number);
        let target = running.target.join(file);
        let begin = Instant::now();
        place.write(file, &content);
        running.changed(&place.source, Some(file));
        let end = begin + LOST_AFTER;
        let arrived = loop {
            if holds(&target, &content) {
                break Some(begin.elapsed());
            }
            if Instant::now() >= end {
                break None;
            }
            thread::sleep(LOOK);
        };
        match arrived {
            Some(took) => samples_ms.push(took.as_secs_f64() * 1000.0),
            None => lost += 1,
        }
        processes::rest(&ids, REST_MAX);
    }
    let cpu_ms = (cpu() - before).as_secs_f64() * 1000.0 / changes.max(1) as f64;
    let resident = running.id().map_or(0, |id| processes::resident(&[id]));
    let left = place.left_at(&running.target);
    if let Some(first) = left.first() {
        eprintln!("{}: {} paths differ: {first:?}", peer.name(), left.len());
    }
    Latency {
        files: place.files.len(),
        tool: peer.name(),
        samples_ms,
        lost,
        cpu_ms,
        resident,
        left: left.len(),
        peer,
    }
}

/// How far this tree's goals are.
fn reached(here: &[Latency], files: usize) -> Vec<Goal> {
    let at = |peer, share| here.iter().find(|one| one.peer == peer)?.at(share);
    let fastest = |peers: &[Peer]| {
        let all = peers.iter().filter(|peer| !peer.is_ours());
        all.filter_map(|peer| at(*peer, 0.5)).min_by(f64::total_cmp)
    };
    let module = at(MODULE, 0.5);
    let against = |other: Option<f64>| other.zip(module).map(|(other, ours)| other / ours);
    let ms = Unit::Milliseconds;
    vec![
        Goal::at_most(format!("{files} files: module, p50"), 9.0, ms, module),
        Goal::at_most(
            format!("{files} files: module, p99 against p50"),
            3.0,
            Unit::Times,
            at(MODULE, 0.99).zip(module).map(|(far, mid)| far / mid),
        ),
        Goal::at_least(
            format!("{files} files: the fastest other tool against module, p50"),
            8.0,
            Unit::Times,
            against(fastest(GOALS)),
        ),
        Goal::at_most(
            format!("{files} files: local, p50"),
            7.0,
            ms,
            at(LOCAL, 0.5),
        ),
        Goal::at_most(
            format!("{files} files: local with `quiet: 0ms`, p50"),
            1.5,
            ms,
            at(AT_ONCE, 0.5),
        ),
    ]
}

/// As a table; the ratios are to the first tool on the same tree.
fn table(all: &[Latency]) -> Table {
    let mut table = Table::new(
        "One small change, from the write to its content on the target",
        &[
            "files",
            "tool",
            "changes",
            "p50",
            "p99",
            "worst",
            "lost",
            "CPU a change",
            "resident",
            "trees at the end",
            "p50 against the first",
        ],
    );
    for latency in all {
        let first = all.iter().find(|other| other.files == latency.files);
        let cell = |share| latency.at(share).map_or("–".into(), milliseconds);
        let against = latency.at(0.5).zip(first.and_then(|first| first.at(0.5)));
        table.row(vec![
            latency.files.to_string(),
            latency.tool.clone(),
            (latency.samples_ms.len() + latency.lost).to_string(),
            cell(0.5),
            cell(0.99),
            cell(1.0),
            latency.lost.to_string(),
            milliseconds(latency.cpu_ms),
            match latency.peer {
                Peer::Hand => "–".into(),
                _ => Unit::Megabytes.show(latency.resident as f64 / 1e6),
            },
            match latency.left {
                0 => "equal".into(),
                left => format!("{left} paths differ"),
            },
            against.map_or("–".into(), |(this, first)| ratio(this, first)),
        ]);
    }
    table
}
