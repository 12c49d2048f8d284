//! The README: what it says of its two commands, that it can be read in ten minutes, and that it says nothing that the pages
//! behind it do not; and the list of these pages.

use std::process::Command;

use super::documents::{block, pages};
use super::*;

/// Ten minutes at 180 words each.
const WORDS_MAX: usize = 1800;

const LINES_MAX: usize = 180;

#[test]
fn the_two_commands_do_what_is_said_of_them() {
    let block = block("README.md", "bash examples/demo.sh");
    let plain = |line: &str| {
        line.split(" #")
            .next()
            .unwrap_or_default()
            .trim()
            .to_owned()
    };
    let lines: Vec<String> = block.text.lines().map(plain).collect();
    assert_eq!(lines, ["bash examples/demo.sh", "bash tests/run.sh"]);
    // It builds nothing where it is given a program; all else is as for everybody.
    let output = Command::new("bash")
        .args(["-c", &lines[0]])
        .current_dir(root())
        .env("HELIOSTAT_BINARY", env!("CARGO_BIN_EXE_heliostat"))
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(
        output.status.success() && said.trim_end().ends_with("Everything came out as promised"),
        "{said}\n{}",
        String::from_utf8_lossy(&output.stderr)
    );
    assert!(!said.contains("Building"), "{said}");
    // The other one is what runs this.
    let script = read("tests/run.sh").text;
    for part in [
        "cargo fmt --check",
        "cargo clippy",
        "cargo deny",
        "cargo test --locked",
    ] {
        assert!(script.contains(part), "{part}");
    }
    let parsed = Command::new("bash")
        .args(["-n", "tests/run.sh"])
        .current_dir(root())
        .status();
    assert!(parsed.unwrap().success());
}

#[test]
fn it_takes_ten_minutes() {
    let text = read("README.md").text;
    let (words, lines) = (text.split_whitespace().count(), text.lines().count());
    assert!(
        words <= WORDS_MAX && lines <= LINES_MAX,
        "{words} words, {lines} lines"
    );
}

/// The first table of a page that has this heading, as rows of cells.
fn table(page: &str, column: &str) -> Vec<Vec<String>> {
    let text = read(page).text;
    let row = |line: &str| -> Vec<String> {
        let line = line.trim_matches('|');
        line.split(" | ")
            .map(|cell| cell.trim().to_owned())
            .collect()
    };
    let lines = text
        .lines()
        .skip_while(|line| !(line.starts_with('|') && line.contains(column)));
    lines
        .take_while(|line| line.starts_with('|'))
        .map(row)
        .collect()
}

#[test]
fn its_comparison_is_a_part_of_the_whole_one() {
    let (short, whole) = (
        table("README.md", "inotifywait"),
        table("docs/comparison.md", "inotifywait"),
    );
    assert!(short.len() > 6 && whole.len() > short.len(), "{short:?}");
    let columns = &short[0];
    for row in &short[2..] {
        let theirs = whole.iter().find(|other| other[0] == row[0]);
        let theirs = theirs.unwrap_or_else(|| panic!("no row `{}`", row[0]));
        for (cell, column) in row.iter().zip(columns).skip(1) {
            let at = whole[0]
                .iter()
                .position(|other| other == column)
                .expect("a column");
            assert_eq!(*cell, theirs[at], "{}, {column}", row[0]);
        }
    }
}

#[test]
fn every_page_is_listed_once_and_can_be_come_to() {
    let list = read("docs/README.md").text;
    let rows: Vec<&str> = list
        .lines()
        .filter(|line| line.starts_with("| ["))
        .collect();
    for page in pages() {
        let name = match page.strip_prefix("docs/") {
            Some("README.md") => continue,
            Some(name) => name,
            None => "../README.md",
        };
        let link = format!("]({name})");
        let count = rows.iter().filter(|row| row.contains(&link)).count();
        assert_eq!(count, 1, "{page}");
    }
    assert_eq!(rows.len(), pages().len() - 1);
    assert!(read("README.md").text.contains("(docs/README.md)"));
}
