//! What of a tree is watched, and what triggers.

use std::path::{Path, PathBuf};

use crate::engine::RelPath;
use crate::filter::{Filter, Verdict};
use crate::plan::EventSet;

/// What of a tree is watched, and what triggers.
#[derive(Clone)]
pub(crate) struct Scope {
    /// Excluded directories are never entered.
    pub(crate) filter: Filter,
    /// Applied after the kernel, and never to what keeps the tree right.
    pub(crate) events: EventSet,
    /// Whether directories on another device are left out.
    pub(crate) one_file_system: bool,
    /// At most so many directories are watched; the rest is polled.
    pub(crate) watch_limit: Option<u64>,
    /// The service's own directory, which is never part of a source.
    pub(crate) private: PathBuf,
}

impl Scope {
    /// Whether `path` belongs to the source, be it only as the way to what does.
    pub(crate) fn wants(&self, path: &RelPath, is_directory: bool) -> bool {
        self.filter.decide(path.as_bytes(), is_directory).verdict != Verdict::Excluded
    }

    /// Whether the directory at this absolute path is the service's own.
    pub(crate) fn is_private(&self, path: &Path) -> bool {
        path == self.private
    }
}

impl std::fmt::Debug for Scope {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Scope")
            .field("events", &self.events)
            .finish_non_exhaustive()
    }
}
