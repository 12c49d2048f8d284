//! What has to do with time: debounce, rescans, sync schedules, windows, retries. Cron expressions and zone names stay
//! texts, and whether `maxWait` is as long as `quiet` shows only where source and target are merged: the compiler
//! checks both.

use super::fields::{Field, Fields};
use super::mend::{self, Meant};
use super::reading::{Bounds, Reading, Scalar, listed, nearest, scalar};
use super::yaml::{Key, Kind, Node};
use super::{Compare, Debounce, OnStart, Rescan, RescanWhen, Retry, Spanned, Sync, Window, unit};
use crate::diagnostic::{Code, Diagnostic};

const SECOND: u64 = 1_000;
const HOUR: u64 = 3_600 * SECOND;
const DAY: u64 = 24 * HOUR;

pub(super) const QUIET: Bounds = Bounds {
    ms: 0..=HOUR,
    least: "0ms",
    most: "1h",
    seconds: false,
};
pub(super) const MAX_WAIT: Bounds = Bounds {
    ms: 0..=DAY,
    least: "0ms",
    most: "1d",
    seconds: false,
};
/// Below it, a pass would follow on the heels of the last one.
pub(super) const PERIOD: Bounds = Bounds {
    ms: SECOND..=366 * DAY,
    least: "1s",
    most: "366d",
    seconds: true,
};
pub(super) const JITTER: Bounds = Bounds {
    ms: 0..=DAY,
    least: "0s",
    most: "1d",
    seconds: true,
};
/// rsync's `--timeout` counts whole seconds, and 0 means none.
pub(super) const TIMEOUT: Bounds = Bounds {
    ms: SECOND..=DAY,
    least: "1s",
    most: "1d",
    seconds: true,
};
/// Retries are bounded in rate, not in number: faster would be a busy loop.
pub(super) const RETRY: Bounds = Bounds {
    ms: 100..=DAY,
    least: "100ms",
    most: "1d",
    seconds: true,
};

/// Monday first, as [`Window::days`].
const DAYS: [&str; 7] = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];

/// As people write them out.
const FULL_DAYS: [&str; 7] = [
    "monday",
    "tuesday",
    "wednesday",
    "thursday",
    "friday",
    "saturday",
    "sunday",
];

/// `debounce: {quiet, maxWait}`.
pub(super) fn debounce(reading: &mut Reading<'_>, key: &str, node: &Node) -> Option<Debounce> {
    let mut fields = Fields::of(reading, key, "a debounce", node)?;
    let debounce = Debounce {
        quiet_ms: fields.read(reading, "quiet", |reading, key, node| {
            reading.duration(key, node, &QUIET)
        }),
        max_wait_ms: fields.read(reading, "maxWait", |reading, key, node| {
            reading.duration(key, node, &MAX_WAIT)
        }),
    };
    fields.finish(reading, &[]);
    Some(debounce)
}

/// `retry: {initial, max}`.
pub(super) fn retry(reading: &mut Reading<'_>, key: &str, node: &Node) -> Option<Retry> {
    let mut fields = Fields::of(reading, key, "a retry", node)?;
    let retry = Retry {
        initial_ms: fields.read(reading, "initial", |reading, key, node| {
            reading.duration(key, node, &RETRY)
        }),
        max_ms: fields.read(reading, "max", |reading, key, node| {
            reading.duration(key, node, &RETRY)
        }),
    };
    fields.finish(reading, &[]);
    Some(retry)
}

/// `rescan: {schedule | every, timeZone, jitter, compare, onStart}`, or `rescan: never`: no periodic passes.
pub(super) fn rescan(reading: &mut Reading<'_>, key: &str, node: &Node) -> Option<Rescan> {
    match scalar(node) {
        Scalar::Text("never") => {
            let when = Some(Spanned::new(RescanWhen::Never, node.at.clone()));
            return Some(Rescan {
                when,
                ..Rescan::default()
            });
        }
        Scalar::Text(_) | Scalar::Boolean(_) | Scalar::Number(_) => {
            return reading.wrong_type(key, "`never` or a mapping such as `{every: 12h}`", node);
        }
        _ => {}
    }
    let mut fields = Fields::of(reading, key, "a rescan", node)?;
    let times = Times::take(reading, &mut fields);
    let compare = fields.read(reading, "compare", |reading, key, node| {
        reading.choice(
            key,
            node,
            &[("quick", Compare::Quick), ("checksum", Compare::Checksum)],
        )
    });
    let on_start = fields.read(reading, "onStart", |reading, key, node| {
        let words = [
            ("auto", OnStart::Auto),
            ("always", OnStart::Always),
            ("never", OnStart::Never),
        ];
        reading.choice(key, node, &words)
    });
    fields.finish(reading, &[]);
    let when = match (times.schedule, times.every) {
        (Some(schedule), _) => Some(Spanned::new(
            RescanWhen::Schedule(schedule.value),
            schedule.at,
        )),
        (None, Some(every)) => Some(Spanned::new(RescanWhen::Every(every.value), every.at)),
        (None, None) => None,
    };
    Some(Rescan {
        when,
        time_zone: times.time_zone,
        jitter_ms: times.jitter_ms,
        compare,
        on_start,
    })
}

/// `sync: live`, or `sync: {schedule | every, timeZone, jitter}`.
pub(super) fn sync(reading: &mut Reading<'_>, key: &str, node: &Node) -> Option<Spanned<Sync>> {
    match scalar(node) {
        Scalar::Text("live") => return Some(Spanned::new(Sync::Live, node.at.clone())),
        Scalar::Text(_) | Scalar::Boolean(_) | Scalar::Number(_) => {
            return reading.wrong_type(key, "`live` or a mapping such as `{every: 6h}`", node);
        }
        _ => {}
    }
    let mut fields = Fields::of(reading, key, "a sync", node)?;
    let times = Times::take(reading, &mut fields);
    let given = times.given;
    if !given {
        fields.missing(reading, "schedule` or `every", &node.at);
    }
    fields.finish(reading, &[("compare", "`rescan`"), ("onStart", "`rescan`")]);
    let sync = match (times.schedule, times.every) {
        (Some(expression), _) => Sync::Schedule {
            expression,
            time_zone: times.time_zone,
            jitter_ms: times.jitter_ms,
        },
        (None, Some(period_ms)) => Sync::Every {
            period_ms,
            jitter_ms: times.jitter_ms,
        },
        (None, None) => return None,
    };
    Some(Spanned::new(sync, node.at.clone()))
}

/// `schedule`, `every` and what goes with them.
struct Times {
    schedule: Option<Spanned<String>>,
    every: Option<Spanned<u64>>,
    time_zone: Option<Spanned<String>>,
    jitter_ms: Option<Spanned<u64>>,
    /// Whether one of the first two was written at all, right or wrong.
    given: bool,
}

impl Times {
    fn take(reading: &mut Reading<'_>, fields: &mut Fields<'_>) -> Times {
        let (schedule, every) = (fields.take("schedule"), fields.take("every"));
        let time_zone = fields.take("timeZone");
        let jitter = fields.take("jitter");
        if let (Some(schedule), Some(every)) = (schedule, every) {
            let (first, second) = in_order(schedule, every);
            reading.report(
                Diagnostic::new(
                    Code::ScheduleAndEvery,
                    "`schedule` and `every` exclude each other",
                )
                .primary(&second.at, "remove one of them")
                .secondary(&first.at, "first set here"),
            );
        } else if let (Some(every), Some(zone)) = (every, time_zone) {
            reading.report(
                Diagnostic::new(Code::NeedsOther, "`timeZone` has no meaning with `every`")
                    .primary(&zone.key.at, "remove it, or use `schedule`")
                    .secondary(&every.key.at, "a fixed period"),
            );
        }
        Times {
            given: schedule.is_some() || every.is_some(),
            schedule: schedule.and_then(|field| reading.text("schedule", field.node)),
            every: every.and_then(|field| reading.duration("every", field.node, &PERIOD)),
            time_zone: time_zone.and_then(|field| reading.text("timeZone", field.node)),
            jitter_ms: jitter.and_then(|field| reading.duration("jitter", field.node, &JITTER)),
        }
    }
}

fn in_order<'n>(a: Field<'n>, b: Field<'n>) -> (&'n Key, &'n Key) {
    if a.key.at.span.start < b.key.at.span.start {
        (a.key, b.key)
    } else {
        (b.key, a.key)
    }
}

/// `windows: [{allow | deny: "08:00-18:00", days: [mon], timeZone}]`.
pub(super) fn windows(
    reading: &mut Reading<'_>,
    key: &str,
    node: &Node,
) -> Option<Vec<Spanned<Window>>> {
    reading.list(key, node, window)
}

fn window(reading: &mut Reading<'_>, node: &Node) -> Option<Spanned<Window>> {
    let mut fields = Fields::of(reading, "windows", "a window", node)?;
    let (allow, deny) = (fields.take("allow"), fields.take("deny"));
    let days = fields.read(reading, "days", days).unwrap_or([true; 7]);
    let time_zone = fields.read(reading, "timeZone", |reading, key, node| {
        reading.text(key, node)
    });
    if let (Some(allow), Some(deny)) = (allow, deny) {
        let (first, second) = in_order(allow, deny);
        reading.report(
            Diagnostic::new(Code::Exclusive, "`allow` and `deny` exclude each other")
                .primary(&second.at, "make it a window of its own")
                .secondary(&first.at, "first set here"),
        );
    }
    let given = allow.or(deny);
    if given.is_none() {
        fields.missing(reading, "allow` or `deny", &node.at);
    }
    fields.finish(reading, &[]);
    let field = given?;
    let text = reading.text(&field.key.text, field.node)?;
    match unit::window_min(&text.value) {
        Ok((from_min, to_min)) => {
            let window = Window {
                allow: allow.is_some(),
                from_min,
                to_min,
                days,
                time_zone,
            };
            Some(Spanned::new(window, node.at.clone()))
        }
        Err(message) => {
            let meant = mend::window(&text.value);
            let label = match &meant {
                Some(meant) if meant.certain => format!("write `{}`", meant.text),
                Some(meant) => format!("did you mean `{}`?", meant.text),
                None => "write for instance `\"22:30-05:00\"`".to_owned(),
            };
            reading.mended(Code::BadTime, &text.at, message, label, meant);
            None
        }
    }
}

/// `mon-fri`, `weekdays`, `weekend`: what other programs know.
fn span_of_days(text: &str) -> Option<Vec<&'static str>> {
    let lower = text.to_lowercase();
    let day = |word: &str| {
        let word = word.trim();
        let known = DAYS.iter().zip(FULL_DAYS);
        known
            .clone()
            .position(|(short, full)| word == *short || word == full)
    };
    let (from, to) = match lower.as_str() {
        "weekdays" | "workdays" => (0, 4),
        "weekend" | "weekends" => (5, 6),
        "daily" | "all" | "*" => (0, 6),
        range => {
            let (from, to) = range.split_once('-').or_else(|| range.split_once(".."))?;
            (day(from)?, day(to)?)
        }
    };
    let count = (to + 7 - from) % 7 + 1;
    Some((0..count).map(|step| DAYS[(from + step) % 7]).collect())
}

fn days(reading: &mut Reading<'_>, key: &str, node: &Node) -> Option<[bool; 7]> {
    let words: Vec<(&str, usize)> = DAYS
        .iter()
        .enumerate()
        .map(|(index, day)| (*day, index))
        .collect();
    if let Kind::Scalar { text, .. } = &node.kind
        && let Some(days) = span_of_days(text)
    {
        let meant = Meant {
            text: format!("[{}]", days.join(", ")),
            certain: true,
        };
        let label = format!("write `{}`", meant.text);
        let message = format!("`{key}` is a list of days");
        reading.mended(Code::WrongType, &node.at, message, label, Some(meant));
        return None;
    }
    let named = reading.list(key, node, |reading, item| match &item.kind {
        // `Monday`, `Mon`: the edit distance to `mon` is no measure of what is meant.
        Kind::Scalar { text, .. } if !DAYS.contains(&text.as_str()) => {
            let message = format!("unknown day `{text}`");
            if let Some(days) = span_of_days(text) {
                let label = format!("name each: `{}`", days.join(", "));
                reading.wrong(Code::UnknownValue, &item.at, message, label);
                return None;
            }
            let lower = text.to_lowercase();
            let short: String = lower.chars().take(3).collect();
            let near = nearest(&short, DAYS.into_iter());
            let label = match near {
                Some(day) => format!("did you mean `{day}`?"),
                None => format!("takes {}", listed(DAYS.into_iter())),
            };
            let meant = near.map(|day| Meant {
                text: day.to_owned(),
                certain: FULL_DAYS.iter().any(|full| *full == lower) || lower == day,
            });
            reading.mended(Code::UnknownValue, &item.at, message, label, meant);
            None
        }
        _ => reading.choice(key, item, &words),
    })?;
    reading.distinct(key, &named);
    let mut days = [false; 7];
    for day in named {
        days[day.value] = true;
    }
    Some(days)
}
