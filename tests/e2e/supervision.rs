//! Transfers that will not end, from outside: a target that stands still, and what a killed service leaves behind.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use serde_json::json;

use super::{Story, retry, soon};
use crate::rig::left_out;
use crate::rig::service::Heliostat;
use crate::rig::sshd::Sshd;

/// Stands for rsync: it takes a lock, or says that another one has it; then it and its child stand still, hear no
/// SIGTERM, and hold the lock.
const STUBBORN: &str = r#"#!/bin/bash
[ "$1" = -VV ] && exec /usr/bin/rsync -VV
trap '' TERM
exec 9>> HERE/lock
/usr/bin/flock -n 9 || echo $$ >> HERE/two
echo $$ >> HERE/began
/bin/bash -c 'trap "" TERM; /bin/sleep 1000; true' < /dev/null > /dev/null 2>&1 &
while true; do /bin/sleep 1000; done
"#;

#[test]
fn what_a_killed_service_left_standing_is_over_before_another_one_writes() {
    let mut story = Story::new(|_| {});
    let bin = story.scratch.dir("bin");
    let rsync = bin.join("rsync");
    let script = STUBBORN.replace("HERE", &bin.display().to_string());
    fs::write(&rsync, script).unwrap();
    fs::set_permissions(&rsync, PermissionsExt::from_mode(0o755)).unwrap();
    let agent = story.scratch.path().join("agent.yaml");
    let text = json!({"apiVersion": "heliostat/v1", "kind": "Agent", "rsync": {"path": rsync}});
    fs::write(&agent, text.to_string()).unwrap();
    story.service = Heliostat::new(
        &story.scratch.dir("with-agent"),
        &fs::read_to_string(story.service.manifest()).unwrap(),
    )
    .arg("--agent")
    .arg(&agent);
    let began = || {
        let text = fs::read_to_string(bin.join("began")).unwrap_or_default();
        text.lines().count()
    };
    for life in 1..=3 {
        story.write("file", &life.to_string());
        story.service.start();
        soon("a transfer stands still", || began() == life);
        // A frozen target is nothing to the others.
        story.in_sync("copy");
        story.service.kill();
    }
    assert!(!bin.join("two").exists(), "two wrote at once");
    fs::remove_file(&rsync).unwrap();
    std::os::unix::fs::symlink("/usr/bin/rsync", &rsync).unwrap();
    story.service.start();
    story.settle();
}

/// Stands for rsync, and writes down that it was started.
const COUNTED: &str = r#"#!/bin/bash
[ "$1" = -VV ] || echo $$ >> HERE/began
exec /usr/bin/rsync "$@"
"#;

#[test]
fn sessions_that_were_begun_ahead_end_with_a_service_that_is_killed() {
    if !Sshd::is_there() {
        return left_out("there is no sshd");
    }
    let mut story = Story::new(|_| {});
    let sshd = Sshd::start(&story.scratch.dir("sshd"));
    let far = story.scratch.dir("far");
    let bin = story.scratch.dir("bin");
    let rsync = bin.join("rsync");
    let script = COUNTED.replace("HERE", &bin.display().to_string());
    fs::write(&rsync, script).unwrap();
    fs::set_permissions(&rsync, PermissionsExt::from_mode(0o755)).unwrap();
    let agent = story.scratch.path().join("agent.yaml");
    let text = json!({"apiVersion": "heliostat/v1", "kind": "Agent", "rsync": {"path": rsync}});
    fs::write(&agent, text.to_string()).unwrap();
    let text = fs::read_to_string(story.service.manifest()).unwrap();
    let mut manifest: serde_json::Value = serde_json::from_str(&text).unwrap();
    manifest["sources"]["site"]["targets"]["far"] = json!({
        "url": format!("ssh://root@127.0.0.1:{}{}", sshd.port(), far.display()),
        "ssh": {"identityFile": sshd.file("user key"), "knownHostsFile": sshd.file("known hosts")},
        "retry": retry(),
    });
    let directory = story.scratch.dir("with-agent");
    story.service = Heliostat::new(&directory, &manifest.to_string())
        .arg("--agent")
        .arg(&agent);
    story.write("file", "one");
    story.start();
    let began = || -> Vec<u32> {
        let text = fs::read_to_string(bin.join("began")).unwrap_or_default();
        text.lines().map(|line| line.parse().unwrap()).collect()
    };
    let waits = |id: &u32| {
        let stat = fs::read_to_string(format!("/proc/{id}/stat")).unwrap_or_default();
        !stat.is_empty() && !stat.contains(") Z ")
    };
    let waiting = || began().iter().filter(|id| waits(id)).count();
    soon("each far target has its session", || waiting() == 2);
    story.service.kill();
    soon("they ended", || waiting() == 0);
}
