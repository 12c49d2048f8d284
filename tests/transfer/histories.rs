//! Random histories: whatever happened to the source, one batch of marks brings the target to it, directories' times
//! included, without a full pass.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, UNIX_EPOCH};

use heliostat::engine::{Dirt, Mark, RelPath, Work};
use heliostat::filter::{Filter, Verdict};
use heliostat::plan::{Compare, DeleteBudget, DeletePolicy};

use super::rig::{Rig, assert_done, filter};
use super::tree;

/// The source, changed at random, with the marks that a watch would make.
struct World {
    root: PathBuf,
    random: fastrand::Rng,
    marks: BTreeMap<RelPath, Dirt>,
    /// Whether a parent is marked with what changes in it.
    parents: bool,
    /// Whether what vanished is, at times, only known by the listing of its directory, as a survey finds it.
    surveyed: bool,
}

const NAMES: [&str; 7] = ["a", "b", "c.d", "c", "#x", "-e", "f g"];

impl World {
    fn mark(&mut self, path: &RelPath, dirt: Dirt) {
        *self.marks.entry(path.clone()).or_default() |= dirt;
        // Its parent's time has changed, which matters where it is excluded itself.
        if let Some(parent) = path
            .parent()
            .filter(|_| dirt != Dirt::ATTRIBUTES && self.parents)
        {
            *self.marks.entry(parent).or_default() |= Dirt::ATTRIBUTES;
        }
    }

    /// A path that may or may not be there; its parent is a real directory.
    fn pick(&mut self) -> RelPath {
        let mut path = RelPath::root();
        loop {
            path = path.join(self.random.choice(NAMES).unwrap().as_bytes());
            let there = path.under(&self.root).symlink_metadata();
            if !there.is_ok_and(|info| info.is_dir()) || self.random.u8(..3) == 0 {
                return path;
            }
        }
    }

    fn kind(&self, path: &RelPath) -> char {
        match path.under(&self.root).symlink_metadata() {
            Err(_) => '-',
            Ok(info) if info.is_dir() => 'd',
            Ok(info) if info.is_symlink() => 'l',
            Ok(_) => 'f',
        }
    }

    fn remove(&mut self, path: &RelPath) {
        let full = path.under(&self.root);
        match self.kind(path) {
            '-' => return,
            'd' => fs::remove_dir_all(full).unwrap(),
            _ => fs::remove_file(full).unwrap(),
        }
        self.vanished(path);
    }

    fn vanished(&mut self, path: &RelPath) {
        match path.parent().filter(|_| self.surveyed) {
            Some(parent) if self.random.bool() => self.mark(&parent, Dirt::LISTING),
            _ => self.mark(path, Dirt::GONE | Dirt::CONTENT),
        }
    }

    fn populate(&mut self, full: &Path, depth: u32) {
        fs::create_dir(full).unwrap();
        for name in NAMES.iter().take(self.random.usize(..4)) {
            if depth > 0 && self.random.bool() {
                self.populate(&full.join(name), depth - 1);
            } else {
                fs::write(full.join(name), self.text()).unwrap();
            }
        }
    }

    fn text(&mut self) -> String {
        let size = self.random.usize(..4);
        (0..size).map(|_| self.random.lowercase()).collect()
    }

    fn step(&mut self) {
        let path = self.pick();
        let full = path.under(&self.root);
        match (self.random.u8(..12), self.kind(&path)) {
            (0..=2, '-' | 'f') => {
                fs::write(&full, self.text()).unwrap();
                self.mark(&path, Dirt::CONTENT);
            }
            // Same size, same time, other content.
            (3, 'f') => {
                let time = full.metadata().unwrap().modified().unwrap();
                let text: String = fs::read_to_string(&full).unwrap().chars().rev().collect();
                fs::write(&full, text).unwrap();
                fs::File::open(&full).unwrap().set_modified(time).unwrap();
                self.mark(&path, Dirt::CONTENT);
            }
            (4, 'f' | 'd') => {
                let mode = *self.random.choice(&[0o700, 0o755, 0o750]).unwrap();
                fs::set_permissions(&full, PermissionsExt::from_mode(mode)).unwrap();
                self.mark(&path, Dirt::ATTRIBUTES);
            }
            (5, 'f' | 'd') => {
                let time = UNIX_EPOCH + Duration::from_nanos(self.random.u64(..1 << 60));
                fs::File::open(&full).unwrap().set_modified(time).unwrap();
                self.mark(&path, Dirt::ATTRIBUTES);
            }
            (6, _) => self.remove(&path),
            (7 | 8, kind) => {
                if kind != '-' {
                    self.remove(&path);
                }
                self.populate(&full, 2);
                self.mark(&path, Dirt::SUBTREE);
            }
            (9, _) => {
                self.remove(&path);
                let to = *self.random.choice(&["a", "nowhere", ".", "../b"]).unwrap();
                symlink(to, &full).unwrap();
                self.mark(&path, Dirt::CONTENT);
            }
            (10 | 11, kind) if kind != '-' => {
                let to = self.pick();
                if to.starts_with(&path) || path.starts_with(&to) {
                    return;
                }
                self.remove(&to);
                fs::rename(&full, to.under(&self.root)).unwrap();
                self.vanished(&path);
                let new = if kind == 'd' {
                    Dirt::SUBTREE | Dirt::CONTENT | Dirt::GONE
                } else {
                    Dirt::CONTENT
                };
                self.mark(&to, new);
            }
            _ => {}
        }
    }
}

async fn history(seed: u64, rig: &Rig, delete: DeletePolicy, exclude: &[&str], surveyed: bool) {
    let mut world = World {
        root: rig.source.clone(),
        random: fastrand::Rng::with_seed(seed),
        marks: BTreeMap::new(),
        parents: !exclude.is_empty(),
        surveyed,
    };
    for batch in 0..2 {
        for _ in 0..world.random.usize(1..16) {
            world.step();
        }
        let marks: Vec<Mark> = std::mem::take(&mut world.marks)
            .into_iter()
            .map(|(path, dirt)| Mark { path, dirt })
            .collect();
        let mut route = rig.route(delete);
        route.max_delete = DeleteBudget::Count(1_000_000);
        route.filter = filter(&["**"], exclude);
        let compiled = Filter::compile(&route.filter).unwrap();
        let outcome = rig.done(route, &marks).await;
        let mut source = tree::read(&rig.source);
        source.retain(|path, _| compiled.decide(path, false).verdict == Verdict::Included);
        let differences = tree::differences(&source, &tree::read(&rig.target));
        assert!(
            differences.is_empty(),
            "seed {seed}, batch {batch}: {differences:#?}\nmarks {marks:#?}\n{outcome:#?}"
        );
    }
}

async fn histories(delete: DeletePolicy, exclude: &[&str], seeds: std::ops::Range<u64>) {
    // Without deleting by listing, what vanished has to be named.
    let surveys = delete == DeletePolicy::Mirror;
    let rig = Rig::new("").await;
    rig.pass(rig.route(delete)).await;
    for seed in seeds {
        history(seed, &rig, delete, exclude, surveys && seed % 2 == 1).await;
        for entry in fs::read_dir(&rig.source).unwrap() {
            let path = entry.unwrap().path();
            if path.symlink_metadata().unwrap().is_dir() {
                fs::remove_dir_all(path).unwrap()
            } else {
                fs::remove_file(path).unwrap()
            }
        }
        let mut route = rig.route(DeletePolicy::Mirror);
        route.max_delete = DeleteBudget::Count(1_000_000);
        let mut job = rig.job(route, Work::Pass(Compare::Quick));
        Arc::make_mut(&mut job.source).guard.allow_empty = true;
        assert_done(&rig.run(&job).await);
    }
}

#[tokio::test]
async fn mirrored_histories_end_equal() {
    histories(DeletePolicy::Mirror, &[], 0..30).await;
}

#[tokio::test]
async fn propagated_histories_end_equal() {
    histories(DeletePolicy::Propagate, &[], 100..120).await;
}

#[tokio::test]
async fn filtered_histories_end_equal() {
    histories(DeletePolicy::Mirror, &["#x", "/a/b", "c.*"], 200..210).await;
    histories(DeletePolicy::Propagate, &["#x", "/a/b", "c.*"], 210..220).await;
}
