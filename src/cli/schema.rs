//! `heliostat schema`: the JSON Schemas of manifests and of agent files, for editors.

use std::io::{self, Write};

use clap::{Args, ValueEnum};

use super::exit;
use crate::manifest;

/// Prints the JSON Schema of manifests, or of agent files.
#[derive(Args, Clone, Copy, Debug, Default)]
pub struct SchemaArgs {
    /// Of which files
    #[arg(value_enum, default_value_t, value_name = "KIND")]
    pub kind: SchemaKind,
}

/// What is described.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum SchemaKind {
    /// What is kept where
    #[default]
    Manifest,
    /// The settings of a host
    Agent,
}

/// Runs the command; the result is its exit code.
pub fn run(args: &SchemaArgs, out: &mut dyn Write) -> io::Result<u8> {
    let schema = match args.kind {
        SchemaKind::Manifest => manifest::schema(),
        SchemaKind::Agent => manifest::agent_schema(),
    };
    out.write_all(schema.as_bytes())?;
    Ok(exit::GOOD)
}
