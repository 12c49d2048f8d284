//! Whether a command printed what a page shows. What is another each time (ids, times, numbers) is masked, here and nowhere else.

/// A line of a page that stands for any number of lines, and a line's last word that stands for any number of words.
const ANY: &str = "…";

/// Units that a duration is written with.
const UNITS: [&str; 6] = ["us", "ms", "s", "m", "h", "d"];

/// The shortest id: of a hold, a digest, a commit.
const ID_MIN: usize = 7;

/// Why the one is not the other; `None` where it is. Blanks do not count, and neither do empty lines at the end.
pub(super) fn differs(shown: &str, printed: &str) -> Option<String> {
    let masked = |text: &str| -> Vec<String> { text.trim_end().lines().map(mask).collect() };
    let (wanted, have) = (masked(shown), masked(printed));
    match fits(&wanted, &have) {
        true => None,
        false => Some(format!(
            "shown:\n{shown}\nprinted:\n{printed}\ncompared as:\n{}\n\n{}\n",
            wanted.join("\n"),
            have.join("\n")
        )),
    }
}

fn fits(shown: &[String], printed: &[String]) -> bool {
    match shown.split_first() {
        None => printed.is_empty(),
        Some((first, rest)) if first == ANY => {
            (0..=printed.len()).any(|at| fits(rest, &printed[at..]))
        }
        Some((first, rest)) => match printed.split_first() {
            Some((have, others)) => line_fits(first, have) && fits(rest, others),
            None => false,
        },
    }
}

fn line_fits(shown: &str, printed: &str) -> bool {
    let begin = shown.strip_suffix(ANY).filter(|begin| begin.ends_with(' '));
    begin.map_or(shown == printed, |begin| printed.starts_with(begin))
}

/// A line with one blank between its words, and `#` for each number, duration and id.
fn mask(line: &str) -> String {
    let words: Vec<String> = line.split_whitespace().map(word).collect();
    words.join(" ")
}

fn word(word: &str) -> String {
    let mut masked = String::new();
    let mut rest = word;
    while let Some(first) = rest.chars().next() {
        let end = match first.is_ascii_alphanumeric() {
            true => rest.find(|c: char| !c.is_ascii_alphanumeric()),
            false => Some(first.len_utf8()),
        };
        let (part, after) = rest.split_at(end.unwrap_or(rest.len()));
        // A digest that is cut.
        match part.bytes().all(hex) && after.starts_with(ANY) {
            true => masked.push('#'),
            false => masked += &token(part),
        }
        rest = after;
    }
    // A thousand, a fraction.
    for mark in ["#,#", "#.#"] {
        while masked.contains(mark) {
            masked = masked.replace(mark, "#");
        }
    }
    masked
}

fn hex(byte: u8) -> bool {
    byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte)
}

/// Letters and digits without anything between them.
fn token(token: &str) -> String {
    let digits = token.bytes().any(|byte| byte.is_ascii_digit());
    if !digits {
        return token.to_owned();
    }
    if duration(token) || (token.len() >= ID_MIN && token.bytes().all(hex)) {
        return "#".to_owned();
    }
    let mut masked = String::new();
    for c in token.chars() {
        match c.is_ascii_digit() {
            true if masked.ends_with('#') => {}
            true => masked.push('#'),
            false => masked.push(c),
        }
    }
    masked
}

/// `9s`, `1h30m`.
fn duration(token: &str) -> bool {
    let mut rest = token;
    while !rest.is_empty() {
        let unit = rest.trim_start_matches(|c: char| c.is_ascii_digit());
        let end = unit.find(|c: char| c.is_ascii_digit());
        let (unit, after) = unit.split_at(end.unwrap_or(unit.len()));
        if rest.len() == unit.len() + after.len() || !UNITS.contains(&unit) {
            return false;
        }
        rest = after;
    }
    true
}

#[test]
fn what_changes_with_time_is_masked_and_nothing_else() {
    for (line, masked) in [
        (
            "web-origin-1  up 12d  generation 1 (digest beef…)  watches 2 of 192,536",
            "web-origin-# up # generation # (digest #…) watches # of #",
        ),
        (
            "site/copy  held  1h30m   200  14s ago  03:32 +00:00",
            "site/copy held # # # ago #:# +#:#",
        ),
        ("2026-06-01T08:14:02Z", "#-#-#T#:#:#Z"),
        (
            "approve site/copy --id 8faff479",
            "approve site/copy --id #",
        ),
        (
            "in sync, deadbeef, facade, 1.5 s, 4KiB",
            "in sync, deadbeef, facade, # s, #KiB",
        ),
    ] {
        assert_eq!(mask(line), masked);
    }
}

#[test]
fn what_differs_is_seen() {
    let same = |shown, printed| differs(shown, printed).is_none();
    assert!(same("held  9s\n", "held 12m\n\n"));
    assert!(!same("held", "failing"));
    assert!(!same("held", "held\nmore"));
    assert!(!same("held\nmore", "held"));
    assert!(!same("", "held"));
    assert!(!same("held", ""));
    assert!(same("a\n…\nd", "a\nb\nc\nd"));
    assert!(same("a\n…", "a"));
    assert!(!same("a\n…\nd", "a\nb\nc"));
    assert!(!same("a\n…\nd", "b\nd"));
    assert!(same("failing: …", "failing: whatever  it was"));
    assert!(!same("failing: …", "held: whatever"));
    assert!(!same("failing…", "failing: whatever"));
}
