//! From text to a tree with places, in one pass over the parser's events.
//!
//! Manifests are a small part of YAML: no anchors, aliases, tags, merge keys or directives, and no key twice. All of
//! these are reported and the pass goes on, so that one run names every mistake. A document that breaks YAML's own
//! rules is given up; the documents after it are still read.

use std::collections::HashMap;
use std::ops::Range;
use std::sync::Arc;

use granit_parser::{Event, Parser, ScalarStyle, ScanError, Span, StrInput};

use super::{MAX_PROBLEMS, PROBLEMS_KEPT, yaml_error};
use crate::diagnostic::{Code, Diagnostic, Place};

/// More is a mistake or an attack; the largest fleets that were looked at need a tenth.
pub const MAX_FILE_BYTES: usize = 1024 * 1024;
/// The language itself nests eight deep. Bounds the recursion of all that walks a tree.
const MAX_DEPTH: usize = 64;
/// Keys and values of a file. A manifest as long as it may be has half as many; a list of single letters takes eighty
/// times its length in memory.
const MAX_NODES: usize = 250_000;

/// A value with its place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Node {
    pub(super) at: Place,
    pub(super) kind: Kind,
}

/// What a value is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// `plain`: without quotes, so that it may be a number, a boolean or nothing.
    Scalar {
        text: String,
        plain: bool,
    },
    Sequence(Vec<Node>),
    Mapping(Vec<(Key, Node)>),
    /// Already reported: whoever meets it says nothing more.
    Broken,
}

/// A mapping's key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Key {
    pub(super) at: Place,
    pub(super) text: String,
}

/// The documents of a file. Empty ones are left out.
pub(super) fn documents(file: &Arc<str>, text: &str, problems: &mut Vec<Diagnostic>) -> Vec<Node> {
    if text.len() > MAX_FILE_BYTES {
        let at = Place {
            file: file.clone(),
            span: 0..0,
        };
        problems.push(
            Diagnostic::new(
                Code::TooLarge,
                format!(
                    "`{file}` has {} bytes; a manifest may have 1 MiB",
                    text.len()
                ),
            )
            .primary(&at, ""),
        );
        return Vec::new();
    }
    let options = granit_parser::options! {
        emit_unresolved_aliases: true,
        emit_anchor_events: true,
        emit_comments: false,
        disallow_directives: true,
        flow_nesting_limit: MAX_DEPTH,
        block_nesting_limit: MAX_DEPTH,
    };
    let mut builder = Builder {
        file,
        text,
        parser: Parser::new_from_str_with_options(text, options),
        problems,
        nodes: 0,
    };
    let mut documents = Vec::new();
    loop {
        match builder.document() {
            Ok(Some(node)) => {
                if !matches!(&node.kind, Kind::Scalar { text, plain: true } if text.is_empty() || text == "~")
                {
                    documents.push(node);
                }
            }
            Ok(None) => return documents,
            Err(Stop::Syntax(error)) => {
                let problem = yaml_error::explain(file, text, &error);
                // An unquoted cron expression is first an alias and then an error.
                if builder.problems.last() != Some(&problem) {
                    builder.problems.push(problem);
                }
                if !matches!(builder.parser.proceed_next_document(), Ok(true)) {
                    return documents;
                }
            }
            Err(Stop::Many) => return documents,
            Err(Stop::Large(at)) => {
                let message = format!("more than {MAX_NODES} keys and values");
                builder
                    .problems
                    .push(Diagnostic::new(Code::TooLarge, message).primary(&at, ""));
                return documents;
            }
            Err(Stop::Deep(at)) => {
                builder.problems.push(yaml_error::too_deep(&at));
                return documents;
            }
        }
    }
}

struct Builder<'a> {
    file: &'a Arc<str>,
    text: &'a str,
    parser: Parser<'a, StrInput<'a>>,
    problems: &'a mut Vec<Diagnostic>,
    nodes: usize,
}

/// Why a document is given up.
enum Stop {
    Syntax(ScanError),
    Deep(Place),
    Large(Place),
    /// More problems than are shown: nothing more is learned from the rest of the file.
    Many,
}

impl<'a> Builder<'a> {
    /// The next document's root; `None` at the end of the file.
    fn document(&mut self) -> Result<Option<Node>, Stop> {
        while let Some((event, span)) = self.next()? {
            match event {
                Event::StreamEnd => return Ok(None),
                Event::StreamStart | Event::DocumentStart(..) | Event::DocumentEnd => {}
                _ => return self.node(event, span, 0).map(Some),
            }
        }
        Ok(None)
    }

    fn next(&mut self) -> Result<Option<(Event<'a>, Span)>, Stop> {
        self.parser.next_event().transpose().map_err(Stop::Syntax)
    }

    fn place(&self, span: Range<usize>) -> Place {
        Place {
            file: self.file.clone(),
            span,
        }
    }

    fn node(&mut self, event: Event<'a>, span: Span, depth: usize) -> Result<Node, Stop> {
        let range = bytes(&span, self.text);
        let at = self.place(range.clone());
        if depth > MAX_DEPTH {
            return Err(Stop::Deep(at));
        }
        self.nodes += 1;
        if self.nodes > MAX_NODES {
            return Err(Stop::Large(at));
        }
        if self.problems.len() >= PROBLEMS_KEPT {
            return Err(Stop::Many);
        }
        let tagged = self.tag(&event, &span);
        let anchored = event.anchor_id().is_some() && self.anchor()?;
        let mut node = match event {
            Event::Scalar(text, style, ..) => Node {
                at: match style {
                    // A block's place ends with its last letter, not where the next line begins.
                    ScalarStyle::Literal | ScalarStyle::Folded => {
                        let written = self.text[range.clone()].trim_end().len();
                        self.place(range.start..range.start + written)
                    }
                    _ => at,
                },
                kind: Kind::Scalar {
                    text: text.into_owned(),
                    plain: style == ScalarStyle::Plain,
                },
            },
            Event::SequenceStart(..) => {
                let mut items = Vec::new();
                let end = loop {
                    match self.next()? {
                        Some((Event::SequenceEnd, span)) => break bytes(&span, self.text).end,
                        Some((event, span)) => items.push(self.node(event, span, depth + 1)?),
                        None => break range.end,
                    }
                };
                let end = closing_end(
                    self.text,
                    &range,
                    end,
                    items.last().map(|item| item.at.span.end),
                );
                Node {
                    at: self.place(range.start..end),
                    kind: Kind::Sequence(items),
                }
            }
            Event::MappingStart(..) => self.mapping(range, depth)?,
            Event::Alias(_) | Event::UnresolvedAlias(_) => {
                // Its value is looked for along the whole line, which is not done for what nobody is shown.
                let text = (self.problems.len() < MAX_PROBLEMS).then_some(self.text);
                self.problems.push(yaml_error::alias(&at, text));
                Node {
                    at,
                    kind: Kind::Broken,
                }
            }
            _ => Node {
                at,
                kind: Kind::Broken,
            },
        };
        if tagged || anchored {
            node.kind = Kind::Broken;
        }
        Ok(node)
    }

    fn mapping(&mut self, range: Range<usize>, depth: usize) -> Result<Node, Stop> {
        let mut entries: Vec<(Key, Node)> = Vec::new();
        let mut first: HashMap<String, Place> = HashMap::new();
        let end = loop {
            let (event, span) = match self.next()? {
                Some((Event::MappingEnd, span)) => break bytes(&span, self.text).end,
                Some(next) => next,
                None => break range.end,
            };
            let key = self.node(event, span, depth + 1)?;
            let Some((event, span)) = self.next()? else {
                break range.end;
            };
            let value = self.node(event, span, depth + 1)?;
            if let Some(key) = self.key(key, &mut first) {
                entries.push((key, value));
            }
        };
        let end = closing_end(
            self.text,
            &range,
            end,
            entries.last().map(|(_, value)| value.at.span.end),
        );
        Ok(Node {
            at: self.place(range.start..end),
            kind: Kind::Mapping(entries),
        })
    }

    /// The key, unless it is not fit to be one. `first` knows where the mapping's keys were first given.
    fn key(&mut self, node: Node, first: &mut HashMap<String, Place>) -> Option<Key> {
        let text = match node.kind {
            Kind::Scalar { text, plain } if !(plain && text.is_empty()) => text,
            Kind::Broken => return None,
            _ => {
                self.problems.push(
                    Diagnostic::new(Code::YamlKey, "a key must be a text")
                        .primary(&node.at, "not a text")
                        .help("a value that begins with `{`, `[`, `?` or `:` needs quotes"),
                );
                return None;
            }
        };
        if text == "<<" {
            self.problems.push(
                Diagnostic::new(
                    Code::MergeKey,
                    "merge keys (`<<`) are not part of manifests",
                )
                .primary(&node.at, "")
                .help("put what is shared under `defaults`"),
            );
            return None;
        }
        if let Some(first) = first.get(&text) {
            self.problems.push(
                Diagnostic::new(Code::DuplicateKey, format!("`{text}` is given twice"))
                    .primary(&node.at, "remove one of them")
                    .secondary(first, "first given here"),
            );
            return None;
        }
        first.insert(text.clone(), node.at.clone());
        Some(Key { at: node.at, text })
    }

    /// Reports the tag that an event may have.
    fn tag(&mut self, event: &Event<'a>, span: &Span) -> bool {
        let Some(tag) = event.tag() else { return false };
        let at = span
            .tag_span()
            .map_or_else(|| bytes(span, self.text), |span| bytes(&span, self.text));
        self.problems.push(
            Diagnostic::new(
                Code::YamlTag,
                format!("tags are not part of manifests: `{}`", tag.original()),
            )
            .primary(&self.place(at), "a value that begins with `!` needs quotes"),
        );
        true
    }

    /// Takes the anchor's own event, which follows its node's, and reports it.
    fn anchor(&mut self) -> Result<bool, Stop> {
        if let Some((Event::Anchor(_, name), span)) = self.next()? {
            let at = self.place(bytes(&span, self.text));
            self.problems.push(
                Diagnostic::new(
                    Code::YamlAlias,
                    format!("anchors are not part of manifests: `&{name}`"),
                )
                .primary(&at, "a value that begins with `&` needs quotes")
                .help("put what is shared under `defaults`"),
            );
        }
        Ok(true)
    }
}

/// The bytes of a span.
fn bytes(span: &Span, text: &str) -> Range<usize> {
    let start = span.start.byte_offset().unwrap_or(0).min(text.len());
    let end = span.end.byte_offset().unwrap_or(start).min(text.len());
    start..end.max(start)
}

/// Flow collections end with their bracket; block ones with their last value, not where the indentation ends.
fn closing_end(text: &str, start: &Range<usize>, end: usize, last: Option<usize>) -> usize {
    match text.as_bytes().get(start.start) {
        Some(b'{' | b'[') => end.max(start.end),
        _ => last.unwrap_or(start.end).max(start.end),
    }
}
