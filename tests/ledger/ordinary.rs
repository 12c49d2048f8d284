//! Ordinary days: everything comes back as it was.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use super::*;
use crate::rig::Scratch;
use heliostat::ledger::{DAMAGED, FAILED_MAX, NAME};

fn rows(survey: u64, ledger: &Ledger, rows: &[(&str, Option<&str>)]) {
    assert!(rows.iter().all(|(at, _)| TOLD.contains(at)));
    let rows = rows
        .iter()
        .map(|(at, row)| (path(at), row.map(|row| row.as_bytes().to_vec())));
    ledger.stage(SurveyId(survey), rows.collect());
}

/// Every directory that [`rows`] are told of, in the order of their paths' bytes.
const TOLD: [&str; 8] = ["", "a", "a-b", "a/b", "a/b/c", "a/c", "a0", "b"];

fn listed(ledger: &Ledger, below: &str) -> Vec<String> {
    let rows = ledger.rows(&source("site")).unwrap();
    let all = TOLD.map(path).into_iter();
    all.filter(|at| at.starts_with(&path(below)))
        .filter_map(|at| {
            let row = String::from_utf8(rows.row(&at)?).unwrap();
            Some(format!("{at}={row}"))
        })
        .collect()
}

#[test]
fn every_checkpoint_comes_back_as_it_was() {
    let scratch = Scratch::new();
    for seed in 0..6 {
        let directory = scratch.dir(&seed.to_string());
        let (mut one, mut two) = (History::new("one", seed), History::new("two", seed + 50));
        for number in 1..=12 {
            let (ledger, memory) = open(&directory);
            if number > 1 {
                for history in [&one, &two] {
                    assert_eq!(history.standing(&memory), Some(number - 1));
                    history.check_whole(&ledger, number - 1);
                }
            }
            one.write(&ledger, number);
            two.write(&ledger, number);
            // As often read by the process that wrote as by the next.
            assert!(ledger.flush());
            one.check_whole(&ledger, number);
            assert!(ledger.close());
        }
        assert!(!directory.join(DAMAGED).exists());
    }
}

#[test]
fn names_are_bytes_and_rows_may_be_of_any_length() {
    let scratch = Scratch::new();
    let (ledger, _) = open(scratch.path());
    let odd: Vec<RelPath> = crate::rig::churn::ODD_NAMES
        .iter()
        .map(|name| RelPath::root().join(name))
        .collect();
    let row = |at: usize| vec![at as u8; at * at * 400];
    let all = odd
        .iter()
        .enumerate()
        .map(|(at, path)| (path.clone(), Some(row(at))));
    ledger.stage(SurveyId(1), all.collect());
    ledger.commit(small(1, true));
    let mounts = odd.clone();
    ledger.remember_mounts(&source("site"), mounts.clone());
    assert!(ledger.close());
    let (ledger, memory) = open(scratch.path());
    assert_eq!(memory.sources[&source("site")].mounts, mounts);
    let rows = ledger.rows(&source("site")).unwrap();
    for (at, path) in odd.iter().enumerate() {
        assert!(rows.row(path) == Some(row(at)), "{path}");
    }
    assert!(rows.row(&path("none")).is_none());
}

#[test]
fn a_directory_that_is_gone_takes_with_it_what_was_below_it_and_nothing_else() {
    let scratch = Scratch::new();
    let (ledger, _) = open(scratch.path());
    let all = ["", "a", "a-b", "a/b", "a/b/c", "a0", "b"].map(|at| (at, Some("1")));
    rows(1, &ledger, &all);
    ledger.commit(small(1, true));
    assert!(ledger.flush());
    assert_eq!(listed(&ledger, "a"), ["a=1", "a/b=1", "a/b/c=1"]);
    // It went, and came again with something else in it.
    rows(
        2,
        &ledger,
        &[("a/b", Some("early")), ("a", None), ("b", None)],
    );
    rows(2, &ledger, &[("a", Some("2")), ("a/c", Some("2"))]);
    ledger.commit(small(2, false));
    assert!(ledger.flush());
    assert_eq!(
        listed(&ledger, ""),
        [".=1", "a=2", "a-b=1", "a/c=2", "a0=1"]
    );
    rows(3, &ledger, &[("", None)]);
    ledger.commit(small(3, false));
    assert!(ledger.flush());
    assert!(listed(&ledger, "").is_empty());
}

#[test]
fn a_checkpoint_that_does_not_fit_changes_nothing() {
    let scratch = Scratch::new();
    let (ledger, _) = open(scratch.path());
    rows(1, &ledger, &[("a", Some("1"))]);
    ledger.commit(small(1, false));
    assert!(ledger.flush());
    assert!(
        ledger.rows(&source("site")).is_none(),
        "there is nothing to join"
    );
    rows(2, &ledger, &[("a", Some("2"))]);
    ledger.commit(small(2, true));
    let other_key = Commit {
        key: "t".into(),
        ..small(3, false)
    };
    rows(3, &ledger, &[("a", Some("3"))]);
    ledger.commit(other_key);
    ledger.commit(small(4, true)); // without a row
    let others_route = Commit {
        routes: BTreeMap::from([(route("other", "copy"), memory(5))]),
        ..small(5, false)
    };
    ledger.commit(others_route);
    assert!(ledger.flush());
    assert_eq!(listed(&ledger, ""), ["a=2"]);
    assert!(ledger.close());
    let (ledger, found) = open(scratch.path());
    assert_eq!(found.routes, small(2, true).routes);
    // Only routes: older rows are as true as they were.
    ledger.commit(small(6, false));
    assert!(ledger.flush());
    assert_eq!(listed(&ledger, ""), ["a=2"]);
}

#[test]
fn routes_and_sources_that_are_no_more_go() {
    let scratch = Scratch::new();
    let (ledger, _) = open(scratch.path());
    for (seed, name) in ["one", "two"].into_iter().enumerate() {
        let mut history = History::new(name, seed as u64);
        history.write(&ledger, 1);
        ledger.remember_mounts(&source(name), vec![path("m")]);
    }
    let fewer = Commit {
        survey: SurveyId(4),
        source: source("one"),
        key: "s".into(),
        whole: false,
        routes: BTreeMap::from([(route("one", "copy"), memory(4))]),
    };
    ledger.commit(fewer);
    assert!(ledger.close());
    let (ledger, memory) = open(scratch.path());
    let routes: Vec<String> = memory
        .routes
        .keys()
        .map(|name| format!("{name:?}"))
        .collect();
    assert_eq!(routes, ["one/copy", "two/copy", "two/other"]);
    ledger.keep_only([source("two")]);
    assert!(ledger.close());
    let (_, memory) = open(scratch.path());
    let left: Vec<_> = memory.sources.keys().map(|name| name.0.as_str()).collect();
    assert_eq!((left, memory.routes.len()), (vec!["two"], 2));
}

#[test]
fn the_history_is_newest_first_and_bounded() {
    let scratch = Scratch::new();
    let (ledger, _) = open(scratch.path());
    for number in 1..=10_050 {
        ledger.book(run(number));
        if number % 2000 == 0 {
            assert!(ledger.flush());
        }
    }
    let mut last = run(10_051);
    last.failed = vec![last.failed[0].clone(); FAILED_MAX * 2];
    last.trouble = Some("ü".repeat(5000));
    ledger.book(last.clone());
    assert!(ledger.close());
    let (ledger, _) = open(scratch.path());
    let runs = ledger.runs(3);
    last.failed.truncate(FAILED_MAX);
    last.trouble = Some("ü".repeat(500));
    assert_eq!(runs, [last, run(10_050), run(10_049)]);
    let all = ledger.runs(usize::MAX);
    assert_eq!((all.len(), all.last()), (10_000, Some(&run(52))));
    // Much later, the old ones go.
    let mut later = run(1);
    later.at = at(100 * 24 * 3600);
    for _ in 0..700 {
        ledger.book(later.clone());
    }
    assert!(ledger.flush());
    assert_eq!(ledger.runs(usize::MAX), vec![later; 700]);
}

/// Transactions in the journal: each ends with a frame that says how long the file is then.
fn transactions(directory: &Path) -> usize {
    let journal = fs::read(directory.join(format!("{NAME}-wal"))).unwrap_or_default();
    let number = |at: usize| u32::from_be_bytes(journal[at..at + 4].try_into().unwrap());
    if journal.len() < 32 {
        return 0;
    }
    let (page, salt) = (number(8) as usize, &journal[16..24]);
    (32..journal.len())
        .step_by(24 + page)
        .take_while(|at| at + 24 <= journal.len() && journal[at + 8..at + 16] == *salt)
        .filter(|at| number(at + 4) != 0)
        .count()
}

#[test]
fn small_writes_share_transactions_and_a_checkpoint_has_its_own() {
    let scratch = Scratch::new();
    let (ledger, _) = open(scratch.path());
    let before = transactions(scratch.path());
    for number in 1..=300 {
        ledger.book(run(number));
        ledger.remember_mounts(&source("site"), vec![path("m")]);
    }
    assert!(ledger.flush());
    let gathered = transactions(scratch.path()) - before;
    // One, or some where this thread was held up for longer than they are waited for.
    assert!((1..30).contains(&gathered), "{gathered}");
    let before = transactions(scratch.path());
    for number in 1..=5 {
        rows(number, &ledger, &[("a", Some("1"))]);
        ledger.commit(small(number, number == 1));
    }
    assert!(ledger.flush());
    assert!(transactions(scratch.path()) - before >= 5);
}

#[test]
fn nobody_else_can_read_it_and_after_the_end_it_is_one_file() {
    let scratch = Scratch::new();
    let (ledger, _) = open(scratch.path());
    rows(1, &ledger, &[("a", Some("1"))]);
    ledger.commit(small(1, true));
    assert!(ledger.flush());
    let _ = listed(&ledger, "");
    let files = || {
        let mut files: Vec<(String, u32)> = fs::read_dir(scratch.path())
            .unwrap()
            .map(|entry| {
                let entry = entry.unwrap();
                let mode = entry.metadata().unwrap().permissions().mode() & 0o7777;
                (entry.file_name().into_string().unwrap(), mode)
            })
            .collect();
        files.sort();
        files
    };
    let side = |side: &str| (format!("{NAME}{side}"), 0o600);
    assert_eq!(files(), [side(""), side("-shm"), side("-wal")]);
    let other = ledger.clone();
    assert!(ledger.close());
    assert_eq!(files(), [side("")]);
    // What comes later is nobody's, and keeps nobody.
    rows(2, &other, &[("a", Some("2"))]);
    other.commit(small(2, true));
    other.book(run(1));
    assert!(!other.flush() && other.rows(&source("site")).is_none() && other.runs(1).is_empty());
    assert!(other.close());
}
