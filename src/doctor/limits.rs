//! The kernel's limits, against what the sources need.

use std::fs;
use std::path::Path;

use rustix::process::{Resource, getrlimit};

use super::need::Need;
use super::{Finding, Subject};
use crate::plan::Limits;

/// A watch with the inode that it pins, in the kernel's memory (measured on 6.x).
const BYTES_A_WATCH: u64 = 1300;

/// Below this share of room left, a tree that grows meets its limit soon.
const SPARE: u64 = 5;

/// The queue that the kernel has by default; a shorter one overflows in ordinary bursts.
const QUEUE_USUAL: u64 = 16_384;

/// Descriptors that the service needs for itself and each transfer, with room.
const DESCRIPTORS: u64 = 512;

/// Holds what is needed against what is allowed. What is beyond `grows` into another mechanism, where that can be had.
pub fn check(host: &str, limits: &Limits, needs: &[Need], grows: bool) -> Vec<Finding> {
    let need: u64 = needs.iter().map(|need| need.directories).sum();
    let more = needs.iter().any(|need| need.more);
    let mut found = Vec::new();
    if let Some((allowed, key)) = read("max_user_watches", "max_inotify_watches") {
        found.push(watches(
            host,
            need,
            more,
            Allowed {
                allowed,
                key,
                used: used(),
                own: limits.watches,
                grows,
            },
        ));
    }
    if let Some((allowed, key)) = read("max_user_instances", "max_inotify_instances") {
        let wanted = needs.len() as u64 + 1;
        let subject = Subject::new("inotifyInstances", host);
        found.push(match wanted <= allowed / 2 {
            true => subject.good(format!("{wanted} of {allowed} instances are needed")),
            false => subject.warning(
                format!("{wanted} of {allowed} instances are needed, and others use some"),
                format!("sysctl {key}={}", (wanted * 4).max(512)),
            ),
        });
    }
    if let Some(queue) = number("/proc/sys/fs/inotify/max_queued_events") {
        let subject = Subject::new("inotifyQueue", host);
        found.push(match queue >= QUEUE_USUAL {
            true => subject.good(format!("{queue} events may wait")),
            false => subject.warning(
                format!("only {queue} events may wait: bursts overflow it, and each overflow costs a walk of the source"),
                format!("sysctl fs.inotify.max_queued_events={QUEUE_USUAL}"),
            ),
        });
    }
    let descriptors = getrlimit(Resource::Nofile).current;
    let subject = Subject::new("descriptors", host);
    found.push(match descriptors {
        Some(have) if have < DESCRIPTORS => subject.warning(
            format!("a process may have {have} open files here"),
            format!(
                "`LimitNOFILE={0}` in the unit; by hand, `ulimit -n {0}` before it is started",
                DESCRIPTORS * 2
            ),
        ),
        Some(have) => subject.good(format!("{have} files may be open")),
        None => subject.good("any number of files may be open"),
    });
    found
}

struct Allowed {
    allowed: u64,
    /// What sets it.
    key: String,
    used: u64,
    own: Option<u64>,
    grows: bool,
}

fn watches(host: &str, need: u64, more: bool, room: Allowed) -> Finding {
    let Allowed {
        allowed,
        key,
        used,
        own,
        grows,
    } = room;
    let subject = Subject::new("inotifyWatches", host);
    let free = allowed.saturating_sub(used).min(own.unwrap_or(u64::MAX));
    let beyond = if more { "more than " } else { "" };
    let says = format!(
        "{beyond}{need} {} to be watched ({} of kernel memory), {free} of {allowed} watches are free",
        if need == 1 {
            "directory is"
        } else {
            "directories are"
        },
        size(need * BYTES_A_WATCH)
    );
    let raise = format!(
        "sysctl {key}={} (and in /etc/sysctl.d/ to keep it){}",
        (need + used)
            .saturating_mul(2)
            .next_power_of_two()
            .max(65_536),
        if own.is_some_and(|own| own < need) {
            ", and `limits.watches` in the agent file"
        } else {
            ""
        }
    );
    if grows && (more || need > free) {
        return subject.good(format!("{says}; fanotify takes the place of more"));
    }
    if more || need > free {
        let lost = need.saturating_sub(free);
        return subject.error(
            format!("{says}: {lost} directories would only be polled"),
            raise,
        );
    }
    match need + need / SPARE > free {
        true => subject.warning(format!("{says}: it is close"), raise),
        false => subject.good(says),
    }
}

fn size(bytes: u64) -> String {
    match bytes {
        0..1_048_576 => format!("{} KiB", bytes / 1024),
        _ => format!("{} MiB", bytes / 1_048_576),
    }
}

/// The host's limit, or this user name space's (a container may have one), whichever is smaller; with its name.
fn read(host: &str, space: &str) -> Option<(u64, String)> {
    let keys = [format!("fs.inotify.{host}"), format!("user.{space}")];
    let limit = |key: String| {
        let path = format!("/proc/sys/{}", key.replace('.', "/"));
        Some((number(&path)?, key))
    };
    // Where both are the same, the host's.
    let limits = keys.into_iter().filter_map(limit);
    limits.min_by_key(|(limit, _)| *limit)
}

fn number(path: &str) -> Option<u64> {
    fs::read_to_string(path).ok()?.trim().parse().ok()
}

/// Watches that this user's other processes have, as far as they may be seen. A heliostat that runs is left out: it is
/// what the need is for.
fn used() -> u64 {
    let own = rustix::process::geteuid().as_raw();
    let processes = fs::read_dir("/proc").into_iter().flatten().flatten();
    processes
        .filter(|process| {
            process.file_name().to_string_lossy().parse::<u32>().is_ok()
                && is_counted(&process.path(), own)
        })
        .map(|process| watches_of(&process.path()))
        .sum()
}

fn is_counted(process: &Path, user: u32) -> bool {
    use std::os::unix::fs::MetadataExt;
    process.metadata().is_ok_and(|info| info.uid() == user)
        && fs::read_to_string(process.join("comm")).is_ok_and(|name| name.trim() != "heliostat")
}

fn watches_of(process: &Path) -> u64 {
    let open = fs::read_dir(process.join("fd"))
        .into_iter()
        .flatten()
        .flatten();
    open.filter(|open| {
        fs::read_link(open.path()).is_ok_and(|to| to.as_os_str() == "anon_inode:inotify")
    })
    .filter_map(|open| fs::read_to_string(process.join("fdinfo").join(open.file_name())).ok())
    .map(|text| {
        text.lines()
            .filter(|line| line.starts_with("inotify wd:"))
            .count() as u64
    })
    .sum()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::Grade;

    #[test]
    fn a_limit_is_told_before_it_is_met() {
        let of = |need, more, allowed, used, own| {
            let grows = false;
            let room = Allowed {
                allowed,
                key: "fs.inotify.max_user_watches".into(),
                used,
                own,
                grows,
            };
            watches("h", need, more, room)
        };
        assert_eq!(of(100, false, 1000, 0, None).grade, Grade::Good);
        assert_eq!(of(100, false, 1000, 890, None).grade, Grade::Warning);
        let over = of(200, false, 1000, 890, None);
        assert!(
            over.grade == Grade::Error && over.says.contains("90 directories would only be polled"),
            "{over:?}"
        );
        assert!(over.remedy.unwrap().contains("max_user_watches=65536"));
        let own = of(200, false, 1000, 0, Some(50));
        assert!(own.remedy.unwrap().contains("limits.watches"));
        assert_eq!(of(5, true, 1 << 40, 0, None).grade, Grade::Error);
    }

    #[test]
    fn watches_of_this_process_are_counted() {
        let inotify = rustix::fs::inotify::init(rustix::fs::inotify::CreateFlags::CLOEXEC).unwrap();
        let before = watches_of(Path::new("/proc/self"));
        let flags = rustix::fs::inotify::WatchFlags::ATTRIB;
        rustix::fs::inotify::add_watch(&inotify, "/", flags).unwrap();
        assert!(watches_of(Path::new("/proc/self")) > before);
    }
}
