//! Says in the manifest's terms what breaks YAML's rules, and what was probably meant.

use std::ops::Range;
use std::sync::Arc;

use granit_parser::{ErrorKind, ScanError};

use super::mend;
use crate::diagnostic::{Code, Diagnostic, Place};

/// A document that the parser gave up.
pub(super) fn explain(file: &Arc<str>, text: &str, error: &ScanError) -> Diagnostic {
    let start = floor(text, error.marker().byte_offset().unwrap_or(text.len()));
    // At the end of the text point at its last visible character: there is nothing else to draw.
    let start = if start >= text.len() {
        text.trim_end().len()
    } else {
        start
    };
    let end = start
        + text[start..]
            .chars()
            .next()
            .filter(|c| *c != '\n')
            .map_or(0, char::len_utf8);
    let at = Place {
        file: file.clone(),
        span: start..end,
    };
    match error.kind() {
        ErrorKind::TabNotAllowed
        | ErrorKind::TabInBlockIndentation
        | ErrorKind::TabInIndentation
        | ErrorKind::TabAtBlockScalarStart => {
            Diagnostic::new(Code::YamlTab, "a tab is used for indentation")
                .primary(&tab_near(at, text), "use spaces")
        }
        ErrorKind::DirectiveDisallowed => Diagnostic::new(
            Code::YamlDirective,
            "directives (`%`) are not part of manifests",
        )
        .primary(&at, ""),
        ErrorKind::RecursionLimitExceeded => too_deep(&at),
        kind => match needs_quotes(text, start) {
            Some(range) => unquoted(
                &Place {
                    file: file.clone(),
                    span: range,
                },
                text,
            ),
            None => {
                let said = lower_first(&kind.to_string());
                let problem = Diagnostic::new(Code::YamlSyntax, format!("not valid YAML: {said}"))
                    .primary(&at, "");
                broken(problem, &said, file, text, start)
            }
        },
    }
}

/// A document deeper than anyone needs.
pub(super) fn too_deep(at: &Place) -> Diagnostic {
    Diagnostic::new(Code::TooDeep, "values are nested more than 64 deep").primary(at, "")
}

/// An alias, which is nearly always an unquoted glob or cron expression. Without the text nothing is proposed.
pub(super) fn alias(at: &Place, text: Option<&str>) -> Diagnostic {
    let Some(text) = text else {
        return Diagnostic::new(Code::YamlAlias, "aliases are not part of manifests")
            .primary(at, "a value that begins with `*` needs quotes");
    };
    unquoted(
        &Place {
            file: at.file.clone(),
            span: value_at(text, at.span.start),
        },
        text,
    )
}

fn unquoted(at: &Place, text: &str) -> Diagnostic {
    let value = &text[at.span.clone()];
    let what = match value.as_bytes().first() {
        Some(b'*') => "YAML takes `*` at the beginning of a value for an alias".to_owned(),
        Some(first) => format!(
            "YAML does not take a value that begins with `{}`",
            char::from(*first)
        ),
        None => "a value is missing".to_owned(),
    };
    let quoted = mend::quoted(value);
    let problem =
        Diagnostic::new(Code::YamlAlias, what).primary(at, format!("quote it: `{quoted}`"));
    match value.is_empty() {
        true => problem,
        false => problem.mend(at, quoted, true),
    }
}

/// The value that an error lies in or just behind, if it begins with what YAML keeps for itself.
fn needs_quotes(text: &str, at: usize) -> Option<Range<usize>> {
    let line_start = text[..at].rfind('\n').map_or(0, |at| at + 1);
    let mut start = None;
    let mut previous = ' ';
    for (index, c) in text[line_start..]
        .char_indices()
        .take_while(|(_, c)| *c != '\n')
    {
        let index = line_start + index;
        let begins = previous == ' ' || matches!(previous, '[' | '{' | ',');
        if begins && matches!(c, '*' | '@' | '`' | '%' | '&') && index <= at {
            let before = text[line_start..index].trim_end();
            if before.is_empty() || before.ends_with([':', '-', '[', ',', '{']) {
                start = Some(index);
            }
        }
        previous = c;
    }
    start.map(|start| value_at(text, start))
}

/// From its first byte to the end of a value that should have been quoted. Inside brackets it ends with them or at a
/// comma, elsewhere with the line or a comment.
fn value_at(text: &str, start: usize) -> Range<usize> {
    let line_start = text[..start].rfind('\n').map_or(0, |at| at + 1);
    let line = &text[start..][..text[start..]
        .find(['\n', '\r'])
        .unwrap_or(text.len() - start)];
    let line = &line[..line.find(" #").unwrap_or(line.len())];
    let before = &text[line_start..start];
    let inside = before.matches(['[', '{']).count() > before.matches([']', '}']).count();
    let end = if inside {
        line.find([',', ']', '}']).unwrap_or(line.len())
    } else {
        line.len()
    };
    start..start + line[..end].trim_end().len().max(1).min(line.len().max(1))
}

fn tab_near(at: Place, text: &str) -> Place {
    let line_start = text[..at.span.start].rfind('\n').map_or(0, |at| at + 1);
    match text[line_start..]
        .find(['\t', '\n'])
        .map(|found| line_start + found)
    {
        Some(tab) if text.as_bytes()[tab] == b'\t' => Place {
            span: tab..tab + 1,
            ..at
        },
        _ => at,
    }
}

/// With what was probably meant: looked for in the line where the reader gave up, and the one before it.
fn broken(problem: Diagnostic, said: &str, file: &Arc<str>, text: &str, at: usize) -> Diagnostic {
    /// A key, its colon, and a value without the blank.
    fn glued(line: &str) -> Option<usize> {
        let indent = line.len() - line.trim_start().len();
        let key = line[indent..].find(|c: char| !c.is_ascii_alphanumeric())?;
        let rest = &line[indent + key..];
        let value = rest.strip_prefix(':')?;
        (key > 0 && value.starts_with(['/', '"', '\'', '[', '{']) && !value.starts_with("//"))
            .then_some(indent + key + 1)
    }
    let start = text[..at].rfind('\n').map_or(0, |at| at + 1);
    let before = text[..start.saturating_sub(1)]
        .rfind('\n')
        .map_or(0, |at| at + 1);
    let lines =
        [before, start].map(|start| (start, text[start..].lines().next().unwrap_or_default()));
    let found = lines.iter().find_map(|(start, line)| {
        let blank = glued(line).map(|at| start + at);
        blank.or_else(|| {
            line.find(['\u{a0}', '“', '”', '„', '‘', '’'])
                .map(|at| start + at)
        })
    });
    if let Some(found) = found {
        let place = Place {
            file: file.clone(),
            span: found..found,
        };
        let c = text[found..].chars().next().unwrap_or(' ');
        return match c {
            '\u{a0}' => problem.help("a no-break space (U+00A0) is in the line; write a plain one"),
            '“' | '”' | '„' | '‘' | '’' => {
                problem.help(format!("`{c}` is no quote to YAML; write `\"`"))
            }
            _ => problem
                .help("the colon behind a key is followed by a blank")
                .mend(&place, " ", true),
        };
    }
    let here = lines[1].1;
    let help = match () {
        () if ["<<<<<<<", "=======", ">>>>>>>"]
            .iter()
            .any(|mark| here.starts_with(mark)) =>
        {
            "a merge conflict was left in the file"
        }
        () if here.contains("{{") || here.contains("{%") => {
            "a template was not rendered: manifests have none of their own"
        }
        () if said.contains("trailing content after") => {
            "look for a comma that is missing, or for a quote inside a quoted text"
        }
        () if lines
            .iter()
            .any(|(_, line)| line.contains(" = ") && !line.contains(':')) =>
        {
            "a key and its value are separated by `: `, not by `=`"
        }
        () => hint(text, at),
    };
    problem.help(help)
}

fn hint(text: &str, at: usize) -> &'static str {
    let line_start = text[..at].rfind('\n').map_or(0, |at| at + 1);
    let line = text[line_start..].lines().next().unwrap_or_default();
    if line.matches(": ").count() > 1 && !line.contains('{') {
        "a value that contains `: ` needs quotes"
    } else if line.contains(['[', '{', '"', '\'']) {
        "look for a quote or a bracket that was not closed; patterns such as `\"[a-z]*\"` and `\"{a,b}\"` need quotes"
    } else {
        "look at the indentation of this line and the one before it"
    }
}

fn lower_first(text: &str) -> String {
    let mut chars = text.chars();
    chars.next().map_or_else(String::new, |first| {
        first.to_lowercase().chain(chars).collect()
    })
}

fn floor(text: &str, byte: usize) -> usize {
    let mut at = byte.min(text.len());
    while !text.is_char_boundary(at) {
        at -= 1;
    }
    at
}
