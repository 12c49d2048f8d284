//! What the commands that speak to a running service share: the socket, and how a refusal is shown.

use std::io::{self, Write};
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, ValueEnum};
use hyper::Method;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::exit;
use crate::service::Failure;
use crate::service::client;
use crate::service::protocol::{FORMAT_VERSION, Refusal};

/// Where the service listens.
pub const SOCKET: &str = "/run/heliostat/control.sock";

/// The flags of every command that speaks to a running service.
#[derive(Clone, Debug, Args)]
pub struct ClientArgs {
    /// The control socket of the service
    #[arg(long, value_name = "PATH", default_value = SOCKET)]
    pub socket: PathBuf,
    /// How the result is printed
    #[arg(long, value_enum, default_value_t = Format::Human, value_name = "FORMAT")]
    pub format: Format,
}

/// How a result is printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// For people.
    Human,
    /// One JSON document, also for errors.
    Json,
}

impl ClientArgs {
    /// `GET`.
    pub fn get<A: DeserializeOwned>(&self, path: &str) -> Result<A, Failure> {
        client::call(&self.socket, Method::GET, path, None::<&()>, Duration::ZERO)
    }

    /// `POST`.
    pub fn post<A: DeserializeOwned>(
        &self,
        path: &str,
        body: &impl Serialize,
        patience: Duration,
    ) -> Result<A, Failure> {
        client::call(&self.socket, Method::POST, path, Some(body), patience)
    }

    /// Shows why nothing came of it; the exit code.
    pub fn failed(
        &self,
        failure: &Failure,
        out: &mut dyn Write,
        err: &mut dyn Write,
    ) -> io::Result<u8> {
        match self.format {
            Format::Human => writeln!(err, "error: {failure}")?,
            Format::Json => self.json(
                &Refusal {
                    format_version: FORMAT_VERSION,
                    error: failure.to_string(),
                },
                out,
            )?,
        }
        Ok(match failure {
            Failure::NotReachable(_) => exit::NOT_REACHABLE,
            Failure::Refused(_) => exit::NEGATIVE,
            Failure::Setup(_) | Failure::Usage(_) => exit::USAGE,
        })
    }

    /// Shows what is wrong with what was asked for.
    pub fn wrong(&self, error: &str, out: &mut dyn Write, err: &mut dyn Write) -> io::Result<u8> {
        self.failed(&Failure::Setup(error.to_owned()), out, err)
    }

    /// One JSON document.
    pub fn json(&self, value: &impl Serialize, out: &mut dyn Write) -> io::Result<()> {
        serde_json::to_writer_pretty(&mut *out, value)?;
        writeln!(out)
    }
}

/// A path with what is asked for, encoded.
pub fn query(path: &str, asked: &[(&str, Option<String>)]) -> String {
    let mut whole = path.to_owned();
    let given = asked
        .iter()
        .filter_map(|(key, value)| Some((key, value.as_ref()?)));
    for (index, (key, value)) in given.enumerate() {
        whole.push(if index == 0 { '?' } else { '&' });
        whole.push_str(key);
        whole.push('=');
        for byte in value.bytes() {
            match byte {
                b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
                    whole.push(char::from(byte));
                }
                byte => whole.push_str(&format!("%{byte:02X}")),
            }
        }
    }
    whole
}

/// Reads a duration of the command line: `250ms`, `30s`, `5m`, `1h30m`, `2d`.
pub fn duration(text: &str) -> Result<Duration, String> {
    let wrong =
        || format!("`{text}` is no duration: write it with units, as `30s`, `5m` or `1h30m`");
    let (mut rest, mut total) = (text, Duration::ZERO);
    if rest.is_empty() {
        return Err(wrong());
    }
    while !rest.is_empty() {
        let digits = rest
            .find(|c: char| !c.is_ascii_digit())
            .filter(|at| *at > 0)
            .ok_or_else(wrong)?;
        let number: u64 = rest[..digits].parse().map_err(|_| wrong())?;
        let unit = rest[digits..]
            .find(|c: char| c.is_ascii_digit())
            .map_or(rest.len(), |at| digits + at);
        let ms = match &rest[digits..unit] {
            "ms" => 1,
            "s" => 1000,
            "m" => 60_000,
            "h" => 3_600_000,
            "d" => 86_400_000,
            _ => return Err(wrong()),
        };
        total = total.saturating_add(Duration::from_millis(number.saturating_mul(ms)));
        rest = &rest[unit..];
    }
    Ok(total)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn queries_are_encoded() {
        let asked = [
            ("a", None),
            ("b", Some("x/y z".to_owned())),
            ("c", Some("1".to_owned())),
        ];
        assert_eq!(query("/p", &asked), "/p?b=x%2Fy%20z&c=1");
        assert_eq!(query("/p", &[("a", None)]), "/p");
    }

    #[test]
    fn durations() {
        assert_eq!(duration("1h30m"), Ok(Duration::from_secs(5400)));
        assert_eq!(duration("250ms"), Ok(Duration::from_millis(250)));
        for wrong in ["", "5", "m", "5x", "1.5s", "-1s"] {
            assert!(duration(wrong).is_err(), "{wrong}");
        }
    }
}
