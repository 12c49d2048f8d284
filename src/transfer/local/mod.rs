//! Local targets: a directory on this host, copied in process.
//!
//! Gives the result of `rsync -a` (with the route's attributes) down to nanosecond times, without a child process: a
//! single small file is on its target in a fraction of a millisecond. Called by the transfers' driver on a blocking
//! thread; knows nothing of watching, of schedules, nor of any other target kind.
//!
//! # The way of a run
//!
//! 1. *Survey* (`survey.rs`), only where something may be deleted: walks what the batch names on both sides and lists
//!    every entry that would leave the target. The guard sees the list before anything is touched; a run that is held
//!    changes nothing at all.
//! 2. *Work*: the batch's entries in order. `leaf.rs` brings one name in step, `send.rs` makes it anew where it must,
//!    `walk.rs` goes through directories, on as many threads as have something to do (`crew.rs`), `dirs.rs` makes them. A directory in the way of a file is emptied of what the survey listed, and of nothing else.
//! 3. *Deletions* (`doomed.rs`), last, so that what moved is there under its new name before the old one goes. Each
//!    path is looked for in the source once more right before it is deleted.
//! 4. *Settling*: the attributes of every directory in which something was done, times included.
//!
//! Below them: `tree.rs` (directories by descriptor, never through symlinks), `place.rs` (temporary name, rename),
//! `content.rs` (clone, range copy, holes), `attributes.rs` and `xattrs.rs` (metadata in the order that the kernel
//! forces), `links.rs` (names that are one file), `grain.rs` (file systems with coarse times).
//!
//! # Where it is better than `rsync -a`, on purpose
//!
//! - A source that changes while it is copied is not put in place half old, half new: it is tried again at once a few
//!   times, and then reported in [`Outcome::again`].
//! - A target file with further names (a hard-linked snapshot) is replaced instead of changed in place when its
//!   metadata differs, so that the other names keep what they have. So is one that would become setuid for another
//!   owner: who owned it may hold it open.
//! - Special files that the route leaves out are not left on the target either, where it may delete.
//!
//! # Limits
//!
//! - Nothing is synced to the disk, unless the route's `durability` says so: what a power cut took is found by the comparison
//!   after the machine's next start.
//! - Only names that one run comes by are known to be one file, as with `rsync -aH`.
//! - A batch that names one of several names of a source file makes it a file of its own; the next full pass links it.
//! - Temporary files of a killed process stay until a pass or a reconciled directory comes by.
//! - Modes and extended attributes of what stands on the target already need `/proc`.

mod attributes;
mod content;
mod crew;
mod dirs;
mod doomed;
mod fault;
mod first_write;
mod grain;
mod keep;
mod leaf;
mod links;
mod meta;
mod place;
mod preview;
mod report;
mod send;
mod session;
mod survey;
mod throttle;
mod tree;
mod walk;
mod xattrs;

pub use preview::preview;

use std::path::Path;

use crate::engine::{Job, Outcome};
use crate::filter::Filter;
use crate::transfer::batch::Batch;
use crate::transfer::hook::Gate;
use crate::transfer::progress::{Cancel, Progress};
use crate::transfer::tally::Tally;

/// One run to be made.
#[derive(Clone, Copy, Debug)]
pub struct Request<'a> {
    /// The source's root. It may be reached through symlinks; nothing below it is.
    pub source_root: &'a Path,
    /// The target's root. Made if its parent is there.
    pub target_root: &'a Path,
    /// The route's filter.
    pub filter: &'a Filter,
    /// What to bring in step.
    pub batch: &'a Batch,
    /// The job it belongs to: policy, attributes and what bounds its deletions.
    pub job: &'a Job,
    /// Who wants to know of each path.
    pub tally: Option<&'a Tally>,
    /// What is passed before the first write.
    pub gate: Option<&'a Gate>,
}

/// Carries a batch out. Blocks until it is done, or soon after `cancel` was said.
///
/// A path in [`Outcome::failed`] that is a directory stands for everything below it: it could not be entered or listed.
pub fn run(request: &Request<'_>, cancel: &Cancel, progress: &Progress) -> Outcome {
    match session::Session::open(request, cancel, progress) {
        Ok(session) => session.run(request.batch),
        Err(stop) => Outcome::bare(*stop.0),
    }
}
