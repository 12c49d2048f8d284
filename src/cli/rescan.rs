//! `rescan`: compare with the targets now, and repair what differs.

use std::io::{self, Write};
use std::time::Duration;

use clap::Args;

use super::client::ClientArgs;
use super::{trigger, wait};
use crate::service::protocol::{Done, RescanBody};

/// The flags of `rescan`.
#[derive(Debug, Args)]
pub struct RescanArgs {
    /// SOURCE or SOURCE/TARGET; all where none is given
    pub route: Option<String>,
    /// Compare contents, not sizes and times
    #[arg(long)]
    pub checksum: bool,
    /// Return when it is done, as `wait` does
    #[arg(long)]
    pub wait: bool,
    /// With `--wait`: at most so long
    #[arg(long, value_name = "DURATION", default_value = "1h", requires = "wait", value_parser = super::client::duration)]
    pub timeout: Duration,
    /// How to reach the service
    #[command(flatten)]
    pub client: ClientArgs,
}

/// Begins a full pass for each route.
pub fn run(args: &RescanArgs, out: &mut dyn Write, err: &mut dyn Write) -> io::Result<u8> {
    let body = RescanBody {
        route: args.route.clone(),
        checksum: args.checksum,
    };
    let done: Done = match args.client.post("/v1/rescan", &body, Duration::ZERO) {
        Ok(done) => done,
        Err(failure) => return args.client.failed(&failure, out, err),
    };
    if args.wait {
        return wait::until_there(&args.client, args.route.clone(), args.timeout, out, err);
    }
    trigger::begun(&args.client, &done, "comparing", out, err)
}
