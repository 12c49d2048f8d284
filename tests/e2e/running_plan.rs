//! `diff` against what a service runs.

use std::fs;

use serde_json::{Value, json};

use super::Story;

#[test]
fn a_changed_manifest_is_held_against_what_runs() {
    let mut story = Story::with(&json!({"delete": "never"}));
    story.write("a", "a");
    story.write("d/b", "bb");
    story.start();
    let manifest = story.service.manifest();
    let text = fs::read_to_string(&manifest).unwrap();
    let diff = |path: &str, more: &[&str]| {
        let args = [&["diff", path, "--detailed-exitcode"], more].concat();
        story.service.call(&args)
    };
    let same = diff(manifest.to_str().unwrap(), &[]);
    assert_eq!(
        (same.code, same.stderr.as_str()),
        (0, ""),
        "{}",
        same.stdout
    );
    assert!(
        same.stdout
            .contains("nothing changes, against what runs on"),
        "{}",
        same.stdout
    );

    let candidate = story.scratch.dir("candidate").join("new.yaml");
    let never = json!({"delete": "never"}).to_string();
    let never = never.trim_matches(['{', '}']);
    assert!(text.contains(never), "{text}");
    fs::write(&candidate, text.replace(never, "\"delete\":\"mirror\"")).unwrap();
    let candidate = candidate.to_str().unwrap();
    let changed = diff(candidate, &["--measure"]);
    assert_eq!((changed.code, changed.stderr.as_str()), (3, ""));
    for part in [
        "2 of 2 routes change: 2 resync, against what runs on `",
        "(generation 1, digest ",
        "DELETIONS BECOME POSSIBLE",
        "4 entries, 3 B to be compared now",
    ] {
        assert!(
            changed.stdout.contains(part),
            "`{part}`:\n{}",
            changed.stdout
        );
    }
    let document: Value =
        serde_json::from_str(&diff(candidate, &["--format", "json"]).stdout).unwrap();
    assert_eq!(
        document["hosts"][0]["digestBefore"],
        story.status()["digest"]
    );
    assert_eq!(document["changes"], true);
    // It runs one host's plan, and no other's.
    for other in [&["--all-hosts"][..], &["--host", "nosuch"]] {
        let refused = diff(candidate, other);
        assert!(
            refused.code == 2 && refused.stderr.contains("the service runs on the host"),
            "{refused:?}"
        );
    }
    story.service.stop();
    let args = ["diff", candidate];
    assert_eq!(story.service.call(&args).code, 4);
}
