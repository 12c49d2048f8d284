//! A watch on one root: everything that ends when the root turns out to be another one.
//!
//! What is polled is looked at in rounds, and a round in slices, between which events are taken in: on a slow file system a
//! round takes minutes. A barrier stands behind a whole round of what has no watch, begun after it was asked for. What is
//! watched *and* polled, because others may change it, is told of this host's changes by its watch, and of theirs by the next
//! timed round, which no barrier waits for: when they made a change is not known here anyway.

use std::time::{Duration, Instant};

use super::backend::{Backend, Opened};
use super::cookies::Cookies;
use super::directories::NodeId;
use super::mounts::Mounts;
use super::tree::Tree;
use crate::engine::{RootId, WatchReport, WatchedBy};

/// Directories without a watch are looked at so often…
const POLL_MIN: Duration = Duration::from_secs(5);
/// …or, where that takes long, at most for this part of the time.
const POLL_SHARE: u32 = 20;

/// A round is interrupted after so long, for events.
const SLICE: Duration = Duration::from_millis(20);

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
    /// When the root was made, where its file system tells: another one may have got its number.
    pub(crate) born: Option<(i64, u32)>,
    /// The mechanism.
    pub(crate) backend: Box<dyn Backend>,
    /// Which one that is, and why.
    pub(crate) by: WatchedBy,
    /// The tree.
    pub(crate) tree: Tree,
    /// How far the walk has come.
    pub(crate) walk: Walk,
    /// Below the root, when last looked at.
    pub(crate) mounts: Mounts,
    /// There is no mechanism: everything is polled.
    pub(crate) blind: bool,
    /// Whether the cookies' events will come.
    pub(crate) cookies_watched: bool,
    /// The walk's group.
    first_group: u64,
    waiting: Vec<Arrived>,
    round: Option<Round>,
    /// The rounds that have begun, and how many of them are over.
    rounds: (u64, u64),
    polled: Instant,
    poll_every: Duration,
    told: (u64, u64, u64),
    told_at: Instant,
    /// What is to be told beside the numbers has changed.
    changed: bool,
}

/// A round of polling that is under way.
struct Round {
    /// What is left of it, the next one last.
    left: Vec<NodeId>,
    /// Whether it is one of all that is polled.
    whole: bool,
    took: Duration,
}

/// Barriers whose cookie has come.
#[derive(Debug)]
struct Arrived {
    barriers: Vec<u64>,
    /// The groups that must have been placed and marked before.
    after: u64,
    /// The round after which what has no watch was looked at since; none once that is over.
    round: Option<u64>,
}

impl Stand {
    /// A watch that begins.
    pub(crate) fn new(root: RootId, opened: Opened, tree: Tree, walk: Walk) -> Stand {
        let now = Instant::now();
        Stand {
            first_group: tree.last_group(),
            root,
            born: None,
            backend: opened.backend,
            by: opened.by,
            tree,
            walk,
            mounts: Mounts::default(),
            blind: false,
            cookies_watched: false,
            waiting: Vec::new(),
            round: None,
            rounds: (0, 0),
            polled: now,
            poll_every: POLL_MIN,
            told: (0, 0, 0),
            told_at: now,
            changed: false,
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
                round: Some(self.rounds.0 + 1),
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

    /// Whether any barrier may be told now.
    pub(crate) fn has_passed(&mut self) -> bool {
        let unwatched = self.tree.counts().1 > 0;
        for arrived in &mut self.waiting {
            if arrived
                .round
                .is_some_and(|round| !unwatched || round <= self.rounds.1)
            {
                arrived.round = None;
                arrived.after = self.tree.last_group();
            }
        }
        self.waiting
            .iter()
            .any(|arrived| arrived.is_behind(&self.tree))
    }

    /// The barriers behind which everything has been placed and marked.
    pub(crate) fn take_passed(&mut self) -> Vec<u64> {
        let tree = &self.tree;
        self.waiting
            .extract_if(.., |arrived| arrived.is_behind(tree))
            .flat_map(|arrived| arrived.barriers)
            .collect()
    }

    /// Whether the walk was under way and has come to its end.
    pub(crate) fn walk_has_ended(&self) -> bool {
        self.walk != Walk::Done && self.tree.is_settled(self.first_group)
    }

    /// Whether there is something to do at once.
    pub(crate) fn is_busy(&self) -> bool {
        !self.tree.is_settled(self.tree.last_group())
            || !self.waiting.is_empty()
            || self.round.is_some()
    }

    /// When what is polled is looked at next, if anything is.
    pub(crate) fn next_poll(&self) -> Option<Instant> {
        let polled = self.tree.counts().1 + self.tree.doubted() > 0;
        polled.then(|| self.polled + self.poll_every)
    }

    /// Looks at some of what is polled, if it is time; whether a whole round has ended with that.
    pub(crate) fn poll(&mut self, now: Instant) -> bool {
        let asked = |arrived: &Arrived| arrived.round.is_some_and(|round| round > self.rounds.0);
        if self.round.is_none() {
            let whole = self.next_poll().is_some_and(|due| now >= due);
            let asked = self.tree.counts().1 > 0 && self.waiting.iter().any(asked);
            if !whole && !asked {
                return false;
            }
            self.rounds.0 += 1;
            let mut left = self.tree.begin_round(whole);
            left.reverse();
            self.round = Some(Round {
                left,
                whole,
                took: Duration::ZERO,
            });
        }
        let Some(round) = &mut self.round else {
            return false;
        };
        let began = Instant::now();
        while began.elapsed() < SLICE
            && let Some(next) = round.left.pop()
        {
            self.tree.poll_one(self.backend.as_mut(), next);
        }
        round.took += began.elapsed();
        if !round.left.is_empty() {
            return false;
        }
        let (whole, took) = (round.whole, round.took);
        self.round = None;
        self.rounds.1 = self.rounds.0;
        self.tree.end_round();
        if whole {
            self.polled = Instant::now();
            self.poll_every = POLL_MIN.max(took * POLL_SHARE);
        }
        whole
    }

    /// When numbers that were not told are due.
    pub(crate) fn next_report(&self) -> Option<Instant> {
        let news = self.walk == Walk::Done && (self.changed || self.numbers() != self.told);
        news.then(|| self.told_at + REPORT_EVERY)
    }

    /// Why it is this mechanism after all.
    pub(crate) fn stays(&mut self, why: String) {
        self.by.why = why;
        self.changed = true;
    }

    fn numbers(&self) -> (u64, u64, u64) {
        let (watched, unwatched) = self.tree.counts();
        (watched, unwatched, self.tree.doubted())
    }

    /// The numbers, if they changed since they were told, and not too often.
    pub(crate) fn report(&mut self, now: Instant) -> Option<WatchReport> {
        let due = self.next_report().is_some_and(|due| now >= due);
        due.then(|| self.reported(now))
    }

    /// The numbers, which are told now.
    pub(crate) fn reported(&mut self, now: Instant) -> WatchReport {
        self.told = self.numbers();
        self.told_at = now;
        self.changed = false;
        WatchReport {
            root: self.root.clone(),
            directories: self.told.0,
            unwatched: self.told.1,
            doubted: self.told.2,
            by: self.by.clone(),
        }
    }
}

impl Arrived {
    /// Whether everything has been placed and marked that it must stand behind.
    fn is_behind(&self, tree: &Tree) -> bool {
        self.round.is_none() && tree.is_settled(self.after)
    }
}
