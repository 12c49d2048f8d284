//! Which mechanism watches a source, and why.
//!
//! - *inotify* on every local file system, as long as it is the cheaper one: a watch a directory costs the kernel about 1.3 KB
//!   that cannot be swapped out, and nothing that happens elsewhere costs anything.
//! - *fanotify* where a source has [`MANY`] directories or more, or more than inotify may watch, and the host and the file system
//!   let it be had. One mark costs nothing a directory, but every change on the file system is read, also
//!   those that concern no source: for a small source on a busy disk that is the worse bargain, for a
//!   great one it is the better (65 MB of the kernel's memory at [`MANY`]; `cargo bench --bench watch` measures both). Where its queue overflows
//!   although inotify could watch them all, the file system is too busy for it, and inotify it is from then on.
//! - *notify*, which goes by path and asks less of the host, where the file system is not local to this kernel (its directories may
//!   be others behind the same number), or `/proc` is not there.
//! - *polling* where nothing can be had, or where it is asked for.
//!
//! How many directories there are is known only once they are walked through. So a walk begins with inotify, and begins anew with
//! fanotify when it has met [`MANY`]: that costs a second. What others change is polled by directory, whatever watches (`place`).

use std::path::{Path, PathBuf};

use super::backend::{Fit, NoBackend, Opened, Opener};
use super::fanotify::Fanotify;
use super::inbox::Feed;
use super::inotify::Inotify;
use super::notify_backend::NotifyBackend;
use crate::engine::WatchedBy;
use crate::host;
pub use crate::manifest::Mechanism;

/// From so many directories on, what a watch costs the kernel is more than a look at every change of the file system.
pub const MANY: u64 = 50_000;

/// Chooses for one source, and opens what it has chosen.
pub(super) struct Choice {
    asked: Mechanism,
    root: PathBuf,
    /// The barriers' directory.
    apart: PathBuf,
    /// At most so many directories may inotify watch.
    limit: Option<u64>,
    modify: bool,
    /// What was opened last.
    now: Mechanism,
    /// Why fanotify is taken from now on, once inotify was outgrown.
    outgrown: Option<String>,
    /// Why fanotify is not taken.
    refused: Option<String>,
}

impl Choice {
    /// For the source at `root`.
    pub(super) fn new(
        asked: Mechanism,
        root: PathBuf,
        apart: PathBuf,
        limit: Option<u64>,
        modify: bool,
    ) -> Choice {
        Choice {
            asked,
            root,
            apart,
            limit,
            modify,
            now: asked,
            outgrown: None,
            refused: None,
        }
    }

    /// What is to be opened, and why.
    fn choose(&self) -> (Mechanism, String) {
        if self.asked != Mechanism::Auto {
            return (self.asked, ASKED.to_owned());
        }
        let fitting = fitting(&self.root);
        match (&self.outgrown, &self.refused) {
            (Some(why), None) if fitting.0 == Mechanism::Inotify => {
                (Mechanism::Fanotify, why.clone())
            }
            (_, Some(refused)) if fitting.0 == Mechanism::Inotify => {
                (fitting.0, format!("{}; not fanotify: {refused}", fitting.1))
            }
            _ => fitting,
        }
    }
}

const ASKED: &str = "the agent file asks for it";

/// What fits the file system at `root`, however many directories there are.
fn fitting(root: &Path) -> (Mechanism, String) {
    if let Some(name) = host::foreign_at(root) {
        return (
            Mechanism::Notify,
            format!("what others change on {name} is not told: it is polled as well"),
        );
    }
    match Path::new("/proc/self/fd").is_dir() {
        true => (Mechanism::Inotify, "a local file system".to_owned()),
        false => (Mechanism::Notify, "`/proc` is not mounted".to_owned()),
    }
}

impl Opener for Choice {
    fn open(&mut self, feed: Feed) -> Result<Opened, String> {
        let (mut mechanism, mut why) = self.choose();
        let mut backend = None;
        if mechanism == Mechanism::Fanotify {
            match Fanotify::open(feed.clone(), &self.root, &self.apart, self.modify) {
                Ok(opened) => backend = Some(opened),
                Err(refused) => {
                    let instead = fitting(&self.root);
                    why = format!("{}; not fanotify: {refused}", instead.1);
                    mechanism = instead.0;
                    self.refused = Some(refused);
                }
            }
        }
        let backend = match (backend, mechanism) {
            (Some(backend), _) => backend,
            (None, Mechanism::Polling) => Box::new(NoBackend),
            (None, Mechanism::Notify) => NotifyBackend::open(feed, self.modify)?,
            (None, _) => Inotify::open(feed, self.modify)?,
        };
        if self.now != mechanism || self.asked == mechanism {
            tracing::debug!(root = %host::shown(&self.root), mechanism = name(mechanism), why, "watching");
        }
        self.now = mechanism;
        Ok(Opened {
            backend,
            by: WatchedBy {
                mechanism: name(mechanism),
                why,
            },
            blind: mechanism == Mechanism::Polling,
        })
    }

    fn fits(&mut self, watched: u64, limit_met: bool) -> Fit {
        let candidate = self.asked == Mechanism::Auto
            && self.now == Mechanism::Inotify
            && self.outgrown.is_none()
            && self.refused.is_none();
        if !candidate || watched < MANY && !limit_met {
            return Fit::Fits;
        }
        match Fanotify::probe(&self.root, Some(&self.apart)) {
            Ok(()) => {
                self.outgrown = Some(match limit_met {
                    true => "it has more directories than inotify may watch".to_owned(),
                    false => format!("it has {MANY} directories or more"),
                });
                Fit::Outgrown
            }
            Err(refused) => {
                self.refused = Some(refused);
                Fit::Stays(self.choose().1)
            }
        }
    }

    fn lost(&mut self, watched: u64) {
        let allowed = self.limit.or_else(host::user_watches);
        let fits = allowed.is_none_or(|allowed| watched < allowed);
        if self.asked == Mechanism::Auto && self.now == Mechanism::Fanotify && fits {
            self.refused = Some("more happens on its file system than can be read".to_owned());
        }
    }
}

/// As the agent file names it.
pub fn name(mechanism: Mechanism) -> &'static str {
    match mechanism {
        Mechanism::Auto => "auto",
        Mechanism::Inotify => "inotify",
        Mechanism::Fanotify => "fanotify",
        Mechanism::Notify => "notify",
        Mechanism::Polling => "polling",
    }
}

/// Whether fanotify takes the place of inotify once a source at `root` has more directories than that may watch.
pub fn may_grow(asked: Mechanism, root: &Path) -> bool {
    let marks = || Fanotify::probe(root, None).is_ok();
    match asked {
        Mechanism::Auto => fitting(root).0 == Mechanism::Inotify && marks(),
        Mechanism::Fanotify => marks(),
        Mechanism::Inotify | Mechanism::Notify | Mechanism::Polling => false,
    }
}

/// What will watch the source at `root` on this host, in words: how many directories there are is not looked at.
pub fn foresee(asked: Mechanism, root: &Path) -> String {
    if !root.is_dir() {
        return "decided when it is there".to_owned();
    }
    let refused = || Fanotify::probe(root, None).err();
    match asked {
        Mechanism::Auto => {
            let (fitting, why) = fitting(root);
            let words = format!("{}: {why}", name(fitting));
            match (fitting, refused()) {
                (Mechanism::Inotify, None) => {
                    format!(
                        "{words}; fanotify from {MANY} directories on, or where inotify's limit is met"
                    )
                }
                (Mechanism::Inotify, Some(refused)) => format!("{words}; not fanotify: {refused}"),
                _ => words,
            }
        }
        Mechanism::Fanotify => match refused() {
            None => format!("fanotify: {ASKED}"),
            Some(refused) => {
                let (instead, why) = fitting(root);
                format!("{}: {why}; not fanotify: {refused}", name(instead))
            }
        },
        other => format!("{}: {ASKED}", name(other)),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::watch::inbox::Inbox;

    fn choice(asked: Mechanism, scratch: &Path, limit: Option<u64>) -> Choice {
        let (root, apart) = (scratch.join("root"), scratch.join("apart"));
        std::fs::create_dir_all(&root).unwrap();
        Choice::new(asked, root, apart, limit, false)
    }

    fn opened(choice: &mut Choice) -> WatchedBy {
        choice.open(Arc::new(Inbox::default()).feed()).unwrap().by
    }

    #[test]
    fn what_is_asked_for_is_taken_and_a_local_file_system_has_the_kernels_own() {
        let scratch = tempfile::tempdir().unwrap();
        for (asked, expected) in [
            (Mechanism::Auto, "inotify"),
            (Mechanism::Inotify, "inotify"),
            (Mechanism::Notify, "notify"),
            (Mechanism::Polling, "polling"),
        ] {
            if host::foreign_at(scratch.path()).is_none() || asked != Mechanism::Auto {
                let by = opened(&mut choice(asked, scratch.path(), None));
                assert_eq!(by.mechanism, expected, "{by:?}");
            }
        }
    }

    /// What cannot be had is fallen back from, with the reason; what can be is taken once it is worth it, and left when it is too busy.
    #[test]
    fn many_directories_or_a_limit_that_is_met_have_fanotify_and_a_busy_disk_has_not() {
        let scratch = tempfile::tempdir().unwrap();
        for (watched, limit_met) in [(MANY, false), (10, true)] {
            let mut choice = choice(Mechanism::Auto, scratch.path(), Some(1_000_000));
            if opened(&mut choice).mechanism != "inotify" {
                return;
            }
            assert_eq!(choice.fits(MANY - 1, false), Fit::Fits);
            let probed = Fanotify::probe(&choice.root, Some(&choice.apart));
            let fit = choice.fits(watched, limit_met);
            assert_eq!(fit == Fit::Outgrown, probed.is_ok(), "{fit:?}");
            assert_eq!(may_grow(Mechanism::Auto, &choice.root), probed.is_ok());
            let by = opened(&mut choice);
            if let Err(refused) = probed {
                assert!(
                    by.mechanism == "inotify" && by.why.contains(&refused),
                    "{by:?}"
                );
                assert_eq!(fit, Fit::Stays(by.why));
                continue;
            }
            assert_eq!(by.mechanism, "fanotify");
            assert_eq!(choice.fits(watched, limit_met), Fit::Fits, "once is enough");
            choice.lost(2_000_000);
            assert_eq!(
                opened(&mut choice).mechanism,
                "fanotify",
                "inotify could not"
            );
            choice.lost(watched);
            let by = opened(&mut choice);
            assert!(
                by.mechanism == "inotify" && by.why.contains("can be read"),
                "{by:?}"
            );
            assert_eq!(choice.fits(watched, limit_met), Fit::Fits, "and no more");
        }
    }

    #[test]
    fn fanotify_that_cannot_be_had_is_not_insisted_on() {
        let scratch = tempfile::tempdir().unwrap();
        let mut choice = choice(Mechanism::Fanotify, scratch.path(), None);
        std::fs::write(&choice.apart, "no directory").unwrap();
        let by = opened(&mut choice);
        assert!(
            by.mechanism != "fanotify" && by.why.contains("not fanotify: "),
            "{by:?}"
        );
    }
}
