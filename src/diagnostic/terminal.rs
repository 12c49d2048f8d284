//! For people: source lines with carets, as rustc draws them.

use annotate_snippets::{AnnotationKind, Group, Level, Renderer, Snippet};

use super::report::counted;
use super::{Diagnostic, Report, Severity, Sources};

/// Draws all diagnostics and a closing line; empty where there are none. With colour, ANSI sequences are in it.
pub fn terminal(report: Report<'_>, colour: bool) -> String {
    let renderer = if colour {
        Renderer::styled()
    } else {
        Renderer::plain()
    };
    let mut out = String::new();
    for diagnostic in report.diagnostics {
        out.push_str(
            renderer
                .render(&[group(diagnostic, report.sources)])
                .trim_end(),
        );
        out.push_str("\n\n");
    }
    if let Some(line) = closing(report) {
        out.push_str(&line);
        out.push('\n');
    }
    out
}

fn group<'a>(diagnostic: &'a Diagnostic, sources: &'a Sources) -> Group<'a> {
    let level = match diagnostic.severity {
        Severity::Error => Level::ERROR,
        Severity::Warning => Level::WARNING,
    };
    let mut group = level
        .primary_title(diagnostic.message.as_str())
        .id(diagnostic.code.id())
        .elements(snippets(diagnostic, sources));
    if let Some(help) = &diagnostic.help {
        group = group.element(Level::HELP.message(help.as_str()));
    }
    group
}

/// One snippet a file, the primary label's file first.
fn snippets<'a>(
    diagnostic: &'a Diagnostic,
    sources: &'a Sources,
) -> Vec<Snippet<'a, annotate_snippets::Annotation<'a>>> {
    let mut files: Vec<&str> = diagnostic
        .place()
        .map(|label| &*label.file)
        .into_iter()
        .collect();
    for label in &diagnostic.labels {
        if !files.contains(&&*label.file) {
            files.push(&label.file);
        }
    }
    files
        .into_iter()
        .map(|file| snippet(diagnostic, sources, file))
        .collect()
}

fn snippet<'a>(
    diagnostic: &'a Diagnostic,
    sources: &'a Sources,
    file: &'a str,
) -> Snippet<'a, annotate_snippets::Annotation<'a>> {
    let labels = diagnostic
        .labels
        .iter()
        .filter(|label| &*label.file == file);
    let annotations = labels.map(|label| {
        let kind = if label.primary {
            AnnotationKind::Primary
        } else {
            AnnotationKind::Context
        };
        let text = (!label.text.is_empty()).then_some(label.text.as_str());
        kind.span(sources.clamp(file, &label.span)).label(text)
    });
    Snippet::source(sources.text(file).unwrap_or_default())
        .path(file)
        .annotations(annotations)
}

/// `2 errors in 1 of 14 files     heliostat explain H0211`
fn closing(report: Report<'_>) -> Option<String> {
    let (errors, warnings) = (
        report.count(Severity::Error),
        report.count(Severity::Warning),
    );
    let worst = if errors > 0 {
        Severity::Error
    } else {
        Severity::Warning
    };
    let last = report
        .diagnostics
        .iter()
        .rfind(|diagnostic| diagnostic.severity == worst)?;
    let mut counts = Vec::new();
    if errors > 0 {
        counts.push(counted(errors, "error"));
    }
    if warnings > 0 {
        counts.push(counted(warnings, "warning"));
    }
    let files = format!(
        "{} of {}",
        report.files_with_problems(),
        counted(report.files, "file")
    );
    Some(format!(
        "{} in {files}     heliostat explain {}",
        counts.join(", "),
        last.code
    ))
}
