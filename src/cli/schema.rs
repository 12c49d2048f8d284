//! `heliostat schema`: the JSON Schema of manifests, for editors.

use std::io::{self, Write};

use clap::Args;

use super::exit;
use crate::manifest;

/// Prints the JSON Schema of manifests.
#[derive(Args, Clone, Copy, Debug, Default)]
pub struct SchemaArgs {}

/// Runs the command; the result is its exit code.
pub fn run(_args: &SchemaArgs, out: &mut dyn Write) -> io::Result<u8> {
    out.write_all(manifest::schema().as_bytes())?;
    Ok(exit::GOOD)
}
