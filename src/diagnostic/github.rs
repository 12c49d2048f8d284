//! For GitHub's workflows: one command a diagnostic, which becomes an annotation of the changed file.

use std::fmt::Write as _;

use super::{Report, Severity};

/// One line each.
pub fn github(report: Report<'_>) -> String {
    let mut out = String::new();
    for diagnostic in report.diagnostics {
        let command = match diagnostic.severity {
            Severity::Error => "error",
            Severity::Warning => "warning",
        };
        let mut properties = String::new();
        if let Some(label) = diagnostic.place() {
            let start = report.sources.position(&label.file, label.span.start);
            let end = report.sources.position(&label.file, label.span.end);
            let _ = write!(
                properties,
                "file={},line={},endLine={},",
                property(&label.file),
                start.line,
                end.line
            );
            // Columns are only understood within one line.
            if start.line == end.line {
                let _ = write!(properties, "col={},endColumn={},", start.column, end.column);
            }
        }
        let title = property(&format!(
            "{} {}",
            diagnostic.code,
            diagnostic.code.entry().title
        ));
        let texts = diagnostic.labels.iter().map(|label| label.text.as_str());
        let texts = texts
            .chain(diagnostic.help.as_deref())
            .filter(|text| !text.is_empty());
        let message = std::iter::once(diagnostic.message.as_str())
            .chain(texts)
            .map(data)
            .collect::<Vec<_>>()
            .join("%0A");
        let _ = writeln!(out, "::{command} {properties}title={title}::{message}");
    }
    out
}

fn data(text: &str) -> String {
    text.replace('%', "%25")
        .replace('\r', "%0D")
        .replace('\n', "%0A")
}

fn property(text: &str) -> String {
    data(text).replace(':', "%3A").replace(',', "%2C")
}
