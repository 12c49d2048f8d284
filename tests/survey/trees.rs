//! Trees that are large in one direction, and trees that change while they are walked.

use std::sync::atomic::{AtomicBool, Ordering};

use heliostat::engine::Surveyed;
use rustix::fs::{CWD, Mode, OFlags, mkdirat, openat};

use super::World;

#[test]
fn a_tree_deeper_than_a_path_may_be_long() {
    let mut world = World::new();
    let name = "n".repeat(100);
    let directory = OFlags::DIRECTORY | OFlags::CLOEXEC;
    let mut here = openat(CWD, world.source(), directory, Mode::empty()).unwrap();
    for _ in 0..60 {
        mkdirat(&here, &*name, Mode::RWXU).unwrap();
        here = openat(&here, &*name, directory, Mode::empty()).unwrap();
    }
    world.learn();
    assert_eq!(world.rows.0.len(), 61);
    mkdirat(&here, "new", Mode::RWXU).unwrap();
    let deepest = vec![&*name; 60].join("/");
    let wanted = [
        format!("{deepest}: attributes+listing"),
        format!("{deepest}/new: content+subtree"),
    ];
    assert_eq!(world.marks(), wanted);
}

#[test]
fn a_directory_of_many_names() {
    let mut world = World::new();
    for at in 0..30_000 {
        std::fs::File::create(world.at(&format!("file-{at}"))).unwrap();
    }
    std::fs::create_dir(world.at("small")).unwrap();
    world.learn();
    std::fs::write(world.at("file-17"), "changed").unwrap();
    assert_eq!(world.marks(), ["file-17: content"]);
}

#[test]
fn any_number_of_threads_finds_the_same() {
    let mut world = World::new();
    for at in 0..400 {
        std::fs::create_dir_all(world.at(&format!("{}/{}/{at}", at % 3, at % 20))).unwrap();
    }
    world.threads = 0;
    world.learn();
    for threads in [1, 2, 7, 1000] {
        world.threads = threads;
        assert!(world.fresh() == world.rows, "{threads} threads");
    }
}

#[test]
fn a_tree_that_changes_while_it_is_walked_is_borne_and_found_right_afterwards() {
    let mut world = World::new();
    for at in 0..60 {
        std::fs::create_dir_all(world.at(&format!("{at}/deep"))).unwrap();
    }
    world.learn();
    let over = AtomicBool::new(false);
    let mut walks: Vec<Surveyed> = Vec::new();
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let mut random = fastrand::Rng::with_seed(7);
            while !over.load(Ordering::Relaxed) {
                let at = random.u32(0..60);
                let (one, other) = (
                    world.at(&format!("{at}/deep")),
                    world.at(&format!("{at}/name")),
                );
                let _ = match random.u32(0..5) {
                    0 => std::fs::rename(&one, &other),
                    1 => std::fs::rename(&other, &one),
                    2 => std::fs::remove_dir_all(&one),
                    3 => std::fs::create_dir(&one),
                    _ => std::fs::write(&other, "x"),
                };
            }
        });
        walks.extend((0..60).map(|_| world.compare().0));
        over.store(true, Ordering::Relaxed);
    });
    for walk in walks {
        assert!(!matches!(walk, Surveyed::Failed(_)), "{walk:?}");
    }
    world.tick();
    world.marks(); // sees that the rows are right
    assert!(world.marks().is_empty());
}
