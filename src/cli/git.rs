//! Manifests as they are at a git revision, read through the program `git`.
//!
//! The revision is resolved to a commit first; what is asked of git after that has only object names in it. git is started
//! by its absolute path without a shell, with an environment that holds nothing but where its user's settings are: not the
//! `GIT_DIR` and `GIT_INDEX_FILE` of a hook that this may run in. What it says is read up to a bound. Nothing is fetched.

use std::collections::BTreeSet;
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

use super::files::{Inputs, MAX_FILES};
use super::git_run::run;
use crate::diagnostic::Code;
use crate::engine::escape;
use crate::manifest::{MAX_FILE_BYTES, SourceFile};

/// What git may answer that is not a file's content: a directory's listing, with names of 255 bytes.
const LISTING_MAX: usize = 64 << 20;
/// Hex digits of a commit that people compare.
const SHORT: usize = 12;

/// Manifests at a revision.
#[derive(Debug)]
pub struct AtRevision {
    /// As `files::read` has them, with names such as `main:conf.d/web.yaml`.
    pub inputs: Inputs,
    /// The commits, shortened; several only where the paths are in several repositories.
    pub commits: Vec<String>,
}

/// Reads the manifests of these paths as they were at `revision`. `Err`: one line that says what is missing, with the way
/// out.
pub fn read(revision: &str, paths: &[PathBuf]) -> Result<AtRevision, String> {
    let git = program()?;
    let mut read = AtRevision {
        inputs: Inputs::default(),
        commits: Vec::new(),
    };
    let mut seen = BTreeSet::new();
    for path in paths {
        let place = Place::of(&git, path)?;
        let commit = place.commit(revision)?;
        let short = commit[..SHORT.min(commit.len())].to_owned();
        if !read.commits.contains(&short) {
            read.commits.push(short);
        }
        let mut files = place.list(revision, &commit)?;
        files.retain(|file| seen.insert((place.top.clone(), file.path.clone())));
        if seen.len() > MAX_FILES {
            return Err(format!("more than {MAX_FILES} manifests at `{revision}`"));
        }
        place.take(revision, &files, &mut read.inputs)?;
    }
    Ok(read)
}

/// Where a path is in its repository.
struct Place<'a> {
    git: &'a Path,
    /// The work tree's root.
    top: PathBuf,
    /// From there, without a slash at either end; empty for the root.
    inside: Vec<u8>,
    /// As it was named.
    named: String,
}

/// A file at a revision.
struct Entry {
    /// From the root of the repository.
    path: Vec<u8>,
    /// The object with its content.
    object: String,
    size: usize,
}

/// What a path is at a commit.
enum Object {
    File {
        object: String,
        size: usize,
    },
    Directory,
    Missing,
    /// A symlink that leads out of the repository, or nowhere.
    Astray,
}

impl Place<'_> {
    fn of<'a>(git: &'a Path, path: &Path) -> Result<Place<'a>, String> {
        let named = shown(path.as_os_str().as_bytes());
        // It may be gone by now: what is above it tells the repository.
        let mut anchor = path.to_owned();
        let mut below: Vec<OsString> = Vec::new();
        while !is_real_directory(&anchor) {
            let Some(name) = anchor.file_name().map(OsStr::to_owned) else {
                return Err(format!(
                    "cannot read `{named}` at a revision: it has no name"
                ));
            };
            below.push(name);
            anchor.pop();
            if anchor.as_os_str().is_empty() {
                anchor = PathBuf::from(".");
            }
        }
        let ask = |what: &str| -> Result<Vec<u8>, String> {
            let mut answer = run(git, &anchor, &["rev-parse", what], &[], LISTING_MAX)
                .map_err(|why| format!("cannot read `{named}` at a revision: {why}"))?;
            if answer.last() == Some(&b'\n') {
                answer.pop();
            }
            Ok(answer)
        };
        let top = PathBuf::from(OsString::from_vec(ask("--show-toplevel")?));
        let mut inside = ask("--show-prefix")?;
        for name in below.iter().rev() {
            if !inside.is_empty() && inside.last() != Some(&b'/') {
                inside.push(b'/');
            }
            inside.extend_from_slice(name.as_bytes());
        }
        while inside.last() == Some(&b'/') {
            inside.pop();
        }
        Ok(Place {
            git,
            top,
            inside,
            named,
        })
    }

    /// The commit that a revision names. It may be anything: a revision cannot become an option.
    fn commit(&self, revision: &str) -> Result<String, String> {
        let wanted = format!("{revision}^{{commit}}");
        let args = [
            "rev-parse",
            "--verify",
            "--quiet",
            "--end-of-options",
            &wanted,
        ];
        let answer = run(self.git, &self.top, &args, &[], LISTING_MAX).unwrap_or_default();
        let answer = String::from_utf8(answer).unwrap_or_default();
        let commit = answer.trim_end();
        let hex = commit.len() >= 40 && commit.bytes().all(|byte| byte.is_ascii_hexdigit());
        if hex {
            return Ok(commit.to_owned());
        }
        Err(format!(
            "there is no revision `{}` in the repository `{}`; a shallow clone has its newest commit only: `git fetch` the other",
            revision.escape_debug(),
            shown(self.top.as_os_str().as_bytes()),
        ))
    }

    /// The files that the path stands for at a commit: itself, or a directory's manifests by name.
    fn list(&self, revision: &str, commit: &str) -> Result<Vec<Entry>, String> {
        let of = |path: Vec<u8>, object| match object {
            Object::File { object, size } => Some(Entry { path, object, size }),
            Object::Directory | Object::Missing | Object::Astray => None,
        };
        let missing = |why: &str| {
            Err(format!(
                "{why} at `{}` ({}); where it is new, compare with `--against nothing`",
                revision.escape_debug(),
                &commit[..SHORT.min(commit.len())],
            ))
        };
        let objects = self.objects(commit, std::slice::from_ref(&self.inside))?;
        match objects.into_iter().next() {
            Some(Object::Directory) => {}
            Some(file @ Object::File { .. }) => {
                return Ok(Vec::from_iter(of(self.inside.clone(), file)));
            }
            Some(Object::Astray) => {
                return missing(&format!(
                    "`{}` is a symlink out of the repository",
                    self.named
                ));
            }
            Some(Object::Missing) | None => {
                return missing(&format!("there is no `{}`", self.named));
            }
        }
        let mut paths = self.names(commit)?;
        paths.sort();
        let objects = self.objects(commit, &paths)?;
        let mut files = Vec::new();
        for (path, object) in paths.into_iter().zip(objects) {
            if matches!(object, Object::Astray) {
                return missing(&format!(
                    "`{}` is a symlink out of the repository",
                    shown(&path)
                ));
            }
            files.extend(of(path, object));
        }
        Ok(files)
    }

    /// What is named as a manifest in the directory, whatever it is.
    fn names(&self, commit: &str) -> Result<Vec<Vec<u8>>, String> {
        // Through `cat-file`, because a directory may be reached by a symlink, which `ls-tree` does not follow.
        let tree = self.tree(commit)?;
        let args = [
            "ls-tree",
            "-z",
            "--name-only",
            "--full-tree",
            "--end-of-options",
            &tree,
        ];
        let listing = run(self.git, &self.top, &args, &[], LISTING_MAX)
            .map_err(|why| format!("cannot list `{}`: {why}", self.named))?;
        let names = listing.split(|byte| *byte == 0);
        let names = names.filter(|name| {
            let extension = Path::new(OsStr::from_bytes(name)).extension();
            !name.starts_with(b".")
                && extension.is_some_and(|extension| extension == "yaml" || extension == "yml")
        });
        let names: Vec<Vec<u8>> = names
            .map(|name| {
                let slash: &[u8] = if self.inside.is_empty() { b"" } else { b"/" };
                [&self.inside, slash, name].concat()
            })
            .collect();
        if names.len() > MAX_FILES {
            return Err(format!(
                "more than {MAX_FILES} manifests in `{}`",
                self.named
            ));
        }
        Ok(names)
    }

    /// The object of the directory.
    fn tree(&self, commit: &str) -> Result<String, String> {
        let query = question(commit, &self.inside)?;
        let args = [
            "cat-file",
            "--batch-check=%(objectname)",
            "--follow-symlinks",
        ];
        let answer = run(self.git, &self.top, &args, &query, LISTING_MAX)
            .map_err(|why| format!("cannot list `{}`: {why}", self.named))?;
        Ok(String::from_utf8_lossy(&answer).trim_end().to_owned())
    }

    /// What the paths are at a commit, symlinks within the repository followed.
    fn objects(&self, commit: &str, paths: &[Vec<u8>]) -> Result<Vec<Object>, String> {
        let mut query = Vec::new();
        for path in paths {
            query.extend(question(commit, path)?);
        }
        let args = [
            "cat-file",
            "--batch-check=%(objectname) %(objecttype) %(objectsize)",
            "--follow-symlinks",
        ];
        let answer = run(self.git, &self.top, &args, &query, LISTING_MAX)
            .map_err(|why| format!("cannot read `{}`: {why}", self.named))?;
        let mut lines = answer.split(|byte| *byte == b'\n');
        let mut objects = Vec::new();
        for _ in paths {
            let line = String::from_utf8_lossy(lines.next().unwrap_or_default()).into_owned();
            let words: Vec<&str> = line.split(' ').collect();
            objects.push(match words.as_slice() {
                [object, "blob", size] => Object::File {
                    object: (*object).to_owned(),
                    size: size.parse().unwrap_or(usize::MAX),
                },
                [_, "tree", _] => Object::Directory,
                // Each is followed by a line with the path that it got to.
                ["symlink" | "dangling" | "loop" | "notdir", _] => {
                    lines.next();
                    Object::Astray
                }
                _ => Object::Missing,
            });
        }
        Ok(objects)
    }

    /// Takes the files' contents, all of them with one question.
    fn take(&self, revision: &str, files: &[Entry], inputs: &mut Inputs) -> Result<(), String> {
        let name = |file: &Entry| format!("{}:{}", revision.escape_debug(), shown(&file.path));
        let (fitting, large): (Vec<&Entry>, Vec<&Entry>) =
            files.iter().partition(|file| file.size <= MAX_FILE_BYTES);
        for file in large {
            inputs.problem(Path::new(&name(file)), Code::TooLarge, "more than 1 MiB");
        }
        let query: String = fitting
            .iter()
            .map(|file| format!("{}\n", file.object))
            .collect();
        // Each content has a line before it, and an end of line after it.
        let bound: usize = fitting.iter().map(|file| file.size + 200).sum();
        let failed = |why: String| format!("cannot read `{}`: {why}", self.named);
        let answer = run(
            self.git,
            &self.top,
            &["cat-file", "--batch"],
            query.as_bytes(),
            bound,
        )
        .map_err(failed)?;
        let mut rest = &answer[..];
        for file in fitting {
            let short = || failed("git said less than it has".to_owned());
            let head = rest
                .iter()
                .position(|byte| *byte == b'\n')
                .ok_or_else(short)?
                + 1;
            let content = rest.get(head..head + file.size).ok_or_else(short)?;
            match String::from_utf8(content.to_vec()) {
                Ok(text) => inputs.files.push(SourceFile {
                    name: name(file),
                    text,
                }),
                Err(_) => inputs.problem(Path::new(&name(file)), Code::NotUtf8, "it is not UTF-8"),
            }
            rest = rest.get(head + file.size + 1..).unwrap_or_default();
        }
        Ok(())
    }
}

/// A line of what `cat-file --batch-check` is asked.
fn question(commit: &str, path: &[u8]) -> Result<Vec<u8>, String> {
    if path.contains(&b'\n') {
        return Err(format!(
            "cannot ask git for `{}`: a line break in it",
            shown(path)
        ));
    }
    Ok([commit.as_bytes(), b":", path, b"\n"].concat())
}

/// Not through a symlink: where that led at a revision only the revision knows.
fn is_real_directory(path: &Path) -> bool {
    path.symlink_metadata()
        .is_ok_and(|meta| meta.file_type().is_dir())
}

fn shown(bytes: &[u8]) -> String {
    escape(bytes).into_owned()
}

/// git's absolute path: the first in `PATH`, or in the usual places.
fn program() -> Result<PathBuf, String> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let usual = ["/usr/local/bin", "/usr/bin", "/bin"].map(PathBuf::from);
    std::env::split_paths(&path)
        .filter(|directory| directory.is_absolute())
        .chain(usual)
        .map(|directory| directory.join("git"))
        .find(|program| program.is_file())
        .ok_or_else(|| "cannot read a revision: there is no `git` on this host".to_owned())
}
