//! Ends what was started when the benchmark itself is told to end: tools run in process groups of their own, which no
//! Ctrl-C of a terminal reaches, and trees of a million files would stay.
//!
//! The thread that measures does not know of it. It finds its tool gone, and would end the program by its panic before
//! everything is removed, or start the next one: so a panic waits from then on, and what was started meanwhile is ended too.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process_group};
use tokio::signal::unix::{SignalKind, signal};

/// The places that are there.
static PLACES: Mutex<Vec<PathBuf>> = Mutex::new(Vec::new());

/// Whether the program was told to end.
static ENDING: AtomicBool = AtomicBool::new(false);

/// What is started while everything is ended is found by the next look; one that finds nothing is the last.
const LOOK: Duration = Duration::from_millis(200);

/// A disk that hangs keeps nobody at the terminal for longer than this.
const ENDED_WITHIN: Duration = Duration::from_secs(60);

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
    let as_before = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        while ENDING.load(Ordering::Acquire) {
            thread::park();
        }
        as_before(panic);
    }));
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
        ENDING.store(true, Ordering::Release);
        let told = Instant::now();
        while !end_all() && told.elapsed() < ENDED_WITHIN {
            thread::sleep(LOOK);
        }
        std::process::exit(INTERRUPTED);
    });
}

/// Ends and removes what there is; whether there was nothing.
fn end_all() -> bool {
    // Not every child leads a group; those that do not end with us.
    let ended = children()
        .into_iter()
        .filter(|child| kill_process_group(*child, Signal::KILL).is_ok());
    let ended = ended.count();
    let places = places().clone();
    let left = places
        .iter()
        .filter(|place| fs::remove_dir_all(place).is_ok());
    ended + left.count() == 0
}

/// This program's own children that still run, by their ids: one that was ended is there until it is waited for.
fn children() -> Vec<Pid> {
    let tasks = fs::read_dir("/proc/self/task")
        .into_iter()
        .flatten()
        .flatten();
    let texts = tasks.filter_map(|task| fs::read_to_string(task.path().join("children")).ok());
    let ids = |text: String| -> Vec<i32> {
        text.split_whitespace()
            .filter_map(|id| id.parse().ok())
            .collect()
    };
    let all = texts.flat_map(ids);
    all.filter(|id| runs(*id))
        .filter_map(Pid::from_raw)
        .collect()
}

fn runs(id: i32) -> bool {
    let text = fs::read_to_string(format!("/proc/{id}/stat")).unwrap_or_default();
    // Behind the name, which may hold brackets itself.
    let state = text.rsplit(") ").next();
    state.is_some_and(|state| !state.starts_with('Z') && !state.is_empty())
}
