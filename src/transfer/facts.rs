//! Looks at the world for the guards and for normalising. The only file here that looks at the source.
//!
//! Everything in it blocks; [`super::run`] calls it on a blocking thread.

use std::io;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};

use super::normalise::{Look, Seen};
use crate::engine::guard::GuardFacts;
use crate::engine::{Job, RelPath, RootId};
use crate::filter::{Filter, Verdict};
use crate::plan::Target;

/// What the guards ask for.
pub fn collect(job: &Job) -> GuardFacts {
    let root = Path::new(&job.source.path);
    let mounts = mount_points();
    let target_mounted = match &job.route.target {
        Target::Local { path } if job.route.require_mount => on_own_mount(Path::new(path), &mounts),
        _ => true,
    };
    GuardFacts {
        root: identity(root),
        root_mounted: on_own_mount(root, &mounts),
        marker: job
            .source
            .guard
            .marker
            .as_ref()
            .is_none_or(|marker| root.join(marker).symlink_metadata().is_ok()),
        mounts: mounts_below(root, &mounts),
        target_mounted,
    }
}

/// The root's identity; `None` if it is not there or no directory.
pub fn identity(root: &Path) -> Option<RootId> {
    let mut parts: Vec<(u64, u64)> = Vec::new();
    let mut path = PathBuf::new();
    for component in root.components() {
        path.push(component);
        if path.parent().is_none() {
            continue; // `/` itself cannot be replaced
        }
        let info = path.symlink_metadata().ok()?;
        parts.push((info.dev(), info.ino()));
    }
    let info = root.metadata().ok().filter(|info| info.is_dir())?;
    parts.push((info.dev(), info.ino()));
    Some(RootId(parts))
}

/// Every mount point of this process's name space.
fn mount_points() -> Vec<PathBuf> {
    let text = std::fs::read("/proc/self/mountinfo").unwrap_or_default();
    text.split(|byte| *byte == b'\n')
        .filter_map(|line| line.split(|byte| *byte == b' ').nth(4))
        .map(|field| PathBuf::from(std::ffi::OsString::from_vec(unoctal(field))))
        .collect()
}

/// Undoes mountinfo's `\040`.
fn unoctal(field: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(field.len());
    let mut at = 0;
    while at < field.len() {
        if let [b'\\', a @ b'0'..=b'3', b @ b'0'..=b'7', c @ b'0'..=b'7', ..] = &field[at..] {
            out.push((a - b'0') << 6 | (b - b'0') << 3 | (c - b'0'));
            at += 4;
        } else {
            out.push(field[at]);
            at += 1;
        }
    }
    out
}

/// mountinfo names real paths: a root that is reached through links is resolved first.
fn mounts_below(root: &Path, mounts: &[PathBuf]) -> Vec<RelPath> {
    let real = root.canonicalize().unwrap_or_else(|_| root.to_path_buf());
    let mut below: Vec<RelPath> = mounts
        .iter()
        .filter(|mount| **mount != real)
        .filter_map(|mount| RelPath::below(&real, mount))
        .collect();
    below.sort();
    below.dedup();
    below
}

/// Whether a path is a mount point or lies on another mount than `/`.
fn on_own_mount(path: &Path, mounts: &[PathBuf]) -> bool {
    let Ok(real) = path.canonicalize() else {
        return false;
    };
    mounts
        .iter()
        .any(|mount| mount != Path::new("/") && real.starts_with(mount))
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
            Err(_) => Seen::Unknown,
        }
    }
}

/// Directories that a search for one entry in scope enters before it gives up and says that there is one.
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
