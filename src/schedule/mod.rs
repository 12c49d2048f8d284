//! When things happen by the clock: five-field cron and `every`, time zones, jitter, and windows of the day.
//!
//! Owns what schedules and windows mean; it must not know manifests, routes or the clock: everything here is a pure
//! function of an instant that comes in. Called by the plan compiler (is this one sound?), the engine (when is it due?)
//! and the explanation of a plan. The one thing read from outside is the zones' data ([`check_zone`]).

mod crontab;
mod error;
mod field;
mod next;
mod open;
mod wall;
mod zone;

pub use error::{Problem, ScheduleError};
pub use next::{check_expression, check_period};
pub use open::{next_change, open};
pub use zone::check_zone;

#[cfg(test)]
mod tests;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// When a periodic pass or a gathered send is due.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum Schedule {
    /// crontab(5) on the wall clock of a zone.
    Cron {
        /// The five fields as written.
        expression: String,
        /// IANA name; `UTC` where none was given.
        time_zone: String,
        /// Spread: the route's share of it is a stable hash (see [`Schedule::next_after`](self)).
        jitter_ms: u64,
    },
    /// A fixed period, counted from the last time it ran (or from the start of the service).
    Every {
        /// The period.
        period_ms: u64,
        /// Spread, as above.
        jitter_ms: u64,
    },
}

/// Whether a [`Window`] lets transfers through or keeps them back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum WindowRule {
    /// Transfers start only inside one of the allowed windows.
    Allow,
    /// No transfer starts inside it.
    Deny,
}

/// A part of the day on some days of the week; deny wins over allow.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Window {
    /// What holds inside it.
    pub rule: WindowRule,
    /// Minutes from midnight, `0..1440`.
    pub from_min: u16,
    /// Minutes from midnight, `0..=1440`, exclusive; not after `from_min` means that it ends on the next day.
    pub to_min: u16,
    /// The days on which it *begins*, Monday first. All true where none were named.
    pub days: [bool; 7],
    /// IANA name; `UTC` where none was given.
    pub time_zone: String,
}
