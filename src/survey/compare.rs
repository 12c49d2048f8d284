//! What differs between a directory and its row, name by name.
//!
//! Any difference of what is no directory is `CONTENT`: a rewrite of the same size whose time was set back differs from
//! a mere `chmod` in nothing. `GONE` is only said of what was seen to go or to be replaced: never of what cannot be
//! looked at, and never where a mount came or went, for what a mount hides is still there.

use std::cmp::Ordering;

use super::listing::Listing;
use super::row::{Facts, Kind, Own, Row};
use crate::engine::Dirt;

/// One difference.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Difference<'a> {
    /// Of which name.
    pub(super) name: &'a [u8],
    /// What is wrong with it.
    pub(super) dirt: Dirt,
    /// The row had a directory there, whose own rows and those below mean nothing any more.
    pub(super) rows_go: bool,
}

/// What is wrong with the directory itself: `None` where it is another directory, nothing of whose row counts.
pub(super) fn own(before: Own, now: Own) -> Option<Dirt> {
    if before.inode != now.inode || before.facts.foreign != now.facts.foreign {
        None
    } else if before.facts.proves(now.facts) {
        Some(Dirt::none())
    } else {
        Some(Dirt::LISTING | Dirt::ATTRIBUTES)
    }
}

/// Another directory stands where the row's was.
pub(super) fn replaced(before: Own, now: Own) -> Dirt {
    let all = Dirt::SUBTREE | Dirt::CONTENT;
    if before.facts.foreign == now.facts.foreign {
        all | Dirt::GONE
    } else {
        all
    }
}

/// Tells every difference, in the order of names, and notes in the listing which directories are still the ones that the
/// row knows.
pub(super) fn names(before: &Row, now: &mut Listing, mut tell: impl FnMut(Difference)) {
    let mut old = before.entries();
    let mut was = old.read();
    let mut at = 0;
    loop {
        let entry = now.entries.get(at).copied();
        let order = match (&was, &entry) {
            (None, None) => return,
            (None, Some(_)) => Ordering::Greater,
            (Some(_), None) => Ordering::Less,
            (Some(_), Some(entry)) => (*old.name).cmp(now.name(entry)),
        };
        let facts = entry.map(|entry| entry.facts);
        let (before, after) = match order {
            Ordering::Less => (was, None),
            Ordering::Equal => (was, facts),
            Ordering::Greater => (None, facts),
        };
        let found = difference(before, after);
        if let Some((dirt, rows_go)) = found {
            let name = match entry {
                Some(entry) if order != Ordering::Less => now.name(&entry),
                _ => &*old.name,
            };
            tell(Difference {
                name,
                dirt,
                rows_go,
            });
        }
        if order != Ordering::Less {
            if let Some(entry) = now.entries.get_mut(at) {
                entry.known = before.is_some() && found.is_none();
            }
            at += 1;
        }
        if order != Ordering::Greater {
            was = old.read();
        }
    }
}

/// What is wrong with a name that was the one and is the other, and whether rows below it go.
fn difference(before: Option<Facts>, now: Option<Facts>) -> Option<(Dirt, bool)> {
    let whole = Dirt::SUBTREE | Dirt::CONTENT;
    let was_directory = before.is_some_and(|before| before.kind == Kind::Directory);
    let (before, now) = match (before, now) {
        (None, None) => return None,
        (Some(_), None) => return Some((Dirt::GONE | Dirt::CONTENT, was_directory)),
        (None, Some(now)) => {
            let is_leaf = !matches!(now.kind, Kind::Directory | Kind::MountPoint | Kind::Unknown);
            return Some((if is_leaf { Dirt::CONTENT } else { whole }, false));
        }
        (Some(before), Some(now)) => (before, now),
    };
    if before.proves(now) {
        return None;
    }
    let dirt = match (before.kind, now.kind) {
        (Kind::Unknown, Kind::Directory | Kind::MountPoint) | (_, Kind::Unknown) => whole,
        (Kind::Unknown, _) => Dirt::CONTENT,
        (Kind::Directory, Kind::Directory) => {
            let seen = before.signature.is_some() && now.signature.is_some();
            if seen && before.foreign == now.foreign {
                whole | Dirt::GONE
            } else {
                whole
            }
        }
        // Of what is not entered nothing but the attributes is sent.
        (Kind::MountPoint, Kind::MountPoint) => Dirt::ATTRIBUTES,
        (Kind::Directory, Kind::MountPoint) | (Kind::MountPoint, Kind::Directory) => whole,
        (_, Kind::Directory | Kind::MountPoint) => whole | Dirt::GONE,
        (one, other) if one == other => Dirt::CONTENT,
        _ => Dirt::CONTENT | Dirt::GONE,
    };
    Some((dirt, was_directory))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn facts(kind: Kind, signature: u64) -> Option<Facts> {
        Some(Facts {
            kind,
            foreign: false,
            signature: Some(signature),
        })
    }

    fn dirt(before: Option<Facts>, now: Option<Facts>) -> String {
        difference(before, now).map_or("same".into(), |(dirt, rows_go)| {
            format!("{dirt}{}", if rows_go { ", rows go" } else { "" })
        })
    }

    #[test]
    fn every_difference_has_its_marks() {
        use Kind::{Directory, File, MountPoint, Symlink, Unknown};
        let foreign = |facts: Option<Facts>| {
            facts.map(|facts| Facts {
                foreign: true,
                ..facts
            })
        };
        let void = |facts: Option<Facts>| {
            facts.map(|facts| Facts {
                signature: None,
                ..facts
            })
        };
        let (file, directory) = (facts(File, 1), facts(Directory, 1));
        let mount = facts(MountPoint, 1);
        let cases = [
            (file, file, "same"),
            (file, facts(File, 2), "content"),
            (file, void(file), "content"),
            (void(file), void(file), "content"),
            (None, file, "content"),
            (file, None, "content+gone"),
            (file, facts(Symlink, 1), "content+gone"),
            (file, directory, "content+subtree+gone"),
            (directory, directory, "same"),
            (
                directory,
                facts(Directory, 2),
                "content+subtree+gone, rows go",
            ),
            (directory, void(directory), "content+subtree, rows go"),
            (directory, None, "content+gone, rows go"),
            (directory, file, "content+gone, rows go"),
            (None, directory, "content+subtree"),
            (directory, foreign(directory), "content+subtree, rows go"),
            (
                foreign(directory),
                facts(Directory, 2),
                "content+subtree, rows go",
            ),
            (
                directory,
                void(facts(Unknown, 0)),
                "content+subtree, rows go",
            ),
            (directory, mount, "content+subtree, rows go"),
            (mount, directory, "content+subtree"),
            (mount, facts(MountPoint, 2), "attributes"),
            (mount, None, "content+gone"),
            (None, mount, "content+subtree"),
            (void(facts(Unknown, 0)), file, "content"),
            (void(facts(Unknown, 0)), directory, "content+subtree"),
        ];
        for (before, now, wanted) in cases {
            assert_eq!(dirt(before, now), wanted, "{before:?} {now:?}");
        }
    }
}
