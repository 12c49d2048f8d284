//! Runs this command anew as another user: what is looked at is then judged by the kernel, for that user, and not by rules
//! written down a second time here.
//!
//! By setpriv(1) of util-linux, which makes the calls for that in their order. Knows nothing of what the command does.

use std::ffi::OsString;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;

use nix::unistd::{Uid, User};

use crate::host::{Power, Powers};

/// Where it is on every distribution.
const SETPRIV: &str = "/usr/bin/setpriv";

/// Becomes this user, a name or a number, with the service's powers and no others; returns only where there is nothing to become
/// (`Ok`), or where it cannot be done. The powers are those of `service`, where that is this user. `flag` is left out of the
/// arguments, with its value.
pub fn become_user(user: &str, service: Option<Powers>, flag: &str) -> Result<(), String> {
    let (id, account) = find(user)?;
    let own = rustix::process::geteuid().as_raw();
    if own == id {
        return Ok(());
    }
    if own != 0 {
        return Err(format!(
            "only root can look as another user: sudo heliostat doctor {flag} {user}"
        ));
    }
    if !Path::new(SETPRIV).exists() {
        return Err(format!(
            "`{SETPRIV}` is not there: install util-linux, or run this as the user `{user}`"
        ));
    }
    let powers = service.filter(|service| service.user == id);
    let program =
        std::env::current_exe().map_err(|error| format!("cannot find itself: {error}"))?;
    let (group, groups) = match account {
        Some(account) => (account.gid.as_raw(), "--init-groups"),
        None => (id, "--clear-groups"),
    };
    let error = Command::new(SETPRIV)
        .arg(format!("--reuid={id}"))
        .arg(format!("--regid={group}"))
        .arg(groups)
        .args(["inh-caps", "ambient-caps", "bounding-set"].map(|set| sets(set, powers)))
        .arg("--")
        .arg(program)
        .args(without(std::env::args_os().skip(1), flag))
        // It may be for root alone.
        .env_remove("TMPDIR")
        .exec();
    Err(format!("cannot run `{SETPRIV}`: {error}"))
}

/// A user by name or number; a number need not have a name.
fn find(user: &str) -> Result<(u32, Option<User>), String> {
    let looked = match user.parse::<u32>() {
        Ok(id) => User::from_uid(Uid::from_raw(id)).map(|found| Some((id, found))),
        Err(_) => {
            User::from_name(user).map(|found| found.map(|found| (found.uid.as_raw(), Some(found))))
        }
    };
    match looked {
        Ok(Some(found)) => Ok(found),
        Ok(None) => Err(format!("there is no user `{}`", user.escape_default())),
        Err(error) => Err(format!(
            "cannot look up the user `{}`: {error}",
            user.escape_default()
        )),
    }
}

/// One set of capabilities, as setpriv takes it; unless it is known better, the one that the packaged unit gives.
fn sets(set: &str, powers: Option<Powers>) -> String {
    let bits = match powers {
        Some(powers) => powers.bits(),
        None => vec![Power::DacReadSearch as u32],
    };
    let bits: String = bits.iter().map(|bit| format!(",+cap_{bit}")).collect();
    format!("--{set}=-all{bits}")
}

/// The arguments without a flag and its value.
fn without(arguments: impl Iterator<Item = OsString>, flag: &str) -> Vec<OsString> {
    let (mut kept, mut value) = (Vec::new(), false);
    for argument in arguments {
        let text = argument.to_string_lossy();
        let joined = text
            .strip_prefix(flag)
            .is_some_and(|rest| rest.starts_with('='));
        let alone = text == flag;
        if !std::mem::replace(&mut value, alone) && !alone && !joined {
            kept.push(argument);
        }
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flag_goes_with_its_value_and_nothing_else_does() {
        let left = |line: &str| {
            let words = line.split(' ').map(OsString::from);
            let left = without(words, "--user");
            left.join(std::ffi::OsStr::new(" ")).into_string().unwrap()
        };
        assert_eq!(left("doctor --user a -q b.yaml"), "doctor -q b.yaml");
        assert_eq!(left("doctor --user=a b.yaml"), "doctor b.yaml");
        assert_eq!(left("doctor --users b --user c d"), "doctor --users b d");
    }

    #[test]
    fn the_powers_are_the_services_or_those_of_the_unit() {
        assert_eq!(sets("inh-caps", None), "--inh-caps=-all,+cap_2");
        let none = Powers::read("Uid:\t5\t5\t5\t5\nCapEff:\t0\n");
        assert_eq!(sets("bounding-set", none), "--bounding-set=-all");
        let some = Powers::read("Uid:\t5\t5\t5\t5\nCapEff:\t200005\n");
        assert_eq!(sets("x", some), "--x=-all,+cap_0,+cap_2,+cap_21");
    }

    #[test]
    fn a_user_has_a_name_or_a_number() {
        assert_eq!(find("root").unwrap().0, 0);
        assert_eq!(find("4294900000").unwrap().0, 4_294_900_000);
        assert!(find("no such user").unwrap_err().contains("no user"));
        assert!(
            become_user(
                &rustix::process::geteuid().as_raw().to_string(),
                None,
                "--user"
            )
            .is_ok()
        );
    }
}
