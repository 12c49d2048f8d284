//! What the tests stand on: a real rsyncd, the built binary, a tree comparison of its own (never rsync's word for it), and seeded work.
//!
//! Everything lives in a temporary directory and on loopback ports. Nothing here knows the inside of the program: it
//! speaks manifest, command line and exit status. File names are bytes.
#![allow(clippy::unwrap_used)] // in tests the panic is the message, in their functions too

pub mod browser;
pub mod churn;
pub mod mount;
pub mod ordinary;
pub mod process;
#[allow(dead_code)] // the benchmarks stand on this rig too, and need less of it
pub mod programs;
#[allow(dead_code)] // as above
pub mod proxy;
pub mod rsyncd;
pub mod service;
#[allow(dead_code)] // as above
pub mod sshd;
#[allow(dead_code)] // as above
pub mod swaps;
pub mod tree;
#[allow(dead_code)] // as above
pub mod work;

use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

/// The longest pause between two looks.
const PAUSE_MAX: Duration = Duration::from_millis(50);

/// Looks until `condition` gives something, or `deadline` has passed; looks at least once, and once more at the end.
///
/// This is the only place in the tests that sleeps.
pub fn wait_for<T>(deadline: Duration, mut condition: impl FnMut() -> Option<T>) -> Option<T> {
    let end = Instant::now() + deadline;
    let mut pause = Duration::from_millis(1);
    loop {
        let now = Instant::now();
        if let Some(found) = condition() {
            return Some(found);
        }
        if now >= end {
            return None;
        }
        thread::sleep(pause.min(end - now));
        pause = (pause * 3 / 2).min(PAUSE_MAX);
    }
}

/// Says that a test is not made here. Only for somebody who may not have what it needs: root may, and there what is
/// missing is a fault, or nobody would see that nothing is tested.
#[allow(dead_code)] // the benchmarks leave nothing out
#[track_caller]
pub fn left_out(missing: &str) {
    let root = rustix::process::geteuid().is_root();
    assert!(!root, "cannot be tested here: {missing}");
    eprintln!("left out: {missing}");
}

/// A temporary directory, gone when it goes out of scope.
pub struct Scratch(tempfile::TempDir);

impl Scratch {
    /// A new one.
    pub fn new() -> Scratch {
        Scratch(
            tempfile::Builder::new()
                .prefix("heliostat-")
                .tempdir()
                .unwrap(),
        )
    }

    /// The directory itself.
    pub fn path(&self) -> &Path {
        self.0.path()
    }

    /// A new directory in it.
    pub fn dir(&self, name: &str) -> PathBuf {
        let path = self.0.path().join(name);
        std::fs::create_dir_all(&path).unwrap();
        path
    }
}

#[test]
fn waiting_ends_with_what_was_found_or_at_the_deadline() {
    let mut looks = 0;
    let found = wait_for(Duration::from_secs(10), || {
        looks += 1;
        (looks == 3).then_some(looks)
    });
    assert_eq!(found, Some(3));
    let start = Instant::now();
    assert_eq!(wait_for(Duration::from_millis(20), || None::<()>), None);
    assert!(start.elapsed() >= Duration::from_millis(20));
}
