//! Disks that are full, small or cannot be written, from the start or in the middle.

use std::fs;

use super::*;
use crate::rig::Scratch;
use crate::rig::mount::Mount;
use heliostat::ledger::{DAMAGED, NAME};

/// Fills the file system to its last byte.
fn fill(directory: &Path) {
    let mut file = fs::File::create(directory.join("ballast")).unwrap();
    for size in [1 << 16, 1 << 12, 1] {
        while std::io::Write::write_all(&mut file, &vec![1; size]).is_ok() {}
    }
}

/// Nothing is kept, and nothing fails.
fn goes_on_without(ledger: &Ledger) {
    History::new("one", 1).write(ledger, 1);
    ledger.book(run(1));
    ledger.remember_mounts(&source("one"), vec![path("m")]);
    assert!(ledger.flush());
    assert!(ledger.rows(&source("one")).is_none());
    assert!(ledger.runs(1).is_empty());
}

#[test]
fn on_a_full_disk_it_begins_without_a_file() {
    let scratch = Scratch::new();
    let _mount = Mount::tmpfs(scratch.path(), "256k");
    fill(scratch.path());
    let opened = Ledger::open(scratch.path());
    let damage = opened.damage.unwrap();
    assert!(damage.contains("going on without it"), "{damage}");
    goes_on_without(&opened.ledger);
    assert!(opened.ledger.close());
}

#[test]
fn a_disk_that_fills_up_leaves_the_older_checkpoint_and_takes_the_next_when_there_is_room() {
    let scratch = Scratch::new();
    let _mount = Mount::tmpfs(scratch.path(), "4m");
    let (ledger, _) = open(scratch.path());
    let mut history = History::new("one", 2);
    for number in 1..=3 {
        history.write(&ledger, number);
    }
    assert!(ledger.flush());
    fill(scratch.path());
    for survey in 900_000..900_040 {
        let rows = (0..50).map(|at| (path(&at.to_string()), Some(vec![9; 8000])));
        ledger.stage(SurveyId(survey), rows.collect());
        ledger.commit(Commit {
            survey: SurveyId(survey),
            source: source("one"),
            key: "s".into(),
            whole: survey % 2 == 0,
            routes: BTreeMap::new(),
        });
        ledger.book(run(1));
    }
    ledger.remember_mounts(&source("one"), vec![path("owed")]);
    assert!(ledger.flush());
    history.check_whole(&ledger, 3);
    fs::remove_file(scratch.path().join("ballast")).unwrap();
    history.write(&ledger, 4);
    assert!(ledger.flush());
    history.check_whole(&ledger, 4);
    assert!(ledger.close());
    let (ledger, memory) = open(scratch.path());
    assert_eq!(history.standing(&memory), Some(4));
    assert_eq!(memory.sources[&source("one")].mounts, [path("owed")]);
    history.check_whole(&ledger, 4);
    assert!(!scratch.path().join(DAMAGED).exists());
}

#[test]
fn a_good_ledger_on_a_full_disk_is_kept() {
    let scratch = Scratch::new();
    let _mount = Mount::tmpfs(scratch.path(), "4m");
    let (ledger, _) = open(scratch.path());
    let mut history = History::new("one", 2);
    history.write(&ledger, 1);
    assert!(ledger.close());
    fill(scratch.path());
    let opened = Ledger::open(scratch.path());
    let damage = opened.damage.unwrap();
    assert!(damage.contains(NAME), "{damage}");
    assert!(opened.ledger.close());
    fs::remove_file(scratch.path().join("ballast")).unwrap();
    let (ledger, memory) = open(scratch.path());
    assert_eq!(history.standing(&memory), Some(1));
    history.check_whole(&ledger, 1);
}

#[test]
fn on_a_read_only_disk_it_goes_on_without_and_changes_nothing() {
    let scratch = Scratch::new();
    let mount = Mount::tmpfs(scratch.path(), "4m");
    let (ledger, _) = open(scratch.path());
    let mut history = History::new("two", 2);
    history.write(&ledger, 1);
    assert!(ledger.close());
    mount.remount("ro");
    let opened = Ledger::open(scratch.path());
    let damage = opened.damage.unwrap();
    assert!(damage.contains("going on without it"), "{damage}");
    goes_on_without(&opened.ledger);
    assert!(opened.ledger.close());
    mount.remount("rw");
    let (ledger, memory) = open(scratch.path());
    assert_eq!(history.standing(&memory), Some(1));
    history.check_whole(&ledger, 1);
}

#[test]
fn a_directory_that_is_not_there_is_said() {
    let scratch = Scratch::new();
    let opened = Ledger::open(&scratch.path().join("none"));
    let damage = opened.damage.unwrap();
    assert!(damage.contains("cannot make"), "{damage}");
    goes_on_without(&opened.ledger);
}
