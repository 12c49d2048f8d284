//! The shell's side of surveys and checkpoints: what is under way, what is on disk, and what a crash leaves of it.

use std::collections::{BTreeMap, VecDeque};

use heliostat::engine::{self, Commit, Input, Job, RelPath, Survey, SurveyId, Surveyed};
use heliostat::plan::{RouteName, SourceName};

use super::bugs::Bug;
use super::path::P;
use super::script::Memory;
use super::survey::{Ledger, Row, Surveying};
use super::world::{Ev, World};

/// Earlier checkpoints of which a crash may leave one.
const CHECKPOINTS_MAX: usize = 8;

/// A time without the service.
#[derive(Clone, Copy, Debug)]
pub struct Down {
    pub time: u64,
    /// What runs goes on for so long.
    pub orphans: u64,
    pub memory: Memory,
}

impl Default for Down {
    fn default() -> Down {
        Down {
            time: 1000,
            orphans: 0,
            memory: Memory::Kept,
        }
    }
}

/// What a survey has for a directory: its row, or that it has none.
type Found = (P, Option<Row>);

/// Surveys and checkpoints.
#[derive(Debug, Default)]
pub struct Shelf {
    pub down: Down,
    /// As whoever asks it sees it.
    ledger: Ledger,
    /// On disk, the last one last.
    disk: Vec<Ledger>,
    /// What is on its way to the disk, and what is said when it is there.
    writing: VecDeque<(Ledger, Option<SourceName>)>,
    surveys: BTreeMap<SurveyId, Surveying>,
    kept: BTreeMap<SurveyId, (SourceName, Vec<Found>)>,
}

impl Shelf {
    /// Whether a checkpoint that a crash may leave has rows of another root than this job's.
    pub fn has_rows_of_another(&self, job: &Job) -> bool {
        let number = job.root.as_ref().and_then(|root| root.0.last());
        let own = number.map(|(_, number)| format!("-{number:x}"));
        let writing = self.writing.iter().map(|(ledger, _)| ledger);
        let all = self.disk.iter().chain(writing).chain([&self.ledger]);
        let mut sources = all.filter_map(|ledger| ledger.memory.sources.get(&job.source.name));
        sources.any(|source| {
            let key = source.rows.as_ref();
            key.is_some_and(|key| own.as_ref().is_none_or(|own| !key.ends_with(own)))
        })
    }

    pub fn remember(&mut self, source: SourceName, mounts: Vec<RelPath>) {
        self.ledger.memory.sources.entry(source).or_default().mounts = mounts;
    }
}

impl World {
    /// What the engine is told at its start.
    pub fn remembered(&self) -> engine::Memory {
        let mut memory = self.shelf.ledger.memory.clone();
        // In a file of their own: whatever becomes of the ledger, they are there.
        memory.pauses = self.pauses.clone();
        if self.has(Bug::PauseForgotten) && self.incarnation > 0 {
            memory.pauses.clear();
        }
        if self.has(Bug::PauseEndless) {
            for pause in memory.pauses.values_mut() {
                pause.until += jiff::SignedDuration::from_hours(24);
            }
        }
        if self.has(Bug::OwedPassForgotten) {
            memory
                .routes
                .values_mut()
                .for_each(|route| route.pass = None);
        }
        memory
    }

    /// What a crash leaves of the ledger.
    pub fn recover(&mut self) {
        let torn = self.has(Bug::LedgerTorn);
        let shelf = &mut self.shelf;
        shelf.writing.clear();
        shelf.surveys.clear();
        shelf.kept.clear();
        match shelf.down.memory {
            Memory::Kept => {}
            Memory::Lost => shelf.disk.clear(),
            Memory::Old => {
                let left = self.random.below(shelf.disk.len() as u64 + 1);
                shelf.disk.truncate(left as usize);
            }
        }
        let mut ledger = shelf.disk.last().cloned().unwrap_or_default();
        if torn && let Some(before) = shelf.disk.len().checked_sub(2) {
            ledger.memory.routes = shelf.disk[before].memory.routes.clone();
        }
        shelf.ledger = ledger;
    }

    pub fn commit(&mut self, mut commit: Commit) {
        let blind = self.has(Bug::RowsWithoutMarks);
        self.note(|| format!("commit {commit:?}"));
        let shelf = &mut self.shelf;
        let (_, rows) = shelf
            .kept
            .remove(&commit.survey)
            .unwrap_or_else(|| (commit.source.clone(), Vec::new()));
        if blind {
            commit
                .routes
                .values_mut()
                .for_each(|route| route.marks.clear());
        }
        shelf.ledger.commit(&commit, &rows);
        self.figures.checkpoints += 1;
        self.write(None);
    }

    /// What is said of a source is taken back.
    pub fn disown(&mut self, source: SourceName) {
        self.shelf.ledger.disown(&source);
        let told = match self.has(Bug::DisownedLate) {
            true => {
                self.input(Input::Disowned(source));
                None
            }
            false => Some(source),
        };
        self.write(told);
    }

    /// What is said of a route is taken back.
    pub fn disown_route(&mut self, route: &RouteName) {
        self.shelf.ledger.disown_route(route);
        self.write(Some(route.source.clone()));
    }

    fn write(&mut self, told: Option<SourceName>) {
        let ledger = self.shelf.ledger.clone();
        self.shelf.writing.push_back((ledger, told));
        let wait = self.random.below(200_000);
        let last = self.queue.iter().filter_map(|((at, _), event)| {
            let writes = matches!(event, Ev::Durable(_));
            writes.then_some(*at)
        });
        let at = last.max().unwrap_or(0).max(self.now + wait);
        self.at(at, Ev::Durable(self.incarnation));
    }

    pub fn durable(&mut self) {
        if let Some((ledger, told)) = self.shelf.writing.pop_front() {
            self.shelf.disk.push(ledger);
            if let Some(source) = told {
                self.input(Input::Disowned(source));
            }
            if self.shelf.disk.len() > CHECKPOINTS_MAX {
                self.shelf.disk.remove(0);
            }
        }
    }

    pub fn survey(&mut self, survey: Box<Survey>) {
        self.note(|| format!("survey {survey:?}"));
        let (name, ledger) = (&survey.source.name, &self.shelf.ledger);
        let source = ledger.memory.sources.get(name);
        let known = source.is_some_and(|source| source.rows.is_some());
        let mut base = ledger.rows.get(name).filter(|_| known).cloned();
        if let Some(release) = &survey.release {
            self.figures.released += 1;
            let kept = ledger.parked.get(&release.route);
            let kept = kept.filter(|(number, _)| *number == release.number);
            match (&mut base, kept.map(|(_, kept)| kept)) {
                (Some(base), Some(kept)) if !self.has(Bug::ParkedRowsIgnored) => {
                    for (path, row) in kept {
                        match row {
                            Some(row) => drop(base.insert(*path, row.clone())),
                            None => drop(base.remove(path)),
                        }
                    }
                }
                (_, Some(_)) => {}
                (_, None) => base = None,
            }
        }
        let id = survey.id;
        self.shelf
            .surveys
            .insert(id, Surveying::new(survey, base, self.bug));
        self.at(self.now + 1, Ev::Look(self.incarnation, id));
    }

    pub fn forget_survey(&mut self, id: SurveyId) {
        self.shelf.surveys.remove(&id);
        let kept = self.shelf.kept.remove(&id);
        if self.has(Bug::ForgottenRowsKept)
            && let Some((source, rows)) = kept
        {
            self.shelf.ledger.keep(&source, &rows);
        }
    }

    /// One more directory of a survey.
    pub fn look_on(&mut self, id: SurveyId) {
        let Some(mut surveying) = self.shelf.surveys.remove(&id) else {
            return;
        };
        let source: usize = surveying.survey.source.name.0[1..].parse().unwrap();
        let wall = self.now + self.sources[source].wall;
        match surveying.step(&self.sources[source], wall) {
            None => {
                let wait = 1 + self.random.below(self.script.setup.delay);
                self.shelf.surveys.insert(id, surveying);
                self.at(self.now + wait, Ev::Look(self.incarnation, id));
            }
            Some(found) => {
                if !matches!(found, Surveyed::Failed(_)) {
                    self.figures.surveys += 1;
                    self.note(|| format!("rows {:?}", surveying.rows));
                    let source = surveying.survey.source.name.clone();
                    self.shelf.kept.insert(id, (source, surveying.rows));
                }
                self.input(Input::Surveyed(id, found));
            }
        }
    }
}
