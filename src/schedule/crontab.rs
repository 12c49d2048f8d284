//! Five-field crontab(5) expressions.
//!
//! The crate `cron`, which evaluates them, reads another language: seconds first, Sunday as 1, both day fields ANDed,
//! no `@midnight`. So the text is parsed here and only expanded, explicit lists go to the crate.

use std::ops::Range;

use super::field::{Field, KINDS};
use super::{Problem, ScheduleError};

/// The nicknames of crontab(5). `@reboot` is not a time.
const NICKNAMES: [(&str, &str); 7] = [
    ("@hourly", "0 * * * *"),
    ("@daily", "0 0 * * *"),
    ("@midnight", "0 0 * * *"),
    ("@weekly", "0 0 * * 0"),
    ("@monthly", "0 0 1 * *"),
    ("@yearly", "0 0 1 1 *"),
    ("@annually", "0 0 1 1 *"),
];

/// The longest month each can be.
const DAYS_IN_MONTH: [u8; 12] = [31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];

/// A parsed expression; it fires at least once in 40 years.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Crontab {
    pub minutes: Field,
    pub hours: Field,
    pub days: Field,
    pub months: Field,
    pub weekdays: Field,
}

impl Crontab {
    /// Reads an expression and makes sure that it fires.
    pub fn parse(text: &str) -> Result<Crontab, ScheduleError> {
        let trimmed = text.trim();
        if trimmed.starts_with('@') {
            let Some((_, fields)) = NICKNAMES.iter().find(|(name, _)| *name == trimmed) else {
                return Err(unknown_nickname(text, trimmed));
            };
            return Crontab::parse(fields);
        }
        let words = words(text);
        let [minute, hour, day, month, weekday] = &words[..] else {
            return Err(wrong_count(text, &words));
        };
        let field = |index: usize, at: &Range<usize>| {
            Field::parse(&KINDS[index], &text[at.clone()], at.start)
        };
        let crontab = Crontab {
            minutes: field(0, minute)?,
            hours: field(1, hour)?,
            days: field(2, day)?,
            months: field(3, month)?,
            weekdays: field(4, weekday)?,
        };
        if !crontab.fires() {
            let at = crontab.days.at.start..crontab.months.at.end;
            return Err(ScheduleError::new(
                Problem::NeverFires,
                at,
                "this schedule never fires: no such day in such a month",
            ));
        }
        Ok(crontab)
    }

    /// crontab(5): "If both fields are restricted (i.e., do not contain the `*` character), the command will be run when
    /// *either* field matches the current time"; cron's own code asks whether the field *starts* with `*`.
    pub fn either_day(&self) -> bool {
        !self.days.star && !self.weekdays.star
    }

    /// cron(8): only jobs that "run at a particular time (not specified as @hourly, nor with `*` in the hour or minute
    /// specifier)" are corrected when the clock changes; the others go by what the clock shows, twice if it shows it twice.
    pub fn interval(&self) -> bool {
        self.minutes.star || self.hours.star
    }

    /// The expression in the language of the crate `cron`: one, or two that are to be ORed.
    pub fn expanded(&self) -> Vec<String> {
        let minutes = list(&self.minutes, 60, 0);
        let hours = list(&self.hours, 24, 0);
        let days = list(&self.days, 31, 0);
        let months = list(&self.months, 12, 0);
        let weekdays = list(&self.weekdays, 7, 1);
        if self.either_day() {
            vec![
                format!("0 {minutes} {hours} {days} {months} *"),
                format!("0 {minutes} {hours} * {months} {weekdays}"),
            ]
        } else {
            vec![format!("0 {minutes} {hours} {days} {months} {weekdays}")]
        }
    }

    /// Whether there is any day it fires on. Where both day fields must match, every date takes every weekday within 40
    /// years (29 February included), so only day and month can exclude each other.
    fn fires(&self) -> bool {
        self.either_day()
            || self.months.values().any(|month| {
                let longest = DAYS_IN_MONTH[usize::from(month) - 1];
                self.days.values().any(|day| day <= longest)
            })
    }
}

fn list(field: &Field, full: u32, shift: u8) -> String {
    if field.set.count_ones() == full {
        return "*".to_string();
    }
    field
        .values()
        .map(|value| (value + shift).to_string())
        .collect::<Vec<_>>()
        .join(",")
}

/// Where the words of `text` are; more than five are of no interest beyond being too many.
fn words(text: &str) -> Vec<Range<usize>> {
    let mut out: Vec<Range<usize>> = Vec::new();
    let mut start = None;
    for (at, c) in text.char_indices().chain([(text.len(), ' ')]) {
        match (c.is_whitespace(), start) {
            (true, Some(from)) => {
                out.push(from..at);
                start = None;
            }
            (false, None) => start = Some(at),
            _ => {}
        }
    }
    out
}

fn wrong_count(text: &str, words: &[Range<usize>]) -> ScheduleError {
    let at = words
        .get(5)
        .map_or(0..text.len(), |extra| extra.start..text.trim_end().len());
    let count = match words.len() {
        0 => "it is empty".to_string(),
        1 => "there is 1".to_string(),
        n => format!("there are {n}"),
    };
    let error = ScheduleError::new(
        Problem::Syntax,
        at,
        format!("a schedule has five fields, and {count}"),
    );
    error.help(match words.len() {
        6 | 7 => {
            "minute, hour, day of month, month, day of week; there are no seconds and no years"
        }
        _ => "minute, hour, day of month, month, day of week: `17 3 * * *` is every night at 03:17",
    })
}

fn unknown_nickname(text: &str, name: &str) -> ScheduleError {
    let start = text.len() - text.trim_start().len();
    let error = ScheduleError::new(
        Problem::Syntax,
        start..start + name.len(),
        format!("`{name}` is not a known schedule"),
    );
    error.help(match name {
        "@reboot" => "use `onStart: always` for a pass at start".to_string(),
        _ if name.starts_with("@every") => "write `every:` in place of `schedule:`".to_string(),
        _ => format!("known are {}", NICKNAMES.map(|(name, _)| name).join(" ")),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn expand(text: &str) -> String {
        match Crontab::parse(text) {
            Ok(crontab) => crontab.expanded().join(" | "),
            Err(error) => {
                let help = error
                    .help
                    .map(|help| format!(" ({help})"))
                    .unwrap_or_default();
                format!("{}{help} at `{}`", error.message, &text[error.at])
            }
        }
    }

    #[test]
    fn expands_to_lists() {
        assert_eq!(expand("17 3 * * *"), "0 17 3 * * *");
        assert_eq!(
            expand("*/15 8-18/5 1,15 jan-MAR *"),
            "0 0,15,30,45 8,13,18 1,15 1,2,3 *"
        );
        assert_eq!(expand("  0\t0 * * 7 "), "0 0 0 * * 1");
        assert_eq!(expand("0 0 * * fri-sun"), "0 0 0 * * 1,6,7");
        assert_eq!(expand("0 0 * * 5-7"), "0 0 0 * * 1,6,7");
        assert_eq!(expand("0 0 * * 0-7"), "0 0 0 * * *");
        assert_eq!(expand("0 0 * * sun-tue"), "0 0 0 * * 1,2,3");
        assert_eq!(expand("* * * * *"), "0 * * * * *");
    }

    #[test]
    fn either_day_matches_unless_one_starts_with_a_star() {
        assert_eq!(expand("0 0 1 * mon"), "0 0 0 1 * * | 0 0 0 * * 2");
        assert_eq!(expand("0 0 */10 * mon"), "0 0 0 1,11,21,31 * 2");
        assert_eq!(expand("0 0 13 * */5"), "0 0 0 13 * 1,6");
        assert_eq!(expand("0 0 30 2 mon"), "0 0 0 30 2 * | 0 0 0 * 2 2");
    }

    #[test]
    fn nicknames() {
        assert_eq!(expand("@hourly"), "0 0 * * * *");
        assert_eq!(expand("@midnight"), expand("@daily"));
        assert_eq!(expand("@weekly"), "0 0 0 * * 1");
        assert_eq!(expand("@monthly"), "0 0 0 1 * *");
        assert_eq!(expand("@annually"), expand("@yearly"));
        insta::assert_snapshot!(expand("@reboot"), @"`@reboot` is not a known schedule (use `onStart: always` for a pass at start) at `@reboot`");
        insta::assert_snapshot!(expand("@every 6h"), @"`@every 6h` is not a known schedule (write `every:` in place of `schedule:`) at `@every 6h`");
    }

    #[test]
    fn errors_say_where() {
        let texts = [
            "",
            "0 3",
            "0 0 3 * * *",
            "60 * * * *",
            "* 24 * * *",
            "* * 0 * *",
            "* * * 13 *",
            "* * * * 8",
            "*/0 * * * *",
            "*/90 * * * *",
            "5/10 * * * *",
            "22-2 * * * *",
            "1,,2 * * * *",
            "1- * * * *",
            "* * * foo *",
            "* * ? * *",
            "* * L * *",
            "0~30 * * * *",
            "0 0 30 2 *",
            "0 0 31 4,6,9,11 *",
            "*/x * * * *",
            "0 0 * * monday",
            "ä * * * *",
            "999999999999 * * * *",
            "-1 * * * *",
            "+1 * * * *",
            "** * * * *",
            "*-5 * * * *",
        ];
        let report: Vec<String> = texts
            .iter()
            .map(|text| format!("{text:?}: {}", expand(text)))
            .collect();
        insta::assert_snapshot!(report.join("\n"));
    }
}
