//! The seam to the kernel: watch one directory, unwatch it, and a stream of raw events.
//!
//! Everything above this file knows only these types, so that the tree logic runs in tests on a scripted fake, and so
//! that one mechanism can take another's place. A backend pushes its events into the [`Feed`] it was opened with, in the
//! kernel's order, and must never block there.
//!
//! There are two kinds of backend. One *by path* (notify) tells absolute paths, and ends the watches below a path by
//! itself when it tells that the path is gone. One that *follows* (inotify, fanotify) tells the number of a watch and a name: a watch
//! stands on a directory whatever it is called, until it is ended, and who keeps the tree knows the path.

use std::os::fd::BorrowedFd;
use std::path::{Path, PathBuf};

use super::inbox::Feed;
use crate::engine::WatchedBy;

/// One event as the kernel told it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct RawEvent {
    /// What happened.
    pub(crate) kind: RawKind,
    /// Where.
    pub(crate) at: At,
}

/// Where something happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum At {
    /// At this absolute path, under the one that was given to [`Backend::watch`]. It may be stale: a directory above it
    /// may have been renamed since.
    Path(PathBuf),
    /// To this name in the directory with this watch; without a name, to the directory itself.
    Entry(WatchId, Box<[u8]>),
}

/// The number of a watch, the kernel's or the backend's: never given twice by one descriptor (it counts up to 2³¹).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct WatchId(pub(crate) i32);

impl WatchId {
    /// Of watches whose backend tells paths; the kernel's own begin with 1.
    pub(crate) const BY_PATH: WatchId = WatchId(0);
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
    /// The name was renamed away.
    MovedFrom(Move),
    /// Something was renamed to this name.
    MovedTo(Move),
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

/// One half of a rename.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Move {
    /// The other half has the same one; 0 where the backend does not say.
    pub(crate) cookie: u32,
    /// Whether it is a directory, where the backend says so.
    pub(crate) directory: Option<bool>,
}

impl Move {
    /// Of a backend that says nothing of it.
    pub(crate) const UNTOLD: Move = Move {
        cookie: 0,
        directory: None,
    };
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

/// A directory that is to be watched.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Site<'a> {
    /// Its absolute path.
    pub(crate) path: &'a Path,
    /// The directory itself, opened at least with `O_PATH`.
    pub(crate) directory: BorrowedFd<'a>,
}

/// A watch that is to be ended.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Placed<'a> {
    /// The one that was placed under this absolute path.
    Under(&'a Path),
    /// The one with this number.
    Number(WatchId),
}

/// A mechanism that watches single directories.
pub(crate) trait Backend: Send {
    /// Watches one directory, not what is below it and not through a symlink. A backend by path goes by the path, and
    /// the caller verifies afterwards that it still is what it was before; one that follows watches what is open.
    fn watch(&mut self, site: Site<'_>) -> Result<WatchId, WatchError>;

    /// The same for a directory that has nothing to do with the tree, and may be on another file system.
    fn watch_apart(&mut self, site: Site<'_>) -> Result<WatchId, WatchError> {
        self.watch(site)
    }

    /// Ends a watch; nothing if there is none.
    fn unwatch(&mut self, placed: Placed<'_>);

    /// Whether watches stand on directories and events name watches; otherwise both go by path.
    fn follows(&self) -> bool {
        false
    }

    /// Whether each watch counts against a limit.
    fn is_limited(&self) -> bool {
        true
    }

    /// Whether events still come, as far as it can say. Asked when mounts have changed, and now and then.
    fn is_alive(&mut self) -> bool {
        true
    }
}

/// Watches nothing: where no mechanism can be had, or polling is asked for, everything is polled.
pub(crate) struct NoBackend;

impl Backend for NoBackend {
    fn watch(&mut self, _site: Site<'_>) -> Result<WatchId, WatchError> {
        Err(WatchError::Off)
    }

    fn unwatch(&mut self, _placed: Placed<'_>) {}
}

/// A backend that was opened.
pub(crate) struct Opened {
    /// The mechanism.
    pub(crate) backend: Box<dyn Backend>,
    /// Which one, and why.
    pub(crate) by: WatchedBy,
    /// It watches nothing.
    pub(crate) blind: bool,
}

/// Whether a backend is the right one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Fit {
    /// It is.
    Fits,
    /// Another one would be opened now.
    Outgrown,
    /// Another one would be better and cannot be had: why it is this one after all. Said once.
    Stays(String),
}

/// Opens backends, and knows when another one would do better.
pub(crate) trait Opener: Send {
    /// Opens one that feeds `feed`; the error is for people.
    fn open(&mut self, feed: Feed) -> Result<Opened, String>;

    /// Whether what was opened last is still the right one, now that so many directories are watched, or that the limit of
    /// watches was met.
    fn fits(&mut self, _watched: u64, _limit_met: bool) -> Fit {
        Fit::Fits
    }

    /// The one that was opened last has lost events while so many directories were watched.
    fn lost(&mut self, _watched: u64) {}
}

#[cfg(test)]
impl<F: FnMut(Feed) -> Result<Box<dyn Backend>, String> + Send> Opener for F {
    fn open(&mut self, feed: Feed) -> Result<Opened, String> {
        Ok(Opened {
            backend: self(feed)?,
            by: WatchedBy::default(),
            blind: false,
        })
    }
}
