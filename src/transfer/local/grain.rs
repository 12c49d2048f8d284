//! File systems that keep coarser times than the source's: ext3 and ext4 with small inodes whole seconds, FAT two,
//! exFAT ten milliseconds, NTFS and SMB a hundred nanoseconds.
//!
//! Without this every file there would differ for ever, and be sent anew by every pass.

use std::os::fd::AsFd;

use super::attributes;
use super::meta::{Meta, Time};
use super::place::{PRIVATE, Temporary};
use super::session::Session;
use super::tree::Dir;

/// How coarse a file system's times are, in nanoseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Grain(i128);

const SECOND: i128 = 1_000_000_000;

/// The grains that file systems are known to have, finest first.
const GRAINS: [i128; 7] = [1, 100, 1_000, 1_000_000, 10_000_000, SECOND, 2 * SECOND];

/// A time that no grain but the finest keeps: an odd second, and nines.
const PROBE: Time = (1_000_000_001, 999_999_999);

fn nanoseconds((seconds, nanoseconds): Time) -> i128 {
    i128::from(seconds) * SECOND + i128::from(nanoseconds)
}

impl Grain {
    /// What a file system is that kept `kept` of [`PROBE`].
    fn of(kept: Time) -> Grain {
        let (probe, kept) = (nanoseconds(PROBE), nanoseconds(kept));
        let grain = GRAINS
            .into_iter()
            .find(|grain| probe.div_euclid(*grain) * grain == kept);
        Grain(grain.unwrap_or(1))
    }

    /// Whether `kept` is what the file system makes of `time`.
    fn keeps(self, time: Time, kept: Time) -> bool {
        let Grain(grain) = self;
        nanoseconds(time).div_euclid(grain) * grain == nanoseconds(kept)
    }
}

impl Session<'_> {
    /// Puts the source's time in place of the target's where the target's file system can keep no better one.
    ///
    /// It is asked (by a file that is made for it) only once a pair of times looks like that: on an ordinary file
    /// system that is one changed file in a hundred, in the first run that meets one.
    pub(super) fn level_time(&self, dir: &Dir, source: &Meta, there: &mut Meta) {
        let apart = nanoseconds(source.mtime) - nanoseconds(there.mtime);
        if apart == 0 || !(0..2 * SECOND).contains(&apart) || !there.mtime.1.is_multiple_of(100) {
            return;
        }
        let grain = self.grain.get_or_init(|| probe(dir).unwrap_or(Grain(1)));
        if grain.keeps(source.mtime, there.mtime) {
            there.mtime = source.mtime;
        }
    }
}

fn probe(dir: &Dir) -> Option<Grain> {
    let (_temporary, fd) = Temporary::file(dir, PRIVATE).ok()?;
    attributes::set_time(fd.as_fd(), PROBE).ok()?;
    let stat = rustix::fs::fstat(&fd).ok()?;
    Some(Grain::of(Meta::of(&stat).mtime))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_grain_is_known_by_what_it_keeps() {
        assert_eq!(Grain::of(PROBE), Grain(1));
        assert_eq!(Grain::of((1_000_000_001, 999_999_900)), Grain(100));
        assert_eq!(Grain::of((1_000_000_001, 0)), Grain(SECOND));
        assert_eq!(Grain::of((1_000_000_000, 0)), Grain(2 * SECOND));
        // Nothing that is known: then nothing is taken for equal.
        assert_eq!(Grain::of((0, 0)), Grain(1));
    }

    #[test]
    fn only_what_a_grain_makes_of_a_time_is_that_time() {
        assert!(Grain(SECOND).keeps((5, 7), (5, 0)) && !Grain(SECOND).keeps((5, 7), (4, 0)));
        assert!(Grain(2 * SECOND).keeps((5, 7), (4, 0)));
        assert!(Grain(SECOND).keeps((-5, 7), (-5, 0)));
        assert!(!Grain(1).keeps((5, 7), (5, 0)) && Grain(1).keeps((5, 7), (5, 7)));
    }
}
