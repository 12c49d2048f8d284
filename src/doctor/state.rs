//! The state directory and the control socket.

use std::fs;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::os::unix::net::UnixStream;
use std::path::Path;

use rustix::fs::statvfs;

use super::rights::{may_write_in, own_user};
use super::source::quoted;
use super::{Finding, Subject};
use crate::host::shown;
use crate::ledger::{self, DAMAGED, NAME};

/// Less room, and the ledger of a large source may not fit.
const ROOM: u64 = 256 << 20;

/// Looks at both.
pub fn check(state: &Path, socket: &Path) -> Vec<Finding> {
    let mut found = directory(state);
    found.push(service(socket));
    found
}

fn directory(state: &Path) -> Vec<Finding> {
    let subject = Subject::new("stateDir", "state");
    let name = shown(state);
    let info = match fs::metadata(state) {
        Ok(info) => info,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            let above = state.ancestors().skip(1).find(|above| above.exists());
            return vec![match above.is_some_and(may_write_in) {
                true => subject.note(format!(
                    "`{name}` is not there yet: `heliostat run` creates it"
                )),
                false => subject.error(
                    format!(
                        "`{name}` is not there, and `{}` cannot create it",
                        own_user()
                    ),
                    format!("install -d -m 700 -o {} {}", own_user(), quoted(&name)),
                ),
            }];
        }
        Err(error) => {
            return vec![subject.error(
                format!("`{name}` cannot be looked at: {error}"),
                "choose another with `--state-dir`",
            )];
        }
    };
    let mut found = Vec::new();
    if !info.is_dir() {
        return vec![subject.error(
            format!("`{name}` is no directory"),
            "choose another with `--state-dir`",
        )];
    }
    if info.mode() & 0o077 != 0 {
        found.push(subject.warning(
            format!("`{name}` is open to others; `heliostat run` narrows it"),
            format!("chmod 700 {}", quoted(&name)),
        ));
    }
    if !may_write_in(state) {
        found.push(subject.error(
            format!("`{name}` may not be written by `{}`", own_user()),
            format!("chown -R {} {}", own_user(), quoted(&name)),
        ));
    }
    if let Ok(free) = statvfs(state).map(|vfs| vfs.f_bavail.saturating_mul(vfs.f_frsize))
        && free < ROOM
    {
        found.push(subject.warning(
            format!("{} MiB are free at `{name}`: without its ledger a restart compares everything with the targets", free >> 20),
            "make room, or choose another disk with `--state-dir`",
        ));
    }
    let damaged = state.join(DAMAGED);
    if damaged.exists() {
        found.push(subject.warning(
            format!("a damaged ledger was set aside as `{}`", shown(&damaged)),
            "look at the disk (dmesg, smartctl -a), then remove the file",
        ));
    }
    // Looked at only where it is there: before the first start it is not.
    if state.join(NAME).exists()
        && let Err(says) = ledger::runs_in(state)
    {
        found.push(subject.warning(
            says,
            format!(
                "look at the disk (dmesg, smartctl -a); then rm {}, and the next start compares everything with the targets",
                quoted(&shown(&state.join(NAME)))
            ),
        ));
    }
    if found.is_empty() {
        found.push(subject.good(format!("`{name}` is private, and can be written")));
    }
    found
}

fn service(socket: &Path) -> Finding {
    let subject = Subject::new("service", "service");
    let name = shown(socket);
    match fs::symlink_metadata(socket) {
        Ok(info) if !info.file_type().is_socket() => subject.error(
            format!("`{name}` is no socket: the service cannot listen there"),
            "remove it, or choose another with `--socket`",
        ),
        Ok(_) => match UnixStream::connect(socket) {
            Ok(_) => subject.good(format!("it listens on `{name}`")),
            Err(_) => subject.note(format!("it does not run: nobody answers at `{name}`")),
        },
        Err(_) => subject.note(format!("it does not run: `{name}` is not there")),
    }
}
