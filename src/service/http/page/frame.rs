//! What every page has around it: head, header, banners, symbols.

use maud::{DOCTYPE, Markup, html};

use super::commands::ticked;
use super::words::{Clock, counted};
use crate::engine::status::span;
use crate::plan::grouped;
use crate::service::in_force::Origin;
use crate::service::protocol::StatusAnswer;

/// Without a script a page loads itself again so often.
pub(super) const REFRESH_SECONDS: u32 = 10;

/// A page, as it is around its content.
pub(super) struct Frame<'a> {
    /// In the title, before the host.
    pub title: &'a str,
    /// The whole picture.
    pub answer: &'a StatusAnswer,
    /// When it was drawn.
    pub clock: &'a Clock,
    /// Where this page is with all it was asked for, without `live`.
    pub here: &'a str,
    /// How it follows what happens.
    pub live: Live,
}

/// How a page follows what happens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Live {
    /// By itself.
    On,
    /// Somebody wants to read in peace.
    Off,
    /// It is not of this moment.
    Never,
}

impl Frame<'_> {
    /// The page.
    pub(super) fn around(&self, content: Markup) -> Markup {
        let host = &self.answer.host;
        html! {
            (DOCTYPE)
            html lang="en" {
                (head(&format!("{} · {host}", self.title), self.live == Live::On))
                body {
                    (symbols())
                    a.skip href="#main" { "Skip to the content" }
                    (self.header())
                    main #main tabindex="-1" { (content) }
                    (self.footer())
                }
            }
        }
    }

    fn header(&self) -> Markup {
        let link = |path: &str, name: &str| {
            let current = self.here.split('?').next() == Some(path);
            html! { a href=(path) aria-current=[current.then_some("page")] { (name) } }
        };
        html! {
            header {
                div.bar {
                    p.host #host { (mark()) bdi { (self.answer.host) } }
                    nav aria-label="Pages" { (link("/", "Routes")) (link("/manifest", "Manifest")) }
                    (self.follow())
                }
                (self.facts())
                (self.banners())
            }
        }
    }

    /// Whether what is seen is of now.
    fn follow(&self) -> Markup {
        let at = self.clock.second(self.clock.now);
        let switch = |how: &str| {
            let joint = if self.here.contains('?') { '&' } else { '?' };
            format!("{}{joint}live={how}", self.here)
        };
        html! {
            p.follow #follow data-live=[(self.live == Live::On).then_some("on")] data-now=(self.clock.now) {
                @match self.live {
                    Live::On => {
                        span.beat aria-hidden="true" {}
                        span #heard { "as of " (at) } " "
                        a #pause href=(switch("off")) { "Pause" span.vh { " updates of this page" } }
                    }
                    Live::Off => {
                        span { "stands still since " (at) } " "
                        a #pause href=(self.here) { "Follow" span.vh { " what happens on this page" } }
                    }
                    Live::Never => span { "as of " (at) },
                }
            }
        }
    }

    fn facts(&self) -> Markup {
        let answer = self.answer;
        let in_force = &answer.in_force;
        let started = jiff::SignedDuration::from_secs(
            i64::try_from(answer.uptime_seconds).unwrap_or(i64::MAX),
        );
        let started = self.clock.now.checked_sub(started).ok();
        let watched = answer.status.watched();
        html! {
            dl.facts #facts {
                div { dt { "Version" } dd { (answer.version) } }
                div {
                    dt { "Up" }
                    dd {
                        (span(answer.uptime_seconds))
                        @if let Some(started) = started { small { " since " (self.clock.at(started)) } }
                    }
                }
                div {
                    dt { "Generation" }
                    dd {
                        (answer.status.generation)
                        small {
                            " digest " code title=(in_force.digest) { (first(&in_force.digest, 8)) }
                            @if let Some(revision) = &in_force.revision {
                                " revision " code title=(revision) { (first(revision, 12)) }
                            }
                        }
                    }
                }
                div {
                    dt { "Files" }
                    dd #files {
                        @match &answer.drift {
                            None => "are what runs",
                            Some(_) => strong.drifted { "are not what runs" },
                        }
                    }
                }
                div { dt { "Watches" } dd { (self.watches(watched)) } }
            }
        }
    }

    fn watches(&self, watched: u64) -> Markup {
        let mut by: Vec<&str> = self
            .answer
            .status
            .sources
            .iter()
            .filter_map(|source| source.mechanism.as_deref())
            .collect();
        by.sort_unstable();
        by.dedup();
        html! {
            (grouped(watched))
            @if let Some(limit) = self.answer.watch_limit {
                " of " (grouped(limit)) " "
                meter min="0" max=(limit) value=(watched) high=(limit / 10 * 9) aria-label="Watches used" {}
            }
            @if !by.is_empty() { small { " " (by.join(", ")) } }
        }
    }

    /// What nobody who looks at the routes may overlook.
    fn banners(&self) -> Markup {
        let in_force = &self.answer.in_force;
        let generation = self.answer.status.generation;
        html! {
            div #banners {
                @match &in_force.origin {
                    Origin::Files => {}
                    Origin::Rollback { before } => p.banner {
                        strong { "Rolled back" } " from generation " (before) " to " (generation) ": the next reload takes the files again."
                    }
                    Origin::LastGood { reason } => p.banner.bad {
                        strong { "Last good plan" } " The manifests were broken at the start, so generation " (generation) " runs: " (reason)
                    }
                }
                @if let Some(drift) = &self.answer.drift {
                    p.banner { strong { "Drift" } " " (ticked(&drift.message)) }
                }
                @if let Some(rejected) = &in_force.rejected {
                    p.banner.bad {
                        strong { "Reload rejected" } " " (self.clock.ago_text(Some(&rejected.at))) " (" (rejected.by) "): "
                        (ticked(&rejected.reason)) " "
                        @if !rejected.report.is_empty() { a href="/manifest#rejected" { "All that is wrong" } }
                    }
                }
            }
        }
    }

    fn footer(&self) -> Markup {
        html! {
            footer {
                p {
                    "heliostat " (self.answer.version) ", times at " (self.clock.offset())
                    ". This page only looks; in a terminal " code { "heliostat status" } " says the same."
                }
                @if self.live == Live::On {
                    noscript { p { "Loaded again every " (REFRESH_SECONDS) " seconds." } }
                }
            }
        }
    }
}

/// A page that says why there is none.
pub(super) fn sorry(title: &str, what: &str, again: bool) -> Markup {
    html! {
        (DOCTYPE)
        html lang="en" {
            (head(title, again))
            body {
                main.sorry #main {
                    h1 { (title) }
                    p { (what) }
                    p { a href="/" { "All routes" } }
                }
            }
        }
    }
}

fn head(title: &str, refresh: bool) -> Markup {
    html! {
        head {
            meta charset="utf-8";
            title { (title) }
            meta name="viewport" content="width=device-width, initial-scale=1";
            meta name="color-scheme" content="light dark";
            meta name="robots" content="noindex";
            link rel="icon" href="/assets/icon.svg" type="image/svg+xml";
            link rel="stylesheet" href="/assets/page.css";
            @if refresh {
                noscript { meta http-equiv="refresh" content=(REFRESH_SECONDS); }
                script src="/assets/live.js" defer {}
            }
        }
    }
}

/// The mirror, and the light that it holds in its place.
fn mark() -> Markup {
    html! {
        svg.mark viewBox="0 0 20 20" aria-hidden="true" focusable="false" {
            path d="M3 16 14 5" {}
            circle cx="15" cy="4.5" r="2.5" {}
            path d="M9 18h8" {}
        }
    }
}

/// A shape for each state, so that none is known by its colour alone.
fn symbols() -> Markup {
    let shapes: [(&str, Markup); 12] = [
        ("in-sync", html! { path.line d="M2 6.5 4.8 9.2 10 3.2" {} }),
        (
            "held",
            html! { path.fill d="M3.8.8h4.4l3 3v4.4l-3 3H3.8l-3-3V3.8Z" {} path.cut d="M3.6 6h4.8" {} },
        ),
        ("failing", html! { path.line d="M2.5 2.5l7 7m0-7-7 7" {} }),
        (
            "waiting",
            html! { circle.line.dash cx="6" cy="6" r="4.4" {} },
        ),
        (
            "retrying",
            html! { path.line d="M10.2 6A4.2 4.2 0 1 1 8.6 2.7M8.8.6v2.4H6.4" {} },
        ),
        ("paused", html! { path.line d="M4 2.2v7.6M8 2.2v7.6" {} }),
        (
            "starting",
            html! { circle.line cx="6" cy="6" r="4.4" {} path.fill d="M6 1.6a4.4 4.4 0 0 1 0 8.8Z" {} },
        ),
        (
            "sending",
            html! { path.line d="M1.5 6h8.6M6.8 2.6 10.2 6 6.8 9.4" {} },
        ),
        (
            "pending",
            html! { circle.fill cx="2" cy="6" r="1.3" {} circle.fill cx="6" cy="6" r="1.3" {} circle.fill cx="10" cy="6" r="1.3" {} },
        ),
        (
            "not-compared",
            html! { path.line d="M6 1.2 10.8 6 6 10.8 1.2 6Z" {} },
        ),
        ("true", html! { path.line d="M2 6.5 4.8 9.2 10 3.2" {} }),
        ("false", html! { path.line d="M2.5 2.5l7 7m0-7-7 7" {} }),
    ];
    html! {
        svg.vh aria-hidden="true" focusable="false" {
            defs {
                @for (name, shape) in shapes {
                    symbol id={"y-" (name)} viewBox="0 0 12 12" { (shape) }
                }
            }
        }
    }
}

fn first(text: &str, characters: usize) -> &str {
    text.get(..characters).unwrap_or(text)
}

/// `2 held, 1 failing`.
pub(super) fn sum(counts: &[(String, u64)]) -> String {
    let parts: Vec<String> = counts
        .iter()
        .map(|(word, count)| format!("{} {word}", grouped(*count)))
        .collect();
    parts.join(", ")
}

/// How it is, in one sentence.
pub(super) fn verdict(counts: &[(String, u64)]) -> String {
    let total: u64 = counts.iter().map(|(_, count)| count).sum();
    let calm = |word: &str| {
        matches!(
            word,
            "in sync" | "sending" | "pending" | "paused" | "starting" | "not compared"
        )
    };
    match total {
        0 => "No routes: the manifests have no source for this host.".to_owned(),
        _ if counts.iter().all(|(word, _)| word == "in sync") => match total {
            1 => "The one route is in sync.".to_owned(),
            _ => format!("All {} routes are in sync.", grouped(total)),
        },
        _ => {
            let wanting: u64 = counts
                .iter()
                .filter(|(word, _)| !calm(word))
                .map(|(_, count)| count)
                .sum();
            match wanting {
                0 => format!(
                    "Nothing needs attention: {} of {}.",
                    sum(counts),
                    counted(total, "route")
                ),
                1 => format!("1 of {} needs attention.", counted(total, "route")),
                _ => format!(
                    "{} of {} need attention.",
                    grouped(wanting),
                    counted(total, "route")
                ),
            }
        }
    }
}
