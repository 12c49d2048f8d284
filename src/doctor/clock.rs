//! The clock: schedules go by it, and so does what counts as changed just now.

use std::fs;
use std::path::Path;
use std::time::{Duration, SystemTime};

use super::{Finding, Request, Subject};

/// No host has run this before it was written.
const WRITTEN: Duration = Duration::from_secs(1_767_225_600); // 2026-01-01

/// What times of files may be ahead: coarse clocks of file systems.
const AHEAD: Duration = Duration::from_secs(2);

/// Where systemd-timesyncd, and what takes its place, says that the clock was set from the network.
const SYNCHRONIZED: &str = "/run/systemd/timesync/synchronized";

/// Looks at the clock, and holds the sources' times against it.
pub fn check(request: &Request) -> Vec<Finding> {
    let now = SystemTime::now();
    let subject = Subject::new("clock", &request.host);
    let since = now
        .duration_since(SystemTime::UNIX_EPOCH)
        .unwrap_or_default();
    let mut found = vec![if since < WRITTEN {
        subject.error(
            "the clock stands in the past",
            "set it: timedatectl set-ntp true",
        )
    } else if Path::new(SYNCHRONIZED).exists() {
        subject.good("it is set from the network")
    } else {
        subject.note("whether it is set from the network cannot be told here")
    }];
    for source in request.plan.sources.values() {
        let Ok(changed) = fs::metadata(&source.path).and_then(|info| info.modified()) else {
            continue;
        };
        if changed > now + AHEAD {
            found.push(Subject::new("clock", &source.name).warning(
                "its root was changed in the future: this clock was set back, or a file server's is ahead; such names are looked at again at every start",
                "set the clocks of both from the network",
            ));
        }
    }
    found
}
