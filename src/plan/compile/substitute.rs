//! `${source} ${target} ${host} ${labels.X}` in paths and urls.
//!
//! Nothing else is substituted, nothing is substituted twice, and the environment is not consulted.

use std::collections::BTreeMap;
use std::ops::Range;

use super::HostFacts;
use super::collector::Collector;
use crate::diagnostic::{Code, Diagnostic};
use crate::manifest::{Manifest, Spanned};

/// A host that a source runs on, as far as it is known.
#[derive(Clone, Copy, Debug)]
pub(super) struct Home<'a> {
    /// `None`: whichever host loads the manifest.
    pub name: Option<&'a str>,
    /// `None`: not known here, because it is not the host that is compiled for.
    pub labels: Option<&'a BTreeMap<String, String>>,
}

impl<'a> Home<'a> {
    /// The host that is compiled for.
    pub fn here(host: &'a HostFacts) -> Home<'a> {
        Home {
            name: Some(&host.name),
            labels: Some(&host.labels),
        }
    }
}

/// What the variables mean.
#[derive(Clone, Copy)]
pub(super) struct Variables<'a> {
    pub manifest: &'a Manifest,
    pub source: &'a str,
    /// `None` where there is no target to speak of.
    pub target: Option<&'a str>,
    pub home: Home<'a>,
}

/// A text with its variables replaced.
pub(super) struct Substituted {
    pub text: String,
    /// Whether all of them were known; the others are replaced by `x`, so that the rest can be checked.
    pub complete: bool,
}

/// Why a variable cannot be replaced.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Problem {
    pub code: Code,
    pub at: Range<usize>,
    pub message: String,
    pub help: String,
}

/// Replaces the variables of a text, or says which cannot be.
pub(super) fn substitute(text: &str, variables: Variables<'_>) -> Result<Substituted, Problem> {
    let mut out = Substituted {
        text: String::with_capacity(text.len()),
        complete: true,
    };
    let mut rest = text;
    while let Some(start) = rest.find("${") {
        out.text.push_str(&rest[..start]);
        let at = text.len() - rest.len() + start;
        let Some(length) = rest[start..].find('}') else {
            return Err(Problem {
                code: Code::BadSubstitution,
                at: at..text.len(),
                message: "`${` without `}`".into(),
                help: "write `${source}`, `${target}`, `${host}` or `${labels.NAME}`".into(),
            });
        };
        let name = &rest[start + 2..start + length];
        match variables.value(name, at..at + length + 1)? {
            Some(value) => out.text.push_str(value),
            None => {
                out.text.push('x');
                out.complete = false;
            }
        }
        rest = &rest[start + length + 1..];
    }
    out.text.push_str(rest);
    Ok(out)
}

/// The same for a value of a manifest: what is wrong goes to the diagnostics.
pub(super) fn substituted(
    value: &Spanned<String>,
    variables: Variables<'_>,
    out: &mut Collector<'_>,
) -> Option<Substituted> {
    match substitute(&value.value, variables) {
        Ok(done) => Some(done),
        Err(problem) => {
            let place = out.within(&value.at, &value.value, problem.at);
            out.push(
                Diagnostic::new(problem.code, problem.message)
                    .primary(&place, "")
                    .help(problem.help),
            );
            None
        }
    }
}

/// Whether a text means something else on another host.
pub(super) fn depends_on_host(text: &str) -> bool {
    text.contains("${host}") || text.contains("${labels.")
}

impl<'a> Variables<'a> {
    fn value(&self, name: &str, at: Range<usize>) -> Result<Option<&'a str>, Problem> {
        let problem = |code, message: String, help: &str| {
            Err(Problem {
                code,
                at: at.clone(),
                message,
                help: help.into(),
            })
        };
        match name {
            "source" => Ok(Some(self.source)),
            "target" => match self.target {
                Some(target) => Ok(Some(target)),
                None => problem(
                    Code::BadSubstitution,
                    "`${target}` has no meaning in a source's path".into(),
                    "a source has several targets; use it in their `url`",
                ),
            },
            "host" => match self.home.name {
                Some("") => problem(
                    Code::HostFact,
                    "`${host}` is needed, and the host's name is not known".into(),
                    "name it in the agent file or with `--host`",
                ),
                known => Ok(known),
            },
            _ => match name.strip_prefix("labels.") {
                Some(label) => self.label(label, at.clone()),
                None => problem(
                    Code::BadSubstitution,
                    format!("unknown variable `${{{name}}}`"),
                    "there are `${source}`, `${target}`, `${host}` and `${labels.NAME}`; the environment is not consulted",
                ),
            },
        }
    }

    fn label(&self, label: &str, at: Range<usize>) -> Result<Option<&'a str>, Problem> {
        if let Some(value) = self.manifest.labels.get(label) {
            return Ok(Some(&value.value));
        }
        let Some(labels) = self.home.labels else {
            return Ok(None);
        };
        match labels.get(label) {
            Some(value) => Ok(Some(value)),
            None => Err(Problem {
                code: Code::HostFact,
                at,
                message: format!(
                    "the label `{label}` is known neither to the manifest nor to the host"
                ),
                help: "add it under `metadata.labels`, or to the host's agent file".into(),
            }),
        }
    }
}
