//! For programs: one JSON document.

use std::ops::Range;

use schemars::JsonSchema;
use serde::Serialize;

use super::{Fix, Good, Label, Report, Severity, Sources};

/// Raised when a reader of the old form would misread the new one; additions do not count.
const FORMAT_VERSION: u32 = 1;

/// What is said of files.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Document {
    /// Counts changes that a reader of an older version would misread.
    format_version: u32,
    /// Whether there is no error.
    valid: bool,
    /// Files that were looked at.
    files: usize,
    /// How many.
    errors: usize,
    /// How many.
    warnings: usize,
    /// Sources that there are, where all is right.
    sources: Option<usize>,
    /// Targets that there are, where all is right.
    targets: Option<usize>,
    /// Of what the files mean, where all is right.
    digest: Option<String>,
    /// In the order of the files.
    diagnostics: Vec<Item>,
}

/// One diagnostic.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "Diagnostic")]
struct Item {
    /// Its place; not there where it has none.
    #[serde(flatten)]
    place: Option<Place>,
    /// `H0105`; `heliostat explain` says more of it.
    code: String,
    /// How bad it is.
    severity: &'static str,
    /// The lint's name, where it is one that can be allowed.
    lint: Option<&'static str>,
    /// What is said of all of this code.
    title: &'static str,
    /// What is said of this one.
    message: String,
    /// What to do.
    help: Option<String>,
    /// Places, the one that it is about first.
    labels: Vec<Marked>,
    /// How it can be mended, where that is known.
    fix: Option<Mend>,
}

/// A part of a file.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct Place {
    /// As it was named.
    file: String,
    /// From 1.
    line: usize,
    /// From 1, in characters.
    column: usize,
    /// From 1.
    end_line: usize,
    /// From 1, behind the last character.
    end_column: usize,
    /// In bytes of the file.
    range: Bytes,
}

/// Bytes of a file, from 0; the end is behind the last.
#[derive(Debug, Serialize, JsonSchema)]
struct Bytes {
    start: usize,
    end: usize,
}

/// A place and what is said of it.
#[derive(Debug, Serialize, JsonSchema)]
struct Marked {
    #[serde(flatten)]
    place: Place,
    /// What is said of it.
    text: String,
    /// Whether the diagnostic is about it.
    primary: bool,
}

/// Edits, all together.
#[derive(Debug, Serialize, JsonSchema)]
struct Mend {
    /// What it does.
    title: String,
    /// Whether it is what was meant, for certain.
    certain: bool,
    /// Each with its place.
    edits: Vec<Edited>,
}

/// A place and what stands there afterwards.
#[derive(Debug, Serialize, JsonSchema)]
struct Edited {
    #[serde(flatten)]
    place: Place,
    /// In its place.
    replacement: String,
}

/// One document, also where there is nothing to say.
pub fn json(report: Report<'_>) -> String {
    json_with(report, None)
}

/// As [`json`], with what is said of manifests that are right.
pub fn json_with(report: Report<'_>, good: Option<&Good>) -> String {
    let sources = report.sources;
    let items = report.diagnostics.iter().map(|diagnostic| Item {
        place: diagnostic.place().map(|label| place(sources, label)),
        code: diagnostic.code.id().to_string(),
        severity: severity(diagnostic.severity),
        lint: diagnostic.code.lint().map(|lint| lint.name),
        title: diagnostic.code.entry().title,
        message: diagnostic.message.to_string(),
        help: diagnostic.help.as_ref().map(ToString::to_string),
        labels: diagnostic
            .labels
            .iter()
            .map(|label| Marked {
                place: place(sources, label),
                text: label.text.to_string(),
                primary: label.primary,
            })
            .collect(),
        fix: diagnostic.fix.as_ref().map(|mends| fix(sources, mends)),
    });
    let errors = report.count(Severity::Error);
    let document = Document {
        format_version: FORMAT_VERSION,
        valid: errors == 0,
        files: report.files,
        errors,
        warnings: report.count(Severity::Warning),
        sources: good.map(|good| good.sources),
        targets: good.map(|good| good.targets),
        digest: good.map(|good| good.digest.clone()),
        diagnostics: items.collect(),
    };
    let document = serde_json::to_value(document).expect("texts and numbers are JSON");
    format!("{document:#}\n")
}

fn fix(sources: &Sources, fix: &Fix) -> Mend {
    let edits = fix.edits.iter().map(|edit| Edited {
        place: range(sources, &edit.place.file, &edit.place.span),
        replacement: edit.text.to_string(),
    });
    Mend {
        title: fix.title().to_string(),
        certain: fix.certain,
        edits: edits.collect(),
    }
}

fn place(sources: &Sources, label: &Label) -> Place {
    range(sources, &label.file, &label.span)
}

fn range(sources: &Sources, file: &str, span: &Range<usize>) -> Place {
    let start = sources.position(file, span.start);
    let end = sources.position(file, span.end);
    Place {
        file: file.to_owned(),
        line: start.line,
        column: start.column,
        end_line: end.line,
        end_column: end.column,
        range: Bytes {
            start: span.start,
            end: span.end,
        },
    }
}

fn severity(severity: Severity) -> &'static str {
    match severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
    }
}
