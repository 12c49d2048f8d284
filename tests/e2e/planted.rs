//! What another user has planted where the service keeps its files: refused, or replaced, and never followed.

use std::fs::{self, DirBuilder, Permissions};
use std::os::unix::fs::{DirBuilderExt, PermissionsExt, chown, lchown, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::json;

use super::{PATIENCE, Story, extend, soon};
use crate::rig::left_out;
use crate::rig::service::Heliostat;

/// Nobody's id.
const USER: u32 = 65_500;

/// What must be as it was.
const PRECIOUS: &str = "precious";

/// A place that is not the service's, with a file in it and one in a directory.
fn victim(story: &Story) -> PathBuf {
    let victim = story.scratch.dir("victim");
    fs::create_dir(victim.join("deep")).unwrap();
    for name in ["file", "deep/file"] {
        fs::write(victim.join(name), PRECIOUS).unwrap();
    }
    victim
}

#[track_caller]
fn unharmed(victim: &Path) {
    let mut names: Vec<_> = fs::read_dir(victim)
        .unwrap()
        .map(|entry| entry.unwrap().file_name())
        .collect();
    names.sort();
    assert_eq!(names, ["deep", "file"]);
    for name in ["file", "deep/file"] {
        let text = fs::read_to_string(victim.join(name)).unwrap();
        assert_eq!(text, PRECIOUS, "{name}");
    }
}

/// Starts the service, which must end by itself and say why.
#[track_caller]
fn refused(service: &mut Heliostat, why: &str) {
    let before = service.log().len();
    service.start();
    let code = service.ended(PATIENCE);
    let said = service.log()[before..].to_owned();
    assert!(code.is_some_and(|code| code != 0), "{code:?}: {said}");
    assert!(said.contains(why), "{said}");
}

#[test]
fn a_state_directory_that_others_can_change_is_refused() {
    let mut story = Story::new(|_| {});
    let state = story.service.state();
    fs::create_dir(&state).unwrap();
    for mode in [0o777, 0o770, 0o1777] {
        fs::set_permissions(&state, Permissions::from_mode(mode)).unwrap();
        refused(&mut story.service, "can be written by others");
    }
    fs::set_permissions(&state, Permissions::from_mode(0o700)).unwrap();
    if rustix::process::geteuid().is_root() {
        chown(&state, Some(USER), None).unwrap();
        refused(&mut story.service, "belongs to the user 65500");
        chown(&state, Some(0), None).unwrap();
    } else {
        left_out("only root gives a directory away");
    }
    assert_eq!(
        fs::read_dir(&state).unwrap().count(),
        0,
        "nothing is written there"
    );
    story.start();
}

#[test]
fn directories_of_the_state_are_no_symlinks() {
    let mut story = Story::new(|_| {});
    let victim = victim(&story);
    let state = story.service.state();
    fs::create_dir(&state).unwrap();
    fs::set_permissions(&state, Permissions::from_mode(0o700)).unwrap();
    for name in ["run", "cookies", "generations", "hooks", "run/home"] {
        let above = state.join(name).parent().unwrap().to_owned();
        let made = DirBuilder::new().recursive(true).mode(0o700).create(above);
        made.unwrap();
        symlink(&victim, state.join(name)).unwrap();
        refused(&mut story.service, "a symlink: remove it");
        unharmed(&victim);
        fs::remove_file(state.join(name)).unwrap();
    }
    fs::remove_file(state.join("lock")).unwrap();
    symlink(victim.join("file"), state.join("lock")).unwrap();
    refused(&mut story.service, "cannot open the lock");
    fs::remove_file(state.join("lock")).unwrap();
    // What is started with this home would go by what is in it, and folders of hooks are cleared.
    let home = DirBuilder::new().mode(0o700).create(state.join("run/home"));
    home.unwrap();
    fs::write(state.join("run/home/.popt"), "rsync alias -r --help -r\n").unwrap();
    fs::create_dir(state.join("run/home/.ssh")).unwrap();
    symlink(&victim, state.join("run/home/link")).unwrap();
    symlink(&victim, state.join("run/hooks")).unwrap();
    story.start();
    unharmed(&victim);
    let home = fs::read_dir(state.join("run/home")).unwrap();
    assert_eq!(home.count(), 0, "the home is empty");
    assert!(!state.join("run/hooks").is_symlink());
}

#[test]
fn files_of_the_state_are_replaced_and_not_followed() {
    let mut story = Story::new(|_| {});
    let victim = victim(&story);
    let state = story.service.state();
    let names = [
        "ledger.sqlite",
        "ledger.sqlite-wal",
        "ledger.new",
        "ledger.damaged",
        "pauses.new",
        "generations/new",
        "generations/current",
    ];
    fs::create_dir_all(state.join("generations")).unwrap();
    for directory in [state.clone(), state.join("generations")] {
        fs::set_permissions(directory, Permissions::from_mode(0o700)).unwrap();
    }
    for name in names {
        symlink(victim.join("file"), state.join(name)).unwrap();
    }
    story.start();
    let paused = story.service.call(&["pause", "site/copy", "--for", "1h"]);
    assert_eq!(paused.code, 0, "{paused:?}");
    soon("the pause is kept", || state.join("pauses.json").exists());
    assert_eq!(story.service.stop().0, 0);
    unharmed(&victim);
    let ledger = fs::symlink_metadata(state.join("ledger.sqlite")).unwrap();
    assert!(ledger.is_file(), "a ledger of its own");
    // What others say there is paused is not taken from them, and a pipe is not waited for.
    for planted in ["link", "pipe"] {
        fs::remove_file(state.join("pauses.json")).unwrap();
        match planted {
            "link" => symlink(victim.join("file"), state.join("pauses.json")).unwrap(),
            _ => pipe(&state.join("pauses.json")),
        }
        story.write("more", planted);
        story.start();
        assert!(
            story.service.log().contains("pauses.json` cannot be read"),
            "{}",
            story.service.tail()
        );
        assert_eq!(story.service.stop().0, 0);
        unharmed(&victim);
    }
}

fn pipe(at: &Path) {
    assert!(Command::new("mkfifo").arg(at).status().unwrap().success());
}

#[test]
fn a_socket_takes_no_others_place() {
    let mut story = Story::new(|_| {});
    let victim = victim(&story);
    let socket = story.service.socket();
    symlink(victim.join("file"), &socket).unwrap();
    refused(&mut story.service, "something else is there");
    fs::remove_file(&socket).unwrap();
    symlink(victim.join("new"), &socket).unwrap();
    refused(&mut story.service, "something else is there");
    fs::remove_file(&socket).unwrap();
    pipe(&socket);
    refused(&mut story.service, "something else is there");
    fs::remove_file(&socket).unwrap();
    story.start();
    unharmed(&victim);
}

#[test]
fn a_metrics_file_replaces_what_is_planted() {
    let mut story = Story::new(|_| {});
    let victim = victim(&story);
    let open = story.scratch.dir("open");
    fs::set_permissions(&open, Permissions::from_mode(0o1777)).unwrap();
    let (file, beside) = (open.join("h.prom"), open.join("h.prom.new"));
    for at in [&file, &beside] {
        symlink(victim.join("file"), at).unwrap();
        if rustix::process::geteuid().is_root() {
            lchown(at, Some(USER), None).unwrap();
        }
    }
    let agent = story.scratch.path().join("agent.yaml");
    let mut keys = json!({"apiVersion": "heliostat/v1", "kind": "Agent"});
    extend(
        &mut keys,
        &json!({"metrics": {"textfile": file, "every": "1s"}}),
    );
    fs::write(&agent, keys.to_string()).unwrap();
    let text = fs::read_to_string(story.service.manifest()).unwrap();
    let own = story.scratch.dir("own");
    story.service = Heliostat::new(&own, &text).arg("--agent").arg(&agent);
    story.start();
    soon("the metrics are there", || {
        fs::symlink_metadata(&file).is_ok_and(|found| found.is_file())
    });
    assert_eq!(story.service.stop().0, 0);
    unharmed(&victim);
}

#[test]
fn temporary_names_on_a_target_are_not_written_through() {
    let mut story = Story::new(|_| {});
    let victim = victim(&story);
    // As many as a neighbour likes: the names are random, and made, not opened.
    for number in 0..64_u64 {
        let name = format!(".heliostat-{number:016x}.tmp");
        symlink(victim.join("file"), story.copy.join(name)).unwrap();
    }
    symlink(victim.join("file"), story.copy.join("name")).unwrap();
    symlink(&victim, story.copy.join("deep")).unwrap();
    story.write("name", "new");
    story.write("deep/file", "new");
    story.service.start();
    soon("the names are replaced", || {
        let file = fs::symlink_metadata(story.copy.join("name"));
        file.is_ok_and(|found| found.is_file())
    });
    // A link in a directory's place is one name, and goes; what it leads to stays.
    story.in_sync("copy");
    unharmed(&victim);
}
