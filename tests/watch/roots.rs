//! Roots that come, go and turn into others.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;

use heliostat::engine::{Dirt, Notice, WatchReport};

use super::{World, marks};

/// Directories that are looked after, in whatever way.
fn all(report: &WatchReport) -> u64 {
    report.directories + report.unwatched
}

/// The path is marked, or a directory above it is as a whole.
fn covered(notices: &[Notice], path: &str) -> bool {
    let path = heliostat::engine::RelPath::new(path.as_bytes()).unwrap();
    marks(notices).iter().any(|mark| {
        mark.path == path || (mark.dirt.has(Dirt::SUBTREE) && path.starts_with(&mark.path))
    })
}

#[test]
fn a_root_that_is_not_there_yet_is_waited_for_and_barriers_with_it() {
    let world = World::new();
    fs::remove_dir(world.root()).unwrap();
    let mut watch = world.watch(100);
    assert!(
        watch
            .until_waiting()
            .contains("is not there: create or mount it")
    );
    let barrier = watch.ask();
    fs::write(world.root(), "a file").unwrap();
    assert!(watch.until_waiting().contains("is not a directory"));
    fs::remove_file(world.root()).unwrap();
    fs::create_dir_all(world.at("a/b")).unwrap();
    let told = watch.until(|notice| *notice == Notice::Barrier(barrier));
    let ready = told
        .iter()
        .position(|notice| matches!(notice, Notice::Ready(report) if all(report) >= 1));
    assert!(ready.is_some(), "{told:?}");
    fs::write(world.at("a/b/f"), "").unwrap();
    assert!(covered(&watch.barrier(), "a/b/f"));
}

#[test]
fn a_root_that_is_removed_and_made_again_is_watched_again() {
    let world = World::new();
    let mut watch = world.watch(100);
    watch.until_ready();
    fs::remove_dir_all(world.root()).unwrap();
    fs::create_dir_all(world.at("new")).unwrap();
    watch.until_ready(); // also where the new one has the old one's inode number
    fs::write(world.at("new/f"), "").unwrap();
    assert!(covered(&watch.barrier(), "new/f"));
}

#[test]
fn a_barrier_right_after_the_root_was_replaced_stands_behind_the_news() {
    let world = World::new();
    let mut watch = world.ready();
    fs::rename(world.root(), world.scratch.path().join("away")).unwrap();
    fs::create_dir(world.root()).unwrap();
    let told = watch.barrier();
    assert!(
        told.iter().any(|notice| matches!(notice, Notice::Ready(_))),
        "{told:?}"
    );
}

#[test]
fn a_symlink_root_that_is_swapped_is_followed_but_no_symlink_in_it() {
    let mut world = World::new();
    let at = |name: &str| world.scratch.path().join(name);
    fs::create_dir_all(at("one/x")).unwrap();
    fs::create_dir_all(at("two/x/y")).unwrap();
    symlink("one", at("current")).unwrap();
    let plan = super::plan(&at("current"));
    let (next, two) = (at("next"), at("two"));
    world.plan = plan;
    let mut watch = world.watch(100);
    assert_eq!(all(&watch.until_ready()), 2);
    symlink("two", &next).unwrap();
    symlink("/", two.join("everything")).unwrap();
    fs::rename(&next, world.root()).unwrap();
    assert_eq!(all(&watch.until_ready()), 3);
    fs::write(two.join("x/y/f"), "").unwrap();
    assert!(covered(&watch.barrier(), "x/y/f"));
}

#[test]
fn a_directory_above_the_root_that_is_swapped_is_seen() {
    let mut world = World::new();
    let above = world.scratch.path().join("above");
    fs::create_dir_all(above.join("root")).unwrap();
    world.plan = super::plan(&above.join("root"));
    let mut watch = world.ready();
    fs::rename(&above, world.scratch.path().join("elsewhere")).unwrap();
    assert!(watch.until_waiting().contains("is not there"));
    fs::create_dir_all(above.join("root/new")).unwrap();
    assert_eq!(
        watch.until_ready().root.0.len(),
        world.root().components().count()
    );
}

/// A tmpfs that goes away with the test.
struct Mount(PathBuf);

impl Mount {
    fn bind(from: &Path, over: &Path) -> Option<Mount> {
        let done = Command::new("mount")
            .arg("--bind")
            .arg(from)
            .arg(over)
            .status();
        if done.is_ok_and(|status| status.success()) {
            return Some(Mount(over.into()));
        }
        crate::rig::left_out("nothing may be mounted");
        None
    }

    fn over(path: &Path) -> Option<Mount> {
        let done = Command::new("mount")
            .args(["-t", "tmpfs", "heliostat-test"])
            .arg(path)
            .status();
        if done.is_ok_and(|status| status.success()) {
            return Some(Mount(path.into()));
        }
        crate::rig::left_out("nothing may be mounted");
        None
    }
}

impl Drop for Mount {
    fn drop(&mut self) {
        // `busy` for a moment while something looks at it
        let unmounted = || {
            Command::new("umount")
                .arg(&self.0)
                .stderr(std::process::Stdio::null())
                .status()
        };
        let deadline = std::time::Instant::now() + super::DEADLINE;
        while !unmounted().is_ok_and(|status| status.success()) {
            assert!(
                std::time::Instant::now() < deadline,
                "the watch keeps the mount busy"
            );
        }
    }
}

#[test]
fn a_root_that_is_mounted_over_and_unmounted_is_another_root_each_time() {
    let world = World::new();
    fs::create_dir(world.at("below")).unwrap();
    let mut watch = world.watch(100);
    let bare = watch.until_ready();
    let Some(mount) = Mount::over(&world.root()) else {
        return;
    };
    let mounted = watch.until_ready();
    assert_ne!(bare.root, mounted.root);
    fs::create_dir(world.at("new")).unwrap();
    fs::write(world.at("new/f"), "").unwrap();
    assert!(covered(&watch.barrier(), "new/f"));
    drop(mount);
    assert_eq!(watch.until_ready().root, bare.root);
    fs::write(world.at("below/f"), "").unwrap();
    assert!(covered(&watch.barrier(), "below/f"));
}

#[test]
fn a_root_that_is_unmounted_and_mounted_again_at_once_is_watched_again() {
    let world = World::new();
    let Some(mount) = Mount::over(&world.root()) else {
        return;
    };
    let mut watch = world.ready();
    drop(mount);
    let _mount = Mount::over(&world.root()).unwrap(); // often with the same numbers
    fs::create_dir(world.at("new")).unwrap();
    watch.until(|notice| match notice {
        Notice::Ready(report) => all(report) == 2,
        Notice::Changed(_) => covered(std::slice::from_ref(notice), "new"),
        _ => false,
    });
    fs::write(world.at("new/f"), "").unwrap();
    assert!(covered(&watch.barrier(), "new/f"));
}

#[test]
fn a_mount_over_a_watched_directory_is_seen_without_any_event() {
    let mut world = World::new();
    world.plan.one_file_system = false;
    fs::create_dir_all(world.at("a/covered")).unwrap();
    let mut watch = world.ready();
    let subtree = |notice: &Notice| covered(std::slice::from_ref(notice), "a/anything");
    let Some(mount) = Mount::over(&world.at("a")) else {
        return;
    };
    watch.until(subtree);
    fs::create_dir(world.at("a/d")).unwrap();
    fs::write(world.at("a/d/f"), "").unwrap();
    assert!(covered(&watch.barrier(), "a/d/f"));
    drop(mount);
    watch.until(subtree);
    fs::write(world.at("a/covered/f"), "").unwrap();
    assert!(covered(&watch.barrier(), "a/covered/f"));
}

#[test]
fn another_file_system_is_not_entered_where_one_is_asked_for() {
    let world = World::new();
    fs::create_dir_all(world.at("a/covered")).unwrap();
    let Some(_mount) = Mount::over(&world.at("a")) else {
        return;
    };
    fs::create_dir(world.at("a/d")).unwrap();
    let mut watch = world.watch(100);
    assert_eq!(all(&watch.until_ready()), 1);
    fs::write(world.at("a/f"), "").unwrap();
    let told = watch.barrier();
    assert!(
        super::name() == "polling" || !covered(&told, "a/f"),
        "{told:?}"
    ); // the root as a whole is dirty then
    watch.stop();
}

#[test]
fn a_directory_that_is_mounted_twice_is_told_under_both_names() {
    let world = World::new();
    fs::create_dir_all(world.at("a/sub")).unwrap();
    fs::create_dir(world.at("b")).unwrap();
    let Some(_mount) = Mount::bind(&world.at("a"), &world.at("b")) else {
        return;
    };
    let mut watch = world.watch(100);
    let report = watch.until_ready();
    let expected = match super::name() {
        "polling" => (0, 5),
        _ => (3, 2), // one inode has one watch, the other name is polled
    };
    assert_eq!((report.directories, report.unwatched), expected);
    for name in ["a/f", "b/g", "b/sub/h"] {
        fs::write(world.at(name), "").unwrap();
    }
    let told = watch.barrier();
    for name in ["a/f", "a/g", "a/sub/h", "b/f", "b/g", "b/sub/h"] {
        assert!(covered(&told, name), "{name}: {told:?}");
    }
    watch.stop();
}
