//! How the other tools are started, each as its own documentation has it for a low latency.
//!
//! What is changed beyond that is apart, under its own name: "tuned" is what somebody finds who knows where the time goes
//! (`TCP_NODELAY` in rsync's client, a settle period of one millisecond in watchman), and neither documentation says.

use std::fs::{self, File};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use serde_json::{Value, json};

use crate::place::{Place, RSYNC};
use crate::rig::process::Process;
use crate::rig::rsyncd::Rsyncd;
use crate::rig::wait_for;

/// How long watchman may take to answer; it answers a new watch when it has read the whole tree.
const ANSWER_MAX: Duration = Duration::from_secs(300);

/// The script that the program replaces, its settings apart: the names, the port, and where its output goes.
pub fn script(own: &Path, place: &Place, daemon: &Rsyncd) -> Process {
    let (source, url) = (place.source.display(), daemon.url());
    let (password, log) = (daemon.password_file(), own.join("log"));
    let text = format!(
        r#"SRC={source}/
COMMAND={RSYNC}
Option="-vzrtopg --progress --delete"
PASSFILE={password}
inotifywait -mrq --timefmt '%y-%m-%d %H:%M' --format '%T %w%f %e' --event modify,delete,create,attrib $SRC | while read date time files
do
        $COMMAND $Option --password-file=$PASSFILE $SRC {url}
        echo "$files was rsyncd" >> {log} 2>&1
done
"#,
        password = password.display(),
        log = log.display(),
    );
    let path = own.join("rsync.sh");
    fs::write(&path, text).unwrap();
    let mut command = Command::new("bash");
    command.arg(path).stdout(Stdio::null());
    command.stderr(File::create(own.join("errors")).unwrap());
    Process::spawn(&mut command)
}

/// `default.rsync` with the smallest delay that is asked for: `delay` is what its manual names for a lower latency.
pub fn lsyncd(own: &Path, place: &Place, daemon: &Rsyncd, delay: u32, tuned: bool) -> Process {
    let extra = if tuned {
        ", _extra = { \"--sockopts=TCP_NODELAY\" }"
    } else {
        ""
    };
    let text = format!(
        "settings {{ nodaemon = true }}\n\
         sync {{ default.rsync, source = \"{source}\", target = \"{url}\", delay = {delay},\n\
         \x20 rsync = {{ archive = true, password_file = \"{password}\"{extra} }} }}\n",
        source = place.source.display(),
        url = daemon.url(),
        password = daemon.password_file().display(),
    );
    let path = own.join("lsyncd.lua");
    fs::write(&path, text).unwrap();
    let mut command = Command::new("lsyncd");
    command.arg(path);
    let log = File::create(own.join("log")).unwrap();
    command.stdout(log.try_clone().unwrap()).stderr(log);
    Process::spawn(&mut command)
}

/// A server of our own, with a trigger that gives the changed names to rsync: no shell in between, and `--force` with the
/// deletions, without which a removed directory stays.
pub fn watchman(own: &Path, place: &Place, daemon: &Rsyncd, tuned: bool) -> Process {
    let (config, socket) = (own.join("config.json"), own.join("sock"));
    let settings = if tuned {
        json!({"settle": 1})
    } else {
        json!({})
    };
    fs::write(&config, settings.to_string()).unwrap();
    let mut command = Command::new("watchman");
    // Its own configuration alone: what the host has would be another tool.
    command.env("WATCHMAN_CONFIG_FILE", config).env("HOME", own);
    command.arg("--foreground").arg(option("sockname", &socket));
    for file in ["logfile", "statefile", "pidfile"] {
        command.arg(option(file, &own.join(file)));
    }
    command.stdout(Stdio::null()).stderr(Stdio::null());
    let server = Process::spawn(&mut command);
    let root = place.source.to_str().unwrap();
    ask(own, &socket, &json!(["watch", root]));
    let mut send = vec![RSYNC.to_string()];
    send.extend(
        [
            "-a",
            "--force",
            "--delete-missing-args",
            "--files-from=-",
            "--quiet",
        ]
        .map(String::from),
    );
    if tuned {
        send.push("--sockopts=TCP_NODELAY".into());
    }
    send.push(format!(
        "--password-file={}",
        daemon.password_file().display()
    ));
    send.extend([format!("{root}/"), daemon.url()]);
    let trigger =
        json!({"name": "send", "expression": ["true"], "command": send, "stdin": "NAME_PER_LINE"});
    ask(own, &socket, &json!(["trigger", root, trigger]));
    server
}

fn option(name: &str, path: &Path) -> String {
    format!("--{name}={}", path.display())
}

/// A request to the server, which may not listen yet.
fn ask(own: &Path, socket: &Path, request: &Value) {
    let (question, answer) = (own.join("question"), own.join("answer"));
    fs::write(&question, request.to_string()).unwrap();
    let answered = wait_for(ANSWER_MAX, || {
        let mut command = Command::new("watchman");
        command
            .args(["--no-spawn", "--no-local", "--json-command"])
            .arg(option("sockname", socket));
        command.env("HOME", own);
        command.stdin(File::open(&question).unwrap());
        command
            .stdout(File::create(&answer).unwrap())
            .stderr(Stdio::null());
        let ok = command.status().unwrap().success();
        let text = fs::read_to_string(&answer).unwrap();
        (ok && !text.contains("\"error\"")).then_some(())
    });
    assert!(
        answered.is_some(),
        "watchman: {request}: {}",
        fs::read_to_string(&answer).unwrap_or_default()
    );
}
