//! What users get: the unit and its drop-ins, the Debian package, the tarball, the container file, and the lists of what is
//! inside. The binary that the tests have is what is packed.

mod built;
mod container;
mod inventory;
mod trial;
mod units;

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// A file of the repository.
fn at(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

/// Runs a program in the repository to its end; what it said.
fn run(program: &str, arguments: &[&str]) -> Output {
    let mut command = Command::new(program);
    command.args(arguments).current_dir(at(""));
    let ran = command.output();
    ran.unwrap_or_else(|error| {
        panic!("{program}: {error}: `tests/run.sh` installs what is missing")
    })
}

/// As text, both streams.
fn said(output: &Output) -> String {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    format!("{}{}", text(&output.stdout), text(&output.stderr))
}
