//! Under construction.

pub mod files;
pub mod init;
pub mod render;
pub mod schema;
pub mod validate;
