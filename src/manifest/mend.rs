//! What was probably meant by a value that cannot be read: text in; the text that says it, and whether it can mean
//! nothing else, out. Only what is certain is ever written by `validate --fix`.

use super::unit;

/// A value as it should be written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Meant {
    pub(super) text: String,
    /// Whether it can mean nothing else.
    pub(super) certain: bool,
}

fn certainly(text: impl Into<String>) -> Option<Meant> {
    Some(Meant {
        text: text.into(),
        certain: true,
    })
}

fn perhaps(text: impl Into<String>) -> Option<Meant> {
    Some(Meant {
        text: text.into(),
        certain: false,
    })
}

/// A text in quotes, as YAML takes it.
pub fn quoted(text: &str) -> String {
    if text.contains(['"', '\\']) {
        format!("'{}'", text.replace('\'', "''"))
    } else {
        format!("\"{text}\"")
    }
}

/// A list that was written as one text: with commas, or rsync's options with blanks between them.
pub(super) fn list(text: &str) -> Meant {
    let word = |part: &&str| {
        let fits = |c: char| c.is_ascii_alphanumeric() || c == '_';
        !part.is_empty() && part.chars().all(fits)
    };
    let commas: Vec<&str> = text.split(',').map(str::trim).collect();
    let blanks: Vec<&str> = text.split_whitespace().collect();
    let options = blanks.len() > 1 && blanks.iter().all(|part| part.starts_with("--"));
    let (parts, certain) = match () {
        () if options => (blanks, true),
        // A pattern or an option may have a comma in it; plain words have none.
        () if commas.len() > 1 => (commas.clone(), commas.iter().all(word)),
        () => (vec![text], !text.contains([' ', '\n'])),
    };
    let plain = parts.len() > 1 && parts.iter().all(word);
    let items: Vec<String> = parts
        .into_iter()
        .map(|part| if plain { part.to_owned() } else { quoted(part) })
        .collect();
    Meant {
        text: format!("[{}]", items.join(", ")),
        certain,
    }
}

/// `60`, `30 sec`, `1.5h`, `30m1h`. `seconds`: whether a bare number counts seconds wherever such a thing is set.
pub(super) fn duration(text: &str, seconds: bool) -> Option<Meant> {
    /// Above it, a bare number may as well be one of milliseconds.
    const BARE_MAX: u64 = 999;
    if let Ok(number) = text.parse::<u64>() {
        return match number {
            0 => certainly("0s"),
            number if seconds && number <= BARE_MAX => certainly(format!("{number}s")),
            number => perhaps(format!("{number}s")),
        };
    }
    let plain = text.to_ascii_lowercase();
    let mut rest = plain.trim();
    let (mut total, mut seen): (u64, u64) = (0, 0);
    while !rest.is_empty() {
        let end = rest.find(|c: char| !(c.is_ascii_digit() || c == '.'))?;
        let (number, after) = rest.split_at(end);
        let after = after.trim_start();
        let end = after
            .find(|c: char| !c.is_ascii_alphabetic())
            .unwrap_or(after.len());
        let (word, after) = after.split_at(end);
        let factor = factor_ms(word)?;
        if seen & factor != 0 && seen == factor {
            return None;
        }
        seen = factor;
        total = total.checked_add(thousandths(number)?.checked_mul(factor)? / 1000)?;
        rest = after.trim_start_matches([' ', ',']);
    }
    let written = unit::written_duration(total);
    // `5M` may be months.
    if total == 0 || text.contains('M') {
        return perhaps(written);
    }
    certainly(written)
}

fn factor_ms(word: &str) -> Option<u64> {
    Some(match word {
        "ms" | "msec" | "msecs" | "millis" | "millisecond" | "milliseconds" => 1,
        "s" | "sec" | "secs" | "second" | "seconds" => 1_000,
        "m" | "min" | "mins" | "minute" | "minutes" => 60_000,
        "h" | "hr" | "hrs" | "hour" | "hours" => 3_600_000,
        "d" | "day" | "days" => 86_400_000,
        "w" | "week" | "weeks" => 604_800_000,
        _ => return None,
    })
}

/// `1.5` as 1500.
fn thousandths(number: &str) -> Option<u64> {
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    if whole.is_empty() || fraction.len() > 3 || (number.contains('.') && fraction.is_empty()) {
        return None;
    }
    let fraction: u64 = format!("{fraction:0<3}").parse().ok()?;
    whole
        .parse::<u64>()
        .ok()?
        .checked_mul(1000)?
        .checked_add(fraction)
}

/// `40MiB`, `40 mib/s`, `40M`.
pub(super) fn rate(text: &str) -> Option<Meant> {
    let plain: String = text.chars().filter(|c| *c != ' ').collect();
    let size = ["/s", "ps", "/sec"]
        .iter()
        .find_map(|end| plain.strip_suffix(end))
        .unwrap_or(&plain);
    let end = size
        .find(|c: char| !c.is_ascii_digit())
        .unwrap_or(size.len());
    let (number, word) = size.split_at(end);
    if number.is_empty() {
        return None;
    }
    const UNITS: [&str; 8] = ["KiB", "MiB", "GiB", "TiB", "kB", "MB", "GB", "TB"];
    if let Some(unit) = UNITS.iter().find(|unit| **unit == word) {
        return certainly(format!("{number}{unit}/s"));
    }
    if let Some(unit) = UNITS[..4]
        .iter()
        .find(|unit| unit.eq_ignore_ascii_case(word))
    {
        return certainly(format!("{number}{unit}/s"));
    }
    // rsync's `--bwlimit` counts in units of 1024 bytes, and its `M` are MiB; `mb` may be bits.
    let unit = match word.to_ascii_lowercase().as_str() {
        "" | "k" | "kb" => "KiB",
        "m" | "mb" => "MiB",
        "g" | "gb" => "GiB",
        _ => return None,
    };
    perhaps(format!("{number}{unit}/s"))
}

/// `10 %`, `"500"`, `10 percent`.
pub(super) fn count_or_share(text: &str) -> Option<Meant> {
    let plain: String = text.chars().filter(|c| *c != ' ').collect();
    if !plain.is_empty() && plain.bytes().all(|byte| byte.is_ascii_digit()) {
        return certainly(plain);
    }
    let number = ["%", "percent", "pct"]
        .iter()
        .find_map(|end| plain.strip_suffix(end))?;
    let share = format!("{number}%");
    unit::share(&share).ok()?;
    certainly(share)
}

/// `8:00-18:00`, `08:00 – 18:00`, `8-18`.
pub(super) fn window(text: &str) -> Option<Meant> {
    let plain: String = text.chars().filter(|c| *c != ' ').collect();
    let plain = plain.replace(['–', '—'], "-").replace("..", "-");
    let (from, to) = plain.split_once('-')?;
    let minutes = from.contains(':') && to.contains(':');
    let window = format!("{}-{}", time(from)?, time(to)?);
    unit::window_min(&window).ok()?;
    Some(Meant {
        text: quoted(&window),
        certain: minutes,
    })
}

fn time(text: &str) -> Option<String> {
    let (hour, minute) = text.split_once(':').unwrap_or((text, "00"));
    // With seconds, as some write it.
    let minute = minute.strip_suffix(":00").unwrap_or(minute);
    let (hour, minute): (u16, u16) = (hour.parse().ok()?, minute.parse().ok()?);
    Some(format!("{hour:02}:{minute:02}"))
}

/// What stands before a colon, and is no host.
const OTHER_SCHEMES: [&str; 10] = [
    "http", "https", "ftp", "sftp", "scp", "s3", "smb", "nfs", "dav", "webdav",
];

/// What other programs take for a target.
pub(super) fn url(text: &str) -> Option<Meant> {
    if text.starts_with('/') && text.len() > 1 {
        return certainly(format!("file://{text}"));
    }
    if let Some((host, module)) = text.split_once("::") {
        return certainly(format!("rsync://{host}/{}", module.trim_start_matches('/')));
    }
    let (host, path) = text.split_once(':')?;
    // A url with too few slashes.
    if super::url::SCHEMES.contains(&host) {
        let path = path.trim_start_matches('/');
        // Behind two slashes stands a host, which a local path has none of.
        let host_named = text.starts_with("file://") && !text.starts_with("file:///");
        return match host {
            "file" if host_named => perhaps(format!("file:///{path}")),
            "file" => certainly(format!("file:///{path}")),
            scheme => certainly(format!("{scheme}://{path}")),
        };
    }
    // A drive's letter is no host, and neither is another scheme.
    let named = host.contains(['@', '.', '-']) || !OTHER_SCHEMES.contains(&host);
    (named && host.len() > 1 && path.starts_with('/') && !path.starts_with("//"))
        .then(|| format!("ssh://{host}{path}"))
        .and_then(certainly)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The text that is certain, or with a `?` the one that is not.
    fn shown(meant: Option<Meant>) -> String {
        meant.map_or_else(String::new, |meant| {
            format!("{}{}", meant.text, if meant.certain { "" } else { "?" })
        })
    }

    #[test]
    fn durations() {
        for (text, means) in [
            ("60", "60s"),
            ("5000", "5000s?"),
            ("30 sec", "30s"),
            ("5 minutes", "5m"),
            ("1.5h", "1h30m"),
            ("0.25s", "250ms"),
            ("30m1h", "1h30m"),
            ("1h 30m", "1h30m"),
            ("2 days, 3 hours", "2d3h"),
            ("1w", "7d"),
            ("5M", "5m?"),
            ("30S", "30s"),
            ("1s1s", ""),
            ("soon", ""),
            ("-5s", ""),
            ("1.h", ""),
            ("PT30S", ""),
            ("99999999999999999999s", ""),
        ] {
            assert_eq!(shown(duration(text, true)), means, "{text}");
        }
        assert_eq!(shown(duration("5", false)), "5s?", "may be milliseconds");
    }

    #[test]
    fn lists() {
        for (text, means) in [
            ("web-1", "[\"web-1\"]"),
            ("archive,acls", "[archive, acls]"),
            ("create, CLOSE_WRITE", "[create, CLOSE_WRITE]"),
            ("*.tmp, *.swp", "[\"*.tmp\", \"*.swp\"]?"),
            (
                "--fsync --chmod=D755,F644",
                "[\"--fsync\", \"--chmod=D755,F644\"]",
            ),
            ("my files", "[\"my files\"]?"),
        ] {
            assert_eq!(shown(Some(list(text))), means, "{text}");
        }
    }

    #[test]
    fn rates_and_shares() {
        for (text, means) in [
            ("40MiB", "40MiB/s"),
            ("40 MiB/s", "40MiB/s"),
            ("40mib/s", "40MiB/s"),
            ("40MBps", "40MB/s"),
            ("40M", "40MiB/s?"),
            ("40mb/s", "40MiB/s?"),
            ("5000", "5000KiB/s?"),
            ("fast", ""),
            ("MiB/s", ""),
        ] {
            assert_eq!(shown(rate(text)), means, "{text}");
        }
        for (text, means) in [
            ("10 %", "10%"),
            ("500", "500"),
            ("10 percent", "10%"),
            ("few", ""),
            ("200%", ""),
        ] {
            assert_eq!(shown(count_or_share(text)), means, "{text}");
        }
    }

    #[test]
    fn windows_and_urls() {
        for (text, means) in [
            ("8:00-18:00", "\"08:00-18:00\""),
            ("08:00 – 18:00", "\"08:00-18:00\""),
            ("22:00:00-05:00:00", "\"22:00-05:00\""),
            ("8-18", "\"08:00-18:00\"?"),
            ("8-8", ""),
            ("25:00-26:00", ""),
            ("morning", ""),
        ] {
            assert_eq!(shown(window(text)), means, "{text}");
        }
        for (text, means) in [
            ("/mnt/nas", "file:///mnt/nas"),
            ("web98::site/x", "rsync://web98/site/x"),
            ("me@dr:/srv", "ssh://me@dr/srv"),
            ("C:/x", ""),
            ("dr:srv", ""),
            ("rsync:/web98/site", "rsync://web98/site"),
            ("file:/mnt/x", "file:///mnt/x"),
            ("https:/web98/site", ""),
            ("file://mnt/x", "file:///mnt/x?"),
        ] {
            assert_eq!(shown(url(text)), means, "{text}");
        }
        assert_eq!(quoted("a\"b'c"), "'a\"b''c'");
        assert_eq!(quoted("*.rs"), "\"*.rs\"");
    }
}
