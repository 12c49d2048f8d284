//! What `run` starts from: the files, or where they are broken the last good generation.

use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::load::{self, Loaded};
use super::reader;
use super::run::{RunArgs, STATE_DIR};
use crate::diagnostic::terminal;
use crate::service::generations::Generations;
use crate::service::in_force::Origin;
use crate::service::runtime::Files;

/// What to start with.
#[derive(Debug)]
pub struct Start {
    /// The plan and the host's settings.
    pub loaded: Loaded,
    /// Where the plan comes from, and the next one.
    pub files: Files,
}

/// Reads it. `Err` is the exit code; everything there is to say was said. Only a `service` falls back: a single pass is
/// for the files that were named.
pub fn read(
    args: &RunArgs,
    service: bool,
    colour: bool,
    err: &mut dyn Write,
) -> io::Result<Result<Start, u8>> {
    let (agent, host) = match load::read_agent(args.agent.as_deref(), colour, err)? {
        Ok(found) => found,
        Err(code) => return Ok(Err(code)),
    };
    let files = reader::Files {
        named: args.paths.clone(),
        agent: args.agent.clone(),
        settings: agent.clone(),
        host: host.clone(),
    };
    let revision = files.revision(&agent);
    let compiled = load::compiled(&args.paths, &agent, &host);
    if !compiled.diagnostics.is_empty() {
        write!(err, "{}", terminal(compiled.report(), colour))?;
    }
    let code = compiled.code();
    let mut files = Files {
        watch: agent.watch_manifests,
        reader: Arc::new(files),
        revision,
        origin: Origin::Files,
        generation: None,
    };
    let plan = match compiled.plan {
        Some(plan) => plan,
        None if service => {
            let state = args.state_dir.clone();
            let set = agent.state_dir.as_deref().unwrap_or(STATE_DIR);
            let state = state.unwrap_or_else(|| PathBuf::from(set));
            match last_good(&state, &mut files) {
                Some(plan) => plan,
                None => return Ok(Err(code)),
            }
        }
        None => return Ok(Err(code)),
    };
    let loaded = Loaded { plan, host, agent };
    Ok(Ok(Start { loaded, files }))
}

/// The plan that was in force last.
fn last_good(state: &Path, files: &mut Files) -> Option<crate::plan::Plan> {
    let last = Generations::of(state).last_good()?;
    let reason = match files.reader.read() {
        Err(rejection) => rejection.reason,
        // Mended a moment ago: the next reload takes them over.
        Ok(_) => "they were broken a moment ago".into(),
    };
    files.origin = Origin::LastGood { reason };
    files.generation = Some(last.number);
    files.revision = last.revision;
    Some(last.plan)
}
