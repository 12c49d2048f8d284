//! Instants of the command line: `2h` ago, a date, a date with a time, or RFC 3339.

use jiff::civil::{Date, DateTime};
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};

use super::client;

/// Reads one. What bears no zone is meant in this host's.
pub fn instant(text: &str) -> Result<Timestamp, String> {
    let wrong = || {
        format!(
            "`{}` is no instant: write `2h` (ago), `2026-06-01`, `2026-06-01T03:00` or `2026-06-01T03:00:00Z`",
            text.escape_default()
        )
    };
    if let Ok(ago) = client::duration(text) {
        let ago = SignedDuration::try_from(ago).map_err(|_| wrong())?;
        return Timestamp::now().checked_sub(ago).map_err(|_| wrong());
    }
    if let Ok(at) = text.parse::<Timestamp>() {
        return Ok(at);
    }
    let here = TimeZone::system();
    let local = match text.parse::<DateTime>() {
        Ok(local) => local,
        Err(_) => text.parse::<Date>().map_err(|_| wrong())?.at(0, 0, 0, 0),
    };
    here.to_timestamp(local).map_err(|_| wrong())
}

/// An instant in this host's zone, to the second.
pub fn shown(at: Timestamp) -> String {
    let local = at.to_zoned(TimeZone::system());
    local.strftime("%Y-%m-%d %H:%M:%S").to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn instants_are_read() {
        let utc = instant("2026-06-01T03:00:00Z").unwrap();
        assert_eq!(utc.to_string(), "2026-06-01T03:00:00Z");
        assert_eq!(instant("2026-06-01T05:00:00+02:00").unwrap(), utc);
        let day = instant("2026-06-01").unwrap();
        assert_eq!(instant("2026-06-01T00:00").unwrap(), day);
        assert_eq!(instant("2026-06-01 00:00:00").unwrap(), day);
        let ago = Timestamp::now().duration_since(instant("2h").unwrap());
        assert!((7190..7290).contains(&ago.as_secs()), "{ago:?}");
        for wrong in ["", "yesterday", "2026-13-01", "5", "2026-06-01T25:00"] {
            assert!(instant(wrong).is_err(), "{wrong}");
        }
    }
}
