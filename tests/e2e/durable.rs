//! What `durability` waits for, as the kernel is asked for it; and what a power cut took without it.

use std::fs;
use std::path::Path;
use std::process::Command;

use serde_json::json;

use super::{PATIENCE, soon};
use crate::rig::Scratch;
use crate::rig::service::{Heliostat, manifest};

/// One call of a thread: its name and the rest of the line.
type Call = (String, String, String);

/// The calls that a single pass of three files makes, in the order in which they were begun.
fn calls(durability: Option<&str>) -> Vec<Call> {
    let scratch = Scratch::new();
    let (source, target) = (scratch.dir("source"), scratch.dir("target"));
    fs::create_dir(source.join("d")).unwrap();
    for file in ["a", "b", "d/c"] {
        fs::write(source.join(file), file).unwrap();
    }
    let mut to = json!({"url": format!("file://{}", target.display())});
    if let Some(durability) = durability {
        to["durability"] = durability.into();
    }
    let sources = json!({"site": {"path": source, "targets": {"local": to}}});
    let service = Heliostat::new(&scratch.dir("service"), &manifest(&sources));
    let trace = scratch.path().join("trace");
    let status = Command::new("strace")
        .args([
            "-f",
            "-y",
            "-e",
            "trace=fsync,syncfs,renameat,renameat2",
            "-o",
        ])
        .arg(&trace)
        .arg(env!("CARGO_BIN_EXE_heliostat"))
        .args(["run", "--once", "--state-dir"])
        .arg(service.state())
        .arg("--socket")
        .arg(service.socket())
        .arg(service.manifest())
        .status()
        .expect("strace is there: `tests/run.sh` installs it");
    assert!(status.success(), "{status}");
    let text = fs::read_to_string(trace).unwrap();
    text.lines()
        .filter_map(|line| call(line, &target))
        .collect()
}

/// Those that have to do with the target: the ledger has its own.
fn call(line: &str, target: &Path) -> Option<Call> {
    let (thread, rest) = line.split_once(' ')?;
    let (name, rest) = rest.trim_start().split_once('(')?;
    rest.contains(&target.display().to_string())
        .then(|| (thread.to_owned(), name.to_owned(), rest.to_owned()))
}

/// How many files took their name, and how many of them right after they were synced by the same thread.
fn renamed(calls: &[Call]) -> (usize, usize) {
    let renames = calls
        .iter()
        .enumerate()
        .filter(|(_, (_, name, _))| name.starts_with("renameat"));
    let synced = renames.clone().filter(|(at, (thread, _, _))| {
        let before = calls[..*at]
            .iter()
            .rev()
            .find(|(other, _, _)| other == thread);
        before.is_some_and(|(_, name, rest)| name == "fsync" && rest.contains(".heliostat-"))
    });
    (renames.clone().count(), synced.count())
}

#[test]
fn nothing_is_waited_for_unless_it_is_asked_for() {
    for durability in [None, Some("none")] {
        let calls = calls(durability);
        assert_eq!(renamed(&calls), (3, 0), "{calls:?}");
        assert_eq!(calls.len(), 3, "{calls:?}");
    }
}

#[test]
fn each_file_is_on_the_disk_before_it_takes_its_name() {
    let calls = calls(Some("file"));
    assert_eq!(renamed(&calls), (3, 3), "{calls:?}");
    assert_eq!(calls.len(), 6, "{calls:?}");
}

#[test]
fn everything_is_on_the_disk_before_the_transfer_is_done() {
    let calls = calls(Some("full"));
    assert_eq!(renamed(&calls), (3, 3), "{calls:?}");
    let (_, last, _) = calls.last().unwrap();
    assert_eq!((calls.len(), last.as_str()), (7, "syncfs"), "{calls:?}");
}

#[test]
fn after_a_start_of_the_machine_what_a_target_lost_is_sent_again() {
    let scratch = Scratch::new();
    let (source, lasting, other) = (
        scratch.dir("source"),
        scratch.dir("lasting"),
        scratch.dir("other"),
    );
    fs::write(source.join("a"), "content").unwrap();
    let url = |path: &Path| format!("file://{}", path.display());
    let targets = json!({
        "lasting": {"url": url(&lasting), "durability": "full"},
        "other": {"url": url(&other)},
    });
    let sources = json!({"site": {"path": source, "rescan": {"every": "24h"}, "targets": targets}});
    let directory = scratch.dir("service");
    let service = || {
        let service = Heliostat::new(&directory, &manifest(&sources));
        service.arg("--log-level").arg("heliostat=debug")
    };
    let mut first = service();
    first.start();
    assert!(first.wait(PATIENCE), "{}", first.tail());
    soon("the first checkpoint", || {
        first.log().contains("whole=true")
    });
    first.stop();
    // As a power cut leaves what was not on the disk.
    for target in [&lasting, &other] {
        fs::write(target.join("a"), "").unwrap();
    }
    let sent = |service: &Heliostat| service.log().matches(" sent ").count();
    let before = sent(&first);
    let mut same = service();
    same.start();
    assert!(same.wait(PATIENCE), "{}", same.tail());
    same.stop();
    assert_eq!(
        sent(&same),
        before,
        "within one start of the machine nothing is compared"
    );

    let boot = scratch.path().join("boot");
    fs::write(&boot, "9a3a1c5e-32b4-4c3e-8a53-5f0c7e1b9d42\n").unwrap();
    let script = format!(
        "mount --bind '{}' /proc/sys/kernel/random/boot_id && exec \"$@\"",
        boot.display()
    );
    let mut next = service().under(&["unshare", "--mount", "sh", "-c", &script, "sh"]);
    next.start();
    soon("what was lost is there again", || {
        fs::read(other.join("a")).unwrap() == b"content"
    });
    assert!(next.wait(PATIENCE), "{}", next.tail());
    assert_eq!(
        fs::read(lasting.join("a")).unwrap(),
        b"",
        "what lasts is not compared"
    );
}
