//! From paths to a plan: what every command that needs one has in common.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use super::files::Inputs;
use super::{exit, files};
use crate::diagnostic::{Diagnostic, Label, Report, Severity, Sources, terminal};
use crate::manifest::{self, Access, Http, Manifest, Mechanism, SourceFile};
use crate::plan::{self, Agent, HostFacts, Limits, Plan};

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

/// Reads and compiles, for this host.
pub fn compiled(paths: &[PathBuf], agent: &Agent, host: &str) -> Compiled {
    let facts = HostFacts {
        name: host.to_owned(),
        labels: agent.labels.clone(),
    };
    Compiled::read(&manifest_paths(paths, agent), &facts)
}

/// The manifests that were named, or else those of the agent file, or else those in their usual place.
pub fn manifest_paths(named: &[PathBuf], agent: &Agent) -> Vec<PathBuf> {
    match (named, agent.manifests.as_slice()) {
        ([], []) => vec![PathBuf::from(files::DEFAULT_PATH)],
        ([], known) => known.iter().map(PathBuf::from).collect(),
        (named, _) => named.to_vec(),
    }
}

/// What files say, before it is known for which host.
#[derive(Debug)]
pub struct Parsed {
    /// Where anything is an error, what could be read of them.
    pub manifests: Vec<Manifest>,
    files: Vec<SourceFile>,
    diagnostics: Vec<Diagnostic>,
    named: usize,
    unreadable: bool,
}

impl Parsed {
    /// Reads the manifests of these paths.
    pub fn read(paths: &[PathBuf]) -> Parsed {
        Parsed::new(files::read(paths, &[]))
    }

    /// Of files that cannot be read the rest cannot be judged.
    pub fn new(inputs: Inputs) -> Parsed {
        let Inputs {
            files, problems, ..
        } = inputs;
        let unreadable = !problems.is_empty();
        let named = files.len() + problems.len();
        let (manifests, diagnostics) = match unreadable {
            true => (Vec::new(), problems),
            false => manifest::load(&files),
        };
        Parsed {
            manifests,
            files,
            diagnostics,
            named,
            unreadable,
        }
    }

    /// The plan of one host. Where the reading has errors, what could be read is still held against itself, so that
    /// everything is said at once.
    pub fn compile(&self, facts: &HostFacts) -> Compiled {
        let texts = self.texts();
        let mut compiler = plan::Compiler::new(&self.manifests, &texts);
        self.compile_with(&mut compiler, facts)
    }

    /// The texts that a [`plan::Compiler`] of [`manifests`](Self::manifests) wants.
    pub fn texts(&self) -> Sources {
        drawn(&self.files, &[])
    }

    /// As [`compile`](Self::compile), with a compiler that knows the manifests from other hosts.
    pub fn compile_with(&self, compiler: &mut plan::Compiler<'_>, facts: &HostFacts) -> Compiled {
        let mut plan = None;
        let mut diagnostics = self.diagnostics.clone();
        if has_errors(&diagnostics) {
            diagnostics.extend(plan::check(&self.manifests, &self.texts()));
        } else {
            let compiled = compiler.compile(facts);
            plan = compiled.plan;
            diagnostics.extend(compiled.diagnostics);
        }
        // Where there is nothing to show, there is nothing to show it in.
        let texts = match diagnostics.is_empty() {
            true => Sources::new(),
            false => drawn(&self.files, &diagnostics),
        };
        Compiled {
            plan,
            diagnostics,
            texts,
            files: self.named,
            unreadable: self.unreadable,
        }
    }

    /// What was read.
    pub fn files(&self) -> &[SourceFile] {
        &self.files
    }
}

/// What files say on one host, and what is wrong with it.
#[derive(Debug)]
pub struct Compiled {
    /// The plan; none where anything is an error.
    pub plan: Option<Plan>,
    /// What is wrong, of the reading first.
    pub diagnostics: Vec<Diagnostic>,
    texts: Sources,
    files: usize,
    unreadable: bool,
}

impl Compiled {
    /// Reads and compiles.
    pub fn read(paths: &[PathBuf], facts: &HostFacts) -> Compiled {
        Parsed::read(paths).compile(facts)
    }

    /// Compiles what was read.
    pub fn new(inputs: Inputs, facts: &HostFacts) -> Compiled {
        Parsed::new(inputs).compile(facts)
    }

    /// For the renderers.
    pub fn report(&self) -> Report<'_> {
        Report {
            sources: &self.texts,
            diagnostics: &self.diagnostics,
            files: self.files,
        }
    }

    /// A label's place, for people: `conf.d/a.yaml:3:9`.
    pub fn position(&self, label: &Label) -> String {
        let at = self.texts.position(&label.file, label.span.start);
        format!("{}:{}:{}", label.file, at.line, at.column)
    }

    /// The exit code where there is no plan.
    pub fn code(&self) -> u8 {
        if self.unreadable {
            exit::USAGE
        } else {
            exit::NEGATIVE
        }
    }
}

/// Everything that can be said of the files alone, whichever host they are for: the loader's problems, and then the
/// compiler's.
pub fn check(files: &[SourceFile]) -> (Vec<Manifest>, Vec<Diagnostic>) {
    let (manifests, mut diagnostics) = manifest::load(files);
    diagnostics.extend(plan::check(&manifests, &drawn(files, &[])));
    (manifests, diagnostics)
}

/// As [`check`], with the advice that a review is for.
pub fn review(files: &[SourceFile]) -> (Vec<Manifest>, Vec<Diagnostic>) {
    let (manifests, mut diagnostics) = manifest::load(files);
    let compiled = plan::review(&manifests, &drawn(files, &[]));
    diagnostics.extend(sound(compiled, &diagnostics));
    (manifests, diagnostics)
}

/// Without the warnings of files that have errors: what is wrong with a file is mostly their cause.
fn sound(found: Vec<Diagnostic>, read: &[Diagnostic]) -> Vec<Diagnostic> {
    let file = |one: &Diagnostic| one.place().map(|label| label.file.clone());
    let errors = read.iter().filter(|one| one.severity == Severity::Error);
    let wrong: BTreeSet<_> = errors.filter_map(file).collect();
    let stays = |one: &Diagnostic| {
        one.severity == Severity::Error || !file(one).is_some_and(|file| wrong.contains(&file))
    };
    found.into_iter().filter(stays).collect()
}

/// The texts that diagnostics are drawn from, without what they know to be secret.
pub fn drawn(files: &[SourceFile], diagnostics: &[Diagnostic]) -> Sources {
    let mut sources = Sources::new();
    for file in files {
        sources.insert(&file.name, &file.text);
    }
    sources.mask(diagnostics);
    sources
}

fn has_errors(diagnostics: &[Diagnostic]) -> bool {
    diagnostics
        .iter()
        .any(|diagnostic| diagnostic.severity == Severity::Error)
}

/// The host's settings, from the file that was named or the one in its usual place, and the host's name.
pub fn read_agent(
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
        watch: Mechanism::default(),
        rsync_path: None,
        watch_manifests: false,
        access: Access::default(),
        http: Http::default(),
        metrics: None,
        heartbeat: None,
    };
    let path = match named {
        Some(path) => Some(path),
        None => Some(Path::new(AGENT)).filter(|path| path.exists()),
    };
    if let Some(path) = path {
        let Inputs {
            files, problems, ..
        } = files::read_one(path);
        let unreadable = !problems.is_empty();
        let mut diagnostics = problems;
        let mut written = None;
        if let Some(file) = files.first() {
            let (read, found) = manifest::load_agent(file);
            written = read;
            diagnostics.extend(found);
        }
        if !diagnostics.is_empty() {
            let texts = drawn(&files, &diagnostics);
            let report = Report {
                sources: &texts,
                diagnostics: &diagnostics,
                files: 1,
            };
            write!(err, "{}", terminal(report, colour))?;
        }
        match written.filter(|_| !has_errors(&diagnostics)) {
            Some(written) => take(&mut agent, written),
            None => {
                return Ok(Err(if unreadable {
                    exit::USAGE
                } else {
                    exit::NEGATIVE
                }));
            }
        }
    }
    let host = agent.name.clone().unwrap_or_else(host_name);
    Ok(Ok((agent, host)))
}

fn take(agent: &mut Agent, written: manifest::Agent) {
    agent.name = written.name.map(|name| name.value);
    agent.labels = written
        .labels
        .into_iter()
        .map(|(name, value)| (name, value.value))
        .collect();
    agent.manifests = written
        .manifests
        .into_iter()
        .map(|path| path.value)
        .collect();
    agent.state_dir = written.state_dir.map(|path| path.value);
    agent.socket = written.socket.map(|path| path.value);
    agent.watch_manifests = written.watch_manifests.is_some_and(|on| on.value);
    agent.access = written.access.unwrap_or_default();
    agent.http = written.http.unwrap_or_default();
    agent.metrics = written.metrics;
    agent.heartbeat = written.heartbeat;
    agent.rsync_path = written.rsync_path.map(|path| path.value);
    agent.watch = written
        .watch
        .map_or(Mechanism::default(), |watch| watch.value);
    let (limits, defaults) = (written.limits, Limits::default());
    agent.limits = Limits {
        transfers: limits
            .transfers
            .map_or(defaults.transfers, |limit| limit.value),
        transfers_per_host: limits
            .transfers_per_host
            .map_or(defaults.transfers_per_host, |limit| limit.value),
        bandwidth: limits.bandwidth.map(|limit| limit.value),
        watches: limits.watches.map(|limit| limit.value),
    };
}

/// The system's name of this host, as `hosts` in a manifest means it.
pub fn host_name() -> String {
    rustix::system::uname()
        .nodename()
        .to_string_lossy()
        .into_owned()
}
