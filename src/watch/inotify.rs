//! The backend on the kernel's inotify itself: one descriptor, one thread that reads it, and nothing remembered.
//!
//! It tells the number of a watch and a name, and keeps no tree: who called [`Backend::watch`] has one already, and
//! puts the path together when it takes the event in, in the kernel's order. So there is nothing that the reader and
//! the caller could hold at the same time, and a renamed directory costs nothing here.
//!
//! # Why no change is lost
//!
//! - *Watch, then list.* A watch stands on the inode that the caller has opened, through `/proc/self/fd`, and the caller
//!   lists the same open directory afterwards. Whatever swaps names meanwhile, watch and list are of one directory. What
//!   was made before the watch is in the list, what is made after it comes as an event. Where the file system counts the
//!   directories in a directory as its links, two links are an empty list: the kernel counts before it queues the event.
//! - *One queue.* All watches, the barriers' directory included, feed one descriptor, and the kernel appends to its queue
//!   while the changed directory is locked. So the event of a barrier's file stands behind every event of before, and events of
//!   one directory have its own order. The reader hands them on as they come, and joins or delays none.
//! - *A number means one directory for ever*: numbers count up, 2³¹ of them a descriptor, and every loss begins a new
//!   descriptor. An event of a watch that was ended names a number that nobody knows and falls away. Its directory was
//!   forgotten then, and was either placed again after that event, which lists and marks it, or is not in the source.
//! - *The mask names what is needed to keep the tree and what a change can be, always*: the manifest's `events` choose
//!   afterwards, but for `modify`, which is noise where nobody asked for it. No OPEN, ACCESS or CLOSE_NOWRITE: reading a
//!   tree, which surveys and transfers do, makes no event.
//! - *No EXCL_UNLINK.* It keeps back events of files that are open and have no name any more, which cost one
//!   needless look. But the kernel asks whether the *name in its cache* is alive, and some file systems (vfat, case-folding
//!   ext4, overlay) drop such names while the file stays where it is: its writes would be kept back too.
//! - *What ends by itself.* IGNORED is not handed on: it follows what is told anyway (DELETE_SELF, UNMOUNT) or what the
//!   caller did. A parent's DELETE comes at `rmdir`, DELETE_SELF with the last open handle; the first to come decides.
//! - *Losses are said.* Q_OVERFLOW, an error of the descriptor, an event that cannot be read and a full inbox all end in
//!   `Feed::lost`, after which everything is watched and looked at anew.

use std::io::{PipeWriter, pipe};
use std::os::fd::{AsRawFd, OwnedFd};
use std::sync::Arc;
use std::thread::{self, JoinHandle};

use rustix::fs::inotify::{self, CreateFlags, WatchFlags};
use rustix::io::Errno;

use super::backend::{Backend, Placed, Site, WatchError, WatchId};
use super::inbox::Feed;
use super::inotify_reader::Reader;

/// What every watched directory tells; why, and what is left out, is said above.
const MASK: WatchFlags = WatchFlags::CREATE
    .union(WatchFlags::CLOSE_WRITE)
    .union(WatchFlags::ATTRIB)
    .union(WatchFlags::MOVED_FROM)
    .union(WatchFlags::MOVED_TO)
    .union(WatchFlags::DELETE)
    .union(WatchFlags::DELETE_SELF)
    .union(WatchFlags::MOVE_SELF);

/// One inotify descriptor.
#[derive(Debug)]
pub(crate) struct Inotify {
    descriptor: Arc<OwnedFd>,
    mask: WatchFlags,
    reader: Option<JoinHandle<()>>,
    /// Closed to end the reader.
    running: Option<PipeWriter>,
}

impl Inotify {
    /// Opens a descriptor and begins to read it; with `modify`, writes are told before the file is closed.
    pub(crate) fn open(feed: Feed, modify: bool) -> Result<Box<dyn Backend>, String> {
        let refused = |error: Errno| match error {
            Errno::MFILE => {
                "no inotify instance is free: raise fs.inotify.max_user_instances".to_string()
            }
            error => format!("inotify cannot be used: {error}"),
        };
        let descriptor =
            inotify::init(CreateFlags::CLOEXEC | CreateFlags::NONBLOCK).map_err(refused)?;
        let descriptor = Arc::new(descriptor);
        let (stopped, running) =
            pipe().map_err(|error| format!("inotify cannot be used: {error}"))?;
        let reader = Reader::new(Arc::clone(&descriptor), stopped, feed);
        let reader = thread::Builder::new()
            .name("inotify".to_string())
            .spawn(move || reader.run())
            .map_err(|error| format!("no thread to read file events: {error}"))?;
        Ok(Box::new(Inotify {
            descriptor,
            mask: match modify {
                true => MASK | WatchFlags::MODIFY,
                false => MASK,
            },
            reader: Some(reader),
            running: Some(running),
        }))
    }
}

impl Backend for Inotify {
    fn watch(&mut self, site: Site<'_>) -> Result<WatchId, WatchError> {
        // Not the path: by now another directory may be there. The link leads to what is open, and is followed for that.
        let open = format!("/proc/self/fd/{}", site.directory.as_raw_fd());
        match inotify::add_watch(&*self.descriptor, open, self.mask | WatchFlags::ONLYDIR) {
            Ok(number) => Ok(WatchId(number)),
            Err(Errno::NOENT | Errno::NOTDIR) => Err(WatchError::Gone),
            Err(Errno::NOSPC) => Err(WatchError::Limit),
            Err(Errno::ACCESS) => Err(WatchError::Denied),
            Err(error) => Err(WatchError::Other(error.to_string())),
        }
    }

    fn unwatch(&mut self, placed: Placed<'_>) {
        if let Placed::Number(WatchId(number)) = placed {
            let _ = inotify::remove_watch(&*self.descriptor, number); // it has often ended by itself
        }
    }

    fn follows(&self) -> bool {
        true
    }

    fn is_alive(&mut self) -> bool {
        self.reader
            .as_ref()
            .is_some_and(|reader| !reader.is_finished())
    }
}

impl Drop for Inotify {
    /// Until the reader has ended, the descriptor is open and its watches count against the user's limit. It waits for
    /// nobody, so this takes no longer than one look into its buffer.
    fn drop(&mut self) {
        self.running = None;
        if let Some(reader) = self.reader.take()
            && reader.join().is_err()
        {
            tracing::error!("the thread that read file events broke off; please report it");
        }
    }
}
