//! The command line: one file a subcommand.
//!
//! Owns flags, texts and exit codes. Results go to stdout, talk and logs to stderr. Everything a command does is done
//! by the rooms below; a command reads files, calls them and prints.

pub mod approve;
mod as_user;
pub mod bar;
pub mod client;
pub mod completions;
pub mod diff;
mod digest;
pub mod doctor;
pub mod exit;
pub mod explain;
pub mod files;
mod fix;
pub mod fleet;
pub mod git;
mod git_run;
pub mod history;
pub mod import;
pub mod init;
pub mod instant;
pub mod load;
pub mod man;
mod man_manifest;
pub mod match_;
pub mod pause;
pub mod plan;
pub mod reader;
pub mod reference;
pub mod reload;
pub mod render;
pub mod rescan;
pub mod resume;
mod rewrite;
pub mod rollback;
pub mod run;
pub mod schema;
pub mod start;
pub mod status;
mod table;
pub mod tap;
pub mod trigger;
pub mod validate;
pub mod version;
pub mod wait;

use std::io::{self, IsTerminal, Write};

use clap::{Parser, Subcommand, ValueEnum};

/// Keeps directory trees reflected on many targets, live and on schedule.
#[derive(Debug, Parser)]
#[command(
    name = "heliostat",
    version,
    max_term_width = 100,
    disable_help_subcommand = true
)]
pub struct Cli {
    /// When to use colours.
    #[arg(long, global = true, value_enum, default_value_t = Colour::Auto, value_name = "WHEN")]
    pub color: Colour,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// When to use colours.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Colour {
    /// On a terminal, unless NO_COLOR is set.
    Auto,
    /// Always.
    Always,
    /// Never.
    Never,
}

impl Colour {
    /// Whether to colour what goes to `stream`.
    pub fn wanted(self, stream: &impl IsTerminal) -> bool {
        match self {
            Colour::Always => true,
            Colour::Never => false,
            Colour::Auto => {
                stream.is_terminal()
                    && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
            }
        }
    }
}

/// The subcommands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Write a first manifest
    Init(init::InitArgs),
    /// Write a manifest of what sersync, lsyncd or a script with inotifywait is configured to do
    Import(import::ImportArgs),
    /// Check manifests
    Validate(validate::ValidateArgs),
    /// Say what a diagnostic means and how to mend it
    Explain(explain::ExplainArgs),
    /// Show what will happen on a host
    Plan(plan::PlanArgs),
    /// Show what would change, and what that costs
    Diff(diff::DiffArgs),
    /// Print the manifests with every default written out
    Render(render::RenderArgs),
    /// Say whether paths are included, and by which rule
    Match(match_::MatchArgs),
    /// Print the JSON Schema of manifests, or of agent files
    Schema(schema::SchemaArgs),
    /// Keep every target in step with its source, until ended
    Run(run::RunArgs),
    /// Show how every route is
    Status(status::StatusArgs),
    /// Send what is pending now
    Trigger(trigger::TriggerArgs),
    /// Compare with the targets now
    Rescan(rescan::RescanArgs),
    /// Send nothing for a while
    Pause(pause::PauseArgs),
    /// End pauses before their time
    Resume(resume::ResumeArgs),
    /// Return when everything up to now is on the targets
    Wait(wait::WaitArgs),
    /// Take the manifests over as they are now
    Reload(reload::ReloadArgs),
    /// Go back to an earlier generation, until the next reload
    Rollback(rollback::RollbackArgs),
    /// Release a hold
    Approve(approve::ApproveArgs),
    /// Show past transfers
    History(history::HistoryArgs),
    /// Show live what happens: events, windows, transfers, outcomes
    Tap(tap::TapArgs),
    /// Look at this host: whether what the manifests need is here, and what to do where it is not
    Doctor(doctor::DoctorArgs),
    /// Print what a shell needs to complete this command line
    Completions(completions::CompletionsArgs),
    /// Print a man page, or write all of them into a directory
    Man(man::ManArgs),
    /// Print the version
    Version(version::VersionArgs),
}

/// Runs the command line; the exit code. A reader of stdout that went away is no failure.
pub fn main() -> u8 {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            // Nothing is left to be said where even this cannot be printed.
            let _ = error.print();
            return if error.use_stderr() {
                exit::USAGE
            } else {
                exit::GOOD
            };
        }
    };
    let (mut out, mut err) = (io::stdout().lock(), io::stderr());
    let ended = dispatch(cli, &mut out, &mut err).and_then(|code| out.flush().map(|()| code));
    match ended {
        Ok(code) => code,
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => exit::GOOD,
        Err(error) => {
            // As above.
            let _ = writeln!(err, "error: cannot write the result: {error}");
            exit::USAGE
        }
    }
}

fn dispatch(cli: Cli, out: &mut dyn Write, err: &mut dyn Write) -> io::Result<u8> {
    let colour_out = cli.color.wanted(&io::stdout());
    let colour_err = cli.color.wanted(&io::stderr());
    let mut command = cli.command;
    match &mut command {
        Command::Init(args) => {
            args.colour = colour_err;
            init::run(args, out, err)
        }
        Command::Import(args) => import::run(args, out, err),
        Command::Validate(args) => {
            args.colour = colour_out;
            validate::run(args, out, err)
        }
        Command::Explain(args) => explain::run(args, out, err),
        Command::Plan(args) => plan::run(args, colour_err, out, err),
        Command::Diff(args) => diff::run(args, colour_err, out, err),
        Command::Render(args) => {
            args.colour = colour_err;
            render::run(args, out, err)
        }
        Command::Match(args) => match_::run(args, colour_err, out, err),
        Command::Schema(args) => schema::run(args, out),
        Command::Run(args) => run::run(args, colour_err, out, err),
        Command::Status(args) => status::run(args, colour_out, out, err),
        Command::Trigger(args) => trigger::run(args, out, err),
        Command::Rescan(args) => rescan::run(args, out, err),
        Command::Pause(args) => pause::run(args, out, err),
        Command::Resume(args) => resume::run(args, out, err),
        Command::Wait(args) => wait::run(args, out, err),
        Command::Reload(args) => reload::run(args, out, err),
        Command::Rollback(args) => rollback::run(args, out, err),
        Command::Approve(args) => approve::run(args, out, err),
        Command::History(args) => history::run(args, out, err),
        Command::Tap(args) => tap::run(args, out, err),
        Command::Doctor(args) => doctor::run(args, colour_err, colour_out, out, err),
        Command::Completions(args) => completions::run(args, out),
        Command::Man(args) => man::run(args, out, err),
        Command::Version(args) => version::run(args, out),
    }
}
