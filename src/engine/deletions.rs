//! A set of paths that would be deleted, in eight bytes a path: what is asked of it is how many, whether one is among them, and
//! what the first are called. A far side names as many as it likes, and by long names.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::{DeletePlan, RelPath};

/// Names that are kept: more than are shown, for some may be taken out again.
const FIRST_MAX: usize = 10 * DeletePlan::SAMPLE_MAX;

/// Paths that would be deleted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Deletions {
    /// A 64-bit hash of each path; shared with the plan that is made of it.
    hashes: Arc<Vec<u64>>,
    /// The first of them, in order.
    first: BTreeSet<RelPath>,
}

impl Deletions {
    /// These.
    pub fn of<'a>(paths: impl IntoIterator<Item = &'a RelPath>) -> Deletions {
        let mut all = Deletions::default();
        paths.into_iter().for_each(|path| all.add(path));
        all.settle();
        all
    }

    /// This one, too. Afterwards it is to be [settled](Deletions::settle).
    pub fn add(&mut self, path: &RelPath) {
        Arc::make_mut(&mut self.hashes).push(hash(path));
        if self.first.len() < FIRST_MAX || self.first.last().is_some_and(|last| path < last) {
            self.first.insert(path.clone());
        }
        if self.first.len() > FIRST_MAX {
            self.first.pop_last();
        }
    }

    /// Those of another set, too. Afterwards it is to be settled.
    pub fn join(&mut self, other: &Deletions) {
        Arc::make_mut(&mut self.hashes).extend_from_slice(&other.hashes);
        self.first.extend(other.first.iter().cloned());
        while self.first.len() > FIRST_MAX {
            self.first.pop_last();
        }
    }

    /// Each once, in order.
    pub fn settle(&mut self) {
        let hashes = Arc::make_mut(&mut self.hashes);
        hashes.sort_unstable();
        hashes.dedup();
    }

    /// All but these; settled.
    pub fn without<'a>(mut self, paths: impl IntoIterator<Item = &'a RelPath>) -> Deletions {
        self.settle();
        let mut out: Vec<u64> = Vec::new();
        for path in paths {
            out.push(hash(path));
            self.first.remove(path);
        }
        if !out.is_empty() {
            out.sort_unstable();
            Arc::make_mut(&mut self.hashes).retain(|hash| out.binary_search(hash).is_err());
        }
        self
    }

    /// How many.
    pub fn len(&self) -> usize {
        self.hashes.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.hashes.is_empty()
    }

    /// How many are not in this plan.
    pub fn beyond(&self, plan: Option<&DeletePlan>) -> u64 {
        let hashes = self.hashes.iter();
        hashes
            .filter(|hash| plan.is_none_or(|plan| plan.hashes.binary_search(hash).is_err()))
            .count() as u64
    }

    /// The plan that deletes them from the target of `route`, which has `of` entries.
    pub fn plan(&self, route: &str, of: u64) -> DeletePlan {
        let mut hasher = blake3::Hasher::new();
        hasher.update(route.as_bytes());
        for hash in self.hashes.iter() {
            hasher.update(&hash.to_le_bytes());
        }
        let sample = self.first.iter().take(DeletePlan::SAMPLE_MAX);
        DeletePlan {
            id: hasher.finalize().to_hex()[..8].to_string(),
            count: self.hashes.len() as u64,
            of,
            sample: sample.cloned().collect(),
            hashes: Arc::clone(&self.hashes),
        }
    }
}

fn hash(path: &RelPath) -> u64 {
    let hash = blake3::hash(path.as_bytes());
    u64::from_le_bytes(hash.as_bytes()[..8].try_into().expect("32 bytes"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path(at: usize) -> RelPath {
        RelPath::new(format!("d/{at:06}").as_bytes()).unwrap()
    }

    #[test]
    fn a_set_is_the_same_however_it_was_gathered() {
        let paths: Vec<RelPath> = (0..1000).map(path).collect();
        let whole = Deletions::of(&paths);
        let (mut some, rest) = (
            Deletions::of(paths[300..].iter().rev()),
            Deletions::of(&paths[..500]),
        );
        some.join(&rest);
        some.settle();
        assert_eq!(some, whole);
        let plan = whole.plan("a/b", 2000);
        assert_eq!((plan.count, plan.of), (1000, 2000));
        assert_eq!(plan.sample, paths[..DeletePlan::SAMPLE_MAX]);
        assert_eq!(plan.id, some.plan("a/b", 1).id);
        assert_ne!(plan.id, whole.plan("a/c", 2000).id);
        let fewer = whole.clone().without(&paths[..10]);
        assert_ne!(fewer.plan("a/b", 2000).id, plan.id);
        assert_eq!((fewer.len(), fewer.beyond(Some(&plan))), (990, 0));
        assert_eq!(whole.beyond(Some(&fewer.plan("a/b", 1))), 10);
        assert_eq!(whole.beyond(None), 1000);
        assert_eq!(fewer.plan("a/b", 1).sample[0], paths[10]);
    }
}
