//! A difference told to people who decide on it: what changes, what that costs, and where deletions become possible.
//!
//! First the difference becomes [`items`] (a source or a route with rows of words), then a renderer lays them out: aligned
//! text, or Markdown for a pull request. What a disk has to say comes in as numbers ([`Measured`]). Pure; called by `diff`.

mod human;
mod items;
mod markdown;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use serde::Serialize;

use super::{Class, Plan, PlanDiff, RouteName, SourceName};

/// A difference of two plans on one host.
pub struct Review<'a> {
    /// The host's name; several where the same is to be said of each.
    pub hosts: &'a [String],
    /// What is compared with, in words.
    pub against: &'a str,
    /// The plan that is to be replaced.
    pub old: &'a Plan,
    /// The plan that is to take its place.
    pub new: &'a Plan,
    /// What differs between them.
    pub diff: &'a PlanDiff,
    /// Why a source came or went, where the manifests have it in both: it was suspended, or moved to other hosts.
    pub reasons: &'a BTreeMap<SourceName, String>,
    /// What was counted on the disk, if it was.
    pub measured: Option<&'a Measured>,
}

impl Review<'_> {
    /// Aligned text.
    pub fn human(&self) -> String {
        human::render(self)
    }

    /// Headings, an alert and tables, below a heading of the second level.
    pub fn markdown(&self) -> String {
        markdown::render(self)
    }

    /// `host web1`, or `3 hosts`, with their names.
    fn hosts(&self) -> String {
        match self.hosts {
            [host] => format!("host `{host}`"),
            hosts => format!("{} hosts: {}", hosts.len(), listed(hosts)),
        }
    }

    /// How many routes each class has; none for a class without one.
    fn counts(&self) -> Vec<(Class, usize)> {
        let count = |class: Class| {
            let routes = self.diff.routes();
            routes.filter(|(_, route)| route.class == class).count()
        };
        let counts = Class::ALL.into_iter().map(|class| (class, count(class)));
        counts.filter(|(_, count)| *count > 0).collect()
    }

    /// `2 of 7 routes change: 1 resync, 1 add`.
    fn head(&self) -> String {
        let all = self.diff.routes().count();
        let counts = self.counts();
        let changed = counts.iter().filter(|(class, _)| *class != Class::Keep);
        let words: Vec<String> = changed
            .clone()
            .map(|(class, count)| format!("{count} {}", class.word()))
            .collect();
        let changing: usize = changed.map(|(_, count)| count).sum();
        let routes = if all == 1 { "route" } else { "routes" };
        let verb = if changing == 1 { "changes" } else { "change" };
        match changing {
            _ if self.diff.is_empty() => "nothing changes".to_owned(),
            0 => format!("none of {all} {routes} changes"),
            _ => format!("{changing} of {all} {routes} {verb}: {}", words.join(", ")),
        }
    }
}

/// Names in backticks; of many a few, and how many more there are.
pub fn listed<T: AsRef<str>>(names: &[T]) -> String {
    const SHOWN: usize = 12;
    let first = names.iter().take(SHOWN);
    let first: Vec<String> = first.map(|name| format!("`{}`", name.as_ref())).collect();
    match names.len().saturating_sub(SHOWN) {
        0 => first.join(", "),
        more => format!("{} and {more} more", first.join(", ")),
    }
}

/// What was counted on a disk, of the sources that are there.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Measured {
    /// By source.
    pub sources: BTreeMap<SourceName, Watched>,
    /// What becomes dirty, by route; none for one that nothing becomes dirty for.
    pub routes: BTreeMap<RouteName, Tally>,
}

/// Directories that are watched.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Watched {
    /// Under the old plan; `None` where it has not this source, or its root is not there.
    pub before: Option<u64>,
    /// Under the new plan; `None` as above.
    pub after: Option<u64>,
    /// Directories that could not be read; what is in them is not counted.
    pub unread: u64,
}

/// Entries of a tree.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Tally {
    /// Files, directories, links and whatever else.
    pub entries: u64,
    /// The sizes of the regular files.
    pub bytes: u64,
}
