//! `reload`: the service takes the files over as they are now.

use std::io::{self, Write};
use std::time::Duration;

use clap::Args;

use super::client::{ClientArgs, Format};
use super::exit;
use crate::service::reloader::{Reloaded, Verdict};

/// Large sets are read, and transfers of the earlier plan have their time to end.
pub const PATIENCE: Duration = Duration::from_secs(120);

/// The flags of `reload`.
#[derive(Debug, Args)]
pub struct ReloadArgs {
    /// How to reach the service
    #[command(flatten)]
    pub client: ClientArgs,
}

/// Reloads; says what came of it.
pub fn run(args: &ReloadArgs, out: &mut dyn Write, err: &mut dyn Write) -> io::Result<u8> {
    match args.client.post("/v1/reload", &(), PATIENCE) {
        Ok(reloaded) => show(&args.client, &reloaded, out, err),
        Err(failure) => args.client.failed(&failure, out, err),
    }
}

/// Says what came of it; the exit code.
pub fn show(
    client: &ClientArgs,
    reloaded: &Reloaded,
    out: &mut dyn Write,
    err: &mut dyn Write,
) -> io::Result<u8> {
    let code = match reloaded.result {
        Verdict::Rejected => exit::NEGATIVE,
        Verdict::Applied | Verdict::Unchanged => exit::GOOD,
    };
    if client.format == Format::Json {
        client.json(reloaded, out)?;
        return Ok(code);
    }
    write!(err, "{}", reloaded.report)?;
    for note in &reloaded.notes {
        writeln!(err, "note: {note}")?;
    }
    let Reloaded {
        generation, digest, ..
    } = reloaded;
    let revision = reloaded.revision.as_ref();
    let revision = revision.map_or_else(String::new, |revision| format!(", revision {revision}"));
    let plan = format!("generation {generation} (digest {digest}{revision})");
    match reloaded.result {
        Verdict::Applied => {
            writeln!(out, "{plan} is in force; routes: {}", reloaded.routes())?;
            if reloaded.leaving {
                writeln!(
                    err,
                    "note: transfers of the earlier plan have not ended yet: nothing is sent to the same places before"
                )?;
            }
        }
        Verdict::Unchanged => writeln!(out, "nothing has changed: {plan} is in force already")?,
        Verdict::Rejected => {
            let error = reloaded.error.as_deref().unwrap_or_default();
            writeln!(err, "error: rejected: {error}")?;
            writeln!(err, "{plan} goes on; nothing was changed")?;
        }
    }
    Ok(code)
}
