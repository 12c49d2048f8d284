//! Looks at the host: which directory a path means, on what kind of file system it is, and what is mounted where.
//!
//! What `watch`, `transfer` and `survey` must see alike stands here, one floor below them: a transfer compares the root
//! that it finds with the root that the watch stands on, so both must ask in the same words. Knows the engine's types
//! and nothing of watching or sending.

mod clock;
mod file_system;
mod identity;
mod memory;
mod mounts;
mod powers;
mod program;
mod revision;
mod root;
mod target;
pub mod temporary;
mod watches;

pub use clock::{Kept, kept};
pub use file_system::{foreign, foreign_at};
pub use identity::{identify, shown, why};
pub use memory::give_back;
pub use mounts::{Mount, below, mounts, on_own_mount};
pub use powers::{Power, Powers};
pub use program::trusted_program;
pub use revision::revision;
pub use root::{Identity, Look, Root, stat_deep};
pub use target::{target_id, target_id_at};
pub use watches::user_watches;
