//! A password is nowhere but in its file, its variable, and the environment of the rsync that needs it.

use std::ffi::OsString;
use std::fs;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use serde_json::{Value, json};

use super::{PATIENCE, Story, extend};
use crate::rig::churn::Churn;
use crate::rig::service::Heliostat;
use crate::rig::wait_for;

/// Long enough to be nowhere by chance.
const PASSWORD: &str = "Zq9-rosebud-4711-kamelopard";

const VARIABLE: &str = "HELIOSTAT_TEST_PASSWORD";

const CREDENTIAL: &str = "rsync-password";

fn has(bytes: &[u8], text: &str) -> bool {
    bytes
        .windows(text.len())
        .any(|part| part == text.as_bytes())
}

/// Files below that contain the password, in name or content.
fn holders(root: &Path) -> Vec<String> {
    let mut found = Vec::new();
    let mut open = vec![root.to_owned()];
    while let Some(directory) = open.pop() {
        for entry in fs::read_dir(directory).into_iter().flatten().flatten() {
            let path = entry.path();
            if path.is_dir() {
                open.push(path);
            } else if has(&fs::read(&path).unwrap_or_default(), PASSWORD)
                || has(path.as_os_str().as_encoded_bytes(), PASSWORD)
            {
                found.push(path.display().to_string());
            }
        }
    }
    found
}

/// Looks at every command line of this host until it is over: how often one of rsync's was seen, and which ones gave the
/// password away.
fn spy(over: &AtomicBool, seen: &AtomicU64, url: &str) -> Vec<String> {
    let mut found = Vec::new();
    let _ = wait_for(Duration::MAX / 4, || {
        for entry in fs::read_dir("/proc").unwrap().flatten() {
            let line = fs::read(entry.path().join("cmdline")).unwrap_or_default();
            if has(&line, PASSWORD) {
                found.push(String::from_utf8_lossy(&line).into_owned());
            }
            if has(&line, url) && has(&line, "--from0") {
                seen.fetch_add(1, Ordering::Relaxed);
            }
        }
        over.load(Ordering::Relaxed).then_some(())
    });
    found
}

fn kept_secret(mut story: Story) {
    story.daemon.set_password(PASSWORD);
    fs::write(story.daemon.password_file(), format!("{PASSWORD}\n")).unwrap();
    let manifest = fs::read_to_string(story.service.manifest()).unwrap();
    // A session that was begun with the old password would do with it.
    let mut manifest: Value = serde_json::from_str(&manifest).unwrap();
    manifest["sources"]["site"]["targets"]["module"]["warm"] = json!("off");
    let manifest = manifest.to_string();
    let credentials = story.scratch.dir("credentials");
    fs::write(credentials.join(CREDENTIAL), format!("{PASSWORD}\n")).unwrap();
    story.service = Heliostat::new(&story.scratch.dir("told"), &manifest)
        .env(VARIABLE, PASSWORD)
        .env("CREDENTIALS_DIRECTORY", &credentials)
        .arg("--log-level")
        .arg("trace");
    let (over, seen, url) = (
        AtomicBool::new(false),
        AtomicU64::new(0),
        story.daemon.url(),
    );
    let mut said = Vec::new();
    let spied = thread::scope(|scope| {
        let spy = scope.spawn(|| spy(&over, &seen, &url));
        let outcome = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            story.start();
            let mut churn = Churn::new(&story.source, 3);
            churn.run(100, Duration::from_secs(1));
            story.settle();
            // A long transfer, so that somebody sees it.
            story.write("large", &"0123456789abcdef".repeat(1 << 14));
            let caught = wait_for(PATIENCE, || {
                (seen.load(Ordering::Relaxed) > 0).then_some(())
            });
            assert!(caught.is_some(), "no rsync was seen");
            story.settle();
            // What a daemon says to a wrong password is shown.
            story.daemon.set_password("another");
            story.write("refused", "1");
            said.push(story.shows("module", "failing", "auth").to_string());
            said.push(story.service.call(&["status"]).stdout);
            story.daemon.set_password(PASSWORD);
            story.settle();
            said.push(story.status().to_string());
        }));
        over.store(true, Ordering::Relaxed);
        let spied = spy.join().unwrap();
        if let Err(panic) = outcome {
            std::panic::resume_unwind(panic);
        }
        spied
    });
    assert_eq!(spied, Vec::<String>::new());
    let path = || story.service.manifest().into_os_string();
    let word = |word: &str| OsString::from(word);
    for arguments in [
        vec![word("plan"), path()],
        vec![word("plan"), path(), word("--format"), word("json")],
        vec![word("plan"), path(), word("--format"), word("markdown")],
        vec![word("render"), path()],
        vec![word("validate"), path(), word("--format"), word("json")],
    ] {
        let answer = story.service.command_line(&arguments, PATIENCE);
        assert_eq!(answer.code, 0, "{arguments:?}: {answer:?}");
        said.extend([answer.stdout, answer.stderr]);
    }
    said.push(story.service.log());
    for text in &said {
        assert!(!has(text.as_bytes(), PASSWORD), "{text}");
    }
    for _ in ["while it runs", "afterwards"] {
        assert_eq!(holders(&story.service.state()), Vec::<String>::new());
        story.service.kill();
    }
}

/// A transfer is long enough to be seen.
fn slow() -> Value {
    json!({"delete": "mirror", "bandwidth": "64KiB/s"})
}

#[test]
fn a_password_of_a_file_is_kept() {
    kept_secret(Story::with(&slow()));
}

/// A story whose module has its password from elsewhere.
fn instead_of_a_file(key: &str, from: &str) -> Story {
    Story::new(|site| {
        for target in site["targets"].as_object_mut().unwrap().values_mut() {
            extend(target, &slow());
        }
        let module = site["targets"]["module"].as_object_mut().unwrap();
        module.remove("passwordFile");
        module.insert(key.into(), json!(from));
    })
}

#[test]
fn a_password_of_a_variable_is_kept() {
    kept_secret(instead_of_a_file("passwordEnv", VARIABLE));
}

#[test]
fn a_password_of_a_credential_is_kept() {
    kept_secret(instead_of_a_file("passwordCredential", CREDENTIAL));
}

#[test]
fn a_credential_that_is_not_there_is_asked_for() {
    let mut story = instead_of_a_file("passwordCredential", CREDENTIAL);
    story.write("a", "a");
    story.service.start();
    story.in_sync("copy");
    let route = story.until("module", |route| route["state"] == "failing");
    let why = route["why"].as_str().unwrap();
    assert!(why.contains("LoadCredential=rsync-password:"), "{why}");
}

#[test]
fn a_password_in_a_manifest_is_refused_and_not_shown() {
    let mut story = Story::new(|site| {
        site["targets"]["module"]["url"] = json!(format!("rsync://website:{PASSWORD}@127.0.0.1/m"));
    });
    for command in ["validate", "plan", "render"] {
        let answer = story
            .service
            .command_line(&[command.into(), story.service.manifest().into()], PATIENCE);
        assert_eq!(answer.code, 1, "{answer:?}");
        assert!(
            !has(format!("{answer:?}").as_bytes(), PASSWORD),
            "{answer:?}"
        );
    }
    story.service.start();
    assert_eq!(story.service.ended(PATIENCE), Some(78));
    assert!(
        !has(story.service.log().as_bytes(), PASSWORD),
        "{}",
        story.service.log()
    );
}
