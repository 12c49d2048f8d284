//! The parts that every event, every batch and every restart goes through, each alone: the filter's decision, the change
//! sets, the list of a batch, the digest walk.
//!
//! `cargo bench --bench micro`. It speaks to the rooms as their callers do: change sets through the engine's one door
//! ([`Engine::step`]), the walk through [`survey::run`] with the rows in memory. `cargo test --bench micro` runs each once
//! and holds its result against what it must be, so that none measures nothing.
#![allow(clippy::unwrap_used)] // a benchmark that cannot go on ends: the panic is the message

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex, OnceLock};
use std::time::{Duration, SystemTime};

use divan::Bencher;
use divan::counter::ItemsCount;
use heliostat::diagnostic::Sources;
use heliostat::engine::{
    Dirt, Effect, Engine, Input, Mark, Memory, Notice, Now, Outcome, RelPath, Reload, RootId,
    Survey, SurveyId, SurveyScope, Surveyed, Told, TransferId, Verdict, WatchId, WatchReport, Work,
};
use heliostat::filter::{self, Filter, FilterSpec, Rule};
use heliostat::host;
use heliostat::manifest::{SourceFile, load};
use heliostat::plan::{
    DeletePolicy, EventSet, HostFacts, Limits, Plan, SourceGuard, SourceName, SourcePlan, compile,
};
use heliostat::survey::{self, Base, Request};
use heliostat::transfer::normalise::{Scope, Seen, normalise};
use jiff::Timestamp;
use tempfile::TempDir;

fn main() {
    divan::main();
}

/// As `RelPath` has it.
fn path(text: &str) -> RelPath {
    RelPath::new(text.as_bytes()).unwrap()
}

/// The path of the `number`th file of a web site: a hundred in a directory, ten directories in one.
fn file(number: usize) -> String {
    let directory = number / 100;
    format!(
        "site-{:03}/page-{directory:05}/file-{number:07}.html",
        directory / 10
    )
}

fn rules(patterns: &[&str]) -> Vec<Rule> {
    let rule = |pattern: &&str| Rule {
        pattern: pattern.to_string(),
        origin: None,
    };
    patterns.iter().map(rule).collect()
}

fn spec(exclude: &[&str]) -> FilterSpec {
    FilterSpec {
        include: rules(&["**"]),
        exclude: rules(exclude),
    }
}

/// What a careful manifest excludes; none of it is met.
const EXCLUDED: &[&str] = &[
    "*.swp",
    "*~",
    ".git/",
    "/cache/",
    "/sessions/",
    "node_modules/",
    "*.{tmp,part,bak}",
    "/logs/**/*.gz",
];

mod filter_decide {
    use super::*;

    /// One path, its three parents included, as an event comes.
    #[divan::bench(args = [0, 8])]
    fn event(bencher: Bencher, excludes: usize) {
        let filter = Filter::compile(&spec(&EXCLUDED[..excludes])).unwrap();
        let at = file(123_456);
        assert_eq!(
            filter.decide(at.as_bytes(), false).verdict,
            filter::Verdict::Included
        );
        bencher.bench(|| filter.decide(divan::black_box(at.as_bytes()), false));
    }

    /// One name of a directory whose verdict is known, as a walk asks.
    #[divan::bench(args = [0, 8])]
    fn walk(bencher: Bencher, excludes: usize) {
        let filter = Filter::compile(&spec(&EXCLUDED[..excludes])).unwrap();
        let at = file(123_456);
        let parent = filter::Verdict::Included;
        bencher.bench(|| filter.decide_child(parent, divan::black_box(at.as_bytes()), false));
    }
}

mod change_set {
    use super::*;

    const MANIFEST: &str = "\
apiVersion: heliostat/v1
kind: Manifest
sources:
  site:
    path: /data/site
    targets:
";

    fn plan(targets: usize) -> Plan {
        let mut text = MANIFEST.to_string();
        for number in 0..targets {
            text += &format!("      t{number}: {{url: \"file:///mnt/copy{number}\"}}\n");
        }
        let name = "bench.yaml".to_string();
        let mut sources = Sources::new();
        sources.insert(&name, &text);
        let (manifests, problems) = load(&[SourceFile { name, text }]);
        assert!(problems.is_empty(), "{problems:?}");
        let host = HostFacts {
            name: "bench".into(),
            ..HostFacts::default()
        };
        compile(&manifests, &sources, &host).plan.unwrap()
    }

    fn now(ms: u64) -> Now {
        Now {
            mono: Duration::from_millis(ms),
            wall: Timestamp::from_second(1_800_000_000).unwrap() + Duration::from_millis(ms),
        }
    }

    /// An engine whose targets are in step, and its watch.
    fn in_step(targets: usize) -> (Engine, WatchId) {
        let mut engine = Engine::default();
        let reload = Input::Reload(Reload {
            generation: 1,
            plan: plan(targets),
            host: "bench".into(),
            limits: Limits::default(),
            memory: Memory::default(),
            watched: true,
        });
        let watch = engine.step(now(0), reload).into_iter().find_map(watched);
        let watch = watch.expect("the source is watched");
        let report = WatchReport {
            root: RootId(vec![(1, 2)]),
            directories: 1_000,
            unwatched: 0,
            doubted: 0,
            by: Default::default(),
        };
        let mut running = started(engine.step(now(1), Input::Watch(watch, Notice::Ready(report))));
        // Each ends at once, and what may start in its place too.
        let mut ms = 2;
        while let Some((id, _)) = running.pop() {
            let done = Input::Finished(id, Outcome::bare(Verdict::Done));
            running.extend(started(engine.step(now(ms), done)));
            ms += 1;
            assert!(ms < 10_000, "the engine comes to rest");
        }
        (engine, watch)
    }

    fn watched(effect: Effect) -> Option<WatchId> {
        match effect {
            Effect::Watch(watch, _) => Some(watch),
            _ => None,
        }
    }

    /// The transfers that begin, and how many marks each has.
    fn started(effects: Vec<Effect>) -> Vec<(TransferId, usize)> {
        let start = |effect| match effect {
            Effect::Start(job) => Some((job.id, marks_of(&job.work))),
            _ => None,
        };
        effects.into_iter().filter_map(start).collect()
    }

    fn marks_of(work: &Work) -> usize {
        match work {
            Work::Batch(marks) => marks.len(),
            Work::Pass(_) => 0,
        }
    }

    /// So many events of as many files, a hundred a notice.
    fn notices(marks: usize) -> Vec<Notice> {
        let mark = |number| Mark {
            path: path(&file(number * 7 % marks)),
            dirt: Dirt::CONTENT,
        };
        let all: Vec<Mark> = (0..marks).map(mark).collect();
        all.chunks(100)
            .map(|marks| Notice::Changed(marks.to_vec()))
            .collect()
    }

    /// Changes gather while their window is open; then they leave as one batch for each target.
    fn gather(bencher: Bencher, marks: usize, targets: usize) {
        bencher
            .counter(ItemsCount::new(marks))
            .with_inputs(|| (in_step(targets), notices(marks)))
            .bench_values(|((mut engine, watch), notices)| {
                for notice in notices {
                    let effects = engine.step(now(20_000), Input::Watch(watch, notice));
                    assert!(started(effects).is_empty(), "the window is open");
                }
                let batches = started(engine.step(now(22_000), Input::Tick));
                assert_eq!(batches.len(), targets);
                assert_eq!(batches[0].1, marks);
                engine
            });
    }

    #[divan::bench(args = [1, 1_000, 20_000])]
    fn one_target(bencher: Bencher, marks: usize) {
        gather(bencher, marks, 1);
    }

    #[divan::bench(args = [1, 1_000])]
    fn ten_targets(bencher: Bencher, marks: usize) {
        gather(
            bencher,
            marks,
            4.min(Limits::default().transfers as usize).max(1),
        );
    }
}

mod list {
    use super::*;

    /// Marks of files that are there become a batch; looking is free, so that what is left is the list itself.
    #[divan::bench(args = [1, 1_000, 20_000])]
    fn files(bencher: Bencher, marks: usize) {
        let mark = |number| Mark {
            path: path(&file(number)),
            dirt: Dirt::CONTENT,
        };
        build(bencher, (0..marks).map(mark).collect(), marks);
    }

    /// New directories, each marked with all the files in it: the files fall away.
    #[divan::bench(args = [1_000, 20_000])]
    fn new_directories(bencher: Bencher, marks: usize) {
        let of_file = |number| Mark {
            path: path(&file(number)),
            dirt: Dirt::CONTENT,
        };
        let of_directory = |number: usize| Mark {
            path: path(&file(number * 100)).parent().unwrap(),
            dirt: Dirt::SUBTREE | Dirt::CONTENT,
        };
        let directories = marks / 100;
        let all = (0..marks)
            .map(of_file)
            .chain((0..directories).map(of_directory));
        build(bencher, all.collect(), directories);
    }

    fn build(bencher: Bencher, marks: Vec<Mark>, entries: usize) {
        let filter = Filter::compile(&spec(EXCLUDED)).unwrap();
        let scope = Scope {
            filter: &filter,
            delete: DeletePolicy::Mirror,
            hard_links: false,
            fences: &[],
            entries: None,
        };
        let look = |path: &RelPath| match path.as_bytes().ends_with(b".html") {
            true => Seen::Other { links: 1 },
            false => Seen::Directory,
        };
        let count = marks.len();
        let work = Work::Batch(marks);
        assert_eq!(normalise(&work, scope, &look).entries.len(), entries);
        bencher
            .counter(ItemsCount::new(count))
            .bench(|| normalise(divan::black_box(&work), scope, &look));
    }
}

mod digest_walk {
    use super::*;

    const DIRECTORIES: usize = 500;
    const FILES_EACH: usize = 20;

    type Rows = BTreeMap<RelPath, Vec<u8>>;

    struct Kept(Rows);

    impl Base for Kept {
        fn row(&self, directory: &RelPath) -> Option<Vec<u8>> {
            self.0.get(directory).cloned()
        }
    }

    struct Tree {
        _scratch: TempDir,
        source: PathBuf,
        private: PathBuf,
        rows: Kept,
    }

    /// Made once; its rows are those of a first survey.
    fn tree() -> &'static Tree {
        static TREE: OnceLock<Tree> = OnceLock::new();
        TREE.get_or_init(|| {
            let scratch = tempfile::tempdir().unwrap();
            let source = scratch.path().join("source");
            for directory in 0..DIRECTORIES {
                let at = source.join(format!("directory-{directory:04}"));
                fs::create_dir_all(&at).unwrap();
                for file in 0..FILES_EACH {
                    fs::write(at.join(format!("file-{file:02}")), "x").unwrap();
                }
            }
            let mut tree = Tree {
                private: scratch.path().join("state"),
                _scratch: scratch,
                source,
                rows: Kept(Rows::new()),
            };
            let (_, rows) = walk(&tree, 1, false);
            assert_eq!(rows.len(), DIRECTORIES + 1);
            tree.rows = Kept(rows);
            tree
        })
    }

    /// Later than the files were made, so that none is too young to be told from a later change.
    fn in_an_hour() -> SystemTime {
        SystemTime::now() + Duration::from_secs(3600)
    }

    fn walk(tree: &Tree, threads: usize, compare: bool) -> (Surveyed, Rows) {
        let source = SourcePlan {
            name: SourceName("bench".into()),
            path: tree.source.to_str().unwrap().into(),
            filter: spec(&[]),
            events: EventSet::default(),
            one_file_system: false,
            guard: SourceGuard::default(),
            labels: BTreeMap::new(),
            routes: BTreeMap::new(),
        };
        let filter = Filter::compile(&source.filter).unwrap();
        let survey = Survey {
            id: SurveyId(1),
            root: host::identify(&tree.source).unwrap(),
            source: Arc::new(source),
            scope: SurveyScope::Everything,
            compare,
            told: Told {
                since: Some(Timestamp::MAX),
                ..Told::default()
            },
            release: None,
        };
        let request = Request {
            survey: &survey,
            filter: &filter,
            private: &tree.private,
            base: compare.then_some(&tree.rows as &dyn Base),
            threads,
            now: in_an_hour,
        };
        let rows = Mutex::new(Rows::new());
        let sink = |some: Vec<(RelPath, Option<Vec<u8>>)>| {
            let mut rows = rows.lock().unwrap();
            rows.extend(some.into_iter().filter_map(|(at, row)| Some((at, row?))));
        };
        let found = survey::run(&request, &sink, &AtomicBool::new(false));
        (found, rows.into_inner().unwrap())
    }

    /// A tree that is as it was: what a restart and an overflow do first.
    #[divan::bench(args = [1, 2])]
    fn unchanged(bencher: Bencher, threads: usize) {
        let tree = tree();
        bencher
            .counter(ItemsCount::new(DIRECTORIES * FILES_EACH))
            .bench(|| {
                let (found, rows) = walk(tree, threads, true);
                assert!(matches!(found, Surveyed::Done { marks, .. } if marks.is_empty()));
                assert!(rows.is_empty(), "nothing differs");
            });
    }

    /// All rows anew: what is done after a first pass.
    #[divan::bench(args = [1, 2])]
    fn first(bencher: Bencher, threads: usize) {
        let tree = tree();
        bencher
            .counter(ItemsCount::new(DIRECTORIES * FILES_EACH))
            .bench(|| {
                let (_, rows) = walk(tree, threads, false);
                assert_eq!(rows.len(), DIRECTORIES + 1);
            });
    }
}
