//! The ledger: what outlives a restart, in one SQLite file of the state directory.
//!
//! It owns the file: its tables, checksums, the one thread that writes and the connections that read. It must not know
//! what a row says (the survey's matter), when a checkpoint is due (the engine's), nor what follows from damage: it says
//! what it has. Called by the service, which hands surveys' rows and the engine's commits to it.
//!
//! ```text
//! survey threads ─ stage (waits) ─┐
//! service ─ commit, mounts, runs ─┴→ Queue (bounded) → Writer ─ transactions → file ─→ Readers → Rows, runs
//! ```
//!
//! What it promises, whatever happens to the process, the disk or the file:
//! - **It gives what was written, or nothing.** Every record carries a tag over its bytes and its place ([`seal`]);
//!   SQLite itself would not see a flipped bit.
//! - **No row is younger than its source's routes.** Both are of one transaction, and a file that was put together from
//!   two times by damage shows it ([`record::Generation`]). The other way round is good: an older row differs from what is
//!   there, and is looked at.
//! - **It is a cache.** A file that is no ledger is set aside, and the service goes on with an empty one; where nothing can
//!   be written, with none. A commit that fails leaves the older checkpoint, which is still true.
//! - **It keeps nobody waiting** but the survey whose rows it takes.
//!
//! Durability: WAL with `synchronous = NORMAL`. SIGKILL loses what had not been handed to a transaction; a power cut may
//! lose the last transactions, never a part of one.

mod bytes;
mod file;
mod handle;
mod load;
mod mounts;
mod offline;
mod parked;
mod queue;
mod readers;
mod record;
mod run;
mod schema;
mod seal;
mod spent;
mod start;
mod store;
mod trouble;
mod writer;

#[cfg(test)]
mod tests;

pub use file::{DAMAGED, NAME};
pub use handle::{Health, Ledger, Opened};
pub use offline::runs_in;
pub use parked::ParkedRows;
pub use readers::Rows;
pub use run::{FAILED_MAX, Run};
pub use store::RUNS_MAX;
