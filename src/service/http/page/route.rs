//! One route: how it is and since when, what keeps it, what it did, what it will do.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use maud::{Markup, html};

use super::commands::{self, ticked};
use super::history::{History, Since};
use super::overview::totals;
use super::panels;
use super::plot;
use super::words::{Clock, none, route_name, state, symbol};
use crate::engine::detail::Detail;
use crate::engine::status::{RouteStatus, SourceStatus, span};
use crate::ledger::Run;
use crate::plan::Row;

/// What is known of a route.
pub(super) struct Known<'a> {
    /// As `status` has it.
    pub route: &'a RouteStatus,
    /// Its source.
    pub source: &'a SourceStatus,
    /// Looked at closely.
    pub detail: &'a Detail,
    /// What it did.
    pub history: &'a History,
    /// What it will do, as `plan` has it.
    pub rows: &'a [Row],
    /// For how long the service is up.
    pub up: Duration,
}

/// Something that should hold.
struct Condition {
    name: &'static str,
    /// `None`: it cannot be told yet.
    holds: Option<bool>,
    since: Since,
    note: String,
}

/// The content of a route's page.
pub(super) fn route(known: &Known<'_>, clock: &Clock) -> Markup {
    let route = known.route;
    html! {
        p.back { a href="/" { "All routes" } }
        section aria-labelledby="route-title" {
            div.title {
                h1 #route-title { (route_name(&route.route)) }
                p #route-state role="status" { (state(route.state.word())) }
            }
            dl.way {
                div { dt { "From" } dd { bdi { (known.source.path) } } }
                div { dt { "To" } dd { bdi { (route.target) } } }
            }
            p.why #why { @if let Some(why) = &route.why { bdi { (ticked(why)) } } @else { "Every change up to now is on the target." } }
            @if let Some((trigger, lasts)) = &known.detail.running {
                p.quiet #running { "A transfer runs, for " (span(lasts.as_secs())) ": " (trigger) "." }
            }
            p.quiet #totals { (totals(route)) "." }
        }
        div #hold { @if let Some(hold) = &route.hold { (panels::hold(&route.route, hold, route.code.as_deref(), clock)) } }
        (table(&conditions(known, clock), clock))
        div #failing { (panels::failing(route, clock)) }
        div #pending { (panels::pending(&known.detail.pending, route)) }
        (plot::plots(known.history, clock))
        (panels::transfers(&known.history.runs, clock))
        (panels::planned(known.rows, route, clock))
        (commands::about(&route.route, route.paused.is_some()))
    }
}

fn before(now: Timestamp, age: Duration) -> Since {
    let at = SignedDuration::try_from(age)
        .ok()
        .and_then(|age| now.checked_sub(age).ok());
    at.map_or(Since::Unknown, Since::At)
}

fn instant(text: Option<&str>) -> Since {
    text.and_then(|text| text.parse().ok())
        .map_or(Since::Unknown, Since::At)
}

fn conditions(known: &Known<'_>, clock: &Clock) -> Vec<Condition> {
    let now = clock.now;
    let Known {
        route,
        source,
        detail,
        history,
        ..
    } = *known;
    // Where nothing is recorded, it is so for as long as the service is up.
    let good_since = |bad: &dyn Fn(&Run) -> bool| match history.good_since(bad) {
        Since::Unknown => match before(now, known.up) {
            Since::At(start) => Since::Start(start),
            other => other,
        },
        other => other,
    };
    let watched = Condition {
        name: "Source watched",
        holds: match (source.ready, &source.waiting) {
            (true, _) => Some(true),
            (false, Some(_)) => Some(false),
            (false, None) => None,
        },
        since: detail.source_since.map_or(Since::Unknown, Since::At),
        note: match &source.waiting {
            Some(waiting) => waiting.clone(),
            None if source.ready => String::new(),
            None => "the watches are being placed".into(),
        },
    };
    let compared = Condition {
        name: "Compared since the start",
        holds: Some(detail.compared),
        since: match detail.compared {
            true => detail.compared_since.map_or(Since::Unknown, Since::At),
            false => before(now, known.up),
        },
        note: match (&route.last_compared, detail.compared) {
            (Some(at), _) => format!("a full pass last compared the target {}", clock.words(at)),
            (None, true) => "what the target has is known".into(),
            (None, false) => "taken to be right, or to be compared yet".into(),
        },
    };
    let delivered = Condition {
        name: "Everything delivered",
        holds: Some(route.lag_seconds.is_none() && route.pending == 0),
        since: match route
            .lag_seconds
            .and_then(|lag| Duration::try_from_secs_f64(lag).ok())
        {
            Some(lag) => before(now, lag),
            None => instant(route.last_good.as_deref()),
        },
        note: route.lag_seconds.map_or_else(String::new, |lag| {
            format!("the oldest change is {} old", span(lag as u64))
        }),
    };
    let not_held = Condition {
        name: "Nothing held",
        holds: Some(route.hold.is_none()),
        since: match &route.hold {
            Some(hold) => instant(Some(&hold.since)),
            None => good_since(&|run| run.result == "held"),
        },
        note: route
            .hold
            .as_ref()
            .map_or_else(String::new, |hold| match hold.reason.as_str() {
                "deletes" => "more would be deleted than may be without a word".into(),
                guard => format!("the guard `{guard}` is not content"),
            }),
    };
    let oldest = route.failing.iter().map(|path| path.since.as_str()).min();
    let paths = Condition {
        name: "No path fails",
        holds: Some(route.failing_count == 0),
        since: match oldest {
            Some(oldest) => instant(Some(oldest)),
            None => good_since(&|run| run.result == "partial"),
        },
        note: match route.failing_count {
            0 => String::new(),
            1 => "1 path fails".into(),
            many => format!("{} paths fail", crate::plan::grouped(many)),
        },
    };
    let succeed = Condition {
        name: "Transfers succeed",
        holds: match (&detail.failed, history.runs.is_empty()) {
            (Some(_), _) => Some(false),
            (None, true) => None,
            (None, false) => Some(true),
        },
        since: match detail.failed {
            Some((since, _)) => Since::At(since),
            None => good_since(&|run| run.result == "failed" && !of_hook(run)),
        },
        note: match detail.failed {
            Some((_, 1)) => "1 try failed".into(),
            Some((_, tries)) => format!("{tries} tries failed"),
            None if history.runs.is_empty() => "none was made yet".into(),
            None => String::new(),
        },
    };
    let paused = route.paused.as_ref().map(|pause| Condition {
        name: "Not paused",
        holds: Some(false),
        since: Since::At(pause.since),
        note: format!(
            "by {} until {}: {}",
            pause.by,
            clock.full(pause.until),
            pause.reason.as_deref().unwrap_or("no reason given")
        ),
    });
    let has_hooks = detail.route.hooks.before.is_some() || detail.route.hooks.after.is_some();
    let hooks = has_hooks.then(|| Condition {
        name: "Hooks succeed",
        holds: Some(detail.hook.is_none()),
        since: match detail.hook {
            Some((_, since)) => Since::At(since),
            None => good_since(&of_hook),
        },
        note: detail.hook.map_or_else(String::new, |(when, _)| {
            format!("the `{}` hook fails", when.word())
        }),
    });
    let first = [watched, not_held];
    let rest = [succeed, paths, delivered, compared];
    first
        .into_iter()
        .chain(paused)
        .chain(rest)
        .chain(hooks)
        .collect()
}

/// Whether it is the failure of a hook, not of a transfer.
fn of_hook(run: &Run) -> bool {
    let trouble = run.trouble.as_deref();
    trouble.is_some_and(|trouble| trouble.starts_with("hook: "))
}

fn table(conditions: &[Condition], clock: &Clock) -> Markup {
    html! {
        section aria-labelledby="conditions-title" {
            h2 #conditions-title { "Conditions" }
            table.conditions role="table" {
                caption.vh { "What should hold, and since when it does or does not" }
                thead role="rowgroup" {
                    tr role="row" {
                        @for name in ["Condition", "Holds", "Since", "Note"] { th scope="col" role="columnheader" { (name) } }
                    }
                }
                tbody #condition-rows role="rowgroup" {
                    @for condition in conditions {
                        tr role="row" {
                            th scope="row" role="rowheader" { (condition.name) }
                            td role="cell" { (answer(condition.holds)) }
                            td role="cell" data-label="Since" { (since(condition.since, clock)) }
                            td.why role="cell" { bdi { (ticked(&condition.note)) } }
                        }
                    }
                }
            }
        }
    }
}

fn answer(holds: Option<bool>) -> Markup {
    let (word, class) = match holds {
        Some(true) => ("yes", "true"),
        Some(false) => ("no", "false"),
        None => ("not yet", "starting"),
    };
    html! { span class={"state s-" (class)} { (symbol(class)) (word) } }
}

fn since(since: Since, clock: &Clock) -> Markup {
    match since {
        Since::At(at) => html! { (clock.ago(at)) small { " " (clock.short(at)) } },
        Since::Start(at) => html! { (clock.ago(at)) small { " the start" } },
        Since::Ever => html! { "as long as is recorded" },
        Since::Unknown => none(),
    }
}
