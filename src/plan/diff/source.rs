//! One source, field by field.

use std::collections::BTreeMap;

use super::change::Changes;
use super::{Class, Look, RouteDiff, SourceDiff, names, route, written};
use crate::filter::{FilterSpec, Rule};
use crate::plan::{SourceGuard, SourcePlan};

pub(super) fn added(new: &SourcePlan) -> SourceDiff {
    SourceDiff {
        class: Class::Add,
        changes: Vec::new(),
        look: Look::Everything,
        routes: each(new, route::added),
    }
}

pub(super) fn removed(old: &SourcePlan) -> SourceDiff {
    SourceDiff {
        class: Class::Remove,
        changes: Vec::new(),
        look: Look::Nothing,
        routes: each(old, |_| route::removed()),
    }
}

fn each(
    source: &SourcePlan,
    diff: impl Fn(&crate::plan::RoutePlan) -> RouteDiff,
) -> BTreeMap<crate::plan::TargetName, RouteDiff> {
    let routes = source.routes.iter();
    routes
        .map(|(name, route)| (name.clone(), diff(route)))
        .collect()
}

pub(super) fn changed(old: &SourcePlan, new: &SourcePlan) -> SourceDiff {
    let (changes, look) = own(old, new);
    let class = changes.class();
    let routes = names(&old.routes, &new.routes)
        .map(|name| {
            let sides = (old.routes.get(name), new.routes.get(name));
            let diff = match sides {
                (Some(before), Some(after)) => route::changed((old, before), (new, after), class),
                (None, Some(after)) => route::added(after),
                (_, None) => route::removed(),
            };
            (name.clone(), diff)
        })
        .collect();
    SourceDiff {
        class,
        changes: changes.0,
        look,
        routes,
    }
}

/// What changed of the source itself.
fn own(old: &SourcePlan, new: &SourcePlan) -> (Changes, Look) {
    use Class::{Rebuild, Rescope, Retune};
    let SourcePlan {
        // Who is compared was found by it.
        name: _,
        path,
        filter: filter @ FilterSpec { include, exclude },
        events,
        one_file_system,
        guard:
            SourceGuard {
                marker,
                allow_empty,
                require_mount,
            },
        labels,
        // Each for itself.
        routes: _,
    } = old;
    let mut out = Changes::default();
    let pattern = |rule: &Rule| rule.pattern.clone();
    out.value(("path", Rebuild), (path, &new.path), String::clone);
    let rules = (&include[..], &new.filter.include[..]);
    out.list(("include", Rescope), rules, pattern);
    let rules = (&exclude[..], &new.filter.exclude[..]);
    out.list(("exclude", Rescope), rules, pattern);
    let (before, after) = (written::events(*events), written::events(new.events));
    out.list(("events", Rescope), (&before, &after), |name| {
        (*name).to_owned()
    });
    // Which directories come in or go out only the mounts can tell.
    let flags = (one_file_system, &new.one_file_system);
    out.value(("oneFileSystem", Rebuild), flags, written::flag);
    let markers = (marker, &new.guard.marker);
    out.optional(("guard.marker", Retune), markers, Option::clone);
    let flags = (allow_empty, &new.guard.allow_empty);
    out.value(("guard.allowEmpty", Retune), flags, written::flag);
    let flags = (require_mount, &new.guard.require_mount);
    out.value(("guard.requireMount", Retune), flags, written::flag);
    let (before, after) = (pairs(labels), pairs(&new.labels));
    out.list(("labels", Retune), (&before, &after), String::clone);

    // What did not trigger until now was not sent; where it lies nobody knows.
    let triggers = after_only(&written::events(*events), &written::events(new.events));
    let look = match out.class() {
        Rebuild => Look::Everything,
        _ if triggers => Look::Everything,
        _ => Look::widened(filter, &new.filter),
    };
    (out, look)
}

fn after_only(before: &[&str], after: &[&str]) -> bool {
    after.iter().any(|name| !before.contains(name))
}

fn pairs(labels: &BTreeMap<String, String>) -> Vec<String> {
    let pairs = labels.iter();
    pairs
        .map(|(name, value)| format!("{name}={value}"))
        .collect()
}
