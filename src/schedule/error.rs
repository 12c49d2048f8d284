//! What is wrong with a schedule or a time zone, and where in its text.

use std::ops::Range;

use thiserror::Error;

/// A schedule or a time zone that cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{message}")]
pub struct ScheduleError {
    /// Which of the schedule's texts it is about.
    pub part: Part,
    /// The bytes of that text that are wrong; always on character boundaries, within the text, and empty only where
    /// something is missing.
    pub at: Range<usize>,
    /// One line, lower case.
    pub message: String,
    /// What to write instead, where that is known.
    pub help: Option<String>,
}

/// A text that an error can be about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// The crontab expression.
    Expression,
    /// The time zone's name.
    TimeZone,
    /// The period of `every`.
    Period,
}

impl ScheduleError {
    /// An error without advice.
    pub(super) fn new(part: Part, at: Range<usize>, message: impl Into<String>) -> ScheduleError {
        ScheduleError {
            part,
            at,
            message: message.into(),
            help: None,
        }
    }

    /// The same with advice.
    pub(super) fn help(mut self, help: impl Into<String>) -> ScheduleError {
        self.help = Some(help.into());
        self
    }
}
