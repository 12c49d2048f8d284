//! Crontab expressions on the wall clock of a zone, as instants.
//!
//! The crate `cron` is asked on the wall clock as if it were UTC, where nothing is skipped and nothing repeated; what
//! the zone does to the clock is done here. Time is cut into the stretches between the zone's changes, in each of which
//! wall clock and instant differ by a constant:
//!
//! - a *gap* (the clock jumps forward): a time that does not exist is taken at the first instant after the gap, once,
//!   however many of them there are;
//! - a *fold* (the clock jumps back): a time that comes twice is taken the first time, unless the expression is an
//!   interval (`*` in minute or hour), which goes on through both.

use std::str::FromStr;

use chrono::{DateTime, Utc};
use jiff::Timestamp;
use jiff::tz::{AmbiguousOffset, Offset, TimeZone};

use super::crontab::Crontab;

/// The first instant after `after` at which the expression fires; `None` beyond the year 2100, where the crate ends.
pub(super) fn next(crontab: &Crontab, zone: &TimeZone, after: Timestamp) -> Option<Timestamp> {
    let schedules: Vec<cron::Schedule> = crontab
        .expanded()
        .iter()
        .filter_map(|text| cron::Schedule::from_str(text).ok())
        .collect();
    // The crate starts with 1970; two days before it, no zone's wall clock has reached it.
    let mut after = after.as_second().max(-172_800);
    // Ends: each turn either returns or moves `after` forward, and the crate ends with 2100.
    loop {
        let here = Timestamp::from_second(after.checked_add(1)?).ok()?;
        let offset = zone.to_offset(here);
        let change = zone
            .following(here)
            .next()
            .map(|change| (change.timestamp().as_second(), change.offset()));
        let wall = schedules
            .iter()
            .filter_map(|schedule| next_wall(schedule, after + seconds(offset)))
            .min()?;
        let instant = wall - seconds(offset);
        match change {
            Some((at, next_offset)) if instant >= at => {
                if wall < at + seconds(next_offset) {
                    return Timestamp::from_second(at).ok(); // Within the gap: those wall times are skipped.
                }
                after = at - 1;
            }
            _ if !crontab.interval() && is_second_time(zone, wall, offset) => after = instant,
            _ => return Timestamp::from_second(instant).ok(),
        }
    }
}

fn seconds(offset: Offset) -> i64 {
    i64::from(offset.seconds())
}

/// The crate's answer; all in seconds of the wall clock as if it were UTC, exclusive.
fn next_wall(schedule: &cron::Schedule, after: i64) -> Option<i64> {
    let after: DateTime<Utc> = DateTime::from_timestamp(after, 0)?;
    schedule.after(&after).next().map(|found| found.timestamp())
}

/// Whether the clock showed `wall` once before it showed it with this offset.
fn is_second_time(zone: &TimeZone, wall: i64, offset: Offset) -> bool {
    let Ok(wall) = Timestamp::from_second(wall) else {
        return false;
    };
    let civil = Offset::UTC.to_datetime(wall);
    matches!(zone.to_ambiguous_timestamp(civil).offset(), AmbiguousOffset::Fold { after, .. } if after == offset)
}
