//! The bandwidth limit: a bucket of bytes that fills with time.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::fault::Stop;
use crate::transfer::progress::Cancel;

/// Lets bytes through at a rate, those of every thread of a run together. Without a rate everything passes.
pub(super) struct Throttle {
    /// Bytes a second.
    rate: Option<u64>,
    /// When the bytes let through so far will have been paid for.
    free_at: Mutex<Instant>,
}

/// A pause is cut into slices, so that the word to end is heard in time.
const SLICE: Duration = Duration::from_millis(50);

/// What a copier moves between two looks at the clock and at the word to end: large enough that looking costs nothing,
/// small enough that a slow disk hears the word within a second.
const CHUNK: u64 = 4 << 20;

impl Throttle {
    /// A limit of `rate` bytes a second.
    pub(super) fn new(rate: Option<u64>) -> Throttle {
        Throttle {
            rate: rate.map(|rate| rate.max(1)),
            free_at: Mutex::new(Instant::now()),
        }
    }

    /// Whether there is a limit at all.
    pub(super) fn is_limited(&self) -> bool {
        self.rate.is_some()
    }

    /// How many bytes to move at once: a tenth of a second's worth where there is a limit.
    pub(super) fn chunk(&self) -> u64 {
        self.rate
            .map_or(CHUNK, |rate| (rate / 10).clamp(4096, CHUNK))
    }

    /// Waits until `bytes` more may be moved.
    pub(super) fn take(&self, bytes: u64, cancel: &Cancel) -> Result<(), Stop> {
        if cancel.is_cancelled() {
            return Err(Stop::cancelled());
        }
        let Some(rate) = self.rate else { return Ok(()) };
        let mut left = {
            // An instant is whole whoever broke off.
            let mut free_at = self.free_at.lock().unwrap_or_else(PoisonError::into_inner);
            let now = Instant::now();
            let start = free_at.max(now);
            *free_at = start + Duration::from_secs_f64(bytes as f64 / rate as f64);
            start - now
        };
        while !left.is_zero() {
            let slice = left.min(SLICE);
            std::thread::sleep(slice);
            left -= slice;
            if cancel.is_cancelled() {
                return Err(Stop::cancelled());
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_cost_time_only_under_a_limit() {
        let cancel = Cancel::new();
        let free = Throttle::new(None);
        let began = Instant::now();
        free.take(1 << 40, &cancel).unwrap();
        free.take(1 << 40, &cancel).unwrap();
        assert!(began.elapsed() < Duration::from_secs(1) && !free.is_limited());

        let limited = Throttle::new(Some(100_000));
        assert_eq!(limited.chunk(), 10_000);
        let began = Instant::now();
        for _ in 0..3 {
            limited.take(10_000, &cancel).unwrap();
        }
        // The first ten thousand are free, the next two wait a tenth of a second each.
        assert!(began.elapsed() >= Duration::from_millis(190));
    }

    #[test]
    fn a_pause_hears_the_word_to_end() {
        let cancel = Cancel::new();
        let limited = Throttle::new(Some(1));
        limited.take(1_000_000, &cancel).unwrap();
        cancel.cancel();
        let began = Instant::now();
        assert!(limited.take(1, &cancel).is_err());
        assert!(began.elapsed() < Duration::from_secs(5));
    }
}
