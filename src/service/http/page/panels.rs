//! A route's tables: what is held, failing, pending, done and planned.

use std::collections::BTreeMap;

use maud::{Markup, html};

use super::commands::{command, ticked};
use super::words::{Clock, bytes, count, counted, milliseconds, none, state, symbol};
use crate::engine::status::{HoldStatus, PathStatus, PendingStatus, RouteStatus, span};
use crate::ledger::Run;
use crate::plan::{Kind, Row, grouped};

/// Failing paths that are shown; `status --paths` has more.
const FAILING_MAX: usize = 100;
/// Paths that are seen without being asked for.
const FIRST: usize = 10;
/// Reasons that are counted by name.
const REASONS_MAX: usize = 5;
/// Transfers that are shown.
const TRANSFERS_MAX: usize = 25;

/// What waits for an operator, and what he may say.
pub(super) fn hold(route: &str, hold: &HoldStatus, code: Option<&str>, clock: &Clock) -> Markup {
    let deletes = hold.reason == "deletes";
    // The other guards end by themselves when what they miss is there.
    let approvable = deletes || code == Some("lostMount");
    let hidden = hold
        .count
        .unwrap_or(0)
        .saturating_sub(hold.sample.len() as u64);
    html! {
        section.panel aria-labelledby="hold-title" {
            h2 #hold-title { "Held" small { " since " (clock.ago_text(Some(&hold.since))) } }
            @if let (Some(count), Some(of)) = (hold.count, hold.of) {
                p { "The next transfer would delete " b { (grouped(count)) } " of " (grouped(of)) " entries on the target." }
            } @else {
                p { "The guard " code { (hold.reason) } " keeps everything back until what it looks for is there." }
            }
            @if !hold.sample.is_empty() {
                h3 { "What would be deleted" }
                ul.paths.many[hold.sample.len() > 8] {
                    @for path in &hold.sample { li { bdi { (path) } } }
                    @if hidden > 0 { li.more { "and " (grouped(hidden)) " more" } }
                }
            }
            @if approvable {
                h3 { "If that is meant" }
                (command(&format!("heliostat approve {route} --id {}", hold.id)))
                p.quiet { "This releases exactly the plan above; if it changes meanwhile, it is held again." }
            }
        }
    }
}

/// Paths that a transfer could not bring in step.
pub(super) fn failing(route: &RouteStatus, clock: &Clock) -> Markup {
    if route.failing_count == 0 {
        return html! {};
    }
    let shown = route.failing.len().min(FAILING_MAX);
    let hidden = route.failing_count.saturating_sub(shown as u64);
    let row = |path: &PathStatus| {
        html! {
            tr role="row" {
                th.path scope="row" role="rowheader" { bdi { (path.path) } }
                td.why role="cell" { bdi { (ticked(&path.reason)) } }
                td.brief role="cell" data-label="Since" { (clock.ago_text(Some(&path.since))) }
                td.brief role="cell" data-label="Tries" { (path.tries) }
                td.brief role="cell" data-label="Next try" { (next_try(path)) }
            }
        }
    };
    let rows: Vec<Markup> = route.failing[..shown].iter().map(row).collect();
    let heads = ["Path", "Reason", "Since", "Tries", "Next try"];
    html! {
        section aria-labelledby="failing-title" {
            h2 #failing-title { "Failing paths" small { " " (grouped(route.failing_count)) } }
            (reasons(route))
            (folded("failing-rest", ("Paths that fail, with their reasons", "Further paths that fail"), &heads, &rows))
            @if hidden > 0 {
                p.more { "and " (grouped(hidden)) " more: " code { "heliostat status " (route.route) " --paths" } }
            }
        }
    }
}

/// How many fail for which reason, where that says more than the list.
fn reasons(route: &RouteStatus) -> Markup {
    let mut counts: BTreeMap<&str, u64> = BTreeMap::new();
    for path in &route.failing {
        *counts.entry(&path.reason).or_default() += 1;
    }
    let mut counts: Vec<(&str, u64)> = counts.into_iter().collect();
    counts.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
    let known = route.failing.len();
    if known <= FIRST || counts.len() > known / 2 {
        return html! {};
    }
    html! {
        ul.reasons {
            @for (reason, count) in counts.iter().take(REASONS_MAX) {
                li { b { (grouped(*count)) } " " bdi { (ticked(reason)) } }
            }
            @if counts.len() > REASONS_MAX {
                li { (counted((counts.len() - REASONS_MAX) as u64, "further reason")) }
            }
        }
        @if (known as u64) < route.failing_count { p.more { "Counted among the first " (grouped(known as u64)) "." } }
    }
}

/// The first rows, and the rest for who wants to see it: what follows on the page is not far away. `captions`: of both.
fn folded(id: &str, captions: (&str, &str), names: &[&str], rows: &[Markup]) -> Markup {
    let (first, rest) = match rows.len() > FIRST + FIRST / 2 {
        true => rows.split_at(FIRST),
        false => (rows, &[][..]),
    };
    let table = |caption: &str, rows: &[Markup]| {
        html! {
            table.paths role="table" {
                caption.vh { (caption) }
                (heads(names))
                tbody role="rowgroup" { @for row in rows { (row) } }
            }
        }
    };
    html! {
        (table(captions.0, first))
        @if !rest.is_empty() {
            details #(id) {
                summary { (grouped(rest.len() as u64)) " more of them" }
                (table(captions.1, rest))
            }
        }
    }
}

fn next_try(path: &PathStatus) -> String {
    match path.next_try_seconds {
        _ if path.trying => "being tried now".to_owned(),
        seconds if seconds < 1.0 => "now".to_owned(),
        seconds => format!("in {}", span(seconds as u64)),
    }
}

/// Paths that have changed and are not on the target.
pub(super) fn pending(paths: &[PendingStatus], route: &RouteStatus) -> Markup {
    if paths.is_empty() {
        return html! {};
    }
    // The failing ones are counted among them.
    let all = route
        .pending
        .saturating_sub(route.failing_count)
        .max(paths.len() as u64);
    let hidden = all - paths.len() as u64;
    let row = |path: &PendingStatus| {
        html! {
            tr role="row" {
                th.path scope="row" role="rowheader" { bdi { (path.path) } }
                td.brief role="cell" data-label="May differ" { (path.dirt.replace('+', ", ")) }
                td.brief role="cell" data-label="Changed" { (span(path.age_seconds as u64)) " ago" }
                td.why role="cell" { bdi { (ticked(&path.reason)) } }
            }
        }
    };
    let rows: Vec<Markup> = paths.iter().map(row).collect();
    let heads = ["Path", "May differ", "Changed", "Why it is not there"];
    html! {
        section aria-labelledby="pending-title" {
            h2 #pending-title { "Pending paths" small { " " (grouped(all)) } }
            (folded("pending-rest", ("Paths that are not on the target yet", "Further paths that are not on the target yet"), &heads, &rows))
            @if hidden > 0 {
                p.more { "and " (grouped(hidden)) " more: " code { "heliostat status " (route.route) " --paths" } }
            }
        }
    }
}

/// The last transfers.
pub(super) fn transfers(runs: &[Run], clock: &Clock) -> Markup {
    html! {
        section aria-labelledby="transfers-title" {
            h2 #transfers-title { "Last transfers" }
            @if runs.is_empty() {
                p.empty { "None is recorded yet." }
            } @else {
                table.transfers role="table" {
                    caption.vh { "The last transfers, the newest first" }
                    thead role="rowgroup" {
                        tr role="row" {
                            @for name in ["Ended", "Result", "Made for"] { th scope="col" role="columnheader" { (name) } }
                            @for name in ["Entries", "Bytes", "Deleted", "Took", "Lag"] { th.number scope="col" role="columnheader" { (name) } }
                            th scope="col" role="columnheader" { "Trouble" }
                        }
                    }
                    tbody #transfer-rows role="rowgroup" {
                        @for run in runs.iter().take(TRANSFERS_MAX) { (transfer(run, clock)) }
                    }
                }
            }
        }
    }
}

fn transfer(run: &Run, clock: &Clock) -> Markup {
    let result = match run.result.as_str() {
        "done" => html! { span.state.s-true { (symbol("true")) "done" } },
        "partial" => html! { span.state.s-failing { (symbol("failing")) "partial" } },
        "failed" => html! { span.state.s-failing { (symbol("failing")) "failed" } },
        "cancelled" => html! { span.state.s-paused { (symbol("paused")) "cancelled" } },
        other => state(other),
    };
    html! {
        tr role="row" {
            th scope="row" role="rowheader" { (clock.ago(run.at)) }
            td role="cell" { (result) }
            td role="cell" data-label="Made for" { (run.trigger) }
            td.number role="cell" data-label="Entries" { (count(run.stats.files)) }
            td.number role="cell" data-label="Bytes" { (bytes(run.stats.bytes)) }
            td.number role="cell" data-label="Deleted" { (count(run.stats.deleted)) }
            td.number role="cell" data-label="Took" { (milliseconds(run.took_ms)) }
            td.number role="cell" data-label="Lag" { @if run.result == "cancelled" { (none()) } @else { (milliseconds(run.lag_ms)) } }
            td.why role="cell" {
                @if let Some(trouble) = &run.trouble { bdi { (trouble) } }
                @if let Some(first) = run.failed.first() {
                    bdi { (first.path) ": " (first.reason) }
                    @if run.failed_count > 1 { small { " and " (grouped(run.failed_count - 1)) " more" } }
                }
            }
        }
    }
}

/// What will happen, as `plan` says it, and when next.
pub(super) fn planned(rows: &[Row], route: &RouteStatus, clock: &Clock) -> Markup {
    let commands = |row: &&Row| row.values.iter().any(|value| value.kind == Kind::Command);
    // What `plan` says of the next times counts from now; the service knows them.
    let words = rows
        .iter()
        .filter(|row| !commands(row) && row.key != "next");
    let lines: Vec<&str> = rows
        .iter()
        .filter(commands)
        .flat_map(|row| &row.values)
        .map(|value| value.text.as_str())
        .collect();
    html! {
        section aria-labelledby="plan-title" {
            h2 #plan-title { "Plan" }
            dl.plan #plan {
                div {
                    dt { "next rescan" } dd { (clock.at_text(route.next_rescan.as_deref())) }
                }
                @if route.next_sync.is_some() {
                    div { dt { "next send" } dd { (clock.at_text(route.next_sync.as_deref())) } }
                }
                @for row in rows.iter().filter(|row| row.key == "next") {
                    @for value in row.values.iter().filter(|value| value.text.contains("window") || value.text.contains("closed")) {
                        div { dt { "windows next" } dd { (value.text) } }
                    }
                }
                @for row in words {
                    div {
                        dt { (row.key) }
                        dd {
                            @for value in &row.values {
                                p {
                                    @match value.kind {
                                        Kind::Words => bdi { (ticked(&value.text)) },
                                        Kind::Pattern | Kind::Command => code { (value.text) },
                                    }
                                    @if let Some(note) = &value.note { small { " " (note) } }
                                }
                            }
                        }
                    }
                }
            }
            h3 { "Command lines" }
            @if lines.is_empty() {
                p.quiet { "None: it is copied by heliostat itself." }
            } @else {
                p.quiet { "For a batch of changed paths, and for a full pass. Secrets are named, not shown." }
                @for line in lines { (command(line)) }
            }
        }
    }
}

fn heads(names: &[&str]) -> Markup {
    html! {
        thead role="rowgroup" {
            tr role="row" { @for name in names { th scope="col" role="columnheader" { (name) } } }
        }
    }
}
