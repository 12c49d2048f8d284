//! Paths that a transfer could not bring in step, each with its reason and its own next try.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;

use super::change_set::Pending;
use super::{Dirt, RelPath, Stamp};

/// Above so many, failing paths are remembered as their directories.
pub const FAILING_MAX: usize = 10_000;
/// Above so many, as the whole source: a far side may name as many directories as it likes.
const DIRECTORIES_MAX: usize = 2 * FAILING_MAX;
/// What was seen to vanish is remembered by name, up to so many in all.
const NAMED_MAX: usize = 10 * FAILING_MAX;

/// A path is tried again with others before its time by this share of its wait: as much as the jitter takes off.
const EARLY_SHARE: u32 = 5;

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
    /// How long that was after the try before.
    pub wait: Duration,
}

impl Failed {
    /// Whether it is tried with what is tried now: its time has come, or nearly. So those that failed one after the other come to
    /// be tried together, and a thousand of them are a few transfers a minute, not as many as there are paths.
    fn is_due(&self, now: Duration) -> bool {
        self.next.saturating_sub(now) <= self.wait / EARLY_SHARE
    }

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
    pub fn insert(&mut self, path: RelPath, mut failed: Failed) {
        let path = match self.0.contains_key(&path) {
            true => path,
            false => self.place_of(path, &mut failed.pending.dirt),
        };
        self.0
            .entry(path)
            .and_modify(|have| {
                have.pending = have.pending.join(failed.pending);
                have.next = have.next.max(failed.next);
                have.wait = have.wait.min(failed.wait);
            })
            .or_insert(failed);
    }

    /// Where a new path is remembered: by its name, or, where there are too many, with a directory above it that is looked
    /// through for it. What was seen to vanish never makes that of its directory, of which nothing but it may go.
    fn place_of(&self, path: RelPath, dirt: &mut Dirt) -> RelPath {
        let count = self.0.len();
        if count < FAILING_MAX || dirt.has(Dirt::GONE) && count < NAMED_MAX {
            return path;
        }
        let Some(parent) = path.parent() else {
            return path;
        };
        *dirt = match dirt.only_fills() {
            true => *dirt,
            false => Dirt::SUBTREE | Dirt::CONTENT | Dirt::ATTRIBUTES,
        };
        let mut above = std::iter::successors(Some(parent.clone()), RelPath::parent);
        match above.find(|above| self.0.contains_key(above)) {
            Some(known) => known,
            None if count < DIRECTORIES_MAX => parent,
            None => RelPath::root(),
        }
    }

    /// A failing path has changed: it is tried again at `next`, and its fault is forgotten only when that succeeds. False
    /// where it has no fault: then what changes is sent as ever.
    pub fn changed(&mut self, path: &RelPath, pending: Pending, next: Duration) -> bool {
        let Some(failed) = self.0.get_mut(path).filter(|failed| !failed.changing) else {
            return false;
        };
        failed.pending = failed.pending.join(pending);
        if next < failed.next {
            failed.next = next;
            // Not before that, whoever else is tried: it would be tried with each of its changes.
            failed.wait = Duration::ZERO;
        }
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

    /// Takes out those whose time has come or nearly has, or all; not those that only fill.
    pub fn take_due(&mut self, now: Duration, all: bool) -> Failing {
        let due = |failed: &Failed| (all || failed.is_due(now)) && !failed.only_fills();
        Failing(self.0.extract_if(.., |_, failed| due(failed)).collect())
    }

    /// As [`Failing::take_due`], of those that only fill.
    pub fn take_fills_due(&mut self, now: Duration, all: bool) -> Failing {
        let due = |failed: &Failed| (all || failed.is_due(now)) && failed.only_fills();
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

#[cfg(test)]
mod tests {
    use super::*;

    fn failed(dirt: Dirt) -> Failed {
        Failed {
            pending: Pending {
                dirt,
                since: Stamp {
                    seq: 1,
                    at: Duration::ZERO,
                },
            },
            reason: "no".into(),
            changing: false,
            since: Timestamp::UNIX_EPOCH,
            tries: 1,
            next: Duration::ZERO,
            wait: Duration::ZERO,
        }
    }

    fn path(text: &str) -> RelPath {
        RelPath::new(text.as_bytes()).unwrap()
    }

    fn many(count: usize) -> Failing {
        let mut failing = Failing::default();
        for at in 0..count {
            failing.insert(path(&format!("full/{at}")), failed(Dirt::CONTENT));
        }
        failing
    }

    #[test]
    fn what_has_no_room_is_found_below_its_directory() {
        let mut failing = many(FAILING_MAX);
        failing.insert(path("d/f"), failed(Dirt::ATTRIBUTES));
        failing.insert(path("d/e/g"), failed(Dirt::LISTING | Dirt::ATTRIBUTES));
        let whole = Dirt::SUBTREE | Dirt::CONTENT | Dirt::ATTRIBUTES;
        assert_eq!(failing.get(&path("d")).unwrap().pending.dirt, whole);
        assert!(failing.get(&path("d/f")).is_none() && failing.get(&path("d/e")).is_none());
        let fills = Dirt::FILL | Dirt::ATTRIBUTES;
        failing.insert(path("n/f"), failed(fills));
        assert!(failing.get(&path("n")).unwrap().only_fills());
    }

    #[test]
    fn what_vanished_makes_nothing_else_leave_its_directory() {
        let mut failing = many(FAILING_MAX);
        let gone = Dirt::GONE | Dirt::CONTENT;
        failing.insert(path("d/f"), failed(gone));
        failing.insert(path("d/g"), failed(Dirt::CONTENT));
        assert_eq!(failing.get(&path("d/f")).unwrap().pending.dirt, gone);
        assert!(
            !failing
                .get(&path("d"))
                .unwrap()
                .pending
                .dirt
                .has(Dirt::GONE)
        );
    }

    #[test]
    fn there_is_an_end_to_what_is_remembered() {
        let mut failing = many(FAILING_MAX);
        for at in 0..2 * NAMED_MAX {
            let dirt = [Dirt::CONTENT, Dirt::GONE][at % 2];
            failing.insert(path(&format!("{at}/{at}")), failed(dirt));
        }
        assert!(failing.len() <= NAMED_MAX + 1, "{}", failing.len());
        let root = failing.get(&RelPath::root()).unwrap();
        assert!(root.pending.dirt.has(Dirt::SUBTREE | Dirt::CONTENT));
        assert!(!root.pending.dirt.has(Dirt::GONE));
    }

    #[test]
    fn what_is_nearly_due_is_tried_with_what_is_and_what_changed_is_not() {
        let at = |name: &str| RelPath::new(name.as_bytes()).unwrap();
        let pending = Pending {
            dirt: Dirt::CONTENT,
            since: Stamp {
                seq: 1,
                at: Duration::ZERO,
            },
        };
        let mut failing = Failing::default();
        for second in 0..100 {
            let failed = Failed {
                pending,
                reason: "it is locked".into(),
                changing: false,
                since: Timestamp::UNIX_EPOCH,
                tries: 9,
                next: Duration::from_secs(second),
                wait: Duration::from_secs(60),
            };
            failing.insert(at(&second.to_string()), failed);
        }
        // What has changed is not tried with each of its changes.
        let soon = Duration::from_secs(9);
        assert!(failing.changed(&at("11"), pending, soon));
        assert_eq!(failing.next(), Some(Duration::ZERO));
        let tried = failing.take_due(Duration::ZERO, false);
        assert_eq!(tried.len(), 12, "12 s are a fifth of a minute");
        assert!(tried.get(&at("12")).is_some() && tried.get(&at("11")).is_none());
        assert!(failing.take_due(soon, false).get(&at("11")).is_some());
        assert!(!failing.is_empty());
        failing.take_due(Duration::ZERO, true);
        assert!(failing.is_empty(), "who forces it forces all");
    }
}
