//! Long random histories onto two targets at once, the rescans off: whenever the service says that everything is in sync,
//! both trees are the source's.
//!
//! `HELIOSTAT_HISTORIES` says how many, `HELIOSTAT_SEED` with which seed they begin; the seed also says what watches, unless
//! `HELIOSTAT_WATCH` does. A red one is a bug with a seed.

use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::time::{Duration, Instant};

use serde_json::json;

use super::{PATIENCE, Story, knob};
use crate::rig::churn::Churn;
use crate::rig::swaps::Swaps;
use crate::rig::wait_for;

/// Without `HELIOSTAT_HISTORIES`.
const HISTORIES: u64 = 4;

/// In a history: so often the work stops, and the service is held to its word.
const ROUNDS: u32 = 3;

/// In a round.
const OPERATIONS: u32 = 150;

/// Of a round, by chance from one operation to the next: bursts and pauses.
const ROUND: Duration = Duration::from_millis(1200);

#[test]
fn random_histories_reach_both_targets() {
    let first = knob("HELIOSTAT_SEED", 1);
    let count = knob("HELIOSTAT_HISTORIES", HISTORIES);
    for seed in first..first + count {
        if let Err(panic) = catch_unwind(AssertUnwindSafe(|| history(seed))) {
            eprintln!("\nto see it again: HELIOSTAT_SEED={seed} HELIOSTAT_HISTORIES=1\n");
            resume_unwind(panic);
        }
    }
    eprintln!(
        "figure: long end-to-end histories {count}, of {} operations each",
        ROUNDS * OPERATIONS
    );
}

fn history(seed: u64) {
    let mut story = Story::with(&json!({"delete": "mirror", "maxDelete": 100_000}));
    story.service.watched_by(&super::mechanism(seed));
    story.write("d000/f", "for the links to point at");
    let mut random = fastrand::Rng::with_seed(seed);
    let mut churn = Churn::new(&story.source, seed);
    let mut swaps = Swaps::new(&story.source, &story.scratch.dir("outside"), seed);
    for _ in 0..100 {
        churn.step();
        swaps.step();
    }
    story.start();
    for _ in 0..ROUNDS {
        let begin = Instant::now();
        let mut due = Duration::ZERO;
        for _ in 0..OPERATIONS {
            if random.u32(..10) < 6 {
                churn.step();
            } else {
                swaps.step();
            }
            // Most follow at once; now and then nothing happens for a while.
            if random.u32(..10) == 0 {
                due += ROUND * 20 / OPERATIONS * random.u32(..10) / 10;
            }
            let _ = wait_for(due.saturating_sub(begin.elapsed()), || {
                (begin.elapsed() >= due).then_some(())
            });
        }
        story.settle();
    }
    assert_eq!(story.service.stop().0, 0, "{}", story.service.tail());
}

#[test]
fn what_is_written_under_another_name_of_a_file_is_found_by_a_rescan() {
    let mut story = Story::with(&json!({"delete": "mirror"}));
    story.write("one", "old");
    story.write("d/x", "x");
    story.start();
    fs::hard_link(story.source.join("one"), story.source.join("d/other")).unwrap();
    story.settle();
    story.write("d/other", "newer");
    assert!(story.service.wait(PATIENCE));
    assert_eq!(story.service.call(&["rescan"]).code, 0);
    story.settle();
}
