//! `explain`: what a diagnostic means, and how to mend it. Offline.

use std::io::{self, Write};

use clap::Args;

use super::exit;
use crate::diagnostic::REGISTRY;

/// The flags of `explain`.
#[derive(Debug, Args)]
pub struct ExplainArgs {
    /// A diagnostic's code, as `H0105`; all codes are listed where none is given
    pub code: Option<String>,
}

/// Prints the explanation of a code, or the list of all.
pub fn run(args: &ExplainArgs, out: &mut dyn Write, err: &mut dyn Write) -> io::Result<u8> {
    let Some(code) = &args.code else {
        for entry in REGISTRY {
            writeln!(out, "{}  {}", entry.id, entry.title)?;
        }
        return Ok(exit::GOOD);
    };
    let Some(entry) = REGISTRY
        .iter()
        .find(|entry| entry.id.eq_ignore_ascii_case(code))
    else {
        writeln!(
            err,
            "error: there is no diagnostic `{}`: `heliostat explain` lists them",
            code.escape_default()
        )?;
        return Ok(exit::USAGE);
    };
    writeln!(
        out,
        "{}: {}\n\n{}",
        entry.id, entry.title, entry.explanation
    )?;
    Ok(exit::GOOD)
}
