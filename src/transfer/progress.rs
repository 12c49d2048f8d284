//! What a running transfer shows while it runs, and how it is told to end.
//!
//! Owns two small handles that the driver keeps and every target kind is given. Knows nothing of any target kind.

use std::sync::atomic::{AtomicU64, Ordering};

use tokio_util::sync::CancellationToken;

/// The word to a running transfer that it shall end; its clones are the same word.
///
/// One type for both ways of waiting: copying in process asks between two pieces of work, a child process's keeper
/// awaits it.
#[derive(Clone, Debug, Default)]
pub struct Cancel(CancellationToken);

impl Cancel {
    /// Nobody said it yet.
    pub fn new() -> Cancel {
        Cancel::default()
    }

    /// Says it. Saying it twice is saying it once.
    pub fn cancel(&self) {
        self.0.cancel();
    }

    /// Whether it was said.
    pub fn is_cancelled(&self) -> bool {
        self.0.is_cancelled()
    }

    /// Returns when it was said.
    pub async fn cancelled(&self) {
        self.0.cancelled().await;
    }
}

/// How far a running transfer is. Counters only rise; read them at any time, from any thread.
#[derive(Debug, Default)]
pub struct Progress {
    files: AtomicU64,
    bytes: AtomicU64,
    total: AtomicU64,
    beats: AtomicU64,
    stray: AtomicU64,
}

/// A look at a [`Progress`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Snapshot {
    /// Entries that are dealt with: compared or sent.
    pub files: u64,
    /// Bytes of file content that were sent.
    pub bytes: u64,
    /// Entries to be dealt with; 0 while it is not known.
    pub total: u64,
    /// Signs of life from work that moves none of the others: listing, counting.
    pub beats: u64,
}

impl Progress {
    /// Nothing done yet.
    pub fn new() -> Progress {
        Progress::default()
    }

    /// `count` more entries are dealt with.
    pub fn add_files(&self, count: u64) {
        self.files.fetch_add(count, Ordering::Relaxed);
    }

    /// `count` more bytes of content are sent.
    pub fn add_bytes(&self, count: u64) {
        self.bytes.fetch_add(count, Ordering::Relaxed);
    }

    /// Where a peer reports sums instead of steps: so many entries and bytes in all. Never falls back.
    pub fn reach(&self, files: u64, bytes: u64) {
        self.files.fetch_max(files, Ordering::Relaxed);
        self.bytes.fetch_max(bytes, Ordering::Relaxed);
    }

    /// So many entries are known to be there. Never falls back.
    pub fn expect(&self, total: u64) {
        self.total.fetch_max(total, Ordering::Relaxed);
    }

    /// Still at work, with nothing to show for it yet.
    pub fn beat(&self) {
        self.beats.fetch_add(1, Ordering::Relaxed);
    }

    /// So many bytes of talk that is no part of the work. They are no progress.
    pub fn add_stray(&self, bytes: u64) {
        self.stray.fetch_add(bytes, Ordering::Relaxed);
    }

    /// Bytes of such talk so far.
    pub fn stray(&self) -> u64 {
        self.stray.load(Ordering::Relaxed)
    }

    /// As it stands now; a watchdog sees progress where two looks differ.
    pub fn look(&self) -> Snapshot {
        Snapshot {
            files: self.files.load(Ordering::Relaxed),
            bytes: self.bytes.load(Ordering::Relaxed),
            total: self.total.load(Ordering::Relaxed),
            beats: self.beats.load(Ordering::Relaxed),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clones_hear_the_same_word() {
        let cancel = Cancel::new();
        let other = cancel.clone();
        assert!(!other.is_cancelled());
        cancel.cancel();
        cancel.cancel();
        assert!(other.is_cancelled());
    }

    #[test]
    fn counters_only_rise() {
        let progress = Progress::new();
        progress.add_files(2);
        progress.reach(1, 10);
        progress.reach(5, 3);
        progress.expect(7);
        progress.expect(6);
        progress.beat();
        assert_eq!(
            progress.look(),
            Snapshot {
                files: 5,
                bytes: 10,
                total: 7,
                beats: 1
            }
        );
    }
}
