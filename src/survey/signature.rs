//! What one `lstat` says of an object, as 64 bits; and whether a later change could bear the same times.
//!
//! In it are type, mode, owner, size, both times, inode and device number: what a change cannot leave alone, for every
//! one sets the ctime, which no user can set. Access time and link count are not: reading changes nothing, and a new
//! link sets the ctime. The hash is the same on every run and in every version of this program, or an update would send
//! everything anew.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rustix::fs::Stat;

/// Times on common file systems are as coarse as this.
const RACY: Duration = Duration::from_secs(2);
/// A ctime further ahead of the clock is left by a clock that was set back: no second look soon will find it settled.
/// Less is a file server's clock, or a small step.
const SKEW_MAX: Duration = Duration::from_secs(60);

/// Whether the times of an object are old enough to tell a later change.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Age {
    /// They are.
    Settled,
    /// A later change could bear the same times; soon it could not any more.
    Young,
    /// The same, but for longer than waiting is worth.
    Ahead,
}

/// The moment from which ages count. Taken *before* the look, so that what changes during the look is young.
#[derive(Clone, Copy, Debug)]
pub(super) struct Moment {
    nanoseconds: i128,
}

impl Moment {
    /// That instant.
    pub(super) fn of(now: SystemTime) -> Moment {
        let nanoseconds = match now.duration_since(UNIX_EPOCH) {
            Ok(since) => since.as_nanos() as i128,
            Err(before) => -(before.duration().as_nanos() as i128),
        };
        Moment { nanoseconds }
    }

    /// How old what was looked at is by its times.
    ///
    /// The ctime decides. The mtime counts only close to the moment, for file systems without a true ctime: users set it
    /// to any time, and a file of next year must not be looked at again until then.
    #[allow(clippy::unnecessary_cast)] // the integer types of `Stat` differ between architectures
    pub(super) fn age(self, stat: &Stat) -> Age {
        let racy = RACY.as_nanos() as i128;
        let changed = at(stat.st_ctime as i64, stat.st_ctime_nsec as u32) - self.nanoseconds;
        let modified = at(stat.st_mtime as i64, stat.st_mtime_nsec as u32) - self.nanoseconds;
        if changed > SKEW_MAX.as_nanos() as i128 {
            Age::Ahead
        } else if changed >= -racy || modified.abs() <= racy {
            Age::Young
        } else {
            Age::Settled
        }
    }
}

fn at(seconds: i64, nanoseconds: u32) -> i128 {
    i128::from(seconds) * 1_000_000_000 + i128::from(nanoseconds)
}

/// The signature of anything but a directory, or of a directory that is looked at from outside only.
pub(super) fn of_object(stat: &Stat) -> u64 {
    digest(stat, true)
}

/// The signature of a directory's own facts. Its size is left out: it says nothing that its times do not, and on some
/// file systems it shrinks by itself.
pub(super) fn of_directory(stat: &Stat) -> u64 {
    digest(stat, false)
}

/// One block of blake3: 60 bytes.
#[allow(clippy::unnecessary_cast)] // as above
fn digest(stat: &Stat, sized: bool) -> u64 {
    let mut facts = [0; 60];
    let (size, device) = if sized {
        (stat.st_size as u64, stat.st_rdev as u64)
    } else {
        (0, 0)
    };
    let wide = [
        stat.st_ino as u64,
        stat.st_mtime as u64,
        stat.st_ctime as u64,
        size,
        device,
    ];
    let narrow = [
        stat.st_mode as u32,
        stat.st_uid as u32,
        stat.st_gid as u32,
        stat.st_mtime_nsec as u32,
        stat.st_ctime_nsec as u32,
    ];
    for (place, fact) in facts.chunks_exact_mut(8).zip(wide) {
        place.copy_from_slice(&fact.to_le_bytes());
    }
    for (place, fact) in facts[40..].chunks_exact_mut(4).zip(narrow) {
        place.copy_from_slice(&fact.to_le_bytes());
    }
    let hash = blake3::hash(&facts);
    u64::from_le_bytes(std::array::from_fn(|at| hash.as_bytes()[at]))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stat() -> Stat {
        let mut stat = rustix::fs::stat("/").unwrap();
        (stat.st_ctime, stat.st_ctime_nsec) = (1_000_000, 5);
        (stat.st_mtime, stat.st_mtime_nsec) = (500_000, 7);
        stat
    }

    fn moment(seconds: u64) -> Moment {
        Moment::of(UNIX_EPOCH + Duration::from_secs(seconds))
    }

    #[test]
    fn ages() {
        let stat = stat();
        assert_eq!(moment(1_000_003).age(&stat), Age::Settled);
        assert_eq!(moment(1_000_002).age(&stat), Age::Young);
        assert_eq!(moment(999_990).age(&stat), Age::Young);
        assert_eq!(moment(900_000).age(&stat), Age::Ahead);
        let mut touched = stat;
        touched.st_mtime = 2_000_001;
        assert_eq!(moment(2_000_000).age(&touched), Age::Young);
        assert_eq!(
            moment(1_500_000).age(&touched),
            Age::Settled,
            "a time that a user set"
        );
    }

    #[test]
    fn every_fact_counts() {
        let first = stat();
        let changes: [fn(&mut Stat); 10] = [
            |s| s.st_mode ^= 1,
            |s| s.st_uid += 1,
            |s| s.st_gid += 1,
            |s| s.st_ino += 1,
            |s| s.st_mtime += 1,
            |s| s.st_mtime_nsec += 1,
            |s| s.st_ctime += 1,
            |s| s.st_ctime_nsec += 1,
            |s| s.st_size += 1,
            |s| s.st_rdev += 1,
        ];
        for (at, change) in changes.iter().enumerate() {
            let mut other = first;
            change(&mut other);
            assert_ne!(of_object(&first), of_object(&other), "{at}");
            assert_eq!(of_directory(&first) != of_directory(&other), at < 8, "{at}");
        }
        let mut read = first;
        (read.st_atime, read.st_nlink) = (1, 99);
        assert_eq!(of_object(&first), of_object(&read));
    }
}
