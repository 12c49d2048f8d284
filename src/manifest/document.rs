//! A whole document: `apiVersion`, `kind`, and what belongs to that kind.

use std::collections::BTreeMap;

use super::fields::Fields;
use super::reading::{Reading, describe, nearest};
use super::source::{self, Defaults};
use super::target::{self, names};
use super::yaml::{Kind, Node};
use super::{Agent, Manifest, Spanned, agent, name};
use crate::diagnostic::{Code, Diagnostic, Place};

/// The only one yet.
pub const API_VERSION: &str = "heliostat/v1";

/// What is being read.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Wanted {
    Manifest,
    Agent,
}

/// A document of the wanted kind.
pub(super) enum Document {
    Manifest(Manifest),
    Agent(Box<Agent>),
}

/// Reads a document, or reports why it is none; with an unknown `kind` the wanted one is assumed and the rest is read.
pub(super) fn document(reading: &mut Reading<'_>, node: &Node, wanted: Wanted) -> Option<Document> {
    if !matches!(node.kind, Kind::Mapping(_) | Kind::Broken) {
        let message = format!("a document is a mapping, but this is {}", describe(node));
        let at = Place {
            span: node.at.span.start..node.at.span.start + 1,
            ..node.at.clone()
        };
        reading.wrong(
            Code::WrongType,
            &at,
            message,
            format!("begin with `apiVersion: {API_VERSION}`"),
        );
        return None;
    }
    let mut fields = Fields::of(reading, "document", "a document", node)?;
    api_version(reading, &mut fields, node);
    kind(reading, &mut fields, node, wanted)?;
    match wanted {
        Wanted::Manifest => manifest(reading, fields, node).map(Document::Manifest),
        Wanted::Agent => Some(Document::Agent(Box::new(agent::agent(
            reading, fields, node,
        )))),
    }
}

fn api_version(reading: &mut Reading<'_>, fields: &mut Fields<'_>, node: &Node) {
    let Some(field) = fields.take("apiVersion") else {
        let at = first_line(node);
        return reading.wrong(
            Code::ApiVersion,
            &at,
            "missing field `apiVersion`",
            format!("begin with `apiVersion: {API_VERSION}`"),
        );
    };
    if let Some(version) = reading.text("apiVersion", field.node)
        && version.value != API_VERSION
    {
        let message = format!("unknown `apiVersion`: `{}`", version.value);
        reading.wrong(
            Code::ApiVersion,
            &version.at,
            message,
            format!("write `{API_VERSION}`"),
        );
    }
}

/// `None`: a document of another kind, which is not read on.
fn kind(
    reading: &mut Reading<'_>,
    fields: &mut Fields<'_>,
    node: &Node,
    wanted: Wanted,
) -> Option<()> {
    let word = match wanted {
        Wanted::Manifest => "Manifest",
        Wanted::Agent => "Agent",
    };
    let Some(field) = fields.take("kind") else {
        reading.wrong(
            Code::Kind,
            &first_line(node),
            "missing field `kind`",
            format!("add `kind: {word}`"),
        );
        return Some(());
    };
    let Some(kind) = reading.text("kind", field.node) else {
        return Some(());
    };
    let label = match (kind.value.as_str(), wanted) {
        (kind, _) if kind == word => return Some(()),
        ("Agent", Wanted::Manifest) => {
            let diagnostic = Diagnostic::new(Code::Kind, "a `kind: Agent` is not a manifest")
                .primary(&kind.at, "settings of the host")
                .help("move it out of the manifests' directory, and name it with `--agent FILE`");
            reading.report(diagnostic);
            return None;
        }
        ("Manifest", Wanted::Agent) => {
            reading.wrong(
                Code::Kind,
                &kind.at,
                "a manifest is not an agent's file",
                "expected `kind: Agent`",
            );
            return None;
        }
        (other, _) => match nearest(other, ["Manifest", "Agent"].into_iter()) {
            Some(kind) => format!("did you mean `{kind}`?"),
            None => format!("write `{word}`"),
        },
    };
    reading.wrong(
        Code::Kind,
        &kind.at,
        format!("unknown `kind`: `{}`", kind.value),
        label,
    );
    Some(())
}

fn manifest(reading: &mut Reading<'_>, mut fields: Fields<'_>, node: &Node) -> Option<Manifest> {
    let (name, labels) = fields
        .read(reading, "metadata", metadata)
        .unwrap_or_default();
    let defaults = fields
        .read(reading, "defaults", defaults)
        .unwrap_or_default();
    let sources_field = fields.take("sources");
    if sources_field.is_none() {
        fields.missing(reading, "sources", &first_line(node));
    }
    fields.finish(
        reading,
        &[
            ("targets", "a source"),
            ("path", "a source"),
            ("labels", "`metadata`"),
            ("name", "`metadata`"),
        ],
    );
    let named = sources_field.and_then(|field| names(reading, "sources", field.node))?;
    let sources = named
        .into_iter()
        .filter_map(|named| source::source(reading, named, &defaults))
        .collect();
    Some(Manifest {
        at: node.at.clone(),
        name,
        labels,
        sources,
    })
}

type Metadata = (Option<Spanned<String>>, BTreeMap<String, Spanned<String>>);

fn metadata(reading: &mut Reading<'_>, key: &str, node: &Node) -> Option<Metadata> {
    let mut fields = Fields::of(reading, key, "`metadata`", node)?;
    let name = fields.read(reading, "name", |reading, key, node| {
        reading.text(key, node)
    });
    let labels = fields.read(reading, "labels", labels).unwrap_or_default();
    fields.finish(reading, &[]);
    Some((name, labels))
}

/// `labels: {team: web}`.
pub(super) fn labels(
    reading: &mut Reading<'_>,
    key: &str,
    node: &Node,
) -> Option<BTreeMap<String, Spanned<String>>> {
    /// Labels become metrics' labels and parts of urls.
    const MAX_BYTES: usize = 256;
    let Kind::Mapping(entries) = &node.kind else {
        return reading.wrong_type(key, "a mapping of texts", node);
    };
    let mut labels = BTreeMap::new();
    for (key, node) in entries {
        if !name::label_key(&key.text) {
            let message = format!("`{}` cannot be a label's key", key.text);
            reading.wrong(
                Code::BadLabel,
                &key.at,
                message,
                "a letter, then letters, digits, `_`, `-` and `.`",
            );
        } else if let Some(value) = reading.text(&key.text, node) {
            if value.value.len() > MAX_BYTES {
                reading.wrong(
                    Code::BadLabel,
                    &value.at,
                    "a label has at most 256 bytes",
                    "too long",
                );
            } else {
                labels.insert(key.text.clone(), value);
            }
        }
    }
    Some(labels)
}

fn defaults(reading: &mut Reading<'_>, key: &str, node: &Node) -> Option<Defaults> {
    let mut fields = Fields::of(reading, key, "`defaults`", node)?;
    let source = fields.read(reading, "source", |reading, key, node| {
        let mut fields = Fields::of(reading, key, "`defaults.source`", node)?;
        let options = source::options(reading, &mut fields);
        fields.finish(
            reading,
            &[("path", "each source"), ("targets", "each source")],
        );
        Some(options)
    });
    let target = fields.read(reading, "target", target::defaults);
    fields.finish(reading, &[]);
    Some(Defaults {
        source: source.unwrap_or_default(),
        target: target.unwrap_or_default(),
    })
}

/// Where to point for "this document".
fn first_line(node: &Node) -> Place {
    match &node.kind {
        Kind::Mapping(entries) => entries.first().map_or(&node.at, |(key, _)| &key.at).clone(),
        _ => node.at.clone(),
    }
}
