//! One route, looked at closely: its plan, and what the picture has no room for.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;

use super::change_set::Pending;
use super::core::Engine;
use super::{Dirt, Now, RelPath};
use crate::plan::{RouteName, RoutePlan, SourcePlan};

/// Pending paths in one answer: enough to see what kind they are.
pub const PENDING_MAX: usize = 100;

/// One route, looked at closely.
#[derive(Clone, Debug, PartialEq)]
pub struct Detail {
    /// Its source's plan.
    pub source: Arc<SourcePlan>,
    /// Its own.
    pub route: Arc<RoutePlan>,
    /// Since when the source is watched, or is not there.
    pub source_since: Option<Timestamp>,
    /// Whether what the target has was compared since the start.
    pub compared: bool,
    /// Since when it has failed as a whole, and how often.
    pub failed: Option<(Timestamp, u32)>,
    /// Why the transfer that runs was made, and how long it has run.
    pub running: Option<(String, Duration)>,
    /// Pending paths, those under way first, at most [`PENDING_MAX`].
    pub pending: Vec<PendingPath>,
}

/// A path that is not on the target.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PendingPath {
    /// Which, escaped; `.` is the whole source.
    pub path: String,
    /// What may differ.
    pub what: String,
    /// Why it is not there yet.
    pub why: &'static str,
    /// The age of its oldest change.
    pub age: Duration,
}

impl Engine {
    /// One route, looked at closely; `None`: there is none of this name.
    pub(super) fn detail(&self, name: &RouteName, now: Now) -> Option<Detail> {
        let route = self.routes.get(name)?;
        let source = self.sources.get(&name.source)?;
        let running = route.running.iter();
        let sent = running.flat_map(|running| &running.load.marks);
        let held = route.held.iter().flat_map(|held| &held.load.marks);
        let all = sent
            .map(|mark| (mark, "is being sent"))
            .chain(held.map(|mark| (mark, "is held with the rest")))
            .chain(route.pending.iter().map(|mark| (mark, "waits to be sent")))
            .chain(
                route
                    .filling
                    .iter()
                    .map(|mark| (mark, "came into the filter")),
            );
        let pending = all
            .take(PENDING_MAX)
            .map(|((path, pending), why)| pending_path(path, *pending, why, now));
        Some(Detail {
            source: Arc::clone(&route.source),
            route: Arc::clone(&route.plan),
            source_since: source.since,
            compared: route.compared,
            failed: route
                .backoff
                .as_ref()
                .map(|backoff| (backoff.since, backoff.tries)),
            running: route.running.as_ref().map(|running| {
                let lasts = now.mono.saturating_sub(running.started);
                (running.trigger.to_owned(), lasts)
            }),
            pending: pending.collect(),
        })
    }
}

fn pending_path(path: &RelPath, pending: Pending, why: &'static str, now: Now) -> PendingPath {
    PendingPath {
        path: path.to_string(),
        what: what(pending.dirt),
        why,
        age: now.mono.saturating_sub(pending.since.at),
    }
}

/// The marks in words.
fn what(dirt: Dirt) -> String {
    const WORDS: [(Dirt, &str); 6] = [
        (Dirt::GONE, "gone"),
        (Dirt::SUBTREE, "everything below"),
        (Dirt::FILL, "everything below"),
        (Dirt::LISTING, "names in it"),
        (Dirt::CONTENT, "content"),
        (Dirt::ATTRIBUTES, "attributes"),
    ];
    let mut words: Vec<&str> = WORDS
        .into_iter()
        .filter_map(|(mark, word)| dirt.has(mark).then_some(word))
        .collect();
    words.dedup();
    words.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marks_are_told_in_words() {
        assert_eq!(
            what(Dirt::CONTENT | Dirt::ATTRIBUTES),
            "content, attributes"
        );
        assert_eq!(what(Dirt::GONE | Dirt::LISTING), "gone, names in it");
        assert_eq!(what(Dirt::SUBTREE | Dirt::FILL), "everything below");
        assert_eq!(what(Dirt::none()), "");
    }
}
