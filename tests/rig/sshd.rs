//! A real sshd on loopback, with keys of its own.

use std::fs::{self, Permissions};
use std::net::{Ipv4Addr, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use super::process::Process;
use super::rsyncd::free_port;
use super::wait_for;

const PROGRAM: &str = "/usr/sbin/sshd";

/// How long it may take to listen.
const START_MAX: Duration = Duration::from_secs(10);

/// The daemon; ended with all its children when it goes out of scope.
pub struct Sshd {
    directory: PathBuf,
    port: u16,
    _process: Process,
}

impl Sshd {
    /// Whether this host has one.
    pub fn is_there() -> bool {
        Path::new(PROGRAM).exists()
    }

    /// Starts one that keeps its files in `directory`, and greets with a long banner, which is no error of anybody's.
    pub fn start(directory: &Path) -> Sshd {
        // The privilege-separated half wants it; a host that runs sshd has it.
        fs::create_dir_all("/run/sshd").unwrap();
        let at = |name: &str| directory.join(name);
        let (host, user) = (key(at("host key")), key(at("user key")));
        key(at("stranger"));
        let port = free_port();
        let public = |name: &str| fs::read_to_string(at(&format!("{name}.pub"))).unwrap();
        fs::write(at("authorized"), public("user key")).unwrap();
        fs::set_permissions(at("authorized"), Permissions::from_mode(0o600)).unwrap();
        let known = format!("[127.0.0.1]:{port} {}", public("host key"));
        fs::write(at("known hosts"), known).unwrap();
        fs::write(at("no hosts"), "").unwrap();
        fs::write(at("banner"), "rsync: this is a greeting\n".repeat(20)).unwrap();
        let config = format!(
            "Port {port}\nListenAddress 127.0.0.1\nHostKey \"{}\"\nAuthorizedKeysFile \"{}\"\nUsePAM no\n\
             StrictModes no\nPasswordAuthentication no\nPermitRootLogin yes\nPidFile none\nBanner \"{}\"\n",
            host.display(),
            at("authorized").display().to_string().replace('%', "%%"),
            at("banner").display(),
        );
        fs::write(at("sshd_config"), config).unwrap();
        let mut command = Command::new(PROGRAM);
        command.args(["-D", "-e", "-f"]).arg(at("sshd_config"));
        let log = fs::File::create(at("log")).unwrap();
        command.stdout(Stdio::null()).stderr(log);
        let process = Process::spawn(&mut command);
        wait_for(START_MAX, || {
            TcpStream::connect((Ipv4Addr::LOCALHOST, port)).ok()
        })
        .expect("sshd listens");
        assert!(user.exists());
        Sshd {
            directory: directory.to_owned(),
            port,
            _process: process,
        }
    }

    /// Where it listens.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Lets in whoever holds the key of another, and trusts what the other trusts, in both ways.
    pub fn befriend(&self, other: &Sshd) {
        let append = |to: PathBuf, from: PathBuf| {
            let both = fs::read_to_string(&to).unwrap() + &fs::read_to_string(from).unwrap();
            fs::write(to, both).unwrap();
        };
        append(self.file("authorized"), other.file("user key.pub"));
        append(other.file("known hosts"), self.file("known hosts"));
    }

    /// How many have logged in so far.
    pub fn logins(&self) -> usize {
        let log = fs::read_to_string(self.file("log")).unwrap();
        log.matches("Accepted publickey").count()
    }

    /// One of its files: `user key`, a `stranger`'s key, its own as `known hosts`, and `no hosts`.
    pub fn file(&self, name: &str) -> PathBuf {
        self.directory.join(name)
    }
}

fn key(path: PathBuf) -> PathBuf {
    let mut command = Command::new("ssh-keygen");
    command
        .args(["-q", "-t", "ed25519", "-N", "", "-f"])
        .arg(&path);
    assert!(command.stdin(Stdio::null()).status().unwrap().success());
    path
}
