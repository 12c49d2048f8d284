//! A transfer's deletions: counted, let through by the guard, counted again by the run that makes them, and made.

use std::collections::BTreeSet;

use heliostat::engine::guard::{self, DeleteCase, DeleteRefusal};
use heliostat::engine::{DeleteLeave, Deletions, Hold, RelPath, Verdict};
use heliostat::transfer::batch::Act;

use super::bugs::Bug;
use super::check::Deletion;
use super::path::P;
use super::source::Kind;
use super::transfer::{Means, Phase, Stage, Transfer, Visit};

impl Transfer {
    /// Every entry that would leave the target, as the local copier surveys it. What cannot be read is told by the walk.
    fn surveyed(&mut self, stage: &Stage<'_>) -> Vec<P> {
        let (source, target) = (stage.source, &*stage.target);
        let spares_excluded = !self.has(Bug::FilterIgnoredInDeletes);
        let stays = |path: P| spares_excluded && (path.is_excluded() || target.shelters(path));
        let mut doomed = BTreeSet::new();
        let inside = |path: P| target.below(path).into_iter().filter(move |at| *at != path);
        let closed = |at: P| source.get(at).is_some_and(|inode| !inode.readable);
        for number in 0..self.batch.entries.len() {
            let entry = self.batch.entries[number].clone();
            let Some(top) = P::of(&entry.path) else {
                continue;
            };
            let unknown = top.above().any(closed) && !self.has(Bug::UnknownTakenAsMissing);
            let file = |path: P| source.get(path).is_some() && !source.is_directory(path);
            match entry.act {
                Act::Remove if unknown => self.fail(top, "permission denied"),
                Act::Remove if source.get(top).is_some() => self.again(top),
                Act::Remove => {
                    doomed.extend(target.below(top).into_iter().filter(|at| !stays(*at)))
                }
                Act::Send | Act::Attributes => {
                    if self.may_replace()
                        && !unknown
                        && file(top)
                        && target.is_directory(top)
                        && !stays(top)
                    {
                        doomed.extend(inside(top));
                    }
                }
                Act::Listing | Act::Reconcile { .. } => {
                    let delete = entry.act.deletes();
                    if !delete && !self.may_replace() {
                        continue;
                    }
                    let mut open = vec![top];
                    while let Some(path) = open.pop() {
                        let names = match source.list(path) {
                            Some(names) => names,
                            None if self.has(Bug::UnreadableTakenAsEmpty) => Vec::new(),
                            None => continue,
                        };
                        for child in target.children(path) {
                            if spares_excluded && child.is_excluded() {
                                continue;
                            }
                            if !names.contains(&child) {
                                let below = target.below(child).into_iter();
                                doomed.extend(below.filter(|at| delete && !stays(*at)));
                            } else if !target.is_directory(child) {
                            } else if source.is_directory(child) {
                                open.extend((entry.act != Act::Listing).then_some(child));
                            } else if !stays(child) {
                                doomed.extend(inside(child));
                            }
                        }
                    }
                }
            }
        }
        doomed.into_iter().rev().collect()
    }

    /// Every entry that would leave the target, as a look of rsync at the source right now has it.
    fn doomed(&mut self, stage: &Stage<'_>) -> Vec<P> {
        let (source, target) = (stage.source, &*stage.target);
        let mut doomed = BTreeSet::new();
        let spares_excluded = !self.has(Bug::FilterIgnoredInDeletes);
        // A directory that makes room is not counted itself.
        let mut fell = |top: P, room: bool| {
            for path in target.below(top) {
                if !(room && path == top)
                    && !(spares_excluded && (path.is_excluded() || target.shelters(path)))
                {
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
                Act::Remove if source.get(top).is_none() => fell(top, false),
                // The listed name is taken as it is now.
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
                                fell(child, false);
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
                                fell(child, true);
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
                fell(*way, true);
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
        let doomed = if self.local {
            self.surveyed(stage)
        } else {
            // The runs that sent have ended, each with the attributes of its directories.
            self.settle(stage);
            self.guard(stage)?;
            self.see_ways(stage);
            self.doomed(stage)
        };
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
            target_entries: self.entries_before(stage),
        };
        if !self.has(Bug::DeletedBeforeCounted)
            && let Err(refused) = guard::deletions(case, &Deletions::of(&paths))
        {
            let approved = leave.approved.is_some() && self.has(Bug::AnyPlanApproved);
            if !approved {
                let held = Verdict::Held(match refused {
                    DeleteRefusal::Budget(plan) => Hold::Deletes(plan),
                    DeleteRefusal::Empty(refusal) => Hold::Guard(refusal),
                });
                if self.along.is_empty() {
                    return Err(held);
                }
                self.held = Some(held);
                self.visits = std::mem::take(&mut self.along);
                self.phase = Phase::Ways;
                return Ok(());
            }
        }
        if self.local {
            self.touch_above(&doomed, stage);
            self.doomed = doomed.into();
            self.phase = Phase::Visit;
            return Ok(());
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
        self.visits.append(&mut self.along);
        self.visits.append(&mut self.behind);
        for path in std::mem::take(&mut self.ways) {
            let (trust, room) = (false, false);
            let means = Means { trust, room };
            self.visits.push_back(Visit::Leaf { path, means });
        }
    }

    pub(super) fn delete(&mut self, stage: &mut Stage<'_>) -> Result<(), Verdict> {
        if self.counted > 0 {
            let counted = self.counted - 1;
            self.counted = 0;
            self.guard(stage)?;
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
            self.touch_above(&doomed, stage);
            self.doomed = doomed.into();
        }
        let Some(path) = self.doomed.pop_front() else {
            self.begin_ways();
            return Ok(());
        };
        if stage.target.is_directory(path) && !stage.target.children(path).is_empty() {
            self.again(path);
            return Ok(());
        }
        self.remove(path, stage);
        Ok(())
    }

    /// The directories that lose something get their attributes at the end.
    fn touch_above(&mut self, doomed: &[P], stage: &Stage<'_>) {
        for parent in doomed.iter().flat_map(|path| path.above()) {
            if let Some(inode) = stage.source.get(parent)
                && inode.facts.kind == Kind::Directory
            {
                self.touched.insert(parent, inode.facts);
            }
        }
    }

    /// The local copier takes the next of what it surveyed.
    pub(super) fn delete_surveyed(&mut self, stage: &mut Stage<'_>) {
        match self.doomed.pop_front() {
            Some(path) => self.drop_one(path, stage),
            None => self.phase = Phase::Settle,
        }
    }

    /// The local copier takes one path out, unless the source has got it back since.
    pub(super) fn drop_one(&mut self, path: P, stage: &mut Stage<'_>) {
        let above = path.parent().unwrap_or_default();
        let closed = |at: P| stage.source.get(at).is_some_and(|inode| !inode.readable);
        if path.above().any(closed) {
            self.fail(path, "permission denied");
            self.kept.insert(above);
        } else if stage.source.get(path).is_some() {
            self.again(path);
            self.kept.insert(above);
        } else if stage.target.is_directory(path) && !stage.target.children(path).is_empty() {
            if !self.kept.contains(&path) {
                self.fail(path, "new entries appeared in it");
            }
            self.kept.insert(above);
        } else {
            self.remove(path, stage);
        }
    }

    fn remove(&mut self, path: P, stage: &mut Stage<'_>) {
        if !stage.target.tree.contains_key(&path) {
            return;
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
}
