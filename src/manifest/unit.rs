//! Numbers with units: durations, sizes, rates, shares and times of day. Text in, number out.

/// `1h30m` in milliseconds. Each unit at most once, from the largest to the smallest.
pub fn duration_ms(text: &str) -> Result<u64, String> {
    const UNITS: &[(&str, u64)] = &[
        ("d", 86_400_000),
        ("h", 3_600_000),
        ("m", 60_000),
        ("s", 1_000),
        ("ms", 1),
    ];
    let mut rest = text;
    let mut total: u64 = 0;
    let mut smallest = u64::MAX;
    if rest.is_empty() {
        return Err("the duration is empty".to_owned());
    }
    while !rest.is_empty() {
        let (number, after) = split(rest, |c| c.is_ascii_digit());
        let (unit, after) = split(after, |c| !c.is_ascii_digit());
        let number: u64 = match number {
            "" => return Err(format!("`{text}` is not a duration")),
            digits => digits
                .parse()
                .map_err(|_| format!("`{text}` is too long"))?,
        };
        if unit.is_empty() {
            return Err(format!("`{text}` has no unit"));
        }
        let Some((_, factor)) = UNITS.iter().find(|(name, _)| *name == unit) else {
            return Err(format!("`{}` is not a unit of time", unit.trim()));
        };
        if *factor >= smallest {
            return Err(format!(
                "the units of `{text}` do not go from the largest to the smallest"
            ));
        }
        smallest = *factor;
        total = number
            .checked_mul(*factor)
            .and_then(|part| total.checked_add(part))
            .ok_or_else(|| format!("`{text}` is too long"))?;
        rest = after;
    }
    Ok(total)
}

/// `4KiB`, `10MB`, `512B` in bytes.
pub fn size_bytes(text: &str) -> Result<u64, String> {
    const UNITS: &[(&str, u64)] = &[
        ("B", 1),
        ("kB", 1_000),
        ("KB", 1_000),
        ("MB", 1_000_000),
        ("GB", 1_000_000_000),
        ("TB", 1_000_000_000_000),
        ("KiB", 1 << 10),
        ("MiB", 1 << 20),
        ("GiB", 1 << 30),
        ("TiB", 1 << 40),
    ];
    let (number, unit) = split(text, |c| c.is_ascii_digit());
    if number.is_empty() {
        return Err(format!("`{text}` is not a size"));
    }
    if unit.is_empty() {
        return Err(format!("`{text}` has no unit"));
    }
    let Some((_, factor)) = UNITS.iter().find(|(name, _)| *name == unit) else {
        return Err(format!("`{}` is not a unit of size", unit.trim()));
    };
    let number: Option<u64> = number.parse().ok();
    number
        .and_then(|number| number.checked_mul(*factor))
        .ok_or_else(|| format!("`{text}` is too large"))
}

/// `40MiB/s` in bytes a second.
pub fn rate_bytes(text: &str) -> Result<u64, String> {
    match text.strip_suffix("/s") {
        Some(size) => size_bytes(size),
        None if size_bytes(text).is_ok() => Err(format!("`{text}` is a size, not a rate")),
        None => Err(format!("`{text}` is not a rate")),
    }
}

/// `10%` or `0.25%` in hundredths of a per cent.
pub fn share(text: &str) -> Result<u32, String> {
    let wrong = || format!("`{text}` is not a percentage");
    let number = text.strip_suffix('%').ok_or_else(wrong)?;
    let (whole, fraction) = number.split_once('.').unwrap_or((number, "0"));
    let digits = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    if !digits(whole) || !digits(fraction) || fraction.len() > 2 || whole.len() > 3 {
        return Err(wrong());
    }
    let whole: u32 = whole.parse().map_err(|_| wrong())?;
    let hundredths: u32 = format!("{fraction:0<2}").parse().map_err(|_| wrong())?;
    match whole * 100 + hundredths {
        share if share <= 10_000 => Ok(share),
        _ => Err(format!("`{text}` is more than everything")),
    }
}

/// `22:30-05:00` in minutes from midnight; the end may be `24:00`.
pub fn window_min(text: &str) -> Result<(u16, u16), String> {
    let (from, to) = text
        .split_once('-')
        .ok_or_else(|| format!("`{text}` is not a window of the day"))?;
    let (from_min, to_min) = (time_min(from)?, time_min(to)?);
    if from_min == 1440 {
        return Err("a window cannot begin at `24:00`".to_owned());
    }
    if from_min == to_min {
        return Err(format!(
            "`{text}` begins when it ends; the whole day is `00:00-24:00`"
        ));
    }
    // An end at midnight is the end of the day on which the window began.
    Ok((from_min, if to_min == 0 { 1440 } else { to_min }))
}

fn time_min(text: &str) -> Result<u16, String> {
    let wrong = || format!("`{text}` is not a time of day");
    let (hour, minute) = text.split_once(':').ok_or_else(wrong)?;
    let two = |part: &str| {
        let digits = part.len() == 2 && part.bytes().all(|byte| byte.is_ascii_digit());
        digits
            .then(|| part.parse::<u16>().ok())
            .flatten()
            .ok_or_else(wrong)
    };
    let (hour, minute) = (two(hour)?, two(minute)?);
    if minute > 59 || hour > 24 || (hour == 24 && minute > 0) {
        return Err(wrong());
    }
    Ok(hour * 60 + minute)
}

/// A duration as it is written, in the fewest units.
pub fn written_duration(ms: u64) -> String {
    const UNITS: [(&str, u64); 5] = [
        ("d", 86_400_000),
        ("h", 3_600_000),
        ("m", 60_000),
        ("s", 1_000),
        ("ms", 1),
    ];
    let mut rest = ms;
    let mut out = String::new();
    for (unit, factor) in UNITS {
        if rest >= factor {
            out.push_str(&format!("{}{unit}", rest / factor));
            rest %= factor;
        }
    }
    if out.is_empty() {
        "0ms".to_owned()
    } else {
        out
    }
}

/// A rate as it is written, in the largest unit that keeps it whole.
pub fn written_rate(bytes: u64) -> String {
    const UNITS: [(&str, u64); 6] = [
        ("GiB", 1 << 30),
        ("GB", 1_000_000_000),
        ("MiB", 1 << 20),
        ("MB", 1_000_000),
        ("KiB", 1 << 10),
        ("kB", 1_000),
    ];
    match UNITS
        .iter()
        .find(|(_, factor)| bytes >= *factor && bytes.is_multiple_of(*factor))
    {
        Some((unit, factor)) => format!("{}{unit}/s", bytes / factor),
        None => format!("{bytes}B/s"),
    }
}

/// A share as it is written.
pub fn written_share(hundredths: u32) -> String {
    match (hundredths / 100, hundredths % 100) {
        (whole, 0) => format!("{whole}%"),
        (whole, part) if part % 10 == 0 => format!("{whole}.{}%", part / 10),
        (whole, part) => format!("{whole}.{part:02}%"),
    }
}

/// A window as it is written.
pub fn written_window(from_min: u16, to_min: u16) -> String {
    format!(
        "{:02}:{:02}-{:02}:{:02}",
        from_min / 60,
        from_min % 60,
        to_min / 60,
        to_min % 60
    )
}

fn split(text: &str, takes: impl Fn(char) -> bool) -> (&str, &str) {
    text.split_at(text.find(|c| !takes(c)).unwrap_or(text.len()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_have_units() {
        assert_eq!(duration_ms("250ms"), Ok(250));
        assert_eq!(duration_ms("30s"), Ok(30_000));
        assert_eq!(duration_ms("1h30m"), Ok(5_400_000));
        assert_eq!(duration_ms("2d"), Ok(172_800_000));
        assert_eq!(duration_ms("0s"), Ok(0));
        for text in [
            "",
            "30",
            "s",
            "1.5h",
            "-5s",
            "5 s",
            "30s1h",
            "1s1s",
            "1w",
            "99999999999999999999s",
            "5M",
            "٣s",
        ] {
            assert!(duration_ms(text).is_err(), "{text}");
        }
        assert!(duration_ms("213503982334601d1s").is_err());
    }

    #[test]
    fn sizes_and_rates_have_units() {
        assert_eq!(size_bytes("4KiB"), Ok(4096));
        assert_eq!(size_bytes("10MB"), Ok(10_000_000));
        assert_eq!(rate_bytes("40MiB/s"), Ok(40 << 20));
        for text in ["40", "MiB", "40M", "1.5MiB", "99999999TiB", "-1MB"] {
            assert!(size_bytes(text).is_err(), "{text}");
        }
        assert!(rate_bytes("40MiB").unwrap_err().contains("not a rate"));
        assert!(rate_bytes("5m/s").is_err());
    }

    #[test]
    fn shares_are_of_a_hundred() {
        assert_eq!(share("10%"), Ok(1000));
        assert_eq!(share("0.25%"), Ok(25));
        assert_eq!(share("0.5%"), Ok(50));
        assert_eq!(share("100%"), Ok(10_000));
        for text in [
            "10",
            "%",
            "101%",
            "1.%",
            ".5%",
            "1.234%",
            "-1%",
            "+1%",
            "10 %",
            "9999999999%",
        ] {
            assert!(share(text).is_err(), "{text}");
        }
    }

    #[test]
    fn windows_may_span_midnight() {
        assert_eq!(window_min("08:00-18:00"), Ok((480, 1080)));
        assert_eq!(window_min("22:30-05:00"), Ok((1350, 300)));
        assert_eq!(window_min("00:00-24:00"), Ok((0, 1440)));
        assert_eq!(window_min("22:00-00:00"), Ok((1320, 1440)));
        for text in [
            "8:00-18:00",
            "08:00",
            "08:00-08:00",
            "24:00-01:00",
            "08:60-09:00",
            "25:00-26:00",
            "08:00–18:00",
            "00:00-00:00",
        ] {
            assert!(window_min(text).is_err(), "{text}");
        }
    }

    #[test]
    fn what_is_written_is_read_back() {
        for ms in [0, 1, 250, 1_000, 90_000, 5_400_000, 172_800_001, 86_399_999] {
            assert_eq!(duration_ms(&written_duration(ms)), Ok(ms));
        }
        assert_eq!(written_duration(5_400_000), "1h30m");
        for rate in [1, 1024, 1_000_000, 40 << 20, 1 << 40, 1_234_567] {
            assert_eq!(rate_bytes(&written_rate(rate)), Ok(rate));
        }
        for hundredths in [0, 1, 25, 50, 1000, 1005, 10_000] {
            assert_eq!(share(&written_share(hundredths)), Ok(hundredths));
        }
        for (from, to) in [(480, 1080), (1350, 300), (0, 1440)] {
            assert_eq!(window_min(&written_window(from, to)), Ok((from, to)));
        }
    }
}
