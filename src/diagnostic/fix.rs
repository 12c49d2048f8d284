//! Changes of a text that mend what is wrong with it, and how they are made.
//!
//! A fix that is `certain` is one that `validate --fix` makes by itself; the others are offered to editors. Pure: texts
//! come in and go out. It knows nothing of what the text means: whoever finds a problem says what mends it.

use super::{Diagnostic, Place};

/// What mends a diagnostic.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fix {
    /// Made together or not at all; they do not overlap.
    pub edits: Vec<Edit>,
    /// Whether nothing else can have been meant.
    pub certain: bool,
}

/// Another text in a place; an empty place is an insertion, an empty text a removal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Edit {
    /// What is replaced.
    pub place: Place,
    /// By what.
    pub text: String,
}

/// What came of making fixes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Applied {
    /// The new text.
    pub text: String,
    /// How many fixes are in it.
    pub made: usize,
    /// How many would have met another one, and were left for the next time.
    pub left: usize,
}

impl Fix {
    /// In a few words, for editors.
    pub fn title(&self) -> String {
        match self.edits.as_slice() {
            [edit] if edit.text.is_empty() => "remove this".to_owned(),
            [edit] if edit.place.span.is_empty() => format!("insert `{}`", edit.text.trim()),
            [edit] => format!("write `{}`", edit.text.trim()),
            edits => format!("make {} changes", edits.len()),
        }
    }
}

/// Makes the certain fixes among the diagnostics that are of this file. Of two that touch the same bytes the first is
/// made. Whatever lies between the places stays as it is, byte by byte.
pub fn applied(file: &str, text: &str, diagnostics: &[Diagnostic]) -> Applied {
    let fixes = diagnostics
        .iter()
        .filter_map(|diagnostic| diagnostic.fix.as_ref())
        .filter(|fix| fix.certain && fix.edits.iter().all(|edit| fits(edit, file, text)));
    let mut edits: Vec<&Edit> = Vec::new();
    let (mut made, mut left) = (0, 0);
    for fix in fixes {
        if fix.edits.iter().all(|edit| edits.contains(&edit)) {
            // Two problems with one cause, as a default that several sources take.
            continue;
        }
        let meets = |edit: &Edit| edits.iter().any(|other| overlap(edit, other));
        if fix.edits.iter().any(meets) {
            left += 1;
        } else {
            edits.extend(&fix.edits);
            made += 1;
        }
    }
    edits.sort_by_key(|edit| edit.place.span.start);
    let (mut out, mut at) = (String::with_capacity(text.len() + 64), 0);
    for edit in edits {
        out.push_str(&text[at..edit.place.span.start]);
        out.push_str(&edit.text);
        at = edit.place.span.end;
    }
    out.push_str(&text[at..]);
    Applied {
        text: out,
        made,
        left,
    }
}

fn fits(edit: &Edit, file: &str, text: &str) -> bool {
    *edit.place.file == *file && text.get(edit.place.span.clone()).is_some()
}

/// Whether two edits touch: also two insertions at one place, the order of which nobody knows.
fn overlap(a: &Edit, b: &Edit) -> bool {
    let (a, b) = (&a.place.span, &b.place.span);
    a.start <= b.end && b.start <= a.end
}

#[cfg(test)]
mod tests {
    use super::super::Code;
    use super::*;

    fn at(span: std::ops::Range<usize>) -> Place {
        Place {
            file: "a".into(),
            span,
        }
    }

    fn mended(span: std::ops::Range<usize>, text: &str, certain: bool) -> Diagnostic {
        Diagnostic::new(Code::UnknownField, "x").mend(&at(span), text, certain)
    }

    #[test]
    fn certain_fixes_are_made_in_one_go_and_the_rest_is_untouched() {
        let diagnostics = [
            mended(6..9, "baz", true),
            mended(0..3, "füü", true),
            mended(4..5, "?", false),
        ];
        let applied = applied("a", "foo - bar # é\r\n", &diagnostics);
        assert_eq!(applied.text, "füü - baz # é\r\n");
        assert_eq!((applied.made, applied.left), (2, 0));
    }

    #[test]
    fn what_meets_another_one_is_left() {
        let diagnostics = [
            mended(0..3, "a", true),
            mended(2..4, "b", true),
            mended(0..3, "a", true),
            mended(99..100, "c", true),
        ];
        let applied = applied("a", "foobar", &diagnostics);
        assert_eq!(
            (applied.text.as_str(), applied.made, applied.left),
            ("abar", 1, 1)
        );
    }

    #[test]
    fn a_secret_is_never_part_of_a_fix() {
        assert_eq!(mended(0..1, "rsync://u:hunter2@h/m", true).fix, None);
        assert_eq!(mended(0..1, "x", true).fix.unwrap().title(), "write `x`");
    }
}
