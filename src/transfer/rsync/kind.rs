//! What differs between the ways to reach a far rsync. A new way is one file and one line in [`KINDS`].

use super::super::Context;
use super::invocation::{Invocation, Leave, Orders};
use super::steps::Step;
use crate::engine::Trouble;
use crate::plan::Target;

/// One way to reach a far rsync.
pub trait Kind: Sync {
    /// Whether it is the way to this target.
    fn serves(&self, target: &Target) -> bool;

    /// The command line of one run; fails where the host lacks what it needs (a password file that rsync would refuse).
    fn lower(
        &self,
        orders: Orders<'_>,
        step: &Step,
        leave: Leave,
        context: &Context,
    ) -> Result<Invocation, Trouble>;

    /// What the far side's messages put before a path below the target, without slash at the end: the part below the
    /// module, or the absolute path.
    fn far_root(&self, target: &Target) -> Vec<u8>;

    /// What went wrong, where this kind knows better than rsync's exit code: its own messages.
    fn explain(&self, target: &Target, code: Option<i32>, text: &[String]) -> Option<Trouble>;

    /// How the line that `plan` shows begins and ends: words before the program, and the kind's arguments with secrets by
    /// reference.
    fn shown(&self, target: &Target) -> Shown;
}

/// The parts of a command line that `plan` shows, where they are the kind's.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Shown {
    /// Assignments before the program.
    pub before: String,
    /// The kind's own options.
    pub options: Vec<String>,
    /// Where to.
    pub destination: String,
}

/// Every kind that runs rsync.
pub const KINDS: &[&dyn Kind] = &[&super::daemon::Daemon, &super::ssh::Ssh];

/// The kind that serves a target; `None` for one that needs no rsync.
pub fn kind_of(target: &Target) -> Option<&'static dyn Kind> {
    KINDS.iter().copied().find(|kind| kind.serves(target))
}

/// A host as it stands in a URL or before a colon: an IPv6 address in brackets.
pub fn bracketed(host: &str) -> String {
    if host.contains(':') {
        format!("[{host}]")
    } else {
        host.to_string()
    }
}
