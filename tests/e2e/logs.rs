//! What the service says on its standard error stream, in each of its forms, and to signals.

use std::collections::BTreeSet;
use std::path::Path;

use rustix::fs::{CWD, FileType, Mode, mknodat};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};

use super::{PATIENCE, Story, soon};

/// A story that has made a transfer, a failure of a path and a line with odd bytes, in this form; its log.
fn logged(form: &str) -> String {
    // A session that was begun with the old password would do with it.
    let mut story = Story::new(|site| {
        site["targets"]["module"]["warm"] = json!("off");
        for target in ["module", "copy"] {
            site["targets"][target]["delete"] = json!("mirror");
        }
    });
    story.service = story.service.arg("--log-format").arg(form);
    story.write("a \u{1b}[31m\n<3>b", "a");
    story.start();
    story.daemon.set_password("another");
    story.write("c", "c");
    story.shows("module", "failing", "auth");
    story.daemon.set_password("website");
    story.settle();
    assert_eq!(story.service.stop().0, 0, "{}", story.service.tail());
    story.service.log()
}

#[test]
fn lines_for_programs_are_one_document_each() {
    let log = logged("json");
    let mut seen = BTreeSet::new();
    for line in log.lines() {
        let document: Value = serde_json::from_str(line).unwrap_or_else(|error| {
            panic!("{error}: {line}");
        });
        for key in ["timestamp", "level", "message"] {
            assert!(document[key].is_string(), "{line}");
        }
        let route = document["route"].as_str().unwrap_or_default();
        let message = document["message"].as_str().unwrap();
        seen.insert(format!(
            "{} {route} {message}",
            document["level"].as_str().unwrap()
        ));
    }
    let has = |part: &str| seen.iter().any(|line| line.starts_with(part));
    for part in [
        "INFO  starting",
        "INFO site/copy sent",
        "WARN site/module ",
        "INFO  ended",
    ] {
        assert!(has(part), "{part}: {seen:#?}");
    }
}

#[test]
fn lines_for_journald_begin_with_their_priority_and_bear_no_time() {
    let log = logged("journald");
    let text = |line: &str| {
        let (priority, text) = line.strip_prefix('<')?.split_once('>')?;
        matches!(priority, "3" | "4" | "6").then(|| text.to_owned())
    };
    for line in log.lines() {
        let text = text(line).unwrap_or_else(|| panic!("{line:?}"));
        assert!(!text.is_empty() && !line.contains('\u{1b}'), "{line:?}");
        assert!(!text.starts_with(|c: char| c.is_ascii_digit()), "{line:?}");
    }
    for part in [
        "<6>starting ",
        "<6>sent route=site/copy ",
        "<4>",
        "<6>ended",
    ] {
        assert!(log.contains(part), "{part}: {log}");
    }
}

fn fifo(at: &Path) {
    mknodat(CWD, at, FileType::Fifo, Mode::from_raw_mode(0o600), 0).unwrap();
}

#[test]
fn a_special_file_is_left_out_and_that_is_said_once() {
    let mut story = Story::with(&json!({"delete": "mirror"}));
    story.write("a", "a");
    story.start();
    fifo(&story.source.join("pipe"));
    let said = |story: &Story, route: &str| {
        let log = story.service.log();
        let about = |line: &&str| line.contains("pipe") && line.contains(&format!("route={route}"));
        log.lines().filter(about).count()
    };
    for route in ["site/module", "site/copy"] {
        soon("it is said", || said(&story, route) > 0);
        story.in_sync(route.strip_prefix("site/").unwrap());
    }
    let log = story.service.log();
    assert!(
        log.contains("pipe: left out: a fifo, and `attributes` has no `devices`"),
        "{log}"
    );
    assert!(!story.copy.join("pipe").exists() && !story.module.join("pipe").exists());
    // Neither a failure, nor in the way of anything.
    assert_eq!(story.service.call(&["status", "--check"]).code, 0);
    story.write("b", "b");
    assert!(story.service.wait(PATIENCE));
    assert!(story.copy.join("b").exists() && story.module.join("b").exists());
    for route in ["site/module", "site/copy"] {
        assert_eq!(said(&story, route), 1, "{}", story.service.log());
    }
}

#[test]
fn a_hangup_is_answered_and_an_interrupt_ends_in_order() {
    let mut story = Story::with(&json!({"debounce": {"quiet": "30s", "maxWait": "60s"}}));
    story.write("a", "a");
    story.start();
    let process = Pid::from_raw(story.service.id().unwrap() as i32).unwrap();
    kill_process(process, Signal::HUP).unwrap();
    soon("it is said", || {
        let log = story.service.log();
        log.contains("nothing to reload: this runs already by=\"SIGHUP\"")
    });
    // It goes on, and what was gathered is sent at the end.
    story.write("b", "b");
    story.until("copy", |route| route["state"] == "pending");
    story.until("module", |route| route["state"] == "pending");
    kill_process(process, Signal::INT).unwrap();
    assert_eq!(
        story.service.ended(PATIENCE),
        Some(0),
        "{}",
        story.service.tail()
    );
    assert!(story.copy.join("b").exists() && story.module.join("b").exists());
}
