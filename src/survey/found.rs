//! What a survey has found so far: marks and young directories, both bounded.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::engine::{Dirt, Mark, RelPath, Surveyed};

/// Beyond so many marks a full pass is cheaper than the list: rsync takes as long for ten thousand listed paths as for
/// a pass over a hundred thousand, and each costs every route some hundred bytes until it is delivered.
const MARKS_MAX: usize = 100_000;
/// More young directories than anybody looks at one by one. What is left out keeps a row that equals nothing, so that
/// the next comparison sends it once more: work, never a change that is missed.
pub const YOUNG_MAX: usize = 25_000;

/// What a survey has found so far.
#[derive(Debug, Default)]
pub(super) struct Found(Mutex<Findings>);

#[derive(Debug, Default)]
struct Findings {
    marks: Vec<Mark>,
    young: Vec<RelPath>,
    everything: bool,
}

impl Found {
    /// One more mark.
    pub(super) fn mark(&self, path: RelPath, dirt: Dirt) {
        let mut found = self.lock();
        if path.is_root() && dirt.has(Dirt::SUBTREE) || found.marks.len() >= MARKS_MAX {
            found.everything = true;
            found.marks = Vec::new();
        }
        if !found.everything {
            found.marks.push(Mark { path, dirt });
        }
    }

    /// This directory is to be looked at again.
    pub(super) fn young(&self, path: RelPath) {
        let mut found = self.lock();
        if found.young.len() < YOUNG_MAX {
            found.young.push(path);
        }
    }

    /// Each path once, in their order.
    pub(super) fn end(self) -> Surveyed {
        let found = self.0.into_inner().unwrap_or_else(PoisonError::into_inner);
        if found.everything {
            return Surveyed::Everything;
        }
        let mut marks = BTreeMap::<RelPath, Dirt>::new();
        for mark in found.marks {
            *marks.entry(mark.path).or_default() |= mark.dirt;
        }
        let mut young = found.young;
        young.sort_unstable();
        young.dedup();
        let marks = marks.into_iter();
        Surveyed::Done {
            marks: marks.map(|(path, dirt)| Mark { path, dirt }).collect(),
            young,
        }
    }

    fn lock(&self) -> MutexGuard<'_, Findings> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn p(number: usize) -> RelPath {
        RelPath::new(number.to_string().as_bytes()).unwrap()
    }

    #[test]
    fn each_path_is_told_once() {
        let found = Found::default();
        found.mark(p(2), Dirt::CONTENT);
        found.mark(p(1), Dirt::LISTING);
        found.mark(p(2), Dirt::GONE);
        found.young(p(3));
        found.young(p(3));
        let mark = |number, dirt| Mark {
            path: p(number),
            dirt,
        };
        let wanted = Surveyed::Done {
            marks: vec![mark(1, Dirt::LISTING), mark(2, Dirt::CONTENT | Dirt::GONE)],
            young: vec![p(3)],
        };
        assert_eq!(found.end(), wanted);
    }

    #[test]
    fn more_than_a_list_is_good_for_is_everything() {
        let found = Found::default();
        (0..MARKS_MAX).for_each(|number| found.mark(p(number), Dirt::CONTENT));
        assert_eq!(found.lock().marks.len(), MARKS_MAX);
        found.mark(p(MARKS_MAX), Dirt::CONTENT);
        assert!(found.lock().marks.is_empty());
        found.mark(p(0), Dirt::CONTENT);
        assert!(found.lock().marks.is_empty());
        assert_eq!(found.end(), Surveyed::Everything);
        let found = Found::default();
        found.mark(RelPath::root(), Dirt::SUBTREE | Dirt::CONTENT);
        assert_eq!(found.end(), Surveyed::Everything);
    }

    #[test]
    fn the_young_are_bounded() {
        let found = Found::default();
        (0..YOUNG_MAX + 5).for_each(|number| found.young(p(number)));
        assert!(matches!(found.end(), Surveyed::Done { young, .. } if young.len() == YOUNG_MAX));
    }
}
