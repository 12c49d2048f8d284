//! Watching one source: turns the kernel's file events into marks, and whatever cannot be known into wider ones.
//!
//! Owns the seam to the kernel (`backend`; behind it `inotify`, where the argument stands why nothing is lost, and
//! `notify_backend`; `mechanism` chooses), the queue that keeps the kernel's own from filling up (`inbox`), the tree of
//! watched directories (`tree`, `place`, `rename`; in memory `directories`, `nodes`, `names`), barriers (`cookies`) and the
//! thread that drives them (`worker`). Must not know transfers, targets or schedules: it says where
//! to look, never what to do. Called by the service, one [`spawn`] a source.
//!
//! What it promises: for the last change of every path in scope there is a mark told after it, on the path itself or a
//! `SUBTREE` mark on a directory above it, unless `events` leaves that kind of change out. Not seen, because no kernel event tells them, and left to
//! the rescan: writes through another hard link of a file, through mmap while it stays mapped, changes made on other
//! hosts of a network file system, and truncate(2) of a file that is not open (a `modify` event, which is only
//! subscribed to where `events` asks for it).
//!
//! ```text
//! kernel → backend's thread → Inbox (bounded) → Worker → sink
//!                                                 └ Stand: Tree (directories, marks), Cookies
//! ```

mod backend;
mod cookies;
mod directories;
mod disk;
mod handle;
mod inbox;
mod inotify;
mod inotify_reader;
mod marks;
mod mechanism;
mod mounts;
mod names;
mod nodes;
mod notify_backend;
mod pace;
mod place;
mod rename;
mod rescope;
mod scope;
mod stand;
mod tree;
mod worker;

#[cfg(test)]
mod tests;

pub use handle::{WatchHandle, WatchOptions, spawn};
pub use mechanism::Mechanism;
pub use worker::Sink;
