//! Mixed operations onto two targets at once; do both end up identical, and how soon?

use std::path::Path;
use std::time::{Duration, Instant};

use serde::Serialize;
use serde_json::json;

use crate::measure::{Measure, Report};
use crate::peers::{Ours, Peer, Running, To};
use crate::place::Place;
use crate::report::{Table, keep, seconds};
use crate::rig::churn::Churn;
use crate::rig::tree::{Look, wait_equal};
use crate::settings::Settings;

/// The measure.
pub const MEASURE: Measure = Measure {
    name: "churn",
    about: "mixed operations onto two targets at once; both must end up identical",
    has_goals: false,
    run,
};

/// The tree that is there before.
const FILES_BEFORE: usize = 1_000;

/// Identical so soon after the last operation, or too late.
const LIMIT: Duration = Duration::from_secs(10);

/// Identical so much later, or never.
const NEVER: Duration = Duration::from_secs(30);

/// Differences that are printed.
const SHOWN_MAX: usize = 5;

/// One history.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Run {
    tool: String,
    seed: u64,
    /// How long the operations took; longer than asked for where the machine was too busy.
    operations_s: f64,
    /// After the last operation, when the program said that everything is on the targets.
    said_s: Option<f64>,
    /// After the last operation, when the trees were identical.
    identical_s: Option<f64>,
    /// What was left at the end.
    differences: Vec<String>,
    /// Whether the program said so before it was so.
    too_early: bool,
    ours: bool,
}

impl Run {
    /// Whether it is this program's fault.
    fn failed(&self) -> bool {
        self.ours && (self.identical_s.is_none() || self.too_early)
    }
}

/// Every seed with heliostat, the first one with lsyncd too.
fn run(settings: &Settings) -> Report {
    let ours = Peer::Heliostat(Ours::mirror(To::Both));
    let mut all = Vec::new();
    for seed in settings.seed..settings.seed + settings.seeds {
        all.push(one(settings, ours, seed));
    }
    for peer in settings.peers(&[Peer::Lsyncd {
        delay: 1,
        tuned: false,
    }]) {
        all.push(one(settings, peer, settings.seed));
    }
    Report {
        tables: vec![table(&all, settings)],
        raw: json!(all),
        failed: all.iter().any(Run::failed),
        ..Report::default()
    }
}

fn one(settings: &Settings, peer: Peer, seed: u64) -> Run {
    let place = Place::with_files(FILES_BEFORE);
    let mut running = peer.start(&place);
    let targets: &[&Path] = match peer {
        Peer::Heliostat(Ours { to: To::Both, .. }) => &[&place.module, &place.local],
        _ => &[&place.module],
    };
    let mut churn = Churn::new(&place.source, seed);
    let begin = Instant::now();
    churn.run(settings.operations, Duration::from_secs(settings.seconds));
    let operations_s = begin.elapsed().as_secs_f64();
    let ended = Instant::now();
    let said = running.service().is_some_and(|service| service.wait(LIMIT));
    let said_s = said.then(|| ended.elapsed().as_secs_f64());
    let mut waited = settle(&place.source, targets, ended, Duration::ZERO);
    let too_early = said && waited.is_err();
    if waited.is_err() {
        if too_early {
            eprintln!(
                "{}, seed {seed}: said to be in step, and is not",
                peer.name()
            );
            complain(&waited);
        }
        waited = settle(&place.source, targets, ended, NEVER);
    }
    let run = Run {
        tool: peer.name(),
        seed,
        operations_s,
        said_s,
        identical_s: waited.as_ref().ok().copied(),
        differences: waited.as_ref().err().cloned().unwrap_or_default(),
        too_early,
        ours: peer.is_ours(),
    };
    eprintln!(
        "{}, seed {seed}: said after {said_s:?} s, identical after {:?} s",
        run.tool, run.identical_s
    );
    complain(&waited);
    if run.failed() {
        explain(&mut running, seed);
    }
    running.end();
    run
}

/// When all trees were identical, reckoned from `since`; or what is left, target by target.
fn settle(
    source: &Path,
    targets: &[&Path],
    since: Instant,
    at_most: Duration,
) -> Result<f64, Vec<String>> {
    let mut left = Vec::new();
    for target in targets {
        if let Err(found) = wait_equal(source, target, at_most, &Look::default()) {
            let name = target.file_name().unwrap_or_default().display();
            left.extend(found.iter().map(|one| format!("{name}: {one:?}")));
        }
    }
    if left.is_empty() {
        Ok(since.elapsed().as_secs_f64())
    } else {
        Err(left)
    }
}

fn complain(waited: &Result<f64, Vec<String>>) {
    if let Err(left) = waited {
        eprintln!("{} paths differ", left.len());
        left.iter()
            .take(SHOWN_MAX)
            .for_each(|one| eprintln!("{one}"));
    }
}

/// Keeps what the program said.
fn explain(running: &mut Running, seed: u64) {
    if let Some(service) = running.service() {
        let status = service.status();
        let text = format!("{}\n{status:#?}\n", service.log());
        let path = keep(&format!("churn-seed-{seed}.log"), &text);
        eprintln!("its log and status are in {}", path.display());
    }
}

/// As a table: one line a tool.
fn table(all: &[Run], settings: &Settings) -> Table {
    let title = format!(
        "{} mixed operations in {} s",
        settings.operations, settings.seconds
    );
    let mut table = Table::new(
        &title,
        &[
            "tool",
            "runs",
            "identical",
            "within 10 s",
            "median",
            "worst",
            "said too early",
            "failed seeds",
        ],
    );
    let mut tools: Vec<&str> = all.iter().map(|run| run.tool.as_str()).collect();
    tools.dedup();
    for tool in tools {
        let runs: Vec<&Run> = all.iter().filter(|run| run.tool == tool).collect();
        let mut times: Vec<f64> = runs.iter().filter_map(|run| run.identical_s).collect();
        times.sort_by(f64::total_cmp);
        let soon = times.iter().filter(|time| **time <= LIMIT.as_secs_f64());
        let bad = runs
            .iter()
            .filter(|run| run.identical_s.is_none() || run.too_early);
        let bad: Vec<String> = bad.map(|run| run.seed.to_string()).collect();
        let time = |time: Option<&f64>| time.map_or("–".into(), |time| seconds(*time));
        table.row(vec![
            tool.to_string(),
            runs.len().to_string(),
            times.len().to_string(),
            soon.count().to_string(),
            time(times.get(times.len() / 2)),
            time(times.last()),
            runs.iter().filter(|run| run.too_early).count().to_string(),
            if bad.is_empty() {
                "–".into()
            } else {
                bad.join(" ")
            },
        ]);
    }
    table
}
