//! Neighbours that write where we do, disks that fill up, and a word to end at any moment.

use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use heliostat::engine::Verdict;
use heliostat::plan::{Compare, DeletePolicy};
use heliostat::transfer::batch::Act;

use super::snapshot::{self, differences};
use super::{World, batch, is_root, p, pass};

/// A small file system of its own; goes away with the value.
pub(super) struct Mounted(PathBuf);

impl Mounted {
    /// `None`: this user may not mount, and the test has nothing to test with.
    pub(super) fn tmpfs(at: &Path, size: &str) -> Option<Mounted> {
        let options = format!("size={size},mode=755");
        let done = Command::new("mount")
            .args(["-t", "tmpfs", "-o", &options, "tmpfs"])
            .arg(at)
            .status();
        if done.is_ok_and(|status| status.success()) {
            return Some(Mounted(at.to_path_buf()));
        }
        crate::rig::left_out("nothing may be mounted");
        None
    }

    /// A file system of whole seconds: ext4 with the inodes of ext2.
    fn whole_seconds(at: &Path, image: &Path) -> Option<Mounted> {
        std::fs::File::create(image).ok()?.set_len(4 << 20).ok()?;
        let run =
            |command: &mut Command| command.output().is_ok_and(|output| output.status.success());
        let made = run(Command::new("mkfs.ext4")
            .args(["-q", "-I", "128"])
            .arg(image))
            && run(Command::new("mount")
                .args(["-o", "loop"])
                .arg(image)
                .arg(at));
        if !made {
            // Not even root has loop devices in every container.
            eprintln!("left out: no image can be mounted");
        }
        made.then(|| Mounted(at.to_path_buf()))
    }

    fn read_only(&self) {
        let done = Command::new("mount")
            .args(["-o", "remount,ro"])
            .arg(&self.0)
            .status();
        assert!(done.unwrap().success());
    }
}

impl Drop for Mounted {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(&self.0).status();
    }
}

#[test]
fn a_full_disk_is_said_and_heals() {
    let world = World::new();
    let Some(mounted) = Mounted::tmpfs(&world.target(), "1m") else {
        return;
    };
    std::fs::write(world.source().join("a"), b"fits").unwrap();
    std::fs::write(world.source().join("b"), vec![1; 4 << 20]).unwrap();
    let outcome = world.pass();
    assert!(
        matches!(&outcome.verdict, Verdict::Retry(trouble) if trouble.code == "noSpace"),
        "{outcome:?}"
    );
    assert_eq!(
        snapshot::names(&world.target()),
        [b"a"],
        "no half file under any name"
    );
    std::fs::write(world.source().join("b"), b"fits now").unwrap();
    assert_eq!(world.pass().verdict, Verdict::Done);
    mounted.read_only();
    std::fs::write(world.source().join("b"), b"another one").unwrap();
    let outcome = world.pass();
    assert!(
        matches!(&outcome.verdict, Verdict::Permanent(trouble) if trouble.code == "readOnly"),
        "{outcome:?}"
    );
}

#[test]
fn missing_roots() {
    let world = World::new();
    std::fs::write(world.source().join("a"), b"x").unwrap();
    std::fs::set_permissions(world.source(), PermissionsExt::from_mode(0o750)).unwrap();
    let new = world.scratch.path().join("new");
    let outcome = world.run_between(
        &world.source(),
        &new.join("deep"),
        &pass(Compare::Quick, true),
    );
    assert!(
        matches!(&outcome.verdict, Verdict::Retry(trouble) if trouble.code == "noDestination"),
        "{outcome:?}"
    );
    let outcome = world.run_between(&world.source(), &new, &batch([(p("a"), Act::Send)]));
    assert_eq!(outcome.verdict, Verdict::Done);
    assert_eq!(new.metadata().unwrap().mode() & 0o777, 0o750);
    let outcome = world.run_between(&world.source(), &new.join("a"), &pass(Compare::Quick, true));
    assert!(
        matches!(&outcome.verdict, Verdict::Retry(trouble) if trouble.code == "noDestination"),
        "{outcome:?}"
    );
    let outcome = world.run_between(
        &new.join("none"),
        &world.target(),
        &pass(Compare::Quick, true),
    );
    assert!(
        matches!(&outcome.verdict, Verdict::Retry(trouble) if trouble.code == "sourceMissing"),
        "{outcome:?}"
    );
}

/// Does `work` while `nuisance` is repeated in another thread.
fn beside<T>(nuisance: impl Fn() + Send, work: impl FnOnce() -> T) -> T {
    let stop = AtomicBool::new(false);
    let (begun, begins) = std::sync::mpsc::channel();
    std::thread::scope(|scope| {
        let stop = &stop;
        scope.spawn(move || {
            nuisance();
            begun.send(()).unwrap();
            while !stop.load(Ordering::Relaxed) {
                nuisance();
            }
        });
        begins.recv().unwrap();
        let done = work();
        stop.store(true, Ordering::Relaxed);
        done
    })
}

/// Swaps a directory for a symlink and back, as its owner could.
fn swap(dir: &Path, link_to: &Path) {
    let aside = dir.with_extension("aside");
    if std::fs::rename(dir, &aside).is_ok() {
        let _ = symlink(link_to, dir);
        std::hint::spin_loop();
        let _ = std::fs::remove_file(dir);
        // If a directory was made in its place meanwhile, that one stays.
        if std::fs::rename(&aside, dir).is_err() {
            let _ = std::fs::remove_dir_all(&aside);
        }
    }
}

const SWAPPED_PASSES: usize = 150;

#[test]
fn a_swapped_symlink_on_the_target_leads_nowhere() {
    let world = World::new();
    let victim = world.scratch.path().join("victim");
    std::fs::create_dir_all(victim.join("sub/extra")).unwrap();
    std::fs::write(victim.join("sub/f3"), b"precious").unwrap();
    let before = snapshot::of(&victim, &world.attributes);
    std::fs::create_dir_all(world.source().join("dir/sub")).unwrap();
    for at in 0..8 {
        std::fs::write(world.source().join(format!("dir/sub/f{at}")), b"x").unwrap();
    }
    let target = world.target().join("dir");
    beside(
        || swap(&target, &victim),
        || {
            for round in 0..SWAPPED_PASSES {
                std::fs::write(world.source().join("dir/sub/f1"), format!("{round}")).unwrap();
                world.pass();
                world.run(&batch([
                    (p("dir/sub/extra"), Act::Remove),
                    (p("dir/sub/f1"), Act::Send),
                    (p("dir/sub/f3"), Act::Attributes),
                ]));
            }
        },
    );
    let text = differences(&before, &snapshot::of(&victim, &world.attributes));
    assert!(text.is_empty(), "{text}");
    world.pass();
    let text = differences(
        &snapshot::of(&world.source(), &world.attributes),
        &snapshot::of(&world.target(), &world.attributes),
    );
    assert!(text.is_empty(), "{text}");
}

#[test]
fn a_swapped_symlink_in_the_source_gives_nothing_away() {
    let mut world = World::new();
    world.delete = DeletePolicy::Never;
    let secret = world.scratch.path().join("secret");
    std::fs::create_dir_all(secret.join("sub")).unwrap();
    std::fs::write(secret.join("sub/f"), b"secret").unwrap();
    std::fs::write(secret.join("sub/key"), b"secret").unwrap();
    let source = world.source().join("dir");
    std::fs::create_dir_all(source.join("sub")).unwrap();
    std::fs::write(source.join("sub/f"), b"public").unwrap();
    beside(
        || swap(&source, &secret),
        || {
            for _ in 0..SWAPPED_PASSES {
                world.pass();
                world.run(&batch([(p("dir/sub/f"), Act::Send)]));
                // The link itself is sent as a link, and a reader may follow it; what must not be is a copy of the secret.
                for (path, seen) in snapshot::of(&world.target(), &world.attributes) {
                    assert_ne!(path.name(), b"key");
                    assert!(
                        path.name() != b"f" || seen.content_is(b"public"),
                        "{path}: {seen:?}"
                    );
                }
            }
        },
    );
}

#[test]
fn the_word_to_end_leaves_nothing_behind() {
    let mut world = World::new();
    world.bandwidth = Some(20 << 20);
    std::fs::write(world.source().join("large"), vec![7; 200 << 20]).unwrap();
    std::fs::write(world.target().join("large"), b"old").unwrap();
    let began = Instant::now();
    let outcome = std::thread::scope(|scope| {
        scope.spawn(|| {
            while world.progress.look().bytes == 0 && began.elapsed() < Duration::from_secs(10) {
                std::thread::yield_now();
            }
            world.cancel.cancel();
        });
        world.pass()
    });
    assert_eq!(outcome.verdict, Verdict::Cancelled);
    assert_eq!(snapshot::names(&world.target()), [b"large"]);
    assert_eq!(std::fs::read(world.target().join("large")).unwrap(), b"old");
}

#[test]
fn a_killed_process_leaves_names_that_the_next_pass_removes() {
    let world = World::new();
    let leftover = ".heliostat-0123456789abcdef.tmp";
    for dir in ["source/d", "target/d", "target/extra"] {
        let dir = world.scratch.path().join(dir);
        std::fs::create_dir(&dir).unwrap();
        std::fs::write(dir.join(leftover), b"half").unwrap();
    }
    symlink("x", world.target().join(leftover)).unwrap();
    let outcome = world.pass();
    assert_eq!(
        (&outcome.verdict, outcome.failed.len()),
        (&Verdict::Done, 0)
    );
    // Another process's file in the source is not carried over, and not touched either.
    assert!(world.source().join("d").join(leftover).exists());
    assert_eq!(snapshot::names(&world.target()), [b"d"]);
    assert!(snapshot::names(&world.target().join("d")).is_empty());
}

#[test]
fn the_first_batches_after_a_kill_remove_such_names_where_they_write() {
    let mut world = World::new();
    let leftover = ".heliostat-0123456789abcdef.tmp";
    for dir in ["source/d", "target/d", "target/e"] {
        let dir = world.scratch.path().join(dir);
        std::fs::create_dir(&dir).unwrap();
        std::fs::write(dir.join(leftover), b"half").unwrap();
    }
    std::fs::write(world.source().join("d/f"), b"x").unwrap();
    world.run(&batch([(p("d/f"), Act::Send)]));
    assert_eq!(
        snapshot::names(&world.target().join("d")).len(),
        2,
        "an ordinary batch lists no directory"
    );
    world.sweep = true;
    world.run(&batch([(p("d/f"), Act::Send)]));
    assert_eq!(snapshot::names(&world.target().join("d")), [b"f"]);
    assert_eq!(snapshot::names(&world.target().join("e")).len(), 1);
}

#[test]
fn a_file_that_changes_while_it_is_copied_is_never_seen_half() {
    let mut world = World::new();
    world.bandwidth = Some(40 << 20);
    let (file, copy) = (world.source().join("busy"), world.target().join("busy"));
    std::fs::write(&file, vec![1; 4 << 20]).unwrap();
    let append = || {
        std::fs::OpenOptions::new()
            .append(true)
            .open(&file)
            .and_then(|mut file| std::io::Write::write_all(&mut file, b"x"))
            .unwrap();
        std::thread::yield_now();
    };
    // The appending thread may be kept from its turn for as long as a copy takes: then that copy is a whole one.
    let overtaken = (0..50).any(|_| {
        std::fs::write(&copy, b"old").unwrap();
        let outcome = beside(append, || world.run(&batch([(p("busy"), Act::Send)])));
        assert_eq!(outcome.verdict, Verdict::Done);
        let seen = std::fs::read(&copy).unwrap();
        if outcome.again.is_empty() {
            let (begin, end) = seen.split_at(4 << 20);
            assert!(begin.iter().all(|byte| *byte == 1) && end.iter().all(|byte| *byte == b'x'));
        } else {
            assert_eq!((outcome.again, seen), (vec![p("busy")], b"old".to_vec()));
            return true;
        }
        false
    });
    assert!(overtaken);
    world.bandwidth = None;
    assert_eq!(world.run(&batch([(p("busy"), Act::Send)])).again, []);
    assert_eq!(
        std::fs::read(world.target().join("busy")).unwrap(),
        std::fs::read(&file).unwrap()
    );
}

#[test]
fn a_setuid_program_is_never_made_of_somebody_elses_file() {
    if !is_root() {
        return crate::rig::left_out("owners cannot be changed");
    }
    let world = World::new();
    let (source, target) = (world.source().join("su"), world.target().join("su"));
    std::fs::write(&source, b"good").unwrap();
    std::fs::set_permissions(&source, PermissionsExt::from_mode(0o4755)).unwrap();
    // Somebody who owns the directory on the target prepared one with the same size and time.
    std::fs::write(&target, b"evil").unwrap();
    std::os::unix::fs::chown(&target, Some(1000), Some(1000)).unwrap();
    for path in [&source, &target] {
        super::forest::set_time(path, 1, 1);
    }
    world.pass();
    assert_eq!(std::fs::read(&target).unwrap(), b"good");
    assert_eq!(
        (
            target.metadata().unwrap().mode() & 0o7777,
            target.metadata().unwrap().uid()
        ),
        (0o4755, 0)
    );
}

#[test]
fn a_target_of_whole_seconds_is_not_sent_to_for_ever() {
    let mut world = World::new();
    world.exclude = vec!["/lost+found/"];
    let Some(_mounted) =
        Mounted::whole_seconds(&world.target(), &world.scratch.path().join("image"))
    else {
        return;
    };
    for at in 0..5 {
        std::fs::write(world.source().join(format!("{at}")), b"x").unwrap();
        super::forest::set_time(&world.source().join(format!("{at}")), 1_000, 123_456_789);
    }
    assert_eq!(world.pass().stats.created, 5);
    assert_eq!(world.target().join("3").metadata().unwrap().mtime_nsec(), 0);
    let outcome = world.pass();
    assert_eq!((outcome.verdict, outcome.stats.files), (Verdict::Done, 0));
    // What is other than the source's time in whole seconds is still seen.
    super::forest::set_time(&world.source().join("3"), 1_001, 123_456_789);
    assert_eq!(world.pass().stats.files, 1);
}

#[test]
fn what_comes_back_after_the_count_is_not_deleted() {
    let mut world = World::new();
    world.bandwidth = Some(40 << 20);
    std::fs::write(world.source().join("large"), vec![7; 12 << 20]).unwrap();
    for name in ["back", "gone"] {
        std::fs::create_dir(world.target().join(name)).unwrap();
        std::fs::write(world.target().join(name).join("file"), b"x").unwrap();
    }
    let began = Instant::now();
    let outcome = std::thread::scope(|scope| {
        scope.spawn(|| {
            while world.progress.look().bytes == 0 && began.elapsed() < Duration::from_secs(10) {
                std::thread::yield_now();
            }
            std::fs::create_dir(world.source().join("back")).unwrap();
            std::fs::write(world.source().join("back/file"), b"x").unwrap();
        });
        world.run(&batch([
            (p("back"), Act::Remove),
            (p("gone"), Act::Remove),
            (p("large"), Act::Send),
        ]))
    });
    assert_eq!(
        (&outcome.verdict, outcome.stats.deleted),
        (&Verdict::Done, 2),
        "{outcome:?}"
    );
    assert_eq!(
        (outcome.failed.len(), &outcome.again[..]),
        (0, &[p("back"), p("back/file")][..])
    );
    assert!(world.target().join("back/file").exists());
}
