//! The file: how it is made, opened, checked, and set aside when it is not what it should be.
//!
//! A new ledger is built whole under another name and renamed into its place, so that the file under the ledger's name is
//! a ledger or was damaged, never one half made. Nothing is set aside before there is something to go on with: on a full
//! disk a checkpoint that may be good stays where it is.

use std::fs::{self, OpenOptions, Permissions};
use std::io;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags};

use super::schema::{self, APPLICATION, SCHEMA, VERSION};
use super::trouble::Kind;

/// The ledger in the state directory; beside it, while it is open, `-wal` and `-shm`.
pub const NAME: &str = "ledger.sqlite";
/// The last ledger that was damaged, for whoever wants to look at it.
pub const DAMAGED: &str = "ledger.damaged";
/// One that is being made.
const NEW: &str = "ledger.new";
/// What SQLite keeps beside a file.
const SIDES: [&str; 3] = ["-wal", "-shm", "-journal"];

/// Somebody who looks into the file with a tool of their own holds it up for a moment.
const BUSY_MAX: Duration = Duration::from_secs(2);
/// Looking through a file at the start takes milliseconds; a disk on which it takes so long keeps the service no longer.
const OPEN_MAX: Duration = Duration::from_secs(20);
/// Up to this size the whole file is checked at the start, in about 20 ms; the records of a larger one have their tags.
const CHECK_BYTES_MAX: u64 = 8 << 20;
/// The journal is cut back to this size after a large survey has gone through it.
const JOURNAL_BYTES_KEPT: u64 = 8 << 20;
/// Instructions of SQLite's machine between two looks at the time.
const LOOK_EVERY: i32 = 10_000;

/// Why a file cannot be used.
#[derive(Debug, PartialEq, Eq)]
pub enum Fault {
    /// It is no good: it is set aside.
    Damaged(String),
    /// Nothing is known to be wrong with it; it stays where it is, unused for now.
    Hindered(String),
}

impl From<rusqlite::Error> for Fault {
    fn from(error: rusqlite::Error) -> Fault {
        let text = error.to_string();
        match Kind::of(&error) {
            Kind::Damaged | Kind::ReadOnly => Fault::Damaged(text),
            // A disk that fails, a machine that is slow: the checkpoint may be good again in a minute.
            _ => Fault::Hindered(text),
        }
    }
}

/// Where the ledger is.
#[derive(Clone, Debug)]
pub struct Place(PathBuf);

impl Place {
    /// In this directory.
    pub fn new(directory: &Path) -> Place {
        Place(directory.to_owned())
    }

    /// The file itself.
    pub fn file(&self) -> PathBuf {
        self.0.join(NAME)
    }

    fn side(&self, name: &str, side: &str) -> PathBuf {
        self.0.join(format!("{name}{side}"))
    }

    /// Opens the ledger that is there; `None`: there is none.
    pub fn open(&self) -> Result<Option<Connection>, Fault> {
        let at = self.file();
        let metadata = match fs::symlink_metadata(&at) {
            Ok(metadata) => metadata,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(Fault::Hindered(error.to_string())),
        };
        // Before anything is opened: opening a pipe would wait for its other end.
        if !metadata.is_file() {
            return Err(Fault::Damaged("it is not a regular file".into()));
        }
        if metadata.permissions().mode() & 0o7777 != 0o600 {
            // Where that cannot be done, opening shows whether it matters.
            let _ = fs::set_permissions(&at, Permissions::from_mode(0o600));
        }
        let mut connection = Connection::open_with_flags(
            &at,
            OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX,
        )?;
        connection.busy_timeout(BUSY_MAX)?;
        plan_once(&connection)?;
        let end = Instant::now() + OPEN_MAX;
        connection.progress_handler(LOOK_EVERY, Some(move || Instant::now() > end))?;
        if connection.is_readonly("main")? {
            return Err(Fault::Damaged("it cannot be written".into()));
        }
        prepare(&connection)?;
        if metadata.len() <= CHECK_BYTES_MAX {
            let found: String =
                connection.query_row("PRAGMA quick_check(1)", [], |row| row.get(0))?;
            if found != "ok" {
                return Err(Fault::Damaged(found));
            }
        }
        Ok(Some(connection))
    }

    /// Ends the watch over the time that opening takes.
    pub fn opened(connection: &mut Connection) -> rusqlite::Result<()> {
        connection.progress_handler(LOOK_EVERY, None::<fn() -> bool>)
    }

    /// Puts an empty ledger in the place; what is there is set aside first.
    pub fn renew(&self) -> Result<(), String> {
        let new = self.0.join(NEW);
        build(&new).map_err(|error| format!("cannot make `{}`: {error}", new.display()))?;
        self.set_aside().map_err(|error| {
            format!(
                "cannot rename `{}` to `{DAMAGED}`: {error}",
                self.file().display()
            )
        })?;
        fs::rename(&new, self.file())
            .map_err(|error| format!("cannot rename `{}` to `{NAME}`: {error}", new.display()))
    }

    /// Moves the file and its journal away. Nothing of the old may stay beside the new: SQLite would take it for its own.
    fn set_aside(&self) -> io::Result<()> {
        let at = self.file();
        if fs::symlink_metadata(&at).is_ok() {
            for side in ["", "-wal"] {
                clear(&self.side(DAMAGED, side))?;
            }
            fs::rename(&at, self.0.join(DAMAGED))?;
            let (from, to) = (self.side(NAME, "-wal"), self.side(DAMAGED, "-wal"));
            match fs::rename(from, to) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
        }
        SIDES
            .iter()
            .try_for_each(|side| clear(&self.side(NAME, side)))
    }
}

/// Plans statements once. Without, SQLite plans a statement anew for each value that is bound to it, in case that its
/// statistics, of which there are none, speak for another plan: reading a row would cost twice as much.
fn plan_once(connection: &Connection) -> rusqlite::Result<()> {
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
    Ok(())
}

/// A connection for readers. Only beside a writer's, which has looked whether the file is a ledger.
pub fn reader(at: &Path) -> rusqlite::Result<Connection> {
    let connection = Connection::open_with_flags(
        at,
        OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX,
    )?;
    connection.busy_timeout(BUSY_MAX)?;
    plan_once(&connection)?;
    connection.execute_batch("PRAGMA cell_size_check = ON; PRAGMA cache_size = -1024")?;
    Ok(connection)
}

/// Removes a file, or an empty directory. Nothing else: what is in a directory is not the ledger's.
fn clear(at: &Path) -> io::Result<()> {
    match fs::symlink_metadata(at) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error),
        Ok(metadata) if metadata.is_dir() => fs::remove_dir(at),
        Ok(_) => fs::remove_file(at),
    }
}

/// A whole and empty ledger under this name, on the disk.
fn build(at: &Path) -> Result<(), Box<dyn std::error::Error>> {
    clear(at)?;
    // SQLite gives the files beside it the same mode.
    OpenOptions::new()
        .create_new(true)
        .write(true)
        .mode(0o600)
        .open(at)?;
    let connection = Connection::open_with_flags(at, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
    // Without a journal: one that is not finished is thrown away.
    connection.execute_batch(&format!(
        "PRAGMA page_size = {}; PRAGMA auto_vacuum = INCREMENTAL; PRAGMA journal_mode = OFF; PRAGMA synchronous = FULL;
         BEGIN; PRAGMA application_id = {APPLICATION}; PRAGMA user_version = {VERSION};",
        schema::PAGE_BYTES
    ))?;
    for table in SCHEMA {
        connection.execute_batch(table)?;
    }
    connection.execute_batch("COMMIT")?;
    connection.close().map_err(|(_, error)| error)?;
    Ok(())
}

/// Checks whose file it is before anything is changed in it, and sets what holds for a connection.
fn prepare(connection: &Connection) -> Result<(), Fault> {
    let number = |name| connection.query_row(&format!("PRAGMA {name}"), [], |row| row.get(0));
    let (application, version): (i32, i32) = (number("application_id")?, number("user_version")?);
    if application != APPLICATION {
        return Err(Fault::Damaged("it is not a ledger".into()));
    }
    if version != VERSION {
        return Err(Fault::Damaged(format!(
            "it is of version {version}, which this heliostat ({VERSION}) does not read"
        )));
    }
    let mode: String = connection.query_row("PRAGMA journal_mode = WAL", [], |row| row.get(0))?;
    if mode != "wal" {
        return Err(Fault::Hindered(format!(
            "its journal is `{mode}` and cannot be `wal` on this file system"
        )));
    }
    connection.execute_batch(&format!(
        "PRAGMA synchronous = NORMAL; PRAGMA journal_size_limit = {JOURNAL_BYTES_KEPT};
         PRAGMA cell_size_check = ON; PRAGMA trusted_schema = OFF; PRAGMA temp_store = MEMORY;
         PRAGMA cache_size = -4096"
    ))?;
    if !schema::is_ours(connection)? {
        return Err(Fault::Damaged("its tables are not a ledger's".into()));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use rusqlite::{Error, ffi};

    use super::*;

    #[test]
    fn only_what_is_damaged_or_cannot_be_written_is_set_aside() {
        let fault = |code| Fault::from(Error::SqliteFailure(ffi::Error::new(code), None));
        for code in [
            ffi::SQLITE_CORRUPT,
            ffi::SQLITE_NOTADB,
            ffi::SQLITE_IOERR_SHORT_READ,
            ffi::SQLITE_ERROR,
            ffi::SQLITE_READONLY,
        ] {
            assert!(matches!(fault(code), Fault::Damaged(_)), "{code}");
        }
        for code in [
            ffi::SQLITE_IOERR,
            ffi::SQLITE_IOERR_READ,
            ffi::SQLITE_IOERR_FSTAT,
            ffi::SQLITE_CANTOPEN,
            ffi::SQLITE_INTERRUPT,
            ffi::SQLITE_BUSY,
            ffi::SQLITE_FULL,
            ffi::SQLITE_NOMEM,
        ] {
            assert!(matches!(fault(code), Fault::Hindered(_)), "{code}");
        }
    }

    #[test]
    fn what_cannot_be_looked_at_is_not_said_to_be_damaged() {
        let scratch = tempfile::tempdir().unwrap();
        fs::write(scratch.path().join("file"), "").unwrap();
        let place = Place::new(&scratch.path().join("file"));
        assert!(matches!(place.open(), Err(Fault::Hindered(_))));
    }
}
