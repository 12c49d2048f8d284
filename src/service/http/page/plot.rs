//! Throughput and lag of the last hours, as SVG and as a table. No text is in the SVG: what it says stands beside it, and in
//! the table.

use std::fmt::Write;

use maud::{Markup, html};

use super::history::{HOURS, History, STEPS_AN_HOUR, Span, later};
use super::words::{Clock, bytes, count, counted, milliseconds};

/// Units of a drawing: a step is ten wide.
const STEP: usize = 10;
const WIDTH: usize = HOURS * STEPS_AN_HOUR * STEP;
const HEIGHT: f64 = 80.0;
/// The least that something is drawn as: what was is to be seen.
const LEAST: f64 = 2.0;

/// Both plots, and the table with the same.
pub(super) fn plots(history: &History, clock: &Clock) -> Markup {
    let (begin, steps) = history.steps(clock.now);
    let all = steps
        .iter()
        .fold(Span::default(), |all, step| all.with(step));
    let most = steps.iter().map(|step| step.bytes).max().unwrap_or(0);
    let minutes = 60 / STEPS_AN_HOUR;
    let cut = history.begins.filter(|begins| *begins > begin);
    html! {
        section aria-labelledby="plots-title" {
            h2 #plots-title { "Last " (HOURS) " hours" }
            @if all.transfers == 0 {
                p.empty { "No transfer ended in the last " (HOURS) " hours." }
            } @else {
                p.quiet { (counted(all.transfers, "transfer")) ", " (bytes(all.bytes)) ", longest lag " (milliseconds(all.lag_ms)) }
                div.plots #plots {
                    figure {
                        figcaption { "Throughput " small { "most in " (minutes) " minutes: " (bytes(most)) } }
                        (bars("bar", "Bytes sent in steps of five minutes; the table below has the numbers", &steps, |step| step.bytes))
                        (axis(clock))
                    }
                    figure {
                        figcaption { "Lag " small { "oldest change at the end of a transfer, longest: " (milliseconds(all.lag_ms)) } }
                        (bars("lag", "Longest lag in steps of five minutes; the table below has the numbers", &steps, |step| step.lag_ms))
                        (axis(clock))
                    }
                }
                @if all.bad > 0 {
                    p.quiet {
                        svg.legend viewBox="0 0 10 8" aria-hidden="true" focusable="false" { path.bad d="M5 0 10 8H0Z" {} }
                        " marks when transfers failed, left paths behind or were held: " (all.bad) "."
                    }
                }
                details #by-hour {
                    summary { "The same as a table" }
                    (table(&steps, begin, clock))
                }
            }
            @if let Some(cut) = cut {
                p.quiet { "What was before " (clock.at(cut)) " is not recorded any more." }
            }
        }
    }
}

fn drawing(label: &str, inside: Markup) -> Markup {
    html! {
        svg.plot viewBox={"0 0 " (WIDTH) " 96"} preserveAspectRatio="none" role="img" aria-label=(label) {
            g.grid {
                @for hour in 0..=HOURS {
                    @let x = (hour * STEPS_AN_HOUR * STEP).clamp(1, WIDTH - 1);
                    path d={"M" (x) " 0V80"} {}
                }
            }
            (inside)
            path.base d={"M0 80H" (WIDTH)} {}
        }
    }
}

/// As a share of the height.
fn height(value: u64, most: u64) -> f64 {
    match value {
        0 => 0.0,
        _ => (value as f64 / most.max(1) as f64 * (HEIGHT - 4.0)).max(LEAST),
    }
}

/// A bar for each step in which something was.
fn bars(class: &str, label: &str, steps: &[Span], of: fn(&Span) -> u64) -> Markup {
    let most = steps.iter().map(of).max().unwrap_or(0);
    let mut path = String::new();
    for (nth, step) in steps.iter().enumerate() {
        let tall = height(of(step), most);
        if tall > 0.0 {
            // Writing to a string does not fail.
            let _ = write!(path, "M{} 80v-{tall:.1}h8v{tall:.1}z", nth * STEP + 1);
        }
    }
    drawing(
        label,
        html! { path class=(class) d=(path) {} (marks(steps)) },
    )
}

/// A triangle below each step in which something went wrong.
fn marks(steps: &[Span]) -> Markup {
    let mut path = String::new();
    for (nth, _) in steps.iter().enumerate().filter(|(_, step)| step.bad > 0) {
        // As above.
        let _ = write!(path, "M{} 85l5 9h-10z", nth * STEP + STEP / 2);
    }
    html! { path.bad d=(path) {} }
}

fn axis(clock: &Clock) -> Markup {
    let (begin, _) = History::default().steps(clock.now);
    html! {
        p.axis aria-hidden="true" {
            @for hour in (0..HOURS).step_by(2) { span { (clock.short(later(begin, hour * STEPS_AN_HOUR))) } }
            span { "now" }
        }
    }
}

fn table(steps: &[Span], begin: jiff::Timestamp, clock: &Clock) -> Markup {
    html! {
        table.hours role="table" {
            caption.vh { "Transfers of the last hours, the newest first" }
            thead role="rowgroup" {
                tr role="row" {
                    th scope="col" role="columnheader" { "From" }
                    @for name in ["Transfers", "Not good", "Entries", "Bytes", "Deleted", "Longest lag"] {
                        th.number scope="col" role="columnheader" { (name) }
                    }
                }
            }
            tbody role="rowgroup" {
                @for (nth, hour) in steps.chunks(STEPS_AN_HOUR).enumerate().rev() {
                    @let sum = hour.iter().fold(Span::default(), |sum, step| sum.with(step));
                    tr role="row" {
                        th scope="row" role="rowheader" { (clock.at(later(begin, nth * STEPS_AN_HOUR))) }
                        td.number role="cell" data-label="Transfers" { (count(sum.transfers)) }
                        td.number role="cell" data-label="Not good" { (count(sum.bad)) }
                        td.number role="cell" data-label="Entries" { (count(sum.files)) }
                        td.number role="cell" data-label="Bytes" { (bytes(sum.bytes)) }
                        td.number role="cell" data-label="Deleted" { (count(sum.deleted)) }
                        td.number role="cell" data-label="Longest lag" { (milliseconds(sum.lag_ms)) }
                    }
                }
            }
        }
    }
}
