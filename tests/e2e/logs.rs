//! What the service says on its standard error stream, in each of its forms, and to signals.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::os::unix::net::UnixDatagram;
use std::path::Path;

use rustix::fs::{CWD, FileType, Mode, mknodat};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};

use super::{PATIENCE, Story, soon};
use crate::rig::left_out;
use crate::rig::service::Heliostat;

/// A story that has made a transfer, a failure of a path and a line with odd bytes, in this form; its log.
fn logged(form: &str) -> String {
    // A session that was begun with the old password would do with it.
    let mut story = Story::new(|site| {
        site["targets"]["module"]["warm"] = json!("off");
        for target in ["module", "copy"] {
            site["targets"][target]["delete"] = json!("mirror");
        }
    });
    story.service = own_run(story.service.arg("--log-format").arg(form), None);
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

/// The service with a `/run` of its own, so that it does not speak to this machine's journal; with `journal`, somebody listens there.
pub(super) fn own_run(service: Heliostat, journal: Option<&Path>) -> Heliostat {
    if !rustix::process::geteuid().is_root() {
        return service;
    }
    let link = match journal {
        Some(at) => format!(
            "mkdir -p /run/systemd/journal && ln -s '{}' /run/systemd/journal/socket && ",
            at.display()
        ),
        None => String::new(),
    };
    let script = format!("mount -t tmpfs run /run && {link}exec \"$@\"");
    service.under(&["/usr/bin/unshare", "-m", "/bin/sh", "-c", &script, "sh"])
}

/// The fields of one entry as journald would read it.
pub(super) fn entry(mut bytes: &[u8]) -> BTreeMap<String, String> {
    let mut fields = BTreeMap::new();
    while !bytes.is_empty() {
        let end = bytes
            .iter()
            .position(|byte| *byte == b'\n')
            .expect("a field ends");
        let (line, rest) = (&bytes[..end], &bytes[end + 1..]);
        let (name, value) = match line.iter().position(|byte| *byte == b'=') {
            Some(at) => {
                bytes = rest;
                (&line[..at], &line[at + 1..])
            }
            None => {
                let length = u64::from_le_bytes(rest[..8].try_into().unwrap()) as usize;
                bytes = rest[8 + length..].strip_prefix(b"\n").unwrap();
                (line, &rest[8..8 + length])
            }
        };
        let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
        fields.insert(text(name), text(value));
    }
    fields
}

#[test]
fn the_journal_gets_fields() {
    if !rustix::process::geteuid().is_root() {
        return left_out("a `/run` of its own is root's");
    }
    let mut story = Story::new(|site| {
        site["targets"]["module"]["warm"] = json!("off");
    });
    let at = story.scratch.path().join("journal");
    let journal = UnixDatagram::bind(&at).unwrap();
    // As journald does, it takes what comes.
    journal.set_read_timeout(Some(PATIENCE)).unwrap();
    let hears = std::thread::spawn(move || {
        let (mut entries, mut datagram) = (Vec::new(), vec![0; 1 << 20]);
        loop {
            let length = journal.recv(&mut datagram).expect("it says that it ended");
            entries.push(entry(&datagram[..length]));
            if entries
                .last()
                .is_some_and(|last| last["MESSAGE"] == "ended")
            {
                return entries;
            }
        }
    });
    let service = own_run(story.service, Some(&at));
    story.service = service.arg("--log-format=journald").arg("--log-files");
    story.write("a \u{1b}[31m\nb", "a");
    story.start();
    story.daemon.set_password("another");
    story.write("c", "c");
    story.shows("module", "failing", "auth");
    story.daemon.set_password("website");
    story.settle();
    assert_eq!(story.service.stop().0, 0, "{}", story.service.tail());
    let entries = hears.join().unwrap();
    let has = |wanted: &[(&str, &str)]| {
        entries.iter().any(|entry| {
            let fits =
                |(name, value): &(&str, &str)| entry.get(*name).is_some_and(|is| is == value);
            wanted.iter().all(fits)
        })
    };
    for wanted in [
        &[
            ("MESSAGE", "starting"),
            ("PRIORITY", "6"),
            ("SYSLOG_IDENTIFIER", "heliostat"),
        ][..],
        &[
            ("MESSAGE", "sent"),
            ("HELIOSTAT_ROUTE", "site/copy"),
            ("HELIOSTAT_TRIGGER", "start"),
            ("HELIOSTAT_FILES", "1"),
        ],
        &[
            ("PRIORITY", "4"),
            ("HELIOSTAT_ROUTE", "site/module"),
            ("HELIOSTAT_CODE", "auth"),
        ],
        &[
            ("MESSAGE", "a \\x1b[31m\\nb was sent"),
            ("HELIOSTAT_ROUTE", "site/module"),
        ],
        &[("MESSAGE", "ended"), ("PRIORITY", "6")],
    ] {
        assert!(has(wanted), "{wanted:?}: {entries:#?}");
    }
    // Nothing of it goes elsewhere.
    assert_eq!(story.service.log(), "");
}

#[test]
fn each_file_has_its_line_where_that_is_asked_for() {
    let mut story = Story::with(&json!({"delete": "mirror"}));
    story.service = story.service.arg("--log-files");
    let odd = "line\nbreak \u{1b}[31m \\ end";
    story.write(odd, "one");
    story.write("d/gone", "two");
    story.start();
    let invalid: std::ffi::OsString =
        std::os::unix::ffi::OsStringExt::from_vec(b"bytes \xff".to_vec());
    fs::write(story.source.join(invalid), "x").unwrap();
    fs::remove_file(story.source.join("d/gone")).unwrap();
    story.settle();
    assert_eq!(story.service.stop().0, 0, "{}", story.service.tail());
    let log = story.service.log();
    for route in ["site/module", "site/copy"] {
        for said in [
            "line\\nbreak \\x1b[31m \\\\ end was sent",
            "d/gone was sent",
            "d/gone was deleted",
            "bytes \\xff was sent",
        ] {
            let about = format!("route={route}");
            let mut lines = log.lines().filter(|line| line.contains(said));
            // Under load a file may be sent twice: when it is made, and when it is written.
            let found = lines.any(|line| line.contains(&about));
            assert!(found, "{route} {said}: {log}");
        }
    }
    assert!(!log.contains('\u{1b}'), "{log}");
}

#[test]
fn a_file_that_could_not_be_sent_has_no_line() {
    let mut story = Story::new(|_| {});
    story.service = story.service.arg("--log-files");
    // On the target a directory with content stands in its way.
    for target in [&story.module, &story.copy] {
        super::write(target, "blocked/inside", "x");
    }
    story.write("blocked", "x");
    story.write("good", "x");
    story.service.start();
    for target in ["module", "copy"] {
        story.shows(target, "failing", "paths");
    }
    story.service.stop();
    let log = story.service.log();
    assert!(!log.contains("blocked was sent"), "{log}");
    for route in ["site/module", "site/copy"] {
        assert!(
            log.contains(&format!("good was sent route={route}")),
            "{log}"
        );
    }
}

#[test]
fn a_log_that_cannot_be_written_stops_nothing() {
    // A full disk, a closed stream, a pipe whose reader is gone, and one whose reader does not read.
    for stderr in [
        "2> /dev/full",
        "2>&-",
        "2>&1 | /bin/true",
        "2>&1 | /bin/sleep 1000",
    ] {
        let mut story = Story::new(|_| {});
        let script = format!("\"$@\" {stderr}");
        story.service = story
            .service
            .arg("--log-files")
            .arg("--log-level=trace")
            .under(&["/bin/bash", "-c", &script, "bash"]);
        story.write("a", "a");
        story.start();
        for round in 0..2 {
            for name in 0..100 {
                story.write(&format!("many/{name}"), &format!("{round}"));
            }
            story.settle();
        }
        assert!(story.service.alive(), "{stderr}");
    }
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
