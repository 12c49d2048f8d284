//! Transfers against the real rsync: a daemon with authentication and an sshd, both on loopback, and a comparison of
//! trees of our own.

#![allow(clippy::unwrap_used)] // in tests the panic is the message, in their functions too

mod children;
mod deletes;
mod histories;
mod names;
mod refusals;
mod rig;
mod ssh;
mod tree;
