//! A source's part in the checkpoint: what of it has to be surveyed again, and when.
//!
//! The rows in the ledger say what each directory was like. They may be old, but never ahead of the marks: rows are read
//! by a survey, then a barrier goes through the watch, so that every change which the rows have in them has become a
//! mark, and only then rows and marks are committed together. A survey that the watch broke down under is abandoned.

use std::collections::BTreeSet;
use std::time::Duration;

use jiff::Timestamp;

use super::{Dirt, Heard, Mark, Now, RelPath, Release, SurveyId, SurveyScope, Told};

/// After the last change, before the touched directories are surveyed: longer than the two seconds for which a change
/// may bear the time of an earlier one.
const QUIET: Duration = Duration::from_millis(2500);
/// While changes go on, they are surveyed so often: what a crash then costs is the changes of that time.
const MAX_WAIT: Duration = Duration::from_secs(10);
/// Surveys take at most this part of the time. A comparison after a loss does not wait for that, as what is suspect is not
/// known to be in sync until then; only those that follow upon one another are ever further apart, up to this.
const SHARE: u32 = 20;
/// A survey that failed is made again after this.
const AGAIN: Duration = Duration::from_secs(60);
/// The survey that first makes the rows waits for full passes, which read the same disks, but not longer than this: a
/// frozen target must not keep the others from their checkpoint.
const PASSES_MAX: Duration = Duration::from_secs(600);
/// Directories that are only looked at again because they were young are looked at ever more seldom, up to this: a log that
/// is written to for weeks is young at every look.
const YOUNG_MAX: Duration = Duration::from_secs(60);
/// More than this is not looked at again one by one after a loss: a full pass costs less.
const UNSETTLED_MAX: usize = 10_000;
/// Beyond so many touched paths everything is surveyed, and of what changed nothing is known: about 20 MB at the worst.
const TOLD_MAX: usize = 100_000;

/// A source's part in the checkpoint.
#[derive(Debug, Default)]
pub struct Census {
    /// The ledger has rows for all of the source, made under this key.
    pub base: Option<String>,
    wanted: Option<Wanted>,
    surveying: Option<Surveying>,
    /// What was told since the last survey began.
    told: Told,
    touched: Option<Touched>,
    not_before: Duration,
    comparing: Comparing,
    /// How often in a row young directories were looked at again although nothing was told.
    young: u32,
}

/// When everything may be compared again.
#[derive(Clone, Copy, Debug, Default)]
struct Comparing {
    /// Not before.
    from: Duration,
    /// Without a loss until then, the next one is compared at once again.
    calm: Duration,
    /// Comparisons that followed one upon another.
    hurried: u32,
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
    /// What had been told when it began.
    pub told: Told,
    /// The parked route for which it is made: it makes no rows.
    pub release: Option<Release>,
    /// When it began.
    pub began: Duration,
}

impl Surveying {
    /// Whether its rows are all that there are.
    pub fn is_whole(&self) -> bool {
        self.scope == SurveyScope::Everything && !self.compare && self.release.is_none()
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
    /// A survey for a parked route.
    Release(Release),
    /// Only the routes' memories are to be written.
    Save,
    /// Nothing before then.
    At(Duration),
    /// Nothing.
    Idle,
}

impl Comparing {
    /// One that `began` then has ended. The next one may begin at once, the one after that after as long as this one took,
    /// then after twice, four times … as long.
    fn ended(&mut self, began: Duration, now: Duration) {
        let took = now.saturating_sub(began);
        self.hurried = match began < self.calm {
            true => self.hurried + 1,
            false => 0,
        };
        let pause = match self.hurried {
            0 => 0,
            again => (1 << (again - 1).min(8)).min(SHARE),
        };
        self.from = now + took * pause;
        // Not right behind the longest pause: else a storm would begin anew each time.
        self.calm = now + took * SHARE * 2;
    }
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

    /// The watch stands: every change until now is covered by passes or by a survey that are made from now on.
    pub fn stands(&mut self, now: Now) {
        self.told = Told {
            since: Some(now.wall),
            ..Told::default()
        };
    }

    /// The wall clock was set back: when a file changed can no longer be held against when it was heard of.
    pub fn set_back(&mut self) {
        self.told.set_back();
        if let Some(survey) = &mut self.surveying {
            survey.told.set_back();
        }
    }

    /// The watch told of these.
    pub fn touched(&mut self, marks: &[Mark], now: Now) {
        for mark in marks {
            self.told.mark(mark, now.wall);
        }
        self.bound();
        if !marks.is_empty() {
            self.young = 0;
            self.touch(now.mono);
        }
    }

    fn touch(&mut self, now: Duration) {
        let first = self.touched.map_or(now, |touched| touched.first);
        self.touched = Some(Touched { first, last: now });
    }

    /// Beyond its bound everything is surveyed, with nothing heard of it.
    fn bound(&mut self) {
        if self.told.paths.len() + self.told.below.len() > TOLD_MAX {
            self.told.paths.clear();
            self.told.below.clear();
            let all = Heard {
                at: Timestamp::MIN,
                directory: true,
                subtree: true,
            };
            self.told.add(RelPath::root(), all);
        }
    }

    /// Something about a route changed.
    pub fn changed(&mut self, now: Duration) {
        self.touched.get_or_insert(Touched {
            first: now,
            last: now,
        });
    }

    /// What was told since the last survey began, as marks that change nothing.
    pub fn told(&self) -> Vec<Mark> {
        let marks = self.told.paths.iter().map(|(path, heard)| Mark {
            path: path.clone(),
            dirt: match heard.subtree {
                true => Dirt::SUBTREE | Dirt::ATTRIBUTES,
                false => Dirt::ATTRIBUTES,
            },
        });
        marks.collect()
    }

    /// What is to be done now. `passes`: full passes of this source run. `release`: a parked route that asks for a survey.
    pub fn due(&self, now: Duration, passes: bool, release: Option<Release>) -> CensusDue {
        if self.surveying.is_some() {
            return CensusDue::Idle;
        }
        if let Some(wanted) = self.wanted {
            let mut at = self.comparing.from;
            if !wanted.compare {
                at = self.not_before.max(wanted.since + QUIET);
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
        if let Some(route) = release {
            return CensusDue::Release(route);
        }
        let (Some(touched), true) = (self.touched, self.base.is_some()) else {
            return CensusDue::Idle;
        };
        let at = match self.young {
            0 => (touched.last + QUIET).min(touched.first + MAX_WAIT),
            again => touched.last + QUIET.saturating_mul(1 << (again - 1).min(8)).min(YOUNG_MAX),
        };
        let at = at.max(self.not_before);
        if at > now {
            CensusDue::At(at)
        } else if self.told.paths.is_empty() {
            CensusDue::Save
        } else {
            CensusDue::Survey {
                scope: self.places(),
                compare: false,
            }
        }
    }

    /// The directories in which something was told of.
    fn places(&self) -> SurveyScope {
        let (mut directories, mut subtrees) = (BTreeSet::new(), BTreeSet::new());
        for (path, heard) in &self.told.paths {
            if heard.subtree {
                subtrees.insert(path.clone());
            }
            if heard.directory {
                directories.insert(path.clone());
            }
            directories.insert(path.parent().unwrap_or_else(RelPath::root));
        }
        SurveyScope::Places {
            directories,
            subtrees,
        }
    }

    /// A survey begins.
    pub fn begin(&mut self, mut survey: Surveying) -> Told {
        if survey.release.is_some() {
            self.surveying = Some(survey);
            return Told::default();
        }
        let since = self.told.since;
        survey.told = std::mem::take(&mut self.told);
        self.told.since = since;
        self.touched = None;
        if survey.scope == SurveyScope::Everything {
            self.wanted = None;
        }
        let told = survey.told.clone();
        self.surveying = Some(survey);
        told
    }

    /// What was told since the rows were made, to be looked at again where events were lost: a directory that was moved, sent
    /// and moved back unheard differs from its row in nothing, and on the target in everything. `None`: too much.
    pub fn unsettled(&self) -> Option<Vec<Mark>> {
        if self.told.paths.len() > UNSETTLED_MAX {
            return None;
        }
        let marks = self.told.paths.iter().map(|(path, heard)| Mark {
            path: path.clone(),
            // Of a directory nothing may leave the target that was not seen to vanish.
            dirt: match heard.directory || heard.subtree {
                true => Dirt::SUBTREE | Dirt::ATTRIBUTES,
                false => Dirt::CONTENT | Dirt::GONE,
            },
        });
        Some(marks.filter(|mark| !mark.path.is_root()).collect())
    }

    /// Since when a comparison is under way that has not told yet what differs.
    pub fn compares(&self) -> Option<Duration> {
        let survey = self.surveying.as_ref();
        let tells = |survey: &&Surveying| survey.barrier.is_none() && survey.release.is_none();
        let survey = survey.filter(|survey| survey.compare).filter(tells);
        survey.map(|survey| survey.began)
    }

    /// Events were lost, and what is suspect by that is to be compared. Where that broke a comparison off, the next one may
    /// take as long again as that one did before it begins: in a storm that loses events all the time no comparison ends.
    pub fn lost(&mut self, broken: Option<Duration>, now: Now) {
        self.stands(now);
        self.want(true, now.mono);
        if let Some(began) = broken {
            let took = now.mono.saturating_sub(began);
            self.comparing.from = self.comparing.from.max(now.mono + took);
        }
    }

    /// The survey that is under way.
    pub fn surveying(&mut self) -> Option<&mut Surveying> {
        self.surveying.as_mut()
    }

    /// It came to its end, and told these marks; the directories in `young` are to be looked at again. What was heard of
    /// in them is still what it is held against then.
    pub fn looked(&mut self, marks: &[Mark], young: &[RelPath], now: Now) {
        let Some(survey) = &self.surveying else {
            return;
        };
        let took = now.mono.saturating_sub(survey.began);
        self.not_before = now.mono + took * SHARE;
        if survey.compare {
            self.comparing.ended(survey.began, now.mono);
        }
        if young.is_empty() {
            self.young = 0;
            return;
        }
        let mut again = Told::default();
        let own = Heard {
            at: Timestamp::MIN,
            directory: true,
            subtree: false,
        };
        let mut above: BTreeSet<RelPath> = BTreeSet::new();
        for path in young {
            again.add(path.clone(), own);
            let mut at = Some(path.clone());
            while let Some(here) = at.filter(|here| above.insert(here.clone())) {
                at = here.parent();
            }
        }
        let in_young = |path: &RelPath| {
            let parent = path.parent();
            again.paths.contains_key(path)
                || parent.is_some_and(|parent| again.paths.contains_key(&parent))
        };
        let paths = survey.told.paths.iter().filter(|(path, _)| in_young(path));
        let paths = paths.map(|(path, heard)| (path.clone(), *heard));
        let below = survey.told.below.iter();
        let below = below.filter(|(path, _)| above.contains(*path));
        let mut heard = Told {
            since: None,
            paths: paths.collect(),
            below: below.map(|(path, at)| (path.clone(), *at)).collect(),
        };
        for mark in marks.iter().filter(|mark| in_young(&mark.path)) {
            heard.mark(mark, now.wall);
        }
        // Their rows are made; those that are to be made again are in `young` themselves. One that is gone is not looked
        // for again: it would make its parent young, for ever.
        for heard in heard.paths.values_mut() {
            heard.directory = false;
            heard.subtree = false;
        }
        again.join(heard);
        self.told.join(again);
        self.bound();
        // What was told while it looked is waited for as ever.
        if self.touched.is_none() {
            self.young += 1;
        }
        self.touch(now.mono);
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
        self.comparing.from = now + AGAIN;
    }

    /// The watch broke down under it: its rows may have in them what no mark tells.
    pub fn abandon(&mut self) -> Option<Surveying> {
        self.surveying.take()
    }

    /// What an abandoned survey looked at is to be looked at by another.
    pub fn put_back(&mut self, survey: Surveying, now: Duration) {
        if survey.release.is_some() {
            return;
        }
        self.told.join(survey.told);
        self.bound();
        match survey.scope {
            SurveyScope::Everything => self.want(survey.compare, now),
            SurveyScope::Places { .. } => self.changed(now),
        }
    }
}
