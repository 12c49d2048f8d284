//! Hears of everything that could change what the sources' paths mean, so that an idle watch need not look.
//!
//! One inotify instance and one thread for all sources: the kernel gives a user 128 instances by default. Listened to are
//! every name on the way to each root (`way`), in the directory in which it is looked up, and the table of mounts, for which
//! poll(2) wakes. What is heard is only a reason to look again: the worker compares identities.
//!
//! # Why no change of a root is missed
//!
//! Each directory is watched before its name is looked up, and the way is gone anew after each event that concerns it; only then
//! the worker is told to look. So whatever changes after the look is heard, and what changed before it is seen by it. What
//! cannot be heard (a directory on the way that other hosts change, a watch that the kernel refuses) makes the way
//! *unheard*, and its worker looks every second as if there were no ears at all.

use std::collections::{BTreeSet, HashMap};
use std::fs::File;
use std::io::{PipeReader, PipeWriter, pipe};
use std::mem::MaybeUninit;
use std::os::fd::{AsRawFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::inotify::{self, CreateFlags, ReadFlags, WatchFlags};
use rustix::io::Errno;

use super::inbox::Inbox;
use super::way;
use crate::host;

/// What a directory on the way tells of the names in it.
const MASK: WatchFlags = WatchFlags::CREATE
    .union(WatchFlags::DELETE)
    .union(WatchFlags::MOVED_FROM)
    .union(WatchFlags::MOVED_TO)
    .union(WatchFlags::ATTRIB)
    .union(WatchFlags::ONLYDIR);

/// After each time of listening: a directory above a source may be a busy one, and most of what happens there is not ours.
const PAUSE: Timespec = Timespec {
    tv_sec: 0,
    tv_nsec: 50_000_000,
};

const BUFFER: usize = 64 * 1024;

/// Hears of everything that could change what the sources' paths mean.
#[derive(Clone, Debug)]
pub struct Surroundings(Option<Arc<Ears>>);

/// Ends the thread when it is dropped.
#[derive(Debug)]
struct Ears {
    shared: Arc<Shared>,
    _running: PipeWriter,
}

#[derive(Debug)]
struct Shared {
    inotify: OwnedFd,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    last: u64,
    seats: HashMap<u64, Seat>,
    /// By watch: which names in its directory are on whose way.
    names: HashMap<i32, BTreeSet<(Vec<u8>, u64)>>,
    /// The thread has ended.
    deaf: bool,
}

/// One source's place among those that listen.
#[derive(Debug)]
struct Seat {
    root: PathBuf,
    inbox: Arc<Inbox>,
    /// Where its names are looked up.
    way: BTreeSet<(i32, Vec<u8>)>,
    /// Whether all that could change the way is told.
    heard: bool,
}

/// Listens for one source, until it is dropped.
#[derive(Debug)]
pub(crate) struct Attendance {
    ears: Option<Arc<Ears>>,
    id: u64,
}

impl Surroundings {
    /// Begins to listen. Where that cannot be had it is said, and every watch looks for itself, once a second.
    pub fn listen() -> Surroundings {
        match Ears::open() {
            Ok(ears) => Surroundings(Some(Arc::new(ears))),
            Err(error) => {
                tracing::warn!("the sources' roots are looked at every second: {error}");
                Surroundings(None)
            }
        }
    }

    /// Hears of nothing: for a host on which it cannot be had.
    pub fn deaf() -> Surroundings {
        Surroundings(None)
    }

    /// From now on, whatever could change what `root` means has `inbox` told to look.
    pub(crate) fn attend(&self, root: &Path, inbox: Arc<Inbox>) -> Attendance {
        let mut id = 0;
        if let Some(ears) = &self.0 {
            let mut state = ears.shared.lock();
            state.last += 1;
            id = state.last;
            let seat = Seat {
                root: root.to_path_buf(),
                inbox,
                way: BTreeSet::new(),
                heard: false,
            };
            state.seats.insert(id, seat);
            ears.shared.go(&mut state, id);
        }
        Attendance {
            ears: self.0.clone(),
            id,
        }
    }
}

impl Attendance {
    /// Whether all that could change the root is told; otherwise it is to be looked at.
    pub(crate) fn is_heard(&self) -> bool {
        self.ears.as_ref().is_some_and(|ears| {
            let state = ears.shared.lock();
            !state.deaf && state.seats.get(&self.id).is_some_and(|seat| seat.heard)
        })
    }
}

impl Drop for Attendance {
    fn drop(&mut self) {
        if let Some(ears) = &self.ears {
            let mut state = ears.shared.lock();
            if let Some(seat) = state.seats.remove(&self.id) {
                ears.shared.leave(&mut state, self.id, &seat.way);
            }
        }
    }
}

impl Ears {
    fn open() -> Result<Ears, String> {
        let inotify = inotify::init(CreateFlags::CLOEXEC | CreateFlags::NONBLOCK).map_err(
            |error| match error {
                Errno::MFILE => {
                    "no inotify instance is free: raise fs.inotify.max_user_instances".to_string()
                }
                error => format!("inotify cannot be used: {error}"),
            },
        )?;
        let mounts = File::open("/proc/self/mountinfo")
            .map_err(|error| format!("`/proc/self/mountinfo` cannot be read: {error}"))?;
        let (stopped, running) = pipe().map_err(|error| error.to_string())?;
        let shared = Arc::new(Shared {
            inotify,
            state: Mutex::default(),
        });
        let listener = Listener {
            shared: Arc::clone(&shared),
            mounts,
            stopped,
        };
        thread::Builder::new()
            .name("roots".to_string())
            .spawn(move || listener.run())
            .map_err(|error| format!("no thread to listen: {error}"))?;
        Ok(Ears {
            shared,
            _running: running,
        })
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Goes the way of one seat anew, and only then has it look.
    fn go(&self, state: &mut State, id: u64) {
        let Some(seat) = state.seats.get_mut(&id) else {
            return;
        };
        let (mut way, mut heard) = (BTreeSet::new(), true);
        let before = std::mem::take(&mut seat.way);
        let names = &mut state.names;
        way::go(&seat.root, |directory, name| {
            // What lies in an overlay's lower layers may be changed unheard, but hardly what is above a source.
            heard &= host::foreign(directory).is_none_or(|name| name == "overlay");
            let Some(name) = name else { return };
            match self.watch(directory) {
                Ok(watch) => {
                    names.entry(watch).or_default().insert((name.to_vec(), id));
                    way.insert((watch, name.to_vec()));
                }
                Err(_) => heard = false,
            }
        });
        (seat.way, seat.heard) = (way.clone(), heard);
        let inbox = Arc::clone(&seat.inbox);
        let left = before.difference(&way).cloned().collect();
        self.leave(state, id, &left);
        inbox.look();
    }

    fn watch(&self, directory: BorrowedFd<'_>) -> Result<i32, Errno> {
        let open = format!("/proc/self/fd/{}", directory.as_raw_fd());
        inotify::add_watch(&self.inotify, open, MASK)
    }

    /// These names are not on this seat's way any more.
    fn leave(&self, state: &mut State, id: u64, way: &BTreeSet<(i32, Vec<u8>)>) {
        for (watch, name) in way {
            let Some(names) = state.names.get_mut(watch) else {
                continue;
            };
            names.remove(&(name.clone(), id));
            if names.is_empty() {
                state.names.remove(watch);
                let _ = inotify::remove_watch(&self.inotify, *watch); // it has often ended by itself
            }
        }
    }

    /// Goes the ways of all these anew.
    fn heard_of(&self, ids: BTreeSet<u64>) {
        let mut state = self.lock();
        for id in ids {
            self.go(&mut state, id);
        }
    }
}

/// What runs in the thread.
struct Listener {
    shared: Arc<Shared>,
    mounts: File,
    /// Hangs up when the thread is to end.
    stopped: PipeReader,
}

impl Listener {
    fn run(self) {
        let mut buffer = Box::new_uninit_slice(BUFFER);
        let ended = loop {
            match self.turn(&mut buffer) {
                Ok(true) | Err(Errno::INTR) => {}
                Ok(false) => break None,
                Err(error) => break Some(error),
            }
        };
        let mut state = self.shared.lock();
        state.deaf = true;
        if let Some(error) = ended {
            tracing::warn!("the sources' roots are looked at every second: {error}");
            state.seats.values().for_each(|seat| seat.inbox.look());
        }
    }

    /// Waits for something to hear; false when it is to end.
    fn turn(&self, buffer: &mut [MaybeUninit<u8>]) -> Result<bool, Errno> {
        let mut all = [
            PollFd::new(&self.stopped, PollFlags::IN),
            PollFd::new(&self.shared.inotify, PollFlags::IN),
            // proc_pid_mountinfo(5): what changed is told as POLLPRI and POLLERR; it can always be read.
            PollFd::new(&self.mounts, PollFlags::PRI),
        ];
        poll(&mut all, None)?;
        if !all[0].revents().is_empty() {
            return Ok(false);
        }
        let mounts_changed = !all[2].revents().is_empty();
        let mut concerned = self.hear(buffer)?;
        if mounts_changed {
            concerned.extend(self.shared.lock().seats.keys());
        }
        self.shared.heard_of(concerned);
        let mut stopped = [PollFd::new(&self.stopped, PollFlags::IN)];
        poll(&mut stopped, Some(&PAUSE))?;
        Ok(stopped[0].revents().is_empty())
    }

    /// Who is concerned by what has happened.
    fn hear(&self, buffer: &mut [MaybeUninit<u8>]) -> Result<BTreeSet<u64>, Errno> {
        let mut concerned = BTreeSet::new();
        let mut reader = inotify::Reader::new(&self.shared.inotify, buffer);
        loop {
            let event = match reader.next() {
                Ok(event) => event,
                Err(Errno::AGAIN) => return Ok(concerned),
                Err(error) => return Err(error),
            };
            let mut state = self.shared.lock();
            let told = event.events();
            if told.contains(ReadFlags::QUEUE_OVERFLOW) {
                concerned.extend(state.seats.keys());
                continue;
            }
            let ended = told.intersects(ReadFlags::IGNORED | ReadFlags::UNMOUNT);
            let name = event.file_name().map(|name| name.to_bytes());
            let Some(names) = state.names.get(&event.wd()) else {
                continue;
            };
            let on_the_way = |of: &&(Vec<u8>, u64)| ended || name == Some(of.0.as_slice());
            concerned.extend(names.iter().filter(on_the_way).map(|(_, id)| *id));
            if told.contains(ReadFlags::IGNORED) {
                state.names.remove(&event.wd());
            }
        }
    }
}

/// How often a root is looked at that all is told of: for what is not known to be missing here.
pub(super) const HEARD: Duration = Duration::from_secs(60);
/// And one that not all is told of.
pub(super) const UNHEARD: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;
    use std::time::Instant;

    use super::*;

    /// Waits until it is told to look; what was heard before is taken first.
    fn is_told(inbox: &Inbox, act: impl FnOnce()) -> bool {
        let mut quiet = Instant::now();
        // Its own arrival, and what a shared directory above tells, may still be on the way.
        while inbox.take(1, quiet + Duration::from_millis(200)).look {
            quiet = Instant::now();
        }
        act();
        inbox.take(1, Instant::now() + Duration::from_secs(20)).look
    }

    #[test]
    fn whatever_makes_the_path_mean_something_else_is_told() {
        let dir = tempfile::tempdir().unwrap();
        let top = dir.path().canonicalize().unwrap();
        fs::create_dir_all(top.join("releases/one/web")).unwrap();
        symlink("releases/one", top.join("current")).unwrap();
        let root = top.join("current/web");
        let surroundings = Surroundings::listen();
        let inbox = Arc::new(Inbox::default());
        let attendance = surroundings.attend(&root, Arc::clone(&inbox));
        assert!(attendance.is_heard());
        let rename = |from: &str, to: &str| fs::rename(top.join(from), top.join(to)).unwrap();
        assert!(
            is_told(&inbox, || rename("releases", "elsewhere")),
            "a directory that a symlink leads through"
        );
        assert!(
            is_told(&inbox, || rename("elsewhere", "releases")),
            "and back"
        );
        fs::create_dir_all(top.join("releases/two/web")).unwrap();
        symlink("releases/two", top.join("next")).unwrap();
        assert!(
            is_told(&inbox, || rename("next", "current")),
            "a symlink that is swapped"
        );
        let held = File::open(top.join("releases/two/web")).unwrap();
        assert!(
            is_told(&inbox, || fs::remove_dir(&root).unwrap()),
            "a root that is removed while it is held open"
        );
        assert!(is_told(&inbox, || fs::create_dir(&root).unwrap()));
        drop(held);
        assert!(is_told(&inbox, || fs::remove_dir_all(top.join("releases")).unwrap()));
        assert!(
            is_told(&inbox, || fs::create_dir(top.join("releases")).unwrap()),
            "the first name that comes again"
        );
    }

    #[test]
    fn what_happens_beside_the_way_and_after_leaving_is_not_told() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().join("root");
        fs::create_dir(&root).unwrap();
        let surroundings = Surroundings::listen();
        let (one, other) = (Arc::new(Inbox::default()), Arc::new(Inbox::default()));
        let leaves = surroundings.attend(&root, Arc::clone(&one));
        let stays = surroundings.attend(&root, Arc::clone(&other));
        assert!(is_told(&other, || fs::rename(
            &root,
            dir.path().join("away")
        )
        .unwrap()));
        while one.take(1, Instant::now()).look {}
        drop(leaves);
        fs::write(dir.path().join("beside"), "").unwrap();
        assert!(is_told(&other, || fs::create_dir(&root).unwrap()));
        assert!(!one.take(1, Instant::now()).look);
        assert!(stays.is_heard());
        drop(stays);
        let ears = surroundings.0.as_ref().unwrap();
        assert!(ears.shared.lock().names.is_empty(), "every watch is ended");
    }

    #[test]
    fn without_ears_nothing_is_heard() {
        let attendance = Surroundings::deaf().attend(Path::new("/"), Arc::default());
        assert!(!attendance.is_heard());
    }
}
