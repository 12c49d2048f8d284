//! Windows: whether transfers may start now, and when that changes.
//!
//! A window is what the clock on the wall of its zone shows: an instant is inside it when the time shown there is. So a
//! time that a change of the clock skips is in no window, and one that it repeats is in the window twice.

use jiff::civil::{Date, Time};
use jiff::tz::{AmbiguousOffset, TimeZone};
use jiff::{Timestamp, ToSpan};

use super::{Window, WindowRule, zone};

/// How far ahead a change is looked for, in days: windows repeat weekly, and a change of the clock may swallow one week's.
const HORIZON_DAYS: i64 = 15;

/// Whether transfers may start at `at`: no deny window holds, and one of the allow windows does if there is any.
pub fn open(windows: &[Window], at: Timestamp) -> bool {
    let holds = |rule: WindowRule| {
        windows
            .iter()
            .any(|window| window.rule == rule && contains(window, at))
    };
    let allow_given = windows
        .iter()
        .any(|window| window.rule == WindowRule::Allow);
    !holds(WindowRule::Deny) && (!allow_given || holds(WindowRule::Allow))
}

/// The first instant after `at` at which [`open`] says something else; `None` where it never does.
pub fn next_change(windows: &[Window], at: Timestamp) -> Option<Timestamp> {
    let mut candidates: Vec<Timestamp> = windows
        .iter()
        .flat_map(|window| boundaries(window, at))
        .collect();
    candidates.sort_unstable();
    candidates.dedup();
    let now = open(windows, at);
    candidates
        .into_iter()
        .find(|candidate| *candidate > at && open(windows, *candidate) != now)
}

fn contains(window: &Window, at: Timestamp) -> bool {
    let shown = zone::find_or_utc(&window.time_zone).to_datetime(at);
    let minute = shown.hour() as u16 * 60 + shown.minute() as u16;
    let begins = |date: Option<Date>| date.is_some_and(|date| window.days[day_index(date)]);
    let today = shown.date();
    if window.to_min > window.from_min {
        (window.from_min..window.to_min).contains(&minute) && begins(Some(today))
    } else {
        (minute >= window.from_min && begins(Some(today)))
            || (minute < window.to_min && begins(today.yesterday().ok()))
    }
}

fn day_index(date: Date) -> usize {
    date.weekday().to_monday_zero_offset() as usize
}

/// Every instant up to the horizon at which the window may begin or end: its times on each day, and the zone's changes.
fn boundaries(window: &Window, at: Timestamp) -> Vec<Timestamp> {
    let zone = zone::find_or_utc(&window.time_zone);
    let today = zone.to_datetime(at).date();
    let mut out = Vec::new();
    for day in -1..=HORIZON_DAYS {
        let Ok(date) = today.checked_add(day.days()) else {
            continue;
        };
        for minute in [window.from_min, window.to_min] {
            out.extend(instants(&zone, date, minute));
        }
    }
    if let Ok(end) = at.checked_add((24 * HORIZON_DAYS).hours()) {
        out.extend(
            zone.following(at)
                .map(|change| change.timestamp())
                .take_while(|change| *change <= end),
        );
    }
    out
}

/// The instants at which the wall shows that minute of that day; none within a gap (the change itself is a boundary).
fn instants(zone: &TimeZone, date: Date, minute: u16) -> Vec<Timestamp> {
    let (date, minute) = if minute >= 1440 {
        (date.tomorrow().ok(), minute - 1440)
    } else {
        (Some(date), minute)
    };
    let time = Time::new((minute / 60) as i8, (minute % 60) as i8, 0, 0).ok();
    let (Some(date), Some(time)) = (date, time) else {
        return Vec::new();
    };
    let civil = date.to_datetime(time);
    let with = |offset: jiff::tz::Offset| offset.to_timestamp(civil).ok();
    match zone.to_ambiguous_timestamp(civil).offset() {
        AmbiguousOffset::Unambiguous { offset } => with(offset).into_iter().collect(),
        AmbiguousOffset::Fold { before, after } => {
            with(before).into_iter().chain(with(after)).collect()
        }
        AmbiguousOffset::Gap { .. } => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use jiff::SignedDuration;
    use proptest::prelude::*;

    use super::*;

    fn window(rule: WindowRule, times: &str, days: &str, zone: &str) -> Window {
        let minutes =
            |text: &str| text[..2].parse::<u16>().unwrap() * 60 + text[3..].parse::<u16>().unwrap();
        let (from, to) = times.split_once('-').unwrap();
        let (from_min, to_min) = (minutes(from), minutes(to));
        let names = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];
        let days = names.map(|name| days.is_empty() || days.contains(name));
        Window {
            rule,
            from_min,
            to_min,
            days,
            time_zone: zone.into(),
        }
    }

    /// The changes from `at` on: `closed, open 18:00, …`.
    fn changes(windows: &[Window], at: &str, count: usize) -> String {
        let mut at: Timestamp = at.parse().unwrap();
        let word = |at| if open(windows, at) { "open" } else { "closed" };
        let mut out = vec![word(at).to_string()];
        for _ in 0..count {
            let Some(next) = next_change(windows, at) else {
                out.push("for ever".into());
                break;
            };
            let zone = zone::find_or_utc(&windows[0].time_zone);
            out.push(format!(
                "{} {}",
                word(next),
                next.to_zoned(zone).strftime("%a %H:%M %Z")
            ));
            at = next;
        }
        out.join(", ")
    }

    use WindowRule::{Allow, Deny};

    #[test]
    fn office_hours_are_denied() {
        let windows = [window(
            Deny,
            "08:00-18:00",
            "mon tue wed thu fri",
            "Europe/Berlin",
        )];
        assert_eq!(
            changes(&windows, "2026-01-02T12:00:00Z", 3), // a Friday
            "closed, open Fri 18:00 CET, closed Mon 08:00 CET, open Mon 18:00 CET"
        );
        assert_eq!(changes(&[], "2026-01-02T12:00:00Z", 1), "open, for ever");
    }

    #[test]
    fn deny_wins_over_allow() {
        let windows = [
            window(Allow, "20:00-06:00", "", "UTC"),
            window(Deny, "23:00-01:00", "", "UTC"),
        ];
        assert_eq!(
            changes(&windows, "2026-01-02T12:00:00Z", 4),
            "closed, open Fri 20:00 UTC, closed Fri 23:00 UTC, open Sat 01:00 UTC, closed Sat 06:00 UTC"
        );
    }

    #[test]
    fn an_overnight_window_belongs_to_the_day_it_begins_on() {
        let windows = [window(Allow, "22:00-06:00", "fri", "UTC")];
        assert_eq!(
            changes(&windows, "2026-01-02T12:00:00Z", 3),
            "closed, open Fri 22:00 UTC, closed Sat 06:00 UTC, open Fri 22:00 UTC"
        );
        assert!(open(&windows, "2026-01-03T05:59:59Z".parse().unwrap()));
        assert!(!open(&windows, "2026-01-02T05:00:00Z".parse().unwrap()));
    }

    #[test]
    fn adjoining_windows_are_one() {
        let windows = [
            window(Allow, "00:00-12:00", "", "UTC"),
            window(Allow, "12:00-24:00", "", "UTC"),
        ];
        assert_eq!(
            changes(&windows, "2026-01-02T03:00:00Z", 1),
            "open, for ever"
        );
    }

    #[test]
    fn windows_are_what_the_wall_shows() {
        // The gap swallows it on that Sunday; the fold shows it twice.
        let windows = [window(Allow, "02:00-02:30", "sun", "Europe/Berlin")];
        assert_eq!(
            changes(&windows, "2026-03-28T12:00:00Z", 1),
            "closed, open Sun 02:00 CEST"
        );
        assert_eq!(
            next_change(&windows, "2026-03-28T12:00:00Z".parse().unwrap()),
            "2026-04-05T00:00:00Z".parse().ok()
        );
        assert_eq!(
            changes(&windows, "2026-10-24T12:00:00Z", 4),
            "closed, open Sun 02:00 CEST, closed Sun 02:30 CEST, open Sun 02:00 CET, closed Sun 02:30 CET"
        );
        // A window that begins in the gap begins when the gap ends.
        let windows = [window(Allow, "02:30-04:00", "", "Europe/Berlin")];
        assert_eq!(
            changes(&windows, "2026-03-28T12:00:00Z", 2),
            "closed, open Sun 03:00 CEST, closed Sun 04:00 CEST"
        );
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 150, failure_persistence: None, ..ProptestConfig::default() })]

        /// Nothing changes before the named instant, and there it does.
        #[test]
        fn next_change_is_the_first(
            spans in prop::collection::vec((any::<bool>(), 0..1440_u16, 1..1440_u16, prop::array::uniform7(any::<bool>())), 1..3),
            zone in prop::sample::select(&["UTC", "Europe/Berlin", "Australia/Lord_Howe", "America/Santiago"][..]),
            hours in 0..26_280_i64,
        ) {
            let windows: Vec<Window> = spans.into_iter().map(|(deny, from, length, days)| Window {
                rule: if deny { Deny } else { Allow },
                from_min: from,
                to_min: match from + length { to if to > 1440 => to - 1440, to => to },
                days,
                time_zone: zone.into(),
            }).collect();
            let at = Timestamp::from_second(1_767_225_600 + hours * 3600).unwrap();
            let change = next_change(&windows, at);
            let until = change.unwrap_or(at + SignedDuration::from_hours(14 * 24));
            prop_assert!(change.is_none_or(|change| open(&windows, change) != open(&windows, at)));
            let mut probe = at;
            while probe < until {
                prop_assert_eq!(open(&windows, probe), open(&windows, at), "{} of {:?}", probe, windows);
                probe += SignedDuration::from_mins(5);
            }
            prop_assert_eq!(open(&windows, until - SignedDuration::from_secs(1)), open(&windows, at));
        }
    }
}
