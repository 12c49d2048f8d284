//! Random histories onto two targets at once, the rescans off: whenever the service says that everything is in sync,
//! both trees are the source's.
//!
//! `HELIOSTAT_HISTORIES` says how many, `HELIOSTAT_SEED` with which seed they begin. A red one is a bug with a seed.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::fs::{self, File, Metadata};
use std::io::{
    self,
    ErrorKind::{AlreadyExists, IsADirectory, NotADirectory, NotFound},
};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{MetadataExt, symlink};
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rustix::fs::{CWD, RenameFlags, renameat_with};
use serde_json::json;

use super::{PATIENCE, Story, knob};
use crate::rig::churn::{Churn, ODD_NAMES};
use crate::rig::wait_for;

/// Without `HELIOSTAT_HISTORIES`.
const HISTORIES: u64 = 4;

/// In a history: so often the work stops, and the service is held to its word.
const ROUNDS: u32 = 3;

/// In a round.
const OPERATIONS: u32 = 150;

/// Of a round, by chance from one operation to the next: bursts and pauses.
const ROUND: Duration = Duration::from_millis(1200);

#[test]
fn random_histories_reach_both_targets() {
    let first = knob("HELIOSTAT_SEED", 1);
    for seed in first..first + knob("HELIOSTAT_HISTORIES", HISTORIES) {
        if let Err(panic) = catch_unwind(AssertUnwindSafe(|| history(seed))) {
            eprintln!("\nto see it again: HELIOSTAT_SEED={seed} HELIOSTAT_HISTORIES=1\n");
            resume_unwind(panic);
        }
    }
}

fn history(seed: u64) {
    let mut story = Story::with(&json!({"delete": "mirror", "maxDelete": 100_000}));
    story.write("d000/f", "for the links to point at");
    let mut random = fastrand::Rng::with_seed(seed);
    let mut churn = Churn::new(&story.source, seed);
    let mut swaps = Swaps::new(&story.source, &story.scratch.dir("outside"), seed);
    for _ in 0..100 {
        churn.step();
        swaps.step();
    }
    story.start();
    for _ in 0..ROUNDS {
        let begin = Instant::now();
        let mut due = Duration::ZERO;
        for _ in 0..OPERATIONS {
            if random.u32(..10) < 6 {
                churn.step();
            } else {
                swaps.step();
            }
            // Most follow at once; now and then nothing happens for a while.
            if random.u32(..10) == 0 {
                due += ROUND * 20 / OPERATIONS * random.u32(..10) / 10;
            }
            let _ = wait_for(due.saturating_sub(begin.elapsed()), || {
                (begin.elapsed() >= due).then_some(())
            });
        }
        story.settle();
    }
    assert_eq!(story.service.stop().0, 0, "{}", story.service.tail());
}

#[test]
fn what_is_written_under_another_name_of_a_file_is_found_by_a_rescan() {
    let mut story = Story::with(&json!({"delete": "mirror"}));
    story.write("one", "old");
    story.write("d/x", "x");
    story.start();
    fs::hard_link(story.source.join("one"), story.source.join("d/other")).unwrap();
    story.settle();
    story.write("d/other", "newer");
    assert!(story.service.wait(PATIENCE));
    assert_eq!(story.service.call(&["rescan"]).code, 0);
    story.settle();
}

/// Operations that replace something by something else at one stroke, on what is there, whatever it is.
struct Swaps {
    random: fastrand::Rng,
    base: PathBuf,
    /// On the same file system, not in the source.
    outside: PathBuf,
    step: u64,
}

impl Swaps {
    fn new(root: &Path, outside: &Path, seed: u64) -> Swaps {
        let base = root.join("swaps");
        fs::create_dir_all(&base).unwrap();
        Swaps {
            random: fastrand::Rng::with_seed(!seed),
            base,
            outside: outside.to_owned(),
            step: 0,
        }
    }

    fn step(&mut self) {
        self.step += 1;
        let dice = self.random.u32(..100);
        if let Err(error) = self.operate(dice) {
            // What was picked may have been a directory above what it is to be moved into.
            let moot = matches!(
                error.kind(),
                NotFound | NotADirectory | IsADirectory | AlreadyExists
            ) || error
                .raw_os_error()
                .is_some_and(|errno| MOOT.contains(&errno));
            assert!(moot, "swap {dice} in step {}: {error}", self.step);
        }
    }

    fn operate(&mut self, dice: u32) -> io::Result<()> {
        let found = walk(&self.base);
        let n = self.step;
        let new = self.new_name(&found);
        let (a, b) = (self.pick(&found), self.pick(&found));
        match dice {
            _ if found.len() < 8 => self.plant(&new),
            0..12 => self.plant(&new),
            12..20 => self.rewrite(&new),
            // A link takes the place of a file, of another link, or is taken for one.
            20..34 => {
                let fresh = self.outside.join("link");
                symlink(
                    ["f0", "..", "/nonexistent", "../d000/f"][self.random.usize(..4)],
                    &fresh,
                )?;
                if is(&a, Metadata::is_dir) {
                    fs::remove_dir_all(&a)?;
                }
                fs::rename(fresh, a)
            }
            34..48 => Ok(renameat_with(CWD, a, CWD, b, RenameFlags::EXCHANGE)?),
            48..56 if is(&a, Metadata::is_file) => fs::hard_link(a, new),
            56..68 if is(&a, Metadata::is_dir) => {
                let away = self.outside.join(format!("away{n}"));
                fs::rename(a, away)
            }
            68..78 => match fs::read_dir(&self.outside)?.next() {
                Some(away) => fs::rename(away?.path(), new),
                None => Ok(()),
            },
            78..86 if is(&a, Metadata::is_dir) => {
                fs::remove_dir_all(&a)?;
                self.plant(&a)
            }
            // Neither size nor time tells that the content is another.
            86..95 if is(&a, |found| found.is_file() && found.len() == 8) => {
                let time = fs::metadata(&a)?.modified()?;
                self.rewrite(&a)?;
                File::options().write(true).open(&a)?.set_modified(time)
            }
            95..98 if is(&a, Metadata::is_file) => {
                let fresh = self.outside.join("file");
                fs::write(&fresh, format!("{n:08}"))?;
                fs::rename(fresh, a)
            }
            _ if is(&a, Metadata::is_dir) => fs::remove_dir_all(a),
            _ => fs::remove_file(a),
        }
    }

    /// Writes a file in place, unless it has further names: of a write the kernel tells under the name that was opened
    /// alone, so the others are for a rescan.
    fn rewrite(&self, at: &Path) -> io::Result<()> {
        if is(at, |found| found.is_file() && found.nlink() > 1) {
            fs::remove_file(at)?;
        }
        fs::write(at, format!("{:08}", self.step))
    }

    /// A directory with something in it.
    fn plant(&mut self, at: &Path) -> io::Result<()> {
        fs::create_dir(at)?;
        for name in ["f0", "f1"] {
            fs::write(at.join(name), format!("{:08}", self.step))?;
        }
        fs::create_dir_all(at.join("sub/deeper"))?;
        fs::write(at.join("sub/deeper/f2"), "deep")?;
        symlink("../f0", at.join("sub/up"))
    }

    fn new_name(&mut self, found: &BTreeSet<PathBuf>) -> PathBuf {
        let directories: Vec<&PathBuf> = found
            .iter()
            .filter(|path| is(path, Metadata::is_dir))
            .collect();
        let directory = match self.random.usize(..=directories.len()) {
            at if at < directories.len() => directories[at],
            _ => &self.base,
        };
        match self.random.usize(..4) {
            0 => directory.join(OsStr::from_bytes(
                ODD_NAMES[self.random.usize(..ODD_NAMES.len())],
            )),
            _ => directory.join(format!("s{}", self.step)),
        }
    }

    fn pick(&mut self, found: &BTreeSet<PathBuf>) -> PathBuf {
        let at = self.random.usize(..found.len().max(1));
        found.iter().nth(at).unwrap_or(&self.base).clone()
    }
}

/// EINVAL (into itself), ENOTEMPTY, ELOOP, ENAMETOOLONG, EXDEV is none of them.
const MOOT: [i32; 4] = [22, 39, 40, 36];

fn is(path: &Path, kind: impl FnOnce(&Metadata) -> bool) -> bool {
    fs::symlink_metadata(path).is_ok_and(|metadata| kind(&metadata))
}

/// Everything below, in an order that is the same in each run.
fn walk(base: &Path) -> BTreeSet<PathBuf> {
    let mut found = BTreeSet::new();
    let mut open = vec![base.to_owned()];
    while let Some(directory) = open.pop() {
        for entry in fs::read_dir(directory).into_iter().flatten().flatten() {
            if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                open.push(entry.path());
            }
            found.insert(entry.path());
        }
    }
    found
}
