//! `[…]`: a set of ASCII characters, read once and written for each of the two matchers.
//!
//! The dialects differ inside brackets (globset has no escapes there, rsync knows POSIX classes, and in globset a negated
//! set would match `/`), so neither ever sees what the user wrote: both get the set itself, spelled in the plainest way.

use std::iter::Peekable;
use std::str::Chars;

use super::PatternError;

/// Which characters one `[…]` matches. `/` is never one of them, whatever was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Class {
    /// Bit `n`: the character with code `n`. Never NUL, never `/`.
    members: u128,
    /// Whether it matches every byte but these.
    negated: bool,
}

/// What must not stand bare in brackets in one dialect or the other.
const SPECIAL: &str = "!^]-[\\:";

impl Class {
    /// Reads on behind the opening `[`, up to and including the closing `]`.
    pub(super) fn parse(chars: &mut Peekable<Chars<'_>>) -> Result<Class, PatternError> {
        let negated = chars.next_if(|c| matches!(c, '!' | '^')).is_some();
        let mut members = 0u128;
        let mut last: Option<u8> = None;
        let mut first = true;
        loop {
            let c = chars.next().ok_or_else(unclosed)?;
            match c {
                ']' if !first => break,
                '[' if matches!(chars.peek(), Some(':' | '.' | '=')) => {
                    return Err(PatternError::new(
                        "POSIX classes as `[:alpha:]` are not known",
                        "write the range, as `[a-zA-Z]`; for the characters themselves put the `[` last, or write `\\[`",
                    ));
                }
                '-' if last.is_some() && chars.peek().is_some_and(|&c| c != ']') => {
                    let from = last.take().unwrap_or_default();
                    let to = member(chars)?;
                    if to < from {
                        return Err(PatternError::new(
                            format!(
                                "the range `{}-{}` runs backwards",
                                char::from(from),
                                char::from(to)
                            ),
                            "write the lower character first, or `\\-` for the dash itself",
                        ));
                    }
                    members |= (from..=to).fold(0, |set, c| set | 1 << c);
                }
                c => {
                    let c = if c == '\\' {
                        member_after_escape(chars)?
                    } else {
                        ascii(c)?
                    };
                    members |= 1 << c;
                    last = Some(c);
                }
            }
            first = false;
        }
        // A range may span it (`[+-9]`); it still separates names.
        members &= !(1 << b'/');
        Ok(Class { members, negated })
    }

    /// As globset reads it.
    pub(super) fn write_globset(self, out: &mut String) {
        let has = |c: char| self.members & (1 << (c as u32)) != 0;
        if self.negated {
            // `/` is named because globset's sets would match it; a `]` is one of the set only in first place.
            out.push_str(if has(']') { "[!]/" } else { "[!/" });
            self.write_ranges(out);
            self.write_bare(out, "[\\:^!");
            self.write_bare(out, "-");
            out.push(']');
            return;
        }
        // Alone, `!` and `^` would negate in first place: an alternation says the same.
        let marks = (1u128 << b'!') | (1u128 << b'^');
        if self.members & !marks == 0 {
            out.push_str(match (has('!'), has('^')) {
                (true, true) => "{\\!,\\^}",
                (true, false) => "\\!",
                _ => "\\^",
            });
            return;
        }
        out.push('[');
        if has(']') {
            out.push(']');
        }
        let before = out.len();
        self.write_ranges(out);
        self.write_bare(out, "[\\:");
        let dash_first = has('-') && out.len() == before && !has(']');
        if dash_first {
            out.push('-');
        }
        self.write_bare(out, "^!");
        if has('-') && !dash_first {
            out.push('-');
        }
        out.push(']');
    }

    /// As rsync reads it.
    pub(super) fn write_rsync(self, out: &mut String) {
        out.push_str(if self.negated { "[^" } else { "[" });
        self.write_ranges(out);
        for c in SPECIAL
            .chars()
            .filter(|&c| self.members & (1 << (c as u32)) != 0)
        {
            out.push('\\');
            out.push(c);
        }
        out.push(']');
    }

    /// The members that are special nowhere, as ranges.
    fn write_ranges(self, out: &mut String) {
        let plain = SPECIAL.bytes().fold(self.members, |set, c| set & !(1 << c));
        let mut c = 1u8;
        while c < 128 {
            if plain & (1 << c) == 0 {
                c += 1;
                continue;
            }
            let from = c;
            while c < 127 && plain & (1 << (c + 1)) != 0 {
                c += 1;
            }
            out.push(char::from(from));
            if c > from + 1 {
                out.push('-');
            }
            if c > from {
                out.push(char::from(c));
            }
            c += 1;
        }
    }

    /// Those of `these` that are members, as they are.
    fn write_bare(self, out: &mut String, these: &str) {
        out.extend(
            these
                .chars()
                .filter(|&c| self.members & (1 << (c as u32)) != 0),
        );
    }
}

/// The end of a range.
fn member(chars: &mut Peekable<Chars<'_>>) -> Result<u8, PatternError> {
    match chars.next().ok_or_else(unclosed)? {
        '\\' => member_after_escape(chars),
        c => ascii(c),
    }
}

fn member_after_escape(chars: &mut Peekable<Chars<'_>>) -> Result<u8, PatternError> {
    ascii(chars.next().ok_or_else(unclosed)?)
}

fn ascii(c: char) -> Result<u8, PatternError> {
    match u8::try_from(c) {
        Ok(b'/') => Err(PatternError::new(
            "`/` cannot stand in `[…]`",
            "a set matches one character of a name; write the alternatives as `{…,…}`",
        )),
        Ok(0) => Err(PatternError::new(
            "a pattern cannot hold a NUL byte",
            "remove it",
        )),
        Ok(c) if c.is_ascii() => Ok(c),
        _ => Err(PatternError::new(
            format!("`{c}` cannot stand in `[…]`: names are matched byte by byte"),
            "write the alternatives as `{…,…}`",
        )),
    }
}

fn unclosed() -> PatternError {
    PatternError::new(
        "`[` is not closed",
        "add the `]`, or write `\\[` for the character itself",
    )
}
