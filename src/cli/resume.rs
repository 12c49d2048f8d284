//! `resume`: ends pauses before their time.

use std::io::{self, Write};
use std::time::Duration;

use clap::Args;

use super::client::ClientArgs;
use super::pause::behind;
use super::trigger;
use crate::service::protocol::Done;
use crate::service::steer::ResumeBody;

/// The flags of `resume`.
#[derive(Debug, Args)]
pub struct ResumeArgs {
    /// SOURCE or SOURCE/TARGET; all where none is given
    pub route: Option<String>,
    /// How to reach the service
    #[command(flatten)]
    pub client: ClientArgs,
}

/// Ends them; what is not paused stays as it is.
pub fn run(args: &ResumeArgs, out: &mut dyn Write, err: &mut dyn Write) -> io::Result<u8> {
    let body = ResumeBody {
        route: args.route.clone(),
        by: behind(),
    };
    let answer: Result<Done, _> = args.client.post("/v1/resume", &body, Duration::ZERO);
    match answer {
        Ok(done) => trigger::begun(&args.client, &done, "resumed", out, err),
        Err(failure) => args.client.failed(&failure, out, err),
    }
}
