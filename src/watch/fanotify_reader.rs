//! The thread that empties fanotify's queue, and lets fall what concerns no directory that is watched.
//!
//! As inotify's reader it waits for nobody but the kernel and knows no tree. The table of handles is locked once for what one
//! read brings.

use std::io::PipeReader;
use std::os::fd::OwnedFd;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;

use super::backend::{At, Move, RawEvent, RawKind, WatchId};
use super::breath::Breath;
use super::handles::{Handles, Key};
use super::inbox::Feed;

/// What one read takes at most: two thousand events and more.
const BUFFER: usize = 256 * 1024;

/// After a read that concerned nobody, so long is waited: a busy file system wakes the thread 500 times a second at most, and
/// the kernel's queue has room for eight million events a second.
const GATHER: Duration = Duration::from_millis(2);

/// `struct fanotify_event_metadata`.
const HEAD: usize = 24;
/// The version of that layout.
const VERSION: u8 = 3;

/// What runs in the thread.
pub(super) struct Reader {
    group: Arc<OwnedFd>,
    known: Arc<Mutex<Handles>>,
    /// Hangs up when the thread is to end.
    stopped: PipeReader,
    feed: Feed,
    /// Joins the halves of a rename.
    cookie: u32,
    breath: Breath,
}

impl Reader {
    /// A reader of this group, which is non-blocking.
    pub(super) fn new(
        group: Arc<OwnedFd>,
        known: Arc<Mutex<Handles>>,
        stopped: PipeReader,
        feed: Feed,
    ) -> Reader {
        Reader {
            group,
            known,
            stopped,
            feed,
            cookie: 0,
            breath: Breath::default(),
        }
    }

    /// Reads until it is stopped, or the group fails, which is said.
    pub(super) fn run(mut self) {
        let mut buffer = vec![0; BUFFER];
        loop {
            match self.turn(&mut buffer) {
                Ok(true) | Err(Errno::AGAIN | Errno::INTR) => {}
                Ok(false) => return,
                Err(error) => {
                    self.feed
                        .lost(format!("file events could not be read: {error}"));
                    return;
                }
            }
        }
    }

    /// Sleeps until there is something to read, and hands it on; false when it is to end.
    fn turn(&mut self, buffer: &mut [u8]) -> Result<bool, Errno> {
        let mut both = [
            PollFd::new(&self.stopped, PollFlags::IN),
            PollFd::new(&*self.group, PollFlags::IN),
        ];
        poll(&mut both, None)?;
        if !both[0].revents().is_empty() {
            return Ok(false);
        }
        let length = rustix::io::read(&*self.group, &mut *buffer)?;
        let wait = match self.hand_on(&buffer[..length]) {
            true => self.breath.after_read(Instant::now()),
            false => Some(GATHER),
        };
        let Some(wait) = wait.and_then(|wait| Timespec::try_from(wait).ok()) else {
            return Ok(true);
        };
        let mut stopped = [PollFd::new(&self.stopped, PollFlags::IN)];
        poll(&mut stopped, Some(&wait))?;
        Ok(stopped[0].revents().is_empty())
    }

    /// Whether any of it concerned a directory that is watched.
    fn hand_on(&mut self, mut bytes: &[u8]) -> bool {
        let known = Arc::clone(&self.known);
        let known = known.lock().unwrap_or_else(PoisonError::into_inner);
        let mut batch = Vec::new();
        let mut concerned = false;
        while !bytes.is_empty() {
            let Some((event, rest)) = Event::read(bytes) else {
                self.feed
                    .lost("the kernel tells file events in a form that is not known here".into());
                break;
            };
            bytes = rest;
            if event.mask & libc::FAN_Q_OVERFLOW != 0 {
                self.feed.push_all(&mut batch);
                self.feed
                    .lost("the kernel's queue of file events overflowed".into());
                concerned = true;
            }
            self.translate(&event, &known, &mut batch);
        }
        drop(known);
        concerned |= !batch.is_empty();
        self.feed.push_all(&mut batch);
        concerned
    }

    /// The kernel's event as ours, each kind that was joined in it.
    fn translate(&mut self, event: &Event<'_>, known: &Handles, batch: &mut Vec<RawEvent>) {
        let directory = event.mask & libc::FAN_ONDIR != 0;
        let mut push = |kind, (watch, name): (WatchId, &[u8])| {
            let at = At::Entry(watch, name.into());
            batch.push(RawEvent { kind, at });
        };
        if event.mask & libc::FAN_RENAME != 0 {
            self.cookie = self.cookie.wrapping_add(1).max(1);
            let half = Move {
                cookie: self.cookie,
                directory: Some(directory),
            };
            if let Some(from) = event.from.as_ref().and_then(|place| place.known(known)) {
                push(RawKind::MovedFrom(half), from);
            }
            if let Some(to) = event.to.as_ref().and_then(|place| place.known(known)) {
                push(RawKind::MovedTo(half), to);
            }
        }
        let Some(place) = event.place.as_ref().and_then(|place| place.known(known)) else {
            return;
        };
        let kinds = [
            (libc::FAN_DELETE, RawKind::Deleted { directory }),
            (libc::FAN_CREATE, RawKind::Created { directory }),
            (libc::FAN_ATTRIB, RawKind::Attributes),
            (libc::FAN_MODIFY, RawKind::Modified),
            (libc::FAN_CLOSE_WRITE, RawKind::Written),
        ];
        for (flag, kind) in kinds {
            if event.mask & flag != 0 {
                push(kind, place);
            }
        }
    }
}

impl Drop for Reader {
    /// However it ends: where that was not asked for, nothing else would say so.
    fn drop(&mut self) {
        self.feed.ended();
    }
}

/// A directory and a name in it.
#[derive(Debug)]
struct Place<'a> {
    key: Key,
    name: &'a [u8],
}

/// One event, as fanotify(7) lays it out.
#[derive(Debug)]
struct Event<'a> {
    mask: u64,
    place: Option<Place<'a>>,
    from: Option<Place<'a>>,
    to: Option<Place<'a>>,
}

impl<'a> Event<'a> {
    /// The first event, and what follows it; `None` if this is not what the kernel promises to write.
    fn read(bytes: &'a [u8]) -> Option<(Event<'a>, &'a [u8])> {
        let length = number(bytes, 0)? as usize;
        let head = usize::from(u16::from_ne_bytes(take(bytes, 6)?));
        if *bytes.get(4)? != VERSION || head < HEAD || length < head {
            return None;
        }
        let (own, rest) = bytes.split_at_checked(length)?;
        let mut event = Event {
            mask: u64::from_ne_bytes(take(own, 8)?),
            place: None,
            from: None,
            to: None,
        };
        let mut records = &own[head..];
        while !records.is_empty() {
            let length = usize::from(u16::from_ne_bytes(take(records, 2)?));
            let (record, after) = records.split_at_checked(length.max(4))?;
            let place = match record[0] {
                libc::FAN_EVENT_INFO_TYPE_DFID | libc::FAN_EVENT_INFO_TYPE_DFID_NAME => {
                    &mut event.place
                }
                libc::FAN_EVENT_INFO_TYPE_OLD_DFID_NAME => &mut event.from,
                libc::FAN_EVENT_INFO_TYPE_NEW_DFID_NAME => &mut event.to,
                _ => {
                    records = after;
                    continue;
                }
            };
            *place = Some(Place::read(record)?);
            records = after;
        }
        Some((event, rest))
    }
}

impl<'a> Place<'a> {
    /// The watch on the directory, and the name; the directory itself has none.
    fn known(&self, known: &Handles) -> Option<(WatchId, &'a [u8])> {
        let name = if self.name == b"." { b"" } else { self.name };
        known.find(self.key).map(|watch| (watch, name))
    }

    /// A header of 4 bytes, the file system's number, the handle's length, kind and bytes, and a name that ends with NUL.
    fn read(record: &'a [u8]) -> Option<Place<'a>> {
        let file_system = u64::from(number(record, 4)?) | u64::from(number(record, 8)?) << 32;
        let length = number(record, 12)? as usize;
        let kind = i32::from_ne_bytes(take(record, 16)?);
        let (handle, name) = record.get(20..)?.split_at_checked(length)?;
        let name = name.split(|byte| *byte == 0).next().unwrap_or_default();
        Some(Place {
            key: Key::of(file_system, kind, handle),
            name,
        })
    }
}

fn take<const N: usize>(bytes: &[u8], at: usize) -> Option<[u8; N]> {
    bytes.get(at..at + N)?.try_into().ok()
}

fn number(bytes: &[u8], at: usize) -> Option<u32> {
    take(bytes, at).map(u32::from_ne_bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// One event with these records: type, directory, name.
    fn event(mask: u64, records: &[(u8, u64, &str)]) -> Vec<u8> {
        let mut tail = Vec::new();
        for (kind, directory, name) in records {
            let mut body = Vec::new();
            body.extend(7u64.to_ne_bytes());
            body.extend(8u32.to_ne_bytes());
            body.extend(1i32.to_ne_bytes());
            body.extend(directory.to_ne_bytes());
            body.extend(name.as_bytes());
            body.resize(body.len() / 4 * 4 + 4, 0);
            tail.extend([*kind, 0]);
            tail.extend((body.len() as u16 + 4).to_ne_bytes());
            tail.extend(body);
        }
        let mut all = Vec::new();
        all.extend((HEAD as u32 + tail.len() as u32).to_ne_bytes());
        all.extend([VERSION, 0]);
        all.extend((HEAD as u16).to_ne_bytes());
        all.extend(mask.to_ne_bytes());
        all.extend([0; 8]);
        all.extend(tail);
        all
    }

    fn told(bytes: &[u8]) -> Vec<String> {
        let inbox = Arc::new(super::super::inbox::Inbox::default());
        let known = Arc::new(Mutex::new(Handles::default()));
        for directory in 1..3u64 {
            let key = Key::of(7, 1, &directory.to_ne_bytes());
            known.lock().unwrap().watch(key);
        }
        let (stopped, _running) = std::io::pipe().unwrap();
        let group = Arc::new(OwnedFd::from(std::fs::File::open("/dev/null").unwrap()));
        let mut reader = Reader::new(group, known, stopped, inbox.feed());
        reader.hand_on(bytes);
        let mail = inbox.take(usize::MAX, std::time::Instant::now());
        let line = |event: &RawEvent| match &event.at {
            At::Entry(watch, name) => {
                format!(
                    "{:?} {}/{}",
                    event.kind,
                    watch.0,
                    String::from_utf8_lossy(name)
                )
            }
            At::Path(path) => format!("{path:?}"),
        };
        let mut all: Vec<String> = mail.events.iter().map(line).collect();
        all.extend(mail.lost);
        all
    }

    #[test]
    fn joined_kinds_come_apart_and_what_concerns_nobody_falls() {
        let joined = libc::FAN_CREATE | libc::FAN_DELETE | libc::FAN_CLOSE_WRITE;
        let mut bytes = event(joined, &[(2, 1, "f")]);
        bytes.extend(event(libc::FAN_CREATE, &[(2, 9, "elsewhere")]));
        bytes.extend(event(libc::FAN_ATTRIB | libc::FAN_ONDIR, &[(2, 2, ".")]));
        assert_eq!(
            told(&bytes),
            [
                "Deleted { directory: false } 1/f",
                "Created { directory: false } 1/f",
                "Written 1/f",
                "Attributes 2/",
            ]
        );
    }

    #[test]
    fn a_rename_has_those_halves_that_are_watched() {
        let rename = libc::FAN_RENAME | libc::FAN_ONDIR;
        let mut bytes = event(rename, &[(10, 1, "a"), (12, 2, "b")]);
        bytes.extend(event(rename, &[(10, 1, "out"), (12, 9, "away")]));
        bytes.extend(event(libc::FAN_RENAME, &[(10, 9, "away"), (12, 2, "in")]));
        let half = |cookie, directory| {
            format!("(Move {{ cookie: {cookie}, directory: Some({directory}) }})")
        };
        assert_eq!(
            told(&bytes),
            [
                format!("MovedFrom{} 1/a", half(1, true)),
                format!("MovedTo{} 2/b", half(1, true)),
                format!("MovedFrom{} 1/out", half(2, true)),
                format!("MovedTo{} 2/in", half(3, false)),
            ]
        );
    }

    #[test]
    fn an_overflow_and_whatever_is_not_understood_are_losses() {
        let overflow = event(libc::FAN_Q_OVERFLOW, &[]);
        assert_eq!(
            told(&overflow),
            ["the kernel's queue of file events overflowed"]
        );
        let good = event(libc::FAN_CREATE, &[(2, 1, "f")]);
        for cut in 1..good.len() {
            let told = told(&good[..cut]);
            assert!(
                told.iter().any(|line| line.contains("not known here")),
                "{cut}: {told:?}"
            );
        }
        let mut long = good.clone();
        long[36] = 255; // the handle's length
        assert!(told(&long)[0].contains("not known here"));
    }
}
