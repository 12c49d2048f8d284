//! The backend on notify `=9.0.0-rc.7`, for what is not a local file system (`mechanism` says which).
//!
//! What its source says and this file and its callers rely on:
//! - Watching a path that is already watched does nothing, even if another directory is there by now: [`Backend::unwatch`]
//!   first where that may be.
//! - An event that a name was deleted or renamed away ends the watch under that *path* and under every path below it,
//!   also if that event is old and the watch new. The event is handed on before, so whoever hears it must watch again
//!   what is there.
//! - The mask is notify's own; a mask without rename or remove kinds would lose what keeps the tree right, so the
//!   manifest's `events` never take a kind from it. Only `modify` adds one: it is noise where nobody asked for it.
//! - `DONT_FOLLOW` for the last component; a path that is no directory would be watched as a file, so callers verify.

use std::io;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TryRecvError, sync_channel};
use std::time::Duration;

use notify::event::{
    AccessKind, AccessMode, CreateKind, Event, EventKind, ModifyKind, RemoveKind, RenameMode,
};
use notify::{
    Config, ErrorKind, EventHandler, EventKindMask, INotifyWatcher, RecursiveMode, WatchPathConfig,
    Watcher,
};

use super::backend::{At, Backend, Move, Placed, RawEvent, RawKind, Site, WatchError, WatchId};
use super::inbox::Feed;

/// How long the end of notify's thread is waited for: until it has ended, its watches count against the user's limit.
const END_MAX: Duration = Duration::from_secs(5);

/// One inotify instance.
pub(crate) struct NotifyBackend {
    watcher: Option<INotifyWatcher>,
    /// Disconnected once notify's thread has ended.
    alive: Receiver<()>,
}

impl NotifyBackend {
    /// Opens an inotify instance; with `modify`, writes are told before the file is closed.
    pub(crate) fn open(feed: Feed, modify: bool) -> Result<Box<dyn Backend>, String> {
        let mut kinds = EventKindMask::CORE | EventKindMask::ACCESS_CLOSE;
        if !modify {
            kinds -= EventKindMask::MODIFY_DATA;
        }
        let config = Config::default()
            .with_event_kinds(kinds)
            .with_follow_symlinks(false);
        let (token, alive) = sync_channel(1);
        let watcher = INotifyWatcher::new(
            Handler {
                feed,
                _token: token,
            },
            config,
        )
        .map_err(|error| match error.kind {
            ErrorKind::Io(error) if error.raw_os_error() == Some(EMFILE) => {
                "no inotify instance is free: raise fs.inotify.max_user_instances".to_string()
            }
            _ => format!("inotify cannot be used: {error}"),
        })?;
        Ok(Box::new(NotifyBackend {
            watcher: Some(watcher),
            alive,
        }))
    }
}

const EMFILE: i32 = rustix::io::Errno::MFILE.raw_os_error();

impl Backend for NotifyBackend {
    fn watch(&mut self, site: Site<'_>) -> Result<WatchId, WatchError> {
        let Some(watcher) = &mut self.watcher else {
            return Err(WatchError::Other("inotify has ended".into()));
        };
        let config =
            WatchPathConfig::new(RecursiveMode::NonRecursive).with_dereference_symlinks(false);
        watcher
            .watch_with(site.path, config)
            .map(|()| WatchId::BY_PATH)
            .map_err(|error| match error.kind {
                ErrorKind::PathNotFound | ErrorKind::WatchNotFound => WatchError::Gone,
                ErrorKind::MaxFilesWatch => WatchError::Limit,
                ErrorKind::Io(error) if error.kind() == io::ErrorKind::PermissionDenied => {
                    WatchError::Denied
                }
                ErrorKind::Io(error) if error.kind() == io::ErrorKind::NotADirectory => {
                    WatchError::Gone
                }
                kind => WatchError::Other(notify::Error::new(kind).to_string()),
            })
    }

    fn unwatch(&mut self, placed: Placed<'_>) {
        if let (Some(watcher), Placed::Under(directory)) = (&mut self.watcher, placed) {
            let _ = watcher.unwatch(directory); // it has often ended by itself
        }
    }

    fn is_alive(&mut self) -> bool {
        !matches!(self.alive.try_recv(), Err(TryRecvError::Disconnected))
    }
}

impl Drop for NotifyBackend {
    fn drop(&mut self) {
        let alive = self.is_alive();
        let Some(watcher) = self.watcher.take() else {
            return;
        };
        if !alive {
            std::mem::forget(watcher); // its thread is dead, and its own drop would panic on that
            return;
        }
        drop(watcher);
        if let Err(RecvTimeoutError::Timeout) = self.alive.recv_timeout(END_MAX) {
            tracing::warn!("notify's thread has not ended yet; its watches still count");
        }
    }
}

/// What runs in notify's thread.
struct Handler {
    feed: Feed,
    _token: SyncSender<()>,
}

impl Drop for Handler {
    /// notify's thread has ended, asked to or not: where it was not, nothing else would say so.
    fn drop(&mut self) {
        self.feed.ended();
    }
}

impl EventHandler for Handler {
    fn handle_event(&mut self, event: notify::Result<Event>) {
        match event {
            Ok(event) if event.need_rescan() => self
                .feed
                .lost("the kernel's queue of file events overflowed".into()),
            Ok(event) => {
                if let (Some(kind), Some(path)) =
                    (translate(&event), event.paths.into_iter().next())
                {
                    let at = At::Path(path);
                    self.feed.push(RawEvent { kind, at });
                }
            }
            Err(error) => self
                .feed
                .lost(format!("file events could not be read: {error}")),
        }
    }
}

/// notify's kind as ours; `None` for what says nothing new.
fn translate(event: &Event) -> Option<RawKind> {
    Some(match event.kind {
        EventKind::Create(kind) => RawKind::Created {
            directory: kind == CreateKind::Folder,
        },
        EventKind::Remove(RemoveKind::Other) if event.info() == Some("unmount") => {
            RawKind::Unmounted
        }
        EventKind::Remove(kind) => RawKind::Deleted {
            directory: kind == RemoveKind::Folder,
        },
        EventKind::Access(AccessKind::Close(AccessMode::Write)) => RawKind::Written,
        EventKind::Access(_) => return None,
        EventKind::Modify(ModifyKind::Metadata(_)) => RawKind::Attributes,
        // IN_MOVE_SELF comes without a cookie, IN_MOVED_FROM with one.
        EventKind::Modify(ModifyKind::Name(RenameMode::From)) if event.tracker().is_none() => {
            RawKind::SelfMoved
        }
        EventKind::Modify(ModifyKind::Name(RenameMode::From)) => RawKind::MovedFrom(Move::UNTOLD),
        EventKind::Modify(ModifyKind::Name(RenameMode::To)) => RawKind::MovedTo(Move::UNTOLD),
        // `Both` repeats a From and a To that came on their own.
        EventKind::Modify(ModifyKind::Name(_)) => return None,
        EventKind::Modify(_) | EventKind::Any | EventKind::Other => RawKind::Modified,
    })
}
