//! `run`: the orchestrator, or with `--once` one pass over every route.

use std::io::{self, IsTerminal, Write};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Args;
use serde::Serialize;

use super::bar::Bars;
use super::client::{Format, SOCKET};
use super::exit;
use super::load::{self, Loaded};
use super::start;
use crate::engine::status::{RouteStatus, Status};
use crate::manifest::Metrics;
use crate::plan;
use crate::plan::grouped;
use crate::service::http::TcpOptions;
use crate::service::in_force::Origin;
use crate::service::log::{self, LogFormat};
use crate::service::manager::Manager;
use crate::service::metrics::textfile::Textfile;
use crate::service::once::{self, Result as Settled};
use crate::service::protocol::FORMAT_VERSION;
use crate::service::runtime::{self, Options};
use crate::service::{Failure, preview};

/// Where state is kept.
pub const STATE_DIR: &str = "/var/lib/heliostat";

/// The flags of `run`.
#[derive(Debug, Args)]
pub struct RunArgs {
    /// Manifest files or directories [default: /etc/heliostat/conf.d, or what the agent file names]
    pub paths: Vec<PathBuf>,
    /// Bring every route in sync one time, print a summary and end: 0 in sync, 1 something failed, 6 something is held
    #[arg(long)]
    pub once: bool,
    /// Print what one pass over every route would send and delete; change nothing
    #[arg(long, conflicts_with = "once")]
    pub dry_run: bool,
    /// The host's settings [default: /etc/heliostat/agent.yaml, if it is there]
    #[arg(long, value_name = "FILE")]
    pub agent: Option<PathBuf>,
    /// Where state is kept [default: /var/lib/heliostat]
    #[arg(long, value_name = "DIR")]
    pub state_dir: Option<PathBuf>,
    /// The control socket [default: /run/heliostat/control.sock]
    #[arg(long, value_name = "PATH")]
    pub socket: Option<PathBuf>,
    /// Where HTTP is served over TCP, as `127.0.0.1:9099` [default: what the agent file says, else nowhere]
    #[arg(long, value_name = "ADDR")]
    pub http: Option<SocketAddr>,
    /// How log lines look
    #[arg(long, value_enum, default_value_t = LogFormat::Text, value_name = "FORMAT")]
    pub log_format: LogFormat,
    /// A log line for each file that is sent or deleted
    #[arg(long)]
    pub log_files: bool,
    /// What is logged: error, warn, info, debug, trace
    #[arg(long, default_value = "info", value_name = "LEVEL")]
    pub log_level: String,
    /// How the summary of `--once` and `--dry-run` is printed
    #[arg(long, value_enum, default_value_t = Format::Human, value_name = "FORMAT")]
    pub format: Format,
}

/// Runs until ended, or once.
pub fn run(
    args: &RunArgs,
    colour: bool,
    out: &mut dyn Write,
    err: &mut dyn Write,
) -> io::Result<u8> {
    let service = !args.once && !args.dry_run;
    let start = match start::read(args, service, colour, err)? {
        Ok(start) => start,
        Err(code) => {
            let why = "nothing was started: there is no valid manifest to start with";
            Manager::of_environment().status(why);
            writeln!(err, "error: {why}")?;
            return Ok(if service && code == exit::NEGATIVE {
                exit::NO_MANIFEST
            } else {
                code
            });
        }
    };
    let http = match tcp(args, &start.loaded) {
        Ok(http) => http,
        Err(refusal) => {
            writeln!(err, "error: {refusal}")?;
            return Ok(exit::USAGE);
        }
    };
    log::start(args.log_format, &args.log_level, colour);
    let (options, files) = (options(args, start.loaded, http), start.files);
    let ended = if args.dry_run {
        dry_run(args, options, out)
    } else if args.once {
        once(args, options, out)
    } else {
        if options.plan.sources.is_empty() {
            tracing::warn!(
                host = options.host,
                "the manifests have no source for this host"
            );
        }
        tracing::info!(
            version = env!("CARGO_PKG_VERSION"),
            sources = options.plan.sources.len(),
            routes = options.plan.routes().count(),
            digest = plan::digest(&options.plan),
            "starting"
        );
        if let Origin::LastGood { reason } = &files.origin {
            tracing::error!(
                generation = files.generation,
                "the manifests are broken, so the last good generation runs: mend them, then `heliostat reload`: {reason}"
            );
        }
        let mut lines = Bars::new(false);
        runtime::run(options, files, |world| lines.show(world)).map(|()| Ok(exit::GOOD))
    };
    log::finish();
    match ended {
        Ok(code) => code,
        Err(failure) => {
            // What `systemctl status` shows of it as well.
            Manager::of_environment().status(&failure.to_string());
            writeln!(err, "error: {failure}")?;
            Ok(exit::USAGE)
        }
    }
}

/// Where HTTP is served over TCP, and what may be done there.
fn tcp(args: &RunArgs, loaded: &Loaded) -> Result<Option<TcpOptions>, String> {
    let http = &loaded.agent.http;
    let Some(listen) = args.http.or(http.listen) else {
        return Ok(None);
    };
    if let Some(refusal) = http.refusal(listen) {
        return Err(format!("HTTP is not served at `{listen}`: {refusal}"));
    }
    let own = [loaded.host.clone(), load::host_name()];
    Ok(Some(TcpOptions {
        listen,
        operate: http.operate,
        names: own.into_iter().chain(http.hosts.iter().cloned()).collect(),
    }))
}

fn options(args: &RunArgs, loaded: Loaded, http: Option<TcpOptions>) -> Options {
    let Loaded { plan, host, agent } = loaded;
    let path = |flag: &Option<PathBuf>, set: Option<&String>, default: &str| {
        flag.clone()
            .unwrap_or_else(|| PathBuf::from(set.map_or(default, String::as_str)))
    };
    let passing = args.once || args.dry_run;
    let socket = path(&args.socket, agent.socket.as_ref(), SOCKET);
    Options {
        plan,
        host,
        limits: agent.limits,
        mechanism: agent.watch,
        state_dir: path(&args.state_dir, agent.state_dir.as_ref(), STATE_DIR),
        // A pass that ends by itself is steered by nobody.
        socket: (!passing).then_some(socket),
        access: agent.access,
        http: http.filter(|_| !passing),
        textfile: agent.metrics.map(textfile),
        heartbeat: agent.heartbeat,
        rsync_path: agent.rsync_path,
        log_files: args.log_files,
    }
}

fn textfile(metrics: Metrics) -> Textfile {
    Textfile {
        path: metrics.textfile.into(),
        every: Duration::from_millis(metrics.every_ms),
    }
}

fn once(args: &RunArgs, options: Options, out: &mut dyn Write) -> Result<io::Result<u8>, Failure> {
    let mut bars = Bars::new(io::stderr().is_terminal());
    let status = once::run(options, |world| bars.show(world))?;
    bars.finish();
    Ok(summary(args.format, &status, out))
}

/// One line a route, the worst first; the exit code.
fn summary(format: Format, status: &Status, out: &mut dyn Write) -> io::Result<u8> {
    #[derive(Serialize)]
    #[serde(rename_all = "camelCase")]
    struct Document<'a> {
        format_version: u32,
        #[serde(flatten)]
        status: &'a Status,
    }
    match format {
        Format::Json => {
            serde_json::to_writer_pretty(
                &mut *out,
                &Document {
                    format_version: FORMAT_VERSION,
                    status,
                },
            )?;
            writeln!(out)?;
        }
        Format::Human => {
            for route in &status.routes {
                writeln!(out, "{}", line(route))?;
            }
        }
    }
    let settled = |wanted| {
        status
            .routes
            .iter()
            .any(|route| once::settled(route).unwrap_or(Settled::Failed) == wanted)
    };
    Ok(if settled(Settled::Failed) {
        exit::NEGATIVE
    } else if settled(Settled::Held) {
        exit::HELD
    } else {
        exit::GOOD
    })
}

fn line(route: &RouteStatus) -> String {
    let (files, bytes, deleted) = (
        grouped(route.files),
        grouped(route.bytes),
        grouped(route.deleted),
    );
    let done = format!("{files} files, {bytes} bytes, {deleted} deleted");
    match &route.why {
        Some(why) => format!("{}: {}: {done}: {why}", route.route, route.state.word()),
        None => format!("{}: {}: {done}", route.route, route.state.word()),
    }
}

fn dry_run(
    args: &RunArgs,
    options: Options,
    out: &mut dyn Write,
) -> Result<io::Result<u8>, Failure> {
    let previews = preview::run(options)?;
    Ok(show_previews(args.format, &previews, out))
}

fn show_previews(
    format: Format,
    previews: &[preview::RoutePreview],
    out: &mut dyn Write,
) -> io::Result<u8> {
    if format == Format::Json {
        let document = serde_json::json!({"formatVersion": FORMAT_VERSION, "routes": previews});
        serde_json::to_writer_pretty(&mut *out, &document)?;
        writeln!(out)?;
    } else {
        for preview in previews {
            preview.print(out)?;
        }
    }
    Ok(
        if previews.iter().any(|preview| preview.trouble.is_some()) {
            exit::NEGATIVE
        } else {
            exit::GOOD
        },
    )
}

/// The state directory where none is named, for the documentation's sake.
pub fn default_state_dir() -> &'static Path {
    Path::new(STATE_DIR)
}
