//! How long to wait between tries: doubling, bounded, with a jitter that needs no random source.

use std::time::Duration;

use crate::plan::Retry;

/// A failure that only a change outside helps against is first tried again after so long.
const PERMANENT_INITIAL: Duration = Duration::from_secs(5);

/// The wait before try number `tries + 1` (`tries` ≥ 1 have failed). The jitter takes up to a fifth off and is a hash of
/// `key` and `tries`, so that routes that failed together do not come back together, and a run can be repeated.
pub fn delay(retry: Retry, tries: u32, permanent: bool, key: &str) -> Duration {
    let max = Duration::from_millis(retry.max_ms);
    let mut initial = Duration::from_millis(retry.initial_ms);
    if permanent {
        initial = initial.max(PERMANENT_INITIAL);
    }
    let doubled = initial
        .saturating_mul(
            1u32.checked_shl(tries.saturating_sub(1))
                .unwrap_or(u32::MAX),
        )
        .min(max.max(initial));
    let hash = blake3::hash(format!("{key}\0{tries}").as_bytes());
    let share = f64::from(hash.as_bytes()[0]) / 255.0 / 5.0;
    doubled.mul_f64(1.0 - share)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_doubles_within_its_bounds() {
        let retry = Retry {
            initial_ms: 1000,
            max_ms: 60_000,
        };
        let mut last = Duration::ZERO;
        for tries in 1..=6 {
            let wait = delay(retry, tries, false, "a/b");
            let full = Duration::from_secs(1 << (tries - 1));
            assert!(
                wait <= full && wait >= full.mul_f64(0.8),
                "{tries}: {wait:?}"
            );
            assert!(wait > last);
            last = wait;
        }
        for tries in [7, 40, u32::MAX] {
            let wait = delay(retry, tries, false, "a/b");
            assert!(wait <= Duration::from_secs(60) && wait >= Duration::from_secs(48));
        }
        assert!(delay(retry, 1, true, "a/b") >= Duration::from_secs(4));
        assert_eq!(delay(retry, 3, false, "a/b"), delay(retry, 3, false, "a/b"));
    }
}
