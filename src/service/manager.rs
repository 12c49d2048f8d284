//! The service manager: what it is told, over the socket of sd_notify(3).
//!
//! Owns the socket and the words. When what is said is for `vitals` (by the engine's loop) and the reloader. Nobody waits
//! for the manager: a message that it has no room for is dropped, and whoever must be heard tries again. That, and one socket
//! for all messages, is why this is not a crate's work: `sd-notify` opens a socket a message and waits for room on it.
//!
//! Without `NOTIFY_SOCKET` all of it does nothing. No child inherits that variable: each is started with an environment of
//! its own.

use std::env;
use std::ffi::{OsStr, OsString};
use std::io;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};
use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};

/// A line that is longer is cut: it is shown in one line of `systemctl status`.
const LINE_MAX: usize = 400;

/// Between two tries to say something that must be heard…
const AGAIN: Duration = Duration::from_millis(200);
/// …which are so many: a manager that takes nothing for a minute is not one.
const TRIES: u32 = 300;

/// Where the service is in its life, as the manager was told; 0: it starts.
const READY: u8 = 1;
const STOPPING: u8 = 2;

/// The manager. Cloning shares it.
#[derive(Clone, Debug, Default)]
pub struct Manager(Arc<Line>);

#[derive(Debug, Default)]
struct Line {
    socket: Option<(UnixDatagram, SocketAddr)>,
    watchdog: Option<Duration>,
    stage: AtomicU8,
    /// What it shows is not what the engine's loop said last.
    overwritten: AtomicBool,
}

impl Manager {
    /// The one that started this process, if one did that wants to hear of it.
    pub fn of_environment() -> Manager {
        let found = Manager::of(|name| env::var_os(name), std::process::id());
        found.unwrap_or_else(|wrong| {
            tracing::warn!("the service manager cannot be told anything: {wrong}");
            Manager::default()
        })
    }

    fn of(variable: impl Fn(&str) -> Option<OsString>, own: u32) -> Result<Manager, String> {
        let Some(name) = variable("NOTIFY_SOCKET").filter(|name| !name.is_empty()) else {
            return Ok(Manager::default());
        };
        let number = |name: &str| variable(name)?.to_str()?.parse::<u64>().ok();
        // sd_watchdog_enabled(3): it may be meant for another process.
        let meant = number("WATCHDOG_PID").is_none_or(|id| id == u64::from(own));
        let watchdog = number("WATCHDOG_USEC").filter(|usec| meant && *usec > 0);
        let found = Manager::at(&name, watchdog.map(Duration::from_micros));
        found.map_err(|error| format!("NOTIFY_SOCKET: {error}"))
    }

    /// The one that listens here.
    pub(super) fn at(name: &OsStr, watchdog: Option<Duration>) -> io::Result<Manager> {
        let address = address(name)?;
        let socket = UnixDatagram::unbound()?;
        socket.set_nonblocking(true)?;
        Ok(Manager(Arc::new(Line {
            socket: Some((socket, address)),
            watchdog,
            ..Line::default()
        })))
    }

    /// Whether there is one.
    pub fn listens(&self) -> bool {
        self.0.socket.is_some()
    }

    /// Unless it hears a beat so often, it ends this process.
    pub fn watchdog(&self) -> Option<Duration> {
        self.0.watchdog
    }

    /// How the service is, in one line. Whether it was taken.
    pub fn status(&self, line: &str) -> bool {
        self.tell(&format!("STATUS={}", shortened(line)))
    }

    /// The engine's loop goes round.
    pub fn beat(&self) -> bool {
        self.tell("WATCHDOG=1")
    }

    /// The start, or the end, takes longer; it is heard from again within `time`.
    pub fn extend(&self, time: Duration) -> bool {
        self.tell(&format!("EXTEND_TIMEOUT_USEC={}", time.as_micros()))
    }

    /// The start is over.
    pub fn ready(&self, line: &str) -> bool {
        let told = self.tell(&format!("READY=1\nSTATUS={}", shortened(line)));
        if told {
            self.0.stage.store(READY, Ordering::Relaxed);
        }
        told
    }

    /// The end has begun.
    pub fn stopping(&self, line: &str) -> bool {
        self.0.stage.store(STOPPING, Ordering::Relaxed);
        self.tell(&format!("STOPPING=1\nSTATUS={}", shortened(line)))
    }

    /// Files are being taken over. Whether it is to hear of the end of that: before it is ready it would take that for the
    /// end of the start.
    pub async fn reloading(&self) -> bool {
        if self.0.stage.load(Ordering::Relaxed) != READY {
            return false;
        }
        let now = clock_gettime(ClockId::Monotonic);
        let usec = now.tv_sec * 1_000_000 + now.tv_nsec / 1000;
        self.insist(&format!("RELOADING=1\nMONOTONIC_USEC={usec}"))
            .await
    }

    /// They were taken over, or not for this reason.
    pub async fn reloaded(&self, rejected: Option<&str>) {
        let mut message = "READY=1".to_owned();
        if let Some(reason) = rejected {
            message += &format!("\nSTATUS={}", shortened(reason));
            self.0.overwritten.store(true, Ordering::Relaxed);
        }
        if self.0.stage.load(Ordering::Relaxed) != STOPPING && !self.insist(&message).await {
            tracing::warn!("the service manager took no notice of a reload's end for a minute");
        }
    }

    /// Whether it shows something else than the engine's loop said last; asked once.
    pub fn overwritten(&self) -> bool {
        self.0.overwritten.swap(false, Ordering::Relaxed)
    }

    /// Says it until it is heard.
    async fn insist(&self, message: &str) -> bool {
        for _ in 0..TRIES {
            if self.tell(message) {
                return true;
            }
            tokio::time::sleep(AGAIN).await;
        }
        false
    }

    fn tell(&self, message: &str) -> bool {
        let Some((socket, address)) = &self.0.socket else {
            return true;
        };
        match socket.send_to_addr(message.as_bytes(), address) {
            Ok(_) => true,
            Err(error) => {
                tracing::debug!(message, "the service manager does not hear: {error}");
                false
            }
        }
    }
}

/// A path, or with `@` an abstract name.
fn address(name: &OsStr) -> io::Result<SocketAddr> {
    match name.as_bytes() {
        [b'@', name @ ..] => SocketAddr::from_abstract_name(name),
        [b'/', ..] => SocketAddr::from_pathname(name),
        _ => Err(io::Error::other(format!(
            "`{}` is neither a path nor an abstract name",
            name.display()
        ))),
    }
}

/// One line, and not a long one.
fn shortened(line: &str) -> String {
    let plain = |c: char| if c.is_control() { ' ' } else { c };
    let mut short: String = line.chars().map(plain).take(LINE_MAX).collect();
    if line.chars().nth(LINE_MAX).is_some() {
        short.push('…');
    }
    short
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A manager's socket, and what knows of it by these variables.
    fn listening(name: &str, further: &[(&str, &str)]) -> (UnixDatagram, Manager) {
        let listener = UnixDatagram::bind_addr(&address(OsStr::new(name)).unwrap()).unwrap();
        listener.set_nonblocking(true).unwrap();
        let variable = |asked: &str| match asked {
            "NOTIFY_SOCKET" => Some(name.into()),
            _ => {
                let mut given = further.iter();
                let given = given.find(|(name, _)| *name == asked);
                given.map(|(_, value)| (*value).into())
            }
        };
        let manager = Manager::of(variable, 42).unwrap();
        (listener, manager)
    }

    fn heard(listener: &UnixDatagram) -> Vec<String> {
        let mut buffer = [0; 4096];
        let mut all = Vec::new();
        while let Ok(length) = listener.recv(&mut buffer) {
            all.push(String::from_utf8(buffer[..length].to_vec()).unwrap());
        }
        all
    }

    #[tokio::test]
    async fn it_is_told_in_its_own_words_by_path_and_by_abstract_name() {
        let scratch = tempfile::tempdir().unwrap();
        let path = scratch.path().join("notify").display().to_string();
        let hidden = format!("@heliostat-{}-{}", std::process::id(), fastrand::u64(..));
        for name in [path, hidden] {
            let (listener, manager) = listening(&name, &[("WATCHDOG_USEC", "60000000")]);
            assert_eq!(manager.watchdog(), Some(Duration::from_secs(60)));
            assert!(!manager.reloading().await, "it has not started yet");
            assert!(manager.extend(Duration::from_secs(2)) && manager.ready("a\nREADY=0"));
            assert!(manager.beat() && manager.reloading().await);
            manager.reloaded(Some("no good")).await;
            assert!(manager.overwritten() && !manager.overwritten());
            assert!(manager.stopping("ends"));
            manager.reloaded(None).await;
            let mut all = heard(&listener);
            let reloading = all.remove(3);
            let since = reloading
                .strip_prefix("RELOADING=1\nMONOTONIC_USEC=")
                .unwrap();
            assert!(since.parse::<u64>().unwrap() > 0);
            assert_eq!(
                all,
                [
                    "EXTEND_TIMEOUT_USEC=2000000",
                    "READY=1\nSTATUS=a READY=0",
                    "WATCHDOG=1",
                    "READY=1\nSTATUS=no good",
                    "STOPPING=1\nSTATUS=ends",
                ]
            );
        }
    }

    #[test]
    fn one_that_takes_nothing_is_not_waited_for() {
        let scratch = tempfile::tempdir().unwrap();
        let path = scratch.path().join("notify").display().to_string();
        let (listener, manager) = listening(&path, &[]);
        let taken = (0..100_000).take_while(|_| manager.beat()).count();
        assert!(taken < 100_000, "its queue has an end");
        assert!(!manager.ready("not heard"));
        assert!(!heard(&listener).is_empty() && manager.ready("heard"));
        drop(listener);
        assert!(!manager.beat());
    }

    #[test]
    fn a_watchdog_of_another_process_is_not_fed_and_strange_sockets_are_said() {
        let hidden = format!("@heliostat-{}-{}", std::process::id(), fastrand::u64(..));
        let given = [("WATCHDOG_USEC", "5"), ("WATCHDOG_PID", "43")];
        assert_eq!(listening(&hidden, &given).1.watchdog(), None);
        let given = [("WATCHDOG_USEC", "5"), ("WATCHDOG_PID", "42")];
        let watchdog = listening(&hidden, &given).1.watchdog();
        assert_eq!(watchdog, Some(Duration::from_micros(5)));
        let of = |value: &'static str| {
            let found = Manager::of(|_| Some(value.into()), 42);
            found.map(|manager| manager.listens())
        };
        assert_eq!(of(""), Ok(false));
        assert!(of("vsock:2:1234").unwrap_err().contains("neither"));
        let none = Manager::of(|_| None, 42).unwrap();
        assert!(!none.listens() && none.beat());
    }

    #[test]
    fn a_line_is_one_and_short() {
        assert_eq!(shortened("a\tb\u{7}c"), "a b c");
        assert_eq!(shortened(&"ä".repeat(400)).chars().count(), 400);
        assert!(shortened(&"ä".repeat(401)).ends_with('…'));
    }
}
