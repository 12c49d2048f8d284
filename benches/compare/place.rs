//! The trees that the tools work on: a source of so many files, and targets that already are like it.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::rig::Scratch;

/// rsync, for making targets equal before a measurement and as the yardstick.
pub const RSYNC: &str = "/usr/bin/rsync";

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
}

impl Place {
    /// A source of `directories` with `files` small files each, and targets that are equal to it where `filled`.
    pub fn new(directories: usize, files: usize, filled: bool) -> Place {
        let scratch = Scratch::new();
        let (source, module, local) = (
            scratch.dir("source"),
            scratch.dir("module"),
            scratch.dir("local"),
        );
        let mut made = Vec::with_capacity(directories * files);
        for directory in 0..directories {
            let name = PathBuf::from(format!("d{directory:05}"));
            fs::create_dir(source.join(&name)).unwrap();
            for file in 0..files {
                let path = name.join(format!("f{file:04}"));
                fs::write(source.join(&path), format!("{directory} {file}\n")).unwrap();
                made.push(path);
            }
        }
        let place = Place {
            scratch,
            source,
            module,
            local,
            files: made,
        };
        if filled {
            place.equalise();
        }
        place
    }

    /// As many files as asked for, in directories as a web site has them.
    pub fn with_files(files: usize) -> Place {
        let each = (files / 50).clamp(1, 100);
        Place::new(files.div_ceil(each), each, true)
    }

    /// Brings both targets in step with the source.
    pub fn equalise(&self) {
        for target in [&self.module, &self.local] {
            equalise(&self.source, target);
        }
    }

    /// A new directory for a tool's own files.
    pub fn own(&self, tool: &str) -> PathBuf {
        let name: String = tool
            .chars()
            .map(|c| if c.is_ascii_alphanumeric() { c } else { '-' })
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

fn equalise(source: &Path, target: &Path) {
    let mut command = Command::new(RSYNC);
    command
        .env_clear()
        .args(["-a", "--delete", "--modify-window=-1"]);
    command.arg(source.join("")).arg(target.join(""));
    let status = command.stdin(Stdio::null()).status().unwrap();
    assert!(
        status.success(),
        "the target could not be filled: rsync {status}"
    );
}
