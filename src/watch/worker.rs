//! The thread of one watch: waits for events, keeps the tree, and tells the engine.
//!
//! It alone may be held up by the engine (its sink may block); the kernel's queue is drained by the backend's own
//! thread into the [`Inbox`]. A turn takes what is there, brings the tree in order, and tells the marks before anything
//! that claims to stand behind them (`Ready`, `Barrier`).
//!
//! It sleeps until something happens. What becomes of the root and of the mounts is told by the [`Surroundings`]; it is looked
//! at every second only where they cannot hear everything, or while something is amiss.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use rustix::fs::{AtFlags, CWD, StatxFlags, statx};

use super::backend::{Fit, NoBackend, Opened, Opener};
use super::cookies::Cookies;
use super::disk::{Disk, Identity};
use super::inbox::{FULL, Inbox};
use super::mounts::Mounts;
use super::pace::Pace;
use super::scope::Scope;
use super::stand::{Stand, Walk};
use super::surroundings::{Attendance, HEARD, Surroundings, UNHEARD};
use super::tree::{Tree, Whole};
use crate::engine::{Dirt, Notice, RootId, WatchedBy};
use crate::host;

/// Events taken in between two looks at everything else.
const EVENTS_MAX: usize = 4096;

/// Directories placed between two looks at the events, so that these do not pile up behind a long walk.
const PLACES_MAX: usize = 256;

/// The most marks in one notice.
pub(crate) const MARKS_MAX: usize = 10_000;

/// Where notices go; may block; `false` when nobody listens any more.
pub type Sink = Box<dyn Fn(Notice) -> bool + Send>;

/// The thread of one watch.
pub(crate) struct Worker {
    root: PathBuf,
    pub(super) scope: Scope,
    sink: Sink,
    inbox: Arc<Inbox>,
    pub(super) opener: Box<dyn Opener>,
    surroundings: Attendance,
    cookies: Cookies,
    /// `None` while the root is waited for.
    pub(super) stand: Option<Stand>,
    /// Why the root is waited for, as it was told.
    waiting: Option<String>,
    pace: Pace,
    looked: Instant,
    /// Nobody listens any more.
    unheard: bool,
}

/// What a worker needs.
pub(crate) struct WorkerParts {
    /// The source's root.
    pub(crate) root: PathBuf,
    /// What of it is watched.
    pub(crate) scope: Scope,
    /// Where notices go.
    pub(crate) sink: Sink,
    /// Where events come from.
    pub(crate) inbox: Arc<Inbox>,
    /// The mechanism.
    pub(crate) opener: Box<dyn Opener>,
    /// What hears of the root's changes.
    pub(crate) surroundings: Surroundings,
}

impl Worker {
    /// A worker that has not begun.
    pub(crate) fn new(parts: WorkerParts) -> Worker {
        let WorkerParts {
            root,
            scope,
            sink,
            inbox,
            opener,
            surroundings,
        } = parts;
        let cookies = Cookies::new(scope.private.clone());
        Worker {
            scope,
            sink,
            opener,
            surroundings: surroundings.attend(&root, Arc::clone(&inbox)),
            root,
            inbox,
            cookies,
            stand: None,
            waiting: None,
            pace: Pace::default(),
            looked: Instant::now(),
            unheard: false,
        }
    }

    /// Works until it is stopped or nobody listens.
    pub(crate) fn run(mut self) {
        while self.turn() {}
    }

    /// One turn; false when it was the last.
    pub(crate) fn turn(&mut self) -> bool {
        let mail = self.inbox.take(EVENTS_MAX, self.deadline());
        if mail.stop || self.unheard {
            return false;
        }
        let now = Instant::now();
        if let Some(to) = mail.rescoped {
            self.rescope(to, now);
        }
        self.cookies.ask(mail.barriers);
        if let Some(reason) = mail.lost {
            if let Some(stand) = self.stand.as_ref().filter(|_| reason != FULL) {
                self.opener.lost(stand.tree.counts().0);
            }
            self.lost(reason, now);
        }
        if let Some(stand) = &mut self.stand {
            let mut rest = mail.events.as_slice();
            while let Some((event, after)) = rest.split_first() {
                rest = after;
                if let Some(barriers) = self.cookies.arrived(event) {
                    stand.arrived(barriers);
                    continue;
                }
                let backend = stand.backend.as_mut();
                match after.split_first() {
                    Some((next, after)) if stand.tree.renamed(backend, event, next) => rest = after,
                    _ => stand.tree.event(backend, event),
                }
            }
            stand.tree.place(stand.backend.as_mut(), PLACES_MAX);
        }
        self.look_at_whole(now);
        if mail.look || now >= self.next_look() {
            self.looked = now;
            self.look_around(now);
        }
        self.change_mechanism(now);
        if self.pace.due().is_some_and(|due| now >= due) {
            self.rearm(now);
        }
        self.tell(now);
        !self.unheard
    }

    fn deadline(&self) -> Instant {
        let now = Instant::now();
        let Some(stand) = &self.stand else {
            return if self.waiting.is_none() {
                now
            } else {
                self.next_look()
            };
        };
        if stand.is_busy() {
            return now;
        }
        [
            Some(self.next_look()),
            self.pace.due(),
            stand.next_poll(),
            stand.next_report(),
        ]
        .into_iter()
        .flatten()
        .min()
        .unwrap_or(now)
    }

    /// When the root, the mounts and the cookies are looked at, if nothing asks for it before.
    fn next_look(&self) -> Instant {
        let calm = |stand: &Stand| stand.blind || stand.cookies_watched;
        let heard = self.stand.as_ref().is_some_and(calm) && self.surroundings.is_heard();
        let next = self.looked + if heard { HEARD } else { UNHEARD };
        self.cookies.due().map_or(next, |due| next.min(due))
    }

    /// Something was lost: everything is to be looked at again, after all watches were placed anew.
    pub(super) fn lost(&mut self, reason: String, now: Instant) {
        let Some(stand) = &mut self.stand else { return };
        // What stood behind the lost events cannot be told apart from what stood before them.
        self.cookies.recall();
        self.cookies.ask(stand.take_arrived());
        if self.pace.ask(now) {
            self.send(Notice::Lost { reason });
        }
    }

    fn look_at_whole(&mut self, now: Instant) {
        match self
            .stand
            .as_mut()
            .map(|stand| stand.tree.take_whole())
            .unwrap_or_default()
        {
            Whole::Stands => {}
            Whole::Suspect => self.check_root(now),
            Whole::Replaced => {
                self.fall();
                self.check_root(now);
            }
            Whole::Void(reason) => self.lost(reason.to_string(), now),
        }
    }

    /// Another mechanism would do better, now that it is known how many directories there are.
    fn change_mechanism(&mut self, now: Instant) {
        let Some(stand) = &mut self.stand else { return };
        let (watched, limit_met) = (stand.tree.counts().0, stand.tree.met_limit());
        if self.pace.due().is_some() {
            return;
        }
        match self.opener.fits(watched, limit_met) {
            Fit::Fits => {}
            Fit::Stays(why) => stand.stays(why),
            Fit::Outgrown if stand.walk == Walk::First => self.rearm(now), // nothing was told yet
            Fit::Outgrown => {
                self.lost("it is watched by another mechanism from now on".into(), now);
            }
        }
    }

    /// What no event of the tree tells.
    fn look_around(&mut self, now: Instant) {
        self.check_root(now);
        let Some(stand) = &mut self.stand else { return };
        let mounts = Mounts::below(&self.root);
        for place in mounts.changed_since(&stand.mounts) {
            stand.tree.mount_changed(stand.backend.as_mut(), &place);
        }
        stand.mounts = mounts;
        let alive = stand.backend.is_alive();
        if !stand.blind && (self.cookies.is_overdue(now) || !stand.cookies_watched) {
            self.cookies.recall();
            stand.watch_cookies(&mut self.cookies);
        }
        if !alive {
            self.lost("file events do not come any more".into(), now);
        }
    }

    /// Sees whether the watch stands on what the source's path means now; begins anew where it does not.
    fn check_root(&mut self, now: Instant) {
        let found = host::identify(&self.root).and_then(|id| match &self.stand {
            Some(_) => Ok(id),
            None => readable(&self.root).map(|()| id),
        });
        match found {
            Ok(id)
                if self.stand.as_ref().is_some_and(|stand| stand.root == id)
                    && self
                        .stand
                        .as_ref()
                        .is_some_and(|stand| stand.born == born(&self.root)) => {}
            Ok(id) => self.stand_on(id, Dirt::none(), Walk::First),
            Err(reason) => {
                self.fall();
                if self.waiting.as_ref() != Some(&reason) {
                    self.waiting = Some(reason.clone());
                    self.send(Notice::Waiting { reason });
                }
            }
        }
        if self.stand.is_none() {
            self.looked = now;
        }
    }

    /// Places all watches anew, because events were lost.
    fn rearm(&mut self, now: Instant) {
        self.pace.done(now);
        let Some(stand) = &self.stand else { return };
        let (id, walk) = (stand.root.clone(), stand.walk);
        let again = if walk == Walk::First {
            Walk::First
        } else {
            Walk::Again
        };
        self.stand_on(id, Dirt::SUBTREE, again);
    }

    /// Begins to watch the root `id` with a fresh backend.
    fn stand_on(&mut self, id: RootId, dirt: Dirt, walk: Walk) {
        self.fall();
        self.waiting = None;
        let Some(&(device, inode)) = id.0.last() else {
            return;
        };
        let born = born(&self.root);
        let opened = self
            .opener
            .open(self.inbox.feed())
            .unwrap_or_else(|reason| {
                self.send(Notice::Lost {
                    reason: format!("{reason}; the source is polled"),
                });
                Opened {
                    backend: Box::new(NoBackend),
                    by: WatchedBy {
                        mechanism: "polling",
                        why: reason,
                    },
                    blind: true,
                }
            });
        let blind = opened.blind;
        let disk = Disk::new(self.root.clone(), Identity { device, inode });
        let tree = Tree::new(disk, self.scope.clone(), dirt);
        let mut stand = Stand::new(id, opened, tree, walk);
        (stand.blind, stand.born) = (blind, born);
        stand.mounts = Mounts::below(&self.root);
        if !blind {
            stand.watch_cookies(&mut self.cookies);
        }
        self.stand = Some(stand);
    }

    /// Ends all watches. What was not answered is asked again.
    fn fall(&mut self) {
        if let Some(mut stand) = self.stand.take() {
            self.cookies.recall();
            self.cookies.ask(stand.take_arrived());
            self.cookies.unwatched();
            drop(stand);
            self.inbox.feed(); // what still comes from there falls away
        }
    }

    /// Tells what there is to tell, marks first.
    fn tell(&mut self, now: Instant) {
        let Some(stand) = &mut self.stand else { return };
        if stand.walk_has_ended() {
            self.walked(now);
        }
        self.poll(now);
        let behind = self.behind_marks(now);
        let Some(stand) = &mut self.stand else { return };
        let mut notices: Vec<Notice> = stand
            .tree
            .take_losses()
            .into_iter()
            .map(|reason| Notice::Lost { reason })
            .collect();
        if stand.walk == Walk::First {
            stand.tree.marks().clear(); // `Ready` says that everything is dirty
        }
        loop {
            let marks = stand.tree.marks().take(MARKS_MAX);
            if marks.is_empty() {
                break;
            }
            notices.push(Notice::Changed(marks));
        }
        notices.extend(stand.report(now).map(Notice::Report));
        notices.extend(behind.into_iter().map(Notice::Barrier));
        for notice in notices {
            self.send(notice);
        }
        if let Some(stand) = &self.stand
            && stand.walk == Walk::Done
            && self.pace.due().is_none()
            && stand.cookies_watched
            && let Err(error) = self.cookies.issue(now)
        {
            tracing::warn!(directory = %host::shown(self.cookies.directory()), %error, "no barrier can be made; tried again");
        }
    }

    /// Every directory has its watch, if the root still is the one that was walked.
    fn walked(&mut self, now: Instant) {
        self.check_root(now);
        let Some(stand) = &mut self.stand else { return };
        if stand.walk_has_ended() {
            let first = stand.walk == Walk::First;
            stand.walk = Walk::Done;
            if first {
                stand.tree.marks().clear();
                let losses = stand.tree.take_losses();
                let report = stand.reported(now);
                losses
                    .into_iter()
                    .for_each(|reason| self.send(Notice::Lost { reason }));
                self.send(Notice::Ready(report));
            }
        }
    }

    fn poll(&mut self, now: Instant) {
        let Some(stand) = &mut self.stand else { return };
        if stand.poll(now)
            && stand.blind
            && let Ok(opened) = self.opener.open(self.inbox.feed())
            && !opened.blind
        {
            self.lost("file events can be had again".into(), now);
        }
    }

    /// The barriers that may be told after the marks that are there now.
    fn behind_marks(&mut self, now: Instant) -> Vec<u64> {
        let Some(stand) = &mut self.stand else {
            return Vec::new();
        };
        if stand.walk != Walk::Done || self.pace.due().is_some() {
            return Vec::new();
        }
        if stand.tree.counts().0 == 0 && !self.cookies.is_idle() {
            let all = self.cookies.all();
            stand.arrived(all);
        }
        if !stand.has_passed() {
            return Vec::new();
        }
        self.check_root(now); // a root that was swapped before the barrier is to be told before it
        match &mut self.stand {
            Some(stand) if stand.walk == Walk::Done => stand.take_passed(),
            _ => Vec::new(),
        }
    }

    fn send(&mut self, notice: Notice) {
        if !self.unheard && !self.inbox.is_stopped() && !(self.sink)(notice) {
            self.unheard = true;
        }
    }
}

/// When the root was made, where its file system tells.
fn born(root: &Path) -> Option<(i64, u32)> {
    if host::foreign_at(root).is_some() {
        return None; // a layered one tells another time once it has copied the directory up
    }
    let found = statx(CWD, root, AtFlags::empty(), StatxFlags::BTIME).ok()?;
    let told = found.stx_mask & StatxFlags::BTIME.bits() != 0;
    told.then_some((found.stx_btime.tv_sec, found.stx_btime.tv_nsec))
}

/// Whether the root can be listed; the error is for people.
fn readable(root: &Path) -> Result<(), String> {
    fs::read_dir(root)
        .map(drop)
        .map_err(|error| host::why(root, &error))
}

impl Drop for Worker {
    fn drop(&mut self) {
        self.stand = None;
        self.cookies.close();
        self.inbox.ended();
    }
}
