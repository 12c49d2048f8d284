//! The one integration binary: a module a subject.

mod engine;
mod filter;
mod plan;
