//! The built binary, as an operator runs it.

use std::ffi::OsString;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus};
use std::time::{Duration, Instant};

use rustix::process::Signal;
use serde_json::{Value, json};

use super::process::Process;
use super::tree::{Look, wait_equal};
use super::wait_for;

const BINARY: &str = env!("CARGO_BIN_EXE_heliostat");

/// How long the service may drain after SIGTERM.
const STOP_MAX: Duration = Duration::from_secs(20);

/// How long a command may take that does not wait by itself.
const CALL_MAX: Duration = Duration::from_secs(30);

/// Lines of the log that a failure shows.
const TAIL_LINES: usize = 30;

/// A manifest of these sources, in the manifest's own words: `{"site": {"path": …, "targets": {…}}}`. JSON is YAML.
pub fn manifest(sources: &Value) -> String {
    json!({"apiVersion": "heliostat/v1", "kind": "Manifest", "sources": sources}).to_string()
}

/// What a command said.
#[derive(Debug)]
pub struct Answer {
    /// The exit status; 128 and the signal where one ended it.
    pub code: i32,
    /// Results.
    pub stdout: String,
    /// Talk.
    pub stderr: String,
}

/// A service with its own manifest, state directory and socket; killed, and with it what is left in its process group,
/// when it goes out of scope.
pub struct Heliostat {
    directory: PathBuf,
    args: Vec<OsString>,
    env: Vec<(OsString, OsString)>,
    under: Vec<OsString>,
    process: Option<Process>,
    /// Those that were killed, kept for what they left running.
    killed: Vec<Process>,
}

#[allow(dead_code)] // not every act of an operator is asked for by a test at all times
impl Heliostat {
    /// A service that keeps its files in `directory`; not started yet.
    pub fn new(directory: &Path, manifest: &str) -> Heliostat {
        fs::create_dir_all(directory).unwrap();
        let service = Heliostat {
            directory: directory.to_owned(),
            args: Vec::new(),
            env: Vec::new(),
            under: Vec::new(),
            process: None,
            killed: Vec::new(),
        };
        fs::write(service.manifest(), manifest).unwrap();
        service
    }

    /// A further argument of `run`.
    pub fn arg(mut self, arg: impl Into<OsString>) -> Heliostat {
        self.args.push(arg.into());
        self
    }

    /// A variable of the service and of every command.
    pub fn env(mut self, name: impl Into<OsString>, value: impl Into<OsString>) -> Heliostat {
        self.env.push((name.into(), value.into()));
        self
    }

    /// A program that the service alone is started by, with its arguments (`setpriv …`); it must become it.
    pub fn under(mut self, program: &[&str]) -> Heliostat {
        self.under = program.iter().map(OsString::from).collect();
        self
    }

    /// Has this mechanism watch from the next start on, as the agent file names it.
    pub fn watched_by(&mut self, mechanism: &str) {
        let path = self.directory.join("watch.yaml");
        let agent = json!({"apiVersion": "heliostat/v1", "kind": "Agent", "watch": mechanism});
        fs::write(&path, agent.to_string()).unwrap();
        if !self.args.iter().any(|arg| arg == "--agent") {
            self.args.extend(["--agent".into(), path.into()]);
        }
    }

    /// The manifest's file.
    pub fn manifest(&self) -> PathBuf {
        self.directory.join("manifest.yaml")
    }

    /// What it takes for this host's name.
    pub fn host(&self) -> String {
        let host = rustix::system::uname();
        host.nodename().to_string_lossy().into_owned()
    }

    /// The state directory.
    pub fn state(&self) -> PathBuf {
        self.directory.join("state")
    }

    /// The control socket.
    pub fn socket(&self) -> PathBuf {
        self.directory.join("socket")
    }

    /// Starts `run`; what it says is appended to the log.
    pub fn start(&mut self) {
        assert!(!self.alive(), "it runs");
        let log = File::options()
            .create(true)
            .append(true)
            .open(self.log_file())
            .unwrap();
        let mut command = match self.under.split_first() {
            None => self.command(),
            Some((program, arguments)) => {
                let mut command = Command::new(program);
                command.args(arguments).arg(BINARY);
                command.envs(self.env.iter().map(|(name, value)| (name, value)));
                command
            }
        };
        command
            .arg("run")
            .arg(self.manifest())
            .arg("--state-dir")
            .arg(self.state());
        command.arg("--socket").arg(self.socket()).args(&self.args);
        command.stdout(log.try_clone().unwrap()).stderr(log);
        self.process = Some(Process::spawn(&mut command));
    }

    /// Runs a command against the socket.
    pub fn call(&self, args: &[&str]) -> Answer {
        let mut args: Vec<OsString> = args.iter().map(OsString::from).collect();
        args.extend(["--socket".into(), self.socket().into()]);
        self.command_line(&args, CALL_MAX)
    }

    /// Runs the binary with exactly these arguments (`validate`, `run --once`), and ends it at the deadline.
    pub fn command_line(&self, args: &[OsString], deadline: Duration) -> Answer {
        // Files, not pipes: nobody needs to drain them.
        let scratch = tempfile::tempdir().unwrap();
        let (stdout, stderr) = (scratch.path().join("stdout"), scratch.path().join("stderr"));
        let mut command = self.command();
        command.args(args);
        command
            .stdout(File::create(&stdout).unwrap())
            .stderr(File::create(&stderr).unwrap());
        let mut process = Process::spawn(&mut command);
        let ended = process.wait(deadline);
        let read = |path| String::from_utf8_lossy(&fs::read(path).unwrap()).into_owned();
        let (stdout, stderr) = (read(stdout), read(stderr));
        match ended {
            Some(status) => Answer {
                code: code(status),
                stdout,
                stderr,
            },
            None => panic!("{args:?} did not end within {deadline:?}:\n{stdout}{stderr}"),
        }
    }

    /// `status --format json`; `None` while it cannot be asked.
    pub fn status(&self) -> Option<Value> {
        let answer = self.call(&["status", "--format", "json"]);
        // A refusal is a document too.
        let answered = answer.code == 0;
        answered.then(|| serde_json::from_str(&answer.stdout).ok())?
    }

    /// The program's own barrier: whether it says, before the deadline, that everything up to now is on every target.
    pub fn wait(&mut self, deadline: Duration) -> bool {
        let end = Instant::now() + deadline;
        let once = || {
            assert!(self.alive(), "heliostat ended:\n{}", self.tail());
            let left = end.saturating_duration_since(Instant::now());
            let timeout = format!("{}ms", left.as_millis().max(1));
            let socket = self.socket().into_os_string();
            let args = [
                "wait".into(),
                "--timeout".into(),
                timeout.into(),
                "--socket".into(),
                socket,
            ];
            (self.command_line(&args, left + CALL_MAX).code == 0).then_some(())
        };
        wait_for(deadline, once).is_some()
    }

    /// Whether it runs.
    pub fn alive(&mut self) -> bool {
        self.process
            .as_mut()
            .is_some_and(|process| process.ended().is_none())
    }

    /// The program's process id while it runs.
    pub fn id(&self) -> Option<u32> {
        self.process.as_ref().map(Process::id)
    }

    /// `kill -9` of the program alone: what it leaves running is its own affair, and is looked at.
    pub fn kill(&mut self) {
        if let Some(mut process) = self.process.take() {
            process
                .signal(Signal::KILL, STOP_MAX)
                .expect("nothing survives it");
            self.killed.push(process);
        }
    }

    /// SIGTERM; says how it ended and how long it took, which must be within the bound.
    pub fn stop(&mut self) -> (i32, Duration) {
        let mut process = self.process.take().expect("it was started");
        let start = Instant::now();
        match process.signal(Signal::TERM, STOP_MAX) {
            Some(status) => (code(status), start.elapsed()),
            None => panic!(
                "did not end within {STOP_MAX:?} of SIGTERM:\n{}",
                self.tail()
            ),
        }
    }

    /// How it ended by itself, before the deadline.
    pub fn ended(&mut self, deadline: Duration) -> Option<i32> {
        self.process.as_mut()?.wait(deadline).map(code)
    }

    /// What it said so far.
    pub fn log(&self) -> String {
        String::from_utf8_lossy(&fs::read(self.log_file()).unwrap_or_default()).into_owned()
    }

    /// The end of it.
    pub fn tail(&self) -> String {
        let log = self.log();
        let lines: Vec<&str> = log.lines().collect();
        lines[lines.len().saturating_sub(TAIL_LINES)..].join("\n")
    }

    fn command(&self) -> Command {
        let mut command = Command::new(BINARY);
        command.envs(self.env.iter().map(|(name, value)| (name, value)));
        command
    }

    fn log_file(&self) -> PathBuf {
        self.directory.join("log")
    }
}

fn code(status: ExitStatus) -> i32 {
    use std::os::unix::process::ExitStatusExt;
    status
        .code()
        .unwrap_or_else(|| 128 + status.signal().unwrap_or(0))
}

#[test]
fn a_command_answers_with_its_status() {
    let scratch = super::Scratch::new();
    let service = Heliostat::new(scratch.path(), &manifest(&json!({})));
    let answer = service.command_line(&["version".into()], CALL_MAX);
    assert_eq!(answer.code, 0, "{answer:?}");
    assert_eq!(answer.stderr, "");
}

#[test]
fn a_service_is_killed_comes_back_and_stops() {
    let scratch = super::Scratch::new();
    let (source, target) = (scratch.dir("source"), scratch.dir("target"));
    let url = format!("file://{}", target.display());
    let sources =
        json!({"site": {"path": source, "targets": {"copy": {"url": url, "delete": "mirror"}}}});
    let mut service = Heliostat::new(&scratch.dir("service"), &manifest(&sources));
    let equal = |name: &str| {
        fs::write(source.join(name), name).unwrap();
        let left = wait_equal(&source, &target, CALL_MAX, &Look::default());
        left.map(|_| ())
    };
    service.start();
    assert!(service.wait(CALL_MAX), "{}", service.tail());
    assert_eq!(equal("a"), Ok(()), "{}", service.tail());
    assert!(service.status().is_some());
    service.kill();
    assert!(!service.alive());
    assert_ne!(service.call(&["status"]).code, 0);
    fs::write(source.join("b"), "while nobody looked").unwrap();
    service.start();
    assert!(service.wait(CALL_MAX), "{}", service.tail());
    assert_eq!(equal("c"), Ok(()), "{}", service.tail());
    assert_eq!(service.stop().0, 0, "{}", service.tail());
}
