//! What goes wrong with the file: of which kind it is, what follows from that, and how often it is said.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use rusqlite::{Error, ErrorCode, ffi};

/// The same trouble is said again after so long: a full disk fails every checkpoint, which would fill the log as well.
const SAY_AGAIN: Duration = Duration::from_secs(600);

/// Kinds of trouble, by what follows.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Kind {
    /// The file is not, or not any more, a ledger: it is set aside.
    Damaged,
    /// No room; the older checkpoint stands.
    Full,
    /// Somebody else holds the file, or it took too long.
    Busy,
    /// It cannot be written.
    ReadOnly,
    /// The disk fails.
    Disk,
    /// Single records are not as they were written; they are not used.
    Record,
    /// A checkpoint does not fit what is in the file.
    Refused,
    /// More was to be kept than there is room for on the way.
    Crowded,
}

impl Kind {
    /// Of which kind an error is.
    pub fn of(error: &Error) -> Kind {
        let Error::SqliteFailure(failure, _) = error else {
            // What is in a column is not what was put into it.
            return Kind::Damaged;
        };
        match failure.code {
            ErrorCode::DiskFull | ErrorCode::OutOfMemory => Kind::Full,
            ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked => Kind::Busy,
            ErrorCode::FileLockingProtocolFailed => Kind::Busy,
            // It took longer than it may, or something came in between.
            ErrorCode::OperationInterrupted | ErrorCode::OperationAborted => Kind::Busy,
            ErrorCode::SchemaChanged => Kind::Busy,
            ErrorCode::ReadOnly | ErrorCode::PermissionDenied => Kind::ReadOnly,
            // Also how too many open files show.
            ErrorCode::CannotOpen | ErrorCode::NoLargeFileSupport => Kind::Disk,
            ErrorCode::TooBig => Kind::Refused,
            ErrorCode::SystemIoFailure => match failure.extended_code {
                // The journal's index is given its room at once; this is how its lack shows.
                ffi::SQLITE_IOERR_SHMSIZE => Kind::Full,
                ffi::SQLITE_IOERR_SHORT_READ | ffi::SQLITE_IOERR_CORRUPTFS => Kind::Damaged,
                ffi::SQLITE_IOERR_DATA => Kind::Damaged,
                _ => Kind::Disk,
            },
            _ => Kind::Damaged,
        }
    }
}

/// Troubles that are remembered as said; beyond it, all of them are said anew.
const SAID_MAX: usize = 1000;

/// When what was last said.
#[derive(Debug, Default)]
pub struct Troubles(Mutex<BTreeMap<(Kind, String), Instant>>);

impl Troubles {
    /// Says it, unless the same was said of late.
    pub fn say(&self, kind: Kind, what: &str) {
        let mut said = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        let of_late = said
            .get(&(kind, what.to_owned()))
            .is_some_and(|at| now.duration_since(*at) < SAY_AGAIN);
        if !of_late {
            if said.len() >= SAID_MAX {
                said.clear();
            }
            said.insert((kind, what.to_owned()), now);
            tracing::warn!("{what}");
        }
    }
}
