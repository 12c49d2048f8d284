//! The one integration binary: a module a subject.

#![allow(clippy::unwrap_used)] // in tests the panic is the message, in their functions too

mod e2e;
mod engine;
mod examples;
mod filter;
mod fuzz;
mod house;
mod import;
mod ledger;
mod local;
mod manifest;
mod packages;
mod plan;
mod rig;
mod simulation;
mod survey;
mod transfer;
mod watch;
