//! The threads of a walk, and what is still to be done in it.
//!
//! Each thread takes one directory, or a piece of a large one. They are started when there is something for them to do, so
//! a walk of one directory costs none. Depth first: what waits is the way to what is done now, and a directory that
//! waits costs its name. At most one directory a thread, and the pieces of those, are open at once.
//!
//! It knows nothing of files. Called by the walk.

use std::collections::VecDeque;
use std::num::NonZero;
use std::ops::Range;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock, PoisonError};
use std::thread::{self, Scope};

use super::fault::Stop;
use super::leaf::Pair;
use super::tree::Listing;
use crate::engine::RelPath;
use crate::filter::Verdict;

/// More threads only compete with one another for the same disks, and with the transfers to other targets.
const THREADS_MAX: usize = 4;

/// Names that one thread takes of a directory at once: some milliseconds of work, or one large file.
const PIECE: usize = 256;

/// A directory that is entered and not yet left.
pub(super) struct Node {
    pub(super) path: RelPath,
    pub(super) above: Option<Arc<Node>>,
    /// Its pieces that are not done and the directories directly in it that are not left.
    open: AtomicUsize,
}

/// A directory that both sides have, listed.
pub(super) struct Opened {
    pub(super) pair: Pair,
    pub(super) ours: Listing,
    pub(super) theirs: Listing,
    /// The filter's word on the directory.
    pub(super) verdict: Verdict,
}

/// The directories in a directory, by name, each with the filter's word on it.
pub(super) type Below = VecDeque<(Box<[u8]>, Verdict)>;

/// What one thread does next.
pub(super) enum Step {
    /// A directory is entered.
    Enter {
        path: RelPath,
        verdict: Verdict,
        above: Option<Arc<Node>>,
    },
    /// Some of its names are brought in step.
    Names {
        node: Arc<Node>,
        opened: Arc<Opened>,
        names: Range<usize>,
    },
}

/// What is still to be done, and who does it.
pub(super) struct Crew {
    state: Mutex<State>,
    changed: Condvar,
    threads_max: usize,
}

#[derive(Default)]
struct State {
    /// Taken first, so that what is open is closed soon.
    pieces: Vec<(Arc<Node>, Arc<Opened>, Range<usize>)>,
    /// Directories in entered ones, the deepest last.
    below: Vec<(Arc<Node>, Below)>,
    /// Where the walk begins.
    tops: VecDeque<(RelPath, Verdict)>,
    /// Threads that have a step, and may put more.
    busy: usize,
    /// Threads that were started beside the first one.
    helpers: usize,
    /// What ended the walk early.
    ended: Option<Stop>,
    /// Nothing more is taken.
    over: bool,
}

impl Node {
    /// A directory of which `pieces` are to be done.
    pub(super) fn new(path: RelPath, above: Option<Arc<Node>>, pieces: usize) -> Arc<Node> {
        let open = AtomicUsize::new(pieces);
        Arc::new(Node { path, above, open })
    }

    /// One piece or directory of it is done; true: that was the last one.
    pub(super) fn close_one(&self) -> bool {
        self.open.fetch_sub(1, Ordering::AcqRel) == 1
    }
}

/// As many as there are cores, within bounds: two at least, so that one works while the other waits for the disk. Asked once:
/// it costs more than a small file.
fn threads_max() -> usize {
    static CORES: OnceLock<usize> = OnceLock::new();
    let cores = CORES.get_or_init(|| thread::available_parallelism().map_or(1, NonZero::get));
    (*cores).clamp(2, THREADS_MAX)
}

/// A listing's pieces; one at least, so that an empty directory is done as well.
pub(super) fn pieces(names: usize) -> Vec<Range<usize>> {
    let starts = (0..names.max(1)).step_by(PIECE);
    starts.map(|at| at..(at + PIECE).min(names)).collect()
}

impl Crew {
    /// A walk that begins at these directories.
    pub(super) fn new(tops: impl IntoIterator<Item = (RelPath, Verdict)>) -> Crew {
        Crew {
            state: Mutex::new(State {
                tops: tops.into_iter().collect(),
                ..State::default()
            }),
            changed: Condvar::new(),
            threads_max: threads_max(),
        }
    }

    /// Has every step done, until there is none left or one ends the walk.
    pub(super) fn run(
        self,
        work: &(dyn Fn(&Crew, Step) -> Result<(), Stop> + Sync),
    ) -> Result<(), Stop> {
        thread::scope(|scope| self.steps(scope, work));
        let state = self.state.into_inner();
        let ended = state.unwrap_or_else(PoisonError::into_inner).ended;
        ended.map_or(Ok(()), Err)
    }

    /// The directories in an entered one are to be walked through.
    pub(super) fn put_below(&self, node: &Arc<Node>, names: Below) {
        if names.is_empty() {
            return;
        }
        node.open.fetch_add(names.len(), Ordering::AcqRel);
        self.state().below.push((Arc::clone(node), names));
        self.changed.notify_all();
    }

    /// An entered directory is to be done in pieces.
    pub(super) fn put_pieces(
        &self,
        node: &Arc<Node>,
        opened: &Arc<Opened>,
        pieces: impl DoubleEndedIterator<Item = Range<usize>>,
    ) {
        let pieces = pieces.rev();
        let pieces = pieces.map(|names| (Arc::clone(node), Arc::clone(opened), names));
        self.state().pieces.extend(pieces);
        self.changed.notify_all();
    }

    fn steps<'scope>(
        &'scope self,
        scope: &'scope Scope<'scope, '_>,
        work: &'scope (dyn Fn(&Crew, Step) -> Result<(), Stop> + Sync),
    ) {
        while let Some((step, _busy)) = self.take() {
            self.call_for_help(scope, work);
            if let Err(stop) = work(self, step) {
                let mut state = self.state();
                state.over = true;
                state.ended.get_or_insert(stop);
            }
        }
    }

    /// Starts another thread where there is more to do than this one has taken.
    fn call_for_help<'scope>(
        &'scope self,
        scope: &'scope Scope<'scope, '_>,
        work: &'scope (dyn Fn(&Crew, Step) -> Result<(), Stop> + Sync),
    ) {
        let mut state = self.state();
        if !state.waits() || state.helpers + 1 >= self.threads_max {
            return;
        }
        state.helpers += 1;
        drop(state);
        let thread = thread::Builder::new().name("copy".into());
        // Where no thread can be had, those that there are do it all.
        let _ = thread.spawn_scoped(scope, move || self.steps(scope, work));
    }

    /// The next step; waits while others may still put some. `None`: the walk is over.
    fn take(&self) -> Option<(Step, Busy<'_>)> {
        let mut state = self.state();
        loop {
            if state.over {
                return None;
            }
            if let Some(step) = state.take() {
                state.busy += 1;
                return Some((step, Busy(self)));
            }
            if state.busy == 0 {
                return None;
            }
            let woken = self.changed.wait(state);
            state = woken.unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Nothing in here is done by halves.
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn waits(&self) -> bool {
        !self.pieces.is_empty() || !self.below.is_empty() || !self.tops.is_empty()
    }

    fn take(&mut self) -> Option<Step> {
        if let Some((node, opened, names)) = self.pieces.pop() {
            return Some(Step::Names {
                node,
                opened,
                names,
            });
        }
        if let Some((node, names)) = self.below.last_mut()
            && let Some((name, verdict)) = names.pop_front()
        {
            let (path, above) = (node.path.join(&name), Some(Arc::clone(node)));
            if names.is_empty() {
                self.below.pop();
            }
            return Some(Step::Enter {
                path,
                verdict,
                above,
            });
        }
        let (path, verdict) = self.tops.pop_front()?;
        Some(Step::Enter {
            path,
            verdict,
            above: None,
        })
    }
}

/// A thread that has a step. However that ends, the others hear of it: who waits for more would wait for ever.
struct Busy<'a>(&'a Crew);

impl Drop for Busy<'_> {
    fn drop(&mut self) {
        let mut state = self.0.state();
        state.busy -= 1;
        state.over |= thread::panicking();
        drop(state);
        self.0.changed.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicBool;

    use super::*;

    fn p(text: &str) -> RelPath {
        RelPath::new(text.as_bytes()).unwrap()
    }

    /// A tree of directories of which each has `width` in it, down to `depth`.
    fn walk(
        width: usize,
        depth: usize,
        seen: &(dyn Fn(&RelPath) -> Result<(), Stop> + Sync),
    ) -> Result<(), Stop> {
        Crew::new([(p("a"), Verdict::Included)]).run(&|crew, step| {
            let Step::Enter { path, above, .. } = step else {
                return Ok(());
            };
            seen(&path)?;
            let node = Node::new(path, above, 1);
            if node.path.as_bytes().split(|byte| *byte == b'/').count() < depth {
                let names =
                    (0..width).map(|at| (format!("{at}").into_bytes().into(), Verdict::Included));
                crew.put_below(&node, names.collect());
            }
            Ok(())
        })
    }

    #[test]
    fn every_directory_is_entered_once() {
        let seen = Mutex::new(Vec::new());
        let done = walk(5, 5, &|path| {
            seen.lock().unwrap().push(path.clone());
            Ok(())
        });
        assert!(done.is_ok());
        let mut seen = seen.into_inner().unwrap();
        seen.sort();
        let all = seen.len();
        seen.dedup();
        assert_eq!((seen.len(), all), (781, 781));
    }

    #[test]
    fn the_first_stop_ends_the_walk_for_all() {
        let count = AtomicUsize::new(0);
        let stopped = AtomicBool::new(false);
        let done = walk(50, 4, &|_| {
            if count.fetch_add(1, Ordering::Relaxed) == 100 {
                stopped.store(true, Ordering::Relaxed);
                return Err(Stop::cancelled());
            }
            Ok(())
        });
        assert!(done.is_err() && stopped.into_inner());
        assert!(count.into_inner() < 100 + 2 * THREADS_MAX);
    }

    #[test]
    fn a_thread_that_breaks_off_holds_up_nobody() {
        let count = AtomicUsize::new(0);
        let walked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            walk(50, 4, &|_| {
                assert!(
                    count.fetch_add(1, Ordering::Relaxed) != 100,
                    "as in a fault"
                );
                Ok(())
            })
        }));
        assert!(walked.is_err());
    }

    #[test]
    fn a_listing_falls_into_pieces_without_a_gap() {
        let bounds = |names| {
            let pieces = pieces(names).into_iter();
            pieces
                .map(|piece| (piece.start, piece.end))
                .collect::<Vec<_>>()
        };
        assert_eq!(bounds(0), [(0, 0)]);
        assert_eq!(bounds(PIECE), [(0, PIECE)]);
        assert_eq!(bounds(PIECE + 1), [(0, PIECE), (PIECE, PIECE + 1)]);
    }
}
