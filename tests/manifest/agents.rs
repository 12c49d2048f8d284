//! Agent files: their schema held against the loader, on every example, on each key and on what is wrong.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use heliostat::diagnostic::Severity;
use heliostat::manifest::{self, SourceFile, agent_keys};
use serde_json::{Value, json};

static VALIDATOR: LazyLock<jsonschema::Validator> = LazyLock::new(|| {
    let schema: Value = serde_json::from_str(&manifest::agent_schema()).unwrap();
    jsonschema::draft7::new(&schema).unwrap()
});

fn loads(text: &str) -> bool {
    let file = SourceFile {
        name: "agent.yaml".into(),
        text: text.to_owned(),
    };
    let (agent, found) = manifest::load_agent(&file);
    agent.is_some() && found.iter().all(|one| one.severity != Severity::Error)
}

fn schema_accepts(text: &str) -> bool {
    VALIDATOR.is_valid(&serde_yaml::from_str::<Value>(text).unwrap())
}

fn agent(rest: &str) -> String {
    format!("apiVersion: heliostat/v1\nkind: Agent\n{rest}\n")
}

#[test]
fn every_agent_file_that_is_shipped_is_one_to_both() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut open = vec![root.join("examples"), root.join("tests/manifests/valid")];
    let mut seen: Vec<PathBuf> = Vec::new();
    while let Some(folder) = open.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                open.push(path);
                continue;
            }
            let text = fs::read_to_string(&path).unwrap_or_default();
            if path.extension().is_some_and(|end| end == "yaml") && text.contains("\nkind: Agent") {
                assert!(loads(&text) && schema_accepts(&text), "{}", path.display());
                seen.push(path);
            }
        }
    }
    assert!(seen.len() >= 4, "{seen:?}");
}

#[test]
fn what_is_wrong_is_rejected_by_both() {
    for rest in [
        "name: \"a b\"",
        "name: 5",
        "labels: {1a: x}",
        "labels: {site: [x]}",
        "labels: [site]",
        "manifests: [conf.d]",
        "manifests: /etc/heliostat",
        "manifests: [/a, /a]",
        "stateDir: state",
        "stateDir: /a/../b",
        "socket: control.sock",
        "limits: {transfers: 0}",
        "limits: {transfers: 1025}",
        "limits: {transfers: many}",
        "limits: {transfersPerHost: -1}",
        "limits: {watches: 0}",
        "limits: {watches: 4294967296}",
        "limits: {bandwidth: fast}",
        "limits: {bandwidth: 10}",
        "limits: {bandwith: 1MB/s}",
        "limits: 5",
        "rsync: /usr/bin/rsync",
        "rsync: {path: rsync}",
        "rsync: {program: /usr/bin/rsync}",
        "watch: fanotfy",
        "watchManifests: often",
        "watchManifests: 1",
        "limits: {}",
        "rsync: {}",
        "access: {}",
        "http: {}",
        "heartbeat: {}",
        "access: [adm]",
        "access: {read: adm}",
        "access: {read: [4]}",
        "access: {read: [\"a b\"]}",
        "access: {read: [\"\"]}",
        "access: {read: [adm, adm]}",
        "access: {write: [adm]}",
        "access: {operate: [aaaaaaaaaabbbbbbbbbbccccccccccddd]}",
        "http: 9099",
        "http: {listen: 9099}",
        "http: {listen: localhost:9099}",
        "http: {listen: \"127.0.0.1\"}",
        "http: {listen: \"127.0.0.1:65536\"}",
        "http: {listen: \"127.0.0.256:1\"}",
        "http: {listen: \"::1:9099\"}",
        "http: {listen: \"[1]:9099\"}",
        "http: {listen: \"0.0.0.0:9099\"}",
        "http: {listen: \"[::]:9099\", remote: false}",
        "http: {listen: \"[::ffff:10.0.0.1]:9099\"}",
        "http: {listen: \"10.0.0.1:9099\", remote: true, operate: true}",
        "http: {remote: 1}",
        "http: {operate: \"true\"}",
        "http: {hosts: web-1}",
        "http: {hosts: [\"web-1:9099\"]}",
        "http: {hosts: [a, a]}",
        "http: {port: 9099}",
        "metrics: {}",
        "metrics: {every: 15s}",
        "metrics: {textfile: heliostat.prom}",
        "metrics: {textfile: /a/heliostat.txt}",
        "metrics: {textfile: /a/.prom}",
        "metrics: {textfile: /a/../b.prom}",
        "metrics: {textfile: /a/b.prom, every: 15}",
        "metrics: {textfile: /a/b.prom, each: 15s}",
        "heartbeat: https://a.example/",
        "heartbeat: {success: a.example/x}",
        "heartbeat: {success: \"ftp://a.example/x\"}",
        "heartbeat: {success: \"https://u:p@a.example/x\"}",
        "heartbeat: {success: \"https://a.example:0/\"}",
        "heartbeat: {success: \"https://a.example:65536/\"}",
        "heartbeat: {success: \"https://a.example:+80/\"}",
        "heartbeat: {success: \"https://a.example/a b\"}",
        "heartbeat: {success: \"https://\"}",
        "heartbeat: {successFile: beat.url}",
        "heartbeat: {success: \"https://a.example/\", successFile: /a}",
        "heartbeat: {start: \"https://a.example/\", startFile: /a}",
        "heartbeat: {fail: \"https://a.example/\", failFile: /a}",
        "heartbeat: {every: often}",
        "heartbeat: {lag: 5}",
        "heartbeat: {url: \"https://a.example/\"}",
        "sources: {}",
        "nonsense: 1",
    ] {
        let text = agent(rest);
        assert!(!loads(&text), "the loader takes `{rest}`");
        assert!(!schema_accepts(&text), "the schema takes `{rest}`");
    }
    for text in [
        "kind: Agent\n",
        "apiVersion: heliostat/v1\n",
        "apiVersion: heliostat/v1\nkind: Manifest\n",
        "apiVersion: heliostat/v2\nkind: Agent\n",
    ] {
        assert!(!loads(text) && !schema_accepts(text), "{text}");
    }
    let many: Vec<String> = (0..65).map(|nth| format!("l{nth}: x")).collect();
    let text = agent(&format!("labels: {{{}}}", many.join(", ")));
    assert!(!loads(&text) && !schema_accepts(&text));
}

#[test]
fn what_is_right_is_taken_by_both() {
    for rest in [
        "access: {read: [adm, \"4\"], operate: [\"DOM\\\\admins\", deploy@example.com]}",
        "http: {listen: \"127.0.0.1:0\", operate: true}",
        "http: {listen: \"127.9.9.9:9099\", remote: true, operate: true}",
        "http: {listen: \"[::1]:9099\", operate: true}",
        "http: {listen: \"[0:0:0:0:0:0:0:1]:9099\"}",
        "http: {listen: \"[::ffff:127.0.0.1]:9099\"}",
        "http: {listen: \"[::ffff:7f00:1]:9099\"}",
        "http: {listen: \"0.0.0.0:65535\", remote: true}",
        "http: {listen: \"[fe80::1]:9099\", remote: true, operate: false, hosts: [web-1, web-1.example.com]}",
        "metrics: {textfile: /a.prom}",
        "metrics: {textfile: /a/b/heliostat.prom, every: 1h}",
        "heartbeat: {start: \"http://[::1]:8000\", successFile: /a, fail: \"https://a.example?x=1#y\", every: 1s, lag: 30d}",
        "heartbeat: {success: \"https://a.example:65535/%20@b\"}",
    ] {
        let text = agent(rest);
        assert!(loads(&text), "the loader refuses `{rest}`");
        assert!(schema_accepts(&text), "the schema refuses `{rest}`");
    }
}

#[test]
fn every_example_and_default_is_taken_by_both() {
    let mut checked = 0;
    let keys = agent_keys();
    for key in &keys {
        let path = key.path.strip_prefix("agent.").unwrap();
        if ["apiVersion", "kind"].contains(&path) || path.contains('[') {
            continue;
        }
        let words = key.words.iter().map(|(word, _)| word);
        for example in key.examples.iter().chain(&key.default).chain(words) {
            let mut path = path;
            let mut value: Value = serde_yaml::from_str(example).unwrap();
            // Beside it stands what must be given there.
            if let Some((above, last)) = path.rsplit_once('.') {
                let mut beside = json!({last: value});
                for other in keys
                    .iter()
                    .filter(|other| other.required && other.path != key.path)
                {
                    if let Some(name) = other.path.strip_prefix(&format!("agent.{above}.")) {
                        beside[name] = serde_yaml::from_str(&other.examples[0]).unwrap();
                    }
                }
                value = beside;
                path = above;
            }
            for part in path.rsplit('.') {
                value = json!({part: value});
            }
            value["apiVersion"] = json!("heliostat/v1");
            value["kind"] = json!("Agent");
            let text = serde_yaml::to_string(&value).unwrap();
            assert!(loads(&text), "the loader: {text}");
            assert!(schema_accepts(&text), "the schema: {text}");
            checked += 1;
        }
    }
    assert!(checked >= 20, "{checked}");
}
