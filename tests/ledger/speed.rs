//! What a large source costs: 10,000 directories of 100 names. Figures to be read, not asserted: built without
//! optimisation, they say little.

use std::fs;
use std::time::Instant;

use super::*;
use crate::rig::Scratch;
use heliostat::ledger::NAME;

const DIRECTORIES: usize = 10_000;
/// A hundred names with their signatures.
const ROW_BYTES: usize = 3000;

/// Row bytes that are as little alike as signatures are.
fn rows(survey: u64, count: usize) -> Vec<(RelPath, Option<Vec<u8>>)> {
    let mut random = fastrand::Rng::with_seed(survey);
    let row = |at: usize| {
        let row = (0..ROW_BYTES).map(|_| random.u8(..)).collect();
        (path(&format!("top/d{:03}/e{at:05}", at / 100)), Some(row))
    };
    (0..count).map(row).collect()
}

fn bytes(directory: &Path) -> u64 {
    let files = ["", "-wal", "-shm"].map(|side| directory.join(format!("{NAME}{side}")));
    files
        .iter()
        .flat_map(fs::metadata)
        .map(|file| file.len())
        .sum()
}

#[test]
#[ignore = "figures, for an optimised build"]
fn figures() {
    let scratch = Scratch::new();
    let (ledger, _) = open(scratch.path());
    let say = |what: &str, since: Instant, ledger: Option<&Ledger>| {
        let took = since.elapsed();
        if let Some(ledger) = ledger {
            assert!(ledger.flush());
        }
        let size = bytes(scratch.path()) as f64 / 1e6;
        eprintln!(
            "{what}: {took:?}, {:?} with the disk; {size:.1} MB",
            since.elapsed()
        );
    };
    for survey in 1..=3 {
        let all = rows(survey, DIRECTORIES);
        let since = Instant::now();
        for part in all.chunks(64) {
            ledger.stage(SurveyId(survey), part.to_vec());
        }
        ledger.commit(small(survey, true));
        say("a whole checkpoint", since, Some(&ledger));
    }
    for (survey, count) in [(4, 1), (5, 100)] {
        let some = rows(survey, count);
        let since = Instant::now();
        ledger.stage(SurveyId(survey), some);
        ledger.commit(small(survey, false));
        say(&format!("a checkpoint of {count}"), since, Some(&ledger));
    }
    let mut marked = small(6, false);
    let marks = (0..200_000).map(|at| Mark {
        path: path(&format!("top/d{:03}/e{at:05}/some-file-name.txt", at / 100)),
        dirt: Dirt::CONTENT,
    });
    for memory in marked.routes.values_mut() {
        memory.marks = marks.clone().collect();
    }
    let mut again = marked.clone();
    again.survey = SurveyId(7);
    for (what, commit) in [("200,000 marks", marked), ("the same marks", again)] {
        let since = Instant::now();
        ledger.commit(commit);
        say(what, since, Some(&ledger));
    }
    let held = ledger.rows(&source("site")).unwrap();
    let since = Instant::now();
    let all = rows(3, DIRECTORIES);
    let made = since.elapsed();
    let since = Instant::now();
    assert_eq!(
        all.iter()
            .filter(|(path, _)| held.row(path).is_some())
            .count(),
        DIRECTORIES
    );
    say(&format!("reading each row (made in {made:?})"), since, None);
    let since = Instant::now();
    assert!(ledger.close());
    say("closing", since, None);
    let since = Instant::now();
    let (ledger, memory) = open(scratch.path());
    say("opening", since, None);
    assert_eq!(memory.routes.values().next().unwrap().marks.len(), 200_000);
    assert!(ledger.close());
}
