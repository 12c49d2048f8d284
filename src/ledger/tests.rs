//! What cannot be seen from outside: which records are read together.

use std::collections::BTreeMap;
use std::path::Path;

use rusqlite::Connection;

use super::*;
use jiff::Timestamp;

use crate::engine::{Commit, Dirt, MARKS_MAX, Mark, RelPath, RouteMemory, Stats, SurveyId};
use crate::plan::{Compare, RouteName, SourceName, TargetName};

fn path(text: &str) -> RelPath {
    RelPath::new(text.as_bytes()).unwrap()
}

fn source() -> SourceName {
    SourceName("site".into())
}

fn route() -> RouteName {
    RouteName {
        source: source(),
        target: TargetName("copy".into()),
    }
}

fn commit(survey: u64, whole: bool, marks: Vec<Mark>) -> Commit {
    let memory = RouteMemory {
        key: "r".into(),
        marks,
        ..RouteMemory::default()
    };
    Commit {
        survey: SurveyId(survey),
        source: source(),
        key: "s".into(),
        whole,
        routes: BTreeMap::from([(route(), memory)]),
    }
}

fn mark(name: &str) -> Mark {
    Mark {
        path: path(name),
        dirt: Dirt::CONTENT,
    }
}

/// A ledger in which `a` has the row `a1` and was then committed again as `a2`.
fn twice(directory: &Path) -> Ledger {
    let ledger = Ledger::open(directory).ledger;
    for (survey, row) in [(1, "a1"), (2, "a2")] {
        ledger.stage(SurveyId(survey), vec![(path("a"), Some(row.into()))]);
        ledger.commit(commit(survey, survey == 1, vec![mark(row)]));
    }
    assert!(ledger.flush());
    ledger
}

#[test]
fn a_row_is_read_by_a_statement_that_was_planned_once() {
    let scratch = tempfile::tempdir().unwrap();
    let ledger = twice(scratch.path());
    let reader = file::reader(&scratch.path().join(NAME)).unwrap();
    let mut found = 0;
    for name in ["a", "b", "a"] {
        let mut statement = reader.prepare_cached(readers::ROW).unwrap();
        let mut rows = statement
            .query(rusqlite::params!["site", name.as_bytes()])
            .unwrap();
        found += usize::from(rows.next().unwrap().is_some());
        drop(rows);
        let again = statement.get_status(rusqlite::StatementStatus::RePrepare);
        assert_eq!(again, 0, "planned anew for `{name}`");
    }
    assert_eq!(found, 2);
    ledger.close();
}

/// Changes the file of a closed ledger as damage would.
fn meddle(directory: &Path, sql: &str) -> usize {
    let connection = Connection::open(directory.join(NAME)).unwrap();
    connection.execute(sql, []).unwrap()
}

#[test]
fn a_row_that_is_younger_than_the_routes_is_not_read_nor_ever_again() {
    let directory = tempfile::tempdir().unwrap();
    let ledger = Ledger::open(directory.path()).ledger;
    ledger.stage(SurveyId(1), vec![(path("a"), Some(b"a1".into()))]);
    ledger.commit(commit(1, true, vec![mark("a1")]));
    assert!(ledger.close());
    let copy = tempfile::tempdir().unwrap();
    std::fs::copy(directory.path().join(NAME), copy.path().join(NAME)).unwrap();
    let ledger = Ledger::open(directory.path()).ledger;
    ledger.stage(SurveyId(2), vec![(path("a"), Some(b"a2".into()))]);
    ledger.commit(commit(2, false, vec![mark("a2")]));
    assert!(ledger.close());

    // The rows are of now, all else is of before: what a journal with a flipped bit can come to.
    let old = copy.path().join(NAME);
    let connection = Connection::open(directory.path().join(NAME)).unwrap();
    connection
        .execute_batch(&format!(
            "ATTACH '{}' AS old;
             REPLACE INTO sources SELECT * FROM old.sources;
             REPLACE INTO routes SELECT * FROM old.routes;
             REPLACE INTO marks SELECT * FROM old.marks",
            old.display()
        ))
        .unwrap();
    drop(connection);
    let opened = Ledger::open(directory.path());
    assert_eq!(opened.memory.routes[&route()].marks, [mark("a1")]);
    let rows = opened.ledger.rows(&source()).unwrap();
    assert_eq!(rows.row(&path("a")), None);
    // The next commit comes of the row's age; it must not come back by that.
    opened
        .ledger
        .stage(SurveyId(3), vec![(path("b"), Some(b"b3".into()))]);
    opened.ledger.commit(commit(3, false, Vec::new()));
    assert!(opened.ledger.flush());
    assert_eq!(rows.row(&path("a")), None);
    assert_eq!(rows.row(&path("b")), Some(b"b3".into()));
}

#[test]
fn a_route_of_another_commit_than_its_source_has_no_standing() {
    let directory = tempfile::tempdir().unwrap();
    let ledger = twice(directory.path());
    let old = Connection::open(directory.path().join(NAME)).unwrap();
    let sealed: Vec<u8> = old
        .query_row("SELECT sealed FROM routes", [], |row| row.get(0))
        .unwrap();
    // With the same marks, so that these would go with either.
    ledger.commit(commit(3, false, vec![mark("a2")]));
    assert!(ledger.close());
    old.execute("UPDATE routes SET sealed = ?1", [sealed])
        .unwrap();
    drop(old);
    let opened = Ledger::open(directory.path());
    assert!(opened.damage.unwrap().contains("1 records"));
    assert!(opened.memory.routes.is_empty());
    assert_eq!(opened.memory.sources[&source()].rows, Some("s".into()));
}

#[test]
fn marks_of_another_time_are_not_read() {
    let directory = tempfile::tempdir().unwrap();
    assert!(twice(directory.path()).close());
    assert_eq!(meddle(directory.path(), "UPDATE marks SET marks = x''"), 1);
    let opened = Ledger::open(directory.path());
    assert!(opened.memory.routes.is_empty() && opened.damage.is_some());
}

#[test]
fn a_row_in_anothers_place_is_absent() {
    let directory = tempfile::tempdir().unwrap();
    assert!(twice(directory.path()).close());
    // The row, and that of a survey that may not have been cleared away by the end.
    assert!(meddle(directory.path(), "UPDATE rows SET path = x'62'") > 0);
    let opened = Ledger::open(directory.path());
    let rows = opened.ledger.rows(&source()).unwrap();
    assert_eq!(rows.row(&path("b")), None);
    assert_eq!(rows.row(&path("a")), None);
}

#[test]
fn a_damaged_header_takes_rows_and_routes_with_it_until_everything_is_surveyed() {
    let directory = tempfile::tempdir().unwrap();
    assert!(twice(directory.path()).close());
    meddle(directory.path(), "UPDATE sources SET sealed = x'00'");
    let opened = Ledger::open(directory.path());
    assert_eq!(opened.memory, crate::engine::Memory::default());
    opened
        .ledger
        .stage(SurveyId(3), vec![(path("a"), Some(b"a3".into()))]);
    opened.ledger.commit(commit(3, false, Vec::new()));
    assert!(opened.ledger.flush());
    assert!(opened.ledger.rows(&source()).is_none());
    opened
        .ledger
        .stage(SurveyId(4), vec![(path("a"), Some(b"a4".into()))]);
    opened.ledger.commit(commit(4, true, Vec::new()));
    assert!(opened.ledger.flush());
    let rows = opened.ledger.rows(&source()).unwrap();
    assert_eq!(rows.row(&path("a")), Some(b"a4".into()));
}

#[test]
fn more_marks_than_the_engine_has_room_for_are_a_full_pass() {
    let directory = tempfile::tempdir().unwrap();
    let ledger = Ledger::open(directory.path()).ledger;
    ledger.stage(SurveyId(1), vec![(path("a"), Some(b"a1".into()))]);
    let marks = (0..=MARKS_MAX).map(|at| mark(&at.to_string())).collect();
    ledger.commit(commit(1, true, marks));
    assert!(ledger.close());
    let opened = Ledger::open(directory.path());
    let memory = &opened.memory.routes[&route()];
    assert!(memory.marks.is_empty());
    assert_eq!(memory.pass, Some(Compare::Quick));
    assert_eq!(opened.damage, None);
}

#[test]
fn rows_that_nobody_committed_are_cleared_away() {
    let directory = tempfile::tempdir().unwrap();
    let ledger = twice(directory.path());
    let many = |count| (0..count).map(|at| (path(&at.to_string()), Some(vec![7; 100])));
    ledger.stage(SurveyId(3), many(1000).collect());
    assert!(ledger.close());
    let ledger = Ledger::open(directory.path()).ledger;
    ledger.stage(SurveyId(4), many(1000).collect());
    ledger.forget(SurveyId(4));
    assert!(ledger.flush());
    // A thread of it that hears of that late.
    ledger.stage(SurveyId(4), many(10).collect());
    assert!(ledger.flush());
    let look = Connection::open(directory.path().join(NAME)).unwrap();
    let end = std::time::Instant::now() + std::time::Duration::from_secs(20);
    let left = || look.query_row("SELECT count(*) FROM rows", [], |row| row.get::<_, i64>(0));
    while left().unwrap() > 1 && std::time::Instant::now() < end {
        std::thread::yield_now();
    }
    assert_eq!(left().unwrap(), 1);
}

#[test]
fn damage_that_is_met_while_it_runs_begins_an_empty_one() {
    let directory = tempfile::tempdir().unwrap();
    let ledger = twice(directory.path());
    let rows = ledger.rows(&source()).unwrap();
    ledger.stage(SurveyId(3), vec![(path("x"), Some(b"x3".into()))]);
    assert!(ledger.flush());
    // As SQLite finds a page that is none; its own cache would hide one that is flipped in the file now.
    let spoil = Connection::open(directory.path().join(NAME)).unwrap();
    spoil
        .execute_batch("PRAGMA writable_schema = ON; DROP TABLE runs")
        .unwrap();
    drop(spoil);
    let run = Run::example(route());
    let well = |damaged| Health {
        kept: true,
        damaged,
    };
    assert_eq!(ledger.health(), well(false));
    ledger.book(run.clone());
    assert!(ledger.flush());
    assert!(directory.path().join(DAMAGED).exists());
    assert_eq!(ledger.health(), well(true));
    let nowhere = Ledger::open(&directory.path().join("nowhere")).ledger;
    assert!(!nowhere.health().kept);
    assert!(ledger.rows(&source()).is_none());
    assert_eq!(rows.row(&path("a")), None);
    // The survey that was under way has lost rows.
    ledger.stage(SurveyId(3), vec![(path("a"), Some(b"a3".into()))]);
    ledger.commit(commit(3, true, Vec::new()));
    assert!(ledger.flush());
    assert!(ledger.rows(&source()).is_none());
    ledger.stage(SurveyId(4), vec![(path("a"), Some(b"a4".into()))]);
    ledger.commit(commit(4, true, Vec::new()));
    ledger.book(run.clone());
    assert!(ledger.flush());
    let rows = ledger.rows(&source()).unwrap();
    assert_eq!(rows.row(&path("a")), Some(b"a4".into()));
    assert_eq!(ledger.runs(5), [run]);
}

#[test]
fn a_refused_commit_leaves_nothing_behind() {
    let directory = tempfile::tempdir().unwrap();
    let ledger = twice(directory.path());
    let staged = ["b", "c", "d"].map(|at| (path(at), Some(at.into())));
    ledger.stage(SurveyId(3), vec![(path("a"), None)]);
    ledger.stage(SurveyId(3), staged.into());
    assert!(ledger.flush());
    let spoiled = meddle(
        directory.path(),
        "UPDATE rows SET sealed = x'00' WHERE path = x'64'",
    );
    assert_eq!(spoiled, 1);
    ledger.commit(commit(3, false, vec![mark("refused")]));
    // The next one is of the generation that the refused one would have been of.
    ledger.commit(commit(4, false, vec![mark("after")]));
    assert!(ledger.flush());
    let rows = ledger.rows(&source()).unwrap();
    assert_eq!(rows.row(&path("a")), Some(b"a2".into()));
    assert_eq!(rows.row(&path("b")), None);
    assert!(ledger.close());
    let opened = Ledger::open(directory.path());
    assert_eq!(opened.memory.routes[&route()].marks, [mark("after")]);
}

#[test]
fn mount_points_outlive_the_file_that_they_were_in() {
    let directory = tempfile::tempdir().unwrap();
    let ledger = twice(directory.path());
    let other = SourceName("other".into());
    ledger.remember_mounts(&source(), vec![path("m")]);
    assert!(ledger.close());
    let ledger = Ledger::open(directory.path()).ledger;
    ledger.remember_mounts(&other, vec![path("n")]);
    assert!(ledger.flush());
    let spoil = Connection::open(directory.path().join(NAME)).unwrap();
    spoil
        .execute_batch("PRAGMA writable_schema = ON; DROP TABLE runs")
        .unwrap();
    drop(spoil);
    ledger.book(Run::example(route()));
    assert!(ledger.flush());
    assert!(directory.path().join(DAMAGED).exists());
    assert!(ledger.close());
    let memory = Ledger::open(directory.path()).memory;
    assert_eq!(memory.sources[&source()].mounts, [path("m")]);
    assert_eq!(memory.sources[&other].mounts, [path("n")]);
}

#[test]
fn mount_points_that_are_lost_are_said_to_be() {
    let said = |damage: Option<String>| damage.unwrap().contains("mount points");
    let directory = tempfile::tempdir().unwrap();
    let ledger = twice(directory.path());
    ledger.remember_mounts(&source(), vec![path("m")]);
    assert!(ledger.close());
    meddle(directory.path(), "UPDATE routes SET sealed = x'00'");
    assert!(!said(Ledger::open(directory.path()).damage));
    meddle(directory.path(), "UPDATE mounts SET sealed = x'00'");
    assert!(said(Ledger::open(directory.path()).damage));
    std::fs::write(directory.path().join(NAME), "none").unwrap();
    assert!(said(Ledger::open(directory.path()).damage));
}

#[test]
fn records_without_their_sources_go_with_the_source() {
    let directory = tempfile::tempdir().unwrap();
    assert!(twice(directory.path()).close());
    meddle(directory.path(), "DELETE FROM sources");
    let ledger = Ledger::open(directory.path()).ledger;
    ledger.keep_only([SourceName("other".into())]);
    assert!(ledger.close());
    let look = Connection::open(directory.path().join(NAME)).unwrap();
    let left = "SELECT (SELECT count(*) FROM routes) + (SELECT count(*) FROM marks)";
    let left: i64 = look.query_row(left, [], |row| row.get(0)).unwrap();
    assert_eq!(left, 0);
}

#[test]
fn rows_that_are_gone_give_the_file_back() {
    let directory = tempfile::tempdir().unwrap();
    let ledger = twice(directory.path());
    for part in 0..100 {
        let rows = (0..1000).map(|at| (path(&format!("{part}/{at}")), Some(vec![7; 100])));
        ledger.stage(SurveyId(3), rows.collect());
    }
    assert!(ledger.flush());
    let look = Connection::open(directory.path().join(NAME)).unwrap();
    let bytes = || -> i64 {
        let pages: i64 = look
            .query_row("PRAGMA page_count", [], |row| row.get(0))
            .unwrap();
        pages * i64::from(schema::PAGE_BYTES)
    };
    assert!(bytes() > 15 << 20, "{}", bytes());
    ledger.forget(SurveyId(3));
    let end = std::time::Instant::now() + std::time::Duration::from_secs(60);
    while bytes() > 5 << 20 && std::time::Instant::now() < end {
        std::thread::yield_now();
    }
    assert!(bytes() <= 5 << 20, "{}", bytes());
    drop(look);
    assert!(ledger.close());
    let file = directory.path().join(NAME);
    assert!(std::fs::metadata(&file).unwrap().len() <= 5 << 20);
    // Held for as long as its rows are read.
    let ledger = Ledger::open(directory.path()).ledger;
    let rows = ledger.rows(&source()).unwrap();
    assert_eq!(rows.row(&path("a")), Some(b"a2".into()));
}

#[test]
fn the_last_minutes_deletions_are_told_at_the_start() {
    let directory = tempfile::tempdir().unwrap();
    let route = |target: &str| RouteName {
        source: source(),
        target: TargetName(target.into()),
    };
    let run = |target: &str, second: i64, trigger: &str, deleted: u64, created: u64| Run {
        at: Timestamp::from_second(second).unwrap(),
        trigger: trigger.into(),
        stats: Stats {
            deleted,
            created,
            ..Stats::default()
        },
        ..Run::example(route(target))
    };
    let ledger = Ledger::open(directory.path()).ledger;
    for run in [
        run("a", 100, "change", 7, 0),
        run("a", 150, "change", 2, 5),
        run("b", 160, "change", 3, 0),
        run("b", 170, "approve", 9, 0),
        run("a", 190, "change", 4, 0),
        run("b", 195, "change", 1, 0),
        run("c", 200, "change", 0, 0),
    ] {
        ledger.book(run);
    }
    // What was told to end has deleted what it has, and nobody's word covers what is left of it.
    for run in [
        run("b", 198, "approve", 2, 0),
        run("d", 199, "change", 6, 1),
    ] {
        ledger.book(Run {
            result: "cancelled".into(),
            ..run
        });
    }
    // What one that failed has made gives no room, and what it has deleted takes it.
    for run in [run("c", 198, "change", 0, 4), run("d", 199, "change", 3, 1)] {
        ledger.book(Run {
            result: "failed".into(),
            ..run
        });
    }
    assert!(ledger.close());
    let spent = Ledger::open(directory.path()).memory.spent;
    let of = |target: &str| -> Vec<(i64, i64)> {
        let of = spent.get(&route(target)).into_iter().flatten();
        of.map(|one| (one.at.as_second(), one.net)).collect()
    };
    assert_eq!(
        of("a"),
        [(150, -3), (190, 4)],
        "older than a minute is free"
    );
    let of_b = [(195, 1), (198, 2)];
    assert_eq!(of("b"), of_b, "what was approved is free");
    assert_eq!(of("d"), [(199, 5), (199, 2)]);
    assert_eq!(spent.len(), 3);
}
