//! The one integration binary: a module a subject.

mod e2e;
mod engine;
mod filter;
mod house;
mod local;
mod manifest;
mod rig;
mod transfer;
mod watch;
