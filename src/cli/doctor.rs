//! `doctor`: whether this host has what the manifests need, and what to do where it has not.

use std::io::{self, Write};
use std::path::PathBuf;

use clap::Args;
use serde::Serialize;

use super::as_user::become_user;
use super::client::{Format, SOCKET};
use super::exit;
use super::load::{self, Loaded};
use super::run::default_state_dir;
use crate::diagnostic::terminal;
use crate::doctor::{self, Finding, Grade, Request};
use crate::service::protocol::FORMAT_VERSION;
use crate::service::runtime;

/// The flags of `doctor`.
#[derive(Debug, Args)]
pub struct DoctorArgs {
    /// Manifest files or directories [default: /etc/heliostat/conf.d, or what the agent file names]
    pub paths: Vec<PathBuf>,
    /// The host's settings [default: /etc/heliostat/agent.yaml, if it is there]
    #[arg(long, value_name = "FILE")]
    pub agent: Option<PathBuf>,
    /// Where state is kept [default: /var/lib/heliostat]
    #[arg(long, value_name = "DIR")]
    pub state_dir: Option<PathBuf>,
    /// The control socket [default: /run/heliostat/control.sock]
    #[arg(long, value_name = "PATH")]
    pub socket: Option<PathBuf>,
    /// Look as this user, a name or a number, with the service's powers: rights are judged for whoever looks. Root alone can
    #[arg(long, value_name = "USER")]
    pub user: Option<String>,
    /// Show only what is not good
    #[arg(short, long)]
    pub quiet: bool,
    /// How the findings are printed
    #[arg(long, value_enum, default_value_t = Format::Human, value_name = "FORMAT")]
    pub format: Format,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Document<'a> {
    format_version: u32,
    host: &'a str,
    healthy: bool,
    findings: &'a [Finding],
}

/// Looks, and prints what was found: the worst decides the exit code.
pub fn run(
    args: &DoctorArgs,
    colour_err: bool,
    colour_out: bool,
    out: &mut dyn Write,
    err: &mut dyn Write,
) -> io::Result<u8> {
    let (agent, host) = match load::read_agent(args.agent.as_deref(), colour_err, err)? {
        Ok(found) => found,
        Err(code) => return Ok(code),
    };
    if let Some(user) = &args.user {
        let socket = args
            .socket
            .clone()
            .or(agent.socket.clone().map(PathBuf::from));
        let service = doctor::of_service(&socket.unwrap_or_else(|| SOCKET.into()));
        if let Err(reason) = become_user(user, service, "--user") {
            writeln!(err, "error: {reason}")?;
            return Ok(exit::USAGE);
        }
    }
    let compiled = load::compiled(&args.paths, &agent, &host);
    if !compiled.diagnostics.is_empty() {
        write!(err, "{}", terminal(compiled.report(), colour_err))?;
    }
    let code = compiled.code();
    let Some(plan) = compiled.plan else {
        return Ok(code);
    };
    let loaded = Loaded { plan, host, agent };
    let scratch = match tempfile::Builder::new().prefix("hdoc").tempdir() {
        Ok(scratch) => scratch,
        Err(error) => {
            writeln!(err, "error: cannot make a temporary directory: {error}")?;
            return Ok(exit::USAGE);
        }
    };
    let request = request(args, loaded, scratch.path().to_owned());
    let host = request.host.clone();
    let found = match runtime::block_on(async { Ok(doctor::examine(&request).await) }) {
        Ok(found) => found,
        Err(failure) => {
            writeln!(err, "error: {failure}")?;
            return Ok(exit::USAGE);
        }
    };
    let healthy = found.iter().all(|finding| finding.grade < Grade::Error);
    match args.format {
        Format::Json => {
            let document = Document {
                format_version: FORMAT_VERSION,
                host: &host,
                healthy,
                findings: &found,
            };
            serde_json::to_writer_pretty(&mut *out, &document)?;
            writeln!(out)?;
        }
        Format::Human => human(&found, args.quiet, colour_out, out)?,
    }
    Ok(if healthy { exit::GOOD } else { exit::NEGATIVE })
}

fn request(args: &DoctorArgs, loaded: Loaded, scratch: PathBuf) -> Request {
    let Loaded { plan, host, agent } = loaded;
    let path = |flag: &Option<PathBuf>, set: Option<String>, default: PathBuf| {
        let path = flag.clone().or(set.map(PathBuf::from)).unwrap_or(default);
        // What is above a relative one counts as well.
        std::path::absolute(&path).unwrap_or(path)
    };
    Request {
        plan,
        host,
        limits: agent.limits,
        telling: doctor::Telling {
            access: agent.access,
            http: agent.http,
            metrics: agent.metrics,
            heartbeat: agent.heartbeat,
        },
        mechanism: agent.watch,
        state_dir: path(&args.state_dir, agent.state_dir, default_state_dir().into()),
        socket: path(&args.socket, agent.socket, SOCKET.into()),
        rsync_path: agent.rsync_path.map(PathBuf::from),
        scratch,
    }
}

/// A line a finding, the remedy below it, and a count.
fn human(found: &[Finding], quiet: bool, colour: bool, out: &mut dyn Write) -> io::Result<()> {
    let wide = |of: fn(&Finding) -> &str| {
        found
            .iter()
            .map(|finding| of(finding).len())
            .max()
            .unwrap_or(0)
    };
    let (about, check) = (
        wide(|finding| &finding.about),
        wide(|finding| finding.check),
    );
    for finding in found {
        if quiet && finding.grade == Grade::Good {
            continue;
        }
        let (on, off) = match (colour, finding.grade) {
            (false, _) => ("", ""),
            (true, Grade::Error) => ("\x1b[31m", "\x1b[0m"),
            (true, Grade::Warning) => ("\x1b[33m", "\x1b[0m"),
            (true, Grade::Good) => ("\x1b[32m", "\x1b[0m"),
            (true, Grade::Note) => ("\x1b[36m", "\x1b[0m"),
        };
        let word = finding.grade.word();
        writeln!(
            out,
            "{on}{word:<7}{off}  {:<about$}  {:<check$}  {}",
            finding.about, finding.check, finding.says
        )?;
        if let Some(remedy) = &finding.remedy {
            writeln!(out, "{:>7}  help: {remedy}", "")?;
        }
    }
    let count = |grade| {
        found
            .iter()
            .filter(|finding| finding.grade == grade)
            .count()
    };
    let plural =
        |count: usize, of: &str| format!("{count} {of}{}", if count == 1 { "" } else { "s" });
    writeln!(
        out,
        "{}, {}; {} looked at",
        plural(count(Grade::Error), "error"),
        plural(count(Grade::Warning), "warning"),
        plural(found.len(), "thing"),
    )
}
