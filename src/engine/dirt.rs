//! What is known to be wrong with a path: the six marks and how they join.

use std::fmt;
use std::ops::{BitOr, BitOrAssign};

use serde::{Serialize, Serializer};

/// A set of marks on one path. Joining is union, so order, loss and duplication of events cannot matter.
///
/// - `ATTRIBUTES`: mode, owner, times or xattrs may differ; the quick check is enough.
/// - `CONTENT`: send without trusting size and time (a same-size, same-time rewrite is real).
/// - `SUBTREE`: a directory to reconcile recursively, deletions inside it included where the policy allows.
///   Without `CONTENT` the quick check is enough inside it; with it, nothing inside is trusted (a moved-in directory may
///   hold other files of the same size and time).
/// - `LISTING`: of a directory: names directly in it may differ on the target. It alone is reconciled, deletions included
///   where the policy allows, and not what is below it. What a survey finds where a directory has changed.
/// - `GONE`: it was *seen* to vanish or to be replaced as a whole: under `delete: propagate` what the target has there
///   may be deleted. It never forbids anything.
/// - `FILL`: everything at or below it may be missing on the target, and of itself that is no reason to delete anything
///   there: what came into a filter. No transfer sees it: it is sent as `SUBTREE` to a target that deletes nothing, and
///   joined with anything that may delete it is `SUBTREE`.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Dirt(u8);

impl Dirt {
    /// Mode, owner, times or xattrs may differ.
    pub const ATTRIBUTES: Dirt = Dirt(1);
    /// Content may differ although size and time are equal.
    pub const CONTENT: Dirt = Dirt(2);
    /// Everything below may differ.
    pub const SUBTREE: Dirt = Dirt(4);
    /// It was seen to vanish.
    pub const GONE: Dirt = Dirt(8);
    /// Names directly in it may differ.
    pub const LISTING: Dirt = Dirt(16);
    /// Everything at or below it may be missing.
    pub const FILL: Dirt = Dirt(32);

    /// No mark.
    pub const fn none() -> Dirt {
        Dirt(0)
    }

    /// As a number, for the ledger.
    pub const fn bits(self) -> u8 {
        self.0
    }

    /// What [`Dirt::bits`] gave; `None` where there is no such mark.
    pub const fn from_bits(bits: u8) -> Option<Dirt> {
        if bits < 64 { Some(Dirt(bits)) } else { None }
    }

    /// Both sets of marks.
    pub const fn with(self, other: Dirt) -> Dirt {
        Dirt(self.0 | other.0)
    }

    /// This set without the marks of `other`.
    pub const fn without(self, other: Dirt) -> Dirt {
        Dirt(self.0 & !other.0)
    }

    /// Whether every mark of `other` is in it.
    pub const fn has(self, other: Dirt) -> bool {
        self.0 & other.0 == other.0
    }

    /// Whether it is of a kind that nothing is deleted for.
    pub const fn only_fills(self) -> bool {
        self.without(Dirt::ATTRIBUTES).0 == Dirt::FILL.0
    }

    /// What a transfer is told: to fill is to reconcile.
    pub const fn as_sent(self) -> Dirt {
        match self.has(Dirt::FILL) {
            true => self.without(Dirt::FILL).with(Dirt::SUBTREE),
            false => self,
        }
    }

    /// Whether there is no mark.
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }
}

impl BitOr for Dirt {
    type Output = Dirt;
    fn bitor(self, other: Dirt) -> Dirt {
        self.with(other)
    }
}

impl BitOrAssign for Dirt {
    fn bitor_assign(&mut self, other: Dirt) {
        *self = self.with(other);
    }
}

impl fmt::Display for Dirt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = [
            (Dirt::ATTRIBUTES, "attributes"),
            (Dirt::CONTENT, "content"),
            (Dirt::SUBTREE, "subtree"),
            (Dirt::GONE, "gone"),
            (Dirt::LISTING, "listing"),
            (Dirt::FILL, "fill"),
        ];
        let mut first = true;
        for (mark, name) in names {
            if self.has(mark) {
                if !first {
                    f.write_str("+")?;
                }
                f.write_str(name)?;
                first = false;
            }
        }
        if first { f.write_str("clean") } else { Ok(()) }
    }
}

impl fmt::Debug for Dirt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

impl Serialize for Dirt {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// One dirty path.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Mark {
    /// Which path.
    pub path: super::RelPath,
    /// What is known to be wrong with it.
    pub dirt: Dirt,
}
