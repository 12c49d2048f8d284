//! Looks at the host: which directory a path means, and what is mounted where.
//!
//! What `watch`, `transfer` and `survey` must see alike stands here, one floor below them: a transfer compares the root
//! that it finds with the root that the watch stands on, so both must ask in the same words. Knows the engine's types
//! and nothing of watching or sending.

mod identity;
mod mounts;
mod revision;
mod root;
mod target;
pub mod temporary;

pub use identity::{identify, shown, why};
pub use mounts::{Mount, below, mounts};
pub use revision::revision;
pub use root::{Identity, Look, Root};
pub use target::{target_id, target_id_at};
