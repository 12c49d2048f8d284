//! Nothing leaves a target that was not counted, allowed, and missing.

use std::os::unix::fs::symlink;

use heliostat::engine::{DeletePlan, Hold, Verdict};
use heliostat::plan::{Attributes, Compare, DeleteBudget, DeletePolicy, Durability};
use heliostat::transfer::batch::{Act, Batch};

use super::hostile::Mounted;
use super::snapshot::{self, differences};
use super::{World, batch, p, pass};

/// A target with ten files in `old/` and one beside it, and a source with one new file.
fn outgrown() -> World {
    let world = World::new();
    std::fs::write(world.source().join("new"), b"new").unwrap();
    std::fs::create_dir(world.target().join("old")).unwrap();
    for at in 0..10 {
        std::fs::write(world.target().join(format!("old/{at}")), b"x").unwrap();
    }
    std::fs::write(world.target().join("single"), b"x").unwrap();
    world
}

fn held_plan(verdict: &Verdict) -> DeletePlan {
    match verdict {
        Verdict::Held(Hold::Deletes(plan)) => plan.as_ref().clone(),
        other => panic!("not held: {other:?}"),
    }
}

#[test]
fn over_budget_nothing_changes_and_an_approved_plan_passes() {
    let mut world = outgrown();
    world.max_delete = DeleteBudget::Count(11);
    let before = snapshot::of(&world.target(), &Attributes::default());
    let outcome = world.pass();
    let plan = held_plan(&outcome.verdict);
    assert_eq!((plan.count, plan.of), (12, 12));
    let text = differences(
        &before,
        &snapshot::of(&world.target(), &Attributes::default()),
    );
    assert!(text.is_empty(), "{text}");

    // The same through a batch.
    let removes = batch([
        (p("new"), Act::Send),
        (p("old"), Act::Remove),
        (p("single"), Act::Remove),
    ]);
    let outcome = world.run(&removes);
    assert_eq!(held_plan(&outcome.verdict).id, plan.id);
    assert!(
        differences(
            &before,
            &snapshot::of(&world.target(), &Attributes::default())
        )
        .is_empty()
    );

    world.leave.approved = Some(plan.into());
    let outcome = world.pass();
    assert_eq!(
        (outcome.verdict, outcome.stats.deleted),
        (Verdict::Done, 12)
    );
    assert_eq!(snapshot::names(&world.target()), [b"new"]);
}

#[test]
fn within_budget_it_is_carried_out() {
    let mut world = outgrown();
    world.max_delete = DeleteBudget::Count(12);
    let outcome = world.pass();
    assert_eq!(
        (
            outcome.verdict,
            outcome.stats.deleted,
            outcome.stats.created
        ),
        (Verdict::Done, 12, 1)
    );
    assert_eq!(outcome.stats.target_entries, Some(1));
}

#[test]
fn an_emptied_source_is_held() {
    let mut world = outgrown();
    world.allow_empty = false;
    std::fs::remove_file(world.source().join("new")).unwrap();
    // What is left in it does not belong to the route.
    world.exclude = vec!["lost+found"];
    std::fs::create_dir(world.source().join("lost+found")).unwrap();
    let outcome = world.pass();
    assert!(
        matches!(&outcome.verdict, Verdict::Held(Hold::Guard(refusal)) if refusal.guard == "empty"),
        "{outcome:?}"
    );
    assert!(world.target().join("old/9").exists());
}

#[test]
fn the_content_of_a_directory_in_the_way_counts() {
    let mut world = outgrown();
    world.max_delete = DeleteBudget::Count(10);
    std::fs::write(world.source().join("old"), b"a file now").unwrap();
    std::fs::write(world.source().join("single"), b"x").unwrap();
    let send = batch([(p("old"), Act::Send)]);
    world.max_delete = DeleteBudget::Count(9);
    assert_eq!(held_plan(&world.run(&send).verdict).count, 10);
    assert!(world.target().join("old/3").exists());
    world.max_delete = DeleteBudget::Count(10);
    world.delete = DeletePolicy::Propagate;
    let outcome = world.run(&send);
    assert_eq!(
        (outcome.verdict, outcome.stats.deleted),
        (Verdict::Done, 10)
    );
    assert_eq!(
        std::fs::read(world.target().join("old")).unwrap(),
        b"a file now"
    );
}

#[test]
fn a_directory_in_the_way_stays_where_nothing_may_be_deleted() {
    for (delete, batch) in [
        (DeletePolicy::Never, pass(Compare::Quick, false)),
        (DeletePolicy::Never, batch([(p("old"), Act::Send)])),
        (DeletePolicy::Propagate, pass(Compare::Quick, false)),
    ] {
        let mut world = outgrown();
        world.delete = delete;
        std::fs::write(world.source().join("old"), b"a file now").unwrap();
        let outcome = world.run(&batch);
        assert_eq!(
            (&outcome.verdict, outcome.stats.deleted),
            (&Verdict::Done, 0)
        );
        assert_eq!(outcome.failed.len(), 1, "{outcome:?}");
        assert_eq!(outcome.failed[0].path, p("old"));
        assert!(
            outcome.failed[0]
                .reason
                .starts_with("a directory with content is in the way, and `delete: ")
        );
        assert!(world.target().join("old/9").exists() && world.target().join("single").exists());
    }
    // An empty one is no loss.
    let mut world = World::new();
    world.delete = DeletePolicy::Never;
    symlink("x", world.source().join("old")).unwrap();
    std::fs::create_dir(world.target().join("old")).unwrap();
    assert!(world.pass().failed.is_empty());
    assert!(world.target().join("old").is_symlink());
}

#[test]
fn what_is_excluded_is_protected_and_keeps_its_directories() {
    let mut world = outgrown();
    world.exclude = vec!["*.log", "/cache/"];
    for path in ["old/deep/er", "cache", "gone"] {
        std::fs::create_dir_all(world.target().join(path)).unwrap();
    }
    for path in ["old/deep/er/a.log", "old/deep/x", "cache/x", "top.log"] {
        std::fs::write(world.target().join(path), b"x").unwrap();
    }
    // In the source the same names do not count.
    std::fs::write(world.source().join("top.log"), b"source").unwrap();
    let outcome = world.pass();
    assert_eq!(
        (&outcome.verdict, outcome.failed.len()),
        (&Verdict::Done, 0)
    );
    assert_eq!(
        snapshot::names(&world.target()),
        [&b"cache"[..], b"new", b"old", b"top.log"]
    );
    assert_eq!(snapshot::names(&world.target().join("old/deep")), [b"er"]);
    assert_eq!(std::fs::read(world.target().join("top.log")).unwrap(), b"x");
    assert_eq!(outcome.notes.len(), 1, "{:?}", outcome.notes);
    assert_eq!(
        (&outcome.notes[0].path, &*outcome.notes[0].text),
        (&p("old/deep/er"), "kept: it holds excluded entries")
    );

    // A file cannot take the place of a directory with something protected in it; the rest of it stays as well.
    std::fs::write(world.source().join("old"), b"a file now").unwrap();
    std::fs::write(world.target().join("old/more"), b"x").unwrap();
    let outcome = world.run(&batch([(p("old"), Act::Send)]));
    assert_eq!(
        (outcome.failed.len(), outcome.stats.deleted),
        (1, 0),
        "{outcome:?}"
    );
    assert!(world.target().join("old/more").exists());
}

#[test]
fn the_target_inside_the_source_and_the_reverse_are_refused() {
    let world = World::new();
    let inside = world.source().join("inside");
    std::fs::create_dir(&inside).unwrap();
    std::fs::write(world.source().join("file"), b"x").unwrap();
    let outcome = world.run_between(
        &world.source(),
        &world.source(),
        &pass(Compare::Quick, true),
    );
    assert!(matches!(outcome.verdict, Verdict::Permanent(_)));
    let outcome = world.run_between(&world.source(), &inside, &pass(Compare::Quick, true));
    assert_eq!(outcome.failed.len(), 1, "{outcome:?}");
    // The source below the target, as an extra directory there: mirroring would empty it.
    let outcome = world.run_between(&inside, &world.source(), &pass(Compare::Quick, true));
    assert!(
        matches!(outcome.verdict, Verdict::Permanent(_)),
        "{outcome:?}"
    );
    assert!(world.source().join("file").exists());
}

#[test]
fn another_file_system_below_the_source_is_left_alone() {
    let mut world = World::new();
    world.one_file_system = true;
    for path in ["source/disk", "target/disk/kept"] {
        std::fs::create_dir_all(world.scratch.path().join(path)).unwrap();
    }
    std::fs::write(world.source().join("file"), b"x").unwrap();
    let Some(_mounted) = Mounted::tmpfs(&world.source().join("disk"), "1m") else {
        return;
    };
    std::fs::write(world.source().join("disk/inside"), b"x").unwrap();
    let outcome = world.pass();
    assert_eq!(
        (
            &outcome.verdict,
            outcome.failed.len(),
            outcome.stats.deleted
        ),
        (&Verdict::Done, 0, 0)
    );
    assert_eq!(snapshot::names(&world.target().join("disk")), [b"kept"]);
    // Where the route crosses file systems it does.
    world.one_file_system = false;
    let outcome = world.pass();
    assert_eq!(outcome.stats.deleted, 1);
    assert_eq!(snapshot::names(&world.target().join("disk")), [b"inside"]);
}

#[test]
fn without_a_batch_nothing_happens() {
    let world = outgrown();
    let outcome = world.run(&Batch::default());
    assert_eq!(
        (outcome.verdict, outcome.stats.files, outcome.stats.deleted),
        (Verdict::Done, 0, 0)
    );
}

#[test]
fn which_directory_a_target_was_ends_with_the_machines_run_unless_it_is_durable() {
    let mut world = World::new();
    for durability in [Durability::None, Durability::File, Durability::Full] {
        world.durability = durability;
        let lasts = durability == Durability::Full;
        let expected = heliostat::host::target_id_at(&world.target(), lasts);
        assert!(expected.is_some());
        assert_eq!(world.pass().target, expected, "{durability:?}");
    }
}
