//! Globs as written, read once into parts from which both matchers get their own spelling.
//!
//! Text → tokens → braces expanded → [`Pattern`]s. What the two dialects read differently never reaches them: `**` within a
//! name, `[…]` with escapes, POSIX classes, empty and dotted components are either spelled out or refused here.

use std::iter::Peekable;
use std::str::Chars;

use super::class::Class;

/// Bytes of one pattern as written. No path is longer (`PATH_MAX` is 4096), and what a set grows to still fits rsync's line.
const PATTERN_BYTES_MAX: usize = 1024;

/// Plain patterns that one written pattern may stand for, after `{…}` and `/**/` are spelled out. Each becomes up to
/// three rsync rules, which every path is held against one after the other.
const EXPANSION_MAX: usize = 1000;

/// Tokens that the expansion of one pattern may hold in all: the product of many groups is stopped before it is built.
const EXPANSION_TOKENS_MAX: usize = 256 * 1024;

/// Why a pattern was refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct PatternError {
    /// Lower case, no full stop.
    pub message: String,
    /// What to write instead.
    pub help: Option<String>,
}

impl PatternError {
    pub(super) fn new(message: impl Into<String>, help: impl Into<String>) -> PatternError {
        PatternError {
            message: message.into(),
            help: Some(help.into()),
        }
    }
}

/// One brace-free glob.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Pattern {
    /// Whether it may begin at any depth; else it begins at the root.
    pub(super) floating: bool,
    /// Never empty, never beginning with [`Part::Deep`] (that is what `floating` says), never two of those in a row.
    pub(super) parts: Vec<Part>,
    /// Whether it matches directories only.
    pub(super) dir_only: bool,
}

/// What stands between two slashes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Part {
    /// `**`: any number of names; in last place at least one.
    Deep,
    /// One name.
    Name(Vec<Atom>),
}

/// A piece of a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Atom {
    /// Itself.
    Char(char),
    /// `?`: one byte.
    One,
    /// `*`: any bytes, or none.
    Many,
    /// `[…]`.
    Class(Class),
}

impl Pattern {
    /// How much of it there is: letters, wildcards and sets.
    pub(super) fn atoms(&self) -> usize {
        let of_part = |part: &Part| match part {
            Part::Deep => 1,
            Part::Name(atoms) => atoms.len(),
        };
        self.parts.iter().map(of_part).sum()
    }

    /// Whether it matches every path.
    pub(super) fn is_everything(&self) -> bool {
        self.floating && !self.dir_only && self.parts == [Part::Name(vec![Atom::Many])]
    }

    /// How many `/**/` stand between names; each doubles what rsync must be told, which takes it for at least one name.
    pub(super) fn inner_deeps(&self) -> usize {
        let inner = self.parts.split_last().map_or(&[][..], |(_, rest)| rest);
        inner.iter().filter(|part| **part == Part::Deep).count()
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Token {
    Atom(Atom),
    Slash,
    Open,
    Comma,
    Close,
}

/// Whether `pattern` can be used as a rule.
pub fn check(pattern: &str) -> Result<(), PatternError> {
    parse(pattern).map(|_| ())
}

/// Everything that `pattern` stands for. Never empty.
pub(super) fn parse(pattern: &str) -> Result<Vec<Pattern>, PatternError> {
    if pattern.is_empty() {
        return Err(PatternError::new(
            "an empty pattern matches nothing",
            "remove it",
        ));
    }
    if pattern.len() > PATTERN_BYTES_MAX {
        return Err(PatternError::new(
            format!("the pattern is longer than {PATTERN_BYTES_MAX} bytes"),
            "split it into several patterns",
        ));
    }
    if pattern.starts_with('!') {
        return Err(PatternError::new(
            "`!` does not turn a pattern round",
            "`exclude` always wins: narrow the exclude instead, or write `\\!` for a name that begins with `!`",
        ));
    }
    let mut rest = &tokenize(pattern)?[..];
    let expanded = alternatives(&mut rest)?;
    let patterns = expanded
        .iter()
        .map(|tokens| assemble(tokens))
        .collect::<Result<Vec<_>, _>>()?;
    let spelled: usize = patterns
        .iter()
        .map(|pattern| 1usize << pattern.inner_deeps().min(20))
        .sum();
    if spelled > EXPANSION_MAX {
        return Err(too_many());
    }
    Ok(patterns)
}

fn tokenize(pattern: &str) -> Result<Vec<Token>, PatternError> {
    let mut chars: Peekable<Chars<'_>> = pattern.chars().peekable();
    let mut tokens = Vec::new();
    let mut open = 0usize;
    while let Some(c) = chars.next() {
        tokens.push(match c {
            '\0' => {
                return Err(PatternError::new(
                    "a pattern cannot hold a NUL byte",
                    "remove it",
                ));
            }
            '/' => Token::Slash,
            '?' => Token::Atom(Atom::One),
            '*' => Token::Atom(Atom::Many),
            '[' => Token::Atom(Atom::Class(Class::parse(&mut chars)?)),
            '{' => {
                open += 1;
                Token::Open
            }
            '}' => {
                open = open.checked_sub(1).ok_or_else(|| {
                    PatternError::new(
                        "`}` was not opened",
                        "add the `{`, or write `\\}` for the character itself",
                    )
                })?;
                Token::Close
            }
            ',' if open > 0 => Token::Comma,
            '\\' => match chars.next() {
                None => {
                    return Err(PatternError::new(
                        "`\\` at the end escapes nothing",
                        "write `\\\\` for the character itself",
                    ));
                }
                Some('/') => {
                    return Err(PatternError::new(
                        "`/` cannot be escaped: no name holds one",
                        "remove the `\\`",
                    ));
                }
                Some('\0') => {
                    return Err(PatternError::new(
                        "a pattern cannot hold a NUL byte",
                        "remove it",
                    ));
                }
                Some(c) => Token::Atom(Atom::Char(c)),
            },
            c => Token::Atom(Atom::Char(c)),
        });
    }
    if open > 0 {
        return Err(PatternError::new(
            "`{` is not closed",
            "add the `}`, or write `\\{` for the character itself",
        ));
    }
    Ok(tokens)
}

/// Expands up to the end of the group that `tokens` stand in, as a shell would: `a{b,c{d,e}}` is `ab`, `acd`, `ace`.
/// The outermost group is the whole pattern. The depth is bounded by [`PATTERN_BYTES_MAX`].
fn alternatives(tokens: &mut &[Token]) -> Result<Vec<Vec<Token>>, PatternError> {
    let mut done: Vec<Vec<Token>> = Vec::new();
    let mut current: Vec<Vec<Token>> = vec![Vec::new()];
    while let Some((token, rest)) = tokens.split_first() {
        *tokens = rest;
        match token {
            Token::Open => {
                let inner = alternatives(tokens)?;
                if current.len() * inner.len() > EXPANSION_MAX {
                    return Err(too_many());
                }
                current = current
                    .iter()
                    .flat_map(|head| inner.iter().map(|tail| [&head[..], tail].concat()))
                    .collect();
            }
            Token::Comma => done.append(&mut current_replaced(&mut current)),
            Token::Close => break,
            token => current.iter_mut().for_each(|tokens| tokens.push(*token)),
        }
        if current.iter().map(Vec::len).sum::<usize>() > EXPANSION_TOKENS_MAX {
            return Err(too_many());
        }
    }
    done.append(&mut current);
    if done.len() > EXPANSION_MAX {
        return Err(too_many());
    }
    Ok(done)
}

/// What was gathered for one alternative; the next begins with nothing.
fn current_replaced(current: &mut Vec<Vec<Token>>) -> Vec<Vec<Token>> {
    std::mem::replace(current, vec![Vec::new()])
}

fn too_many() -> PatternError {
    PatternError::new(
        format!("the pattern stands for more than {EXPANSION_MAX} patterns"),
        "use fewer `{…}` and `/**/` in it, or split it",
    )
}

fn assemble(tokens: &[Token]) -> Result<Pattern, PatternError> {
    let mut names: Vec<&[Token]> = tokens.split(|token| *token == Token::Slash).collect();
    let dir_only = names.len() > 1 && names.last().is_some_and(|name| name.is_empty());
    if dir_only {
        names.pop();
    }
    let leading_slash = names.len() > 1 && names[0].is_empty();
    if leading_slash {
        names.remove(0);
    }
    if names.len() == 1 && names[0].is_empty() {
        return Err(PatternError::new(
            "the pattern names the source itself",
            "name something inside it; `**` means everything",
        ));
    }
    let mut floating = !leading_slash && names.len() == 1;
    let mut parts: Vec<Part> = Vec::with_capacity(names.len());
    for name in names {
        match part(name)? {
            Part::Deep if parts.is_empty() => floating = true,
            Part::Deep if parts.last() == Some(&Part::Deep) => {}
            part => parts.push(part),
        }
    }
    if parts.is_empty() {
        parts.push(Part::Name(vec![Atom::Many]));
    }
    Ok(Pattern {
        floating,
        parts,
        dir_only,
    })
}

fn part(name: &[Token]) -> Result<Part, PatternError> {
    let atoms: Vec<Atom> = name
        .iter()
        .filter_map(|token| {
            if let Token::Atom(atom) = token {
                Some(*atom)
            } else {
                None
            }
        })
        .collect();
    match &atoms[..] {
        [] => Err(PatternError::new(
            "`//` holds an empty name",
            "write one `/`",
        )),
        [Atom::Char('.')] | [Atom::Char('.'), Atom::Char('.')] => Err(PatternError::new(
            "`.` and `..` are not names of anything in a source",
            "write the path from the source's root, as `/a/b`",
        )),
        [Atom::Many, Atom::Many] => Ok(Part::Deep),
        atoms
            if atoms
                .windows(2)
                .any(|pair| pair == [Atom::Many, Atom::Many]) =>
        {
            Err(PatternError::new(
                "`**` must stand alone between slashes",
                "write `*` within a name, and `**/` for any number of directories",
            ))
        }
        _ => Ok(Part::Name(atoms)),
    }
}
