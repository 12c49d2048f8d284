//! The texts that diagnostics point into.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

use super::{Diagnostic, secret};

/// File names and their texts, fit to be drawn: what looks like a secret is masked as soon as it comes in.
#[derive(Clone, Debug, Default)]
pub struct Sources {
    texts: BTreeMap<Arc<str>, String>,
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
        self.texts
            .insert(name.into(), secret::masked(text, &secret::in_text(text)));
    }

    /// Masks what these diagnostics know to be secret, beyond what is recognised by itself.
    pub fn mask(&mut self, diagnostics: &[Diagnostic]) {
        for place in diagnostics.iter().flat_map(|diagnostic| &diagnostic.masked) {
            if let Some(text) = self.texts.get_mut(&place.file) {
                *text = secret::masked(text, std::slice::from_ref(&place.span));
            }
        }
    }

    /// A file's text as it may be shown.
    pub fn text(&self, name: &str) -> Option<&str> {
        self.texts.get(name).map(String::as_str)
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
        let text = self.text(name).unwrap_or_default();
        let before = &text[..floor(text, byte)];
        let line_start = before.rfind('\n').map_or(0, |at| at + 1);
        let line = before.bytes().filter(|byte| *byte == b'\n').count() + 1;
        Position {
            line,
            column: before[line_start..]
                .trim_start_matches('\u{feff}')
                .chars()
                .count()
                + 1,
        }
    }

    /// The range, cut to the text and to whole characters.
    pub(super) fn clamp(&self, name: &str, span: &Range<usize>) -> Range<usize> {
        let text = self.text(name).unwrap_or_default();
        let start = floor(text, span.start);
        start..floor(text, span.end).max(start)
    }
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
        assert_eq!(
            sources.position("unknown", 5),
            Position { line: 1, column: 1 }
        );
    }
}
