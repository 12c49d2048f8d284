//! The service as the packaged unit runs it: no root, and the one power to read what belongs to others.

use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::Path;

use serde_json::{Value, json};

use super::{PATIENCE, Story, extend, soon};
use crate::rig::left_out;
use crate::rig::service::Heliostat;
use crate::rig::tree::{Look, wait_equal};

/// Nobody's id.
const USER: u32 = 65_500;

/// What the drop-in for local targets adds.
const LOCAL: &str = "+dac_read_search,+chown,+fowner,+fsetid,+dac_override";

fn is_root() -> bool {
    let root = rustix::process::geteuid().is_root();
    if !root {
        left_out("only root can become another user");
    }
    root
}

/// The story's service, as this user with these powers and a state directory of its own.
fn as_user(story: &mut Story, powers: &str) {
    let text = fs::read_to_string(story.service.manifest()).unwrap();
    let directory = story.scratch.dir("unprivileged");
    chown(&directory, Some(USER), Some(USER)).unwrap();
    chown(story.daemon.password_file(), Some(USER), Some(USER)).unwrap();
    // Only the powers lead through this.
    fs::set_permissions(story.scratch.path(), Permissions::from_mode(0o711)).unwrap();
    let sets: Vec<String> = ["inh-caps", "ambient-caps", "bounding-set"]
        .iter()
        .map(|set| format!("--{set}=-all{powers}"))
        .collect();
    let (user, group) = (format!("--reuid={USER}"), format!("--regid={USER}"));
    let mut under = vec!["setpriv", &user, &group, "--clear-groups", "--no-new-privs"];
    under.extend(sets.iter().map(String::as_str));
    story.service = Heliostat::new(&directory, &text).under(&under);
}

/// A source that its owners alone may read.
fn closed_source(story: &Story) {
    story.write("private/letter", "dear");
    story.write("public", "all");
    let mode = |path: &str, mode| {
        let path = story.source.join(path);
        fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
    };
    chown(story.source.join("private/letter"), Some(1234), Some(1235)).unwrap();
    chown(story.source.join("private"), Some(1234), Some(1235)).unwrap();
    mode("private/letter", 0o600);
    mode("private", 0o700);
    mode("", 0o700);
}

/// A story with these targets only.
fn with(targets: &[&str]) -> Story {
    Story::new(|site| {
        let all = site["targets"].as_object_mut().unwrap();
        all.retain(|name, _| targets.contains(&name.as_str()));
        for target in all.values_mut() {
            extend(target, &json!({"delete": "mirror"}));
        }
    })
}

#[track_caller]
fn kept(story: &Story, target: &Path) {
    let left = wait_equal(&story.source, target, PATIENCE, &Look::default());
    assert!(left.is_ok(), "{left:#?}\n{}", story.service.tail());
}

#[test]
fn the_power_to_read_is_all_that_sending_elsewhere_needs() {
    if !is_root() {
        return;
    }
    let mut story = with(&["module"]);
    closed_source(&story);
    as_user(&mut story, ",+dac_read_search");
    story.service.start();
    story.in_sync("module");
    kept(&story, &story.module);
    story.write("private/letter", "dear all");
    story.write("private/new/one", "1");
    fs::remove_file(story.source.join("public")).unwrap();
    kept(&story, &story.module);
    let status = story.status();
    assert_eq!(status["sources"][0]["unwatched"], 0, "{status:#}");
    assert!(story.service.call(&["reload"]).code == 0);
    // Root looks, who may not take a password that is not root's: the service may, and that is what counts.
    let [secret] = &findings(&story, "secret", "site/module")[..] else {
        panic!("one finding");
    };
    assert!(
        secret["grade"] == "note"
            && secret["says"]
                .as_str()
                .unwrap()
                .contains("running service's"),
        "{secret:#}"
    );
    // What it left behind when it was killed is ended by the next one.
    story.service.kill();
    fs::write(story.source.join("meanwhile"), "2").unwrap();
    story.service.start();
    kept(&story, &story.module);
    assert_eq!(story.service.stop().0, 0);
}

#[test]
fn local_copies_are_as_roots_with_the_powers_of_the_drop_in_alone() {
    if !is_root() {
        return;
    }
    let mut story = with(&["copy"]);
    closed_source(&story);
    let suid = story.source.join("suid");
    fs::write(&suid, "x").unwrap();
    chown(&suid, Some(1234), Some(1235)).unwrap();
    fs::set_permissions(&suid, Permissions::from_mode(0o4711)).unwrap();
    as_user(&mut story, &format!(",{LOCAL}"));
    story.service.start();
    story.in_sync("copy");
    kept(&story, &story.copy);
    chown(&suid, Some(4321), Some(1235)).unwrap();
    fs::remove_dir_all(story.source.join("private")).unwrap();
    kept(&story, &story.copy);
}

/// Of the doctor's findings as root sees them: those of this check, about this.
fn findings(story: &Story, check: &str, about: &str) -> Vec<Value> {
    let arguments = [
        "doctor".into(),
        "--format=json".into(),
        "--state-dir".into(),
        story.service.state().into_os_string(),
        "--socket".into(),
        story.service.socket().into(),
        story.service.manifest().into(),
    ];
    let answer = story.service.command_line(&arguments, PATIENCE);
    let document: Value = serde_json::from_str(&answer.stdout).unwrap();
    let all = document["findings"].as_array().unwrap().iter();
    all.filter(|finding| finding["check"] == check && finding["about"] == about)
        .cloned()
        .collect()
}

#[test]
fn what_it_may_not_read_is_named_and_the_doctor_knows_what_it_lacks() {
    if !is_root() {
        return;
    }
    let mut story = with(&["module", "copy"]);
    closed_source(&story);
    fs::set_permissions(&story.source, Permissions::from_mode(0o755)).unwrap();
    chown(&story.copy, Some(USER), Some(USER)).unwrap();
    as_user(&mut story, "");
    story.service.start();
    let route = story.until("module", |route| route["state"] == "failing");
    let denied = |path: &Value| {
        let reason = path["reason"].as_str().unwrap().to_lowercase();
        path["path"] == "private" && reason.contains("permission denied")
    };
    let failing = route["failing"].as_array().unwrap();
    assert!(failing.iter().any(denied), "{route:#}");
    // The rest is there.
    soon("what it may read is sent", || {
        story.module.join("public").exists()
    });
    assert!(!story.module.join("private/letter").exists());
    // Root looks, and hears of the service.
    let host = story.status()["host"].as_str().unwrap().to_owned();
    let [reads] = &findings(&story, "powers", &host)[..] else {
        panic!("one finding");
    };
    let text = |finding: &Value, key: &str| finding[key].as_str().unwrap_or_default().to_owned();
    assert!(
        text(reads, "says").contains("user 65500, and reads only"),
        "{reads:#}"
    );
    assert!(
        text(reads, "remedy").contains("CAP_DAC_READ_SEARCH"),
        "{reads:#}"
    );
    let [gives] = &findings(&story, "powers", "site/copy")[..] else {
        panic!("one finding");
    };
    assert!(
        gives["grade"] == "warning" && text(gives, "remedy").contains("CAP_CHOWN"),
        "{gives:#}"
    );
}

#[test]
fn a_credential_is_read_as_systemd_gives_it() {
    if !is_root() {
        return;
    }
    let mut story = Story::new(|site| {
        let targets = site["targets"].as_object_mut().unwrap();
        targets.remove("copy");
        let module = targets["module"].as_object_mut().unwrap();
        module.remove("passwordFile");
        module.insert("passwordCredential".into(), json!("web98"));
    });
    let credentials = story.scratch.dir("credentials");
    let file = credentials.join("web98");
    fs::copy(story.daemon.password_file(), &file).unwrap();
    for (path, mode) in [(&file, 0o400), (&credentials, 0o500)] {
        chown(path, Some(USER), Some(USER)).unwrap();
        fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
    }
    as_user(&mut story, ",+dac_read_search");
    let text = fs::read_to_string(story.service.manifest()).unwrap();
    assert!(text.contains("passwordCredential"));
    story.service = std::mem::replace(
        &mut story.service,
        Heliostat::new(&story.scratch.dir("none"), "{}"),
    )
    .env("CREDENTIALS_DIRECTORY", &credentials);
    story.write("a", "a");
    story.service.start();
    story.in_sync("module");
    kept(&story, &story.module);
}

#[test]
fn what_a_killed_one_left_standing_is_ended_without_root() {
    if !is_root() {
        return;
    }
    let mut story = with(&["module"]);
    let bin = story.scratch.dir("bin");
    fs::set_permissions(&bin, Permissions::from_mode(0o777)).unwrap();
    let rsync = bin.join("rsync");
    let script = "#!/bin/bash\n[ \"$1\" = -VV ] && exec /usr/bin/rsync -VV\ntrap '' TERM\n\
                  echo $$ >> HERE/began\nwhile true; do /bin/sleep 1000; done\n";
    fs::write(&rsync, script.replace("HERE", bin.to_str().unwrap())).unwrap();
    fs::set_permissions(&rsync, Permissions::from_mode(0o755)).unwrap();
    let agent = story.scratch.path().join("agent.yaml");
    let text = json!({"apiVersion": "heliostat/v1", "kind": "Agent", "rsync": {"path": rsync}});
    fs::write(&agent, text.to_string()).unwrap();
    as_user(&mut story, ",+dac_read_search");
    story.service = std::mem::replace(
        &mut story.service,
        Heliostat::new(&story.scratch.dir("none"), "{}"),
    )
    .arg("--agent")
    .arg(&agent);
    story.write("a", "a");
    story.service.start();
    let began = || fs::read_to_string(bin.join("began")).unwrap_or_default();
    soon("a transfer stands still", || began().lines().count() == 1);
    story.service.kill();
    story.service.start();
    soon("another one is begun", || began().lines().count() == 2);
    let first = began().lines().next().unwrap().to_owned();
    // One that nobody has waited for yet has no command line any more.
    let line = fs::read(Path::new("/proc").join(first).join("cmdline")).unwrap_or_default();
    assert!(line.is_empty(), "{}", story.service.tail());
    assert!(
        story
            .service
            .log()
            .contains("ended transfers of an earlier run")
    );
}
