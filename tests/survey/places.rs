//! Surveys of single places, and surveys that cannot be made.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};

use heliostat::engine::{SurveyScope, Surveyed};
use heliostat::filter::Filter;
use heliostat::survey::{Request, run};

use super::{Staged, World, all, told};

fn places(directories: &[&str], subtrees: &[&str]) -> SurveyScope {
    SurveyScope::Places {
        directories: all(directories),
        subtrees: all(subtrees),
    }
}

/// The paths of the rows, sorted; those of rows that go with a minus.
fn paths(staged: &Staged) -> Vec<String> {
    let mut paths: Vec<_> = staged
        .iter()
        .map(|(path, row)| format!("{}{path}", if row.is_none() { "-" } else { "" }))
        .collect();
    paths.sort();
    paths
}

impl World {
    fn look(&self, scope: SurveyScope, compare: bool) -> (Surveyed, Staged) {
        self.run(
            &self.survey(scope, compare),
            compare,
            &AtomicBool::new(false),
        )
    }
}

#[test]
fn directories_are_looked_at_alone_and_subtrees_with_what_is_below() {
    let mut world = World::with(&["a/b/c/d", "e/f/g/h", "state/x", "i"]);
    world.exclude = &["out/"];
    std::os::unix::fs::symlink("a", world.at("link")).unwrap();
    let (found, staged) = world.look(
        places(&["", "a", "e/f", "i", "no/where"], &["e", "e/f/g"]),
        false,
    );
    assert_eq!(told(&found), [""; 0]);
    assert_eq!(
        paths(&staged),
        ["-i", "-no/where", ".", "a", "e", "e/f", "e/f/g"]
    );
    let scope = places(&["out", "out/deep", "state", "link/b"], &["state/deeper"]);
    let (_, staged) = world.look(scope, false);
    assert_eq!(
        paths(&staged),
        ["-link/b", "-out", "-out/deep", "-state", "-state/deeper"]
    );
    let (_, staged) = world.look(places(&["a", "e"], &[""]), false);
    assert_eq!(
        paths(&staged),
        [".", "a", "a/b", "a/b/c", "e", "e/f", "e/f/g"]
    );
}

#[test]
fn rows_of_single_places_keep_the_whole_true() {
    let mut world = World::with(&["a/b/c", "d/e/f", "g/h"]);
    world.learn();
    std::fs::remove_dir_all(world.at("a")).unwrap();
    std::fs::rename(world.at("d/e"), world.at("g/e")).unwrap();
    std::fs::write(world.at("g/h"), "changed").unwrap();
    let scope = places(&["", "a", "d", "d/e", "g", "g/h"], &["g/e"]);
    let (found, staged) = world.look(scope, false);
    assert_eq!(told(&found), [""; 0]);
    world.rows.commit(staged);
    let (found, staged) = world.compare();
    assert_eq!((told(&found), paths(&staged)), (Vec::new(), Vec::new()));
}

#[test]
fn a_comparison_of_places_tells_what_differs_there_and_reads_what_is_new() {
    let mut world = World::with(&["a/b/c", "a/old/x/y", "d/e"]);
    world.learn();
    std::fs::write(world.at("a/b/c"), "changed").unwrap();
    std::fs::write(world.at("d/e"), "changed").unwrap();
    std::fs::remove_dir_all(world.at("a/old")).unwrap();
    std::fs::create_dir_all(world.at("a/new/deep")).unwrap();
    let (found, staged) = world.look(places(&["a"], &[]), true);
    let wanted = [
        "a: attributes+listing",
        "a/new: content+subtree",
        "a/old: content+gone",
    ];
    assert_eq!(told(&found), wanted);
    assert_eq!(paths(&staged), ["-a/old", "a", "a/new", "a/new/deep"]);
    world.rows.commit(staged);
    assert_eq!(world.marks(), ["a/b/c: content", "d/e: content"]);
}

#[test]
fn another_root_is_not_surveyed() {
    let world = World::with(&["a/b"]);
    let survey = world.survey(SurveyScope::Everything, false);
    std::fs::rename(world.source(), world.scratch.path().join("away")).unwrap();
    let (found, staged) = world.run(&survey, false, &AtomicBool::new(false));
    assert!(told(&found)[0].contains("create or mount"), "{found:?}");
    std::fs::create_dir_all(world.at("a")).unwrap();
    let (found, more) = world.run(&survey, false, &AtomicBool::new(false));
    assert!(told(&found)[0].contains("another directory"), "{found:?}");
    assert_eq!((staged, more), Default::default());
}

/// A survey whose sink does something with its first rows; with the number of rows.
fn interrupted(world: &World, act: impl Fn(&AtomicBool) + Sync) -> (Surveyed, usize) {
    let survey = world.survey(SurveyScope::Everything, false);
    let filter = Filter::compile(&survey.source.filter).unwrap();
    let stop = AtomicBool::new(false);
    let rows = Mutex::new(0);
    let sink = |staged: Staged| {
        *rows.lock().unwrap() += staged.len();
        act(&stop);
    };
    let request = Request {
        survey: &survey,
        filter: &filter,
        private: &world.private(),
        base: None,
        threads: world.threads,
        now: world.now,
    };
    let found = run(&request, &sink, &stop);
    (found, rows.into_inner().unwrap())
}

/// A tree that is more than one chunk of rows.
fn wide() -> World {
    let world = World::new();
    (0..2_000).for_each(|at| std::fs::create_dir(world.at(&at.to_string())).unwrap());
    world
}

#[test]
fn it_ends_soon_when_it_is_to_stop() {
    let (found, rows) = interrupted(&wide(), |stop| stop.store(true, Ordering::Relaxed));
    assert_eq!(found, Surveyed::Failed("stopped".into()));
    assert!(rows < 2_000, "it went on to the end");
}

#[test]
fn a_root_that_is_replaced_meanwhile_makes_it_fail() {
    let world = wide();
    let away = world.scratch.path().join("away");
    let (found, _) = interrupted(&world, |_| {
        if !away.exists() && std::fs::rename(world.source(), &away).is_ok() {
            std::fs::create_dir(world.source()).unwrap();
        }
    });
    assert!(told(&found)[0].contains("another directory"), "{found:?}");
}

#[test]
fn a_row_that_was_left_behind_is_not_taken_for_what_came_back() {
    let mut world = World::with(&["a/b/c", "d"]);
    world.learn();
    let away = world.scratch.path().join("away");
    std::fs::rename(world.at("a"), &away).unwrap();
    // Only of the directory above is it known that it has gone: not by its own row.
    let (_, staged) = world.look(places(&[""], &[]), false);
    world.rows.commit(staged);
    assert_eq!(world.rows.directories(), [".", "a", "a/b"]);
    world.tick();
    std::fs::rename(&away, world.at("a")).unwrap();
    assert_eq!(
        world.marks(),
        [".: attributes+listing", "a: content+subtree"]
    );
}
