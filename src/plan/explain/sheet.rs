//! A plan as headings and rows of words, before any layout.

use super::{Explain, What, next_times, words};
use crate::filter::Rule;
use crate::plan::{RoutePlan, SourcePlan, Sync, Target};
use crate::schedule;

/// A source or a route.
pub(super) struct Sheet {
    /// 0 for a source, 1 for a route.
    pub depth: usize,
    pub title: String,
    pub rows: Vec<Row>,
}

/// A key with its values, one a line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    /// What it says something of.
    pub key: &'static str,
    /// What it says, one a line.
    pub values: Vec<Value>,
}

/// A value, and where it was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Value {
    /// The words, the pattern or the command.
    pub text: String,
    /// Where it was written.
    pub note: Option<String>,
    /// What it is.
    pub kind: Kind,
}

/// What a value is, for layouts that tell them apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Prose; names in backticks.
    Words,
    /// As it was written in a manifest.
    Pattern,
    /// To be copied into a shell.
    Command,
}

pub(super) fn head(explain: &Explain<'_>) -> String {
    let counted =
        |count: usize, noun: &str| format!("{count} {noun}{}", if count == 1 { "" } else { "s" });
    let host = if explain.host.is_empty() {
        "any host".to_string()
    } else {
        format!("host {}", explain.host)
    };
    format!(
        "{host}: {}, {}; next times after {}",
        counted(explain.plan.sources.len(), "source"),
        counted(explain.plan.routes().count(), "route"),
        words::instant(explain.now, "UTC"),
    )
}

pub(super) fn sheets(explain: &Explain<'_>) -> Vec<Sheet> {
    let mut out = Vec::new();
    for source in explain.plan.sources.values() {
        out.push(source_sheet(explain, source));
        out.extend(
            source
                .routes
                .values()
                .map(|route| route_sheet(explain, source, route)),
        );
    }
    out
}

fn source_sheet(explain: &Explain<'_>, source: &SourcePlan) -> Sheet {
    Sheet {
        depth: 0,
        title: format!("source {}", source.name),
        rows: vec![
            row("path", [source.path.clone()]),
            row("watch", [(explain.watched_by)(source)]),
            row("triggers", [words::events(source.events)]),
            rules("include", &source.filter.include),
            rules("exclude", &source.filter.exclude),
            row(
                "guards",
                words::guard(&source.guard, source.one_file_system),
            ),
        ],
    }
}

pub(super) fn route_sheet(explain: &Explain<'_>, source: &SourcePlan, route: &RoutePlan) -> Sheet {
    // The route's excludes are the source's, and then its own.
    let own_excludes = route
        .filter
        .exclude
        .get(source.filter.exclude.len()..)
        .unwrap_or_default();
    let mut rows = vec![
        row("target", target(&route.target)),
        row("send", send(route)),
        row("windows", route.windows.iter().map(words::window)),
        rules("exclude", own_excludes),
        row("delete", [words::delete(route.delete, route.max_delete)]),
        row("rescan", rescan(route)),
        row("next", next(explain, route)),
        row("carries", [words::attributes(route.attributes)]),
        row("limits", limits(route)),
        row("hooks", hooks(route)),
    ];
    let commands = (explain.command_lines)(source, route);
    rows.push(Row {
        key: "command",
        values: commands
            .into_iter()
            .map(|text| Value {
                text,
                note: None,
                kind: Kind::Command,
            })
            .collect(),
    });
    Sheet {
        depth: 1,
        title: format!("route {}", route.name),
        rows,
    }
}

fn row(key: &'static str, values: impl IntoIterator<Item = String>) -> Row {
    let values = values
        .into_iter()
        .map(|text| Value {
            text,
            note: None,
            kind: Kind::Words,
        })
        .collect();
    Row { key, values }
}

fn rules(key: &'static str, rules: &[Rule]) -> Row {
    let value = |rule: &Rule| Value {
        text: rule.pattern.clone(),
        note: rule
            .origin
            .as_ref()
            .map(|origin| format!("{}:{}", origin.file, origin.line)),
        kind: Kind::Pattern,
    };
    Row {
        key,
        values: rules.iter().map(value).collect(),
    }
}

fn target(target: &Target) -> Vec<String> {
    let mut out = vec![target.to_string()];
    match target {
        Target::Daemon { password, .. } => out.extend(password.as_ref().map(words::secret)),
        Target::Ssh {
            identity_file,
            known_hosts_file,
            jump,
            ..
        } => {
            out.extend(
                identity_file
                    .as_ref()
                    .map(|file| format!("identity {file}")),
            );
            out.extend(
                known_hosts_file
                    .as_ref()
                    .map(|file| format!("known hosts {file}")),
            );
            out.extend(jump.as_ref().map(|jump| format!("by way of {jump}")));
        }
        Target::Local { .. } => {}
    }
    out
}

fn send(route: &RoutePlan) -> Vec<String> {
    let debounce = route.debounce;
    match &route.sync {
        Sync::Live => vec![format!(
            "live: after {} without a change, at the latest after {}",
            words::duration(debounce.quiet_ms),
            words::duration(debounce.max_wait_ms)
        )],
        Sync::Scheduled(schedule) => {
            vec![format!("gathered, and sent {}", words::schedule(schedule))]
        }
    }
}

fn rescan(route: &RoutePlan) -> Vec<String> {
    let compare = words::compare(route.rescan.compare);
    let by_clock = match &route.rescan.schedule {
        Some(schedule) => format!("{}, {compare}", words::schedule(schedule)),
        None => "never by the clock: what the watch misses stays wrong".to_string(),
    };
    vec![by_clock, words::on_start(route.rescan.on_start).to_string()]
}

fn next(explain: &Explain<'_>, route: &RoutePlan) -> Vec<String> {
    let zone = |what: What| match (what, &route.sync) {
        (What::Rescan, _) => route.rescan.schedule.as_ref().map_or("UTC", words::zone),
        (What::Send, Sync::Scheduled(schedule)) => words::zone(schedule),
        _ => route
            .windows
            .first()
            .map_or("UTC", |window| &window.time_zone),
    };
    let mut out: Vec<String> = next_times(route, explain.now, explain.host)
        .into_iter()
        .map(|next| {
            let what = match next.what {
                What::Rescan => "rescan",
                What::Send => "send",
                What::WindowOpens => "windows open",
                What::WindowCloses => "windows close",
            };
            format!("{}  {what}", words::instant(next.at, zone(next.what)))
        })
        .collect();
    if !schedule::open(&route.windows, explain.now) {
        out.insert(0, "closed now: changes gather".into());
    }
    out
}

fn hooks(route: &RoutePlan) -> Vec<String> {
    let all = route.hooks.all();
    all.map(|(when, hook)| format!("{}: {}", when.word(), words::hook(hook)))
        .collect()
}

fn limits(route: &RoutePlan) -> Vec<String> {
    let mut out = vec![
        format!(
            "ended after {} without progress",
            words::duration(route.timeout_ms)
        ),
        format!(
            "tried again after {}, doubling up to {}",
            words::duration(route.retry.initial_ms),
            words::duration(route.retry.max_ms)
        ),
    ];
    out.extend(
        route
            .bandwidth
            .map(|bytes| format!("at most {}", words::rate(bytes))),
    );
    out.extend(words::durability(route.durability).map(str::to_string));
    out.extend(words::compress(route.compress).map(str::to_string));
    if !route.rsync_args.is_empty() {
        out.push(format!("rsync also gets {}", route.rsync_args.join(" ")));
    }
    if route.require_mount {
        out.push("the target must be on a mounted file system other than `/`".into());
    }
    out
}
