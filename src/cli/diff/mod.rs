//! `diff`: what would change if the manifests were taken over.

mod against;
mod hosts;
mod measure;

use std::io::{self, Write};
use std::path::PathBuf;

use clap::Args;
use serde::Serialize;

pub use self::against::Against;
use self::against::{Old, Unread};
use self::hosts::{HostDiff, told};
use super::client::SOCKET;
use super::fleet::{Fleet, OwnHost};
use super::load::{self, Compiled, Parsed};
use super::plan::PlanFormat;
use super::{exit, files};
use crate::diagnostic;
use crate::manifest::SourceFile;
use crate::plan::{Compiler, HostFacts, Plan};
use crate::service::Failure;
use crate::service::protocol::{FORMAT_VERSION, Refusal};

/// The flags of `diff`.
#[derive(Debug, Args)]
pub struct DiffArgs {
    /// Manifest files or directories [default: /etc/heliostat/conf.d, or what the agent file names]
    pub paths: Vec<PathBuf>,
    /// What to compare with: other files, the same paths at a git revision, what the service runs, or no plan at all
    #[arg(
        long,
        value_name = "DIR|git:REV|running|nothing",
        default_value = "running"
    )]
    pub against: Against,
    /// The host whose plan is compared [default: this one]
    #[arg(long, value_name = "NAME")]
    pub host: Option<String>,
    /// Every host that a manifest or an agent file names, and one that none names
    #[arg(long, conflicts_with = "host")]
    pub all_hosts: bool,
    /// The host's settings [default: /etc/heliostat/agent.yaml, if it is there]
    #[arg(long, value_name = "FILE")]
    pub agent: Option<PathBuf>,
    /// The fleet's agent files, one a host: where the labels of other hosts are known from
    #[arg(long, value_name = "DIR")]
    pub agents: Option<PathBuf>,
    /// Count on this host's disk what the changes concern: directories watched, and what is compared again
    #[arg(long, conflicts_with_all = ["host", "all_hosts"])]
    pub measure: bool,
    /// End with 3 where anything changes
    #[arg(long)]
    pub detailed_exitcode: bool,
    /// The control socket of the service [default: the agent file's, or /run/heliostat/control.sock]
    #[arg(long, value_name = "PATH")]
    pub socket: Option<PathBuf>,
    /// How the result is printed
    #[arg(long, value_enum, default_value_t = PlanFormat::Human, value_name = "FORMAT")]
    pub format: PlanFormat,
}

/// The JSON document.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Document<'a> {
    format_version: u32,
    /// In words.
    against: &'a str,
    /// The commits of a git revision, shortened.
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    commits: &'a [String],
    /// Whether anything changes on any host.
    changes: bool,
    hosts: &'a [HostDiff],
}

/// Prints what would change, or why that cannot be said.
pub fn run(
    args: &DiffArgs,
    colour: bool,
    out: &mut dyn Write,
    err: &mut dyn Write,
) -> io::Result<u8> {
    let (agent, own_name) = match load::read_agent(args.agent.as_deref(), colour, err)? {
        Ok(found) => found,
        Err(code) => return Ok(code),
    };
    let fleet = match Fleet::read(args.agents.as_deref(), colour, err)? {
        Ok(fleet) => fleet,
        Err(code) => return Ok(code),
    };
    let paths = load::manifest_paths(&args.paths, &agent);
    let piped = paths.iter().any(|path| path.as_os_str() == files::STDIN);
    if piped && matches!(args.against, Against::Git(_)) {
        let why = "the standard input has no revision: name the file";
        return refuse(args, exit::USAGE, why, out, err);
    }
    let socket = args
        .socket
        .clone()
        .or(agent.socket.clone().map(PathBuf::from));
    let socket = socket.unwrap_or_else(|| PathBuf::from(SOCKET));
    let old = match args.against.read(&paths, &socket) {
        Ok(old) => old,
        Err(Unread::Revision(why)) => return refuse(args, exit::USAGE, &why, out, err),
        Err(Unread::Service(failure)) => {
            let code = match failure {
                Failure::NotReachable(_) => exit::NOT_REACHABLE,
                Failure::Refused(_) => exit::NEGATIVE,
                Failure::Setup(_) | Failure::Usage(_) => exit::USAGE,
            };
            return refuse(args, code, &failure.to_string(), out, err);
        }
    };
    if let Old::Running(answer) = &old {
        let other = args.host.as_ref().is_some_and(|host| *host != answer.host);
        if other || args.all_hosts {
            let why = format!(
                "the service runs on the host `{}` only: compare other hosts with `--against git:REV` or a directory",
                answer.host.escape_debug()
            );
            return refuse(args, exit::USAGE, &why, out, err);
        }
    }
    let new = Parsed::read(&paths);
    let names = match (&args.host, &old) {
        _ if args.all_hosts => {
            let both = old.parsed().into_iter().chain([&new]);
            fleet.hosts(both.flat_map(|parsed| &parsed.manifests))
        }
        (Some(host), _) => vec![host.clone()],
        (None, Old::Running(answer)) => vec![answer.host.clone()],
        (None, _) => vec![own_name.clone()],
    };
    let own = OwnHost {
        name: &own_name,
        labels: &agent.labels,
        agent_named: args.agent.is_some(),
    };
    let mut hosts = Vec::with_capacity(names.len());
    let texts = [old.parsed(), Some(&new)].map(|side| side.map(Parsed::texts).unwrap_or_default());
    let none = [];
    let manifests = old.parsed().map_or(&none[..], |parsed| &parsed.manifests);
    let mut compilers = [
        Compiler::new(manifests, &texts[0]),
        Compiler::new(&new.manifests, &texts[1]),
    ];
    let [of_old, of_new] = &mut compilers;
    for name in &names {
        let sides: Vec<&Parsed> = old.parsed().into_iter().chain([&new]).collect();
        let facts = if args.all_hosts {
            let files: Vec<&[SourceFile]> = sides.iter().map(|side| side.files()).collect();
            fleet.facts(name, &files)
        } else {
            fleet.one(Some(name), &own)
        };
        let before = match (old.plan(), old.parsed()) {
            (Some(plan), _) => Ok(plan),
            (None, parsed) => compiled(parsed, of_old, &facts),
        };
        let before = match before {
            Ok(plan) => plan,
            Err(wrong) => {
                let why = format!(
                    "the manifests to compare with, {}, have no plan",
                    old.name()
                );
                let why = format!(
                    "{}error: {why}; `--against nothing` shows all of the new ones\n",
                    fleet.hint(name, &wrong.diagnostics)
                );
                return show(args, &wrong, &why, colour, out, err);
            }
        };
        let after = match compiled(Some(&new), of_new, &facts) {
            Ok(plan) => plan,
            Err(wrong) => {
                let why = fleet.hint(name, &wrong.diagnostics);
                return show(args, &wrong, &why, colour, out, err);
            }
        };
        let mut host = HostDiff::new(name, before, after);
        host.explain(old.parsed(), &new);
        if args.measure {
            host.measure();
        }
        hosts.push(host);
    }
    let changes = hosts.iter().any(|host| host.changes);
    print(args, &old, &hosts, changes, out)?;
    Ok(if changes && args.detailed_exitcode {
        exit::CHANGES
    } else {
        exit::GOOD
    })
}

/// The plan of a host, or what is wrong.
fn compiled(
    parsed: Option<&Parsed>,
    compiler: &mut Compiler<'_>,
    facts: &HostFacts,
) -> Result<Plan, Compiled> {
    let Some(parsed) = parsed else {
        return Ok(Plan::default());
    };
    let mut compiled = parsed.compile_with(compiler, facts);
    compiled.plan.take().ok_or(compiled)
}

fn print(
    args: &DiffArgs,
    old: &Old,
    hosts: &[HostDiff],
    changes: bool,
    out: &mut dyn Write,
) -> io::Result<()> {
    let against = old.name();
    match args.format {
        PlanFormat::Human => {
            let parts = told(hosts, &against, |review| review.human());
            write!(out, "{}", parts.join("\n"))
        }
        PlanFormat::Markdown => {
            let parts = told(hosts, &against, |review| review.markdown());
            write!(out, "# heliostat diff\n\n{}", parts.join("\n"))
        }
        PlanFormat::Json => {
            let commits = match old {
                Old::Files { commits, .. } => commits.as_slice(),
                Old::Running(_) | Old::Nothing => &[],
            };
            let document = Document {
                format_version: FORMAT_VERSION,
                against: &against,
                commits,
                changes,
                hosts,
            };
            serde_json::to_writer_pretty(&mut *out, &document)?;
            writeln!(out)
        }
    }
}

/// Says why there is no answer.
fn refuse(
    args: &DiffArgs,
    code: u8,
    why: &str,
    out: &mut dyn Write,
    err: &mut dyn Write,
) -> io::Result<u8> {
    if args.format == PlanFormat::Json {
        let refusal = Refusal {
            format_version: FORMAT_VERSION,
            error: why.to_owned(),
        };
        serde_json::to_writer_pretty(&mut *out, &refusal)?;
        writeln!(out)?;
    } else {
        writeln!(err, "error: {why}")?;
    }
    Ok(code)
}

/// Shows what is wrong with manifests.
fn show(
    args: &DiffArgs,
    wrong: &Compiled,
    why: &str,
    colour: bool,
    out: &mut dyn Write,
    err: &mut dyn Write,
) -> io::Result<u8> {
    if args.format == PlanFormat::Json {
        write!(out, "{}", diagnostic::json(wrong.report()))?;
    } else {
        write!(err, "{}", diagnostic::terminal(wrong.report(), colour))?;
        write!(err, "{why}")?;
    }
    Ok(wrong.code())
}
