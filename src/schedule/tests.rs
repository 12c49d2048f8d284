//! Schedules on the calendar: the changes of the clock told by hand, every expression against a minute-by-minute reading
//! of the rules, and against the crate `croner`.

use std::ops::ControlFlow;
use std::str::FromStr;

use jiff::civil::date;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use proptest::prelude::*;

use super::crontab::Crontab;
use super::{Schedule, wall};

const ZONES: [&str; 7] = [
    "UTC",
    "Europe/Berlin",
    "America/New_York",
    "Australia/Lord_Howe", // half an hour of daylight saving
    "America/Santiago",    // changes at midnight
    "Asia/Kathmandu",      // +05:45, no changes
    "Pacific/Apia",        // skipped a whole day, 2011-12-30
];

fn cron(expression: &str, zone: &str) -> Schedule {
    Schedule::Cron {
        expression: expression.into(),
        time_zone: zone.into(),
        jitter_ms: 0,
    }
}

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

/// The next `count` times on the wall of the zone.
fn times(expression: &str, zone: &str, after: &str, count: usize) -> String {
    let schedule = cron(expression, zone);
    schedule.check().unwrap();
    let mut at = at(after);
    let mut out = Vec::new();
    for _ in 0..count {
        let Some(next) = schedule.next_after(at, "") else {
            break;
        };
        assert!(next > at);
        out.push(
            next.to_zoned(TimeZone::get(zone).unwrap())
                .strftime("%a %m-%d %H:%M %Z")
                .to_string(),
        );
        at = next;
    }
    out.join(", ")
}

#[test]
fn a_plain_night() {
    assert_eq!(
        times("17 3 * * *", "Europe/Berlin", "2026-01-01T02:17:00Z", 2),
        "Fri 01-02 03:17 CET, Sat 01-03 03:17 CET"
    );
    assert_eq!(
        times("0 0 29 2 *", "UTC", "2026-01-01T00:00:00Z", 2),
        "Tue 02-29 00:00 UTC, Sun 02-29 00:00 UTC"
    );
    assert_eq!(
        times("0 0 * * 0", "UTC", "2026-01-01T00:00:00Z", 1),
        "Sun 01-04 00:00 UTC"
    );
    assert_eq!(
        times("0 0 * * 1", "UTC", "2026-01-01T00:00:00Z", 1),
        "Mon 01-05 00:00 UTC"
    );
}

#[test]
fn a_time_in_a_gap_is_taken_right_after_it() {
    assert_eq!(
        times("30 2 * * *", "Europe/Berlin", "2026-03-28T12:00:00Z", 2),
        "Sun 03-29 03:00 CEST, Mon 03-30 02:30 CEST"
    );
    // Many in the gap are one.
    assert_eq!(
        times(
            "10,20,30 2 * * *",
            "Europe/Berlin",
            "2026-03-28T12:00:00Z",
            2
        ),
        "Sun 03-29 03:00 CEST, Mon 03-30 02:10 CEST"
    );
    // A gap at midnight, and a day that never was.
    assert_eq!(
        times("15 0 6 9 *", "America/Santiago", "2026-01-01T00:00:00Z", 1),
        "Sun 09-06 01:00 -03"
    );
    assert_eq!(
        times("0 12 30 12 *", "Pacific/Apia", "2011-12-01T00:00:00Z", 1),
        "Sat 12-31 00:00 +14"
    );
    assert_eq!(
        times("*/30 * * * *", "Europe/Berlin", "2026-03-29T00:30:00Z", 2),
        "Sun 03-29 03:00 CEST, Sun 03-29 03:30 CEST"
    );
}

#[test]
fn a_time_that_comes_twice_is_taken_once() {
    assert_eq!(
        times("30 2 * * *", "Europe/Berlin", "2026-10-24T12:00:00Z", 2),
        "Sun 10-25 02:30 CEST, Mon 10-26 02:30 CET"
    );
    // Asked from inside the fold, between its two halves and in its second half.
    assert_eq!(
        times("30 2 * * *", "Europe/Berlin", "2026-10-25T00:45:00Z", 1),
        "Mon 10-26 02:30 CET"
    );
    assert_eq!(
        times("30 2 * * *", "Europe/Berlin", "2026-10-25T01:15:00Z", 1),
        "Mon 10-26 02:30 CET"
    );
}

#[test]
fn an_interval_goes_on_through_both_hours() {
    assert_eq!(
        times("*/30 * * * *", "Europe/Berlin", "2026-10-24T23:45:00Z", 5),
        "Sun 10-25 02:00 CEST, Sun 10-25 02:30 CEST, Sun 10-25 02:00 CET, Sun 10-25 02:30 CET, Sun 10-25 03:00 CET"
    );
}

#[test]
fn jitter_is_stable_and_spreads() {
    let schedule = Schedule::Cron {
        expression: "0 3 * * *".into(),
        time_zone: "UTC".into(),
        jitter_ms: 1_200_000,
    };
    let start = at("2026-01-01T00:00:00Z");
    let due = at("2026-01-01T03:00:00Z");
    let mut shares = std::collections::BTreeSet::new();
    for n in 0..50 {
        let key = format!("host/website/web{n}");
        let first = schedule.next_after(start, &key).unwrap();
        assert_eq!(schedule.next_after(start, &key), Some(first));
        let share = first.duration_since(due);
        assert!(
            !share.is_negative() && share < SignedDuration::from_mins(20),
            "{share}"
        );
        // Between the plain time and the jittered one, it is still to come, and the day after it comes just as late.
        assert_eq!(schedule.next_after(due, &key), Some(first));
        assert_eq!(
            schedule.next_after(first, &key),
            Some(first + SignedDuration::from_hours(24))
        );
        shares.insert(share);
    }
    assert!(shares.len() > 45);
}

#[test]
fn every_counts_from_the_last_run() {
    let schedule = Schedule::Every {
        period_ms: 6 * 3_600_000,
        jitter_ms: 0,
    };
    assert_eq!(
        schedule.next_after(at("2026-01-01T00:07:00Z"), "k"),
        Some(at("2026-01-01T06:07:00Z"))
    );
    assert!(
        Schedule::Every {
            period_ms: 0,
            jitter_ms: 0
        }
        .check()
        .is_err()
    );
    assert!(
        Schedule::Every {
            period_ms: u64::MAX,
            jitter_ms: 0
        }
        .check()
        .is_err()
    );
}

#[test]
fn the_ends_of_time_do_not_panic() {
    let every = Schedule::Every {
        period_ms: u64::MAX,
        jitter_ms: u64::MAX,
    };
    for schedule in [
        cron("0 0 29 2 *", "Europe/Berlin"),
        cron("* * * * *", "Pacific/Apia"),
        every,
    ] {
        for edge in [
            Timestamp::MIN,
            Timestamp::MAX,
            Timestamp::UNIX_EPOCH,
            at("2100-12-31T23:59:59Z"),
        ] {
            schedule.next_after(edge, "k");
        }
    }
    assert_eq!(
        cron("0 0 30 2 *", "UTC").next_after(Timestamp::UNIX_EPOCH, ""),
        None
    );
    assert_eq!(
        cron("garbage", "UTC").next_after(Timestamp::UNIX_EPOCH, ""),
        None
    );
}

/// The rules read word by word, without the crate `cron`: every second-hand candidate minute is looked at.
fn by_hand(
    crontab: &Crontab,
    zone: &TimeZone,
    after: Timestamp,
    limit_min: i64,
) -> Option<Timestamp> {
    let matches = |wall: jiff::civil::DateTime| {
        let has = |field: &super::field::Field, value: i8| field.set & (1 << value) != 0;
        let day = has(&crontab.days, wall.day());
        let weekday = has(&crontab.weekdays, wall.weekday().to_sunday_zero_offset());
        let days = if crontab.days.star || crontab.weekdays.star {
            day && weekday
        } else {
            day || weekday
        };
        has(&crontab.minutes, wall.minute())
            && has(&crontab.hours, wall.hour())
            && has(&crontab.months, wall.month())
            && days
    };
    let first = (after.as_second().div_euclid(60) + 1) * 60;
    let found = (0..limit_min)
        .map(|n| Timestamp::from_second(first + n * 60).unwrap())
        .try_for_each(|now| {
            let before = zone.to_datetime(now - SignedDuration::from_mins(1));
            let wall = zone.to_datetime(now);
            // Every wall minute between the previous instant's and this one's was skipped.
            let mut skipped = before + SignedDuration::from_mins(1);
            let mut due = matches(wall);
            let mut gap = false;
            while skipped < wall {
                gap |= matches(skipped);
                skipped += SignedDuration::from_mins(1);
            }
            if due && !crontab.interval() {
                // Shown before? Look back a day and a half minute by minute of offset: the earlier instant with that wall time.
                let earlier = zone.to_ambiguous_timestamp(wall).earlier().unwrap();
                due = earlier == now;
            }
            if due || gap {
                ControlFlow::Break(now)
            } else {
                ControlFlow::Continue(())
            }
        });
    match found {
        ControlFlow::Break(now) => Some(now),
        ControlFlow::Continue(()) => None,
    }
}

fn field(min: u8, max: u8) -> impl Strategy<Value = String> {
    let value = move || min..=max;
    let range = (value(), value()).prop_map(|(a, b)| format!("{}-{}", a.min(b), a.max(b)));
    let stepped = (value(), value(), 1..=(max - min).clamp(1, 7))
        .prop_map(|(a, b, step)| format!("{}-{}/{step}", a.min(b), a.max(b)));
    let item = prop_oneof![3 => value().prop_map(|v| v.to_string()), 1 => range, 1 => stepped];
    prop_oneof![
        4 => Just("*".to_string()),
        2 => (2..=(max - min).clamp(2, 20)).prop_map(|step| format!("*/{step}")),
        3 => prop::collection::vec(item, 1..3).prop_map(|items| items.join(",")),
    ]
}

fn expression() -> impl Strategy<Value = String> {
    (
        field(0, 59),
        field(0, 23),
        field(1, 31),
        field(1, 12),
        field(0, 7),
    )
        .prop_map(|(m, h, d, mo, w)| format!("{m} {h} {d} {mo} {w}"))
        .prop_filter("fires", |text| Crontab::parse(text).is_ok())
}

/// Expressions of the hours in which clocks are changed, half of them without a `*`.
fn nightly() -> impl Strategy<Value = String> {
    let times = prop::collection::vec((0..4_u8).prop_map(|n| n * 20 % 60), 1..3);
    let minutes =
        times.prop_map(|list| list.iter().map(u8::to_string).collect::<Vec<_>>().join(","));
    let hours = prop_oneof![
        Just("0-3"),
        Just("1,2"),
        Just("23,0"),
        Just("2"),
        Just("*"),
        Just("*/2")
    ];
    let days = prop_oneof![4 => Just("*"), 1 => Just("1-7"), 1 => Just("25-31")];
    prop_oneof![4 => (minutes, hours, days).prop_map(|(m, h, d)| format!("{m} {h} {d} * *")), 1 => Just("*/7 2 * * *".to_string())]
}

/// A change of the clock.
fn change() -> impl Strategy<Value = (&'static str, Timestamp)> {
    instant().prop_filter_map("a zone with changes", |(zone, at)| {
        let change = TimeZone::get(zone).ok()?.following(at).next()?.timestamp();
        Some((zone, change))
    })
}

/// Instants, half of them within two days of a change of the clock.
fn instant() -> impl Strategy<Value = (&'static str, Timestamp)> {
    let start = date(2011, 1, 1)
        .to_zoned(TimeZone::UTC)
        .unwrap()
        .timestamp()
        .as_second();
    let seconds = 0..(18 * 365 * 86_400_i64);
    (
        prop::sample::select(&ZONES[..]),
        seconds,
        -172_800..172_800_i64,
        any::<bool>(),
    )
        .prop_map(move |(zone, n, near, edge)| {
            let at = Timestamp::from_second(start + n).unwrap();
            let change = TimeZone::get(zone)
                .unwrap()
                .following(at)
                .next()
                .map(|change| change.timestamp());
            match change {
                Some(change) if edge => (zone, change + SignedDuration::from_secs(near)),
                _ => (zone, at),
            }
        })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_expression_agrees_with_the_rules_read_minute_by_minute(text in expression(), (zone, after) in instant()) {
        let crontab = Crontab::parse(&text).unwrap();
        let tz = TimeZone::get(zone).unwrap();
        // Four days around, minute by minute; what comes later than that must at least not come earlier.
        let limit = 4 * 1440;
        let ours = wall::next(&crontab, &tz, after);
        match by_hand(&crontab, &tz, after, limit) {
            Some(expected) => prop_assert_eq!(ours, Some(expected), "{} in {} after {}", text, zone, after),
            None => prop_assert!(ours.is_none_or(|ours| ours.as_second() > after.as_second() + (limit - 1) * 60)),
        }
    }

    #[test]
    fn every_firing_around_a_change_of_the_clock_is_as_the_rules_say(text in nightly(), (zone, change) in change()) {
        let crontab = Crontab::parse(&text).unwrap();
        let tz = TimeZone::get(zone).unwrap();
        let hours = SignedDuration::from_hours(4);
        let (mut ours, mut theirs) = (change - hours, change - hours);
        while theirs < change + hours {
            ours = wall::next(&crontab, &tz, ours).unwrap();
            match by_hand(&crontab, &tz, theirs, (change + hours).duration_since(theirs).as_mins() + 1) {
                Some(expected) => prop_assert_eq!(ours, expected, "{} in {} around {}", text, zone, change),
                None => {
                    prop_assert!(ours > change + hours - SignedDuration::from_mins(1));
                    break;
                }
            }
            theirs = ours;
        }
    }

    /// Where croner differs by intent (its reading is OCPS, ours is cron(8)):
    /// - a list or a range of hours or minutes is an interval to it, and so runs twice in a fold; to us only `*` is;
    /// - an interval's times in a gap are dropped; ours run once, right after the gap;
    /// - a fixed time in a gap is dropped if the day right after the gap does not match; ours runs.
    ///
    /// So it is asked about days without a change of the clock.
    #[test]
    fn any_expression_agrees_with_croner_between_the_changes_of_the_clock(text in expression(), (zone, after) in instant()) {
        let tz = TimeZone::get(zone).unwrap();
        let crontab = Crontab::parse(&text).unwrap();
        let ours = wall::next(&crontab, &tz, after).unwrap();
        prop_assume!(tz.following(after).next().is_none_or(|change| change.timestamp() > ours));
        let day_before = after - SignedDuration::from_hours(26);
        prop_assume!(tz.following(day_before).next().is_none_or(|change| change.timestamp() > after));
        // croner ORs the two days also where one of them is `*/n`.
        prop_assume!(crontab.either_day() || text.split(' ').nth(2) == Some("*") || text.split(' ').nth(4) == Some("*"));
        let theirs = croner::Cron::from_str(&text).unwrap().find_next_occurrence(&after.to_zoned(tz), false).unwrap();
        prop_assert_eq!(ours, theirs.timestamp(), "{} in {} after {}", text, zone, after);
    }

    #[test]
    fn no_text_panics(text in "\\PC{0,40}", zone in "\\PC{0,20}", cronlike in "[0-9a-z*/,@ -]{0,24}") {
        for expression in [text, cronlike] {
            if let Err(error) = cron(&expression, &zone).check() {
                let whole = if error.problem == super::Problem::UnknownZone { &zone } else { &expression };
                prop_assert!(whole.get(error.at).is_some());
            }
        }
    }
}
