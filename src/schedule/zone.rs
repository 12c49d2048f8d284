//! Time zones by IANA name.
//!
//! The zones' data is the system's (`/usr/share/zoneinfo`, so that an update of it is enough), and the copy that jiff
//! carries where the system has none. Reading it is the one look at the disk in this room; it is the same everywhere.

use jiff::tz::TimeZone;

use super::{Problem, ScheduleError};

/// Says whether a zone is known.
pub fn check_zone(name: &str) -> Result<(), ScheduleError> {
    find(name).map(drop)
}

/// The zone of that name, or what is wrong with the name.
pub(super) fn find(name: &str) -> Result<TimeZone, ScheduleError> {
    let error = || {
        ScheduleError::new(
            Problem::UnknownZone,
            0..name.len(),
            format!("unknown time zone `{name}`"),
        )
    };
    // jiff takes `Local` and the like from the host; a plan must mean the same everywhere.
    if name == "UTC" {
        return Ok(TimeZone::UTC);
    }
    if name.is_empty()
        || name.eq_ignore_ascii_case("local")
        || name.eq_ignore_ascii_case("localtime")
    {
        return Err(error()
            .help("an IANA name, such as `Europe/Berlin`: a plan means the same on every host"));
    }
    TimeZone::get(name).map_err(|_| match nearest(name) {
        Some(known) => ScheduleError {
            meant: Some(known.clone()),
            ..error().help(format!("did you mean `{known}`?"))
        },
        None => error().help(GENERAL),
    })
}

/// The zone of that name. Schedules and windows are checked before they come into a plan; should the zone be gone since
/// (its data was removed from under a running service), UTC is a time, and stopping is none.
pub(super) fn find_or_utc(name: &str) -> TimeZone {
    find(name).unwrap_or(TimeZone::UTC)
}

/// Advice where no name is near.
const GENERAL: &str = "an IANA name, such as `Europe/Berlin` or `UTC`";

/// No zone's name is half as long; comparing a text of a manifest's whole size with each of them takes seconds.
const NEAREST_BYTES_MAX: usize = 100;

/// The known name that is most like it.
fn nearest(name: &str) -> Option<String> {
    if name.len() > NEAREST_BYTES_MAX {
        return None;
    }
    let wanted = name.to_lowercase().replace(' ', "_");
    let best = jiff::tz::db()
        .available()
        .map(|known| {
            let known = known.as_str().to_string();
            let lower = known.to_lowercase();
            let city = lower.rsplit('/').next().unwrap_or(&lower);
            let score =
                strsim::jaro_winkler(&wanted, &lower).max(strsim::jaro_winkler(&wanted, city));
            (known, score)
        })
        .filter(|(_, score)| *score > 0.9)
        // The first of the best by name, so that the advice does not depend on the order of the database.
        .max_by(|a, b| a.1.total_cmp(&b.1).then_with(|| b.0.cmp(&a.0)));
    best.map(|(known, _)| known)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names() {
        for good in [
            "UTC",
            "Europe/Berlin",
            "America/New_York",
            "Australia/Lord_Howe",
        ] {
            assert_eq!(check_zone(good), Ok(()));
        }
        let advice = |name: &str| check_zone(name).unwrap_err().help.unwrap();
        assert_eq!(advice("Europe/Berln"), "did you mean `Europe/Berlin`?");
        assert_eq!(advice("Berlin"), "did you mean `Europe/Berlin`?");
        assert_eq!(
            advice("zzzzzz"),
            "an IANA name, such as `Europe/Berlin` or `UTC`"
        );
        assert_eq!(
            advice(&"zz/".repeat(100_000)),
            "an IANA name, such as `Europe/Berlin` or `UTC`"
        );
        assert!(
            check_zone("").is_err()
                && check_zone("../../etc/passwd").is_err()
                && check_zone("local").is_err()
        );
    }
}
