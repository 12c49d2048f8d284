//! Passwords, by reference: found when a run needs them, never kept.
//!
//! A password file is rsync's to read; it is looked at before, so that the message says what to do. Credentials and
//! environment variables are read here and go to the child's environment, never to its arguments.

use std::os::unix::fs::MetadataExt;

use secrecy::SecretString;

use crate::engine::{Trouble, escape};
use crate::plan::Secret;

/// A password, or where rsync reads it.
pub enum Password {
    /// rsync reads the file itself.
    File,
    /// For the child's environment.
    Value(SecretString),
}

/// Longer is no password: a wrong file.
const LENGTH_MAX: u64 = 4096;

/// Finds a password.
pub fn look_up(secret: &Secret) -> Result<Password, Trouble> {
    match secret {
        Secret::File(path) => check_file(path).map(|()| Password::File),
        Secret::Credential(name) => {
            let Some(directory) = std::env::var_os("CREDENTIALS_DIRECTORY") else {
                return Err(trouble(format!(
                    "credential `{}`: the service has none: add `LoadCredential={name}:…` to its unit",
                    escape(name.as_bytes())
                )));
            };
            let path = std::path::Path::new(&directory).join(name);
            let failed = |error: std::io::Error| {
                trouble(format!("credential `{}`: {error}", escape(name.as_bytes())))
            };
            if std::fs::metadata(&path).map_err(failed)?.len() > LENGTH_MAX {
                return Err(trouble(format!(
                    "credential `{}` is too long for a password",
                    escape(name.as_bytes())
                )));
            }
            let text = std::fs::read_to_string(&path).map_err(failed)?;
            Ok(Password::Value(
                text.lines().next().unwrap_or_default().into(),
            ))
        }
        Secret::Env(name) => match std::env::var(name) {
            Ok(value) => Ok(Password::Value(value.into())),
            Err(_) => Err(trouble(format!(
                "the environment variable `{}` is not set",
                escape(name.as_bytes())
            ))),
        },
    }
}

/// What rsync checks, said with what to do.
fn check_file(path: &str) -> Result<(), Trouble> {
    let shown = escape(path.as_bytes());
    let info = std::fs::metadata(path).map_err(|error| {
        trouble(format!(
            "password file `{shown}`: {}: create it with mode 600",
            error.kind()
        ))
    })?;
    if !info.is_file() {
        return Err(trouble(format!("password file `{shown}` is not a file")));
    }
    // Whose link it is decides what is read, and sent to a far side as a password.
    let own = rustix::process::geteuid().as_raw();
    let theirs = |link: std::fs::Metadata| link.is_symlink() && ![0, own].contains(&link.uid());
    if std::fs::symlink_metadata(path).is_ok_and(theirs) {
        return Err(trouble(format!(
            "password file `{shown}` is another user's symlink: name the file itself, or `chown -h` the link to root"
        )));
    }
    if info.mode() & 0o006 != 0 {
        return Err(trouble(format!(
            "password file `{shown}` can be read by others: `chmod 600` it"
        )));
    }
    if rustix::process::geteuid().is_root() && info.uid() != 0 {
        return Err(trouble(format!(
            "password file `{shown}` does not belong to root: `chown root` it"
        )));
    }
    Ok(())
}

fn trouble(message: String) -> Trouble {
    Trouble {
        code: "passwordFile",
        message,
        soon: false,
    }
}
