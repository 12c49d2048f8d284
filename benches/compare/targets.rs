//! Ten targets instead of one: the source is watched once and walked once.
//!
//! What a target costs by itself is its transfers. Beside them, a restart on an unchanged tree makes none at all, so its CPU
//! is the walk's and the start's; and the threads that watch do nothing else. Both are held against one target's.

use std::fs;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use serde::Serialize;
use serde_json::{Value, json};

use crate::measure::{Goal, Measure, Report, Unit};
use crate::peers::unique;
use crate::place::Place;
use crate::processes;
use crate::report::{Table, ratio};
use crate::rig::service::{Heliostat, manifest};
use crate::rig::tree::{Look, differences};
use crate::samples::median;
use crate::settings::Settings;

/// The measure.
pub const MEASURE: Measure = Measure {
    name: "targets",
    about: "ten targets instead of one: one watch, one walk",
    has_goals: true,
    run,
};

const DIRECTORIES: usize = 2_000;
const FILES_EACH: usize = 10;

/// `/proc` counts in hundredths of a second, and one restart takes a few of them.
const RESTARTS: usize = 10;

/// Single changes, one after the other.
const CHANGES: usize = 200;

/// How long everything may take to be sent.
const SENT_MAX: Duration = Duration::from_secs(600);

/// How long the program may take to come to rest.
const REST_MAX: Duration = Duration::from_secs(30);

/// The threads that watch, by the beginning of their names.
const WATCHING: &[&str] = &["inotify", "watch"];

/// So many targets.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Targets {
    targets: usize,
    /// The kernel's watches that the service holds.
    watches: usize,
    /// CPU of the whole service, from its start until it said that all targets are in step; a restart each.
    restart_cpu_ms: Vec<f64>,
    /// The same time by the clock.
    restart_ms: Vec<f64>,
    /// CPU of the threads that watch, a change.
    watching_us: f64,
    /// CPU of all of it, a change, the copying onto all targets included.
    change_us: f64,
    /// Bytes of the whole service, at the end.
    resident: u64,
    /// Paths that were not equal at the end, on all targets.
    left: usize,
}

impl Targets {
    fn restart(&self) -> f64 {
        self.restart_cpu_ms.iter().sum::<f64>() / self.restart_cpu_ms.len().max(1) as f64
    }
}

fn run(settings: &Settings) -> Report {
    let all = [1, 10].map(|targets| one(settings, targets));
    let [one, ten] = &all;
    let against = |value: fn(&Targets) -> f64| {
        let by = value(one);
        (by > 0.0).then(|| value(ten) / by)
    };
    let files = settings.size(DIRECTORIES, DIRECTORIES / 4) * FILES_EACH;
    let goals = vec![
        Goal::at_most(
            "ten targets: watches, as with one",
            one.watches as f64,
            Unit::Count,
            Some(ten.watches as f64),
        ),
        Goal::at_most(
            format!("ten targets against one: CPU of a restart, {files} files"),
            1.1,
            Unit::Times,
            against(Targets::restart),
        ),
        Goal::at_most(
            "ten targets against one: CPU of the threads that watch, a change",
            1.1,
            Unit::Times,
            against(|one| one.watching_us),
        ),
    ];
    Report {
        tables: vec![table(&all)],
        goals,
        failed: all.iter().any(|one| one.left > 0),
        raw: json!(all),
    }
}

fn one(settings: &Settings, targets: usize) -> Targets {
    let directories = settings.size(DIRECTORIES, DIRECTORIES / 4);
    eprintln!("{targets} targets of {directories} directories with {FILES_EACH} files each");
    let place = Place::new(directories, FILES_EACH, false);
    let own = place.own("targets");
    let roots: Vec<PathBuf> = (0..targets)
        .map(|number| own.join(format!("t{number}")))
        .collect();
    let mut settings_of = serde_json::Map::new();
    for (number, root) in roots.iter().enumerate() {
        fs::create_dir(root).unwrap();
        let url = format!("file://{}", root.display());
        settings_of.insert(format!("copy{number}"), json!({ "url": url }));
    }
    let sources: Value =
        json!({"site": {"path": place.source, "rescan": {"every": "24h"}, "targets": settings_of}});
    let mut service = Heliostat::new(&own.join("service"), &manifest(&sources));
    service.start();
    in_step(&mut service);
    let (mut restart_cpu_ms, mut restart_ms) = (Vec::new(), Vec::new());
    for _ in 0..settings.size(RESTARTS, 3) {
        processes::rest(&Vec::from_iter(service.id()), REST_MAX);
        service.stop();
        let begin = Instant::now();
        service.start();
        in_step(&mut service);
        restart_ms.push(begin.elapsed().as_secs_f64() * 1000.0);
        let cpu = processes::cpu(&Vec::from_iter(service.id()));
        restart_cpu_ms.push(cpu.as_secs_f64() * 1000.0);
    }
    let id = service.id().expect("it was started");
    processes::rest(&[id], REST_MAX);
    let watches = watches(id);
    let before = (
        processes::threads_named(id, WATCHING),
        processes::threads(id).0,
    );
    for number in 0..CHANGES {
        // Apart, so that each is a change of its own; what arrives when is another measure's.
        let file = &place.files[1 + number * 7];
        place.write(file, &unique(number));
        arrived(&roots, file, &place);
    }
    let watching = processes::threads_named(id, WATCHING).saturating_sub(before.0);
    let whole = processes::threads(id).0.saturating_sub(before.1);
    in_step(&mut service);
    let resident = processes::memory(id).map_or(0, |(now, _)| now);
    let left = roots
        .iter()
        .map(|root| differences(&place.source, root, &Look::default()).len())
        .sum();
    service.stop();
    let each = |nanoseconds: u64| nanoseconds as f64 / 1000.0 / CHANGES as f64;
    Targets {
        targets,
        watches,
        restart_cpu_ms,
        restart_ms,
        watching_us: each(watching),
        change_us: each(whole),
        resident,
        left,
    }
}

fn in_step(service: &mut Heliostat) {
    assert!(service.wait(SENT_MAX), "not in step:\n{}", service.tail());
}

/// Waits until a change is on every target.
fn arrived(roots: &[PathBuf], file: &std::path::Path, place: &Place) {
    let content = fs::read(place.source.join(file)).unwrap();
    for root in roots {
        let there = crate::rig::wait_for(SENT_MAX, || {
            fs::read(root.join(file))
                .is_ok_and(|found| found == content)
                .then_some(())
        });
        assert!(there.is_some(), "a change did not arrive");
    }
}

/// How many directories the process has the kernel watch.
fn watches(id: u32) -> usize {
    let open = fs::read_dir(format!("/proc/{id}/fdinfo"))
        .into_iter()
        .flatten();
    let texts = open
        .flatten()
        .filter_map(|entry| fs::read_to_string(entry.path()).ok());
    let lines = |text: String| {
        text.lines()
            .filter(|line| line.starts_with("inotify wd:"))
            .count()
    };
    texts.map(lines).sum()
}

fn table(all: &[Targets]) -> Table {
    let mut table = Table::new(
        "Targets of one source",
        &[
            "targets",
            "watches",
            "restart until in step (median)",
            "CPU of a restart",
            "against one",
            "CPU that watches, a change",
            "against one",
            "CPU of all of it, a change",
            "resident",
            "trees at the end",
        ],
    );
    for one in all {
        table.row(vec![
            one.targets.to_string(),
            one.watches.to_string(),
            median(&one.restart_ms).map_or("–".into(), |time| Unit::Milliseconds.show(time)),
            Unit::Milliseconds.show(one.restart()),
            ratio(one.restart(), all[0].restart()),
            format!("{:.0} µs", one.watching_us),
            ratio(one.watching_us, all[0].watching_us),
            format!("{:.0} µs", one.change_us),
            Unit::Megabytes.show(one.resident as f64 / 1e6),
            match one.left {
                0 => "equal".into(),
                left => format!("{left} paths differ"),
            },
        ]);
    }
    table
}
