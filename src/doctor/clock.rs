//! The clock: schedules go by it, and so does what counts as changed just now.
//!
//! The far side's is not asked for: rsync gives files the times that they have here, so nothing hangs on it. What lies on a
//! file server shows it all the same, in the time at which the root was last changed.

use std::fs;
use std::io;
use std::path::Path;
use std::time::{Duration, SystemTime};

use super::{Finding, Request, Subject};
use crate::host::{self, Kept};
use crate::plan::Target;

/// No host has run this before it was written.
const WRITTEN: Duration = Duration::from_secs(1_767_225_600); // 2026-01-01

/// What times of files may be ahead: coarse clocks of file systems.
const AHEAD: Duration = Duration::from_secs(2);

/// What keeps a clock in step, where it is installed, with the command that starts it.
const KEEPERS: [(&str, &str); 4] = [
    ("/usr/sbin/chronyd", "systemctl enable --now chrony"),
    ("/usr/sbin/ntpd", "systemctl enable --now ntpsec"),
    (
        "/usr/lib/systemd/systemd-timesyncd",
        "timedatectl set-ntp true",
    ),
    ("/lib/systemd/systemd-timesyncd", "timedatectl set-ntp true"),
];

/// Looks at the clock, and holds the times of sources and local targets against it.
pub fn check(request: &Request) -> Vec<Finding> {
    let now = SystemTime::now();
    let installed = |path: &str| Path::new(path).exists();
    let mut found = vec![judge(
        &Subject::new("clock", &request.host),
        now,
        &host::kept(),
        installed,
    )];
    let sources = request.plan.sources.values();
    let sources = sources.map(|source| (source.name.to_string(), source.path.as_str()));
    let targets = request.plan.routes().filter_map(|(_, route)| {
        let Target::Local { path } = &route.target else {
            return None;
        };
        Some((route.name.to_string(), path.as_str()))
    });
    found.extend(sources.chain(targets).filter_map(|(name, path)| {
        let changed = fs::metadata(path).and_then(|info| info.modified()).ok()?;
        (changed > now + AHEAD).then(|| {
            Subject::new("clock", name).warning(
                "its root was changed in the future: this clock was set back, or a file server's is ahead; such names are looked at again at every start",
                "set the clocks of both from the network",
            )
        })
    }));
    found
}

fn judge(
    subject: &Subject,
    now: SystemTime,
    kept: &io::Result<Kept>,
    installed: impl Fn(&str) -> bool,
) -> Finding {
    let since = now
        .duration_since(SystemTime::UNIX_EPOCH)
        .unwrap_or_default();
    let remedy = || {
        let keeper = KEEPERS.iter().find(|(path, _)| installed(path));
        keeper.map_or(
            "install chrony; on Debian: apt-get install chrony",
            |(_, start)| start,
        )
    };
    match kept {
        _ if since < WRITTEN => subject.error("the clock stands in the past", remedy()),
        Ok(kept) if kept.synchronized => subject.good(format!(
            "the kernel says that it is kept in step, {} ms off at most",
            kept.off_at_most.as_millis()
        )),
        Ok(_) => subject.warning(
            "the kernel says that nothing keeps it in step: schedules and windows drift with it",
            remedy(),
        ),
        Err(error) => subject.note(format!(
            "whether something keeps it in step cannot be told here: {error}"
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::Grade;

    #[test]
    fn the_kernels_word_decides() {
        let now = SystemTime::UNIX_EPOCH + WRITTEN + Duration::from_secs(1);
        let judged = |now, kept, installed: &str| {
            let found = judge(&Subject::new("clock", "h"), now, &kept, |path| {
                path == installed
            });
            (found.grade, found.says, found.remedy.unwrap_or_default())
        };
        let kept = |synchronized| {
            Ok(Kept {
                synchronized,
                off_at_most: Duration::from_millis(12),
            })
        };
        let (grade, says, remedy) = judged(now, kept(true), "");
        assert!(
            grade == Grade::Good && says.contains("12 ms") && remedy.is_empty(),
            "{says}"
        );
        for (installed, start) in [
            ("", "apt-get install chrony"),
            ("/usr/sbin/chronyd", "enable --now chrony"),
            ("/usr/sbin/ntpd", "enable --now ntpsec"),
            ("/usr/lib/systemd/systemd-timesyncd", "set-ntp true"),
        ] {
            let (grade, says, remedy) = judged(now, kept(false), installed);
            assert!(
                grade == Grade::Warning && says.contains("nothing keeps it"),
                "{says}"
            );
            assert!(remedy.contains(start), "{installed}: {remedy}");
        }
        let refused = || Err(io::Error::from(io::ErrorKind::PermissionDenied));
        let (grade, says, _) = judged(now, refused(), "");
        assert!(
            grade == Grade::Note && says.contains("permission denied"),
            "{says}"
        );
        let past = SystemTime::UNIX_EPOCH + Duration::from_secs(86_400);
        assert_eq!(judged(past, kept(true), "").0, Grade::Error);
    }
}
