//! Paths that a transfer could not bring in step, each with its reason and its own next try.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;

use super::change_set::Pending;
use super::{RelPath, Stamp};

/// Above so many, failing paths are remembered as their directories.
pub const FAILING_MAX: usize = 10_000;

/// One failing path.
#[derive(Clone, Debug)]
pub struct Failed {
    /// What is dirty about it, since when.
    pub pending: Pending,
    /// The last reason.
    pub reason: String,
    /// No fault: it changed while it was sent, and is merely looked at again.
    pub changing: bool,
    /// When it first failed.
    pub since: Timestamp,
    /// How many tries failed.
    pub tries: u32,
    /// When it is tried again.
    pub next: Duration,
}

impl Failed {
    /// Whether it came into the filter and nothing else is known of it: it is tried again without deleting anything.
    pub fn only_fills(&self) -> bool {
        self.pending.dirt.only_fills()
    }
}

/// The failing paths of a route.
#[derive(Clone, Debug, Default)]
pub struct Failing(BTreeMap<RelPath, Failed>);

impl Failing {
    /// Adds a path; what is known of an earlier failure of it is kept.
    pub fn insert(&mut self, path: RelPath, failed: Failed) {
        let path = if self.0.len() >= FAILING_MAX && !self.0.contains_key(&path) {
            path.parent().unwrap_or(path)
        } else {
            path
        };
        self.0
            .entry(path)
            .and_modify(|have| {
                have.pending = have.pending.join(failed.pending);
                have.next = have.next.max(failed.next);
            })
            .or_insert(failed);
    }

    /// A failing path has changed: it is tried again at `next`, and its fault is forgotten only when that succeeds. False
    /// where it has no fault: then what changes is sent as ever.
    pub fn changed(&mut self, path: &RelPath, pending: Pending, next: Duration) -> bool {
        let Some(failed) = self.0.get_mut(path).filter(|failed| !failed.changing) else {
            return false;
        };
        failed.pending = failed.pending.join(pending);
        failed.next = failed.next.min(next);
        true
    }

    /// Takes one out.
    pub fn remove(&mut self, path: &RelPath) -> Option<Failed> {
        self.0.remove(path)
    }

    /// One of them.
    pub fn get(&self, path: &RelPath) -> Option<&Failed> {
        self.0.get(path)
    }

    /// Takes out those whose time has come, or all; not those that only fill.
    pub fn take_due(&mut self, now: Duration, all: bool) -> Failing {
        let due = |failed: &Failed| (all || failed.next <= now) && !failed.only_fills();
        Failing(self.0.extract_if(.., |_, failed| due(failed)).collect())
    }

    /// As [`Failing::take_due`], of those that only fill.
    pub fn take_fills_due(&mut self, now: Duration, all: bool) -> Failing {
        let due = |failed: &Failed| (all || failed.next <= now) && failed.only_fills();
        Failing(self.0.extract_if(.., |_, failed| due(failed)).collect())
    }

    /// Takes in others.
    pub fn merge(&mut self, other: Failing) {
        for (path, failed) in other.0 {
            self.insert(path, failed);
        }
    }

    /// When the next try is, but of those that only fill.
    pub fn next(&self) -> Option<Duration> {
        let tries = self.0.values().filter(|failed| !failed.only_fills());
        tries.map(|failed| failed.next).min()
    }

    /// When the next try is of those that only fill.
    pub fn next_fill(&self) -> Option<Duration> {
        let tries = self.0.values().filter(|failed| failed.only_fills());
        tries.map(|failed| failed.next).min()
    }

    /// The oldest undelivered change.
    pub fn oldest(&self) -> Option<Stamp> {
        self.0.values().map(|failed| failed.pending.since).min()
    }

    /// How many.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// In the order of their paths.
    pub fn iter(&self) -> impl Iterator<Item = (&RelPath, &Failed)> {
        self.0.iter()
    }
}
