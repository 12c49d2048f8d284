//! `docs/diagnostics.md`: every code, with what `heliostat explain` prints for it.

use std::fmt::Write;

use heliostat::cli::explain::{self, ExplainArgs};
use heliostat::diagnostic::{REGISTRY, Severity};

use super::*;

const PAGE: &str = "docs/diagnostics.md";

const INTRODUCTION: &str = "# The diagnostics

Every message of `heliostat validate` and of whatever else reads manifests and agent files, by its code. `heliostat explain CODE`
prints the same, offline; this page is written from it. An error rejects all files. A warning is of what is allowed, and probably
not meant; where it is meant, the manifest says so ([lints](manifest.md#lints)).

<!-- written by HELIOSTAT_UPDATE=1 cargo test --test all -- examples::reference -->

| code | level | says |
| --- | --- | --- |
";

/// What `explain` prints for a code.
fn explained(code: &str) -> String {
    let args = ExplainArgs {
        code: Some(code.to_owned()),
    };
    let (mut out, mut err) = (Vec::new(), Vec::new());
    let ended = explain::run(&args, &mut out, &mut err).unwrap();
    assert_eq!((ended, err.len()), (0, 0), "{code}");
    String::from_utf8(out).unwrap()
}

/// The page as it is to be.
fn page() -> String {
    let mut text = INTRODUCTION.to_owned();
    for entry in REGISTRY {
        let level = match entry.severity {
            Severity::Error => "error",
            Severity::Warning => "warning",
        };
        let title = entry.title.replace('|', "\\|");
        let anchor = entry.id.to_lowercase();
        let _ = writeln!(text, "| [{}](#{anchor}) | {level} | {title} |", entry.id);
    }
    for entry in REGISTRY {
        let said = explained(entry.id);
        let said = said
            .strip_prefix(entry.id)
            .and_then(|rest| rest.strip_prefix(": "))
            .unwrap_or_else(|| panic!("{said}"));
        let (title, rest) = said.split_once('\n').expect("a title of its own");
        let _ = write!(text, "\n## {}\n\n**{title}**\n{rest}", entry.id);
    }
    text
}

#[test]
fn every_code_is_on_the_page_as_it_is_explained() {
    if std::env::var_os("HELIOSTAT_UPDATE").is_some() {
        fs::write(root().join(PAGE), page()).unwrap();
    }
    let kept = read(PAGE).text;
    assert!(
        kept == page(),
        "{PAGE} is another: HELIOSTAT_UPDATE=1 writes it"
    );
    let codes = kept.lines().filter(|line| line.starts_with("## H")).count();
    assert_eq!(codes, REGISTRY.len());
    // Outside of backticks and examples nothing is there that a page would take for markup.
    for entry in REGISTRY {
        let prose: String = entry.explanation.split('`').step_by(2).collect();
        let title: String = entry.title.split('`').step_by(2).collect();
        for text in [prose, title] {
            let marks = ['*', '_', '<', '['];
            assert!(!text.contains(marks), "{}: `{text}`", entry.id);
        }
    }
}
