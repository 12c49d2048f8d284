//! Diagnostics together with what is needed to show them.

use super::{Diagnostic, Severity, Sources};

/// What a renderer shows.
#[derive(Clone, Copy, Debug)]
pub struct Report<'a> {
    /// The texts, already masked ([`Sources::mask`]).
    pub sources: &'a Sources,
    /// In the order in which they are to be shown.
    pub diagnostics: &'a [Diagnostic],
    /// How many files were looked at.
    pub files: usize,
}

/// What is said of manifests that are right.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Good {
    /// How many sources they have.
    pub sources: usize,
    /// How many targets the sources have together.
    pub targets: usize,
    /// Stands for what they mean, whatever their order and comments.
    pub digest: String,
}

impl Report<'_> {
    /// How many there are of a severity.
    pub fn count(&self, severity: Severity) -> usize {
        self.diagnostics
            .iter()
            .filter(|diagnostic| diagnostic.severity == severity)
            .count()
    }

    /// How many files have one.
    pub(super) fn files_with_problems(&self) -> usize {
        let mut files: Vec<&str> = self
            .diagnostics
            .iter()
            .filter_map(|diagnostic| Some(&*diagnostic.place()?.file))
            .collect();
        files.sort_unstable();
        files.dedup();
        files.len()
    }
}

/// `1 error`, `2 errors`.
pub(super) fn counted(count: usize, noun: &str) -> String {
    format!("{count} {noun}{}", if count == 1 { "" } else { "s" })
}
