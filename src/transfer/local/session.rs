//! One run: what it holds, and the order of its steps.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, OnceLock};

use rustix::fs::Mode;
use rustix::io::Errno;

use super::Request;
use super::content::Copier;
use super::doomed::Doomed;
use super::fault::{Fault, Stop, at_target, words};
use super::grain::Grain;
use super::keep::Keep;
use super::leaf::Pair;
use super::links::Links;
use super::place::remove_leftovers;
use super::report::Report;
use super::throttle::Throttle;
use super::tree::{For, Tree};
use crate::engine::{Job, Outcome, RelPath, Verdict};
use crate::filter::Filter;
use crate::plan::{Compare, DeletePolicy, Durability};
use crate::transfer::batch::{Act, Batch, Entry};
use crate::transfer::hook::Gate;
use crate::transfer::progress::{Cancel, Progress};
use crate::transfer::tally::Tally;

/// What every step of a run shares.
pub(super) struct Session<'a> {
    pub(super) source: Tree,
    pub(super) target: Tree,
    pub(super) filter: &'a Filter,
    pub(super) job: &'a Job,
    pub(super) keep: Keep,
    /// Whether the batch comes from marks, so that what is in its way was seen to change.
    pub(super) from_marks: bool,
    pub(super) cancel: &'a Cancel,
    pub(super) progress: &'a Progress,
    pub(super) tally: Option<&'a Tally>,
    pub(super) gate: Option<(&'a Gate, &'a Batch)>,
    pub(super) copier: Copier<'a>,
    pub(super) links: Links,
    pub(super) report: Report,
    pub(super) doomed: Doomed,
    /// Directories whose attributes are brought in step at the end.
    pub(super) settle: Mutex<BTreeSet<RelPath>>,
    /// Entries known to be looked at so far, for the progress.
    expected: AtomicU64,
    /// How coarse the target's times are, once that was asked.
    pub(super) grain: OnceLock<Grain>,
}

/// More gain nothing, and each is held against each.
const TOPS_MAX: usize = 256;

/// Directories that are walked through together: neighbours among a batch's entries, none of which lies in another.
#[derive(Default)]
struct Walk {
    tops: Vec<RelPath>,
    trust: bool,
}

impl Walk {
    /// Whether an entry may join before those that are here are done.
    fn takes(&self, path: &RelPath, act: Act) -> bool {
        let Act::Reconcile { trust, .. } = act else {
            return self.tops.is_empty();
        };
        let apart = |top: &RelPath| !path.starts_with(top) && !top.starts_with(path);
        // Sorted, but for a top that has what comes below it behind others (`a`, `a.b`, `a/c`).
        self.tops.is_empty()
            || self.tops.len() < TOPS_MAX && trust == self.trust && self.tops.iter().all(apart)
    }
}

impl<'a> Session<'a> {
    /// Opens both roots.
    pub(super) fn open(
        request: &Request<'a>,
        cancel: &'a Cancel,
        progress: &'a Progress,
    ) -> Result<Session<'a>, Stop> {
        let Request {
            source_root,
            target_root,
            filter,
            batch,
            job,
            tally,
            gate,
        } = *request;
        let source = Tree::open(source_root).map_err(|error| {
            let message = format!(
                "opening the source `{}`: {}",
                source_root.display(),
                words(error)
            );
            Stop::retry("sourceMissing", message)
        })?;
        let (target, made) = open_target(target_root, || match gate {
            Some(gate) => gate
                .open_for(batch)
                .map_err(|verdict| Stop(Box::new(verdict))),
            None => Ok(()),
        })?;
        if source.id == target.id {
            let message = format!(
                "the target `{}` is the source itself: name another directory",
                target_root.display()
            );
            return Err(Stop::permanent("usage", message));
        }
        let throttle = Throttle::new(job.route.bandwidth.or(job.bandwidth));
        let session = Session {
            source,
            target,
            filter,
            job,
            keep: Keep::new(&job.route.attributes),
            from_marks: batch.pass.is_none(),
            cancel,
            progress,
            tally,
            gate: gate.map(|gate| (gate, batch)),
            copier: Copier::new(throttle, cancel, progress),
            links: Links::default(),
            report: Report::default(),
            doomed: Doomed::default(),
            settle: Mutex::default(),
            expected: AtomicU64::new(0),
            grain: OnceLock::new(),
        };
        if made {
            session.settle_later([RelPath::root()]);
        }
        Ok(session)
    }

    /// Makes the run.
    pub(super) fn run(mut self, batch: &Batch) -> Outcome {
        let verdict = match self.steps(batch) {
            Ok(()) => Verdict::Done,
            Err(stop) => *stop.0,
        };
        self.report.count(|stats| stats.bytes = self.copier.bytes());
        Outcome {
            target: self.target.target_id(self.job.route.durability.lasts()),
            ..self.report.outcome(verdict)
        }
    }

    fn steps(&mut self, batch: &Batch) -> Result<(), Stop> {
        if batch.pass.is_some() {
            // A guess, until more is seen: the target has about as many entries as it had.
            self.progress
                .expect(self.job.deletes.target_entries.unwrap_or(0));
        }
        if self.policy() != DeletePolicy::Never {
            self.survey(batch)?;
        }
        if self.job.sweep && batch.pass.is_none() {
            self.sweep(batch)?;
        }
        let worked = self.work(batch);
        // Whatever ended the work: the directories that it touched get their attributes as far as that is possible.
        let worked = worked.and_then(|()| self.delete_the_doomed());
        let settled = self.settle_all();
        worked.and(settled)?;
        if self.job.route.durability == Durability::Full {
            self.sync_all()?;
        }
        if batch.pass.is_some() {
            let entries = self.count_target()?;
            self.report
                .count(|stats| stats.target_entries = Some(entries));
        }
        Ok(())
    }

    /// The batch's entries, in order; those that trust size and time last. The first name of a file that is brought in step
    /// stands for its others, which are linked to it unread: it must not be one that was trusted.
    fn work(&self, batch: &Batch) -> Result<(), Stop> {
        // The last pair of parent directories: a sorted list has many names of one directory in a row.
        let mut pair: Option<(RelPath, Pair)> = None;
        let checksum = batch.pass == Some(Compare::Checksum);
        self.expect(batch.entries.len() as u64);
        let doubting = batch.entries.iter().filter(|entry| !entry.act.trusts());
        let trusting = batch.entries.iter().filter(|entry| entry.act.trusts());
        let mut walk = Walk::default();
        for Entry { path, act } in doubting.chain(trusting) {
            self.check()?;
            if !walk.takes(path, *act) {
                self.reconcile(std::mem::take(&mut walk.tops), walk.trust)?;
            }
            self.settle_later(path.ancestors().filter_map(RelPath::new));
            self.settle_later([RelPath::root()]);
            match *act {
                Act::Remove => {}
                Act::Reconcile { trust, .. } => {
                    pair = None;
                    let made = self.ensure_dir(path);
                    if self.record(path, made)?.is_some() {
                        walk.trust = trust && !checksum;
                        walk.tops.push(path.clone());
                    }
                }
                Act::Listing => {
                    pair = None;
                    let made = self.ensure_dir(path);
                    if self.record(path, made)?.is_some() {
                        self.reconcile_listing(path)?;
                    }
                }
                Act::Send | Act::Attributes => {
                    let trust = *act == Act::Attributes;
                    let done = self.one(path, trust, &mut pair);
                    self.record(path, done)?;
                }
            }
        }
        match walk.tops.is_empty() {
            true => Ok(()),
            false => self.reconcile(walk.tops, walk.trust),
        }
    }

    /// One name that the batch lists.
    fn one(
        &self,
        path: &RelPath,
        trust: bool,
        pair: &mut Option<(RelPath, Pair)>,
    ) -> Result<(), Fault> {
        let Some(parent) = path.parent() else {
            return Ok(());
        };
        if pair.as_ref().is_none_or(|(of, _)| *of != parent) {
            *pair = Some((parent.clone(), self.pair(&parent)?));
        }
        let Some((_, pair)) = pair else { return Ok(()) };
        let name = path.name();
        let source = pair
            .source
            .look(name)
            .map_err(|error| super::fault::at_source("looking at", error))?;
        if source.is_some_and(|source| source.is_dir()) {
            // A directory that is listed as a file has become one meanwhile: what is in it belongs along.
            if !trust {
                return Err(Fault::Again);
            }
            self.ensure_dir(path)?;
            self.settle_later([path.clone()]);
            self.progress.add_files(1);
            return Ok(());
        }
        Ok(self.leaf(pair, path, trust, false)?)
    }

    /// Everything that was done, on the disk: content, names, attributes, deletions. One call for all of it costs as much
    /// as one file's would; it takes along what others have written there.
    fn sync_all(&self) -> Result<(), Stop> {
        let synced = self.target.sync();
        synced.map_err(|error| match at_target("syncing", error) {
            Fault::Stop(stop) => stop,
            Fault::Failed(reason) => Stop::retry("io", reason),
            Fault::Again => Stop::retry("io", "syncing the target: it is gone".into()),
        })
    }

    /// Takes away what a killed process left under temporary names where the batch writes: beside the names that it lists,
    /// and in the directories among them. A walk does the same on its way.
    fn sweep(&self, batch: &Batch) -> Result<(), Stop> {
        let mut dirs = BTreeSet::new();
        for Entry { path, act } in &batch.entries {
            dirs.extend(path.parent());
            // Only this act may be a directory's without a walk; of a file it costs one call.
            if *act == Act::Attributes {
                dirs.insert(path.clone());
            }
        }
        for path in dirs {
            self.check()?;
            if let Ok(dir) = self.target.dir(&path, For::Listing) {
                remove_leftovers(&dir, &dir.list());
            }
        }
        Ok(())
    }

    /// What the route may delete.
    pub(super) fn policy(&self) -> DeletePolicy {
        self.job.route.delete
    }

    /// Shows that the run is alive, and ends it if it was told to.
    pub(super) fn check(&self) -> Result<(), Stop> {
        self.progress.beat();
        if self.cancel.is_cancelled() {
            Err(Stop::cancelled())
        } else {
            Ok(())
        }
    }

    /// `count` more entries will be looked at.
    pub(super) fn expect(&self, count: u64) {
        let before = self.expected.fetch_add(count, Ordering::Relaxed);
        self.progress.expect(before + count);
    }

    /// Writes down what became of a path; `None`: it is not in step, and that is written down.
    pub(super) fn record<T>(
        &self,
        path: &RelPath,
        result: Result<T, Fault>,
    ) -> Result<Option<T>, Stop> {
        match result {
            Ok(value) => Ok(Some(value)),
            Err(Fault::Failed(reason)) => {
                self.report.failed(path, reason);
                Ok(None)
            }
            Err(Fault::Again) => {
                self.report.again(path);
                Ok(None)
            }
            Err(Fault::Stop(stop)) => Err(stop),
        }
    }

    /// Opens the two directories that hold a name; the target's is made where it is missing.
    fn pair(&self, path: &RelPath) -> Result<Pair, Fault> {
        let source = self
            .source
            .dir(path, For::Reach)
            .map_err(|error| super::fault::at_source("opening a directory of", error))?;
        let target = self.ensure_dir(path)?;
        Ok(Pair { source, target })
    }
}

/// Opens the target's root, or makes it in its existing parent; says whether it was made.
fn open_target(
    path: &Path,
    first_write: impl FnOnce() -> Result<(), Stop>,
) -> Result<(Tree, bool), Stop> {
    let refused = |error: Errno| {
        let shown = path.display();
        match error {
            Errno::NOTDIR => Stop::retry(
                "noDestination",
                format!("the target `{shown}` is no directory"),
            ),
            Errno::NOENT => Stop::retry(
                "noDestination",
                format!("the parent of the target `{shown}` is not there: mount or create it"),
            ),
            error => match at_target("opening", error) {
                Fault::Stop(stop) => stop,
                _ => Stop::retry(
                    "noDestination",
                    format!("opening the target `{shown}`: {}", words(error)),
                ),
            },
        }
    };
    match Tree::open(path) {
        Ok(tree) => Ok((tree, false)),
        Err(Errno::NOENT) => {
            first_write()?;
            match rustix::fs::mkdir(path, Mode::RWXU) {
                Ok(()) | Err(Errno::EXIST) => {}
                Err(error) => return Err(refused(error)),
            }
            Tree::open(path).map(|tree| (tree, true)).map_err(refused)
        }
        Err(error) => Err(refused(error)),
    }
}
