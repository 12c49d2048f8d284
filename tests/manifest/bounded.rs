//! What is thrown at `validate`: bombs, floods and files of other kinds. The real program, with a limit on its memory
//! and its processor time that the kernel holds it to, and never a clock.

use std::fs::{self, File};
use std::path::Path;
use std::process::{Command, Output, Stdio};

/// Of data: heap, stacks and the like. With the program's text it stays below 64 MiB.
const MEMORY_MIB: u64 = 48;
/// Far above what it takes; a loaded machine makes processor time no longer.
const CPU_S: u64 = 40;

fn limited(memory_mib: u64, path: &Path) -> Output {
    Command::new("sh")
        .arg("-c")
        .arg("ulimit -d $1 && ulimit -t $2 && exec \"$3\" validate \"$4\"")
        .arg("sh")
        .arg((memory_mib * 1024).to_string())
        .arg(CPU_S.to_string())
        .arg(env!("CARGO_BIN_EXE_heliostat"))
        .arg(path)
        .stdin(Stdio::null())
        .output()
        .unwrap()
}

fn list(count: usize, item: impl Fn(usize) -> String) -> String {
    (0..count).map(item).collect::<Vec<_>>().join(", ")
}

#[test]
fn whatever_is_thrown_at_it_costs_little() {
    let head = "apiVersion: heliostat/v1\nkind: Manifest\nsources: ";
    let levels: String = ('b'..'z')
        .zip('a'..)
        .map(|(to, from)| format!("{to}: &{to} [{}]\n", vec![format!("*{from}"); 9].join(", ")))
        .collect();
    let sources = |count: usize| {
        list(count, |at| {
            format!("s{at}: {{path: /{at}, targets: {{t: {{url: \"rsync://h{at}/m\"}}}}}}")
        })
    };
    let names = list(5_000, |at| format!("\"a{at}\""));
    // Each with the exit code, and a text that is said.
    let cases: Vec<(&str, String, i32, &str)> = vec![
        ("laughs", format!("a: &a [x]\n{levels}"), 1, "H0007"),
        ("deep lists", "[".repeat(500_000), 1, "H0004"),
        ("deep mappings", "{a: ".repeat(250_000), 1, "H0004"),
        ("deep blocks", "- ".repeat(500_000), 1, "H0004"),
        (
            "single letters",
            format!("{head}[{}]\n", "1,".repeat(500_000)),
            1,
            "H0003",
        ),
        (
            "keys",
            (0..80_000).map(|at| format!("k{at}: 1\n")).collect(),
            1,
            "H0013",
        ),
        (
            "equal keys",
            format!("{head}{{{}}}\n", list(170_000, |_| "a: 1".into())),
            1,
            "H0009",
        ),
        (
            "aliases",
            format!("{head}[{}]\n", "*a,".repeat(340_000)),
            1,
            "H0007",
        ),
        (
            "tags",
            format!("{head}[{}]\n", "!a b,".repeat(200_000)),
            1,
            "H0008",
        ),
        (
            "empty sources",
            format!("{head}{{{}}}\n", list(80_000, |at| format!("a{at}: {{}}"))),
            1,
            "H0003",
        ),
        (
            "escapes",
            format!("{head}\"{}\"\n", "\\x41".repeat(250_000)),
            1,
            "H0104",
        ),
        ("documents", "---\n- x\n".repeat(130_000), 1, "H0104"),
        (
            "defaults times sources",
            format!(
                "apiVersion: heliostat/v1\nkind: Manifest\ndefaults: {{source: {{exclude: [{names}]}}}}\nsources: {{{}}}\n",
                sources(1_500)
            ),
            1,
            "H0003",
        ),
        (
            "tabs",
            format!("a:\n{}", "\tb: 1\n".repeat(100_000)),
            1,
            "H0006",
        ),
        (
            "many good sources",
            format!("{head}{{{}}}\n", sources(1_500)),
            0,
            "1500 sources",
        ),
        (
            "a good one, CRLF and a mark",
            format!("\u{feff}{head}{{{}}}\r\n", sources(3)),
            0,
            "3 sources",
        ),
    ];
    judged(cases);
}

/// Each text within the limits, with its exit code and what is said.
fn judged<'a>(cases: impl IntoIterator<Item = (&'a str, String, i32, &'a str)>) {
    let folder = tempfile::tempdir().unwrap();
    let mut bad = Vec::new();
    for (name, text, code, says) in cases {
        let path = folder.path().join("a.yaml");
        fs::write(&path, text).unwrap();
        let output = limited(MEMORY_MIB, &path);
        let said = String::from_utf8_lossy(&output.stdout);
        if output.status.code() != Some(code) || !said.contains(says) {
            let shown: String = said.chars().take(300).collect();
            let err = String::from_utf8_lossy(&output.stderr);
            bad.push(format!(
                "{name}: {:?}, wants {code} and {says}: {shown}{err}",
                output.status
            ));
        }
    }
    assert!(bad.is_empty(), "{}", bad.join("\n"));
}

#[test]
fn a_file_of_a_hundred_megabytes_is_not_read() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("large.yaml");
    File::create(&path).unwrap().set_len(100 << 20).unwrap();
    let output = limited(MEMORY_MIB, &path);
    let said = String::from_utf8_lossy(&output.stdout);
    assert_eq!(output.status.code(), Some(2), "{said}");
    assert!(said.contains("more than 1 MiB"), "{said}");
}

/// What a file stands for may be far more than what is written in it. Up to the bounds it is judged, beyond them it is
/// refused, and neither costs more than a file of 1 MiB may.
#[test]
fn what_a_file_stands_for_is_bounded_too() {
    let start = "apiVersion: heliostat/v1\nkind: Manifest\n";
    let sources = |count: usize, more: &str| {
        let all = list(count, |at| {
            format!("s{at}: {{path: /{at}{more}, targets: {{t: {{url: \"rsync://h{at}/m\"}}}}}}")
        });
        format!("sources: {{{all}}}\n")
    };
    let targets = |count: usize, target: fn(usize) -> String| {
        let all = list(count, |at| format!("t{at}: {{{}}}", target(at)));
        format!("sources: {{a: {{path: /a, targets: {{{all}}}}}}}\n")
    };
    let excluding = |patterns: String| {
        format!(
            "sources: {{a: {{path: /a, exclude: [{patterns}], targets: {{t: {{url: \"rsync://h/m\"}}}}}}}}\n"
        )
    };
    let defaults = |what: &str, count: usize, item: fn(usize) -> String| {
        format!("defaults: {{{what}: [{}]}}}}\n", list(count, item))
    };
    let many = |what: &str, item| defaults(what, 2_000, item) + &sources(4_500, "");
    // Each with the exit code, and a text that is said.
    let cases: Vec<(&str, String, i32, &str)> = vec![
        (
            "as many sources as may be",
            sources(5_000, ""),
            0,
            "5000 sources",
        ),
        (
            "each with its own excludes",
            sources(5_000, ", exclude: [a, b, c, d, e]"),
            0,
            "5000 sources",
        ),
        ("more", sources(5_001, ""), 1, "the file has 5001 routes"),
        (
            "far more",
            sources(14_000, ""),
            1,
            "the file has 14000 routes",
        ),
        (
            "as many targets as may be",
            targets(5_000, |at| {
                format!(
                    "url: \"rsync://h{at}/m\", windows: [{{deny: \"08:00-18:00\"}}], sync: {{schedule: \"{} 3 * * *\"}}",
                    at % 60
                )
            }),
            0,
            "5000 targets",
        ),
        (
            "more of them",
            targets(28_000, |at| format!("url: \"rsync://h{at}/m\"")),
            1,
            "28000 routes",
        ),
        (
            "a warning each",
            targets(5_000, |at| {
                format!(
                    "url: \"rsync://u@9.9.{}.{}/m\", passwordEnv: X",
                    at / 250,
                    at % 250
                )
            }),
            0,
            "further problems",
        ),
        (
            "an error each",
            targets(5_000, |_| "url: \"file:///b\", delete: mirror".into()),
            1,
            "further problems",
        ),
        (
            "patterns",
            excluding(list(5_000, |at| format!("\"*.{at}/*x\""))),
            0,
            "1 source",
        ),
        (
            "too many patterns",
            excluding(list(100_000, |at| format!("a{at}"))),
            1,
            "100000 patterns",
        ),
        (
            "patterns that stand for many",
            excluding(list(3_000, |at| format!("\"{}{at}\"", "{a,b}".repeat(7)))),
            1,
            "H0217",
        ),
        (
            "labels",
            format!(
                "metadata: {{labels: {{{}}}}}\n{}",
                list(30_000, |at| format!("l{at}: x")),
                sources(5_000, "")
            ),
            1,
            "30000 labels",
        ),
        (
            "as many labels as may be",
            format!(
                "metadata: {{labels: {{{}}}}}\n{}",
                list(64, |at| format!("l{at}: \"{}\"", "x".repeat(256))),
                sources(5_000, "")
            ),
            0,
            "5000 sources",
        ),
        (
            "excludes for all",
            many("source: {exclude", |at| format!("a{at}")),
            1,
            "patterns",
        ),
        (
            "includes for all",
            many("source: {include", |at| format!("a{at}")),
            1,
            "patterns",
        ),
        (
            "hosts for all",
            many("source: {hosts", |at| format!("h{at}")),
            1,
            "9000000 items",
        ),
        (
            "windows for all",
            many("target: {windows", |_| "{deny: \"08:00-18:00\"}".into()),
            1,
            "9000000 items",
        ),
        (
            "sources without targets",
            format!(
                "sources: {{{}}}\n",
                list(40_000, |at| format!("s{at}: {{path: /a}}"))
            ),
            1,
            "40000 routes",
        ),
    ];
    let cases = cases.into_iter();
    judged(cases.map(|(name, text, code, says)| (name, format!("{start}{text}"), code, says)));
}

/// The limit is one: with less than a program needs at all it ends by it.
#[test]
fn the_limit_holds() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.yaml");
    fs::write(&path, format!("[{}]", "1,".repeat(120_000))).unwrap();
    assert!(limited(4, &path).status.code().is_none_or(|code| code > 2));
}
