//! Reading one directory: each name in scope with its facts, sorted, and its row.
//!
//! Buffers are kept from one directory to the next, so that a file costs one system call and no allocation.
//!
//! `newfstatat` and not `statx`: of all that a mask can leave out, a signature needs everything but the access time.
//! Nor are cached attributes taken (`AT_STATX_DONT_SYNC`): on a network file system they would hide what another host
//! changed, and on a local one they are the same. Automounts are not triggered, as with every `lstat`.

use std::ffi::CStr;
use std::mem;
use std::os::fd::OwnedFd;
use std::sync::atomic::{AtomicBool, Ordering};

use jiff::Timestamp;
use rustix::fs::{AtFlags, FileType, RawDir, Stat, fstat, statat};
use rustix::io::Errno;

use super::row::{Facts, Kind, Own, Writer};
use super::scope::Scope;
use super::signature::{Age, Moment, of_directory, of_object};
use crate::engine::{RelPath, Told};
use crate::filter::Verdict;
use crate::host::Identity;

/// Fits the names of most directories in one or two system calls.
const LIST_BUFFER: usize = 32 * 1024;
/// Names between two looks at whether the survey is to end.
const STOP_EVERY: usize = 1024;
/// What buffers keep beyond one directory: a row of some ten thousand names. A larger one gives its memory back.
const KEEP_MAX: usize = 1 << 20;

/// A directory as it was read.
#[derive(Debug)]
pub(super) struct Listing {
    /// The directory itself.
    pub(super) own: Own,
    /// When it was changed.
    own_changed: Option<Timestamp>,
    /// Its entries in the order of their names.
    pub(super) entries: Vec<Entry>,
    /// Its row.
    pub(super) row: Vec<u8>,
    /// Something in it is to be looked at again soon.
    pub(super) young: bool,
    names: Vec<u8>,
    path: Vec<u8>,
    buffer: Vec<u8>,
}

/// One name of a directory.
#[derive(Clone, Copy, Debug)]
pub(super) struct Entry {
    start: usize,
    length: usize,
    /// What it is now.
    pub(super) facts: Facts,
    /// What it is to the source.
    pub(super) verdict: Verdict,
    /// It is as its row says; of a directory, its own rows say what is below it.
    pub(super) known: bool,
    changed: Option<Timestamp>,
}

/// Why a directory has no listing.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Unlisted {
    /// It may not be read, or reading failed.
    Unreadable,
    /// It does not belong to the source after all.
    Outside,
    /// The survey is to end.
    Stopped,
}

/// Which directory is read, and when.
pub(super) struct Reading<'a> {
    /// Open for reading.
    pub(super) directory: OwnedFd,
    /// Where it is.
    pub(super) path: &'a RelPath,
    /// What it is to the source.
    pub(super) verdict: Verdict,
    /// A moment before it was opened.
    pub(super) moment: Moment,
    /// What of it counts.
    pub(super) scope: &'a Scope<'a>,
    /// Ends it.
    pub(super) stop: &'a AtomicBool,
}

impl Listing {
    /// An empty one, to be read into.
    pub(super) fn new() -> Listing {
        let facts = Facts {
            kind: Kind::Unknown,
            foreign: false,
            signature: None,
        };
        Listing {
            own: Own { inode: 0, facts },
            own_changed: None,
            entries: Vec::new(),
            row: Vec::new(),
            young: false,
            names: Vec::new(),
            path: Vec::new(),
            buffer: Vec::with_capacity(LIST_BUFFER),
        }
    }

    /// The name of an entry.
    pub(super) fn name(&self, entry: &Entry) -> &[u8] {
        name_in(&self.names, entry)
    }

    /// Reads a directory. It is itself looked at before its names are: what changes during the reading leaves it
    /// another than its row says, and so is found by the next look.
    pub(super) fn read(&mut self, reading: &Reading) -> Result<(), Unlisted> {
        self.forget();
        let Reading { scope, moment, .. } = reading;
        let own = fstat(&reading.directory).map_err(|_| Unlisted::Unreadable)?;
        let foreign = scope.is_foreign(&own);
        if scope.is_shut(foreign) || scope.is_private(&own) {
            return Err(Unlisted::Outside);
        }
        let age = self.grow_up(moment.age(&own));
        self.own = Own {
            inode: Identity::of(&own).inode,
            facts: Facts {
                kind: Kind::Directory,
                foreign,
                signature: age.then(|| of_directory(&own)),
            },
        };
        self.own_changed = changed(&own);
        self.path.extend_from_slice(reading.path.as_bytes());
        if !self.path.is_empty() {
            self.path.push(b'/');
        }
        let mut buffer = mem::take(&mut self.buffer);
        let read = self.names(reading, &mut buffer);
        self.buffer = buffer;
        read?;
        let names = &self.names;
        self.entries
            .sort_unstable_by(|one, other| name_in(names, one).cmp(name_in(names, other)));
        // A name that moved while it was read may come twice.
        let mut moved = false;
        self.entries.dedup_by(|one, other| {
            let twice = name_in(names, one) == name_in(names, other);
            if twice {
                other.facts.signature = None;
                moved = true;
            }
            twice
        });
        self.young |= moved;
        self.write();
        Ok(())
    }

    fn write(&mut self) {
        let mut writer = Writer::new(&mut self.row, self.own);
        for entry in &self.entries {
            writer.add(name_in(&self.names, entry), entry.facts);
        }
        writer.end();
    }

    /// Writes the row anew without the facts of what is not as its row says, and changed later than the engine heard of it: a
    /// survey that tells no marks must not take that for known.
    pub(super) fn distrust(&mut self, path: &RelPath, own_known: bool, told: &Told) {
        let since = told.since;
        let early =
            |at: Option<Timestamp>| at.is_some_and(|at| since.is_some_and(|since| since >= at));
        let covered = |of: &dyn Fn() -> RelPath, at: Option<Timestamp>| {
            early(at) || at.is_some_and(|at| told.covers(&of(), at))
        };
        let mut void = false;
        let own = &mut self.own.facts.signature;
        if !own_known && own.is_some() && !covered(&|| path.clone(), self.own_changed) {
            *own = None;
            void = true;
        }
        let names = &self.names;
        for entry in self.entries.iter_mut().filter(|entry| !entry.known) {
            let place = || path.join(name_in(names, entry));
            if entry.facts.signature.is_some() && !covered(&place, entry.changed) {
                entry.facts.signature = None;
                void = true;
            }
        }
        if void {
            self.write();
        }
    }

    fn names(&mut self, reading: &Reading, buffer: &mut Vec<u8>) -> Result<(), Unlisted> {
        let mut all = RawDir::new(&reading.directory, buffer.spare_capacity_mut());
        let mut until_stop = 0;
        while let Some(entry) = all.next() {
            if until_stop == 0 {
                until_stop = STOP_EVERY;
                if reading.stop.load(Ordering::Relaxed) {
                    return Err(Unlisted::Stopped);
                }
            }
            until_stop -= 1;
            let entry = entry.map_err(|_| Unlisted::Unreadable)?;
            if !matches!(entry.file_name().to_bytes(), b"." | b"..") {
                self.look(reading, entry.file_name(), entry.file_type())?;
            }
        }
        Ok(())
    }

    fn look(&mut self, reading: &Reading, name: &CStr, told: FileType) -> Result<(), Unlisted> {
        let Reading { scope, verdict, .. } = reading;
        let bytes = name.to_bytes();
        self.path.extend_from_slice(bytes);
        let belongs = |directory| scope.name(*verdict, &self.path, bytes, directory);
        // What is known not to belong is not looked at.
        let told = (told != FileType::Unknown).then_some(told == FileType::Directory);
        let mut found = told.map_or(Some(Verdict::Included), belongs);
        let (mut facts, mut at) = (None, None);
        if found.is_some() {
            match statat(
                &reading.directory,
                name,
                AtFlags::SYMLINK_NOFOLLOW | AtFlags::NO_AUTOMOUNT,
            ) {
                Ok(stat) => {
                    let directory = FileType::from_raw_mode(stat.st_mode) == FileType::Directory;
                    if told != Some(directory) {
                        found = belongs(directory);
                    }
                    if found.is_some() && !(directory && scope.is_private(&stat)) {
                        facts = Some(self.facts(reading, &stat));
                        at = changed(&stat);
                    }
                }
                // It went while the directory was read.
                Err(Errno::NOENT) => self.young = true,
                Err(error) => {
                    if error == Errno::ACCESS && is_shut(&reading.directory) {
                        return Err(Unlisted::Unreadable);
                    }
                    if told.is_none() {
                        found = belongs(false).or(belongs(true));
                    }
                    facts = Some(Facts {
                        kind: Kind::Unknown,
                        foreign: false,
                        signature: None,
                    });
                }
            }
        }
        self.path.truncate(self.path.len() - bytes.len());
        if let (Some(verdict), Some(facts)) = (found, facts) {
            let start = self.names.len();
            self.names.extend_from_slice(bytes);
            self.entries.push(Entry {
                start,
                length: bytes.len(),
                facts,
                verdict,
                known: false,
                changed: at,
            });
        }
        Ok(())
    }

    fn facts(&mut self, reading: &Reading, stat: &Stat) -> Facts {
        let foreign = reading.scope.is_foreign(stat);
        let kind = match kind(stat) {
            Kind::Directory if reading.scope.is_shut(foreign) => Kind::MountPoint,
            kind => kind,
        };
        let signature = if kind == Kind::Directory {
            Some(Identity::of(stat).inode)
        } else {
            let settled = self.grow_up(reading.moment.age(stat));
            settled.then(|| of_object(stat))
        };
        Facts {
            kind,
            foreign,
            signature,
        }
    }

    /// Whether it is settled; what is not is remembered.
    fn grow_up(&mut self, age: Age) -> bool {
        self.young |= age == Age::Young;
        age == Age::Settled
    }

    fn forget(&mut self) {
        self.entries.clear();
        self.names.clear();
        self.path.clear();
        self.row.clear();
        self.entries.shrink_to(KEEP_MAX / mem::size_of::<Entry>());
        self.names.shrink_to(KEEP_MAX);
        self.row.shrink_to(KEEP_MAX);
        self.young = false;
    }
}

/// When an object was changed, by its ctime.
#[allow(clippy::unnecessary_cast)] // the integer types of `Stat` differ between architectures
fn changed(stat: &Stat) -> Option<Timestamp> {
    Timestamp::new(stat.st_ctime as i64, stat.st_ctime_nsec as i32).ok()
}

fn name_in<'a>(names: &'a [u8], entry: &Entry) -> &'a [u8] {
    &names[entry.start..entry.start + entry.length]
}

/// Whether names in a directory that could be listed cannot be reached. Else an error belongs to the one name: the mount
/// of another user's file system may not even be looked at by root.
fn is_shut(directory: &OwnedFd) -> bool {
    matches!(
        statat(directory, c".", AtFlags::empty()),
        Err(Errno::ACCESS)
    )
}

fn kind(stat: &Stat) -> Kind {
    match FileType::from_raw_mode(stat.st_mode) {
        FileType::RegularFile => Kind::File,
        FileType::Directory => Kind::Directory,
        FileType::Symlink => Kind::Symlink,
        FileType::Fifo => Kind::Fifo,
        FileType::Socket => Kind::Socket,
        FileType::CharacterDevice => Kind::Character,
        FileType::BlockDevice => Kind::Block,
        FileType::Unknown => Kind::Unknown,
    }
}
