//! The thread that empties the kernel's queue of file events.
//!
//! It does as little as can be done between two reads, and waits for nobody but the kernel: an event is copied into the
//! inbox, which is locked for moments only and, when full, collapses into "everything lost". It knows no tree and no path,
//! and what an event means for the tree is decided where it is taken in.

use std::io::PipeReader;
use std::mem::MaybeUninit;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::inotify::{self, Event, ReadFlags};
use rustix::io::Errno;

use super::backend::{At, Move, RawEvent, RawKind, WatchId};
use super::breath::Breath;
use super::inbox::Feed;

/// What one read takes at most: a whole queue of the kernel's default length (16,384) with names of fifteen bytes. Pages
/// that no burst has touched are not resident.
const BUFFER: usize = 512 * 1024;

/// Events handed over at once: the inbox is locked once for them.
const BATCH_MAX: usize = 1024;

/// What runs in the thread.
pub(super) struct Reader {
    descriptor: Arc<OwnedFd>,
    /// Hangs up when the thread is to end.
    stopped: PipeReader,
    feed: Feed,
}

impl Reader {
    /// A reader of this descriptor, which is non-blocking.
    pub(super) fn new(descriptor: Arc<OwnedFd>, stopped: PipeReader, feed: Feed) -> Reader {
        Reader {
            descriptor,
            stopped,
            feed,
        }
    }

    /// Reads until it is stopped, or the descriptor fails, which is said.
    pub(super) fn run(self) {
        let mut buffer = Box::new_uninit_slice(BUFFER);
        let mut breath = Breath::default();
        loop {
            match self.wait() {
                Ok(true) => {}
                Ok(false) => return,
                Err(Errno::INTR) => continue,
                Err(error) => return self.failed(error),
            }
            match self.read(&mut buffer) {
                Ok(()) | Err(Errno::AGAIN | Errno::INTR) => {}
                Err(error) => return self.failed(error),
            }
            if let Some(gather) = breath.after_read(Instant::now()) {
                self.gather(gather);
            }
        }
    }

    /// Waits so long, or until it is to end.
    fn gather(&self, time: Duration) {
        let mut stopped = [PollFd::new(&self.stopped, PollFlags::IN)];
        if let Ok(time) = Timespec::try_from(time) {
            // Interrupted, it only reads earlier.
            let _ = poll(&mut stopped, Some(&time));
        }
    }

    /// Sleeps until there is something to read; false when it is to end.
    fn wait(&self) -> Result<bool, Errno> {
        let mut both = [
            PollFd::new(&*self.descriptor, PollFlags::IN),
            PollFd::new(&self.stopped, PollFlags::IN),
        ];
        poll(&mut both, None)?;
        Ok(both[1].revents().is_empty())
    }

    /// Hands on what one read brings.
    fn read(&self, buffer: &mut [MaybeUninit<u8>]) -> Result<(), Errno> {
        let mut reader = inotify::Reader::new(&*self.descriptor, buffer);
        let mut batch = Vec::new();
        loop {
            let event = reader.next()?; // fails at the first one only: the others are in the buffer
            if event.events().contains(ReadFlags::QUEUE_OVERFLOW) {
                self.feed.push_all(&mut batch);
                self.feed
                    .lost("the kernel's queue of file events overflowed".into());
            }
            batch.extend(translate(&event));
            let last = reader.is_buffer_empty();
            if last || batch.len() >= BATCH_MAX {
                self.feed.push_all(&mut batch);
            }
            if last {
                return Ok(());
            }
        }
    }

    fn failed(&self, error: Errno) {
        self.feed
            .lost(format!("file events could not be read: {error}"));
    }
}

impl Drop for Reader {
    /// However it ends: where that was not asked for, nothing else would say so.
    fn drop(&mut self) {
        self.feed.ended();
    }
}

/// The kernel's event as ours; `None` for what says nothing new.
fn translate(event: &Event<'_>) -> Option<RawEvent> {
    let told = event.events();
    let directory = told.contains(ReadFlags::ISDIR);
    let half = Move {
        cookie: event.cookie(),
        directory: Some(directory),
    };
    let kinds = [
        (ReadFlags::CREATE, RawKind::Created { directory }),
        (ReadFlags::CLOSE_WRITE, RawKind::Written),
        (ReadFlags::MODIFY, RawKind::Modified),
        (ReadFlags::ATTRIB, RawKind::Attributes),
        (ReadFlags::MOVED_FROM, RawKind::MovedFrom(half)),
        (ReadFlags::MOVED_TO, RawKind::MovedTo(half)),
        (ReadFlags::DELETE, RawKind::Deleted { directory }),
        (ReadFlags::DELETE_SELF, RawKind::Deleted { directory: true }),
        (ReadFlags::MOVE_SELF, RawKind::SelfMoved),
        (ReadFlags::UNMOUNT, RawKind::Unmounted),
    ];
    let (_, kind) = kinds.into_iter().find(|(flag, _)| told.contains(*flag))?;
    let name = event.file_name().map_or(&b""[..], |name| name.to_bytes());
    Some(RawEvent {
        kind,
        at: At::Entry(WatchId(event.wd()), name.into()),
    })
}
