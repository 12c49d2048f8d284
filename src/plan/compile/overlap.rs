//! Two routes into one place.
//!
//! A path may leave a target only if exactly one route owns it. So where a route deletes, no other may write into its
//! directory, above it or below it, unless what they share is excluded by the outer one: excluded paths are protected.

use super::collector::Collector;
use super::location::{self, Claim, Location};
use super::source::Lowered;
use crate::diagnostic::{Code, Diagnostic, Place};
use crate::filter::{Filter, Verdict};
use crate::plan::{DeletePolicy, RoutePlan};

pub(super) fn check(lowered: &[Lowered<'_>], claims: &[Claim<'_>], out: &mut Collector<'_>) {
    let targets = claims
        .iter()
        .filter(|claim| claim.target.is_some())
        .collect();
    location::nested(targets, |outer, claim| {
        // One finding a claim: with many routes in one place each pair would be one.
        if let Some(diagnostic) = outer
            .iter()
            .rev()
            .find_map(|other| pair(lowered, other, claim))
        {
            out.push(diagnostic);
        }
    });
}

/// What is wrong with two routes, the first of which leads to the same place as the second or to one above it.
fn pair(lowered: &[Lowered<'_>], outer: &Claim<'_>, inner: &Claim<'_>) -> Option<Diagnostic> {
    if !outer.meets(inner) {
        return None;
    }
    let (first, second) = (Side::of(lowered, outer)?, Side::of(lowered, inner)?);
    let deletes = |side: &Side<'_>| side.route.delete != DeletePolicy::Never;
    let same = outer.location == inner.location;
    if (outer.source, outer.target) == (inner.source, inner.target) {
        // The same route on two hosts.
        return deletes(&first).then(|| {
            Diagnostic::new(
                Code::TwoDeletingRoutes,
                format!(
                    "`{}` runs on several hosts, and each would delete what the others send",
                    first.route.name
                ),
            )
            .primary(first.url, "the same place for each of them")
            .help("put `${host}` into the url, or name one host")
        });
    }
    if !deletes(&first) && !deletes(&second) {
        return same.then(|| {
            Diagnostic::new(
                Code::SharedTarget,
                format!(
                    "`{}` and `{}` write to the same target",
                    first.route.name, second.route.name
                ),
            )
            .primary(
                second.url,
                "where both have a path of the same name, the last one wins",
            )
            .secondary(first.url, "the same target")
        });
    }
    let below = below(&outer.location, &inner.location);
    if !same && protects(first.route, below) {
        return None;
    }
    let message = match (deletes(&first), deletes(&second)) {
        (true, true) if same => "delete in the same target",
        (true, true) => "delete in one directory, of which one lies inside the other",
        _ if same => "write to the same target, and one of them deletes there",
        _ => {
            "write to one directory, of which one lies inside the other, and one of them deletes there"
        }
    };
    let help = if same {
        "give each its own directory, or set `delete: never` on both".to_string()
    } else {
        format!(
            "give each its own directory, or exclude `/{below}/` from `{}`",
            first.route.name
        )
    };
    Some(
        Diagnostic::new(
            Code::TwoDeletingRoutes,
            format!(
                "`{}` and `{}` {message}",
                first.route.name, second.route.name
            ),
        )
        .primary(
            second.url,
            if same {
                "the same target"
            } else {
                "inside the other one"
            },
        )
        .secondary(
            first.url,
            if same {
                "first named here"
            } else {
                "the outer one"
            },
        )
        .help(help),
    )
}

struct Side<'a> {
    route: &'a RoutePlan,
    url: &'a Place,
}

impl<'a> Side<'a> {
    fn of(lowered: &'a [Lowered<'_>], claim: &Claim<'_>) -> Option<Side<'a>> {
        let (target, route) = lowered[claim.source].target(claim.target?)?;
        Some(Side {
            route,
            url: &target.url.at,
        })
    }
}

/// What the inner place is below the outer one, without slashes at the ends.
fn below<'a>(outer: &Location, inner: &'a Location) -> &'a str {
    inner.path[outer.path.len()..].trim_start_matches('/')
}

/// Whether the route leaves that directory alone.
fn protects(route: &RoutePlan, directory: &str) -> bool {
    Filter::compile(&route.filter)
        .is_ok_and(|filter| filter.decide(directory.as_bytes(), true).verdict == Verdict::Excluded)
}
