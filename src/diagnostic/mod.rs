//! What is wrong with a manifest, and how it is shown.
//!
//! Owns [`Diagnostic`], the registry of every [`Code`] and the renderers (terminal, JSON, GitHub workflow commands,
//! SARIF). It knows texts, byte ranges and lines; it must not know YAML, manifests or plans. Called by whoever reads a
//! manifest (to say what is wrong) and by the commands (to show it). A renderer is a function of values: whether there
//! is colour is the caller's decision.

mod code;
mod example;
mod fix;
mod github;
mod json;
mod lint;
mod registry;
mod report;
mod sarif;
pub mod secret;
mod sources;
mod terminal;
#[cfg(test)]
mod tests;

pub use code::{Code, Entry};
pub use example::{EXAMPLES, Example, Within, example};
pub use fix::{Applied, Edit, Fix, applied};
pub use github::github;
pub use json::{Document, json, json_with};
pub use lint::{LINTS, Lint};
pub use registry::REGISTRY;
pub use report::{Good, Report};
pub use sarif::sarif;
pub use sources::{Position, Sources};
pub use terminal::terminal;

use std::ops::Range;
use std::sync::Arc;

/// Whether a diagnostic rejects the manifest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// The manifest cannot be used.
    Error,
    /// The manifest can be used, but probably does not do what was meant.
    Warning,
}

/// A range of bytes in a named text.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Place {
    /// The file as it was named to the program; `-` is the standard input.
    pub file: Arc<str>,
    /// Bytes from the beginning of the file's text, the end exclusive.
    pub span: Range<usize>,
}

/// A marked place with what there is to say about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Label {
    /// The file as it was named to the program.
    pub file: Arc<str>,
    /// Bytes from the beginning of the file's text, the end exclusive.
    pub span: Range<usize>,
    /// What is wrong here, or how it takes part; may be empty.
    pub text: String,
    /// Whether this is the place that the diagnostic is about. Exactly one label should be.
    pub primary: bool,
}

/// One thing that is wrong, at its places.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diagnostic {
    /// What kind it is.
    pub code: Code,
    /// Whether it rejects the manifest.
    pub severity: Severity,
    /// One line, lower case, no full stop, names in backticks.
    pub message: String,
    /// Where; none for what has no place (an empty set of files).
    pub labels: Vec<Label>,
    /// What to do next.
    pub help: Option<String>,
    /// Byte ranges of secrets: they are never drawn, in this or any other diagnostic's lines.
    pub masked: Vec<Place>,
    /// The change of the text that mends it, where there is one.
    pub fix: Option<Fix>,
}

impl Diagnostic {
    /// A diagnostic with its code's severity and no places yet. All its texts are cleaned of secrets and control
    /// characters as they come in.
    pub fn new(code: Code, message: impl Into<String>) -> Diagnostic {
        Diagnostic {
            code,
            severity: code.severity(),
            message: secret::clean(&message.into()),
            labels: Vec::new(),
            help: None,
            masked: Vec::new(),
            fix: None,
        }
    }

    /// Adds the place that it is about.
    #[must_use]
    pub fn primary(self, place: &Place, text: impl Into<String>) -> Diagnostic {
        self.label(place, text, true)
    }

    /// Adds a place that takes part in it.
    #[must_use]
    pub fn secondary(self, place: &Place, text: impl Into<String>) -> Diagnostic {
        self.label(place, text, false)
    }

    /// Says what to do.
    #[must_use]
    pub fn help(mut self, text: impl Into<String>) -> Diagnostic {
        self.help = Some(secret::clean(&text.into()));
        self
    }

    /// Keeps a range of the source from being drawn.
    #[must_use]
    pub fn mask(mut self, place: Place) -> Diagnostic {
        self.masked.push(place);
        self
    }

    /// Mends it by another text in that place, in which `certain` says whether nothing else can be meant. A text that
    /// holds what looks like a secret is not kept.
    #[must_use]
    pub fn mend(mut self, place: &Place, text: impl Into<String>, certain: bool) -> Diagnostic {
        let text = text.into();
        if secret::in_text(&text).is_empty() {
            let place = place.clone();
            let edits = vec![Edit { place, text }];
            self.fix = Some(Fix { edits, certain });
        }
        self
    }

    /// The place that it is about: the primary label, or else the first.
    pub fn place(&self) -> Option<&Label> {
        self.labels
            .iter()
            .find(|label| label.primary)
            .or_else(|| self.labels.first())
    }

    fn label(mut self, place: &Place, text: impl Into<String>, primary: bool) -> Diagnostic {
        self.labels.push(Label {
            file: place.file.clone(),
            span: place.span.clone(),
            text: secret::clean(&text.into()),
            primary,
        });
        self
    }
}
