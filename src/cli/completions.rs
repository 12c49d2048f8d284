//! `completions`: what a shell needs to complete the command line.

use std::io::{self, Write};

use clap::{Args, CommandFactory};
use clap_complete::Shell;

use super::{Cli, exit};

/// The flags of `completions`.
#[derive(Debug, Args)]
pub struct CompletionsArgs {
    /// The shell
    #[arg(value_enum)]
    pub shell: Shell,
}

/// Prints the script: for bash into `/usr/share/bash-completion/completions/heliostat`, say.
pub fn run(args: &CompletionsArgs, out: &mut dyn Write) -> io::Result<u8> {
    // Into memory first: the generator takes a reader that goes away for a fault of its own.
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), "heliostat", &mut script);
    out.write_all(&script)?;
    Ok(exit::GOOD)
}
