//! The watch: the kernel's queue and what `src/watch` makes of it, with its races.
//!
//! One watch a directory, by inode; events carry the name that the directory had when it was placed, which may be stale.
//! A directory is listed after its watch exists, step by step, while the source goes on changing. The queue is bounded.

use std::collections::{BTreeMap, VecDeque};

use heliostat::engine::{Dirt, Mark, Notice, RootId, WatchId, WatchReport};

use super::bugs::Bug;
use super::path::P;
use super::source::{Raw, RawKind, Source};

const SECOND: u64 = 1_000_000;
/// The root is looked at so often at the latest.
pub const TICK: u64 = SECOND;

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Walk {
    First,
    Again,
    Done,
}

#[derive(Clone, Debug)]
pub struct Known {
    pub number: usize,
    /// `None`: watched; else its names when last polled, and when.
    pub polled: Option<(Option<u64>, u64)>,
}

#[derive(Debug)]
pub struct Group {
    pub number: u64,
    pub top: P,
    pub dirt: Dirt,
    pub pending: Vec<P>,
    /// Whether what is known is to be held against a new filter first.
    pub rewalk: bool,
}

#[derive(Clone, Copy, Debug)]
pub enum Letter {
    Event(Raw),
    Cookie(u64),
}

#[derive(Debug)]
pub struct Watcher {
    pub id: WatchId,
    pub bug: Option<Bug>,
    pub stand: Option<usize>,
    pub walk: Walk,
    pub first_group: u64,
    pub kernel: BTreeMap<usize, P>,
    pub queue: VecDeque<Letter>,
    pub queue_max: usize,
    pub overflown: bool,
    pub dirs: BTreeMap<P, Known>,
    pub groups: VecDeque<Group>,
    pub last_group: u64,
    pub marks: BTreeMap<P, Dirt>,
    pub asked: Vec<u64>,
    pub arrived: Vec<(u64, u64, bool)>,
    pub rearmed: Option<u64>,
    pub delay: u64,
    pub due: Option<u64>,
    pub waiting: bool,
    pub limit: Option<usize>,
    pub poll_at: u64,
    pub notices: Vec<Notice>,
    /// Events were lost, or a directory was polled: what vanished may not have been seen.
    pub blind: bool,
    pub stopped: bool,
    pub stood: bool,
}

/// How much one turn does.
#[derive(Clone, Copy, Debug)]
pub struct Pace {
    pub events: usize,
    pub places: usize,
}

impl Watcher {
    pub fn new(id: WatchId, queue_max: usize, limit: Option<usize>, bug: Option<Bug>) -> Watcher {
        Watcher {
            id,
            bug,
            stand: None,
            walk: Walk::First,
            first_group: 0,
            kernel: BTreeMap::new(),
            queue: VecDeque::new(),
            queue_max,
            overflown: false,
            dirs: BTreeMap::new(),
            groups: VecDeque::new(),
            last_group: 0,
            marks: BTreeMap::new(),
            asked: Vec::new(),
            arrived: Vec::new(),
            rearmed: None,
            delay: 0,
            due: None,
            waiting: false,
            limit,
            poll_at: 0,
            notices: Vec::new(),
            blind: false,
            stopped: false,
            stood: false,
        }
    }

    pub fn has(&self, bug: Bug) -> bool {
        self.bug == Some(bug)
    }

    /// The kernel queues an event, if somebody watches its directory; whether it did.
    pub fn hear(&mut self, raw: Raw) -> bool {
        let watched = self.kernel.contains_key(&raw.directory);
        if watched {
            self.post(Letter::Event(raw));
        }
        watched
    }

    fn post(&mut self, letter: Letter) {
        if self.queue.len() < self.queue_max && !self.stopped {
            self.queue.push_back(letter);
        } else if !self.has(Bug::OverflowUnseen) {
            self.overflown = true;
            self.blind = true;
            if let Letter::Cookie(id) = letter {
                self.asked.push(id);
            }
        }
    }

    /// From now on the queue is full, or is read again.
    pub fn overflow(&mut self, full: bool) {
        self.stopped = full;
    }

    pub fn ask(&mut self, barrier: u64) {
        if self.has(Bug::BarrierEarly) {
            self.notices.push(Notice::Barrier(barrier));
        } else {
            self.asked.push(barrier);
        }
    }

    /// Whether everything that has happened was told, as far as it is told at all.
    pub fn is_idle(&self) -> bool {
        self.walk == Walk::Done
            && self.stand.is_some()
            && self.queue.is_empty()
            && !self.overflown
            && !self.stopped
            && self.groups.is_empty()
            && self.marks.is_empty()
            && self.notices.is_empty()
            && self.due.is_none()
            && self.dirs.values().all(|known| known.polled.is_none())
    }

    pub fn stands_on(&self, root: Option<usize>) -> bool {
        self.stand.is_some() && self.stand == root
    }

    /// When it wants its next turn, if nothing comes before.
    pub fn next(&self, now: u64, source: &Source) -> Option<u64> {
        if self.stopped {
            return None;
        }
        let busy = !self.queue.is_empty()
            || self.overflown
            || !self.groups.is_empty()
            || !self.notices.is_empty()
            || !self.arrived.is_empty()
            || (self.walk == Walk::Done && self.due.is_none() && !self.asked.is_empty());
        if busy {
            return Some(now);
        }
        let stands = self.stand.is_some() && self.stand == source.root();
        let look = (!(stands || self.waiting && source.missing)).then_some(now + TICK);
        let poll = self
            .dirs
            .values()
            .any(|known| known.polled.is_some())
            .then_some(self.poll_at);
        look.into_iter().chain(poll).chain(self.due).min()
    }

    /// One turn; what is told by it.
    pub fn turn(&mut self, now: u64, source: &Source, pace: Pace) -> Vec<Notice> {
        if self.stopped {
            return Vec::new();
        }
        if std::mem::take(&mut self.overflown) {
            self.lost(now);
        }
        if self.stand.is_some() {
            for _ in 0..pace.events {
                match self.queue.pop_front() {
                    Some(Letter::Event(raw)) => self.event(raw, source, now),
                    Some(Letter::Cookie(id)) => self.arrived.push((id, self.last_group, false)),
                    None => break,
                }
            }
            self.place(source, pace.places, now);
        }
        self.check_root(source, now);
        if self.due.is_some_and(|due| now >= due) {
            self.rearmed = Some(now);
            self.due = None;
            self.rearm(source, now);
        }
        self.tell(source, now);
        std::mem::take(&mut self.notices)
    }

    fn lost(&mut self, now: u64) {
        let again = self.arrived.drain(..).map(|(id, ..)| id);
        self.asked.extend(again);
        self.recall();
        if self.stand.is_none() || self.due.is_some() {
            return;
        }
        self.due = Some(match self.rearmed {
            None => now,
            Some(last) => {
                let calm = now - last >= 120 * SECOND;
                self.delay = match calm {
                    true => 2 * SECOND,
                    false => (self.delay * 2).clamp(2 * SECOND, 60 * SECOND),
                };
                now.max(last + self.delay)
            }
        });
        let reason = "the queue overflowed".to_owned();
        self.notices.push(Notice::Lost { reason });
        if self.has(Bug::LostWithoutLook) {
            self.due = None;
        }
    }

    fn rearm(&mut self, source: &Source, now: u64) {
        if self.has(Bug::OverflowNotRewatched) {
            self.mark(P::ROOT, Dirt::SUBTREE);
            return;
        }
        let Some(root) = self.stand else { return };
        let walk = if self.walk == Walk::First {
            Walk::First
        } else {
            Walk::Again
        };
        self.stand_on(root, Dirt::SUBTREE, walk);
        self.place(source, 1, now);
    }

    /// Cookies on their way are asked for again.
    fn recall(&mut self) {
        for letter in &self.queue {
            if let Letter::Cookie(id) = letter {
                self.asked.push(*id);
            }
        }
        self.queue
            .retain(|letter| matches!(letter, Letter::Event(_)));
    }

    fn fall(&mut self) {
        if self.stand.take().is_some() {
            self.recall();
            self.asked.extend(self.arrived.drain(..).map(|(id, ..)| id));
            self.queue.clear();
            self.kernel.clear();
            self.dirs.clear();
            self.groups.clear();
            self.marks.clear();
        }
    }

    fn stand_on(&mut self, root: usize, dirt: Dirt, walk: Walk) {
        self.fall();
        self.waiting = false;
        self.stand = Some(root);
        self.walk = walk;
        self.blind |= std::mem::replace(&mut self.stood, true);
        self.start(P::ROOT, dirt, vec![P::ROOT]);
        self.first_group = self.last_group;
        if self.has(Bug::ReadyBeforePlaced) {
            self.first_group = 0;
        }
    }

    fn check_root(&mut self, source: &Source, _now: u64) {
        let readable = |root: &usize| self.stand.is_some() || source.inodes[*root].readable;
        match source.root().filter(readable) {
            Some(root) if self.stand == Some(root) => {}
            Some(_) if self.stand.is_some() && self.has(Bug::RootReplacedUnseen) => {}
            Some(root) => self.stand_on(root, Dirt::none(), Walk::First),
            None => {
                self.fall();
                if !self.waiting {
                    self.waiting = true;
                    let reason = "it is not there".to_owned();
                    self.notices.push(Notice::Waiting { reason });
                }
            }
        }
    }

    pub fn mark(&mut self, path: P, dirt: Dirt) {
        if !dirt.is_empty() {
            *self.marks.entry(path).or_default() |= dirt;
        }
    }

    pub fn start(&mut self, top: P, dirt: Dirt, pending: Vec<P>) {
        self.last_group += 1;
        self.groups.push_back(Group {
            number: self.last_group,
            top,
            dirt,
            pending,
            rewalk: false,
        });
    }

    fn settled(&self, number: u64) -> bool {
        self.groups
            .front()
            .is_none_or(|group| group.number > number)
    }

    fn event(&mut self, raw: Raw, source: &Source, now: u64) {
        let Some(directory) = self.kernel.get(&raw.directory).copied() else {
            return;
        };
        if raw.kind == RawKind::RootGone {
            // An unmount is told, also if it is mounted again by now.
            if directory == P::ROOT && (source.root() != self.stand || !source.was_renamed) {
                self.fall();
            }
            return;
        }
        let Some(path) = directory.join(raw.name) else {
            return;
        };
        let wanted = !path.is_excluded();
        let parent = |watcher: &mut Watcher| {
            if !watcher.has(Bug::ParentNotMarked) {
                watcher.mark(directory, Dirt::ATTRIBUTES);
            }
        };
        match raw.kind {
            RawKind::Created { directory: true } => {
                parent(self);
                self.came(path, Dirt::none(), source);
            }
            RawKind::Created { .. } | RawKind::Written => {
                if raw.kind != RawKind::Written {
                    parent(self);
                }
                if wanted {
                    self.mark(path, Dirt::CONTENT);
                }
            }
            RawKind::MovedTo => {
                parent(self);
                let gone = if self.has(Bug::GoneDropped) {
                    Dirt::none()
                } else {
                    Dirt::GONE
                };
                if source.is_directory(path) {
                    self.came(path, gone, source);
                } else if wanted {
                    self.mark(path, Dirt::CONTENT | gone);
                }
            }
            RawKind::Attributes => {
                if wanted && !self.has(Bug::AttributesDropped) {
                    self.mark(path, Dirt::ATTRIBUTES);
                }
            }
            RawKind::MovedFrom | RawKind::Deleted { .. } => {
                parent(self);
                self.left(path, source);
            }
            RawKind::RootGone => {}
        }
        let _ = now;
    }

    fn tell(&mut self, source: &Source, now: u64) {
        if self.stand.is_none() {
            return;
        }
        if self.walk != Walk::Done && self.settled(self.first_group) {
            if self.walk == Walk::First {
                self.marks.clear();
                self.notices.push(Notice::Ready(self.report()));
            }
            self.walk = Walk::Done;
        }
        let unwatched = self.dirs.values().any(|known| known.polled.is_some());
        if unwatched && now >= self.poll_at {
            self.poll(source, now);
        }
        if self.walk == Walk::Done && self.due.is_none() {
            if unwatched && self.arrived.iter().any(|(.., polled)| !polled) {
                self.poll(source, now);
                let last = self.last_group;
                for (_, after, polled) in &mut self.arrived {
                    (*after, *polled) = (last, true);
                }
            }
            let passed: Vec<u64> = {
                let hasty = self.has(Bug::BarrierBeforePlaced);
                let front = self.groups.front().map_or(u64::MAX, |group| group.number);
                let passes = |after: u64| hasty || front > after;
                let passed = self.arrived.iter().filter(|(_, after, _)| passes(*after));
                passed.map(|(id, ..)| *id).collect()
            };
            self.arrived.retain(|(id, ..)| !passed.contains(id));
            self.tell_marks();
            self.notices.extend(passed.into_iter().map(Notice::Barrier));
            // One at a time: one file stands for all that were asked for, and the queue may hold three.
            if !self.asked.is_empty() {
                let id = self.asked.remove(0);
                self.post(Letter::Cookie(id));
            }
        } else {
            self.tell_marks();
        }
    }

    fn tell_marks(&mut self) {
        if self.walk == Walk::First {
            self.marks.clear();
        }
        let marks: Vec<Mark> = std::mem::take(&mut self.marks)
            .into_iter()
            .map(|(path, dirt)| Mark {
                path: path.rel(),
                dirt,
            })
            .collect();
        if !marks.is_empty() {
            self.notices.push(Notice::Changed(marks));
        }
    }

    fn report(&self) -> WatchReport {
        let unwatched = self
            .dirs
            .values()
            .filter(|known| known.polled.is_some())
            .count() as u64;
        WatchReport {
            root: identity(self.stand.unwrap_or(0)),
            directories: self.kernel.len() as u64,
            unwatched,
            doubted: 0,
            by: Default::default(),
        }
    }
}

pub fn identity(root: usize) -> RootId {
    RootId(vec![(1, root as u64)])
}
