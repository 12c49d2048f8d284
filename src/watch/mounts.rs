//! Mount points below the root: what is mounted over a watched directory hides it without any event.

use std::collections::BTreeSet;
use std::path::Path;

use crate::engine::RelPath;
use crate::host;

/// The mounts below a root, each by its place and the kernel's number.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Mounts(BTreeSet<(RelPath, u64)>);

impl Mounts {
    /// The mounts below `root` now; none where they cannot be told.
    pub(crate) fn below(root: &Path) -> Mounts {
        Mounts(host::below(&host::mounts(), root).into_iter().collect())
    }

    /// The places where something was mounted or unmounted since `earlier`, outer ones first.
    pub(crate) fn changed_since(&self, earlier: &Mounts) -> BTreeSet<RelPath> {
        self.0
            .symmetric_difference(&earlier.0)
            .map(|(path, _)| path.clone())
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_mount_on_the_same_place_is_a_change() {
        let mounts = |number| Mounts([(RelPath::new(b"a b").unwrap(), number)].into());
        assert_eq!(mounts(2).changed_since(&mounts(1)).len(), 1);
        assert!(mounts(1).changed_since(&mounts(1)).is_empty());
        assert_eq!(Mounts::default().changed_since(&mounts(1)).len(), 1);
    }
}
