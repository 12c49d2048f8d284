//! Reloads of the real service: in the midst of churn, rejected, by signal, by changed files; roll-back and the last good
//! generation.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};

use super::lifecycle::temporaries;
use super::{PATIENCE, Story, equal, extend, local, remote, site, soon};
use crate::rig::churn::Churn;
use crate::rig::service::{Answer, Heliostat, manifest};

/// The manifest of a story, in which both targets mirror.
fn plain(story: &Story) -> Value {
    let mut site = site(
        &story.source,
        json!({"module": remote(&story.daemon), "copy": local(&story.copy)}),
    );
    for target in site["targets"].as_object_mut().unwrap().values_mut() {
        extend(target, &json!({"delete": "mirror"}));
    }
    site
}

/// Writes the manifest and reloads.
fn reload(story: &Story, site: &Value) -> Answer {
    let text = manifest(&json!({ "site": site }));
    fs::write(story.service.manifest(), text).unwrap();
    story.service.call(&["reload"])
}

#[track_caller]
fn applied(story: &Story, site: &Value) -> String {
    let answer = reload(story, site);
    assert_eq!(answer.code, 0, "{answer:?}\n{}", story.service.tail());
    answer.stdout
}

/// Lines of the log that tell of a full pass, or of what came into a filter, for this route.
fn passes(story: &Story, route: &str) -> usize {
    let log = story.service.log();
    let of_route = log
        .lines()
        .filter(|line| line.contains(&format!("route={route} ")));
    of_route
        .filter(|line| {
            ["start", "reload", "lost", "rescan"]
                .iter()
                .any(|trigger| line.contains(&format!("trigger=\"{trigger}\"")))
        })
        .count()
}

/// One full pass was made over this route, and no other. The log is written behind what status says.
fn one_pass(story: &Story, route: &str) {
    soon("the pass is in the log", || passes(story, route) > 0);
    assert_eq!(passes(story, route), 1, "{}", story.service.log());
}

/// What the daemon deleted.
fn deleted(story: &Story) -> BTreeSet<String> {
    let log = story.daemon.log();
    let lines = log.lines().filter_map(|line| line.split_once(" del. "));
    lines.map(|(_, path)| path.to_owned()).collect()
}

#[test]
fn reloads_of_every_class_in_the_midst_of_churn_lose_nothing_and_disturb_no_other_route() {
    let mut story = Story::with(&json!({"delete": "mirror"}));
    let third = story.scratch.dir("third");
    let (other, far) = (story.scratch.dir("other"), story.scratch.dir("far"));
    let both =
        |site: &Value, other_site: &Value| manifest(&json!({"site": site, "other": other_site}));
    let mut calm = site(&other, json!({"far": local(&far)}));
    extend(&mut calm["targets"]["far"], &json!({"delete": "mirror"}));
    fs::write(story.service.manifest(), both(&plain(&story), &calm)).unwrap();
    story.start();
    one_pass(&story, "site/module");
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let (source, other, stop) = (&story.source, &other, &stop);
        scope.spawn(move || {
            let mut churns = (Churn::new(source, 7), Churn::new(other, 8));
            while !stop.load(Ordering::Relaxed) {
                churns.0.run(20, Duration::from_millis(100));
                churns.1.run(20, Duration::from_millis(100));
            }
        });
        // Every change is one of `copy` or of a third target, so that `module` never knows.
        let change = |keys: Value| {
            let mut site = plain(&story);
            extend(&mut site["targets"]["copy"], &keys);
            site
        };
        let with_third = |keys: Value| {
            let mut site = change(keys);
            site["targets"]["third"] = local(&third);
            site
        };
        let steps = [
            change(json!({"debounce": {"quiet": "20ms"}, "maxDelete": 100_000})),
            change(json!({"exclude": ["/d000/", "*.tmp"]})),
            with_third(json!({"exclude": ["*.tmp"]})),
            with_third(json!({"attributes": ["archive", "xattrs"]})),
            change(json!({"delete": "propagate"})),
            with_third(json!({})),
            plain(&story),
        ];
        for step in &steps {
            let text = both(step, &calm);
            fs::write(story.service.manifest(), &text).unwrap();
            let answer = story.service.call(&["reload"]);
            assert_eq!(answer.code, 0, "{answer:?}\n{}", story.service.tail());
            // A broken one in between changes nothing, and is not in the way of the next.
            fs::write(story.service.manifest(), text.replace("delete", "deleet")).unwrap();
            let answer = story.service.call(&["reload"]);
            assert_eq!(answer.code, 1, "{answer:?}");
            assert!(
                answer.stderr.contains("did you mean `delete`?"),
                "{answer:?}"
            );
        }
        stop.store(true, Ordering::Relaxed);
    });
    assert_eq!(
        passes(&story, "site/module"),
        1,
        "an unchanged route made a pass:\n{}",
        story.service.log()
    );
    one_pass(&story, "other/far");
    // Nothing was lost on any route, also not on those that changed again and again.
    story.settle();
    equal(&other, &far, &story.service);
}

#[test]
fn a_filter_change_deletes_nothing_and_sends_what_came_in() {
    let mut story = Story::with(&json!({"delete": "mirror"}));
    for at in 0..5 {
        story.write(&format!("kept/{at}"), "in the source");
        story.write(&format!("sent/{at}"), "in the source");
    }
    story.start();
    let narrow = |keys: Value| {
        let mut site = plain(&story);
        extend(&mut site, &keys);
        site
    };
    // Protected from now on, though the source has it no more.
    applied(&story, &narrow(json!({"exclude": ["/kept/"]})));
    fs::remove_dir_all(story.source.join("kept")).unwrap();
    assert!(story.service.wait(PATIENCE), "{}", story.service.tail());
    for target in [&story.module, &story.copy] {
        fs::write(target.join("kept/theirs"), "on the target only").unwrap();
    }
    story.write("kept/new", "new");
    assert!(story.service.wait(PATIENCE), "{}", story.service.tail());
    assert!(!story.copy.join("kept/new").exists());
    // Not protected any more, and still nobody said that it is to go.
    applied(&story, &plain(&story));
    assert!(story.service.wait(PATIENCE), "{}", story.service.tail());
    let all = ["kept/0", "kept/4", "kept/theirs", "kept/new", "sent/0"];
    for target in [&story.module, &story.copy] {
        for path in all {
            assert!(
                target.join(path).exists(),
                "{path}\n{}",
                story.service.log()
            );
        }
    }
    assert_eq!(deleted(&story), BTreeSet::new(), "{}", story.daemon.log());
    // It is watched, and events in it are told.
    fs::remove_file(story.source.join("kept/new")).unwrap();
    story.write("kept/later", "later");
    for target in [&story.module, &story.copy] {
        soon("what changes in it is sent", || {
            target.join("kept/later").exists() && !target.join("kept/new").exists()
        });
    }
    assert_eq!(deleted(&story), BTreeSet::from(["kept/new".to_owned()]));
    // A pass that somebody asks for is another thing.
    let answer = story.service.call(&["rescan", "--wait"]);
    assert_eq!(answer.code, 0, "{answer:?}\n{}", story.service.tail());
    story.settle();
}

#[test]
fn a_transfer_of_an_unchanged_route_goes_on_and_one_of_a_removed_route_may_end() {
    let mut story = Story::with(&json!({"bandwidth": "2MiB/s"}));
    story.write("small", "small");
    story.start();
    let mut slow = site(
        &story.source,
        json!({"module": remote(&story.daemon), "copy": local(&story.copy)}),
    );
    for target in slow["targets"].as_object_mut().unwrap().values_mut() {
        extend(target, &json!({"bandwidth": "2MiB/s"}));
    }
    story.write("large", &"0123456789abcdef".repeat(1 << 18));
    let half = |target: &Path| temporaries(target).into_iter().next();
    soon("both are being written", || {
        half(&story.module).is_some() && half(&story.copy).is_some()
    });
    let before = half(&story.module).unwrap();
    let mut without = slow.clone();
    without["targets"].as_object_mut().unwrap().remove("copy");
    applied(&story, &without);
    // The very file that was being written becomes the file.
    let mut seen = BTreeSet::from([before]);
    soon("it is there", || {
        seen.extend(half(&story.module));
        story.module.join("large").exists()
    });
    assert_eq!(
        seen.len(),
        1,
        "it began anew: {seen:?}\n{}",
        story.service.log()
    );
    // The answer of the reload waited for the other one, which had its time.
    assert!(story.copy.join("large").exists(), "{}", story.service.log());
    one_pass(&story, "site/module");
    let status = story.status();
    assert_eq!(status["routes"].as_array().unwrap().len(), 1, "{status:#}");
}

#[test]
fn what_is_rejected_changes_nothing_and_what_is_good_is_taken_over() {
    let mut story = Story::with(&json!({"delete": "mirror"}));
    assert_eq!(story.service.call(&["reload"]).code, 4);
    story.write("a", "a");
    story.start();
    let first = story.status();
    assert_eq!(
        (&first["drift"], &first["rejected"]),
        (&Value::Null, &Value::Null)
    );
    let answer = story.service.call(&["reload"]);
    assert_eq!(answer.code, 0, "{answer:?}");
    assert!(
        answer.stdout.contains("nothing has changed: generation 1"),
        "{answer:?}"
    );
    let mut broken = plain(&story);
    broken["targets"]["copy"]["nonsense"] = json!(1);
    broken["debounce"] = json!({"quiet": 5});
    let answer = reload(&story, &broken);
    assert_eq!((answer.code, answer.stdout.as_str()), (1, ""), "{answer:?}");
    for said in [
        "nonsense",
        "debounce",
        "2 errors",
        "generation 1",
        "nothing was changed",
    ] {
        assert!(answer.stderr.contains(said), "{said}: {answer:?}");
    }
    let answer = story.service.call(&["reload", "--format", "json"]);
    let document: Value = serde_json::from_str(&answer.stdout).unwrap();
    assert_eq!((answer.code, &document["result"]), (1, &json!("rejected")));
    assert_eq!(
        document["diagnostics"].as_array().unwrap().len(),
        2,
        "{document:#}"
    );
    let status = story.status();
    assert_eq!(
        (&status["digest"], &status["generation"]),
        (&first["digest"], &json!(1))
    );
    assert_ne!(status["drift"], Value::Null);
    assert_eq!(status["rejected"]["by"], "reload");
    let shown = story.service.call(&["status"]).stdout;
    assert!(
        shown.contains("! the files are not what runs, and cannot be taken over"),
        "{shown}"
    );
    assert!(shown.contains("! the last reload was rejected"), "{shown}");
    // The service goes on meanwhile.
    story.write("b", "b");
    story.settle();
    let mut good = plain(&story);
    good["exclude"] = json!(["*.log"]);
    let text = manifest(&json!({ "site": good }));
    fs::write(story.service.manifest(), text).unwrap();
    assert!(story.status()["drift"]["digest"].is_string());
    let shown = story.service.call(&["status"]).stdout;
    assert!(
        shown.contains("! the files are not what runs: `heliostat diff"),
        "{shown}"
    );
    let answer = story.service.call(&["reload"]);
    assert_eq!(answer.code, 0, "{answer:?}");
    assert!(answer.stdout.contains("generation 2") && answer.stdout.contains("rescope 2"));
    let status = story.status();
    assert_eq!(
        (&status["drift"], &status["rejected"]),
        (&Value::Null, &Value::Null)
    );
    assert_eq!(status["generation"], 2);
}

#[test]
fn a_hangup_reloads_and_the_log_says_what_came_of_it() {
    let mut story = Story::with(&json!({"delete": "mirror"}));
    story.start();
    let hang_up = || {
        let process = Pid::from_raw(story.service.id().unwrap() as i32).unwrap();
        kill_process(process, Signal::HUP).unwrap();
    };
    let third = story.scratch.dir("third");
    let mut more = plain(&story);
    more["targets"]["third"] = local(&third);
    let good = manifest(&json!({ "site": more }));
    fs::write(story.service.manifest(), good.replace("path", "paht")).unwrap();
    hang_up();
    soon("it is rejected", || {
        let log = story.service.log();
        log.contains("reload rejected, generation 1 goes on")
            && log.contains("did you mean `path`?")
    });
    fs::write(story.service.manifest(), good).unwrap();
    hang_up();
    story.in_sync("third");
    story.write("a", "a");
    soon("the new route is served", || third.join("a").exists());
    assert!(story.service.log().contains("by=\"SIGHUP\" generation=2"));
}

#[test]
fn changed_manifests_are_taken_over_by_themselves_however_they_change() {
    let mut story = Story::with(&json!({"delete": "mirror"}));
    let agent = story.scratch.path().join("agent.yaml");
    fs::write(
        &agent,
        "apiVersion: heliostat/v1\nkind: Agent\nwatchManifests: true\n",
    )
    .unwrap();
    let service = std::mem::replace(
        &mut story.service,
        Heliostat::new(&story.scratch.dir("unused"), ""),
    );
    story.service = service.arg("--agent").arg(agent);
    let (service, base) = (story.scratch.path().join("service"), plain(&story));
    let at = |name: &str| service.join(name);
    let version = |quiet: u32| {
        let mut site = base.clone();
        site["debounce"] = json!({"quiet": format!("{quiet}ms")});
        manifest(&json!({ "site": site }))
    };
    // As a ConfigMap is mounted: a link to a link to a directory that is swapped.
    let swap = |to: &str, link: &str| {
        symlink(to, at("..new")).unwrap();
        fs::rename(at("..new"), at(link)).unwrap();
    };
    let put = |directory: &str, quiet: u32| {
        fs::create_dir_all(at(directory)).unwrap();
        fs::write(at(directory).join("manifest.yaml"), version(quiet)).unwrap();
    };
    put("..1", 11);
    symlink("..1", at("..data")).unwrap();
    swap("..data/manifest.yaml", "manifest.yaml");
    story.start();
    let generation = |number: u32| {
        soon("it is taken over", || {
            story.status()["generation"] == number
        });
    };
    generation(1);
    put("..2", 12);
    swap("..2", "..data");
    generation(2);
    // As an editor saves: another file under the name.
    fs::write(at("new"), version(13)).unwrap();
    fs::rename(at("new"), at("manifest.yaml")).unwrap();
    generation(3);
    // A broken one, and then a good one.
    fs::write(at("manifest.yaml"), "nonsense: 1").unwrap();
    soon("it is rejected", || {
        story.status()["rejected"]["by"] == "watchManifests"
    });
    fs::write(at("manifest.yaml"), version(14)).unwrap();
    generation(4);
    // As git-sync flips to another work tree.
    put("trees/a/conf", 15);
    symlink("trees/a", at("tree")).unwrap();
    swap("tree/conf/manifest.yaml", "manifest.yaml");
    generation(5);
    put("trees/b/conf", 16);
    swap("trees/b", "tree");
    generation(6);
    // Nothing but a comment: read, and nothing is done.
    let file = at("trees/b/conf/manifest.yaml");
    let lines = story.service.log().lines().count();
    fs::write(&file, format!("# a comment\n{}", version(16))).unwrap();
    put("trees/c/conf", 17);
    swap("trees/c", "tree");
    generation(7);
    let reloads = || {
        let log = story.service.log();
        let since = log.lines().skip(lines);
        since.filter(|line| line.contains("reloaded")).count()
    };
    soon("the reload is in the log", || reloads() > 0);
    assert_eq!(reloads(), 1);
    one_pass(&story, "site/module");
    story.write("a", "a");
    story.settle();
}

#[test]
fn the_last_good_generation_runs_where_the_files_are_broken_at_the_start() {
    let mut story = Story::with(&json!({"delete": "mirror"}));
    let good = fs::read_to_string(story.service.manifest()).unwrap();
    // Nothing was in force yet.
    fs::write(story.service.manifest(), "nonsense: 1").unwrap();
    story.service.start();
    assert_eq!(
        story.service.ended(PATIENCE),
        Some(78),
        "{}",
        story.service.tail()
    );
    fs::write(story.service.manifest(), &good).unwrap();
    story.write("a", "a");
    story.start();
    story.service.stop();
    fs::write(story.service.manifest(), "nonsense: 1").unwrap();
    story.write("b", "b");
    story.start();
    let log = story.service.log();
    assert!(
        log.contains("ERROR the manifests are broken, so the last good generation runs"),
        "{log}"
    );
    let status = story.status();
    assert_eq!(
        (&status["generation"], &status["origin"]["from"]),
        (&json!(1), &json!("lastGood"))
    );
    let shown = story.service.call(&["status"]).stdout;
    assert!(
        shown.contains("! the manifests were broken at the start"),
        "{shown}"
    );
    // Also where they are not there at all, and where the ledger is lost.
    story.service.stop();
    fs::remove_file(story.service.manifest()).unwrap();
    for entry in fs::read_dir(story.service.state()).unwrap().flatten() {
        if entry.file_name() != "generations" && entry.file_type().unwrap().is_file() {
            fs::remove_file(entry.path()).unwrap();
        }
    }
    story.write("c", "c");
    story.start();
    fs::write(story.service.manifest(), &good).unwrap();
    let answer = story.service.call(&["reload"]);
    assert_eq!(answer.code, 0, "{answer:?}");
    let status = story.status();
    assert_eq!(
        (&status["origin"]["from"], &status["generation"]),
        (&json!("files"), &json!(1))
    );
    story.settle();
}

#[test]
fn an_earlier_generation_is_put_in_force_until_the_next_reload() {
    let mut story = Story::with(&json!({"delete": "mirror"}));
    let git = story.scratch.path().join("service/.git");
    fs::create_dir(&git).unwrap();
    let commit = |digit: char| fs::write(git.join("HEAD"), digit.to_string().repeat(40)).unwrap();
    commit('a');
    story.write("logs/a", "a");
    story.start();
    let mut wrong = plain(&story);
    wrong["exclude"] = json!(["/logs/"]);
    commit('b');
    applied(&story, &wrong);
    assert_eq!(story.status()["revision"], "b".repeat(40));
    story.write("logs/b", "b");
    assert!(story.service.wait(PATIENCE), "{}", story.service.tail());
    assert!(!story.copy.join("logs/b").exists());
    let answer = story.service.call(&["rollback"]);
    assert_eq!(answer.code, 0, "{answer:?}");
    assert!(answer.stdout.contains("generation 1"), "{answer:?}");
    story.settle();
    let status = story.status();
    assert_eq!(
        (&status["generation"], &status["revision"]),
        (&json!(1), &json!("a".repeat(40)))
    );
    assert_eq!(status["origin"], json!({"from": "rollback", "before": 2}));
    let shown = story.service.call(&["status"]).stdout;
    assert!(
        shown.contains("! rolled back from generation 2 to 1"),
        "{shown}"
    );
    let listed = story.service.call(&["rollback", "--list"]).stdout;
    assert!(
        listed.lines().any(|line| line.starts_with("*          1 ")),
        "{listed}"
    );
    assert_eq!(story.service.call(&["rollback", "7"]).code, 1);
    assert_eq!(story.service.call(&["reload"]).code, 0);
    assert_eq!(story.status()["origin"]["from"], "files");
    // The last ten are kept.
    for quiet in 0..10 {
        let mut site = plain(&story);
        site["debounce"] = json!({"quiet": format!("{quiet}ms")});
        applied(&story, &site);
    }
    let listed = story
        .service
        .call(&["rollback", "--list", "--format", "json"])
        .stdout;
    let listed: Value = serde_json::from_str(&listed).unwrap();
    assert_eq!(
        listed["generations"].as_array().unwrap().len(),
        10,
        "{listed:#}"
    );
}
