//! For GitHub's workflows: one command a diagnostic, which becomes an annotation of the changed file.

use std::fmt::Write as _;

use super::{Diagnostic, Report, Severity};

/// GitHub makes annotations of the first ten errors and the first ten warnings of a step, and drops what is beyond.
const ANNOTATIONS_MAX: usize = 10;

/// One line each, errors first: what GitHub would make no annotation of is said in the log, not dropped.
pub fn github(report: Report<'_>) -> String {
    let mut out = String::new();
    for severity in [Severity::Error, Severity::Warning] {
        let of_it = || {
            report
                .diagnostics
                .iter()
                .filter(move |one| one.severity == severity)
        };
        out.push_str(&commands(report, of_it().take(ANNOTATIONS_MAX)));
        let mut beyond = of_it().skip(ANNOTATIONS_MAX).peekable();
        if beyond.peek().is_some() {
            let _ = writeln!(
                out,
                "GitHub shows {ANNOTATIONS_MAX} annotations of a kind in a step; these are the others:"
            );
        }
        for diagnostic in beyond {
            let place = diagnostic.place().map_or_else(String::new, |label| {
                let at = report.sources.position(&label.file, label.span.start);
                format!("{}:{}:{}: ", label.file, at.line, at.column)
            });
            // Not at the beginning of a line, or it might be taken for a command.
            let said = data(&diagnostic.message);
            let _ = writeln!(out, "  {place}{} {said}", diagnostic.code);
        }
    }
    out
}

fn commands<'d>(report: Report<'_>, diagnostics: impl Iterator<Item = &'d Diagnostic>) -> String {
    let mut out = String::new();
    for diagnostic in diagnostics {
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
