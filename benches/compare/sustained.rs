//! Two thousand changes a second, for a minute: how late they are, whether memory grows, and how soon all is equal after the
//! last one.

use std::collections::{BTreeMap, VecDeque};
use std::path::PathBuf;
use std::thread;
use std::time::{Duration, Instant};

use serde::Serialize;
use serde_json::json;

use crate::measure::{Goal, Measure, Report, Unit};
use crate::peers::{Ours, Peer, Running, To, holds, unique};
use crate::place::Place;
use crate::processes;
use crate::report::{Table, milliseconds, seconds};
use crate::rig::wait_for;
use crate::samples::percentile;
use crate::settings::Settings;

/// The measure.
pub const MEASURE: Measure = Measure {
    name: "sustained",
    about: "2,000 changes a second for a minute: lag, memory, and the end of it",
    has_goals: true,
    run,
};

const FILES: usize = 10_000;

/// Of them, those whose arrival is looked for.
const PROBES: usize = 1_000;

const CHANGES_PER_SECOND: u32 = 2_000;

/// Changes are made so often, a few at a time.
const TICK: Duration = Duration::from_millis(5);

/// So often one of them is a probe.
const PROBE_EVERY: Duration = Duration::from_millis(50);

/// A probe that has not come by then is lost.
const LOST_AFTER: Duration = Duration::from_secs(20);

/// All must be equal by then.
const EQUAL_MAX: Duration = Duration::from_secs(60);

/// How long the tool may take to come to rest.
const REST_MAX: Duration = Duration::from_secs(30);

/// One tool.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Sustained {
    tool: String,
    /// What was really made; less than asked for where the machine was too busy.
    changes: u32,
    seconds: f64,
    lags_ms: Vec<f64>,
    lost: usize,
    /// Resident bytes of the service, once a second.
    resident: Vec<u64>,
    /// From the last change until every file's last content was there.
    converged_s: Option<f64>,
    /// Paths that were not equal at the end, in whatever way.
    left: usize,
    /// CPU time of the tool and its rsyncs at both ends.
    cpu_s: f64,
}

impl Sustained {
    /// In per cent of what was resident in the second quarter. In the first one the tables, the ledger's pages and the
    /// allocator's arenas fill, which a leak has no part in: it goes on.
    fn growth(&self) -> Option<f64> {
        let quarter = (self.resident.len() / 4).max(1);
        let most = |part: &[u64]| part.iter().max().map(|bytes| *bytes as f64);
        let early = most(self.resident.get(quarter..2 * quarter)?)?;
        let late = most(self.resident.get(self.resident.len() - quarter..)?)?;
        Some(100.0 * (late - early).max(0.0) / early)
    }
}

fn run(settings: &Settings) -> Report {
    let ours = [To::Module, To::Local].map(|to| Peer::Heliostat(Ours::new(to)));
    let all: Vec<Sustained> = settings
        .peers(&ours)
        .into_iter()
        .map(|peer| one(settings, peer))
        .collect();
    Report {
        tables: vec![table(&all)],
        goals: all.iter().flat_map(reached).collect(),
        failed: all.iter().any(|one| one.left > 0),
        raw: json!(all),
    }
}

fn one(settings: &Settings, peer: Peer) -> Sustained {
    let place = Place::with_files(FILES);
    let running = peer.start(&place);
    let ids = running.ids();
    processes::rest(&ids, REST_MAX);
    let before = processes::cpu(&ids);
    let lasts = settings.sustain.unwrap_or(settings.size(60, 10) as u32);
    let mut load = Load::new(&place, &running, settings.seed);
    let begin = Instant::now();
    let mut second = 0;
    while load.made < lasts * CHANGES_PER_SECOND && begin.elapsed().as_secs() < u64::from(lasts) + 5
    {
        let due = begin.elapsed().as_secs_f64() * f64::from(CHANGES_PER_SECOND);
        load.make(due as u32);
        load.look();
        if begin.elapsed().as_secs() > second {
            second += 1;
            let resident = running.id().and_then(processes::memory);
            load.resident.extend(resident.map(|(now, _)| now));
        }
        thread::sleep(TICK); // the rate is kept by `due`
    }
    let seconds = begin.elapsed().as_secs_f64();
    let ended = Instant::now();
    let converged_s = load.converged(ended);
    processes::rest(&ids, REST_MAX);
    let cpu_s = (processes::cpu(&ids).saturating_sub(before)).as_secs_f64();
    let left = place.left_at(&running.target);
    if let Some(first) = left.first() {
        eprintln!("{}: {} paths differ: {first:?}", peer.name(), left.len());
    }
    let sustained = Sustained {
        tool: peer.name(),
        changes: load.made,
        seconds,
        lags_ms: load.lags_ms,
        lost: load.lost,
        resident: load.resident,
        converged_s,
        left: left.len(),
        cpu_s,
    };
    running.end();
    eprintln!(
        "{}: p99 {:?} ms, equal {converged_s:?} s after the last",
        sustained.tool,
        percentile(&sustained.lags_ms, 0.99)
    );
    sustained
}

/// The changes, and what was seen of them.
struct Load<'a> {
    place: &'a Place,
    running: &'a Running,
    random: fastrand::Rng,
    made: u32,
    probes: u32,
    begin: Instant,
    /// Those that have not come yet, the oldest first.
    open: VecDeque<(PathBuf, String, Instant)>,
    /// Each file's last content.
    last: BTreeMap<PathBuf, String>,
    lags_ms: Vec<f64>,
    lost: usize,
    resident: Vec<u64>,
}

impl<'a> Load<'a> {
    fn new(place: &'a Place, running: &'a Running, seed: u64) -> Load<'a> {
        Load {
            place,
            running,
            random: fastrand::Rng::with_seed(seed),
            made: 0,
            probes: 0,
            begin: Instant::now(),
            open: VecDeque::new(),
            last: BTreeMap::new(),
            lags_ms: Vec::new(),
            lost: 0,
            resident: Vec::new(),
        }
    }

    /// Makes changes until there were so many.
    fn make(&mut self, due: u32) {
        while self.made < due {
            let probe = self.begin.elapsed() >= PROBE_EVERY * self.probes;
            let at = match probe {
                true => 1 + self.probes as usize % PROBES,
                false => self.random.usize(1 + PROBES..self.place.files.len()),
            };
            let (file, content) = (&self.place.files[at], unique(self.made as usize));
            self.place.write(file, &content);
            if probe {
                self.probes += 1;
                self.open
                    .push_back((file.clone(), content.clone(), Instant::now()));
            }
            self.last.insert(file.clone(), content);
            self.made += 1;
        }
    }

    /// Takes the probes that have come. They come in the order in which they were made, or nearly so.
    fn look(&mut self) {
        while let Some((file, content, since)) = self.open.front() {
            let took = since.elapsed();
            if holds(&self.running.target.join(file), content) {
                self.lags_ms.push(took.as_secs_f64() * 1000.0);
            } else if took > LOST_AFTER {
                self.lost += 1;
            } else {
                return;
            }
            self.open.pop_front();
        }
    }

    /// When every file's last content was on the target.
    fn converged(&mut self, since: Instant) -> Option<f64> {
        let mut missing = std::mem::take(&mut self.last);
        wait_for(EQUAL_MAX, || {
            self.look();
            missing.retain(|file, content| !holds(&self.running.target.join(file), content));
            missing.is_empty().then(|| since.elapsed().as_secs_f64())
        })
    }
}

fn reached(one: &Sustained) -> Vec<Goal> {
    let tool = &one.tool;
    let rate = f64::from(one.changes) / one.seconds;
    let p99 = percentile(&one.lags_ms, 0.99).filter(|_| one.lost == 0);
    vec![
        Goal::at_most(
            format!(
                "{rate:.0} changes a second for {:.0} s, {tool}: lag, p99",
                one.seconds
            ),
            2.0,
            Unit::Seconds,
            p99.map(|p99| p99 / 1000.0),
        ),
        Goal::at_most(
            format!("{tool}: growth meanwhile, 5 % being the allocator's"),
            5.0,
            Unit::Percent,
            one.growth(),
        ),
        Goal::at_most(
            format!("{tool}: all content there after the last change"),
            3.0,
            Unit::Seconds,
            one.converged_s,
        ),
    ]
}

fn table(all: &[Sustained]) -> Table {
    let mut table = Table::new(
        "2,000 changes a second",
        &[
            "tool",
            "changes",
            "in",
            "lag p50",
            "lag p99",
            "lost",
            "resident first",
            "resident last",
            "converged after the last",
            "CPU, both ends",
            "trees at the end",
        ],
    );
    for one in all {
        let lag = |share| percentile(&one.lags_ms, share).map_or("–".into(), milliseconds);
        let mb = |bytes: Option<&u64>| {
            bytes.map_or("–".into(), |bytes| {
                Unit::Megabytes.show(*bytes as f64 / 1e6)
            })
        };
        table.row(vec![
            one.tool.clone(),
            one.changes.to_string(),
            seconds(one.seconds),
            lag(0.5),
            lag(0.99),
            one.lost.to_string(),
            mb(one.resident.first()),
            mb(one.resident.last()),
            one.converged_s.map_or("never".into(), seconds),
            seconds(one.cpu_s),
            match one.left {
                0 => "equal".into(),
                left => format!("{left} paths differ"),
            },
        ]);
    }
    table
}
