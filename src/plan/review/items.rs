//! A difference as items with rows of words, before any layout.

use super::{Review, Tally, Watched};
use crate::plan::explain::words;
use crate::plan::{
    Change, ChangedTo, Class, DeletePolicy, DeleteRisk, Look, RouteDiff, RouteName, RoutePlan,
    SourceDiff, SourceName, SourcePlan, Sync,
};

/// More paths than these are counted, not listed.
const PATHS_SHOWN: usize = 6;

/// A source or a route that changes.
pub(super) struct Item {
    /// `source website`, or `route website/web98`: the kind and the name.
    pub kind: &'static str,
    pub name: String,
    pub class: Class,
    pub rows: Vec<Row>,
    /// What follows from it.
    pub then: Vec<String>,
    /// How deletions become possible.
    pub risks: Vec<String>,
}

/// A key with its values.
pub(super) struct Row {
    pub key: String,
    pub what: Said,
}

/// What a row says.
pub(super) enum Said {
    /// A value of what came or goes.
    Value { value: String, came: bool },
    /// One value took another's place.
    Changed { before: String, after: String },
    /// What came into a list, and what went from it.
    List {
        gone: Vec<String>,
        came: Vec<String>,
    },
}

pub(super) fn items(review: &Review<'_>) -> Vec<Item> {
    let mut out = Vec::new();
    for (name, source) in &review.diff.sources {
        let plans = (review.old.sources.get(name), review.new.sources.get(name));
        if source.class != Class::Keep {
            out.push(of_source(review, name, source, plans));
        }
        for (target, route) in &source.routes {
            if route.class == Class::Keep {
                continue;
            }
            let name = RouteName {
                source: name.clone(),
                target: target.clone(),
            };
            let old = plans.0.and_then(|source| source.routes.get(target));
            let new = plans.1.and_then(|source| source.routes.get(target));
            let item = of_route(review, &name, (source, route), (old, new));
            // What a route has of its source alone was said there.
            if !item.rows.is_empty() || !item.then.is_empty() || !item.risks.is_empty() {
                out.push(item);
            }
        }
    }
    out
}

fn of_source(
    review: &Review<'_>,
    name: &SourceName,
    diff: &SourceDiff,
    (old, new): (Option<&SourcePlan>, Option<&SourcePlan>),
) -> Item {
    let mut rows: Vec<Row> = diff.changes.iter().map(row).collect();
    rows.extend(stated("path", old, new, diff.class, |plan| {
        plan.path.clone()
    }));
    let mut then = vec![diff.class.meaning().to_owned()];
    then.extend(review.reasons.get(name).cloned());
    if diff.class == Class::Add
        && let Some(before) = new.and_then(|new| same_directory(review, new))
    {
        then.push(format!(
            "`{before}`, which goes, has the same directory; what is remembered goes by the name, so everything is compared again"
        ));
    }
    if diff.class == Class::Rescope {
        then.push(looked_at(&diff.look));
        if diff.changes.iter().any(narrows) {
            then.push(
                "what is left out from now on stays on the targets, and is protected there".into(),
            );
        }
    }
    let watched = review
        .measured
        .and_then(|measured| measured.sources.get(name));
    then.extend(watched.map(watches).unwrap_or_default());
    Item {
        kind: "source",
        name: name.to_string(),
        class: diff.class,
        rows,
        then,
        risks: Vec::new(),
    }
}

fn of_route(
    review: &Review<'_>,
    name: &RouteName,
    (source, diff): (&SourceDiff, &RouteDiff),
    (old, new): (Option<&RoutePlan>, Option<&RoutePlan>),
) -> Item {
    let mut rows: Vec<Row> = diff.changes.iter().map(row).collect();
    let mut state = |key, tell: &dyn Fn(&RoutePlan) -> String| {
        rows.extend(stated(key, old, new, diff.class, tell));
    };
    state("url", &|route| route.target.to_string());
    state("delete", &|route| {
        words::delete(route.delete, route.max_delete)
    });
    state("sync", &|route| match &route.sync {
        Sync::Live => "live".into(),
        Sync::Scheduled(schedule) => words::schedule(schedule),
    });
    let mut then = Vec::new();
    if diff.class != source.class || !rows.is_empty() || diff.look != source.look {
        then.push(diff.class.meaning().to_owned());
        if diff.class == Class::Rescope {
            then.push(looked_at(&diff.look));
        }
    }
    if diff.changes.iter().any(|change| change.key == "url") {
        then.push("what is at the old url stays there".into());
    }
    if let (Some(old), Some(new)) = (old, new)
        && old.delete != DeletePolicy::Never
        && new.delete == DeletePolicy::Never
    {
        then.push("what vanishes from the source stays on the target from now on".into());
    }
    let tally = review
        .measured
        .and_then(|measured| measured.routes.get(name));
    then.extend(tally.map(|tally| format!("{} to be compared now", entries(*tally))));
    Item {
        kind: "route",
        name: name.to_string(),
        class: diff.class,
        rows,
        then,
        risks: diff
            .deletes
            .iter()
            .filter_map(|risk| new.map(|new| told(risk, new)))
            .collect(),
    }
}

/// A value of a source or route that comes or goes.
fn stated<T>(
    key: &str,
    old: Option<&T>,
    new: Option<&T>,
    class: Class,
    tell: impl Fn(&T) -> String,
) -> Option<Row> {
    let came = class == Class::Add;
    let plan = match class {
        Class::Add => new,
        Class::Remove => old,
        _ => None,
    };
    plan.map(|plan| Row {
        key: key.to_owned(),
        what: Said::Value {
            value: tell(plan),
            came,
        },
    })
}

fn row(change: &Change) -> Row {
    let unset = |value: &Option<String>| value.clone().unwrap_or_else(|| "not set".into());
    let what = match &change.what {
        ChangedTo::Value { before, after } => Said::Changed {
            before: unset(before),
            after: unset(after),
        },
        ChangedTo::List { added, removed } => Said::List {
            gone: removed.clone(),
            came: added.clone(),
        },
    };
    Row {
        key: change.key.to_owned(),
        what,
    }
}

/// The source that goes and has the directory of one that comes: probably the same under another name.
fn same_directory<'a>(review: &Review<'a>, new: &SourcePlan) -> Option<&'a SourceName> {
    let mut gone = review.diff.sources.iter();
    let found = gone.find(|(name, diff)| {
        let old = review.old.sources.get(name);
        diff.class == Class::Remove && old.is_some_and(|old| old.path == new.path)
    });
    found.map(|(name, _)| name)
}

/// Whether a change leaves out what belonged before.
fn narrows(change: &Change) -> bool {
    match (&change.what, change.key) {
        (ChangedTo::List { added, .. }, "exclude") => !added.is_empty(),
        (ChangedTo::List { removed, .. }, "include") => !removed.is_empty(),
        _ => false,
    }
}

fn looked_at(look: &Look) -> String {
    match look {
        Look::Nothing => "nothing comes in, so nothing is looked at again".into(),
        Look::Below(_) => format!("looked at again: {}", paths(look)),
        Look::Everything => "the whole source is looked at again".into(),
    }
}

/// Some of the paths, each in backticks.
fn paths(look: &Look) -> String {
    let Look::Below(all) = look else {
        return "all of it".into();
    };
    let mut shown: Vec<String> = all
        .iter()
        .take(PATHS_SHOWN)
        .map(|path| format!("`{path}`"))
        .collect();
    if all.len() > PATHS_SHOWN {
        shown.push(format!("and {} more", all.len() - PATHS_SHOWN));
    }
    shown.join(", ")
}

fn told(risk: &DeleteRisk, new: &RoutePlan) -> String {
    let held = words::budget(new.max_delete);
    match risk {
        DeleteRisk::NewMirror => format!(
            "new, and `delete: mirror`: whatever is at `{}` and not in the source is deleted by the first pass, up to {held}; more is held for approval",
            new.target
        ),
        DeleteRisk::Policy { before, after } => {
            let what = match after {
                DeletePolicy::Mirror => "whatever the target has and the source has not is deleted",
                DeletePolicy::Propagate => "what vanishes from the source is deleted on the target",
                DeletePolicy::Never => "nothing is deleted",
            };
            format!(
                "`delete: {}` becomes `delete: {}`: {what}, up to {held} in one pass; more is held for approval",
                policy(*before),
                policy(*after)
            )
        }
        DeleteRisk::OtherTarget => format!(
            "`delete: mirror` at another place: whatever is at `{}` and not in the source is deleted, up to {held}; more is held for approval",
            new.target
        ),
        DeleteRisk::OtherSource => format!(
            "`delete: mirror` from another directory: whatever the target has and that directory has not is deleted, up to {held}; more is held for approval"
        ),
        DeleteRisk::Unprotected { below: Look::Everything } => "no exclude protects any more what a dropped pattern matched on the target: not this reload, but under `delete: mirror` the next full pass deletes what of it the source has not".into(),
        DeleteRisk::Unprotected { below } => format!(
            "no exclude protects {} on the target any more: not this reload, but under `delete: mirror` the next full pass deletes what of it the source has not",
            paths(below)
        ),
        DeleteRisk::Budget => format!("more may be deleted in one pass without approval: up to {held}"),
        DeleteRisk::Guard { key: "guard.allowEmpty" } => format!(
            "`guard.allowEmpty: true`: a source that has become empty empties the target, up to {held}"
        ),
        DeleteRisk::Guard { key } => format!(
            "`{key}` of the source asks for less or for something else: a disk that is not mounted may be taken for one whose files are gone"
        ),
    }
}

fn policy(policy: DeletePolicy) -> &'static str {
    match policy {
        DeletePolicy::Never => "never",
        DeletePolicy::Propagate => "propagate",
        DeletePolicy::Mirror => "mirror",
    }
}

fn watches(watched: &Watched) -> Vec<String> {
    let mut out = Vec::from_iter(directories(watched));
    if watched.unread > 0 {
        out.push(format!(
            "{} directories could not be read, and are not counted",
            words::grouped(watched.unread)
        ));
    }
    out
}

fn directories(watched: &Watched) -> Option<String> {
    let grouped = words::grouped;
    match (watched.before, watched.after) {
        (None, None) => Some("not counted: the directory is not on this host".into()),
        (None, Some(after)) => Some(format!("{} directories watched", grouped(after))),
        (Some(before), None) => Some(format!("{} directories watched no more", grouped(before))),
        (Some(before), Some(after)) if before == after => {
            Some(format!("{} directories watched, as before", grouped(after)))
        }
        (Some(before), Some(after)) => {
            let (sign, by) = if after > before {
                ("+", after - before)
            } else {
                ("-", before - after)
            };
            Some(format!(
                "{} directories watched instead of {} ({sign}{})",
                grouped(after),
                grouped(before),
                grouped(by)
            ))
        }
    }
}

fn entries(tally: Tally) -> String {
    let noun = if tally.entries == 1 {
        "entry"
    } else {
        "entries"
    };
    format!(
        "{} {noun}, {}",
        words::grouped(tally.entries),
        words::size(tally.bytes)
    )
}
