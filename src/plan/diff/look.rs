//! What of a source is to be looked at again.

use std::collections::BTreeSet;

use serde::Serialize;

use crate::filter::{FilterSpec, Rule, reach};

/// More subtrees than these are not worth telling apart: everything is looked at.
const SUBTREES_MAX: usize = 1000;

/// The part of a source that is to be looked at again.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Look {
    /// None of it.
    #[default]
    Nothing,
    /// These paths and what is below them: relative to the root, none of them below another.
    Below(BTreeSet<String>),
    /// All of it.
    Everything,
}

impl Look {
    /// Both.
    #[must_use]
    pub fn join(self, other: Look) -> Look {
        match (self, other) {
            (Look::Everything, _) | (_, Look::Everything) => Look::Everything,
            (Look::Nothing, look) | (look, Look::Nothing) => look,
            (Look::Below(one), Look::Below(other)) => below(one.into_iter().chain(other)),
        }
    }

    /// What comes in where the second filter takes the place of the first; what goes out is not looked at.
    pub(super) fn widened(old: &FilterSpec, new: &FilterSpec) -> Look {
        let everything = |rule: &Rule| rule.pattern == "**";
        // Where everything was included, another include adds nothing.
        let included = if old.include.iter().any(everything) {
            Vec::new()
        } else {
            missing(&new.include, &old.include)
        };
        let admitted = missing(&old.exclude, &new.exclude);
        included
            .into_iter()
            .chain(admitted)
            .map(|rule| reach(&rule.pattern).map_or(Look::Everything, below))
            .fold(Look::Nothing, Look::join)
    }
}

/// The rules that are in the first, and not in the second.
pub(super) fn missing<'a>(of: &'a [Rule], from: &[Rule]) -> Vec<&'a Rule> {
    let known: BTreeSet<&str> = from.iter().map(|rule| rule.pattern.as_str()).collect();
    of.iter()
        .filter(|rule| !known.contains(rule.pattern.as_str()))
        .collect()
}

/// Without what lies below another.
fn below(paths: impl IntoIterator<Item = String>) -> Look {
    let all: BTreeSet<String> = paths.into_iter().collect();
    let above = |path: &str| {
        path.match_indices('/')
            .any(|(end, _)| all.contains(&path[..end]))
    };
    let top: BTreeSet<String> = all.iter().filter(|path| !above(path)).cloned().collect();
    match top.len() {
        0 => Look::Nothing,
        1..=SUBTREES_MAX => Look::Below(top),
        _ => Look::Everything,
    }
}
