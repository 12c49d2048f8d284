//! A watch on one root: everything that ends when the root turns out to be another one.

use std::time::{Duration, Instant};

use super::backend::Backend;
use super::cookies::Cookies;
use super::mounts::Mounts;
use super::tree::Tree;
use crate::engine::{RootId, WatchReport};

/// Directories without a watch are looked at so often…
const POLL_MIN: Duration = Duration::from_secs(5);
/// …or, where that takes long, at most for this part of the time.
const POLL_SHARE: u32 = 20;

/// Between two reports.
const REPORT_EVERY: Duration = Duration::from_secs(1);

/// How far the walk through the whole tree has come.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Walk {
    /// On the way; nothing was told of this root yet.
    First,
    /// On the way again, after a loss.
    Again,
    /// Every directory in scope was placed.
    Done,
}

/// A watch on one root.
pub(crate) struct Stand {
    /// Which root.
    pub(crate) root: RootId,
    /// The mechanism.
    pub(crate) backend: Box<dyn Backend>,
    /// The tree.
    pub(crate) tree: Tree,
    /// How far the walk has come.
    pub(crate) walk: Walk,
    /// Below the root, when last looked at.
    pub(crate) mounts: Mounts,
    /// No mechanism could be had: everything is polled.
    pub(crate) blind: bool,
    /// Whether the cookies' events will come.
    pub(crate) cookies_watched: bool,
    /// The walk's group.
    first_group: u64,
    waiting: Vec<Arrived>,
    polled: Instant,
    poll_every: Duration,
    told: (u64, u64),
    told_at: Instant,
}

/// Barriers whose cookie has come.
#[derive(Debug)]
struct Arrived {
    barriers: Vec<u64>,
    /// The groups that must have been placed and marked before.
    after: u64,
    /// Whether what has no watch was looked at since.
    polled: bool,
}

impl Stand {
    /// A watch that begins.
    pub(crate) fn new(root: RootId, backend: Box<dyn Backend>, tree: Tree, walk: Walk) -> Stand {
        let now = Instant::now();
        Stand {
            first_group: tree.last_group(),
            root,
            backend,
            tree,
            walk,
            mounts: Mounts::default(),
            blind: false,
            cookies_watched: false,
            waiting: Vec::new(),
            polled: now,
            poll_every: POLL_MIN,
            told: (0, 0),
            told_at: now,
        }
    }

    /// Has the cookies' directory watched; without, barriers wait.
    pub(crate) fn watch_cookies(&mut self, cookies: &mut Cookies) {
        let watched = cookies.watch(self.backend.as_mut());
        self.cookies_watched = watched.is_ok();
        if let Err(error) = watched {
            tracing::warn!("barriers must wait: {error}");
        }
    }

    /// The cookie of these barriers has come.
    pub(crate) fn arrived(&mut self, barriers: Vec<u64>) {
        if !barriers.is_empty() {
            self.waiting.push(Arrived {
                barriers,
                after: self.tree.last_group(),
                polled: false,
            });
        }
    }

    /// The barriers that were not told yet.
    pub(crate) fn take_arrived(&mut self) -> Vec<u64> {
        self.waiting
            .drain(..)
            .flat_map(|arrived| arrived.barriers)
            .collect()
    }

    /// Whether any barrier may be told now; looks at what has no watch where one waits for that.
    pub(crate) fn has_passed(&mut self) -> bool {
        let unwatched = self.tree.counts().1 > 0;
        let unpolled = |arrived: &Arrived| unwatched && !arrived.polled;
        if self.waiting.iter().any(unpolled) {
            self.poll();
            for arrived in &mut self.waiting {
                arrived.polled = true;
                arrived.after = self.tree.last_group();
            }
        }
        self.waiting
            .iter()
            .any(|arrived| self.tree.is_settled(arrived.after))
    }

    /// The barriers behind which everything has been placed and marked.
    pub(crate) fn take_passed(&mut self) -> Vec<u64> {
        let tree = &self.tree;
        self.waiting
            .extract_if(.., |arrived| tree.is_settled(arrived.after))
            .flat_map(|arrived| arrived.barriers)
            .collect()
    }

    /// Whether the walk was under way and has come to its end.
    pub(crate) fn walk_has_ended(&self) -> bool {
        self.walk != Walk::Done && self.tree.is_settled(self.first_group)
    }

    /// Whether there is something to do at once.
    pub(crate) fn is_busy(&self) -> bool {
        !self.tree.is_settled(self.tree.last_group()) || !self.waiting.is_empty()
    }

    /// When the directories without a watch are looked at next, if there are any.
    pub(crate) fn next_poll(&self) -> Option<Instant> {
        (self.tree.counts().1 > 0).then(|| self.polled + self.poll_every)
    }

    /// Looks at the directories without a watch.
    pub(crate) fn poll(&mut self) {
        let began = Instant::now();
        self.tree.poll(self.backend.as_mut());
        self.polled = Instant::now();
        self.poll_every = POLL_MIN.max((self.polled - began) * POLL_SHARE);
    }

    /// The numbers, if they changed since they were told, and not too often.
    pub(crate) fn report(&mut self, now: Instant) -> Option<WatchReport> {
        let due = self.walk == Walk::Done
            && self.tree.counts() != self.told
            && now.saturating_duration_since(self.told_at) >= REPORT_EVERY;
        due.then(|| self.reported(now))
    }

    /// The numbers, which are told now.
    pub(crate) fn reported(&mut self, now: Instant) -> WatchReport {
        self.told = self.tree.counts();
        self.told_at = now;
        WatchReport {
            root: self.root.clone(),
            directories: self.told.0,
            unwatched: self.told.1,
        }
    }
}
