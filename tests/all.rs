//! Integration tests.

mod filter;
mod watch;
