//! How much one file may say: routes, patterns and labels, as they come to be once `defaults` are written out.
//!
//! A file of 1 MiB can stand for far more than it has bytes. What is above a bound here is not read on, so that whatever is
//! handed in costs `validate`, and the service that reloads it, little memory and time. The bounds are far above what
//! people write; more goes into several files.

use super::document::Defaults;
use super::reading::Reading;
use super::target::Named;
use super::yaml::{Kind, Node};
use crate::diagnostic::{Code, Diagnostic, Place};

/// Routes of a file: targets, over all of its sources. Each has a plan of its own, with everything that it inherits.
pub(super) const ROUTES_MAX: usize = 5_000;
/// Patterns under sources and targets. A thousand sources with a hundred patterns each are more than anybody has.
const PATTERNS_MAX: usize = 100_000;
/// Items of the other lists in `defaults`, counted as often as they are taken.
const TAKEN_MAX: usize = 100_000;
/// Patterns of one source or target, with those that it takes: they are compiled together, and every path is held against them.
const FILTER_PATTERNS_MAX: usize = 5_000;
/// Labels of a document: each source's plan has all of them.
pub(super) const LABELS_MAX: usize = 64;

/// Whether the sources of a document stay within the bounds; what does not is reported.
pub(super) fn fit(
    reading: &mut Reading<'_>,
    defaults: &Defaults,
    named: &[Named<'_>],
    start: &Place,
) -> bool {
    // A source that has none yet is one that is being written.
    let routes = named
        .iter()
        .map(|source| length(source.node, "targets").max(1));
    let routes: usize = routes.sum();
    reading.routes += routes;
    if reading.routes > ROUTES_MAX {
        let message = format!("the file has {} routes", reading.routes);
        let label = format!("a file may have {ROUTES_MAX}");
        let help = "spread the sources over several files of one directory";
        reading.report(too_large(message, start, label, help));
        return false;
    }
    let (of_source, of_target) = (&defaults.source, &defaults.target);
    let include = of_source.include.as_ref().map_or(0, Vec::len);
    let hosts = of_source.hosts.as_ref().map_or(0, Vec::len);
    let others = of_target.windows.len() + of_target.rsync_args.len();
    let taken = hosts * named.len() + others * routes;
    if taken > TAKEN_MAX {
        let message =
            format!("the sources and targets take {taken} items from lists in `defaults`");
        let label = format!("a document may have {TAKEN_MAX}");
        let help = "let fewer of them share long lists";
        reading.report(too_large(message, start, label, help));
        return false;
    }
    let mut total = 0;
    for source in named {
        let own = match field(source.node, "include") {
            Some(_) => length(source.node, "include"),
            None => include,
        } + length(source.node, "exclude");
        let of_source = defaults.source.exclude.len() + own;
        let mut most = (of_source, &source.key.at);
        total += of_source;
        for (key, target) in entries(source.node, "targets") {
            let own = length(target, "exclude");
            let of_target = of_source + defaults.target.exclude.len() + own;
            total += of_target;
            if of_target > most.0 && own > 0 {
                most = (of_target, &key.at);
            }
        }
        let (patterns, at) = most;
        if patterns > FILTER_PATTERNS_MAX {
            let message = format!("one filter has {patterns} patterns, with those that it takes");
            let label = format!("may have {FILTER_PATTERNS_MAX}");
            let help = "exclude directories instead of files, or use wildcards";
            reading.report(too_large(message, at, label, help));
            return false;
        }
    }
    if total > PATTERNS_MAX {
        let message =
            format!("the sources and targets have {total} patterns, with those that they take");
        let label = format!("a document may have {PATTERNS_MAX}");
        let help = "let fewer targets share long lists, or exclude directories instead of files";
        reading.report(too_large(message, start, label, help));
        return false;
    }
    true
}

fn too_large(message: String, at: &Place, label: String, help: &str) -> Diagnostic {
    Diagnostic::new(Code::TooLarge, message)
        .primary(at, label)
        .help(help)
}

/// The entries of a mapping in a mapping.
fn entries<'n>(
    node: &'n Node,
    name: &str,
) -> impl Iterator<Item = &'n (super::yaml::Key, Node)> + use<'n> {
    let found = match field(node, name).map(|node| &node.kind) {
        Some(Kind::Mapping(entries)) => entries.as_slice(),
        _ => &[],
    };
    found.iter()
}

/// How many entries or items a field has.
fn length(node: &Node, name: &str) -> usize {
    match field(node, name).map(|node| &node.kind) {
        Some(Kind::Mapping(entries)) => entries.len(),
        Some(Kind::Sequence(items)) => items.len(),
        _ => 0,
    }
}

fn field<'n>(node: &'n Node, name: &str) -> Option<&'n Node> {
    let Kind::Mapping(entries) = &node.kind else {
        return None;
    };
    let (_, found) = entries.iter().find(|(key, _)| key.text == name)?;
    Some(found)
}
