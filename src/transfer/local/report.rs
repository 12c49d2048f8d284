//! What a run has to tell, within bounds.

use std::collections::BTreeSet;
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::engine::{Outcome, PathFailure, PathNote, RelPath, Stats, Verdict};

/// Failed paths, and paths to look at again, that are kept one by one. Beyond that (a whole tree became unreadable)
/// the topmost directory stands for what is below it.
const PATHS_MAX: usize = 10_000;

/// Topmost directories kept beyond [`PATHS_MAX`]; then the root stands for everything.
const TOPS_MAX: usize = 1_000;

/// Notes are for people; more than this nobody reads.
const NOTES_MAX: usize = 1_000;

/// Collects what an [`Outcome`] needs, from every thread of a run.
#[derive(Default)]
pub(super) struct Report(Mutex<Told>);

#[derive(Default)]
struct Told {
    stats: Stats,
    failed: Vec<PathFailure>,
    failed_tops: BTreeSet<RelPath>,
    again: BTreeSet<RelPath>,
    notes: Vec<PathNote>,
    notes_dropped: u64,
}

impl Report {
    /// `path` is not in step for `reason`.
    pub(super) fn failed(&self, path: &RelPath, reason: String) {
        self.told().failed(path, reason);
    }

    /// `path` changed underneath.
    pub(super) fn again(&self, path: &RelPath) {
        self.told().again(path);
    }

    /// Worth saying of `path`.
    pub(super) fn note(&self, path: &RelPath, text: String) {
        self.told().note(path, text);
    }

    /// Counts what was done.
    pub(super) fn count(&self, done: impl FnOnce(&mut Stats)) {
        done(&mut self.told().stats);
    }

    /// Everything told, under its verdict.
    pub(super) fn outcome(self, verdict: Verdict) -> Outcome {
        let told = self.0.into_inner();
        told.unwrap_or_else(PoisonError::into_inner)
            .outcome(verdict)
    }

    /// What was told is whole whoever broke off.
    fn told(&self) -> MutexGuard<'_, Told> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Told {
    fn failed(&mut self, path: &RelPath, reason: String) {
        if self.failed.len() < PATHS_MAX {
            self.failed.push(PathFailure {
                path: path.clone(),
                reason,
            });
            return;
        }
        let top = if self.failed_tops.len() < TOPS_MAX {
            topmost(path)
        } else {
            RelPath::root()
        };
        self.failed_tops.insert(top);
    }

    fn again(&mut self, path: &RelPath) {
        if self.again.len() < PATHS_MAX {
            self.again.insert(path.clone());
        } else if self.again.len() < PATHS_MAX + TOPS_MAX {
            self.again.insert(topmost(path));
        } else {
            self.again.insert(RelPath::root());
        }
    }

    fn note(&mut self, path: &RelPath, text: String) {
        if self.notes.len() < NOTES_MAX {
            self.notes.push(PathNote {
                path: path.clone(),
                text,
            });
        } else {
            self.notes_dropped += 1;
        }
    }

    fn outcome(self, verdict: Verdict) -> Outcome {
        let Told {
            stats,
            mut failed,
            failed_tops,
            again,
            mut notes,
            notes_dropped,
        } = self;
        // In the order of names, whichever thread came by first.
        failed.sort_by(|one, other| one.path.cmp(&other.path));
        notes.sort_by(|one, other| one.path.cmp(&other.path));
        for path in failed_tops {
            let reason = format!("more than {PATHS_MAX} paths failed, some of them in here");
            failed.push(PathFailure { path, reason });
        }
        if notes_dropped > 0 {
            notes.push(PathNote {
                path: RelPath::root(),
                text: format!("and {notes_dropped} more notes"),
            });
        }
        Outcome {
            failed,
            again: again.into_iter().collect(),
            notes,
            stats,
            ..Outcome::bare(verdict)
        }
    }
}

/// The directory directly below the root that holds `path`; the root where nothing does.
fn topmost(path: &RelPath) -> RelPath {
    path.ancestors()
        .next()
        .and_then(RelPath::new)
        .unwrap_or_else(RelPath::root)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_are_bounded_and_nothing_is_forgotten() {
        let report = Report::default();
        for top in 0..3_000 {
            for leaf in 0..10 {
                let path = RelPath::new(format!("d{top}/x/{leaf}").as_bytes()).unwrap();
                report.failed(&path, "why".into());
                report.again(&path);
                report.note(&path, "well".into());
            }
        }
        let outcome = report.outcome(Verdict::Done);
        assert_eq!(outcome.failed.len(), PATHS_MAX + TOPS_MAX + 1);
        assert_eq!(outcome.notes.len(), NOTES_MAX + 1);
        assert!(outcome.again.len() <= PATHS_MAX + TOPS_MAX + 1);
        // What has no line of its own has one above it.
        for top in 0..3_000 {
            let path = RelPath::new(format!("d{top}/x/9").as_bytes()).unwrap();
            assert!(
                outcome
                    .failed
                    .iter()
                    .any(|failure| path.starts_with(&failure.path))
            );
            assert!(outcome.again.iter().any(|again| path.starts_with(again)));
        }
    }
}
