//! `version`.

use std::io::{self, Write};

use clap::Args;
use serde_json::json;

use super::client::Format;
use super::exit;
use crate::service::protocol::FORMAT_VERSION;

/// The flags of `version`.
#[derive(Debug, Args)]
pub struct VersionArgs {
    /// How the result is printed
    #[arg(long, value_enum, default_value_t = Format::Human, value_name = "FORMAT")]
    pub format: Format,
}

/// Prints the version.
pub fn run(args: &VersionArgs, out: &mut dyn Write) -> io::Result<u8> {
    let version = env!("CARGO_PKG_VERSION");
    match args.format {
        Format::Human => writeln!(out, "heliostat {version}")?,
        Format::Json => writeln!(
            out,
            "{}",
            json!({"formatVersion": FORMAT_VERSION, "version": version})
        )?,
    }
    Ok(exit::GOOD)
}
