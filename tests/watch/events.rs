//! Which marks follow from what happens in a tree.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};

use heliostat::engine::{Dirt, Mark, Notice, RelPath};
use heliostat::filter::Filter;
use heliostat::plan::EventSet;

use super::shadow::Shadow;
use super::{Watch, World, marks};

const NO_EVENTS: EventSet = EventSet {
    create: false,
    close_write: false,
    attrib: false,
    moved_from: false,
    moved_to: false,
    delete: false,
    modify: false,
};

#[test]
fn each_operation_has_its_marks() {
    let world = World::new().exclude(&["*.tmp", "cache/"]);
    fs::create_dir_all(world.at("d/sub")).unwrap();
    fs::create_dir_all(world.at("cache/deep")).unwrap();
    let mut watch = world.ready();
    let mut check = |act: &dyn Fn(), expected: &[&str]| {
        act();
        assert_eq!(watch.marks(), expected);
    };
    check(
        &|| fs::write(world.at("d/f"), "1").unwrap(),
        &["d attributes", "d/f content"],
    );
    check(
        &|| fs::write(world.at("d/f"), "2").unwrap(),
        &["d/f content"],
    );
    let mode = |path: &str| {
        fs::set_permissions(world.at(path), fs::Permissions::from_mode(0o711)).unwrap()
    };
    check(&|| mode("d/f"), &["d/f attributes"]);
    check(&|| mode("d"), &["d attributes"]);
    check(&|| mode(""), &[". attributes"]);
    check(
        &|| symlink("/", world.at("l")).unwrap(),
        &[". attributes", "l content"],
    );
    check(
        &|| fs::hard_link(world.at("d/f"), world.at("h")).unwrap(),
        &[". attributes", "h content"],
    );
    check(
        &|| fs::rename(world.at("d/f"), world.at("d/g")).unwrap(),
        &["d attributes", "d/f content+gone", "d/g content+gone"],
    );
    check(
        &|| fs::remove_file(world.at("d/g")).unwrap(),
        &["d attributes", "d/g content+gone"],
    );
    check(
        &|| fs::create_dir(world.at("d/new")).unwrap(),
        &["d attributes", "d/new content+subtree"],
    );
    check(
        &|| fs::remove_dir(world.at("d/new")).unwrap(),
        &["d attributes", "d/new content+gone"],
    );
    check(
        &|| fs::rename(world.at("d"), world.at("e")).unwrap(),
        &[". attributes", "d content+gone", "e content+subtree+gone"],
    );
    check(
        &|| fs::write(world.at("e/sub/f"), "1").unwrap(),
        &["e/sub attributes", "e/sub/f content"],
    );
    // What is excluded has no marks, but its coming and going changes its parent's times.
    check(
        &|| fs::write(world.at("e/x.tmp"), "1").unwrap(),
        &["e attributes"],
    );
    check(&|| fs::write(world.at("e/x.tmp"), "2").unwrap(), &[]);
    check(&|| mode("cache"), &[]);
    check(&|| fs::write(world.at("cache/deep/f"), "1").unwrap(), &[]);
    check(
        &|| fs::rename(world.at("e/x.tmp"), world.at("e/x")).unwrap(),
        &["e attributes", "e/x content+gone"],
    );
    // A directory that was excluded comes into scope, and goes out again.
    check(
        &|| fs::rename(world.at("cache"), world.at("kept")).unwrap(),
        &[
            ". attributes",
            "cache content+gone",
            "kept content+subtree+gone",
        ],
    );
    check(
        &|| fs::write(world.at("kept/deep/f"), "1").unwrap(),
        &["kept/deep/f content"],
    );
    check(
        &|| fs::rename(world.at("kept"), world.at("cache")).unwrap(),
        &[". attributes", "kept content+gone"],
    );
    check(&|| fs::write(world.at("cache/deep/f"), "2").unwrap(), &[]);
    watch.stop();
}

#[test]
fn events_that_are_left_out_do_not_trigger_but_new_directories_always_do() {
    let mut world = World::new();
    world.plan.events = EventSet {
        close_write: true,
        ..NO_EVENTS
    };
    let mut watch = world.ready();
    fs::create_dir_all(world.at("a/b")).unwrap();
    let new = watch.marks();
    assert!(
        new.iter()
            .any(|mark| mark.starts_with("a ") && mark.ends_with("content+subtree")),
        "{new:?}"
    );
    symlink("x", world.at("a/b/l")).unwrap();
    fs::set_permissions(world.at("a/b"), fs::Permissions::from_mode(0o700)).unwrap();
    assert_eq!(watch.marks(), ["a/b attributes"]);
    fs::write(world.at("a/b/f"), "").unwrap();
    assert_eq!(watch.marks(), ["a/b attributes", "a/b/f content"]);
    fs::rename(world.at("a/b/f"), world.at("a/b/g")).unwrap();
    fs::remove_file(world.at("a/b/l")).unwrap();
    assert_eq!(watch.marks(), ["a/b attributes"]);
    fs::rename(world.at("a"), world.at("z")).unwrap();
    assert_eq!(watch.marks(), [". attributes", "z content+subtree+gone"]);
    fs::write(world.at("z/b/g"), "").unwrap();
    assert_eq!(watch.marks(), ["z/b/g content"]);
}

#[test]
fn writes_to_an_open_file_are_told_only_where_modify_is_asked_for() {
    for modify in [false, true] {
        let mut world = World::new();
        world.plan.events.modify = modify;
        let mut file = fs::File::create(world.at("f")).unwrap();
        let mut watch = world.ready();
        std::io::Write::write_all(&mut file, b"more").unwrap();
        assert_eq!(
            watch.marks(),
            if modify { vec!["f content"] } else { vec![] }
        );
        drop(file);
        assert_eq!(watch.marks(), ["f content"]);
    }
}

#[test]
fn a_populated_directory_that_moves_onto_an_empty_one_is_watched_whole() {
    let world = World::new();
    fs::create_dir(world.at("d")).unwrap();
    let held = fs::File::open(world.at("d")).unwrap(); // keeps the old directory's last event back
    let mut watch = world.ready();
    let outside = world.scratch.path().join("outside");
    fs::create_dir_all(outside.join("x/y")).unwrap();
    fs::rename(&outside, world.at("d")).unwrap();
    let moved = watch.marks();
    assert!(
        moved[1].starts_with("d ") && moved[1].ends_with("content+subtree+gone"),
        "{moved:?}"
    );
    fs::write(world.at("d/x/y/f"), "").unwrap();
    fs::write(world.at("d/f"), "").unwrap();
    assert_eq!(
        watch.marks(),
        [
            "d attributes",
            "d/f content",
            "d/x/y attributes",
            "d/x/y/f content"
        ]
    );
    drop(held);
}

/// Applies what is told up to a barrier.
fn follow(shadow: &mut Shadow, watch: &mut Watch) {
    for mark in marks(&watch.barrier()) {
        shadow.apply(&mark);
    }
    assert_eq!(shadow.differences(), Vec::<String>::new());
}

#[test]
fn bursts_of_new_directories_and_big_trees_that_move_and_go_lose_nothing() {
    let world = World::new();
    let mut watch = world.watch(100_000);
    watch.until_ready();
    let mut shadow = Shadow::full(&world.root(), Filter::compile(&world.plan.filter).unwrap());
    for directory in 0..100 {
        let path = world.at(&format!("new/{}/{directory}/deep", directory % 7));
        fs::create_dir_all(&path).unwrap();
        for file in 0..100 {
            fs::write(path.join(file.to_string()), file.to_string()).unwrap();
        }
    }
    follow(&mut shadow, &mut watch);
    assert!(shadow.len() > 10_000);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            for at in 0..20 {
                fs::rename(world.at("new/3"), world.at(&format!("moved-{at}"))).unwrap();
                fs::rename(world.at(&format!("moved-{at}")), world.at("new/3")).unwrap();
            }
        });
        scope.spawn(|| fs::remove_dir_all(world.at("new/4")).unwrap());
        scope.spawn(|| {
            for at in 0..2000 {
                fs::write(
                    world.at(&format!("new/5/{}/deep/late-{at}", 5 + 7 * (at % 10))),
                    "late",
                )
                .unwrap();
            }
        });
    });
    follow(&mut shadow, &mut watch);
}

#[test]
fn a_sink_that_blocks_costs_a_look_at_everything_and_no_change() {
    let world = World::new();
    let mut watch = world.watch(1);
    watch.until_ready();
    let mut shadow = Shadow::full(&world.root(), Filter::compile(&world.plan.filter).unwrap());
    // Nobody listens meanwhile: the sink blocks the worker, and its queue must fill up.
    for at in 0..40_000 {
        let path = world.at(&format!("f{at}"));
        fs::File::create(path).unwrap();
    }
    fs::create_dir_all(world.at("born/meanwhile")).unwrap();
    let barrier = watch.ask();
    let told = watch.until(|notice| *notice == Notice::Barrier(barrier));
    let lost = told
        .iter()
        .position(|notice| matches!(notice, Notice::Lost { .. }))
        .expect("the queue was full");
    let whole = Mark {
        path: RelPath::root(),
        dirt: Dirt::SUBTREE,
    };
    let again = told.iter().skip(lost).any(|notice| match notice {
        Notice::Changed(marks) => marks
            .iter()
            .any(|mark| mark.path == whole.path && mark.dirt.has(whole.dirt)),
        _ => false,
    });
    assert!(again, "no look at everything after the loss");
    marks(&told).iter().for_each(|mark| shadow.apply(mark));
    assert_eq!(shadow.differences(), Vec::<String>::new());
    fs::write(world.at("born/meanwhile/f"), "").unwrap();
    assert_eq!(
        watch.marks(),
        ["born/meanwhile attributes", "born/meanwhile/f content"]
    );
}

#[test]
fn what_is_above_the_watch_limit_is_polled_and_said() {
    if super::name() == "fanotify" {
        return; // it has no limit
    }
    let mut world = World::new();
    for name in ["a/b", "c", "d"] {
        fs::create_dir_all(world.at(name)).unwrap();
    }
    world.watch_limit = Some(3);
    let mut watch = world.watch(100);
    let told = watch.until(|notice| matches!(notice, Notice::Ready(_)));
    let reasons = told
        .iter()
        .filter(|notice| matches!(notice, Notice::Lost { .. }))
        .count();
    let Some(Notice::Ready(report)) = told.last() else {
        unreachable!()
    };
    assert_eq!((report.directories, report.unwatched, reasons), (3, 2, 1));
    let mut shadow = Shadow::full(&world.root(), Filter::compile(&world.plan.filter).unwrap());
    for name in ["f", "a/f", "a/b/f", "c/f", "d/f"] {
        fs::write(world.at(name), "1").unwrap();
    }
    fs::create_dir_all(world.at("c/new/new")).unwrap();
    follow(&mut shadow, &mut watch); // a barrier looks at what is polled
    fs::write(world.at("a/b/f"), "2").unwrap();
    fs::write(world.at("c/new/new/f"), "2").unwrap();
    fs::remove_dir_all(world.at("d")).unwrap();
    follow(&mut shadow, &mut watch);
    for name in ["a", "c"] {
        fs::remove_dir_all(world.at(name)).unwrap();
    }
    fs::create_dir_all(world.at("e/f")).unwrap();
    follow(&mut shadow, &mut watch);
    fs::write(world.at("e/f/g"), "3").unwrap();
    follow(&mut shadow, &mut watch);
    let all = |notice: &Notice| matches!(notice, Notice::Report(report) if report.unwatched == 0 && report.directories == 3);
    watch.until(all);
}

#[test]
fn an_idle_watch_says_nothing_and_stops_at_once_even_when_nobody_listens() {
    let world = World::new();
    let mut watch = world.watch(0);
    watch.until_ready();
    assert_eq!(watch.barrier().len(), 1);
    fs::write(world.at("f"), "").unwrap();
    let began = std::time::Instant::now();
    drop(watch); // its receiver goes after its handle: the sink may hang in the send until then
    assert!(began.elapsed() < super::DEADLINE);
}

#[test]
fn a_watch_goes_on_under_another_filter_and_tells_what_changes_in_what_came_in() {
    let world = World::new().exclude(&["out/"]);
    for path in ["in/sub", "out/sub", "both/out/sub"] {
        fs::create_dir_all(world.at(path)).unwrap();
    }
    let mut watch = world.ready();
    let write = |path: &str| fs::write(world.at(path), "1").unwrap();
    write("out/sub/unseen");
    assert_eq!(watch.marks(), [""; 0]);
    // What came in is watched; of itself nothing is marked for it.
    watch.rescope(&world, &["/in/"]);
    assert_eq!(watch.marks(), [""; 0]);
    write("out/sub/seen");
    write("both/out/sub/seen");
    assert_eq!(
        watch.marks(),
        [
            "both/out/sub attributes",
            "both/out/sub/seen content",
            "out/sub attributes",
            "out/sub/seen content"
        ]
    );
    // What went out is not.
    fs::create_dir(world.at("in/new")).unwrap();
    write("in/sub/unseen");
    assert_eq!(watch.marks(), [""; 0]);
    // Back again, with what is new in it; and the last word of two counts.
    watch.rescope(&world, &["/in/", "/out/"]);
    watch.rescope(&world, &[]);
    assert_eq!(watch.marks(), [""; 0]);
    write("in/new/seen");
    write("out/sub/still");
    assert_eq!(
        watch.marks(),
        [
            "in/new attributes",
            "in/new/seen content",
            "out/sub attributes",
            "out/sub/still content"
        ]
    );
    // Other events: the kernel's are asked for anew, and everything is to be looked at.
    let mut plan = world.plan.clone();
    plan.filter.exclude.clear();
    plan.events.modify = true;
    watch.rescope_to(&plan);
    assert!(watch.marks().contains(&". subtree".to_owned()));
}

#[test]
fn directories_that_come_and_go_while_the_filter_changes_are_watched_in_the_end() {
    let world = World::new().exclude(&["/x/"]);
    for at in 0..300 {
        fs::create_dir_all(world.at(&format!("x/{at}/deep"))).unwrap();
        fs::create_dir_all(world.at(&format!("y/{at}/deep"))).unwrap();
    }
    let mut watch = world.ready();
    watch.rescope(&world, &[]);
    // In the midst of its walk.
    for at in 0..100 {
        fs::rename(world.at(&format!("x/{at}")), world.at(&format!("y/x{at}"))).unwrap();
        fs::rename(world.at(&format!("y/{at}")), world.at(&format!("x/y{at}"))).unwrap();
        fs::create_dir_all(world.at(&format!("x/new{at}/deep"))).unwrap();
    }
    watch.marks();
    let mut expected = Vec::new();
    for at in 0..100 {
        for path in [
            format!("y/x{at}/deep"),
            format!("x/y{at}/deep"),
            format!("x/new{at}/deep"),
        ] {
            fs::write(world.at(&path).join("f"), "1").unwrap();
            expected.push(format!("{path}/f content"));
        }
    }
    let told = watch.marks();
    let missed: Vec<_> = expected
        .iter()
        .filter(|mark| !told.contains(mark))
        .collect();
    assert!(missed.is_empty(), "{missed:?}");
}
