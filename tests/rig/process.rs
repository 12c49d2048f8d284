//! A child process in a group of its own, ended with everything in it.

use std::os::unix::process::CommandExt;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process, kill_process_group};

use super::wait_for;

/// How long a killed process may take to go.
const KILLED_MAX: Duration = Duration::from_secs(20);

/// A running child, the leader of its own process group. The group is killed when this goes out of scope.
pub struct Process {
    child: Child,
    group: Pid,
}

impl Process {
    /// Starts `command` with an empty standard input.
    pub fn spawn(command: &mut Command) -> Process {
        let child = command
            .stdin(Stdio::null())
            .process_group(0)
            .spawn()
            .unwrap();
        let group = Pid::from_child(&child);
        Process { child, group }
    }

    /// The leader's process id.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// How it ended, if it did.
    pub fn ended(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().unwrap()
    }

    /// Sends a signal to the leader alone, and says how it ended; `None` if it did not within the deadline.
    pub fn signal(&mut self, signal: Signal, deadline: Duration) -> Option<ExitStatus> {
        if self.ended().is_none() {
            // It is ours and not waited for, so the id is still its own.
            kill_process(self.group, signal).unwrap();
        }
        self.wait(deadline)
    }

    /// Waits for the end of the leader.
    pub fn wait(&mut self, deadline: Duration) -> Option<ExitStatus> {
        wait_for(deadline, || self.ended())
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // The leader may be gone and its children not. An empty group is an error, and what was wanted.
        let _ = kill_process_group(self.group, Signal::KILL);
        let _ = self.wait(KILLED_MAX);
    }
}
