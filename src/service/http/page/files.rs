//! The effective manifest, every value with where it comes from; and the last rejected reload.

use maud::{Markup, html};

use super::commands::ticked;
use super::words::{Clock, counted};
use crate::plan::grouped;
use crate::service::protocol::StatusAnswer;
use crate::service::reading::{Effective, Rejection};

/// Lines on one page: some 300 KB.
const LINES_MAX: usize = 2000;

/// The content of the manifest's page.
pub(super) fn files(
    answer: &StatusAnswer,
    effective: &Result<Effective, Rejection>,
    page: usize,
    clock: &Clock,
) -> Markup {
    html! {
        h1 { "Manifest" }
        @if let Some(rejected) = &answer.in_force.rejected {
            section.panel aria-labelledby="rejected" {
                h2 #rejected { "Last reload rejected" small { " " (clock.ago_text(Some(&rejected.at))) " by " (rejected.by) } }
                p { bdi { (ticked(&rejected.reason)) } }
                @if !rejected.report.is_empty() { (report(&rejected.report)) }
            }
        }
        section aria-labelledby="effective-title" {
            h2 #effective-title { "What the files mean" }
            @match effective {
                Err(rejection) => {
                    p.bad { "The files have errors: " bdi { (ticked(&rejection.reason)) } ". What runs is generation " (answer.status.generation) ", by an earlier state of them." }
                    @let said = answer.in_force.rejected.as_ref().map(|rejected| &rejected.report);
                    @if said == Some(&rejection.diagnostics.report) {
                        p.quiet { "They are those of the last reload, above." }
                    } @else if !rejection.diagnostics.report.is_empty() {
                        (report(&rejection.diagnostics.report))
                    }
                }
                Ok(effective) => {
                    @if effective.digest == answer.in_force.digest {
                        p.quiet { "This is what runs: generation " (answer.status.generation) ", digest " code { (effective.digest) } "." }
                    } @else {
                        p.bad {
                            "This is not what runs: the files make digest " code { (effective.digest) } ", generation "
                            (answer.status.generation) " is " code { (answer.in_force.digest) } ". "
                            code { "heliostat diff --against running" } " shows how they differ."
                        }
                    }
                    (lines(effective, page))
                }
            }
        }
    }
}

fn report(text: &str) -> Markup {
    html! { pre.report { (text) } }
}

fn lines(effective: &Effective, page: usize) -> Markup {
    let all = effective.lines.len();
    let pages = all.div_ceil(LINES_MAX).max(1);
    let page = page.clamp(1, pages);
    let begin = (page - 1) * LINES_MAX;
    let shown = effective.lines.iter().skip(begin).take(LINES_MAX);
    // The items of a list are where the list is from.
    let mut from: Option<&str> = None;
    let shown = shown.map(|line| {
        if line.origin.is_some() || !line.text.trim_start().starts_with("- ") {
            from = line.origin.as_deref();
        }
        (line, from == Some("default"))
    });
    html! {
        table.manifest role="table" {
            caption { "Every default is written out; beside each value is where it comes from" }
            thead role="rowgroup" {
                tr role="row" {
                    th scope="col" role="columnheader" { "Manifest" }
                    th scope="col" role="columnheader" { "From" }
                }
            }
            tbody role="rowgroup" {
                @for (line, is_default) in shown {
                    tr role="row" class=[is_default.then_some("default")] {
                        td role="cell" { code { (line.text) } }
                        td role="cell" { @if let Some(origin) = &line.origin { bdi { (origin) } } }
                    }
                }
            }
        }
        @if pages > 1 {
            nav.pages aria-label="Pages of the manifest" {
                @if page > 1 { a rel="prev" href={"/manifest?page=" (page - 1)} { "Before" } }
                span {
                    (grouped(begin as u64 + 1)) "–" (grouped((begin + LINES_MAX).min(all) as u64))
                    " of " (counted(all as u64, "line"))
                }
                @if page < pages { a rel="next" href={"/manifest?page=" (page + 1)} { "After" } }
            }
        }
    }
}
