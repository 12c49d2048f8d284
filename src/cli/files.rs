//! Reads manifest files: a file, or a directory's `*.yaml` and `*.yml`, sorted and not recursive.
//!
//! All commands read through here, so that the bounds and the messages are the same. What cannot be read becomes a
//! diagnostic like any other.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{self, Read};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use crate::diagnostic::{Code, Diagnostic, Place};
use crate::engine::escape;
use crate::manifest::{MAX_FILE_BYTES, SourceFile};

/// Where manifests are looked for if nothing else is said.
pub const DEFAULT_PATH: &str = "/etc/heliostat/conf.d";
/// The standard input's name.
pub const STDIN: &str = "-";
/// A directory with more is not one of manifests; with the bound of a file this bounds the memory.
pub(super) const MAX_FILES: usize = 4096;

/// What was read, and what could not be.
#[derive(Debug, Default)]
pub struct Inputs {
    /// In the order in which they were named; a directory's by name.
    pub files: Vec<SourceFile>,
    /// Files that cannot be read: the command ends with 2.
    pub problems: Vec<Diagnostic>,
}

/// A candidate in place of a file: `DEST=FILE`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Replacement {
    /// The file that is stood in for; it need not exist yet.
    pub dest: PathBuf,
    /// Where the candidate is; `-` is the standard input.
    pub candidate: PathBuf,
}

impl std::str::FromStr for Replacement {
    type Err = String;

    fn from_str(text: &str) -> Result<Replacement, String> {
        match text.split_once('=') {
            Some((dest, candidate)) if !dest.is_empty() && !candidate.is_empty() => {
                Ok(Replacement {
                    dest: dest.into(),
                    candidate: candidate.into(),
                })
            }
            _ => Err("write `DEST=FILE`".to_owned()),
        }
    }
}

/// Reads the manifests of these paths (the default one if there are none). A file that several paths name is read once.
pub fn read(paths: &[PathBuf], replacements: &[Replacement]) -> Inputs {
    let default = [PathBuf::from(DEFAULT_PATH)];
    let mut inputs = Inputs::default();
    let mut listed = Vec::new();
    for path in if paths.is_empty() { &default } else { paths } {
        match list(path) {
            Ok(files) => listed.extend(files),
            Err(message) => inputs.problem(path, Code::UnreadableFile, &message),
        }
    }
    for replacement in replacements {
        // A candidate for a file that is not there yet is an additional one.
        if !listed
            .iter()
            .any(|path| identity(path) == identity(&replacement.dest))
        {
            listed.push(replacement.dest.clone());
        }
    }
    let mut seen = BTreeSet::new();
    for path in listed {
        let identity = identity(&path);
        if seen.len() >= MAX_FILES {
            inputs.problem(
                &path,
                Code::UnreadableFile,
                &format!("more than {MAX_FILES} files"),
            );
            return inputs;
        }
        let candidate = replacements
            .iter()
            .rfind(|replacement| self::identity(&replacement.dest) == identity);
        if seen.insert(identity) {
            inputs.file(
                &path,
                candidate.map_or(&path, |replacement| &replacement.candidate),
            );
        }
    }
    inputs
}

/// Reads one file, for instance an agent's.
pub fn read_one(path: &Path) -> Inputs {
    let mut inputs = Inputs::default();
    inputs.file(path, path);
    inputs
}

impl Inputs {
    /// Reads `content` as the file `path`.
    fn file(&mut self, path: &Path, content: &Path) {
        let bytes = match bytes(content) {
            Ok(bytes) => bytes,
            Err(error) => return self.problem(content, Code::UnreadableFile, &said(&error)),
        };
        if bytes.len() > MAX_FILE_BYTES {
            return self.problem(content, Code::TooLarge, "more than 1 MiB");
        }
        match String::from_utf8(bytes) {
            Ok(text) => self.files.push(SourceFile {
                name: shown(path),
                text,
            }),
            Err(error) => {
                let valid = &error.as_bytes()[..error.utf8_error().valid_up_to()];
                let line = valid.iter().filter(|byte| **byte == b'\n').count() + 1;
                self.problem(content, Code::NotUtf8, &format!("line {line} is not UTF-8"));
            }
        }
    }

    pub(super) fn problem(&mut self, path: &Path, code: Code, message: &str) {
        let at = Place {
            file: shown(path).into(),
            span: 0..0,
        };
        self.problems.push(
            Diagnostic::new(code, format!("cannot read `{}`: {message}", at.file)).primary(&at, ""),
        );
    }
}

/// The files that a path stands for.
fn list(path: &Path) -> Result<Vec<PathBuf>, String> {
    if path == Path::new(STDIN) || !path.is_dir() {
        return Ok(vec![path.to_owned()]);
    }
    let mut files = Vec::new();
    for entry in fs::read_dir(path).map_err(|error| said(&error))? {
        let path = entry.map_err(|error| said(&error))?.path();
        // As the shell's `*.yaml`: without hidden files, among them the locks and copies of editors.
        let hidden = path
            .file_name()
            .is_some_and(|name| name.as_bytes().starts_with(b"."));
        let named = path
            .extension()
            .is_some_and(|extension| extension == "yaml" || extension == "yml");
        if named && !hidden && !path.is_dir() {
            files.push(path);
        }
        if files.len() > MAX_FILES {
            return Err(format!("more than {MAX_FILES} manifests in it"));
        }
    }
    files.sort();
    Ok(files)
}

/// At most one byte more than a manifest may have.
fn bytes(path: &Path) -> io::Result<Vec<u8>> {
    let limit = MAX_FILE_BYTES as u64 + 1;
    let mut bytes = Vec::new();
    if path == Path::new(STDIN) {
        io::stdin().lock().take(limit).read_to_end(&mut bytes)?;
    } else {
        File::open(path)?.take(limit).read_to_end(&mut bytes)?;
    }
    Ok(bytes)
}

/// What makes two paths the same file, also for one that does not exist yet.
fn identity(path: &Path) -> PathBuf {
    if let Ok(path) = path.canonicalize() {
        return path;
    }
    let parent = path
        .parent()
        .filter(|parent| !parent.as_os_str().is_empty())
        .unwrap_or(Path::new("."));
    match (parent.canonicalize(), path.file_name()) {
        (Ok(parent), Some(name)) => parent.join(name),
        _ => path.to_owned(),
    }
}

fn shown(path: &Path) -> String {
    escape(path.as_os_str().as_bytes()).into_owned()
}

/// The system's message without Rust's `(os error 2)`, in lower case.
fn said(error: &io::Error) -> String {
    let text = error.to_string();
    let text = text.split(" (os error").next().unwrap_or_default();
    let mut chars = text.chars();
    chars.next().map_or_else(String::new, |first| {
        first.to_lowercase().chain(chars).collect()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(inputs: &Inputs) -> Vec<String> {
        let name = |file: &SourceFile| {
            Path::new(&file.name)
                .file_name()
                .unwrap()
                .to_str()
                .unwrap()
                .to_owned()
        };
        inputs.files.iter().map(name).collect()
    }

    fn folder() -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        for name in ["b.yml", "a.yaml", ".hidden.yaml", "note.txt", "c.yaml~"] {
            fs::write(folder.path().join(name), name).unwrap();
        }
        fs::create_dir(folder.path().join("d.yaml")).unwrap();
        fs::write(folder.path().join("d.yaml/e.yaml"), "e").unwrap();
        folder
    }

    #[test]
    fn directories_are_sorted_and_not_entered() {
        let folder = folder();
        let inputs = read(&[folder.path().to_owned()], &[]);
        assert_eq!(names(&inputs), ["a.yaml", "b.yml"]);
        assert!(inputs.problems.is_empty());
    }

    /// As a kubelet lays out a ConfigMap: each file through `..data`, which is turned to another directory by a rename.
    #[test]
    fn the_files_of_a_configmap_are_read_once_and_follow_its_swap() {
        let folder = tempfile::tempdir().unwrap();
        let at = |path: &str| folder.path().join(path);
        let version = |name: &str, text: &str| {
            fs::create_dir(at(name)).unwrap();
            fs::write(at(name).join("a.yaml"), text).unwrap();
            std::os::unix::fs::symlink(name, at("..data_tmp")).unwrap();
            fs::rename(at("..data_tmp"), at("..data")).unwrap();
        };
        let texts = || {
            let inputs = read(&[folder.path().to_owned()], &[]);
            assert!(inputs.problems.is_empty());
            let files = inputs.files.iter();
            files.map(|file| file.text.clone()).collect::<Vec<_>>()
        };
        version("..2026_1", "one");
        std::os::unix::fs::symlink("..data/a.yaml", at("a.yaml")).unwrap();
        assert_eq!(texts(), ["one"]);
        version("..2026_2", "two");
        assert_eq!(texts(), ["two"]);
    }

    #[test]
    fn a_file_named_twice_is_read_once_and_any_named_file_is_read() {
        let folder = folder();
        let path = |name: &str| folder.path().join(name);
        let inputs = read(
            &[
                path("note.txt"),
                path("b.yml"),
                folder.path().to_owned(),
                path("./a.yaml"),
            ],
            &[],
        );
        assert_eq!(names(&inputs), ["note.txt", "b.yml", "a.yaml"]);
    }

    #[test]
    fn a_candidate_stands_in_for_a_file_or_is_added() {
        let folder = folder();
        let path = |name: &str| folder.path().join(name);
        let replacement = |dest: &str| Replacement {
            dest: path(dest),
            candidate: path("note.txt"),
        };
        let inputs = read(
            &[folder.path().to_owned()],
            &[replacement("./a.yaml"), replacement("new.yaml")],
        );
        assert_eq!(names(&inputs), ["a.yaml", "b.yml", "new.yaml"]);
        let texts: Vec<&str> = inputs.files.iter().map(|file| file.text.as_str()).collect();
        assert_eq!(texts, ["note.txt", "b.yml", "note.txt"]);
    }

    #[test]
    fn what_cannot_be_read_is_said_for_each() {
        let folder = folder();
        let path = |name: &str| folder.path().join(name);
        fs::write(path("latin.yaml"), b"a\nb\xe4").unwrap();
        fs::write(path("large.yaml"), vec![b'#'; MAX_FILE_BYTES + 1]).unwrap();
        let inputs = read(
            &[
                path("missing\n.yaml"),
                path("latin.yaml"),
                path("large.yaml"),
                path("a.yaml"),
            ],
            &[],
        );
        assert_eq!(names(&inputs), ["a.yaml"]);
        let codes: Vec<Code> = inputs.problems.iter().map(|problem| problem.code).collect();
        assert_eq!(codes, [Code::UnreadableFile, Code::NotUtf8, Code::TooLarge]);
        assert!(
            inputs.problems[0]
                .message
                .ends_with("missing\\n.yaml`: no such file or directory")
        );
        assert!(inputs.problems[1].message.contains("line 2"));
    }

    #[test]
    fn replacements_have_two_sides() {
        assert!("a=b".parse::<Replacement>().is_ok());
        for text in ["a", "=b", "a=", ""] {
            assert!(text.parse::<Replacement>().is_err(), "{text}");
        }
    }
}
