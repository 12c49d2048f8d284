//! Seeded work of every kind on one source: a history of plain operations, swaps, and programs, in any order.

use std::path::Path;

use super::churn::Churn;
use super::programs::{Kit, Programs};
use super::swaps::Swaps;

/// A history under way, below `root/churn`, `root/swaps` and `root/programs`.
pub struct Work<'a> {
    random: fastrand::Rng,
    churn: Churn,
    swaps: Swaps,
    programs: Programs<'a>,
}

impl<'a> Work<'a> {
    /// A history. What is moved out of the source goes to `outside`, on the same file system.
    pub fn new(root: &Path, outside: &Path, kit: &'a Kit, seed: u64) -> Work<'a> {
        Work {
            random: fastrand::Rng::with_seed(seed.wrapping_mul(17)),
            churn: Churn::new(root, seed),
            swaps: Swaps::new(root, outside, seed),
            programs: Programs::new(root, kit, seed),
        }
    }

    /// Without changes that neither size nor time tells: where everything that was known may be lost, only a comparison
    /// by content would find them.
    pub fn told(mut self) -> Work<'a> {
        self.swaps = self.swaps.told();
        self.programs = self.programs.told();
        self
    }

    /// One operation.
    pub fn step(&mut self) {
        match self.random.u32(..10) {
            0..5 => self.churn.step(),
            5..8 => self.swaps.step(),
            _ => self.programs.step(),
        }
    }
}
