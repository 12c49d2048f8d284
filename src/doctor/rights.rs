//! Who looks, and what that user may: what is found of rights holds for whoever runs the doctor, so it is said who that is.
//!
//! Rights are asked of the kernel for the effective user and its capabilities, as the service's own calls are judged.

use std::os::unix::fs::MetadataExt;
use std::path::Path;

use nix::unistd::{Uid, User};
use rustix::fs::{Access, AtFlags, CWD, accessat};

use super::powers::of_service;
use super::source::quoted;
use super::{Finding, Grade, Subject};

/// Whether this process may do that.
pub fn may(path: &Path, what: Access) -> bool {
    accessat(CWD, path, what, AtFlags::EACCESS).is_ok()
}

/// Whether names may be made in this directory.
pub fn may_write_in(directory: &Path) -> bool {
    may(directory, Access::WRITE_OK | Access::EXEC_OK)
}

/// The command that lets this process's user write in a directory, and leaves it whose it is.
pub fn let_write(directory: &str) -> String {
    const SETFACL: &str = "/usr/bin/setfacl";
    let command = format!("setfacl -m u:{}:rwx {}", own_user(), quoted(directory));
    match Path::new(SETFACL).exists() {
        true => command,
        false => format!("{command} (of the package acl)"),
    }
}

/// This process's user, as commands take it.
pub fn own_user() -> String {
    name(rustix::process::geteuid().as_raw())
}

/// A user's name, or its number where it has none.
fn name(id: u32) -> String {
    match User::from_uid(Uid::from_raw(id)) {
        Ok(Some(user)) => user.name,
        _ => id.to_string(),
    }
}

/// Says for whom rights are judged, and how to have them judged for the service.
pub fn check(host: &str, state: &Path, socket: &Path) -> Finding {
    let own = rustix::process::geteuid().as_raw();
    // Whoever runs it owns its state.
    let owner = || state.metadata().ok().map(|info| info.uid());
    let service = of_service(socket).map(|powers| powers.user).or_else(owner);
    judge(&Subject::new("user", host), own, service)
}

fn judge(subject: &Subject, own: u32, service: Option<u32>) -> Finding {
    let as_user = |user: &str| match own {
        0 => format!("heliostat doctor --user {user}"),
        _ => format!("sudo heliostat doctor --user {user}"),
    };
    let note = |says: String, remedy: String| subject.finding(Grade::Note, says, Some(remedy));
    let me = name(own);
    match service {
        Some(service) if service == own => subject.good(format!(
            "rights are judged for `{me}`, who is the service's user"
        )),
        Some(service) => {
            let service = name(service);
            note(
                format!(
                    "rights are judged for `{me}`, who runs this, and the service's user is `{service}`: what is said of reading and writing need not hold for it"
                ),
                as_user(&service),
            )
        }
        None if own != 0 => subject.good(format!("rights are judged for `{me}`, who runs this")),
        None => note(
            format!(
                "rights are judged for `{me}`, who runs this: where the service is another user, ask as that one"
            ),
            as_user("NAME"),
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_said_for_whom_rights_are_judged() {
        let judged = |own, service| judge(&Subject::new("user", "h"), own, service);
        assert_eq!(judged(0, Some(0)).grade, Grade::Good);
        assert_eq!(judged(65_500, Some(65_500)).grade, Grade::Good);
        let other = judged(0, Some(65_500));
        assert_eq!(other.grade, Grade::Note);
        assert_eq!(other.remedy.unwrap(), "heliostat doctor --user 65500");
        let sudo = judged(65_501, Some(65_500)).remedy.unwrap();
        assert_eq!(sudo, "sudo heliostat doctor --user 65500");
        assert!(judged(0, None).remedy.unwrap().ends_with("--user NAME"));
        assert_eq!(judged(65_500, None).grade, Grade::Good);
    }

    #[test]
    fn what_one_may_is_asked_of_the_kernel() {
        let scratch = tempfile::tempdir().unwrap();
        assert!(may_write_in(scratch.path()) && may(scratch.path(), Access::READ_OK));
        assert!(!may_write_in(&scratch.path().join("none")));
    }
}
