//! A source's part in the checkpoint: what of it has to be surveyed again, and when.
//!
//! The rows in the ledger say what each directory was like. They may be old, but never ahead of the marks: rows are read
//! by a survey, then a barrier goes through the watch, so that every change which the rows have in them has become a
//! mark, and only then rows and marks are committed together. A survey that the watch broke down under is abandoned.

use std::collections::BTreeSet;
use std::time::Duration;

use super::{Dirt, Mark, RelPath, SurveyId, SurveyScope};

/// After the last change, before the touched directories are surveyed: longer than the two seconds for which a change
/// may bear the time of an earlier one.
const QUIET: Duration = Duration::from_millis(2500);
/// While changes go on, they are surveyed so often: what a crash then costs is the changes of that time.
const MAX_WAIT: Duration = Duration::from_secs(10);
/// Surveys take at most this part of the time.
const SHARE: u32 = 20;
/// A survey that failed, or that nobody answers, is made again after this.
const AGAIN: Duration = Duration::from_secs(60);
/// The survey that first makes the rows waits for full passes, which read the same disks, but not longer than this: a
/// frozen target must not keep the others from their checkpoint.
const PASSES_MAX: Duration = Duration::from_secs(600);
/// Beyond so many touched directories everything is surveyed: a list of that length costs as much.
const PLACES_MAX: usize = 20_000;

/// A source's part in the checkpoint.
#[derive(Debug, Default)]
pub struct Census {
    /// The ledger has rows for all of the source, made under this key.
    pub base: Option<String>,
    wanted: Option<Wanted>,
    surveying: Option<Surveying>,
    directories: BTreeSet<RelPath>,
    subtrees: BTreeSet<RelPath>,
    touched: Option<Touched>,
    not_before: Duration,
}

/// Everything is to be surveyed.
#[derive(Clone, Copy, Debug)]
struct Wanted {
    compare: bool,
    since: Duration,
}

/// When something changed that the rows do not have.
#[derive(Clone, Copy, Debug)]
struct Touched {
    first: Duration,
    last: Duration,
}

/// The survey that is under way.
#[derive(Debug)]
pub struct Surveying {
    /// Its name.
    pub id: SurveyId,
    /// Where it looks.
    pub scope: SurveyScope,
    /// Whether it compares.
    pub compare: bool,
    /// The barrier that its rows wait for.
    pub barrier: Option<u64>,
    /// Under which key its rows are made.
    pub key: String,
    /// When it began.
    pub began: Duration,
}

impl Surveying {
    /// Whether its rows are all that there are.
    pub fn is_whole(&self) -> bool {
        self.scope == SurveyScope::Everything && !self.compare
    }
}

/// What the census wants to be done.
#[derive(Debug, PartialEq, Eq)]
pub enum CensusDue {
    /// A survey.
    Survey {
        /// Where.
        scope: SurveyScope,
        /// Whether it compares.
        compare: bool,
    },
    /// Only the routes' memories are to be written.
    Save,
    /// Nothing before then.
    At(Duration),
    /// Nothing.
    Idle,
}

impl Census {
    /// A source's part of which so much is remembered.
    pub fn new(base: Option<String>) -> Census {
        Census {
            base,
            ..Census::default()
        }
    }

    /// Everything is to be surveyed; `compare`: what differs from the rows is to be told.
    pub fn want(&mut self, compare: bool, now: Duration) {
        let before = self.wanted.is_some_and(|wanted| wanted.compare);
        self.wanted = Some(Wanted {
            compare: self.base.is_some() && (compare || before),
            since: now,
        });
    }

    /// The watch told of these.
    pub fn touched(&mut self, marks: &[Mark], now: Duration) {
        if marks.is_empty() {
            return;
        }
        for mark in marks {
            if mark.dirt.has(Dirt::SUBTREE) {
                self.subtrees.insert(mark.path.clone());
            }
            self.directories
                .insert(mark.path.parent().unwrap_or_else(RelPath::root));
            if mark.dirt != Dirt::CONTENT {
                // It may be a directory whose own attributes changed, or one that is gone.
                self.directories.insert(mark.path.clone());
            }
        }
        if self.directories.len() + self.subtrees.len() > PLACES_MAX {
            self.directories.clear();
            self.subtrees = BTreeSet::from([RelPath::root()]);
        }
        let first = self.touched.map_or(now, |touched| touched.first);
        self.touched = Some(Touched { first, last: now });
    }

    /// Something about a route changed.
    pub fn changed(&mut self, now: Duration) {
        let before = self.touched;
        self.touched = Some(before.unwrap_or(Touched {
            first: now,
            last: now,
        }));
    }

    /// What is to be done now. `passes`: full passes of this source run.
    pub fn due(&self, now: Duration, passes: bool) -> CensusDue {
        if self.surveying.is_some() {
            return CensusDue::Idle;
        }
        if let Some(wanted) = self.wanted {
            let mut at = self.not_before;
            if !wanted.compare {
                at = at.max(wanted.since + QUIET);
                if passes {
                    at = at.max(wanted.since + PASSES_MAX);
                }
            }
            return if at > now {
                CensusDue::At(at)
            } else {
                CensusDue::Survey {
                    scope: SurveyScope::Everything,
                    compare: wanted.compare,
                }
            };
        }
        let (Some(touched), true) = (self.touched, self.base.is_some()) else {
            return CensusDue::Idle;
        };
        let at = (touched.last + QUIET)
            .min(touched.first + MAX_WAIT)
            .max(self.not_before);
        if at > now {
            CensusDue::At(at)
        } else if self.directories.is_empty() && self.subtrees.is_empty() {
            CensusDue::Save
        } else {
            CensusDue::Survey {
                scope: SurveyScope::Places {
                    directories: self.directories.clone(),
                    subtrees: self.subtrees.clone(),
                },
                compare: false,
            }
        }
    }

    /// A survey begins.
    pub fn begin(&mut self, survey: Surveying) {
        self.directories.clear();
        self.subtrees.clear();
        self.touched = None;
        if survey.scope == SurveyScope::Everything {
            self.wanted = None;
        }
        self.surveying = Some(survey);
    }

    /// The survey that is under way.
    pub fn surveying(&mut self) -> Option<&mut Surveying> {
        self.surveying.as_mut()
    }

    /// It came to its end; `young` is to be looked at again.
    pub fn looked(&mut self, young: Vec<RelPath>, now: Duration) {
        let began = self.surveying.as_ref().map_or(now, |survey| survey.began);
        self.not_before = now + now.saturating_sub(began) * SHARE;
        if young.is_empty() {
            return;
        }
        self.directories.extend(young);
        let touched = self.touched.unwrap_or(Touched {
            first: now,
            last: now,
        });
        self.touched = Some(Touched {
            last: touched.last.max(now),
            ..touched
        });
    }

    /// The routes' memories are written.
    pub fn saved(&mut self) {
        self.touched = None;
    }

    /// It is committed.
    pub fn committed(&mut self) {
        if let Some(survey) = self.surveying.take().filter(Surveying::is_whole) {
            self.base = Some(survey.key);
        }
    }

    /// There is nothing any more that the source can be compared with.
    pub fn drop_base(&mut self, now: Duration) {
        self.base = None;
        self.want(false, now);
    }

    /// It failed.
    pub fn failed(&mut self, now: Duration) {
        if let Some(survey) = self.abandon() {
            self.put_back(survey, now);
        }
        self.not_before = now + AGAIN;
    }

    /// The watch broke down under it: its rows may have in them what no mark tells.
    pub fn abandon(&mut self) -> Option<Surveying> {
        self.surveying.take()
    }

    /// What an abandoned survey looked at is to be looked at by another.
    pub fn put_back(&mut self, survey: Surveying, now: Duration) {
        match survey.scope {
            SurveyScope::Everything => self.want(survey.compare, now),
            SurveyScope::Places {
                directories,
                subtrees,
            } => {
                self.directories.extend(directories);
                self.subtrees.extend(subtrees);
                self.changed(now);
            }
        }
    }
}
