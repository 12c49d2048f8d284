//! What the service holds of a watch.

use std::path::PathBuf;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use super::ear::Ear;
use super::inbox::Inbox;
use super::mechanism::{Choice, Mechanism};
use super::rescope::Rescoped;
use super::scope::{Scope, decides_by_name};
use super::surroundings::Surroundings;
use super::worker::{Sink, Worker, WorkerParts};
use crate::engine::Notice;
use crate::filter::{Filter, PatternError};
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
    /// Who wants to know what is left out.
    pub ear: Option<Arc<dyn Ear>>,
}

/// A watch that runs; ends when it is dropped.
#[derive(Debug)]
pub struct WatchHandle {
    inbox: Arc<Inbox>,
    options: WatchOptions,
    stopped: bool,
}

/// Watches `source` and tells `sink`, from a thread of its own. Never fails: what is in the way is told as `Waiting` or
/// `Lost`, and waited for.
pub fn spawn(source: Arc<SourcePlan>, options: WatchOptions, sink: Sink) -> WatchHandle {
    let inbox = Arc::new(Inbox::default());
    let handle = WatchHandle {
        inbox: Arc::clone(&inbox),
        options,
        stopped: false,
    };
    let Rescoped { scope, opener } = match scoped(&source, &handle.options) {
        Ok(scoped) => scoped,
        Err(error) => {
            return refused(
                &inbox,
                &sink,
                handle,
                format!("its filter cannot be used: {error}"),
            );
        }
    };
    let surroundings = handle.options.surroundings.clone();
    let worker = Worker::new(WorkerParts {
        root: PathBuf::from(&source.path),
        scope,
        sink,
        inbox,
        opener,
        surroundings,
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

/// How a source is watched.
fn scoped(source: &SourcePlan, options: &WatchOptions) -> Result<Rescoped, PatternError> {
    let choice = Choice::new(
        options.mechanism,
        PathBuf::from(&source.path),
        options.cookies.clone(),
        options.watch_limit,
        source.events.modify,
    );
    Ok(Rescoped {
        scope: Scope {
            filter: Filter::compile(&source.filter)?,
            by_name: decides_by_name(&source.filter),
            events: source.events,
            one_file_system: source.one_file_system,
            watch_limit: options.watch_limit,
            private: options.cookies.clone(),
            ear: options.ear.clone(),
        },
        opener: Box::new(choice),
    })
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

    /// Goes on by this source's filter and events: its path is the same. A barrier that is asked for after this stands
    /// behind it.
    pub fn rescope(&self, source: &SourcePlan) {
        match scoped(source, &self.options) {
            Ok(to) => self.inbox.rescope(to),
            // A plan that exists has filters that compile.
            Err(error) => {
                tracing::error!(source = %source.name, %error, "its filter cannot be used");
            }
        }
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
