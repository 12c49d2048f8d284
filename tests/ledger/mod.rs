//! The ledger: what was written comes back, or nothing does, whatever happens to process, disk and file.
//!
//! A seeded history of checkpoints stands beside every ledger here. A checkpoint bears its number in its routes, so that
//! what is read can be held against just that one.

mod damage;
mod disk;
mod kill;
mod ordinary;
mod parked;
mod speed;

use std::collections::BTreeMap;
use std::path::Path;

use heliostat::engine::{
    Commit, Dirt, Mark, Memory, PathFailure, RelPath, RouteMemory, Stats, SurveyId,
};
use heliostat::ledger::{Ledger, Run};
use heliostat::plan::{Compare, RouteName, SourceName, TargetName};
use jiff::Timestamp;

/// The rows of a source.
type Rows = BTreeMap<RelPath, Vec<u8>>;

fn path(text: &str) -> RelPath {
    RelPath::new(text.as_bytes()).unwrap()
}

fn source(name: &str) -> SourceName {
    SourceName(name.into())
}

fn route(source: &str, target: &str) -> RouteName {
    RouteName {
        source: SourceName(source.into()),
        target: TargetName(target.into()),
    }
}

fn at(second: i64) -> Timestamp {
    Timestamp::new(1_700_000_000 + second, 123_456_789).unwrap()
}

fn run(number: u64) -> Run {
    Run {
        at: at(number as i64),
        route: route("site", "copy"),
        trigger: "change".into(),
        took_ms: number,
        lag_ms: 7,
        result: "partial".into(),
        trouble: Some("no space: ü".into()),
        stats: Stats {
            files: 3,
            created: 2,
            attributes: 5,
            bytes: u64::MAX,
            deleted: 1,
            target_entries: Some(9),
        },
        failed: vec![PathFailure {
            path: RelPath::new(b"a\n\xff/b").unwrap(),
            reason: "permission denied".into(),
        }],
        failed_count: 40,
    }
}

/// A checkpoint with one row and one route, as small as can be.
fn small(survey: u64, whole: bool) -> Commit {
    Commit {
        survey: SurveyId(survey),
        source: source("site"),
        key: "s".into(),
        whole,
        routes: BTreeMap::from([(route("site", "copy"), memory(survey))]),
    }
}

/// What a route remembers at checkpoint `number`.
fn memory(number: u64) -> RouteMemory {
    let known = |which: u64| number.is_multiple_of(which).then(|| at(number as i64));
    RouteMemory {
        key: format!("key{}", number / 4),
        marks: (0..number % 5)
            .map(|at| Mark {
                path: path(&format!("c{number}/{at}")),
                dirt: Dirt::from_bits((number * 7 + at) as u8 % 31 + 1).unwrap(),
            })
            .collect(),
        pass: [None, Some(Compare::Quick), Some(Compare::Checksum)][number as usize % 3],
        target_entries: Some(number),
        last_good: known(2),
        last_compared: known(7),
        next_rescan: known(3),
        next_sync: known(5),
        parked: heliostat::engine::Parking::No,
        target: (number % 4 == 1).then_some(heliostat::engine::TargetId {
            file_system: number,
            inode: 7,
        }),
    }
}

/// A seeded history of one source's checkpoints, numbered from 1.
struct History {
    source: SourceName,
    seed: u64,
    /// The rows after each checkpoint; at 0, none.
    after: Vec<Rows>,
}

/// What the shell hands over for one checkpoint.
struct Step {
    staged: Vec<(RelPath, Option<Vec<u8>>)>,
    commit: Commit,
}

impl History {
    fn new(name: &str, seed: u64) -> History {
        History {
            source: source(name),
            seed,
            after: vec![Rows::new()],
        }
    }

    /// Checkpoint `number`, the same for the same seed whenever it is asked for, once all before it were.
    fn step(&mut self, number: u64) -> Step {
        let mut random = fastrand::Rng::with_seed(self.seed ^ (number << 20));
        let whole = number == 1 || random.u32(..10) == 0;
        let mut rows = match whole {
            true => Rows::new(),
            false => self.after[number as usize - 1].clone(),
        };
        let mut staged = Vec::new();
        for _ in 0..random.usize(1..if whole { 40 } else { 12 }) {
            let depth = random.usize(0..4);
            let names: Vec<String> = (0..depth).map(|_| random.u32(..4).to_string()).collect();
            let path = path(&names.join("/"));
            if random.u32(..6) == 0 && depth > 0 {
                rows.retain(|other, _| !other.starts_with(&path));
                staged.push((path, None));
                continue;
            }
            let mut row = format!("{path}@{number}:").into_bytes();
            row.resize(row.len() + random.usize(..6000), b'.');
            rows.insert(path.clone(), row.clone());
            staged.push((path, Some(row)));
        }
        if rows.is_empty() {
            rows.insert(RelPath::root(), b"root".to_vec());
            staged.push((RelPath::root(), Some(b"root".to_vec())));
        }
        self.after.truncate(number as usize);
        self.after.push(rows);
        let routes = ["copy", "other"].map(|target| {
            let name = route(&self.source.0, target);
            (name, memory(number))
        });
        let commit = Commit {
            survey: SurveyId(number * 100 + self.seed % 100),
            source: self.source.clone(),
            key: "s".into(),
            whole,
            routes: routes.into(),
        };
        Step { staged, commit }
    }

    /// Hands checkpoint `number` over, its rows in several parts.
    fn write(&mut self, ledger: &Ledger, number: u64) {
        let step = self.step(number);
        for part in step.staged.chunks(5) {
            ledger.stage(step.commit.survey, part.to_vec());
        }
        ledger.commit(step.commit);
    }

    /// The number of the checkpoint that the routes are of; `None`: they have no standing. Every route is of one, or has
    /// none.
    fn standing(&self, memory: &Memory) -> Option<u64> {
        let routes = memory
            .routes
            .iter()
            .filter(|(name, _)| name.source == self.source);
        let mut found = None;
        for (name, have) in routes {
            let number = have.target_entries.unwrap();
            assert!((1..self.after.len() as u64).contains(&number), "{number}");
            assert_eq!(*have, self::memory(number), "{name}");
            assert_eq!(*found.get_or_insert(number), number, "of one checkpoint");
            assert_eq!(memory.sources[&name.source].rows, Some("s".into()));
        }
        found
    }

    /// Every path that ever had a row.
    fn paths(&self) -> impl Iterator<Item = &RelPath> {
        self.after.iter().flat_map(|rows| rows.keys())
    }

    /// The rows are those of checkpoint `number`, all of them and no others.
    fn check_whole(&self, ledger: &Ledger, number: u64) {
        let rows = ledger.rows(&self.source).unwrap();
        let expected = &self.after[number as usize];
        for path in self.paths() {
            assert!(
                rows.row(path).as_ref() == expected.get(path),
                "{path} at {number}"
            );
        }
    }

    /// Every row that is there was written, and not after checkpoint `number`.
    fn check_true(&self, ledger: &Ledger, number: u64) {
        let Some(rows) = ledger.rows(&self.source) else {
            return;
        };
        let was = |path: &RelPath, row: &Vec<u8>| {
            let before = &self.after[..=number as usize];
            before.iter().any(|rows| rows.get(path) == Some(row))
        };
        for path in self.paths() {
            if let Some(row) = rows.row(path) {
                assert!(was(path, &row), "{path} at {number}");
            }
        }
    }
}

/// Opens what should be in order.
fn open(directory: &Path) -> (Ledger, Memory) {
    let opened = Ledger::open(directory);
    assert_eq!(opened.damage, None);
    (opened.ledger, opened.memory)
}
