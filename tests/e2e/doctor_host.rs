//! `doctor`, check by check: what is planted is named, the remedy is carried out as it is printed, and then it is gone.
//!
//! Each check has its finding here that is missing when the check is taken out.

use std::ffi::OsString;
use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};

use super::{PATIENCE, Story, extend, local, site, write};
use crate::rig::mount::Mount;
use crate::rig::service::manifest;
use crate::rig::{Scratch, left_out};

/// Nobody's id.
const USER: u32 = 65_501;

/// What the doctor has found.
struct Found(Vec<Value>);

impl Found {
    /// With these further arguments.
    fn of(story: &Story, more: &[&str]) -> Found {
        let mut arguments: Vec<OsString> = vec!["doctor".into(), "--format=json".into()];
        arguments.extend(more.iter().map(OsString::from));
        arguments.extend([
            "--state-dir".into(),
            story.service.state().into(),
            "--socket".into(),
            story.service.socket().into(),
            story.service.manifest().into(),
        ]);
        let answer = story.service.command_line(&arguments, PATIENCE);
        Found::read(&answer.stdout)
    }

    #[track_caller]
    fn read(text: &str) -> Found {
        let document: Result<Value, _> = serde_json::from_str(text);
        let document = document.unwrap_or_else(|error| panic!("{error}: {text}"));
        Found(document["findings"].as_array().unwrap().clone())
    }

    /// The finding of this check about this with these words: its grade and remedy.
    #[track_caller]
    fn says(&self, check: &str, about: &str, words: &str) -> (String, String) {
        let fits = |finding: &&Value| {
            finding["check"] == check
                && finding["about"] == about
                && finding["says"].as_str().unwrap().contains(words)
        };
        let found = self.0.iter().find(fits);
        let found =
            found.unwrap_or_else(|| panic!("no `{check}` of `{about}`: {words}: {:#?}", self.0));
        let text = |key: &str| found[key].as_str().unwrap_or_default().to_owned();
        (text("grade"), text("remedy"))
    }

    /// Nothing of this check about this is worse than good.
    #[track_caller]
    fn is_good(&self, check: &str, about: &str) {
        let mut all = self.0.iter();
        let of = |finding: &&Value| finding["check"] == check && finding["about"] == about;
        let bad = all
            .clone()
            .find(|finding| of(finding) && finding["grade"] != "good");
        assert!(all.any(|finding| of(&finding)) && bad.is_none(), "{bad:#?}");
    }
}

/// Does what a remedy says; what is more than a command is cut off, as a reader would.
#[track_caller]
fn carry_out(remedy: &str) {
    let command = ["once: ", "mount it, or "]
        .iter()
        .find_map(|before| Some(remedy.split_once(before)?.1))
        .unwrap_or(remedy);
    let command = command.split(", or ").next().unwrap();
    let output = Command::new("sh").args(["-c", command]).output().unwrap();
    assert!(output.status.success(), "{command}: {output:?}");
}

fn mode(path: &Path, mode: u32) {
    fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
}

/// The story with these sources instead of its own.
fn with(story: &Story, sources: &Value) {
    fs::write(story.service.manifest(), manifest(sources)).unwrap();
}

fn target(path: &Path, more: Value) -> Value {
    let mut target = local(path);
    extend(&mut target, &more);
    target
}

#[test]
fn every_fault_of_sources_and_targets_is_named_and_its_remedy_works_as_it_stands() {
    if !rustix::process::geteuid().is_root() {
        return left_out("mounts take root");
    }
    let story = Story::new(|_| ());
    let at = |name: &str| story.scratch.path().join(name);
    let copy = |name: &str| json!({"t": local(&story.scratch.dir(name))});
    let mut sources = json!({
        "site": site(&story.source, json!({
            "none": local(&at("not made yet")),
            "unmounted": target(&story.scratch.dir("unmounted"), json!({"guard": {"requireMount": true}})),
            "closed": local(&story.scratch.dir("closed")),
            "small": local(&story.scratch.dir("small")),
            "hooked": target(&story.scratch.dir("hooked"), json!({"hooks": {
                "before": {"run": [at("no-program")]}, "after": {"run": [at("program")]},
            }})),
            "far": {"url": "ssh://127.0.0.1:1/tmp/x", "ssh": {"identityFile": at("key"), "knownHostsFile": at("hosts")}},
        })),
    });
    for name in [
        "gone",
        "exposed/open",
        "guarded",
        "nested",
        "young",
        "foreign",
    ] {
        let at = at(name);
        let key = name.split('/').next().unwrap();
        if key != "gone" {
            fs::create_dir_all(&at).unwrap();
        }
        sources[key] = site(&at, copy(&format!("copy-{key}")));
    }
    sources["guarded"]["guard"] = json!({"marker": "is here", "requireMount": true});
    with(&story, &sources);

    mode(&at("exposed"), 0o777);
    fs::create_dir(at("nested/disk")).unwrap();
    let _nested = Mount::tmpfs(&at("nested/disk"), "64k");
    let closed = Mount::tmpfs(&at("closed"), "80m");
    closed.remount("ro");
    let _small = Mount::tmpfs(&at("small"), "1m,nr_inodes=1");
    // On an overlay there is no other one, where the tests run on one.
    let _layers = Mount::tmpfs(&story.scratch.dir("overlay"), "1m");
    let _foreign = Mount::overlay(&at("foreign"), &at("overlay"));
    let later = Command::new("touch")
        .args(["-d", "2099-01-01"])
        .arg(at("young"))
        .status();
    assert!(later.unwrap().success());
    fs::write(at("program"), "#!/bin/sh\n").unwrap();
    fs::write(at("key"), "x").unwrap();
    mode(&at("key"), 0o644);
    fs::write(at("hosts"), "").unwrap();

    let found = Found::of(&story, &[]);
    let says = |check: &str, about: &str, words: &str| found.says(check, about, words);
    let error = |check: &str, about: &str, words: &str, remedy: &str| {
        let (grade, found) = says(check, about, words);
        assert!(
            grade == "error" && found.contains(remedy),
            "{check} {about}: {grade}: {found}"
        );
        found
    };
    let warning = |check: &str, about: &str, words: &str, remedy: &str| {
        let (grade, found) = says(check, about, words);
        assert!(
            grade == "warning" && found.contains(remedy),
            "{check} {about}: {grade}: {found}"
        );
        found
    };
    error("source", "gone", "is not there", "create or mount it");
    let exposed = warning(
        "permissions",
        "exposed",
        "everybody may write",
        "chmod o-w ",
    );
    let marker = error(
        "guard",
        "guarded",
        "its marker `is here` is not there",
        "touch ",
    );
    error("guard", "guarded", "nothing is mounted at it", "mount ");
    assert_eq!(says("mounts", "nested", "`disk`").0, "note");
    warning("clock", "young", "changed in the future", "set the clocks");
    let (grade, often) = says("watch", "foreign", "it is on overlay");
    assert!(
        grade == "note" && often.contains("rescan"),
        "{grade}: {often}"
    );
    assert_eq!(says("watch", "site", "inotify").0, "good");
    for source in ["site", "exposed", "guarded", "nested", "young"] {
        assert_eq!(
            says("canary", source, "the kernel tells of changes").0,
            "good"
        );
    }

    let none = error("target", "site/none", "is not there", "mkdir ");
    error("guard", "site/unmounted", "nothing is mounted at", "mount ");
    let closed_again = error(
        "target",
        "site/closed",
        "mounted read-only",
        "mount -o remount,rw ",
    );
    warning("target", "site/small", "MiB are free", "make room");
    error("target", "site/small", "no inode is free", "remove files");
    error("hook", "site/hooked", "the `before` hook: ", "install it");
    let program = error("hook", "site/hooked", "is not executable", "chmod +x ");
    let key = error("secret", "site/far", "is open to others", "chmod 600 ");
    error(
        "secret",
        "site/far",
        "has no host key in it",
        "ssh-keyscan HOST >> ",
    );
    error("target", "site/far", "", "");
    assert_eq!(says("ssh", "ssh", "/usr/bin/ssh").0, "good");
    let host = story.service.host();
    for (check, about) in [
        ("clock", &*host),
        ("user", &*host),
        ("powers", &*host),
        ("service", "service"),
        ("stateDir", "state"),
        ("inotifyWatches", &*host),
        ("inotifyInstances", &*host),
        ("inotifyQueue", &*host),
        ("descriptors", &*host),
    ] {
        says(check, about, "");
    }

    for remedy in [exposed, marker, none, closed_again, program, key] {
        carry_out(&remedy);
    }
    fs::write(at("hosts"), "127.0.0.1 ssh-ed25519 AAAA\n").unwrap();
    mode(&at("hosts"), 0o666);
    let found = Found::of(&story, &[]);
    let open = found.says("secret", "site/far", "everybody may write").1;
    for target in ["site/none", "site/closed"] {
        found.is_good("target", target);
    }
    let still = found.says("hook", "site/hooked", "the `before` hook").0;
    assert_eq!(still, "error");
    assert_eq!(
        found.says("hook", "site/hooked", "the `after` hook").0,
        "good"
    );
    assert_eq!(found.says("guard", "guarded", "its marker").0, "good");
    let permissions = |finding: &Value| finding["check"] == "permissions";
    assert!(!found.0.iter().any(permissions), "{:#?}", found.0);
    carry_out(&open);
    Found::of(&story, &[]).is_good("secret", "site/far");
}

#[test]
fn what_the_service_may_is_judged_as_its_user() {
    if !rustix::process::geteuid().is_root() {
        return left_out("only root can become another user");
    }
    let story = Story::new(|site| {
        site["targets"].as_object_mut().unwrap().remove("module");
    });
    mode(story.scratch.path(), 0o755);
    let at = |name: &str| story.scratch.path().join(name);
    let (node, url, agent) = (story.scratch.dir("node"), at("url"), at("agent.yaml"));
    fs::write(&url, "https://example.com/ping").unwrap();
    mode(&url, 0o600);
    mode(&story.copy, 0o755);
    let keys = json!({"apiVersion": "heliostat/v1", "kind": "Agent",
        "metrics": {"textfile": node.join("a.prom")}, "heartbeat": {"successFile": url}});
    fs::write(&agent, keys.to_string()).unwrap();
    write(&story.source, "private/a", "a");
    mode(&story.source.join("private"), 0o700);
    mode(&story.source, 0o755);
    fs::create_dir_all(story.service.state()).unwrap();
    chown(story.service.state(), Some(USER), Some(USER)).unwrap();
    mode(&story.service.state(), 0o700);
    let host = story.service.host();
    let agent = agent.to_str().unwrap();

    // Root may everything, and says that this is not the service's case.
    let found = Found::of(&story, &["--agent", agent]);
    let textfile = node.join("a.prom").display().to_string();
    let url = url.display().to_string();
    for (check, about) in [("textfile", &textfile), ("heartbeat", &url)] {
        found.is_good(check, about);
    }
    let (grade, remedy) = found.says("user", &host, "rights are judged for `root`");
    assert_eq!(
        (grade.as_str(), remedy.as_str()),
        ("note", "heliostat doctor --user 65501")
    );
    let user = remedy.split(' ').next_back().unwrap();

    let look = || Found::of(&story, &["--agent", agent, "--user", user]);
    let found = look();
    assert_eq!(found.says("user", &host, "is the service's user").0, "good");
    assert_eq!(found.says("powers", &host, "may read every file").0, "good");
    found.is_good("stateDir", "state");
    // The source is root's, and its events are told all the same.
    found.is_good("canary", "site");
    // As the unit has it, it reads what is closed, and writes only what it may.
    found.is_good("heartbeat", &url);
    let remedies = [
        found.says("textfile", &textfile, "may not be written by `65501`"),
        found.says("target", "site/copy", "may not be written by `65501`"),
    ];
    for (grade, remedy) in &remedies {
        assert_eq!(grade, "error");
        carry_out(remedy);
    }
    let found = look();
    found.is_good("textfile", &textfile);
    found.is_good("target", "site/copy");

    // Without that power, what is closed is named.
    let setpriv = |sets: &[&str]| {
        let mut command = Command::new("setpriv");
        command
            .args(["--reuid=65501", "--regid=65501", "--clear-groups"])
            .args(sets);
        command.arg(env!("CARGO_BIN_EXE_heliostat"));
        command.args(["doctor", "--format=json", "--agent", agent, "--state-dir"]);
        command
            .arg(story.service.state())
            .arg("--socket")
            .arg(story.service.socket());
        let output = command
            .arg(story.service.manifest())
            .env_remove("TMPDIR")
            .output()
            .unwrap();
        Found::read(&String::from_utf8(output.stdout).unwrap())
    };
    let none = [
        "--inh-caps=-all",
        "--ambient-caps=-all",
        "--bounding-set=-all",
    ];
    let found = setpriv(&none);
    let (grade, remedy) = found.says("heartbeat", &url, "it may not be read by `65501`");
    assert_eq!(grade, "error");
    let (grade, how) = found.says("permissions", "site", "1 of 2 directories may not be read");
    assert!(
        grade == "error" && how.contains("CAP_DAC_READ_SEARCH"),
        "{how}"
    );
    assert_eq!(
        found
            .says("powers", &host, "reads only what that user may")
            .0,
        "note"
    );
    carry_out(&remedy);
    setpriv(&none).is_good("heartbeat", &url);

    // Nobody but root may; and a name that there is not is said.
    let asked = |user: &str| {
        story
            .service
            .command_line(&["doctor".into(), "--user".into(), user.into()], PATIENCE)
    };
    let nobody = asked("no-such-user");
    assert!(
        nobody.code == 2 && nobody.stderr.contains("there is no user"),
        "{nobody:?}"
    );
}

#[test]
fn limits_of_the_host_are_told_before_they_are_met_and_raised_as_it_says() {
    let story = Story::new(|_| ());
    for number in 0..20 {
        write(&story.source, &format!("d{number}/f"), "x");
    }
    let host = story.service.host();
    let doctor = format!(
        "{} doctor --format json --state-dir {} --socket {} {}",
        env!("CARGO_BIN_EXE_heliostat"),
        story.service.state().display(),
        story.service.socket().display(),
        story.service.manifest().display()
    );
    // What the remedies name is set in a user's name space of its own, and never on the host.
    let inside = |script: &str| {
        let output = Command::new("unshare")
            .args(["--user", "--map-root-user", "sh", "-c", script])
            .output()
            .unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        let documents = serde_json::Deserializer::from_str(&text).into_iter::<Value>();
        let found =
            documents.map(|one| Found(one.unwrap()["findings"].as_array().unwrap().clone()));
        found.collect::<Vec<Found>>()
    };
    let few = "echo 10 > /proc/sys/user/max_inotify_watches; echo 3 > /proc/sys/user/max_inotify_instances; ulimit -S -n 256";
    let [found] = &inside(&format!("{few}; {doctor}"))[..] else {
        panic!("one answer");
    };
    let (grade, watches) = found.says("inotifyWatches", &host, "21 directories are to be watched");
    assert!(
        grade == "error" && watches.starts_with("sysctl user.max_inotify_watches="),
        "{watches}"
    );
    found.says("inotifyWatches", &host, "directories would only be polled");
    let (grade, instances) = found.says("inotifyInstances", &host, "2 of 3 instances are needed");
    assert!(
        grade == "warning" && instances.starts_with("sysctl user.max_inotify_instances="),
        "{instances}"
    );
    let (grade, files) = found.says("descriptors", &host, "256 open files");
    assert!(
        grade == "warning" && files.contains("LimitNOFILE=1024"),
        "{files}"
    );
    let commands = [watches, instances].map(|remedy| remedy.split(" (").next().unwrap().to_owned());
    let raised = format!(
        "{few}; {}; ulimit -S -n 1024; {doctor}",
        commands.join("; ")
    );
    // Where there is no watch at all, the canary dies.
    let none = format!("echo 0 > /proc/sys/user/max_inotify_watches; {doctor}");
    let [found, dead] = &inside(&format!(
        "exec 2>/dev/null; {{ {raised}; }} | grep -v '^user\\.'; {none}"
    ))[..] else {
        panic!("two answers");
    };
    for check in ["inotifyWatches", "inotifyInstances", "descriptors"] {
        found.is_good(check, &host);
    }
    found.is_good("canary", "site");
    let (grade, remedy) = dead.says("canary", "site", "no inotify watch to spare");
    assert!(grade == "error" && remedy.contains("sysctl"), "{remedy}");
}

#[test]
fn the_rsync_of_this_host_is_looked_at() {
    let story = Story::new(|_| ());
    let scratch = Scratch::new();
    let (rsync, agent) = (
        scratch.path().join("rsync"),
        scratch.path().join("agent.yaml"),
    );
    let keys = json!({"apiVersion": "heliostat/v1", "kind": "Agent", "rsync": {"path": rsync}});
    fs::write(&agent, keys.to_string()).unwrap();
    let look = || Found::of(&story, &["--agent", agent.to_str().unwrap()]);
    let says = |version: &str| {
        fs::write(
            &rsync,
            format!("#!/bin/sh\necho '{{\"version\": \"{version}\"}}'\n"),
        )
        .unwrap();
        mode(&rsync, 0o755);
        look().says("rsync", "rsync", "")
    };
    let (grade, remedy) = look().says("rsync", "rsync", "cannot start");
    assert!(
        grade == "error" && remedy.contains("apt-get install rsync"),
        "{remedy}"
    );
    let (grade, remedy) = says("3.2.7");
    assert!(
        grade == "error" && remedy.starts_with("install 3.4 or later"),
        "{remedy}"
    );
    let (grade, remedy) = says("3.4.1");
    assert!(grade == "warning" && remedy.contains("3.5"), "{remedy}");
    assert_eq!(says("3.5.0").0, "good");
}
