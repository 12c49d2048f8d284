//! What a transfer has changed on its target, path by path: for hooks, and for a log line a file.
//!
//! Only where somebody wants to know: a transfer without one does nothing for it.

use std::sync::{Mutex, MutexGuard, PoisonError};

use super::Context;
use super::file_lines::FileLines;
use crate::engine::{Changed, Job, RelPath};
use crate::plan::RouteName;

/// What a transfer has changed so far; told by every thread of it.
#[derive(Debug)]
pub struct Tally {
    route: RouteName,
    changed: Option<Mutex<Changed>>,
    lines: Option<FileLines>,
}

/// What became of a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Did {
    /// Sent, made or changed.
    Sent,
    /// Deleted.
    Deleted,
}

impl Tally {
    /// For this job; `None`: nobody wants to know.
    pub fn of(job: &Job, context: &Context) -> Option<Tally> {
        let hooks = job.route.hooks.after.is_some();
        let lines = context.file_lines.clone();
        (hooks || lines.is_some()).then(|| Tally {
            route: job.route.name.clone(),
            changed: hooks.then(Mutex::default),
            lines,
        })
    }

    /// This was done.
    pub fn add(&self, did: Did, path: &RelPath) {
        if let Some(mut changed) = self.changed() {
            changed.add(path);
        }
        if let Some(lines) = &self.lines {
            lines.say(&self.route, did, path);
        }
    }

    /// It was not, after all.
    pub fn take_out(&self, path: &RelPath) {
        if let Some(mut changed) = self.changed() {
            changed.take_out(path);
        }
    }

    /// All of it; taken once.
    pub fn taken(&self) -> Changed {
        self.changed()
            .map(|mut changed| std::mem::take(&mut *changed))
            .unwrap_or_default()
    }

    /// What was told is whole whoever broke off.
    fn changed(&self) -> Option<MutexGuard<'_, Changed>> {
        let changed = self.changed.as_ref()?;
        Some(changed.lock().unwrap_or_else(PoisonError::into_inner))
    }
}
