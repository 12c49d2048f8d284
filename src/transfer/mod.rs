//! Under construction.

pub mod batch;
pub mod local;
pub mod progress;
