//! Measure 4: resident memory with 10,000 directories and 100,000 files watched.

use std::fs;
use std::time::Duration;

use serde::Serialize;
use serde_json::json;

use crate::measure::{Measure, Report};
use crate::peers::{Ours, Peer, Running, To};
use crate::place::Place;
use crate::processes;
use crate::report::Table;
use crate::settings::Settings;

/// The measure.
pub const MEASURE: Measure = Measure {
    name: "memory",
    about: "resident memory with 10,000 directories and 100,000 files",
    has_goals: true,
    run,
};

const DIRECTORIES: usize = 10_000;
const FILES_EACH: usize = 10;

/// Files that are changed at once afterwards: a burst's memory must not stay.
const BURST: usize = 10_000;

/// How long everything may take to be sent.
const SENT_MAX: Duration = Duration::from_secs(600);

/// How long the program may take to come to rest.
const REST_MAX: Duration = Duration::from_secs(60);

/// A moment.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Moment {
    tool: String,
    when: &'static str,
    resident: u64,
    resident_max: u64,
}

/// After a first pass onto empty targets, and after a burst of changes; with a module and with a local target apart.
fn run(settings: &Settings) -> Report {
    let mut all = Vec::new();
    let ours = [To::Module, To::Local].map(|to| Peer::Heliostat(Ours::mirror(to)));
    for peer in settings.peers(&ours) {
        eprintln!("making {DIRECTORIES} directories with {FILES_EACH} files each");
        let place = Place::new(DIRECTORIES, FILES_EACH, false);
        let mut running = peer.start(&place);
        all.extend(moment(
            peer,
            &mut running,
            "after the first pass onto an empty target",
        ));
        for path in &place.files[..BURST] {
            fs::write(place.source.join(path), "changed\n").unwrap();
        }
        if let Some(service) = running.service() {
            assert!(service.wait(SENT_MAX), "not in step:\n{}", service.tail());
        }
        all.extend(moment(peer, &mut running, "after 10,000 changed files"));
        running.end();
    }
    Report {
        tables: vec![table(&all)],
        raw: json!(all),
        ..Report::default()
    }
}

fn moment(peer: Peer, running: &mut Running, when: &'static str) -> Option<Moment> {
    processes::rest(&running.ids(), REST_MAX);
    let (resident, resident_max) = processes::memory(running.service()?.id()?)?;
    let tool = peer.name();
    eprintln!("{tool}, {when}: {resident} bytes resident, at most {resident_max}");
    Some(Moment {
        tool,
        when,
        resident,
        resident_max,
    })
}

/// As a table.
fn table(all: &[Moment]) -> Table {
    let mut table = Table::new(
        "Resident memory with 10,000 directories and 100,000 files watched",
        &["tool", "when", "resident", "at most"],
    );
    for moment in all {
        let mb = |bytes: u64| format!("{:.1} MB", bytes as f64 / 1e6);
        table.row(vec![
            moment.tool.clone(),
            moment.when.to_string(),
            mb(moment.resident),
            mb(moment.resident_max),
        ]);
    }
    table
}
