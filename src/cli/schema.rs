//! `heliostat schema`: the JSON Schema of manifests, for editors.

use std::io::Write;

use clap::Args;

use super::validate::{VALID, broken};
use crate::manifest;

/// Prints the JSON Schema of manifests.
#[derive(Args, Clone, Copy, Debug, Default)]
pub struct SchemaArgs {}

/// Runs the command; the result is its exit code.
pub fn run(_args: &SchemaArgs, out: &mut dyn Write, err: &mut dyn Write) -> u8 {
    match out.write_all(manifest::schema().as_bytes()) {
        Ok(()) => VALID,
        Err(error) => broken(&error, err),
    }
}
