//! Times, numbers and states as markup.

use jiff::Timestamp;
use jiff::tz::TimeZone;
use maud::{Markup, html};

use crate::engine::status::span;
use crate::plan::grouped;

/// When it is, and on whose wall.
#[derive(Clone, Debug)]
pub(super) struct Clock {
    /// The moment that a page is of.
    pub now: Timestamp,
    /// The host's.
    pub zone: TimeZone,
}

impl Clock {
    /// `2026-06-01 12:00:03 +02:00`.
    pub(super) fn full(&self, at: Timestamp) -> String {
        self.wall(at, "%Y-%m-%d %H:%M:%S %:z")
    }

    /// The time of day; with the date where it is further away than a day.
    pub(super) fn short(&self, at: Timestamp) -> String {
        let far = at.duration_since(self.now).abs().as_secs() > 86_400;
        self.wall(at, if far { "%Y-%m-%d %H:%M" } else { "%H:%M" })
    }

    /// The time of day, to the second.
    pub(super) fn second(&self, at: Timestamp) -> String {
        self.wall(at, "%H:%M:%S")
    }

    /// The zone's offset now: `+02:00`.
    pub(super) fn offset(&self) -> String {
        self.wall(self.now, "%:z")
    }

    fn wall(&self, at: Timestamp, format: &str) -> String {
        at.to_zoned(self.zone.clone()).strftime(format).to_string()
    }

    /// `4s ago`, and when exactly.
    pub(super) fn ago(&self, at: Timestamp) -> Markup {
        html! { time.ago datetime=(at) title=(self.full(at)) { (self.distance(at)) } }
    }

    /// The time of day, and when exactly.
    pub(super) fn at(&self, at: Timestamp) -> Markup {
        self.time(at, &self.short(at))
    }

    fn time(&self, at: Timestamp, text: &str) -> Markup {
        html! { time datetime=(at) title=(self.full(at)) { (text) } }
    }

    /// `4s ago`, in a sentence; as it came where that is no time.
    pub(super) fn words(&self, at: &str) -> String {
        match at.parse() {
            Ok(at) => format!("{} ({})", self.distance(at), self.short(at)),
            Err(_) => at.to_owned(),
        }
    }

    fn distance(&self, at: Timestamp) -> String {
        let seconds = self.now.duration_since(at).as_secs();
        match u64::try_from(seconds) {
            Ok(seconds) => format!("{} ago", span(seconds)),
            Err(_) => format!("in {}", span(seconds.unsigned_abs())),
        }
    }

    /// As [`Clock::ago`], of a time that came as text; a dash where there is none.
    pub(super) fn ago_text(&self, at: Option<&str>) -> Markup {
        match at.and_then(|at| at.parse().ok()) {
            Some(at) => self.ago(at),
            None => none(),
        }
    }

    /// As [`Clock::at`], of a time that came as text; a dash where there is none.
    pub(super) fn at_text(&self, at: Option<&str>) -> Markup {
        match at.and_then(|at| at.parse().ok()) {
            Some(at) => self.at(at),
            None => none(),
        }
    }
}

/// There is nothing to say: a dash for the eye, a word for the ear.
pub(super) fn none() -> Markup {
    html! { span.none { span aria-hidden="true" { "–" } span.vh { "none" } } }
}

/// A number; a quiet one where it is nothing.
pub(super) fn count(number: u64) -> Markup {
    html! { @if number == 0 { span.zero { "0" } } @else { (grouped(number)) } }
}

/// `1 route`, `2 routes`.
pub(super) fn counted(number: u64, noun: &str) -> String {
    let plural = if number == 1 { "" } else { "s" };
    format!("{} {noun}{plural}", grouped(number))
}

/// Bytes for people: `0 B`, `812 B`, `1.2 MiB`.
pub(super) fn bytes(number: u64) -> String {
    const UNITS: [&str; 5] = ["KiB", "MiB", "GiB", "TiB", "PiB"];
    if number < 1024 {
        return format!("{number} B");
    }
    let mut size = number as f64 / 1024.0;
    let mut unit = 0;
    // From 999.5 on it would be shown with four digits.
    while size >= 999.5 && unit + 1 < UNITS.len() {
        size /= 1024.0;
        unit += 1;
    }
    let digits = if size < 9.95 { 1 } else { 0 };
    format!("{size:.digits$} {}", UNITS[unit])
}

/// Milliseconds for people: `4 ms`, `1.2 s`, `14m`.
pub(super) fn milliseconds(number: u64) -> String {
    match number {
        0..1000 => format!("{number} ms"),
        1000..60_000 => format!("{:.1} s", number as f64 / 1000.0),
        _ => span(number / 1000),
    }
}

/// A route's name, which may be broken after the slash.
pub(super) fn route_name(name: &str) -> Markup {
    match name.split_once('/') {
        Some((source, target)) => html! { (source) "/" wbr; (target) },
        None => html! { (name) },
    }
}

/// Where the page of a route is. Names are of `a-z`, `0-9` and `-`, so nothing needs to be encoded.
pub(super) fn route_path(name: &str) -> String {
    format!("/routes/{name}")
}

/// A word as part of a class or an id: `in sync` is `in-sync`.
pub(super) fn slug(word: &str) -> String {
    word.replace(|c: char| !c.is_ascii_alphanumeric(), "-")
}

/// A state: a symbol of its own shape, and the word that `status` prints.
pub(super) fn state(word: &str) -> Markup {
    html! { span class={"state s-" (slug(word))} { (symbol(word)) (word) } }
}

/// The symbol alone, for beside the word.
pub(super) fn symbol(word: &str) -> Markup {
    html! { svg.symbol aria-hidden="true" focusable="false" { use href={"#y-" (slug(word))} {} } }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_have_two_digits_at_least_and_three_at_most() {
        for (number, text) in [
            (0, "0 B"),
            (1023, "1023 B"),
            (1024, "1.0 KiB"),
            (10_189, "10 KiB"),
            (1_023_487, "999 KiB"),
            (1_023_489, "1.0 MiB"),
            (u64::MAX, "16384 PiB"),
        ] {
            assert_eq!(bytes(number), text, "{number}");
        }
        for (number, text) in [
            (0, "0 ms"),
            (999, "999 ms"),
            (1200, "1.2 s"),
            (840_000, "14m"),
        ] {
            assert_eq!(milliseconds(number), text);
        }
    }

    #[test]
    fn times_are_the_host_s_and_say_how_far_they_are() {
        let clock = Clock {
            now: "2026-06-01T12:00:00Z".parse().unwrap(),
            zone: TimeZone::get("Europe/Berlin").unwrap(),
        };
        let ago = clock
            .ago("2026-06-01T11:59:56Z".parse().unwrap())
            .into_string();
        assert!(
            ago.contains(">4s ago<") && ago.contains("13:59:56 +02:00"),
            "{ago}"
        );
        let ahead = clock.ago("2026-06-01T12:00:30Z".parse().unwrap());
        assert!(ahead.into_string().contains(">in 30s<"));
        assert_eq!(
            clock.short("2026-06-01T23:00:00Z".parse().unwrap()),
            "01:00"
        );
        assert_eq!(
            clock.short("2026-06-09T23:00:00Z".parse().unwrap()),
            "2026-06-10 01:00"
        );
        assert!(clock.ago_text(None).into_string().contains("none"));
    }
}
