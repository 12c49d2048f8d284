//! Gathered sends, windows and limits, on the running service.

use std::fs;

use serde_json::json;

use super::restart::{checkpoints, told};
use super::{Story, equal, extend, soon};

/// The second target is kept back by these keys; the first is live.
fn story(keys: &serde_json::Value) -> Story {
    let story = told(Story::new(|site| {
        extend(&mut site["targets"]["copy"], keys);
    }));
    story.write("a", "1");
    story
}

#[test]
fn what_is_gathered_is_sent_at_its_time_or_when_it_is_triggered() {
    let mut story = story(&json!({"sync": {"every": "24h"}}));
    // A period counts from the last time; the first is at once.
    story.start();
    soon("the first checkpoint", || {
        checkpoints(&story, "whole=true") > 0
    });
    story.write("a", "2");
    story.in_sync("module");
    let gathered = story.until("copy", |route| route["state"] == "pending");
    let why = gathered["why"].as_str().unwrap();
    assert!(why.starts_with("gathered, sent "), "{gathered:#}");
    assert_eq!(fs::read(story.copy.join("a")).unwrap(), b"1");
    assert_eq!(story.service.call(&["trigger", "site/copy"]).code, 0);
    equal(&story.source, &story.copy, &story.service);
    // What is owed outlives a restart, and is not sent before its time either.
    story.write("a", "3");
    story.in_sync("module");
    story.until("copy", |route| route["state"] == "pending");
    story.service.stop();
    story.service.start();
    story.in_sync("module");
    story.until("copy", |route| route["state"] == "pending");
    assert_eq!(fs::read(story.copy.join("a")).unwrap(), b"2");
    assert_eq!(story.service.call(&["trigger", "site/copy"]).code, 0);
    equal(&story.source, &story.copy, &story.service);
}

#[test]
fn outside_its_windows_a_target_waits_and_the_other_does_not() {
    let hour = jiff::Timestamp::now()
        .to_zoned(jiff::tz::TimeZone::UTC)
        .hour();
    let (from, to) = ((hour + 23) % 24, (hour + 3) % 24);
    let closed = json!({"windows": [{"deny": format!("{from:02}:00-{to:02}:00")}]});
    let mut story = story(&closed);
    story.service.start();
    story.in_sync("module");
    let waiting = story.until("copy", |route| route["state"] == "pending");
    let why = waiting["why"].as_str().unwrap();
    assert!(why.starts_with("no window is open"), "{waiting:#}");
    assert!(!story.copy.join("a").exists());
    assert_eq!(story.service.call(&["trigger", "site/copy"]).code, 0);
    equal(&story.source, &story.copy, &story.service);
}
