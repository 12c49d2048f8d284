//! One field of a crontab expression: a list of numbers, names, ranges and steps, expanded to the values it means.

use std::ops::{Range, RangeInclusive};

use super::{Problem, ScheduleError};

/// What a field may hold.
pub(super) struct FieldKind {
    /// For messages.
    pub name: &'static str,
    /// The smallest value.
    pub min: u8,
    /// The largest value; for weekdays 7, which is folded to 0.
    pub max: u8,
    /// Three-letter names, the first of which means `min`; empty where only numbers are meant.
    pub names: &'static [&'static str],
}

/// The five fields, in their order.
pub(super) const KINDS: [FieldKind; 5] = [
    FieldKind {
        name: "minute",
        min: 0,
        max: 59,
        names: &[],
    },
    FieldKind {
        name: "hour",
        min: 0,
        max: 23,
        names: &[],
    },
    FieldKind {
        name: "day of month",
        min: 1,
        max: 31,
        names: &[],
    },
    FieldKind {
        name: "month",
        min: 1,
        max: 12,
        names: &[
            "jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec",
        ],
    },
    FieldKind {
        name: "day of week",
        min: 0,
        max: 7,
        names: &["sun", "mon", "tue", "wed", "thu", "fri", "sat"],
    },
];

/// The values of one field.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Field {
    /// Bit `n` is set where the value `n` matches; never empty. Sunday is bit 0.
    pub set: u64,
    /// Whether it was written with a `*` first; crontab(5) and cron(8) hang rules on that, not on the values.
    pub star: bool,
    /// Where it stands in the expression.
    pub at: Range<usize>,
}

impl Field {
    /// Reads `text`, which stands at `start` in the expression.
    pub fn parse(kind: &FieldKind, text: &str, start: usize) -> Result<Field, ScheduleError> {
        let mut set = 0;
        let mut at = start;
        for item in text.split(',') {
            let (values, step) = Self::item(kind, item, at)?;
            for value in values.step_by(step) {
                set |= 1_u64 << Self::fold(kind, value);
            }
            at += item.len() + 1;
        }
        Ok(Field {
            set,
            star: text.starts_with('*'),
            at: start..start + text.len(),
        })
    }

    /// Its values, rising.
    pub fn values(&self) -> impl Iterator<Item = u8> {
        (0..64).filter(|value| self.set & (1 << value) != 0)
    }

    /// crontab(5): "0 and 7 are both Sunday".
    fn fold(kind: &FieldKind, value: u8) -> u8 {
        if kind.max == 7 && value == 7 {
            0
        } else {
            value
        }
    }

    fn item(
        kind: &FieldKind,
        item: &str,
        at: usize,
    ) -> Result<(RangeInclusive<u8>, usize), ScheduleError> {
        let (range, step) = match item.split_once('/') {
            Some((range, step)) => (range, Some(step)),
            None => (item, None),
        };
        let values = match range.split_once('-') {
            _ if range == "*" => kind.min..=if kind.max == 7 { 6 } else { kind.max },
            None => {
                let value = Self::value(kind, range, at)?;
                if step.is_some() {
                    return Err(
                        error(at, item, "a step needs a range or `*` before it").help(format!(
                            "write `{range}-{}/{}`",
                            kind.max,
                            step.unwrap_or_default()
                        )),
                    );
                }
                value..=value
            }
            Some((low, high)) => {
                let from = Self::value(kind, low, at)?;
                let mut to = Self::value(kind, high, at + low.len() + 1)?;
                if kind.max == 7 && to == 0 && from > 0 {
                    to = 7; // `fri-sun`: a week that ends on Sunday is what was meant, and 7 is Sunday too.
                }
                if from > to {
                    let last = if kind.max == 7 { 6 } else { kind.max };
                    return Err(
                        error(at, range, format!("the range `{range}` runs backwards")).help(
                            format!("write it as two ranges: `{low}-{last},{}-{high}`", kind.min),
                        ),
                    );
                }
                from..=to
            }
        };
        let Some(step) = step else {
            return Ok((values, 1));
        };
        let step_at = at + range.len() + 1;
        let width = usize::from(kind.max - kind.min) + 1;
        match step.parse::<usize>() {
            Ok(0) => Err(error(step_at, step, "a step of 0 goes nowhere")),
            Ok(n) if n < width => Ok((values, n)),
            Ok(_) => Err(error(step_at, step, format!("a step of {step} is more than the {} field has", kind.name))
                .help("for a period that does not divide the hour or the day use `every:` in place of `schedule:`")),
            Err(_) => Err(error(step_at, step, format!("`{step}` is not a step")).help("a step is a number: `*/5`")),
        }
    }

    fn value(kind: &FieldKind, text: &str, at: usize) -> Result<u8, ScheduleError> {
        if text.is_empty() {
            return Err(error(
                at,
                text,
                format!("a value is missing in the {} field", kind.name),
            ));
        }
        if let Some(index) = kind
            .names
            .iter()
            .position(|name| name.eq_ignore_ascii_case(text))
        {
            return Ok(kind.min + index as u8);
        }
        let range = format!("{} to {}", kind.min, kind.max);
        if text.bytes().all(|b| b.is_ascii_digit()) {
            return match text.parse::<u8>() {
                Ok(value) if (kind.min..=kind.max).contains(&value) => Ok(value),
                _ => Err(error(
                    at,
                    text,
                    format!("the {} field goes from {range}, not to `{text}`", kind.name),
                )),
            };
        }
        let help = match text {
            "?" => "crontab(5) has no `?`; write `*`".to_string(),
            _ if text.contains(['L', 'W', '#']) && kind.names.is_empty() => {
                "crontab(5) has no `L`, `W` or `#`".to_string()
            }
            _ if text.contains('~') => {
                "crontab(5) has no `~`; use `jitter:` to spread the load".to_string()
            }
            _ if kind.names.is_empty() => format!(
                "a number from {range}, `*`, a range `a-b`, a step `*/n`, or a list of them"
            ),
            _ => format!("a number from {range} or one of {}", kind.names.join(" ")),
        };
        Err(error(at, text, format!("`{text}` is not a {}", kind.name)).help(help))
    }
}

fn error(at: usize, text: &str, message: impl Into<String>) -> ScheduleError {
    ScheduleError::new(Problem::Syntax, at..at + text.len(), message)
}
