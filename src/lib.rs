//! heliostat keeps directory trees reflected on many targets, live and on schedule.
//!
//! # The map
//!
//! ```text
//! manifest text ─parse→ Manifest ─compile→ Plan ─┐
//!                                                ▼
//!  watch    ─ Changed | Lost ──┐          ┌───────────────┐  Watch/Unwatch → watch
//!  transfer ─ Finished ────────┤─ Input ─▶│ Engine (pure) │  Start/Cancel  → transfer
//!  socket, signal, timer ──────┘          └───────────────┘  Answer        → control
//! ```
//!
//! A compiler, then a state machine, then a thin shell. The one idea that everything follows from: **remember which
//! paths are dirty, never what happened to them.** An event means "look here"; a dirty path is looked at again when
//! its batch is built, and what it is *then* decides what is sent. A mark leaves only when a transfer that started
//! after the mark was made ended without error for that path.
//!
//! # The floors
//!
//! `cli · (service, doctor) · (watch, transfer, ledger, survey) · host · engine · plan · (filter, schedule, manifest) · diagnostic`
//!
//! Invariant: a file imports only from floors below its own (`tests/house` checks it). The rooms on one floor know
//! nothing of one another. Everything from `engine` down is pure: no I/O, no clock, no async; `host` is where both of them look at
//! the machine in the same words.

pub mod cli;
pub mod diagnostic;
pub mod doctor;
pub mod engine;
pub mod filter;
pub mod host;
pub mod ledger;
pub mod manifest;
pub mod plan;
pub mod schedule;
pub mod service;
pub mod survey;
pub mod transfer;
pub mod watch;
