//! The trees that the tools work on: a source of so many files, and targets that already are like it.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use rustix::fs::{AtFlags, CWD, Timespec, Timestamps, utimensat};

use crate::ending;
use crate::rig::tree::{Difference, Look, differences};
use crate::rig::{Scratch, wait_for};

/// rsync, as the yardstick.
pub const RSYNC: &str = "/usr/bin/rsync";

/// From so many files on they are empty: a block of disk for each of three copies would say nothing more, as no tool
/// reads what size and time say is equal.
pub const EMPTY_FROM: usize = 500_000;

/// Of a tool's name in its directory's: sockets lie in it, whose paths must be short.
const OWN_MAX: usize = 20;

/// The time of everything in a new tree, so that copies are equal without being copied; long ago, as most files are.
const MADE: Timespec = Timespec {
    tv_sec: 1_750_000_000,
    tv_nsec: 123_456_789,
};

/// A tool may take so long to end up with equal trees.
const EQUAL_MAX: Duration = Duration::from_secs(30);

/// A source and two targets, in a scratch directory of their own.
pub struct Place {
    scratch: Scratch,
    /// What is watched.
    pub source: PathBuf,
    /// What a daemon's module serves.
    pub module: PathBuf,
    /// A local target.
    pub local: PathBuf,
    /// The files, relative to the source.
    pub files: Vec<PathBuf>,
    /// Those that were written since.
    touched: RefCell<BTreeSet<PathBuf>>,
}

impl Place {
    /// A source of `directories` with `files` small files each, and targets that are equal to it where `filled`.
    pub fn new(directories: usize, files: usize, filled: bool) -> Place {
        let scratch = Scratch::new();
        ending::made(scratch.path());
        let (source, module, local) = (
            scratch.dir("source"),
            scratch.dir("module"),
            scratch.dir("local"),
        );
        let roots = match filled {
            false => vec![&source],
            true => vec![&source, &module, &local],
        };
        thread::scope(|threads| {
            for root in roots {
                threads.spawn(|| make(root, directories, files));
            }
        });
        // What is written back later stops whoever replaces a file meanwhile, for tens of milliseconds.
        rustix::fs::sync();
        let names = (0..directories)
            .flat_map(|directory| (0..files).map(move |file| name(directory).join(leaf(file))));
        Place {
            files: names.collect(),
            scratch,
            source,
            module,
            local,
            touched: RefCell::default(),
        }
    }

    /// As many files as asked for, in directories as a web site has them.
    pub fn with_files(files: usize) -> Place {
        let each = (files / 50).clamp(1, 100);
        Place::new(files.div_ceil(each), each, true)
    }

    /// Writes one of the files in the source.
    pub fn write(&self, file: &Path, content: &str) {
        fs::write(self.source.join(file), content).unwrap();
        self.touched.borrow_mut().insert(file.to_owned());
    }

    /// Brings what was written, and did not arrive at one of the targets, in step with the source.
    pub fn equalise(&self) {
        for file in std::mem::take(&mut *self.touched.borrow_mut()) {
            let from = self.source.join(&file);
            for target in [&self.module, &self.local] {
                fs::copy(&from, target.join(&file)).unwrap();
                let times = fs::metadata(&from).unwrap().modified().unwrap();
                let copy = File::options().write(true).open(target.join(&file));
                copy.unwrap().set_modified(times).unwrap();
            }
        }
    }

    /// What is not equal at `target` when the tool has had time: types, modes, owners, sizes, nanosecond times and content.
    /// Where files are empty as far as their size tells, the content of those that were written is looked at apart.
    pub fn left_at(&self, target: &Path) -> Vec<Difference> {
        let large = self.files.len() >= EMPTY_FROM;
        let look = Look {
            content: !large,
            ..Look::default()
        };
        let mut left = Vec::new();
        wait_for(EQUAL_MAX, || {
            left = differences(&self.source, target, &look);
            left.is_empty().then_some(())
        });
        if large {
            let touched = self.touched.borrow();
            let differs = |file: &&PathBuf| {
                fs::read(self.source.join(file)).ok() != fs::read(target.join(file)).ok()
            };
            let path = |file: &PathBuf| file.to_string_lossy().as_bytes().to_vec();
            left.extend(
                touched
                    .iter()
                    .filter(differs)
                    .map(|file| Difference::Missing(path(file))),
            );
        }
        left
    }

    /// A new directory for a tool's own files.
    pub fn own(&self, tool: &str) -> PathBuf {
        let name: String = tool
            .chars()
            .map(|c| if c.is_ascii_alphanumeric() { c } else { '-' })
            .take(OWN_MAX)
            .collect();
        let at = (0..).map(|number| self.scratch.path().join(format!("tool-{name}-{number}")));
        let path = at
            .take(10_000)
            .find(|path| !path.exists())
            .expect("a tool is started a few times");
        fs::create_dir(&path).unwrap();
        path
    }
}

impl Drop for Place {
    /// All trees at once: one after the other takes a minute where they are great.
    fn drop(&mut self) {
        thread::scope(|threads| {
            for root in [&self.source, &self.module, &self.local] {
                threads.spawn(move || fs::remove_dir_all(root));
            }
        });
        ending::gone(self.scratch.path());
    }
}

fn name(directory: usize) -> PathBuf {
    PathBuf::from(format!("d{directory:06}"))
}

fn leaf(file: usize) -> String {
    format!("f{file:04}")
}

fn make(root: &Path, directories: usize, files: usize) {
    let empty = directories * files >= EMPTY_FROM;
    let times = Timestamps {
        last_access: MADE,
        last_modification: MADE,
    };
    for directory in 0..directories {
        let path = root.join(name(directory));
        fs::create_dir(&path).unwrap();
        for file in 0..files {
            let at = path.join(leaf(file));
            let mut new = File::create(at).unwrap();
            if !empty {
                writeln!(new, "{directory} {file}").unwrap();
            }
            rustix::fs::futimens(&new, &times).unwrap();
        }
        utimensat(CWD, &path, &times, AtFlags::empty()).unwrap();
    }
    utimensat(CWD, root, &times, AtFlags::empty()).unwrap();
}
