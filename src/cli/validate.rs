//! `heliostat validate`: whether manifests are right. A pure function of the files; with `--fix` it also mends them.

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};

use super::digest::digest;
use super::files::{self, Inputs, Replacement, STDIN};
use super::fix::{Fixed, fixed, fixed_agents};
use super::fleet::Fleet;
use super::load::{drawn, review};
use super::{exit, rewrite};
use crate::diagnostic::{self, Diagnostic, Good, Report, Severity};
use crate::manifest::{Manifest, SourceFile};

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
    /// Mend what can only be meant in one way: rewrites the files, or sends the mended standard input to the standard output
    #[arg(long, conflicts_with = "replace")]
    pub fix: bool,
    /// Show what `--fix` would change as a unified diff, and change nothing
    #[arg(long, requires = "fix")]
    pub dry_run: bool,
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
pub fn run(args: &ValidateArgs, out: &mut dyn Write, err: &mut dyn Write) -> io::Result<u8> {
    if let Some(twice) = reads_stdin_twice(args) {
        writeln!(err, "error: {twice}")?;
        return Ok(exit::USAGE);
    }
    let mut inputs = files::read(&args.paths, &args.replace);
    let judged = if args.fix {
        let fixed = fixed(&inputs.files);
        let agents = args.agents.as_deref();
        let agents = agents.map(|path| files::read(&[path.to_owned()], &[]));
        let agents = agents.unwrap_or_default();
        let mended = fixed_agents(&agents.files);
        if args.dry_run {
            let all = fixed.iter().zip(&inputs.files);
            for (item, was) in all.chain(mended.iter().zip(&agents.files)) {
                out.write_all(difference(was, item).as_bytes())?;
            }
            // The files are as they were, and so is what is said of them.
            return report(args, inputs, err);
        }
        let refused = write(&fixed, &inputs, out, err)? | write(&mended, &agents, out, err)?;
        for (item, file) in fixed.into_iter().zip(&mut inputs.files) {
            *file = item.file;
        }
        // The mended text takes the standard output.
        let piped = inputs.paths.iter().any(|path| path == Path::new(STDIN));
        let ended = report(args, inputs, if piped { err } else { out })?;
        if refused { exit::USAGE } else { ended }
    } else {
        report(args, inputs, out)?
    };
    Ok(judged)
}

/// Judges what was read and shows it; the exit code.
fn report(args: &ValidateArgs, mut inputs: Inputs, out: &mut dyn Write) -> io::Result<u8> {
    let agents = Fleet::gather(args.agents.as_deref());
    let unreadable = !inputs.problems.is_empty() || agents.unreadable;
    let files = inputs.files.len() + inputs.problems.len() + agents.files.len();
    let mut diagnostics = inputs.problems;
    let mut manifests = Vec::new();
    // Of files that cannot be read the rest cannot be judged: only what is wrong within each is said.
    if !inputs.files.is_empty() || !unreadable {
        let (read, found) = review(&inputs.files);
        manifests = read;
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
    let good = (!errors).then(|| good(&manifests));
    let mut text = match args.format {
        ValidateFormat::Human => diagnostic::terminal(report, args.colour),
        ValidateFormat::Json => diagnostic::json_with(report, good.as_ref()),
        ValidateFormat::Github => diagnostic::github(report),
        ValidateFormat::Sarif => diagnostic::sarif(report),
    };
    if args.format == ValidateFormat::Human
        && let Some(good) = &good
    {
        text.push_str(&valid(files, good, &diagnostics));
    }
    out.write_all(text.as_bytes())?;
    Ok(match () {
        () if unreadable => exit::USAGE,
        () if errors => exit::NEGATIVE,
        () => exit::GOOD,
    })
}

fn good(manifests: &[Manifest]) -> Good {
    let sources = || manifests.iter().flat_map(|manifest| &manifest.sources);
    Good {
        sources: sources().count(),
        targets: sources().map(|source| source.targets.len()).sum(),
        digest: digest(manifests),
    }
}

/// `valid: 2 files, 3 sources, 7 targets, 0 warnings, digest 2226…`
fn valid(files: usize, good: &Good, warnings: &[Diagnostic]) -> String {
    /// As much as people compare by eye; the JSON has all of it.
    const SHOWN: usize = 16;
    let counted = |count: usize, noun: &str| {
        let end = if count == 1 { "" } else { "s" };
        format!("{count} {noun}{end}")
    };
    format!(
        "valid: {}, {}, {}, {}, digest {}\n",
        counted(files, "file"),
        counted(good.sources, "source"),
        counted(good.targets, "target"),
        counted(warnings.len(), "warning"),
        &good.digest[..SHOWN],
    )
}

fn reads_stdin_twice(args: &ValidateArgs) -> Option<&'static str> {
    let stdin = Path::new(STDIN);
    let named = args.paths.iter().filter(|path| *path == stdin).count();
    let candidates = args.replace.iter();
    let candidates = candidates.filter(|one| one.candidate == stdin).count();
    (named + candidates > 1).then_some("the standard input can be read once: name `-` once")
}

/// Rewrites what was mended, and says so; whether a file could not be.
fn write(
    fixed: &[Fixed],
    inputs: &Inputs,
    out: &mut dyn Write,
    err: &mut dyn Write,
) -> io::Result<bool> {
    let mut refused = false;
    for ((item, was), path) in fixed.iter().zip(&inputs.files).zip(&inputs.paths) {
        if path == Path::new(STDIN) {
            out.write_all(item.file.text.as_bytes())?;
        } else if item.made > 0 {
            let name = &was.name;
            match rewrite::rewrite(path, &was.text, &item.file.text) {
                Ok(()) => {
                    let end = if item.made == 1 { "" } else { "s" };
                    writeln!(err, "fixed `{name}`: {} change{end}", item.made)?;
                }
                Err(error) => {
                    refused = true;
                    writeln!(
                        err,
                        "error: cannot rewrite `{name}`: {}",
                        files::said(&error)
                    )?;
                }
            }
        }
    }
    Ok(refused)
}

/// What would change, as `diff -u` shows it.
fn difference(was: &SourceFile, item: &Fixed) -> String {
    let secret = [was, &item.file].map(|file| drawn(std::slice::from_ref(file), &[]));
    let [old, new] =
        [&secret[0], &secret[1]].map(|texts| texts.text(&was.name).unwrap_or_default());
    if item.made == 0 {
        return String::new();
    }
    similar::TextDiff::from_lines(old, new)
        .unified_diff()
        .header(&was.name, &was.name)
        .to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    const GOOD: &str = "apiVersion: heliostat/v1\nkind: Manifest\nsources: {a: {path: /a, targets: {t: {url: \"file:///b\"}}}}\n";
    const BAD: &str = "apiVersion: heliostat/v1\nkind: Manifest\nsources: {b: {path: a, targets: {t: {url: \"file:///c\"}}}}\n";
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
        let actual = run(args, &mut out, &mut io::sink()).unwrap();
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
        check_run(
            &of(&["a.yaml"]),
            exit::GOOD,
            &["valid: 1 file, 1 source, 1 target, 0 warnings, digest "],
        );
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
    fn agent_files_are_mended_too() {
        let wrong = "apiVersion: heliostat/v1\nkind: Agent # of web1\nwatchManifest: true\nwatch: fanotfy\n";
        let right = wrong
            .replace("watchManifest:", "watchManifests:")
            .replace("fanotfy", "fanotify");
        let (manifests, agents) = (folder(&[("a.yaml", GOOD)]), folder(&[("web1.yaml", wrong)]));
        let args = ValidateArgs {
            paths: vec![manifests.path().to_owned()],
            agents: Some(agents.path().to_owned()),
            fix: true,
            dry_run: true,
            ..ValidateArgs::default()
        };
        check_run(
            &args,
            exit::NEGATIVE,
            &["-watch: fanotfy\n", "+watch: fanotify\n"],
        );
        let text = || fs::read_to_string(agents.path().join("web1.yaml")).unwrap();
        assert_eq!(text(), wrong);
        let args = ValidateArgs {
            dry_run: false,
            ..args
        };
        check_run(&args, exit::GOOD, &["valid: 2 files"]);
        assert_eq!(text(), right);
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
