//! What was written: from manifest texts to [`Manifest`] and [`Agent`] values with places, collecting every error.
//!
//! The way through: text → events (granit-parser) → spanned tree, with limits → lowering, key by key, with merged
//! `defaults`. Owns the language's keys, values and urls, and the schema. It must not know plans, hosts, globs or
//! schedules: patterns and cron expressions stay texts, and whatever needs more than one document is the compiler's.
//! Called by the plan compiler's callers and the commands. Pure: texts come in as values.

pub mod defaults;
mod types;
mod url;

pub use types::*;
pub use url::{Url, UrlParts, UrlProblem};

use crate::diagnostic::Diagnostic;

/// A file's name, as it was named to the program, and its text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SourceFile {
    /// As it was named; `-` is the standard input.
    pub name: String,
    /// All of it.
    pub text: String,
}

/// Reads manifests, collecting every error. Manifests with errors are left out, or are there without their wrong
/// parts: with an error among the diagnostics, nothing may be run from them.
pub fn load(files: &[SourceFile]) -> (Vec<Manifest>, Vec<Diagnostic>) {
    let _ = files;
    (Vec::new(), Vec::new())
}

/// Reads a host's settings.
pub fn load_agent(file: &SourceFile) -> (Option<Agent>, Vec<Diagnostic>) {
    let _ = file;
    (None, Vec::new())
}
