//! `doctor` on a host where something is missing: each thing is named, with its remedy, and nothing is changed.

use std::ffi::OsString;
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;

use serde_json::{Value, json};

use super::{PATIENCE, Story, extend};
use crate::rig::tree::{Look, snapshot};

/// The exit code, and what was found.
fn examine(story: &Story) -> (i32, Vec<Value>) {
    let socket = story.service.socket();
    let arguments: Vec<OsString> = vec![
        "doctor".into(),
        "--format=json".into(),
        "--state-dir".into(),
        story.service.state().into(),
        "--socket".into(),
        socket.into(),
        story.service.manifest().into(),
    ];
    let answer = story.service.command_line(&arguments, PATIENCE);
    let document: Value =
        serde_json::from_str(&answer.stdout).unwrap_or_else(|error| panic!("{error}: {answer:?}"));
    assert_eq!(document["formatVersion"], 1);
    assert_eq!(document["healthy"], json!(answer.code == 0), "{document:#}");
    (
        answer.code,
        document["findings"].as_array().unwrap().clone(),
    )
}

/// The one finding of this check about this.
#[track_caller]
fn of<'a>(found: &'a [Value], check: &str, about: &str) -> &'a Value {
    let mut fit = found
        .iter()
        .filter(|finding| finding["check"] == check && finding["about"] == about);
    let one = fit.next();
    one.unwrap_or_else(|| panic!("nothing of `{check}` about `{about}`: {found:#?}"))
}

#[track_caller]
fn ails(found: &[Value], check: &str, about: &str, says: &str, remedy: &str) {
    let finding = of(found, check, about);
    let text = |key: &str| finding[key].as_str().unwrap_or_default().to_owned();
    assert!(
        finding["grade"] == "error"
            && text("says").contains(says)
            && text("remedy").contains(remedy),
        "{finding:#}"
    );
}

#[test]
fn a_host_with_everything_is_healthy_and_nothing_is_changed_by_looking() {
    let story = Story::new(|_| ());
    story.write("a/b", "x");
    fs::write(story.module.join("own"), "of the target").unwrap();
    let look =
        || [&story.source, &story.module, &story.copy].map(|tree| snapshot(tree, &Look::default()));
    let before = look();
    let (code, found) = examine(&story);
    assert_eq!(code, 0, "{found:#?}");
    for (check, about) in [
        ("rsync", "rsync"),
        ("source", "site"),
        ("canary", "site"),
        ("secret", "site/module"),
        ("target", "site/module"),
        ("target", "site/copy"),
    ] {
        assert_eq!(of(&found, check, about)["grade"], "good", "{found:#?}");
    }
    assert_eq!(before, look());
    let log = story.daemon.log();
    assert!(
        log.contains("connect from") && !log.contains("recv "),
        "{log}"
    );
}

#[test]
fn what_is_missing_is_named_with_its_remedy() {
    let mut story = Story::new(|site| {
        extend(site, &json!({"guard": {"marker": "is-mounted"}}));
    });
    story.daemon.set_password("another");
    fs::remove_dir(&story.copy).unwrap();
    let (code, found) = examine(&story);
    assert_eq!(code, 1);
    ails(
        &found,
        "guard",
        "site",
        "`is-mounted` is not there",
        "touch ",
    );
    ails(
        &found,
        "target",
        "site/module",
        "auth failed",
        "secrets file",
    );
    ails(&found, "target", "site/copy", "is not there", "mkdir ");

    let password = story.daemon.password_file();
    fs::set_permissions(&password, Permissions::from_mode(0o644)).unwrap();
    ails(
        &examine(&story).1,
        "secret",
        "site/module",
        "can be read by others",
        "chmod 600",
    );
    fs::remove_file(&password).unwrap();
    ails(
        &examine(&story).1,
        "secret",
        "site/module",
        "password file",
        "create it",
    );

    story.daemon.stop();
    fs::write(&password, "another\n").unwrap();
    fs::set_permissions(&password, Permissions::from_mode(0o600)).unwrap();
    ails(
        &examine(&story).1,
        "target",
        "site/module",
        "failed to connect",
        "port is right",
    );

    fs::remove_dir_all(&story.source).unwrap();
    ails(
        &examine(&story).1,
        "source",
        "site",
        "is not there",
        "create or mount",
    );
}

#[test]
fn a_module_that_cannot_be_written_is_known_before_anything_is_sent() {
    let mut story = Story::new(|_| ());
    story.daemon.stop();
    story.daemon = crate::rig::rsyncd::Rsyncd::new(&story.scratch.dir("closed"), &story.module)
        .with_config("read only = yes");
    story.daemon.start();
    let text = fs::read_to_string(story.service.manifest()).unwrap();
    let mut manifest: Value = serde_json::from_str(&text).unwrap();
    let module = &mut manifest["sources"]["site"]["targets"]["module"];
    module["url"] = json!(story.daemon.url());
    module["passwordFile"] = json!(story.daemon.password_file());
    fs::write(story.service.manifest(), manifest.to_string()).unwrap();
    let found = examine(&story).1;
    ails(
        &found,
        "target",
        "site/module",
        "read only",
        "`read only = no`",
    );
}

#[test]
fn a_running_service_is_not_disturbed() {
    let mut story = Story::new(|_| ());
    story.write("a", "x");
    story.start();
    let (code, found) = examine(&story);
    assert_eq!(code, 0, "{found:#?}");
    assert_eq!(of(&found, "service", "service")["grade"], "good");
    story.write("a", "y");
    story.settle();
}
