//! The simulation: the real engine in a model of the world, on virtual time, from a seed.
//!
//! The driver loop and the engine are those of the service; so is what makes a batch of marks. The watch, the source, the
//! targets and the transfers are models with the races and faults of the real ones. Everything that happens follows from
//! a seed: `HELIOSTAT_SEED=N` runs one history and prints it, `HELIOSTAT_HISTORIES=N` runs more of them.

mod bugs;
mod check;
mod deletion;
mod directed;
mod exhaustive;
mod fault;
mod ledger;
mod operation;
mod path;
mod placing;
mod random;
mod real;
mod reloads;
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
use std::time::Duration;

use heliostat::engine::Engine;
use heliostat::service::driver::drive;

use bugs::Bug;
use directed::directed;
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

/// Histories are played on so many processors at once.
const PLAYERS: u64 = 2;

/// One history in so many is played twice, and must leave the same trace.
const TWICE: u64 = 20;

/// What one player found.
#[derive(Default)]
struct Played {
    sum: Figures,
    failed: Vec<(u64, String)>,
    /// Of the processor, for a machine may have other things to do.
    time: Duration,
}

/// Plays every so many-th history.
fn play_some(seeds: impl Iterator<Item = u64>) -> Played {
    let mut played = Played::default();
    let began = processor_time();
    for seed in seeds {
        let script = generate(seed);
        let how = How {
            trace: seed % TWICE == 0,
            ..How::default()
        };
        let told = play(&script, how);
        if how.trace {
            let again = play(&script, how).trace;
            assert_eq!(told.trace, again, "seed {seed} does not repeat itself");
        }
        add(&mut played.sum, told.figures);
        if let Some(why) = told.violation {
            played.failed.push((seed, why));
            if played.failed.len() >= FAILURES_MAX {
                break;
            }
        }
    }
    played.time = processor_time() - began;
    played
}

/// What this thread has had of a processor.
fn processor_time() -> Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
}

#[test]
fn histories_converge() {
    if let Some(seed) = number("HELIOSTAT_SEED") {
        let script = generate(seed);
        let how = How {
            log: true,
            ..How::default()
        };
        let told = play(&script, how);
        if let Some(why) = &told.violation {
            panic!("{}", report(&script, How::default(), why));
        }
        return println!("{}", told.log.join("\n"));
    }
    let count = number("HELIOSTAT_HISTORIES").unwrap_or(25_000);
    let all = std::thread::scope(|scope| {
        let seeds = |player| (1 + player..=count).step_by(PLAYERS as usize);
        let players = (0..PLAYERS).map(|player| scope.spawn(move || play_some(seeds(player))));
        let players: Vec<_> = players.collect();
        let played = players.into_iter().map(|player| player.join().unwrap());
        played.collect::<Vec<Played>>()
    });
    let (mut sum, mut failed, mut time) = (Figures::default(), Vec::new(), Duration::ZERO);
    for played in all {
        add(&mut sum, played.sum);
        failed.extend(played.failed);
        time += played.time;
    }
    failed.sort();
    if let Some((seed, why)) = failed.first() {
        let script = generate(*seed);
        panic!("{}\n{failed:#?}", report(&script, How::default(), why));
    }
    let rate = sum.histories as f64 / time.as_secs_f64();
    println!(
        "figure: simulated histories {}, faults {}, crashes {}, transfers {}, deletions {}, checkpoints {}, parked routes released {}; {rate:.0} a second of one processor",
        sum.histories,
        sum.faults,
        sum.crashes,
        sum.transfers,
        sum.deletes,
        sum.checkpoints,
        sum.released
    );
}

/// What fails is made small: nothing is left in it without which it still fails.
#[test]
fn failing_histories_shrink() {
    let how = How {
        bug: Some(Bug::AttributesDropped),
        ..How::default()
    };
    let long = |seed: &u64| {
        let script = generate(*seed);
        script.items.len() > 15 && play(&script, how).violation.is_some()
    };
    let seed = (1..200).find(long).expect("it fails soon");
    let small = shrink::shrink(&generate(seed), how);
    assert!(play(&small, how).violation.is_some());
    assert!(small.items.len() <= 6, "{:#?}", small.items);
    for without in 0..small.items.len() {
        let mut less = small.clone();
        less.items.remove(without);
        assert_eq!(play(&less, how).violation, None, "{:#?}", small.items);
    }
}

/// Directed histories of a bug.
const DIRECTED: u64 = 40;

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
            let script = match (directed(*bug, seed), bug.bias()) {
                (Some(script), _) => script,
                (None, Some(bias)) => biased(seed, bias),
                (None, None) => generate(seed),
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
        "figure: planted bugs found {} of {}, in {tries} histories",
        Bug::ALL.len() - missed.len(),
        Bug::ALL.len()
    );
    assert!(missed.is_empty(), "not found: {missed:?}");
}

/// Another root is in the source's place, its pass changes the target, and the service ends before it has forgotten the
/// rows of the first root, which comes back: nothing seems to have changed.
#[test]
fn a_root_that_is_back_after_a_crash_is_sent_again() {
    let script = directed::root_back_after_a_crash();
    if let Some(why) = play(&script, How::default()).violation {
        panic!("{}", report(&script, How::default(), &why));
    }
}

/// What leads right to a bug must hold without it.
#[test]
fn directed_histories_converge() {
    for bug in Bug::ALL {
        for script in (1..=DIRECTED).filter_map(|number| directed(*bug, number)) {
            if let Some(why) = play(&script, How::default()).violation {
                panic!("{bug:?} {}", report(&script, How::default(), &why));
            }
        }
    }
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
