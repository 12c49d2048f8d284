//! Integration tests.

mod manifest;
