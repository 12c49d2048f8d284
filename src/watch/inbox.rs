//! The bounded queue between a backend's callback and the worker, and the worker's letter box.
//!
//! The kernel's queue is drained by the callback, which therefore must never wait for anybody: when this queue is full,
//! its content collapses into one flag, "everything lost", which costs a re-arm and a look at everything, but no event
//! is lost silently. Invariant: after [`Inbox::feed`], nothing that an earlier backend pushes arrives any more.

use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::backend::RawEvent;
use super::rescope::Rescoped;

/// Twice the kernel's own default (16,384): about 4 MB at the worst, and a burst that the worker digests in a second.
pub(crate) const QUEUE_MAX: usize = 32_768;

/// Why everything is lost where the queue was full: the worker was held up, not the mechanism.
pub(crate) const FULL: &str = "more file events than could be taken in";

/// How far back an equal event is looked for, so that files written in turn do not fill the queue.
const LOOK_BACK: usize = 8;

/// What one look into the inbox brings.
#[derive(Debug, Default)]
pub(crate) struct Mail {
    /// In the kernel's order; at most as many as were asked for.
    pub(crate) events: Vec<RawEvent>,
    /// Events were lost, for this reason.
    pub(crate) lost: Option<String>,
    /// Barriers that were asked for.
    pub(crate) barriers: Vec<u64>,
    /// Something may have become of the root or of a mount.
    pub(crate) look: bool,
    /// How the watch is to go on; before the barriers, which may have been asked for with it.
    pub(crate) rescoped: Option<Rescoped>,
    /// Whether the worker is to end.
    pub(crate) stop: bool,
}

/// Where events, barriers and the wish to stop wait for the worker.
#[derive(Debug, Default)]
pub(crate) struct Inbox {
    state: Mutex<State>,
    bell: Condvar,
}

#[derive(Debug, Default)]
struct State {
    generation: u64,
    events: VecDeque<RawEvent>,
    lost: Option<String>,
    barriers: Vec<u64>,
    look: bool,
    rescoped: Option<Rescoped>,
    stop: bool,
    ended: bool,
}

impl State {
    fn take_in(&mut self, event: RawEvent) {
        let mut lately = self.events.iter().rev().take(LOOK_BACK);
        if event.kind.is_mark_only() && lately.any(|earlier| *earlier == event) {
            return;
        }
        if self.events.len() >= QUEUE_MAX {
            self.events.clear();
            self.lost = Some(FULL.into());
        }
        self.events.push_back(event);
    }
}

/// One backend's way into the inbox.
#[derive(Clone, Debug)]
pub(crate) struct Feed {
    inbox: Arc<Inbox>,
    generation: u64,
}

impl Feed {
    /// Hands over one event; never waits for the worker.
    pub(crate) fn push(&self, event: RawEvent) {
        self.push_all(&mut vec![event]);
    }

    /// Hands over all these events, in their order, and leaves the list empty; never waits for the worker.
    pub(crate) fn push_all(&self, events: &mut Vec<RawEvent>) {
        let mut state = self.inbox.lock();
        if state.generation != self.generation || state.stop {
            events.clear();
            return;
        }
        let before = state.events.len();
        events.drain(..).for_each(|event| state.take_in(event));
        let news = state.events.len() != before || state.lost.is_some();
        drop(state);
        if news {
            self.inbox.bell.notify_all();
        }
    }

    /// Says that no event comes any more; who ended the backend does not hear it.
    pub(crate) fn ended(&self) {
        let mut state = self.inbox.lock();
        if state.generation == self.generation && state.lost.is_none() {
            state.lost = Some("the thread that reads file events has ended".into());
            drop(state);
            self.inbox.bell.notify_all();
        }
    }

    /// Says that events were lost before they came here.
    pub(crate) fn lost(&self, reason: String) {
        let mut state = self.inbox.lock();
        if state.generation == self.generation {
            state.lost = Some(reason);
            drop(state);
            self.inbox.bell.notify_all();
        }
    }
}

impl Inbox {
    /// A way in for a new backend; what the one before it left here, or still pushes, falls away.
    pub(crate) fn feed(self: &Arc<Self>) -> Feed {
        let mut state = self.lock();
        state.generation += 1;
        state.events = VecDeque::new();
        state.lost = None;
        Feed {
            inbox: Arc::clone(self),
            generation: state.generation,
        }
    }

    /// Asks for a barrier.
    pub(crate) fn ask(&self, barrier: u64) {
        self.lock().barriers.push(barrier);
        self.bell.notify_all();
    }

    /// Asks the worker to look at the root and the mounts.
    pub(crate) fn look(&self) {
        self.lock().look = true;
        self.bell.notify_all();
    }

    /// How the watch is to go on; the last word counts.
    pub(crate) fn rescope(&self, to: Rescoped) {
        self.lock().rescoped = Some(to);
        self.bell.notify_all();
    }

    /// Asks the worker to end.
    pub(crate) fn stop(&self) {
        self.lock().stop = true;
        self.bell.notify_all();
    }

    /// The worker's last word.
    pub(crate) fn ended(&self) {
        self.lock().ended = true;
        self.bell.notify_all();
    }

    /// Waits until the worker has ended, at most so long; whether it has.
    pub(crate) fn wait_ended(&self, at_most: Duration) -> bool {
        let state = self.lock();
        let (state, _) = self
            .bell
            .wait_timeout_while(state, at_most, |state| !state.ended)
            .unwrap_or_else(PoisonError::into_inner);
        state.ended
    }

    /// Whether the worker is to end: for loops that take long.
    pub(crate) fn is_stopped(&self) -> bool {
        self.lock().stop
    }

    /// What is there, at most `most` events; waits for something until `deadline`.
    pub(crate) fn take(&self, most: usize, deadline: Instant) -> Mail {
        let mut state = self.lock();
        while state.events.is_empty()
            && state.lost.is_none()
            && state.barriers.is_empty()
            && !state.look
            && state.rescoped.is_none()
            && !state.stop
        {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                break;
            }
            (state, _) = self
                .bell
                .wait_timeout(state, left)
                .unwrap_or_else(PoisonError::into_inner);
        }
        let some = state.events.len().min(most);
        let events = state.events.drain(..some).collect();
        if state.events.is_empty() && state.events.capacity() > QUEUE_MAX / 8 {
            state.events = VecDeque::new(); // a burst's room is not kept
        }
        Mail {
            events,
            lost: state.lost.take(),
            barriers: std::mem::take(&mut state.barriers),
            look: std::mem::take(&mut state.look),
            rescoped: state.rescoped.take(),
            stop: state.stop,
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Makes every push wait, as a stalled machine would.
    #[cfg(test)]
    pub(crate) fn stalled<T>(&self, act: impl FnOnce() -> T) -> T {
        let _held = self.lock();
        act()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::watch::backend::{At, Move, RawKind};

    fn event(kind: RawKind, path: &str) -> RawEvent {
        RawEvent {
            kind,
            at: At::Path(path.into()),
        }
    }

    fn now(inbox: &Inbox) -> Mail {
        inbox.take(usize::MAX, Instant::now())
    }

    #[test]
    fn a_full_queue_collapses_into_lost_and_goes_on() {
        let inbox = Arc::new(Inbox::default());
        let feed = inbox.feed();
        for at in 0..=QUEUE_MAX {
            feed.push(event(RawKind::Written, &format!("/{at}")));
        }
        let mail = now(&inbox);
        assert!(mail.lost.is_some());
        assert_eq!(
            mail.events,
            [event(RawKind::Written, &format!("/{QUEUE_MAX}"))]
        );
    }

    #[test]
    fn files_written_in_turn_take_two_places_but_structure_is_kept_as_it_came() {
        let inbox = Arc::new(Inbox::default());
        let feed = inbox.feed();
        for _ in 0..1000 {
            feed.push(event(RawKind::Written, "/a"));
            feed.push(event(RawKind::Written, "/b"));
        }
        feed.push(event(RawKind::MovedFrom(Move::UNTOLD), "/a"));
        feed.push(event(RawKind::MovedFrom(Move::UNTOLD), "/a"));
        assert_eq!(now(&inbox).events.len(), 4);
    }

    #[test]
    fn a_former_backend_is_not_heard() {
        let inbox = Arc::new(Inbox::default());
        let old = inbox.feed();
        old.push(event(RawKind::Written, "/a"));
        let _new = inbox.feed();
        old.push(event(RawKind::Written, "/b"));
        old.lost("late".into());
        let mail = now(&inbox);
        assert!(mail.events.is_empty() && mail.lost.is_none());
    }
}
