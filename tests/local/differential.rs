//! A full pass against `rsync -a` with the same attributes, on random pairs of trees.

use std::path::Path;
use std::process::Command;

use fastrand::Rng;
use heliostat::engine::Verdict;
use heliostat::plan::{Attributes, Compare, DeletePolicy};

use super::snapshot::{self, differences};
use super::{World, forest, pass};

const SEEDS: u64 = 70;

/// The target grows from the source's seed at times, so that much of it is in step, and from another one at others.
fn grow_target(root: &Path, seed: u64, attributes: &Attributes) {
    let related = seed.is_multiple_of(2);
    let mut rng = Rng::with_seed(if related { seed } else { seed + 1_000_000 });
    forest::grow(root, &mut rng, attributes);
    if related {
        let mut rng = Rng::with_seed(seed + 2_000_000);
        for _ in 0..6 {
            let name = forest::name(&mut rng);
            let path =
                root.join(<std::ffi::OsStr as std::os::unix::ffi::OsStrExt>::from_bytes(&name));
            match path.symlink_metadata() {
                Ok(meta) if meta.is_dir() && rng.bool() => std::fs::remove_dir_all(&path).unwrap(),
                Ok(meta) if meta.is_dir() => forest::grow(&path, &mut rng, attributes),
                Ok(_) => std::fs::remove_file(&path).unwrap(),
                Err(_) => {
                    std::fs::write(&path, forest::content(&mut rng)).unwrap();
                    forest::set_time(&path, rng.i64(0..1000), 5);
                }
            }
        }
    }
}

fn check(seed: u64) {
    let mut world = World::new();
    let mut rng = Rng::with_seed(seed + 3_000_000);
    let [acls, xattrs, hard_links, devices] = [rng.bool(), rng.bool(), rng.bool(), rng.bool()];
    world.attributes = Attributes {
        acls,
        xattrs,
        hard_links,
        devices,
        ..Attributes::default()
    };
    world.delete = if rng.u32(0..4) == 0 {
        DeletePolicy::Never
    } else {
        DeletePolicy::Mirror
    };
    let attributes = world.attributes;
    forest::grow(&world.source(), &mut Rng::with_seed(seed), &attributes);
    grow_target(&world.target(), seed, &attributes);
    let other = world.scratch.path().join("rsync");
    std::fs::create_dir(&other).unwrap();
    grow_target(&other, seed, &attributes);

    let outcome = world.pass();
    assert_eq!(outcome.verdict, Verdict::Done, "seed {seed}");

    let mut rsync = Command::new("/usr/bin/rsync");
    rsync.args(["-a", "--modify-window=-1"]);
    for (asked, yes, no) in [
        (acls, "-A", ""),
        (xattrs, "-X", ""),
        (hard_links, "-H", ""),
        (devices, "-D", "--no-D"),
    ] {
        rsync.args(Some(if asked { yes } else { no }).filter(|flag| !flag.is_empty()));
    }
    if world.delete == DeletePolicy::Mirror {
        rsync.arg("--delete");
    }
    rsync.arg(world.source().join("")).arg(other.join(""));
    let output = rsync.output().unwrap();
    let theirs = snapshot::of(&other, &attributes);
    let ours = snapshot::of(&world.target(), &attributes);
    let source = snapshot::of(&world.source(), &attributes);

    if world.delete == DeletePolicy::Mirror {
        assert!(
            outcome.failed.is_empty() && outcome.again.is_empty(),
            "seed {seed}: {outcome:?}"
        );
        let text = differences(&source, &ours);
        assert!(text.is_empty(), "seed {seed}: - source + target\n{text}");
        assert_eq!(
            outcome.stats.target_entries,
            Some(count(&world.target())),
            "seed {seed}"
        );
    }
    // rsync leaves wrong links on the target as they are, and special files that it does not carry.
    if devices {
        let (theirs, ours) = (
            snapshot::ungrouped(theirs),
            snapshot::ungrouped(ours.clone()),
        );
        let text = differences(&theirs, &ours);
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert!(
            text.is_empty(),
            "seed {seed}: - rsync + heliostat\n{text}\n{stderr}\n{outcome:?}"
        );
    }
    snapshot::assert_no_leftovers(&world.target());

    // A second pass finds nothing to do.
    let again = world.pass();
    assert_eq!(again.verdict, Verdict::Done);
    if world.delete == DeletePolicy::Mirror {
        assert_eq!(
            (again.stats.files, again.stats.deleted, again.stats.bytes),
            (0, 0, 0),
            "seed {seed}: {again:?}"
        );
    }
}

/// Everything below a root, the root not counted.
fn count(root: &Path) -> u64 {
    let everything = Attributes {
        devices: true,
        ..Attributes::default()
    };
    snapshot::of(root, &everything).len() as u64 - 1
}

#[test]
fn a_full_pass_gives_what_rsync_gives() {
    let began = std::time::Instant::now();
    for seed in 0..SEEDS {
        check(seed);
    }
    eprintln!("{SEEDS} seeds in {:?}", began.elapsed());
}

#[test]
fn a_checksum_pass_finds_what_size_and_time_hide() {
    let world = World::new();
    for root in [world.source(), world.target()] {
        std::fs::write(root.join("same"), b"same").unwrap();
        std::fs::write(root.join("other"), root.as_os_str().as_encoded_bytes()).unwrap();
        forest::set_time(&root.join("same"), 1, 2);
        forest::set_time(&root.join("other"), 1, 2);
    }
    let quick = world.pass();
    assert_eq!(quick.stats.bytes, 0);
    assert_ne!(
        std::fs::read(world.target().join("other")).unwrap(),
        std::fs::read(world.source().join("other")).unwrap()
    );
    let checksum = world.run(&pass(Compare::Checksum, true));
    assert_eq!(checksum.stats.files, 1, "{checksum:?}");
    assert_eq!(
        std::fs::read(world.target().join("other")).unwrap(),
        std::fs::read(world.source().join("other")).unwrap()
    );
}
