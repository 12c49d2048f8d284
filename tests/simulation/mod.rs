//! The simulation: the real engine in a model of the world, on virtual time, from a seed.
//!
//! The driver loop and the engine are those of the service; so is what makes a batch of marks. The watch, the source, the
//! targets and the transfers are models with the races and faults of the real ones. Everything that happens follows from
//! a seed: `HELIOSTAT_SEED=N` runs one history and prints it, `HELIOSTAT_HISTORIES=N` runs more of them.

mod bugs;
mod check;
mod deletion;
mod exhaustive;
mod fault;
mod ledger;
mod operation;
mod path;
mod placing;
mod random;
mod real;
mod room;
mod running;
mod script;
mod shell;
mod shrink;
mod source;
mod survey;
mod target;
mod transfer;
mod verdict;
mod watcher;
mod world;

use std::hash::{DefaultHasher, Hasher};
use std::pin::pin;
use std::task::{Context, Poll, Waker};
use std::time::Instant;

use heliostat::engine::Engine;
use heliostat::service::driver::drive;

use bugs::Bug;
use script::{Script, biased, generate};
use world::{Figures, World};

/// How one history went.
pub struct Told {
    pub violation: Option<String>,
    pub figures: Figures,
    pub trace: u64,
    pub log: Vec<String>,
}

/// What else is asked of a run.
#[derive(Clone, Copy, Debug, Default)]
pub struct How {
    pub bug: Option<Bug>,
    pub trace: bool,
    pub log: bool,
    /// The service ends without a word after so many steps of the engine.
    pub crash_at: Option<u64>,
}

/// Plays one history.
pub fn play(script: &Script, how: How) -> Told {
    let mut world = World::new(script.clone(), how.bug);
    world.crash_at = how.crash_at;
    world.trace = how.trace.then(DefaultHasher::new);
    world.log = how.log.then(Vec::new);
    while !world.over {
        let mut engine = match world.script.setup.seed % 2 {
            0 => Engine::default(),
            // So few that an outage has more.
            _ => Engine::parking_above(0),
        };
        {
            let driven = drive(&mut engine, &mut world, |engine, world| world.after(engine));
            // Nothing in the model waits for anything, so it is over at the first look.
            let driven = pin!(driven).poll(&mut Context::from_waker(Waker::noop()));
            assert_eq!(driven, Poll::Ready(()), "the model never waits");
        }
        if !world.over {
            world.restart();
        }
    }
    world.figures.histories = 1;
    Told {
        violation: world.violation,
        figures: world.figures,
        trace: world.trace.map_or(0, |trace| trace.finish()),
        log: world.log.unwrap_or_default(),
    }
}

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}

fn add(sum: &mut Figures, one: Figures) {
    sum.histories += one.histories;
    sum.steps += one.steps;
    sum.operations += one.operations;
    sum.faults += one.faults;
    sum.crashes += one.crashes;
    sum.transfers += one.transfers;
    sum.deletes += one.deletes;
    sum.holds += one.holds;
    sum.waits += one.waits;
    sum.in_sync += one.in_sync;
    sum.surveys += one.surveys;
    sum.checkpoints += one.checkpoints;
    sum.released += one.released;
}

/// Fails with the smallest history that still fails.
fn report(script: &Script, how: How, why: &str) -> String {
    let small = shrink::shrink(script, how);
    let told = play(&small, How { log: true, ..how });
    format!(
        "seed {}: {why}\ncut down: {:?}\n{:#?}\n{:#?}\n{}",
        script.setup.seed,
        told.violation,
        small.setup,
        small.items,
        told.log.join("\n")
    )
}

/// Failing histories that are listed before the first of them is cut down and shown.
const FAILURES_MAX: usize = 20;

#[test]
fn histories_converge() {
    let began = Instant::now();
    let mut sum = Figures::default();
    let (first, count) = match number("HELIOSTAT_SEED") {
        Some(seed) => (seed, 1),
        None => (1, number("HELIOSTAT_HISTORIES").unwrap_or(20_000)),
    };
    let mut failed: Vec<(u64, String)> = Vec::new();
    for seed in first..first + count {
        let script = generate(seed);
        let how = How {
            trace: seed % 50 == 0,
            ..How::default()
        };
        let told = play(&script, how);
        if count == 1 && told.violation.is_none() {
            let how = How { log: true, ..how };
            println!("{}", play(&script, how).log.join("\n"));
        }
        if let Some(why) = &told.violation {
            failed.push((seed, why.clone()));
            if failed.len() >= FAILURES_MAX {
                break;
            }
        }
        if how.trace {
            assert_eq!(
                told.trace,
                play(&script, how).trace,
                "seed {seed} does not repeat itself"
            );
        }
        add(&mut sum, told.figures);
    }
    if let Some((seed, why)) = failed.first() {
        let script = generate(*seed);
        panic!("{}\n{failed:#?}", report(&script, How::default(), why));
    }
    let rate = sum.histories as f64 / began.elapsed().as_secs_f64();
    println!(
        "figure: simulated histories {}, faults {}, crashes {}, transfers {}, deletions {}, checkpoints {}, parked routes released {}; {rate:.0} a second",
        sum.histories,
        sum.faults,
        sum.crashes,
        sum.transfers,
        sum.deletes,
        sum.checkpoints,
        sum.released
    );
}

/// Tries that a planted bug may take to be found.
const TRIES: u64 = 3000;

#[test]
fn planted_bugs_are_found() {
    let (mut missed, mut tries) = (Vec::new(), 0);
    for bug in Bug::ALL {
        let found = (1..=TRIES).find_map(|seed| {
            let how = How {
                bug: Some(*bug),
                ..How::default()
            };
            let script = match bug.bias() {
                Some(bias) => biased(seed, bias),
                None => generate(seed),
            };
            tries += 1;
            Some((seed, play(&script, how).violation?))
        });
        match found {
            Some((seed, why)) => println!("{bug:?}: try {seed}: {why}"),
            None => missed.push(*bug),
        }
    }
    println!(
        "figure: planted bugs found {} of {}, in {tries} histories; so rare that they are not counted: {:?}",
        Bug::ALL.len() - missed.len(),
        Bug::ALL.len(),
        Bug::HARD
    );
    assert!(missed.is_empty(), "not found: {missed:?}");
}

/// What the bias makes more likely must hold as well.
#[test]
fn biased_histories_converge() {
    for bias in Bug::ALL.iter().filter_map(|bug| bug.bias()) {
        for seed in 1..=number("HELIOSTAT_BIASED").unwrap_or(60) {
            let script = biased(seed, bias);
            if let Some(why) = play(&script, How::default()).violation {
                panic!("{}", report(&script, How::default(), &why));
            }
        }
    }
}
