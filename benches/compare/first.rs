//! The first pass of many small files onto an empty local directory, beside one `rsync -a`.

use std::ffi::OsString;
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use serde::Serialize;
use serde_json::json;

use crate::measure::{Goal, Measure, Report, Unit};
use crate::place::{Place, RSYNC};
use crate::processes;
use crate::report::{Table, ratio, seconds};
use crate::rig::service::{Heliostat, manifest};
use crate::rig::tree::{Look, differences};
use crate::samples::median;
use crate::settings::Settings;

/// The measure.
pub const MEASURE: Measure = Measure {
    name: "first",
    about: "the first pass of 100,000 small files onto an empty local directory",
    has_goals: true,
    run,
};

const FILES_EACH: usize = 100;

/// Each tool in turn, so often; the median counts. Nothing is deleted in between: for minutes after many files were
/// deleted, ext4 spends most of the time in which it should make new ones looking for a number that was not theirs.
const ROUNDS: usize = 3;

/// A pass that takes longer has failed.
const PASS_MAX: Duration = Duration::from_secs(600);

/// One tool.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct First {
    tool: &'static str,
    files: usize,
    /// In the order in which they were made.
    took_s: Vec<f64>,
    /// CPU seconds of the tool and whatever it started.
    cpu_s: Vec<f64>,
    /// Paths that differ from the source, over all rounds.
    left: usize,
}

fn run(settings: &Settings) -> Report {
    let files = settings.size(100_000, 10_000);
    let place = Place::new(files / FILES_EACH, FILES_EACH, false);
    let tool = |tool| First {
        tool,
        files,
        took_s: Vec::new(),
        cpu_s: Vec::new(),
        left: 0,
    };
    let mut all = [tool("rsync -a"), tool("heliostat run --once")];
    for round in 0..ROUNDS {
        // Each is first as often as it can be.
        let order = if round % 2 == 0 { [0, 1] } else { [1, 0] };
        for at in order {
            let own = place.own("first");
            let target = own.join("target");
            fs::create_dir(&target).unwrap();
            // What was written before is on the disk: nobody writes it beside somebody's work.
            rustix::fs::sync();
            let (begin, cpu) = (Instant::now(), processes::ended_children());
            match at {
                0 => rsync(&place.source, &target),
                _ => heliostat(&own, &place.source, &target),
            }
            let took = begin.elapsed().as_secs_f64();
            eprintln!("{}: {took:.2} s", all[at].tool);
            all[at].took_s.push(took);
            let used = processes::ended_children() - cpu;
            all[at].cpu_s.push(used.as_secs_f64());
            all[at].left += differences(&place.source, &target, &Look::default()).len();
        }
    }
    let took = |at: usize| median(&all[at].took_s);
    let faster = took(0).zip(took(1)).map(|(rsync, ours)| rsync / ours);
    Report {
        tables: vec![table(&all)],
        goals: vec![Goal::at_least(
            format!(
                "first pass of {files} small files to a local target: times as fast as rsync -a"
            ),
            2.0,
            Unit::Times,
            faster.filter(|_| all[1].left == 0),
        )],
        raw: json!(all),
        failed: all[1].left > 0,
    }
}

fn rsync(source: &Path, target: &Path) {
    let mut command = Command::new(RSYNC);
    command.env_clear().arg("-a").stdin(Stdio::null());
    let status = command.arg(source.join("")).arg(target).status().unwrap();
    assert!(status.success(), "rsync: {status}");
}

fn heliostat(own: &Path, source: &Path, target: &Path) {
    let url = format!("file://{}", target.display());
    let sources = json!({"site": {"path": source, "targets": {"local": {"url": url}}}});
    let service = Heliostat::new(&own.join("service"), &manifest(&sources));
    let args: [OsString; 7] = [
        "run".into(),
        "--once".into(),
        "--state-dir".into(),
        service.state().into(),
        "--socket".into(),
        service.socket().into(),
        service.manifest().into(),
    ];
    let answer = service.command_line(&args, PASS_MAX);
    assert_eq!(answer.code, 0, "{}", answer.stderr);
}

/// As a table; the ratios are to the first.
fn table(all: &[First]) -> Table {
    let mut table = Table::new(
        "The first pass onto an empty local directory",
        &[
            "files",
            "tool",
            "median",
            "best",
            "worst",
            "against the first",
            "CPU",
            "CPU against the first",
            "paths that differ",
        ],
    );
    let middle = |samples: &[f64]| median(samples).unwrap_or(f64::NAN);
    for first in all {
        let best = first.took_s.iter().copied().fold(f64::INFINITY, f64::min);
        let worst = first.took_s.iter().copied().fold(0.0, f64::max);
        table.row(vec![
            first.files.to_string(),
            first.tool.to_string(),
            seconds(middle(&first.took_s)),
            seconds(best),
            seconds(worst),
            ratio(middle(&first.took_s), middle(&all[0].took_s)),
            seconds(middle(&first.cpu_s)),
            ratio(middle(&first.cpu_s), middle(&all[0].cpu_s)),
            first.left.to_string(),
        ]);
    }
    table
}
