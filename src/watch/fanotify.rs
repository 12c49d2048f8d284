//! The backend on fanotify: one mark on the whole file system instead of a watch a directory.
//!
//! The kernel tells every change of the file system by the directory's *handle* and a name. A directory that is watched is
//! an entry in the table of handles (`handles`): what happens in any other directory is let fall by the reader, with one look
//! into that table. So it costs the kernel nothing for a directory, there is no limit of watches, and a watch is
//! placed by one system call that changes nothing. It costs a look at every change of the file system, also those that
//! concern no source; `mechanism` says where that is worth it. Needs CAP_SYS_ADMIN and Linux 5.17.
//!
//! # Why no change is lost
//!
//! - *Watch, then list.* As with inotify: the entry is in the table before the directory is listed. An event that was read before
//!   that, and fell, tells of what the list has.
//! - *One queue.* The mark on the barriers' directory, whatever file system it is on, belongs to the same group, so a barrier's
//!   file stands behind everything of before. The kernel *joins* an event to an equal one that still waits (same process,
//!   directory and name): a change is told earlier by that, never after the barrier, and still before it is looked at. Several
//!   kinds may be joined in one event; they are handed on with what went first, and what is there then decides.
//! - *Renames* tell both names in one event, which makes two halves side by side.
//! - *A number means one directory for ever*: handles have a generation, so a directory that is made anew, be it with the same
//!   inode, has another one and is not in the table.
//! - *What is not told*: that a directory itself was removed or renamed is told by its parent; that the root was, by the
//!   root's surroundings, and by when it was made. An unmount takes the mark away silently: whether the marks still are
//!   there is read from `/proc/self/fdinfo` when the table of mounts has changed.
//! - *Losses are said*, as with inotify.

use std::collections::HashSet;
use std::fs;
use std::io::{PipeWriter, pipe};
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::fs::DirBuilderExt;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};

use rustix::fs::{Mode, OFlags, fstatvfs, open};
use rustix::io::Errno;

use super::backend::{Backend, Placed, Site, WatchError, WatchId};
use super::fanotify_calls as calls;
use super::fanotify_reader::Reader;
use super::handles::{Handles, Key};
use super::inbox::Feed;
use crate::host::shown;

/// What every file system tells; which of it counts is decided afterwards. Writes before a file is closed are added where they are
/// asked for.
const MASK: u64 = libc::FAN_CREATE
    | libc::FAN_DELETE
    | libc::FAN_RENAME
    | libc::FAN_ATTRIB
    | libc::FAN_CLOSE_WRITE
    | libc::FAN_ONDIR;

/// One group.
#[derive(Debug)]
pub(crate) struct Fanotify {
    group: Arc<OwnedFd>,
    mask: u64,
    known: Arc<Mutex<Handles>>,
    /// File systems that have the mark.
    marked: HashSet<u64>,
    /// As `/proc/self/fdinfo` shows the marks.
    marks: Vec<String>,
    reader: Option<JoinHandle<()>>,
    /// Closed to end the reader.
    running: Option<PipeWriter>,
}

impl Fanotify {
    /// Opens a group and marks the file system of `root`, if that can be had; the error is for people. `apart` is the directory
    /// of the barriers, which is made.
    pub(crate) fn open(
        feed: Feed,
        root: &Path,
        apart: &Path,
        modify: bool,
    ) -> Result<Box<dyn Backend>, String> {
        let mut group = Fanotify::group(modify)?;
        group.try_out(root, Some(apart))?;
        let failed = |error: std::io::Error| format!("no thread to read file events: {error}");
        let (stopped, running) = pipe().map_err(failed)?;
        let reader = Reader::new(
            Arc::clone(&group.group),
            Arc::clone(&group.known),
            stopped,
            feed,
        );
        let reader = thread::Builder::new()
            .name("fanotify".to_string())
            .spawn(move || reader.run())
            .map_err(failed)?;
        (group.reader, group.running) = (Some(reader), Some(running));
        Ok(Box::new(group))
    }

    /// Why it cannot be had for `root`, if it cannot; nothing is made where no directory for barriers is given.
    pub(crate) fn probe(root: &Path, apart: Option<&Path>) -> Result<(), String> {
        Fanotify::group(false)?.try_out(root, apart)
    }

    fn group(modify: bool) -> Result<Fanotify, String> {
        let group = calls::init().map_err(|error| match error {
            Errno::PERM => "it needs CAP_SYS_ADMIN".to_string(),
            Errno::INVAL | Errno::NOSYS => "it needs Linux 5.17".to_string(),
            Errno::MFILE => "no group is free: raise fs.fanotify.max_user_groups".to_string(),
            error => error.to_string(),
        })?;
        Ok(Fanotify {
            group: Arc::new(group),
            mask: MASK | if modify { libc::FAN_MODIFY } else { 0 },
            known: Arc::default(),
            marked: HashSet::new(),
            marks: Vec::new(),
            reader: None,
            running: None,
        })
    }

    fn try_out(&mut self, root: &Path, apart: Option<&Path>) -> Result<(), String> {
        let said = |path: &Path, error: Errno| {
            let path = shown(path);
            match error {
                Errno::PERM => "it needs CAP_SYS_ADMIN".to_string(),
                Errno::INVAL => "it needs Linux 5.17".to_string(),
                Errno::XDEV => format!("`{path}` is in a subvolume, which cannot be marked alone"),
                Errno::OPNOTSUPP | Errno::NODEV => {
                    format!("the file system of `{path}` tells no handles")
                }
                error => format!("`{path}` cannot be marked: {error}"),
            }
        };
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let reach =
            |path: &Path| open(path, flags, Mode::empty()).map_err(|error| said(path, error));
        let opened = reach(root)?;
        let site = Site {
            path: root,
            directory: std::os::fd::AsFd::as_fd(&opened),
        };
        self.mark_whole(site).map_err(|error| said(root, error))?;
        let Some(apart) = apart else { return Ok(()) };
        let made = fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(apart);
        made.map_err(|error| format!("`{}` cannot be made: {error}", shown(apart)))?;
        let opened = reach(apart)?;
        let site = Site {
            path: apart,
            directory: std::os::fd::AsFd::as_fd(&opened),
        };
        self.mark_alone(site).map_err(|error| said(apart, error))?;
        Ok(())
    }

    /// Marks the file system of this directory, if it has no mark yet; its number.
    fn mark_whole(&mut self, site: Site<'_>) -> Result<u64, Errno> {
        let file_system = fstatvfs(site.directory)?.f_fsid;
        if !self.marked.contains(&file_system) {
            let whole = libc::FAN_MARK_FILESYSTEM;
            calls::mark(&self.group, whole, self.mask, site.directory)?;
            self.marked.insert(file_system);
            self.marks = self.marks_now();
        }
        Ok(file_system)
    }

    fn mark_alone(&mut self, site: Site<'_>) -> Result<u64, Errno> {
        let alone = libc::FAN_MARK_INODE;
        calls::mark(&self.group, alone, libc::FAN_CREATE, site.directory)?;
        self.marks = self.marks_now();
        Ok(fstatvfs(site.directory)?.f_fsid)
    }

    fn enter(
        &mut self,
        site: Site<'_>,
        file_system: Result<u64, Errno>,
    ) -> Result<WatchId, WatchError> {
        let key = file_system.and_then(|file_system| {
            let handle = calls::handle(site.directory)?;
            Ok(Key::of(file_system, handle.kind, &handle.bytes))
        });
        match key {
            Ok(key) => Ok(self.known().watch(key)),
            Err(Errno::NOENT | Errno::NOTDIR | Errno::STALE) => Err(WatchError::Gone),
            Err(Errno::NOSPC) => Err(WatchError::Limit),
            Err(Errno::ACCESS) => Err(WatchError::Denied),
            Err(error) => Err(WatchError::Other(error.to_string())),
        }
    }

    fn known(&self) -> MutexGuard<'_, Handles> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// proc_pid_fdinfo(5): one line a mark, `fanotify sdev:800013 mflags:0 mask:… ignored_mask:…`. Empty where it cannot be told.
    fn marks_now(&self) -> Vec<String> {
        let info = format!("/proc/self/fdinfo/{}", self.group.as_raw_fd());
        let text = fs::read_to_string(info).unwrap_or_default();
        let marks = text.lines().filter(|line| line.starts_with("fanotify "));
        marks
            .filter_map(|line| Some(line.split_once(" mflags:")?.0.to_owned()))
            .collect()
    }
}

impl Backend for Fanotify {
    fn watch(&mut self, site: Site<'_>) -> Result<WatchId, WatchError> {
        let file_system = self.mark_whole(site);
        self.enter(site, file_system)
    }

    fn watch_apart(&mut self, site: Site<'_>) -> Result<WatchId, WatchError> {
        let file_system = self.mark_alone(site);
        self.enter(site, file_system)
    }

    fn unwatch(&mut self, placed: Placed<'_>) {
        if let Placed::Number(watch) = placed {
            self.known().unwatch(watch);
        }
    }

    fn follows(&self) -> bool {
        true
    }

    fn is_limited(&self) -> bool {
        false
    }

    fn is_alive(&mut self) -> bool {
        let now = self.marks_now();
        self.marks.iter().all(|mark| now.contains(mark))
            && self
                .reader
                .as_ref()
                .is_some_and(|reader| !reader.is_finished())
    }
}

impl Drop for Fanotify {
    fn drop(&mut self) {
        self.running = None;
        if let Some(reader) = self.reader.take()
            && reader.join().is_err()
        {
            tracing::error!("the thread that read file events broke off; please report it");
        }
    }
}
