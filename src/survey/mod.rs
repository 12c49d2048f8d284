//! Surveys: a parallel walk over a source that holds each directory against its row of the last checkpoint.
//!
//! Owns what a row is (`row`: bytes, opaque to everybody else), what of a directory goes into it (`listing`,
//! `signature`, `scope`), what a difference means (`compare`) and the walk (`walk`, `queue`). Knows nothing of where rows
//! are kept, of watching or of sending: rows come in through [`Base`] and go out through [`Sink`]. Called by the service,
//! on a thread that may block, for the engine's `Effect::Survey`.
//!
//! Invariant: what differs by `lstat` between a row and the directory is marked: itself, or by a `SUBTREE` above it, or
//! by the `GONE` of what it lay in; names that came and went in between leave `LISTING` on their directory.
//! Invariant: a row without marks has nothing in it that nobody was told of ([`Told`](crate::engine::Told)).
//! Invariant: a change after a look gives another row, for what has times so young that a later change could bear the
//! same goes into the row as equal to nothing, and its directory is told as young.
//!
//! What it costs: a directory that is as it was takes its system calls (one a name and six more), one path, one row out
//! of the base and the names of the directories in it; a file takes no allocation. Memory is bounded by the largest
//! directory a thread, and what waits beside the way down.

mod compare;
mod found;
mod listing;
mod queue;
mod row;
mod scope;
mod signature;
mod walk;

use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::SystemTime;

use crate::engine::{RelPath, Survey, SurveyScope, Surveyed};
use crate::filter::{Filter, Verdict};
use crate::host::{self, Identity, Root, shown};

use found::Found;
use queue::{Queue, Task};
use scope::Scope;
use walk::{Walk, Walker};

pub use found::YOUNG_MAX;

/// What the ledger knows. Called from several threads.
pub trait Base: Sync {
    /// The row of a directory; `None`: there is none, or it cannot be read.
    fn row(&self, directory: &RelPath) -> Option<Vec<u8>>;
}

/// A survey to be made, with what it needs of the host.
#[derive(Clone, Copy)]
pub struct Request<'a> {
    /// What is asked for.
    pub survey: &'a Survey,
    /// The source's.
    pub filter: &'a Filter,
    /// The service's own directory, which is never part of a source.
    pub private: &'a Path,
    /// The rows to compare with. Without them a comparison finds everything. Where none is asked for they tell what is
    /// as it was, and which directories are gone.
    pub base: Option<&'a dyn Base>,
    /// Threads that read, the calling one among them.
    pub threads: usize,
    /// The clock by which changes are young: [`SystemTime::now`].
    pub now: fn() -> SystemTime,
}

/// Takes rows, in chunks: `Some` replaces the directory's row, `None` means that it is gone, with all rows below it.
/// Called from several threads; may block. Within a chunk, and from one call's end to the next one's begin, the order
/// counts: rows go before new ones at the same place come.
///
/// A comparison against a base gives the rows that differ; every other survey gives all rows of its scope.
pub type Sink<'a> = &'a (dyn Fn(Vec<(RelPath, Option<Vec<u8>>)>) + Sync);

/// More threads only wait for one another in the kernel.
const THREADS_MAX: usize = 64;

/// Makes a survey. Blocks until it is over, or soon after `stop` is set.
pub fn run(request: &Request, sink: Sink, stop: &AtomicBool) -> Surveyed {
    let survey = request.survey;
    let path = Path::new(&survey.source.path);
    if let Err(reason) = same_root(survey, path) {
        return Surveyed::Failed(reason);
    }
    let Some(&(device, inode)) = survey.root.0.last() else {
        return Surveyed::Failed(another(path));
    };
    let root = Root::new(path.into(), Identity { device, inode });
    let scope = Scope::new(request, root.identity());
    let (tasks, absent) = tasks(&survey.scope, &scope);
    let walk = Walk {
        request,
        root,
        scope,
        queue: Queue::new(tasks),
        found: Found::default(),
        sink,
        stop,
    };
    if !absent.is_empty() {
        sink(absent);
    }
    thread::scope(|threads| {
        for _ in 1..request.threads.clamp(1, THREADS_MAX) {
            // One that cannot be had is done without.
            let _ = thread::Builder::new()
                .name("survey".into())
                .spawn_scoped(threads, || Walker::new(&walk).run());
        }
        Walker::new(&walk).run();
    });
    if stop.load(Ordering::Relaxed) {
        return Surveyed::Failed("stopped".into());
    }
    if let Err(reason) = same_root(survey, path) {
        return Surveyed::Failed(reason);
    }
    if survey.compare && request.base.is_none() {
        return Surveyed::Everything;
    }
    walk.found.end()
}

/// Whether the root is the one that is asked for: its whole path, as the watch and the transfers look at it.
fn same_root(survey: &Survey, path: &Path) -> Result<(), String> {
    if host::identify(path)? == survey.root {
        Ok(())
    } else {
        Err(another(path))
    }
}

fn another(path: &Path) -> String {
    format!(
        "`{}` is another directory than the one that is watched: it is surveyed again when the watch stands on it",
        shown(path)
    )
}

/// Rows as a [`Sink`] takes them.
type Rows = Vec<(RelPath, Option<Vec<u8>>)>;

/// The directories to begin with, and the places that do not belong to the source: their rows go.
fn tasks(scope: &SurveyScope, of: &Scope) -> (Vec<Task>, Rows) {
    let (mut tasks, mut absent) = (Vec::new(), Vec::new());
    let mut place = |path: &RelPath, recurse| match of.place(path) {
        Some(verdict) => tasks.push(Task {
            path: path.clone(),
            verdict,
            known: true,
            recurse,
        }),
        None => absent.push((path.clone(), None)),
    };
    match scope {
        SurveyScope::Everything => tasks.push(Task {
            path: RelPath::root(),
            verdict: Verdict::Included,
            known: true,
            recurse: true,
        }),
        SurveyScope::Places {
            directories,
            subtrees,
        } => {
            let covered = |path: &RelPath| {
                let above = path.ancestors().filter_map(RelPath::new);
                (!path.is_root() && subtrees.contains(&RelPath::root()))
                    || above.into_iter().any(|above| subtrees.contains(&above))
            };
            for path in subtrees.iter().filter(|path| !covered(path)) {
                place(path, true);
            }
            let alone = |path: &&RelPath| !subtrees.contains(*path) && !covered(path);
            for path in directories.iter().filter(alone) {
                place(path, false);
            }
        }
    }
    (tasks, absent)
}
