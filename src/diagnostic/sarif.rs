//! For code scanning: SARIF 2.1.0.

use std::ops::Range;

use serde_json::{Value, json};

use super::{Code, Fix, Label, Report, Severity, Sources};

/// GitHub takes no file with more results in a run, and shows the first 5,000.
const RESULTS_MAX: usize = 5_000;
/// GitHub takes a thousand locations of a result, and shows a hundred.
const LOCATIONS_MAX: usize = 100;

/// One run with the rules that it used.
pub fn sarif(report: Report<'_>) -> String {
    let mut used: Vec<Code> = report
        .diagnostics
        .iter()
        .map(|diagnostic| diagnostic.code)
        .collect();
    used.sort_unstable();
    used.dedup();
    let rules: Vec<Value> = used.iter().map(|code| rule(*code)).collect();
    let results: Vec<Value> = report.diagnostics.iter().take(RESULTS_MAX).map(|diagnostic| {
        let message = match &diagnostic.help {
            Some(help) => format!("{}; {help}", diagnostic.message),
            None => diagnostic.message.clone(),
        };
        let primary = diagnostic.place();
        let related = diagnostic.labels.iter().filter(|label| !primary.is_some_and(|primary| std::ptr::eq(*label, primary)));
        let mut result = json!({
            "ruleId": diagnostic.code.id(),
            "ruleIndex": used.binary_search(&diagnostic.code).unwrap_or_default(),
            "level": level(diagnostic.severity),
            "message": {"text": message},
            "locations": primary.map(|label| location(report.sources, label)).into_iter().collect::<Vec<_>>(),
            "relatedLocations": related.take(LOCATIONS_MAX).map(|label| location(report.sources, label)).collect::<Vec<_>>(),
        });
        if let Some(mends) = &diagnostic.fix {
            result["fixes"] = json!([fix(report.sources, mends)]);
        }
        result
    }).collect();
    let document = json!({
        "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
        "version": "2.1.0",
        "runs": [{
            "tool": {"driver": {"name": "heliostat", "version": env!("CARGO_PKG_VERSION"), "rules": rules}},
            "columnKind": "unicodeCodePoints",
            "results": results,
        }],
    });
    format!("{document:#}\n")
}

fn rule(code: Code) -> Value {
    let entry = code.entry();
    // In SARIF a name is what people read beside the id.
    let name = code.lint().map_or(entry.id, |lint| lint.name);
    json!({
        "id": entry.id,
        "name": name,
        "shortDescription": {"text": entry.title},
        "fullDescription": {"text": entry.explanation},
        "help": {"text": format!("{}\n\nheliostat explain {}", entry.explanation, entry.id)},
        "defaultConfiguration": {"level": level(entry.severity)},
    })
}

/// An offer to change the text; the regions are of the file as it was read.
fn fix(sources: &Sources, fix: &Fix) -> Value {
    let changes = fix.edits.iter().map(|edit| {
        json!({
            "artifactLocation": {"uri": uri(&edit.place.file)},
            "replacements": [{
                "deletedRegion": region(sources, &edit.place.file, &edit.place.span),
                "insertedContent": {"text": edit.text},
            }],
        })
    });
    json!({
        "description": {"text": fix.title()},
        "artifactChanges": changes.collect::<Vec<_>>(),
    })
}

fn level(severity: Severity) -> &'static str {
    match severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
    }
}

fn location(sources: &Sources, label: &Label) -> Value {
    let mut value = json!({
        "physicalLocation": {
            "artifactLocation": {"uri": uri(&label.file)},
            "region": region(sources, &label.file, &label.span),
        },
    });
    if !label.text.is_empty() {
        value["message"] = json!({"text": label.text});
    }
    value
}

fn region(sources: &Sources, file: &str, span: &Range<usize>) -> Value {
    let start = sources.position(file, span.start);
    let end = sources.position(file, span.end);
    json!({
        "startLine": start.line,
        "startColumn": start.column,
        "endLine": end.line,
        "endColumn": end.column,
        "byteOffset": span.start,
        "byteLength": span.len(),
    })
}

/// A relative reference or a `file:` url: SARIF wants urls, not paths.
fn uri(file: &str) -> String {
    let mut out = String::from(if file.starts_with('/') { "file://" } else { "" });
    for byte in file.bytes() {
        if byte.is_ascii_alphanumeric() || b"/-._~".contains(&byte) {
            out.push(char::from(byte));
        } else {
            out.push_str(&format!("%{byte:02X}"));
        }
    }
    out
}
