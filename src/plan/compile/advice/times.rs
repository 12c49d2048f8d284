//! Schedules: against their own jitter, against one another, and against windows.
//!
//! Looked at over a number of times from a fixed instant, because a compiler has no clock.

use std::collections::HashMap;

use jiff::{SignedDuration, Timestamp};

use crate::diagnostic::{Code, Diagnostic, Place};
use crate::manifest;
use crate::plan::compile::collector::Collector;
use crate::plan::compile::source::Lowered;
use crate::plan::{RoutePlan, Sync};
use crate::schedule::{self, Schedule};

/// A Monday.
const SOME_MONDAY: Timestamp = Timestamp::constant(1_767_571_200, 0);
/// A schedule with days of the week or the month shows what it does within so many times.
const TIMES: usize = 40;
/// Nobody reads more, and each costs time.
const SCHEDULES_MAX: usize = 200;

/// The times of each schedule, found once.
#[derive(Default)]
struct Times {
    of: HashMap<(String, String), Vec<Timestamp>>,
}

impl Times {
    /// The first times of a crontab expression without its jitter; none for a period, or beyond the bound.
    fn of(&mut self, schedule: &Schedule) -> &[Timestamp] {
        let Schedule::Cron {
            expression,
            time_zone,
            ..
        } = schedule
        else {
            return &[];
        };
        let key = (expression.clone(), time_zone.clone());
        if self.of.len() >= SCHEDULES_MAX && !self.of.contains_key(&key) {
            return &[];
        }
        self.of.entry(key).or_insert_with(|| {
            let exact = Schedule::Cron {
                expression: expression.clone(),
                time_zone: time_zone.clone(),
                jitter_ms: 0,
            };
            let next = |after: &Timestamp| exact.next_after(*after, "");
            let first = next(&SOME_MONDAY);
            std::iter::successors(first, next).take(TIMES).collect()
        })
    }
}

pub(super) fn check(lowered: &[Lowered<'_>], out: &mut Collector<'_>) {
    let mut times = Times::default();
    for item in lowered {
        for (_, target, route) in item.targets() {
            let rescan = target.options.rescan.over(&item.source.options.rescan);
            let written = Written {
                route,
                sync: target.options.sync.as_ref().map(|sync| &sync.at),
                rescan: rescan.when.as_ref().map(|when| &when.at),
                rescan_jitter: rescan.jitter_ms.as_ref().map(|jitter| &jitter.at),
                sync_jitter: sync_jitter(target),
            };
            jitter(&written, &mut times, out);
            together(&written, &mut times, out);
            windows(&written, &mut times, out);
        }
    }
}

/// A route with the places of what it says of times.
struct Written<'a> {
    route: &'a RoutePlan,
    sync: Option<&'a Place>,
    rescan: Option<&'a Place>,
    rescan_jitter: Option<&'a Place>,
    sync_jitter: Option<&'a Place>,
}

fn sync_jitter(target: &manifest::Target) -> Option<&Place> {
    let jitter = match &target.options.sync.as_ref()?.value {
        manifest::Sync::Live => None,
        manifest::Sync::Schedule { jitter_ms, .. } | manifest::Sync::Every { jitter_ms, .. } => {
            jitter_ms.as_ref()
        }
    };
    jitter.map(|jitter| &jitter.at)
}

fn scheduled(route: &RoutePlan) -> Option<&Schedule> {
    match &route.sync {
        Sync::Live => None,
        Sync::Scheduled(schedule) => Some(schedule),
    }
}

/// A jitter that is as long as the time from one run to the next.
fn jitter(written: &Written<'_>, times: &mut Times, out: &mut Collector<'_>) {
    let both = [
        (scheduled(written.route), written.sync_jitter),
        (
            written.route.rescan.schedule.as_ref(),
            written.rescan_jitter,
        ),
    ];
    for (schedule, place) in both {
        let (Some(schedule), Some(place)) = (schedule, place) else {
            continue;
        };
        let (jitter_ms, gap_ms) = match schedule {
            Schedule::Every {
                period_ms,
                jitter_ms,
            } => (*jitter_ms, Some(*period_ms)),
            Schedule::Cron { jitter_ms, .. } => {
                let gaps = times.of(schedule).windows(2);
                let gaps = gaps.filter_map(|pair| {
                    u64::try_from(pair[1].duration_since(pair[0]).as_millis()).ok()
                });
                (*jitter_ms, gaps.min())
            }
        };
        if gap_ms.is_some_and(|gap| jitter_ms >= gap) {
            out.push(
                Diagnostic::new(
                    Code::SchedulesOverlap,
                    "the jitter is as long as the time from one run to the next",
                )
                .primary(place, "one run may come when the next one is due")
                .help("shorten it, or run less often"),
            );
        }
    }
}

/// A full pass whenever the gathered changes are sent.
fn together(written: &Written<'_>, times: &mut Times, out: &mut Collector<'_>) {
    let (Some(sync), Some(rescan)) = (
        scheduled(written.route),
        written.route.rescan.schedule.as_ref(),
    ) else {
        return;
    };
    let needless = match (sync, rescan) {
        (
            Schedule::Every {
                period_ms: sync, ..
            },
            Schedule::Every {
                period_ms: pass, ..
            },
        ) => pass <= sync,
        (Schedule::Cron { .. }, Schedule::Cron { .. }) => {
            let passes = times.of(rescan).to_vec();
            let known = passes.last().copied().unwrap_or(SOME_MONDAY);
            let mut sends = times
                .of(sync)
                .iter()
                .filter(|send| **send <= known)
                .peekable();
            sends.peek().is_some() && sends.all(|send| passes.contains(send))
        }
        _ => false,
    };
    if let (true, Some(sync), Some(rescan)) = (needless, written.sync, written.rescan) {
        out.push(
            Diagnostic::new(
                Code::SchedulesOverlap,
                format!(
                    "`{}` makes a full pass whenever it would send what was gathered",
                    written.route.name
                ),
            )
            .primary(sync, "is never needed")
            .secondary(rescan, "the full pass is due as often")
            .help("make full passes less often, or at another time"),
        );
    }
}

/// Times that all fall where nothing may start.
fn windows(written: &Written<'_>, times: &mut Times, out: &mut Collector<'_>) {
    let windows = &written.route.windows;
    if windows.is_empty() || schedule::next_change(windows, SOME_MONDAY).is_none() {
        return;
    }
    let both = [
        ("sync", scheduled(written.route), written.sync),
        (
            "rescan",
            written.route.rescan.schedule.as_ref(),
            written.rescan,
        ),
    ];
    for (key, schedule, place) in both {
        let (Some(schedule), Some(place)) = (schedule, place) else {
            continue;
        };
        let Schedule::Cron { jitter_ms, .. } = schedule else {
            continue;
        };
        let spread = SignedDuration::from_millis(i64::try_from(*jitter_ms).unwrap_or(i64::MAX));
        let all = times.of(schedule);
        // At the beginning and the end of what the jitter may make of it, and between.
        let closed = |at: &Timestamp| {
            (0..=4).all(|part| {
                let later = at.checked_add(spread / 4 * part).unwrap_or(*at);
                !schedule::open(windows, later)
            })
        };
        if !all.is_empty() && all.iter().all(closed) {
            out.push(
                Diagnostic::new(
                    Code::ScheduleOutsideWindows,
                    format!(
                        "`{}`: every time of this `{key}` is outside the windows",
                        written.route.name
                    ),
                )
                .primary(place, "waits each time until the windows open")
                .help("move the schedule or the windows; mind their time zones"),
            );
        }
    }
}
