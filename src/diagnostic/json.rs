//! For programs: one JSON document.

use std::ops::Range;

use serde_json::{Value, json};

use super::{Fix, Good, Label, Report, Severity, Sources};

/// Raised when a reader of the old form would misread the new one; additions do not count.
const FORMAT_VERSION: u32 = 1;

/// One document, also where there is nothing to say.
pub fn json(report: Report<'_>) -> String {
    json_with(report, None)
}

/// As [`json`], with what is said of manifests that are right.
pub fn json_with(report: Report<'_>, good: Option<&Good>) -> String {
    let diagnostics: Vec<Value> = report
        .diagnostics
        .iter()
        .map(|diagnostic| {
            let mut value = diagnostic
                .place()
                .map_or_else(|| json!({}), |label| place(report.sources, label));
            value["code"] = json!(diagnostic.code.id());
            value["severity"] = json!(severity(diagnostic.severity));
            value["lint"] = json!(diagnostic.code.lint().map(|lint| lint.name));
            value["title"] = json!(diagnostic.code.entry().title);
            value["message"] = json!(diagnostic.message);
            value["help"] = json!(diagnostic.help);
            let labels = diagnostic.labels.iter().map(|label| {
                let mut value = place(report.sources, label);
                value["text"] = json!(label.text);
                value["primary"] = json!(label.primary);
                value
            });
            value["labels"] = labels.collect();
            value["fix"] = diagnostic
                .fix
                .as_ref()
                .map_or(Value::Null, |mends| fix(report.sources, mends));
            value
        })
        .collect();
    let errors = report.count(Severity::Error);
    let document = json!({
        "formatVersion": FORMAT_VERSION,
        "valid": errors == 0,
        "files": report.files,
        "errors": errors,
        "warnings": report.count(Severity::Warning),
        "sources": good.map(|good| good.sources),
        "targets": good.map(|good| good.targets),
        "digest": good.map(|good| good.digest.as_str()),
        "diagnostics": diagnostics,
    });
    format!("{document:#}\n")
}

/// `range` is in bytes of the file, and replaced by `replacement`, all edits together.
fn fix(sources: &Sources, fix: &Fix) -> Value {
    let edits = fix.edits.iter().map(|edit| {
        let mut value = range(sources, &edit.place.file, &edit.place.span);
        value["replacement"] = json!(edit.text);
        value
    });
    json!({
        "title": fix.title(),
        "certain": fix.certain,
        "edits": edits.collect::<Vec<_>>(),
    })
}

fn place(sources: &Sources, label: &Label) -> Value {
    range(sources, &label.file, &label.span)
}

fn range(sources: &Sources, file: &str, span: &Range<usize>) -> Value {
    let start = sources.position(file, span.start);
    let end = sources.position(file, span.end);
    json!({
        "file": file,
        "line": start.line,
        "column": start.column,
        "endLine": end.line,
        "endColumn": end.column,
        "range": {"start": span.start, "end": span.end},
    })
}

fn severity(severity: Severity) -> &'static str {
    match severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
    }
}
