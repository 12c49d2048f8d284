//! The service manager's side of the service: a real datagram socket, as systemd has one.

use std::fs;
use std::io::{Read, Write};
use std::os::linux::net::SocketAddrExt;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{SocketAddr, UnixDatagram, UnixStream};
use std::process::{Command, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use serde_json::json;

use super::{PATIENCE, Story, soon};
use crate::rig::process::Process;
use crate::rig::service::Heliostat;
use crate::rig::wait_for;

/// What the manager allows between two beats.
const WATCHDOG: Duration = Duration::from_secs(2);

/// What a manager hears.
struct Listener {
    socket: UnixDatagram,
    heard: Vec<String>,
    /// So many of them were looked at.
    seen: usize,
}

impl Listener {
    fn new(address: &SocketAddr) -> Listener {
        let socket = UnixDatagram::bind_addr(address).unwrap();
        socket.set_nonblocking(true).unwrap();
        Listener {
            socket,
            heard: Vec::new(),
            seen: 0,
        }
    }

    fn listen(&mut self) {
        let mut buffer = [0; 8192];
        while let Ok(length) = self.socket.recv(&mut buffer) {
            let message = String::from_utf8(buffer[..length].to_vec()).unwrap();
            self.heard.push(message);
        }
    }

    /// What came behind that which was looked at last.
    fn news(&mut self) -> Vec<String> {
        self.listen();
        let news = self.heard[self.seen..].to_vec();
        self.seen = self.heard.len();
        news
    }

    /// Waits for the next message with this in it, and gives it.
    #[track_caller]
    fn until(&mut self, what: &str) -> String {
        let found = wait_for(PATIENCE, || {
            self.listen();
            let mut unseen = self.heard[self.seen..].iter();
            let at = unseen.position(|message| message.contains(what))?;
            self.seen += at + 1;
            Some(self.heard[self.seen - 1].clone())
        });
        found.unwrap_or_else(|| panic!("nothing of `{what}`: {:#?}", self.heard))
    }
}

/// A story whose service has a manager, which it hears of as systemd would have it.
fn managed(story: &mut Story, name: &str) {
    let text = fs::read_to_string(story.service.manifest()).unwrap();
    story.service = Heliostat::new(&story.scratch.dir("managed"), &text)
        .env("NOTIFY_SOCKET", name)
        .env("WATCHDOG_USEC", WATCHDOG.as_micros().to_string());
}

fn by_path(story: &mut Story) -> Listener {
    let path = story.scratch.path().join("notify");
    let listener = Listener::new(&SocketAddr::from_pathname(&path).unwrap());
    managed(story, path.to_str().unwrap());
    listener
}

#[test]
fn a_manager_hears_of_the_start_of_how_it_is_of_beats_and_of_the_end() {
    let mut story = Story::new(|_| ());
    let name = format!("heliostat-{}-{}", std::process::id(), fastrand::u64(..));
    let address = SocketAddr::from_abstract_name(name.as_bytes()).unwrap();
    let mut listener = Listener::new(&address);
    managed(&mut story, &format!("@{name}"));
    story.write("before", "1");
    story.service.start();
    listener.until("READY=1");
    // Whoever was waiting for that may ask and write at once.
    assert!(story.service.status().is_some());
    story.write("after", "2");
    story.settle();
    let first = &listener.heard[0];
    assert!(first.starts_with("EXTEND_TIMEOUT_USEC="), "{first}");
    // At once with the start, or a moment later.
    listener.seen = 0;
    listener.until("STATUS=2 of 2 routes in sync");
    listener.until("WATCHDOG=1");
    let away = story.source.with_extension("away");
    fs::rename(&story.source, &away).unwrap();
    listener.until("STATUS=0 of 2 routes in sync; site/copy waiting, site/module waiting");
    fs::rename(&away, &story.source).unwrap();
    listener.until("STATUS=2 of 2 routes in sync");
    listener.until("WATCHDOG=1");
    story.service.stop();
    listener.until("STOPPING=1");
    let after = listener.news();
    assert!(!after.iter().any(|message| message.contains("READY")));
}

#[test]
fn a_manager_hears_of_reloads_and_why_one_was_rejected() {
    let mut story = Story::new(|_| ());
    let mut listener = by_path(&mut story);
    story.service.start();
    listener.until("READY=1");
    let good = fs::read_to_string(story.service.manifest()).unwrap();
    fs::write(story.service.manifest(), good.replace("targets", "tragets")).unwrap();
    assert_eq!(story.service.call(&["reload"]).code, 1);
    let began = listener.until("RELOADING=1");
    assert!(began.contains("\nMONOTONIC_USEC="), "{began}");
    let ended = listener.until("READY=1");
    assert!(
        ended.contains("STATUS=reload rejected, generation 1 goes on: ")
            && ended.contains("missing field `targets`"),
        "{ended}"
    );
    // It is not forgotten over what else there is to say…
    story.write("a", "a");
    let later = listener.until("; the last reload was rejected: ");
    assert!(later.contains("missing field `targets`"), "{later}");
    // …until one succeeds, by whatever way.
    fs::write(story.service.manifest(), good.replace("24h", "23h")).unwrap();
    let id = i32::try_from(story.service.id().unwrap()).unwrap();
    kill_process(Pid::from_raw(id).unwrap(), Signal::HUP).unwrap();
    listener.until("RELOADING=1");
    let ended = listener.until("READY=1");
    assert!(!ended.contains("rejected"), "{ended}");
    let healthy = |message: &str| message.starts_with("STATUS=") && message.ends_with("in sync");
    soon("the line is healthy again", || {
        listener.news().iter().any(|message| healthy(message))
    });
}

/// Holds one thread of a process before its next system call, until this is dropped.
struct Frozen(Process);

impl Frozen {
    fn new(id: u32) -> Frozen {
        let mut strace = Command::new("strace");
        strace.args(["-e", "trace=all", "-e", "inject=all:delay_enter=3600000000"]);
        strace.args(["-o", "/dev/null", "-p", &id.to_string()]);
        strace.stdout(Stdio::null()).stderr(Stdio::null());
        let frozen = Frozen(Process::spawn(&mut strace));
        soon("the thread is traced", || {
            let status = fs::read_to_string(format!("/proc/{id}/task/{id}/status")).unwrap();
            let tracer = status
                .lines()
                .find_map(|line| line.strip_prefix("TracerPid:"));
            tracer.is_some_and(|id| id.trim() != "0") && status.contains("(tracing stop)")
        });
        frozen
    }
}

impl Drop for Frozen {
    fn drop(&mut self) {
        self.0.signal(Signal::TERM, PATIENCE);
    }
}

/// Whether the control socket answers what the engine is not asked for.
fn answers(service: &Heliostat) -> bool {
    let mut stream = UnixStream::connect(service.socket()).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream
        .write_all(b"GET /nothing HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n")
        .unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer.starts_with("HTTP/1.1 404")
}

#[test]
fn an_engine_that_is_stuck_starves_the_watchdog_whatever_else_goes_on() {
    let mut story = Story::new(|_| ());
    let mut listener = by_path(&mut story);
    story.service.start();
    listener.until("READY=1");
    story.settle();
    listener.until("WATCHDOG=1");
    // The engine's loop is the first thread's; all others go on, and with them every timer of the runtime.
    let frozen = Frozen::new(story.service.id().unwrap());
    listener.news();
    let silence = wait_for(WATCHDOG * 2, || {
        assert!(answers(&story.service));
        Some(listener.news()).filter(|news| !news.is_empty())
    });
    assert_eq!(silence, None, "nobody else feeds it");
    drop(frozen);
    listener.until("WATCHDOG=1");
    story.settle();
}

/// Stands for rsync, and writes down what its environment is.
const TELLING: &str = "#!/bin/bash\n/usr/bin/env >> HERE/environment\nexec /usr/bin/rsync \"$@\"\n";

#[test]
fn children_do_not_know_of_the_manager() {
    let mut story = Story::new(|_| ());
    let bin = story.scratch.dir("bin");
    let rsync = bin.join("rsync");
    fs::write(&rsync, TELLING.replace("HERE", bin.to_str().unwrap())).unwrap();
    fs::set_permissions(&rsync, PermissionsExt::from_mode(0o755)).unwrap();
    let agent = story.scratch.path().join("agent.yaml");
    let text = json!({"apiVersion": "heliostat/v1", "kind": "Agent", "rsync": {"path": rsync}});
    fs::write(&agent, text.to_string()).unwrap();
    let text = fs::read_to_string(story.service.manifest()).unwrap();
    let path = story.scratch.path().join("notify");
    let mut listener = Listener::new(&SocketAddr::from_pathname(&path).unwrap());
    story.service = Heliostat::new(&story.scratch.dir("managed"), &text)
        .env("NOTIFY_SOCKET", &path)
        .env("WATCHDOG_USEC", "2000000")
        .arg("--agent")
        .arg(&agent);
    story.write("a", "a");
    story.start();
    listener.until("READY=1");
    let environment = fs::read_to_string(bin.join("environment")).unwrap();
    assert!(environment.contains("HELIOSTAT_OWNER="), "{environment}");
    for name in ["NOTIFY_SOCKET", "WATCHDOG_"] {
        assert!(!environment.contains(name), "{environment}");
    }
}

#[test]
fn a_manager_shows_why_nothing_was_started() {
    let mut story = Story::new(|site| site["targets"] = json!({}));
    let mut listener = by_path(&mut story);
    story.service.start();
    assert_eq!(story.service.ended(PATIENCE), Some(78));
    listener.until("STATUS=nothing was started: there is no valid manifest to start with");
}
