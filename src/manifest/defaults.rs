//! What holds where the manifest says nothing. The plan compiler applies these; `render` and the schema show them.

/// Full passes: nightly, away from the hours at which everybody else's jobs run.
pub const RESCAN_SCHEDULE: &str = "17 3 * * *";
/// Spread of the default schedule only; an explicit one has no jitter unless it says so.
pub const RESCAN_JITTER_MS: u64 = 20 * 60 * 1000;
/// The zone of schedules and windows that name none.
pub const TIME_ZONE: &str = "UTC";
/// Long enough for the several events of one write, too short to be felt.
pub const QUIET_MS: u64 = 5;
/// A tree that never becomes quiet is sent at least this often.
pub const MAX_WAIT_MS: u64 = 1000;
/// Without progress, after which a transfer is ended.
pub const TIMEOUT_MS: u64 = 60_000;
/// First try again after a failure.
pub const RETRY_INITIAL_MS: u64 = 1_000;
/// Longest time between tries.
pub const RETRY_MAX_MS: u64 = 60_000;
/// A hook that lasts longer is ended.
pub const HOOK_TIMEOUT_MS: u64 = 30_000;
/// rsync daemons listen there.
pub const RSYNC_PORT: u16 = 873;
/// What a source includes.
pub const INCLUDE: &str = "**";
/// Transfers at once, over all routes.
pub const LIMIT_TRANSFERS: u32 = 16;
/// Transfers to one host at once.
pub const LIMIT_TRANSFERS_PER_HOST: u32 = 4;

/// A lower and an upper bound where one of them may be given alone: a default makes way for what was given.
pub fn bounds(low: Option<u64>, high: Option<u64>, defaults: (u64, u64)) -> (u64, u64) {
    let (low_default, high_default) = defaults;
    match (low, high) {
        (Some(low), Some(high)) => (low, high),
        (Some(low), None) => (low, high_default.max(low)),
        (None, Some(high)) => (low_default.min(high), high),
        (None, None) => defaults,
    }
}
