//! `heliostat init`: writes a first manifest.

use std::fs::OpenOptions;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use clap::Args;

use super::exit;
use super::load::{drawn, review};
use crate::diagnostic::{self, Code, Diagnostic, Place, Report, Severity, Sources};
use crate::manifest::{SourceFile, Url, UrlParts, name};

/// Writes a first manifest for one directory and one target.
#[derive(Args, Clone, Debug)]
pub struct InitArgs {
    /// The directory whose contents are to be reflected
    pub source: PathBuf,
    /// Where to: rsync://user@host/module, ssh://user@host/path or file:///path
    pub url: String,
    /// Write to FILE, which must not exist yet [default: the standard output]
    #[arg(short, long, value_name = "FILE")]
    pub output: Option<PathBuf>,
    /// Whether to use colours; set by the caller
    #[arg(skip)]
    pub colour: bool,
}

/// Runs the command; the result is its exit code.
pub fn run(args: &InitArgs, out: &mut dyn Write, err: &mut dyn Write) -> io::Result<u8> {
    let text = match manifest(args) {
        Ok(text) => text,
        Err(report) => {
            err.write_all(report.as_bytes())?;
            return Ok(exit::USAGE);
        }
    };
    let file = SourceFile {
        name: "the new manifest".to_owned(),
        text,
    };
    let (_, problems) = review(std::slice::from_ref(&file));
    let invalid = problems
        .iter()
        .any(|problem| problem.severity == Severity::Error);
    if !problems.is_empty() {
        let sources = drawn(std::slice::from_ref(&file), &problems);
        let report = Report {
            sources: &sources,
            diagnostics: &problems,
            files: 1,
        };
        err.write_all(diagnostic::terminal(report, args.colour).as_bytes())?;
    }
    if invalid {
        return Ok(exit::NEGATIVE);
    }
    match &args.output {
        None => out.write_all(file.text.as_bytes()).map(|()| exit::GOOD),
        Some(path) => match write_new(path, &file.text) {
            Ok(()) => Ok(exit::GOOD),
            Err(error) => {
                let message = match error.kind() {
                    io::ErrorKind::AlreadyExists => {
                        "it exists already, and nothing is overwritten".to_owned()
                    }
                    _ => error.to_string(),
                };
                writeln!(err, "error: cannot write `{}`: {message}", path.display())?;
                Ok(exit::USAGE)
            }
        },
    }
}

fn write_new(path: &Path, text: &str) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).create_new(true).open(path)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()
}

/// The manifest's text, or what is wrong with the arguments.
fn manifest(args: &InitArgs) -> Result<String, String> {
    let url = Url::parse(&args.url).map_err(|problem| {
        let place = |range: &std::ops::Range<usize>| Place {
            file: "URL".into(),
            span: range.clone(),
        };
        let mut diagnostic = Diagnostic::new(problem.code, problem.message)
            .primary(&place(&problem.range), problem.label);
        diagnostic.masked.extend(problem.secret.as_ref().map(place));
        drawn_argument("URL", &args.url, diagnostic, args.colour)
    })?;
    let wrong = |message: &str| {
        let diagnostic = Diagnostic::new(Code::BadPath, message).primary(
            &Place {
                file: "SOURCE".into(),
                span: 0..args.source.to_string_lossy().len(),
            },
            "",
        );
        drawn_argument(
            "SOURCE",
            &args.source.to_string_lossy(),
            diagnostic,
            args.colour,
        )
    };
    let path = std::path::absolute(&args.source)
        .map_err(|error| wrong(&format!("not a path: {error}")))?;
    let path = path
        .to_str()
        .ok_or_else(|| wrong("manifests are UTF-8, and this path is not"))?;
    let path = name::normalised(path);
    let source = label(path.rsplit('/').next().unwrap_or_default(), "source");
    Ok(written(&source, &path, &url))
}

fn drawn_argument(file: &str, text: &str, diagnostic: Diagnostic, colour: bool) -> String {
    let diagnostics = [diagnostic];
    let mut sources = Sources::new();
    sources.insert(file, text);
    sources.mask(&diagnostics);
    diagnostic::terminal(
        Report {
            sources: &sources,
            diagnostics: &diagnostics,
            files: 1,
        },
        colour,
    )
}

fn written(source: &str, path: &str, url: &Url) -> String {
    let (target, more) = match &url.parts {
        UrlParts::Daemon { user, host, .. } => {
            let password = match user {
                Some(_) => format!("        passwordFile: /etc/heliostat/secrets/{source}  # mode 0600, the password and nothing else\n"),
                None => "        # passwordFile: /etc/heliostat/secrets/NAME  # where the module asks for a user\n".to_owned(),
            };
            (
                label(host.split('.').next().unwrap_or_default(), "target"),
                password,
            )
        }
        UrlParts::Ssh { host, .. } => {
            let more = "        # ssh: {identityFile: /etc/heliostat/ssh/id, knownHostsFile: /etc/heliostat/ssh/known_hosts}\n";
            (
                label(host.split('.').next().unwrap_or_default(), "target"),
                more.to_owned(),
            )
        }
        UrlParts::Local { .. } => {
            let more =
                "        # guard: {requireMount: true}  # held while the disk is not mounted\n";
            ("local".to_owned(), more.to_owned())
        }
    };
    // An address makes no name: `172` would say nothing.
    let target = if target.bytes().all(|byte| byte.is_ascii_digit()) {
        "target".to_owned()
    } else {
        target
    };
    format!(
        "\
# yaml-language-server: $schema=manifest.schema.json
# heliostat keeps the directory below reflected on its targets. Check with `heliostat validate FILE`,
# see what would happen with `heliostat plan FILE`, start with `heliostat run FILE`;
# for an editor's help put `heliostat schema > manifest.schema.json` beside it.
apiVersion: heliostat/v1
kind: Manifest
sources:
  {source}:
    path: {}
    # exclude: [\"*.tmp\", \"/cache/\"]  # always quoted; a leading slash is the source's root
    targets:
      {target}:
        url: {}
{more}        delete: never  # propagate: what was seen to vanish; mirror: whatever the source has not
",
        quoted(path),
        quoted(&url.text),
    )
}

/// A scalar as YAML writes it.
fn quoted(text: &str) -> String {
    // A text can always be written; the quoted form is only for the impossible case.
    serde_yaml::to_string(text)
        .map_or_else(|_| format!("{text:?}"), |yaml| yaml.trim_end().to_owned())
}

/// A DNS label that resembles a text.
fn label(text: &str, otherwise: &str) -> String {
    let plain: String = text
        .to_lowercase()
        .chars()
        .map(|c| if c.is_ascii_alphanumeric() { c } else { '-' })
        .take(63)
        .collect();
    let plain = plain.trim_matches('-');
    if name::dns_label(plain).is_ok() {
        plain.to_owned()
    } else {
        otherwise.to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::manifest;

    fn init(source: &str, url: &str, output: Option<PathBuf>) -> (u8, String, String) {
        let args = InitArgs {
            source: source.into(),
            url: url.to_owned(),
            output,
            colour: false,
        };
        let (mut out, mut err) = (Vec::new(), Vec::new());
        let code = run(&args, &mut out, &mut err).unwrap();
        (
            code,
            String::from_utf8(out).unwrap(),
            String::from_utf8(err).unwrap(),
        )
    }

    #[test]
    fn what_is_written_is_valid_and_says_what_was_asked_for() {
        for (source, url, names) in [
            (
                "/data/website",
                "rsync://website@172.16.6.98/website",
                "website/target",
            ),
            (
                "/data/My Site!/",
                "ssh://mirror@dr.example.com/srv/mirror",
                "my-site/dr",
            ),
            ("/", "rsync://nas/all", "source/nas"),
            ("/b", "file:///mnt/nas: #x", "b/local"),
            ("/a: 'b", "rsync://[::1]/m", "a---b/target"),
        ] {
            let (code, out, err) = init(source, url, None);
            assert_eq!((code, err.as_str()), (exit::GOOD, ""), "{out}");
            let file = SourceFile {
                name: "x".to_owned(),
                text: out,
            };
            let (manifests, problems) = manifest::load(&[file]);
            assert_eq!(problems, []);
            let source = &manifests[0].sources[0];
            assert_eq!(
                format!("{}/{}", source.name.value, source.targets[0].name.value),
                names
            );
            assert_eq!(source.targets[0].url.value.text, url);
        }
    }

    #[test]
    fn nothing_is_overwritten() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("web.yaml");
        assert_eq!(
            init("/a", "file:///b", Some(path.clone())),
            (exit::GOOD, String::new(), String::new())
        );
        let first = std::fs::read_to_string(&path).unwrap();
        let (code, _, err) = init("/c", "file:///d", Some(path.clone()));
        assert_eq!(code, exit::USAGE);
        assert!(err.contains("nothing is overwritten"), "{err}");
        assert_eq!(std::fs::read_to_string(&path).unwrap(), first);
    }

    #[test]
    fn wrong_arguments_are_shown_without_their_secrets() {
        let (code, out, err) = init("/a", "rsync://u:hunter2@h/m", None);
        assert_eq!((code, out.as_str()), (exit::USAGE, ""));
        assert!(err.contains("H0303") && !err.contains("hunter2"), "{err}");
        assert!(
            init("/a", "/mnt/nas", None)
                .2
                .contains("write `file:///mnt/nas`")
        );
    }
}
