//! All routes, the worst first; and the sources with what watches them.

use std::collections::BTreeMap;

use maud::{Markup, html};

use super::commands::ticked;
use super::filter::{Filter, Shown};
use super::frame::verdict;
use super::words::{
    Clock, bytes, count, counted, none, route_name, route_path, slug, state, symbol,
};
use crate::engine::status::{RouteStatus, SourceStatus, State, span};
use crate::plan::grouped;
use crate::service::protocol::StatusAnswer;

/// Sources that are shown.
const SOURCES_MAX: usize = 100;
/// From so many routes on they can be searched.
const SEARCHED_FROM: usize = 12;

/// The content of the page of all routes.
pub(super) fn overview(answer: &StatusAnswer, filter: &Filter, clock: &Clock) -> Markup {
    let routes = &answer.status.routes;
    let counts = counts(routes);
    let shown = filter.choose(routes);
    html! {
        section aria-labelledby="routes-title" {
            div.title {
                h1 #routes-title { "Routes" }
                p.verdict #verdict role="status" { (verdict(&counts)) }
            }
            @if !routes.is_empty() {
                (states(&counts, filter, routes.len()))
                @if routes.len() >= SEARCHED_FROM { (search(filter)) }
                (table(&shown, filter, clock))
                (pages(&shown, filter))
            } @else {
                p.empty { "Write a manifest with " code { "heliostat init SOURCE URL" } ", then " code { "heliostat reload" } "." }
            }
        }
        @if !answer.status.sources.is_empty() { (sources(&answer.status.sources)) }
    }
}

/// How many are how, the worst first.
pub(super) fn counts(routes: &[RouteStatus]) -> Vec<(String, u64)> {
    let mut counts: BTreeMap<State, u64> = BTreeMap::new();
    for route in routes {
        *counts.entry(route.state).or_default() += 1;
    }
    counts
        .into_iter()
        .map(|(state, count)| (state.word().to_owned(), count))
        .collect()
}

/// The states that there are, each a link to its routes.
fn states(counts: &[(String, u64)], filter: &Filter, total: usize) -> Markup {
    let link = |word: Option<&str>, text: Markup, number: u64| {
        let current = filter.state.as_deref() == word;
        html! {
            li {
                a #{"only-" (slug(word.unwrap_or("all")))} href=(filter.with_state(word).address()) aria-current=[current.then_some("true")] {
                    (text) " " b { (grouped(number)) }
                }
            }
        }
    };
    html! {
        nav.states aria-label="Routes by state" {
            ul #states {
                (link(None, html! { "all" }, total as u64))
                @for (word, number) in counts {
                    (link(Some(word), html! { span class={"tint s-" (slug(word))} { (symbol(word)) } (word) }, *number))
                }
            }
        }
    }
}

fn search(filter: &Filter) -> Markup {
    html! {
        form.search method="get" action="/" role="search" {
            @if let Some(state) = &filter.state { input type="hidden" name="state" value=(state); }
            label for="find" { "Routes whose name contains" }
            input #find type="search" name="find" value=[filter.find.as_deref()] maxlength="130" autocomplete="off" spellcheck="false";
            button type="submit" { "Find" }
        }
    }
}

fn table(shown: &Shown<'_>, filter: &Filter, clock: &Clock) -> Markup {
    if shown.routes.is_empty() {
        return html! {
            p.empty #none-match { "No route matches. " a href="/" { "Show all routes" } }
        };
    }
    let caption = match filter.is_everything() {
        true => "Routes, the worst first",
        false => "The routes that match, the worst first",
    };
    html! {
        table.routes role="table" {
            caption.vh { (caption) }
            thead role="rowgroup" {
                tr role="row" {
                    @for name in ["Route", "State"] { th scope="col" role="columnheader" { (name) } }
                    @for name in ["Lag", "Pending"] { th.number scope="col" role="columnheader" { (name) } }
                    @for name in ["Last good", "Next rescan", "Why"] { th scope="col" role="columnheader" { (name) } }
                }
            }
            tbody #rows role="rowgroup" {
                @for route in &shown.routes { (row(route, clock)) }
            }
        }
    }
}

fn row(route: &RouteStatus, clock: &Clock) -> Markup {
    let word = route.state.word();
    html! {
        tr #{"route-" (route.route)} class={"r-" (slug(word))} role="row" {
            th scope="row" role="rowheader" {
                a #{"link-" (route.route)} href=(route_path(&route.route)) { (route_name(&route.route)) }
                small { bdi { (route.target) } }
            }
            td role="cell" { (state(word)) }
            td.number role="cell" data-label="Lag" {
                @match route.lag_seconds {
                    Some(lag) => (span(lag as u64)),
                    // What nobody has looked at yet may be late.
                    None if is_unknown(route.state) => (none()),
                    None => span.zero { (span(0)) },
                }
            }
            td.number role="cell" data-label="Pending" { (count(route.pending)) }
            td role="cell" data-label="Last good" { (clock.ago_text(route.last_good.as_deref())) }
            td role="cell" data-label="Next rescan" { (clock.at_text(route.next_rescan.as_deref())) }
            td.why role="cell" { @if let Some(why) = &route.why { bdi { (ticked(why)) } } }
        }
    }
}

/// Whether nothing is known of how late a route is.
fn is_unknown(state: State) -> bool {
    matches!(state, State::Waiting | State::Starting | State::NotCompared)
}

fn pages(shown: &Shown<'_>, filter: &Filter) -> Markup {
    if shown.pages < 2 {
        return html! {};
    }
    let page = filter.page.min(shown.pages);
    html! {
        nav.pages aria-label="Pages of the table" {
            @if page > 1 { a rel="prev" href=(filter.with_page(page - 1).address()) { "Before" } }
            span {
                (grouped(shown.before as u64 + 1)) "–" (grouped((shown.before + shown.routes.len()) as u64))
                " of " (counted(shown.matching as u64, "route"))
            }
            @if page < shown.pages { a rel="next" href=(filter.with_page(page + 1).address()) { "After" } }
        }
    }
}

fn sources(sources: &[SourceStatus]) -> Markup {
    let mut order: Vec<&SourceStatus> = sources.iter().collect();
    order.sort_by_key(|source| source.ready);
    let more = order.len().saturating_sub(SOURCES_MAX);
    html! {
        section aria-labelledby="sources-title" {
            h2 #sources-title { "Sources" }
            table.sources role="table" {
                caption.vh { "Sources, and what watches them" }
                thead role="rowgroup" {
                    tr role="row" {
                        th scope="col" role="columnheader" { "Source" }
                        th scope="col" role="columnheader" { "Watched by" }
                        @for name in ["Directories", "Polled"] { th.number scope="col" role="columnheader" { (name) } }
                        th scope="col" role="columnheader" { "Why" }
                    }
                }
                tbody #source-rows role="rowgroup" {
                    @for source in order.iter().take(SOURCES_MAX) { (source_row(source)) }
                }
            }
            @if more > 0 { p.more { "and " (counted(more as u64, "more source")) " that are watched" } }
        }
    }
}

fn source_row(source: &SourceStatus) -> Markup {
    html! {
        tr #{"source-" (source.name)} role="row" {
            th scope="row" role="rowheader" { (source.name) small { bdi { (source.path) } } }
            td role="cell" {
                @match (&source.mechanism, source.ready) {
                    (Some(mechanism), true) => (mechanism),
                    (_, true) => "ready",
                    (_, false) => (state("waiting")),
                }
            }
            td.number role="cell" data-label="Directories" { (count(source.directories + source.unwatched)) }
            td.number role="cell" data-label="Polled" { (count(source.unwatched + source.doubted)) }
            td.why role="cell" {
                @match source.waiting.as_ref().or(source.mechanism_why.as_ref()) {
                    Some(why) => bdi { (ticked(why)) },
                    None => (none()),
                }
            }
        }
    }
}

/// What was done since the start, in one line.
pub(super) fn totals(route: &RouteStatus) -> String {
    format!(
        "{}, {}, {}, {} since the start",
        counted(route.transfers, "transfer"),
        match route.files {
            1 => "1 entry sent".to_owned(),
            files => format!("{} entries sent", grouped(files)),
        },
        bytes(route.bytes),
        match route.deleted {
            0 => "nothing deleted".to_owned(),
            deleted => format!("{} deleted", grouped(deleted)),
        }
    )
}
