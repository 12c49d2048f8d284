//! The next time a schedule is due.

use jiff::{SignedDuration, Timestamp};

use super::crontab::Crontab;
use super::{Problem, Schedule, ScheduleError, wall, zone};

/// The shortest period of `every`: below it, it is not a schedule but a load.
const SHORTEST_PERIOD_MS: u64 = 1_000;

/// The longest period, and the longest jitter: ten years are a typing error, and times stay far from overflow.
const LONGEST_MS: u64 = 10 * 366 * 24 * 3_600_000;

impl Schedule {
    /// Whether it can be used: it parses, its zone is known, it fires. The error says where in which of its texts.
    pub fn check(&self) -> Result<(), ScheduleError> {
        match self {
            Schedule::Cron {
                expression,
                time_zone,
                ..
            } => {
                check_expression(expression)?;
                zone::check_zone(time_zone)
            }
            Schedule::Every { period_ms, .. } => check_period(*period_ms),
        }
    }

    /// The first instant after `after` at which it is due for `jitter_key` (host and route); `None` where it never is.
    ///
    /// For a crontab expression `after` is any instant. For `every` it is the last run (or the start of the service):
    /// the period counts from there.
    ///
    /// Jitter delays by a share of `jitter_ms` that is a stable hash of the key: always the same for one route on one
    /// host, spread evenly over many, so that a plan can print the exact time.
    pub fn next_after(&self, after: Timestamp, jitter_key: &str) -> Option<Timestamp> {
        match self {
            Schedule::Cron {
                expression,
                time_zone,
                jitter_ms,
            } => {
                let share = jitter_share(*jitter_ms, jitter_key);
                let crontab = Crontab::parse(expression).ok()?;
                let due = wall::next(
                    &crontab,
                    &zone::find_or_utc(time_zone),
                    after.checked_sub(share).ok()?,
                )?;
                due.checked_add(share).ok()
            }
            Schedule::Every {
                period_ms,
                jitter_ms,
            } => {
                let period = (*period_ms).clamp(SHORTEST_PERIOD_MS, LONGEST_MS);
                let due = after
                    .checked_add(SignedDuration::from_millis(period as i64))
                    .ok()?;
                due.checked_add(jitter_share(*jitter_ms, jitter_key)).ok()
            }
        }
    }
}

/// Whether a crontab expression parses and ever fires.
pub fn check_expression(expression: &str) -> Result<(), ScheduleError> {
    Crontab::parse(expression).map(drop)
}

/// Whether a period of `every` is one.
pub fn check_period(period_ms: u64) -> Result<(), ScheduleError> {
    let error = |message: &str| Err(ScheduleError::new(Problem::Period, 0..0, message));
    match period_ms {
        0..SHORTEST_PERIOD_MS => error("`every` must be at least `1s`"),
        SHORTEST_PERIOD_MS..=LONGEST_MS => Ok(()),
        _ => error("`every` must be at most ten years"),
    }
}

fn jitter_share(jitter_ms: u64, key: &str) -> SignedDuration {
    if jitter_ms == 0 {
        return SignedDuration::ZERO;
    }
    let hash = blake3::hash(key.as_bytes());
    let number = u64::from_le_bytes(
        hash.as_bytes()[..8]
            .try_into()
            .expect("a hash has 32 bytes"),
    );
    SignedDuration::from_millis((number % jitter_ms.min(LONGEST_MS)) as i64)
}
