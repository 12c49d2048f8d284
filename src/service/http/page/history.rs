//! What the recorded transfers say of one route: by time, and since when something holds.

use jiff::{SignedDuration, Timestamp};

use crate::ledger::Run;

/// So far back the plots go, in so many steps.
pub(super) const HOURS: usize = 6;
/// Steps an hour.
pub(super) const STEPS_AN_HOUR: usize = 12;
const STEP_SECONDS: i64 = 3600 / STEPS_AN_HOUR as i64;

/// The transfers of one route.
#[derive(Clone, Debug, Default)]
pub(super) struct History {
    /// The newest first.
    pub runs: Vec<Run>,
    /// What happened before this is not in the ledger any more; `None`: nothing is missing.
    pub begins: Option<Timestamp>,
}

/// What was sent in a span of time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Span {
    /// Transfers that ended in it.
    pub transfers: u64,
    /// Of these, those that failed as a whole, left paths behind or are held.
    pub bad: u64,
    /// Entries sent.
    pub files: u64,
    /// Bytes sent.
    pub bytes: u64,
    /// Entries deleted.
    pub deleted: u64,
    /// The oldest change that was sent.
    pub lag_ms: u64,
}

/// Since when something holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Since {
    /// Then it began.
    At(Timestamp),
    /// Nothing is recorded that would say otherwise: since the start of the service, then.
    Start(Timestamp),
    /// For as long as is recorded.
    Ever,
    /// Nothing is recorded that could tell.
    Unknown,
}

impl History {
    /// The last hours in steps, the oldest first, and when the first begins. The last is not over.
    pub(super) fn steps(&self, now: Timestamp) -> (Timestamp, Vec<Span>) {
        let count = HOURS * STEPS_AN_HOUR;
        let last = now.as_second().div_euclid(STEP_SECONDS);
        let first = last - count as i64 + 1;
        let mut steps = vec![Span::default(); count];
        for run in &self.runs {
            let step = run.at.as_second().div_euclid(STEP_SECONDS) - first;
            let step = usize::try_from(step)
                .ok()
                .and_then(|step| steps.get_mut(step));
            if let Some(step) = step {
                step.add(run);
            }
        }
        let begin = Timestamp::from_second(first * STEP_SECONDS).unwrap_or(now);
        (begin, steps)
    }

    /// Since when no transfer ended badly in this way: since the first after the last that did.
    pub(super) fn good_since(&self, bad: impl Fn(&Run) -> bool) -> Since {
        let mut better = None;
        for run in &self.runs {
            if bad(run) {
                return better.map_or(Since::Unknown, Since::At);
            }
            // One that was told to end says nothing of how it would have ended.
            if run.result != "cancelled" {
                better = Some(run.at);
            }
        }
        if better.is_some() {
            Since::Ever
        } else {
            Since::Unknown
        }
    }
}

impl Span {
    fn add(&mut self, run: &Run) {
        self.transfers += 1;
        // What was told to end is nobody's fault.
        self.bad += u64::from(!matches!(run.result.as_str(), "done" | "cancelled"));
        self.files = self.files.saturating_add(run.stats.files);
        self.bytes = self.bytes.saturating_add(run.stats.bytes);
        self.deleted = self.deleted.saturating_add(run.stats.deleted);
        self.lag_ms = self.lag_ms.max(run.lag_ms);
    }

    /// Both.
    pub(super) fn with(self, other: &Span) -> Span {
        Span {
            transfers: self.transfers + other.transfers,
            bad: self.bad + other.bad,
            files: self.files.saturating_add(other.files),
            bytes: self.bytes.saturating_add(other.bytes),
            deleted: self.deleted.saturating_add(other.deleted),
            lag_ms: self.lag_ms.max(other.lag_ms),
        }
    }
}

/// An instant so many steps later.
pub(super) fn later(begin: Timestamp, steps: usize) -> Timestamp {
    let seconds = SignedDuration::from_secs(STEP_SECONDS * steps as i64);
    begin.checked_add(seconds).unwrap_or(begin)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::{RouteName, SourceName, TargetName};

    fn run(at: &str, result: &str) -> Run {
        let name = RouteName {
            source: SourceName("site".into()),
            target: TargetName("copy".into()),
        };
        let mut run = Run::example(name);
        run.at = at.parse().unwrap();
        run.result = result.into();
        run.stats.bytes = 100;
        run
    }

    #[test]
    fn runs_fall_into_the_steps_in_which_they_ended() {
        let history = History {
            runs: vec![
                run("2026-06-01T12:03:00Z", "done"),
                run("2026-06-01T12:00:00Z", "failed"),
                run("2026-06-01T06:05:00Z", "cancelled"),
                // Before the first step, and from a clock that is ahead.
                run("2026-06-01T06:04:59Z", "done"),
                run("2026-06-01T12:05:00Z", "done"),
            ],
            begins: None,
        };
        let (begin, steps) = history.steps("2026-06-01T12:04:00Z".parse().unwrap());
        assert_eq!(begin.to_string(), "2026-06-01T06:05:00Z");
        let filled: Vec<(usize, u64, u64)> = steps
            .iter()
            .enumerate()
            .filter(|(_, step)| step.transfers > 0)
            .map(|(nth, step)| (nth, step.bytes, step.bad))
            .collect();
        assert_eq!(filled, [(0, 100, 0), (71, 200, 1)]);
        assert_eq!(later(begin, 71).to_string(), "2026-06-01T12:00:00Z");
    }

    #[test]
    fn what_holds_holds_since_the_first_run_after_the_last_that_broke_it() {
        let failed = |run: &Run| run.result == "failed";
        let mut history = History {
            runs: vec![
                run("2026-06-01T12:03:00Z", "done"),
                run("2026-06-01T12:02:00Z", "partial"),
                run("2026-06-01T12:01:30Z", "cancelled"),
                run("2026-06-01T12:01:00Z", "failed"),
                run("2026-06-01T12:00:00Z", "done"),
            ],
            begins: None,
        };
        let since = Since::At("2026-06-01T12:02:00Z".parse().unwrap());
        assert_eq!(history.good_since(failed), since);
        assert_eq!(history.good_since(|_| false), Since::Ever);
        assert_eq!(history.good_since(|_| true), Since::Unknown);
        history.runs.clear();
        assert_eq!(history.good_since(failed), Since::Unknown);
    }
}
