//! The engine: a pure, synchronous state machine that decides what is sent when.
//!
//! It owns the dirty sets, windows, schedules, the queue, retry and backoff, the verdicts of the guards, holds and the
//! status picture. It has no clock, no I/O, no async, no rsync and no globs: [`Engine::step`] takes an [`Input`] with
//! the time, and returns [`Effect`]s; [`Engine::deadline`] says when it wants to be asked again. `service` drives it,
//! `watch` and `transfer` speak its types.
//!
//! Invariants, each relied on elsewhere:
//! - **Dirty sets only widen and join.** A mark leaves only when a transfer that *started after* it was made ended
//!   without error for that path. Order, loss and duplication of events cannot matter.
//! - **At most one transfer a route**, and ids of watches and transfers are never reused.
//! - **The same inputs give the same effects**: jitter is a hash, not a random number.

mod ask;
pub mod backoff;
mod budget;
mod census;
mod change_set;
mod changed;
mod checkpoint;
mod core;
mod deletions;
pub mod detail;
mod dirt;
mod failing;
mod filling;
mod finish;
mod glimpse;
pub mod guard;
mod held;
mod hooking;
mod input;
mod job;
mod leaving;
mod load;
mod memory;
mod notice;
mod pace;
mod parked;
mod path;
mod pause;
mod picture;
mod reload;
mod rescoping;
mod route;
mod source;
pub mod status;
mod summary;
mod survey;
mod surveying;
mod time;
mod why;

pub use budget::SPENT_FOR;
pub use change_set::MARKS_MAX;
pub use changed::{Changed, Known};
pub use core::Engine;
pub use deletions::Deletions;
pub use dirt::{Dirt, Mark};
pub use glimpse::Glimpse;
pub use hooking::{HookJob, Hooked, broken_off};
pub use input::*;
pub use job::*;
pub use memory::{Commit, Memory, Parking, RouteMemory, SourceMemory, Spending};
pub use notice::{Notice, WatchId, WatchReport, WatchedBy};
pub use path::{RelPath, escape};
pub use pause::{PAUSE_MAX, PAUSE_MIN, Pause, PauseWish};
pub use summary::Summary;
pub use survey::{Heard, Release, Survey, SurveyId, SurveyScope, Surveyed, Told};
pub use time::{Now, Stamp};

/// How the pass at the start, and after everything was lost, compares: size and nanosecond time. What it cannot see, a
/// rewrite of the same size and time while nobody watched, is for a `checksum` rescan.
const START_COMPARE: crate::plan::Compare = crate::plan::Compare::Quick;
