//! Barriers: a file made in a private directory that the same backend watches.
//!
//! Its event stands in the kernel's queue behind everything that happened before it was made, so when it arrives,
//! everything before has arrived too. One cookie is out at a time; what is asked for meanwhile waits for the next one.

use std::fs;
use std::io;
use std::os::fd::AsFd;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rustix::fs::{Mode, OFlags};

use super::backend::{At, Backend, Placed, RawEvent, Site, WatchId};

/// A cookie that has not come by then is made anew: its directory may have been replaced. Doubles with each one that
/// has not come, or a queue that takes longer would never let any arrive.
const PATIENCE_MIN: Duration = Duration::from_secs(2);
const PATIENCE_MAX: Duration = Duration::from_secs(120);

const PREFIX: &str = "barrier-";

/// Barriers that were asked for and not answered.
#[derive(Debug)]
pub(crate) struct Cookies {
    directory: PathBuf,
    /// Asked for, no cookie made for them yet.
    asked: Vec<u64>,
    /// The cookie that is out.
    out: Option<Cookie>,
    made: u64,
    patience: Duration,
    /// The watch on `directory`, where the backend numbers them.
    watch: Option<WatchId>,
}

#[derive(Debug)]
struct Cookie {
    path: PathBuf,
    barriers: Vec<u64>,
    since: Instant,
}

impl Cookies {
    /// Cookies in `directory`, which is made when first needed.
    pub(crate) fn new(directory: PathBuf) -> Cookies {
        Cookies {
            directory,
            asked: Vec::new(),
            out: None,
            made: 0,
            patience: PATIENCE_MIN,
            watch: None,
        }
    }

    /// Makes the directory, clears away what a killed process left there, and has it watched afresh.
    pub(crate) fn watch(&mut self, backend: &mut dyn Backend) -> Result<(), String> {
        let shown = crate::host::shown(&self.directory);
        let made = fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(&self.directory);
        made.map_err(|error| format!("`{shown}` cannot be made: {error}"))?;
        self.sweep();
        let refused = |why: String| format!("`{shown}` cannot be watched: {why}");
        if !backend.follows() {
            backend.unwatch(Placed::Under(&self.directory));
        } else if let Some(watch) = self.watch.take() {
            backend.unwatch(Placed::Number(watch));
        }
        // Its path is the operator's, and may lead through symlinks.
        let flags = OFlags::DIRECTORY | OFlags::PATH | OFlags::CLOEXEC;
        let open = rustix::fs::open(&self.directory, flags, Mode::empty())
            .map_err(|error| refused(error.to_string()))?;
        let site = Site {
            path: &self.directory,
            directory: open.as_fd(),
        };
        let watch = backend
            .watch_apart(site)
            .map_err(|error| refused(format!("{error:?}")))?;
        self.watch = backend.follows().then_some(watch);
        Ok(())
    }

    /// The backend has ended, and its numbers mean nothing any more.
    pub(crate) fn unwatched(&mut self) {
        self.watch = None;
    }

    /// Asks for barriers.
    pub(crate) fn ask(&mut self, barriers: Vec<u64>) {
        self.asked.extend(barriers);
    }

    /// Whether anything waits for an answer.
    pub(crate) fn is_idle(&self) -> bool {
        self.asked.is_empty() && self.out.is_none()
    }

    /// Makes a cookie if one is needed and none is out.
    pub(crate) fn issue(&mut self, now: Instant) -> io::Result<()> {
        if self.out.is_some() || self.asked.is_empty() {
            return Ok(());
        }
        self.made += 1;
        let path = self
            .directory
            .join(format!("{PREFIX}{}-{}", std::process::id(), self.made));
        self.out = Some(Cookie {
            path: path.clone(),
            barriers: std::mem::take(&mut self.asked),
            since: now,
        });
        fs::File::create_new(path)
            .map(drop)
            .inspect_err(|_| self.recall())
    }

    /// When the cookie that is out is overdue.
    pub(crate) fn due(&self) -> Option<Instant> {
        self.out.as_ref().map(|cookie| cookie.since + self.patience)
    }

    /// Whether the cookie that is out is overdue; the next one is given more time.
    pub(crate) fn is_overdue(&mut self, now: Instant) -> bool {
        let overdue = self
            .out
            .as_ref()
            .is_some_and(|cookie| now.saturating_duration_since(cookie.since) >= self.patience);
        if overdue {
            self.patience = (self.patience * 2).min(PATIENCE_MAX);
        }
        overdue
    }

    /// The cookie that is out means nothing any more: events were lost. Its barriers are asked for anew.
    pub(crate) fn recall(&mut self) {
        if let Some(cookie) = self.out.take() {
            let _ = fs::remove_file(&cookie.path); // swept at the next start otherwise
            self.asked.splice(0..0, cookie.barriers);
        }
    }

    /// The barriers asked for without any cookie: nothing is watched, so nothing can be behind.
    pub(crate) fn all(&mut self) -> Vec<u64> {
        self.recall();
        std::mem::take(&mut self.asked)
    }

    /// Whether the event concerns the cookies' directory; if it is the cookie's, the barriers it stands for.
    pub(crate) fn arrived(&mut self, event: &RawEvent) -> Option<Vec<u64>> {
        let is_its = |cookie: &mut Cookie| match &event.at {
            At::Path(path) => cookie.path == *path,
            At::Entry(_, name) => cookie
                .path
                .file_name()
                .is_some_and(|own| own.as_bytes() == &**name),
        };
        let concerns = match &event.at {
            At::Path(path) => path.starts_with(&self.directory),
            At::Entry(watch, _) => self.watch == Some(*watch),
        };
        if !concerns {
            return None;
        }
        match self.out.take_if(is_its) {
            Some(cookie) => {
                self.patience = PATIENCE_MIN;
                let _ = fs::remove_file(&cookie.path); // swept at the next start otherwise
                Some(cookie.barriers)
            }
            None => Some(Vec::new()),
        }
    }

    /// Removes the cookies and their directory.
    pub(crate) fn close(&mut self) {
        self.sweep();
        let _ = fs::remove_dir(&self.directory); // stays where something else is in it
    }

    /// The directory.
    pub(crate) fn directory(&self) -> &Path {
        &self.directory
    }

    fn sweep(&mut self) {
        self.recall();
        for entry in fs::read_dir(&self.directory)
            .into_iter()
            .flatten()
            .flatten()
        {
            if entry.file_name().to_string_lossy().starts_with(PREFIX) {
                let _ = fs::remove_file(entry.path()); // tried again at the next start
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::watch::backend::{NoBackend, RawKind};

    #[test]
    fn one_cookie_stands_for_all_that_was_asked_and_one_that_does_not_come_is_given_more_time() {
        let scratch = tempfile::tempdir().unwrap();
        let mut cookies = Cookies::new(scratch.path().join("cookies"));
        let _ = cookies.watch(&mut NoBackend); // makes the directory, at least
        let now = Instant::now();
        cookies.ask(vec![1, 2]);
        cookies.issue(now).unwrap();
        let first = cookies.out.as_ref().unwrap().path.clone();
        cookies.ask(vec![3]);
        assert!(!cookies.is_overdue(now) && cookies.is_overdue(now + PATIENCE_MIN));
        cookies.recall();
        assert!(!first.exists());
        cookies.issue(now).unwrap();
        assert!(!cookies.is_overdue(now + PATIENCE_MIN));
        let event = |path: &Path| RawEvent {
            kind: RawKind::Written,
            at: At::Path(path.into()),
        };
        assert_eq!(
            cookies.arrived(&event(&first)),
            Some(vec![]),
            "a recalled one means nothing"
        );
        assert_eq!(cookies.arrived(&event(scratch.path())), None);
        let second = cookies.out.as_ref().unwrap().path.clone();
        assert_eq!(cookies.arrived(&event(&second)), Some(vec![1, 2, 3]));
        assert!(cookies.is_idle());
        cookies.close();
        assert!(!scratch.path().join("cookies").exists());
    }
}
