//! The one integration binary: a module a subject.

mod e2e;
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
