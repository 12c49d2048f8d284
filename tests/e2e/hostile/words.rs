//! What a far side says, wherever it is shown: an rsync that escapes nothing hands it on as it is.

use std::fs::{self, Permissions};
use std::io::{Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{UnixDatagram, UnixStream};
use std::sync::{Arc, Mutex};
use std::thread;

use serde_json::{Value, json};

use super::super::{PATIENCE, Story, logs, retry, soon};
use super::{ODD, plain};
use crate::rig::service::Heliostat;

/// Says what a terminal, a page, a journal or we ourselves might take for something else, and ends now so, now otherwise.
const PROGRAM: &str = r#"#!/bin/bash
case "$*" in *-VV*|*--version*) exec /usr/bin/rsync "$@";; esac
odd=$(cat ODD)
turn=$(cat TURN 2>/dev/null || echo 0)
echo $((turn + 1)) > TURN
cat > /dev/null
printf '@ERROR: %s\n%s\nMESSAGE=forged\n<0>forged\n' "$odd" "$odd" >&2
printf 'rsync: [receiver] mkstemp "/m/%s" failed: Permission denied (13)\n' "$odd" >&2
printf '>f+++++++++|5|forged\n*deleting  |0|forged\n%s\n' "$odd"
case $((turn % 4)) in 0) exit 5;; 1) exit 0;; 2) exit 12;; 3) exit 23;; esac
"#;

/// Asks at the control socket.
fn get(story: &Story, path: &str) -> String {
    let mut stream = UnixStream::connect(story.service.socket()).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let request = format!("GET {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    assert!(head.starts_with("HTTP/1.1 200"), "{path}: {head}");
    body.replace('\r', "")
}

/// As [`plain`], and nothing that a page would run.
#[track_caller]
fn harmless(what: &str, text: &str) {
    plain(text);
    assert!(!text.contains("<script>alert"), "{what}: {text}");
}

#[test]
fn what_a_far_side_says_is_text_wherever_it_is_shown() {
    if !rustix::process::geteuid().is_root() {
        return crate::rig::left_out("a `/run` of its own is root's");
    }
    let mut story = Story::new(|site| {
        site["targets"]["module"]["retry"] = retry();
        site["targets"]["module"]["delete"] = json!("mirror");
    });
    let scratch = story.scratch.path().to_owned();
    let at = |name: &str| scratch.join(name).display().to_string();
    fs::write(at("odd"), ODD).unwrap();
    let program = PROGRAM
        .replace("ODD", &at("odd"))
        .replace("TURN", &at("turn"));
    fs::write(at("rsync"), program).unwrap();
    fs::set_permissions(at("rsync"), Permissions::from_mode(0o755)).unwrap();
    let agent = json!({
        "apiVersion": "heliostat/v1", "kind": "Agent", "rsync": {"path": at("rsync")},
        "metrics": {"textfile": at("metrics.prom"), "every": "1s"},
    });
    fs::write(at("agent.yaml"), agent.to_string()).unwrap();

    let journal = UnixDatagram::bind(at("journal")).unwrap();
    let entries = Arc::new(Mutex::new(Vec::new()));
    let heard = Arc::clone(&entries);
    thread::spawn(move || {
        let mut datagram = vec![0; 1 << 20];
        while let Ok(length) = journal.recv(&mut datagram) {
            heard.lock().unwrap().push(logs::entry(&datagram[..length]));
        }
    });
    let text = fs::read_to_string(story.service.manifest()).unwrap();
    let service = Heliostat::new(&story.scratch.dir("told"), &text)
        .arg("--agent")
        .arg(at("agent.yaml"))
        .arg("--log-format=journald")
        .arg("--log-files");
    story.service = logs::own_run(service, Some(at("journal").as_ref()));
    story.write("a", "a");
    story.service.start();
    story.in_sync("copy");
    let outcomes = || {
        let history = get(&story, "/v1/history?route=site/module");
        let history: Value = serde_json::from_str(&history).unwrap();
        history["transfers"].as_array().unwrap().len()
    };
    soon("it has ended in each of its ways", || outcomes() >= 4);
    for args in [
        &["tap", "--limit", "6"][..],
        &["tap", "--format", "json", "--limit", "6"],
    ] {
        let told = story.lasts(args);
        assert_eq!(told.code, 0, "{told:?}");
        assert!(told.stdout.contains("script"), "{told:?}");
        // JSON is no page; what reads it for one escapes it.
        plain(&told.stdout);
    }
    for args in [&["status"][..], &["status", "site/module"], &["history"]] {
        // It says one thing now, and another then.
        soon("it is shown", || {
            let said = story.service.call(args).stdout;
            plain(&said);
            said.contains("script")
        });
    }
    for path in ["/", "/routes/site/module", "/manifest"] {
        harmless(path, &get(&story, path));
    }
    soon("it is on the page", || {
        get(&story, "/routes/site/module").contains("&lt;script&gt;alert")
    });
    for path in ["/v1/status?paths=true", "/v1/history"] {
        plain(&get(&story, path));
    }
    let metrics = get(&story, "/metrics");
    let written = || fs::read_to_string(at("metrics.prom")).unwrap_or_default();
    soon("metrics are written", || !written().is_empty());
    for text in [metrics, written()] {
        harmless("metrics", &text);
        assert!(
            text.contains("module") && !text.contains("alert(1)"),
            "{text}"
        );
        assert!(!text.contains("forged"), "{text}");
    }
    assert_eq!(story.service.stop().0, 0, "{}", story.service.tail());
    let entries = entries.lock().unwrap();
    let said = |part: &str| {
        entries
            .iter()
            .any(|entry| entry.values().any(|value| value.contains(part)))
    };
    assert!(said("script"), "{entries:?}");
    for entry in &*entries {
        for (name, value) in entry {
            plain(value);
            let forged = name != "HELIOSTAT_ROUTE" && value.starts_with("forged");
            assert!(!forged, "{entry:?}");
        }
        // What was sent or deleted is rsync's word alone.
        assert!(!entry["MESSAGE"].contains("forged was"), "{entry:?}");
    }
}
