//! The one thread that writes: gathers what comes into transactions, and goes on whatever becomes of the file.
//!
//! Invariants:
//! - **A checkpoint is one transaction, or nothing.** After one that failed the file holds the older one, which is still
//!   true.
//! - **A survey of which a row was lost is never committed**: it is *spoilt*, and its commit is refused.
//! - Mount points that could not be written are owed, and written with the next transaction: they guard deletions.

use std::collections::{BTreeMap, VecDeque};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rusqlite::{Connection, TransactionBehavior};

use super::file::Place;
use super::queue::{Act, Queue};
use super::readers::Readers;
use super::record::RowSet;
use super::start::{self, renew};
use super::store::{Committed, Store};
use super::trouble::{Kind, Troubles};
use crate::engine::{Commit, RelPath, SurveyId};
use crate::plan::SourceName;

/// Surveys with rows on the way to a checkpoint: more than any host's sources. Those beyond are spoilt.
const SURVEYS_MAX: usize = 10_000;
/// Surveys whose end is remembered: rows that a thread of theirs tells later are nobody's.
const ENDED_MAX: usize = 1000;
/// Without a file (a full disk, a read-only one), one is looked for again so seldom, when there is something to write.
const LOOK_AGAIN: Duration = Duration::from_secs(60);

/// What the writer is made of.
#[derive(Debug)]
pub struct WriterParts {
    /// Where the file is.
    pub place: Place,
    /// What was found there.
    pub connection: Option<Connection>,
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

/// The writer.
#[derive(Debug)]
pub struct Writer {
    parts: WriterParts,
    surveys: BTreeMap<SurveyId, Staged>,
    ended: VecDeque<SurveyId>,
    mounts: BTreeMap<SourceName, Vec<RelPath>>,
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
            mounts: BTreeMap::new(),
            settled: Vec::new(),
            looked: Instant::now(),
        }
    }

    /// Works until the queue is closed and empty.
    pub fn run(mut self) {
        loop {
            let litter = self.parts.connection.is_some() && !self.parts.litter.is_empty();
            let Some(acts) = self.parts.queue.take(litter) else {
                break;
            };
            if acts.is_empty() {
                self.clear_litter();
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
        for sender in asked {
            // Who asked may have given up by now.
            let _ = sender.send(());
        }
    }

    /// One transaction of small things.
    fn gathered(&mut self, acts: Vec<Act>) {
        if acts.is_empty() && self.mounts.is_empty() {
            return;
        }
        let staged: Vec<SurveyId> = acts
            .iter()
            .filter_map(|act| match act {
                Act::Stage(survey, _) if !self.ended.contains(survey) => Some(*survey),
                _ => None,
            })
            .collect();
        for survey in &staged {
            let room = self.surveys.len() < SURVEYS_MAX && self.parts.connection.is_some();
            self.surveys.entry(*survey).or_insert(match room {
                true => Staged::Whole(RowSet(fastrand::i64(1..))),
                false => Staged::Spoilt,
            });
        }
        let surveys = self.surveys.clone();
        let (mut mounts, mut litter, mut forgotten) =
            (std::mem::take(&mut self.mounts), Vec::new(), Vec::new());
        let mut work = Vec::new();
        for act in acts {
            match act {
                Act::Mounts(source, paths) => {
                    mounts.insert(source, paths);
                }
                Act::Forget(survey) => forgotten.push(survey),
                act => work.push(act),
            }
        }
        let done = self.transact(|store| {
            for act in work {
                match act {
                    Act::Stage(survey, rows) => {
                        if let Some(Staged::Whole(set)) = surveys.get(&survey) {
                            store.stage(*set, rows)?;
                        }
                    }
                    Act::Book(run) => store.book(&run)?,
                    Act::Keep(sources) => {
                        mounts.retain(|source, _| sources.contains(source));
                        litter.extend(store.keep(&sources)?);
                    }
                    _ => {}
                }
            }
            for (source, paths) in &mounts {
                store.put_mounts(source, paths)?;
            }
            Ok(())
        });
        if done.is_some() {
            self.parts.litter.extend(litter);
        } else {
            self.mounts = mounts;
            for survey in staged {
                self.spoil(survey);
            }
        }
        for survey in forgotten {
            self.forget(survey);
        }
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
        let staged = match self.surveys.get(&survey) {
            Some(Staged::Spoilt) => {
                self.refused(&source, "rows of its survey were lost");
                self.forget(survey);
                return;
            }
            Some(Staged::Whole(set)) => Some(*set),
            None => None,
        };
        let settled = self.settled.contains(&source);
        // What the transaction has to say outlives it only where it stands.
        match self.transact(|store| match store.commit(commit, staged, settled)? {
            Committed::Done(litter) => Ok(Ok(litter)),
            Committed::Refused(why) => Ok(Err(why)),
        }) {
            Some(Ok(litter)) => {
                self.surveys.remove(&survey);
                self.ended(survey);
                self.parts.litter.extend(litter);
                if whole || !settled {
                    self.settled.retain(|settled| *settled != source);
                    self.settled.push(source);
                }
            }
            Some(Err(why)) => {
                self.refused(&source, why);
                self.forget(survey);
            }
            None => self.forget(survey),
        }
    }

    fn refused(&self, source: &SourceName, why: &str) {
        self.parts.troubles.say(
            Kind::Refused,
            &format!("a checkpoint of `{source}` was not taken into the ledger: {why}; the older one stands"),
        );
    }

    /// One transaction, or nothing: then it was said why, and what follows from it has been done.
    fn transact<T>(&mut self, act: impl FnOnce(&Store<'_>) -> rusqlite::Result<T>) -> Option<T> {
        let connection = self.parts.connection.as_mut()?;
        let done = connection
            .transaction_with_behavior(TransactionBehavior::Immediate)
            .and_then(|transaction| {
                let done = act(&Store(&transaction))?;
                transaction.commit()?;
                Ok(done)
            });
        match done {
            Ok(done) => Some(done),
            Err(error) => {
                let kind = Kind::of(&error);
                let at = self.parts.place.file();
                let what = format!("cannot write `{}`: {error}", at.display());
                match kind {
                    Kind::Damaged => self.begin_anew(&what),
                    _ => self.parts.troubles.say(kind, &what),
                }
                None
            }
        }
    }

    /// Some milliseconds of tidying, while nothing else is to do.
    fn clear_litter(&mut self) {
        let Some(set) = self.parts.litter.last().copied() else {
            return;
        };
        // What could not be cleared is found again at the next start.
        if self.transact(|store| store.clear(set)).unwrap_or(true) {
            self.parts.litter.retain(|other| *other != set);
        }
    }

    /// Sets the file aside and goes on with an empty one, or with none.
    fn begin_anew(&mut self, what: &str) {
        let surveys: Vec<SurveyId> = self.surveys.keys().copied().collect();
        for survey in surveys {
            self.spoil(survey);
        }
        self.parts.litter.clear();
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
        self.parts.connection = start.connection;
        self.parts.readers.exchange(|| file);
    }
}

impl Drop for Writer {
    /// However it ends, nobody waits for it any more.
    fn drop(&mut self) {
        self.parts.queue.close();
    }
}
