//! What a transfer has changed on its target, path by path: for hooks, and for a log line a file.
//!
//! Only where somebody wants to know: a transfer without one does nothing for it.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::Context;
use crate::engine::{Changed, Job, RelPath};
use crate::plan::RouteName;

/// The lines of files have a target of their own, by which the log knows that they make way for others.
const FILES: &str = "heliostat::files";

/// Lines that wait so: rsync lists a file before it sends it, and says soon if it could not.
const LINES_MAX: usize = 1000;

/// What a transfer has changed so far; told by every thread of it.
#[derive(Debug)]
pub struct Tally {
    route: RouteName,
    changed: Option<Mutex<Changed>>,
    /// Lines of the log that wait until it is known that their files did not fail; `None`: there are to be none.
    lines: Option<Mutex<VecDeque<(Did, RelPath)>>>,
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
        let says = context.log_files;
        (hooks || says).then(|| Tally {
            route: job.route.name.clone(),
            changed: hooks.then(Mutex::default),
            lines: says.then(Mutex::default),
        })
    }

    /// This was done.
    pub fn add(&self, did: Did, path: &RelPath) {
        if let Some(mut changed) = self.changed() {
            changed.add(path);
        }
        if let Some(mut lines) = self.lines() {
            lines.push_back((did, path.clone()));
            if lines.len() > LINES_MAX
                && let Some((did, path)) = lines.pop_front()
            {
                self.say(did, &path);
            }
        }
    }

    /// It was not, after all.
    pub fn take_out(&self, path: &RelPath) {
        if let Some(mut changed) = self.changed() {
            changed.take_out(path);
        }
        if let Some(mut lines) = self.lines() {
            lines.retain(|(_, other)| other != path);
        }
    }

    /// What has not been taken out by now was done.
    pub fn settle(&self) {
        for (did, path) in self
            .lines()
            .into_iter()
            .flat_map(|mut lines| std::mem::take(&mut *lines))
        {
            self.say(did, &path);
        }
    }

    fn say(&self, did: Did, path: &RelPath) {
        let route = &self.route;
        match did {
            Did::Sent => tracing::info!(target: FILES, %route, "{path} was sent"),
            Did::Deleted => tracing::info!(target: FILES, %route, "{path} was deleted"),
        }
    }

    /// All of it; taken once.
    pub fn taken(&self) -> Changed {
        self.changed()
            .map(|mut changed| std::mem::take(&mut *changed))
            .unwrap_or_default()
    }

    fn lines(&self) -> Option<MutexGuard<'_, VecDeque<(Did, RelPath)>>> {
        let lines = self.lines.as_ref()?;
        Some(lines.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// What was told is whole whoever broke off.
    fn changed(&self) -> Option<MutexGuard<'_, Changed>> {
        let changed = self.changed.as_ref()?;
        Some(changed.lock().unwrap_or_else(PoisonError::into_inner))
    }
}
