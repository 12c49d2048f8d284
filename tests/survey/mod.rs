//! Surveys of real trees: what differs from the rows of the last one is told, and nothing else is.
//!
//! The ledger is a map in memory. Rows are made an hour later than it is, so that nothing is too young to be told from
//! a later change; only the tests of youth take the time as it is.

#![allow(clippy::unwrap_used, reason = "in tests the panic is the message")]

mod ordinary;
mod places;
mod random;
mod scope;
mod speed;
mod trees;
mod untold;
mod youth;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use heliostat::engine::{Mark, RelPath, Survey, SurveyId, SurveyScope, Surveyed, Told};
use heliostat::filter::{Filter, FilterSpec, Rule};
use heliostat::host;
use heliostat::plan::{EventSet, SourceGuard, SourceName, SourcePlan};
use heliostat::survey::{Base, Request, run};
use jiff::Timestamp;

use crate::rig::{Scratch, wait_for};

/// What a ledger would keep.
#[derive(Clone, Debug, Default, PartialEq)]
struct Rows(BTreeMap<RelPath, Vec<u8>>);

impl Base for Rows {
    fn row(&self, directory: &RelPath) -> Option<Vec<u8>> {
        self.0.get(directory).cloned()
    }
}

/// Rows as a survey hands them over, in their order.
type Staged = Vec<(RelPath, Option<Vec<u8>>)>;

impl Rows {
    fn commit(&mut self, staged: Staged) {
        for (path, row) in staged {
            match row {
                Some(row) => drop(self.0.insert(path, row)),
                None => self.0.retain(|other, _| !other.starts_with(&path)),
            }
        }
    }

    fn directories(&self) -> Vec<String> {
        self.0.keys().map(RelPath::to_string).collect()
    }
}

/// A source, how it is surveyed, and the rows of the last survey.
struct World {
    scratch: Scratch,
    include: &'static [&'static str],
    exclude: &'static [&'static str],
    one_file_system: bool,
    threads: usize,
    now: fn() -> SystemTime,
    /// By default the engine was told of everything.
    told: Told,
    rows: Rows,
}

fn in_an_hour() -> SystemTime {
    SystemTime::now() + Duration::from_secs(3600)
}

impl World {
    fn new() -> World {
        let scratch = Scratch::new();
        scratch.dir("source");
        World {
            scratch,
            include: &["**"],
            exclude: &[],
            one_file_system: false,
            threads: 3,
            now: in_an_hour,
            told: Told {
                since: Some(Timestamp::MAX),
                ..Told::default()
            },
            rows: Rows::default(),
        }
    }

    /// With these files, each with its own path in it; a path that ends in a slash is a directory.
    fn with(paths: &[&str]) -> World {
        let world = World::new();
        for path in paths {
            let at = world.at(path);
            if path.ends_with('/') {
                std::fs::create_dir_all(at).unwrap();
            } else {
                std::fs::create_dir_all(at.parent().unwrap()).unwrap();
                std::fs::write(at, path).unwrap();
            }
        }
        world
    }

    fn source(&self) -> PathBuf {
        self.scratch.path().join("source")
    }

    fn at(&self, path: &str) -> PathBuf {
        self.source().join(path)
    }

    fn private(&self) -> PathBuf {
        self.at("state")
    }

    fn survey(&self, scope: SurveyScope, compare: bool) -> Survey {
        let rules = |globs: &[&str]| -> Vec<Rule> {
            let rule = |glob: &&str| Rule {
                pattern: (*glob).into(),
                origin: None,
            };
            globs.iter().map(rule).collect()
        };
        let source = SourcePlan {
            name: SourceName("source".into()),
            path: self.source().display().to_string(),
            filter: FilterSpec {
                include: rules(self.include),
                exclude: rules(self.exclude),
            },
            events: EventSet::default(),
            one_file_system: self.one_file_system,
            guard: SourceGuard::default(),
            labels: BTreeMap::new(),
            routes: BTreeMap::new(),
        };
        Survey {
            id: SurveyId(1),
            source: Arc::new(source),
            root: host::identify(&self.source()).unwrap(),
            scope,
            compare,
            told: self.told.clone(),
            release: None,
        }
    }

    /// Makes a survey; commits nothing.
    fn run(&self, survey: &Survey, base: bool, stop: &AtomicBool) -> (Surveyed, Staged) {
        let filter = Filter::compile(&survey.source.filter).unwrap();
        let request = Request {
            survey,
            filter: &filter,
            private: &self.private(),
            base: base.then_some(&self.rows as &dyn Base),
            threads: self.threads,
            now: self.now,
        };
        let staged = Mutex::new(Staged::new());
        let sink = |rows: Staged| staged.lock().unwrap().extend(rows);
        let found = run(&request, &sink, stop);
        (found, staged.into_inner().unwrap())
    }

    /// A comparison of everything; commits nothing.
    fn compare(&self) -> (Surveyed, Staged) {
        let survey = self.survey(SurveyScope::Everything, true);
        self.run(&survey, true, &AtomicBool::new(false))
    }

    /// Makes all rows anew, and waits until a later change bears a later time.
    fn learn(&mut self) {
        self.rows = self.fresh();
        self.tick();
    }

    /// The rows of the tree as it is.
    fn fresh(&self) -> Rows {
        let survey = self.survey(SurveyScope::Everything, false);
        let (found, staged) = self.run(&survey, false, &AtomicBool::new(false));
        assert!(
            matches!(&found, Surveyed::Done { marks, .. } if marks.is_empty()),
            "{found:?}"
        );
        let mut rows = Rows::default();
        rows.commit(staged);
        rows
    }

    /// Waits until the file system's clock has gone on.
    fn tick(&self) {
        use std::os::unix::fs::MetadataExt;
        let probe = self.scratch.path().join("probe");
        let time = || {
            std::fs::write(&probe, "x").unwrap();
            let found = probe.metadata().unwrap();
            (found.ctime(), found.ctime_nsec() / 4_000_000)
        };
        let first = time();
        wait_for(Duration::from_secs(5), || (time() > first).then_some(())).unwrap();
    }

    /// What a comparison tells, as `path: marks`; commits its rows and sees that they are what a fresh survey would make.
    fn marks(&mut self) -> Vec<String> {
        let (found, staged) = self.compare();
        self.rows.commit(staged);
        let all = self.fresh();
        assert_eq!(self.rows.directories(), all.directories());
        assert!(self.rows == all, "the rows are not those of a fresh survey");
        told(&found)
    }
}

/// The marks of a survey that was made, as `path: marks`.
fn told(found: &Surveyed) -> Vec<String> {
    match found {
        Surveyed::Done { marks, .. } => marks
            .iter()
            .map(|Mark { path, dirt }| format!("{path}: {dirt}"))
            .collect(),
        Surveyed::Everything => vec!["everything".into()],
        Surveyed::Failed(reason) => vec![format!("failed: {reason}")],
    }
}

fn young(found: &Surveyed) -> Vec<String> {
    match found {
        Surveyed::Done { young, .. } => young.iter().map(RelPath::to_string).collect(),
        other => panic!("{other:?}"),
    }
}

fn p(text: &str) -> RelPath {
    RelPath::new(text.as_bytes()).unwrap()
}

fn all(paths: &[&str]) -> BTreeSet<RelPath> {
    paths.iter().map(|path| p(path)).collect()
}

/// Sets a modification time.
fn set_modified(path: &Path, seconds: i64, nanoseconds: i64) {
    use rustix::fs::{AtFlags, CWD, Timespec, Timestamps, UTIME_OMIT, utimensat};
    let times = Timestamps {
        last_access: Timespec {
            tv_sec: 0,
            tv_nsec: UTIME_OMIT,
        },
        last_modification: Timespec {
            tv_sec: seconds,
            tv_nsec: nanoseconds,
        },
    };
    utimensat(CWD, path, &times, AtFlags::SYMLINK_NOFOLLOW).unwrap();
}

#[test]
fn a_tree_that_is_as_it_was_gives_nothing() {
    let mut world = World::with(&["a/b/c", "a/d", "e", "empty/"]);
    std::os::unix::fs::symlink("a", world.at("link")).unwrap();
    world.learn();
    assert_eq!(world.rows.directories(), [".", "a", "a/b", "empty"]);
    let (found, staged) = world.compare();
    let nothing = Surveyed::Done {
        marks: Vec::new(),
        young: Vec::new(),
    };
    assert_eq!(found, nothing);
    assert_eq!(staged, []);
}

#[test]
fn a_rewrite_of_the_same_size_and_time_is_content() {
    let mut world = World::with(&["a/f", "g"]);
    set_modified(&world.at("a/f"), 1_000_000, 5);
    world.learn();
    std::fs::write(world.at("a/f"), "f/a").unwrap();
    set_modified(&world.at("a/f"), 1_000_000, 5);
    assert_eq!(world.marks(), ["a/f: content"]);
    assert!(world.marks().is_empty());
}

#[test]
fn what_came_and_went_is_told_by_its_directory() {
    let mut world = World::with(&["a/f", "b/g"]);
    world.learn();
    std::fs::write(world.at("a/new"), "").unwrap();
    std::fs::remove_file(world.at("a/new")).unwrap();
    assert_eq!(world.marks(), ["a: attributes+listing"]);
}

#[test]
fn a_new_directory_is_one_mark() {
    let mut world = World::with(&["a/f"]);
    world.learn();
    std::fs::create_dir_all(world.at("n/m")).unwrap();
    (0..50).for_each(|at| std::fs::write(world.at(&format!("n/m/{at}")), "").unwrap());
    assert_eq!(
        world.marks(),
        [".: attributes+listing", "n: content+subtree"]
    );
}

#[test]
fn names_that_go_and_change_their_kind() {
    let mut world = World::with(&["d/x/y", "e/x/y", "f", "g", "h/i"]);
    world.learn();
    std::fs::remove_dir_all(world.at("d")).unwrap();
    std::fs::rename(world.at("e"), world.at("d")).unwrap();
    std::fs::remove_file(world.at("f")).unwrap();
    std::fs::create_dir(world.at("f")).unwrap();
    std::fs::remove_file(world.at("g")).unwrap();
    std::os::unix::fs::symlink("f", world.at("g")).unwrap();
    std::fs::remove_dir_all(world.at("h")).unwrap();
    std::fs::write(world.at("h"), "").unwrap();
    let wanted = [
        ".: attributes+listing",
        "d: content+subtree+gone",
        "e: content+gone",
        "f: content+subtree+gone",
        "g: content+gone",
        "h: content+gone",
    ];
    assert_eq!(world.marks(), wanted);
    assert_eq!(world.rows.directories(), [".", "d", "d/x", "f"]);
}

#[test]
fn a_row_that_is_lost_or_damaged_is_a_subtree_and_no_more() {
    for damage in [true, false] {
        let mut world = World::with(&["a/b/c", "a/d", "e/f/g"]);
        world.learn();
        if damage {
            world.rows.0.get_mut(&p("a")).unwrap().truncate(30);
        } else {
            world.rows.0.remove(&p("a"));
        }
        assert_eq!(world.marks(), ["a: content+subtree"]);
        assert!(world.marks().is_empty());
        world.rows.0.remove(&RelPath::root());
        assert_eq!(world.marks(), ["everything"]);
        assert!(world.marks().is_empty());
    }
}

#[test]
fn random_damage_is_borne_and_found() {
    let mut world = World::with(&["a/b/c", "a/d", "e/f/g", "e/h", "i"]);
    world.learn();
    let truth = world.rows.clone();
    for seed in 0..300 {
        let mut random = fastrand::Rng::with_seed(seed);
        for row in world.rows.0.values_mut() {
            if random.bool() {
                let at = random.usize(..row.len());
                match random.u32(0..3) {
                    0 => row[at] ^= 1 << random.u32(0..8),
                    1 => row.truncate(at),
                    _ => row.insert(at, random.u8(..)),
                }
            }
        }
        let differs = world.rows != truth;
        let told = world.marks(); // sees that the rows are right again
        assert_eq!(!told.is_empty(), differs, "seed {seed}: {told:?}");
    }
}

#[test]
fn without_rows_everything_is_dirty_and_all_rows_are_made() {
    let mut world = World::with(&["a/b/c", "d"]);
    let survey = world.survey(SurveyScope::Everything, true);
    let (found, staged) = world.run(&survey, false, &AtomicBool::new(false));
    assert_eq!(found, Surveyed::Everything);
    world.rows.commit(staged);
    assert_eq!(world.rows.directories(), [".", "a", "a/b"]);
}
