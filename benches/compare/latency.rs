//! Measure 1: one small change, from the write to its content on the target.

use std::thread;
use std::time::{Duration, Instant};

use serde::Serialize;
use serde_json::json;

use crate::measure::{Measure, Report};
use crate::peers::{Ours, Peer, Running, To, holds, unique};
use crate::place::Place;
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

/// Between two looks at the target: fine enough for milliseconds, and one or two per cent of one core.
const LOOK: Duration = Duration::from_micros(250);

/// A tool may work on after a change has arrived for so long before the next one is made.
const REST_MAX: Duration = Duration::from_secs(20);

/// What is compared; the first is what the others are measured by.
const PEERS: &[Peer] = &[
    Peer::Heliostat(Ours::new(To::Module)),
    Peer::Heliostat(Ours::mirror(To::Module)),
    Peer::Heliostat(Ours::new(To::Local)),
    Peer::Heliostat(Ours::mirror(To::Both)),
    Peer::Hand,
    Peer::Script,
    Peer::Lsyncd { delay: 1 },
    Peer::Lsyncd { delay: 0 },
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
}

impl Latency {
    fn at(&self, share: f64) -> Option<f64> {
        percentile(&self.samples_ms, share)
    }
}

/// Every tool on every tree.
fn run(settings: &Settings) -> Report {
    let mut all = Vec::new();
    for files in settings.files() {
        eprintln!("making {files} files");
        let place = Place::with_files(files);
        for peer in settings.peers(PEERS) {
            // What the tool before it left behind is no business of this one's.
            place.equalise();
            let running = peer.start(&place);
            let latency = one(settings, peer, &place, &running);
            running.end();
            eprintln!(
                "{}: {} files, p50 {:.1} ms",
                latency.tool,
                latency.files,
                latency.at(0.5).unwrap_or(f64::NAN)
            );
            all.push(latency);
        }
    }
    Report {
        tables: vec![table(&all)],
        raw: json!(all),
        ..Report::default()
    }
}

fn one(settings: &Settings, peer: Peer, place: &Place, running: &Running) -> Latency {
    let mut random = fastrand::Rng::with_seed(settings.seed);
    let (mut samples_ms, mut lost) = (Vec::new(), 0);
    let ids = running.ids();
    processes::rest(&ids, REST_MAX);
    let cpu = || processes::cpu(&ids) + processes::ended_children();
    let before = cpu();
    for number in 0..settings.changes() {
        // The first file was the probe's.
        let file = &place.files[random.usize(1..place.files.len())];
        let content = unique(number);
        let begin = Instant::now();
        std::fs::write(place.source.join(file), &content).unwrap();
        running.changed(&place.source, Some(file));
        let target = running.target.join(file);
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
    let cpu_ms = (cpu() - before).as_secs_f64() * 1000.0 / settings.changes().max(1) as f64;
    Latency {
        files: place.files.len(),
        tool: peer.name(),
        samples_ms,
        lost,
        cpu_ms,
    }
}

/// As a table; the ratios are to the first tool on the same tree.
fn table(all: &[Latency]) -> Table {
    let mut table = Table::new(
        "One small change, from the write to its content on the target",
        &[
            "files",
            "tool",
            "p50",
            "p99",
            "worst",
            "lost",
            "CPU a change",
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
            cell(0.5),
            cell(0.99),
            cell(1.0),
            latency.lost.to_string(),
            milliseconds(latency.cpu_ms),
            against.map_or("–".into(), |(this, first)| ratio(this, first)),
        ]);
    }
    table
}
