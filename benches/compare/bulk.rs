//! 10,000 new files in 100 new directories, and what they cost.

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use serde::Serialize;
use serde_json::json;

use crate::measure::{Goal, Measure, Report, Unit};
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

/// Each of this program's ways, and the yardstick, is measured so often with the goals: the median counts.
const ROUNDS: usize = 3;

const MODULE: Peer = Peer::Heliostat(Ours::new(To::Module));

/// What the goals name; the first is what the others are measured by.
const GOALS: &[Peer] = &[
    Peer::Hand,
    MODULE,
    Peer::Watchman { tuned: false },
    Peer::Lsyncd {
        delay: 1,
        tuned: false,
    },
    Peer::Lsyncd {
        delay: 0,
        tuned: false,
    },
];

/// What is compared beside them.
const MORE: &[Peer] = &[
    Peer::Heliostat(Ours::mirror(To::Module)),
    Peer::Heliostat(Ours::new(To::Local)),
    Peer::Script,
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
    /// Of the tool with everything that it runs, without the daemon, when it has come to rest.
    resident: u64,
    #[serde(skip)]
    peer: Peer,
}

impl Bulk {
    /// Whether it is this program's fault.
    fn failed(&self) -> bool {
        self.peer.is_ours() && self.identical_s.is_none()
    }
}

/// Every tool, each on a place of its own.
fn run(settings: &Settings) -> Report {
    let mut peers = GOALS.to_vec();
    if !settings.goals {
        peers.extend(MORE);
    }
    let mut all = Vec::new();
    for peer in settings.peers(&peers) {
        let again = settings.goals && !settings.quick && (peer.is_ours() || peer == Peer::Hand);
        let mut rounds: Vec<Bulk> = (0..if again { ROUNDS } else { 1 })
            .map(|_| one(peer))
            .collect();
        rounds.sort_by(|one, other| one.cpu_s.total_cmp(&other.cpu_s));
        // A round that failed is the one that counts.
        let failed = rounds.iter().position(Bulk::failed);
        all.push(rounds.swap_remove(failed.unwrap_or(rounds.len() / 2)));
    }
    Report {
        tables: vec![table(&all)],
        goals: reached(&all),
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
    let resident = running.id().map_or(0, |id| processes::resident(&[id]));
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
        resident,
        peer,
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

fn reached(all: &[Bulk]) -> Vec<Goal> {
    let cpu = |peer: Peer| all.iter().find(|one| one.peer == peer).map(|one| one.cpu_s);
    let others = all
        .iter()
        .filter(|one| !one.peer.is_ours() && one.peer != Peer::Hand);
    let least = others.map(|one| one.cpu_s).min_by(f64::total_cmp);
    let ours = all
        .iter()
        .find(|one| one.peer == MODULE && !one.failed())
        .map(|one| one.cpu_s);
    let against = |by: Option<f64>| ours.zip(by).map(|(ours, by)| ours / by);
    vec![
        Goal::at_most(
            "10,000 new files: CPU against one bare rsync",
            1.3,
            Unit::Times,
            against(cpu(Peer::Hand)),
        ),
        Goal::at_most(
            "10,000 new files: CPU against the other tool that takes the least",
            1.0,
            Unit::Times,
            against(least),
        ),
    ]
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
            "resident",
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
            match bulk.peer {
                Peer::Hand => "–".into(),
                _ => Unit::Megabytes.show(bulk.resident as f64 / 1e6),
            },
        ]);
    }
    table
}
