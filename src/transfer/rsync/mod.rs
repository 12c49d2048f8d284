//! Targets that a far rsync receives for: daemon modules and hosts over ssh.
//!
//! The way of a batch: [`steps`] (which runs) → [`invocation`] and the target's [`kind`] (command line) → [`process`]
//! (run it) → [`report`] and [`lines`] (what it said) → [`judge`] (what follows). [`perform`] holds them together and
//! counts deletions before they are made. Only `process` and `binary` start anything; all else is pure but `secret`.

mod binary;
mod daemon;
mod failures;
mod foresee;
pub mod invocation;
pub mod judge;
pub mod kind;
pub mod lines;
mod perform;
mod probe;
mod process;
mod quickack;
pub mod report;
mod secret;
mod show;
mod ssh;
pub mod steps;
mod warm;

#[cfg(test)]
mod tests;

pub use binary::{Rsync, RsyncBinary};
pub(crate) use foresee::preview;
pub(crate) use perform::run;
pub use probe::{probe, secret_trouble};
pub use show::command_lines;
pub(crate) use ssh::close;
pub use warm::Sessions;
