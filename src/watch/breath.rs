//! How a reader of file events breathes: in a burst it lets some gather before it reads again.
//!
//! A read for each event wakes three threads one after the other, its own, the worker's and the engine's, and that costs many
//! times what the events do: half of this program's CPU while thousands of files were written. So once reads follow one another
//! without a pause, the next one waits a little. The kernel's queue holds what three milliseconds bring many times over, and a
//! single change, a few events at once, never waits.

use std::time::{Duration, Instant};

/// So many reads may follow one another: more than one change of a file brings events.
const AT_ONCE: u32 = 8;
/// A read within so long after the one before follows it without a pause.
const PAUSE: Duration = Duration::from_millis(5);
/// How long a read waits then.
const GATHER: Duration = Duration::from_millis(3);

/// Of one reader.
#[derive(Debug, Default)]
pub(super) struct Breath {
    /// Reads that followed one another.
    reads: u32,
    /// When the next one was free to be made.
    free: Option<Instant>,
}

impl Breath {
    /// After a read at `now`: how long the next one is to wait, if at all.
    pub(super) fn after_read(&mut self, now: Instant) -> Option<Duration> {
        let follows = self.free.is_some_and(|free| now < free + PAUSE);
        self.reads = match follows {
            true => self.reads.saturating_add(1),
            false => 1,
        };
        let wait = (self.reads > AT_ONCE).then_some(GATHER);
        self.free = Some(now + wait.unwrap_or_default());
        wait
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_goes_on_and_on_waits() {
        let mut breath = Breath::default();
        let mut now = Instant::now();
        let step = Duration::from_millis(1);
        for _ in 0..3 {
            for _ in 0..AT_ONCE {
                assert_eq!(breath.after_read(now), None);
                now += step;
            }
            // A pause, and it begins anew.
            now += PAUSE;
        }
        let waits = (0..100).filter(|_| {
            let wait = breath.after_read(now);
            now += step + wait.unwrap_or_default();
            wait.is_some()
        });
        assert_eq!(waits.count(), 100 - AT_ONCE as usize);
        now += PAUSE;
        assert_eq!(breath.after_read(now), None);
    }
}
