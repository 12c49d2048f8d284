//! `rollback`: the service goes back to an earlier generation, until the next reload.

use std::io::{self, Write};

use clap::Args;

use super::client::{ClientArgs, Format};
use super::{exit, reload};
use crate::service::protocol::{GenerationsAnswer, RollbackBody};

/// The flags of `rollback`.
#[derive(Debug, Args)]
pub struct RollbackArgs {
    /// Which; the one before that which is in force where none is given
    #[arg(conflicts_with = "list")]
    pub generation: Option<u64>,
    /// List the generations that are kept, and change nothing
    #[arg(long)]
    pub list: bool,
    /// How to reach the service
    #[command(flatten)]
    pub client: ClientArgs,
}

/// Goes back, or lists where to.
pub fn run(args: &RollbackArgs, out: &mut dyn Write, err: &mut dyn Write) -> io::Result<u8> {
    if args.list {
        return match args.client.get("/v1/generations") {
            Ok(answer) => list(&args.client, &answer, out),
            Err(failure) => args.client.failed(&failure, out, err),
        };
    }
    let body = RollbackBody {
        generation: args.generation,
    };
    match args.client.post("/v1/rollback", &body, reload::PATIENCE) {
        Ok(reloaded) => reload::show(&args.client, &reloaded, out, err),
        Err(failure) => args.client.failed(&failure, out, err),
    }
}

fn list(client: &ClientArgs, answer: &GenerationsAnswer, out: &mut dyn Write) -> io::Result<u8> {
    if client.format == Format::Json {
        client.json(answer, out)?;
        return Ok(exit::GOOD);
    }
    writeln!(
        out,
        "  {:>10}  {:<20}  {:<12}  {:<12}  {:>7}  {:>6}",
        "GENERATION", "SINCE", "DIGEST", "REVISION", "SOURCES", "ROUTES"
    )?;
    for generation in answer.generations.iter().rev() {
        let mark = if generation.number == answer.current {
            '*'
        } else {
            ' '
        };
        let at = generation.at.split('.').next().unwrap_or_default();
        let revision = generation.revision.as_deref().unwrap_or("–");
        writeln!(
            out,
            "{mark} {:>10}  {:<20}  {:<12}  {:<12}  {:>7}  {:>6}",
            generation.number,
            format!("{}Z", at.trim_end_matches('Z')),
            generation.digest,
            revision.get(..12).unwrap_or(revision),
            generation.sources,
            generation.routes
        )?;
    }
    Ok(exit::GOOD)
}
