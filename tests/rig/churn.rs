//! Seeded work on a source: a history of mixed operations, names and types changing under way.

use std::fs::{self, Permissions};
use std::io::{
    self,
    ErrorKind::{AlreadyExists, IsADirectory, NotADirectory, NotFound},
};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rustix::fs::{AtFlags, CWD, Timespec, Timestamps, utimensat};

use super::wait_for;

/// File names that have hurt somebody: comments, options, filter rules, globs, hosts, control bytes, invalid UTF-8, 255 bytes.
pub const ODD_NAMES: &[&[u8]] = &[
    b"#hash",
    b";semi",
    b"#auto#",
    b"-rf",
    b"--delete",
    b"+ plus",
    b"- minus",
    b"!",
    b"a\nb",
    b"\xff\xfe",
    &[b'x'; 255],
    b"a*b",
    b"[x]",
    b"a\\",
    b" lead",
    b"trail ",
    b"host:x",
    b"host::mod",
    b"\\#012",
    b"\x1b[31mred",
    b"\t",
    b"..a",
    b"{a,b}",
    b"%20",
    b"'q\"",
    b"$HOME",
    b"`id`",
    "\u{fc}".as_bytes(),
    "u\u{308}".as_bytes(),
];

/// Steps between two looks at what is left of the known files and directories.
const REFRESH_STEPS: u64 = 40;

/// A history under way. The same seed on an equal tree makes the same history.
pub struct Churn {
    random: fastrand::Rng,
    /// The base comes first and stays.
    directories: Vec<PathBuf>,
    files: Vec<PathBuf>,
    step: u64,
}

impl Churn {
    /// A history below `root/churn`, which is made.
    pub fn new(root: &Path, seed: u64) -> Churn {
        let base = root.join("churn");
        fs::create_dir_all(&base).unwrap();
        Churn {
            random: fastrand::Rng::with_seed(seed),
            directories: vec![base],
            files: Vec::new(),
            step: 0,
        }
    }

    /// One operation. What cannot be done any more, because a directory above it went, is skipped.
    pub fn step(&mut self) {
        self.step += 1;
        let dice = self.random.u32(..100);
        if let Err(error) = self.operate(dice) {
            let gone = matches!(
                error.kind(),
                NotFound | NotADirectory | IsADirectory | AlreadyExists
            );
            assert!(gone, "operation {dice} in step {}: {error}", self.step);
        }
        if self.step.is_multiple_of(REFRESH_STEPS) {
            self.files.retain(|file| is(file, fs::FileType::is_file));
            let mut at = 0;
            self.directories.retain(|directory| {
                at += 1;
                at == 1 || is(directory, fs::FileType::is_dir)
            });
        }
    }

    /// `steps` operations, spread evenly over `time`; at once where it is zero.
    pub fn run(&mut self, steps: u32, time: Duration) {
        let start = Instant::now();
        for step in 1..=steps {
            self.step();
            let due = start + time * step / steps;
            let _ = wait_for(due.saturating_duration_since(Instant::now()), || {
                (Instant::now() >= due).then_some(())
            });
        }
    }

    fn operate(&mut self, dice: u32) -> io::Result<()> {
        let n = self.step;
        match dice {
            _ if self.files.is_empty() => self.create(),
            0..30 => self.create(),
            30..53 => fs::write(self.any_file(), format!("{n:08}")),
            53..63 => {
                let directory = self.any_directory().join(format!("a{n}/b/c"));
                fs::create_dir_all(&directory)?;
                let file = directory.join("deep");
                fs::write(&file, format!("{n:08}"))?;
                self.files.push(file);
                self.directories.push(directory);
                Ok(())
            }
            63..72 => {
                let (from, to) = (self.take_file(), self.any_directory().join(format!("m{n}")));
                fs::rename(from, &to)?;
                self.files.push(to);
                Ok(())
            }
            72..78 => {
                let Some(from) = self.take_directory() else {
                    return Ok(());
                };
                let to = self.any_directory().join(format!("moved{n}"));
                if to.starts_with(&from) {
                    self.directories.push(from);
                    return Ok(());
                }
                fs::rename(from, &to)?;
                self.directories.push(to);
                Ok(())
            }
            78..81 => {
                let mode = [0o600, 0o644, 0o755][self.random.usize(..3)];
                fs::set_permissions(self.any_file(), Permissions::from_mode(mode))
            }
            81..84 => {
                let time = Timespec {
                    tv_sec: 1_000_000_000,
                    tv_nsec: self.random.i64(0..1_000_000_000),
                };
                let times = Timestamps {
                    last_access: time,
                    last_modification: time,
                };
                Ok(utimensat(
                    CWD,
                    self.any_file(),
                    &times,
                    AtFlags::SYMLINK_NOFOLLOW,
                )?)
            }
            84..87 => {
                let path = self.take_file();
                fs::remove_file(&path)?;
                fs::create_dir(&path)?;
                fs::write(path.join("was-file"), n.to_string())?;
                self.directories.push(path);
                Ok(())
            }
            87..89 => {
                let Some(path) = self.take_directory() else {
                    return Ok(());
                };
                fs::remove_dir_all(&path)?;
                fs::write(&path, format!("was directory {n}"))?;
                self.files.push(path);
                Ok(())
            }
            89..92 => {
                let to = ["d000", "/nonexistent", "../x", "."][self.random.usize(..4)];
                symlink(to, self.any_directory().join(format!("l{n}")))
            }
            92..94 => match self.take_directory() {
                Some(path) => fs::remove_dir_all(path),
                None => Ok(()),
            },
            _ => fs::remove_file(self.take_file()),
        }
    }

    fn create(&mut self) -> io::Result<()> {
        let file = self.any_directory().join(format!("n{}", self.step));
        fs::write(&file, format!("{:08}", self.step))?;
        self.files.push(file);
        Ok(())
    }

    fn any_file(&mut self) -> PathBuf {
        self.files[self.random.usize(..self.files.len())].clone()
    }

    fn take_file(&mut self) -> PathBuf {
        self.files
            .swap_remove(self.random.usize(..self.files.len()))
    }

    fn any_directory(&mut self) -> PathBuf {
        self.directories[self.random.usize(..self.directories.len())].clone()
    }

    /// Never the base, and a few are left to work in.
    fn take_directory(&mut self) -> Option<PathBuf> {
        if self.directories.len() <= 4 {
            return None;
        }
        let at = self.random.usize(1..self.directories.len());
        Some(self.directories.swap_remove(at))
    }
}

/// Makes `operations` of the history of `seed` at once.
pub fn churn(root: &Path, operations: u32, seed: u64) {
    Churn::new(root, seed).run(operations, Duration::ZERO);
}

fn is(path: &Path, kind: impl FnOnce(&fs::FileType) -> bool) -> bool {
    fs::symlink_metadata(path).is_ok_and(|metadata| kind(&metadata.file_type()))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::ffi::OsStr;
    use std::os::unix::ffi::OsStrExt;

    use super::*;
    use crate::rig::Scratch;
    use crate::rig::tree::{Entry, Kind, Look, snapshot};

    /// What a history leaves, but for the times that it happened at.
    fn outcome(seed: u64) -> BTreeMap<Vec<u8>, Entry> {
        let scratch = Scratch::new();
        churn(scratch.path(), 600, seed);
        let mut tree = snapshot(scratch.path(), &Look::default());
        for entry in tree.values_mut() {
            entry.modified = entry.modified.filter(|time| time.0 == 1_000_000_000);
        }
        tree
    }

    #[test]
    fn a_seed_is_a_history_and_every_kind_of_thing_is_in_it() {
        let tree = outcome(1);
        assert_eq!(tree, outcome(1));
        assert_ne!(tree, outcome(2));
        // What an operation made may be undone by the end of one history, hardly of several.
        let trees: Vec<_> = (1..=5).map(outcome).collect();
        let has = |what: &dyn Fn(&[u8], &Entry) -> bool| {
            trees
                .iter()
                .flatten()
                .any(|(path, entry)| what(path, entry))
        };
        assert!(has(&|_, entry| matches!(entry.kind, Kind::Link(_))));
        assert!(has(
            &|_, entry| entry.mode == 0o755 && matches!(entry.kind, Kind::File { .. })
        ));
        assert!(has(
            &|_, entry| entry.modified.is_some() && matches!(entry.kind, Kind::File { .. })
        ));
        assert!(has(&|path, _| path.ends_with(b"was-file")));
        assert!(has(&|path, entry| path
            .windows(6)
            .any(|part| part == b"/moved")
            && entry.kind == Kind::Directory));
        assert!(has(&|path, _| path.ends_with(b"b/c/deep")));
    }

    #[test]
    fn a_history_takes_its_time() {
        let scratch = Scratch::new();
        let start = Instant::now();
        Churn::new(scratch.path(), 1).run(10, Duration::from_millis(50));
        assert!(start.elapsed() >= Duration::from_millis(50));
    }

    #[test]
    fn odd_names_are_possible_names() {
        let scratch = Scratch::new();
        for name in ODD_NAMES {
            fs::write(scratch.path().join(OsStr::from_bytes(name)), "1").unwrap();
        }
        assert_eq!(
            snapshot(scratch.path(), &Look::default()).len(),
            ODD_NAMES.len()
        );
    }
}
