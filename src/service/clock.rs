//! The two clocks of the host.

use std::time::Instant;

use jiff::Timestamp;

use crate::engine::Now;

/// The clocks, from the service's start.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    started: Instant,
}

impl Clock {
    /// The service starts now.
    pub fn start() -> Clock {
        Clock {
            started: Instant::now(),
        }
    }

    /// What time it is by both.
    pub fn now(&self) -> Now {
        Now {
            mono: self.started.elapsed(),
            wall: Timestamp::now(),
        }
    }

    /// The instant of a monotonic time, for the runtime's timers.
    pub fn instant(&self, mono: std::time::Duration) -> Instant {
        self.started + mono
    }
}
