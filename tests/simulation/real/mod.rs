//! The model of a transfer, held against the real thing.
//!
//! A random history is played twice: in the model, and on disk, where the product's own transfer works with the real rsync
//! through a daemon, or with the local copier. After each transfer both targets must be the same, and so must be what is
//! told of it: the verdict, the paths that are not in step, and the numbers that the budget hangs on. Otherwise the
//! simulation would prove a fiction. `HELIOSTAT_MODEL_CASES=N` makes more transfers, `HELIOSTAT_MODEL_SEED=N` plays one history.

mod bench;
mod disk;
mod history;

use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use heliostat::engine::{
    DeleteLeave, Dirt, Hold, Job, Outcome, RelPath, TransferId, Verdict, Work,
};
use heliostat::transfer::normalise::Scope;

use bench::{Bench, Daemon};
use disk::Tree;
use history::{Asked, History, ROUNDS, Round, Step};

use super::bugs::Bug;
use super::number;
use super::path::P;
use super::script::{self, filter};
use super::source::{Facts, Kind, Source};
use super::target::Target;
use super::transfer::{Stage, Transfer};

/// Between two operations, in microseconds.
const GAP: u64 = 700_000;

/// The source's clock when a history begins: long ago, so that the present is told from it.
const WALL: u64 = 1_000_000_000_000_000;

/// No transfer of the model takes so many steps.
const STEPS_MAX: usize = 10_000;

/// What is told of a transfer.
#[derive(Clone, PartialEq, Eq, Debug)]
struct Told {
    verdict: String,
    failed: BTreeSet<P>,
    again: BTreeSet<P>,
    deleted: u64,
    created: u64,
    entries: Option<u64>,
}

fn told(outcome: &Outcome, here: impl Fn(&RelPath) -> Option<P>) -> Told {
    let path = |path: &RelPath| here(path).unwrap_or_else(|| panic!("foreign: {path:?}"));
    let verdict = match &outcome.verdict {
        Verdict::Done => "done".to_owned(),
        Verdict::Held(Hold::Deletes(plan)) => {
            let sample: BTreeSet<P> = plan.sample.iter().map(path).collect();
            format!("{} of {} would go: {sample:?}", plan.count, plan.of)
        }
        Verdict::Held(Hold::Guard(refusal)) => format!("held by {}", refusal.guard),
        other => format!("{other:?}"),
    };
    // What is not done as a whole is done again as a whole.
    let done = outcome.verdict == Verdict::Done;
    let failed = outcome.failed.iter().filter(|_| done);
    Told {
        verdict,
        failed: failed.map(|failure| path(&failure.path)).collect(),
        again: outcome.again.iter().filter(|_| done).map(path).collect(),
        deleted: outcome.stats.deleted,
        created: outcome.stats.created,
        entries: outcome.stats.target_entries.filter(|_| done),
    }
}

/// A history under way, in the model and on disk.
struct Pair<'a> {
    bench: &'a Bench<'a>,
    history: &'a History,
    source: Source,
    target: Target,
    /// Planted in the model.
    bug: Option<Bug>,
    now: u64,
}

impl<'a> Pair<'a> {
    fn new(bench: &'a Bench<'a>, history: &'a History, bug: Option<Bug>) -> Pair<'a> {
        let mut source = Source::new(history.setup.grain);
        source.wall = WALL;
        let root = Facts {
            kind: Kind::Directory,
            content: 0,
            size: 0,
            mtime: WALL,
            mode: 0o700,
        };
        let tree = Tree::from([(P::ROOT, root)]);
        disk::change(&Tree::new(), &tree, &bench.target, history.names);
        let target = Target {
            tree,
            ..Target::default()
        };
        Pair {
            bench,
            history,
            source,
            target,
            bug,
            now: GAP,
        }
    }

    fn step(&mut self, step: Step) {
        self.now += GAP;
        match step {
            Step::Op(op) => {
                self.source.now = self.now;
                if let Some((number, _)) = self.source.act(op, self.now) {
                    self.source.close(number);
                }
                self.source.events.clear();
            }
            Step::Drift(drift) => self.edit(|target, now| target.drift(drift, now)),
            Step::Shelter(path) => self.edit(|target, now| shelter(target, path, now)),
        }
    }

    /// Somebody edits the target.
    fn edit(&mut self, edit: impl FnOnce(&mut Target, u64)) {
        let before = self.target.tree.clone();
        edit(&mut self.target, self.now);
        disk::change(
            &before,
            &self.target.tree,
            &self.bench.target,
            self.history.names,
        );
    }

    fn job(&self, round: &Round, name: impl Fn(P) -> RelPath) -> Job {
        let plan = script::plan(&self.history.setup);
        let source = plan.sources.into_values().next().unwrap();
        let route = source.routes.values().next().unwrap().clone();
        let marks = |marks: &[(P, Dirt)]| Work::Batch(history::as_marks(marks, name));
        Job {
            id: TransferId(1),
            source: Arc::new(source),
            route: Arc::new(route),
            work: match &round.asked {
                Asked::Pass(compare) => Work::Pass(*compare),
                Asked::Marks(asked) => marks(asked),
                Asked::Differences => marks(&self.differences()),
            },
            deletes: DeleteLeave {
                spent: round.spent,
                target_entries: round.counted.then(|| self.target.entries()),
                approved: None,
            },
            root: None,
            mounts: Vec::new(),
            bandwidth: None,
            sweep: false,
            trigger: "change",
            owes: false,
        }
    }

    /// What a watch would have told.
    fn differences(&self) -> Vec<(P, Dirt)> {
        let names: BTreeSet<P> = self.source.names.keys().copied().collect();
        let all = names.iter().chain(self.target.tree.keys());
        let all: BTreeSet<P> = all.copied().filter(|path| !path.is_excluded()).collect();
        let whole = Dirt::SUBTREE | Dirt::CONTENT;
        let dirt = |path: &P| {
            let here = self.source.get(*path).map(|inode| inode.facts);
            let dirt = match (here, self.target.tree.get(path)) {
                (Some(here), Some(there)) if here == *there => return None,
                (Some(here), Some(there)) if here.kind == there.kind => match here.kind {
                    Kind::Directory => Dirt::ATTRIBUTES,
                    _ => Dirt::CONTENT,
                },
                (Some(here), there) => {
                    let gone = there.map_or(Dirt::none(), |_| Dirt::GONE);
                    let new = match here.kind {
                        Kind::Directory => whole,
                        _ => Dirt::CONTENT,
                    };
                    new | gone
                }
                (None, _) => Dirt::CONTENT | Dirt::GONE,
            };
            Some((*path, dirt))
        };
        all.iter().filter_map(dirt).collect()
    }

    fn in_the_model(&mut self, job: Job) -> Outcome {
        let route = Arc::clone(&job.route);
        let local = self.history.setup.routes[0].local;
        let mut transfer = Transfer::new(Box::new(job), self.now, local, 0, self.bug);
        for _ in 0..STEPS_MAX {
            self.now += 1;
            let mut stage = Stage {
                now: self.now,
                source: &self.source,
                target: &mut self.target,
                scope: Scope {
                    filter: filter(),
                    delete: route.delete,
                    hard_links: route.attributes.hard_links,
                    fences: &[],
                    entries: None,
                },
                deletions: &mut Vec::new(),
            };
            if let Some(outcome) = transfer.step(&mut stage) {
                return outcome;
            }
        }
        panic!("the model's transfer does not end");
    }

    /// One transfer on both sides; what differs afterwards.
    fn transfer(&mut self, round: &Round) -> Result<(), String> {
        let names = self.history.names;
        disk::plant(&self.source, &self.bench.source, names);
        let since = now_on_disk();
        let mut real = self.job(round, |path| names.there(path));
        Arc::make_mut(&mut real.source).path = self.bench.source.display().to_string();
        Arc::make_mut(&mut real.route).target = self.bench.address();
        let model = self.job(round, P::rel);
        let before = self.target.tree.clone();
        let outcome = self.bench.run(&real);
        let theirs = disk::read(&self.bench.target, names, since)
            .map_err(|why| format!("{why}\n{outcome:#?}"))?;
        let work = format!("{:?}", model.work);
        let ours = self.in_the_model(model);
        let mut wrong = compare(&self.target.tree, &theirs);
        let (model, real) = (told(&ours, P::of), told(&outcome, |path| names.here(path)));
        if model != real {
            wrong.push(format!("told\n model {model:?}\n real  {real:?}"));
        }
        if wrong.is_empty() {
            return Ok(());
        }
        Err(format!(
            "{}\n{work}\nsource {:#?}\nbefore {}\nmodel {ours:?}\nreal {outcome:?}",
            wrong.join("\n"),
            self.source
                .names
                .iter()
                .map(|(path, number)| format!(
                    "{path:?} {number} {:?}",
                    self.source.inodes[*number].facts
                ))
                .collect::<Vec<_>>(),
            before
                .iter()
                .map(|(path, facts)| format!("\n  {path:?} {facts:?}"))
                .collect::<String>(),
        ))
    }
}

/// Seconds of the file system's clock, which may be a little behind.
fn now_on_disk() -> i64 {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    now.unwrap().as_secs() as i64 - 3600
}

/// A protected file, with the directories above it.
fn shelter(target: &mut Target, path: P, now: u64) {
    let facts = |kind, size| Facts {
        kind,
        content: 0,
        size,
        mtime: WALL,
        mode: 0o700,
    };
    for above in path.above().skip(1) {
        match target.tree.get(&above).map(|facts| facts.kind) {
            None => target.put(above, facts(Kind::Directory, 0), now),
            Some(Kind::Directory) => {}
            Some(_) => return,
        }
    }
    if !target.tree.contains_key(&path) {
        target.put(path, facts(Kind::File, 1), now);
    }
}

fn compare(model: &Tree, real: &Tree) -> Vec<String> {
    let facts = |tree: &Tree, path| tree.get(&path).copied().map(disk::comparable);
    let all: BTreeSet<P> = model.keys().chain(real.keys()).copied().collect();
    let line = |path| {
        let (ours, theirs) = (facts(model, path), facts(real, path));
        (ours != theirs).then(|| format!("`{path:?}`\n model {ours:?}\n real  {theirs:?}"))
    };
    all.into_iter().filter_map(line).collect()
}

/// Plays a history on both sides; the first thing that differs.
fn play(history: &History, daemon: Option<&Daemon>) -> Option<String> {
    play_with(history, daemon, None)
}

fn play_with(history: &History, daemon: Option<&Daemon>, bug: Option<Bug>) -> Option<String> {
    let bench = Bench::new(daemon);
    let mut pair = Pair::new(&bench, history, bug);
    for (number, round) in history.rounds.iter().enumerate() {
        for step in &round.steps {
            pair.step(*step);
        }
        if let Err(why) = pair.transfer(round) {
            return Some(format!("transfer {number}: {why}"));
        }
    }
    None
}

/// Leaves out whatever can be left out while the two still differ.
fn shrink(history: &History, daemon: Option<&Daemon>) -> History {
    let mut small = history.clone();
    let mut tries: VecDeque<History> = VecDeque::new();
    loop {
        tries.clear();
        for number in (0..small.rounds.len()).rev() {
            let mut without = small.clone();
            without.rounds.remove(number);
            tries.push_back(without);
            let mut merged = small.clone();
            if number + 1 < merged.rounds.len() {
                let steps = merged.rounds.remove(number).steps;
                merged.rounds[number].steps.splice(0..0, steps);
                tries.push_back(merged);
            }
        }
        for number in 0..small.rounds.len() {
            for step in (0..small.rounds[number].steps.len()).rev() {
                let mut without = small.clone();
                without.rounds[number].steps.remove(step);
                tries.push_back(without);
            }
            if let Asked::Marks(marks) = &small.rounds[number].asked {
                for mark in 0..marks.len() {
                    let mut fewer = marks.clone();
                    fewer.remove(mark);
                    let mut without = small.clone();
                    without.rounds[number].asked = Asked::Marks(fewer);
                    tries.push_back(without);
                }
            }
        }
        let smaller = tries
            .drain(..)
            .find(|history| play(history, daemon).is_some());
        match smaller {
            Some(smaller) => small = smaller,
            None => return small,
        }
    }
}

/// Plays as many histories as it takes for so many transfers, on both processors.
fn histories(transfers: u64, daemon: Option<&Daemon>) -> u64 {
    let seeds = match number("HELIOSTAT_MODEL_SEED") {
        Some(seed) => seed..seed + 1,
        None => 1..1 + transfers.div_ceil(ROUNDS as u64),
    };
    let (next, done) = (AtomicU64::new(seeds.start), AtomicU64::new(0));
    let work = || {
        loop {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            if seed >= seeds.end {
                return None;
            }
            let history = history::generate(seed, daemon.is_none());
            if let Some(why) = play(&history, daemon) {
                next.store(seeds.end, Ordering::Relaxed);
                return Some((seed, why));
            }
            done.fetch_add(history.rounds.len() as u64, Ordering::Relaxed);
        }
    };
    let failed = std::thread::scope(|scope| {
        let other = scope.spawn(work);
        let one = work();
        other.join().unwrap().into_iter().chain(one).min()
    });
    if let Some((seed, why)) = failed {
        let small = shrink(&history::generate(seed, daemon.is_none()), daemon);
        let again = play(&small, daemon);
        panic!(
            "seed {seed}: {why}\ncut down: {small:#?}\n{}",
            again.unwrap_or_default()
        );
    }
    done.load(Ordering::Relaxed)
}

#[test]
fn the_model_is_what_rsync_does() {
    let daemon = Daemon::new();
    let count = histories(
        number("HELIOSTAT_MODEL_CASES").unwrap_or(400),
        Some(&daemon),
    );
    println!("figure: transfers of the model held against rsync {count}");
}

#[test]
fn the_model_is_what_the_local_copier_does() {
    let count = histories(5 * number("HELIOSTAT_MODEL_CASES").unwrap_or(400), None);
    println!("figure: transfers of the model held against the local copier {count}");
}

/// The comparison is checked as well: a model that is wrong in one thing is seen to be.
#[test]
fn a_wrong_model_is_seen() {
    let bugs = [
        Bug::ContentTrusted,
        Bug::SubtreeTrusted,
        Bug::FilterIgnoredInDeletes,
        Bug::DeletedBeforeCounted,
        Bug::SpentForgotten,
        Bug::EmptyNotSeen,
    ];
    for bug in bugs {
        let seen = (1..=300).find_map(|seed| {
            let history = history::generate(seed, true);
            play_with(&history, None, Some(bug))
        });
        assert!(seen.is_some(), "{bug:?} is not seen");
    }
}
