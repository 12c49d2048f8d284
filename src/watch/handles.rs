//! Which watch stands on the directory with this handle: what the fanotify backend remembers.
//!
//! Twenty bytes a directory in one table, at a load between 7/16 and 7/8: 24 to 48 bytes. A handle is kept as a digest of 16
//! bytes, which no two have in common before the sun goes out. A watch that was ended is only noted, and swept out with the
//! others when they are as many as half of those that stand: until then its events name a watch that nobody knows.

use std::collections::HashSet;

use hashbrown::HashTable;

use super::backend::WatchId;

/// Ended watches below this are not worth a sweep.
const SWEEP_MIN: usize = 1024;

/// A directory, by its file system and handle.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Key([u8; 16]);

impl Key {
    /// The directory with this handle on that file system.
    pub(super) fn of(file_system: u64, kind: i32, handle: &[u8]) -> Key {
        let mut hasher = blake3::Hasher::new();
        hasher.update(&file_system.to_ne_bytes());
        hasher.update(&kind.to_ne_bytes());
        hasher.update(handle);
        let mut key = [0; 16];
        hasher.finalize_xof().fill(&mut key);
        Key(key)
    }

    fn hash(self) -> u64 {
        let [a, b, c, d, e, f, g, h, ..] = self.0;
        u64::from_ne_bytes([a, b, c, d, e, f, g, h])
    }
}

#[derive(Clone, Copy, Debug)]
struct Entry {
    key: Key,
    watch: i32,
}

/// Watches by the handles of their directories.
#[derive(Debug, Default)]
pub(super) struct Handles {
    entries: HashTable<Entry>,
    /// Ended, and not swept out yet.
    ended: HashSet<i32>,
    last: i32,
}

impl Handles {
    /// The watch on this directory: the one that stands there, or a new one.
    pub(super) fn watch(&mut self, key: Key) -> WatchId {
        let same = |entry: &Entry| entry.key == key;
        let found = self.entries.find_mut(key.hash(), same);
        if let Some(entry) = &found
            && !self.ended.contains(&entry.watch)
        {
            return WatchId(entry.watch);
        }
        self.last += 1;
        let watch = self.last;
        match found {
            Some(entry) => {
                self.ended.remove(&entry.watch);
                entry.watch = watch;
            }
            None => {
                let entry = Entry { key, watch };
                let hash = |entry: &Entry| entry.key.hash();
                self.entries.insert_unique(key.hash(), entry, hash);
            }
        }
        WatchId(watch)
    }

    /// The watch on this directory, if it has one.
    pub(super) fn find(&self, key: Key) -> Option<WatchId> {
        let found = self.entries.find(key.hash(), |entry| entry.key == key)?;
        Some(WatchId(found.watch))
    }

    /// The watch has ended.
    pub(super) fn unwatch(&mut self, watch: WatchId) {
        self.ended.insert(watch.0);
        if self.ended.len() >= SWEEP_MIN.max(self.entries.len() / 3) {
            let ended = std::mem::take(&mut self.ended);
            self.entries.retain(|entry| !ended.contains(&entry.watch));
            self.entries
                .shrink_to(self.entries.len() * 2, |entry| entry.key.hash());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(number: u64) -> Key {
        Key::of(1, 1, &number.to_ne_bytes())
    }

    #[test]
    fn a_number_is_never_given_again_and_what_has_ended_takes_no_room() {
        let mut handles = Handles::default();
        let first = handles.watch(key(1));
        assert_eq!(handles.watch(key(1)), first);
        handles.unwatch(first);
        let second = handles.watch(key(1));
        assert_ne!(first, second);
        handles.unwatch(first); // said twice, or late
        assert_eq!(handles.find(key(1)), Some(second));
        for number in 2..200_000 {
            let watch = handles.watch(key(number));
            if number > 10 {
                handles.unwatch(watch);
            }
        }
        assert!(handles.entries.len() < 3000 && handles.entries.allocation_size() < 500_000);
        assert_eq!(handles.find(key(1)), Some(second));
        assert_ne!(Key::of(1, 1, b"a"), Key::of(2, 1, b"a"));
        assert_ne!(Key::of(1, 1, b"a"), Key::of(1, 2, b"a"));
    }

    #[test]
    fn a_directory_costs_less_than_fifty_bytes() {
        let mut handles = Handles::default();
        for number in 0..60_000 {
            handles.watch(key(number));
        }
        assert!(handles.entries.allocation_size() / 60_000 < 50);
    }
}
