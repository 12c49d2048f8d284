//! Memory that was used for a while goes back to the host.
//!
//! The C library keeps what a thread has freed for that thread's next use, and gives only the end of its heap back: after
//! a look at a hundred thousand directories some ten megabytes stay that nobody uses. That is so with glibc; other
//! libraries give back by themselves, or cannot be asked.
#![allow(unsafe_code)] // the one call that this file is about

/// Gives what is free in the heap back to the host. It looks through all of the heap, and threads that
/// allocate wait meanwhile: for the end of what happens seldom.
pub fn give_back() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    // SAFETY: it takes a number and touches only what is not allocated; any thread may call it at any time.
    unsafe {
        libc::malloc_trim(0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn resident_kib() -> u64 {
        let status = std::fs::read_to_string("/proc/self/status").unwrap();
        let line = status
            .lines()
            .find_map(|line| line.strip_prefix("RssAnon:"));
        line.unwrap()
            .trim()
            .trim_end_matches(" kB")
            .parse()
            .unwrap()
    }

    /// Between what is kept, so that the heap's end does not go by itself.
    #[test]
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    fn what_is_freed_is_given_back() {
        const PIECES: usize = 200_000;
        let mut all: Vec<Option<Vec<u8>>> = (0..PIECES).map(|_| Some(vec![1; 1000])).collect();
        for (number, piece) in all.iter_mut().enumerate() {
            if number % 100 != 0 {
                *piece = None;
            }
        }
        let before = resident_kib();
        give_back();
        let after = resident_kib();
        assert_eq!(all.iter().flatten().count(), PIECES / 100);
        // Others allocate in the same process meanwhile, but not a hundred megabytes.
        assert!(
            after + 100_000 < before,
            "{before} kB before, {after} kB after"
        );
    }
}
