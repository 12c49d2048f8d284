//! What the service holds of the ledger.

use std::path::{Path, PathBuf};
use std::sync::mpsc::{self, Receiver};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use super::file::{DAMAGED, Place};
use super::mounts::Mounts;
use super::parked::ParkedRows;
use super::queue::{Act, Queue};
use super::readers::{Readers, Rows};
use super::run::Run;
use super::start;
use super::store;
use super::trouble::{Kind, Troubles};
use super::writer::{Writer, WriterParts};
use crate::engine::{Commit, Memory, RelPath, Release, SurveyId};
use crate::plan::{RouteName, SourceName};

/// How long [`Ledger::flush`] and [`Ledger::close`] wait: a disk that takes longer is not waited for at the service's end.
const FLUSH_MAX: Duration = Duration::from_secs(10);

/// The ledger: what is handed over is written by its one thread, in the order in which it came. Ends with its last clone;
/// what was handed over by then is still written, but [`Ledger::close`] alone waits for it.
#[derive(Clone, Debug)]
pub struct Ledger(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    queue: Arc<Queue>,
    readers: Arc<Readers>,
    troubles: Arc<Troubles>,
    /// Ends when the thread has.
    ended: Mutex<Receiver<()>>,
    /// Where one is put that was damaged.
    damaged: PathBuf,
}

/// How the ledger is, for those who look from outside.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Health {
    /// Whether anything is kept at present.
    pub kept: bool,
    /// Whether one that was damaged still lies beside it.
    pub damaged: bool,
}

/// A ledger that was opened.
#[derive(Debug)]
pub struct Opened {
    /// To go on with.
    pub ledger: Ledger,
    /// What was in it.
    pub memory: Memory,
    /// What was wrong with it, for people; `None`: nothing, or it is the first start.
    pub damage: Option<String>,
}

impl Ledger {
    /// Opens the ledger in this directory, or makes one. Never fails: whatever is wrong is said in `damage`, a file that
    /// is no ledger is set aside (one of them is kept), and where nothing can be written, nothing is kept.
    pub fn open(directory: &Path) -> Opened {
        let place = Place::new(directory);
        let start = start::start(&place);
        let (queue, troubles) = (Arc::new(Queue::default()), Arc::new(Troubles::default()));
        let readers = Arc::new(Readers::new(
            start.connection.as_ref().map(|_| place.file()),
            Arc::clone(&queue),
            Arc::clone(&troubles),
        ));
        let writer = Writer::new(WriterParts {
            place,
            connection: start.connection,
            mounts: Mounts::of(&start.loaded.memory),
            litter: start.loaded.litter,
            queue: Arc::clone(&queue),
            readers: Arc::clone(&readers),
            troubles: Arc::clone(&troubles),
        });
        let (alive, ended) = mpsc::channel();
        let spawned = thread::Builder::new().name("ledger".into()).spawn(move || {
            writer.run();
            drop(alive);
        });
        let mut damage = start.damage;
        if start.mounts_lost {
            let text = damage.get_or_insert_default();
            text.push_str(
                "; mount points below the sources are not known any more: check that they are mounted",
            );
        }
        if let Err(error) = spawned {
            // The writer went with the closure and has closed the queue: everything is taken, and nothing kept.
            damage = Some(format!(
                "no thread for the ledger: {error}; going on without it"
            ));
        }
        Opened {
            ledger: Ledger(Arc::new(Inner {
                queue,
                readers,
                troubles,
                ended: Mutex::new(ended),
                damaged: directory.join(DAMAGED),
            })),
            memory: start.loaded.memory,
            damage,
        }
    }

    /// A reader of one source's rows, for any number of threads; `None` where there are not rows for all of it. It sees
    /// each row as it is when it is read.
    pub fn rows(&self, source: &SourceName) -> Option<Rows> {
        Rows::of(Arc::clone(&self.0.readers), source)
    }

    /// A reader of a source's rows as they were when this route was parked; `None` where not all of them are there.
    pub fn parked(&self, release: &Release) -> Option<ParkedRows> {
        ParkedRows::of(Arc::clone(&self.0.readers), release)
    }

    /// Everything was read: what was held in memory for that goes.
    pub fn rest(&self) {
        self.0.readers.rest();
    }

    /// Whether anything is kept at present: without a file, making all rows anew would be in vain.
    pub fn keeps(&self) -> bool {
        self.0.readers.have_file()
    }

    /// How it is.
    pub fn health(&self) -> Health {
        Health {
            kept: self.keeps(),
            damaged: self.0.damaged.symlink_metadata().is_ok(),
        }
    }

    /// Takes rows of a survey: of `None`, the directory is gone, with all rows below it. Waits where the writer is behind.
    pub fn stage(&self, survey: SurveyId, rows: store::Rows) {
        if !rows.is_empty() {
            self.0.queue.stage(survey, rows);
        }
    }

    /// Nobody will commit this survey: its rows go.
    pub fn forget(&self, survey: SurveyId) {
        if !self.0.queue.push(Act::Forget(survey)) {
            self.crowded("that a survey is over");
        }
    }

    /// Makes a checkpoint, in one transaction or not at all: the rows staged under its survey, all the source's routes,
    /// and its key. Refused, which is said, where a row of the survey was lost, and where it is not `whole` and there are
    /// no rows under the same key for it to join: [`Ledger::rows`] is `None` then, and a whole survey helps.
    pub fn commit(&self, commit: Commit) {
        let source = commit.source.clone();
        if !self.0.queue.commit(commit) {
            self.crowded(&format!("a checkpoint of `{source}`"));
        }
    }

    /// Takes back what is said of a source's rows and routes; its mount points stay. Returns when that is on
    /// disk; where it cannot be brought there, the file is set aside.
    pub fn disown(&self, source: &SourceName) {
        if self.0.queue.push(Act::Disown(source.clone())) {
            self.flush();
        } else {
            self.crowded(&format!("that `{source}` is another directory"));
        }
    }

    /// As [`Ledger::disown`], of one route: the source's rows and other routes stay.
    pub fn disown_route(&self, route: &RouteName) {
        if self.0.queue.push(Act::DisownRoute(route.clone())) {
            self.flush();
        } else {
            self.crowded(&format!("that `{route}` is another route"));
        }
    }

    /// Keeps the mount points seen below a source's root.
    pub fn remember_mounts(&self, source: &SourceName, mounts: Vec<RelPath>) {
        if !self.0.queue.push(Act::Mounts(source.clone(), mounts)) {
            self.crowded(&format!("the mount points of `{source}`"));
        }
    }

    /// Forgets every source that is not among these.
    pub fn keep_only(&self, sources: impl IntoIterator<Item = SourceName>) {
        let sources = sources.into_iter().collect();
        if !self.0.queue.push(Act::Keep(sources)) {
            self.crowded("which sources there are");
        }
    }

    /// Adds a transfer to the history.
    pub fn book(&self, mut run: Run) {
        run.failed.truncate(super::run::FAILED_MAX);
        if !self.0.queue.push(Act::Book(Box::new(run))) {
            self.crowded("a transfer");
        }
    }

    /// The last transfers, newest first.
    pub fn runs(&self, limit: usize) -> Vec<Run> {
        self.0.readers.runs(limit)
    }

    /// Waits until everything handed over so far is written: it outlives this process from then on, and a power cut as
    /// far as SQLite's journal has gone to the disk. `false`: it took too long, or there is nobody to write it.
    pub fn flush(&self) -> bool {
        let (sender, receiver) = mpsc::channel();
        self.0.queue.push(Act::Flush(sender)) && receiver.recv_timeout(FLUSH_MAX).is_ok()
    }

    /// Writes what was handed over and closes the file; what other clones hand over from now on is not kept. `false`: it
    /// took too long.
    pub fn close(self) -> bool {
        self.0.queue.close();
        let ended = self.0.ended.lock().unwrap_or_else(PoisonError::into_inner);
        ended.recv_timeout(FLUSH_MAX) == Err(mpsc::RecvTimeoutError::Disconnected)
    }

    fn crowded(&self, what: &str) {
        self.0.troubles.say(
            Kind::Crowded,
            &format!("{what} was not kept: the ledger is too slow, or closed"),
        );
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.queue.close();
    }
}
