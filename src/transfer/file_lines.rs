//! A log line for each file that is sent or deleted, where somebody asked for them.
//!
//! Nothing waits for the log: what comes faster than the lines can be written is counted, and the count is a line.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;

use super::tally::Did;
use crate::engine::RelPath;
use crate::plan::RouteName;

/// Lines that wait to be written: some megabytes.
const WAITING_MAX: usize = 20_000;

/// The way to the thread that writes them. Ends with its last clone.
#[derive(Clone, Debug)]
pub struct FileLines {
    lines: SyncSender<Line>,
    left_out: Arc<AtomicU64>,
}

#[derive(Debug)]
struct Line {
    route: RouteName,
    did: Did,
    path: RelPath,
}

impl FileLines {
    /// Starts the thread; `None` with the reason said, where there is none to be had.
    pub fn start() -> Option<FileLines> {
        let (lines, taken) = sync_channel(WAITING_MAX);
        let left_out = Arc::new(AtomicU64::new(0));
        let counted = Arc::clone(&left_out);
        let spawned = thread::Builder::new()
            .name("file-lines".into())
            .spawn(move || write(&taken, &counted));
        match spawned {
            Ok(_) => Some(FileLines { lines, left_out }),
            Err(error) => {
                tracing::warn!("no thread for the lines of files: {error}; going on without them");
                None
            }
        }
    }

    /// Says it, or counts it where too many wait.
    pub fn say(&self, route: &RouteName, did: Did, path: &RelPath) {
        let line = Line {
            route: route.clone(),
            did,
            path: path.clone(),
        };
        if self.lines.try_send(line).is_err() {
            self.left_out.fetch_add(1, Ordering::Relaxed);
        }
    }
}

fn write(taken: &Receiver<Line>, left_out: &AtomicU64) {
    while let Ok(Line { route, did, path }) = taken.recv() {
        match did {
            Did::Sent => tracing::info!(%route, "{path} was sent"),
            Did::Deleted => tracing::info!(%route, "{path} was deleted"),
        }
        say_left_out(left_out);
    }
    say_left_out(left_out);
}

fn say_left_out(left_out: &AtomicU64) {
    let count = left_out.swap(0, Ordering::Relaxed);
    if count > 0 {
        tracing::warn!(
            left_out = count,
            "files were sent or deleted faster than their lines could be written: {count} lines were left out"
        );
    }
}
