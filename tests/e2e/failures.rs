//! Every failure shows its own state, code and message, on its own route alone; and heals when its cause is gone, without
//! a restart and without a new event.

use std::ffi::OsStr;
use std::fs::{self, Permissions};
use std::io::{Read, Write};
use std::net::TcpStream;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::{Value, json};

use super::{PATIENCE, Story, equal, extend, local, remote, site, soon, until, write};
use crate::rig::Scratch;
use crate::rig::churn::ODD_NAMES;
use crate::rig::mount::Mount;
use crate::rig::rsyncd::Rsyncd;
use crate::rig::service::{Heliostat, manifest};
use crate::rig::tree::{Look, differences};

/// A way to fail, on a daemon of its own.
struct Failure {
    /// The target.
    name: &'static str,
    /// What the status says.
    state: &'static str,
    code: &'static str,
    says: &'static str,
    /// Provokes it, and takes it away.
    act: fn(&mut Peer, bool),
}

/// A daemon, and who is in its way.
struct Peer {
    directory: PathBuf,
    module: PathBuf,
    daemon: Option<Rsyncd>,
    url: String,
    password_file: PathBuf,
    holder: Option<TcpStream>,
}

impl Peer {
    fn new(scratch: &Scratch, name: &str, lines: &str) -> Peer {
        let (directory, module) = (scratch.dir(&format!("daemon-{name}")), scratch.dir(name));
        let mut daemon = Rsyncd::new(&directory, &module).with_config(lines);
        daemon.start();
        let (url, password_file) = (daemon.url(), daemon.password_file());
        Peer {
            directory,
            module,
            daemon: Some(daemon),
            url,
            password_file,
            holder: None,
        }
    }

    fn daemon(&mut self) -> &mut Rsyncd {
        self.daemon.as_mut().unwrap()
    }

    /// Restarts it with other lines.
    fn configure(&mut self, lines: &str) {
        let mut daemon = self.daemon.take().unwrap().with_config(lines);
        daemon.restart();
        self.daemon = Some(daemon);
    }

    /// A second module, `later`, of the same directory.
    fn later(&self) -> String {
        format!("[later]\npath = {}\nread only = no", self.module.display())
    }

    /// One connection at a time.
    fn narrow(&self) -> String {
        format!(
            "max connections = 1\nlock file = {}",
            self.directory.join("lock").display()
        )
    }

    /// A client that never answers takes the only place. It may be taken at the moment, by the one that is to be refused.
    fn take_place(&mut self) {
        let port: u16 = self
            .url
            .split(':')
            .next_back()
            .unwrap()
            .split('/')
            .next()
            .unwrap()
            .parse()
            .unwrap();
        soon("the only place is taken", || {
            let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
            stream.set_read_timeout(Some(PATIENCE)).unwrap();
            stream
                .write_all(b"@RSYNCD: 31.0 sha512 sha256 sha1 md5 md4\nm\n")
                .unwrap();
            let mut said = Vec::new();
            let mut byte = [0];
            while said.iter().filter(|byte| **byte == b'\n').count() < 2
                && stream.read(&mut byte).unwrap_or(0) == 1
            {
                said.push(byte[0]);
            }
            let in_place = said.windows(8).any(|part| part == b"AUTHREQD");
            self.holder = in_place.then_some(stream);
            in_place
        });
    }
}

const FAILURES: &[Failure] = &[
    Failure {
        name: "password",
        state: "failing",
        code: "auth",
        says: "auth failed on module m",
        act: |peer, broken| {
            peer.daemon()
                .set_password(if broken { "other" } else { "website" })
        },
    },
    Failure {
        name: "gone",
        state: "retrying",
        code: "unreachable",
        says: "refused",
        act: |peer, broken| {
            if broken {
                peer.daemon().stop()
            } else {
                peer.daemon().start()
            }
        },
    },
    Failure {
        name: "readonly",
        state: "failing",
        code: "readOnly",
        says: "read only = no",
        act: |peer, broken| peer.configure(if broken { "read only = yes" } else { "" }),
    },
    Failure {
        name: "unknown",
        state: "failing",
        code: "unknownModule",
        says: "Unknown module 'later'",
        act: |peer, broken| {
            let later = peer.later();
            peer.configure(if broken { "" } else { &later });
        },
    },
    Failure {
        name: "busy",
        state: "retrying",
        code: "busy",
        says: "max connections",
        act: |peer, broken| {
            if broken {
                peer.take_place()
            } else {
                peer.holder = None
            }
        },
    },
    Failure {
        name: "open",
        state: "failing",
        code: "passwordFile",
        says: "can be read by others: `chmod 600` it",
        act: |peer, broken| {
            let mode = if broken { 0o644 } else { 0o600 };
            fs::set_permissions(&peer.password_file, Permissions::from_mode(mode)).unwrap();
        },
    },
    Failure {
        name: "nofile",
        state: "failing",
        code: "passwordFile",
        says: "create it with mode 600",
        act: |peer, broken| {
            let away = peer.directory.join("away");
            let (from, to) = if broken {
                (&peer.password_file, &away)
            } else {
                (&away, &peer.password_file)
            };
            fs::rename(from, to).unwrap();
        },
    },
    Failure {
        name: "unmade",
        state: "retrying",
        code: "noDestination",
        says: "mount or create it",
        act: |peer, broken| {
            let away = peer.module.with_extension("away");
            let (from, to) = if broken {
                (&peer.module, &away)
            } else {
                (&away, &peer.module)
            };
            fs::rename(from, to).unwrap();
        },
    },
];

#[test]
fn each_failure_of_a_daemon_shows_itself_on_its_own_route_and_heals() {
    let scratch = Scratch::new();
    let (source, copy) = (scratch.dir("source"), scratch.dir("copy"));
    let mut targets = json!({"copy": local(&copy)});
    let mut peers = Vec::new();
    for failure in FAILURES {
        let mut peer = Peer::new(&scratch, failure.name, "");
        match failure.name {
            "unknown" => peer.configure(&peer.later()),
            "busy" => peer.configure(&peer.narrow()),
            _ => {}
        }
        let mut target = remote(peer.daemon());
        // A session that was begun before would do without what is taken away.
        target["warm"] = json!("off");
        if failure.name == "unknown" {
            target["url"] = json!(peer.url.replace("/m", "/later"));
        }
        targets[failure.name] = target;
        peers.push(peer);
    }
    let mut service = Heliostat::new(
        &scratch.dir("service"),
        &manifest(&json!({"site": site(&source, targets)})),
    );
    write(&source, "first", "1");
    service.start();
    assert!(service.wait(PATIENCE), "{}", service.tail());
    // First to a service that runs, then to one that starts into it.
    for round in ["live", "start"] {
        if round == "start" {
            service.stop();
        }
        for (failure, peer) in FAILURES.iter().zip(&mut peers) {
            (failure.act)(peer, true);
        }
        write(&source, round, round);
        if round == "start" {
            service.start();
        }
        for failure in FAILURES {
            let route = until(&service, &format!("site/{}", failure.name), |route| {
                route["state"] == failure.state && route["code"] == failure.code
            });
            let why = route["why"].as_str().unwrap_or_default();
            assert!(
                why.contains(failure.says) && !why.contains('\n'),
                "{}: {why}",
                failure.name
            );
            assert!(
                route["lagSeconds"].is_number(),
                "{}: {route:#}",
                failure.name
            );
        }
        until(&service, "site/copy", |route| {
            route["state"] == "in sync" && route["why"].is_null()
        });
        equal(&source, &copy, &service);
        assert_eq!(service.call(&["status", "--check"]).code, 1);
        assert_eq!(service.call(&["status", "site/copy", "--check"]).code, 0);
        assert_eq!(service.call(&["wait", "site/copy"]).code, 0);
        assert_eq!(service.call(&["wait", "--timeout", "100ms"]).code, 5);
        for (failure, peer) in FAILURES.iter().zip(&mut peers) {
            (failure.act)(peer, false);
        }
        for (failure, peer) in FAILURES.iter().zip(&peers) {
            until(&service, &format!("site/{}", failure.name), |route| {
                route["state"] == "in sync" && route["code"].is_null()
            });
            assert_eq!(
                differences(&source, &peer.module, &Look::default()),
                [],
                "{}",
                failure.name
            );
        }
        assert!(service.wait(PATIENCE), "{}", service.tail());
        assert_eq!(service.call(&["status", "--check"]).code, 0);
    }
}

#[test]
fn rsync_that_is_not_there_is_found_when_it_comes() {
    // A session that was begun before it went would do without it.
    let mut story = Story::new(|site| site["targets"]["module"]["warm"] = json!("off"));
    let rsync = story.scratch.dir("bin").join("rsync");
    let agent = story.scratch.path().join("agent.yaml");
    let text = json!({"apiVersion": "heliostat/v1", "kind": "Agent", "rsync": {"path": rsync}});
    fs::write(&agent, text.to_string()).unwrap();
    story.service = Heliostat::new(
        &story.scratch.dir("with-agent"),
        &fs::read_to_string(story.service.manifest()).unwrap(),
    )
    .arg("--agent")
    .arg(&agent);
    story.write("a", "a");
    story.service.start();
    let route = story.shows("module", "failing", "noRsync");
    assert!(
        route["why"].as_str().unwrap().contains("install rsync"),
        "{route:#}"
    );
    story.in_sync("copy");
    symlink("/usr/bin/rsync", &rsync).unwrap();
    story.settle();
    fs::remove_file(&rsync).unwrap();
    story.write("b", "b");
    story.shows("module", "failing", "noRsync");
    story.in_sync("copy");
    fs::copy("/usr/bin/rsync", &rsync).unwrap();
    story.settle();
}

#[test]
fn a_target_that_is_full_or_read_only_heals() {
    let scratch = Scratch::new();
    let (source, module, copy, other) = (
        scratch.dir("source"),
        scratch.dir("module"),
        scratch.dir("copy"),
        scratch.dir("other"),
    );
    let mounts = [Mount::tmpfs(&module, "128k"), Mount::tmpfs(&copy, "128k")];
    let mut daemon = Rsyncd::new(&scratch.dir("daemon"), &module);
    daemon.start();
    let targets = json!({"module": remote(&daemon), "copy": local(&copy), "other": local(&other)});
    let mut service = Heliostat::new(
        &scratch.dir("service"),
        &manifest(&json!({"site": site(&source, targets)})),
    );
    write(&source, "small", "fits");
    service.start();
    assert!(service.wait(PATIENCE), "{}", service.tail());
    write(&source, "large", &"x".repeat(400_000));
    write(&source, "after", "small, too");
    for target in ["module", "copy"] {
        let route = until(&service, &format!("site/{target}"), |route| {
            route["code"] == "noSpace"
        });
        assert_eq!(route["state"], "retrying", "{route:#}");
        assert!(
            route["why"].as_str().unwrap().contains("make room"),
            "{route:#}"
        );
    }
    until(&service, "site/other", |route| route["state"] == "in sync");
    equal(&source, &other, &service);
    for mount in &mounts {
        mount.remount("size=4m");
    }
    assert!(service.wait(PATIENCE), "{}", service.tail());
    for target in [&module, &copy] {
        assert_eq!(differences(&source, target, &Look::default()), []);
    }
    for mount in &mounts {
        mount.remount("ro");
    }
    write(&source, "d/later", "1");
    for target in ["module", "copy"] {
        let route = until(&service, &format!("site/{target}"), |route| {
            route["state"] == "failing"
        });
        let why = route["why"].as_str().unwrap().to_lowercase();
        assert!(why.contains("read-only"), "{route:#}");
    }
    until(&service, "site/other", |route| route["state"] == "in sync");
    for mount in &mounts {
        mount.remount("rw");
    }
    assert!(service.wait(PATIENCE), "{}", service.tail());
    for target in [&module, &copy] {
        assert_eq!(differences(&source, target, &Look::default()), []);
    }
}

/// Not even root reads what it may not: the service lacks the privilege.
pub(super) const UNPRIVILEGED: &[&str] =
    &["setpriv", "--bounding-set=-dac_override,-dac_read_search"];

fn chmod(path: &Path, mode: u32) {
    fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
}

/// The failing paths of a route.
fn failing(route: &Value) -> Vec<&str> {
    route["failing"]
        .as_array()
        .unwrap()
        .iter()
        .map(|path| path["path"].as_str().unwrap())
        .collect()
}

#[test]
fn what_cannot_be_read_fails_by_name_and_the_rest_is_sent() {
    let mut story = Story::with(&json!({"delete": "mirror"}));
    let service = std::mem::replace(
        &mut story.service,
        Heliostat::new(&story.scratch.dir("unused"), ""),
    );
    story.service = service.under(UNPRIVILEGED);
    for name in [
        "d/secret",
        "d/open",
        "closed/inside",
        "closed/sub/deep",
        "a",
    ] {
        story.write(name, name);
    }
    story.start();
    for round in ["live", "start"] {
        if round == "start" {
            story.service.stop();
        }
        story.write("d/secret", round);
        chmod(&story.source.join("d/secret"), 0);
        story.write("closed/sub/deep", &format!("not seen {round}"));
        chmod(&story.source.join("closed"), 0);
        story.write("a", &format!("changed {round}"));
        fs::remove_file(story.source.join("d/open")).unwrap();
        if round == "start" {
            story.service.start();
        }
        for target in ["module", "copy"] {
            let route = story.until(target, |route| {
                route["code"] == "paths" && failing(route).contains(&"d/secret")
            });
            assert_eq!(route["state"], "failing", "{route:#}");
            let reason = &route["failing"]
                .as_array()
                .unwrap()
                .iter()
                .find(|path| path["path"] == "d/secret")
                .unwrap()["reason"];
            assert!(
                reason
                    .as_str()
                    .unwrap()
                    .to_lowercase()
                    .contains("permission denied"),
                "{route:#}"
            );
        }
        for (name, at) in [("module", &story.module), ("copy", &story.copy)] {
            soon(
                &format!(
                    "the rest is on {name}\n{:#}\n{}",
                    story.status(),
                    story.service.tail()
                ),
                || {
                    fs::read_to_string(at.join("a"))
                        .is_ok_and(|text| text == format!("changed {round}"))
                },
            );
            for kept in ["closed/inside", "closed/sub/deep", "d/secret"] {
                assert!(
                    at.join(kept).exists(),
                    "{kept} is gone from {name}: {}",
                    story.service.tail()
                );
            }
        }
        assert_eq!(story.service.call(&["wait", "--timeout", "500ms"]).code, 5);
        chmod(&story.source.join("d/secret"), 0o640);
        chmod(&story.source.join("closed"), 0o755);
        story.settle();
        story.write("d/open", "again");
        story.settle();
    }
}

#[test]
fn what_cannot_be_written_fails_by_name_and_heals_without_an_event() {
    let mut story = Story::with(&json!({"delete": "mirror"}));
    let odd = OsStr::from_bytes(b"stuck\n\xff");
    fs::create_dir(story.source.join("d")).unwrap();
    fs::write(story.source.join("d").join(odd), "old").unwrap();
    story.write("d/free", "old");
    story.write("d/doomed", "old");
    story.start();
    let immutable = |on: &str| {
        for target in [&story.module, &story.copy] {
            for name in [odd, "doomed".as_ref()] {
                let done = Command::new("chattr")
                    .arg(on)
                    .arg(target.join("d").join(name))
                    .status()
                    .unwrap();
                assert!(
                    done.success(),
                    "the scratch directory's file system knows no immutable files"
                );
            }
        }
    };
    immutable("+i");
    fs::write(story.source.join("d").join(odd), "newer").unwrap();
    fs::remove_file(story.source.join("d/doomed")).unwrap();
    story.write("d/free", "newer");
    let shown = ["module", "copy"].map(|target| {
        story.until(target, |route| {
            route["state"] == "failing" && route["failingCount"] == 2
        })
    });
    let free = [&story.module, &story.copy]
        .map(|target| fs::read_to_string(target.join("d/free")).unwrap());
    let table = story.service.call(&["status", "--paths"]).stdout;
    immutable("-i");
    for route in shown {
        assert_eq!(
            failing(&route),
            ["d/doomed", "d/stuck\\n\\xff"],
            "{route:#}"
        );
        assert_eq!(route["code"], "paths", "{route:#}");
    }
    assert_eq!(free, ["newer", "newer"]);
    assert!(table.contains("d/stuck\\n\\xff: "), "{table}");
    story.settle();
}

#[test]
fn what_vanishes_while_it_is_sent_is_no_failure() {
    let mut story = Story::with(&json!({"delete": "mirror", "bandwidth": "512KiB/s"}));
    story.start();
    // Sent in this order: the first takes a while.
    let away = story.scratch.dir("away");
    for name in ["d/1", "d/2", "d/3", "d/sub/4", "e/5"] {
        write(
            &away,
            name,
            &"x".repeat(if name == "d/1" { 1_500_000 } else { 10 }),
        );
    }
    for name in ["d", "e"] {
        fs::rename(away.join(name), story.source.join(name)).unwrap();
    }
    // Under its temporary name.
    soon("a transfer of the large file", || {
        [&story.module, &story.copy]
            .iter()
            .all(|target| fs::read_dir(target.join("d")).is_ok_and(|names| names.count() > 0))
    });
    fs::remove_file(story.source.join("d/2")).unwrap();
    fs::remove_dir_all(story.source.join("d/sub")).unwrap();
    fs::rename(story.source.join("e"), story.source.join("f")).unwrap();
    fs::write(story.source.join("d/3"), "changed").unwrap();
    let failed = std::cell::Cell::new(false);
    for target in ["module", "copy"] {
        story.until(target, |route| {
            failed.set(failed.get() || route["state"] == "failing" || route["state"] == "retrying");
            route["state"] == "in sync"
        });
    }
    assert!(!failed.get(), "{}", story.service.tail());
    story.settle();
}

#[test]
fn names_are_names() {
    let mut story = Story::with(&json!({"delete": "mirror", "maxDelete": 1000}));
    let source = story.source.clone();
    let at = |name: &[u8], below: &str| source.join(below).join(OsStr::from_bytes(name));
    for directory in ["d", "late/moved"] {
        fs::create_dir_all(source.join(directory)).unwrap();
    }
    for name in ODD_NAMES {
        fs::write(at(name, ""), "1").unwrap();
        fs::create_dir(at(name, "d")).unwrap();
        fs::write(at(name, "d").join(OsStr::from_bytes(name)), "1").unwrap();
    }
    story.start();
    for name in ODD_NAMES {
        fs::write(at(name, "late"), "1").unwrap();
        fs::write(at(name, ""), "2").unwrap();
    }
    story.settle();
    for pair in ODD_NAMES.chunks_exact(2) {
        fs::rename(at(pair[0], "d"), at(pair[0], "late/moved")).unwrap();
        fs::remove_file(at(pair[1], "")).unwrap();
        fs::remove_dir_all(at(pair[1], "d")).unwrap();
        symlink("x", at(pair[1], "d")).unwrap();
    }
    story.settle();
    assert!(
        story.status()["routes"]
            .as_array()
            .unwrap()
            .iter()
            .all(|route| route["failingCount"] == 0)
    );
}

/// A route of its own is broken by a local target that is not there, or is something else.
#[test]
fn a_local_target_without_its_place_shows_itself_and_heals() {
    let mut story = Story::new(|site| {
        let url = site["targets"]["copy"]["url"].as_str().unwrap().to_owned();
        site["targets"]["copy"]["url"] = json!(format!("{url}/missing/below"));
        extend(&mut site["targets"]["copy"], &json!({"delete": "mirror"}));
    });
    story.write("a", "a");
    story.service.start();
    let route = story.shows("copy", "retrying", "noDestination");
    assert!(
        route["why"]
            .as_str()
            .unwrap()
            .contains("mount or create it"),
        "{route:#}"
    );
    story.in_sync("module");
    fs::write(story.copy.join("missing"), "a file").unwrap();
    story.until("copy", |route| {
        route["why"]
            .as_str()
            .is_some_and(|why| !why.contains("mount or create it"))
    });
    fs::remove_file(story.copy.join("missing")).unwrap();
    fs::create_dir(story.copy.join("missing")).unwrap();
    story.copy = story.copy.join("missing/below");
    story.settle();
}
