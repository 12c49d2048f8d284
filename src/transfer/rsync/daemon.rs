//! A module of an rsync daemon.

use std::ffi::OsString;

use super::super::Context;
use super::invocation::{Invocation, Leave, Orders, list};
use super::kind::{Kind, Shown, bracketed};
use super::secret::{self, Password};
use super::steps::Step;
use crate::engine::Trouble;
use crate::plan::{Secret, Target};

/// A module of an rsync daemon.
pub struct Daemon;

/// For the connection alone; afterwards `timeout` counts.
const CONNECT_S: u64 = 10;

impl Kind for Daemon {
    fn serves(&self, target: &Target) -> bool {
        matches!(target, Target::Daemon { .. })
    }

    fn lower(
        &self,
        orders: Orders<'_>,
        step: &Step,
        leave: Leave,
        context: &Context,
    ) -> Result<Invocation, Trouble> {
        let Target::Daemon { password, .. } = &orders.route.target else {
            unreachable!("`serves` was asked first");
        };
        let given = password.as_ref().map(secret::look_up).transpose()?;
        let options = options(
            matches!(given, Some(Password::File))
                .then_some(password.as_ref())
                .flatten(),
        );
        let mut environment = context.environment(&orders.route.name);
        let mut value = None;
        match given {
            Some(Password::Value(password)) => value = Some(password),
            Some(Password::File) => {}
            // Set and empty: rsync would ask on the terminal otherwise.
            None => environment.push(("RSYNC_PASSWORD", OsString::new())),
        }
        Ok(Invocation {
            program: context.rsync.path(),
            arguments: orders.arguments(step, leave, options, &url(&orders.route.target)),
            environment,
            password: value,
            input: list(step),
            connects: true,
            lasts: false,
        })
    }

    fn far_root(&self, target: &Target) -> Vec<u8> {
        match target {
            Target::Daemon { path, .. } if !path.is_empty() => format!("/{path}").into_bytes(),
            _ => Vec::new(),
        }
    }

    fn explain(&self, _: &Target, code: Option<i32>, text: &[String]) -> Option<Trouble> {
        let line = text
            .iter()
            .find(|line| line.contains("@ERROR: ") || line.starts_with("ERROR: "))?;
        let has = |part: &str| line.contains(part);
        let (code, help, soon) = match code {
            _ if has("auth failed") => (
                "auth",
                "check `user` and the password, here and in the daemon's secrets file",
                false,
            ),
            _ if has("Unknown module") => (
                "unknownModule",
                "check the module's name, and the daemon's `hosts allow`",
                false,
            ),
            _ if has("max connections") => ("busy", "", true),
            _ if has("chdir failed") || has("chroot failed") => (
                "noDestination",
                "the module's directory is not there: mount or create it",
                false,
            ),
            _ if has("read only") => (
                "readOnly",
                "set `read only = no` in the daemon's module",
                false,
            ),
            _ if has("access denied") => ("auth", "check the daemon's `hosts allow`", false),
            _ if has("password file") => ("passwordFile", "`chown root` and `chmod 600` it", false),
            Some(5) => ("daemon", "", false),
            _ => return None,
        };
        let line = line
            .trim_start_matches("@ERROR: ")
            .trim_start_matches("ERROR: ");
        let message = if help.is_empty() {
            format!("rsync daemon: {line}")
        } else {
            format!("rsync daemon: {line}: {help}")
        };
        Some(Trouble {
            code,
            message,
            soon,
        })
    }

    fn shown(&self, target: &Target) -> Shown {
        let Target::Daemon { password, .. } = target else {
            return Shown::default();
        };
        let before = match password {
            Some(Secret::Env(name)) => format!("RSYNC_PASSWORD=\"${name}\""),
            Some(Secret::Credential(name)) => {
                format!("RSYNC_PASSWORD=\"$(cat \"$CREDENTIALS_DIRECTORY/{name}\")\"")
            }
            _ => String::new(),
        };
        Shown {
            before,
            options: options(password.as_ref()),
            destination: url(target),
        }
    }
}

fn options(password: Option<&Secret>) -> Vec<String> {
    // Without TCP_NODELAY on this side a small file takes 96 ms instead of 11.
    let mut options = vec![
        format!("--contimeout={CONNECT_S}"),
        "--sockopts=TCP_NODELAY".to_string(),
    ];
    if let Some(Secret::File(path)) = password {
        options.push(format!("--password-file={path}"));
    }
    options
}

fn url(target: &Target) -> String {
    let Target::Daemon {
        user,
        host,
        port,
        module,
        path,
        ..
    } = target
    else {
        return String::new();
    };
    let user = user
        .as_ref()
        .map(|user| format!("{user}@"))
        .unwrap_or_default();
    let path = if path.is_empty() {
        String::new()
    } else {
        format!("{path}/")
    };
    format!("rsync://{user}{}:{port}/{module}/{path}", bracketed(host))
}
