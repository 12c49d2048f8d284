//! How much has changed lately, and how long it must be quiet for that.
//!
//! A run of rsync has a price of its own, at both ends: two processes, a connection, a log-in, about what a hundred small
//! files cost. One change is not to wait for it. In a burst a run for every pause of the writer would cost several times
//! what the files do, so there the pause that ends a window grows with what came in the last second: it takes as long as
//! sending that much would, and in the end a quarter of `maxWait`, which bounds the window as ever. Copying in process has no
//! such price, and no such pause.

use std::time::Duration;

use crate::plan::{Debounce, Target};

/// A mark is remembered so long, ever more faintly.
const MEMORY_US: u64 = 1_000_000;
/// For each mark of the last second it must be quiet so long: somewhat less than a small file takes to be sent.
const PAUSE_US: u64 = 100;
/// The pause grows up to this part of `maxWait`.
const MOST: u32 = 4;
/// Marks are counted in thousandths, so that a fading count does not stick at a whole number.
const UNIT: u64 = 1000;

/// The marks of the last second, as of the last of them.
#[derive(Clone, Copy, Debug, Default)]
pub struct Pace {
    units: u64,
    last: Duration,
}

impl Pace {
    /// So many marks were made at `at`.
    pub fn add(&mut self, marks: usize, at: Duration) {
        let passed = at.saturating_sub(self.last).as_micros();
        let left = MEMORY_US - u64::try_from(passed).unwrap_or(MEMORY_US).min(MEMORY_US);
        let faded = u128::from(self.units) * u128::from(left) / u128::from(MEMORY_US);
        let faded = u64::try_from(faded).expect("it is no more than it was");
        self.units = faded.saturating_add(UNIT.saturating_mul(marks as u64));
        self.last = at;
    }

    /// How long it must be quiet before a transfer to `target` begins.
    pub fn quiet(&self, debounce: Debounce, target: &Target) -> Duration {
        let quiet = Duration::from_millis(debounce.quiet_ms);
        if matches!(target, Target::Local { .. }) {
            return quiet;
        }
        let pause = Duration::from_micros(self.units.saturating_mul(PAUSE_US) / UNIT);
        let most = Duration::from_millis(debounce.max_wait_ms) / MOST;
        quiet.max(pause.min(most))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);
    const DEBOUNCE: Debounce = Debounce {
        quiet_ms: 5,
        max_wait_ms: 1000,
    };

    fn local() -> Target {
        Target::Local {
            path: "/mirror".into(),
        }
    }

    fn daemon() -> Target {
        Target::Daemon {
            user: None,
            host: "host".into(),
            port: 873,
            module: "m".into(),
            path: String::new(),
            password: None,
        }
    }

    /// The pause after `count` marks, `every` so long.
    fn pause(count: u32, every: Duration) -> Duration {
        let mut pace = Pace::default();
        for at in 0..count {
            pace.add(1, every * at);
        }
        assert_eq!(pace.quiet(DEBOUNCE, &local()), 5 * MS);
        pace.quiet(DEBOUNCE, &daemon())
    }

    #[test]
    fn what_changes_now_and_then_does_not_wait() {
        assert_eq!(pause(1, MS), 5 * MS);
        assert_eq!(pause(50, MS), 5 * MS);
        assert_eq!(pause(1_000, 50 * MS), 5 * MS);
        assert_eq!(pause(1_000_000, 2000 * MS), 5 * MS);
    }

    #[test]
    fn a_burst_must_pause_as_long_as_it_would_take_to_send_and_no_longer_than_a_quarter_of_max_wait()
     {
        let after = pause(500, MS);
        assert!(after > 30 * MS && after < 50 * MS, "{after:?}");
        let steady = pause(100_000, MS);
        assert!(steady > 95 * MS && steady < 105 * MS, "{steady:?}");
        assert_eq!(pause(100_000, MS / 20), 250 * MS);
    }

    #[test]
    fn a_burst_is_forgotten_after_a_second() {
        let mut pace = Pace::default();
        pace.add(100_000, 10 * MS);
        assert_eq!(pace.quiet(DEBOUNCE, &daemon()), 250 * MS);
        pace.add(1, 1010 * MS);
        assert_eq!(pace.quiet(DEBOUNCE, &daemon()), 5 * MS);
        let tight = Debounce {
            quiet_ms: 0,
            max_wait_ms: 0,
        };
        assert_eq!(pace.quiet(tight, &daemon()), Duration::ZERO);
    }
}
