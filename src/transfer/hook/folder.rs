//! The two files by which a hook is told: the changed paths, and a summary. Gone when the hook is.

use std::fs::{self, DirBuilder};
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use serde::Serialize;

use crate::engine::{HookJob, Stats};
use crate::plan::When;

/// A directory of one run, for this user alone.
#[derive(Debug)]
pub(super) struct Folder(PathBuf);

/// What the summary says.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Summary<'a> {
    format_version: u32,
    hook: When,
    route: String,
    source: &'a str,
    target: &'a str,
    source_path: &'a str,
    target_url: String,
    trigger: &'a str,
    outcome: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    stats: Option<Stats>,
    #[serde(skip_serializing_if = "Option::is_none")]
    failed: Option<u64>,
    /// `exact`, `cut` or `unknown`.
    paths: &'a str,
    paths_count: usize,
    #[serde(rename = "try")]
    attempt: u32,
}

impl Folder {
    /// Writes both. An error is one line for people.
    pub(super) fn make(at: PathBuf, job: &HookJob) -> Result<Folder, String> {
        let failed =
            |path: &Path, error: io::Error| format!("writing `{}`: {error}", path.display());
        let mut builder = DirBuilder::new();
        builder.recursive(true).mode(0o700);
        builder.create(&at).map_err(|error| failed(&at, error))?;
        let folder = Folder(at);
        let paths: Vec<&[u8]> = job.changed.paths().map(|path| path.as_bytes()).collect();
        let mut list = Vec::with_capacity(paths.iter().map(|path| path.len() + 2).sum());
        for path in &paths {
            // The source's own directory.
            list.extend_from_slice(if path.is_empty() { b"." } else { path });
            list.push(0);
        }
        let after = job.when == When::After;
        let summary = Summary {
            format_version: 1,
            hook: job.when,
            route: job.route.name.to_string(),
            source: &job.route.name.source.0,
            target: &job.route.name.target.0,
            source_path: &job.source.path,
            target_url: job.route.target.to_string(),
            trigger: job.trigger,
            outcome: job.outcome,
            stats: after.then_some(job.stats),
            failed: after.then_some(job.failed),
            paths: job.changed.known().word(),
            paths_count: paths.len(),
            attempt: job.tries + 1,
        };
        let summary = serde_json::to_vec(&summary)
            .map_err(|error| failed(&folder.summary(), error.into()))?;
        for (path, bytes) in [(folder.paths(), list), (folder.summary(), summary)] {
            fs::write(&path, bytes).map_err(|error| failed(&path, error))?;
        }
        Ok(folder)
    }

    /// The changed paths, each ended by a NUL.
    pub(super) fn paths(&self) -> PathBuf {
        self.0.join("paths")
    }

    /// The summary.
    pub(super) fn summary(&self) -> PathBuf {
        self.0.join("summary.json")
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        // What cannot be removed goes with the next start.
        let _ = fs::remove_dir_all(&self.0);
    }
}
