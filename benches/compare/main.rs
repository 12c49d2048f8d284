//! The benchmark: heliostat beside the classic script, lsyncd and a bare rsync, in one run on one machine.
//!
//! `cargo bench --bench compare -- --help`. What is measured and how to read it is in `benches/README.md`. Only a tree that
//! is not identical at the end makes it fail, never a time: times belong to a machine, and the ratios within one run to
//! the tools. It knows nothing of the program's inside; it stands on the tests' rig.
#![allow(clippy::unwrap_used)] // a benchmark that cannot go on ends: the panic is the message

mod bulk;
mod churn;
mod latency;
mod memory;
mod peers;
mod place;
mod processes;
mod report;
#[allow(dead_code, unused_imports)] // the tests ask for more of it
#[path = "../../tests/rig/mod.rs"]
mod rig;

use std::process::ExitCode;

use clap::{Parser, ValueEnum};
use serde_json::{Map, Value, json};

use peers::Peer;
use report::{keep, load, machine};

/// What is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Measure {
    Latency,
    Bulk,
    Churn,
    Memory,
}

/// heliostat beside the classic script, lsyncd and a bare rsync.
#[derive(Debug, Parser)]
struct Settings {
    /// Files in the tree, for the latency of single changes
    #[arg(long, value_delimiter = ',', default_values_t = [1_000, 100_000])]
    files: Vec<usize>,
    /// Single changes per tool and tree
    #[arg(long, default_value_t = 50)]
    changes: usize,
    /// Which changes and operations; the first one for --seeds
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Histories of mixed operations
    #[arg(long, default_value_t = 3)]
    seeds: u64,
    /// Operations in a history
    #[arg(long, default_value_t = 4_000)]
    operations: u32,
    /// Seconds that a history takes
    #[arg(long, default_value_t = 20)]
    seconds: u64,
    /// Only these measures
    #[arg(long, value_enum, value_delimiter = ',')]
    only: Vec<Measure>,
    /// Only tools whose name has this in it
    #[arg(long, value_name = "PART")]
    tool: Option<String>,
    /// Given by cargo
    #[arg(long, hide = true)]
    bench: bool,
}

impl Settings {
    fn measures(&self, measure: Measure) -> bool {
        self.only.is_empty() || self.only.contains(&measure)
    }

    /// Those of `peers` that are asked for and can run here; says which cannot.
    fn peers(&self, peers: &[Peer]) -> Vec<Peer> {
        let wanted = |peer: &Peer| {
            self.tool
                .as_ref()
                .is_none_or(|part| peer.name().contains(part))
        };
        let can = |peer: &Peer| match peer.missing() {
            Some(program) => {
                println!("skipped: {}: `{program}` is not installed", peer.name());
                false
            }
            None => true,
        };
        peers.iter().copied().filter(wanted).filter(can).collect()
    }
}

fn main() -> ExitCode {
    let settings = Settings::parse();
    if !settings.bench {
        println!("this takes many minutes: run it with `cargo bench --bench compare`");
        return ExitCode::SUCCESS;
    }
    let began = jiff::Timestamp::now();
    let mut results = Map::from_iter([("machine".to_string(), machine())]);
    let mut tables = Vec::new();
    let mut failed = false;
    if settings.measures(Measure::Latency) {
        let all = latency::measure(&settings);
        tables.push(latency::table(&all));
        results.insert("latency".to_string(), json!(all));
    }
    if settings.measures(Measure::Bulk) {
        let all = bulk::measure(&settings);
        failed |= all.iter().any(bulk::Bulk::failed);
        tables.push(bulk::table(&all));
        results.insert("bulk".to_string(), json!(all));
    }
    if settings.measures(Measure::Churn) {
        let all = churn::measure(&settings);
        failed |= all.iter().any(churn::Run::failed);
        tables.push(churn::table(&all, &settings));
        results.insert("churn".to_string(), json!(all));
    }
    if settings.measures(Measure::Memory) {
        let all = memory::measure(&settings);
        tables.push(memory::table(&all));
        results.insert("memory".to_string(), json!(all));
    }
    let facts = facts(&results["machine"]);
    results.insert("loadAtTheEnd".to_string(), load().into());
    println!("\n{facts}\nLoad at the end: {}.", load());
    tables.iter().for_each(report::Table::print);
    let name = format!("compare-{}.json", began.strftime("%Y%m%dT%H%M%SZ"));
    let path = keep(&name, &format!("{:#}\n", Value::Object(results)));
    println!("\nraw results: {}", path.display());
    if failed {
        println!("a tree was not identical at the end");
    }
    ExitCode::from(u8::from(failed))
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
    for name in ["lsyncd", "inotifywait"] {
        line += &format!("; {}", text(name));
    }
    line += &format!(". Load at the beginning: {}.", text("load"));
    if machine["optimised"] != true {
        line += " NOT OPTIMISED: this was no release build.";
    }
    line
}
