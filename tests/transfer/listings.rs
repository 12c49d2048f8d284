//! Listings: one directory is reconciled with what leaves it, and nothing below is touched. The real daemon and the
//! local copier, on trees that differ at random.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::time::{Duration, UNIX_EPOCH};

use heliostat::engine::{Dirt, Hold, Mark, Outcome, RelPath, Verdict, Work};
use heliostat::filter::{Filter, Verdict as Scope};
use heliostat::plan::{DeleteBudget, DeletePolicy, RoutePlan, Target};

use super::rig::{Rig, assert_done, filter, mark};
use super::tree::{self, Node, Tree};

/// `k.tmp` and directories named `build` are protected.
const NAMES: [&[u8]; 9] = [
    b"a",
    b"b",
    b"c.d",
    b"#x",
    b"-e",
    b"new\nline",
    b"f\xff",
    b"k.tmp",
    b"build",
];
const EXCLUDE: [&str; 2] = ["*.tmp", "build/"];

/// Grows and changes trees. No two files have the same time, as no two writes of a slow hand have.
struct Hand {
    random: fastrand::Rng,
    time: u64,
}

impl Hand {
    fn name(&mut self) -> &'static OsStr {
        OsStr::from_bytes(self.random.choice(NAMES).unwrap())
    }

    fn file(&mut self, path: &Path) {
        let size = self.random.usize(..4);
        let text: String = (0..size).map(|_| self.random.lowercase()).collect();
        fs::write(path, text).unwrap();
        self.time += 1;
        let time = UNIX_EPOCH + Duration::new(1_000_000_000, 0) + Duration::from_nanos(self.time);
        fs::File::open(path).unwrap().set_modified(time).unwrap();
    }

    fn grow(&mut self, directory: &Path, depth: u32) {
        for _ in 0..self.random.usize(..5) {
            let path = directory.join(self.name());
            if path.symlink_metadata().is_err() {
                self.entry(&path, depth);
            }
        }
    }

    fn entry(&mut self, path: &Path, depth: u32) {
        match self.random.u8(..8) {
            0..4 if depth > 0 => {
                fs::create_dir(path).unwrap();
                self.grow(path, depth - 1);
            }
            4 => symlink("a", path).unwrap(),
            _ => self.file(path),
        }
    }

    /// Some names come, go, or become something else, anywhere.
    fn change(&mut self, root: &Path, count: usize) {
        for _ in 0..count {
            let directories: Vec<_> = directories(root).into_iter().collect();
            let directory = self.random.choice(&directories).unwrap().under(root);
            let path = directory.join(self.name());
            if let Ok(there) = path.symlink_metadata() {
                if there.is_dir() {
                    fs::remove_dir_all(&path).unwrap();
                } else {
                    fs::remove_file(&path).unwrap();
                }
                if self.random.bool() {
                    continue;
                }
            }
            self.entry(&path, 2);
            if path.is_dir() && self.random.bool() {
                fs::set_permissions(&path, PermissionsExt::from_mode(0o750)).unwrap();
            }
        }
    }
}

fn directories(root: &Path) -> BTreeSet<RelPath> {
    let tree = tree::read(root);
    tree.iter()
        .filter(|(_, node)| node.is_dir())
        .map(|(path, _)| RelPath::new(path).unwrap())
        .collect()
}

/// What must hold of a target after listings were reconciled, from what was before.
struct Expected<'a> {
    scope: &'a Filter,
    source: &'a Tree,
    before: &'a Tree,
    listed: &'a BTreeSet<RelPath>,
}

/// What becomes of something on the target.
#[derive(PartialEq, Eq, Debug)]
enum Fate {
    /// No listing reaches it, or a filter protects it.
    Stays,
    /// It is directly in a listed directory, and the source has it.
    Likened,
    /// It leaves, with a listed directory's name above it or by itself.
    Leaves,
    /// It should leave, and something protected is in it.
    Kept,
    /// It is in a directory that should become a file, and holds something protected.
    Blocked,
}

impl Expected<'_> {
    fn belongs(&self, path: &RelPath, node: &Node) -> bool {
        self.scope.decide(path.as_bytes(), node.is_dir()).verdict == Scope::Included
    }

    fn ours(&self, path: &RelPath) -> Option<&Node> {
        let node = self.source.get(path.as_bytes())?;
        self.belongs(path, node).then_some(node)
    }

    fn is_listed(&self, path: &RelPath) -> bool {
        path.parent()
            .is_some_and(|parent| self.listed.contains(&parent))
    }

    fn holds_protected(&self, top: &RelPath) -> bool {
        self.before.iter().any(|(path, node)| {
            let path = RelPath::new(path).unwrap();
            path != *top && path.starts_with(top) && !self.belongs(&path, node)
        })
    }

    fn fate(&self, path: &RelPath, node: &Node) -> Fate {
        if !self.belongs(path, node) {
            return Fate::Stays;
        }
        let above = path.ancestors().filter_map(RelPath::new);
        for here in above
            .chain([path.clone()])
            .filter(|here| self.is_listed(here))
        {
            let there = &self.before[here.as_bytes()];
            let gone = match self.ours(&here) {
                None => true,
                Some(ours) if there.is_dir() && !ours.is_dir() => {
                    if self.holds_protected(&here) {
                        return Fate::Blocked;
                    }
                    here != *path
                }
                Some(_) => false,
            };
            if gone && self.holds_protected(path) {
                return Fate::Kept;
            }
            if gone {
                return Fate::Leaves;
            }
        }
        // A file in the place of a directory above a listed one makes way.
        let way = !node.is_dir() && self.listed.iter().any(|listed| listed.starts_with(path));
        if self.is_listed(path) || way {
            Fate::Likened
        } else {
            Fate::Stays
        }
    }

    fn count(&self, fate: Fate) -> u64 {
        let is = |(path, node): &(&Vec<u8>, &Node)| {
            self.fate(&RelPath::new(path).unwrap(), node) == fate
        };
        self.before.iter().filter(is).count() as u64
    }

    /// Everything that is not as it should be.
    fn faults(&self, after: &Tree) -> Vec<String> {
        let mut faults = Vec::new();
        let mut fault = |what: &str, path: &RelPath| faults.push(format!("{what}: {path}"));
        for (path, node) in self.before {
            let path = RelPath::new(path).unwrap();
            let now = after.get(path.as_bytes());
            match self.fate(&path, node) {
                Fate::Stays if now.is_none() => fault("was deleted", &path),
                Fate::Stays if !node.is_dir() && now != Some(node) => fault("was changed", &path),
                Fate::Leaves if now.is_some() => fault("is still there", &path),
                Fate::Kept if now.is_none() => fault("had something protected in it", &path),
                Fate::Stays | Fate::Leaves | Fate::Kept | Fate::Likened | Fate::Blocked => {}
            }
        }
        for (path, node) in self.source {
            let path = RelPath::new(path).unwrap();
            let itself = self.listed.contains(&path);
            if !(itself || self.is_listed(&path) && self.belongs(&path, node)) {
                continue;
            }
            if self.before.get(path.as_bytes()).is_some_and(|there| {
                self.fate(&path, there) == Fate::Blocked || !self.belongs(&path, there)
            }) {
                continue;
            }
            match after.get(path.as_bytes()) {
                None => fault("is missing", &path),
                Some(there) if there != node => fault("differs", &path),
                Some(_) => {}
            }
        }
        for (path, node) in after {
            let path = RelPath::new(path).unwrap();
            let known = self.before.contains_key(path.as_bytes())
                || self.is_listed(&path)
                || self.listed.iter().any(|listed| listed.starts_with(&path));
            if !known || !self.belongs(&path, node) && !self.before.contains_key(path.as_bytes()) {
                fault("came from nowhere", &path);
            }
        }
        faults
    }
}

struct Run<'a> {
    rig: &'a Rig,
    route: RoutePlan,
    marks: Vec<Mark>,
}

impl Run<'_> {
    async fn with(&self, budget: u64) -> Outcome {
        let mut route = self.route.clone();
        route.max_delete = DeleteBudget::Count(budget);
        let mut job = self.rig.job(route, Work::Batch(self.marks.clone()));
        std::sync::Arc::make_mut(&mut job.source).guard.allow_empty = true;
        self.rig.run(&job).await
    }
}

async fn random(seed: u64, rig: &Rig, target: &Target, at: &Path) {
    let mut hand = Hand {
        random: fastrand::Rng::with_seed(seed),
        time: 0,
    };
    for root in [&rig.source, &at.to_path_buf()] {
        for name in fs::read_dir(root).unwrap() {
            let path = name.unwrap().path();
            if path.symlink_metadata().unwrap().is_dir() {
                fs::remove_dir_all(path).unwrap();
            } else {
                fs::remove_file(path).unwrap();
            }
        }
    }
    hand.grow(&rig.source, 3);
    let mut route = rig.route(DeletePolicy::Mirror);
    route.target = target.clone();
    rig.pass(route.clone()).await;
    route.filter = filter(&["**"], &EXCLUDE);
    let scope = Filter::compile(&route.filter).unwrap();
    let count = hand.random.usize(..6);
    hand.change(&rig.source, count);
    let count = hand.random.usize(..10);
    hand.change(at, count);

    let (source, before) = (tree::read(&rig.source), tree::read(at));
    let mut listed = directories(&rig.source);
    listed.retain(|path| {
        let belongs =
            path.is_root() || scope.decide(path.as_bytes(), true).verdict == Scope::Included;
        belongs && hand.random.u8(..3) == 0
    });
    let expected = Expected {
        scope: &scope,
        source: &source,
        before: &before,
        listed: &listed,
    };
    let marks: Vec<Mark> = listed
        .iter()
        .map(|path| Mark {
            path: path.clone(),
            dirt: Dirt::LISTING,
        })
        .collect();
    // Where a protected file has the name of a directory that is to be there, or the other way round, a failure is right.
    let clash = before.iter().any(|(path, node)| {
        let path = RelPath::new(path).unwrap();
        !expected.belongs(&path, node)
            && source
                .get(path.as_bytes())
                .is_some_and(|ours| expected.belongs(&path, ours))
    });
    let run = Run { rig, route, marks };
    let leaving = expected.count(Fate::Leaves);
    let place = format!("seed {seed} {target:?}\nlisted {listed:?}");

    let blocked = expected.count(Fate::Blocked) > 0;
    if leaving > 0 && !blocked && !clash {
        let outcome = run.with(leaving - 1).await;
        assert!(
            matches!(&outcome.verdict, Verdict::Held(Hold::Deletes(plan)) if plan.count == leaving),
            "{place}\n{leaving} {outcome:#?}"
        );
        assert_eq!(outcome.stats.deleted, 0, "{place}");
        let now = tree::read(at);
        assert!(before.keys().all(|path| now.contains_key(path)), "{place}");
    }
    let outcome = run.with(1_000_000).await;
    assert_eq!(outcome.verdict, Verdict::Done, "{place}\n{outcome:#?}");
    let failing = blocked || clash;
    assert!(
        failing || outcome.failed.is_empty(),
        "{place}\n{outcome:#?}"
    );
    let faults = expected.faults(&tree::read(at));
    assert!(
        faults.is_empty() || clash,
        "{place}\n{faults:#?}\n{outcome:#?}"
    );
    if !failing {
        assert_eq!(outcome.stats.deleted, leaving, "{place}");
        let again = run.with(0).await;
        assert_done(&again);
        assert_eq!(
            (again.stats.deleted, again.stats.created),
            (0, 0),
            "{place}"
        );
    }
}

fn local(rig: &Rig) -> (Target, PathBuf) {
    let at = rig.at("here");
    fs::create_dir(&at).unwrap();
    let path = at.display().to_string();
    (Target::Local { path }, at)
}

#[tokio::test]
async fn listings_of_random_trees_on_a_daemon() {
    let rig = Rig::new("").await;
    let target = rig.module("m");
    for seed in 0..30 {
        random(seed, &rig, &target, &rig.target).await;
    }
}

#[tokio::test]
async fn listings_of_random_trees_on_a_local_target() {
    let rig = Rig::new("").await;
    let (target, at) = local(&rig);
    for seed in 0..400 {
        random(seed, &rig, &target, &at).await;
    }
}

/// Names that differ on the target, at the root and below, as left by what was delivered and then forgotten.
fn drift(rig: &Rig, at: &Path) {
    for path in ["d/sub", "d/old/deep", "d/keep", "gone"] {
        fs::create_dir_all(at.join(path)).unwrap();
    }
    for path in [
        "d/x",
        "d/sub/theirs",
        "d/old/deep/1",
        "d/keep/k.tmp",
        "d/keep/2",
        "d/p.tmp",
        "gone/3",
        "top",
    ] {
        fs::write(at.join(path), "theirs").unwrap();
    }
    rig.write("d/here", "new");
    rig.write("d/sub/ours", "not sent");
    rig.write("rootfile", "new");
}

#[tokio::test]
async fn only_a_mirror_takes_what_a_listing_has_lost() {
    let rig = Rig::new("").await;
    let (here, local_at) = local(&rig);
    for (target, at) in [(rig.module("m"), rig.target.clone()), (here, local_at)] {
        for policy in [DeletePolicy::Never, DeletePolicy::Propagate] {
            drift(&rig, &at);
            let before: Vec<_> = tree::read(&at).into_keys().collect();
            let mut route = rig.route(policy);
            route.target = target.clone();
            // Both the root alone, which is its attributes and nothing in it, and with a directory below.
            for marks in [
                vec![mark("", Dirt::LISTING)],
                vec![mark("", Dirt::LISTING), mark("d", Dirt::LISTING)],
            ] {
                let outcome = rig.done(route.clone(), &marks).await;
                assert_eq!((outcome.stats.deleted, outcome.stats.created), (0, 0));
                let (source, after) = (tree::read(&rig.source), tree::read(&at));
                assert_eq!(after.keys().cloned().collect::<Vec<_>>(), before);
                for marked in &marks {
                    let path = marked.path.as_bytes();
                    assert_eq!(source[path], after[path], "{policy:?} {target:?}");
                }
            }
        }
    }
}

#[tokio::test]
async fn a_listing_goes_along_with_everything_else_under_one_budget() {
    let rig = Rig::new("").await;
    let (here, local_at) = local(&rig);
    for (target, at) in [(rig.module("m"), rig.target.clone()), (here, local_at)] {
        drift(&rig, &at);
        let mut route = rig.route(DeletePolicy::Mirror);
        route.target = target;
        route.filter = filter(&["**"], &["*.tmp"]);
        fs::write(at.join("single"), "theirs").unwrap();
        let marks = [
            mark("d", Dirt::LISTING | Dirt::ATTRIBUTES),
            mark("d/x", Dirt::GONE),
            mark("gone", Dirt::GONE),
            mark("single", Dirt::GONE),
            mark("rootfile", Dirt::CONTENT),
        ];
        // In `d`: `x`, `old/deep/1`, `old/deep`, `old` and `keep/2`. Elsewhere: `gone/3`, `gone` and `single`.
        route.max_delete = DeleteBudget::Count(7);
        let held = rig
            .run(&rig.job(route.clone(), Work::Batch(marks.to_vec())))
            .await;
        assert!(
            matches!(&held.verdict, Verdict::Held(Hold::Deletes(plan)) if plan.count == 8),
            "{held:#?}"
        );
        assert!(at.join("d/x").exists() && at.join("single").exists());
        route.max_delete = DeleteBudget::Count(8);
        let outcome = rig.done(route, &marks).await;
        assert_eq!(outcome.stats.deleted, 8);
        let left: Vec<_> = tree::read(&at)
            .into_keys()
            .map(|path| String::from_utf8(path).unwrap())
            .collect();
        assert_eq!(
            left,
            [
                "",
                "d",
                "d/here",
                "d/keep",
                "d/keep/k.tmp",
                "d/p.tmp",
                "d/sub",
                "d/sub/theirs",
                "rootfile",
                "top"
            ]
        );
    }
}

#[tokio::test]
async fn an_emptied_source_root_is_held_for_a_listing_too() {
    let rig = Rig::new("").await;
    for at in 0..3 {
        fs::write(rig.target.join(format!("f{at}")), "theirs").unwrap();
    }
    let route = rig.route(DeletePolicy::Mirror);
    let outcome = rig
        .run(&rig.job(route, Work::Batch(vec![mark("", Dirt::LISTING)])))
        .await;
    assert!(
        matches!(&outcome.verdict, Verdict::Held(Hold::Guard(refusal)) if refusal.guard == "empty"),
        "{outcome:#?}"
    );
    assert!(rig.target.join("f2").exists());
}

#[tokio::test]
async fn a_directory_that_became_something_else_since_its_listing_was_marked() {
    let rig = Rig::new("").await;
    let mut route = rig.route(DeletePolicy::Mirror);
    route.max_delete = DeleteBudget::Count(100);
    for directory in ["file", "link", "missing", "stays"] {
        fs::create_dir_all(rig.target.join(directory).join("in")).unwrap();
        fs::write(rig.target.join(directory).join("in/it"), "theirs").unwrap();
    }
    rig.write("file", "a file now");
    symlink("file", rig.source.join("link")).unwrap();
    fs::create_dir(rig.source.join("stays")).unwrap();
    let marks = ["file", "link", "missing", "stays"].map(|name| mark(name, Dirt::LISTING));
    rig.done(route, &marks).await;
    let (source, target) = (tree::read(&rig.source), tree::read(&rig.target));
    assert_eq!(tree::differences(&source, &target), Vec::<String>::new());
}
