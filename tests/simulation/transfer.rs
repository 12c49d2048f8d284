//! A transfer, in small steps: what rsync or the local copier does with a normalised batch while the source goes on.
//!
//! With rsync in the order of `transfer::rsync::perform`: guards, everything but deletions, count, guards again, deletions,
//! and the attributes of the directories that were touched. The local copier counts first, and a job that is held has
//! changed nothing. Both are held against the real ones in `real`.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use heliostat::engine::guard::{self, GuardFacts};
use heliostat::engine::{Hold, Job, Outcome, PathFailure, RelPath, Trouble, Verdict, Work};
use heliostat::plan::{Compare, DeletePolicy};
use heliostat::transfer::batch::{Act, Batch};
use heliostat::transfer::normalise::{Scope, Seen, normalise};

use super::bugs::Bug;
use super::check::Deletion;
use super::path::P;
use super::source::{Facts, Kind, Source};
use super::target::Target;
use super::watcher::identity;

/// A frozen target is given up after so long.
const IDLE: u64 = 8_000_000;

/// How a name is brought in step that is no directory.
#[derive(Clone, Copy, Debug)]
pub(super) struct Means {
    /// Equal size and time is equal content.
    pub trust: bool,
    /// A directory in its place may go for it.
    pub room: bool,
}

#[derive(Clone, Copy, Debug)]
pub(super) enum Visit {
    Leaf {
        path: P,
        means: Means,
    },
    /// Read, with the facts that were listed for the inode.
    Finish {
        path: P,
        facts: Facts,
        number: usize,
        room: bool,
    },
    Attributes {
        path: P,
        room: bool,
    },
    Listing(P),
    Reconcile {
        path: P,
        means: Means,
    },
    /// What is gone brings the attributes of all its parents along.
    Gone(P),
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Phase {
    Prepare,
    Visit,
    Count,
    Delete,
    /// What stood in the way is gone: what belongs there is sent.
    Ways,
    Settle,
}

#[derive(Debug)]
pub struct Transfer {
    pub job: Box<Job>,
    pub started: u64,
    /// Looks again before it deletes, and sees what changes under it.
    pub local: bool,
    pub cancelled: bool,
    /// It sends what came into a filter, and may delete nothing.
    pub fills: bool,
    /// Its service is gone: nobody hears of it.
    pub orphan: bool,
    pub(super) bug: Option<Bug>,
    pub(super) epoch: u64,
    pub(super) idle_since: Option<u64>,
    pub(super) phase: Phase,
    pub(super) batch: Batch,
    pub(super) visits: VecDeque<Visit>,
    /// What rsync sends along with deleting, and what it sends behind that.
    pub(super) along: VecDeque<Visit>,
    pub(super) behind: VecDeque<Visit>,
    /// What is still sent before it is told that the rest is held.
    pub(super) held: Option<Verdict>,
    pub(super) touched: BTreeMap<P, Facts>,
    pub(super) ways: BTreeSet<P>,
    pub(super) unread: BTreeSet<P>,
    pub(super) doomed: VecDeque<P>,
    /// Directories that stay after all, since something in them does.
    pub(super) kept: BTreeSet<P>,
    pub(super) counted: usize,
    /// Deletions that no operator approved.
    pub unapproved: u64,
    pub(super) outcome: Outcome,
}

/// What a step sees and changes.
pub struct Stage<'a> {
    pub now: u64,
    pub source: &'a Source,
    pub target: &'a mut Target,
    pub scope: Scope<'a>,
    /// Deletions that were made, for the checks.
    pub deletions: &'a mut Vec<Deletion>,
}

pub(super) fn trouble(code: &'static str, soon: bool) -> Trouble {
    Trouble {
        code,
        message: code.to_owned(),
        soon,
    }
}

impl Transfer {
    pub fn new(job: Box<Job>, started: u64, local: bool, epoch: u64, bug: Option<Bug>) -> Transfer {
        Transfer {
            job,
            started,
            local,
            cancelled: false,
            fills: false,
            orphan: false,
            bug,
            epoch,
            idle_since: None,
            phase: Phase::Prepare,
            batch: Batch::default(),
            visits: VecDeque::new(),
            along: VecDeque::new(),
            behind: VecDeque::new(),
            held: None,
            touched: BTreeMap::new(),
            ways: BTreeSet::new(),
            unread: BTreeSet::new(),
            doomed: VecDeque::new(),
            kept: BTreeSet::new(),
            counted: 0,
            unapproved: 0,
            outcome: Outcome::bare(Verdict::Done),
        }
    }

    pub(super) fn has(&self, bug: Bug) -> bool {
        self.bug == Some(bug)
    }

    pub fn deleted(&self) -> u64 {
        self.outcome.stats.deleted
    }

    pub fn name(&self) -> &heliostat::plan::RouteName {
        &self.job.route.name
    }

    /// One step; the outcome when it was the last.
    pub fn step(&mut self, stage: &mut Stage<'_>) -> Option<Outcome> {
        match self.advance(stage) {
            Ok(false) => None,
            Ok(true) => {
                let mut outcome =
                    std::mem::replace(&mut self.outcome, Outcome::bare(Verdict::Done));
                outcome.failed.sort_by(|a, b| a.path.cmp(&b.path));
                outcome.failed.dedup_by(|a, b| a.path == b.path);
                outcome.again.sort();
                outcome.again.dedup();
                if matches!(self.job.work, Work::Pass(_)) {
                    outcome.stats.target_entries = Some(self.entries(stage));
                }
                outcome.mounts = Some(Vec::new());
                if self.job.work == Work::Pass(Compare::Checksum) {
                    stage.target.drifted = false;
                }
                Some(outcome)
            }
            Err(verdict) => Some(Outcome {
                stats: self.outcome.stats,
                ..Outcome::bare(verdict)
            }),
        }
    }

    fn advance(&mut self, stage: &mut Stage<'_>) -> Result<bool, Verdict> {
        if self.cancelled {
            return Err(Verdict::Cancelled);
        }
        let state = stage.target.trouble;
        if state.frozen {
            let since = *self.idle_since.get_or_insert(stage.now);
            if stage.now - since >= IDLE && !self.has(Bug::NoWatchdog) {
                return Err(Verdict::Retry(trouble("timeout", false)));
            }
            return Ok(false);
        }
        self.idle_since = None;
        if state.offline || self.epoch != stage.target.epoch {
            return Err(Verdict::Retry(trouble("unreachable", false)));
        }
        if state.refuses {
            return Err(Verdict::Permanent(trouble("auth", false)));
        }
        if state.read_only && self.phase != Phase::Prepare {
            return Err(Verdict::Permanent(trouble("readOnly", false)));
        }
        match self.phase {
            Phase::Prepare => self.prepare(stage)?,
            Phase::Visit | Phase::Ways => match self.visits.pop_front() {
                Some(visit) => self.visit(visit, stage)?,
                None if self.phase == Phase::Ways => self.phase = Phase::Settle,
                None if self.local => self.phase = Phase::Delete,
                None if !self.may_delete() => self.phase = Phase::Settle,
                None => self.phase = Phase::Count,
            },
            Phase::Count => self.count(stage)?,
            Phase::Delete if self.local => self.delete_surveyed(stage),
            Phase::Delete => self.delete(stage)?,
            Phase::Settle => {
                self.settle(stage);
                return self.held.take().map_or(Ok(true), Err);
            }
        }
        Ok(false)
    }

    fn facts(&self, source: &Source) -> GuardFacts {
        let root = if self.has(Bug::RootNotGuarded) {
            self.job.root.clone()
        } else {
            source.root().map(identity)
        };
        GuardFacts {
            root,
            root_mounted: true,
            marker: true,
            mounts: Vec::new(),
            target_mounted: true,
        }
    }

    pub(super) fn guard(&self, stage: &Stage<'_>) -> Result<(), Verdict> {
        match guard::refuse(&self.job, &self.facts(stage.source)) {
            Some(refusal) => Err(Verdict::Held(Hold::Guard(refusal))),
            None => Ok(()),
        }
    }

    fn prepare(&mut self, stage: &mut Stage<'_>) -> Result<(), Verdict> {
        self.guard(stage)?;
        let (source, unknown_is_missing) = (stage.source, self.has(Bug::UnknownTakenAsMissing));
        let look = |path: &RelPath| {
            let Some(path) = P::of(path) else {
                return Seen::Missing;
            };
            if path
                .above()
                .any(|at| source.get(at).is_some_and(|inode| !inode.readable))
            {
                return if unknown_is_missing {
                    Seen::Missing
                } else {
                    Seen::Unknown
                };
            }
            match source.get(path) {
                None => Seen::Missing,
                Some(inode) if inode.facts.kind == Kind::Directory => Seen::Directory,
                Some(inode) => Seen::Other {
                    links: u64::from(inode.names),
                },
            }
        };
        self.batch = normalise(&self.job.work, stage.scope, &look);
        let late = self.deletes_along();
        for entry in &self.batch.entries {
            let Some(path) = P::of(&entry.path) else {
                continue;
            };
            let compare = self.batch.pass == Some(Compare::Checksum);
            let room = self.makes_room(entry.act);
            let visit = match entry.act {
                Act::Remove => Visit::Gone(path),
                Act::Send => Visit::Leaf {
                    path,
                    means: Means {
                        trust: self.has(Bug::ContentTrusted),
                        room,
                    },
                },
                Act::Attributes => Visit::Attributes { path, room },
                Act::Listing => Visit::Listing(path),
                Act::Reconcile { trust, .. } => Visit::Reconcile {
                    path,
                    means: Means {
                        trust: (trust && !compare) || self.has(Bug::SubtreeTrusted),
                        room,
                    },
                },
            };
            match entry.act {
                Act::Send
                | Act::Remove
                | Act::Reconcile {
                    trust: false,
                    delete: true,
                } if late => {
                    self.along.push_back(visit);
                }
                Act::Attributes | Act::Reconcile { delete: false, .. } if late => {
                    self.behind.push_back(visit);
                }
                _ => self.visits.push_back(visit),
            }
        }
        self.phase = if self.local && self.job.route.delete != DeletePolicy::Never {
            Phase::Count
        } else {
            Phase::Visit
        };
        Ok(())
    }

    fn may_delete(&self) -> bool {
        self.job.route.delete != DeletePolicy::Never
            && (!self.ways.is_empty() || self.batch.entries.iter().any(|entry| entry.act.deletes()))
    }

    pub(super) fn again(&mut self, path: P) {
        self.outcome.again.push(path.rel());
    }

    pub(super) fn fail(&mut self, path: P, reason: &str) {
        self.outcome.failed.push(PathFailure {
            path: path.rel(),
            reason: reason.to_owned(),
        });
    }

    fn visit(&mut self, visit: Visit, stage: &mut Stage<'_>) -> Result<(), Verdict> {
        let source = stage.source;
        let path = match visit {
            Visit::Leaf { path, .. }
            | Visit::Attributes { path, .. }
            | Visit::Listing(path)
            | Visit::Reconcile { path, .. }
            | Visit::Gone(path)
            | Visit::Finish { path, .. } => path,
        };
        if path
            .above()
            .any(|at| source.get(at).is_some_and(|inode| !inode.readable))
        {
            self.fail(path, "permission denied");
            return Ok(());
        }
        if let Visit::Gone(path) = visit {
            return self.gone(path, stage);
        }
        let Some(inode) = source.get(path) else {
            self.again(path);
            return Ok(());
        };
        for above in path.above() {
            if !self.directory(above, stage)? {
                return Ok(());
            }
        }
        let directory = inode.facts.kind == Kind::Directory;
        match visit {
            Visit::Attributes { path, .. } if directory => {
                self.directory(path, stage)?;
            }
            Visit::Attributes { path, room } => self.leaf(path, trusting(room), stage)?,
            // A directory that is listed as a file has become one meanwhile: what is in it belongs along.
            Visit::Leaf { path, .. } if directory && self.local => self.again(path),
            Visit::Leaf { path, means } if directory => {
                let trust = false;
                self.reconcile(path, Means { trust, ..means }, stage)?;
            }
            Visit::Leaf { path, means } => self.leaf(path, means, stage)?,
            Visit::Listing(path) if directory => self.listing(path, stage)?,
            Visit::Listing(path) => self.leaf(path, trusting(true), stage)?,
            Visit::Reconcile { path, means } if !directory => self.leaf(path, means, stage)?,
            Visit::Reconcile { path, means } => self.reconcile(path, means, stage)?,
            Visit::Gone(_) => {}
            Visit::Finish {
                path,
                facts,
                number,
                room,
            } => {
                let same = source.number(path) == Some(number) && inode.facts == facts;
                if directory || (!same && self.local) {
                    self.again(path);
                } else if !inode.readable {
                    self.fail(path, "permission denied");
                } else {
                    let content = (inode.facts.kind, inode.facts.content, inode.facts.size);
                    let (kind, content, size) = content;
                    self.put(
                        path,
                        Facts {
                            kind,
                            content,
                            size,
                            ..facts
                        },
                        room,
                        stage,
                    )?;
                }
            }
        }
        Ok(())
    }

    /// Makes sure of a directory on the target; its attributes are set at the end.
    pub(super) fn directory(&mut self, path: P, stage: &mut Stage<'_>) -> Result<bool, Verdict> {
        let Some(facts) = stage.source.get(path).map(|inode| inode.facts) else {
            self.again(path);
            return Ok(false);
        };
        if facts.kind != Kind::Directory {
            self.again(path);
            return Ok(false);
        }
        if !stage.target.is_directory(path) {
            if stage.target.trouble.read_only {
                return Err(Verdict::Permanent(trouble("readOnly", false)));
            }
            let there = usize::from(!stage.target.tree.contains_key(&path));
            if !stage.target.has_room(there) {
                return Err(Verdict::Retry(trouble("noSpace", false)));
            }
            self.made(path, facts, stage);
        }
        self.touched.insert(path, facts);
        Ok(true)
    }

    fn leaf(&mut self, path: P, means: Means, stage: &mut Stage<'_>) -> Result<(), Verdict> {
        let Means { trust, room } = means;
        let (Some(inode), Some(number)) = (stage.source.get(path), stage.source.number(path))
        else {
            self.again(path);
            return Ok(());
        };
        let facts = inode.facts;
        let there = stage.target.tree.get(&path).copied();
        let equal = there.is_some_and(|there| {
            (there.kind, there.size, there.mtime) == (facts.kind, facts.size, facts.mtime)
                && (trust || there.content == facts.content)
                && (facts.kind == Kind::File || there.content == facts.content)
        });
        if equal {
            if let Some(there) = stage.target.tree.get_mut(&path) {
                there.mode = facts.mode;
            }
        } else {
            self.visits.push_front(Visit::Finish {
                path,
                facts,
                number,
                room,
            });
        }
        Ok(())
    }

    fn reconcile(&mut self, path: P, means: Means, stage: &mut Stage<'_>) -> Result<(), Verdict> {
        if !self.directory(path, stage)? {
            return Ok(());
        }
        let Some(listed) = stage.source.list(path) else {
            if !self.has(Bug::UnreadableTakenAsEmpty) {
                self.unread.insert(path);
                self.fail(path, "permission denied");
            }
            return Ok(());
        };
        let wanted = listed.into_iter().filter(|path| !path.is_excluded()).rev();
        for path in wanted {
            self.visits.push_front(if stage.source.is_directory(path) {
                Visit::Reconcile { path, means }
            } else {
                Visit::Leaf { path, means }
            });
        }
        Ok(())
    }

    /// A directory and the names directly in it.
    fn listing(&mut self, path: P, stage: &mut Stage<'_>) -> Result<(), Verdict> {
        if !self.directory(path, stage)? {
            return Ok(());
        }
        let Some(listed) = stage.source.list(path) else {
            self.unread.insert(path);
            self.fail(path, "permission denied");
            return Ok(());
        };
        for path in listed.into_iter().filter(|path| !path.is_excluded()).rev() {
            self.visits
                .push_front(Visit::Attributes { path, room: true });
        }
        Ok(())
    }

    pub(super) fn settle(&mut self, stage: &mut Stage<'_>) {
        for (path, listed) in &self.touched {
            // The local copier looks at the source once more.
            let facts = match stage.source.get(*path) {
                Some(inode) if self.local => inode.facts,
                None if self.local => continue,
                _ => *listed,
            };
            if let Some(there) = stage.target.tree.get_mut(path)
                && there.kind == Kind::Directory
                && facts.kind == Kind::Directory
            {
                *there = facts;
            }
        }
    }
}

/// By the quick check.
fn trusting(room: bool) -> Means {
    Means { trust: true, room }
}
