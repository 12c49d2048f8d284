//! A row of a survey's as anything at all: it is held against its directory, and nothing but names in that is marked.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex, OnceLock};
use std::time::{Duration, SystemTime};

use heliostat::diagnostic::Sources;
use heliostat::engine::{RelPath, RootId, Survey, SurveyId, SurveyScope, Surveyed, Told};
use heliostat::filter::Filter;
use heliostat::host;
use heliostat::manifest::{self, SourceFile};
use heliostat::plan::{self, HostFacts, SourcePlan};
use heliostat::survey::{self, Base, Request};

/// What a row ends with, over all before it.
const CHECKSUM: usize = 8;

/// Rows by their directories.
#[derive(Clone, Default)]
struct Rows(BTreeMap<RelPath, Vec<u8>>);

impl Base for Rows {
    fn row(&self, directory: &RelPath) -> Option<Vec<u8>> {
        self.0.get(directory).cloned()
    }
}

/// A small source that stays as it is: a room of this program.
struct Tree {
    source: Arc<SourcePlan>,
    filter: Filter,
    root: RootId,
}

fn tree() -> &'static Tree {
    static TREE: OnceLock<Tree> = OnceLock::new();
    TREE.get_or_init(|| {
        // `fuzz/` is a package of its own.
        let package = Path::new(env!("CARGO_MANIFEST_DIR"));
        let rooms = ["src/transfer", "../src/transfer"].map(|at| package.join(at));
        let at = rooms.iter().find_map(|at| at.canonicalize().ok());
        let at = at.expect("the program's sources");
        let text = format!(
            "{{apiVersion: heliostat/v1, kind: Manifest, sources: \
             {{s: {{path: '{}', targets: {{t: {{path: /copy}}}}}}}}}}",
            at.display()
        );
        let (manifests, problems) = manifest::load(&[SourceFile {
            name: "one.yaml".into(),
            text,
        }]);
        let compiled = plan::compile(&manifests, &Sources::new(), &HostFacts::default());
        let mut plan = compiled.plan.unwrap_or_else(|| panic!("{problems:?}"));
        let (_, source) = plan.sources.pop_first().expect("it has one");
        Tree {
            filter: Filter::compile(&source.filter).expect("a plan's patterns were checked"),
            root: host::identify(&at).expect("it is there"),
            source: Arc::new(source),
        }
    })
}

/// Nothing is young then.
fn in_an_hour() -> SystemTime {
    SystemTime::now() + Duration::from_secs(3600)
}

/// Compares the tree with these rows; what was found, and the rows after it.
fn compared(rows: &Rows) -> (Surveyed, Rows) {
    let tree = tree();
    let survey = Survey {
        id: SurveyId(1),
        source: Arc::clone(&tree.source),
        root: tree.root.clone(),
        scope: SurveyScope::Everything,
        compare: true,
        told: Told::default(),
        release: None,
    };
    let request = Request {
        survey: &survey,
        filter: &tree.filter,
        private: Path::new("/nonexistent"),
        base: Some(rows),
        threads: 1,
        now: in_an_hour,
    };
    let after = Mutex::new(rows.clone());
    let keep = |chunk: Vec<(RelPath, Option<Vec<u8>>)>| {
        let after = &mut after.lock().expect("nobody panicked").0;
        for (at, row) in chunk {
            match row {
                Some(row) => drop(after.insert(at, row)),
                None => after.retain(|other, _| !other.starts_with(&at)),
            }
        }
    };
    let found = survey::run(&request, &keep, &AtomicBool::new(false));
    let after = after.into_inner().expect("nobody panicked");
    (found, after)
}

/// The tree's own rows.
fn own() -> &'static Rows {
    static ROWS: OnceLock<Rows> = OnceLock::new();
    ROWS.get_or_init(|| compared(&Rows::default()).1)
}

/// The root's row without its checksum.
fn body() -> &'static [u8] {
    let row = &own().0[&RelPath::root()];
    let (body, sum) = row.split_at(row.len() - CHECKSUM);
    assert_eq!(blake3::hash(body).as_bytes()[..CHECKSUM], *sum);
    body
}

/// What is mutated.
#[allow(dead_code)] // of the tests; cargo-fuzz finds its own
pub fn corpus() -> Vec<Vec<u8>> {
    let row = &own().0[&RelPath::root()];
    // Names that would lead elsewhere.
    let instead = |one: u8, other: u8| {
        let byte = |byte: &u8| if *byte == one { other } else { *byte };
        let body: Vec<u8> = body().iter().map(byte).collect();
        [&[1], &body[..]].concat()
    };
    vec![
        [&[0], &row[..]].concat(),
        [&[1], body()].concat(),
        instead(b'o', b'/'),
        instead(b'.', b'\0'),
        instead(b'r', b'a'),
        [&[1], &body()[..body().len() / 2]].concat(),
        [&[1], &body()[..18]].concat(),
    ]
}

/// The root's row; of a first byte that is odd, the rest has its checksum added, or no other row would ever be read.
pub fn survey_row(data: &[u8]) {
    let (kind, data) = data
        .split_first()
        .map_or((0, data), |(kind, rest)| (*kind, rest));
    let mut row = data.to_vec();
    if kind % 2 == 1 {
        row.extend_from_slice(&blake3::hash(data).as_bytes()[..CHECKSUM]);
    }
    let same = row == own().0[&RelPath::root()];
    let mut rows = own().clone();
    rows.0.insert(RelPath::root(), row);
    let (found, after) = compared(&rows);
    match found {
        Surveyed::Everything => assert!(!same),
        Surveyed::Failed(reason) => panic!("{reason}"),
        Surveyed::Done { marks, .. } => {
            assert!(!same || marks.is_empty(), "{marks:?}");
            for mark in marks {
                let plain = |name: &[u8]| !name.is_empty() && name != b"." && name != b"..";
                let directly = mark.path.ancestors().next().is_none();
                assert!(directly && (mark.path.is_root() || plain(mark.path.name())));
            }
        }
    }
    // Whatever it was: the rows are the tree's now, and nothing differs from them.
    assert_eq!(after.0, own().0);
    let none = Surveyed::Done {
        marks: Vec::new(),
        young: Vec::new(),
    };
    assert_eq!(compared(&after).0, none);
}
