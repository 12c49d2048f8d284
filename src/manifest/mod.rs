//! What was written: from manifest texts to [`Manifest`] and [`Agent`] values with places, collecting every error.
//!
//! The way through: text → events (granit-parser) → spanned tree, with limits (`yaml`) → lowering, key by key, with
//! `defaults` merged (`document`, `source`, `target`, `agent`). Owns the language's keys, values and urls, and the
//! schema. It must not know plans, hosts, globs or schedules: patterns and cron expressions stay texts, and whatever
//! needs more than one document is the compiler's. Called by the commands and the service, which hand the manifests to
//! the compiler. Pure: texts come in as values.

mod access;
mod agent;
mod allowed;
mod bounds;
pub mod defaults;
mod document;
mod fields;
mod hooks;
mod keys;
mod mend;
pub mod name;
mod paths;
mod reach;
mod reading;
mod rsync_args;
mod schema;
mod source;
mod target;
mod telling;
mod timing;
mod types;
pub mod unit;
mod unused;
mod url;
mod web_url;
pub mod wire;
pub mod wire_agent;
mod wire_durations;
mod wire_rules;
pub mod wire_telling;
pub mod wire_values;
mod yaml;
mod yaml_error;

pub use allowed::allowed;
pub use document::API_VERSION;
pub use hooks::{Hook, Hooks, OnError};
pub use keys::{Key, agent_keys, keys, keys_named};
pub use mend::quoted;
pub use reach::{Access, Http, is_loopback};
pub use reading::nearest;
pub use schema::{agent_schema, schema};
pub use telling::{BeatUrl, Heartbeat, Metrics};
pub use types::*;
pub use url::{Url, UrlParts, UrlProblem};
pub use web_url::WebUrl;
pub use yaml::MAX_FILE_BYTES;

use std::sync::Arc;

use crate::diagnostic::{Code, Diagnostic, LINTS, Place, Severity};
use document::{Document, Wanted, document};
use reading::Reading;

/// Of a file. Nobody reads more, and a file of 1 MiB can hold a hundred thousand mistakes.
const MAX_PROBLEMS: usize = 200;
/// Of a file, before they are sorted and cut: beyond it they are not even made.
const PROBLEMS_KEPT: usize = 1000;
/// Of all files together.
const ALL_PROBLEMS_MAX: usize = 2000;

/// A file's name, as it was named to the program, and its text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SourceFile {
    /// As it was named; `-` is the standard input.
    pub name: String,
    /// All of it.
    pub text: String,
}

/// Reads manifests, collecting every error. What is wrong is left out or stood in for (an empty path, an unknown url):
/// with an error among the diagnostics nothing may be run from what is returned, but it may be checked further, so that
/// one run names every mistake.
pub fn load(files: &[SourceFile]) -> (Vec<Manifest>, Vec<Diagnostic>) {
    let mut manifests = Vec::new();
    let mut problems = Vec::new();
    for file in files {
        let mut found = Vec::new();
        for document in read(file, Wanted::Manifest, &mut found) {
            if let Document::Manifest(manifest) = document {
                manifests.push(manifest);
            }
        }
        problems.extend(bounded(found, MAX_PROBLEMS));
    }
    if manifests.is_empty()
        && !problems
            .iter()
            .any(|problem| problem.severity == Severity::Error)
    {
        problems.clear();
        problems.push(
            Diagnostic::new(Code::NoManifest, "there is no manifest to read")
                .help("write one with `heliostat init SOURCE URL`"),
        );
    }
    allowed(&manifests, &mut problems);
    (manifests, bounded(problems, ALL_PROBLEMS_MAX))
}

/// Reads a host's settings.
pub fn load_agent(file: &SourceFile) -> (Option<Agent>, Vec<Diagnostic>) {
    let mut problems = Vec::new();
    let mut agents = read(file, Wanted::Agent, &mut problems)
        .into_iter()
        .filter_map(|document| match document {
            Document::Agent(agent) => Some(*agent),
            Document::Manifest(_) => None,
        });
    let first = agents.next();
    if let Some(second) = agents.next() {
        let start = second.at.span.start;
        let at = Place {
            span: start..start + 1,
            ..second.at
        };
        problems.push(
            Diagnostic::new(Code::Kind, "a host has one `kind: Agent`")
                .primary(&at, "a second one"),
        );
    }
    (first, bounded(problems, MAX_PROBLEMS))
}

/// The lints that `metadata.allow` takes.
fn allowable() -> Vec<&'static str> {
    let lints = LINTS.iter().filter(|lint| lint.allowable());
    lints.map(|lint| lint.name).collect()
}

fn read(file: &SourceFile, wanted: Wanted, problems: &mut Vec<Diagnostic>) -> Vec<Document> {
    let name: Arc<str> = file.name.as_str().into();
    let before = problems.len();
    let nodes = yaml::documents(&name, &file.text, problems);
    if nodes.is_empty() && problems.len() == before {
        // A file that was emptied by mistake looks like this; one that is commented out, too.
        let mut problem = Diagnostic::new(Code::NoManifest, "the file holds no document").primary(
            &Place {
                file: name.clone(),
                span: 0..0,
            },
            "only blanks and comments",
        );
        problem.severity = Severity::Warning;
        problems.push(problem);
    }
    let mut reading = Reading {
        text: &file.text,
        problems,
        routes: 0,
    };
    nodes
        .iter()
        .filter_map(|node| document(&mut reading, node, wanted))
        .collect()
}

/// As many as are read of each file, of errors and of warnings apart: none of these hides an error. What a compiler finds
/// comes sorted by file.
pub fn readable(problems: Vec<Diagnostic>) -> Vec<Diagnostic> {
    if problems.len() <= MAX_PROBLEMS {
        return problems;
    }
    let file = |problem: &Diagnostic| problem.place().map(|label| label.file.clone());
    let mut out = Vec::new();
    for of_file in problems.chunk_by(|one, next| file(one) == file(next)) {
        let wrong = |problem: &&Diagnostic| problem.severity == Severity::Error;
        let (errors, warnings): (Vec<_>, Vec<_>) = of_file.iter().partition(wrong);
        let cut =
            |some: Vec<&Diagnostic>| bounded(some.into_iter().cloned().collect(), MAX_PROBLEMS);
        let both = [cut(errors), cut(warnings)].concat();
        out.extend(bounded(both, usize::MAX));
    }
    out
}

/// Sorted by place within each file, and cut.
fn bounded(mut problems: Vec<Diagnostic>, most: usize) -> Vec<Diagnostic> {
    let mut order: Vec<Arc<str>> = Vec::new();
    for label in problems.iter().filter_map(Diagnostic::place) {
        if !order.contains(&label.file) {
            order.push(label.file.clone());
        }
    }
    problems.sort_by_key(|problem| {
        problem.place().map(|label| {
            (
                order.iter().position(|file| *file == label.file),
                label.span.start,
            )
        })
    });
    if problems.len() > most {
        let more = problems.len() - most;
        let or_more = if problems.len() >= PROBLEMS_KEPT {
            " or more"
        } else {
            ""
        };
        let mut cut = Diagnostic::new(
            Code::TooManyProblems,
            format!("{more}{or_more} further problems are not shown"),
        );
        // In the order of places it stands where they would.
        if let Some(label) = problems[most].place() {
            let start = label.span.start;
            let at = Place {
                file: label.file.clone(),
                span: start..start,
            };
            cut = cut.primary(&at, "the first of them is here");
        }
        // Warnings do not become an error by being many.
        if problems[most..]
            .iter()
            .all(|problem| problem.severity == Severity::Warning)
        {
            cut.severity = Severity::Warning;
        }
        problems.truncate(most);
        problems.push(cut);
    }
    problems
}
