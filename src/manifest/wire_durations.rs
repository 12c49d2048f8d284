//! The pattern of a duration within bounds: a schema has `minimum` and `maximum` for numbers, and for texts a pattern alone.
//!
//! What is written in one unit is held to both bounds exactly. Of several units together each is held to the upper one, and
//! their sum is left to the loader: the schema is never stricter than it.

use super::reading::Bounds;

/// Largest first, as they are written.
const UNITS: [(&str, u64); 5] = [
    ("d", 86_400_000),
    ("h", 3_600_000),
    ("m", 60_000),
    ("s", 1_000),
    ("ms", 1),
];

/// The pattern.
pub(super) fn within(bounds: &Bounds) -> String {
    let (least, most) = (*bounds.ms.start(), *bounds.ms.end());
    let alone = UNITS.iter().filter_map(|(unit, ms)| {
        let (from, to) = (least.div_ceil(*ms), most / ms);
        (from <= to).then(|| format!("{}{unit}", numbers(from, to)))
    });
    let alone: Vec<String> = alone.collect();
    let parts = UNITS.map(|(unit, ms)| format!("({}{unit})?", numbers(0, most / ms)));
    let nothing = if least > 0 { "(?=.*[1-9])" } else { "" };
    let several = format!("(?=[0-9]+[a-z]+[0-9]){nothing}{}", parts.concat());
    format!("^({}|{several})$", alone.join("|"))
}

/// Whole numbers from one to another, with or without zeroes in front.
fn numbers(from: u64, to: u64) -> String {
    let mut all = Vec::new();
    let digits = |number: u64| number.to_string().len() as u32;
    for length in digits(from)..=digits(to) {
        let shortest = if length == 1 {
            0
        } else {
            10_u64.pow(length - 1)
        };
        let (from, to) = (from.max(shortest), to.min(10_u64.pow(length) - 1));
        same_length(&from.to_string(), &to.to_string(), "", &mut all);
    }
    format!("0*({})", all.join("|"))
}

/// Numbers of as many digits; each begins with `before`.
fn same_length(from: &str, to: &str, before: &str, all: &mut Vec<String>) {
    let all_are = |text: &str, digit: char| text.chars().all(|one| one == digit);
    let (Some(first), Some(last)) = (from.chars().next(), to.chars().next()) else {
        all.push(before.to_owned());
        return;
    };
    let (from_rest, to_rest) = (&from[1..], &to[1..]);
    if first == last && !(all_are(from_rest, '0') && all_are(to_rest, '9')) {
        return same_length(from_rest, to_rest, &format!("{before}{first}"), all);
    }
    let next = |digit: char, step: i32| {
        let moved = digit as i32 + step;
        char::from_u32(moved as u32).unwrap_or(digit)
    };
    let (mut low, mut high) = (first, last);
    if !all_are(from_rest, '0') {
        let most = "9".repeat(from_rest.len());
        same_length(from_rest, &most, &format!("{before}{first}"), all);
        low = next(first, 1);
    }
    let whole = all_are(to_rest, '9');
    if !whole {
        high = next(last, -1);
    }
    if low <= high {
        let rest = match to_rest.len() {
            0 => String::new(),
            1 => "[0-9]".to_owned(),
            more => format!("[0-9]{{{more}}}"),
        };
        let digit = match low == high {
            true => low.to_string(),
            false => format!("[{low}-{high}]"),
        };
        all.push(format!("{before}{digit}{rest}"));
    }
    if !whole {
        let least = "0".repeat(to_rest.len());
        same_length(&least, to_rest, &format!("{before}{last}"), all);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Whether a text is one of the pattern's.
    fn fits(pattern: &str) -> impl Fn(&str) -> bool + use<> {
        let schema = serde_json::json!({"type": "string", "pattern": pattern});
        let validator = jsonschema::draft7::new(&schema).unwrap();
        move |text| validator.is_valid(&serde_json::json!(text))
    }

    #[test]
    fn numbers_are_those_between() {
        for (from, to) in [
            (0, 0),
            (0, 7),
            (1, 1),
            (3, 9),
            (0, 24),
            (1, 60),
            (100, 366),
            (37, 1043),
            (999, 1000),
        ] {
            let fits = fits(&format!("^{}$", numbers(from, to)));
            for number in 0..2_500 {
                let within = (from..=to).contains(&number);
                assert_eq!(
                    fits(&number.to_string()),
                    within,
                    "{number} in {from}..={to}"
                );
                assert_eq!(fits(&format!("00{number}")), within, "00{number}");
            }
            assert!(!fits("") && !fits("1x"));
        }
    }

    #[test]
    fn one_unit_is_held_to_both_bounds_and_several_each_to_the_upper() {
        let fits = fits(&within(&Bounds {
            ms: 1_000..=5_400_000,
            least: "1s",
            most: "90m",
            seconds: true,
        }));
        for good in [
            "1s", "1000ms", "90m", "5400s", "1h", "1h30m", "0d1s", "0h5m", "01h", "1s500ms",
        ] {
            assert!(fits(good), "{good}");
        }
        for bad in [
            "", "0s", "0ms", "999ms", "91m", "2h", "1d", "5401s", "0h0m", "2h1m", "1h91m", "5",
            "s", "1s1h",
        ] {
            assert!(!fits(bad), "{bad}");
        }
    }
}
