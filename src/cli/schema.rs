//! `heliostat schema`: the JSON Schemas of the files that are written by hand, for editors, and of the documents that are printed,
//! for the programs that read them.

use std::io::{self, Write};

use clap::{Args, ValueEnum};
use schemars::JsonSchema;
use schemars::generate::SchemaSettings;

use super::{exit, plan};
use crate::diagnostic;
use crate::manifest;
use crate::service::history::HistoryAnswer;
use crate::service::news;
use crate::service::protocol::{PlanAnswer, StatusAnswer};
use crate::service::tap::Told;

/// Prints the JSON Schema of manifests, of agent files, or of a document that is printed.
#[derive(Args, Clone, Copy, Debug, Default)]
pub struct SchemaArgs {
    /// Of which files or documents
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
    /// What `validate --format json` prints, and every command that finds the manifests wrong
    Diagnostics,
    /// What `plan --format json` prints
    Plan,
    /// What `GET /v1/plan` answers: the plan that runs
    RunningPlan,
    /// What `status --format json` prints
    Status,
    /// What `history --format json` prints
    History,
    /// A line of `tap --format json`
    Tap,
    /// An event of `GET /v1/events`
    Events,
}

impl SchemaKind {
    /// The schema as its file has it: `schemas/NAME.schema.json`.
    pub fn text(self) -> String {
        match self {
            SchemaKind::Manifest => manifest::schema(),
            SchemaKind::Agent => manifest::agent_schema(),
            SchemaKind::Diagnostics => of::<diagnostic::Document>(),
            SchemaKind::Plan => of::<plan::Document<'_>>(),
            SchemaKind::RunningPlan => of::<PlanAnswer>(),
            SchemaKind::Status => of::<StatusAnswer>(),
            SchemaKind::History => of::<HistoryAnswer>(),
            SchemaKind::Tap => of::<Told>(),
            SchemaKind::Events => of::<news::Item>(),
        }
    }
}

/// Of a document that is printed: what may be left out by who reads it is there all the same. draft-07, as the others are.
fn of<T: JsonSchema>() -> String {
    let generator = SchemaSettings::draft07().for_serialize().into_generator();
    let schema = generator.into_root_schema_for::<T>();
    format!("{:#}\n", schema.to_value())
}

/// Runs the command; the result is its exit code.
pub fn run(args: &SchemaArgs, out: &mut dyn Write) -> io::Result<u8> {
    out.write_all(args.kind.text().as_bytes())?;
    Ok(exit::GOOD)
}
