//! The two clocks, as values that come in.

use std::time::Duration;

use jiff::Timestamp;

/// What time it is, by both clocks: windows and backoff go by `mono`, schedules by `wall`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Now {
    /// Monotonic, since the service began.
    pub mono: Duration,
    /// The wall clock.
    pub wall: Timestamp,
}

/// When a change was heard of: `seq` orders it among all inputs, `at` gives its age.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Stamp {
    /// The number of the input that brought it.
    pub seq: u64,
    /// Monotonic.
    pub at: Duration,
}
