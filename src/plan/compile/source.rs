//! One source: from what was written to what will happen.

use std::collections::BTreeMap;
use std::rc::Rc;

use super::collector::Collector;
use super::substitute::{self, Home, Variables};
use super::{HostFacts, lints, path, route, rules};
use crate::manifest::{self, EventName, Manifest};
use crate::plan::{EventSet, RoutePlan, SourceGuard, SourceName, SourcePlan};

/// How many of a source's hosts are held against other sources. A source on more hosts is one on any of them for that
/// purpose, and each host looks again for itself; without a bound the work would grow with hosts times hosts.
const HOMES: usize = 16;

/// A source on its way into the plan.
pub(super) struct Lowered<'a> {
    pub manifest: &'a Manifest,
    pub source: &'a manifest::Source,
    /// For the host that is compiled for if it runs there, else for the first that it runs on.
    pub part: Rc<Part>,
    /// Whether it is part of the plan.
    pub runs_here: bool,
    /// The hosts that it runs on; at least one, and at most [`HOMES`].
    pub homes: Vec<Home<'a>>,
}

/// What a source will do. What was wrong is left out of it, and among the diagnostics.
pub(super) struct Part {
    /// Without its routes and labels.
    pub plan: SourcePlan,
    /// As the targets are in the source; none where it is not known where one leads. A list, because a map of one entry
    /// takes the room of eleven, and a file may hold thousands of sources.
    pub routes: Vec<Option<RoutePlan>>,
}

impl<'a> Lowered<'a> {
    /// Whether it runs at all.
    pub fn suspended(&self) -> bool {
        self.source
            .options
            .suspend
            .as_ref()
            .is_some_and(|suspend| suspend.value)
    }

    /// The targets that are in the plan, as written and as planned.
    pub fn targets(&self) -> impl Iterator<Item = (usize, &'a manifest::Target, &RoutePlan)> {
        (0..self.source.targets.len()).filter_map(|index| {
            let (target, route) = self.target(index)?;
            Some((index, target, route))
        })
    }

    /// One of them.
    pub fn target(&self, index: usize) -> Option<(&'a manifest::Target, &RoutePlan)> {
        let target = self.source.targets.get(index)?;
        Some((target, self.part.routes.get(index)?.as_ref()?))
    }

    /// Its part of a plan.
    pub fn planned(self) -> SourcePlan {
        let labels = self.manifest.labels.iter();
        let routes = self.part.routes.iter().flatten();
        SourcePlan {
            routes: routes
                .map(|route| (route.name.target.clone(), route.clone()))
                .collect(),
            labels: labels
                .map(|(name, value)| (name.clone(), value.value.clone()))
                .collect(),
            ..self.part.plan.clone()
        }
    }
}

pub(super) fn lower<'a>(
    manifest: &'a Manifest,
    source: &'a manifest::Source,
    host: Option<&'a HostFacts>,
    out: &mut Collector<'_>,
) -> Lowered<'a> {
    let homes = homes(source, host);
    let on_this_host = homes.iter().find(|home| home.labels.is_some()).copied();
    let home = on_this_host.or(homes.first().copied()).unwrap_or(Home {
        name: None,
        labels: None,
    });
    let suspended = source.options.suspend.as_ref();
    let suspended = suspended.is_some_and(|suspend| suspend.value);
    let runs_here = host.is_some() && on_this_host.is_some() && !suspended;
    // What names no host's fact is the same on each.
    let own = on_this_host.is_some() && depends_on_host(source);
    let known = if own { None } else { out.part(&source.name.at) };
    let part = known.unwrap_or_else(|| {
        let mark = out.mark();
        let part = Rc::new(part(manifest, source, home, out));
        out.counted.sources += 1;
        if !own {
            out.remember_part(&source.name.at, part.clone(), mark);
        }
        part
    });
    Lowered {
        manifest,
        source,
        part,
        runs_here,
        homes,
    }
}

/// Whether anything of it means something else on another host.
fn depends_on_host(source: &manifest::Source) -> bool {
    let urls = source.targets.iter().map(|target| &target.url.value.text);
    urls.chain([&source.path.value])
        .any(|text| substitute::depends_on_host(text))
}

fn part<'a>(
    manifest: &'a Manifest,
    source: &'a manifest::Source,
    home: Home<'a>,
    out: &mut Collector<'_>,
) -> Part {
    let variables = Variables {
        manifest,
        source: &source.name.value,
        target: None,
        home,
    };
    // An empty one was reported by the loader.
    let root = Some(&source.path)
        .filter(|path| !path.value.is_empty())
        .and_then(|path| substitute::substituted(path, variables, out))
        .and_then(|done| path::source(&done.text, &source.path.at, out))
        .unwrap_or_default();
    let filter = rules::source(source, &root, out);
    let events = events(source);
    lints::events(source, events, out);
    let mut routes = Vec::with_capacity(source.targets.len());
    for target in &source.targets {
        let variables = Variables {
            target: Some(&target.name.value),
            ..variables
        };
        let route = route::lower(source, target, &root, &filter, variables, out);
        if let Some(route) = &route {
            lints::route(source, target, events, route.delete, out);
        }
        routes.push(route);
    }
    let guard = &source.options.guard;
    let flag = |value: &Option<manifest::Spanned<bool>>, default: bool| {
        value.as_ref().map_or(default, |value| value.value)
    };
    let plan = SourcePlan {
        name: SourceName(source.name.value.clone()),
        path: root,
        filter,
        events,
        one_file_system: flag(&source.options.one_file_system, true),
        guard: SourceGuard {
            marker: guard.marker.as_ref().map(|marker| marker.value.clone()),
            allow_empty: flag(&guard.allow_empty, false),
            require_mount: flag(&guard.require_mount, false),
        },
        labels: BTreeMap::new(),
        routes: BTreeMap::new(),
    };
    Part { plan, routes }
}

/// The hosts that it runs on, the one that is compiled for first.
fn homes<'a>(source: &'a manifest::Source, host: Option<&'a HostFacts>) -> Vec<Home<'a>> {
    let Some(names) = &source.options.hosts else {
        return vec![host.map_or(
            Home {
                name: None,
                labels: None,
            },
            Home::here,
        )];
    };
    let here = |name: &str| host.filter(|host| host.name == name);
    let mut names: Vec<&str> = names.iter().map(|name| name.value.as_str()).collect();
    names.sort_unstable();
    names.dedup();
    names.sort_by_key(|name| here(name).is_none());
    names
        .into_iter()
        .take(HOMES)
        .map(|name| {
            here(name).map_or(
                Home {
                    name: Some(name),
                    labels: None,
                },
                Home::here,
            )
        })
        .collect()
}

fn events(source: &manifest::Source) -> EventSet {
    let Some(names) = &source.options.events else {
        return EventSet::default();
    };
    let has = |name: EventName| names.value.iter().any(|event| event.value == name);
    EventSet {
        create: has(EventName::Create),
        close_write: has(EventName::CloseWrite),
        attrib: has(EventName::Attrib),
        moved_from: has(EventName::Move) || has(EventName::MovedFrom),
        moved_to: has(EventName::Move) || has(EventName::MovedTo),
        delete: has(EventName::Delete),
        modify: has(EventName::Modify),
    }
}
