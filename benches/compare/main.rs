//! The benchmark: heliostat beside the classic script, lsyncd, watchman and a bare rsync, in one run on one machine.
//!
//! `cargo bench --bench compare -- --help`. What is measured and how to read it is in `benches/README.md`. Only a tree that
//! is not identical at the end makes it fail, never a time: times belong to a machine, and the ratios within one run to
//! the tools. It knows nothing of the program's inside; it stands on the tests' rig.
#![allow(clippy::unwrap_used)] // a benchmark that cannot go on ends: the panic is the message

mod bulk;
mod churn;
mod cost;
mod ending;
mod first;
mod latency;
mod measure;
mod peers;
mod place;
mod processes;
mod report;
mod restart;
#[allow(dead_code, unused_imports)] // the tests ask for more of it
#[path = "../../tests/rig/mod.rs"]
mod rig;
mod rivals;
mod samples;
mod scale;
mod settings;
mod sustained;
mod targets;

use std::process::ExitCode;
use std::time::Instant;

use clap::Parser;
use serde_json::{Map, Value, json};

use measure::Measure;
use report::{keep, load, machine};
use settings::Settings;

/// What is measured, in this order. A new one is a file and a line.
const MEASURES: &[Measure] = &[
    latency::MEASURE,
    bulk::MEASURE,
    first::MEASURE,
    churn::MEASURE,
    scale::MEASURE,
    restart::MEASURE,
    targets::MEASURE,
    sustained::MEASURE,
    cost::MEASURE,
];

fn main() -> ExitCode {
    let settings = Settings::parse();
    if !settings.bench {
        measure::check();
        println!("this takes many minutes: run it with `cargo bench --bench compare`");
        return ExitCode::SUCCESS;
    }
    ending::on_signals();
    let began = jiff::Timestamp::now();
    let mut results = Map::from_iter([("machine".to_string(), machine())]);
    println!("{}", facts(&results["machine"]));
    let (mut goals, mut took, mut failed) = (Vec::new(), Map::new(), false);
    for measure in wanted(&settings) {
        eprintln!("{}: {}", measure.name, measure.about);
        let begin = Instant::now();
        let report = (measure.run)(&settings);
        took.insert(measure.name.into(), begin.elapsed().as_secs().into());
        // As they come: an interrupted run has what it had.
        report.tables.iter().for_each(report::Table::print);
        goals.extend(report.goals);
        failed |= report.failed;
        results.insert(measure.name.into(), report.raw);
    }
    results.insert("loadAtTheEnd".to_string(), load().into());
    results.insert("goals".to_string(), json!(goals));
    results.insert("secondsTaken".to_string(), Value::Object(took));
    println!("\nLoad at the end: {}.", load());
    if !goals.is_empty() {
        measure::goals(&goals).print();
    }
    let name = format!("compare-{}.json", began.strftime("%Y%m%dT%H%M%SZ"));
    let path = keep(&name, &format!("{:#}\n", Value::Object(results)));
    println!("\nraw results: {}", path.display());
    if failed {
        println!("a tree was not identical at the end");
    }
    ExitCode::from(u8::from(failed))
}

/// The measures that are asked for: by name; else all, or all that have goals.
fn wanted(settings: &Settings) -> impl Iterator<Item = &'static Measure> {
    MEASURES.iter().filter(|measure| {
        if settings.only.is_empty() {
            measure.has_goals || !settings.goals
        } else {
            settings.only.iter().any(|name| name == measure.name)
        }
    })
}

/// The machine in a sentence.
fn facts(machine: &Value) -> String {
    let text = |name: &str| match &machine[name] {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    let mut line = format!(
        "{} cores, Linux {}, {}, {}",
        text("cores"),
        text("kernel"),
        text("fileSystem"),
        text("rsync")
    );
    for name in ["lsyncd", "inotifywait", "watchman"] {
        line += &format!("; {}", text(name));
    }
    line += &format!(". Load at the beginning: {}.", text("load"));
    if machine["optimised"] != true {
        line += " NOT OPTIMISED: this was no release build.";
    }
    line
}
