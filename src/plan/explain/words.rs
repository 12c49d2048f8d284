//! A plan's values in words.

use jiff::Timestamp;
use jiff::tz::TimeZone;

use crate::manifest::unit;
use crate::plan::{
    Attributes, Compare, Compress, DeleteBudget, DeletePolicy, Durability, EventSet, Hook, OnError,
    OnStart, Secret, SourceGuard,
};
use crate::schedule::{Schedule, Window, WindowRule};

const DAYS: [&str; 7] = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];

/// `5ms`, `1h30m`: as it is written in a manifest.
pub(in crate::plan) fn duration(ms: u64) -> String {
    const UNITS: [(u64, &str); 5] = [
        (86_400_000, "d"),
        (3_600_000, "h"),
        (60_000, "m"),
        (1_000, "s"),
        (1, "ms"),
    ];
    let mut rest = ms;
    let mut out = String::new();
    for (unit, name) in UNITS {
        if rest >= unit {
            out.push_str(&format!("{}{name}", rest / unit));
            rest %= unit;
        }
    }
    if out.is_empty() { "0s".into() } else { out }
}

/// `40MiB/s`: as it is written in a manifest.
pub(in crate::plan) fn rate(bytes: u64) -> String {
    const UNITS: [(u64, &str); 7] = [
        (1 << 40, "TiB"),
        (1 << 30, "GiB"),
        (1 << 20, "MiB"),
        (1_000_000, "MB"),
        (1 << 10, "KiB"),
        (1_000, "KB"),
        (1, "B"),
    ];
    let exact = UNITS
        .iter()
        .find(|(unit, _)| bytes >= *unit && bytes.is_multiple_of(*unit));
    exact.map_or_else(
        || "0B/s".into(),
        |(unit, name)| format!("{}{name}/s", bytes / unit),
    )
}

/// An instant on the wall of a zone; milliseconds are of no interest.
pub(super) fn instant(at: Timestamp, zone: &str) -> String {
    let zone = TimeZone::get(zone).unwrap_or(TimeZone::UTC);
    at.to_zoned(zone)
        .strftime("%a %Y-%m-%d %H:%M:%S %:z")
        .to_string()
}

/// The zone in which a schedule's times are best shown.
pub(super) fn zone(schedule: &Schedule) -> &str {
    match schedule {
        Schedule::Cron { time_zone, .. } => time_zone,
        Schedule::Every { .. } => "UTC",
    }
}

pub(in crate::plan) fn schedule(schedule: &Schedule) -> String {
    let spread = |jitter_ms: u64| match jitter_ms {
        0 => String::new(),
        _ => format!(", spread over {}", duration(jitter_ms)),
    };
    match schedule {
        Schedule::Cron {
            expression,
            time_zone,
            jitter_ms,
        } => {
            format!("`{expression}` {time_zone}{}", spread(*jitter_ms))
        }
        Schedule::Every {
            period_ms,
            jitter_ms,
        } => format!("every {}{}", duration(*period_ms), spread(*jitter_ms)),
    }
}

/// `only 22:00-06:00 sat sun UTC`, `never 08:00-18:00 mon-fri Europe/Berlin`.
pub(in crate::plan) fn window(window: &Window) -> String {
    let rule = match window.rule {
        WindowRule::Allow => "only",
        WindowRule::Deny => "never",
    };
    let time = |minutes: u16| format!("{:02}:{:02}", minutes / 60, minutes % 60);
    let days = days(window.days);
    format!(
        "{rule} {}-{}{days} {}",
        time(window.from_min),
        time(window.to_min),
        window.time_zone
    )
}

/// With a leading blank; empty for every day. A run of three or more is a range.
fn days(days: [bool; 7]) -> String {
    let mut out = String::new();
    if days == [true; 7] {
        return out;
    }
    let mut at = 0;
    while at < 7 {
        let run = days[at..].iter().take_while(|day| **day).count();
        match run {
            0 => {}
            1 | 2 => DAYS[at..at + run]
                .iter()
                .for_each(|day| out.push_str(&format!(" {day}"))),
            _ => out.push_str(&format!(" {}-{}", DAYS[at], DAYS[at + run - 1])),
        }
        at += run.max(1);
    }
    out
}

pub(super) fn events(events: EventSet) -> String {
    // Both halves of a rename are written as one word, as in the manifest.
    let both = events.moved_from && events.moved_to;
    let names = [
        (events.create, "create"),
        (events.close_write, "closeWrite"),
        (events.attrib, "attrib"),
        (both, "move"),
        (events.moved_from && !both, "movedFrom"),
        (events.moved_to && !both, "movedTo"),
        (events.delete, "delete"),
        (events.modify, "modify"),
    ];
    let names: Vec<&str> = names
        .into_iter()
        .filter(|(on, _)| *on)
        .map(|(_, name)| name)
        .collect();
    if names.is_empty() {
        "nothing; rescans only".into()
    } else {
        names.join(", ")
    }
}

pub(super) fn guard(guard: &SourceGuard, one_file_system: bool) -> Vec<String> {
    let mut out = Vec::new();
    if let Some(marker) = &guard.marker {
        out.push(format!("`{marker}` must exist"));
    }
    if guard.require_mount {
        out.push("must be on a mounted file system other than `/`".into());
    }
    if !guard.allow_empty {
        out.push("held if it was not empty and now is".into());
    }
    out.push(
        if one_file_system {
            "mounts below it are left out"
        } else {
            "mounts below it are entered"
        }
        .into(),
    );
    out
}

pub(in crate::plan) fn delete(policy: DeletePolicy, budget: DeleteBudget) -> String {
    let policy = match policy {
        DeletePolicy::Never => return "never".into(),
        DeletePolicy::Propagate => "propagate: what vanishes from the source",
        DeletePolicy::Mirror => "mirror: whatever the source has not",
    };
    let budget = self::budget(budget);
    format!("{policy}; held for approval above {budget}")
}

/// How many entries a budget allows.
pub(in crate::plan) fn budget(budget: DeleteBudget) -> String {
    match budget {
        DeleteBudget::Default => "half of the target (or 100 entries, if that is more)".into(),
        DeleteBudget::Count(1) => "1 entry".into(),
        DeleteBudget::Count(count) => format!("{count} entries"),
        DeleteBudget::Share(share) => format!("{} of the target", unit::written_share(share)),
    }
}

/// `12,345`.
pub fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut out = String::new();
    for (nth, digit) in digits.chars().enumerate() {
        if nth > 0 && (digits.len() - nth).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// `1.2 GiB`: about so much.
pub(in crate::plan) fn size(bytes: u64) -> String {
    const UNITS: [(u64, &str); 4] = [
        (1 << 40, "TiB"),
        (1 << 30, "GiB"),
        (1 << 20, "MiB"),
        (1 << 10, "KiB"),
    ];
    match UNITS.iter().find(|(unit, _)| bytes >= *unit) {
        None => format!("{bytes} B"),
        Some((unit, name)) => {
            let tenths = u128::from(bytes) * 10 / u128::from(*unit);
            format!("{}.{} {name}", tenths / 10, tenths % 10)
        }
    }
}

pub(super) fn compare(compare: Compare) -> &'static str {
    match compare {
        Compare::Quick => "by size and time",
        Compare::Checksum => "by content",
    }
}

pub(super) fn on_start(on_start: OnStart) -> &'static str {
    match on_start {
        OnStart::Auto => "at start where it cannot be known that nothing changed",
        OnStart::Always => "at every start",
        OnStart::Never => "never at start",
    }
}

pub(super) fn attributes(attributes: Attributes) -> String {
    let names = [
        (attributes.archive, "archive"),
        (attributes.acls, "acls"),
        (attributes.xattrs, "xattrs"),
        (attributes.hard_links, "hardLinks"),
        (attributes.devices, "devices"),
        (attributes.numeric_ids, "numericIds"),
    ];
    let names: Vec<&str> = names
        .into_iter()
        .filter(|(on, _)| *on)
        .map(|(_, name)| name)
        .collect();
    if names.is_empty() {
        "content only".into()
    } else {
        names.join(", ")
    }
}

pub(super) fn compress(compress: Compress) -> Option<&'static str> {
    match compress {
        Compress::None => None,
        Compress::Auto => Some("compressed"),
        Compress::Zstd => Some("compressed with zstd"),
        Compress::Lz4 => Some("compressed with lz4"),
        Compress::Zlib => Some("compressed with zlib"),
    }
}

pub(super) fn durability(durability: Durability) -> Option<&'static str> {
    match durability {
        Durability::None => None,
        Durability::File => Some("each file is on the disk before it takes its name"),
        Durability::Full => Some(
            "each file is on the disk before it takes its name, and everything before a transfer counts as done",
        ),
    }
}

/// `/usr/local/bin/purge site`, ended after 30s, a failure is said`: one line.
pub(in crate::plan) fn hook(hook: &Hook) -> String {
    let run: Vec<String> = hook.run.iter().map(|word| quoted(word)).collect();
    let failure = match hook.on_error {
        OnError::Warn => "a failure is said",
        OnError::Fail => "run again until it succeeds",
    };
    format!(
        "{}; ended after {}; {failure}",
        run.join(" "),
        duration(hook.timeout_ms)
    )
}

/// As a shell would have to be given it.
fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "/._-+=:,@%".contains(c);
    match !word.is_empty() && word.chars().all(plain) {
        true => word.to_owned(),
        false => format!("'{}'", word.replace('\'', "'\\''")),
    }
}

/// Where a secret is; never the secret.
pub(super) fn secret(secret: &Secret) -> String {
    match secret {
        Secret::File(path) => format!("password from the file {path}"),
        Secret::Credential(name) => format!("password from the systemd credential {name}"),
        Secret::Env(name) => format!("password from the environment variable {name}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_grouped() {
        assert_eq!(
            ["0", "999", "1,000", "51,002", "1,234,567"].map(str::to_owned),
            [0, 999, 1000, 51002, 1_234_567].map(grouped)
        );
    }

    #[test]
    fn numbers_as_a_manifest_has_them() {
        assert_eq!(duration(0), "0s");
        assert_eq!(duration(5_405_005), "1h30m5s5ms");
        assert_eq!(rate(40 << 20), "40MiB/s");
        assert_eq!(rate(5_000_000), "5MB/s");
        assert_eq!(rate(1536), "1536B/s");
        assert_eq!(
            delete(DeletePolicy::Mirror, DeleteBudget::Share(1250))
                .rsplit(' ')
                .nth(3),
            Some("12.5%")
        );
    }

    #[test]
    fn days_of_a_window() {
        let set = |text: &str| days(DAYS.map(|day| text.contains(day)));
        assert_eq!(set("mon tue wed thu fri"), " mon-fri");
        assert_eq!(set("mon wed thu sun"), " mon wed thu sun");
        assert_eq!(set("mon tue wed thu fri sat sun"), "");
    }
}
