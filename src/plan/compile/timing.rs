//! When: schedules, windows, debounce, rescans. Checks what has to do with time zones and the calendar.

use jiff::Timestamp;

use super::collector::Collector;
use crate::diagnostic::{Code, Diagnostic, Place};
use crate::manifest::{self, RescanWhen, Spanned, TargetOptions, defaults};
use crate::plan::{Compare, Debounce, OnStart, Rescan, Sync};
use crate::schedule::{self, Problem, Schedule, ScheduleError, Window, WindowRule};

/// A Monday from which the windows of a week are looked at; a fixed one, because a compiler has no clock.
const SOME_MONDAY: Timestamp = Timestamp::constant(1_767_571_200, 0);

/// When changes are sent.
pub(super) fn sync(written: Option<&Spanned<manifest::Sync>>, out: &mut Collector<'_>) -> Sync {
    match written.map(|sync| &sync.value) {
        None | Some(manifest::Sync::Live) => Sync::Live,
        Some(manifest::Sync::Schedule {
            expression,
            time_zone,
            jitter_ms,
        }) => {
            check_expression(&expression.value, &expression.at, out);
            Sync::Scheduled(Schedule::Cron {
                expression: expression.value.clone(),
                time_zone: zone(time_zone.as_ref(), out),
                jitter_ms: jitter_ms.as_ref().map_or(0, |jitter| jitter.value),
            })
        }
        Some(manifest::Sync::Every {
            period_ms,
            jitter_ms,
        }) => {
            check_period(period_ms.value, &period_ms.at, out);
            Sync::Scheduled(Schedule::Every {
                period_ms: period_ms.value,
                jitter_ms: jitter_ms.as_ref().map_or(0, |jitter| jitter.value),
            })
        }
    }
}

/// Full passes; nightly where nothing is said.
pub(super) fn rescan(written: &manifest::Rescan, out: &mut Collector<'_>) -> Rescan {
    let jitter = |default: u64| {
        written
            .jitter_ms
            .as_ref()
            .map_or(default, |jitter| jitter.value)
    };
    let schedule = match written.when.as_ref() {
        None => Some(Schedule::Cron {
            expression: defaults::RESCAN_SCHEDULE.into(),
            time_zone: zone(written.time_zone.as_ref(), out),
            jitter_ms: jitter(defaults::RESCAN_JITTER_MS),
        }),
        Some(Spanned {
            value: RescanWhen::Never,
            ..
        }) => None,
        Some(Spanned {
            value: RescanWhen::Schedule(expression),
            at,
        }) => {
            check_expression(expression, at, out);
            Some(Schedule::Cron {
                expression: expression.clone(),
                time_zone: zone(written.time_zone.as_ref(), out),
                jitter_ms: jitter(0),
            })
        }
        Some(Spanned {
            value: RescanWhen::Every(period_ms),
            at,
        }) => {
            check_period(*period_ms, at, out);
            Some(Schedule::Every {
                period_ms: *period_ms,
                jitter_ms: jitter(0),
            })
        }
    };
    Rescan {
        schedule,
        compare: match written.compare.as_ref().map(|compare| compare.value) {
            None | Some(manifest::Compare::Quick) => Compare::Quick,
            Some(manifest::Compare::Checksum) => Compare::Checksum,
        },
        on_start: match written.on_start.as_ref().map(|on_start| on_start.value) {
            None | Some(manifest::OnStart::Auto) => OnStart::Auto,
            Some(manifest::OnStart::Always) => OnStart::Always,
            Some(manifest::OnStart::Never) => OnStart::Never,
        },
    }
}

/// When transfers may start; together the windows must let some through.
pub(super) fn windows(
    written: &[Spanned<manifest::Window>],
    out: &mut Collector<'_>,
) -> Vec<Window> {
    let windows: Vec<Window> = written
        .iter()
        .map(|window| Window {
            rule: if window.value.allow {
                WindowRule::Allow
            } else {
                WindowRule::Deny
            },
            from_min: window.value.from_min,
            to_min: window.value.to_min,
            days: window.value.days,
            time_zone: zone(window.value.time_zone.as_ref(), out),
        })
        .collect();
    if let Some(last) = written.last()
        && !schedule::open(&windows, SOME_MONDAY)
        && schedule::next_change(&windows, SOME_MONDAY).is_none()
    {
        let mut diagnostic = Diagnostic::new(
            Code::WindowsNeverOpen,
            "these windows never let a transfer start",
        )
        .primary(&last.at, "with this one nothing is left")
        .help("`deny` wins over `allow`; leave a part of the week open");
        for window in &written[..written.len() - 1] {
            diagnostic = diagnostic.secondary(&window.at, "");
        }
        out.push(diagnostic);
    }
    windows
}

/// How changes are gathered.
pub(super) fn debounce(written: &manifest::Debounce, out: &mut Collector<'_>) -> Debounce {
    let bounds = Bounds {
        low: ("quiet", written.quiet_ms.as_ref(), defaults::QUIET_MS),
        high: (
            "maxWait",
            written.max_wait_ms.as_ref(),
            defaults::MAX_WAIT_MS,
        ),
        code: Code::DebounceOrder,
    };
    let (quiet_ms, max_wait_ms) = bounds.lower(out);
    Debounce {
        quiet_ms,
        max_wait_ms,
    }
}

/// A live route whose changes wait longer than from one full pass to the next is not live.
pub(super) fn lag(
    sync: &Sync,
    debounce: Debounce,
    rescan: &manifest::Rescan,
    options: &TargetOptions,
    out: &mut Collector<'_>,
) {
    let Some(Spanned {
        value: RescanWhen::Every(period_ms),
        at,
    }) = &rescan.when
    else {
        return;
    };
    let waits = options
        .debounce
        .max_wait_ms
        .as_ref()
        .or(options.debounce.quiet_ms.as_ref());
    if *sync == Sync::Live && debounce.max_wait_ms > *period_ms {
        let mut diagnostic = Diagnostic::new(
            Code::LiveMayNotLag,
            "changes may wait longer than from one rescan to the next",
        )
        .primary(at, "the rescan comes first")
        .help("use `sync: {every: …}` to gather changes, or a shorter `maxWait`");
        if let Some(waits) = waits {
            diagnostic = diagnostic.secondary(&waits.at, "changes may wait this long");
        }
        out.push(diagnostic);
    }
}

/// Two bounds in milliseconds, the first of which is not above the second.
pub(super) struct Bounds<'a> {
    /// Key, value, default.
    pub low: (&'a str, Option<&'a Spanned<u64>>, u64),
    /// Key, value, default.
    pub high: (&'a str, Option<&'a Spanned<u64>>, u64),
    /// What it is if both were given in the wrong order.
    pub code: Code,
}

impl Bounds<'_> {
    /// The values: a default makes way for what was given.
    pub fn lower(self, out: &mut Collector<'_>) -> (u64, u64) {
        let (low_key, low, low_default) = self.low;
        let (high_key, high, high_default) = self.high;
        match (low, high) {
            (Some(low), Some(high)) => {
                if low.value > high.value {
                    out.push(
                        Diagnostic::new(
                            self.code,
                            format!("`{high_key}` is shorter than `{low_key}`"),
                        )
                        .primary(&high.at, format!("must be at least `{low_key}`"))
                        .secondary(&low.at, ""),
                    );
                }
                (low.value, high.value.max(low.value))
            }
            (Some(low), None) => (low.value, high_default.max(low.value)),
            (None, Some(high)) => (low_default.min(high.value), high.value),
            (None, None) => (low_default, high_default),
        }
    }
}

fn zone(written: Option<&Spanned<String>>, out: &mut Collector<'_>) -> String {
    let Some(zone) = written else {
        return defaults::TIME_ZONE.into();
    };
    if let Err(error) = schedule::check_zone(&zone.value) {
        out.push(diagnostic(&error, &zone.value, &zone.at, out));
    }
    zone.value.clone()
}

fn check_expression(expression: &str, at: &Place, out: &mut Collector<'_>) {
    if let Err(error) = schedule::check_expression(expression) {
        out.push(diagnostic(&error, expression, at, out));
    }
}

fn check_period(period_ms: u64, at: &Place, out: &mut Collector<'_>) {
    if let Err(error) = schedule::check_period(period_ms) {
        out.push(diagnostic(&error, "", at, out));
    }
}

fn diagnostic(error: &ScheduleError, value: &str, at: &Place, out: &Collector<'_>) -> Diagnostic {
    let (code, place) = match error.problem {
        Problem::Syntax => (Code::BadCron, out.within(at, value, error.at.clone())),
        Problem::NeverFires => (
            Code::CronNeverFires,
            out.within(at, value, error.at.clone()),
        ),
        Problem::UnknownZone => (Code::UnknownTimeZone, at.clone()),
        Problem::Period => (Code::OutOfRange, at.clone()),
    };
    let diagnostic = Diagnostic::new(code, error.message.clone()).primary(&place, "");
    let diagnostic = match &error.meant {
        Some(meant) => diagnostic.mend(&place, meant.clone(), false),
        None => diagnostic,
    };
    match &error.help {
        Some(help) => diagnostic.help(help.clone()),
        None => diagnostic,
    }
}
