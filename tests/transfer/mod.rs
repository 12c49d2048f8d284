//! Transfers against the real rsync: a daemon with authentication and an sshd, both on loopback, and a comparison of
//! trees of our own.

mod children;
mod deletes;
mod histories;
mod links;
mod listings;
mod names;
mod refusals;
mod rig;
mod ssh;
mod swaps;
mod tree;
mod warm;
