//! For programs: one JSON document.

use serde_json::{Value, json};

use super::{Label, Report, Severity, Sources};

/// Raised when a reader of the old form would misread the new one; additions do not count.
const FORMAT_VERSION: u32 = 1;

/// One document, also where there is nothing to say.
pub fn json(report: Report<'_>) -> String {
    let diagnostics: Vec<Value> = report
        .diagnostics
        .iter()
        .map(|diagnostic| {
            let mut value = diagnostic
                .place()
                .map_or_else(|| json!({}), |label| place(report.sources, label));
            value["code"] = json!(diagnostic.code.id());
            value["severity"] = json!(severity(diagnostic.severity));
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
        "diagnostics": diagnostics,
    });
    format!("{document:#}\n")
}

fn place(sources: &Sources, label: &Label) -> Value {
    let start = sources.position(&label.file, label.span.start);
    let end = sources.position(&label.file, label.span.end);
    json!({
        "file": &*label.file,
        "line": start.line,
        "column": start.column,
        "endLine": end.line,
        "endColumn": end.column,
        "range": {"start": label.span.start, "end": label.span.end},
    })
}

fn severity(severity: Severity) -> &'static str {
    match severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
    }
}
