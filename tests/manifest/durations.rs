//! Durations and ports: the schemas hold them to the loader's bounds, on every key that takes one.

use heliostat::diagnostic::Severity;
use heliostat::manifest::{self, Key, SourceFile, agent_keys, keys};
use serde_json::{Value, json};

use super::VALIDATOR;

/// Around every bound, and written in every way.
const TEXTS: &[&str] = &[
    "0ms",
    "1ms",
    "99ms",
    "100ms",
    "999ms",
    "1000ms",
    "1500ms",
    "0s",
    "1s",
    "0001s",
    "59s",
    "60s",
    "3600s",
    "3601s",
    "1m",
    "60m",
    "61m",
    "1440m",
    "1441m",
    "1h",
    "2h",
    "24h",
    "25h",
    "1d",
    "2d",
    "30d",
    "31d",
    "366d",
    "367d",
    "999999999999d",
    "5",
    "s",
    "",
    "-1s",
    "+1s",
    "1.5s",
    "1s ",
    "1H",
];

/// The same of several units, whose sum is the loader's to judge.
const SUMS: &[&str] = &[
    "1h1s",
    "59m60s",
    "0h0m",
    "0h1s",
    "23h59m60s",
    "23h61m",
    "1d0h",
    "1d1ms",
    "30d1s",
    "365d24h",
    "2h1m",
    "1m1s500ms",
    "1s1h",
    "1h1h",
];

/// Whether a duration is what this key takes.
fn takes_a_duration(key: &Key) -> bool {
    let is_one = |text: &String| {
        text.starts_with(|c: char| c.is_ascii_digit())
            && ["ms", "s", "m", "h", "d"]
                .iter()
                .any(|unit| text.ends_with(unit))
            && text
                .chars()
                .all(|c| c.is_ascii_digit() || "msdh".contains(c))
    };
    key.takes == "a text" && key.examples.iter().chain(&key.default).any(is_one)
}

/// A document with this value at this key, and what must stand beside it.
fn document(path: &str, value: &str) -> Value {
    let mut beside = json!({});
    if path.starts_with("agent.metrics") {
        beside["textfile"] = json!("/a.prom");
    } else if path.contains(".hooks.") {
        beside["run"] = json!(["/a"]);
    } else if path.contains(".sync.") && path.ends_with("jitter") {
        beside["every"] = json!("12h");
    }
    let (above, last) = path.rsplit_once('.').unwrap();
    let mut at = match above.is_empty() {
        true => json!(value),
        false => {
            beside[last] = json!(value);
            beside
        }
    };
    let agent = above.strip_prefix("agent.");
    let names: Vec<&str> = agent.unwrap_or(above).split('.').collect();
    for (nth, name) in names.iter().enumerate().rev() {
        let of_target = names[..nth] == ["sources", "*", "targets"];
        let of_source = names[..nth] == ["sources"];
        match of_target || of_source {
            true => {
                match of_target {
                    true => at["url"] = json!("rsync://u@h/m"),
                    false => {
                        at["path"] = json!("/a");
                        let targets = at.as_object_mut().unwrap();
                        targets
                            .entry("targets")
                            .or_insert(json!({"t": {"url": "file:///t"}}));
                    }
                }
                at = json!({"a": at});
            }
            false => at = json!({*name: at}),
        }
    }
    at["apiVersion"] = json!("heliostat/v1");
    at["kind"] = json!(if agent.is_some() { "Agent" } else { "Manifest" });
    if agent.is_none() && at.get("sources").is_none() {
        at["sources"] = json!({"a": {"path": "/a", "targets": {"t": {"url": "rsync://u@h/m"}}}});
    }
    at
}

fn loads(document: &Value) -> bool {
    let file = SourceFile {
        name: "one.yaml".into(),
        text: serde_yaml::to_string(document).unwrap(),
    };
    let found = match document["kind"] == "Agent" {
        true => manifest::load_agent(&file).1,
        false => manifest::load(&[file]).1,
    };
    found.iter().all(|one| one.severity != Severity::Error)
}

#[test]
fn a_schema_knows_the_bounds_of_every_duration() {
    let agent: Value = serde_json::from_str(&manifest::agent_schema()).unwrap();
    let agent = jsonschema::draft7::new(&agent).unwrap();
    let accepts = |document: &Value| match document["kind"] == "Agent" {
        true => agent.is_valid(document),
        false => VALIDATOR.is_valid(document),
    };
    let mut looked = 0;
    let all = keys().into_iter().chain(agent_keys());
    for key in all.filter(takes_a_duration) {
        let at = |text: &str| document(&key.path, text);
        assert!(loads(&at("1h")) && accepts(&at("1h")), "{}", key.path);
        for text in TEXTS {
            let both = (loads(&at(text)), accepts(&at(text)));
            assert!(
                both.0 == both.1,
                "{} {text}: the loader and the schema: {both:?}",
                key.path
            );
        }
        for text in SUMS {
            let both = (loads(&at(text)), accepts(&at(text)));
            assert!(
                both.1 || !both.0,
                "{} {text}: the schema is stricter",
                key.path
            );
        }
        looked += 1;
    }
    assert!(looked >= 25, "{looked}");
}

#[test]
fn a_port_is_a_number_to_both() {
    for (port, good) in [
        ("873", true),
        ("0873", true),
        ("1", true),
        ("65535", true),
        ("0", false),
        ("65536", false),
        ("+873", false),
        ("-1", false),
        ("8 73", false),
    ] {
        for scheme in ["rsync", "ssh"] {
            let document = json!({"apiVersion": "heliostat/v1", "kind": "Manifest", "sources": {"a": {
                "path": "/a", "targets": {"t": {"url": format!("{scheme}://h:{port}/m")}}}}});
            let both = (loads(&document), VALIDATOR.is_valid(&document));
            assert_eq!(both, (good, good), "{scheme} {port}");
        }
    }
}
