//! What a watch tells the engine.

use serde::Serialize;

use super::{Mark, RootId};

/// Never reused, so that a late event of an old watch falls away.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug, Serialize)]
pub struct WatchId(pub u64);

/// What a watch tells the engine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Notice {
    /// Every directory in scope is watched and was listed after its watch existed. Whatever changed before this is not
    /// known: everything is dirty. Comes again when the root was replaced and the watch stands on the new one.
    Ready(WatchReport),
    /// Look here. What was lost (overflow, a failed watch, an unreadable directory) comes as `SUBTREE` marks on what it
    /// concerns, the root for everything.
    Changed(Vec<Mark>),
    /// Events were lost or could not be had below these paths, for this reason; the marks come in `Changed`.
    Lost {
        /// For people: `the kernel's event queue overflowed`.
        reason: String,
    },
    /// The root is not there (yet), or not a directory, or cannot be read.
    Waiting {
        /// For people.
        reason: String,
    },
    /// Everything that happened before [barrier](self) `0` was asked for has been told.
    Barrier(u64),
    /// The numbers changed.
    Report(WatchReport),
}

/// The state of a watch in numbers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WatchReport {
    /// What the watch stands on.
    pub root: RootId,
    /// Directories watched.
    pub directories: u64,
    /// Directories that should be watched and are not (limit, permission); they are polled.
    pub unwatched: u64,
    /// Directories that are watched, and polled as well, because others may change them without an event here.
    pub doubted: u64,
    /// What watches.
    pub by: WatchedBy,
}

/// What watches a source.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct WatchedBy {
    /// As the agent file names it; empty where nothing does.
    pub mechanism: &'static str,
    /// Why this one, for people.
    pub why: String,
}
