//! Runs git once: without a shell, without a prompt, with an environment of its own, its answer bounded, and its time too.

use std::io::{Read, Write};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process_group};

/// What is kept of git's complaints.
const COMPLAINT_MAX: u64 = 4 << 10;
/// What is asked reads objects that are there already: what takes longer hangs, on a file system that is gone or on a lock.
const TIME_MAX: Duration = Duration::from_secs(60);

/// Runs git in a directory; what it printed, or why not.
pub fn run(
    git: &Path,
    directory: &Path,
    args: &[&str],
    input: &[u8],
    answer_max: usize,
) -> Result<Vec<u8>, String> {
    within(TIME_MAX, git, directory, args, input, answer_max)
}

fn within(
    time_max: Duration,
    git: &Path,
    directory: &Path,
    args: &[&str],
    input: &[u8],
    answer_max: usize,
) -> Result<Vec<u8>, String> {
    let mut command = Command::new(git);
    command
        .arg("--no-pager")
        .arg("--literal-pathspecs")
        .args(args);
    command.current_dir(directory);
    command.env_clear();
    // Which repositories of other users are trusted is in its user's settings.
    for name in ["HOME", "XDG_CONFIG_HOME", "PATH"] {
        command.envs(std::env::var_os(name).map(|value| (name, value)));
    }
    command.envs([
        ("LC_ALL", "C"),
        ("GIT_OPTIONAL_LOCKS", "0"),
        ("GIT_TERMINAL_PROMPT", "0"),
        // A partial clone would ask its origin for what it has not.
        ("GIT_NO_LAZY_FETCH", "1"),
    ]);
    command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        // What it starts ends with it.
        .process_group(0);
    let mut child = command
        .spawn()
        .map_err(|error| format!("cannot start `{}`: {error}", git.display()))?;
    let (stdin, stdout, stderr) = (child.stdin.take(), child.stdout.take(), child.stderr.take());
    let (mut answer, mut complaint) = (Vec::new(), Vec::new());
    let bound = answer_max as u64 + 1;
    let group = Pid::from_child(&child);
    let (over, ended) = mpsc::channel::<()>();
    let (read, late) = thread::scope(|scope| {
        let watchdog = scope.spawn(move || {
            let late = ended.recv_timeout(time_max) == Err(mpsc::RecvTimeoutError::Timeout);
            if late {
                // Its pipes close with it, so that nobody below waits any longer.
                let _ = kill_process_group(group, Signal::KILL);
            }
            late
        });
        scope.spawn(move || {
            // One that ends early has said why.
            stdin.map(|mut stdin| stdin.write_all(input))
        });
        let complaints = scope.spawn(|| {
            let Some(mut stderr) = stderr else { return };
            // The rest is read too, or git would wait for it to be.
            let _ = stderr
                .by_ref()
                .take(COMPLAINT_MAX)
                .read_to_end(&mut complaint);
            let _ = std::io::copy(&mut stderr, &mut std::io::sink());
        });
        let read = stdout.map_or(Ok(0), |stdout| stdout.take(bound).read_to_end(&mut answer));
        if answer.len() > answer_max {
            // It is not needed any more, and may be gone already.
            let _ = child.kill();
        }
        let _ = complaints.join();
        drop(over);
        (read, watchdog.join().unwrap_or(false))
    });
    let ended = child
        .wait()
        .map_err(|error| format!("cannot wait for git: {error}"))?;
    if late {
        return Err(format!(
            "git gave no answer within {} s, and was ended",
            time_max.as_secs()
        ));
    }
    read.map_err(|error| format!("cannot read what git says: {error}"))?;
    if answer.len() > answer_max {
        return Err(format!("git says more than {answer_max} bytes"));
    }
    if !ended.success() {
        let text = String::from_utf8_lossy(&complaint);
        let first = text.lines().find(|line| !line.trim().is_empty());
        let first = first.unwrap_or("it failed without a word");
        let first = first.strip_prefix("fatal: ").unwrap_or(first);
        return Err(format!("git: {}", first.escape_debug()));
    }
    Ok(answer)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::os::unix::fs::PermissionsExt;
    use std::time::Instant;

    /// A script in git's place.
    fn answer(script: &str, time_max: Duration, answer_max: usize) -> Result<Vec<u8>, String> {
        let folder = tempfile::tempdir().unwrap();
        let git = folder.path().join("git");
        fs::write(&git, format!("#!/bin/sh\n{script}\n")).unwrap();
        fs::set_permissions(&git, PermissionsExt::from_mode(0o755)).unwrap();
        within(time_max, &git, folder.path(), &["x"], b"", answer_max)
    }

    #[test]
    fn one_that_hangs_is_ended_with_what_it_started() {
        let began = Instant::now();
        // The child of it holds the pipes open.
        let error = answer("sleep 1000 & sleep 1000", Duration::from_secs(1), 100).unwrap_err();
        assert_eq!(error, "git gave no answer within 1 s, and was ended");
        assert!(began.elapsed() < Duration::from_secs(900));
    }

    #[test]
    fn it_asks_nobody_and_says_no_more_than_is_taken() {
        let long = Duration::from_secs(600);
        let said = answer(
            // cargo has set the last for us, and so it would be there.
            "echo $GIT_TERMINAL_PROMPT $GIT_NO_LAZY_FETCH $GIT_DIR $CARGO_MANIFEST_DIR",
            long,
            100,
        );
        assert_eq!(said.unwrap(), b"0 1\n");
        let error = answer("yes", long, 1000).unwrap_err();
        assert_eq!(error, "git says more than 1000 bytes");
        let error = answer("echo 'fatal: no' >&2; exit 128", long, 100).unwrap_err();
        assert_eq!(error, "git: no");
    }
}
