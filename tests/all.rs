//! Integration tests.

mod filter;
mod local;
mod transfer;
