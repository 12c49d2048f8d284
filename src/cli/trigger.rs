//! `trigger`: send what is pending now.

use std::io::{self, Write};
use std::time::Duration;

use clap::Args;

use super::client::{ClientArgs, Format};
use super::{exit, wait};
use crate::service::protocol::{Done, Routes};

/// The flags of `trigger`.
#[derive(Debug, Args)]
pub struct TriggerArgs {
    /// SOURCE or SOURCE/TARGET; all where none is given
    pub route: Option<String>,
    /// Return when everything up to now is on the targets, as `wait` does
    #[arg(long)]
    pub wait: bool,
    /// With `--wait`: at most so long
    #[arg(long, value_name = "DURATION", default_value = "1h", requires = "wait", value_parser = super::client::duration)]
    pub timeout: Duration,
    /// How to reach the service
    #[command(flatten)]
    pub client: ClientArgs,
}

/// Sends now: windows, schedules and backoff are passed over once.
pub fn run(args: &TriggerArgs, out: &mut dyn Write, err: &mut dyn Write) -> io::Result<u8> {
    let body = Routes {
        route: args.route.clone(),
    };
    let done: Done = match args.client.post("/v1/trigger", &body, Duration::ZERO) {
        Ok(done) => done,
        Err(failure) => return args.client.failed(&failure, out, err),
    };
    if args.wait {
        return wait::until_there(&args.client, args.route.clone(), args.timeout, out, err);
    }
    begun(&args.client, &done, "sending", out, err)
}

/// Says for how many routes it is begun.
pub fn begun(
    client: &ClientArgs,
    done: &Done,
    what: &str,
    out: &mut dyn Write,
    err: &mut dyn Write,
) -> io::Result<u8> {
    if client.format == Format::Human {
        for route in &done.paused {
            writeln!(
                err,
                "{route} is paused, so afterwards: heliostat resume {route}"
            )?;
        }
        if let Some(note) = &done.note {
            writeln!(err, "warning: {note}")?;
        }
    }
    match client.format {
        Format::Human => writeln!(
            out,
            "{what}: {} {}",
            done.routes,
            if done.routes == 1 { "route" } else { "routes" }
        )?,
        Format::Json => client.json(done, out)?,
    }
    Ok(exit::GOOD)
}
