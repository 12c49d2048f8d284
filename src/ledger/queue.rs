//! The hand-over to the writer: bounded by bytes for rows, by number for the rest.
//!
//! Who stages rows waits for room, as nothing else holds a survey of millions of directories back. Nobody else waits: a
//! run that finds no room is lost to the history, and a checkpoint is as good as never made, which the older one is
//! there for. Mount points guard deletions and are never refused: where it is full, a source's last ones stay alone.

use std::collections::VecDeque;
use std::sync::mpsc::Sender;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::run::Run;
use super::store::Rows;
use crate::engine::{Commit, RelPath, SurveyId};
use crate::plan::{RouteName, SourceName};

/// Rows on the way to the writer; as much again is in its hands.
const ROW_BYTES_MAX: usize = 16 << 20;
/// With so many, the writer begins without waiting for more.
const ROW_BYTES_SOON: usize = 2 << 20;
/// What a row costs beside its bytes and its path's.
const ROW_BYTES: usize = 64;
/// Checkpoints on the way: more than sources that end a survey within one write. Each may hold megabytes of marks.
const COMMITS_MAX: usize = 64;
/// Small things on the way, before no run is taken any more.
const ACTS_MAX: usize = 10_000;
/// Beyond them there is room for what is rare and would be missed: that a survey is over, which sources there are.
const ACTS_SPARE: usize = 10_000;
/// So long small things wait for company, to share one transaction.
const GATHER: Duration = Duration::from_millis(150);

/// What the writer is to do.
#[derive(Debug)]
pub enum Act {
    /// Take a survey's rows.
    Stage(SurveyId, Rows),
    /// Nobody commits this survey.
    Forget(SurveyId),
    /// Make a checkpoint.
    Commit(Box<Commit>),
    /// Keep a source's mount points.
    Mounts(SourceName, Vec<RelPath>),
    /// Keep a run.
    Book(Box<Run>),
    /// Forget all other sources.
    Keep(Vec<SourceName>),
    /// A checkpoint of this survey and source found no room.
    Lost(SurveyId, SourceName),
    /// Take back what is said of a source's rows and routes.
    Disown(SourceName),
    /// What is said of a route is void.
    DisownRoute(RouteName),
    /// Say when all before it is done.
    Flush(Sender<()>),
    /// A reader has met damage, in the file of this number.
    Suspect(String, u64),
}

/// The hand-over.
#[derive(Debug, Default)]
pub struct Queue {
    state: Mutex<State>,
    /// There is something to do, or it is to end.
    work: Condvar,
    /// There is room for rows, or nobody to take them.
    room: Condvar,
}

#[derive(Debug, Default)]
struct State {
    acts: VecDeque<Act>,
    row_bytes: usize,
    commits: usize,
    /// When the first of what waits came.
    since: Option<Instant>,
    /// Something is among it that does not wait for company.
    urgent: bool,
    /// A reader's damage is on its way.
    suspected: bool,
    /// Nothing more is taken.
    closed: bool,
}

impl State {
    fn push(&mut self, act: Act, urgent: bool) {
        self.acts.push_back(act);
        self.urgent |= urgent;
        self.since.get_or_insert_with(Instant::now);
    }
}

impl Queue {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Hands rows over; waits until there is room. One hand-over of any size finds it where no other is waiting.
    pub fn stage(&self, survey: SurveyId, rows: Rows) {
        let bytes: usize = rows
            .iter()
            .map(|(path, row)| ROW_BYTES + path.as_bytes().len() + row.as_ref().map_or(0, Vec::len))
            .sum();
        let crowded = |state: &mut State| {
            !state.closed && state.row_bytes > 0 && state.row_bytes + bytes > ROW_BYTES_MAX
        };
        let mut state = self
            .room
            .wait_while(self.state(), crowded)
            .unwrap_or_else(PoisonError::into_inner);
        if state.closed {
            return;
        }
        state.row_bytes += bytes;
        let urgent = state.row_bytes >= ROW_BYTES_SOON;
        state.push(Act::Stage(survey, rows), urgent);
        self.work.notify_one();
    }

    /// Hands a checkpoint over; `false`: there was no room, and its survey's rows go.
    pub fn commit(&self, commit: Commit) -> bool {
        let mut state = self.state();
        if state.closed {
            return false;
        }
        let room = state.commits < COMMITS_MAX;
        if room {
            state.commits += 1;
            state.push(Act::Commit(Box::new(commit)), true);
        } else {
            // That one was lost has to be known in any case, once a source.
            let own = |act: &Act| matches!(act, Act::Lost(_, of) if *of == commit.source);
            if state.acts.len() < ACTS_MAX + ACTS_SPARE || !state.acts.iter().any(own) {
                state.push(Act::Lost(commit.survey, commit.source), false);
            }
        }
        self.work.notify_one();
        room
    }

    /// Hands anything else over; `false`: there was no room.
    pub fn push(&self, act: Act) -> bool {
        let urgent = matches!(act, Act::Flush(_));
        let mut state = self.state();
        let full = state.acts.len() >= ACTS_MAX;
        let crowded = state.acts.len() >= ACTS_MAX + ACTS_SPARE;
        match &act {
            _ if state.closed => return false,
            Act::Mounts(source, _) if full => state
                .acts
                .retain(|act| !matches!(act, Act::Mounts(of, _) if of == source)),
            // A source has one at a time.
            Act::Mounts(..) | Act::Disown(_) | Act::DisownRoute(_) => {}
            Act::Book(_) if full => return false,
            _ if crowded => return false,
            _ => {}
        }
        state.push(act, urgent);
        self.work.notify_one();
        true
    }

    /// Tells the writer of damage that a reader met; once until it has been looked at.
    pub fn suspect(&self, what: String, file: u64) {
        let mut state = self.state();
        if !state.closed && !state.suspected {
            state.suspected = true;
            state.push(Act::Suspect(what, file), true);
            self.work.notify_one();
        }
    }

    /// Nothing more is taken; what waits is still done.
    pub fn close(&self) {
        self.state().closed = true;
        self.work.notify_all();
        self.room.notify_all();
    }

    /// For the writer: everything that waits, once there is something and its company has come. `None`: it is closed and
    /// empty. With `idle`, there is other work, and nothing at once is good as well.
    pub fn take(&self, idle: bool) -> Option<VecDeque<Act>> {
        let mut state = self.state();
        loop {
            let waits = match state.since {
                _ if state.closed && state.acts.is_empty() => return None,
                Some(_) if state.urgent || state.closed => break,
                Some(since) => (since + GATHER).saturating_duration_since(Instant::now()),
                None if idle => return Some(VecDeque::new()),
                None => Duration::MAX,
            };
            if waits.is_zero() {
                break;
            }
            state = match waits {
                Duration::MAX => self
                    .work
                    .wait(state)
                    .unwrap_or_else(PoisonError::into_inner),
                waits => {
                    self.work
                        .wait_timeout(state, waits)
                        .unwrap_or_else(PoisonError::into_inner)
                        .0
                }
            };
        }
        let closed = state.closed;
        let taken = std::mem::take(&mut *state);
        state.closed = closed;
        self.room.notify_all();
        Some(taken.acts)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::mpsc;
    use std::thread;

    use super::*;
    use crate::plan::{RouteName, TargetName};

    fn rows(bytes: usize) -> Rows {
        vec![(RelPath::root(), Some(vec![0; bytes]))]
    }

    #[test]
    fn who_stages_waits_for_room_and_is_let_go_when_it_closes() {
        let queue = Arc::new(Queue::default());
        queue.stage(SurveyId(1), rows(ROW_BYTES_MAX * 2));
        let (sender, receiver) = mpsc::channel();
        let waiting = Arc::clone(&queue);
        let thread = thread::spawn(move || {
            for _ in 0..2 {
                waiting.stage(SurveyId(1), rows(ROW_BYTES_MAX));
                sender.send(()).unwrap();
            }
        });
        assert!(receiver.recv_timeout(Duration::from_millis(50)).is_err());
        assert_eq!(queue.take(false).unwrap().len(), 1);
        receiver.recv_timeout(Duration::from_secs(20)).unwrap();
        queue.close();
        thread.join().unwrap();
        assert_eq!(
            queue.take(false).unwrap().len(),
            1,
            "what was taken is done"
        );
        assert!(queue.take(false).is_none());
    }

    #[test]
    fn commits_and_small_things_are_bounded_and_never_wait() {
        let queue = Queue::default();
        let commit = || Commit {
            survey: SurveyId(1),
            source: SourceName("site".into()),
            key: String::new(),
            whole: true,
            routes: Default::default(),
        };
        let taken = (0..COMMITS_MAX * 2)
            .filter(|_| queue.commit(commit()))
            .count();
        assert_eq!(taken, COMMITS_MAX);
        let book = || {
            let route = RouteName {
                source: SourceName("site".into()),
                target: TargetName("copy".into()),
            };
            Act::Book(Box::new(Run::example(route)))
        };
        let taken = (0..ACTS_MAX * 2).filter(|_| queue.push(book())).count();
        assert_eq!(taken, ACTS_MAX - COMMITS_MAX * 2);
        // What may not be lost still finds room, each source once.
        let mounts = |at: usize| {
            let source = SourceName(format!("s{}", at % 2));
            Act::Mounts(
                source,
                vec![RelPath::root().join(at.to_string().as_bytes())],
            )
        };
        assert!((0..ACTS_MAX).all(|at| queue.push(mounts(at))));
        assert!(queue.push(Act::Forget(SurveyId(9))));
        let taken = (0..ACTS_SPARE * 2)
            .filter(|_| queue.push(Act::Keep(Vec::new())))
            .count();
        assert_eq!(taken, ACTS_SPARE - 3);
        let acts = queue.take(false).unwrap();
        let kept = acts.iter().filter_map(|act| match act {
            Act::Mounts(source, paths) => Some(format!("{source} {}", paths[0])),
            _ => None,
        });
        let last = [ACTS_MAX - 2, ACTS_MAX - 1].map(|at| format!("s{} {at}", at % 2));
        assert_eq!(kept.collect::<Vec<_>>(), last);
    }
}
