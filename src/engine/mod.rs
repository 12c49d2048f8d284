//! Under construction.

mod dirt;
pub mod guard;
mod job;
mod notice;
mod path;

pub use dirt::{Dirt, Mark};
pub use job::*;
pub use notice::{Notice, WatchId, WatchReport};
pub use path::{RelPath, escape};
