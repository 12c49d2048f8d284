//! Reading single values out of the tree: each kind of value is checked in one place, and says in one voice what is wrong.

use std::collections::HashMap;
use std::hash::Hash;
use std::ops::{Range, RangeInclusive};

use super::mend::{self, Meant};
use super::yaml::{Kind, Node};
use super::{PROBLEMS_KEPT, Spanned, unit};
use crate::diagnostic::{Code, Diagnostic, Place, secret};

/// A file being read: where problems gather. Reading goes on after each of them.
pub(super) struct Reading<'a> {
    pub(super) text: &'a str,
    pub(super) problems: &'a mut Vec<Diagnostic>,
    /// The targets that were met in it so far.
    pub(super) routes: usize,
}

/// Bounds of a duration, with their spelling for the message.
pub(super) struct Bounds {
    pub(super) ms: RangeInclusive<u64>,
    pub(super) least: &'static str,
    pub(super) most: &'static str,
    /// Whether a bare number counts seconds wherever such a thing is set, so that it can mean nothing else.
    pub(super) seconds: bool,
}

impl Reading<'_> {
    pub(super) fn report(&mut self, problem: Diagnostic) {
        // What nobody is shown costs no memory.
        if self.problems.len() < PROBLEMS_KEPT {
            self.problems.push(problem);
        }
    }

    /// A problem with one place.
    pub(super) fn wrong(
        &mut self,
        code: Code,
        at: &Place,
        message: impl Into<String>,
        label: impl Into<String>,
    ) {
        self.report(Diagnostic::new(code, message).primary(at, label));
    }

    /// As [`Reading::wrong`], with what is to stand in that place instead.
    pub(super) fn mended(
        &mut self,
        code: Code,
        at: &Place,
        message: impl Into<String>,
        label: impl Into<String>,
        meant: Option<Meant>,
    ) {
        let problem = Diagnostic::new(code, message).primary(at, label);
        self.report(match meant {
            Some(meant) => problem.mend(at, meant.text, meant.certain),
            None => problem,
        });
    }

    /// A non-empty text in one line.
    pub(super) fn text(&mut self, key: &str, node: &Node) -> Option<Spanned<String>> {
        let text = match scalar(node) {
            Scalar::Text(text) => text,
            Scalar::Broken => return None,
            Scalar::Null => return self.empty(key, &node.at),
            Scalar::Number(text) | Scalar::Boolean(text) => {
                let message = format!("`{key}` is a text, but this is {}", describe(node));
                let meant = Meant {
                    text: mend::quoted(text),
                    certain: true,
                };
                self.mended(
                    Code::WrongType,
                    &node.at,
                    message,
                    format!("quote it: `\"{text}\"`"),
                    Some(meant),
                );
                return None;
            }
            Scalar::Collection => return self.wrong_type(key, "a text", node),
        };
        if text.is_empty() {
            return self.empty(key, &node.at);
        }
        if text.chars().any(char::is_control) {
            let message = format!("`{key}` holds line breaks or other control characters");
            self.wrong(Code::BadText, &node.at, message, "");
            return None;
        }
        Some(Spanned::new(text.to_owned(), node.at.clone()))
    }

    /// A text, or a number as it was written, for values with units: those have their own messages.
    fn raw<'n>(&mut self, key: &str, takes: &str, node: &'n Node) -> Option<&'n str> {
        match scalar(node) {
            Scalar::Text(text) | Scalar::Number(text) if !text.is_empty() => Some(text),
            Scalar::Broken => None,
            Scalar::Null | Scalar::Text(_) | Scalar::Number(_) => self.empty(key, &node.at),
            Scalar::Boolean(_) | Scalar::Collection => self.wrong_type(key, takes, node),
        }
    }

    /// `true` or `false`.
    pub(super) fn boolean(&mut self, key: &str, node: &Node) -> Option<Spanned<bool>> {
        match scalar(node) {
            Scalar::Boolean(text) => Some(Spanned::new(text == "true", node.at.clone())),
            Scalar::Broken => None,
            Scalar::Null => self.empty(key, &node.at),
            Scalar::Text(text) if look_alike(text).is_some() => {
                let word = look_alike(text).unwrap_or_default();
                let message = format!("`{key}` is `true` or `false`");
                let meant = Meant {
                    text: word.to_owned(),
                    certain: true,
                };
                self.mended(
                    Code::WrongType,
                    &node.at,
                    message,
                    format!("write `{word}`"),
                    Some(meant),
                );
                None
            }
            _ => self.wrong_type(key, "`true` or `false`", node),
        }
    }

    /// A whole number.
    pub(super) fn count(
        &mut self,
        key: &str,
        node: &Node,
        bounds: RangeInclusive<u64>,
    ) -> Option<Spanned<u64>> {
        let text = match scalar(node) {
            Scalar::Number(text) => text,
            Scalar::Broken => return None,
            Scalar::Null => return self.empty(key, &node.at),
            _ => return self.wrong_type(key, "a whole number", node),
        };
        match text.parse::<u64>() {
            Ok(number) if bounds.contains(&number) => Some(Spanned::new(number, node.at.clone())),
            Ok(_) | Err(_) if is_integer(text) => {
                let message = format!("`{key}` is from {} to {}", bounds.start(), bounds.end());
                self.wrong(Code::OutOfRange, &node.at, message, "out of range");
                None
            }
            _ => self.wrong_type(key, "a whole number", node),
        }
    }

    /// One of a set of words.
    pub(super) fn choice<T: Copy>(
        &mut self,
        key: &str,
        node: &Node,
        words: &[(&str, T)],
    ) -> Option<Spanned<T>> {
        let text = match scalar(node) {
            // `true` and `7` are as little one of the words as any other text.
            Scalar::Boolean(text) | Scalar::Number(text) => {
                Spanned::new(text.to_owned(), node.at.clone())
            }
            _ => self.text(key, node)?,
        };
        if let Some((_, value)) = words.iter().find(|(word, _)| *word == text.value) {
            return Some(Spanned::new(*value, node.at.clone()));
        }
        let message = format!("unknown value `{}` for `{key}`", text.value);
        self.unknown(&text, message, words.iter().map(|(word, _)| *word));
        None
    }

    /// A word that is not one of a set.
    pub(super) fn unknown<'w>(
        &mut self,
        text: &Spanned<String>,
        message: String,
        words: impl Iterator<Item = &'w str> + Clone,
    ) {
        let near = near(&text.value, words.clone());
        let label = match &near {
            Some(near) => format!("did you mean `{}`?", near.word),
            None => format!("takes {}", listed(words)),
        };
        let meant = near.map(|near| Meant {
            text: near.word.to_owned(),
            certain: near.certain,
        });
        self.mended(Code::UnknownValue, &text.at, message, label, meant);
    }

    /// A duration within bounds, in milliseconds.
    pub(super) fn duration(
        &mut self,
        key: &str,
        node: &Node,
        bounds: &Bounds,
    ) -> Option<Spanned<u64>> {
        let text = self.raw(key, "a duration such as `30s`", node)?;
        match unit::duration_ms(text) {
            Ok(ms) if bounds.ms.contains(&ms) => Some(Spanned::new(ms, node.at.clone())),
            Ok(_) => {
                let message = format!("`{key}` is from {} to {}", bounds.least, bounds.most);
                self.wrong(Code::OutOfRange, &node.at, message, "out of range");
                None
            }
            Err(message) => {
                let meant = mend::duration(text, bounds.seconds).filter(|meant| {
                    unit::duration_ms(&meant.text).is_ok_and(|ms| bounds.ms.contains(&ms))
                });
                let bare = text.bytes().all(|byte| byte.is_ascii_digit());
                let label = match &meant {
                    Some(meant) if meant.certain => format!("write `{}`", meant.text),
                    Some(_) if bare => format!("write `{text}ms` or `{text}s`"),
                    Some(meant) => format!("did you mean `{}`?", meant.text),
                    None => "write for instance `250ms`, `30s` or `1h30m`".to_owned(),
                };
                self.mended(Code::BadDuration, &node.at, message, label, meant);
                None
            }
        }
    }

    /// A rate in bytes a second.
    pub(super) fn rate(&mut self, key: &str, node: &Node) -> Option<Spanned<u64>> {
        /// rsync's `--bwlimit` counts in units of 1024 bytes.
        const LEAST: u64 = 1024;
        let text = self.raw(key, "a rate such as `40MiB/s`", node)?;
        match unit::rate_bytes(text) {
            Ok(rate) if rate >= LEAST => Some(Spanned::new(rate, node.at.clone())),
            Ok(_) => {
                self.wrong(
                    Code::OutOfRange,
                    &node.at,
                    format!("`{key}` is at least 1KiB/s"),
                    "out of range",
                );
                None
            }
            Err(message) => {
                let meant = mend::rate(text)
                    .filter(|meant| unit::rate_bytes(&meant.text).is_ok_and(|rate| rate >= LEAST));
                let label = match &meant {
                    Some(meant) if meant.certain => format!("write `{}`", meant.text),
                    Some(meant) => format!("did you mean `{}`?", meant.text),
                    None => "write for instance `40MiB/s`".to_owned(),
                };
                self.mended(Code::BadSize, &node.at, message, label, meant);
                None
            }
        }
    }

    /// A non-empty list, each item read by itself.
    pub(super) fn list<T>(
        &mut self,
        key: &str,
        node: &Node,
        mut read: impl FnMut(&mut Self, &Node) -> Option<T>,
    ) -> Option<Vec<T>> {
        match &node.kind {
            Kind::Sequence(items) if items.is_empty() => self.empty(key, &node.at),
            Kind::Sequence(items) => {
                Some(items.iter().filter_map(|item| read(self, item)).collect())
            }
            Kind::Broken => None,
            Kind::Scalar { .. } if matches!(scalar(node), Scalar::Null) => {
                self.empty(key, &node.at)
            }
            Kind::Scalar { text, .. } => {
                let message = format!("`{key}` is a list, but this is {}", describe(node));
                let meant = mend::list(text);
                let label = format!("write `{}`", meant.text);
                self.mended(Code::WrongType, &node.at, message, label, Some(meant));
                None
            }
            Kind::Mapping(_) => self.wrong_type(key, "a list", node),
        }
    }

    /// A list of texts, none of them twice.
    pub(super) fn texts(&mut self, key: &str, node: &Node) -> Option<Vec<Spanned<String>>> {
        let items = self.list(key, node, |reading, item| reading.text(key, item))?;
        self.distinct(key, &items);
        Some(items)
    }

    /// Reports what a list names twice.
    pub(super) fn distinct<T: Eq + Hash>(&mut self, key: &str, items: &[Spanned<T>]) {
        let mut seen: HashMap<&T, &Spanned<T>> = HashMap::new();
        for item in items {
            if let Some(first) = seen.get(&item.value) {
                self.report(
                    Diagnostic::new(Code::DuplicateItem, format!("`{key}` lists the same twice"))
                        .primary(&item.at, "remove one of them")
                        .secondary(&first.at, "first listed here"),
                );
            } else {
                seen.insert(&item.value, item);
            }
        }
    }

    /// A key without a value. Always `None`, for use as a result.
    pub(super) fn empty<T>(&mut self, key: &str, at: &Place) -> Option<T> {
        self.wrong(
            Code::Empty,
            at,
            format!("`{key}` is empty"),
            "give it a value or remove the key",
        );
        None
    }

    /// A value of another type. Always `None`, for use as a result.
    pub(super) fn wrong_type<T>(&mut self, key: &str, takes: &str, node: &Node) -> Option<T> {
        let message = format!("`{key}` takes {takes}, but this is {}", describe(node));
        let at = match &node.kind {
            // A long block is not drawn whole to say that it should not be there.
            Kind::Mapping(entries) => entries.first().map_or(&node.at, |(key, _)| &key.at),
            Kind::Sequence(items) => items.first().map_or(&node.at, |item| &item.at),
            _ => &node.at,
        };
        self.wrong(Code::WrongType, at, message, format!("expected {takes}"));
        None
    }

    /// The place of a part of a scalar's text, where the text stands in the file as it is; else the whole scalar.
    pub(super) fn inside(&self, at: &Place, text: &str, part: &Range<usize>) -> Place {
        let written = &self.text[at.span.clone()];
        let shift = match written.strip_prefix(['"', '\'']) {
            Some(inner) if inner.starts_with(text) => 1,
            None if written == text => 0,
            _ => return at.clone(),
        };
        let start = at.span.start + shift;
        Place {
            file: at.file.clone(),
            span: start + part.start..start + part.end,
        }
    }
}

/// A scalar by YAML's core types.
pub(super) enum Scalar<'a> {
    Null,
    Boolean(&'a str),
    /// Integers and floats alike, as written.
    Number(&'a str),
    Text(&'a str),
    Collection,
    Broken,
}

pub(super) fn scalar(node: &Node) -> Scalar<'_> {
    let (text, plain) = match &node.kind {
        Kind::Scalar { text, plain } => (text.as_str(), *plain),
        Kind::Broken => return Scalar::Broken,
        Kind::Sequence(_) | Kind::Mapping(_) => return Scalar::Collection,
    };
    match text {
        _ if !plain => Scalar::Text(text),
        "" | "~" | "null" | "Null" | "NULL" => Scalar::Null,
        "true" | "false" => Scalar::Boolean(text),
        _ if is_number(text) => Scalar::Number(text),
        _ => Scalar::Text(text),
    }
}

fn is_integer(text: &str) -> bool {
    let digits = text.strip_prefix(['-', '+']).unwrap_or(text);
    !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit())
}

fn is_number(text: &str) -> bool {
    // `inf` and `nan` are numbers to Rust, but words to YAML.
    text.starts_with(|c: char| c.is_ascii_digit() || matches!(c, '-' | '+' | '.'))
        && text.parse::<f64>().is_ok()
        && !text.ends_with(|c: char| c.is_ascii_alphabetic())
}

pub(super) fn describe(node: &Node) -> &'static str {
    match scalar(node) {
        Scalar::Null | Scalar::Broken => "nothing",
        Scalar::Boolean(_) => "`true` or `false`",
        Scalar::Number(text) if is_integer(text) => "a whole number",
        Scalar::Number(_) => "a fraction",
        Scalar::Text(_) => "a text",
        Scalar::Collection if matches!(node.kind, Kind::Sequence(_)) => "a list",
        Scalar::Collection => "a mapping",
    }
}

/// What YAML 1.1 and some programs take for a boolean.
fn look_alike(text: &str) -> Option<&'static str> {
    const WORDS: [(&str, &str); 8] = [
        ("yes", "true"),
        ("on", "true"),
        ("true", "true"),
        ("y", "true"),
        ("no", "false"),
        ("off", "false"),
        ("false", "false"),
        ("n", "false"),
    ];
    let found = WORDS
        .iter()
        .find(|(word, _)| word.eq_ignore_ascii_case(text));
    found.map(|(_, means)| *means)
}

/// The word that was probably meant.
pub(super) struct Near<'w> {
    pub(super) word: &'w str,
    /// No other word is near, and this one is very near.
    pub(super) certain: bool,
}

/// The word that was probably meant, and whether it can be no other.
pub(super) fn near<'w>(text: &str, words: impl Iterator<Item = &'w str>) -> Option<Near<'w>> {
    /// Below it, suggestions are noise: measured on `bandwith`, `exlude`, `targer`, `mirorr`.
    const ALIKE: f64 = 0.7;
    /// Two slips of the finger; more is another word.
    const SLIPS_MAX: usize = 2;
    /// No word of the language is half as long; comparing costs time and memory by the product of both lengths.
    const BYTES_MAX: usize = 100;
    if text.len() > BYTES_MAX {
        return None;
    }
    let plain = |word: &str| word.to_ascii_lowercase().replace(['_', '-'], "");
    let wanted = plain(text);
    let mut near: Vec<(f64, &str)> = words
        .map(|word| {
            (
                strsim::normalized_damerau_levenshtein(&wanted, &plain(word)),
                word,
            )
        })
        .filter(|(alike, _)| *alike >= ALIKE)
        .collect();
    near.sort_by(|(a, _), (b, _)| b.total_cmp(a));
    let (alike, word) = *near.first()?;
    let slips = strsim::damerau_levenshtein(&wanted, &plain(word));
    // Another spelling of the very word leaves no doubt, whatever else is near.
    Some(Near {
        word,
        certain: alike == 1.0 || (near.len() == 1 && slips <= SLIPS_MAX),
    })
}

/// As [`near`], the word alone.
pub fn nearest<'w>(text: &str, words: impl Iterator<Item = &'w str>) -> Option<&'w str> {
    near(text, words).map(|near| near.word)
}

/// `a`, `b` or `c`.
pub(super) fn listed<'w>(words: impl Iterator<Item = &'w str>) -> String {
    let words: Vec<String> = words.map(|word| format!("`{word}`")).collect();
    match words.split_last() {
        None => String::new(),
        Some((last, [])) => last.clone(),
        Some((last, rest)) => format!("{} or {last}", rest.join(", ")),
    }
}

/// Whether a key's inline value is a secret.
pub(super) fn is_secret_key(key: &str) -> bool {
    secret::KEYS
        .iter()
        .any(|secret| key.eq_ignore_ascii_case(secret))
}
