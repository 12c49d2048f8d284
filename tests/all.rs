//! Integration tests.
#![allow(clippy::unwrap_used)] // the panic is the message, in the rig's functions as in the tests

mod filter;
mod house;
mod rig;
