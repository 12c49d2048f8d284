//! `doctor` on what the agent file asks for: each fault is named, and is gone when the remedy was carried out.

use std::ffi::OsString;
use std::fs::{self, Permissions};
use std::net::{SocketAddr, TcpListener};
use std::os::unix::fs::PermissionsExt;
use std::process::Command;

use serde_json::{Value, json};

use super::{PATIENCE, Story, extend};
use crate::rig::service::Heliostat;
use crate::rig::wait_for;

/// What is found of this check, with these keys in the agent file: grade, words and remedy.
fn look(story: &Story, keys: &Value, check: &str) -> (String, String, String) {
    let path = story.scratch.path().join("agent.yaml");
    let mut agent = json!({"apiVersion": "heliostat/v1", "kind": "Agent"});
    extend(&mut agent, keys);
    fs::write(&path, agent.to_string()).unwrap();
    let arguments: Vec<OsString> = vec![
        "doctor".into(),
        "--format=json".into(),
        "--agent".into(),
        path.into(),
        "--state-dir".into(),
        story.service.state().into(),
        "--socket".into(),
        story.service.socket().into(),
        story.service.manifest().into(),
    ];
    let answer = story.service.command_line(&arguments, PATIENCE);
    let document: Value =
        serde_json::from_str(&answer.stdout).unwrap_or_else(|error| panic!("{error}: {answer:?}"));
    let mut found = document["findings"].as_array().unwrap().iter();
    let one = found.find(|finding| finding["check"] == check);
    let one = one.unwrap_or_else(|| panic!("nothing of `{check}`: {document:#}"));
    let text = |key: &str| one[key].as_str().unwrap_or_default().to_owned();
    (text("grade"), text("says"), text("remedy"))
}

/// It fails so, with this in its remedy; the remedy itself.
#[track_caller]
fn fails(story: &Story, keys: &Value, check: &str, says: &str, remedy: &str) -> String {
    let found = look(story, keys, check);
    assert!(
        found.0 == "error" && found.1.contains(says) && found.2.contains(remedy),
        "{found:?}"
    );
    found.2
}

#[track_caller]
fn is_good(story: &Story, keys: &Value, check: &str) {
    let found = look(story, keys, check);
    assert_eq!(
        (found.0.as_str(), found.2.as_str()),
        ("good", ""),
        "{found:?}"
    );
}

/// Does what the remedy says.
#[track_caller]
fn carry_out(remedy: &str) {
    let status = Command::new("sh").args(["-c", remedy]).status().unwrap();
    assert!(status.success(), "{remedy}");
}

#[test]
fn the_port_must_be_free_or_the_services_own() {
    let mut story = Story::new(|_| ());
    let other = TcpListener::bind("127.0.0.1:0").unwrap();
    let listen = other.local_addr().unwrap();
    let keys = |listen: SocketAddr| json!({"http": {"listen": listen.to_string()}});
    let which = format!("sport = :{}", listen.port());
    let taken = |story: &Story| {
        fails(story, &keys(listen), "http", "another program", &which);
    };
    taken(&story);
    let service = Heliostat::new(&story.scratch.dir("service"), &text(&story));
    story.service = service.arg("--http").arg("127.0.0.1:0");
    story.start();
    // That some service runs does not make it the service's.
    taken(&story);
    drop(other);
    let (grade, says, remedy) = look(&story, &keys(listen), "http");
    assert_eq!(grade, "warning", "{says}");
    assert!(remedy.contains("restart"), "{remedy}");
    let served = wait_for(PATIENCE, || {
        let log = story.service.log();
        let at = log.split("listen=").nth(1)?;
        at.split_whitespace().next()?.parse::<SocketAddr>().ok()
    });
    let served = served.expect("it serves HTTP");
    is_good(&story, &keys(served), "http");
    // The same port, asked after by somebody whose service is another one, and does not run or runs.
    let another = || {
        let which = format!("sport = :{}", served.port());
        move |story: &Story| fails(story, &keys(served), "http", "another heliostat", &which)
    };
    let mut second = Story::new(|_| ());
    another()(&second);
    second.start();
    another()(&second);
    drop(story);
}

/// Its manifest.
fn text(story: &Story) -> String {
    fs::read_to_string(story.service.manifest()).unwrap()
}

#[test]
fn groups_must_exist() {
    let story = Story::new(|_| ());
    let keys = |group: &str| json!({"access": {"operate": [group]}});
    fails(
        &story,
        &keys("no-such-group"),
        "access",
        "not there",
        "groupadd --system no-such-group",
    );
    // That remedy would change this host: a group that is there stands for it.
    is_good(&story, &keys("root"), "access");
    is_good(&story, &keys("4711"), "access");
}

#[test]
fn the_textfiles_directory_must_be_there() {
    let story = Story::new(|_| ());
    let directory = story.scratch.path().join("node exporter");
    let keys = json!({"metrics": {"textfile": directory.join("heliostat.prom")}});
    carry_out(&fails(
        &story,
        &keys,
        "textfile",
        "is no directory",
        "mkdir -p ",
    ));
    is_good(&story, &keys, "textfile");
    fs::create_dir(directory.join("heliostat.prom")).unwrap();
    fails(
        &story,
        &keys,
        "textfile",
        "it is a directory",
        "name a file",
    );
}

#[test]
fn the_file_with_a_url_is_for_its_owner_alone() {
    let story = Story::new(|_| ());
    let file = story.scratch.path().join("url");
    let keys = json!({"heartbeat": {"successFile": file}});
    fails(&story, &keys, "heartbeat", "not there", "create it");
    fs::write(&file, "https://example.com/ping\n").unwrap();
    fs::set_permissions(&file, Permissions::from_mode(0o644)).unwrap();
    carry_out(&fails(
        &story,
        &keys,
        "heartbeat",
        "everybody can read it",
        "chmod 600 ",
    ));
    is_good(&story, &keys, "heartbeat");
}

#[test]
fn a_ledger_that_cannot_be_read_is_known_before_the_start() {
    let mut story = Story::new(|_| ());
    story.start();
    is_good(&story, &json!({}), "stateDir");
    story.service.stop();
    is_good(&story, &json!({}), "stateDir");
    for entry in fs::read_dir(story.service.state()).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        if name.starts_with("ledger.sqlite") {
            fs::write(
                path,
                "no ledger at all, but a text that is longer than a header of one",
            )
            .unwrap();
        }
    }
    let (grade, says, remedy) = look(&story, &json!({}), "stateDir");
    assert!(
        grade == "warning" && says.contains("ledger.sqlite"),
        "{grade}: {says}"
    );
    let (_, command) = remedy.split_once("then ").unwrap();
    carry_out(command.split(',').next().unwrap());
    is_good(&story, &json!({}), "stateDir");
}
