//! A whole document: `apiVersion`, `kind`, and what belongs to that kind.

use std::collections::BTreeMap;

use super::bounds::LABELS_MAX;
use super::fields::Fields;
use super::mend::Meant;
use super::reading::{Reading, describe, near};
use super::source;
pub(super) use super::source::Defaults;
use super::target::{self, names};
use super::yaml::{Kind, Node};
use super::{Agent, Manifest, Spanned, agent, bounds, name, unused};
use crate::diagnostic::{Code, Diagnostic, LINTS, Lint, Place, Severity};

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
        let problem = Diagnostic::new(Code::ApiVersion, "missing field `apiVersion`").primary(
            &first_line(node),
            format!("begin with `apiVersion: {API_VERSION}`"),
        );
        let line = format!("apiVersion: {API_VERSION}");
        return reading.report(added(problem, reading.text, node, &line));
    };
    if let Some(version) = reading.text("apiVersion", field.node)
        && version.value != API_VERSION
    {
        let message = format!("unknown `apiVersion`: `{}`", version.value);
        // A slip is one; another version may mean another language.
        let meant = near(&version.value, [API_VERSION].into_iter()).map(|near| Meant {
            text: near.word.to_owned(),
            certain: near.certain && version.value.ends_with("v1"),
        });
        let label = format!("write `{API_VERSION}`");
        reading.mended(Code::ApiVersion, &version.at, message, label, meant);
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
        let line = format!("kind: {word}");
        let problem = Diagnostic::new(Code::Kind, "missing field `kind`")
            .primary(&first_line(node), format!("add `{line}`"));
        reading.report(added(problem, reading.text, node, &line));
        return Some(());
    };
    let Some(kind) = reading.text("kind", field.node) else {
        return Some(());
    };
    let near = near(&kind.value, ["Manifest", "Agent"].into_iter());
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
        _ => match &near {
            Some(near) => format!("did you mean `{}`?", near.word),
            None => format!("write `{word}`"),
        },
    };
    let meant = near.map(|near| Meant {
        text: near.word.to_owned(),
        certain: near.certain && near.word == word,
    });
    let message = format!("unknown `kind`: `{}`", kind.value);
    reading.mended(Code::Kind, &kind.at, message, label, meant);
    Some(())
}

fn manifest(reading: &mut Reading<'_>, mut fields: Fields<'_>, node: &Node) -> Option<Manifest> {
    let before = reading.problems.len();
    let Metadata {
        name,
        labels,
        allow,
    } = fields
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
            ("spec", "no manifest: `sources` stands at the top"),
            ("version", "`apiVersion`"),
            ("targets", "a source"),
            ("path", "a source"),
            ("labels", "`metadata`"),
            ("name", "`metadata`"),
        ],
    );
    let named = sources_field.and_then(|field| names(reading, "sources", field.node))?;
    if !bounds::fit(reading, &defaults, &named, &first_line(node)) {
        return None;
    }
    let sources: Vec<_> = named
        .into_iter()
        .filter_map(|named| source::source(reading, named, &defaults))
        .collect();
    // Where something is wrong, what it would have taken is not known.
    let wrong = reading.problems[before..].iter();
    if wrong.clone().all(|one| one.severity == Severity::Warning) {
        let targets = sources.iter().flat_map(|source| &source.targets);
        let unused = unused::defaults(
            &defaults,
            sources.iter().map(|source| &source.options),
            targets.map(|target| &target.options),
        );
        reading.problems.extend(unused);
    }
    Some(Manifest {
        at: node.at.clone(),
        name,
        labels,
        allow,
        sources,
    })
}

/// `metadata`.
#[derive(Default)]
struct Metadata {
    name: Option<Spanned<String>>,
    labels: BTreeMap<String, Spanned<String>>,
    allow: BTreeMap<String, Spanned<String>>,
}

fn metadata(reading: &mut Reading<'_>, key: &str, node: &Node) -> Option<Metadata> {
    let mut fields = Fields::of(reading, key, "`metadata`", node)?;
    let name = fields.read(reading, "name", |reading, key, node| {
        reading.text(key, node)
    });
    let labels = fields.read(reading, "labels", labels).unwrap_or_default();
    let allow = fields.read(reading, "allow", allow).unwrap_or_default();
    fields.finish(reading, &[]);
    Some(Metadata {
        name,
        labels,
        allow,
    })
}

/// `allow: {LINT: why it is meant here}`.
fn allow(
    reading: &mut Reading<'_>,
    key: &str,
    node: &Node,
) -> Option<BTreeMap<String, Spanned<String>>> {
    let Kind::Mapping(entries) = &node.kind else {
        return reading.wrong_type(key, "a mapping from lints to reasons", node);
    };
    let mut allowed = BTreeMap::new();
    for (key, node) in entries {
        let reason = reading.text(&key.text, node);
        let names = LINTS
            .iter()
            .filter(|lint| lint.allowable())
            .map(|lint| lint.name);
        match (Lint::named(&key.text), reason) {
            (Some(lint), reason) if lint.allowable() => {
                allowed.extend(reason.map(|reason| (key.text.clone(), reason)));
            }
            (Some(_), _) => reading.wrong(
                Code::BadAllow,
                &key.at,
                format!("`{}` is an error, and cannot be allowed", key.text),
                "remove it",
            ),
            (None, _) => {
                let message = format!("there is no lint `{}`", key.text);
                let near = near(&key.text, names);
                let label = match &near {
                    Some(near) => format!("did you mean `{}`?", near.word),
                    None => "`heliostat explain lints` lists them".to_owned(),
                };
                let meant = near.map(|near| Meant {
                    text: near.word.to_owned(),
                    certain: near.certain,
                });
                reading.mended(Code::BadAllow, &key.at, message, label, meant);
            }
        }
    }
    Some(allowed)
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
    if entries.len() > LABELS_MAX {
        let message = format!("{} labels", entries.len());
        let label = format!("there may be {LABELS_MAX}");
        reading.wrong(Code::BadLabel, &entries[LABELS_MAX].0.at, message, label);
        return None;
    }
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
    fields.finish(reading, &elsewhere());
    Some(Defaults {
        source: source.unwrap_or_default(),
        target: target.unwrap_or_default(),
    })
}

/// The keys of sources and targets, which people put right under `defaults`.
fn elsewhere() -> Vec<(&'static str, &'static str)> {
    const SOURCE: [&str; 7] = [
        "hosts",
        "suspend",
        "include",
        "exclude",
        "events",
        "oneFileSystem",
        "guard",
    ];
    const TARGET: [&str; 11] = [
        "delete",
        "maxDelete",
        "passwordFile",
        "ssh",
        "sync",
        "windows",
        "bandwidth",
        "compress",
        "attributes",
        "timeout",
        "retry",
    ];
    let source = SOURCE.iter().map(|key| (*key, "`defaults.source`"));
    let target = TARGET.iter().map(|key| (*key, "`defaults.target`"));
    source.chain(target).collect()
}

/// A problem that is mended by another line at the beginning of the document, where that is one in block style.
fn added(problem: Diagnostic, text: &str, node: &Node, line: &str) -> Diagnostic {
    let first = first_line(node);
    let start = first.span.start;
    if !(start == 0 || text[..start].ends_with('\n')) {
        return problem;
    }
    let end = match text.contains("\r\n") {
        true => "\r\n",
        false => "\n",
    };
    let at = Place {
        span: start..start,
        ..first
    };
    problem.mend(&at, format!("{line}{end}"), true)
}

/// Where to point for "this document".
fn first_line(node: &Node) -> Place {
    match &node.kind {
        Kind::Mapping(entries) => entries.first().map_or(&node.at, |(key, _)| &key.at).clone(),
        _ => node.at.clone(),
    }
}
