//! Deletions: what each policy deletes, and what keeps everything from being deleted.

use std::fs;
use std::path::Path;

use serde_json::{Value, json};

use super::{Story, equal, extend, local, remote, site, soon, until};
use crate::rig::mount::Mount;
use crate::rig::rsyncd::Rsyncd;
use crate::rig::service::{Answer, Heliostat, manifest};
use crate::rig::{Scratch, tree};

const BOTH: [&str; 2] = ["module", "copy"];

/// A story with these keys for the source, and these for both targets.
fn guarded(source: &Value, targets: &Value) -> Story {
    Story::new(|site| {
        extend(site, source);
        for target in site["targets"].as_object_mut().unwrap().values_mut() {
            extend(target, targets);
        }
    })
}

fn mirror() -> Value {
    json!({"delete": "mirror", "maxDelete": 100_000})
}

/// What is in a directory, as sorted relative paths.
fn names(root: &Path) -> Vec<String> {
    let look = tree::Look {
        content: false,
        ..tree::Look::default()
    };
    let paths = tree::snapshot(root, &look).into_keys();
    paths
        .map(|path| String::from_utf8_lossy(&path).into_owned())
        .collect()
}

impl Story {
    fn targets(&self) -> [&Path; 2] {
        [&self.module, &self.copy]
    }

    /// Both targets have exactly these names, and get there within the patience.
    #[track_caller]
    fn hold(&self, expected: &[&str]) {
        for target in self.targets() {
            soon(
                &format!(
                    "{} has {expected:?}, not {:?}\n{}",
                    target.display(),
                    names(target),
                    self.service.tail()
                ),
                || names(target) == expected,
            );
        }
    }

    /// Both routes are held by this guard, the commands say so, and nothing was deleted.
    #[track_caller]
    fn held_by(&self, guard: &str, kept: &[&str]) {
        for target in BOTH {
            let route = self.shows(target, "held", guard);
            assert_eq!(route["hold"]["reason"], guard, "{route:#}");
            assert_ne!(route["why"], Value::Null, "{route:#}");
            if guard != "lostMount" {
                self.not_approved(&route);
            }
        }
        assert_eq!(self.call(&["wait", "--timeout", "60s"]).code, 6);
        assert_eq!(self.call(&["status", "--check"]).code, 6);
        assert_eq!(self.daemon.deletions(), Vec::<String>::new());
        for target in self.targets() {
            assert_eq!(names(target), kept);
        }
    }

    /// What a guard misses cannot be approved, and what to do instead is said.
    #[track_caller]
    fn not_approved(&self, route: &Value) {
        let (name, id) = (route["route"].as_str(), route["hold"]["id"].as_str());
        let answer = self.call(&["approve", name.unwrap(), "--id", id.unwrap()]);
        assert_eq!((answer.code, &answer.stdout[..]), (1, ""), "{answer:?}");
        let way_out = route["why"].as_str().unwrap().rsplit(": ").next().unwrap();
        let said = |part| answer.stderr.contains(part);
        assert!(
            said("approving does not release") && said(way_out),
            "{answer:?}"
        );
    }

    fn call(&self, arguments: &[&str]) -> Answer {
        self.service.call(arguments)
    }
}

/// What happens to names under a policy. `a`, `b`, `dir/x` and `dir/y` are in the source, `foreign` only on the targets.
fn policy(policy: &str, after_start: &[&str], after_work: &[&str]) {
    let mut story = guarded(&json!({}), &json!({"delete": policy}));
    for name in ["a", "b", "dir/x", "dir/y"] {
        story.write(name, name);
    }
    for target in [&story.module, &story.copy] {
        fs::write(target.join("foreign"), "somebody else's").unwrap();
    }
    story.service.start();
    for target in BOTH {
        story.in_sync(target);
    }
    story.hold(after_start);
    fs::remove_file(story.source.join("a")).unwrap();
    fs::rename(story.source.join("b"), story.source.join("c")).unwrap();
    fs::remove_dir_all(story.source.join("dir")).unwrap();
    assert!(
        story.service.wait(super::PATIENCE),
        "{}",
        story.service.tail()
    );
    story.hold(after_work);
    story.service.stop();
    story.service.start();
    for target in BOTH {
        story.in_sync(target);
    }
    story.hold(after_work);
}

#[test]
fn never_deletes_nothing() {
    let all = ["a", "b", "c", "dir", "dir/x", "dir/y", "foreign"];
    policy(
        "never",
        &["a", "b", "dir", "dir/x", "dir/y", "foreign"],
        &all,
    );
}

#[test]
fn propagate_deletes_what_was_seen_to_vanish() {
    policy(
        "propagate",
        &["a", "b", "dir", "dir/x", "dir/y", "foreign"],
        &["c", "foreign"],
    );
}

#[test]
fn mirror_deletes_what_the_source_has_not() {
    policy("mirror", &["a", "b", "dir", "dir/x", "dir/y"], &["c"]);
}

#[test]
fn without_its_marker_a_source_is_left_alone() {
    let mut story = guarded(&json!({"guard": {"marker": ".here"}}), &mirror());
    story.write("a", "a");
    story.write("b", "b");
    story.service.start();
    for target in BOTH {
        story.shows(target, "held", "marker");
    }
    story.hold(&[]);
    story.write(".here", "");
    story.settle();
    fs::remove_file(story.source.join(".here")).unwrap();
    fs::remove_file(story.source.join("a")).unwrap();
    story.held_by("marker", &[".here", "a", "b"]);
    // What changes meanwhile waits as well.
    story.write("c", "c");
    story.write(".here", "");
    story.settle();
    story.hold(&[".here", "b", "c"]);
}

#[test]
fn an_emptied_source_empties_nothing() {
    for delete in ["mirror", "propagate"] {
        let mut story = guarded(&json!({}), &json!({"delete": delete, "maxDelete": 100_000}));
        let kept = ["a", "d", "d/b"];
        story.write("a", "a");
        story.write("d/b", "b");
        story.start();
        let away = story.scratch.dir("away");
        fs::rename(story.source.join("a"), away.join("a")).unwrap();
        fs::rename(story.source.join("d"), away.join("d")).unwrap();
        for target in BOTH {
            story.not_approved(&story.shows(target, "held", "empty"));
        }
        assert_eq!(story.call(&["wait", "--timeout", "60s"]).code, 6);
        let left = names(&story.copy);
        assert!(!left.is_empty(), "{delete}: the last is never deleted");
        for name in ["a", "d"] {
            fs::rename(away.join(name), story.source.join(name)).unwrap();
        }
        story.settle();
        story.hold(&kept);
    }
}

/// The source's file system goes, and comes back with its files.
fn unmounted(guard: &Value, code: &str, below: bool) {
    let mut story = guarded(guard, &mirror());
    if below {
        story.write("below", "what the mount hides");
    }
    let disk = story.scratch.dir("disk");
    for name in ["a", "d/b", "d/c"] {
        super::write(&disk, name, name);
    }
    let mounted = Mount::bind(&disk, &story.source);
    story.start();
    let kept = ["a", "d", "d/b", "d/c"];
    story.hold(&kept);
    drop(mounted);
    story.held_by(code, &kept);
    // Nor at a start from nothing.
    story.service.stop();
    fs::remove_dir_all(story.service.state()).unwrap();
    story.service.start();
    story.held_by(code, &kept);
    fs::write(disk.join("d/c"), "changed while it was away").unwrap();
    let _mounted = Mount::bind(&disk, &story.source);
    story.settle();
}

#[test]
fn an_unmounted_source_is_not_an_empty_one() {
    unmounted(&json!({}), "empty", false);
}

#[test]
fn what_is_below_an_unmounted_source_is_not_the_source() {
    unmounted(&json!({"guard": {"requireMount": true}}), "mount", true);
}

#[test]
fn a_mount_that_vanished_below_the_source_keeps_its_files() {
    let mut story = guarded(&json!({"oneFileSystem": false}), &mirror());
    let disk = story.scratch.dir("disk");
    super::write(&disk, "x", "x");
    super::write(&disk, "y", "y");
    story.write("a", "a");
    fs::create_dir(story.source.join("nested")).unwrap();
    let mounted = Mount::bind(&disk, &story.source.join("nested"));
    story.start();
    let kept = ["a", "nested", "nested/x", "nested/y"];
    story.hold(&kept);
    // Seen by the kernel, told by no event: looked for before anything is deleted.
    drop(mounted);
    story.write("b", "b");
    story.held_by("lostMount", &kept);
    let mounted = Mount::bind(&disk, &story.source.join("nested"));
    story.settle();
    // While nobody looks.
    story.service.kill();
    drop(mounted);
    story.service.start();
    story.held_by("lostMount", &["a", "b", "nested", "nested/x", "nested/y"]);
    for target in BOTH {
        let route = story.shows(target, "held", "lostMount");
        let (name, id) = (
            format!("site/{target}"),
            route["hold"]["id"].as_str().unwrap().to_owned(),
        );
        let answer = story.call(&["approve", &name, "--id", &id]);
        // Approved for the first, it may be known to the second already.
        assert!(answer.code == 0 || target == "copy", "{answer:?}");
    }
    story.settle();
    story.hold(&["a", "b", "nested"]);
}

#[test]
fn a_target_that_must_be_mounted_is_not_written_below_its_mount() {
    let mut story = Story::new(|site| {
        extend(
            &mut site["targets"]["copy"],
            &json!({"delete": "mirror", "guard": {"requireMount": true}}),
        );
    });
    let disk = story.scratch.dir("disk");
    let mounted = Mount::bind(&disk, &story.copy);
    story.write("a", "a");
    story.start();
    drop(mounted);
    story.write("b", "b");
    let route = story.shows("copy", "held", "targetMount");
    assert_ne!(route["pending"], 0, "{route:#}");
    story.not_approved(&route);
    story.in_sync("module");
    assert_eq!(names(&story.copy), Vec::<String>::new());
    let _mounted = Mount::bind(&disk, &story.copy);
    story.settle();
}

/// `site` with two bounded routes on either kind, and a free one.
struct Bounded {
    service: Heliostat,
    daemon: Rsyncd,
    scratch: Scratch,
}

impl Bounded {
    fn new() -> Bounded {
        let scratch = Scratch::new();
        let mut daemon = Rsyncd::new(&scratch.dir("daemon"), &scratch.dir("module"));
        daemon.start();
        let target = |mut target: Value, budget: Value| {
            extend(
                &mut target,
                &json!({"delete": "mirror", "maxDelete": budget}),
            );
            target
        };
        let targets = json!({
            "module": target(remote(&daemon), json!(3)),
            "copy": target(local(&scratch.dir("copy")), json!("10%")),
            "free": target(local(&scratch.dir("free")), json!(1000)),
        });
        let text = manifest(&json!({"site": site(&scratch.dir("source"), targets)}));
        let service = Heliostat::new(&scratch.dir("service"), &text);
        for directory in ["one", "two"] {
            for file in 0..4 {
                super::write(&scratch.dir("source"), &format!("{directory}/{file}"), "x");
            }
        }
        for file in 0..20 {
            super::write(&scratch.dir("source"), &format!("stays/{file}"), "x");
        }
        Bounded {
            service,
            daemon,
            scratch,
        }
    }

    fn at(&self, path: &str) -> std::path::PathBuf {
        self.scratch.path().join(path)
    }

    /// Waits until a route is held for its deletions; the hold.
    #[track_caller]
    fn hold(&self, target: &str, differs: &Value) -> Value {
        let found = until(&self.service, &format!("site/{target}"), |route| {
            route["state"] == "held"
                && route["code"] == "deletes"
                && route["hold"]["id"] != *differs
        });
        found["hold"].clone()
    }

    fn approve(&self, target: &str, id: &str) -> Answer {
        self.service
            .call(&["approve", &format!("site/{target}"), "--id", id])
    }
}

#[test]
fn above_the_budget_nothing_is_deleted_until_it_is_approved() {
    let mut story = Bounded::new();
    story.service.start();
    assert!(
        story.service.wait(super::PATIENCE),
        "{}",
        story.service.tail()
    );
    // At one stroke: a directory and its four files.
    fs::rename(story.at("source/one"), story.at("away")).unwrap();
    let mut holds = Vec::new();
    for target in BOTH {
        let hold = story.hold(target, &Value::Null);
        assert_eq!(
            (&hold["reason"], &hold["count"]),
            (&json!("deletes"), &json!(5)),
            "{hold:#}"
        );
        assert_eq!(hold["of"], 31, "{hold:#}");
        assert_eq!(hold["sample"][0], "one", "{hold:#}");
        holds.push(hold["id"].as_str().unwrap().to_owned());
        assert_eq!(names(&story.at(target)).len(), 31, "nothing was deleted");
    }
    assert_eq!(story.daemon.deletions(), Vec::<String>::new());
    until(&story.service, "site/free", |route| {
        route["state"] == "in sync" && route["deleted"] == 5
    });
    equal(&story.at("source"), &story.at("free"), &story.service);
    for (arguments, code) in [
        (&["wait", "--timeout", "60s"][..], 6),
        (&["wait", "site/free", "--timeout", "60s"], 0),
        (&["status", "--check"], 6),
        (&["status", "site/free", "--check"], 0),
        (&["status", "site/none"], 1),
        (&["approve", "site/none", "--id", "x"], 1),
        (&["approve", "site", "--id", "x"], 2),
        (&["approve", "site/free", "--id", "x"], 1),
        (&["approve", "site/module"], 2),
    ] {
        assert_eq!(story.service.call(arguments).code, code, "{arguments:?}");
    }
    let wrong = story.approve("module", "00000000");
    assert!(
        wrong.code == 1 && wrong.stderr.contains(&holds[0]),
        "{wrong:?}"
    );
    assert_eq!(names(&story.at("module")).len(), 31, "nothing was deleted");
    // What comes after the plan that was shown is no part of it.
    fs::rename(story.at("source/two"), story.at("away-too")).unwrap();
    super::write(&story.at("source"), "new", "new");
    until(&story.service, "site/free", |route| {
        route["state"] == "in sync" && route["deleted"] == 10
    });
    for (target, id) in BOTH.into_iter().zip(&holds) {
        let answer = story.approve(target, id);
        assert_eq!(answer.code, 0, "{answer:?}");
        let next = story.hold(target, &json!(id));
        assert_eq!(next["count"], 5, "{next:#}");
        let found = names(&story.at(target));
        assert!(
            !found.contains(&"one".to_owned()) && found.contains(&"two/3".to_owned()),
            "{found:?}"
        );
        assert_eq!(
            story.approve(target, id).code,
            1,
            "it was for that plan alone"
        );
        assert_eq!(story.approve(target, next["id"].as_str().unwrap()).code, 0);
    }
    assert!(
        story.service.wait(super::PATIENCE),
        "{}",
        story.service.tail()
    );
    for target in ["module", "copy", "free"] {
        equal(&story.at("source"), &story.at(target), &story.service);
    }
    assert_eq!(story.service.call(&["status", "--check"]).code, 0);
}

#[test]
fn a_budget_is_not_outwitted_by_small_steps_nor_by_a_restart() {
    let mut story = Bounded::new();
    story.service.start();
    assert!(
        story.service.wait(super::PATIENCE),
        "{}",
        story.service.tail()
    );
    for directory in ["one", "two"] {
        for file in 0..4 {
            fs::remove_file(story.at(&format!("source/{directory}/{file}"))).unwrap();
            story.service.call(&["wait", "site/free"]);
        }
    }
    for (target, budget) in [("module", 3), ("copy", 3)] {
        story.hold(target, &Value::Null);
        let gone = 31 - names(&story.at(target)).len();
        assert!(gone <= budget, "{gone} deleted on {target}");
    }
    assert!(story.daemon.deletions().len() <= 3);
    let before = names(&story.at("module"));
    story.service.kill();
    fs::remove_dir_all(story.at("source/stays")).unwrap();
    story.service.start();
    // What is known of before is held at once, and counted again when all of the source was looked at.
    for target in BOTH {
        let found = until(&story.service, &format!("site/{target}"), |route| {
            route["state"] == "held" && route["hold"]["count"].as_u64() > Some(20)
        });
        assert_eq!(found["code"], "deletes", "{found:#}");
    }
    assert_eq!(names(&story.at("module")), before, "nothing was deleted");
}

/// The budget is three. Two are deleted, and then, after a restart, two more: each time within the budget.
#[test]
fn what_was_deleted_before_a_restart_counts_after_it() {
    let mut story = Bounded::new();
    story.service.start();
    assert!(
        story.service.wait(super::PATIENCE),
        "{}",
        story.service.tail()
    );
    for file in 0..2 {
        fs::remove_file(story.at(&format!("source/one/{file}"))).unwrap();
    }
    for target in ["module", "copy"] {
        until(&story.service, &format!("site/{target}"), |route| {
            route["state"] == "in sync" && route["deleted"] == 2
        });
    }
    story.service.stop();
    for file in 0..2 {
        fs::remove_file(story.at(&format!("source/two/{file}"))).unwrap();
    }
    story.service.start();
    for target in BOTH {
        let hold = story.hold(target, &Value::Null);
        assert_eq!(hold["count"], 2, "{hold:#}");
        assert!(names(&story.at(target)).contains(&"two/0".to_owned()));
    }
}

#[test]
fn a_hold_goes_away_when_what_was_missing_is_back() {
    let mut story = Bounded::new();
    story.service.start();
    assert!(
        story.service.wait(super::PATIENCE),
        "{}",
        story.service.tail()
    );
    fs::rename(story.at("source/one"), story.at("away")).unwrap();
    for target in BOTH {
        story.hold(target, &Value::Null);
    }
    fs::rename(story.at("away"), story.at("source/one")).unwrap();
    assert!(
        story.service.wait(super::PATIENCE),
        "{}",
        story.service.tail()
    );
    for target in ["module", "copy", "free"] {
        equal(&story.at("source"), &story.at(target), &story.service);
    }
    assert_eq!(story.daemon.deletions(), Vec::<String>::new());
}
