//! Warnings: what can be run, and is probably not meant.

use std::collections::HashSet;

use super::HostFacts;
use super::collector::Collector;
use super::source::Lowered;
use crate::diagnostic::{Code, Diagnostic, Place};
use crate::manifest;
use crate::plan::{DeletePolicy, EventSet};

/// `modify` without `closeWrite`.
pub(super) fn events(source: &manifest::Source, events: EventSet, out: &mut Collector<'_>) {
    let Some(written) = &source.options.events else {
        return;
    };
    if events.modify && !events.close_write {
        let modify = written
            .value
            .iter()
            .find(|event| event.value == manifest::EventName::Modify);
        out.push(
            Diagnostic::new(
                Code::ModifyWithoutCloseWrite,
                "`modify` without `closeWrite` sends half-written files",
            )
            .primary(
                modify.map_or(&written.at, |event| &event.at),
                "triggers while a file is being written",
            )
            .help("add `closeWrite`, or leave `events` out"),
        );
    }
}

/// A route that deletes, but is not triggered by deletions.
pub(super) fn route(
    source: &manifest::Source,
    target: &manifest::Target,
    events: EventSet,
    delete: DeletePolicy,
    out: &mut Collector<'_>,
) {
    let (Some(written), Some(policy)) = (&source.options.events, &target.options.delete) else {
        return;
    };
    if delete == DeletePolicy::Mirror && !events.delete {
        out.push(
            Diagnostic::new(
                Code::MirrorWithoutDelete,
                format!(
                    "`{}/{}` mirrors deletions, but the event `delete` does not trigger it",
                    source.name.value, target.name.value
                ),
            )
            .primary(&policy.at, "made by rescans only")
            .secondary(&written.at, "`delete` is not among these")
            .help("add `delete` to `events` to have deletions sent at once"),
        );
    }
}

/// `maxDelete` where nothing is ever deleted. One that comes from `defaults` stands for many targets, and is of use as
/// soon as one of them deletes.
pub(super) fn max_delete(lowered: &[Lowered<'_>], out: &mut Collector<'_>) {
    let given = || {
        lowered
            .iter()
            .flat_map(Lowered::targets)
            .filter_map(|(_, target, route)| {
                target
                    .options
                    .max_delete
                    .as_ref()
                    .map(|budget| (&budget.at, route))
            })
    };
    let of_use: HashSet<&Place> = given()
        .filter(|(_, route)| route.delete != DeletePolicy::Never)
        .map(|(at, _)| at)
        .collect();
    for (at, route) in given().filter(|(at, _)| !of_use.contains(at)) {
        out.push(
            Diagnostic::new(
                Code::MaxDeleteWithoutDelete,
                format!(
                    "`maxDelete` has no effect: `{}` deletes nothing",
                    route.name
                ),
            )
            .primary(at, "")
            .help("remove it, or set `delete`"),
        );
    }
}

/// A host for which there is nothing to do.
pub(super) fn host(host: &HostFacts, lowered: &[Lowered<'_>], out: &mut Collector<'_>) {
    if lowered.is_empty() || lowered.iter().any(|item| item.runs_here) {
        return;
    }
    let named = lowered
        .iter()
        .filter_map(|item| item.source.options.hosts.as_ref())
        .flatten();
    let (code, message) = if lowered
        .iter()
        .all(|item| item.source.options.hosts.is_some())
        && !named.clone().any(|name| name.value == host.name)
    {
        (
            Code::UnknownHost,
            format!("no source names the host `{}`", host.name),
        )
    } else {
        (
            Code::NoRoutes,
            format!("there is nothing to do on the host `{}`", host.name),
        )
    };
    let mut hosts: Vec<&str> = named.map(|name| name.value.as_str()).collect();
    hosts.sort_unstable();
    hosts.dedup();
    let diagnostic = Diagnostic::new(code, message);
    out.push(match hosts.as_slice() {
        [] => diagnostic.help("all sources are suspended"),
        _ => diagnostic.help(format!("sources name {}", shown(&hosts))),
    });
}

/// A few of the names, and how many more there are.
fn shown(names: &[&str]) -> String {
    const SHOWN: usize = 5;
    let first: Vec<String> = names
        .iter()
        .take(SHOWN)
        .map(|name| format!("`{name}`"))
        .collect();
    match names.len().saturating_sub(SHOWN) {
        0 => first.join(", "),
        more => format!("{} and {more} more", first.join(", ")),
    }
}
