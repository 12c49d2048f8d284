//! Rows that are kept for a parked route: what its directories were, whatever was written since, or nothing.

use heliostat::engine::{Commit, Memory, Parking, Release, SurveyId};
use heliostat::ledger::Ledger;
use rusqlite::Connection;

use super::{open, path, route, small, source};

fn release(target: &str, number: i64) -> Release {
    Release {
        route: route("site", target),
        number,
    }
}

struct Checkpoints {
    ledger: Ledger,
    number: u64,
}

impl Checkpoints {
    /// One more: of `None`, the directory is gone.
    fn write(&mut self, whole: bool, parked: Parking, rows: &[(&str, Option<&str>)]) {
        self.number += 1;
        let rows = rows.iter().map(|(at, row)| {
            let row = row.map(|row| row.as_bytes().to_vec());
            (path(at), row)
        });
        self.ledger.stage(SurveyId(self.number), rows.collect());
        let mut commit: Commit = small(self.number, whole);
        for memory in commit.routes.values_mut() {
            memory.parked = parked;
            memory.pass = None;
        }
        self.ledger.commit(commit);
    }
}

/// A ledger with a route that was parked with the rows a, b, b/c and d, and what came later.
fn parked(directory: &std::path::Path) -> Memory {
    let (ledger, _) = open(directory);
    let mut checkpoints = Checkpoints { ledger, number: 0 };
    let first = [("a", "a1"), ("b", "b1"), ("b/c", "c1"), ("d", "d1")];
    checkpoints.write(true, Parking::No, &first.map(|(at, row)| (at, Some(row))));
    checkpoints.write(false, Parking::No, &[("a", Some("a2"))]);
    checkpoints.write(false, Parking::Begins(7), &[("d", Some("d2"))]);
    checkpoints.write(
        false,
        Parking::Goes(7),
        &[("a", Some("a3")), ("e", Some("e1"))],
    );
    checkpoints.write(false, Parking::Goes(7), &[("b", None), ("d", Some("d2"))]);
    checkpoints.write(
        false,
        Parking::Goes(7),
        &[("a", Some("a4")), ("b/c", Some("c9")), ("e", None)],
    );
    assert!(checkpoints.ledger.close(), "all of it is written");
    open(directory).1
}

fn rows(ledger: &Ledger) -> Option<Vec<(&'static str, Option<String>)>> {
    let rows = ledger.parked(&release("copy", 7))?;
    let row = |at| {
        rows.row(&path(at))
            .map(|row| String::from_utf8(row).unwrap())
    };
    Some(
        ["a", "b", "b/c", "d", "e", "f"]
            .map(|at| (at, row(at)))
            .into(),
    )
}

#[test]
fn a_parked_route_has_the_rows_of_its_checkpoint() {
    let directory = tempfile::tempdir().unwrap();
    let memory = parked(directory.path());
    assert_eq!(
        memory.routes[&route("site", "copy")].parked,
        Parking::Goes(7)
    );
    let (ledger, _) = open(directory.path());
    let want = [
        ("a", Some("a2")),
        ("b", Some("b1")),
        ("b/c", Some("c1")),
        ("d", Some("d2")),
        ("e", None),
        ("f", None),
    ];
    let want = want.map(|(at, row)| (at, row.map(str::to_owned)));
    assert_eq!(rows(&ledger).unwrap(), want);
    // Another parking of it, and another route, know nothing of it, and the source's own rows are the newest.
    assert!(ledger.parked(&release("copy", 8)).is_none());
    assert!(ledger.parked(&release("other", 7)).is_none());
    let now = ledger.rows(&source("site")).unwrap();
    assert_eq!(now.row(&path("a")).unwrap(), b"a4");
    assert_eq!(now.row(&path("b")), None);
}

#[test]
fn what_is_kept_goes_with_the_parking() {
    let directory = tempfile::tempdir().unwrap();
    parked(directory.path());
    let (ledger, _) = open(directory.path());
    let mut checkpoints = Checkpoints {
        ledger,
        number: 100,
    };
    checkpoints.write(false, Parking::No, &[("a", Some("a5"))]);
    assert!(checkpoints.ledger.close());
    let (ledger, _) = open(directory.path());
    assert!(rows(&ledger).is_none());
    let file = Connection::open(directory.path().join(heliostat::ledger::NAME)).unwrap();
    let left: i64 = file
        .query_row("SELECT count(*) FROM parked", [], |row| row.get(0))
        .unwrap();
    assert_eq!(left, 0);
}

#[test]
fn where_a_kept_row_is_missing_nothing_is_known_and_a_pass_is_owed() {
    for damage in [
        "DELETE FROM parked WHERE path = X'61'",
        "UPDATE parked SET path = X'7a' WHERE path = X'61'",
        "UPDATE parked SET sealed = (SELECT sealed FROM parked WHERE path = X'62') WHERE path = X'61'",
    ] {
        let directory = tempfile::tempdir().unwrap();
        parked(directory.path());
        let file = Connection::open(directory.path().join(heliostat::ledger::NAME)).unwrap();
        assert_eq!(file.execute(damage, []).unwrap(), 1);
        drop(file);
        let (ledger, _) = open(directory.path());
        assert!(rows(&ledger).is_none(), "{damage}");
        assert!(ledger.close());
    }
    // The record itself is gone: the next checkpoint says so.
    let directory = tempfile::tempdir().unwrap();
    parked(directory.path());
    let file = Connection::open(directory.path().join(heliostat::ledger::NAME)).unwrap();
    file.execute("DELETE FROM routes", []).unwrap();
    drop(file);
    let (ledger, memory) = open(directory.path());
    assert!(memory.routes.is_empty());
    let mut checkpoints = Checkpoints {
        ledger,
        number: 100,
    };
    checkpoints.write(false, Parking::Goes(7), &[("a", Some("a5"))]);
    assert!(checkpoints.ledger.close());
    let (ledger, memory) = open(directory.path());
    let memory = &memory.routes[&route("site", "copy")];
    assert_eq!(memory.parked, Parking::No);
    assert!(memory.pass.is_some());
    assert!(rows(&ledger).is_none());
}

#[test]
fn after_a_lost_checkpoint_nothing_is_parked_until_all_rows_are_made_anew() {
    let directory = tempfile::tempdir().unwrap();
    let (ledger, _) = open(directory.path());
    let mut checkpoints = Checkpoints { ledger, number: 0 };
    checkpoints.write(true, Parking::No, &[("a", Some("a1"))]);
    // Of another plan: it is refused, and its rows are lost.
    let mut other = small(50, false);
    other.key = "other".into();
    checkpoints.ledger.commit(other);
    checkpoints.write(false, Parking::Begins(1), &[]);
    checkpoints.write(false, Parking::Goes(1), &[("a", Some("a2"))]);
    checkpoints.ledger.flush();
    assert!(checkpoints.ledger.parked(&release("copy", 1)).is_none());
    assert!(checkpoints.ledger.close());
    let (ledger, memory) = open(directory.path());
    let memory = &memory.routes[&route("site", "copy")];
    assert_eq!(memory.parked, Parking::No);
    assert!(memory.pass.is_some());
    let mut checkpoints = Checkpoints { ledger, number: 60 };
    checkpoints.write(true, Parking::No, &[("a", Some("a3"))]);
    checkpoints.write(false, Parking::Begins(2), &[]);
    checkpoints.ledger.flush();
    let rows = checkpoints.ledger.parked(&release("copy", 2)).unwrap();
    assert_eq!(rows.row(&path("a")).unwrap(), b"a3");
}

#[test]
fn what_is_taken_back_is_gone_and_mount_points_stay() {
    let directory = tempfile::tempdir().unwrap();
    parked(directory.path());
    let (ledger, memory) = open(directory.path());
    assert!(memory.sources[&source("site")].rows.is_some());
    ledger.remember_mounts(&source("site"), vec![path("mnt")]);
    ledger.disown(&source("site"));
    // On disk already: the process may end here.
    let (_, memory) = {
        let other = tempfile::tempdir().unwrap();
        for name in [
            heliostat::ledger::NAME.to_owned(),
            format!("{}-wal", heliostat::ledger::NAME),
        ] {
            let from = directory.path().join(&name);
            if from.exists() {
                std::fs::copy(from, other.path().join(&name)).unwrap();
            }
        }
        open(other.path())
    };
    let kept = &memory.sources[&source("site")];
    assert_eq!((&kept.rows, &kept.mounts), (&None, &vec![path("mnt")]));
    assert!(memory.routes.is_empty());
    assert!(ledger.rows(&source("site")).is_none());
    assert!(rows(&ledger).is_none());
}

#[test]
fn what_is_taken_back_of_one_route_leaves_the_others_and_the_rows() {
    let directory = tempfile::tempdir().unwrap();
    parked(directory.path());
    let (ledger, before) = open(directory.path());
    let name = before.routes.keys().next().unwrap().clone();
    ledger.disown_route(&name);
    assert!(
        ledger
            .parked(&Release {
                route: name.clone(),
                number: 1
            })
            .is_none()
    );
    assert!(ledger.close());
    let (_, memory) = open(directory.path());
    assert_eq!(memory.sources, before.sources);
    let mut others = before.routes;
    others.remove(&name);
    assert_eq!(memory.routes, others);
}
