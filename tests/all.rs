//! Integration tests.

mod filter;
mod transfer;
