//! One changed key, and how changes are gathered.

use std::collections::BTreeSet;

use serde::Serialize;

use super::Class;

/// A key of the manifest whose value changed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Change {
    /// As it is written in a manifest, from the source or the target on: `debounce.quiet`.
    pub key: &'static str,
    /// What this change alone amounts to.
    pub class: Class,
    /// How it changed.
    #[serde(flatten)]
    pub what: What,
}

/// How a value changed; values as they are written in a manifest.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase", untagged)]
pub enum What {
    /// One value took another's place; `None`: there is none.
    Value {
        /// In the old plan.
        before: Option<String>,
        /// In the new one.
        after: Option<String>,
    },
    /// Of a list whose order means nothing.
    List {
        /// In the new plan only, in its order.
        added: Vec<String>,
        /// In the old plan only, in its order.
        removed: Vec<String>,
    },
}

/// The changes of one source or route.
#[derive(Debug, Default)]
pub(super) struct Changes(pub(super) Vec<Change>);

impl Changes {
    /// Compares a value that is always there.
    pub(super) fn value<T: PartialEq>(
        &mut self,
        (key, class): (&'static str, Class),
        (old, new): (&T, &T),
        written: impl Fn(&T) -> String,
    ) {
        self.optional((key, class), (old, new), |value| Some(written(value)));
    }

    /// Compares a value that may be missing.
    pub(super) fn optional<T: PartialEq>(
        &mut self,
        (key, class): (&'static str, Class),
        (old, new): (&T, &T),
        written: impl Fn(&T) -> Option<String>,
    ) {
        if old != new {
            self.0.push(Change {
                key,
                class,
                what: What::Value {
                    before: written(old),
                    after: written(new),
                },
            });
        }
    }

    /// Compares a list whose order means nothing: another order, or an item twice, is no change.
    pub(super) fn list<T>(
        &mut self,
        (key, class): (&'static str, Class),
        (old, new): (&[T], &[T]),
        written: impl Fn(&T) -> String,
    ) {
        let (old, new): (Vec<String>, Vec<String>) = (
            old.iter().map(&written).collect(),
            new.iter().map(&written).collect(),
        );
        let only = |these: &[String], others: &[String]| -> Vec<String> {
            let others: BTreeSet<&String> = others.iter().collect();
            let these = these.iter().filter(|item| !others.contains(item));
            these.cloned().collect()
        };
        let (added, removed) = (only(&new, &old), only(&old, &new));
        if !added.is_empty() || !removed.is_empty() {
            self.0.push(Change {
                key,
                class,
                what: What::List { added, removed },
            });
        }
    }

    /// The highest class among them.
    pub(super) fn class(&self) -> Class {
        self.0
            .iter()
            .map(|change| change.class)
            .max()
            .unwrap_or(Class::Keep)
    }
}
