//! The page `docs/manifest.md` and the schema: every key has what there is to say about it, in one voice everywhere.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use heliostat::diagnostic::{LINTS, Severity};
use heliostat::manifest::{self, Key, agent_keys, keys};

use super::VALIDATOR;

fn lints() -> String {
    let mut out =
        String::from("| lint | code | level | what it finds |\n| --- | --- | --- | --- |\n");
    for lint in LINTS {
        let entry = lint.code.entry();
        let level = match entry.severity {
            Severity::Error => "error",
            Severity::Warning => "warning",
        };
        let _ = writeln!(
            out,
            "| `{}` | {} | {level} | {}. {} |",
            lint.name, entry.id, entry.title, entry.explanation
        );
    }
    out
}

fn rows(keys: Vec<Key>) -> String {
    let mut out = String::from(
        "| key | meaning | takes | default | example |\n| --- | --- | --- | --- | --- |\n",
    );
    for key in keys {
        // What holds under `defaults` holds under each source and target, where it is said.
        if key.path.starts_with("defaults.source.") || key.path.starts_with("defaults.target.") {
            continue;
        }
        let code = |text: &str| format!("`{}`", text.replace('|', "\\|"));
        let default = match (&key.default, key.required) {
            (Some(default), _) => code(default),
            (None, true) => "must be given".to_owned(),
            (None, false) => String::new(),
        };
        let example = key
            .examples
            .first()
            .map(|one| code(one))
            .unwrap_or_default();
        let _ = writeln!(
            out,
            "| `{}` | {} | {} | {default} | {example} |",
            key.path, key.description, key.takes
        );
    }
    out
}

/// The page with these rows between its marks.
fn page(text: &str) -> String {
    let mut text = text.to_owned();
    for (mark, rows) in [
        ("<!-- lints:", lints()),
        ("<!-- keys:", rows(keys())),
        ("<!-- agent keys:", rows(agent_keys())),
    ] {
        let start = text.find(mark).expect("the mark is there");
        let start = start + text[start..].find("-->\n").expect("the mark ends") + 4;
        let end = start
            + text[start..]
                .find("<!-- end -->")
                .expect("the end is marked");
        text.replace_range(start..end, &format!("\n{rows}\n"));
    }
    text
}

#[test]
fn the_page_has_every_key_and_lint() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/manifest.md");
    let kept = fs::read_to_string(&path).unwrap();
    let expected = page(&kept);
    if std::env::var_os("HELIOSTAT_UPDATE").is_some() {
        fs::write(&path, &expected).unwrap();
    } else {
        assert!(
            kept == expected,
            "docs/manifest.md is not what the schema says: HELIOSTAT_UPDATE=1"
        );
    }
}

/// Keys that are left out without anything in their place, or with another thing for each case, which their description says.
const WITHOUT_DEFAULT: &[&str] = &[
    "agent.access",
    "agent.access.operate",
    "agent.access.read",
    "agent.heartbeat",
    "agent.heartbeat.fail",
    "agent.heartbeat.failFile",
    "agent.heartbeat.start",
    "agent.heartbeat.startFile",
    "agent.heartbeat.success",
    "agent.heartbeat.successFile",
    "agent.http",
    "agent.http.hosts",
    "agent.http.listen",
    "agent.labels",
    "agent.limits",
    "agent.limits.bandwidth",
    "agent.limits.watches",
    "agent.metrics",
    "agent.name",
    "agent.rsync",
    "agent.rsync.path",
    "defaults",
    "defaults.source",
    "defaults.target",
    "metadata",
    "metadata.allow",
    "metadata.labels",
    "metadata.name",
    "sources.*.debounce",
    "sources.*.exclude",
    "sources.*.guard",
    "sources.*.guard.marker",
    "sources.*.hosts",
    "sources.*.rescan",
    "sources.*.rescan.every",
    "sources.*.rescan.jitter",
    "sources.*.targets.*.bandwidth",
    "sources.*.targets.*.debounce",
    "sources.*.targets.*.exclude",
    "sources.*.targets.*.guard",
    "sources.*.targets.*.hooks",
    "sources.*.targets.*.hooks.after",
    "sources.*.targets.*.hooks.after.onError",
    "sources.*.targets.*.hooks.before",
    "sources.*.targets.*.hooks.before.onError",
    "sources.*.targets.*.maxDelete",
    "sources.*.targets.*.passwordCredential",
    "sources.*.targets.*.passwordEnv",
    "sources.*.targets.*.passwordFile",
    "sources.*.targets.*.rescan",
    "sources.*.targets.*.rescan.every",
    "sources.*.targets.*.rescan.jitter",
    "sources.*.targets.*.retry",
    "sources.*.targets.*.rsyncArgs",
    "sources.*.targets.*.ssh",
    "sources.*.targets.*.ssh.identityFile",
    "sources.*.targets.*.ssh.jump",
    "sources.*.targets.*.ssh.knownHostsFile",
    "sources.*.targets.*.sync.every",
    "sources.*.targets.*.sync.jitter",
    "sources.*.targets.*.sync.schedule",
    "sources.*.targets.*.windows",
    "sources.*.targets.*.windows[].allow",
    "sources.*.targets.*.windows[].days",
    "sources.*.targets.*.windows[].deny",
];

#[test]
fn every_key_is_described_with_a_default_and_an_example() {
    let mut all = keys();
    all.extend(agent_keys());
    assert!(all.len() > 100, "{}", all.len());
    let mut bad = Vec::new();
    for key in &all {
        let last = key.path.rsplit('.').next().unwrap_or_default();
        let constant = ["apiVersion", "kind"].contains(&last);
        if key.description.len() < 8 || !key.description.ends_with('.') {
            bad.push(format!(
                "{}: no description: `{}`",
                key.path, key.description
            ));
        }
        if key.takes.is_empty() {
            bad.push(format!("{}: nothing says what it takes", key.path));
        }
        let boolean = key.takes.contains("`true`");
        let words = !key.words.is_empty() || key.takes.starts_with('`');
        if key.examples.is_empty() && !boolean && !words && !constant {
            bad.push(format!("{}: no example", key.path));
        }
        let path = own_path(&key.path);
        let without = WITHOUT_DEFAULT.contains(&path.as_str());
        if key.default.is_none() && !key.required && !without {
            bad.push(format!("{}: no default", key.path));
        }
        if without && (key.default.is_some() || key.required) {
            bad.push(format!("{}: is listed as without a default", key.path));
        }
    }
    let known: BTreeSet<String> = all.iter().map(|key| own_path(&key.path)).collect();
    let gone = WITHOUT_DEFAULT
        .iter()
        .filter(|path| !known.contains(**path));
    bad.extend(gone.map(|path| format!("{path}: there is no such key")));
    assert!(bad.is_empty(), "{bad:#?}");
}

/// What stands under `defaults` is what stands under a source or a target.
fn own_path(path: &str) -> String {
    path.replace("defaults.source.", "sources.*.")
        .replace("defaults.target.", "sources.*.targets.*.")
}

#[test]
fn every_example_and_default_in_the_schema_is_one() {
    let mut checked = BTreeSet::new();
    let head = serde_json::json!({"apiVersion": "heliostat/v1", "kind": "Manifest"});
    for key in keys() {
        let Some(path) = key.path.strip_prefix("sources.*.targets.*.") else {
            continue;
        };
        if path.contains(['.', '[']) || path == "url" {
            continue;
        }
        for example in key.examples.iter().chain(&key.default) {
            let value: serde_json::Value = serde_yaml::from_str(example).unwrap();
            let url = match path {
                "ssh" => "ssh://h/t",
                "guard" => "file:///t",
                _ => "rsync://u@h/m",
            };
            let mut manifest = head.clone();
            manifest["sources"] = serde_json::json!({"a": {"path": "/a", "targets": {"t": {"url": url, path: value}}}});
            let errors: Vec<String> = VALIDATOR
                .iter_errors(&manifest)
                .map(|error| error.to_string())
                .collect();
            assert!(errors.is_empty(), "{path}: {example}: {errors:?}");
            let text = serde_yaml::to_string(&manifest).unwrap();
            let file = manifest::SourceFile {
                name: "a".to_owned(),
                text,
            };
            let (_, problems) = manifest::load(&[file]);
            assert!(problems.is_empty(), "{path}: {example}: {problems:?}");
            checked.insert(path.to_owned());
        }
    }
    assert!(checked.len() > 12, "{checked:?}");
}

#[test]
fn the_editors_line_leads_to_the_schema() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut seen = 0;
    for folder in ["examples", "examples/fleet", "examples/gitops/hosts"] {
        for entry in fs::read_dir(root.join(folder)).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_str().unwrap().to_owned();
            if !name.ends_with(".yaml") {
                continue;
            }
            let text = fs::read_to_string(&path).unwrap();
            let kind = match text.contains("\nkind: Agent") {
                true => "agent",
                false => "manifest",
            };
            let first = text.lines().next().unwrap();
            let schema = first.strip_prefix("# yaml-language-server: $schema=");
            let schema = schema.unwrap_or_else(|| panic!("{name}: {first}"));
            assert_eq!(
                path.parent().unwrap().join(schema).canonicalize().unwrap(),
                root.join(format!("schemas/{kind}.schema.json"))
                    .canonicalize()
                    .unwrap()
            );
            seen += 1;
        }
    }
    assert!(seen >= 6, "{seen}");
}
