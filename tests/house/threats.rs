//! The threat model: each row names tests that there are, and nothing that SECURITY.md promises is without a row.

use std::fs;
use std::path::Path;

use super::{Source, sources};

fn document(name: &str) -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(name)).unwrap()
}

/// The cells of the first table below the line that begins so, without its head.
fn table<'a>(text: &'a str, begin: &str) -> Vec<Vec<&'a str>> {
    let below = text.lines().skip_while(|line| !line.starts_with(begin));
    let rows = below.skip_while(|line| !line.starts_with('|'));
    let rows = rows.take_while(|line| line.starts_with('|')).skip(2);
    let cells = |row: &'a str| {
        let row = row.trim_matches('|').trim();
        row.split(" | ").map(str::trim).collect()
    };
    rows.map(cells).collect()
}

/// The names in backticks, `…::name` with the module of the one before.
fn names(cell: &str) -> Vec<String> {
    let mut found: Vec<String> = Vec::new();
    for name in cell.split('`').skip(1).step_by(2) {
        let module = found
            .last()
            .and_then(|last| last.rsplit_once("::"))
            .map(|(module, _)| module.to_owned());
        found.push(match (name.strip_prefix("…::"), module) {
            (Some(name), Some(module)) => format!("{module}::{name}"),
            _ => name.to_owned(),
        });
    }
    found
}

/// Whether there is such a test, or a module of such tests, as `cargo test` names it.
fn exists(sources: &[Source], name: &str) -> bool {
    let file = |module: &str| {
        let module = module.replace("::", "/");
        // Tests in a file of the product are in a module of their own there.
        let inner = module.strip_suffix("/tests");
        let paths = [
            Some(format!("tests/{module}.rs")),
            Some(format!("tests/{module}/mod.rs")),
            inner.map(|inner| format!("src/{inner}.rs")),
            inner.map(|inner| format!("src/{inner}/mod.rs")),
            Some(format!("src/{module}.rs")),
        ];
        sources
            .iter()
            .find(|source| paths.iter().flatten().any(|path| *path == source.path))
    };
    let marks = ["#[test]", "#[tokio::test"];
    let tests = |source: &Source| marks.iter().any(|mark| source.text.contains(mark));
    let whole = file(name).is_some_and(tests);
    let one = name.rsplit_once("::").and_then(|(module, test)| {
        let text = &file(module)?.text;
        let (before, _) = text.split_once(&format!("fn {test}()"))?;
        let before = before.trim_end().trim_end_matches("async").trim_end();
        let marks = before.lines().rev().map(str::trim);
        let mut marks = marks.take_while(|line| line.starts_with("#["));
        Some(marks.any(|line| line.starts_with("#[test") || line.starts_with("#[tokio::test")))
    });
    whole || one == Some(true)
}

/// What is wrong with a table whose last cells name tests.
fn unheld(sources: &[Source], rows: &[Vec<&str>]) -> Vec<String> {
    let mut found = Vec::new();
    for row in rows {
        let names = names(row.last().unwrap());
        if names.is_empty() {
            found.push(format!("no test holds: {}", row[0]));
        }
        let missing = names.iter().filter(|name| !exists(sources, name));
        found.extend(missing.map(|name| format!("there is no test `{name}`: {}", row[0])));
    }
    found
}

/// What is left of a cell without these clauses and what joins them.
fn left_of(cell: &str, clauses: &[&str]) -> String {
    let mut left = cell.to_owned();
    let mut clauses = clauses.to_vec();
    // A shorter one may be part of a longer one.
    clauses.sort_by_key(|clause| std::cmp::Reverse(clause.len()));
    for clause in clauses {
        left = left.replacen(clause, "", 1);
    }
    let words = left.split([',', ' ']);
    let words = words.filter(|word| !["", "or"].contains(word));
    words.collect::<Vec<_>>().join(" ")
}

#[test]
fn each_threat_names_tests_that_there_are() {
    let sources = sources();
    let text = document("docs/threat-model.md");
    let mut rows = table(&text, "## What is defended");
    assert!(rows.len() > 20, "{}", rows.len());
    rows.extend(table(&text, "## What each must not"));
    let wrong = unheld(&sources, &rows);
    assert!(wrong.is_empty(), "\n{}\n", wrong.join("\n"));
}

#[test]
fn whatever_must_not_be_has_a_test() {
    let (security, threats) = (document("SECURITY.md"), document("docs/threat-model.md"));
    let promised = table(&security, "heliostat stands between");
    let held = table(&threats, "## What each must not");
    assert_eq!(promised.len(), 5);
    for row in promised {
        let clauses: Vec<&str> = held
            .iter()
            .filter(|clause| clause[0] == row[0])
            .map(|clause| clause[1])
            .collect();
        let left = left_of(row[2], &clauses);
        assert_eq!(left, "", "{}: no row of the threat model has it", row[0]);
    }
}

#[test]
fn a_threat_without_a_test_is_seen() {
    let sources = sources();
    let text = "## What is defended\n\n| a | b | c |\n| - | - | - |\n| x | y | `e2e::secrets`, `e2e::planted::\
         a_socket_takes_no_others_place`, `…::nobody` |\n| z | y | by hand |\n| w | y | `e2e::planted::victim` |\n";
    let rows = table(text, "## What is defended");
    assert_eq!(
        unheld(&sources, &rows),
        [
            "there is no test `e2e::planted::nobody`: x",
            "no test holds: z",
            "there is no test `e2e::planted::victim`: w"
        ]
    );
    assert!(exists(
        &sources,
        "service::http::operator::tests::who_operates_is_in_the_log_also_when_he_hangs_up"
    ));
    assert_eq!(
        left_of("a b, or a c, or d", &["a b", "d"]),
        "a c",
        "what has no row"
    );
}
