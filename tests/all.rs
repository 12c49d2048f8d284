//! The one integration binary: a module a subject.

#![allow(clippy::unwrap_used)] // in a test the panic is the message, also outside `#[test]` functions

mod engine;
mod examples;
mod filter;
mod house;
mod local;
mod manifest;
mod plan;
mod rig;
mod transfer;
mod watch;
