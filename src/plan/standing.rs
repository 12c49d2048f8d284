//! What must not have changed in a plan for a checkpoint made under it to count.
//!
//! Windows, schedules, budgets, bandwidth and the like may change freely; what decides *which* paths belong to a route,
//! *where* they go or *what of them* is kept may not.

use std::collections::BTreeSet;

use super::diff::shapes_the_target;
use super::{Plan, RoutePlan, SourcePlan, Target};
use crate::filter::FilterSpec;

/// Identifies what a source's rows depend on.
pub fn source_key(source: &SourcePlan) -> String {
    key(&(
        &source.path,
        meaning(&source.filter),
        source.one_file_system,
    ))
}

/// Identifies what a route's standing depends on, its source's included.
pub fn route_key(source: &SourcePlan, route: &RoutePlan) -> String {
    let mut target = route.target.clone();
    match &mut target {
        Target::Daemon { password, .. } => *password = None,
        // Which hosts are believed; it leads nowhere else.
        Target::Ssh {
            known_hosts_file, ..
        } => *known_hosts_file = None,
        Target::Local { .. } => {}
    }
    let shaping: Vec<&String> = route
        .rsync_args
        .iter()
        .filter(|arg| shapes_the_target(arg))
        .collect();
    key(&(
        source_key(source),
        target,
        meaning(&route.filter),
        (route.attributes, shaping),
        // A policy that deletes more must find what an earlier one left.
        route.delete,
    ))
}

/// The plan's content as a short hash, independent of comments and order: equal exactly where
/// [`diff`](super::diff()) finds nothing.
pub fn digest(plan: &Plan) -> String {
    let mut plan = plan.clone();
    for source in plan.sources.values_mut() {
        for route in source.routes.values_mut() {
            unordered(&mut route.filter);
            route.windows.sort_by_key(key);
            route.windows.dedup();
        }
        unordered(&mut source.filter);
    }
    key(&plan)[..12].to_owned()
}

/// Without order and origins: two that mean the same are one.
fn unordered(filter: &mut FilterSpec) {
    for rules in [&mut filter.include, &mut filter.exclude] {
        rules.sort_by(|one, other| one.pattern.cmp(&other.pattern));
        rules.dedup();
        for rule in rules {
            rule.origin = None;
        }
    }
}

/// The patterns as sets: neither their order nor where they were written means anything.
fn meaning(filter: &FilterSpec) -> [BTreeSet<&str>; 2] {
    [&filter.include, &filter.exclude]
        .map(|rules| rules.iter().map(|rule| rule.pattern.as_str()).collect())
}

fn key(of: &impl serde::Serialize) -> String {
    // Plans are plain data; were one not to serialise, its key would merely be that of nothing.
    let text = serde_json::to_vec(of).unwrap_or_default();
    blake3::hash(&text).to_hex()[..16].to_owned()
}
