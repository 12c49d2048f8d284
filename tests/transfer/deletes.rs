//! What may leave a target, and what does not.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use heliostat::engine::{DeletePlan, Dirt, Hold, Job, Mark, Verdict, Work};
use heliostat::plan::{Compare, DeleteBudget, DeletePolicy, RoutePlan};

use super::rig::{Rig, assert_done, filter, mark, path};
use super::tree;

async fn filled(delete: DeletePolicy, budget: DeleteBudget) -> (Rig, RoutePlan) {
    let rig = Rig::new("").await;
    for directory in ["a", "b"] {
        for file in 0..10 {
            rig.write(&format!("{directory}/{file}"), "x");
        }
    }
    rig.write("top", "x");
    rig.write("other", "x");
    let mut route = rig.route(delete);
    route.max_delete = budget;
    rig.pass(route.clone()).await;
    (rig, route)
}

fn held(outcome: &heliostat::engine::Outcome) -> Arc<DeletePlan> {
    match &outcome.verdict {
        Verdict::Held(Hold::Deletes(plan)) => plan.clone(),
        _ => panic!("{outcome:#?}"),
    }
}

fn works(marks: &[Mark]) -> [Work; 2] {
    [Work::Batch(marks.to_vec()), Work::Pass(Compare::Quick)]
}

fn count(root: &Path) -> usize {
    tree::read(root).len() - 1
}

#[tokio::test]
async fn over_budget_nothing_leaves_and_an_approval_releases_exactly_that() {
    let (rig, route) = filled(DeletePolicy::Mirror, DeleteBudget::Count(11)).await;
    let before = count(&rig.target);
    fs::remove_dir_all(rig.source.join("a")).unwrap();
    fs::remove_file(rig.source.join("top")).unwrap();
    rig.write("new", "comes all the same");
    let marks = [
        mark("a", Dirt::GONE),
        mark("top", Dirt::GONE),
        mark("new", Dirt::CONTENT),
    ];
    let mut plans = Vec::new();
    for work in works(&marks) {
        let outcome = rig.run(&rig.job(route.clone(), work)).await;
        let plan = held(&outcome);
        assert_eq!((plan.count, outcome.stats.deleted), (12, 0), "{outcome:#?}");
        assert_eq!(count(&rig.target), before + 1);
        plans.push(plan.id.clone());
    }
    assert_eq!(plans[0], plans[1]);

    let mut job = rig.job(route.clone(), Work::Batch(marks.to_vec()));
    job.deletes.approved = Some(held(&rig.run(&job).await));
    // More than was approved, and no budget for it.
    fs::remove_file(rig.source.join("other")).unwrap();
    let mut more = job.clone();
    Arc::make_mut(&mut more.route).max_delete = DeleteBudget::Count(0);
    more.work = Work::Batch(
        marks
            .iter()
            .cloned()
            .chain([mark("other", Dirt::GONE)])
            .collect(),
    );
    assert_eq!(held(&rig.run(&more).await).count, 13);
    assert_eq!(count(&rig.target), before + 1);
    // Less than was approved.
    rig.write("a/3", "back");
    let outcome = rig.run(&job).await;
    assert_done(&outcome);
    assert!(
        rig.target.join("a/3").exists()
            && rig.target.join("other").exists()
            && !rig.target.join("a/4").exists()
    );
}

#[tokio::test]
async fn one_removed_directory_over_budget_stays_whole() {
    let (rig, route) = filled(DeletePolicy::Propagate, DeleteBudget::Count(5)).await;
    let before = tree::read(&rig.target);
    fs::remove_dir_all(rig.source.join("a")).unwrap();
    let outcome = rig
        .run(&rig.job(route, Work::Batch(vec![mark("a", Dirt::GONE)])))
        .await;
    assert_eq!(held(&outcome).count, 11);
    assert_eq!(
        tree::read(&rig.target).keys().collect::<Vec<_>>(),
        before.keys().collect::<Vec<_>>()
    );
}

#[tokio::test]
async fn several_runs_share_one_budget() {
    let (rig, route) = filled(DeletePolicy::Mirror, DeleteBudget::Count(15)).await;
    let before = count(&rig.target);
    for directory in ["a", "b"] {
        for file in 0..10 {
            fs::remove_file(rig.source.join(format!("{directory}/{file}"))).unwrap();
        }
    }
    let marks = [
        mark("a", Dirt::SUBTREE),
        mark("b", Dirt::SUBTREE | Dirt::CONTENT),
    ];
    let outcome = rig.run(&rig.job(route, Work::Batch(marks.to_vec()))).await;
    assert_eq!((held(&outcome).count, count(&rig.target)), (20, before));
}

#[tokio::test]
async fn what_was_spent_counts_and_a_share_is_of_what_the_target_has() {
    let (rig, mut route) = filled(DeletePolicy::Mirror, DeleteBudget::Count(3)).await;
    fs::remove_file(rig.source.join("a/1")).unwrap();
    let mut job = rig.job(route.clone(), Work::Batch(vec![mark("a/1", Dirt::GONE)]));
    job.deletes.spent = 3;
    assert_eq!(held(&rig.run(&job).await).count, 1);
    // 24 entries: 4 % is none, 5 % is one; nobody has told how many there are.
    job.deletes.spent = 0;
    for (share, goes) in [(400, false), (500, true)] {
        route.max_delete = DeleteBudget::Share(share);
        job.route = Arc::new(route.clone());
        let outcome = rig.run(&job).await;
        assert_eq!(outcome.verdict == Verdict::Done, goes, "{outcome:#?}");
        assert_eq!(!rig.target.join("a/1").exists(), goes);
    }
}

#[tokio::test]
async fn an_emptied_source_deletes_nothing() {
    let (rig, route) = filled(DeletePolicy::Mirror, DeleteBudget::Count(1_000)).await;
    let before = count(&rig.target);
    let mut marks = Vec::new();
    for entry in fs::read_dir(&rig.source).unwrap() {
        let entry = entry.unwrap().path();
        marks.push(mark(
            entry.file_name().unwrap().to_str().unwrap(),
            Dirt::GONE,
        ));
        if entry.is_dir() {
            fs::remove_dir_all(entry).unwrap()
        } else {
            fs::remove_file(entry).unwrap()
        }
    }
    for work in works(&marks)
        .into_iter()
        .chain([Work::Batch(vec![mark("", Dirt::SUBTREE)])])
    {
        let outcome = rig.run(&rig.job(route.clone(), work)).await;
        assert!(
            matches!(&outcome.verdict, Verdict::Held(Hold::Guard(refusal)) if refusal.guard == "empty"),
            "{outcome:#?}"
        );
        assert_eq!(count(&rig.target), before);
    }
}

#[tokio::test]
async fn guards_hold_before_anything_is_sent() {
    let (rig, route) = filled(DeletePolicy::Mirror, DeleteBudget::Default).await;
    rig.write("new", "x");
    let job = rig.job(route, Work::Pass(Compare::Quick));
    let guarded = |change: fn(&mut Job)| {
        let mut job = job.clone();
        change(&mut job);
        job
    };
    let cases: [(&str, Job); 3] = [
        (
            "marker",
            guarded(|job| Arc::make_mut(&mut job.source).guard.marker = Some("nowhere".into())),
        ),
        ("lostMount", guarded(|job| job.mounts = vec![path(b"a")])),
        (
            "rootReplaced",
            guarded(|job| job.root = Some(heliostat::engine::RootId(vec![(1, 1)]))),
        ),
    ];
    for (guard, job) in cases {
        let outcome = rig.run(&job).await;
        assert!(
            matches!(&outcome.verdict, Verdict::Held(Hold::Guard(refusal)) if refusal.guard == guard),
            "{outcome:#?}"
        );
    }
    assert!(!rig.target.join("new").exists());
}

#[tokio::test]
async fn propagate_leaves_what_only_the_target_has() {
    let (rig, route) = filled(DeletePolicy::Propagate, DeleteBudget::Default).await;
    fs::write(rig.target.join("b/theirs"), "kept").unwrap();
    fs::remove_file(rig.source.join("b/1")).unwrap();
    rig.write("b/2", "changed");
    let marks = [
        mark("b", Dirt::SUBTREE | Dirt::CONTENT),
        mark("b/1", Dirt::GONE),
        mark("b/2", Dirt::CONTENT),
    ];
    rig.done(route.clone(), &marks).await;
    assert!(rig.target.join("b/theirs").exists() && !rig.target.join("b/1").exists());
    rig.pass(route).await;
    assert!(rig.target.join("b/theirs").exists());
}

#[tokio::test]
async fn protected_files_survive_whatever_happens_around_them() {
    for delete in [DeletePolicy::Propagate, DeletePolicy::Mirror] {
        let (rig, mut route) = filled(delete, DeleteBudget::Default).await;
        route.filter = filter(&["**"], &["*.tmp", "build/"]);
        for name in ["a/keep.tmp", "b/keep.tmp"] {
            fs::write(rig.target.join(name), "kept").unwrap();
        }
        fs::create_dir(rig.target.join("build")).unwrap();
        fs::write(rig.target.join("build/out"), "kept").unwrap();
        fs::remove_dir_all(rig.source.join("a")).unwrap();
        fs::remove_dir_all(rig.source.join("b")).unwrap();
        rig.write("b", "a file now");
        let marks = [
            mark("a", Dirt::GONE),
            mark("b", Dirt::CONTENT | Dirt::GONE),
            mark("build", Dirt::GONE),
            mark("top", Dirt::CONTENT),
        ];
        for work in works(&marks)
            .into_iter()
            .chain([Work::Batch(vec![mark("", Dirt::SUBTREE)])])
        {
            let outcome = rig.run(&rig.job(route.clone(), work)).await;
            assert_eq!(outcome.verdict, Verdict::Done);
            assert!(
                outcome
                    .failed
                    .iter()
                    .all(|failure| failure.path == path(b"b")),
                "{outcome:#?}"
            );
            for name in ["a/keep.tmp", "b/keep.tmp", "build/out"] {
                assert!(rig.target.join(name).exists(), "{delete:?} {name}");
            }
        }
        assert!(!rig.target.join("a/1").exists());
    }
}

/// A dry run of rsync counts the directories above what is protected deep in an extra one as deleted: such a route was
/// held for good as soon as they were more than its budget, and looked again without end where they were not.
#[tokio::test]
async fn directories_above_what_is_protected_are_no_deletions() {
    let (rig, mut route) = filled(DeletePolicy::Mirror, DeleteBudget::Count(1)).await;
    route.filter = filter(&["**"], &["*.tmp"]);
    fs::create_dir_all(rig.target.join("old/a/b/c")).unwrap();
    fs::write(rig.target.join("old/a/b/c/keep.tmp"), "theirs").unwrap();
    fs::write(rig.target.join("old/a/x"), "theirs").unwrap();
    for deleted in [1, 0] {
        let outcome = rig.pass(route.clone()).await;
        assert_eq!(outcome.stats.deleted, deleted);
    }
    assert!(rig.target.join("old/a/b/c/keep.tmp").exists());
    assert!(!rig.target.join("old/a/x").exists());
}

#[tokio::test]
async fn a_removed_directory_that_was_only_the_way_to_what_is_included_leaves() {
    for delete in [DeletePolicy::Propagate, DeletePolicy::Mirror] {
        let rig = Rig::new("").await;
        let mut route = rig.route(delete);
        route.filter = filter(&["*.rs"], &[]);
        rig.write("we[i]rd/deep/a.rs", "x");
        rig.write("we[i]rd/b.rs", "x");
        rig.write("c.rs", "x");
        rig.pass(route.clone()).await;
        assert!(rig.target.join("we[i]rd/deep/a.rs").exists());
        fs::remove_dir_all(rig.source.join("we[i]rd")).unwrap();
        rig.done(route, &[mark("we[i]rd/b.rs", Dirt::GONE)]).await;
        assert!(!rig.target.join("we[i]rd").exists() && rig.target.join("c.rs").exists());
    }
}

#[tokio::test]
async fn mounts_below_the_root_are_a_fence() {
    let (rig, route) = filled(DeletePolicy::Mirror, DeleteBudget::Default).await;
    let inner = rig.source.join("b");
    let mounted = std::process::Command::new("mount")
        .args(["-t", "tmpfs", "tmpfs"])
        .arg(&inner)
        .status()
        .unwrap();
    assert!(mounted.success());
    fs::write(inner.join("inside"), "another file system").unwrap();
    let marks = [
        mark("b/inside", Dirt::CONTENT),
        mark("b", Dirt::SUBTREE),
        mark("top", Dirt::CONTENT),
    ];
    let outcome = rig
        .run(&rig.job(route.clone(), Work::Batch(marks.to_vec())))
        .await;
    let through = rig.target.join("b/inside").exists();
    let mut job = rig.job(route, Work::Batch(marks.to_vec()));
    Arc::make_mut(&mut job.source).one_file_system = false;
    let across = rig.run(&job).await;
    let unmounted = std::process::Command::new("umount")
        .arg("-l")
        .arg(&inner)
        .status()
        .unwrap();
    assert!(unmounted.success());
    assert_done(&outcome);
    assert_eq!(outcome.mounts, Some(vec![path(b"b")]));
    assert!(!through);
    assert!(rig.target.join("b/inside").exists(), "{across:#?}");
}
