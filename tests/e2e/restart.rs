//! What outlives a restart, and what a restart costs.

use std::fs;
use std::io::Write;
use std::time::SystemTime;

use serde_json::json;

use super::{Story, equal, extend, soon};
use crate::rig::mount::Mount;

/// A story whose service tells of its checkpoints.
pub(super) fn told(mut story: Story) -> Story {
    let service = std::mem::replace(
        &mut story.service,
        crate::rig::service::Heliostat::new(&story.scratch.dir("unused"), ""),
    );
    story.service = service.arg("--log-level").arg("heliostat=debug");
    story
}

/// Lines of the log that tell of a checkpoint with this in it.
pub(super) fn checkpoints(story: &Story, with: &str) -> usize {
    let log = story.service.log();
    let lines = log
        .lines()
        .filter(|line| line.contains("checkpoint source"));
    lines.filter(|line| line.contains(with)).count()
}

/// Waits for a checkpoint that is made from now on, with nothing undelivered in it.
fn checkpoint(story: &Story) {
    let before = checkpoints(story, "marks=0");
    soon("a checkpoint", || checkpoints(story, "marks=0") > before);
}

/// Started, in sync, and with a checkpoint of everything.
fn begun(keys: &serde_json::Value) -> Story {
    let mut story = told(Story::with(keys));
    for at in 0..20 {
        story.write(&format!("d{}/f{at}", at % 4), &at.to_string());
    }
    story.start();
    soon("the first checkpoint", || {
        checkpoints(&story, "whole=true") > 0
    });
    story
}

/// Starts it again, to the end, and without a full pass.
pub(super) fn resume(story: &mut Story) {
    let before = story.service.log().len();
    story.start();
    let log = story.service.log();
    let passes = log[before..].contains("trigger=\"start\"");
    assert!(!passes, "{}", &log[before..]);
}

#[test]
fn an_unchanged_source_opens_no_connection() {
    let mut story = begun(&json!({"delete": "mirror"}));
    // What was written since is in the checkpoint, too.
    story.write("d1/new", "new");
    story.settle();
    checkpoint(&story);
    let compared = |target: &str| story.in_sync(target)["lastCompared"].clone();
    let known = [compared("module"), compared("copy")];
    assert!(known.iter().all(|at| at.is_string()), "{known:?}");
    story.service.kill();
    story.daemon.stop();
    let before = story.service.log().len();
    story.service.start();
    // When the targets themselves were compared is known from before.
    let compared = |target: &str| story.in_sync(target)["lastCompared"].clone();
    assert_eq!([compared("module"), compared("copy")], known);
    let log = story.service.log();
    assert!(!log[before..].contains(" sent "), "{}", &log[before..]);
}

#[test]
fn what_changed_while_it_was_down_is_sent_and_nothing_else() {
    let mut story = begun(&json!({"delete": "propagate"}));
    story.service.kill();
    story.write("d1/new", "new");
    story.write("d2/f2", "another");
    fs::remove_file(story.source.join("d3/f3")).unwrap();
    fs::rename(story.source.join("d0"), story.source.join("moved")).unwrap();
    // Of the same size, and with the time that it had.
    let path = story.source.join("d1/f5");
    let time = fs::metadata(&path).unwrap().modified().unwrap();
    fs::write(&path, "6").unwrap();
    fs::File::options()
        .write(true)
        .open(&path)
        .unwrap()
        .set_modified(time)
        .unwrap();
    resume(&mut story);
    assert_eq!(fs::read(story.module.join("d1/f5")).unwrap(), b"6");
}

#[test]
fn what_a_dead_target_did_not_get_is_remembered() {
    let mut story = begun(&json!({"delete": "mirror"}));
    story.daemon.stop();
    story.write("d1/new", "new");
    fs::remove_file(story.source.join("d2/f2")).unwrap();
    story.in_sync("copy");
    soon("a checkpoint with what is owed", || {
        checkpoints(&story, "whole=false") > checkpoints(&story, "marks=0")
    });
    story.service.kill();
    story.daemon.start();
    resume(&mut story);
}

#[test]
fn a_file_that_is_held_open_is_not_taken_for_delivered() {
    let mut story = begun(&json!({}));
    let mut held = fs::File::options()
        .append(true)
        .open(story.source.join("d1/f1"))
        .unwrap();
    held.write_all(b"more").unwrap();
    // Makes the directory's row anew, with the file as it is by now.
    story.write("d1/beside", "x");
    soon("the other file is there", || {
        story.module.join("d1/beside").exists()
    });
    checkpoint(&story);
    story.service.kill();
    drop(held);
    story.service.start();
    equal(&story.source, &story.module, &story.service);
    equal(&story.source, &story.copy, &story.service);
}

#[test]
fn a_disk_that_is_not_mounted_at_the_start_deletes_nothing() {
    let mut story = told(Story::new(|_| {}));
    for target in ["module", "copy"] {
        let policy = if target == "module" {
            "mirror"
        } else {
            "propagate"
        };
        let text = fs::read_to_string(story.service.manifest()).unwrap();
        let mut manifest: serde_json::Value = serde_json::from_str(&text).unwrap();
        extend(
            &mut manifest["sources"]["site"]["targets"][target],
            &json!({"delete": policy, "maxDelete": "100%"}),
        );
        fs::write(story.service.manifest(), manifest.to_string()).unwrap();
    }
    // Below the mount there is a directory with something in it, so that it is not taken for emptied.
    story.write("stray", "x");
    let disk = Mount::tmpfs(&story.source, "1m");
    story.write("d/a", "a");
    story.write("d/b", "b");
    story.start();
    soon("the first checkpoint", || {
        checkpoints(&story, "whole=true") > 0
    });
    story.service.kill();
    drop(disk);
    assert!(story.source.join("stray").exists());
    story.service.start();
    soon("the stray file is sent", || {
        story.copy.join("stray").exists()
    });
    assert!(story.copy.join("d/a").exists() && story.copy.join("d/b").exists());
}

#[test]
fn a_clock_from_tomorrow_in_a_file_costs_no_more_than_work() {
    let mut story = begun(&json!({}));
    let tomorrow = SystemTime::now() + std::time::Duration::from_secs(86_400);
    let path = story.source.join("d1/f1");
    fs::File::options()
        .write(true)
        .open(&path)
        .unwrap()
        .set_modified(tomorrow)
        .unwrap();
    story.settle();
    checkpoint(&story);
    story.service.kill();
    story.start();
}

/// Begun with this in `rescan`, ended, changed on the targets alone, and started again.
fn drifted(on_start: &str, wiped: bool) -> Story {
    let keys = json!({"delete": "mirror", "rescan": {"every": "24h", "onStart": on_start}});
    let mut story = told(Story::with(&keys));
    story.write("d/a", "as it is in the source");
    story.service.start();
    if on_start == "never" {
        // Nothing is known of the targets: they are taken to be right.
        for target in ["module", "copy"] {
            story.until(target, |route| route["state"] == "not compared");
        }
        assert!(!story.copy.join("d").exists() && !story.module.join("d").exists());
        assert_eq!(story.service.call(&["rescan"]).code, 0);
    }
    story.settle();
    soon("a checkpoint of everything", || {
        checkpoints(&story, "whole=true") > 0
    });
    story.service.stop();
    if wiped {
        fs::remove_dir_all(story.service.state()).unwrap();
    }
    for target in [&story.module, &story.copy] {
        fs::write(target.join("d/a"), "drifted").unwrap();
        fs::write(target.join("d/foreign"), "somebody else's").unwrap();
    }
    story.service.start();
    story
}

/// What was changed on the targets alone is still as it was, though the source's changes are sent.
fn stays_drifted(story: &mut Story) {
    story.write("b", "new");
    assert!(story.service.wait(super::PATIENCE));
    for target in [&story.module, &story.copy] {
        assert_eq!(fs::read(target.join("b")).unwrap(), b"new");
        assert_eq!(fs::read(target.join("d/a")).unwrap(), b"drifted");
        assert!(target.join("d/foreign").exists());
    }
}

#[test]
fn a_pass_at_every_start_repairs_what_changed_on_the_target() {
    drifted("always", false).settle();
}

#[test]
fn a_pass_at_the_start_where_nothing_is_known_and_else_none() {
    drifted("auto", true).settle();
    stays_drifted(&mut drifted("auto", false));
}

#[test]
fn never_a_pass_at_the_start_and_that_is_shown() {
    let mut story = drifted("never", true);
    for target in ["module", "copy"] {
        story.until(target, |route| route["state"] == "not compared");
    }
    stays_drifted(&mut story);
    stays_drifted(&mut drifted("never", false));
}

#[test]
fn another_directory_in_the_place_of_a_local_target_is_filled_anew() {
    let mut story = begun(&json!({"delete": "mirror"}));
    let aside = story.scratch.path().join("aside");
    // While it runs: the next change shows it.
    fs::rename(&story.copy, &aside).unwrap();
    story.write("d1/new", "new");
    equal(&story.source, &story.copy, &story.service);
    story.settle();
    checkpoint(&story);
    // While it is down: the start looks.
    story.service.kill();
    fs::remove_dir_all(&aside).unwrap();
    fs::rename(&story.copy, &aside).unwrap();
    fs::create_dir(&story.copy).unwrap();
    story.start();
    story.settle();
}
