//! `wait`: a barrier; returns when everything up to now is on the targets.

use std::io::{self, Write};
use std::time::Duration;

use clap::Args;

use super::client::{ClientArgs, Format};
use super::exit;
use crate::service::protocol::{WaitAnswer, WaitBody, WaitResult};

/// The flags of `wait`.
#[derive(Debug, Args)]
pub struct WaitArgs {
    /// SOURCE or SOURCE/TARGET; all where none is given
    pub route: Option<String>,
    /// At most so long; then exit 5. What is held or paused is not waited for: exit 6
    #[arg(long, value_name = "DURATION", default_value = "1h", value_parser = super::client::duration)]
    pub timeout: Duration,
    /// How to reach the service
    #[command(flatten)]
    pub client: ClientArgs,
}

/// Waits.
pub fn run(args: &WaitArgs, out: &mut dyn Write, err: &mut dyn Write) -> io::Result<u8> {
    until_there(&args.client, args.route.clone(), args.timeout, out, err)
}

/// Returns when everything up to now is on the targets, is held, or time is up.
pub fn until_there(
    client: &ClientArgs,
    route: Option<String>,
    timeout: Duration,
    out: &mut dyn Write,
    err: &mut dyn Write,
) -> io::Result<u8> {
    let body = WaitBody {
        route,
        timeout_seconds: timeout.as_secs_f64(),
    };
    let answer: WaitAnswer = match client.post("/v1/wait", &body, timeout) {
        Ok(answer) => answer,
        Err(failure) => return client.failed(&failure, out, err),
    };
    let (code, words) = match answer.result {
        WaitResult::Reached => (exit::GOOD, "in sync"),
        WaitResult::Held => (exit::HELD, "held"),
        WaitResult::Paused => (exit::HELD, "paused"),
        WaitResult::TimedOut => (exit::TIMED_OUT, "not in time"),
    };
    match client.format {
        Format::Json => client.json(&answer, out)?,
        Format::Human => {
            writeln!(out, "{words}")?;
            for late in &answer.late {
                writeln!(err, "{late}")?;
            }
        }
    }
    Ok(code)
}
