//! Under construction.

pub mod batch;
pub mod progress;
