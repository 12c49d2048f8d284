//! The dirty paths of one route that no transfer has taken yet.

use std::collections::BTreeMap;
use std::time::Duration;

use super::{Dirt, Mark, RelPath, Stamp};

/// Above so many marks a set collapses to their directories: about 30 MB at the worst, and a list of that length costs
/// rsync more than the directories themselves do.
pub const MARKS_MAX: usize = 200_000;

/// One mark with the time of its oldest undelivered change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pending {
    /// What is known to be wrong.
    pub dirt: Dirt,
    /// Since when.
    pub since: Stamp,
}

impl Pending {
    /// Both, since the older one.
    pub fn join(self, other: Pending) -> Pending {
        Pending {
            dirt: self.dirt | other.dirt,
            since: self.since.min(other.since),
        }
    }
}

/// Dirty paths, joined. Invariant: it only widens; [`ChangeSet::take`] is the only way out.
#[derive(Clone, Debug, Default)]
pub struct ChangeSet {
    marks: BTreeMap<RelPath, Pending>,
    /// How many of them say that something vanished.
    gone: usize,
    window: Option<Window>,
    oldest: Option<Stamp>,
}

/// The debounce window's two ends.
#[derive(Clone, Copy, Debug)]
struct Window {
    first: Duration,
    last: Duration,
    last_vanish: Option<Duration>,
    vanished: usize,
}

/// So many vanished paths leave with the next batch; more wait until the vanishing pauses, so that a large removal is
/// counted against the budget as one.
const VANISHED_AT_ONCE: usize = 8;
/// How long the vanishing must pause.
const VANISH_PAUSE: Duration = Duration::from_millis(100);

impl ChangeSet {
    /// Adds marks that were heard of at `stamp`.
    pub fn add(&mut self, marks: &[Mark], stamp: Stamp) {
        for mark in marks {
            self.put(
                mark.path.clone(),
                Pending {
                    dirt: mark.dirt,
                    since: stamp,
                },
            );
        }
        if marks.is_empty() {
            return;
        }
        let vanished = marks
            .iter()
            .filter(|mark| mark.dirt.has(Dirt::GONE))
            .count();
        let window = self.window.get_or_insert(Window {
            first: stamp.at,
            last: stamp.at,
            last_vanish: None,
            vanished: 0,
        });
        window.last = stamp.at;
        if vanished > 0 {
            window.vanished += vanished;
            window.last_vanish = Some(stamp.at);
        }
    }

    /// Puts back what a transfer did not bring in step; its window is closed already.
    pub fn put_back(&mut self, path: RelPath, pending: Pending) {
        let at = pending.since.at;
        self.window.get_or_insert(Window {
            first: at,
            last: at,
            last_vanish: None,
            vanished: 0,
        });
        self.put(path, pending);
    }

    fn put(&mut self, path: RelPath, pending: Pending) {
        self.oldest = Some(
            self.oldest
                .map_or(pending.since, |oldest| oldest.min(pending.since)),
        );
        let mut known = false;
        self.marks
            .entry(path)
            .and_modify(|have| {
                known = have.dirt.has(Dirt::GONE);
                *have = have.join(pending);
            })
            .or_insert(pending);
        self.gone += usize::from(pending.dirt.has(Dirt::GONE) && !known);
    }

    /// Takes one path out, if it is in.
    pub fn remove(&mut self, path: &RelPath) -> Option<Pending> {
        let pending = self.marks.remove(path);
        let gone = pending.is_some_and(|pending| pending.dirt.has(Dirt::GONE));
        self.gone -= usize::from(gone);
        if self.marks.is_empty() {
            self.take();
        }
        pending
    }

    /// Takes everything.
    pub fn take(&mut self) -> BTreeMap<RelPath, Pending> {
        self.window = None;
        self.oldest = None;
        self.gone = 0;
        std::mem::take(&mut self.marks)
    }

    /// When the window closes: nothing came for `quiet` (and vanishing has paused, where much vanished), or `max_wait`
    /// after the first change. `None`: there is nothing in it.
    pub fn closes(&self, quiet: Duration, max_wait: Duration) -> Option<Duration> {
        let window = self.window.as_ref().filter(|_| !self.marks.is_empty())?;
        let mut still = window.last + quiet;
        if let Some(vanish) = window
            .last_vanish
            .filter(|_| window.vanished > VANISHED_AT_ONCE)
        {
            still = still.max(vanish + VANISH_PAUSE);
        }
        Some(still.min(window.first + max_wait))
    }

    /// The oldest change in it (or an older one that was taken out by name: never a younger one).
    pub fn oldest(&self) -> Option<Stamp> {
        self.oldest
    }

    /// How many marks.
    pub fn len(&self) -> usize {
        self.marks.len()
    }

    /// How many of them say that something vanished.
    pub fn gone(&self) -> usize {
        self.gone
    }

    /// The mark of this path.
    pub fn get(&self, path: &RelPath) -> Option<&Pending> {
        self.marks.get(path)
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.marks.is_empty()
    }

    /// The marks in order.
    pub fn iter(&self) -> impl Iterator<Item = (&RelPath, &Pending)> {
        self.marks.iter()
    }

    /// Collapses marks to their directories until at most half of `limit` are left. `keep_gone`: what was seen to vanish
    /// stays by name, since its directory's subtree mark would not carry the deletion (`delete: propagate`).
    pub fn collapse(&mut self, limit: usize, keep_gone: bool) {
        if self.marks.len() <= limit {
            return;
        }
        let mut fixed = BTreeMap::new();
        if keep_gone {
            fixed = self
                .marks
                .extract_if(.., |_, pending| pending.dirt.has(Dirt::GONE))
                .collect();
            self.gone = 0;
        }
        while self.marks.len() > limit / 2 {
            self.gone = 0; // each is put in again
            let deepest = self
                .marks
                .keys()
                .map(|path| path.ancestors().count())
                .max()
                .unwrap_or(0);
            for (path, pending) in std::mem::take(&mut self.marks) {
                let collapses = path.ancestors().count() == deepest;
                let (path, dirt) = match path.parent().filter(|_| collapses) {
                    Some(parent) => (parent, Dirt::SUBTREE | Dirt::CONTENT | Dirt::ATTRIBUTES),
                    None => (path, pending.dirt),
                };
                self.put(
                    path,
                    Pending {
                        dirt,
                        since: pending.since,
                    },
                );
            }
            if deepest == 0 {
                break;
            }
        }
        for (path, pending) in fixed {
            self.put(path, pending);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    fn mark(path: &str, dirt: Dirt) -> Mark {
        Mark {
            path: RelPath::new(path.as_bytes()).unwrap(),
            dirt,
        }
    }

    fn at(seq: u64, ms: u32) -> Stamp {
        Stamp { seq, at: MS * ms }
    }

    #[test]
    fn the_window_closes_after_quiet_or_after_max_wait() {
        let mut set = ChangeSet::default();
        assert_eq!(set.closes(5 * MS, 100 * MS), None);
        set.add(&[mark("a", Dirt::CONTENT)], at(1, 10));
        assert_eq!(set.closes(5 * MS, 100 * MS), Some(15 * MS));
        set.add(&[mark("a", Dirt::CONTENT)], at(2, 14));
        assert_eq!(set.closes(5 * MS, 100 * MS), Some(19 * MS));
        set.add(&[mark("b", Dirt::CONTENT)], at(3, 108));
        assert_eq!(set.closes(5 * MS, 100 * MS), Some(110 * MS));
        assert_eq!(set.oldest(), Some(at(1, 10)));
        assert_eq!(set.take().len(), 2);
        assert_eq!(set.closes(5 * MS, 100 * MS), None);
    }

    #[test]
    fn a_large_removal_is_counted_as_one() {
        let gone = Dirt::GONE | Dirt::CONTENT;
        let mut set = ChangeSet::default();
        let few: Vec<_> = (0..8).map(|i| mark(&format!("f{i}"), gone)).collect();
        set.add(&few, at(1, 0));
        assert_eq!(
            set.closes(5 * MS, 1000 * MS),
            Some(5 * MS),
            "a few leave at once"
        );
        set.add(&[mark("one-more", gone)], at(2, 3));
        assert_eq!(set.closes(5 * MS, 1000 * MS), Some(103 * MS));
    }

    #[test]
    fn joining_keeps_both_marks_and_the_older_time() {
        let mut set = ChangeSet::default();
        set.add(&[mark("a", Dirt::SUBTREE)], at(1, 1));
        set.add(&[mark("a", Dirt::CONTENT)], at(2, 2));
        let (_, pending) = set.iter().next().unwrap();
        assert_eq!(
            (pending.dirt, pending.since),
            (Dirt::SUBTREE | Dirt::CONTENT, at(1, 1))
        );
    }

    #[test]
    fn what_vanished_is_counted_whatever_is_done_with_it() {
        let mut set = ChangeSet::default();
        let counted = |set: &ChangeSet| {
            let gone = |(_, pending): &(&RelPath, &Pending)| pending.dirt.has(Dirt::GONE);
            assert_eq!(set.gone(), set.iter().filter(gone).count());
            set.gone()
        };
        for number in 0..100 {
            let dirt = if number < 60 {
                Dirt::GONE
            } else {
                Dirt::CONTENT
            };
            set.add(&[mark(&format!("d/f{number}"), dirt)], at(1, 1));
        }
        let twice = [
            mark("d/f0", Dirt::GONE),
            mark("d/f1", Dirt::CONTENT),
            mark("d/f99", Dirt::GONE),
        ];
        set.add(&twice, at(2, 2));
        assert_eq!(counted(&set), 61);
        let pending = set.remove(&mark("d/f0", Dirt::GONE).path).unwrap();
        set.remove(&mark("d/f70", Dirt::GONE).path);
        assert_eq!(counted(&set), 60);
        set.put_back(mark("d/f0", Dirt::GONE).path, pending);
        set.collapse(90, true);
        assert_eq!(counted(&set), 61);
        set.collapse(10, false);
        assert_eq!(counted(&set), 0);
        set.add(&[mark("x", Dirt::GONE)], at(3, 3));
        assert_eq!(counted(&set), 1);
        set.take();
        assert_eq!(counted(&set), 0);
    }

    #[test]
    fn too_many_marks_become_their_directories_and_none_is_dropped() {
        let mut set = ChangeSet::default();
        for d in 0..4 {
            for f in 0..50 {
                set.add(
                    &[mark(&format!("top/d{d}/f{f}"), Dirt::CONTENT)],
                    at(d * 50 + f + 1, 1),
                );
            }
        }
        set.add(
            &[mark("top/d0/gone", Dirt::GONE | Dirt::CONTENT)],
            at(500, 1),
        );
        set.collapse(100, true);
        let paths: Vec<_> = set
            .iter()
            .map(|(path, pending)| format!("{path} {}", pending.dirt))
            .collect();
        assert_eq!(
            paths,
            [
                "top/d0 attributes+content+subtree",
                "top/d0/gone content+gone",
                "top/d1 attributes+content+subtree",
                "top/d2 attributes+content+subtree",
                "top/d3 attributes+content+subtree"
            ]
        );
        assert_eq!(set.oldest().unwrap().seq, 1);
        set.collapse(2, false);
        assert_eq!(set.len(), 1, "to the root at the last");
    }
}
