//! How often all watches may be placed anew after events were lost.
//!
//! To place them makes the machine busier, and a busy machine loses events: without a brake that is a loop.

use std::time::{Duration, Instant};

/// Between two of them, at least; doubles while losses go on.
const DELAY_MIN: Duration = Duration::from_secs(2);
/// The longest time that a loss may wait.
const DELAY_MAX: Duration = Duration::from_secs(60);
/// Without a loss for so long, the next one finds the shortest delay again.
const CALM: Duration = Duration::from_secs(120);

/// When the watches are to be placed anew.
#[derive(Debug, Default)]
pub(crate) struct Pace {
    last: Option<Instant>,
    delay: Duration,
    due: Option<Instant>,
}

impl Pace {
    /// They are to be placed anew; whether that is news.
    pub(crate) fn ask(&mut self, now: Instant) -> bool {
        if self.due.is_some() {
            return false;
        }
        self.due = Some(match self.last {
            None => now,
            Some(last) => {
                let calm = now.saturating_duration_since(last) >= CALM;
                self.delay = if calm {
                    DELAY_MIN
                } else {
                    (self.delay * 2).clamp(DELAY_MIN, DELAY_MAX)
                };
                now.max(last + self.delay)
            }
        });
        true
    }

    /// When, if at all.
    pub(crate) fn due(&self) -> Option<Instant> {
        self.due
    }

    /// They were placed.
    pub(crate) fn done(&mut self, now: Instant) {
        self.last = Some(now);
        self.due = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_is_at_once_and_those_that_follow_are_further_and_further_apart() {
        let mut pace = Pace::default();
        let mut now = Instant::now();
        let mut waits = Vec::new();
        for _ in 0..8 {
            assert!(pace.ask(now) && !pace.ask(now));
            let due = pace.due().unwrap();
            waits.push((due - now).as_secs());
            now = due;
            pace.done(now);
        }
        assert_eq!(waits, [0, 2, 4, 8, 16, 32, 60, 60]);
        now += CALM;
        pace.ask(now);
        assert_eq!(pace.due(), Some(now));
    }
}
