//! `run --dry-run` onto a daemon: what a pass would do, told by the far side, with nothing changed on either.

use std::collections::BTreeSet;
use std::fs;

use serde_json::{Value, json};

use super::{PATIENCE, Story};
use crate::rig::service::Answer;
use crate::rig::tree::{Look, snapshot};

fn dry_run(story: &Story, further: &[&str]) -> Answer {
    let mut words = vec!["run".into(), "--dry-run".into()];
    words.push(story.service.manifest().into_os_string());
    words.push("--state-dir".into());
    words.push(story.service.state().into_os_string());
    words.extend(further.iter().map(Into::into));
    story.service.command_line(&words, PATIENCE)
}

fn paths(route: &Value, key: &str) -> BTreeSet<String> {
    let paths = route[key].as_array().unwrap().iter();
    paths
        .map(|path| path.as_str().unwrap().to_owned())
        .collect()
}

#[test]
fn a_dry_run_onto_a_daemon_tells_what_a_pass_would_do_and_does_nothing() {
    let mut story = Story::with(&json!({"delete": "mirror", "maxDelete": 2}));
    for name in ["same", "d/new", "changed", "new\nline"] {
        story.write(name, name);
    }
    story.start();
    for name in ["d/new", "new\nline"] {
        fs::remove_file(story.module.join(name)).unwrap();
        fs::remove_file(story.copy.join(name)).unwrap();
    }
    story.service.stop();
    story.write("changed", "and longer");
    for target in [&story.module, &story.copy] {
        super::write(target, "old/a", "only here");
    }
    let trees = || {
        let look = Look::default();
        [&story.source, &story.module, &story.copy]
            .map(|root| format!("{:?}", snapshot(root, &look)))
    };
    let before = trees();
    let answer = dry_run(&story, &["--format", "json"]);
    assert_eq!(answer.code, 0, "{answer:?}");
    let document: Value = serde_json::from_str(&answer.stdout).unwrap();
    for route in document["routes"].as_array().unwrap() {
        let names = |names: &[&str]| {
            names
                .iter()
                .map(|name| (*name).to_owned())
                .collect::<BTreeSet<_>>()
        };
        let mut send = paths(route, "send");
        // Whose times the removed files have changed.
        for touched in [".", "", "d", "./"] {
            send.remove(touched);
        }
        assert_eq!(
            send,
            names(&["changed", "d/new", r"new\nline"]),
            "{route:#}"
        );
        assert_eq!(
            paths(route, "delete"),
            names(&["old", "old/a"]),
            "{route:#}"
        );
        assert_eq!(
            (&route["held"], &route["trouble"]),
            (&Value::Null, &Value::Null)
        );
    }
    // What would be held is said, and is no failure.
    for target in [&story.module, &story.copy] {
        super::write(target, "old/b", "only here");
    }
    let held = trees();
    let answer = dry_run(&story, &[]);
    assert_eq!(answer.code, 0, "{answer:?}");
    for route in ["site/module", "site/copy"] {
        let line = answer.stdout.lines().find(|line| {
            line.starts_with(&format!("{route}: would send ")) && line.contains(" delete 3; ")
        });
        assert!(line.is_some(), "{}", answer.stdout);
    }
    assert_eq!(trees(), held);
    assert_ne!(before, held);
    story.daemon.stop();
    let answer = dry_run(&story, &[]);
    assert_eq!(answer.code, 1, "{answer:?}");
    assert!(answer.stdout.contains("site/copy + changed"), "{answer:?}");
    assert!(answer.stdout.contains("site/module: "), "{answer:?}");
}
