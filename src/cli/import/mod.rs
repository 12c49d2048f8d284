//! `heliostat import`: a manifest of what another program is configured to do.
//!
//! Reads sersync's XML, lsyncd's Lua and the script of `inotifywait` and `rsync`, and runs none of them. What is made passes `validate`;
//! what was changed, and what somebody must decide, is a report with the line of the original. Deletes are never made more permissive:
//! where it cannot be known what the original left out, nothing is deleted. A secret is never taken over, and never shown: where
//! one stands in the file, nothing is made of it. Files of patterns that the original names are read, where others may read them.
//! Everything but reading and writing files is pure.

mod draft;
mod grammar;
mod lsyncd;
mod lua;
mod options;
mod patterns;
mod place;
mod script;
mod sersync;
mod shell;

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};
use serde::Serialize;

use super::client::Format;
use super::exit;
use super::load::{drawn, review};
use crate::diagnostic::{self, Report, Severity};
use crate::manifest::SourceFile;
use crate::service::protocol::FORMAT_VERSION;
pub use draft::{Draft, Files, Note, What};

/// Longer files are not read: they are no configuration.
const BYTES_MAX: u64 = 1 << 20;

/// Writes a manifest of what another program is configured to do.
#[derive(Args, Clone, Debug)]
pub struct ImportArgs {
    /// sersync's confxml.xml, lsyncd's Lua, or a script with inotifywait and rsync
    pub file: PathBuf,
    /// What it is [default: told by its content]
    #[arg(long, value_enum, value_name = "KIND")]
    pub from: Option<From>,
    /// Write to FILE, which must not exist yet [default: the standard output]
    #[arg(short, long, value_name = "FILE")]
    pub output: Option<PathBuf>,
    /// How manifest and report are printed: the report of `human` goes to the standard error stream
    #[arg(long, value_enum, default_value_t = Format::Human, value_name = "FORMAT")]
    pub format: Format,
}

/// Whose file it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum From {
    /// XML.
    Sersync,
    /// Lua.
    Lsyncd,
    /// A shell script.
    Script,
}

/// Runs the command; the result is its exit code.
pub fn run(args: &ImportArgs, out: &mut dyn Write, err: &mut dyn Write) -> io::Result<u8> {
    let shown = crate::engine::escape(args.file.as_os_str().as_encoded_bytes()).into_owned();
    let text = match read(&args.file) {
        Ok(text) => text,
        Err(why) => {
            writeln!(err, "error: cannot read `{shown}`: {why}")?;
            return Ok(exit::USAGE);
        }
    };
    let name = args.file.file_name().unwrap_or_default();
    let name = crate::engine::escape(name.as_encoded_bytes()).into_owned();
    let mut draft = import(&text, args.from, Some(list));
    let report = draft.report(&name);
    let manifest = (!draft.is_refused()).then(|| draft.text(&name));
    if args.format == Format::Human {
        err.write_all(report.as_bytes())?;
    }
    let mut valid = true;
    if let Some(manifest) = &manifest {
        let file = SourceFile {
            name: "the new manifest".to_owned(),
            text: manifest.clone(),
        };
        let (_, problems) = review(std::slice::from_ref(&file));
        valid = problems
            .iter()
            .all(|problem| problem.severity != Severity::Error);
        if !problems.is_empty() && args.format == Format::Human {
            let sources = drawn(std::slice::from_ref(&file), &problems);
            let report = Report {
                sources: &sources,
                diagnostics: &problems,
                files: 1,
            };
            err.write_all(diagnostic::terminal(report, false).as_bytes())?;
        }
    }
    if args.format == Format::Json {
        document(&draft, manifest.as_deref().filter(|_| valid), out)?;
    }
    let Some(manifest) = manifest.filter(|_| valid) else {
        return Ok(exit::NEGATIVE);
    };
    match &args.output {
        Some(path) => {
            if let Err(error) = write_new(path, &manifest) {
                let path = path.display();
                writeln!(err, "error: cannot write `{path}`: {error}")?;
                return Ok(exit::USAGE);
            }
        }
        None if args.format == Format::Human => out.write_all(manifest.as_bytes())?,
        None => {}
    }
    Ok(exit::GOOD)
}

/// What a file's text comes to. `files` reads the files of patterns that it names; `None`: they are not to be read.
pub fn import(text: &str, from: Option<From>, files: Option<Files>) -> Draft {
    let mut draft = Draft {
        files,
        ..Draft::default()
    };
    let read = match from.unwrap_or_else(|| told(text)) {
        From::Sersync => sersync::read(text, &mut draft),
        From::Lsyncd => lsyncd::read(text, &mut draft),
        From::Script => {
            script::read(text, &mut draft);
            Ok(())
        }
    };
    if let Err((line, message)) = read {
        draft.note(line, What::Refused, "the file", message);
    }
    draft
}

/// Whose file it looks like.
fn told(text: &str) -> From {
    let begin = text.trim_start_matches('\u{feff}').trim_start();
    if begin.starts_with('<') {
        From::Sersync
    } else if text.contains("inotifywait") || begin.starts_with("#!") {
        From::Script
    } else {
        From::Lsyncd
    }
}

fn document(draft: &Draft, manifest: Option<&str>, out: &mut dyn Write) -> io::Result<()> {
    #[derive(Serialize)]
    #[serde(rename_all = "camelCase")]
    struct Document<'a> {
        format_version: u32,
        manifest: Option<&'a str>,
        report: &'a [Note],
    }
    let document = Document {
        format_version: FORMAT_VERSION,
        manifest,
        report: &draft.notes,
    };
    serde_json::to_writer_pretty(&mut *out, &document)?;
    writeln!(out)
}

/// Old files may be in any encoding; what is no UTF-8 stands in comments mostly.
fn read(path: &Path) -> Result<String, String> {
    let mut bytes = Vec::new();
    let mut file = File::open(path).map_err(|error| error.to_string())?;
    let read = Read::by_ref(&mut file)
        .take(BYTES_MAX + 1)
        .read_to_end(&mut bytes);
    read.map_err(|error| error.to_string())?;
    if bytes.len() as u64 > BYTES_MAX {
        return Err("it is larger than 1 MiB".to_owned());
    }
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// A file that the original names. What others may not read is no list of patterns, and what is in it is not shown.
fn list(path: &str) -> Result<String, String> {
    let path = Path::new(path);
    let meta = fs::metadata(path).map_err(|error| error.to_string())?;
    if !meta.is_file() {
        return Err("it is no file".to_owned());
    }
    if meta.permissions().mode() & 0o004 == 0 {
        return Err("others may not read it".to_owned());
    }
    read(path)
}

fn write_new(path: &Path, text: &str) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).create_new(true).open(path)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()
}
