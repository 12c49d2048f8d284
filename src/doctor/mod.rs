//! The doctor: looks at this host for one plan, and says what to do where something is missing.
//!
//! Owns the checks, one file a subject. Each gives [`Finding`]s: what was looked at, how it is, and the remedy. It changes
//! nothing and decides nothing; whether a route may send is still decided when it sends. It knows plans, and asks the
//! rooms below in their own words (a target is reached as a transfer reaches it). Called by the command `doctor`, with no
//! service needed, and beside one that runs.

mod agent;
mod canary;
mod clock;
mod door;
mod limits;
mod need;
mod powers;
mod program;
mod rights;
mod source;
mod state;
mod target;

use std::path::{Path, PathBuf};

use serde::Serialize;

pub use agent::Telling;
pub use powers::of_service;

use crate::engine::Trouble;
use crate::host;
use crate::manifest::Mechanism;
use crate::plan::{Limits, Plan, SourcePlan};
use crate::watch;

/// How a thing is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Grade {
    /// As it should be.
    Good,
    /// Worth knowing; nothing need be done.
    Note,
    /// It works, and may not for long, or not as well as it could.
    Warning,
    /// Something in the plan cannot work like this.
    Error,
}

impl Grade {
    /// As people read it.
    pub fn word(self) -> &'static str {
        match self {
            Grade::Good => "good",
            Grade::Note => "note",
            Grade::Warning => "warning",
            Grade::Error => "error",
        }
    }
}

/// What was found of one thing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Finding {
    /// The check, in camelCase: stable, for scripts.
    pub check: &'static str,
    /// What was looked at: a source, a route, or this host.
    pub about: String,
    /// How it is.
    pub grade: Grade,
    /// In words; a line without control characters.
    pub says: String,
    /// What to do, where something is to be done.
    pub remedy: Option<String>,
}

/// What finds, before it is said what: the check and what it looks at.
#[derive(Clone, Debug)]
struct Subject {
    check: &'static str,
    about: String,
}

impl Subject {
    fn new(check: &'static str, about: impl ToString) -> Subject {
        Subject {
            check,
            about: about.to_string(),
        }
    }

    fn good(&self, says: impl Into<String>) -> Finding {
        self.finding(Grade::Good, says, None)
    }

    fn note(&self, says: impl Into<String>) -> Finding {
        self.finding(Grade::Note, says, None)
    }

    fn warning(&self, says: impl Into<String>, remedy: impl Into<String>) -> Finding {
        self.finding(Grade::Warning, says, Some(remedy.into()))
    }

    fn error(&self, says: impl Into<String>, remedy: impl Into<String>) -> Finding {
        self.finding(Grade::Error, says, Some(remedy.into()))
    }

    /// What a transfer would say. Where it names the way out itself, behind its last `: `, that is the remedy.
    fn trouble(&self, trouble: &Trouble) -> Finding {
        const TELLING: &[&str] = &[
            "auth",
            "hostKey",
            "noDestination",
            "noRsync",
            "passwordFile",
            "readOnly",
            "unknownModule",
        ];
        if TELLING.contains(&trouble.code) {
            return self.telling(&trouble.message);
        }
        let remedy = match trouble.code {
            "busy" => {
                "raise `max connections` in the daemon's module, or ask again when it has one to spare"
            }
            "timeout" => "look whether the other side hangs: its disk, its load, what is between",
            "protocol" => {
                "look at the version of rsync on the other side: 3.1.3 or later, better 3.5"
            }
            "usage" | "spawn" | "io" => "look at what the message names",
            _ => {
                "look whether the host is up, the port is right and open here and there, and the service on it runs"
            }
        };
        self.error(&trouble.message, remedy)
    }

    /// A message of another room that ends with the way out.
    fn telling(&self, message: &str) -> Finding {
        match message.rsplit_once(": ") {
            Some((says, remedy)) => self.error(says, remedy),
            None => self.finding(Grade::Error, message, None),
        }
    }

    fn finding(&self, grade: Grade, says: impl Into<String>, remedy: Option<String>) -> Finding {
        Finding {
            check: self.check,
            about: self.about.clone(),
            grade,
            says: says.into(),
            remedy,
        }
    }
}

/// What is to be looked at.
#[derive(Clone, Debug)]
pub struct Request {
    /// What will be done on this host.
    pub plan: Plan,
    /// The host's name.
    pub host: String,
    /// Bounds of the service.
    pub limits: Limits,
    /// What the agent file has the service tell, and to whom.
    pub telling: Telling,
    /// What watches.
    pub mechanism: Mechanism,
    /// Where state is kept, or will be.
    pub state_dir: PathBuf,
    /// The control socket.
    pub socket: PathBuf,
    /// rsync's absolute path, where the agent file names one.
    pub rsync_path: Option<PathBuf>,
    /// A private, empty directory for as long as this takes.
    pub scratch: PathBuf,
}

/// Looks at everything. Never fails: what cannot be looked at is a finding.
pub async fn examine(request: &Request) -> Vec<Finding> {
    let mut found = Vec::new();
    let rsync = crate::transfer::Rsync::new(request.rsync_path.clone());
    found.extend(program::check(&request.plan, &rsync).await);
    let looked = {
        let request = request.clone();
        tokio::task::spawn_blocking(move || look(&request)).await
    };
    found.extend(looked.unwrap_or_else(|_| {
        let host = Subject::new("doctor", &request.host);
        vec![host.error(
            "looking at this host ended in a fault of this program",
            "please report it",
        )]
    }));
    found.extend(target::check(request, rsync).await);
    found
}

/// What will watch a source, which hangs on its file system: others may change it without this kernel's doing.
fn watched(mechanism: Mechanism, source: &SourcePlan) -> Finding {
    let (subject, root) = (Subject::new("watch", &source.name), Path::new(&source.path));
    let by = watch::foresee(mechanism, root);
    match host::foreign_at(root) {
        None => subject.good(by),
        Some(name) => {
            let says = format!("it is on {name}, where others may change it unheard: {by}");
            let remedy = "where they do, set `rescan: {every: 10m}`, or so often as you can afford";
            subject.finding(Grade::Note, says, Some(remedy.to_owned()))
        }
    }
}

/// What blocks.
fn look(request: &Request) -> Vec<Finding> {
    let mut found = vec![rights::check(
        &request.host,
        &request.state_dir,
        &request.socket,
    )];
    found.extend(state::check(&request.state_dir, &request.socket));
    found.extend(powers::check(&request.plan, &request.host, &request.socket));
    found.extend(agent::check(&request.telling, &request.socket));
    found.extend(clock::check(request));
    found.extend(program::hooks(&request.plan));
    let mut needs = Vec::new();
    for source in request.plan.sources.values() {
        found.extend(source::check(source));
        if Path::new(&source.path).is_dir() {
            let need = need::count(source);
            found.extend(need::check(source, &need));
            found.push(canary::check(source));
            found.push(watched(request.mechanism, source));
            needs.push(need);
        }
    }
    let marked = |source: &SourcePlan| watch::may_grow(request.mechanism, Path::new(&source.path));
    let grows = request.plan.sources.values().all(marked);
    found.extend(limits::check(&request.host, &request.limits, &needs, grows));
    found
}
