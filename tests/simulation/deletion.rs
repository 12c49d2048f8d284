//! A transfer's deletions: counted, let through by the guard, counted again by the run that makes them, and made.

use std::collections::BTreeSet;

use heliostat::engine::guard::{self, DeleteCase, DeleteRefusal};
use heliostat::engine::{DeleteLeave, Hold, RelPath, Verdict};
use heliostat::transfer::batch::Act;

use super::bugs::Bug;
use super::check::Deletion;
use super::path::P;
use super::source::Kind;
use super::transfer::{Phase, Stage, Transfer, Visit};

impl Transfer {
    /// Every entry that would leave the target, as a look at the source right now has it.
    fn doomed(&mut self, stage: &Stage<'_>) -> Vec<P> {
        let (source, target) = (stage.source, &*stage.target);
        let mut doomed = BTreeSet::new();
        let spares_excluded = !self.has(Bug::FilterIgnoredInDeletes);
        let mut fell = |top: P| {
            for path in target.below(top) {
                if !(spares_excluded && (path.is_excluded() || target.shelters(path))) {
                    doomed.insert(path);
                }
            }
        };
        let mut resent = Vec::new();
        let mut failed = Vec::new();
        for entry in &self.batch.entries {
            let Some(top) = P::of(&entry.path) else {
                continue;
            };
            let closed = |at: P| source.get(at).is_some_and(|inode| !inode.readable);
            if top.above().any(closed) && !self.has(Bug::UnknownTakenAsMissing) {
                failed.push(top);
                continue;
            }
            match entry.act {
                Act::Remove if source.get(top).is_none() => fell(top),
                // The local copier has it looked at again; rsync takes the listed name as it is now.
                Act::Remove if self.local => self.outcome.again.push(entry.path.clone()),
                Act::Remove if !source.is_directory(top) => resent.push(top),
                Act::Remove | Act::Listing | Act::Reconcile { delete: true, .. } => {
                    if entry.act == Act::Remove {
                        resent.push(top);
                    }
                    let mut open = vec![top];
                    while let Some(path) = open.pop() {
                        if self.unread.contains(&path) {
                            continue;
                        }
                        let names = match source.list(path) {
                            Some(names) => names,
                            None if self.has(Bug::UnreadableTakenAsEmpty) => Vec::new(),
                            None => {
                                failed.push(path);
                                continue;
                            }
                        };
                        for child in target.children(path) {
                            if !names.contains(&child) {
                                fell(child);
                            }
                        }
                        for child in names {
                            if child.is_excluded() {
                                continue;
                            }
                            if source.is_directory(child) {
                                if entry.act != Act::Listing {
                                    open.push(child);
                                }
                            } else if target.is_directory(child) {
                                fell(child);
                                resent.push(child);
                            }
                        }
                    }
                }
                Act::Send | Act::Attributes | Act::Reconcile { .. } => {}
            }
        }
        for way in &self.ways {
            if source
                .get(*way)
                .is_some_and(|inode| inode.facts.kind != Kind::Directory)
            {
                fell(*way);
            } else {
                self.outcome.again.push(way.rel());
            }
        }
        for path in failed {
            self.fail(path, "permission denied");
        }
        self.ways.extend(resent);
        let mut doomed: Vec<P> = doomed.into_iter().collect();
        doomed.reverse();
        doomed
    }

    pub(super) fn count(&mut self, stage: &mut Stage<'_>) -> Result<(), Verdict> {
        if !self.has(Bug::GuardOnlyBefore) {
            self.guard(stage)?;
        }
        let doomed = self.doomed(stage);
        let source = stage.source;
        let empty = source
            .list(P::ROOT)
            .is_some_and(|names| names.iter().all(|path| path.is_excluded()));
        let paths: Vec<RelPath> = doomed.iter().map(|path| path.rel()).collect();
        let spent = if self.has(Bug::SpentForgotten) {
            0
        } else {
            self.job.deletes.spent + self.outcome.stats.deleted
        };
        let leave = DeleteLeave {
            spent,
            ..self.job.deletes.clone()
        };
        let case = DeleteCase {
            route: &self.job.route,
            source: &self.job.source,
            leave: &leave,
            source_empty: empty && !self.has(Bug::EmptyNotSeen),
            target_entries: stage.target.entries(),
        };
        if !self.has(Bug::DeletedBeforeCounted)
            && let Err(refused) = guard::deletions(case, &paths)
        {
            let approved = leave.approved.is_some() && self.has(Bug::AnyPlanApproved);
            if !approved {
                return Err(Verdict::Held(match refused {
                    DeleteRefusal::Budget(plan) => Hold::Deletes(plan),
                    DeleteRefusal::Empty(refusal) => Hold::Guard(refusal),
                }));
            }
        }
        self.counted = doomed.len();
        self.doomed = doomed.into();
        self.phase = Phase::Delete;
        // The deleting run makes its own list, later.
        self.idle_since = None;
        if self.doomed.is_empty() {
            self.begin_ways();
        } else {
            self.counted += 1; // marks that the list is to be made anew
        }
        Ok(())
    }

    fn begin_ways(&mut self) {
        self.phase = Phase::Ways;
        for path in std::mem::take(&mut self.ways) {
            self.visits.push_back(Visit::Leaf { path, trust: false });
        }
    }

    pub(super) fn delete(&mut self, stage: &mut Stage<'_>) -> Result<(), Verdict> {
        if self.counted > 0 {
            let counted = self.counted - 1;
            self.counted = 0;
            if !self.has(Bug::GuardOnlyBefore) {
                self.guard(stage)?;
            }
            let mut doomed = self.doomed(stage);
            if doomed.len() > counted && !self.has(Bug::NoFence) {
                doomed.truncate(counted);
                let entries = self
                    .batch
                    .entries
                    .iter()
                    .filter(|entry| entry.act.deletes());
                self.outcome
                    .again
                    .extend(entries.map(|entry| entry.path.clone()));
                let ways: Vec<P> = self.ways.iter().copied().collect();
                for way in ways {
                    self.again(way);
                }
            }
            for path in &doomed {
                let parents = path.above().collect::<Vec<_>>();
                for parent in parents {
                    if let Some(inode) = stage.source.get(parent)
                        && inode.facts.kind == Kind::Directory
                    {
                        self.touched.insert(parent, inode.facts);
                    }
                }
            }
            self.doomed = doomed.into();
        }
        let Some(path) = self.doomed.pop_front() else {
            self.begin_ways();
            return Ok(());
        };
        let back = stage.source.get(path).is_some() && !self.ways.contains(&path);
        if self.local && back {
            self.again(path);
        } else if stage.target.tree.contains_key(&path) {
            if stage.target.is_directory(path) && !stage.target.children(path).is_empty() {
                self.again(path);
                return Ok(());
            }
            stage.deletions.push(Deletion {
                path,
                started: self.started,
                directory: stage.target.is_directory(path),
            });
            stage.target.take(path, stage.now);
            self.outcome.stats.deleted += 1;
            let approved = self.job.deletes.approved.as_ref();
            self.unapproved += u64::from(!approved.is_some_and(|plan| plan.covers(&path.rel())));
        }
        Ok(())
    }
}
