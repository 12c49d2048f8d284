//! Measure 2: 10,000 new files in 100 new directories, and what they cost.

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use serde::Serialize;
use serde_json::json;

use crate::measure::{Measure, Report};
use crate::peers::{Ours, Peer, To};
use crate::place::Place;
use crate::processes;
use crate::report::{Table, ratio, seconds};
use crate::rig::tree::{Difference, Look, differences};
use crate::rig::wait_for;
use crate::settings::Settings;

/// The measure.
pub const MEASURE: Measure = Measure {
    name: "bulk",
    about: "10,000 new files in 100 new directories, and the CPU for them",
    has_goals: true,
    run,
};

const DIRECTORIES: usize = 100;
const FILES_EACH: usize = 100;

/// The tree that is there before.
const FILES_BEFORE: usize = 1_000;

/// A tool that has not made the trees identical by then is not waited for any longer.
const IDENTICAL_MAX: Duration = Duration::from_secs(60);

/// A tool may work on for so long; the script does, with one full rsync an event.
const REST_MAX: Duration = Duration::from_secs(20);

/// What is compared; the first is what the others are measured by.
const PEERS: &[Peer] = &[
    Peer::Hand,
    Peer::Heliostat(Ours::new(To::Module)),
    Peer::Heliostat(Ours::mirror(To::Module)),
    Peer::Heliostat(Ours::new(To::Local)),
    Peer::Script,
    Peer::Lsyncd { delay: 1 },
    Peer::Lsyncd { delay: 0 },
];

/// One tool.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Bulk {
    tool: String,
    /// From the first to the last file at the source.
    made_s: f64,
    /// From the first file on, until all content was there.
    complete_s: Option<f64>,
    /// From the first file on, until the trees were identical, times and modes included.
    identical_s: Option<f64>,
    /// What was left at the end.
    differences: usize,
    /// CPU seconds of the tool and its rsyncs at both ends, until it came to rest.
    cpu_s: f64,
    /// Whether it did.
    rested: bool,
    /// Whether the tool answers for the result.
    ours: bool,
}

impl Bulk {
    /// Whether it is this program's fault.
    fn failed(&self) -> bool {
        self.ours && self.identical_s.is_none()
    }
}

/// Every tool, each on a place of its own.
fn run(settings: &Settings) -> Report {
    let all: Vec<Bulk> = settings.peers(PEERS).into_iter().map(one).collect();
    Report {
        tables: vec![table(&all)],
        goals: Vec::new(),
        raw: json!(all),
        failed: all.iter().any(Bulk::failed),
    }
}

fn one(peer: Peer) -> Bulk {
    let place = Place::with_files(FILES_BEFORE);
    let running = peer.start(&place);
    let ids = running.ids();
    processes::rest(&ids, REST_MAX);
    let cpu = || processes::cpu(&ids) + processes::ended_children();
    let before = cpu();
    let begin = Instant::now();
    make(&place.source.join("bulk"));
    let made_s = begin.elapsed().as_secs_f64();
    running.changed(&place.source, None);
    let (mut complete_s, mut left) = (None, Vec::new());
    let identical = wait_for(IDENTICAL_MAX, || {
        // The comparison reads everything and would compete with the tool: first it is only counted.
        if count(&running.target.join("bulk")) < DIRECTORIES * FILES_EACH {
            return None;
        }
        let looked = begin.elapsed().as_secs_f64();
        left = differences(&place.source, &running.target, &Look::default());
        if !left.iter().any(in_content) {
            complete_s.get_or_insert(looked);
        }
        left.is_empty().then_some(looked)
    });
    let rested = processes::rest(&ids, REST_MAX);
    let cpu_s = (cpu() - before).as_secs_f64();
    if identical.is_none() {
        left = differences(&place.source, &running.target, &Look::default());
        let first = left.first();
        eprintln!(
            "{}: {} paths differ, the first: {first:?}",
            peer.name(),
            left.len()
        );
    }
    running.end();
    eprintln!(
        "{}: identical after {identical:?} s, {cpu_s:.2} s of CPU",
        peer.name()
    );
    Bulk {
        tool: peer.name(),
        made_s,
        complete_s,
        identical_s: identical,
        differences: left.len(),
        cpu_s,
        rested,
        ours: peer.is_ours(),
    }
}

fn make(root: &Path) {
    for directory in 0..DIRECTORIES {
        let path = root.join(format!("n{directory:03}"));
        fs::create_dir_all(&path).unwrap();
        for file in 0..FILES_EACH {
            fs::write(
                path.join(format!("f{file:03}")),
                format!("{directory}-{file}\n"),
            )
            .unwrap();
        }
    }
}

/// How many names there are two levels below.
fn count(root: &Path) -> usize {
    let directories = fs::read_dir(root).into_iter().flatten().flatten();
    directories
        .map(|directory| fs::read_dir(directory.path()).map_or(0, |names| names.count()))
        .sum()
}

/// Whether it is more than a matter of times, modes and owners.
fn in_content(difference: &Difference) -> bool {
    match difference {
        Difference::Missing(_) | Difference::Extra(_) => true,
        Difference::Differs(_, entries) => entries.0.kind != entries.1.kind,
    }
}

/// As a table; the ratio is to the first, a bare rsync.
fn table(all: &[Bulk]) -> Table {
    let mut table = Table::new(
        "10,000 new files in 100 new directories",
        &[
            "tool",
            "made in",
            "content there",
            "identical",
            "that is after the last file",
            "CPU, both ends",
            "CPU against the first",
        ],
    );
    for bulk in all {
        let time = |time: Option<f64>| time.map_or("–".into(), seconds);
        let identical = match bulk.identical_s {
            Some(time) => seconds(time),
            None => format!("no: {} paths differ", bulk.differences),
        };
        let over = if bulk.rested { "" } else { "over " };
        table.row(vec![
            bulk.tool.clone(),
            seconds(bulk.made_s),
            time(bulk.complete_s),
            identical,
            time(bulk.identical_s.map(|identical| identical - bulk.made_s)),
            format!("{over}{}", seconds(bulk.cpu_s)),
            ratio(bulk.cpu_s, all[0].cpu_s),
        ]);
    }
    table
}
