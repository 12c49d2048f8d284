//! From paths to a plan: what every command that needs one has in common.

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use super::exit;
use crate::diagnostic::{Diagnostic, Report, Severity, Sources, terminal};
use crate::manifest::{self, SourceFile};
use crate::plan::{self, Agent, HostFacts, Limits, Plan};

/// Where manifests are looked for.
pub const MANIFESTS: &str = "/etc/heliostat/conf.d";
/// Where the host's settings are looked for.
pub const AGENT: &str = "/etc/heliostat/agent.yaml";

/// What a service starts from.
#[derive(Debug)]
pub struct Loaded {
    /// The plan.
    pub plan: Plan,
    /// The host's name.
    pub host: String,
    /// The host's settings.
    pub agent: Agent,
}

/// Reads and compiles. `Err` is the exit code; everything there is to say was said.
pub fn load(
    paths: &[PathBuf],
    agent: Option<&Path>,
    colour: bool,
    err: &mut dyn Write,
) -> io::Result<Result<Loaded, u8>> {
    let (agent, host) = match read_agent(agent, colour, err)? {
        Ok(found) => found,
        Err(code) => return Ok(Err(code)),
    };
    let paths: Vec<PathBuf> = match (paths, agent.manifests.as_slice()) {
        ([], []) => vec![PathBuf::from(MANIFESTS)],
        ([], named) => named.iter().map(PathBuf::from).collect(),
        (paths, _) => paths.to_vec(),
    };
    let files = match super::files::read(&paths) {
        Ok(files) => files,
        Err(error) => {
            writeln!(err, "error: {error}")?;
            return Ok(Err(exit::USAGE));
        }
    };
    let mut texts = sources(&files);
    let (manifests, mut diagnostics) = manifest::load(&files);
    let facts = HostFacts { name: host.clone(), labels: agent.labels.clone() };
    let mut plan = None;
    if !has_errors(&diagnostics) {
        let compiled = plan::compile(&manifests, &texts, &facts);
        plan = compiled.plan;
        diagnostics.extend(compiled.diagnostics);
    }
    texts.mask(&diagnostics);
    if !diagnostics.is_empty() {
        let report = Report { sources: &texts, diagnostics: &diagnostics, files: files.len() };
        write!(err, "{}", terminal(report, colour))?;
    }
    Ok(match plan {
        Some(plan) => Ok(Loaded { plan, host, agent }),
        None => Err(exit::NEGATIVE),
    })
}

fn sources(files: &[SourceFile]) -> Sources {
    let mut sources = Sources::new();
    for file in files {
        sources.insert(&file.name, &file.text);
    }
    sources
}

fn has_errors(diagnostics: &[Diagnostic]) -> bool {
    diagnostics.iter().any(|diagnostic| diagnostic.severity == Severity::Error)
}

/// The host's settings, from the file that was named or the one in its usual place, and the host's name.
fn read_agent(
    named: Option<&Path>,
    colour: bool,
    err: &mut dyn Write,
) -> io::Result<Result<(Agent, String), u8>> {
    let mut agent = Agent {
        name: None,
        labels: BTreeMap::new(),
        manifests: Vec::new(),
        state_dir: None,
        socket: None,
        limits: Limits::default(),
        rsync_path: None,
    };
    let path = match named {
        Some(path) => Some(path),
        None => Some(Path::new(AGENT)).filter(|path| path.exists()),
    };
    if let Some(path) = path {
        let files = match super::files::read(&[path.to_path_buf()]) {
            Ok(files) => files,
            Err(error) => {
                writeln!(err, "error: {error}")?;
                return Ok(Err(exit::USAGE));
            }
        };
        for file in &files {
            let (written, diagnostics) = manifest::load_agent(file);
            let mut texts = sources(&files);
            texts.mask(&diagnostics);
            if !diagnostics.is_empty() {
                let report = Report { sources: &texts, diagnostics: &diagnostics, files: 1 };
                write!(err, "{}", terminal(report, colour))?;
            }
            match written.filter(|_| !has_errors(&diagnostics)) {
                Some(written) => take(&mut agent, written),
                None => return Ok(Err(exit::NEGATIVE)),
            }
        }
    }
    let host = agent.name.clone().unwrap_or_else(host_name);
    Ok(Ok((agent, host)))
}

fn take(agent: &mut Agent, written: manifest::Agent) {
    agent.name = written.name.map(|name| name.value);
    agent.labels = written.labels.into_iter().map(|(name, value)| (name, value.value)).collect();
    agent.manifests = written.manifests.into_iter().map(|path| path.value).collect();
    agent.state_dir = written.state_dir.map(|path| path.value);
    agent.socket = written.socket.map(|path| path.value);
    agent.rsync_path = written.rsync_path.map(|path| path.value);
    let (limits, defaults) = (written.limits, Limits::default());
    agent.limits = Limits {
        transfers: limits.transfers.map_or(defaults.transfers, |limit| limit.value),
        transfers_per_host: limits.transfers_per_host.map_or(defaults.transfers_per_host, |limit| limit.value),
        bandwidth: limits.bandwidth.map(|limit| limit.value),
        watches: limits.watches.map(|limit| limit.value),
    };
}

/// The system's name of this host, as `hosts` in a manifest means it.
pub fn host_name() -> String {
    rustix::system::uname().nodename().to_string_lossy().into_owned()
}
