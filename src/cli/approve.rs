//! `approve`: releases a hold for exactly the plan that was shown.

use std::io::{self, Write};
use std::time::Duration;

use clap::Args;

use super::client::ClientArgs;
use super::trigger;
use crate::service::protocol::{ApproveBody, Done};

/// The flags of `approve`.
#[derive(Debug, Args)]
pub struct ApproveArgs {
    /// SOURCE/TARGET
    pub route: String,
    /// The plan's id, as `status` shows it
    #[arg(long)]
    pub id: String,
    /// How to reach the service
    #[command(flatten)]
    pub client: ClientArgs,
}

/// Approves: what was shown may be deleted, nothing else.
pub fn run(args: &ApproveArgs, out: &mut dyn Write, err: &mut dyn Write) -> io::Result<u8> {
    let body = ApproveBody {
        route: args.route.clone(),
        id: args.id.clone(),
    };
    let answer: Result<Done, _> = args.client.post("/v1/approve", &body, Duration::ZERO);
    match answer {
        Ok(done) => trigger::begun(&args.client, &done, "approved", out, err),
        Err(failure) => args.client.failed(&failure, out, err),
    }
}
