//! What differs between two plans, and what taking the second over costs: the classes of reload, as data.
//!
//! [`diff`] holds the sources and routes of two plans against each other by their names. Every source and every route of
//! either plan is in the result exactly once, with a [`Class`], the keys that changed, what of the source must be looked
//! at again ([`Look`]) and how deletions become possible that were not before ([`DeleteRisk`]). Start-up is the
//! difference from the empty plan. Pure, and exhaustive by construction: [`source`] and [`route`] take the plan's structs
//! apart field by field, so that a new field does not compile before it has a class.
//!
//! Called by the engine, which carries the classes out, and by `diff`, which tells them.
//!
//! The order of patterns, events and windows means nothing, and so is no change: [`PlanDiff::is_empty`] exactly where the
//! [`digest`](super::digest) of both is one. Whoever keeps what is [`Class::Keep`] may go on with the old plan of it.
//!
//! Invariant: a change whose class is below [`Class::Rescope`] leaves what is remembered of a route valid
//! ([`route_key`](super::route_key) is the same); one from [`Class::Resync`] on does not.

mod change;
mod class;
mod deletes;
mod look;
mod route;
mod source;
#[cfg(test)]
mod tests;
mod written;

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

pub use self::change::{Change, What};
pub use self::class::Class;
pub use self::deletes::DeleteRisk;
pub use self::look::Look;
pub(super) use self::route::shapes_the_target;
use super::{Plan, RouteName, SourceName, TargetName};

/// What differs between two plans.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct PlanDiff {
    /// Every source of either plan.
    pub sources: BTreeMap<SourceName, SourceDiff>,
}

/// What differs in one source, without its routes, and in each of these.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct SourceDiff {
    /// Of the source itself, whatever becomes of its routes: never [`Class::Resync`].
    pub class: Class,
    /// Of the source's own keys, in the manifest's order; empty where it came or goes.
    pub changes: Vec<Change>,
    /// What came into the source's filter, and so under its watch; for all that a route need not be sent it.
    pub look: Look,
    /// Every route of either plan.
    pub routes: BTreeMap<TargetName, RouteDiff>,
}

/// What differs in one route.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct RouteDiff {
    /// Its source's class included: never below it.
    pub class: Class,
    /// Of the route's own keys, in the manifest's order; empty where it came or goes.
    pub changes: Vec<Change>,
    /// What becomes dirty for this target.
    pub look: Look,
    /// How deletions on the target become possible that were not before.
    pub deletes: Vec<DeleteRisk>,
}

impl PlanDiff {
    /// Whether nothing changes.
    pub fn is_empty(&self) -> bool {
        self.sources.values().all(|source| {
            source.class == Class::Keep
                && source
                    .routes
                    .values()
                    .all(|route| route.class == Class::Keep)
        })
    }

    /// Every route of either plan.
    pub fn routes(&self) -> impl Iterator<Item = (RouteName, &RouteDiff)> {
        self.sources.iter().flat_map(|(source, diff)| {
            diff.routes.iter().map(|(target, route)| {
                let name = RouteName {
                    source: source.clone(),
                    target: target.clone(),
                };
                (name, route)
            })
        })
    }
}

/// What changes when `new` takes the place of `old`.
pub fn diff(old: &Plan, new: &Plan) -> PlanDiff {
    let Plan { sources: old } = old;
    let Plan { sources: new } = new;
    let sources = names(old, new)
        .map(|name| {
            let diff = match (old.get(name), new.get(name)) {
                (Some(old), Some(new)) => source::changed(old, new),
                (None, Some(new)) => source::added(new),
                (Some(old), None) => source::removed(old),
                (None, None) => unreachable!("a name comes from one of the two"),
            };
            (name.clone(), diff)
        })
        .collect();
    PlanDiff { sources }
}

/// The names of both, each once, in order.
fn names<'a, K: Ord, V>(
    old: &'a BTreeMap<K, V>,
    new: &'a BTreeMap<K, V>,
) -> impl Iterator<Item = &'a K> {
    old.keys()
        .chain(new.keys())
        .collect::<BTreeSet<_>>()
        .into_iter()
}
