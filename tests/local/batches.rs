//! Random histories: the source changes, what changed is marked, and one batch brings the target in step.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::Path;

use fastrand::Rng;
use heliostat::engine::{RelPath, Verdict};
use heliostat::plan::DeletePolicy;
use heliostat::transfer::batch::{Act, Batch};
use heliostat::transfer::progress::Cancel;

use super::snapshot::{self, Snapshot, differences};
use super::{World, batch, forest, p};

const SEEDS: u64 = 60;
const ROUNDS: usize = 6;
const CHANGES: usize = 8;

/// What a mark says of a path, weakest first.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
enum Dirt {
    Attributes,
    Listing,
    Content,
    Subtree,
}

type Marks = BTreeMap<RelPath, Dirt>;

fn mark(marks: &mut Marks, path: &RelPath, dirt: Dirt) {
    let entry = marks.entry(path.clone()).or_insert(dirt);
    *entry = dirt.max(*entry);
}

/// Looks at every marked path and makes the batch of it, as the transfers' driver does.
fn lower(source: &Path, marks: &Marks, delete: DeletePolicy) -> Batch {
    let mut acts: BTreeMap<RelPath, Act> = BTreeMap::new();
    let deletes = delete != DeletePolicy::Never;
    for (path, dirt) in marks {
        let steps: Vec<_> = path
            .ancestors()
            .filter_map(RelPath::new)
            .chain([path.clone()])
            .collect();
        let mut found = None;
        for step in steps {
            match step.under(source).symlink_metadata() {
                Err(_) => found = Some((step, Act::Remove)),
                Ok(meta) if meta.is_dir() => continue,
                Ok(_) if step == *path && *dirt == Dirt::Attributes => {
                    found = Some((step, Act::Attributes))
                }
                Ok(_) => found = Some((step, Act::Send)),
            }
            break;
        }
        let (path, act) = found.unwrap_or_else(|| match dirt {
            Dirt::Attributes => (path.clone(), Act::Attributes),
            Dirt::Listing => (path.clone(), Act::Listing),
            _ => (
                path.clone(),
                Act::Reconcile {
                    trust: false,
                    delete: deletes,
                },
            ),
        });
        // What may not be removed still changed the time of its directory.
        let parent = path.parent().filter(|_| act == Act::Remove && !deletes);
        let (path, act) = parent.map_or((path, act), |parent| (parent, Act::Attributes));
        let strength = |act: &Act| match act {
            Act::Attributes => 0,
            Act::Send | Act::Remove => 1,
            Act::Listing => 2,
            Act::Reconcile { .. } => 3,
        };
        let entry = acts.entry(path).or_insert(act);
        if strength(&act) > strength(entry) {
            *entry = act;
        }
    }
    let covers: Vec<_> = acts
        .iter()
        .filter(|(_, act)| matches!(act, Act::Remove | Act::Reconcile { .. }))
        .map(|(path, _)| path.clone())
        .collect();
    acts.retain(|path, _| {
        !covers
            .iter()
            .any(|top| path != top && path.starts_with(top))
    });
    batch(acts)
}

/// Something vanished: under `mirror` it may only be known by the listing of its directory.
fn vanished(marks: &mut Marks, path: &RelPath, rng: &mut Rng, mirror: bool) {
    match path.parent().filter(|_| mirror) {
        Some(parent) if rng.bool() => mark(marks, &parent, Dirt::Listing),
        _ => mark(marks, path, Dirt::Content),
    }
}

/// One random change, with its marks.
fn change(source: &Path, rng: &mut Rng, (marks, mirror): (&mut Marks, bool), snapshot: &Snapshot) {
    let paths: Vec<_> = snapshot.keys().cloned().collect();
    let some = rng.choice(&paths).cloned().unwrap_or_else(RelPath::root);
    let full = some.under(source);
    let Ok(meta) = full.symlink_metadata() else {
        return;
    };
    let dir = if meta.is_dir() {
        some.clone()
    } else {
        some.parent().unwrap_or_else(RelPath::root)
    };
    let new = dir.join(&forest::name(rng));
    let fresh = new.under(source);
    // What is written through one name is written under all of them.
    let namesakes = |path: &RelPath| -> Vec<RelPath> {
        let id = |path: &RelPath| {
            path.under(source)
                .symlink_metadata()
                .ok()
                .map(|meta| (meta.dev(), meta.ino()))
        };
        let wanted = id(path);
        paths
            .iter()
            .filter(|other| wanted.is_some() && id(other) == wanted)
            .cloned()
            .collect()
    };
    let (of_some, of_new) = (namesakes(&some), namesakes(&new));
    match rng.u32(0..12) {
        0..3 => {
            // A name that is free or a file: overwritten in place.
            if fresh.symlink_metadata().is_ok_and(|meta| !meta.is_file())
                || std::fs::write(&fresh, forest::content(rng)).is_err()
            {
                return;
            }
            mark(marks, &new, Dirt::Content);
            of_new
                .iter()
                .for_each(|path| mark(marks, path, Dirt::Content));
        }
        3 if meta.is_file() => {
            // Other content under the same size and time.
            let mut bytes = std::fs::read(&full).unwrap();
            bytes
                .iter_mut()
                .for_each(|byte| *byte = byte.wrapping_add(1));
            let time = meta.modified().unwrap();
            std::fs::write(&full, bytes).unwrap();
            std::fs::File::options()
                .append(true)
                .open(&full)
                .unwrap()
                .set_modified(time)
                .unwrap();
            of_some
                .iter()
                .for_each(|path| mark(marks, path, Dirt::Content));
        }
        4 if !meta.is_symlink() && !some.is_root() => {
            std::fs::set_permissions(&full, PermissionsExt::from_mode(0o600 + rng.u32(0..0o200)))
                .unwrap();
            of_some
                .iter()
                .for_each(|path| mark(marks, path, Dirt::Attributes));
        }
        5 => {
            forest::set_time(&full, rng.i64(0..1_000_000), rng.i64(0..1_000_000_000));
            of_some
                .iter()
                .for_each(|path| mark(marks, path, Dirt::Attributes));
        }
        6 if !some.is_root() => {
            if meta.is_dir() {
                std::fs::remove_dir_all(&full).unwrap()
            } else {
                std::fs::remove_file(&full).unwrap()
            }
            vanished(marks, &some, rng, mirror);
        }
        7 if !some.is_root() && fresh.symlink_metadata().is_err() && !new.starts_with(&some) => {
            std::fs::rename(&full, &fresh).unwrap();
            vanished(marks, &some, rng, mirror);
            mark(
                marks,
                &new,
                if meta.is_dir() {
                    Dirt::Subtree
                } else {
                    Dirt::Content
                },
            );
        }
        8 if fresh.symlink_metadata().is_err() => {
            let deep = new.join(b"deep");
            std::fs::create_dir_all(deep.under(source)).unwrap();
            std::fs::write(deep.join(b"er").under(source), b"x").unwrap();
            mark(marks, &new, Dirt::Subtree);
        }
        9 if fresh.symlink_metadata().is_err() => {
            symlink("a", &fresh).unwrap();
            mark(marks, &new, Dirt::Content);
        }
        10 if !some.is_root() => {
            // The same name becomes something else.
            if meta.is_dir() {
                std::fs::remove_dir_all(&full).unwrap();
                if rng.bool() {
                    std::fs::write(&full, b"file").unwrap()
                } else {
                    symlink("..", &full).unwrap()
                }
                mark(marks, &some, Dirt::Content);
            } else {
                std::fs::remove_file(&full).unwrap();
                std::fs::create_dir(&full).unwrap();
                std::fs::write(full.join("inside"), b"file").unwrap();
                mark(marks, &some, Dirt::Subtree);
            }
        }
        _ => {}
    }
}

fn check(seed: u64, delete: DeletePolicy) {
    let mut world = World::new();
    world.delete = delete;
    let attributes = world.attributes;
    let mut rng = Rng::with_seed(seed);
    forest::grow(&world.source(), &mut rng, &attributes);
    assert_eq!(world.pass().verdict, Verdict::Done);
    let mut marks = Marks::new();
    for round in 0..ROUNDS {
        for _ in 0..CHANGES {
            let now = snapshot::of(&world.source(), &attributes);
            let mirror = delete == DeletePolicy::Mirror;
            change(&world.source(), &mut rng, (&mut marks, mirror), &now);
        }
        let batch = lower(&world.source(), &marks, delete);
        let outcome = world.run(&batch);
        let place = format!("seed {seed} round {round} {delete:?}\n{batch:?}\n{outcome:?}");
        assert_eq!(outcome.verdict, Verdict::Done, "{place}");
        assert!(outcome.again.is_empty(), "{place}");
        let source = snapshot::of(&world.source(), &attributes);
        let mut target = snapshot::of(&world.target(), &attributes);
        marks.clear();
        if delete == DeletePolicy::Never {
            // Only a directory in the way can fail, and it stays dirty.
            for failure in &outcome.failed {
                assert!(failure.reason.contains("delete: never"), "{place}");
                mark(&mut marks, &failure.path, Dirt::Content);
            }
            let failed = |path: &RelPath| {
                outcome
                    .failed
                    .iter()
                    .any(|failure| path.starts_with(&failure.path))
            };
            target.retain(|path, _| source.contains_key(path) && !failed(path));
            let wanted = source
                .into_iter()
                .filter(|(path, _)| !failed(path))
                .collect();
            let text = differences(&wanted, &target);
            assert!(text.is_empty(), "{place}\n- source + target\n{text}");
        } else {
            assert!(outcome.failed.is_empty(), "{place}");
            let text = differences(&source, &target);
            assert!(text.is_empty(), "{place}\n- source + target\n{text}");
        }
    }
    snapshot::assert_no_leftovers(&world.target());
}

#[test]
fn random_histories_converge() {
    for seed in 0..SEEDS {
        check(
            seed,
            [
                DeletePolicy::Mirror,
                DeletePolicy::Propagate,
                DeletePolicy::Never,
            ][seed as usize % 3],
        );
    }
}

#[test]
fn what_came_back_is_not_removed() {
    let world = World::new();
    std::fs::write(world.source().join("back"), b"new").unwrap();
    std::fs::write(world.target().join("back"), b"old").unwrap();
    let outcome = world.run(&batch([(p("back"), Act::Remove)]));
    assert_eq!(
        (outcome.verdict, outcome.again),
        (Verdict::Done, vec![p("back")])
    );
    assert_eq!(std::fs::read(world.target().join("back")).unwrap(), b"old");
}

#[test]
fn what_vanished_is_looked_at_again() {
    let world = World::new();
    std::fs::write(world.target().join("gone"), b"old").unwrap();
    let outcome = world.run(&batch([
        (p("gone"), Act::Send),
        (p("no/where"), Act::Attributes),
    ]));
    assert_eq!(
        (outcome.verdict, outcome.again),
        (Verdict::Done, vec![p("gone"), p("no/where")])
    );
    assert!(world.target().join("gone").exists());
}

#[test]
fn names_of_one_file_in_a_batch_become_one_file() {
    let mut world = World::new();
    world.attributes.hard_links = true;
    std::fs::create_dir(world.source().join("d")).unwrap();
    std::fs::write(world.source().join("one"), b"x").unwrap();
    std::fs::hard_link(world.source().join("one"), world.source().join("d/two")).unwrap();
    let outcome = world.run(&batch([(p("d/two"), Act::Send), (p("one"), Act::Send)]));
    assert_eq!(outcome.verdict, Verdict::Done);
    let attributes = world.attributes;
    let text = differences(
        &snapshot::of(&world.source(), &attributes),
        &snapshot::of(&world.target(), &attributes),
    );
    assert!(text.is_empty(), "{text}");
    // Their owner changes through one name: the link holds.
    std::fs::set_permissions(world.source().join("one"), PermissionsExt::from_mode(0o640)).unwrap();
    world.run(&batch([(p("one"), Act::Attributes)]));
    let text = differences(
        &snapshot::of(&world.source(), &attributes),
        &snapshot::of(&world.target(), &attributes),
    );
    assert!(text.is_empty(), "{text}");
}

#[test]
fn a_rewrite_is_not_lost_beside_another_name_in_a_changed_listing() {
    let mut world = World::new();
    world.attributes.hard_links = true;
    let [one, other] = [world.source().join("d/a"), world.source().join("e/b")];
    for directory in ["d", "e"] {
        std::fs::create_dir(world.source().join(directory)).unwrap();
    }
    std::fs::write(&one, b"old").unwrap();
    std::fs::hard_link(&one, &other).unwrap();
    assert_eq!(world.pass().verdict, Verdict::Done);
    // Of the same size, with its time set back: only the mark tells.
    let modified = std::fs::metadata(&other).unwrap().modified().unwrap();
    std::fs::write(&other, b"new").unwrap();
    let file = std::fs::File::options().write(true).open(&other).unwrap();
    file.set_modified(modified).unwrap();
    std::fs::write(world.source().join("d/further"), b"x").unwrap();
    let outcome = world.run(&batch([(p("d"), Act::Listing), (p("e/b"), Act::Send)]));
    assert_eq!(outcome.verdict, Verdict::Done);
    for name in ["d/a", "e/b"] {
        assert_eq!(
            std::fs::read(world.target().join(name)).unwrap(),
            b"new",
            "{name}"
        );
    }
}

#[test]
fn a_snapshot_by_hard_links_keeps_what_it_has() {
    let world = World::new();
    std::fs::write(world.source().join("file"), b"x").unwrap();
    world.pass();
    let kept = world.scratch.path().join("yesterday");
    std::fs::hard_link(world.target().join("file"), &kept).unwrap();
    std::fs::set_permissions(
        world.source().join("file"),
        PermissionsExt::from_mode(0o600),
    )
    .unwrap();
    let outcome = world.run(&batch([(p("file"), Act::Attributes)]));
    assert_eq!(outcome.stats.files, 1);
    assert_eq!(kept.metadata().unwrap().permissions().mode() & 0o777, 0o644);
    assert_eq!(
        world
            .target()
            .join("file")
            .metadata()
            .unwrap()
            .permissions()
            .mode()
            & 0o777,
        0o600
    );
}

#[test]
fn a_run_that_was_told_to_end_sweeps_nothing() {
    let mut world = World::new();
    world.sweep = true;
    std::fs::write(world.source().join("f"), b"x").unwrap();
    let leftover = world.target().join(".heliostat-0123456789abcdef.tmp");
    std::fs::write(&leftover, b"half").unwrap();
    let all = || batch([(p("f"), Act::Send)]);
    world.cancel.cancel();
    assert_eq!(world.run(&all()).verdict, Verdict::Cancelled);
    assert!(leftover.exists());
    world.cancel = Cancel::new();
    assert_eq!(world.run(&all()).verdict, Verdict::Done);
    assert!(!leftover.exists());
}

#[test]
fn a_name_of_255_bytes_is_sent() {
    let world = World::new();
    let name = OsStr::from_bytes(&[b'\xfe'; 255]).to_owned();
    std::fs::write(world.source().join(&name), b"x").unwrap();
    let outcome = world.run(&batch([(
        RelPath::new(name.as_bytes()).unwrap(),
        Act::Send,
    )]));
    assert_eq!(
        (outcome.verdict, outcome.failed.len(), outcome.stats.created),
        (Verdict::Done, 0, 1)
    );
    assert!(world.target().join(&name).exists());
}

#[test]
fn wrong_links_on_the_target_are_parted() {
    for hard_links in [true, false] {
        let mut world = World::new();
        world.attributes.hard_links = hard_links;
        for name in ["one", "two"] {
            std::fs::write(world.source().join(name), b"x").unwrap();
            forest::set_time(&world.source().join(name), 5, 5);
        }
        if !hard_links {
            std::fs::set_permissions(world.source().join("two"), PermissionsExt::from_mode(0o600))
                .unwrap();
        }
        std::fs::write(world.target().join("one"), b"x").unwrap();
        std::fs::hard_link(world.target().join("one"), world.target().join("two")).unwrap();
        forest::set_time(&world.target().join("one"), 5, 5);
        assert_eq!(world.pass().verdict, Verdict::Done);
        let inode = |name| world.target().join(name).metadata().unwrap().ino();
        assert_ne!(inode("one"), inode("two"));
        let attributes = world.attributes;
        let text = differences(
            &snapshot::of(&world.source(), &attributes),
            &snapshot::of(&world.target(), &attributes),
        );
        assert!(text.is_empty(), "{text}");
    }
}
