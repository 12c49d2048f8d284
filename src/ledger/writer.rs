//! The one thread that writes: gathers what comes into transactions, and goes on whatever becomes of the file.
//!
//! Invariants:
//! - **A checkpoint is one transaction, or nothing.** After one that failed the file holds the older one, which is still
//!   true.
//! - **A survey of which a row was lost is never committed**: it is *spoilt*, and its commit is refused.
//! - Mount points that could not be written, or were in a file that is no more, are [owed](Mounts), and written with the
//!   next transaction: they guard deletions.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rusqlite::{Connection, TransactionBehavior};

use super::file::Place;
use super::mounts::Mounts;
use super::queue::{Act, Queue};
use super::readers::Readers;
use super::record::RowSet;
use super::run::Run;
use super::start::{self, renew};
use super::store::{Rows, Store, Undone};
use super::trouble::{Kind, Troubles};
use crate::engine::{Commit, Parking, RouteMemory, SurveyId};
use crate::host;
use crate::plan::{Compare, RouteName, SourceName};

/// Surveys with rows on the way to a checkpoint: more than any host's sources. Those beyond are spoilt.
const SURVEYS_MAX: usize = 10_000;
/// Surveys whose end is remembered: rows that a thread of theirs tells later are nobody's.
const ENDED_MAX: usize = 1000;
/// Without a file (a full disk, a read-only one), one is looked for again so seldom, when there is something to write.
const LOOK_AGAIN: Duration = Duration::from_secs(60);

/// Rows handed over at once that say that a survey tells of a large part of a tree.
const ROWS_MANY: usize = 256;

/// What the writer is made of.
#[derive(Debug)]
pub struct WriterParts {
    /// Where the file is.
    pub place: Place,
    /// What was found there.
    pub connection: Option<Connection>,
    /// The mount points in it.
    pub mounts: Mounts,
    /// Row sets to be cleared away.
    pub litter: Vec<RowSet>,
    /// Where its work comes from.
    pub queue: Arc<Queue>,
    /// Who reads beside it.
    pub readers: Arc<Readers>,
    /// What was said.
    pub troubles: Arc<Troubles>,
}

/// The rows that a survey has told so far.
#[derive(Clone, Copy, Debug)]
enum Staged {
    /// All of them are in this set.
    Whole(RowSet),
    /// Some were lost.
    Spoilt,
}

/// One of the small things that share a transaction.
enum Work {
    Stage(RowSet, Rows),
    Book(Box<Run>),
    Keep(Vec<SourceName>),
    Disown(SourceName),
    DisownRoute(RouteName),
}

/// The writer.
#[derive(Debug)]
pub struct Writer {
    parts: WriterParts,
    surveys: BTreeMap<SurveyId, Staged>,
    ended: VecDeque<SurveyId>,
    /// There may be more free pages in the file than need be.
    slack: bool,
    /// Many rows went through the page cache: megabytes that no checkpoint of single changes needs.
    full: bool,
    /// Sources of which a checkpoint was lost since all their rows were made: a row may be older than the engine takes it
    /// for. That costs work, but a parked route's rows must be those of its checkpoint.
    lost: BTreeSet<SourceName>,
    /// Sources in which no row is younger than the header.
    settled: Vec<SourceName>,
    looked: Instant,
}

impl Writer {
    /// Ready to run.
    pub fn new(parts: WriterParts) -> Writer {
        Writer {
            parts,
            surveys: BTreeMap::new(),
            ended: VecDeque::new(),
            slack: true,
            full: false,
            lost: BTreeSet::new(),
            settled: Vec::new(),
            looked: Instant::now(),
        }
    }

    /// Works until the queue is closed and empty.
    pub fn run(mut self) {
        loop {
            // While a survey tells its rows there will be more.
            let full = self.full && self.surveys.is_empty();
            let untidy = self.slack || full || !self.parts.litter.is_empty();
            let idle = self.parts.connection.is_some() && untidy;
            let Some(acts) = self.parts.queue.take(idle) else {
                break;
            };
            if acts.is_empty() {
                self.tidy();
            } else {
                self.look_again();
                self.carry_out(acts);
            }
        }
        // The readers' connections first, so that closing the last one empties the journal.
        self.parts.readers.exchange(|| None);
    }

    /// Carries acts out in their order, those between two checkpoints in one transaction.
    fn carry_out(&mut self, acts: VecDeque<Act>) {
        let mut gathered = Vec::new();
        let mut asked = Vec::new();
        for act in acts {
            match act {
                Act::Commit(commit) => {
                    self.gathered(std::mem::take(&mut gathered));
                    self.commit(*commit);
                }
                Act::Suspect(what, file) => {
                    self.gathered(std::mem::take(&mut gathered));
                    if self.parts.connection.is_some() && file == self.parts.readers.number() {
                        self.begin_anew(&what);
                    }
                }
                Act::Flush(sender) => asked.push(sender),
                act => gathered.push(act),
            }
        }
        self.gathered(gathered);
        if self.parts.mounts.owes() {
            // The file that they went into was no good: there may be another by now.
            self.gathered(Vec::new());
        }
        for sender in asked {
            // Who asked may have given up by now.
            let _ = sender.send(());
        }
    }

    /// One transaction of small things.
    fn gathered(&mut self, acts: Vec<Act>) {
        let (mut works, mut staged, mut forgotten) = (Vec::new(), Vec::new(), Vec::new());
        for act in acts {
            match act {
                Act::Stage(survey, rows) => {
                    if let Some(set) = self.set_of(survey) {
                        staged.push(survey);
                        self.full |= rows.len() >= ROWS_MANY;
                        works.push(Work::Stage(set, rows));
                    }
                }
                Act::Mounts(source, paths) => self.parts.mounts.set(source, paths),
                Act::Keep(sources) => {
                    self.parts.mounts.keep(&sources);
                    works.push(Work::Keep(sources));
                }
                Act::Disown(source) => {
                    self.settled.retain(|settled| *settled != source);
                    works.push(Work::Disown(source));
                }
                Act::DisownRoute(route) => works.push(Work::DisownRoute(route)),
                Act::Book(run) => works.push(Work::Book(run)),
                Act::Lost(survey, source) => {
                    self.lost.insert(source);
                    forgotten.push(survey);
                }
                Act::Forget(survey) => forgotten.push(survey),
                // Done by who gathers.
                Act::Commit(_) | Act::Flush(_) | Act::Suspect(..) => {}
            }
        }
        let disowns = works.iter().find_map(|work| match work {
            Work::Disown(source) => Some(source.clone()),
            Work::DisownRoute(route) => Some(route.source.clone()),
            _ => None,
        });
        if !self.write(works) {
            if let Some(source) = disowns {
                // What it says of another root or another plan must not be believed by the next start.
                self.begin_anew(&format!(
                    "what the ledger says of `{source}` cannot be taken back"
                ));
            }
            for survey in staged {
                self.spoil(survey);
            }
        }
        for survey in forgotten {
            self.forget(survey);
        }
    }

    /// The set that a survey's rows go into; `None`: they are nobody's, or some of them were lost.
    fn set_of(&mut self, survey: SurveyId) -> Option<RowSet> {
        if self.ended.contains(&survey) {
            return None;
        }
        let room = self.surveys.len() < SURVEYS_MAX && self.parts.connection.is_some();
        let begun = match room {
            true => Staged::Whole(RowSet(fastrand::i64(1..))),
            false => Staged::Spoilt,
        };
        match self.surveys.entry(survey).or_insert(begun) {
            Staged::Whole(set) => Some(*set),
            Staged::Spoilt => None,
        }
    }

    /// Writes small things, and the mount points that are owed, which are what is true after all of them; `false`: nothing
    /// of it was written.
    fn write(&mut self, works: Vec<Work>) -> bool {
        if works.is_empty() && !self.parts.mounts.owes() {
            return true;
        }
        let owed = self.parts.mounts.owed();
        let done = self.transact(|store| {
            let mut litter = Vec::new();
            for work in works {
                match work {
                    Work::Stage(set, rows) => store.stage(set, rows)?,
                    Work::Book(run) => store.book(&run)?,
                    Work::Keep(sources) => litter.extend(store.keep(&sources)?),
                    Work::Disown(source) => litter.extend(store.disown(&source)?),
                    Work::DisownRoute(route) => store.disown_route(&route)?,
                }
            }
            for (source, paths) in owed {
                store.put_mounts(&source, &paths)?;
            }
            Ok(litter)
        });
        let Ok(litter) = done else { return false };
        self.parts.mounts.written();
        self.parts.litter.extend(litter);
        true
    }

    fn spoil(&mut self, survey: SurveyId) {
        if let Some(Staged::Whole(set)) = self.surveys.insert(survey, Staged::Spoilt) {
            self.parts.litter.push(set);
        }
    }

    fn forget(&mut self, survey: SurveyId) {
        self.ended(survey);
        if let Some(Staged::Whole(set)) = self.surveys.remove(&survey) {
            self.parts.litter.push(set);
        }
    }

    fn ended(&mut self, survey: SurveyId) {
        self.ended.truncate(ENDED_MAX - 1);
        self.ended.push_front(survey);
    }

    fn commit(&mut self, commit: Commit) {
        let (survey, source, whole) = (commit.survey, commit.source.clone(), commit.whole);
        let mut commit = commit;
        if self.lost.contains(&source) && !whole {
            commit.routes.values_mut().for_each(give_up_parking);
        }
        let staged = match self.surveys.get(&survey) {
            Some(Staged::Spoilt) => {
                self.refused(&source, "rows of its survey were lost");
                self.lost.insert(source);
                self.forget(survey);
                return;
            }
            Some(Staged::Whole(set)) => Some(*set),
            None => None,
        };
        let settled = self.settled.contains(&source);
        match self.transact(|store| store.commit(commit, staged, settled)) {
            Ok(litter) => {
                self.surveys.remove(&survey);
                self.ended(survey);
                self.parts.litter.extend(litter);
                self.slack = true;
                self.full |= whole || !settled;
                if whole {
                    self.lost.remove(&source);
                }
                if whole || !settled {
                    self.settled.retain(|settled| *settled != source);
                    self.settled.push(source);
                }
            }
            Err(undone) => {
                if let Undone::Refused(why) = undone {
                    self.refused(&source, why);
                }
                self.lost.insert(source);
                self.forget(survey);
            }
        }
    }

    fn refused(&self, source: &SourceName, why: &str) {
        self.parts.troubles.say(
            Kind::Refused,
            &format!("a checkpoint of `{source}` was not taken into the ledger: {why}; the older one stands"),
        );
    }

    /// One transaction, or nothing. Where it failed, that was said, and what follows from it has been done.
    fn transact<T>(
        &mut self,
        act: impl FnOnce(&Store<'_>) -> Result<T, Undone>,
    ) -> Result<T, Undone> {
        let Some(connection) = self.parts.connection.as_mut() else {
            return Err(Undone::NoFile);
        };
        let done = connection
            .transaction_with_behavior(TransactionBehavior::Immediate)
            .map_err(Undone::from)
            .and_then(|transaction| {
                // What is dropped without its commit is rolled back.
                let done = act(&Store(&transaction))?;
                transaction.commit()?;
                Ok(done)
            });
        if let Err(Undone::Failed(error)) = &done {
            let kind = Kind::of(error);
            let at = self.parts.place.file();
            let what = format!("cannot write `{}`: {error}", at.display());
            match kind {
                Kind::Damaged => self.begin_anew(&what),
                _ => self.parts.troubles.say(kind, &what),
            }
        }
        done
    }

    /// Some milliseconds of tidying, while nothing else is to do. What cannot be done now is done after the next start.
    fn tidy(&mut self) {
        if let Some(set) = self.parts.litter.last().copied() {
            let cleared = self.transact(|store| Ok(store.clear(set)?));
            if cleared.unwrap_or(true) {
                self.parts.litter.retain(|other| *other != set);
                self.slack = true;
            }
        } else if self.slack {
            self.slack = !self.transact(|store| Ok(store.shrink()?)).unwrap_or(true);
        } else if let Some(connection) = &self.parts.connection {
            // What cannot be given back stays.
            let _ = connection.release_memory();
            host::give_back();
            self.full = false;
        }
    }

    /// Sets the file aside and goes on with an empty one, or with none.
    fn begin_anew(&mut self, what: &str) {
        let surveys: Vec<SurveyId> = self.surveys.keys().copied().collect();
        for survey in surveys {
            self.spoil(survey);
        }
        self.parts.litter.clear();
        self.parts.mounts.owe_all();
        self.settled.clear();
        let old = self.parts.connection.take();
        let place = self.parts.place.clone();
        let (mut new, mut hindrance) = (None, None);
        let readers = Arc::clone(&self.parts.readers);
        readers.exchange(|| {
            // Closed while its files are still in their places.
            drop(old);
            match renew(&place) {
                Ok(connection) => new = Some(connection),
                Err(error) => hindrance = Some(error),
            }
            new.is_some().then(|| place.file())
        });
        self.parts.connection = new;
        self.looked = Instant::now();
        let then = match hindrance {
            None => {
                "beginning an empty one; what it held is compared anew at the next start".into()
            }
            Some(error) => format!("{error}; going on without it"),
        };
        self.parts
            .troubles
            .say(Kind::Damaged, &format!("{what}; {then}"));
    }

    /// Where there is no file, there may be one by now. What an older one holds is true, however old it is.
    fn look_again(&mut self) {
        if self.parts.connection.is_some() || self.looked.elapsed() < LOOK_AGAIN {
            return;
        }
        self.looked = Instant::now();
        let start = start::start(&self.parts.place);
        if let Some(damage) = start.damage {
            self.parts.troubles.say(Kind::Disk, &damage);
        }
        let file: Option<PathBuf> = start.connection.as_ref().map(|_| self.parts.place.file());
        self.parts.litter = start.loaded.litter;
        // What was said meanwhile is younger than what is in it.
        self.parts.mounts.join(&start.loaded.memory);
        self.parts.mounts.owe_all();
        self.slack = true;
        self.parts.connection = start.connection;
        self.parts.readers.exchange(|| file);
        // What it says is of a time before this process, which has sent since, and knows nothing of it.
        let known: Vec<SourceName> = start.loaded.memory.sources.into_keys().collect();
        self.gathered(known.into_iter().map(Act::Disown).collect());
    }
}

/// Nothing is known of what changed while the route was parked: a full pass is owed.
fn give_up_parking(memory: &mut RouteMemory) {
    if memory.parked != Parking::No {
        memory.parked = Parking::No;
        memory.pass = memory.pass.or(Some(Compare::Quick));
    }
}

impl Drop for Writer {
    /// However it ends, nobody waits for it any more.
    fn drop(&mut self) {
        self.parts.queue.close();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::RelPath;
    use crate::ledger::load;

    #[test]
    fn a_file_that_is_found_later_is_owed_the_mount_points() {
        let directory = tempfile::tempdir().unwrap();
        let place = Place::new(directory.path());
        let (queue, troubles) = (Arc::new(Queue::default()), Arc::new(Troubles::default()));
        let mut writer = Writer::new(WriterParts {
            place: place.clone(),
            connection: None,
            mounts: Mounts::default(),
            litter: Vec::new(),
            readers: Arc::new(Readers::new(
                None,
                Arc::clone(&queue),
                Arc::clone(&troubles),
            )),
            queue,
            troubles,
        });
        let (source, mounts) = (SourceName("site".into()), vec![RelPath::root().join(b"m")]);
        writer.carry_out([Act::Mounts(source.clone(), mounts.clone())].into());
        writer.parts.mounts.written(); // into a file that is no more
        let Some(looked) = Instant::now().checked_sub(LOOK_AGAIN) else {
            return; // the machine has only just been started
        };
        writer.looked = looked;
        writer.look_again();
        writer.carry_out(VecDeque::new());
        drop(writer);
        let file = place.open().unwrap().unwrap();
        let memory = load::load(&file).unwrap().memory;
        assert_eq!(memory.sources[&source].mounts, mounts);
    }
}
