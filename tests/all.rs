//! Integration tests.

mod local;
