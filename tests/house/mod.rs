//! The house itself: floors, lengths, purity and tidiness, checked by reading the sources.
//!
//! Each rule is a function from one file to complaints, and is shown a planted offence, so that it can be trusted when it is silent.

mod threats;

use std::fs;
use std::path::Path;

/// Rooms by floor, lowest first. A file imports from rooms on floors below its own, and from its own room.
const FLOORS: &[&[&str]] = &[
    &["diagnostic"],
    &["filter", "schedule", "manifest"],
    &["plan"],
    &["engine"],
    &["host"],
    &["watch", "transfer", "ledger", "survey"],
    &["service", "doctor"],
    &["cli"],
];

/// Rooms without I/O, clock and async: everything from the engine down.
const PURE: &[&str] = &[
    "diagnostic",
    "filter",
    "schedule",
    "manifest",
    "plan",
    "engine",
];

/// What has no business in a pure room.
const IMPURE: &[&str] = &[
    "std::fs",
    "std::env",
    "std::process",
    "TcpStream",
    "UnixStream",
    "UdpSocket",
    "ToSocketAddrs",
    "std::thread",
    "Instant::now",
    "SystemTime",
    "Timestamp::now",
    "Zoned::now",
    "tokio",
    "async fn",
];

/// Lines of a file without its tests: what one can hold in mind.
const LINES_MAX: usize = 500;

/// Names that say nothing about what is inside.
const EMPTY_NAMES: &[&str] = &[
    "util", "utils", "common", "misc", "helper", "helpers", "prelude",
];

/// One source file.
struct Source {
    /// From the crate's root, as `src/plan/mod.rs`.
    path: String,
    text: String,
}

impl Source {
    /// The folder under `src`; `None` for `lib.rs`, `main.rs` and tests.
    fn room(&self) -> Option<&str> {
        self.path
            .strip_prefix("src/")?
            .split_once('/')
            .map(|(room, _)| room)
    }

    /// A file of tests only.
    fn is_tests(&self) -> bool {
        let name = self.path.rsplit('/').next().unwrap_or_default();
        !self.path.starts_with("src/") || name == "tests.rs" || self.path.contains("/tests/")
    }

    /// The text up to its tests, which stand at the end.
    fn product(&self) -> &str {
        let tests = self
            .text
            .match_indices("\n#[cfg(test)]\n")
            .find(|(at, mark)| {
                // `mod tests;` alone takes nothing of the file with it.
                self.text[at + mark.len()..]
                    .lines()
                    .next()
                    .is_some_and(|line| line.ends_with('{'))
            });
        match tests {
            _ if self.is_tests() => "",
            Some((at, _)) => &self.text[..at],
            None => &self.text,
        }
    }
}

/// The lines of code, numbered from 1, without comments that take a whole line.
fn code(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let lines = text.lines().enumerate().map(|(at, line)| (at + 1, line));
    lines.filter(|(_, line)| !line.trim_start().starts_with("//"))
}

fn floor(room: &str) -> Option<usize> {
    FLOORS.iter().position(|rooms| rooms.contains(&room))
}

/// The rooms that the code names as `crate::room`, also within `crate::{…}`, with their lines.
fn imports(text: &str) -> Vec<(usize, String)> {
    let mut found = Vec::new();
    let code: Vec<(usize, &str)> = code(text).collect();
    for (at, (number, line)) in code.iter().enumerate() {
        for (start, prefix) in line.match_indices("crate::") {
            let rest = &line[start + prefix.len()..];
            let Some(group) = rest.strip_prefix('{') else {
                found.push((*number, identifier(rest)));
                continue;
            };
            let following = code[at + 1..].iter().map(|(_, line)| *line);
            let group: String = std::iter::once(group)
                .chain(following)
                .collect::<Vec<_>>()
                .join(" ");
            found.extend(group_heads(&group).into_iter().map(|head| (*number, head)));
        }
    }
    found
}

/// The first names in `a::b, c::{d, e}} …`, up to the brace that closes the group.
fn group_heads(group: &str) -> Vec<String> {
    let (mut depth, mut heads, mut begins) = (0, Vec::new(), true);
    for (at, c) in group.char_indices() {
        match c {
            '{' => depth += 1,
            '}' if depth == 0 => break,
            '}' => depth -= 1,
            ',' if depth == 0 => begins = true,
            c if begins && !c.is_whitespace() => {
                heads.push(identifier(&group[at..]));
                begins = false;
            }
            _ => {}
        }
    }
    heads
}

fn identifier(text: &str) -> String {
    text.chars()
        .take_while(|c| c.is_alphanumeric() || *c == '_')
        .collect()
}

/// Imports only from below. Tests may look anywhere.
fn floors(source: &Source) -> Vec<String> {
    let Some(room) = source.room() else {
        return Vec::new();
    };
    let Some(own) = floor(room) else {
        return vec![format!(
            "{}: the room `{room}` stands on no floor",
            source.path
        )];
    };
    imports(source.product())
        .into_iter()
        .filter(|(_, other)| other != room && floor(other).is_some_and(|other| other >= own))
        .map(|(line, other)| format!("{}:{line}: `{room}` may not know `{other}`", source.path))
        .collect()
}

fn length(source: &Source) -> Vec<String> {
    let lines = source.product().lines().count();
    let long = lines > LINES_MAX;
    Vec::from_iter(long.then(|| format!("{}: {lines} lines, more than {LINES_MAX}", source.path)))
}

fn purity(source: &Source) -> Vec<String> {
    if !source.room().is_some_and(|room| PURE.contains(&room)) {
        return Vec::new();
    }
    code(source.product())
        .flat_map(|(line, text)| IMPURE.iter().map(move |banned| (line, text, banned)))
        .filter(|(_, text, banned)| text.contains(**banned))
        .map(|(line, _, banned)| format!("{}:{line}: `{banned}` in a pure room", source.path))
        .collect()
}

fn leftovers(source: &Source) -> Vec<String> {
    // Put together, or this file would accuse itself.
    let marks = [["TO", "DO"], ["FIX", "ME"], ["db", "g!("]].map(|halves| halves.concat());
    let lines = source.text.lines().enumerate();
    lines
        .flat_map(|(at, line)| marks.iter().map(move |mark| (at, line, mark)))
        .filter(|(_, line, mark)| line.contains(mark.as_str()))
        .map(|(at, _, mark)| format!("{}:{}: `{mark}` was left", source.path, at + 1))
        .collect()
}

/// Tests wait for conditions; only the rig's `wait_for` sleeps between two looks.
fn sleeps(source: &Source) -> Vec<String> {
    let tests = &source.text[source.product().len()..];
    if source.path == "tests/rig/mod.rs" || tests.is_empty() {
        return Vec::new();
    }
    let sleep = ["thread::", "sleep"].concat();
    // The tests' text begins at the end of the product's last line.
    let before = source.product().lines().count().saturating_sub(1);
    code(tests)
        .filter(|(_, line)| line.contains(&sleep))
        .map(|(line, _)| {
            format!(
                "{}:{}: a test sleeps; use `wait_for`",
                source.path,
                before + line
            )
        })
        .collect()
}

/// Every file of the product says first what it is, and has a name that says so too.
fn introduction(source: &Source) -> Vec<String> {
    let mut found = Vec::new();
    if !source.is_tests() && !source.text.starts_with("//!") {
        found.push(format!(
            "{}: does not begin with its module documentation",
            source.path
        ));
    }
    let parts = source.path.trim_end_matches(".rs").split('/');
    found.extend(
        parts
            .filter(|part| EMPTY_NAMES.contains(part))
            .map(|part| format!("{}: `{part}` says nothing", source.path)),
    );
    found
}

/// All sources of `src` and `tests`, sorted.
fn sources() -> Vec<Source> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let (mut found, mut open) = (Vec::new(), vec![root.join("src"), root.join("tests")]);
    while let Some(directory) = open.pop() {
        for entry in fs::read_dir(directory).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                open.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let text = fs::read_to_string(&path).unwrap();
                let path = path
                    .strip_prefix(root)
                    .unwrap()
                    .to_str()
                    .unwrap()
                    .to_owned();
                found.push(Source { path, text });
            }
        }
    }
    found.sort_by(|one, other| one.path.cmp(&other.path));
    found
}

/// No file breaks the rule.
fn holds(rule: fn(&Source) -> Vec<String>) {
    let complaints: Vec<String> = sources().iter().flat_map(rule).collect();
    assert!(complaints.is_empty(), "\n{}\n", complaints.join("\n"));
}

#[test]
fn every_file_imports_only_from_floors_below() {
    holds(floors);
}

#[test]
fn no_file_is_too_long() {
    holds(length);
}

#[test]
fn pure_rooms_know_no_world() {
    holds(purity);
}

#[test]
fn nothing_was_left_lying_about() {
    holds(leftovers);
}

#[test]
fn no_test_sleeps() {
    holds(sleeps);
}

#[test]
fn every_file_introduces_itself() {
    holds(introduction);
}

/// The rule's complaints about this file, without its path.
fn complaints(rule: fn(&Source) -> Vec<String>, path: &str, text: &str) -> Vec<String> {
    let source = Source {
        path: path.to_owned(),
        text: text.to_owned(),
    };
    let strip = |complaint: String| complaint.replacen(path, "", 1);
    rule(&source).into_iter().map(strip).collect()
}

#[test]
fn an_import_from_above_is_seen() {
    let none: [&str; 0] = [];
    let seen = |path, text| complaints(floors, path, text);
    let upwards = [":1: `plan` may not know `engine`"];
    assert_eq!(seen("src/plan/a.rs", "use crate::engine::Job;"), upwards);
    assert_eq!(
        seen("src/plan/a.rs", "fn a() -> crate::engine::Job {}"),
        upwards
    );
    assert_eq!(
        seen("src/plan/a.rs", "use crate::{filter::{A, B}, engine::C};"),
        upwards
    );
    assert_eq!(
        seen(
            "src/plan/a.rs",
            "use crate::{\n    filter,\n    engine,\n};"
        ),
        upwards
    );
    assert_eq!(
        seen("src/watch/a.rs", "use crate::transfer;"),
        [":1: `watch` may not know `transfer`"]
    );
    assert_eq!(
        seen("src/transfer/a.rs", "use crate::watch;"),
        [":1: `transfer` may not know `watch`"]
    );
    assert_eq!(
        seen("src/filter/a.rs", "use crate::schedule;"),
        [":1: `filter` may not know `schedule`"]
    );
    assert_eq!(
        seen("src/shed/a.rs", ""),
        [": the room `shed` stands on no floor"]
    );
    assert_eq!(
        seen(
            "src/plan/a.rs",
            "use crate::filter::{engine, A};\nuse crate::plan::B;"
        ),
        none
    );
    assert_eq!(
        seen(
            "src/plan/a.rs",
            "/// As [`crate::engine::Job`].\nuse crate::diagnostic;"
        ),
        none
    );
    assert_eq!(
        seen(
            "src/plan/a.rs",
            "\n#[cfg(test)]\nmod tests {\n    use crate::engine;\n}"
        ),
        none
    );
    assert_eq!(seen("src/main.rs", "use crate::cli;"), none);
}

#[test]
fn a_long_file_is_seen() {
    let lines = |count: usize| "x\n".repeat(count);
    let tail = format!(
        "{}\n#[cfg(test)]\nmod tests {{\n{}}}",
        lines(499),
        lines(400)
    );
    let none: [&str; 0] = [];
    assert_eq!(
        complaints(length, "src/a.rs", &lines(501)),
        [": 501 lines, more than 500"]
    );
    assert_eq!(complaints(length, "src/a.rs", &lines(500)), none);
    assert_eq!(complaints(length, "src/a.rs", &tail), none);
    assert_eq!(complaints(length, "src/a/tests.rs", &lines(501)), none);
    let declared = format!("\n#[cfg(test)]\nmod tests;\n{}", lines(500));
    assert_eq!(
        complaints(length, "src/a.rs", &declared),
        [": 503 lines, more than 500"]
    );
}

#[test]
fn the_world_in_a_pure_room_is_seen() {
    let none: [&str; 0] = [];
    let now = "\nlet now = Instant::now();";
    assert_eq!(
        complaints(purity, "src/engine/a.rs", now),
        [":2: `Instant::now` in a pure room"]
    );
    assert_eq!(
        complaints(purity, "src/manifest/a.rs", "use std::fs;"),
        [":1: `std::fs` in a pure room"]
    );
    assert_eq!(complaints(purity, "src/watch/a.rs", "use std::fs;"), none);
    assert_eq!(
        complaints(purity, "src/engine/a.rs", "// never std::fs"),
        none
    );
    assert_eq!(
        complaints(purity, "src/engine/tests.rs", "use std::fs;"),
        none
    );
}

#[test]
fn what_was_left_is_seen() {
    let mark = ["FIX", "ME"].concat();
    let seen = complaints(leftovers, "tests/a.rs", &format!("\n// {mark}: later"));
    assert_eq!(seen, [format!(":2: `{mark}` was left")]);
}

#[test]
fn a_sleeping_test_is_seen() {
    let none: [&str; 0] = [];
    let sleep = ["thread::", "sleep(a);"].concat();
    let tail = format!("fn a() {{ {sleep} }}\n#[cfg(test)]\nmod tests {{\n{sleep}\n}}");
    let complaint = "a test sleeps; use `wait_for`";
    assert_eq!(
        complaints(sleeps, "tests/a.rs", &sleep),
        [format!(":1: {complaint}")]
    );
    assert_eq!(
        complaints(sleeps, "src/watch/a.rs", &tail),
        [format!(":4: {complaint}")]
    );
    assert_eq!(
        complaints(sleeps, "src/watch/a.rs", &sleep),
        none,
        "the product may"
    );
    assert_eq!(complaints(sleeps, "tests/rig/mod.rs", &sleep), none);
}

#[test]
fn a_file_without_introduction_is_seen() {
    let none: [&str; 0] = [];
    let missing = ": does not begin with its module documentation";
    assert_eq!(
        complaints(introduction, "src/a/b.rs", "use std::fs;"),
        [missing]
    );
    assert_eq!(
        complaints(introduction, "src/a/util.rs", "//! Things."),
        [": `util` says nothing"]
    );
    assert_eq!(
        complaints(introduction, "src/a/tests.rs", "use super::*;"),
        none
    );
}
