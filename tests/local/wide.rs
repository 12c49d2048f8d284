//! Trees that are wide enough for several threads: directories in pieces, links from one to another, faults in all of them.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};

use fastrand::Rng;
use heliostat::engine::Verdict;
use heliostat::plan::Attributes;
use heliostat::transfer::batch::Act;

use super::snapshot::{self, differences};
use super::{World, batch, forest, p};

const SEEDS: u64 = 3;

/// Directories of which some have more names than one thread takes at once.
const DIRECTORIES: usize = 12;
const NAMES_MAX: usize = 700;

/// Grows files, symlinks and directories, and gives every tenth file a further name somewhere else.
fn grow(root: &Path, rng: &mut Rng) {
    let mut files = Vec::new();
    for directory in 0..DIRECTORIES {
        let name = match directory % 4 {
            0 => format!("d{directory}"),
            1 => format!("d{}/below", directory - 1),
            2 => format!("d{}/below/deep", directory - 2),
            _ => format!("d{}/beside", directory - 3),
        };
        let path = root.join(name);
        fs::create_dir_all(&path).unwrap();
        let names = match directory % 4 {
            2 => NAMES_MAX - rng.usize(0..100),
            _ => rng.usize(0..30),
        };
        for at in 0..names {
            let file = path.join(format!("f{at}"));
            match rng.u32(0..40) {
                0 => symlink("elsewhere", &file).unwrap(),
                1 => fs::create_dir(&file).unwrap(),
                2..6 if !files.is_empty() => {
                    fs::hard_link(rng.choice(&files).unwrap(), &file).unwrap()
                }
                _ => {
                    fs::write(&file, forest::content(rng)).unwrap();
                    forest::set_time(&file, rng.i64(0..2_000_000_000), rng.i64(0..1_000_000_000));
                    files.push(file);
                }
            }
        }
        forest::set_time(&path, rng.i64(0..2_000_000_000), rng.i64(0..1_000_000_000));
    }
}

/// What changes between two passes: files go, come, and become directories; directories become files.
fn change(root: &Path, rng: &mut Rng) {
    let everything = Attributes::default();
    let names: Vec<_> = snapshot::of(root, &everything).into_keys().collect();
    for name in names {
        let path = name.under(root);
        let Ok(found) = path.symlink_metadata() else {
            continue;
        };
        if name.is_root() || rng.u32(0..6) != 0 {
            continue;
        }
        match (found.is_dir(), rng.u32(0..3)) {
            (true, 0) => {
                fs::remove_dir_all(&path).unwrap();
                fs::write(&path, "was a directory").unwrap();
            }
            (true, _) => fs::write(path.join("new"), "new").unwrap(),
            (false, 0) => {
                fs::remove_file(&path).unwrap();
                fs::create_dir(&path).unwrap();
                fs::write(path.join("in it"), "new").unwrap();
            }
            (false, 1) => fs::remove_file(&path).unwrap(),
            (false, _) => {
                fs::remove_file(&path).unwrap();
                fs::write(&path, forest::content(rng)).unwrap();
            }
        }
    }
}

#[test]
fn a_wide_tree_is_what_rsync_makes_of_it() {
    for seed in 0..SEEDS {
        let mut world = World::new();
        world.attributes.hard_links = true;
        let rng = &mut Rng::with_seed(seed);
        grow(&world.source(), rng);
        let other = world.scratch.path().join("rsync");
        for round in 0..2 {
            let outcome = world.pass();
            assert_eq!(outcome.verdict, Verdict::Done, "seed {seed}, round {round}");
            assert!(
                outcome.failed.is_empty() && outcome.again.is_empty(),
                "seed {seed}, round {round}: {outcome:?}"
            );
            let mut rsync = Command::new("/usr/bin/rsync");
            rsync.args(["-aH", "--delete", "--modify-window=-1"]);
            assert!(
                rsync
                    .arg(world.source().join(""))
                    .arg(&other)
                    .status()
                    .unwrap()
                    .success()
            );
            let source = snapshot::of(&world.source(), &world.attributes);
            let ours = snapshot::of(&world.target(), &world.attributes);
            let theirs = snapshot::of(&other, &world.attributes);
            for (name, expected) in [("source", &source), ("rsync", &theirs)] {
                let text = differences(expected, &ours);
                assert!(
                    text.is_empty(),
                    "seed {seed}, round {round}: - {name} + heliostat\n{text}"
                );
            }
            assert_eq!(outcome.stats.target_entries, Some(ours.len() as u64 - 1));
            snapshot::assert_no_leftovers(&world.target());
            let again = world.pass();
            assert_eq!(
                (again.stats.files, again.stats.deleted, again.stats.bytes),
                (0, 0, 0),
                "seed {seed}, round {round}: {again:?}"
            );
            change(&world.source(), rng);
        }
    }
}

#[test]
fn subtrees_of_one_batch_are_done_together() {
    let world = World::new();
    for directory in ["a", "a.b", "c/d", "c/e", "f"] {
        let path = world.source().join(directory);
        fs::create_dir_all(&path).unwrap();
        for file in 0..50 {
            fs::write(path.join(format!("{file}")), directory).unwrap();
        }
    }
    let subtree = |trust| Act::Reconcile {
        trust,
        delete: false,
    };
    let outcome = world.run(&batch([
        (p("a"), subtree(true)),
        (p("a.b"), subtree(true)),
        (p("c/d"), subtree(false)),
        (p("c/e"), subtree(true)),
        (p("f"), Act::Attributes),
    ]));
    assert_eq!(outcome.verdict, Verdict::Done, "{outcome:?}");
    fs::remove_dir_all(world.source().join("f")).unwrap();
    fs::create_dir(world.source().join("f")).unwrap();
    forest::set_time(&world.source().join("f"), 1, 2);
    forest::set_time(&world.source(), 3, 4);
    let outcome = world.run(&batch([(p("f"), Act::Attributes)]));
    assert_eq!(outcome.verdict, Verdict::Done, "{outcome:?}");
    let look = |root| snapshot::of(root, &world.attributes);
    let text = differences(&look(&world.source()), &look(&world.target()));
    assert!(text.is_empty(), "- source + target\n{text}");
}

#[test]
fn every_failing_path_is_named_whichever_thread_came_by() {
    let mut world = World::new();
    world.exclude = vec!["stuck/"];
    let mut failing = BTreeSet::new();
    for directory in 0..60 {
        let name = format!("d{directory}");
        for root in [world.source(), world.target()] {
            fs::create_dir(root.join(&name)).unwrap();
        }
        for file in 0..20 {
            fs::write(world.source().join(&name).join(format!("f{file}")), &name).unwrap();
        }
        fs::write(world.source().join(&name).join("stuck"), "a file here").unwrap();
        fs::create_dir(world.target().join(&name).join("stuck")).unwrap();
        failing.insert(p(&format!("{name}/stuck")));
    }
    let outcome = world.pass();
    assert_eq!(outcome.verdict, Verdict::Done, "{outcome:?}");
    let failed: Vec<_> = outcome
        .failed
        .iter()
        .map(|failed| failed.path.clone())
        .collect();
    assert_eq!(failed, Vec::from_iter(failing), "sorted, and each once");
    assert_eq!(outcome.stats.created, 60 * 20);
}

#[test]
fn a_word_to_end_is_heard_by_every_thread_and_leaves_only_whole_files() {
    let world = World::new();
    for directory in 0..200 {
        let path = world.source().join(format!("d{directory}"));
        fs::create_dir(&path).unwrap();
        for file in 0..50 {
            fs::write(path.join(format!("f{file}")), vec![b'x'; 3_000]).unwrap();
        }
    }
    let over = AtomicBool::new(false);
    let outcome = std::thread::scope(|scope| {
        scope.spawn(|| {
            while world.progress.look().files < 100 && !over.load(Ordering::Relaxed) {
                std::thread::yield_now();
            }
            world.cancel.cancel();
        });
        let outcome = world.pass();
        over.store(true, Ordering::Relaxed);
        outcome
    });
    assert_eq!(outcome.verdict, Verdict::Cancelled);
    assert!(outcome.stats.created < 200 * 51, "it ended early");
    snapshot::assert_no_leftovers(&world.target());
    let source = snapshot::of(&world.source(), &world.attributes);
    let target = snapshot::of(&world.target(), &world.attributes);
    let files = target
        .iter()
        .filter(|(name, _)| !name.parent().is_none_or(|parent| parent.is_root()));
    let mut whole = 0;
    for (name, found) in files {
        assert_eq!(source.get(name), Some(found), "{}", name);
        whole += 1;
    }
    assert!(whole >= 50, "{whole}");
}

#[test]
fn a_limit_holds_for_all_threads_together() {
    let mut world = World::new();
    world.bandwidth = Some(1_000_000);
    for directory in 0..10 {
        let path = world.source().join(format!("d{directory}"));
        fs::create_dir(&path).unwrap();
        fs::write(path.join("f"), vec![b'x'; 60_000]).unwrap();
    }
    let began = std::time::Instant::now();
    assert_eq!(world.pass().stats.bytes, 600_000);
    // The first piece is free: the others are paid for one after the other, whoever moves them.
    assert!(began.elapsed().as_millis() >= 530, "{:?}", began.elapsed());
}
