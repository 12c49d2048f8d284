//! How a transfer puts a file in its place, and makes room for it where a directory stands.
//!
//! rsync names the directory in the way, and it goes with the deletions, once they are counted. The local copier has counted
//! what is in it before it began, and takes that out first.

use heliostat::engine::Verdict;
use heliostat::plan::{Compare, DeletePolicy};
use heliostat::transfer::batch::Act;

use super::path::P;
use super::source::Facts;
use super::transfer::{Phase, Stage, Transfer, trouble};

impl Transfer {
    /// Whether a directory may go for a file that this act sends. rsync: only in a run that deletes.
    pub(super) fn makes_room(&self, act: Act) -> bool {
        let policy = self.job.route.delete;
        if self.local {
            return self.may_replace();
        }
        match act {
            Act::Send | Act::Remove => policy != DeletePolicy::Never,
            Act::Attributes => false,
            Act::Listing => true,
            Act::Reconcile { delete, .. } => delete,
        }
    }

    /// The local copier: whether a directory with content may make room for a file.
    pub(super) fn may_replace(&self) -> bool {
        match self.job.route.delete {
            DeletePolicy::Mirror => true,
            DeletePolicy::Propagate => self.batch.pass.is_none(),
            DeletePolicy::Never => false,
        }
    }

    pub(super) fn put(
        &mut self,
        path: P,
        facts: Facts,
        room: bool,
        stage: &mut Stage<'_>,
    ) -> Result<(), Verdict> {
        let mut new = usize::from(!stage.target.tree.contains_key(&path));
        if stage.target.is_directory(path) {
            if self.local {
                self.take_out(path, stage);
                new = 0;
                if !stage.target.children(path).is_empty() {
                    self.fail(path, "a directory is in the way");
                    return Ok(());
                }
            } else if self.phase == Phase::Ways && stage.target.children(path).is_empty() {
                new = 0;
            } else {
                if room && self.phase != Phase::Ways {
                    self.ways.insert(path);
                } else {
                    self.fail(path, "a directory is in the way");
                }
                return Ok(());
            }
        }
        if !stage.target.has_room(new) {
            return Err(Verdict::Retry(trouble("noSpace", false)));
        }
        self.made(path, facts, stage);
        Ok(())
    }

    /// Something is put in its place. What was of another type before is new to rsync, and not to the local copier.
    pub(super) fn made(&mut self, path: P, facts: Facts, stage: &mut Stage<'_>) {
        let there = stage.target.tree.get(&path);
        let new = match there {
            Some(there) => !self.local && there.kind != facts.kind,
            None => true,
        };
        self.outcome.stats.created += u64::from(new);
        self.outcome.stats.files += 1;
        stage.target.put(path, facts, stage.now);
    }

    /// What was counted in a directory goes, the deepest first.
    fn take_out(&mut self, path: P, stage: &mut Stage<'_>) {
        let inside: Vec<P> = self.doomed.iter().copied().collect();
        let inside = inside
            .into_iter()
            .filter(|at| *at != path && at.within(path));
        for at in inside.collect::<Vec<_>>() {
            self.doomed.retain(|doomed| *doomed != at);
            self.drop_one(at, stage);
        }
    }

    /// The parents of what is gone: rsync makes them where they are missing, the local copier does not.
    pub(super) fn gone(&mut self, path: P, stage: &mut Stage<'_>) -> Result<(), Verdict> {
        for above in path.above() {
            let there = stage.target.is_directory(above);
            if (self.local && !there) || !self.directory(above, stage)? {
                return Ok(());
            }
        }
        Ok(())
    }

    /// Entries on the target, as a pass tells it: rsync only knows what it listed in the source.
    pub(super) fn entries(&self, stage: &Stage<'_>) -> u64 {
        if self.local {
            return stage.target.entries();
        }
        let source = stage.source;
        let listed = |path: &P| {
            *path != P::ROOT
                && !path.is_excluded()
                && path.above().all(|above| source.list(above).is_some())
        };
        source.names.keys().filter(|path| listed(path)).count() as u64
    }

    /// Entries on the target that a share is taken of, before anything is deleted. rsync counts them by what it would
    /// delete and make, and so leaves out directories that only stay for something protected in them.
    pub(super) fn entries_before(&self, stage: &Stage<'_>) -> u64 {
        let known = self.job.deletes.target_entries;
        let pass = matches!(self.batch.pass, Some(Compare::Quick | Compare::Checksum));
        if let Some(known) = known.filter(|_| self.local || !pass) {
            return known;
        }
        if self.local {
            return stage.target.entries();
        }
        let (source, target) = (stage.source, &*stage.target);
        let stays = |path: P| {
            let foreign = path != P::ROOT && source.get(path).is_none();
            foreign && target.is_directory(path) && target.shelters(path)
        };
        // Inside such a directory it counts the attempt.
        let kept = |path: P| stays(path) && !path.parent().is_some_and(stays);
        let counts = |path: &&P| **path != P::ROOT && !path.is_excluded() && !kept(**path);
        target.tree.keys().filter(counts).count() as u64
    }
}
