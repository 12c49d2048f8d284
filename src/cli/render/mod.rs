//! `heliostat render`: the effective manifest, with every default written out.
//!
//! What is printed is itself a manifest: `validate` accepts it, and it means the same. `defaults` have been merged in,
//! and a target shows what it inherits from its source. Substitutions are left as they are: they need a host.

mod effective;
mod origins;

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::path::PathBuf;

use clap::Args;

use self::effective::effective;
use self::origins::Origins;

use super::load::{check, drawn};
use super::{exit, files};
use crate::diagnostic::{self, Report, Severity, Sources};
use crate::manifest::{Manifest, Source, Target, wire};
use crate::service::reading::Line;

/// Prints the effective manifest with its defaults.
#[derive(Args, Clone, Debug, Default)]
pub struct RenderArgs {
    /// Manifest files or directories; `-` is the standard input [default: /etc/heliostat/conf.d]
    #[arg(value_name = "PATH")]
    pub paths: Vec<PathBuf>,
    /// Say beside each value where it comes from
    #[arg(long)]
    pub origin: bool,
    /// Whether to use colours in messages; set by the caller
    #[arg(skip)]
    pub colour: bool,
}

/// What a manifest means, with every default, whichever way it is written.
pub(super) fn meaning(manifest: &Manifest) -> wire::Manifest {
    effective::effective(manifest, &mut nowhere(&Sources::new()))
}

/// What one target of a source means.
pub(super) fn meaning_of(source: &Source, target: &Target) -> wire::Target {
    effective::target(source, target, &mut nowhere(&Sources::new()))
}

/// Origins that nobody asks for.
fn nowhere(sources: &Sources) -> Origins<'_> {
    Origins {
        sources,
        of: BTreeMap::new(),
        path: Vec::new(),
    }
}

/// The effective manifests, line by line, each line with where its value comes from.
pub(super) fn lines(
    manifests: &[Manifest],
    sources: &Sources,
) -> Result<Vec<Line>, serde_yaml::Error> {
    let mut lines = Vec::new();
    for (index, manifest) in manifests.iter().enumerate() {
        if index > 0 {
            lines.push(Line {
                text: "---".to_owned(),
                origin: None,
            });
        }
        let mut origins = nowhere(sources);
        let yaml = serde_yaml::to_string(&effective(manifest, &mut origins))?;
        lines.extend(origins.beside(&yaml));
    }
    Ok(lines)
}

/// Runs the command; the result is its exit code.
pub fn run(args: &RenderArgs, out: &mut dyn Write, err: &mut dyn Write) -> io::Result<u8> {
    let inputs = files::read(&args.paths, &[]);
    let (manifests, problems) = if inputs.files.is_empty() && !inputs.problems.is_empty() {
        Default::default()
    } else {
        check(&inputs.files)
    };
    let unreadable = !inputs.problems.is_empty();
    let files = inputs.files.len() + inputs.problems.len();
    let diagnostics: Vec<_> = inputs.problems.into_iter().chain(problems).collect();
    let sources = drawn(&inputs.files, &diagnostics);
    let report = Report {
        sources: &sources,
        diagnostics: &diagnostics,
        files,
    };
    err.write_all(diagnostic::terminal(report, args.colour).as_bytes())?;
    if unreadable {
        return Ok(exit::USAGE);
    }
    if report.count(Severity::Error) > 0 {
        return Ok(exit::NEGATIVE);
    }
    let lines = match lines(&manifests, &sources) {
        Ok(lines) => lines,
        Err(error) => {
            writeln!(err, "error: cannot write the manifest: {error}")?;
            return Ok(exit::USAGE);
        }
    };
    let mut text = String::new();
    for line in lines {
        text.push_str(&line.text);
        if let Some(origin) = line.origin.filter(|_| args.origin) {
            text.push_str("  # ");
            text.push_str(&origin);
        }
        text.push('\n');
    }
    out.write_all(text.as_bytes())?;
    Ok(exit::GOOD)
}
