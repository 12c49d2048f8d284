//! For code scanning: SARIF 2.1.0.

use serde_json::{Value, json};

use super::{Code, Label, Report, Severity, Sources};

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
    let results: Vec<Value> = report.diagnostics.iter().map(|diagnostic| {
        let message = match &diagnostic.help {
            Some(help) => format!("{}; {help}", diagnostic.message),
            None => diagnostic.message.clone(),
        };
        let primary = diagnostic.place();
        let related = diagnostic.labels.iter().filter(|label| !primary.is_some_and(|primary| std::ptr::eq(*label, primary)));
        json!({
            "ruleId": diagnostic.code.id(),
            "ruleIndex": used.binary_search(&diagnostic.code).unwrap_or_default(),
            "level": level(diagnostic.severity),
            "message": {"text": message},
            "locations": primary.map(|label| location(report.sources, label)).into_iter().collect::<Vec<_>>(),
            "relatedLocations": related.map(|label| location(report.sources, label)).collect::<Vec<_>>(),
        })
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
    json!({
        "id": entry.id,
        "shortDescription": {"text": entry.title},
        "fullDescription": {"text": entry.explanation},
        "defaultConfiguration": {"level": level(entry.severity)},
    })
}

fn level(severity: Severity) -> &'static str {
    match severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
    }
}

fn location(sources: &Sources, label: &Label) -> Value {
    let start = sources.position(&label.file, label.span.start);
    let end = sources.position(&label.file, label.span.end);
    let mut value = json!({
        "physicalLocation": {
            "artifactLocation": {"uri": uri(&label.file)},
            "region": {
                "startLine": start.line,
                "startColumn": start.column,
                "endLine": end.line,
                "endColumn": end.column,
                "byteOffset": label.span.start,
                "byteLength": label.span.len(),
            },
        },
    });
    if !label.text.is_empty() {
        value["message"] = json!({"text": label.text});
    }
    value
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
