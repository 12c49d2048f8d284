//! A hook's process from its start to its end, with everything that it has started.

use std::ffi::OsString;
use std::os::unix::process::ExitStatusExt;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process, kill_process_group};
use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::process::{Child, Command};
use tokio::time::{sleep, timeout};

use super::super::orphans;
use super::super::progress::Cancel;
use super::RUN;
use super::output::Output;

/// After SIGTERM, before SIGKILL.
const GRACE: Duration = Duration::from_secs(1);
/// After SIGKILL: longer means that the kernel cannot end it.
const KILL_WAIT: Duration = Duration::from_secs(2);
/// For output after its end, that is on its way.
const DRAIN_WAIT: Duration = Duration::from_secs(1);
/// What one read takes at most: a whole pipe.
const BUFFER: usize = 64 * 1024;
/// What it left running is looked for so often: what is found may have started others meanwhile.
const LOOKS: u32 = 50;
/// Between two looks.
const LOOK: Duration = Duration::from_millis(20);

/// What is started.
pub(super) struct Started<'a> {
    pub(super) program: &'a str,
    pub(super) arguments: &'a [String],
    pub(super) environment: Vec<(&'static str, OsString)>,
    pub(super) timeout_ms: u64,
}

impl Started<'_> {
    /// Starts it and waits for its end, or ends it. An error is a clause for people.
    pub(super) async fn see_to_its_end(
        self,
        run: &str,
        cancel: &Cancel,
    ) -> (Result<(), String>, Output) {
        let output = Output::default();
        if cancel.is_cancelled() {
            return (Err("not started: it was told to end".to_owned()), output);
        }
        let spawned = Command::new(self.program)
            .args(self.arguments)
            .env_clear()
            .envs(self.environment)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .current_dir("/")
            .process_group(0)
            .kill_on_drop(true)
            .spawn();
        let mut child = match spawned {
            Ok(child) => child,
            Err(error) => return (Err(format!("cannot be started: {error}")), output),
        };
        let group = child.id().and_then(|id| Pid::from_raw(id as i32));
        let (stdout, stderr) = (child.stdout.take(), child.stderr.take());
        let ended = {
            let drained = async { tokio::join!(drain(stdout, &output), drain(stderr, &output)) };
            tokio::pin!(drained);
            let mut open = true;
            let lasts = Duration::from_millis(self.timeout_ms);
            let too_long = sleep(lasts);
            tokio::pin!(too_long);
            let ended = loop {
                tokio::select! {
                    _ = &mut drained, if open => open = false,
                    status = child.wait() => break status
                        .map_err(|error| format!("cannot be waited for: {error}"))
                        .and_then(judge),
                    () = cancel.cancelled() => break Err("ended: it was told to end".to_owned()),
                    () = &mut too_long => {
                        let ms = self.timeout_ms;
                        let span = match ms % 1000 {
                            0 => format!("{}s", ms / 1000),
                            _ => format!("{ms}ms"),
                        };
                        break Err(format!("ended after {span}, its `timeout`"));
                    }
                }
            };
            let ended = match end(&mut child, group).await {
                true => ended,
                false => Err(
                    "it does not end, not even when killed: look for a file system that hangs"
                        .to_owned(),
                ),
            };
            end_all(run).await;
            if open {
                // Nobody holds the pipes any more but who took its mark off.
                let _ = timeout(DRAIN_WAIT, &mut drained).await;
            }
            ended
        };
        if child.id().is_some() {
            // Reaped whenever the kernel lets go of it.
            tokio::spawn(async move { child.wait().await });
        }
        (ended, output)
    }
}

fn judge(status: ExitStatus) -> Result<(), String> {
    match (status.code(), status.signal()) {
        (Some(0), _) => Ok(()),
        (Some(code), _) => Err(format!("exit status {code}")),
        (None, Some(signal)) => Err(format!("ended by signal {signal}")),
        (None, None) => Err("ended".to_owned()),
    }
}

async fn drain(stream: Option<impl AsyncRead + Unpin>, output: &Output) {
    let Some(mut stream) = stream else { return };
    let mut buffer = vec![0; BUFFER];
    let mut lines = output.stream();
    while let Ok(count @ 1..) = stream.read(&mut buffer).await {
        lines.feed(&buffer[..count]);
    }
}

/// Ends the group of one that runs, and what is left of the group of one that has ended; whether it is over.
async fn end(child: &mut Child, group: Option<Pid>) -> bool {
    let signal = |signal: Signal| {
        if let Some(group) = group {
            // Gone already is what is wanted.
            let _ = kill_process_group(group, signal);
        }
    };
    if child.id().is_none() {
        signal(Signal::KILL);
        return true;
    }
    signal(Signal::TERM);
    let gentle = timeout(GRACE, child.wait()).await.is_ok();
    signal(Signal::KILL);
    gentle || timeout(KILL_WAIT, child.wait()).await.is_ok()
}

/// Ends what a run of a hook has started and left, wherever it went: it carries the run's mark in its environment.
async fn end_all(run: &str) {
    for _ in 0..LOOKS {
        let mark = run.to_owned();
        let found = tokio::task::spawn_blocking(move || {
            let found = orphans::carrying(RUN, mark.as_bytes());
            for pid in &found {
                // One that ended meanwhile is what was wanted.
                let _ = kill_process(*pid, Signal::KILL);
            }
            found.len()
        });
        match found.await {
            Ok(1..) => sleep(LOOK).await,
            Ok(0) | Err(_) => return,
        }
    }
}
