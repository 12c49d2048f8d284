//! The seam to the kernel: watch one directory, unwatch it, and a stream of raw events.
//!
//! Everything above this file knows only these types, so that the tree logic runs in tests on a scripted fake, and so
//! that other mechanisms can take notify's place. A backend pushes its events into the [`Feed`] it was opened with, in
//! the kernel's order, and must never block there.

use std::path::{Path, PathBuf};

use super::inbox::Feed;

/// One event as the kernel told it. Its path may be stale: a directory above it may have been renamed since.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct RawEvent {
    /// What happened.
    pub(crate) kind: RawKind,
    /// Absolute, under the path that was given to [`Backend::watch`].
    pub(crate) path: PathBuf,
}

/// What happened to a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum RawKind {
    /// A name came into being.
    Created {
        /// Whether it is a directory.
        directory: bool,
    },
    /// A file that was open for writing was closed.
    Written,
    /// A file's content changed while it is open.
    Modified,
    /// Mode, owner, times, xattrs or links changed; of an entry, or of the watched directory itself.
    Attributes,
    /// The name was renamed away; the kernel's word on whether it was a directory does not come through notify.
    MovedFrom,
    /// Something was renamed to this name.
    MovedTo,
    /// The name was removed, or the watched directory itself.
    Deleted {
        /// Whether it was a directory.
        directory: bool,
    },
    /// A watched directory was renamed; where to is not told, and the path may be the old or the new one.
    SelfMoved,
    /// The file system that a watched directory is on was unmounted.
    Unmounted,
}

impl RawKind {
    /// Whether it can only become a mark, so that an equal event that still waits stands for both.
    pub(crate) fn is_mark_only(self) -> bool {
        matches!(
            self,
            RawKind::Written | RawKind::Modified | RawKind::Attributes
        )
    }
}

/// Why a directory is not watched.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum WatchError {
    /// It is not there (any more).
    Gone,
    /// The kernel's limit of watches is reached.
    Limit,
    /// It may not be read.
    Denied,
    /// There is no mechanism at all, which was said once for the whole source.
    Off,
    /// Anything else, for people.
    Other(String),
}

/// A mechanism that watches single directories.
pub(crate) trait Backend: Send {
    /// Watches the directory at this absolute path, not what is below it and not through a symlink. The caller verifies
    /// afterwards that the path still is what it was before.
    fn watch(&mut self, directory: &Path) -> Result<(), WatchError>;

    /// Ends the watch that was placed under this path; nothing if there is none.
    fn unwatch(&mut self, directory: &Path);

    /// Whether events still come; where they do not, nothing else would say so.
    fn is_alive(&mut self) -> bool {
        true
    }
}

/// Watches nothing: where no mechanism can be had, everything is polled.
pub(crate) struct NoBackend;

impl Backend for NoBackend {
    fn watch(&mut self, _directory: &Path) -> Result<(), WatchError> {
        Err(WatchError::Off)
    }

    fn unwatch(&mut self, _directory: &Path) {}
}

/// Opens a backend that feeds `Feed`; the error is for people.
pub(crate) type Opener = Box<dyn FnMut(Feed) -> Result<Box<dyn Backend>, String> + Send>;
