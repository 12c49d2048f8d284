//! Reading while the service runs: rows for surveys, runs for the history.
//!
//! Each reading has a connection of its own and a snapshot that lasts as long as the one statement: a survey that hangs
//! on a frozen file system keeps no snapshot open, for which the journal would have to grow. Rows of different
//! checkpoints may so be read within one survey, which is as good as one: every one of them is true (see
//! [`Generation`](super::record::Generation)).

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use rusqlite::{Connection, OptionalExtension, params};

use super::queue::Queue;
use super::record::{Header, RowPlace};
use super::run::{self, Run};
use super::trouble::{Kind, Troubles};
use super::{file, seal, store};
use crate::engine::RelPath;
use crate::plan::SourceName;

/// Connections that are kept for the next reading; each has up to a megabyte of pages.
const IDLE_MAX: usize = 4;
/// Runs in one answer.
const RUNS_ASKED_MAX: usize = store::RUNS_MAX as usize;

/// A row, and of the same moment the header that it must not be younger than.
pub(super) const ROW: &str = "SELECT s.sealed, r.generation, r.sealed FROM sources s
    JOIN rows r ON r.rowset = s.rowset AND r.path = ?2 WHERE s.name = ?1";

/// The readers' side of the file, which the writer may exchange for another.
#[derive(Debug)]
pub struct Readers {
    /// Locked for as long as a reading lasts; the writer takes it alone to exchange the file.
    file: RwLock<Current>,
    idle: Mutex<Vec<Connection>>,
    queue: Arc<Queue>,
    troubles: Arc<Troubles>,
}

#[derive(Debug)]
struct Current {
    at: Option<PathBuf>,
    /// Counts the files, so that damage of one is not taken for its successor's.
    number: u64,
}

impl Readers {
    /// Of this file; `None`: there is nothing to read.
    pub fn new(file: Option<PathBuf>, queue: Arc<Queue>, troubles: Arc<Troubles>) -> Readers {
        Readers {
            file: RwLock::new(Current {
                at: file,
                number: 0,
            }),
            idle: Mutex::default(),
            queue,
            troubles,
        }
    }

    /// Does `exchange` while nobody reads and no reader's connection is open: closing one later would take the new
    /// file's journal away with it. What it gives is read from then on.
    pub fn exchange(&self, exchange: impl FnOnce() -> Option<PathBuf>) {
        let mut file = self.file.write().unwrap_or_else(PoisonError::into_inner);
        self.idle
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clear();
        file.at = exchange();
        file.number += 1;
    }

    /// Whether there is a file.
    pub fn have_file(&self) -> bool {
        let file = self.file.read().unwrap_or_else(PoisonError::into_inner);
        file.at.is_some()
    }

    /// Which file it is now.
    pub fn number(&self) -> u64 {
        self.file
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .number
    }

    /// Reads something; `None`: it cannot be, which was said.
    pub fn read<T>(&self, act: impl FnOnce(&Connection) -> rusqlite::Result<T>) -> Option<T> {
        let file = self.file.read().unwrap_or_else(PoisonError::into_inner);
        let at = file.at.as_ref()?;
        let idle = || self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        let kept = idle().pop();
        let connection = match kept {
            Some(connection) => Ok(connection),
            None => file::reader(at),
        };
        let read = connection.and_then(|connection| {
            let read = act(&connection)?;
            Ok((connection, read))
        });
        match read {
            Ok((connection, read)) => {
                let mut idle = idle();
                if idle.len() < IDLE_MAX {
                    idle.push(connection);
                }
                Some(read)
            }
            Err(error) => {
                let kind = Kind::of(&error);
                let what = format!("cannot read `{}`: {error}", at.display());
                self.troubles.say(kind, &what);
                if kind == Kind::Damaged {
                    self.queue.suspect(what, file.number);
                }
                None
            }
        }
    }

    /// Closes the connections that nobody reads with: after a look at everything each has a megabyte that is not asked for
    /// again soon.
    pub fn rest(&self) {
        self.idle
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clear();
    }

    fn damaged_record(&self, what: &str) {
        self.troubles.say(
            Kind::Record,
            &format!("{what} in the ledger is not as it was written, and is not used"),
        );
    }

    fn header(&self, source: &SourceName) -> Option<Header> {
        let sealed = self.read(|connection| {
            connection
                .prepare_cached("SELECT sealed FROM sources WHERE name = ?1")?
                .query_row([&source.0], |row| row.get::<_, Vec<u8>>(0))
                .optional()
        })??;
        Header::unseal(source, &sealed)
    }

    /// The last runs, newest first.
    pub fn runs(&self, limit: usize) -> Vec<Run> {
        let limit = limit.min(RUNS_ASKED_MAX) as i64;
        let sealed = self.read(|connection| {
            connection
                .prepare_cached("SELECT sealed FROM runs ORDER BY id DESC LIMIT ?1")?
                .query_map([limit], |row| row.get::<_, Vec<u8>>(0))?
                .collect::<rusqlite::Result<Vec<_>>>()
        });
        let run = |sealed: &Vec<u8>| seal::unseal(&[b"run"], sealed).and_then(run::decode);
        let sealed = sealed.unwrap_or_default();
        let runs: Vec<Run> = sealed.iter().filter_map(run).collect();
        if runs.len() < sealed.len() {
            self.damaged_record("a run");
        }
        runs
    }
}

/// The rows of one source, for any number of threads.
#[derive(Clone, Debug)]
pub struct Rows {
    readers: Arc<Readers>,
    source: SourceName,
    key: String,
}

impl Rows {
    /// The rows of this source, where there are rows for all of it.
    pub fn of(readers: Arc<Readers>, source: &SourceName) -> Option<Rows> {
        let key = readers.header(source)?.key;
        Some(Rows {
            readers,
            source: source.clone(),
            key,
        })
    }

    /// The row of one directory; `None` where there is none, or none that can be read: then nothing is known of it, as of
    /// a new directory.
    pub fn row(&self, path: &RelPath) -> Option<Vec<u8>> {
        let found = self.readers.read(|connection| {
            connection
                .prepare_cached(ROW)?
                .query_row(params![self.source.0, path.as_bytes()], |row| {
                    let generation: i64 = row.get(1)?;
                    Ok((row.get(0)?, generation, row.get::<_, Vec<u8>>(2)?))
                })
                .optional()
        });
        let (header, generation, mut sealed) = found??;
        let header: Vec<u8> = header;
        // Made under another plan meanwhile: no damage.
        Header::unseal(&self.source, &header).filter(|header| header.key == self.key)?;
        match self.open(&header, generation, path.as_bytes(), &sealed) {
            Some(length) => {
                sealed.truncate(length);
                Some(sealed)
            }
            None => {
                self.readers.damaged_record("a row");
                None
            }
        }
    }

    /// The length of the row in `sealed`, if it may be read.
    fn open(&self, header: &[u8], generation: i64, path: &[u8], sealed: &[u8]) -> Option<usize> {
        let header =
            Header::unseal(&self.source, header).filter(|header| header.key == self.key)?;
        if generation > header.generation.0 {
            return None;
        }
        let place = RowPlace {
            rows: header.rows,
            generation: super::record::Generation(generation),
            path,
        };
        place.unseal(sealed).map(<[u8]>::len)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ledger::file::Place;

    #[test]
    fn a_connection_is_kept_for_the_next_reading_and_closed_after_a_look_at_everything() {
        let scratch = tempfile::tempdir().unwrap();
        let place = Place::new(scratch.path());
        place.renew().unwrap();
        let writer = place.open().unwrap();
        let readers = Readers::new(Some(place.file()), Arc::default(), Arc::default());
        let kept = || readers.idle.lock().unwrap().len();
        for _ in 0..2 {
            assert!(readers.runs(1).is_empty());
            assert_eq!(kept(), 1);
        }
        readers.rest();
        assert_eq!(kept(), 0);
        assert!(readers.runs(1).is_empty());
        assert_eq!(kept(), 1);
        drop(writer);
    }
}
