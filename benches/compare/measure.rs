//! What a measure is, and what it hands back: tables, raw results, and how far it is from its goals.

use serde::Serialize;
use serde_json::Value;

use crate::report::{Table, milliseconds, seconds};
use crate::settings::Settings;

/// One measure. Each is a `const` of its own file, and a line in the list of `main`.
pub struct Measure {
    /// As `--only` takes it.
    pub name: &'static str,
    /// In a few words, for `--help`.
    pub about: &'static str,
    /// Whether `--goals` makes it: with the goals' own sizes, and the tools that they name.
    pub has_goals: bool,
    /// Makes it.
    pub run: fn(&Settings) -> Report,
}

/// What came of it.
#[derive(Default)]
pub struct Report {
    /// For people.
    pub tables: Vec<Table>,
    /// What was to be reached, each with what was.
    pub goals: Vec<Goal>,
    /// For programs: everything that was counted.
    pub raw: Value,
    /// Whether one of heliostat's trees was not equal at the end, or said to be when it was not.
    pub failed: bool,
}

/// What a number counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Unit {
    /// Milliseconds.
    Milliseconds,
    /// Seconds.
    Seconds,
    /// A ratio of two measurements of the same run.
    Times,
    /// 1,000,000 bytes.
    Megabytes,
    /// Bytes.
    Bytes,
    /// Hundredths.
    Percent,
    /// So many a second.
    PerSecond,
    /// A number of things.
    Count,
}

impl Unit {
    /// For tables.
    pub fn show(self, value: f64) -> String {
        match self {
            Unit::Milliseconds => milliseconds(value),
            Unit::Seconds => seconds(value),
            Unit::Times => format!("{value:.2} ×"),
            Unit::Megabytes => format!("{value:.1} MB"),
            Unit::Bytes => format!("{value:.0} B"),
            Unit::Percent => format!("{value:.3} %"),
            Unit::PerSecond => format!("{value:.2}/s"),
            Unit::Count => format!("{value:.0}"),
        }
    }
}

/// Something that was to be reached, and what was measured.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Goal {
    /// What it is about, sizes included.
    pub what: String,
    /// The smallest or largest good value.
    pub limit: f64,
    /// Whether more is better.
    pub at_least: bool,
    /// What came out; nothing where it could not be measured.
    pub measured: Option<f64>,
    /// Of both.
    pub unit: Unit,
}

impl Goal {
    /// Less is better.
    pub fn at_most(what: impl Into<String>, limit: f64, unit: Unit, measured: Option<f64>) -> Goal {
        Goal {
            what: what.into(),
            limit,
            at_least: false,
            measured,
            unit,
        }
    }

    /// More is better.
    pub fn at_least(
        what: impl Into<String>,
        limit: f64,
        unit: Unit,
        measured: Option<f64>,
    ) -> Goal {
        Goal {
            at_least: true,
            ..Goal::at_most(what, limit, unit, measured)
        }
    }

    /// In words.
    pub fn verdict(&self) -> String {
        let Some(measured) = self.measured else {
            return "not measured".to_string();
        };
        let (reached, by) = if self.at_least {
            (measured >= self.limit, self.limit - measured)
        } else {
            (measured <= self.limit, measured - self.limit)
        };
        if reached {
            return "reached".to_string();
        }
        let by_amount = self.unit.show(by);
        if self.limit > 0.0 {
            format!("missed by {by_amount} ({:.0} %)", 100.0 * by / self.limit)
        } else {
            format!("missed by {by_amount}")
        }
    }
}

/// All of them as a table.
pub fn goals(all: &[Goal]) -> Table {
    let mut table = Table::new("Goals", &["what", "goal", "measured", ""]);
    for goal in all {
        let sign = if goal.at_least { "≥" } else { "≤" };
        table.row(vec![
            goal.what.clone(),
            format!("{sign} {}", goal.unit.show(goal.limit)),
            goal.measured
                .map_or("–".into(), |value| goal.unit.show(value)),
            goal.verdict(),
        ]);
    }
    table
}

/// That a goal says what it should: `cargo test` runs the program without `--bench`, and comes here.
///
/// # Panics
///
/// If one does not.
pub fn check() {
    let less = |measured| Goal::at_most("", 2.0, Unit::Times, measured).verdict();
    let more = |measured| Goal::at_least("", 2.0, Unit::Times, measured).verdict();
    let none = |measured| Goal::at_most("", 0.0, Unit::Count, measured).verdict();
    assert_eq!(less(Some(2.0)), "reached");
    assert_eq!(less(Some(2.5)), "missed by 0.50 × (25 %)");
    assert_eq!(more(Some(2.0)), "reached");
    assert_eq!(more(Some(1.5)), "missed by 0.50 × (25 %)");
    assert_eq!(none(Some(0.0)), "reached");
    assert_eq!(none(Some(3.0)), "missed by 3");
    assert_eq!(less(None), "not measured");
}
