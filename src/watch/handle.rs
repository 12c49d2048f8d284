//! What the service holds of a watch.

use std::path::PathBuf;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use super::inbox::Inbox;
use super::mechanism::{Choice, Mechanism};
use super::scope::{Scope, decides_by_name};
use super::surroundings::Surroundings;
use super::worker::{Sink, Worker, WorkerParts};
use crate::engine::Notice;
use crate::filter::Filter;
use crate::plan::SourcePlan;

/// How long [`WatchHandle::stop`] waits for the thread, which may be held up by its sink.
const STOP_MAX: Duration = Duration::from_secs(5);

/// What a watch needs beside its source.
#[derive(Clone, Debug)]
pub struct WatchOptions {
    /// A directory for the barriers' files, of this watch alone; made, emptied and removed by it.
    pub cookies: PathBuf,
    /// At most so many directories are watched, the rest is polled; `None`: as many as the kernel allows.
    pub watch_limit: Option<u64>,
    /// What watches.
    pub mechanism: Mechanism,
    /// What hears of the root's changes, for all sources.
    pub surroundings: Surroundings,
}

/// A watch that runs; ends when it is dropped.
#[derive(Debug)]
pub struct WatchHandle {
    inbox: Arc<Inbox>,
    stopped: bool,
}

/// Watches `source` and tells `sink`, from a thread of its own. Never fails: what is in the way is told as `Waiting` or
/// `Lost`, and waited for.
pub fn spawn(source: Arc<SourcePlan>, options: WatchOptions, sink: Sink) -> WatchHandle {
    let inbox = Arc::new(Inbox::default());
    let handle = WatchHandle {
        inbox: Arc::clone(&inbox),
        stopped: false,
    };
    let filter = match Filter::compile(&source.filter) {
        Ok(filter) => filter,
        Err(error) => {
            return refused(
                &inbox,
                &sink,
                handle,
                format!("its filter cannot be used: {error}"),
            );
        }
    };
    let modify = source.events.modify;
    let root = PathBuf::from(&source.path);
    let choice = Choice::new(
        options.mechanism,
        root.clone(),
        options.cookies.clone(),
        options.watch_limit,
        modify,
    );
    let worker = Worker::new(WorkerParts {
        root,
        scope: Scope {
            filter,
            by_name: decides_by_name(&source.filter),
            events: source.events,
            one_file_system: source.one_file_system,
            watch_limit: options.watch_limit,
            private: options.cookies,
        },
        sink,
        inbox,
        opener: Box::new(choice),
        surroundings: options.surroundings,
    });
    let name = format!("watch {}", source.name);
    if let Err(error) = thread::Builder::new()
        .name(name)
        .spawn(move || worker.run())
    {
        // The worker and its sink went with the closure, so that the engine hears the silence of a closed channel.
        tracing::error!(source = %source.name, %error, "no thread for this watch");
    }
    handle
}

fn refused(inbox: &Inbox, sink: &Sink, handle: WatchHandle, reason: String) -> WatchHandle {
    sink(Notice::Waiting { reason });
    inbox.ended();
    handle
}

impl WatchHandle {
    /// Asks to be told `Barrier(id)` once everything that happened before this call has been told. Waits for a root
    /// that is not there, and survives losses.
    pub fn barrier(&self, id: u64) {
        self.inbox.ask(id);
    }

    /// Ends the watch; returns when its thread has ended, or after five seconds where the sink holds that up.
    pub fn stop(mut self) {
        self.end();
    }

    fn end(&mut self) {
        if !self.stopped {
            self.stopped = true;
            self.inbox.stop();
            if !self.inbox.wait_ended(STOP_MAX) {
                tracing::warn!("a watch has not ended yet: nobody takes what it has to tell");
            }
        }
    }
}

impl Drop for WatchHandle {
    fn drop(&mut self) {
        self.end();
    }
}
