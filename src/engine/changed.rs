//! Which paths changed on a target, one by one as far as there is room.

use std::collections::BTreeSet;

use super::RelPath;

/// Paths that are kept. Who is told of more looks at everything sooner than at each of them.
const PATHS_MAX: usize = 10_000;
/// Their bytes.
const BYTES_MAX: usize = 2 << 20;

/// Paths that changed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Changed {
    paths: BTreeSet<RelPath>,
    bytes: usize,
    known: Known,
}

/// How much is known of what changed. From better to worse.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Known {
    /// Every path.
    #[default]
    Exact,
    /// There was no room for all of them, or a transfer broke off.
    Cut,
    /// It is not known what changed.
    Unknown,
}

impl Known {
    /// As hooks are told.
    pub fn word(self) -> &'static str {
        match self {
            Known::Exact => "exact",
            Known::Cut => "cut",
            Known::Unknown => "unknown",
        }
    }
}

impl Changed {
    /// Something may have changed, and it is not known what.
    pub fn unknown() -> Changed {
        Changed {
            known: Known::Unknown,
            ..Changed::default()
        }
    }

    /// This one, too.
    pub fn add(&mut self, path: &RelPath) {
        if self.paths.len() >= PATHS_MAX || self.bytes + path.as_bytes().len() > BYTES_MAX {
            self.known = self.known.max(Known::Cut);
        } else if self.paths.insert(path.clone()) {
            self.bytes += path.as_bytes().len();
        }
    }

    /// It did not.
    pub fn take_out(&mut self, path: &RelPath) {
        if self.paths.remove(path) {
            self.bytes -= path.as_bytes().len();
        }
    }

    /// No more than this is known.
    pub fn at_most(&mut self, known: Known) {
        self.known = self.known.max(known);
    }

    /// What another transfer has changed.
    pub fn join(&mut self, other: Changed) {
        self.known = self.known.max(other.known);
        for path in &other.paths {
            self.add(path);
        }
    }

    /// Whether nothing has changed.
    pub fn is_nothing(&self) -> bool {
        self.paths.is_empty() && self.known == Known::Exact
    }

    /// How much is known.
    pub fn known(&self) -> Known {
        self.known
    }

    /// Those that are known, sorted.
    pub fn paths(&self) -> impl ExactSizeIterator<Item = &RelPath> {
        self.paths.iter()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path(at: usize, long: usize) -> RelPath {
        RelPath::new(format!("{at}-{}", "x".repeat(long)).as_bytes()).unwrap()
    }

    #[test]
    fn it_is_bounded_and_says_so() {
        for long in [1, 250, 3000] {
            let mut changed = Changed::default();
            for at in 0..PATHS_MAX / 20 {
                changed.add(&path(at, long));
                changed.add(&path(at, long));
            }
            assert_eq!(changed.known(), Known::Exact, "{long}");
            assert_eq!(changed.paths().len(), PATHS_MAX / 20);
            for at in 0..PATHS_MAX * 2 {
                changed.add(&path(at, long));
            }
            assert_eq!(changed.known(), Known::Cut);
            assert!(changed.paths().len() <= PATHS_MAX && changed.bytes <= BYTES_MAX);
        }
    }

    #[test]
    fn what_is_joined_is_known_as_badly_as_the_worse() {
        let mut changed = Changed::default();
        assert!(changed.is_nothing());
        changed.add(&path(1, 1));
        changed.join(Changed::unknown());
        let mut other = Changed::default();
        other.add(&path(2, 1));
        changed.join(other);
        assert_eq!(
            (changed.paths().len(), changed.known()),
            (2, Known::Unknown)
        );
        changed.take_out(&path(1, 1));
        assert_eq!(changed.paths().next(), Some(&path(2, 1)));
        assert!(!Changed::unknown().is_nothing());
    }
}
