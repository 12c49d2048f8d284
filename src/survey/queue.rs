//! The directories that are still to be read, shared by the threads.
//!
//! A stack, so that the walk goes down before it goes on: what waits are the directories beside the way down, once a
//! thread, and not whole levels of the tree. Children wait as names in one piece of memory, without their parents' path.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

use crate::engine::RelPath;
use crate::filter::Verdict;

/// One directory to be read.
#[derive(Debug)]
pub(super) struct Task {
    /// Where it is.
    pub(super) path: RelPath,
    /// What it is to the source.
    pub(super) verdict: Verdict,
    /// What is below it is held against the rows; else all of it is new, and a mark above says so.
    pub(super) known: bool,
    /// Directories in it are read as well.
    pub(super) recurse: bool,
}

/// Directories of one directory, to be read.
#[derive(Debug)]
pub(super) struct Children {
    parent: RelPath,
    names: Vec<u8>,
    all: Vec<Child>,
}

#[derive(Debug)]
struct Child {
    start: usize,
    verdict: Verdict,
    known: bool,
}

impl Children {
    /// None yet, of this directory.
    pub(super) fn new(parent: &RelPath) -> Children {
        Children {
            parent: parent.clone(),
            names: Vec::new(),
            all: Vec::new(),
        }
    }

    /// One more.
    pub(super) fn add(&mut self, name: &[u8], verdict: Verdict, known: bool) {
        self.all.push(Child {
            start: self.names.len(),
            verdict,
            known,
        });
        self.names.extend_from_slice(name);
    }

    fn take(&mut self) -> Option<Task> {
        let child = self.all.pop()?;
        let task = Task {
            path: self.parent.join(&self.names[child.start..]),
            verdict: child.verdict,
            known: child.known,
            recurse: true,
        };
        self.names.truncate(child.start);
        Some(task)
    }
}

/// The directories that are still to be read.
#[derive(Debug)]
pub(super) struct Queue {
    state: Mutex<State>,
    more: Condvar,
}

#[derive(Debug)]
struct State {
    tasks: Vec<Task>,
    /// None of them without a name.
    children: Vec<Children>,
    /// Threads that are reading, and may bring more.
    busy: usize,
    waiting: usize,
    ended: bool,
}

/// A task with the right to bring more; the walk is over when nobody has one.
pub(super) struct Turn<'a> {
    /// What is to be read.
    pub(super) task: Task,
    queue: &'a Queue,
}

impl Queue {
    /// With the first directories.
    pub(super) fn new(tasks: Vec<Task>) -> Queue {
        Queue {
            state: Mutex::new(State {
                tasks,
                children: Vec::new(),
                busy: 0,
                waiting: 0,
                ended: false,
            }),
            more: Condvar::new(),
        }
    }

    /// The next directory, as soon as there is one; `None`: the walk is over.
    pub(super) fn next(&self) -> Option<Turn<'_>> {
        let mut state = self.lock();
        loop {
            if state.ended {
                return None;
            }
            if let Some(task) = state.take() {
                state.busy += 1;
                return Some(Turn { task, queue: self });
            }
            if state.busy == 0 {
                self.end(&mut state);
                return None;
            }
            state.waiting += 1;
            state = self
                .more
                .wait(state)
                .unwrap_or_else(PoisonError::into_inner);
            state.waiting -= 1;
        }
    }

    /// Lets nobody begin anything more.
    pub(super) fn stop(&self) {
        self.end(&mut self.lock());
    }

    fn end(&self, state: &mut State) {
        state.ended = true;
        self.more.notify_all();
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn take(&mut self) -> Option<Task> {
        let Some(last) = self.children.last_mut() else {
            return self.tasks.pop();
        };
        let task = last.take();
        if last.all.is_empty() {
            self.children.pop();
        }
        task
    }

    fn is_empty(&self) -> bool {
        self.tasks.is_empty() && self.children.is_empty()
    }
}

impl Turn<'_> {
    /// More to be read.
    pub(super) fn bring(&self, children: Children) {
        if children.all.is_empty() {
            return;
        }
        let several = children.all.len() > 1;
        let mut state = self.queue.lock();
        state.children.push(children);
        // Whoever brought them takes one of them himself.
        if several && state.waiting > 0 {
            self.queue.more.notify_all();
        }
    }
}

impl Drop for Turn<'_> {
    /// Also where the thread panics: the others must not wait for it.
    fn drop(&mut self) {
        let mut state = self.queue.lock();
        state.busy -= 1;
        if std::thread::panicking() || (state.busy == 0 && state.is_empty()) {
            self.queue.end(&mut state);
        }
    }
}
