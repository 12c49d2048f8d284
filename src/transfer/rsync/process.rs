//! Runs one invocation: argv arrays, its own environment and process group, drained output, deadlines.
//!
//! rsync's own `--timeout` can be defeated (with the far generator stopped, the sender's keep-alives reset it), so a
//! watchdog asks for real progress: output, or bytes that the process *read*. Whoever is told to end is ended with its
//! whole group, first gently. A process that not even SIGKILL ends (a frozen file system) is left behind and said,
//! never waited for.

use std::fs::File;
use std::io::{ErrorKind, Read};
use std::os::fd::OwnedFd;
use std::os::unix::fs::MetadataExt;
use std::process::{ExitStatus, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use rustix::fs::OFlags;
use rustix::process::{Pid, Signal, kill_process_group, test_kill_process_group};
use secrecy::ExposeSecret;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};
use tokio::process::{Child, ChildStdout, Command};
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep, timeout};

use super::super::progress::{Cancel, Progress, Snapshot};
use super::invocation::Invocation;
use super::quickack;
use super::report::{Report, Splitter};
use crate::engine::Trouble;

/// How a run ended.
#[derive(Debug)]
pub enum End {
    /// By itself, with this exit code; `None`: by a signal that was not ours.
    Exit(Option<i32>),
    /// It was told to end.
    Cancelled,
    /// It was ended for this reason, or could not be started.
    Trouble(Trouble),
}

/// Deadlines of a run.
#[derive(Clone, Copy, Debug)]
pub struct Deadlines {
    /// Without any progress.
    pub idle: Duration,
    /// In all.
    pub total: Duration,
}

/// After SIGTERM, before SIGKILL: rsync removes its temporary files.
const GRACE: Duration = Duration::from_secs(2);

/// After SIGKILL: longer means that the kernel cannot end it.
const KILL_WAIT: Duration = Duration::from_secs(3);
/// The rest of a killed group is gone within this; dead ones that nobody reaps (a container without an init) are not waited
/// for any longer.
const GROUP_WAIT: Duration = Duration::from_secs(1);

/// What one read takes at most: a whole pipe.
const BUFFER: usize = 64 * 1024;
/// After so many reads the output is that of a large batch, and is gathered: see [`gather`].
const READS_AT_ONCE: u32 = 64;
/// Stands for what could not be read: a line that nobody understands, so that nothing is taken for done.
const UNREAD: &[u8] = b"the rest of its output could not be read";
/// Between two reads then. A pipe holds what comes in that time many times over.
const GATHER: Duration = Duration::from_millis(5);

/// For output after the process has ended: somebody else may hold the pipe (a lasting ssh connection).
const DRAIN_WAIT: Duration = Duration::from_secs(1);
/// So often that long while there is much to read: what is missing then may be what went wrong.
const GATHER_WAITS: u32 = 10;

/// What may be read and not have come out as text yet, with room to spare: it is on its way through rsync and two pipes. Nor
/// does rsync read as much to come to where it waits for its list.
const ON_ITS_WAY: u64 = 1 << 20;

/// A process that was started, in a group of its own.
#[derive(Debug)]
pub struct Started {
    child: Child,
    group: Option<Pid>,
    /// What its lines about entries begin with.
    mark: String,
}

impl Started {
    /// Whether it has not ended by itself.
    pub fn is_running(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }

    /// Device and inode of its working directory.
    pub fn directory(&self) -> Option<(u64, u64)> {
        let path = format!("/proc/{}/cwd", self.child.id()?);
        let found = std::fs::metadata(path).ok()?;
        Some((found.dev(), found.ino()))
    }

    /// Whether the far side has said more than one that waits for a list says: it is talking.
    pub fn has_heard_much(&self) -> bool {
        io(self.group).is_some_and(|(read, _)| read > ON_ITS_WAY)
    }

    /// There is nothing on its standard input, and nothing will be.
    pub fn close_input(&mut self) {
        self.child.stdin.take();
    }

    /// Returns when it has ended.
    pub async fn wait(&mut self) {
        // One that cannot be waited for is not waited for.
        let _ = self.child.wait().await;
    }

    /// Ends its whole group; whether it is over.
    pub async fn end(self) -> bool {
        end_group(self.child, self.group).await
    }
}

/// Starts it.
pub fn start(invocation: &Invocation) -> Result<Started, Trouble> {
    let mark = format!("{:016x}|", fastrand::u64(..));
    let mut command = Command::new(&invocation.program);
    command.args(invocation.marked(&mark)).env_clear().envs(
        invocation
            .environment
            .iter()
            .map(|(name, value)| (name, value)),
    );
    if let Some(password) = &invocation.password {
        command.env("RSYNC_PASSWORD", password.expose_secret());
    }
    let child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .current_dir("/")
        .process_group(0)
        .kill_on_drop(true)
        .spawn()
        .map_err(|error| not_started(invocation, &error))?;
    let group = child.id().and_then(|id| Pid::from_raw(id as i32));
    Ok(Started { child, group, mark })
}

/// What a run goes by, and what it tells.
pub struct Watched<'a> {
    /// When it has lasted too long.
    pub deadlines: Deadlines,
    /// What it says.
    pub report: &'a mut Report,
    /// Whether it is to end.
    pub cancel: &'a Cancel,
    /// How far it is.
    pub progress: &'a Progress,
}

/// Starts it and sees it to its end.
pub async fn run(invocation: &Invocation, watched: Watched<'_>) -> End {
    if watched.cancel.is_cancelled() {
        return End::Cancelled;
    }
    match start(invocation) {
        Ok(started) => attend(started, invocation, watched).await,
        Err(trouble) => End::Trouble(trouble),
    }
}

/// Gives it its list and sees it to its end.
pub async fn attend(started: Started, invocation: &Invocation, watched: Watched<'_>) -> End {
    let Started {
        mut child,
        group,
        mark,
    } = started;
    let Watched {
        deadlines,
        report,
        cancel,
        progress,
    } = watched;
    report.begins(&mark);
    let verdict = {
        let talk = talk(&mut child, &invocation.input, report, progress);
        tokio::pin!(talk);
        tokio::select! {
            ended = &mut talk => Ok(ended),
            () = cancel.cancelled() => Err(End::Cancelled),
            trouble = watchdog(group, deadlines, progress) => Err(End::Trouble(trouble)),
            never = quickack::keep_prompt(group.filter(|_| invocation.connects)) => match never {},
        }
    };
    match verdict {
        Ok(Ok(status)) => {
            // rsync's own children (ssh) end with it; should one remain, it must not outlive the run.
            if !(invocation.lasts && status.success()) {
                signal(group, Signal::KILL);
            }
            End::Exit(status.code())
        }
        Ok(Err(error)) => {
            end_group(child, group).await;
            End::Trouble(Trouble {
                code: "io",
                message: format!("waiting for rsync: {error}"),
                soon: false,
            })
        }
        Err(end) => {
            if end_group(child, group).await {
                return end;
            }
            let message =
                "rsync does not end, not even when killed: look for a file system that hangs"
                    .to_string();
            End::Trouble(Trouble {
                code: "stuck",
                message,
                soon: false,
            })
        }
    }
}

fn not_started(invocation: &Invocation, error: &std::io::Error) -> Trouble {
    let program = invocation.program.display();
    match error.kind() {
        std::io::ErrorKind::NotFound | std::io::ErrorKind::PermissionDenied => Trouble {
            code: "noRsync",
            message: format!("cannot start `{program}`: {error}: install rsync"),
            soon: false,
        },
        _ => Trouble {
            code: "spawn",
            message: format!("cannot start `{program}`: {error}"),
            soon: false,
        },
    }
}

/// Writes the list and drains both outputs at once (above 64 KiB one pipe would stop the other), until the end.
async fn talk(
    child: &mut Child,
    input: &[u8],
    report: &mut Report,
    progress: &Progress,
) -> std::io::Result<ExitStatus> {
    let (stdin, stdout, stderr) = (child.stdin.take(), child.stdout.take(), child.stderr.take());
    // Both outputs are read by this one task; the lock is what lets the task move between threads.
    let report = std::sync::Mutex::new(report);
    let feed = async {
        if let Some(mut stdin) = stdin {
            // It may end without having read its list; its exit code says more than the broken pipe.
            let _ = stdin.write_all(input).await;
        }
    };
    let take = |line: &[u8]| {
        if let Ok(mut report) = report.lock() {
            report.take(line, progress);
        }
    };
    let gathering = AtomicBool::new(false);
    let drained = async {
        tokio::join!(
            feed,
            drain_all(stdout, take, &gathering),
            drain(stderr, take)
        )
    };
    tokio::pin!(drained);
    let mut open = true;
    let status = loop {
        tokio::select! {
            _ = &mut drained, if open => open = false,
            status = child.wait() => break status?,
        }
    };
    if open {
        for _ in 0..GATHER_WAITS {
            let over = timeout(DRAIN_WAIT, &mut drained).await.is_ok();
            if over || !gathering.load(Ordering::Relaxed) {
                break;
            }
        }
        if gathering.load(Ordering::Relaxed) {
            take(UNREAD);
        }
    }
    Ok(status)
}

async fn drain(stream: Option<impl AsyncRead + Unpin>, take: impl Fn(&[u8])) {
    let Some(mut stream) = stream else { return };
    let mut buffer = vec![0; BUFFER];
    let mut splitter = Splitter::default();
    loop {
        match stream.read(&mut buffer).await {
            Ok(0) | Err(_) => break,
            Ok(count) => splitter.feed(&buffer[..count], &take),
        }
    }
    splitter.end(&take);
}

/// The output that has a line for each path: as it comes, and gathered when there is much.
async fn drain_all(stream: Option<ChildStdout>, take: impl Fn(&[u8]), gathering: &AtomicBool) {
    let Some(mut stream) = stream else { return };
    let mut buffer = vec![0; BUFFER];
    let mut splitter = Splitter::default();
    let mut over = false;
    for _ in 0..READS_AT_ONCE {
        match stream.read(&mut buffer).await {
            Ok(0) | Err(_) => {
                over = true;
                break;
            }
            Ok(count) => splitter.feed(&buffer[..count], &take),
        }
    }
    drop(buffer);
    if !over {
        match stream.into_owned_fd() {
            Ok(pipe) => {
                gathering.store(true, Ordering::Relaxed);
                let mut pieces = gather(pipe);
                while let Some(piece) = pieces.recv().await {
                    splitter.feed(&piece, &take);
                }
            }
            Err(_) => take(UNREAD),
        }
    }
    splitter.end(&take);
    gathering.store(false, Ordering::Relaxed);
}

/// Reads a pipe to its end in a thread that naps between two reads. rsync writes each line by itself, and the runtime is
/// woken for each, whether it wants to read or not: with ten thousand files that cost more CPU here than all else that is done
/// for them, and held rsync up.
fn gather(pipe: OwnedFd) -> mpsc::Receiver<Vec<u8>> {
    let (sender, pieces) = mpsc::channel(2);
    tokio::task::spawn_blocking(move || {
        let flags = rustix::fs::fcntl_getfl(&pipe).unwrap_or(OFlags::empty());
        // Where that fails, reading does.
        let _ = rustix::fs::fcntl_setfl(&pipe, flags - OFlags::NONBLOCK);
        let mut pipe = File::from(pipe);
        let mut buffer = vec![0; BUFFER];
        loop {
            match pipe.read(&mut buffer) {
                Ok(0) => return,
                Ok(count) if sender.blocking_send(buffer[..count].to_vec()).is_err() => return,
                Ok(_) => std::thread::sleep(GATHER),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(_) => {
                    // Nobody hears it only when nobody hears anything.
                    let _ = sender.blocking_send([b"\n", UNREAD, b"\n"].concat());
                    return;
                }
            }
        }
    });
    pieces
}

/// What a run shows of itself. The bytes are its leader's.
#[derive(Clone, Copy, Debug, Default)]
struct Life {
    progress: Snapshot,
    read: u64,
    written: u64,
    /// Of what it said, that which is no part of the work.
    stray: u64,
}

impl Life {
    /// Whether it has come further.
    ///
    /// Who reads has, be it a file or what the other side answers: but a far side that only talks would hold the route for ever. Its
    /// greeting is read without a word in between (and what it says there is not even shown), and later what is read is
    /// what is said. Written alone counts for nothing: rsync's own keep-alives are that.
    fn goes_on_since(&self, last: &Life, reads_a_file: impl FnOnce() -> bool) -> bool {
        let read = self.read.saturating_sub(last.read);
        let said = self.stray.saturating_sub(last.stray);
        let heard = match said {
            0 => read > 0,
            said => read > said + ON_ITS_WAY,
        };
        self.progress != last.progress || heard && (self.written > last.written || reads_a_file())
    }
}

/// Returns when there was no progress for too long, or when it has lasted too long altogether.
async fn watchdog(group: Option<Pid>, deadlines: Deadlines, progress: &Progress) -> Trouble {
    let begin = Instant::now();
    let period = (deadlines.idle / 8).clamp(Duration::from_millis(50), Duration::from_secs(10));
    let look = || {
        let io = io(group);
        Life {
            progress: progress.look(),
            read: io.map_or(0, |io| io.0),
            written: io.map_or(0, |io| io.1),
            stray: progress.stray(),
        }
    };
    let mut last = (Instant::now(), look());
    loop {
        sleep(period).await;
        let now = look();
        if now.goes_on_since(&last.1, || reads_a_file(group)) {
            last = (Instant::now(), now);
        }
        if last.0.elapsed() >= deadlines.idle {
            let talks = match now.read > last.1.read {
                true => ", though the other side goes on talking",
                false => "",
            };
            let seconds = deadlines.idle.as_secs();
            let message = format!("no progress for {seconds} s{talks}: ended");
            return Trouble {
                code: "timeout",
                message,
                soon: false,
            };
        }
        if begin.elapsed() >= deadlines.total {
            let message = format!(
                "not done after {} h: ended",
                deadlines.total.as_secs() / 3600
            );
            return Trouble {
                code: "timeout",
                message,
                soon: false,
            };
        }
    }
}

/// What the process has read and written so far, from and to files, pipes and its peer; nothing where that cannot be told.
fn io(group: Option<Pid>) -> Option<(u64, u64)> {
    let text = std::fs::read_to_string(format!("/proc/{}/io", group?.as_raw_nonzero())).ok()?;
    let field = |name| {
        let line = text.lines().find_map(|line| line.strip_prefix(name))?;
        line.trim().parse().ok()
    };
    Some((field("rchar:")?, field("wchar:")?))
}

/// Whether it has a file open: rsync has none but the one that it reads. Also where that cannot be told.
fn reads_a_file(group: Option<Pid>) -> bool {
    let Some(group) = group else { return true };
    let Ok(open) = std::fs::read_dir(format!("/proc/{}/fd", group.as_raw_nonzero())) else {
        return true;
    };
    let mut open = open.flatten();
    open.any(|one| std::fs::metadata(one.path()).is_ok_and(|of| of.is_file()))
}

fn signal(group: Option<Pid>, signal: Signal) {
    if let Some(group) = group {
        // Gone already is what is wanted.
        let _ = kill_process_group(group, signal);
    }
}

/// Ends the whole group; whether it is over.
async fn end_group(mut child: Child, group: Option<Pid>) -> bool {
    signal(group, Signal::TERM);
    let gentle = timeout(GRACE, child.wait()).await.is_ok();
    signal(group, Signal::KILL);
    if gentle || timeout(KILL_WAIT, child.wait()).await.is_ok() {
        // The others of its group have the signal, and may still be writing until they are scheduled.
        let _ = timeout(GROUP_WAIT, emptied(group)).await;
        return true;
    }
    // Reaped whenever the kernel lets go of it.
    tokio::spawn(async move { child.wait().await });
    false
}

/// Returns when the group has nobody in it.
async fn emptied(group: Option<Pid>) {
    while group.is_some_and(|group| test_kill_process_group(group).is_ok()) {
        sleep(Duration::from_millis(2)).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_hears_nothing_but_talk_does_not_go_on() {
        let life = |read, written, stray| Life {
            read,
            written,
            stray,
            ..Life::default()
        };
        let goes_on = |now: Life, file: bool| now.goes_on_since(&life(100, 100, 0), || file);
        assert!(!goes_on(life(100, 100, 0), true));
        assert!(!goes_on(life(100, 900, 0), true), "its own keep-alives");
        assert!(goes_on(life(104, 104, 0), false), "theirs, and an answer");
        assert!(goes_on(life(900, 100, 0), true), "a file is summed up");
        assert!(!goes_on(life(900 << 20, 100, 0), false), "a greeting");
        let talk = 9 << 20;
        assert!(!goes_on(life(talk, talk, talk), false), "complaints");
        assert!(goes_on(life(2 * talk, talk, talk), true), "and a file");
        let mut counted = life(100, 100, 0);
        counted.progress.files = 1;
        assert!(goes_on(counted, false));
    }

    #[tokio::test]
    async fn what_goes_on_and_on_is_ended_all_the_same() {
        let progress = Progress::new();
        let deadlines = Deadlines {
            idle: Duration::from_secs(1),
            total: Duration::from_secs(3),
        };
        let goes_on = async {
            loop {
                progress.beat();
                sleep(Duration::from_millis(20)).await;
            }
        };
        let began = Instant::now();
        let trouble: Trouble = tokio::select! {
            trouble = watchdog(None, deadlines, &progress) => trouble,
            () = goes_on => unreachable!("it goes on"),
        };
        assert!(
            trouble.code == "timeout" && trouble.message.starts_with("not done after"),
            "{trouble:?}"
        );
        assert!(began.elapsed() >= deadlines.total);
    }
}
