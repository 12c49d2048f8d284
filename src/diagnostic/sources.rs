//! The texts that diagnostics point into.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

use super::{Diagnostic, secret};

/// Characters are counted up to every so many bytes once, so that a place costs the same wherever in a file it is.
const STEP: usize = 256;

/// File names and their texts, fit to be drawn: what looks like a secret is masked as soon as it comes in.
#[derive(Clone, Debug, Default)]
pub struct Sources {
    texts: BTreeMap<Arc<str>, Text>,
}

/// A text with what finds a byte's line and column in it: a file with many problems is asked for its places often.
#[derive(Clone, Debug)]
struct Text {
    shown: String,
    /// Where its lines begin.
    lines: Vec<usize>,
    /// How many characters begin before each multiple of [`STEP`].
    characters: Vec<usize>,
}

/// Where a byte is, as people count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Position {
    /// 1-based.
    pub line: usize,
    /// 1-based, in characters.
    pub column: usize,
}

impl Sources {
    /// No texts.
    pub fn new() -> Sources {
        Sources::default()
    }

    /// Adds a text; one that was there under this name is replaced.
    pub fn insert(&mut self, name: &str, text: &str) {
        let shown = secret::masked(text, &secret::in_text(text));
        self.texts.insert(name.into(), Text::new(shown));
    }

    /// Masks what these diagnostics know to be secret, beyond what is recognised by itself.
    pub fn mask(&mut self, diagnostics: &[Diagnostic]) {
        let mut secrets: BTreeMap<&Arc<str>, Vec<Range<usize>>> = BTreeMap::new();
        for place in diagnostics.iter().flat_map(|diagnostic| &diagnostic.masked) {
            let of_file = secrets.entry(&place.file).or_default();
            of_file.push(place.span.clone());
        }
        for (file, ranges) in secrets {
            if let Some(text) = self.texts.get_mut(file) {
                *text = Text::new(secret::masked(&text.shown, &ranges));
            }
        }
    }

    /// A file's text as it may be shown.
    pub fn text(&self, name: &str) -> Option<&str> {
        self.texts.get(name).map(|text| text.shown.as_str())
    }

    /// The number of files.
    pub fn len(&self) -> usize {
        self.texts.len()
    }

    /// Whether there are no files.
    pub fn is_empty(&self) -> bool {
        self.texts.is_empty()
    }

    /// Where a byte is; 1:1 for a file that is not known.
    pub fn position(&self, name: &str, byte: usize) -> Position {
        let Some(text) = self.texts.get(name) else {
            return Position { line: 1, column: 1 };
        };
        let byte = floor(&text.shown, byte);
        let line = text.lines.partition_point(|start| *start <= byte);
        let start = text.lines[line - 1];
        // The byte order mark is no column of its own.
        let mark = text.shown[start..byte].starts_with('\u{feff}');
        Position {
            line,
            column: text.before(byte) - text.before(start) - usize::from(mark) + 1,
        }
    }

    /// The lines that hold the range, without the last line break.
    pub(super) fn lines(&self, name: &str, span: &Range<usize>) -> Range<usize> {
        let Some(text) = self.texts.get(name) else {
            return 0..0;
        };
        let begins = |byte: usize| text.lines.partition_point(|start| *start <= byte) - 1;
        let start = text.lines[begins(span.start)];
        let end = text.lines.get(begins(span.end) + 1);
        start..end.map_or(text.shown.len(), |end| end - 1)
    }

    /// The range, cut to the text and to whole characters.
    pub(super) fn clamp(&self, name: &str, span: &Range<usize>) -> Range<usize> {
        let text = self.text(name).unwrap_or_default();
        let start = floor(text, span.start);
        start..floor(text, span.end).max(start)
    }
}

impl Text {
    fn new(shown: String) -> Text {
        let mut lines = vec![0];
        let mut characters = Vec::with_capacity(shown.len() / STEP + 1);
        let mut count = 0;
        for (at, byte) in shown.bytes().enumerate() {
            if at % STEP == 0 {
                characters.push(count);
            }
            count += usize::from(begins_character(byte));
            if byte == b'\n' {
                lines.push(at + 1);
            }
        }
        if shown.len().is_multiple_of(STEP) {
            characters.push(count);
        }
        Text {
            shown,
            lines,
            characters,
        }
    }

    /// How many characters begin before a byte.
    fn before(&self, byte: usize) -> usize {
        let step = byte / STEP;
        let rest = &self.shown.as_bytes()[step * STEP..byte];
        let rest = rest.iter().filter(|byte| begins_character(**byte));
        self.characters[step] + rest.count()
    }
}

/// All but the bytes that go on with a character.
fn begins_character(byte: u8) -> bool {
    byte & 0b1100_0000 != 0b1000_0000
}

fn floor(text: &str, byte: usize) -> usize {
    let mut at = byte.min(text.len());
    while !text.is_char_boundary(at) {
        at -= 1;
    }
    at
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn positions_count_lines_and_characters_from_one() {
        let mut sources = Sources::new();
        sources.insert("a", "\u{feff}x: ä\r\nyz");
        let at = |byte| {
            let position = sources.position("a", byte);
            (position.line, position.column)
        };
        assert_eq!(at(3), (1, 1));
        assert_eq!(at(6), (1, 4));
        assert_eq!(at(10), (2, 1));
        assert_eq!(at(7), (1, 4), "inside a character");
        assert_eq!(at(1000), (2, 3));
        // Beyond where characters are counted from.
        let long = format!("{}\n{}z", "ä".repeat(STEP), "ö".repeat(STEP));
        sources.insert("b", &long);
        assert_eq!(
            sources.position("b", long.len()),
            Position {
                line: 2,
                column: STEP + 2
            }
        );
        sources.insert("c", &"x".repeat(STEP));
        assert_eq!(sources.position("c", STEP).column, STEP + 1);
        assert_eq!(
            sources.position("unknown", 5),
            Position { line: 1, column: 1 }
        );
    }
}
