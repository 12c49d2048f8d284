//! SIGKILL at any moment: what is found is the last checkpoint that was written, or the one that was about to be.

use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use super::*;
use crate::rig::{Scratch, wait_for};

/// How often; set `HELIOSTAT_LEDGER_KILLS` for more.
const KILLS: u64 = 40;
/// So often the same ledger is killed; a history that grows takes ever longer to be told again.
const KILLS_EACH: u64 = 5;
/// Tells the process that is to be killed where to work.
const DIRECTORY: &str = "HELIOSTAT_LEDGER_DIRECTORY";
/// Longer than anybody takes to write this many checkpoints before being killed.
const CHECKPOINTS_MAX: u64 = 100_000;
const SEED: u64 = 5;

/// Not a test: the process that is killed. Says each checkpoint's number once it is flushed.
#[test]
#[ignore = "run by `a_killed_ledger_holds_its_last_checkpoint`"]
fn works_until_it_is_killed() {
    let Some(directory) = std::env::var_os(DIRECTORY) else {
        return;
    };
    let (ledger, memory) = open(Path::new(&directory));
    let mut history = History::new("one", SEED);
    let first = match memory.routes.values().next() {
        Some(route) => route.target_entries.unwrap() + 1,
        None => 1,
    };
    (1..first).for_each(|number| drop(history.step(number)));
    for number in first..CHECKPOINTS_MAX {
        history.write(&ledger, number);
        ledger.book(run(number));
        if number % 3 == 0 {
            assert!(ledger.flush());
            println!("flushed {number}");
        }
    }
}

#[test]
fn a_killed_ledger_holds_its_last_checkpoint() {
    let kills = std::env::var("HELIOSTAT_LEDGER_KILLS")
        .map_or(KILLS, |kills| kills.parse().expect("a number of kills"));
    let scratch = Scratch::new();
    let mut random = fastrand::Rng::with_seed(SEED);
    let (mut history, mut last, mut all) = (History::new("one", SEED), 0, 0);
    for kill in 0..kills {
        let directory = scratch.dir(&(kill / KILLS_EACH).to_string());
        if kill % KILLS_EACH == 0 {
            (history, last) = (History::new("one", SEED), 0);
        }
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "ledger::kill::works_until_it_is_killed"])
            .args(["--ignored", "--nocapture"])
            .env(DIRECTORY, &directory)
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut told = lines.map_while(Result::ok).filter_map(|line| {
            let (_, number) = line.split_once("flushed ")?;
            number.trim().parse::<u64>().ok()
        });
        let first = told.next().expect("it works");
        let end = Instant::now() + Duration::from_micros(random.u64(..60_000));
        let _ = wait_for(Duration::from_secs(1), || {
            (Instant::now() >= end).then_some(())
        });
        child.kill().unwrap();
        let flushed = told.last().unwrap_or(first);
        child.wait().unwrap();

        let (ledger, memory) = open(&directory);
        let found = memory
            .routes
            .values()
            .next()
            .unwrap()
            .target_entries
            .unwrap();
        assert!(
            found >= flushed && found > last,
            "kill {kill}: {found} after {flushed}"
        );
        (last + 1..=found).for_each(|number| drop(history.step(number)));
        assert_eq!(history.standing(&memory), Some(found));
        history.check_whole(&ledger, found);
        assert!(ledger.runs(1)[0].took_ms >= flushed);
        assert!(ledger.close());
        all += found - last;
        last = found;
    }
    eprintln!("{kills} kills, {all} checkpoints");
}
