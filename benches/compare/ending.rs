//! Ends what was started when the benchmark itself is told to end: tools run in process groups of their own, which no
//! Ctrl-C of a terminal reaches, and trees of a million files would stay.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::thread;

use rustix::process::{Pid, Signal, kill_process_group};
use tokio::signal::unix::{SignalKind, signal};

/// The places that are there.
static PLACES: Mutex<Vec<PathBuf>> = Mutex::new(Vec::new());

/// What a shell says of a program that Ctrl-C ended.
const INTERRUPTED: i32 = 130;

/// This directory goes when the benchmark is ended from outside.
pub fn made(place: &Path) {
    places().push(place.to_owned());
}

/// This one has gone.
pub fn gone(place: &Path) {
    places().retain(|other| other != place);
}

fn places() -> std::sync::MutexGuard<'static, Vec<PathBuf>> {
    PLACES
        .lock()
        .unwrap_or_else(|poisoned| poisoned.into_inner())
}

/// Ends everything on SIGINT and SIGTERM.
pub fn on_signals() {
    thread::spawn(|| {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_io()
            .build()
            .unwrap();
        runtime.block_on(async {
            let mut interrupt = signal(SignalKind::interrupt()).unwrap();
            let mut terminate = signal(SignalKind::terminate()).unwrap();
            tokio::select! {
                _ = interrupt.recv() => {}
                _ = terminate.recv() => {}
            }
        });
        for child in children() {
            // Not every child leads a group; those that do not end with us.
            let _ = kill_process_group(child, Signal::KILL);
        }
        for place in places().iter() {
            let _ = fs::remove_dir_all(place);
        }
        std::process::exit(INTERRUPTED);
    });
}

/// This program's own children, by their ids.
fn children() -> Vec<Pid> {
    let tasks = fs::read_dir("/proc/self/task")
        .into_iter()
        .flatten()
        .flatten();
    let texts = tasks.filter_map(|task| fs::read_to_string(task.path().join("children")).ok());
    let ids = |text: String| -> Vec<Pid> {
        text.split_whitespace()
            .filter_map(|id| Pid::from_raw(id.parse().ok()?))
            .collect()
    };
    texts.flat_map(ids).collect()
}
