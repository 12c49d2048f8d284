//! What processes cost, read from `/proc`: CPU time of a tree of processes, and resident memory of one.

use std::collections::HashMap;
use std::fs;
use std::time::{Duration, Instant};

use crate::rig::wait_for;

/// Between two looks at whether a tool has come to rest.
const REST: Duration = Duration::from_millis(120);

/// What a tool may use between two such looks and still count as at rest: one tick of the clock.
const REST_CPU: Duration = Duration::from_millis(10);

/// The kernel counts CPU time in `/proc` in hundredths of a second on every architecture.
const TICKS_PER_SECOND: u64 = 100;

/// One line of `/proc/<id>/stat`.
struct Stat {
    parent: u32,
    /// Its own time, and that of its children that have ended and were waited for.
    ticks: u64,
    /// Of that, its children's.
    ticks_of_children: u64,
}

/// CPU time of the processes `roots` with all their descendants, those that have ended included as far as somebody
/// waited for them.
pub fn cpu(roots: &[u32]) -> Duration {
    let all = all();
    let sum = all
        .iter()
        .filter(|(id, _)| descends(&all, **id, roots))
        .map(|(_, stat)| stat.ticks)
        .sum();
    ticks(sum)
}

/// Resident memory of these processes and their descendants in bytes, each counted whole.
pub fn resident(roots: &[u32]) -> u64 {
    let all = all();
    let members = all.keys().filter(|id| descends(&all, **id, roots));
    members
        .filter_map(|id| memory(*id))
        .map(|(now, _)| now)
        .sum()
}

/// CPU time of this program's own children, as far as they have ended.
pub fn ended_children() -> Duration {
    let text = fs::read_to_string("/proc/self/stat").unwrap_or_default();
    ticks(stat(&text).map_or(0, |stat| stat.ticks_of_children))
}

/// Waits until these processes and their descendants do nothing any more; whether they came to rest in time.
pub fn rest(roots: &[u32], at_most: Duration) -> bool {
    let mut last = (Instant::now(), cpu(roots));
    wait_for(at_most, || {
        if last.0.elapsed() < REST {
            return None;
        }
        let now = (Instant::now(), cpu(roots));
        let used = now.1.saturating_sub(last.1);
        last = now;
        (used <= REST_CPU).then_some(())
    })
    .is_some()
}

/// CPU time of a process's threads, without its children, in nanoseconds, and how often they gave up the processor of
/// themselves: once each time that they had woken. Threads that have ended are not in it.
pub fn threads(id: u32) -> (u64, u64) {
    of_threads(id, &[""])
}

/// CPU time of those threads whose name begins so, in nanoseconds.
pub fn threads_named(id: u32, names: &[&str]) -> u64 {
    of_threads(id, names).0
}

fn of_threads(id: u32, names: &[&str]) -> (u64, u64) {
    let threads = fs::read_dir(format!("/proc/{id}/task"))
        .into_iter()
        .flatten();
    let (mut ran, mut woke) = (0, 0);
    for thread in threads.flatten() {
        let read = |file| fs::read_to_string(thread.path().join(file)).unwrap_or_default();
        if !names.iter().any(|name| read("comm").starts_with(name)) {
            continue;
        }
        let first = |text: &str| text.split_whitespace().next()?.parse::<u64>().ok();
        ran += first(&read("schedstat")).unwrap_or(0);
        let status = read("status");
        let switches = status
            .lines()
            .find_map(|line| line.strip_prefix("voluntary_ctxt_switches:"));
        woke += switches.and_then(first).unwrap_or(0);
    }
    (ran, woke)
}

/// Resident memory of one process in bytes: now, and at most so far.
pub fn memory(id: u32) -> Option<(u64, u64)> {
    let text = fs::read_to_string(format!("/proc/{id}/status")).ok()?;
    let field = |name: &str| {
        let line = text.lines().find_map(|line| line.strip_prefix(name))?;
        let kib: u64 = line.trim().trim_end_matches(" kB").parse().ok()?;
        Some(kib * 1024)
    };
    Some((field("VmRSS:")?, field("VmHWM:")?))
}

/// Whether a process is one of `roots`, or has one of them above it.
fn descends(all: &HashMap<u32, Stat>, mut id: u32, roots: &[u32]) -> bool {
    // A chain of parents is short; the bound is for ids that were taken over while the list was read.
    for _ in 0..64 {
        if roots.contains(&id) {
            return true;
        }
        match all.get(&id) {
            Some(stat) => id = stat.parent,
            None => return false,
        }
    }
    false
}

fn all() -> HashMap<u32, Stat> {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    entries
        .filter_map(|entry| {
            let id: u32 = entry.file_name().to_str()?.parse().ok()?;
            let text = fs::read_to_string(format!("/proc/{id}/stat")).ok()?;
            Some((id, stat(&text)?))
        })
        .collect()
}

/// `id (name) state parent …`; the name may hold anything, also brackets and blanks.
fn stat(text: &str) -> Option<Stat> {
    let (_, rest) = text.rsplit_once(") ")?;
    let fields: Vec<&str> = rest.split(' ').collect();
    // Counted from the state, which is field 3 of proc_pid_stat(5): parent 4, utime 14 … cstime 17.
    let number = |field: usize| fields.get(field - 3)?.parse::<u64>().ok();
    let ticks_of_children = number(16)? + number(17)?;
    Some(Stat {
        parent: u32::try_from(number(4)?).ok()?,
        ticks: number(14)? + number(15)? + ticks_of_children,
        ticks_of_children,
    })
}

fn ticks(count: u64) -> Duration {
    Duration::from_millis(count * 1000 / TICKS_PER_SECOND)
}
