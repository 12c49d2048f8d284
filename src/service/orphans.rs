//! Processes that an earlier service left behind when it was killed: they are ended before anything is sent, so that a
//! target has one writer.
//!
//! Every child carries `HELIOSTAT_OWNER=<state directory>` in its environment; who holds the state directory's lock and
//! finds that mark on a process that is not its own child owns it.

use std::fs;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use crate::transfer::orphans::marked;

/// After so long without ending by itself, an orphan is killed.
const PATIENCE: Duration = Duration::from_secs(3);
/// So long is waited for a killed one; a frozen target can keep it for ever.
const KILL_PATIENCE: Duration = Duration::from_secs(5);
/// Between two looks.
const LOOK: Duration = Duration::from_millis(20);

/// What became of the orphans.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ended {
    /// Were there at the beginning.
    pub found: usize,
    /// Could not be ended (a frozen file system); they still hold their target.
    pub left: Vec<i32>,
}

/// Ends every process that carries `owner`'s mark, this one aside.
pub fn end(owner: &str) -> Ended {
    let found = find(owner);
    let mut ended = Ended {
        found: found.len(),
        left: Vec::new(),
    };
    for (signal, patience) in [(Signal::TERM, PATIENCE), (Signal::KILL, KILL_PATIENCE)] {
        let left = find(owner);
        if left.is_empty() {
            return ended;
        }
        for pid in left {
            // A process that ended meanwhile is what was wanted.
            let _ = kill_process(pid, signal);
        }
        let until = Instant::now() + patience;
        while !find(owner).is_empty() && Instant::now() < until {
            std::thread::sleep(LOOK);
        }
    }
    ended.left = find(owner)
        .into_iter()
        .map(|pid| pid.as_raw_nonzero().get())
        .collect();
    ended
}

fn find(owner: &str) -> Vec<Pid> {
    let own = std::process::id();
    let Ok(entries) = fs::read_dir("/proc") else {
        return Vec::new();
    };
    let ids = entries.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse::<i32>().ok());
    ids.filter(|id| u32::try_from(*id).is_ok_and(|id| id != own))
        .filter(|id| marked(*id, owner))
        .filter_map(Pid::from_raw)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::transfer::Context;
    use std::process::Command;

    #[test]
    fn a_marked_process_is_ended_and_others_are_not() {
        let owner = format!("/test/{}/{}", std::process::id(), fastrand::u64(..));
        let spawn = |owner: &str| {
            Command::new("/bin/sleep")
                .arg("300")
                .env_clear()
                .env(Context::OWNER, owner)
                .spawn()
                .unwrap()
        };
        let (mut marked, mut other) = (spawn(&owner), spawn(&format!("{owner}x")));
        // `spawn` returns when the child has begun to be another program; its environment is in place a moment later.
        let until = Instant::now() + PATIENCE;
        while find(&owner).is_empty() && Instant::now() < until {
            std::thread::yield_now();
        }
        assert_eq!(
            end(&owner),
            Ended {
                found: 1,
                left: Vec::new()
            }
        );
        assert!(marked.wait().unwrap().code().is_none(), "ended by a signal");
        assert!(other.try_wait().unwrap().is_none(), "still runs");
        other.kill().unwrap();
        other.wait().unwrap();
        assert_eq!(end(&owner), Ended::default());
    }
}
