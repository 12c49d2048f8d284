//! Watching one source: turns the kernel's file events into marks, and whatever cannot be known into wider ones.
//!
//! Owns the seam to the kernel (`backend`; behind it `inotify` and `fanotify`, where the argument stands why nothing is lost, and
//! `notify_backend`; `mechanism` chooses), what hears of the root's own changes (`surroundings`, `way`), the queue that keeps the kernel's own from filling up (`inbox`), the tree of
//! watched directories (`tree`, `place`, `rename`; in memory `directories`, `nodes`, `names`), barriers (`cookies`) and the
//! thread that drives them (`worker`). Must not know transfers, targets or schedules: it says where
//! to look, never what to do. Called by the service, one [`spawn`] a source.
//!
//! What it promises: for the last change of every path in scope there is a mark told after it, on the path itself or a
//! `SUBTREE` mark on a directory above it, unless `events` leaves that kind of change out. Not seen, because no kernel event tells them, and left to
//! the rescan: writes through another hard link of a file, through mmap while it stays mapped, and truncate(2) of a file that is not open (a `modify` event, which is only
//! subscribed to where `events` asks for it). Changes that other hosts make on a network file system are told when they are
//! polled (`stand`).
//!
//! ```text
//! kernel → backend's thread → Inbox (bounded) → Worker → sink
//!                                                 └ Stand: Tree (directories, marks), Cookies
//! ```

mod backend;
mod breath;
mod cookies;
mod directories;
mod disk;
mod ear;
mod fanotify;
mod fanotify_calls;
mod fanotify_reader;
mod handle;
mod handles;
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
mod surroundings;
mod tree;
mod way;
mod worker;

#[cfg(test)]
mod tests;

pub use ear::{By, Ear, LeftOut};
pub use handle::{WatchHandle, WatchOptions, spawn};
pub use mechanism::{MANY, Mechanism, foresee, may_grow};
pub use surroundings::Surroundings;
pub use worker::Sink;
