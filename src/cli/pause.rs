//! `pause`: send nothing for a while.

use std::io::{self, Write};
use std::time::Duration;

use clap::Args;

use super::client::{ClientArgs, duration};
use super::trigger;
use crate::engine::{PAUSE_MAX, PAUSE_MIN};
use crate::service::protocol::Done;
use crate::service::steer::PauseBody;

/// The flags of `pause`.
#[derive(Debug, Args)]
#[command(
    after_help = "While a route is paused nothing is sent or deleted on its target. Changes gather, holds stay, and what is \
                  triggered or approved is done afterwards. A pause ends by itself, outlives reloads and restarts, and can \
                  be given anew: the last word counts. `wait` returns at once, with status 6, where only what is paused is \
                  not there yet."
)]
pub struct PauseArgs {
    /// SOURCE or SOURCE/TARGET; all where none is given
    pub route: Option<String>,
    /// For so long: from 1s to 7d
    #[arg(long = "for", value_name = "DURATION", default_value = "1h", value_parser = time)]
    pub time: Duration,
    /// What for: `status` shows it
    #[arg(long, value_name = "TEXT")]
    pub reason: Option<String>,
    /// Cancel transfers that run, instead of letting them end
    #[arg(long)]
    pub cancel: bool,
    /// How to reach the service
    #[command(flatten)]
    pub client: ClientArgs,
}

/// Pauses.
pub fn run(args: &PauseArgs, out: &mut dyn Write, err: &mut dyn Write) -> io::Result<u8> {
    let body = PauseBody {
        route: args.route.clone(),
        for_seconds: args.time.as_secs_f64(),
        reason: args.reason.clone(),
        by: behind(),
        cancel: args.cancel,
    };
    let answer: Result<Done, _> = args.client.post("/v1/pause", &body, Duration::ZERO);
    match answer {
        Ok(done) => trigger::begun(&args.client, &done, "paused", out, err),
        Err(failure) => args.client.failed(&failure, out, err),
    }
}

fn time(text: &str) -> Result<Duration, String> {
    let time = duration(text)?;
    match (PAUSE_MIN..=PAUSE_MAX).contains(&time) {
        true => Ok(time),
        false => Err(
            "a pause lasts from 1s to 7d: for longer, set `suspend: true` in the manifest".into(),
        ),
    }
}

/// Who is behind sudo or doas; the service sees only root. Whose process this is it knows by itself.
pub fn behind() -> Option<String> {
    let names = ["SUDO_USER", "DOAS_USER"];
    let mut names = names.iter().filter_map(|name| std::env::var(name).ok());
    names.find(|name| !name.is_empty())
}
