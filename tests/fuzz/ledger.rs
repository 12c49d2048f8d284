//! A ledger's file as anything at all: it is opened, or said to be no good, and gives what was written or nothing.

use std::collections::BTreeMap;
use std::sync::OnceLock;

use heliostat::engine::{Commit, Dirt, Mark, RelPath, RouteMemory, SurveyId};
use heliostat::ledger::{Ledger, NAME, Run};
use heliostat::plan::{RouteName, SourceName, TargetName};
use jiff::Timestamp;

/// A byte that is no flip: the file ends there.
const CUT: u8 = 0;

fn path(text: &str) -> RelPath {
    RelPath::new(text.as_bytes()).expect("a path")
}

fn name() -> RouteName {
    RouteName {
        source: SourceName("site".into()),
        target: TargetName("copy".into()),
    }
}

fn rows() -> Vec<(RelPath, Option<Vec<u8>>)> {
    let row = |at: usize| (path(&format!("d{at}")), Some(vec![at as u8; at * 37]));
    (0..60).map(row).collect()
}

fn memory() -> RouteMemory {
    let mark = |at: u32| Mark {
        path: path(&format!("dirty/{at}")),
        dirt: Dirt::CONTENT,
    };
    RouteMemory {
        key: "r".into(),
        marks: (0..40).map(mark).collect(),
        target_entries: Some(9),
        ..RouteMemory::default()
    }
}

fn run() -> Run {
    Run {
        at: Timestamp::UNIX_EPOCH,
        route: name(),
        trigger: "change".into(),
        took_ms: 1,
        lag_ms: 2,
        result: "done".into(),
        trouble: None,
        stats: Default::default(),
        failed: Vec::new(),
        failed_count: 0,
    }
}

/// The file of a ledger that was closed.
fn written() -> &'static [u8] {
    static FILE: OnceLock<Vec<u8>> = OnceLock::new();
    FILE.get_or_init(|| {
        let directory = tempfile::tempdir().expect("a directory");
        let ledger = Ledger::open(directory.path()).ledger;
        let survey = SurveyId(1);
        ledger.stage(survey, rows());
        ledger.commit(Commit {
            survey,
            source: name().source,
            key: "s".into(),
            whole: true,
            routes: BTreeMap::from([(name(), memory())]),
        });
        ledger.remember_mounts(&name().source, vec![path("m")]);
        ledger.book(run());
        assert!(ledger.close());
        std::fs::read(directory.path().join(NAME)).expect("it was written")
    })
}

/// Of a first byte 0 the rest is the file. Else it is what happens to a real one, four bytes each: where, and which bits
/// flip there.
fn file(data: &[u8]) -> Vec<u8> {
    let Some((kind, rest)) = data.split_first() else {
        return Vec::new();
    };
    if *kind == 0 {
        return rest.to_vec();
    }
    let mut file = written().to_vec();
    for piece in rest.chunks_exact(4) {
        let at = u32::from_le_bytes([piece[0], piece[1], piece[2], 0]) as usize % written().len();
        match file.get_mut(at) {
            Some(_) if piece[3] == CUT => file.truncate(at),
            Some(byte) => *byte ^= piece[3],
            None => {}
        }
    }
    file
}

/// What is mutated: the header's fields, pages' heads, the ends of pages where the records are, and no ledgers.
#[allow(dead_code)] // of the tests; cargo-fuzz finds its own
pub fn corpus() -> Vec<Vec<u8>> {
    let flips = |places: &[usize]| {
        let places = places.iter().flat_map(|at| {
            let at = at.to_le_bytes();
            [at[0], at[1], at[2], 1]
        });
        [1].into_iter().chain(places).collect::<Vec<u8>>()
    };
    let pages: Vec<usize> = (0..written().len()).step_by(8192).collect();
    let within = |offset: usize| pages.iter().map(|at| at + offset).collect::<Vec<_>>();
    let mut found: Vec<_> = [0, 1, 3, 5, 8, 10].map(|at| flips(&within(at))).into();
    found.extend([8191, 8150, 8100, 7000].map(|at| flips(&within(at))));
    found.extend(pages.iter().map(|at| flips(&[*at, at + 8100])));
    found.extend([16, 18, 28, 36, 52, 60, 64, 68].map(|at| flips(&[at])));
    found.push(vec![1]);
    found.push([&[1], &(8192_u32 * 3).to_le_bytes()[..3], &[CUT]].concat());
    found.push([&[0], &b"SQLite format 3\0"[..]].concat());
    found
}

/// A ledger whose file this is.
pub fn ledger(data: &[u8]) {
    let directory = tempfile::tempdir().expect("a directory");
    let file = file(data);
    std::fs::write(directory.path().join(NAME), &file).expect("room");
    let opened = Ledger::open(directory.path());
    let (ledger, remembered) = (opened.ledger, opened.memory);
    for (route, found) in &remembered.routes {
        assert_eq!((route, found), (&name(), &memory()));
    }
    for (source, found) in &remembered.sources {
        assert_eq!(*source, name().source);
        assert!(found.mounts.is_empty() || found.mounts == [path("m")]);
        assert!(found.rows.is_none() || found.rows.as_deref() == Some("s"));
    }
    let known = ledger.rows(&name().source);
    let mut there = 0;
    for (at, row) in rows() {
        let found = known.as_ref().and_then(|known| known.row(&at));
        assert!(found.is_none() || found == row, "{at}");
        there += usize::from(found.is_some());
    }
    assert!(ledger.runs(10).iter().all(|found| *found == run()));
    if file == written() {
        assert_eq!((opened.damage, there), (None, rows().len()));
        assert_eq!(remembered.routes.len(), 1);
    }
    assert!(ledger.close());
}
