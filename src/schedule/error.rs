//! What is wrong with a schedule or a time zone, and where in its text.

use std::ops::Range;

use thiserror::Error;

/// A schedule or a time zone that cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{message}")]
pub struct ScheduleError {
    /// What kind it is.
    pub problem: Problem,
    /// The bytes of that text that are wrong; always on character boundaries, within the text, and empty only where
    /// something is missing.
    pub at: Range<usize>,
    /// One line, lower case.
    pub message: String,
    /// What to write instead, where that is known.
    pub help: Option<String>,
    /// The text that was probably meant in that place.
    pub meant: Option<String>,
}

/// What kind of error it is; the kind also says which of the schedule's texts it is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Problem {
    /// The crontab expression cannot be read.
    Syntax,
    /// The crontab expression means no date that there is.
    NeverFires,
    /// There is no such time zone.
    UnknownZone,
    /// The period of `every` is out of bounds.
    Period,
}

impl ScheduleError {
    /// An error without advice.
    pub(super) fn new(
        problem: Problem,
        at: Range<usize>,
        message: impl Into<String>,
    ) -> ScheduleError {
        ScheduleError {
            problem,
            at,
            message: message.into(),
            help: None,
            meant: None,
        }
    }

    /// The same with advice.
    pub(super) fn help(mut self, help: impl Into<String>) -> ScheduleError {
        self.help = Some(help.into());
        self
    }
}
