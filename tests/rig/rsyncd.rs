//! A real rsync daemon on loopback: one module `m` with a user and a secrets file, transfers and deletions logged.

use std::fs::{self, Permissions};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use super::process::Process;
use super::wait_for;

/// How long a daemon may take to listen.
const START_MAX: Duration = Duration::from_secs(10);

const USER: &str = "website";

/// The daemon; ended with all its children when it goes out of scope.
pub struct Rsyncd {
    directory: PathBuf,
    module: PathBuf,
    port: u16,
    /// Lines of the module's section.
    extra: String,
    process: Option<Process>,
}

impl Rsyncd {
    /// A daemon that keeps its own files in `directory` and serves `module`; it is not started yet.
    pub fn new(directory: &Path, module: &Path) -> Rsyncd {
        fs::create_dir_all(directory).unwrap();
        fs::create_dir_all(module).unwrap();
        let port = free_port();
        let daemon = Rsyncd {
            directory: directory.to_owned(),
            module: module.to_owned(),
            port,
            extra: String::new(),
            process: None,
        };
        daemon.set_password("website");
        write_private(&daemon.password_file(), "website\n");
        daemon
    }

    /// Further lines for the module's section, from the next start on (`read only = yes`, `max connections = 1`). What is
    /// set twice counts as set last.
    pub fn with_config(mut self, lines: &str) -> Rsyncd {
        lines.clone_into(&mut self.extra);
        self
    }

    /// Starts it and waits until it listens.
    pub fn start(&mut self) {
        let config = self.directory.join("rsyncd.conf");
        let text = format!(
            "uid = root\ngid = root\nuse chroot = yes\nport = {port}\naddress = 127.0.0.1\nlog file = {log}\n\
             transfer logging = yes\nlog format = %o %f\n[m]\npath = {module}\nread only = no\nauth users = {USER}\n\
             secrets file = {secrets}\n{extra}\n",
            port = self.port,
            log = self.log_file().display(),
            module = self.module.display(),
            secrets = self.secrets_file().display(),
            extra = self.extra,
        );
        fs::write(&config, text).unwrap();
        let mut command = Command::new("/usr/bin/rsync");
        command.env_clear().args(["--daemon", "--no-detach"]);
        command.arg(format!("--config={}", config.display()));
        command.stdout(Stdio::null()).stderr(Stdio::null());
        self.process = Some(Process::spawn(&mut command));
        let listens = || TcpStream::connect((Ipv4Addr::LOCALHOST, self.port)).ok();
        wait_for(START_MAX, listens)
            .unwrap_or_else(|| panic!("rsyncd did not start: {}", self.log()));
        let ended = self.process.as_mut().and_then(Process::ended);
        assert!(ended.is_none(), "somebody else listens: {}", self.log());
    }

    /// Kills it, with all its children.
    pub fn stop(&mut self) {
        self.process = None;
    }

    /// The daemon's process id while it runs.
    #[allow(dead_code)] // for the benchmark, which measures it
    pub fn id(&self) -> Option<u32> {
        self.process.as_ref().map(Process::id)
    }

    /// Stops and starts it, on the same port.
    pub fn restart(&mut self) {
        self.stop();
        self.start();
    }

    /// What the daemon takes from now on; the client's password file stays as it is.
    pub fn set_password(&self, password: &str) {
        write_private(&self.secrets_file(), &format!("{USER}:{password}\n"));
    }

    /// The module's URL, with the user.
    pub fn url(&self) -> String {
        format!("rsync://{USER}@127.0.0.1:{}/m", self.port)
    }

    /// The module's URL through a relay on this port.
    #[allow(dead_code)] // for tests of failing connections
    pub fn url_through(&self, port: u16) -> String {
        format!("rsync://{USER}@127.0.0.1:{port}/m")
    }

    /// Where it listens.
    #[allow(dead_code)] // for tests of failing connections
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The client's password file.
    pub fn password_file(&self) -> PathBuf {
        self.directory.join("password")
    }

    /// What was logged so far.
    pub fn log(&self) -> String {
        let bytes = fs::read(self.log_file()).unwrap_or_default();
        String::from_utf8_lossy(&bytes).into_owned()
    }

    /// The paths that were deleted so far, in the log's spelling: below the module's own path, odd bytes escaped. Of those
    /// above ASCII the daemon escapes only some; here all of them are.
    pub fn deletions(&self) -> Vec<String> {
        let log = fs::read(self.log_file()).unwrap_or_default();
        let mut ascii = String::with_capacity(log.len());
        for byte in log {
            match byte {
                0x80.. => ascii.push_str(&format!("\\#{byte:03o}")),
                _ => ascii.push(char::from(byte)),
            }
        }
        ascii
            .lines()
            .filter_map(|line| Some(line.split_once(" del. ")?.1.to_owned()))
            .collect()
    }

    fn log_file(&self) -> PathBuf {
        self.directory.join("log")
    }

    fn secrets_file(&self) -> PathBuf {
        self.directory.join("secrets")
    }
}

/// A port that nobody listens on, and nobody comes to: the kernel gives those above to whoever asks for any, be it for the
/// near end of a connection. Two daemons of one run never get the same, those of two runs at once hardly.
pub fn free_port() -> u16 {
    const PORTS: std::ops::Range<u32> = 15_000..32_000;
    static ASKED: AtomicU32 = AtomicU32::new(0);
    let begin = std::process::id().wrapping_mul(61);
    let mut ports = std::iter::repeat_with(|| {
        let at = begin.wrapping_add(ASKED.fetch_add(1, Ordering::Relaxed));
        (PORTS.start + at % (PORTS.end - PORTS.start)) as u16
    });
    let free = |port: &u16| TcpListener::bind((Ipv4Addr::LOCALHOST, *port)).is_ok();
    ports
        .by_ref()
        .take(PORTS.len())
        .find(free)
        .expect("one of thousands is free")
}

fn write_private(path: &Path, text: &str) {
    fs::write(path, text).unwrap();
    fs::set_permissions(path, Permissions::from_mode(0o600)).unwrap();
}

#[cfg(test)]
mod tests {
    use std::process::Output;

    use super::*;
    use crate::rig::Scratch;

    fn push(daemon: &Rsyncd, source: &Path) -> Output {
        let mut command = Command::new("/usr/bin/rsync");
        command.env_clear().args(["-a", "--delete"]);
        command.arg(format!(
            "--password-file={}",
            daemon.password_file().display()
        ));
        command
            .arg(source.join(""))
            .arg(daemon.url())
            .output()
            .unwrap()
    }

    #[test]
    fn the_daemon_takes_its_password_logs_deletions_and_comes_back_on_its_port() {
        let scratch = Scratch::new();
        let (source, module) = (scratch.dir("source"), scratch.dir("module"));
        let mut daemon = Rsyncd::new(&scratch.dir("daemon"), &module);
        daemon.start();
        fs::write(source.join("a b"), "1").unwrap();
        let output = push(&daemon, &source);
        assert!(output.status.success(), "{output:?}");
        assert_eq!(daemon.deletions(), Vec::<String>::new());
        fs::remove_file(source.join("a b")).unwrap();
        assert!(push(&daemon, &source).status.success());
        assert_eq!(daemon.deletions(), ["a b"]);

        daemon.set_password("other");
        assert_eq!(push(&daemon, &source).status.code(), Some(5));
        daemon.set_password("website");
        daemon.stop();
        assert_eq!(push(&daemon, &source).status.code(), Some(10));
        daemon.restart();
        assert!(push(&daemon, &source).status.success());
    }

    #[test]
    fn further_lines_win() {
        let scratch = Scratch::new();
        let mut daemon = Rsyncd::new(&scratch.dir("daemon"), &scratch.dir("module"));
        daemon = daemon.with_config("read only = yes");
        daemon.start();
        assert_eq!(push(&daemon, &scratch.dir("source")).status.code(), Some(1));
    }
}
