//! Seeded work that replaces something by something else at one stroke: links swapped, names exchanged, directories moved
//! out of the source and back, files rewritten so that neither size nor time tells.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::fs::{self, File, Metadata};
use std::io::{
    self,
    ErrorKind::{AlreadyExists, IsADirectory, NotADirectory, NotFound},
};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{MetadataExt, symlink};
use std::path::{Path, PathBuf};

use rustix::fs::{CWD, RenameFlags, renameat_with};

use super::churn::ODD_NAMES;

/// Operations that replace something by something else at one stroke, on what is there, whatever it is.
pub struct Swaps {
    random: fastrand::Rng,
    base: PathBuf,
    /// On the same file system, not in the source.
    outside: PathBuf,
    step: u64,
    /// Whether size or time tells of every change.
    told: bool,
}

impl Swaps {
    /// A history below `root/swaps`, which is made.
    pub fn new(root: &Path, outside: &Path, seed: u64) -> Swaps {
        let base = root.join("swaps");
        fs::create_dir_all(&base).unwrap();
        Swaps {
            random: fastrand::Rng::with_seed(!seed),
            base,
            outside: outside.to_owned(),
            step: 0,
            told: false,
        }
    }

    /// Without changes that neither size nor time tells. Two files that were written within one tick of the kernel's clock
    /// have one time: here none of nearby steps have one size, so that they can take each other's place.
    pub fn told(mut self) -> Swaps {
        self.told = true;
        self
    }

    fn text(&self) -> String {
        let more = if self.told {
            self.step as usize % 97
        } else {
            0
        };
        format!("{:08}{}", self.step, "x".repeat(more))
    }

    /// One operation. What cannot be done with what was picked is skipped.
    pub fn step(&mut self) {
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
            86..95 if !self.told && is(&a, |found| found.is_file() && found.len() == 8) => {
                let time = fs::metadata(&a)?.modified()?;
                self.rewrite(&a)?;
                File::options().write(true).open(&a)?.set_modified(time)
            }
            95..98 if is(&a, Metadata::is_file) => {
                let fresh = self.outside.join("file");
                fs::write(&fresh, self.text())?;
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
        fs::write(at, self.text())
    }

    /// A directory with something in it.
    fn plant(&mut self, at: &Path) -> io::Result<()> {
        fs::create_dir(at)?;
        for name in ["f0", "f1"] {
            fs::write(at.join(name), self.text())?;
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

pub(super) fn is(path: &Path, kind: impl FnOnce(&Metadata) -> bool) -> bool {
    fs::symlink_metadata(path).is_ok_and(|metadata| kind(&metadata))
}

/// Everything below, in an order that is the same in each run.
pub fn walk(base: &Path) -> BTreeSet<PathBuf> {
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
