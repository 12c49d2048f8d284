//! Which rsync this host has.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use tokio::process::Command;

/// An rsync that was looked at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RsyncBinary {
    /// Absolute.
    pub path: PathBuf,
    /// `3.5.0`.
    pub version: String,
}

/// Where rsync is looked for when the agent file names none. Never `$PATH`: it may be anybody's.
const PLACES: [&str; 4] = [
    "/usr/bin/rsync",
    "/usr/local/bin/rsync",
    "/bin/rsync",
    "/opt/bin/rsync",
];

/// Older ones lack what a batch needs, or are broken in it.
const OLDEST: [u32; 3] = [3, 4, 0];

/// Older ones work, with known security faults.
const SAFE: [u32; 3] = [3, 5, 0];

/// An rsync that answers takes milliseconds.
const ANSWER_WAIT: Duration = Duration::from_secs(5);

impl RsyncBinary {
    /// Asks an rsync for its version. Fails with one line that says what to do.
    pub async fn find(path: Option<&Path>) -> Result<RsyncBinary, String> {
        let path = match path {
            Some(path) => path,
            None => PLACES
                .iter()
                .map(Path::new)
                .find(|path| path.exists())
                .ok_or("rsync is not installed: install rsync 3.4 or later")?,
        };
        let mut command = Command::new(path);
        command
            .arg("-VV")
            .env_clear()
            .env("LC_ALL", "C")
            .stdin(Stdio::null())
            .kill_on_drop(true);
        let output = match tokio::time::timeout(ANSWER_WAIT, command.output()).await {
            Ok(Ok(output)) => output,
            Ok(Err(error)) => {
                return Err(format!(
                    "cannot start `{}`: {error}: install rsync 3.4 or later",
                    path.display()
                ));
            }
            Err(_) => return Err(format!("`{}` does not answer", path.display())),
        };
        let version = version(&output.stdout).ok_or_else(|| {
            format!(
                "`{}` does not tell its version: install rsync 3.4 or later",
                path.display()
            )
        })?;
        if numbers(&version) < OLDEST {
            return Err(format!(
                "`{}` is rsync {version}: install 3.4 or later",
                path.display()
            ));
        }
        Ok(RsyncBinary {
            path: path.to_path_buf(),
            version,
        })
    }

    /// What is worth a warning about it.
    pub fn warning(&self) -> Option<String> {
        let old = numbers(&self.version) < SAFE;
        old.then(|| {
            format!(
                "rsync {} has known security faults: install 3.5 or later",
                self.version
            )
        })
    }
}

/// From `rsync -VV` (JSON), or from the first line of `rsync -V` that those older than 3.2.4 print for it.
fn version(output: &[u8]) -> Option<String> {
    if let Ok(value) = serde_json::from_slice::<serde_json::Value>(output) {
        return value.get("version")?.as_str().map(str::to_string);
    }
    let text = String::from_utf8_lossy(output);
    let mut words = text.lines().next()?.split_whitespace();
    (words.next()? == "rsync" && words.next()? == "version")
        .then(|| words.next().map(str::to_string))?
}

fn numbers(version: &str) -> [u32; 3] {
    let mut numbers = [0; 3];
    for (number, part) in numbers.iter_mut().zip(version.split('.')) {
        let digits: String = part.chars().take_while(char::is_ascii_digit).collect();
        *number = digits.parse().unwrap_or(0);
    }
    numbers
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_read_from_json_and_from_the_old_banner() {
        assert_eq!(
            version(br#"{"program": "rsync", "version": "3.5.0"}"#).as_deref(),
            Some("3.5.0")
        );
        assert_eq!(
            version(b"rsync  version 3.1.3  protocol version 31\n").as_deref(),
            Some("3.1.3")
        );
        assert_eq!(version(b"hello"), None);
        assert!(
            numbers("3.4.0pre1") >= OLDEST && numbers("3.3.9") < OLDEST && numbers("3.10.0") > SAFE
        );
    }

    #[test]
    fn an_old_one_is_warned_of() {
        let binary = |version: &str| RsyncBinary {
            path: "/usr/bin/rsync".into(),
            version: version.into(),
        };
        assert!(binary("3.4.3").warning().is_some() && binary("3.5.0").warning().is_none());
    }
}
