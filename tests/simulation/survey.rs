//! Surveys and the ledger: rows of directories, compared and kept, as `src/survey` and `src/ledger` do it.
//!
//! A survey reads one directory a step, while the source goes on changing. The ledger takes a checkpoint whole or not at
//! all, some time after it was asked to; what a crash leaves of it is the last one, an older one, or none.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use heliostat::engine::{
    Commit, Dirt, Mark, Memory, Parking, RelPath, Survey, SurveyScope, Surveyed,
};
use heliostat::plan::{RouteName, SourceName};
use jiff::Timestamp;

use super::bugs::Bug;
use super::path::P;
use super::source::{Inode, Kind, Source};
use super::watcher::identity;

/// A change so shortly before a look may bear the time of a later one.
const YOUNG: u64 = 2_000_000;

/// A time so far ahead of the clock does not settle soon.
const AHEAD: u64 = 60_000_000;

/// One directory as it was at a look; `None`: a signature that equals nothing.
#[derive(Clone, PartialEq, Debug)]
pub struct Row {
    number: usize,
    own: Option<u64>,
    entries: BTreeMap<u8, (Kind, Option<u64>)>,
}

impl Row {
    fn is_settled(&self) -> bool {
        self.own.is_some() && self.entries.values().all(|(_, sign)| sign.is_some())
    }
}

pub type Rows = BTreeMap<P, Row>;

/// What is on disk.
#[derive(Clone, Default, Debug)]
pub struct Ledger {
    pub memory: Memory,
    pub rows: BTreeMap<SourceName, Rows>,
    /// What directories had as rows when a route was parked.
    pub parked: BTreeMap<RouteName, (i64, BTreeMap<P, Option<Row>>)>,
}

impl Ledger {
    /// Takes rows for those that there were.
    pub fn keep(&mut self, source: &SourceName, found: &[(P, Option<Row>)]) {
        let rows = self.rows.entry(source.clone()).or_default();
        for (path, row) in found {
            match row {
                Some(row) => {
                    rows.insert(*path, row.clone());
                }
                None => rows.retain(|at, _| !at.within(*path)),
            }
        }
    }

    /// Takes back what is said of a source.
    pub fn disown(&mut self, source: &SourceName) {
        if let Some(memory) = self.memory.sources.get_mut(source) {
            memory.rows = None;
        }
        self.rows.remove(source);
        self.memory.routes.retain(|name, _| name.source != *source);
        self.parked.retain(|name, _| name.source != *source);
    }

    pub fn disown_route(&mut self, route: &RouteName) {
        self.memory.routes.remove(route);
        self.parked.remove(route);
    }

    /// Takes a checkpoint.
    pub fn commit(&mut self, commit: &Commit, found: &[(P, Option<Row>)]) {
        let source = self
            .memory
            .sources
            .entry(commit.source.clone())
            .or_default();
        let rows = self.rows.entry(commit.source.clone()).or_default();
        if commit.whole {
            rows.clear();
            source.rows = Some(commit.key.clone());
        } else if source.rows.as_ref() != Some(&commit.key) {
            return;
        }
        for (name, memory) in &commit.routes {
            match memory.parked {
                Parking::No => drop(self.parked.remove(name)),
                Parking::Begins(number) => {
                    self.parked.insert(name.clone(), (number, BTreeMap::new()));
                }
                Parking::Goes(number) => {
                    let kept = self.parked.get_mut(name).filter(|(own, _)| *own == number);
                    let Some((_, kept)) = kept else {
                        continue;
                    };
                    for (path, row) in found {
                        let old = rows.get(path);
                        if let (Some(row), true) = (row, old != row.as_ref()) {
                            kept.entry(*path).or_insert_with(|| old.cloned());
                            debug_assert!(old != Some(row));
                        }
                        let gone = rows
                            .iter()
                            .filter(|(at, _)| row.is_none() && at.within(*path));
                        for (at, old) in gone {
                            kept.entry(*at).or_insert_with(|| Some(old.clone()));
                        }
                    }
                }
            }
        }
        self.keep(&commit.source, found);
        self.memory
            .routes
            .retain(|name, _| name.source != commit.source);
        let routes = commit
            .routes
            .iter()
            .map(|(name, memory)| (name.clone(), memory.clone()));
        self.memory.routes.extend(routes);
    }
}

#[derive(Clone, Copy, Debug)]
struct Task {
    path: P,
    known: bool,
    recurse: bool,
}

/// A survey that is under way.
#[derive(Debug)]
pub struct Surveying {
    pub survey: Box<Survey>,
    bug: Option<Bug>,
    base: Option<Rows>,
    tasks: VecDeque<Task>,
    pub rows: Vec<(P, Option<Row>)>,
    marks: BTreeMap<P, Dirt>,
    young: BTreeSet<P>,
}

impl Surveying {
    pub fn new(survey: Box<Survey>, base: Option<Rows>, bug: Option<Bug>) -> Surveying {
        let task = |path: &RelPath, recurse| {
            let path = P::of(path)?;
            Some(Task {
                path,
                known: true,
                recurse,
            })
        };
        let tasks = match &survey.scope {
            SurveyScope::Everything => task(&RelPath::root(), true).into_iter().collect(),
            SurveyScope::Places {
                directories,
                subtrees,
            } => {
                let wide = subtrees.iter().filter_map(|path| task(path, true));
                let alone = directories.iter().filter_map(|path| task(path, false));
                let all: Vec<Task> = wide.chain(alone).collect();
                let covered = |task: &&Task| {
                    let above = |other: &Task| {
                        other.recurse
                            && task.path.within(other.path)
                            && (other.path != task.path || !task.recurse)
                    };
                    !all.iter().any(above)
                };
                all.iter().filter(covered).copied().collect()
            }
        };
        Surveying {
            survey,
            bug,
            base,
            tasks,
            rows: Vec::new(),
            marks: BTreeMap::new(),
            young: BTreeSet::new(),
        }
    }

    fn has(&self, bug: Bug) -> bool {
        self.bug == Some(bug)
    }

    /// Reads one directory; what was found when it was the last. `wall`: microseconds of the file system's clock.
    pub fn step(&mut self, source: &Source, wall: u64) -> Option<Surveyed> {
        if source.root().map(identity).as_ref() != Some(&self.survey.root) {
            return Some(Surveyed::Failed("another root".to_owned()));
        }
        if let Some(task) = self.tasks.pop_front() {
            if task.path.is_excluded() {
                self.rows.push((task.path, None));
            } else {
                self.visit(task, source, wall);
            }
            return None;
        }
        let everything = self
            .marks
            .get(&P::ROOT)
            .is_some_and(|dirt| dirt.has(Dirt::SUBTREE));
        if self.survey.compare && (self.base.is_none() || everything) {
            return Some(Surveyed::Everything);
        }
        let marks = std::mem::take(&mut self.marks).into_iter();
        let marks = marks.map(|(path, dirt)| Mark {
            path: path.rel(),
            dirt,
        });
        Some(Surveyed::Done {
            marks: marks.collect(),
            young: self.young.iter().map(|path| path.rel()).collect(),
        })
    }

    fn mark(&mut self, path: P, dirt: Dirt) {
        let dropped = self.has(Bug::ListingDropped) && dirt.has(Dirt::LISTING);
        if self.survey.compare && !dropped && !dirt.is_empty() {
            *self.marks.entry(path).or_default() |= dirt;
        }
    }

    fn visit(&mut self, task: Task, source: &Source, wall: u64) {
        let path = task.path;
        if !source.is_directory(path) {
            self.rows.push((path, None));
            self.young.extend(path.parent());
            return;
        }
        let Some(names) = source.list(path) else {
            self.mark(path, Dirt::SUBTREE);
            if !self.has(Bug::UnreadableRowKept) {
                self.rows.push((path, None));
            }
            return;
        };
        let before = match &self.base {
            Some(base) if task.known => base.get(&path).cloned(),
            _ => None,
        };
        let (row, young) = self.read(path, &names, before.as_ref(), source, wall);
        if young {
            self.young.insert(path);
        }
        let known = self.compare(task, before, &row);
        let comparing = self.survey.compare;
        for name in row
            .entries
            .iter()
            .filter(|(_, (kind, _))| *kind == Kind::Directory)
        {
            let Some(child) = path.join(*name.0) else {
                continue;
            };
            let known = known.contains(name.0);
            if task.recurse || comparing && !known {
                self.tasks.push_back(Task {
                    path: child,
                    known,
                    recurse: task.recurse,
                });
            }
        }
    }

    fn read(
        &mut self,
        path: P,
        names: &[P],
        before: Option<&Row>,
        source: &Source,
        wall: u64,
    ) -> (Row, bool) {
        let mut young = false;
        let trusts = self.has(Bug::YoungTrusted);
        let mut age = |inode: &Inode| {
            let ahead = inode.coarse > wall + AHEAD;
            let recent = inode.coarse + YOUNG >= wall || inode.facts.mtime.abs_diff(wall) <= YOUNG;
            young |= recent && !ahead && !trusts;
            trusts || !(recent || ahead)
        };
        let own = source.get(path).expect("it was seen to be a directory");
        let mut row = Row {
            number: source.number(path).unwrap_or_default(),
            own: age(own).then(|| self.sign(own, 0)),
            entries: BTreeMap::new(),
        };
        for name in names.iter().filter(|name| !name.is_excluded()) {
            let Some(inode) = source.get(*name) else {
                continue;
            };
            let number = source.number(*name).unwrap_or_default();
            let sign = if inode.facts.kind == Kind::Directory {
                Some(number as u64)
            } else {
                age(inode).then(|| self.sign(inode, number))
            };
            let entry = (inode.facts.kind, sign);
            let equal = before.is_some_and(|row| row.entries.get(&name.name()) == Some(&entry));
            let heard = self.survey.compare
                || self.has(Bug::ToldIgnored)
                || self.survey.told.covers(&name.rel(), at(inode.coarse));
            let (kind, sign) = entry;
            let sign = sign.filter(|_| equal || heard || kind == Kind::Directory);
            row.entries.insert(name.name(), (kind, sign));
        }
        (row, young)
    }

    fn sign(&self, inode: &Inode, number: usize) -> u64 {
        let ctime = if self.has(Bug::CtimeIgnored) {
            0
        } else {
            inode.coarse
        };
        let facts = [
            number as u64,
            inode.facts.mtime,
            ctime,
            u64::from(inode.facts.size),
            u64::from(inode.facts.mode),
        ];
        facts.iter().fold(7, |sum, fact| {
            (sum ^ fact)
                .wrapping_mul(0x9e37_79b9_7f4a_7c15)
                .rotate_left(23)
        })
    }

    /// Marks what differs; the directories that are still the ones of the row.
    fn compare(&mut self, task: Task, before: Option<Row>, now: &Row) -> BTreeSet<u8> {
        let path = task.path;
        let comparing = self.survey.compare;
        if before.as_ref() == Some(now) && now.is_settled() {
            if !comparing {
                self.rows.push((path, Some(now.clone())));
            }
            return now.entries.keys().copied().collect();
        }
        if !task.known || self.base.is_none() {
            self.rows.push((path, Some(now.clone())));
            return BTreeSet::new();
        }
        let Some(before) = before.filter(|before| before.number == now.number) else {
            self.mark(path, Dirt::SUBTREE | Dirt::CONTENT);
            self.rows.push((path, None));
            self.rows.push((path, Some(now.clone())));
            return BTreeSet::new();
        };
        if before.own != now.own || now.own.is_none() {
            self.mark(path, Dirt::LISTING | Dirt::ATTRIBUTES);
        }
        let mut known = BTreeSet::new();
        let names: BTreeSet<u8> = before
            .entries
            .keys()
            .chain(now.entries.keys())
            .copied()
            .collect();
        for name in names {
            let Some(child) = path.join(name) else {
                continue;
            };
            let (was, is) = (before.entries.get(&name), now.entries.get(&name));
            if was == is && is.is_some_and(|(_, sign)| sign.is_some()) {
                known.insert(name);
                continue;
            }
            if was.is_some_and(|(kind, _)| *kind == Kind::Directory) {
                self.rows.push((child, None));
            }
            let whole = Dirt::SUBTREE | Dirt::CONTENT;
            let dirt = match (was.map(|(kind, _)| *kind), is.map(|(kind, _)| *kind)) {
                (_, None) => Dirt::CONTENT | Dirt::GONE,
                (None, Some(Kind::Directory)) => whole,
                (None, Some(_)) => Dirt::CONTENT,
                (Some(_), Some(Kind::Directory)) => whole | Dirt::GONE,
                (Some(one), Some(other)) if one == other => Dirt::CONTENT,
                _ => Dirt::CONTENT | Dirt::GONE,
            };
            self.mark(child, dirt);
        }
        self.rows.push((path, Some(now.clone())));
        known
    }
}

/// The file system's clock as the engine's wall clock.
fn at(wall: u64) -> Timestamp {
    Timestamp::from_microsecond(wall as i64).unwrap_or(Timestamp::MAX)
}
