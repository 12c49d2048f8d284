//! For people: source lines with carets, as rustc draws them.

use std::ops::Range;

use annotate_snippets::{
    Annotation, AnnotationKind, Element, Group, Level, Origin, Renderer, Snippet,
};

use super::report::counted;
use super::{Diagnostic, Label, Report, Severity, Sources};

/// Of a file so much is drawn at once: the cost of drawing many diagnostics must not grow with the file.
const DRAWN_MAX: usize = 4096;

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
    // As compilers name the switch that a warning goes by.
    let title = match diagnostic.code.lint() {
        Some(lint) => format!("{} [{}]", diagnostic.message, lint.name),
        None => diagnostic.message.clone(),
    };
    let mut group = level
        .primary_title(title)
        .id(diagnostic.code.id())
        .elements(snippets(diagnostic, sources));
    if let Some(help) = &diagnostic.help {
        group = group.element(Level::HELP.message(help.as_str()));
    }
    group
}

/// What is drawn of each file, the primary label's file first.
fn snippets<'a>(diagnostic: &'a Diagnostic, sources: &'a Sources) -> Vec<Element<'a>> {
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
        .flat_map(|file| {
            let mut labels: Vec<&Label> = diagnostic
                .labels
                .iter()
                .filter(|label| &*label.file == file)
                .collect();
            labels.sort_by_key(|label| !label.primary);
            drawn(&labels, sources, file)
        })
        .collect()
}

/// The lines from the first label to the last; where those are too much, each label's own.
fn drawn<'a>(labels: &[&'a Label], sources: &'a Sources, file: &'a str) -> Vec<Element<'a>> {
    let starts = labels.iter().map(|label| label.span.start);
    let ends = labels.iter().map(|label| label.span.end);
    let (start, end) = (starts.min().unwrap_or(0), ends.max().unwrap_or(0));
    let lines = sources.lines(file, &(start..end));
    if lines.len() <= DRAWN_MAX {
        return vec![snippet(labels, sources, file, lines).into()];
    }
    let single = labels.iter().flat_map(|label| {
        let start = label.span.start;
        let line = sources.lines(file, &(start..start));
        if line.len() <= DRAWN_MAX {
            return vec![snippet(&[label], sources, file, line).into()];
        }
        let at = sources.position(file, start);
        let origin = Origin::path(file).line(at.line).char_column(at.column);
        let note = (!label.text.is_empty()).then(|| Level::NOTE.message(label.text.as_str()));
        [origin.into()]
            .into_iter()
            .chain(note.map(Element::from))
            .collect()
    });
    single.collect()
}

/// Whole lines of a text with their labels, each cut to them.
fn snippet<'a>(
    labels: &[&'a Label],
    sources: &'a Sources,
    file: &'a str,
    part: Range<usize>,
) -> Snippet<'a, Annotation<'a>> {
    let text = sources.text(file).unwrap_or_default();
    let annotations = labels.iter().map(|label| {
        let kind = if label.primary {
            AnnotationKind::Primary
        } else {
            AnnotationKind::Context
        };
        let span = sources.clamp(file, &label.span);
        let within = |byte: usize| byte.clamp(part.start, part.end) - part.start;
        let note = (!label.text.is_empty()).then_some(label.text.as_str());
        kind.span(within(span.start)..within(span.end)).label(note)
    });
    // A carriage return would be drawn as a sign of its own; as long as it is, so that the places stay right.
    let drawn = text[part.clone()].replace("\r\n", " \n").replace('\r', " ");
    Snippet::source(drawn)
        .line_start(sources.position(file, part.start).line)
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
