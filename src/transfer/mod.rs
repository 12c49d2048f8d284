//! Under construction.

pub mod batch;
