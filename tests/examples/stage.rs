//! A place in which the commands of a page are run, one after another in one shell, against a real rsync daemon. Paths and
//! addresses of the texts stand for ones of that place; nothing else is changed.

use std::fs::{self, File};
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::Duration;

use super::documents::Block;
use super::shown::differs;
use super::{read, root};
use crate::rig::process::Process;
use crate::rig::rsyncd::{Rsyncd, free_port};
use crate::rig::sshd::Sshd;
use crate::rig::{Scratch, wait_for};

/// A command may take that long on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);

/// How long that is listened to which ends only when it is told to, in seconds.
const LISTEN: &str = "0.5";

/// Files of the source's directory `archive`.
const ARCHIVE: usize = 200;

/// Commands that change nothing: asked again until they print what is shown, as a reader would.
const LOOKS: [&str; 5] = [
    "heliostat status",
    "heliostat history",
    "heliostat diff",
    "heliostat plan",
    "curl",
];

/// What was done with a page.
#[derive(Debug, Default)]
pub(super) struct Played {
    /// Commands that were run.
    pub(super) commands: usize,
    /// Commands whose output was compared with what the page shows.
    pub(super) compared: usize,
}

/// The place. What runs in it ends with it.
pub(super) struct Stage {
    // Ended before its files go.
    _shell: Process,
    input: File,
    _daemon: Rsyncd,
    sshd: Option<Sshd>,
    /// What stands in the texts, and what it stands for.
    stands_for: Vec<(&'static str, String)>,
    /// The last id of a hold that was printed.
    id: Option<String>,
    count: usize,
    scratch: Scratch,
}

impl Stage {
    /// A website to be sent, a daemon that takes it, and a shell.
    pub(super) fn new() -> Stage {
        let scratch = Scratch::new();
        let (data, bin) = (scratch.dir("website"), scratch.dir("bin"));
        for name in ["cache", "archive"] {
            fs::create_dir(data.join(name)).unwrap();
        }
        for name in ["index.html", "cache/x"] {
            fs::write(data.join(name), name).unwrap();
        }
        for number in 0..ARCHIVE {
            fs::write(data.join(format!("archive/{number}.html")), "old").unwrap();
        }
        let mut daemon = Rsyncd::new(&scratch.dir("daemon"), &scratch.dir("module"));
        daemon.start();
        let at = |name: &str| scratch.path().join(name).display().to_string();
        // What is asked for on a desk and comes to the host by ssh has another port, as both are one host here.
        let (desk, host) = (free_port(), free_port());
        let stands_for = vec![
            ("/data/website", at("website")),
            ("rsync://website@172.16.6.98/website", daemon.url()),
            (
                "/etc/rsync.passwd",
                daemon.password_file().display().to_string(),
            ),
            ("/run/heliostat/control.sock", at("socket")),
            ("-L 9099:", format!("-L {desk}:")),
            ("127.0.0.1:9099", format!("127.0.0.1:{host}")),
            ("http://localhost:9099", format!("http://localhost:{host}")),
            ("http://desk:9099", format!("http://localhost:{desk}")),
            (
                "/usr/share/doc/heliostat/examples",
                root().join("examples").display().to_string(),
            ),
        ];
        let agent = scratch.path().join("agent.yaml");
        fs::write(
            &agent,
            "apiVersion: heliostat/v1\nkind: Agent\nname: web-origin-1\n",
        )
        .unwrap();
        let wrapper = format!(
            "#!/bin/sh\ncase $1 in\nrun|doctor) exec {binary} \"$@\" --agent {agent} --state-dir {state} --socket {socket};;\n\
             diff) exec {binary} \"$@\" --agent {agent} --socket {socket};;\n\
             status|wait|history|tap|pause|resume|trigger|rescan|reload|rollback|approve) exec {binary} \"$@\" --socket {socket};;\n\
             *) exec {binary} \"$@\";;\nesac\n",
            binary = env!("CARGO_BIN_EXE_heliostat"),
            agent = agent.display(),
            state = at("state"),
            socket = at("socket"),
        );
        program(&bin.join("heliostat"), &wrapper);
        let input = scratch.path().join("input");
        let made = Command::new("mkfifo").arg(&input).status().unwrap();
        assert!(made.success());
        let mut command = Command::new("bash");
        command
            .args(["-c", "exec bash < \"$0\""])
            .arg(&input)
            .current_dir(scratch.dir("work"))
            .env_clear()
            .env(
                "PATH",
                format!("{}:/usr/local/bin:/usr/bin:/bin", bin.display()),
            )
            .env("HOME", scratch.path())
            .env("TZ", "UTC")
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        for role in ["AUTHOR", "COMMITTER"] {
            command.env(format!("GIT_{role}_NAME"), "a");
            command.env(format!("GIT_{role}_EMAIL"), "a@example.com");
        }
        let shell = Process::spawn(&mut command);
        // For both ways, so that opening it waits for nobody.
        let input = File::options().read(true).write(true).open(input).unwrap();
        let mut stage = Stage {
            _shell: shell,
            input,
            _daemon: daemon,
            sshd: None,
            stands_for,
            id: None,
            count: 0,
            scratch,
        };
        stage.done("set -u");
        stage
    }

    /// A file of the repository, in the place where the commands run.
    pub(super) fn copy(&self, from: &str, to: &str) {
        self.write(to, &read(from).text);
    }

    /// A file in the place where the commands run, with what its texts stand for here.
    pub(super) fn write(&self, to: &str, text: &str) {
        let to = self.at("work").join(to);
        fs::create_dir_all(to.parent().unwrap()).unwrap();
        fs::write(to, self.here(text)).unwrap();
    }

    /// This text stands for the place where the commands run.
    pub(super) fn works_at(&mut self, text: &'static str) {
        let work = self.at("work").display().to_string();
        self.stands_for.insert(0, (text, work));
    }

    /// The settings of the host are in this file.
    pub(super) fn settings(&self, file: &str) {
        let text = fs::read(self.at("work").join(file)).unwrap();
        fs::write(self.at("agent.yaml"), text).unwrap();
    }

    /// The files of the place itself.
    pub(super) fn at(&self, name: &str) -> PathBuf {
        self.scratch.path().join(name)
    }

    /// `ssh` in the commands leads to this host, whatever it is called, and holds its tunnels only.
    pub(super) fn with_ssh(&mut self) {
        let sshd = Sshd::start(&self.scratch.dir("sshd"));
        let config = format!(
            "Host *\nHostname 127.0.0.1\nPort {}\nUser root\nIdentityFile \"{}\"\nUserKnownHostsFile \"{}\"\n\
             BatchMode yes\nExitOnForwardFailure yes\n",
            sshd.port(),
            sshd.file("user key").display(),
            sshd.file("known hosts").display(),
        );
        let file = self.scratch.path().join("ssh_config");
        fs::write(&file, config).unwrap();
        let wrapper = format!(
            "#!/bin/sh\nexec /usr/bin/ssh -N -F {} \"$@\"\n",
            file.display()
        );
        program(&self.scratch.path().join("bin/ssh"), &wrapper);
        self.sshd = Some(sshd);
        // What the reader asks for is on the desk then.
        let desk = self.here("http://desk:9099");
        self.stands_for.insert(0, ("http://localhost:9099", desk));
    }

    /// As it is to be said in this place.
    fn here(&self, text: &str) -> String {
        let mut text = text.to_owned();
        for (there, here) in &self.stands_for {
            text = text.replace(there, here);
        }
        text
    }

    /// As the page would say it.
    fn there(&self, text: &str) -> String {
        let mut text = text.to_owned();
        for (there, here) in &self.stands_for {
            text = text.replace(here, there);
        }
        text
    }

    /// Runs a line; its exit status, and what it said.
    fn run(&mut self, line: &str) -> (i32, String) {
        self.count += 1;
        let at = |what: &str| self.at(&format!("{what}.{}", self.count));
        let (said, status) = (at("said"), at("status"));
        let script = format!(
            "{{ {line}\n}} > {said} 2>&1 < /dev/null\necho $? > {status}.new; mv {status}.new {status}\n",
            said = said.display(),
            status = status.display(),
        );
        self.input.write_all(script.as_bytes()).unwrap();
        let ended = wait_for(PATIENCE, || fs::read_to_string(&status).ok());
        let said = String::from_utf8_lossy(&fs::read(said).unwrap_or_default()).into_owned();
        let ended = ended.unwrap_or_else(|| panic!("`{line}` does not end:\n{said}"));
        (ended.trim().parse().unwrap(), said)
    }

    /// Runs a line that must succeed.
    #[track_caller]
    pub(super) fn done(&mut self, line: &str) {
        let (status, said) = self.play_line(line);
        assert_eq!(status, 0, "{line}\n{said}");
    }

    /// What a line says that must succeed.
    #[track_caller]
    pub(super) fn says(&mut self, line: &str) -> String {
        let (status, said) = self.play_line(line);
        assert_eq!(status, 0, "{line}\n{said}");
        said
    }

    /// Begins what goes on until the end, and returns when it can be asked.
    fn begin(&mut self, line: &str, ready: &str) -> (i32, String) {
        let log = self.at(&format!("log.{}", self.count));
        self.run(&format!(
            "{} > {log} 2>&1 < /dev/null &\nbegun=$!\nuntil {ready}; do kill -0 $begun || {{ cat {log}; false; break; }}; sleep 0.05; done",
            self.here(line),
            log = log.display(),
        ))
    }

    /// Runs a command of a page as its reader would; its exit status, and what it said.
    fn play_line(&mut self, line: &str) -> (i32, String) {
        let stays = line.starts_with("heliostat tap") || line.contains(" --watch");
        let passes = line.contains("--once") || line.contains("--dry-run");
        if line.starts_with("heliostat run") && !passes {
            return self.begin(line, "heliostat status > said.begin 2>&1");
        }
        if line.starts_with("ssh -L") {
            self.run("[ -z \"${tunnel:-}\" ] || { kill $tunnel; wait $tunnel; }");
            let ready = self.here("curl -s -o said.begin http://desk:9099/-/healthy");
            let answer = self.begin(line, &ready);
            self.run("tunnel=$begun");
            return answer;
        }
        let line = self.here(&self.with_id(line));
        match stays {
            false => self.run(&line),
            // Its end by `timeout` is as it should be.
            true => self.run(&format!("timeout {LISTEN} {line}; [ $? = 124 ]")),
        }
    }

    /// With the id of the hold that was shown last.
    fn with_id(&self, line: &str) -> String {
        match (line.split_once("--id "), &self.id) {
            (Some((before, after)), Some(id)) => {
                let rest = after.trim_start_matches(|c: char| c.is_ascii_hexdigit());
                format!("{before}--id {id}{rest}")
            }
            _ => line.to_owned(),
        }
    }

    fn remember(&mut self, said: &str) {
        if let Some((_, after)) = said.rsplit_once("--id ") {
            let id = after.chars().take_while(char::is_ascii_hexdigit);
            self.id = Some(id.collect());
        }
    }

    /// Runs the commands of a page's blocks, and holds what they print against what is shown.
    pub(super) fn play(&mut self, blocks: &[Block]) -> Result<Played, String> {
        let mut played = Played::default();
        for step in blocks.iter().flat_map(steps) {
            let look = step.shown.is_some() && LOOKS.iter().any(|look| step.line.starts_with(look));
            let once = |stage: &mut Stage| -> Result<(), String> {
                let (status, said) = stage.play_line(&step.line);
                stage.remember(&said);
                if status != step.status {
                    return Err(format!("`{}` ended with {status}:\n{said}", step.line));
                }
                let printed = stage.there(&said);
                let differs = step
                    .shown
                    .as_ref()
                    .and_then(|shown| differs(shown, &printed));
                match differs {
                    Some(why) => Err(format!("`{}`\n{why}", step.line)),
                    None => Ok(()),
                }
            };
            let mut last = once(self);
            if look && last.is_err() {
                wait_for(PATIENCE, || {
                    last = once(self);
                    last.is_ok().then_some(())
                });
            }
            last?;
            played.commands += 1;
            played.compared += usize::from(step.shown.is_some());
        }
        Ok(played)
    }
}

fn program(at: &std::path::Path, text: &str) {
    fs::write(at, text).unwrap();
    fs::set_permissions(at, fs::Permissions::from_mode(0o755)).unwrap();
}

/// A command of a page.
pub(super) struct Step {
    /// Without its comment.
    pub(super) line: String,
    /// The exit status that the page says it ends with.
    pub(super) status: i32,
    /// What the page says it prints.
    pub(super) shown: Option<String>,
}

/// The commands of a block. `# ends with N` says with which status one ends that does not end with 0. In `console`, lines
/// after a command are what it prints.
pub(super) fn steps(block: &Block) -> Vec<Step> {
    let mut steps: Vec<Step> = Vec::new();
    let joined = block.text.replace("\\\n", " ");
    for line in joined.lines() {
        let command = match block.language.as_str() {
            "console" => line.strip_prefix("$ "),
            _ => Some(line),
        };
        match (command, steps.last_mut()) {
            (Some(command), _) => {
                let (plain, comment) = command.split_once(" #").unwrap_or((command, ""));
                let status = comment.trim().strip_prefix("ends with ").map_or(0, |rest| {
                    let digits = rest.chars().take_while(char::is_ascii_digit);
                    digits.collect::<String>().parse().expect("a status")
                });
                steps.push(Step {
                    line: plain.trim_end().to_owned(),
                    status,
                    shown: None,
                });
            }
            (None, Some(step)) => {
                let shown = step.shown.get_or_insert_default();
                shown.push_str(line);
                shown.push('\n');
            }
            (None, None) => panic!("{}: `{line}` stands before any command", block.page),
        }
    }
    steps.retain(|step| !step.line.is_empty());
    steps
}
