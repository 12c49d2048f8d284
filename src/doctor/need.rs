//! What a source needs: how many directories are to be watched, and what in it may not be read.

use std::fs;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use super::{Finding, Subject};
use crate::engine::RelPath;
use crate::filter::{Filter, Verdict};
use crate::host;
use crate::plan::SourcePlan;

/// What a walk found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Need {
    /// Directories in scope, the root among them.
    pub directories: u64,
    /// Other names in scope.
    pub files: u64,
    /// Directories that may not be read.
    pub unreadable: u64,
    /// The first of them, for people.
    pub first: Option<String>,
    /// Whether the walk was given up above [`DIRECTORIES_MAX`].
    pub more: bool,
}

/// A tree with more is beyond every limit that is looked at, and would take minutes.
const DIRECTORIES_MAX: u64 = 5_000_000;

/// Walks the source as the watch does: excluded directories are not entered, and with `oneFileSystem` no mounts.
pub fn count(source: &SourcePlan) -> Need {
    let mut need = Need::default();
    let Ok(filter) = Filter::compile(&source.filter) else {
        return need; // the plan was compiled with it
    };
    let root = Path::new(&source.path);
    let device = |path: &Path| fs::symlink_metadata(path).map(|info| info.dev()).ok();
    let own = fs::metadata(root).map(|info| info.dev()).ok();
    let mut waiting = vec![RelPath::root()];
    while let Some(directory) = waiting.pop() {
        need.directories += 1;
        if need.directories >= DIRECTORIES_MAX {
            need.more = true;
            break;
        }
        let at = directory.under(root);
        let entries = match fs::read_dir(&at) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            Err(error) => {
                need.unreadable += 1;
                let say = || format!("`{}`: {error}", host::shown(&at));
                need.first.get_or_insert_with(say);
                continue;
            }
        };
        for entry in entries.flatten() {
            let path = directory.join(entry.file_name().as_bytes());
            let is_directory = entry.file_type().is_ok_and(|kind| kind.is_dir());
            if filter.decide(path.as_bytes(), is_directory).verdict == Verdict::Excluded {
                continue;
            }
            if !is_directory {
                need.files += 1;
            } else if !source.one_file_system || device(&entry.path()) == own {
                waiting.push(path);
            }
        }
    }
    need
}

/// Says what may not be read.
pub fn check(source: &SourcePlan, need: &Need) -> Vec<Finding> {
    let subject = Subject::new("permissions", &source.name);
    match &need.first {
        None => Vec::new(),
        Some(first) => vec![subject.error(
            format!(
                "{} of {} directories may not be read: {first}; nothing below them is sent or deleted",
                need.unreadable, need.directories
            ),
            "run heliostat as a user that may (as root, or with CAP_DAC_READ_SEARCH), or exclude them",
        )],
    }
}
