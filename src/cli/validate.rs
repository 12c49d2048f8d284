//! `heliostat validate`: whether manifests are right. A pure function of the files.

use std::io::{self, Write};
use std::path::PathBuf;

use clap::{Args, ValueEnum};

use super::exit;
use super::files::{self, Replacement};
use super::fleet::Fleet;
use super::load::{check, drawn};
use crate::diagnostic::{self, Report, Severity};

/// Checks manifests without doing anything.
#[derive(Args, Clone, Debug, Default)]
pub struct ValidateArgs {
    /// Manifest files or directories; `-` is the standard input [default: /etc/heliostat/conf.d]
    #[arg(value_name = "PATH")]
    pub paths: Vec<PathBuf>,
    /// How problems are shown
    #[arg(long, value_enum, default_value_t)]
    pub format: ValidateFormat,
    /// Treat warnings as errors
    #[arg(short = 'W', long)]
    pub warnings_as_errors: bool,
    /// Check FILE as if it were DEST, before it is put there; `-` is the standard input
    #[arg(long, value_name = "DEST=FILE")]
    pub replace: Vec<Replacement>,
    /// Check the plan of every host that a manifest or an agent file names, and of one that none names
    #[arg(long)]
    pub all_hosts: bool,
    /// The fleet's agent files, one a host: checked too, and where the labels of the hosts are known from
    #[arg(long, value_name = "DIR")]
    pub agents: Option<PathBuf>,
    /// Whether to use colours; set by the caller
    #[arg(skip)]
    pub colour: bool,
}

/// How problems are shown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum ValidateFormat {
    /// Source lines with carets
    #[default]
    Human,
    /// One JSON document
    Json,
    /// GitHub workflow commands
    Github,
    /// SARIF 2.1.0
    Sarif,
}

/// Runs the command; the result is its exit code.
pub fn run(args: &ValidateArgs, out: &mut dyn Write) -> io::Result<u8> {
    let mut inputs = files::read(&args.paths, &args.replace);
    let agents = Fleet::gather(args.agents.as_deref());
    let unreadable = !inputs.problems.is_empty() || agents.unreadable;
    let files = inputs.files.len() + inputs.problems.len() + agents.files.len();
    let mut diagnostics = inputs.problems;
    // Of files that cannot be read the rest cannot be judged: only what is wrong within each is said.
    if !inputs.files.is_empty() || !unreadable {
        let (manifests, found) = check(&inputs.files);
        diagnostics.extend(found);
        let mut broken = diagnostics.iter().chain(&agents.diagnostics);
        let broken = broken.any(|one| one.severity == Severity::Error);
        if args.all_hosts && !broken {
            let fleet = &agents.fleet;
            diagnostics.extend(fleet.check(&inputs.files, &manifests, &diagnostics));
        }
    }
    diagnostics.extend(agents.diagnostics);
    inputs.files.extend(agents.files);
    if args.warnings_as_errors {
        for diagnostic in &mut diagnostics {
            diagnostic.severity = Severity::Error;
        }
    }
    let errors = diagnostics
        .iter()
        .any(|diagnostic| diagnostic.severity == Severity::Error);
    let sources = drawn(&inputs.files, &diagnostics);
    let report = Report {
        sources: &sources,
        diagnostics: &diagnostics,
        files,
    };
    let mut text = match args.format {
        ValidateFormat::Human => diagnostic::terminal(report, args.colour),
        ValidateFormat::Json => diagnostic::json(report),
        ValidateFormat::Github => diagnostic::github(report),
        ValidateFormat::Sarif => diagnostic::sarif(report),
    };
    if args.format == ValidateFormat::Human && diagnostics.is_empty() {
        let plural = if report.files == 1 { " is" } else { "s are" };
        text = format!("{} manifest file{plural} valid\n", report.files);
    }
    out.write_all(text.as_bytes())?;
    Ok(match () {
        () if unreadable => exit::USAGE,
        () if errors => exit::NEGATIVE,
        () => exit::GOOD,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    const GOOD: &str = "apiVersion: heliostat/v1\nkind: Manifest\nsources: {a: {path: /a, targets: {t: {url: \"file:///b\"}}}}\n";
    const BAD: &str = "apiVersion: heliostat/v1\nkind: Manifest\nsources: {a: {path: a, targets: {t: {url: \"file:///b\"}}}}\n";
    const WARNED: &str = "apiVersion: heliostat/v1\nkind: Manifest\nsources: {a: {path: /a, targets: {t: {url: \"rsync://h/m\", passwordEnv: X}}}}\n";

    fn folder(files: &[(&str, &str)]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        for (name, text) in files {
            fs::write(folder.path().join(name), text).unwrap();
        }
        folder
    }

    #[track_caller]
    fn check_run(args: &ValidateArgs, code: u8, shown: &[&str]) {
        let mut out = Vec::new();
        let actual = run(args, &mut out).unwrap();
        let out = String::from_utf8(out).unwrap();
        assert_eq!(actual, code, "{out}");
        for text in shown {
            assert!(out.contains(text), "`{text}` is not in:\n{out}");
        }
    }

    #[test]
    fn valid_invalid_and_unreadable_have_their_own_exit_codes() {
        let folder = folder(&[("a.yaml", GOOD), ("b.yaml", BAD)]);
        let of = |names: &[&str]| ValidateArgs {
            paths: names.iter().map(|name| folder.path().join(name)).collect(),
            ..ValidateArgs::default()
        };
        check_run(&of(&["a.yaml"]), exit::GOOD, &["1 manifest file is valid"]);
        check_run(
            &of(&["a.yaml", "b.yaml"]),
            exit::NEGATIVE,
            &["error[H0206]", "b.yaml:3:21", "1 error in 1 of 2 files"],
        );
        check_run(
            &of(&["missing.yaml"]),
            exit::USAGE,
            &["error[H0001]", "no such file"],
        );
        check_run(
            &of(&["b.yaml", "missing.yaml"]),
            exit::USAGE,
            &["H0001", "H0206", "2 errors in 2 of"],
        );
        let json = ValidateArgs {
            format: ValidateFormat::Json,
            ..of(&["missing.yaml"])
        };
        check_run(
            &json,
            exit::USAGE,
            &["\"formatVersion\": 1", "\"code\": \"H0001\""],
        );
        let json = ValidateArgs {
            format: ValidateFormat::Json,
            ..of(&["a.yaml"])
        };
        check_run(&json, exit::GOOD, &["\"valid\": true"]);
        let github = ValidateArgs {
            format: ValidateFormat::Github,
            ..of(&["b.yaml"])
        };
        check_run(&github, exit::NEGATIVE, &["::error file="]);
        let sarif = ValidateArgs {
            format: ValidateFormat::Sarif,
            ..of(&["b.yaml"])
        };
        check_run(&sarif, exit::NEGATIVE, &["\"version\": \"2.1.0\""]);
    }

    #[test]
    fn warnings_are_errors_where_asked_for() {
        let folder = folder(&[("a.yaml", WARNED)]);
        let args = ValidateArgs {
            paths: vec![folder.path().to_owned()],
            ..ValidateArgs::default()
        };
        check_run(
            &args,
            exit::GOOD,
            &["warning[H0308]", "1 warning in 1 of 1 file"],
        );
        check_run(
            &ValidateArgs {
                warnings_as_errors: true,
                ..args
            },
            exit::NEGATIVE,
            &["error[H0308]"],
        );
    }

    #[test]
    fn a_candidate_is_checked_before_it_is_put_in_place() {
        let folder = folder(&[("a.yaml", GOOD), ("candidate", BAD)]);
        let replacement = Replacement {
            dest: folder.path().join("a.yaml"),
            candidate: folder.path().join("candidate"),
        };
        let args = ValidateArgs {
            paths: vec![folder.path().to_owned()],
            replace: vec![replacement],
            ..ValidateArgs::default()
        };
        check_run(&args, exit::NEGATIVE, &["a.yaml:3:21"]);
    }

    #[test]
    fn an_empty_directory_is_no_valid_manifest() {
        let folder = folder(&[]);
        let args = ValidateArgs {
            paths: vec![folder.path().to_owned()],
            ..ValidateArgs::default()
        };
        check_run(&args, exit::NEGATIVE, &["H0012"]);
    }
}
