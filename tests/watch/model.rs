//! Random histories on a real tree: whatever happens, a copy that follows the marks ends up the same.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::SystemTime;

use heliostat::engine::{Dirt, Mark, Notice, RelPath};
use heliostat::filter::Filter;

use super::shadow::Shadow;
use super::{Watch, World};

/// Takes what was told up to a barrier, applying it as it comes.
fn follow(shadow: &mut Shadow, watch: &mut Watch) {
    let id = watch.ask();
    loop {
        match watch.next() {
            Notice::Changed(marks) => marks.iter().for_each(|mark| shadow.apply(mark)),
            Notice::Ready(_) => shadow.apply(&Mark {
                path: RelPath::root(),
                dirt: Dirt::SUBTREE | Dirt::CONTENT,
            }),
            Notice::Barrier(told) if told == id => return,
            _ => {}
        }
    }
}

/// One random operation; failures are part of the game.
fn operate(random: &mut fastrand::Rng, root: &Path) {
    const NAMES: [&str; 7] = ["a", "b", "c", "d", "e.tmp", "cache", "f"];
    let pick = |random: &mut fastrand::Rng| -> PathBuf {
        let mut path = root.to_path_buf();
        for _ in 0..random.usize(1..5) {
            path.push(NAMES[random.usize(..NAMES.len())]);
        }
        path
    };
    let path = pick(random);
    let other = pick(random);
    let write = |path: &Path, random: &mut fastrand::Rng| {
        if !path.is_symlink() {
            let _ = fs::write(path, format!("{:08}", random.u32(..99_999_999)));
        }
    };
    match random.u32(..100) {
        0..25 => {
            if let Some(parent) = path.parent() {
                let _ = fs::create_dir_all(parent);
            }
            write(&path, random);
        }
        25..35 => {
            let _ = fs::create_dir_all(&path);
            for name in NAMES {
                write(&path.join(name), random);
            }
        }
        35..60 => {
            let _ = fs::rename(&path, &other);
        }
        60..68 => {
            let _ = fs::remove_dir_all(&path);
        }
        68..75 => {
            let _ = fs::remove_file(&path);
        }
        75..82 => {
            let mode = if path.is_dir() { 0o700 } else { 0o600 } | random.u32(..0o100);
            if !path.is_symlink() {
                let _ = fs::set_permissions(&path, fs::Permissions::from_mode(mode));
            }
        }
        82..88 => {
            let _ = symlink("somewhere", &path);
        }
        88..94 => {
            // another content of the same size and time
            if let Ok(meta) = fs::symlink_metadata(&path)
                && meta.is_file()
            {
                write(&path, random);
                if let Ok(file) = fs::File::options().write(true).open(&path) {
                    let _ = file.set_modified(meta.modified().unwrap_or(SystemTime::UNIX_EPOCH));
                }
            }
        }
        94..97 => {
            // a populated directory comes in from outside
            let outside = root
                .parent()
                .unwrap()
                .join(format!("outside-{}", random.u64(..)));
            let _ = fs::create_dir_all(outside.join("a/b"));
            write(&outside.join("a/b/c"), random);
            write(&outside.join("a/d"), random);
            if fs::rename(&outside, &path).is_err() {
                let _ = fs::remove_dir_all(outside);
            }
        }
        _ => {
            // and one goes out
            let outside = root
                .parent()
                .unwrap()
                .join(format!("away-{}", random.u64(..)));
            if fs::rename(&path, &outside).is_ok() {
                write(&outside.join("late"), random);
                let _ = fs::remove_dir_all(&outside);
                let _ = fs::remove_file(&outside);
            }
        }
    }
}

fn history(seed: u64, rounds: usize, operations: usize, limit: Option<u64>) {
    let mut random = fastrand::Rng::with_seed(seed);
    let mut world = World::new().exclude(&["*.tmp", "cache/"]);
    world.watch_limit = limit;
    for _ in 0..100 {
        operate(&mut random, &world.root());
    }
    let mut watch = world.ready();
    let filter = Filter::compile(&world.plan.filter).unwrap();
    let mut shadow = Shadow::full(&world.root(), filter);
    for round in 0..rounds {
        // The history goes on while its marks are followed, so that every race between the two is met.
        let (root, running) = (world.root(), AtomicBool::new(true));
        std::thread::scope(|scope| {
            scope.spawn(|| {
                for _ in 0..operations {
                    operate(&mut random, &root);
                }
                running.store(false, Ordering::SeqCst);
            });
            while running.load(Ordering::SeqCst) {
                follow(&mut shadow, &mut watch);
            }
        });
        follow(&mut shadow, &mut watch);
        let differences = shadow.differences();
        assert!(
            differences.is_empty(),
            "seed {seed}, round {round}, {} entries:\n{}",
            shadow.len(),
            differences.join("\n")
        );
    }
    watch.stop();
    assert!(!world.cookies().exists(), "cookies are cleaned up");
}

fn base_seed() -> u64 {
    std::env::var("HELIOSTAT_SEED")
        .ok()
        .and_then(|seed| seed.parse().ok())
        .unwrap_or(1)
}

#[test]
fn random_histories_are_covered() {
    for seed in base_seed()..base_seed() + 8 {
        history(seed, 3, 300, None);
    }
}

#[test]
fn random_histories_are_covered_where_most_directories_are_polled() {
    for seed in base_seed()..base_seed() + 3 {
        history(seed, 3, 100, Some(5));
    }
}
