//! Start and stop: the first pass, SIGTERM, SIGKILL, roots that come and go, one service at a time.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::{MetadataExt, symlink};
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use serde_json::{Value, json};

use super::restart::{checkpoints, resume, told};
use super::{PATIENCE, Story, equal, local, site, soon, until, write};
use crate::rig::Scratch;
use crate::rig::service::{Heliostat, manifest};
use crate::rig::tree::{Look, snapshot};

/// The bound of a stop, as it is promised.
const STOP_MAX: Duration = Duration::from_secs(15);

fn copy_tree(from: &Path, to: &Path) {
    let done = Command::new("/bin/cp")
        .arg("-a")
        .arg(from.join("."))
        .arg(to)
        .status()
        .unwrap();
    assert!(done.success());
}

/// What the daemon's log calls by this word (`recv`, `del.`).
fn logged(story: &Story, word: &str) -> BTreeSet<String> {
    let log = story.daemon.log();
    log.lines()
        .filter_map(|line| Some(line.split_once(&format!(" {word} "))?.1.to_owned()))
        .collect()
}

#[test]
fn the_first_pass_sends_what_is_out_of_step_and_nothing_more() {
    let mut story = Story::with(&json!({"delete": "mirror"}));
    for directory in 0..5 {
        for file in 0..10 {
            story.write(&format!("d{directory}/{file}"), "the same");
        }
    }
    for target in [&story.module, &story.copy] {
        copy_tree(&story.source, target);
        fs::write(target.join("d0/extra"), "").unwrap();
        fs::remove_file(target.join("d1/1")).unwrap();
    }
    story.write("d2/2", "not the same");
    let inode = |name: &str| fs::metadata(story.copy.join(name)).unwrap().ino();
    let (kept, replaced) = (inode("d3/3"), inode("d2/2"));
    story.start();
    let names = |names: &[&str]| {
        names
            .iter()
            .map(|name| (*name).to_owned())
            .collect::<BTreeSet<_>>()
    };
    assert_eq!(logged(&story, "recv"), names(&["d1/1", "d2/2"]));
    assert_eq!(logged(&story, "del."), names(&["d0/extra"]));
    let inode = |name: &str| fs::metadata(story.copy.join(name)).unwrap().ino();
    assert_eq!(inode("d3/3"), kept);
    assert_ne!(inode("d2/2"), replaced);
    for target in ["module", "copy"] {
        let route = story.in_sync(target);
        // Beside the two files at most the directories that hold what was sent or deleted.
        assert!(
            (2..=5).contains(&route["files"].as_u64().unwrap()),
            "{route:#}"
        );
        assert_eq!(
            (&route["deleted"], &route["transfers"]),
            (&json!(1), &json!(1)),
            "{route:#}"
        );
        assert_ne!(route["lastGood"], Value::Null);
    }
    story.service.stop();
    story.start();
    assert_eq!(logged(&story, "recv"), names(&["d1/1", "d2/2"]));
    for target in ["module", "copy"] {
        let route = story.in_sync(target);
        for count in ["files", "bytes", "deleted"] {
            assert_eq!(route[count], 0, "{count}: {route:#}");
        }
    }
}

/// The ids of the processes that were given this in their arguments.
pub(super) fn processes(argument: &str) -> Vec<String> {
    let ids = fs::read_dir("/proc")
        .unwrap()
        .filter_map(|entry| entry.ok()?.file_name().into_string().ok());
    ids.filter(|id| id.bytes().all(|byte| byte.is_ascii_digit()))
        .filter(|id| {
            let line = fs::read(format!("/proc/{id}/cmdline")).unwrap_or_default();
            line.split(|byte| *byte == 0)
                .any(|word| word.starts_with(argument.as_bytes()))
        })
        .collect()
}

/// Names that a half-written file has, ours (`.heliostat-….tmp`) and rsync's (`.name.XXXXXX`).
pub(super) fn temporaries(root: &Path) -> Vec<String> {
    let look = Look {
        content: false,
        ..Look::default()
    };
    let paths = snapshot(root, &look).into_keys();
    let temporary = |path: &String| {
        let name = path.rsplit('/').next().unwrap();
        let rsyncs = |(name, random): (&str, &str)| {
            name.len() > 1 && random.len() == 6 && random.bytes().all(|b| b.is_ascii_alphanumeric())
        };
        name.starts_with('.')
            && (name.starts_with(".heliostat-") || name.rsplit_once('.').is_some_and(rsyncs))
    };
    paths
        .map(|path| String::from_utf8_lossy(&path).into_owned())
        .filter(temporary)
        .collect()
}

#[test]
fn sigterm_ends_a_large_transfer_and_nothing_is_left_of_it() {
    // Nothing is deleted: what is left behind would stay.
    let mut story = Story::with(&json!({"delete": "never", "bandwidth": "256KiB/s"}));
    story.write("small", "small");
    story.start();
    story.write("large", &"0123456789abcdef".repeat(1 << 20));
    for target in [&story.module, &story.copy] {
        soon("the large file is being written", || {
            !temporaries(target).is_empty()
        });
    }
    let rsync = format!("{}/", story.daemon.url());
    assert_ne!(processes(&rsync), Vec::<String>::new());
    let (code, took) = story.service.stop();
    assert!(
        code == 0 && took <= STOP_MAX,
        "{code} after {took:?}\n{}",
        story.service.tail()
    );
    assert_eq!(processes(&rsync), Vec::<String>::new());
    assert!(!story.service.socket().exists());
    let text = fs::read_to_string(story.service.manifest()).unwrap();
    fs::write(story.service.manifest(), text.replace("256KiB/s", "1GiB/s")).unwrap();
    story.start();
    for target in [&story.module, &story.copy] {
        assert_eq!(temporaries(target), Vec::<String>::new());
    }
}

#[test]
fn sigterm_sends_what_is_pending() {
    let mut story = Story::with(&json!({"debounce": {"quiet": "20s", "maxWait": "60s"}}));
    story.start();
    story.write("late", "written right before the end");
    story.until("copy", |route| route["state"] == "pending");
    story.until("module", |route| route["state"] == "pending");
    let (code, took) = story.service.stop();
    assert!(code == 0 && took <= STOP_MAX, "{code} after {took:?}");
    for target in [&story.module, &story.copy] {
        equal(&story.source, target, &story.service);
    }
}

#[test]
fn a_killed_service_leaves_nothing_half_written_behind() {
    let mut story = Story::with(&json!({"delete": "never", "bandwidth": "256KiB/s"}));
    let rsync = format!("{}/", story.daemon.url());
    story.start();
    story.write("large", &"0123456789abcdef".repeat(1 << 19));
    for target in [&story.module, &story.copy] {
        soon("the large file is being written", || {
            !temporaries(target).is_empty()
        });
    }
    story.service.kill();
    let text = fs::read_to_string(story.service.manifest()).unwrap();
    fs::write(story.service.manifest(), text.replace("256KiB/s", "1GiB/s")).unwrap();
    let orphan = processes(&rsync);
    story.start();
    for id in orphan {
        assert!(
            !processes(&rsync).contains(&id),
            "an earlier rsync still runs"
        );
    }
    for target in [&story.module, &story.copy] {
        soon("nothing half-written is left", || {
            temporaries(target).is_empty()
        });
    }
}

/// No pass is made at the start, nothing is deleted, and the file that was being written is no more: nobody would write in
/// its place.
#[test]
fn what_a_killed_service_left_is_swept_also_where_its_file_is_gone() {
    let keys = json!({"delete": "never", "bandwidth": "256KiB/s"});
    let mut story = told(Story::with(&keys));
    story.write("d/e/small", "small");
    story.start();
    soon("the first checkpoint", || {
        checkpoints(&story, "whole=true") > 0
    });
    story.write("d/e/large", &"0123456789abcdef".repeat(1 << 19));
    for target in [&story.module, &story.copy] {
        soon("the large file is being written", || {
            !temporaries(target).is_empty()
        });
    }
    story.service.kill();
    fs::remove_file(story.source.join("d/e/large")).unwrap();
    resume(&mut story);
    for target in [&story.module, &story.copy] {
        soon("nothing half-written is left", || {
            temporaries(target).is_empty()
        });
    }
}

/// `site` at `path`, and a second source that must not care.
fn two(scratch: &Scratch, path: &Path) -> Heliostat {
    let mut late = local(&scratch.dir("copy"));
    super::extend(&mut late, &json!({"delete": "mirror"}));
    let sources = json!({
        "site": site(path, json!({ "copy": late })),
        "steady": site(&scratch.dir("steady"), json!({"copy": local(&scratch.dir("steady-copy"))})),
    });
    write(scratch.path(), "steady/a", "1");
    Heliostat::new(&scratch.dir("service"), &manifest(&sources))
}

/// The second source takes a change and is in sync.
#[track_caller]
fn steady(scratch: &Scratch, service: &Heliostat, content: &str) {
    write(scratch.path(), "steady/a", content);
    equal(
        &scratch.path().join("steady"),
        &scratch.path().join("steady-copy"),
        service,
    );
    until(service, "steady/copy", |route| route["state"] == "in sync");
}

#[test]
fn a_source_may_appear_go_and_be_replaced() {
    let scratch = Scratch::new();
    let source = scratch.path().join("later/source");
    let copy = scratch.path().join("copy");
    let mut service = two(&scratch, &source);
    service.start();
    let route = until(&service, "site/copy", |route| route["state"] == "waiting");
    assert_eq!(route["code"], "source", "{route:#}");
    assert!(
        route["why"].as_str().unwrap().contains("is not there"),
        "{route:#}"
    );
    steady(&scratch, &service, "while the other is missing");
    assert_eq!(service.call(&["status", "--check"]).code, 1);
    write(&source, "d/a", "1");
    equal(&source, &copy, &service);
    write(&source, "d/b", "1");
    equal(&source, &copy, &service);

    let away = scratch.path().join("away");
    fs::rename(&source, &away).unwrap();
    until(&service, "site/copy", |route| route["state"] == "waiting");
    assert!(copy.join("d/b").exists(), "{}", service.tail());
    steady(&scratch, &service, "while the other is gone");
    write(&away, "d/b", "written where nobody looks");
    fs::rename(&away, &source).unwrap();
    equal(&source, &copy, &service);

    // Another directory in its place, at once.
    let next = scratch.dir("next");
    write(&next, "d/a", "of another directory");
    write(&next, "e/c", "1");
    fs::rename(&source, &away).unwrap();
    fs::rename(&next, &source).unwrap();
    equal(&source, &copy, &service);
    write(&source, "e/c", "and watched");
    equal(&source, &copy, &service);
    assert!(service.wait(PATIENCE), "{}", service.tail());
}

#[test]
fn a_source_behind_a_symlink_follows_it() {
    let scratch = Scratch::new();
    let (current, copy) = (scratch.path().join("current"), scratch.path().join("copy"));
    for release in ["one", "two"] {
        for name in ["a", "d/b", release] {
            write(&scratch.dir(release), name, release);
        }
    }
    symlink("one", &current).unwrap();
    let mut service = two(&scratch, &current);
    service.start();
    assert!(service.wait(PATIENCE), "{}", service.tail());
    for release in ["two", "one", "two"] {
        symlink(release, scratch.path().join("next")).unwrap();
        fs::rename(scratch.path().join("next"), &current).unwrap();
        equal(&scratch.path().join(release), &copy, &service);
        write(&scratch.path().join(release), "d/live", release);
        equal(&scratch.path().join(release), &copy, &service);
    }
    fs::remove_file(&current).unwrap();
    until(&service, "site/copy", |route| route["state"] == "waiting");
    assert!(copy.join("two").exists());
    fs::write(&current, "no directory").unwrap();
    until(&service, "site/copy", |route| {
        route["why"]
            .as_str()
            .is_some_and(|why| why.contains("not a directory"))
    });
    fs::remove_file(&current).unwrap();
    symlink("one", &current).unwrap();
    equal(&scratch.path().join("one"), &copy, &service);
    steady(&scratch, &service, "all the time");
}

#[test]
fn one_service_a_state_directory_and_a_stale_socket_is_replaced() {
    let mut story = Story::new(|_| {});
    story.write("a", "a");
    fs::create_dir_all(story.service.socket().parent().unwrap()).unwrap();
    drop(UnixListener::bind(story.service.socket()).unwrap());
    assert_eq!(story.service.call(&["status"]).code, 4);
    story.start();
    let run = |socket: &Path, state: &Path| {
        let mut arguments: Vec<std::ffi::OsString> =
            vec!["run".into(), story.service.manifest().into()];
        arguments.extend([
            "--socket".into(),
            socket.into(),
            "--state-dir".into(),
            state.into(),
        ]);
        story.service.command_line(&arguments, PATIENCE)
    };
    let other = story.scratch.path().join("other");
    let answer = run(&other, &story.service.state());
    assert!(
        answer.code == 2 && answer.stderr.contains("another heliostat runs"),
        "{answer:?}"
    );
    let answer = run(&story.service.socket(), &other);
    assert!(
        answer.code == 2 && answer.stderr.contains("another heliostat serves it"),
        "{answer:?}"
    );
    assert!(story.service.status().is_some());
    let mode = fs::metadata(story.service.socket()).unwrap().mode();
    assert_eq!(mode & 0o777, 0o600);
    // The one that was killed leaves its socket behind.
    story.service.kill();
    assert!(story.service.socket().exists());
    story.start();
}
