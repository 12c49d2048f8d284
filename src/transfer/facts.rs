//! Looks at the world for the guards and for normalising. Only this file and [`linked`] look at the source here.
//!
//! Everything in it blocks; [`super::run`] calls it on a blocking thread.

use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::Path;

use rustix::fs::FileType;
use rustix::io::Errno;

use super::batch::{Batch, Entry};
use super::linked;
use super::normalise::{Look, Seen};
use crate::engine::guard::GuardFacts;
use crate::engine::{Job, RelPath};
use crate::filter::{Filter, Verdict};
use crate::host::{self, Mount};
use crate::plan::Target;

/// What the guards ask for.
pub fn collect(job: &Job) -> GuardFacts {
    let root = Path::new(&job.source.path);
    let mounts = host::mounts();
    let target_mounted = match &job.route.target {
        Target::Local { path } if job.route.require_mount => {
            host::on_own_mount(Path::new(path), &mounts)
        }
        _ => true,
    };
    GuardFacts {
        root: host::identify(root).ok(),
        // Asked for by few, and told by a look at every part of the path.
        root_mounted: !job.source.guard.require_mount || host::on_own_mount(root, &mounts),
        marker: job
            .source
            .guard
            .marker
            .as_ref()
            .is_none_or(|marker| root.join(marker).symlink_metadata().is_ok()),
        mounts: mount_points(root, &mounts),
        target_mounted,
    }
}

/// The places below the root where something is mounted, each once.
fn mount_points(root: &Path, mounts: &[Mount]) -> Vec<RelPath> {
    let mut places: Vec<RelPath> = host::below(mounts, root)
        .into_iter()
        .map(|(path, _)| path)
        .collect();
    places.dedup();
    places
}

/// The source as it is on disk.
pub struct Disk<'a> {
    /// The root.
    pub root: &'a Path,
}

impl Look for Disk<'_> {
    fn look(&self, path: &RelPath) -> Seen {
        match path.under(self.root).symlink_metadata() {
            Ok(info) if info.is_dir() => Seen::Directory,
            Ok(info) => Seen::Other {
                links: if info.file_type().is_block_device() {
                    1
                } else {
                    info.nlink()
                },
            },
            Err(error) if error.kind() == io::ErrorKind::NotFound => Seen::Missing,
            Err(error) if Errno::from_io_error(&error) == Some(Errno::NAMETOOLONG) => {
                deep(self.root, path)
            }
            Err(_) => Seen::Unknown,
        }
    }

    fn several_names_below(&self, directory: &RelPath) -> bool {
        linked::several_names_below(self.root, directory)
    }

    fn names(&self, of: &[RelPath]) -> Option<Vec<RelPath>> {
        linked::names(self.root, of)
    }
}

/// What a path is that is longer than a path may be.
#[allow(clippy::unnecessary_cast)] // the integer types of `Stat` differ between architectures
fn deep(root: &Path, path: &RelPath) -> Seen {
    match host::stat_deep(root, path) {
        Ok(stat) => match FileType::from_raw_mode(stat.st_mode) {
            FileType::Directory => Seen::Directory,
            FileType::BlockDevice => Seen::Other { links: 1 },
            _ => Seen::Other {
                links: stat.st_nlink as u64,
            },
        },
        Err(Errno::NOENT) => Seen::Missing,
        Err(_) => Seen::Unknown,
    }
}

/// A batch of at most so many entries and bytes is small: sent whole it is over in moments, on any line.
const SMALL_ENTRIES: usize = 64;
const SMALL_BYTES: u64 = 256 << 10;

/// Whether a batch is a few small files: no directory is looked through, and nothing goes that may be a directory with
/// millions of names in it, of whose deletion the far side says nothing for minutes.
pub fn is_small(root: &Path, batch: &Batch) -> bool {
    let leaf = |entry: &Entry| !entry.act.looks_inside() && !entry.act.deletes();
    let size = |entry: &Entry| {
        entry
            .path
            .under(root)
            .symlink_metadata()
            .map_or(0, |info| info.len())
    };
    batch.entries.len() <= SMALL_ENTRIES
        && batch.entries.iter().all(leaf)
        && batch.entries.iter().map(size).sum::<u64>() <= SMALL_BYTES
}

/// Directories that a search enters before it gives up and says that there is what it looks for.
const SEARCH_MAX: usize = 10_000;

/// Whether the source has no entry that belongs to the route. What cannot be read counts as an entry: unknown is not empty.
pub fn is_empty(root: &Path, filter: &Filter) -> bool {
    let mut waiting = vec![RelPath::root()];
    let mut entered = 0;
    while let Some(directory) = waiting.pop() {
        entered += 1;
        let Ok(entries) = std::fs::read_dir(directory.under(root)) else {
            return false;
        };
        for entry in entries {
            let Ok(entry) = entry else { return false };
            let path = directory.join(entry.file_name().as_bytes());
            let is_dir = entry.file_type().is_ok_and(|kind| kind.is_dir());
            match filter.decide(path.as_bytes(), is_dir).verdict {
                Verdict::Included => return false,
                Verdict::Parent if is_dir => waiting.push(path),
                Verdict::Parent | Verdict::Excluded => {}
            }
        }
        if entered > SEARCH_MAX {
            return false;
        }
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::transfer::batch::Act;

    fn p(text: &str) -> RelPath {
        RelPath::new(text.as_bytes()).unwrap()
    }

    #[test]
    fn what_is_deleted_may_be_of_any_size() {
        let scratch = tempfile::tempdir().unwrap();
        let small = |act| {
            let entries = vec![Entry { path: p("d"), act }];
            is_small(
                scratch.path(),
                &Batch {
                    entries,
                    pass: None,
                },
            )
        };
        assert!(small(Act::Send) && small(Act::Attributes));
        assert!(!small(Act::Remove) && !small(Act::Listing));
    }
}
