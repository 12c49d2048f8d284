//! Hooks: programs of the host's own around a transfer.
//!
//! Runs one, and says how it ended: as an argv array with a cleared environment, in a process group of its own, its output
//! drained, bounded and logged escaped. It is over when its program has ended; what that left running is ended then, in its
//! group or out of it, so that two hooks of a route never meet. When one is run is the engine's decision, and for `before`
//! that of the [`Gate`], which a transfer passes right before it writes for the first time. Called by the service
//! (`after`) and by the transfer (`before`).

mod folder;
mod gate;
mod output;
mod process;

use std::ffi::OsString;
use std::path::Path;
use std::time::Instant;

pub use gate::Gate;

use super::Context;
use super::progress::Cancel;
use crate::engine::{HookJob, Hooked, escape};
use crate::host;
use crate::plan::When;
use folder::Folder;

/// The environment variable that says which hook a process is.
const HOOK: &str = "HELIOSTAT_HOOK";
/// Names one run of a hook, so that whatever it started is found.
const RUN: &str = "HELIOSTAT_RUN";

/// Runs a hook to its end. Never fails: how it ended is in the answer.
pub async fn run(job: HookJob, context: &Context, cancel: &Cancel) -> Hooked {
    let began = Instant::now();
    let failure = attempt(&job, context, cancel).await.err();
    Hooked {
        took: began.elapsed(),
        failure,
    }
}

async fn attempt(job: &HookJob, context: &Context, cancel: &Cancel) -> Result<(), String> {
    let Some(hook) = job.hook().cloned() else {
        return Ok(());
    };
    let Some((program, arguments)) = hook.run.split_first() else {
        return Err("it has no program".to_owned());
    };
    let run = format!("{}-{:016x}", job.id.0, fastrand::u64(..));
    let (folder, told) = (context.runtime_dir.join("hooks").join(&run), job.clone());
    let at = program.clone();
    // A disk may hang that holds the program.
    let prepared = super::blocking(move || {
        host::trusted_program(Path::new(&at))?;
        Folder::make(folder, &told)
    });
    let folder = prepared.await.map_err(|trouble| trouble.message)??;
    let started = process::Started {
        program,
        arguments,
        environment: environment(job, context, &folder, &run),
        timeout_ms: hook.timeout_ms,
    };
    let (ended, output) = started.see_to_its_end(&run, cancel).await;
    let route = &job.route.name;
    for line in output.lines() {
        tracing::info!(%route, hook = job.when.word(), "it says: {line}");
    }
    let last = output.last().map(|last| format!(": {last}"));
    ended.map_err(|reason| {
        let program = escape(program.as_bytes());
        format!("`{program}`: {reason}{}", last.unwrap_or_default())
    })
}

/// All that a hook is told. `docs/hooks.md` lists it.
fn environment(
    job: &HookJob,
    context: &Context,
    folder: &Folder,
    run: &str,
) -> Vec<(&'static str, OsString)> {
    let mut all = context.environment(&job.route.name);
    // A hook starts the host's own programs.
    let path = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
    all.retain(|(name, _)| *name != "PATH");
    let text = |text: &str| OsString::from(text);
    let number = |number: u64| OsString::from(number.to_string());
    all.extend([
        ("PATH", text(path)),
        (HOOK, text(job.when.word())),
        (RUN, text(run)),
        ("HELIOSTAT_SOURCE", text(&job.route.name.source.0)),
        ("HELIOSTAT_TARGET", text(&job.route.name.target.0)),
        ("HELIOSTAT_SOURCE_PATH", text(&job.source.path)),
        ("HELIOSTAT_TARGET_URL", text(&job.route.target.to_string())),
        ("HELIOSTAT_TRIGGER", text(job.trigger)),
        ("HELIOSTAT_OUTCOME", text(job.outcome)),
        ("HELIOSTAT_PATHS", text(job.changed.known().word())),
        (
            "HELIOSTAT_PATHS_COUNT",
            number(job.changed.paths().len() as u64),
        ),
        ("HELIOSTAT_PATHS_FILE", folder.paths().into_os_string()),
        ("HELIOSTAT_SUMMARY_FILE", folder.summary().into_os_string()),
        ("HELIOSTAT_TRY", number(u64::from(job.tries) + 1)),
    ]);
    if job.when == When::After {
        all.extend([
            ("HELIOSTAT_FILES", number(job.stats.files)),
            ("HELIOSTAT_CREATED", number(job.stats.created)),
            ("HELIOSTAT_BYTES", number(job.stats.bytes)),
            ("HELIOSTAT_DELETED", number(job.stats.deleted)),
            ("HELIOSTAT_FAILED", number(job.failed)),
        ]);
    }
    all
}

/// Takes away what hooks of an earlier run were told by. Called before any is run.
pub fn sweep(context: &Context) {
    // It would only lie there.
    let _ = std::fs::remove_dir_all(context.runtime_dir.join("hooks"));
}
