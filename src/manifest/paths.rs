//! Paths as values: absolute ones of the host, and relative ones below a source.

use super::reading::Reading;
use super::yaml::{Kind, Node};
use super::{Spanned, name};
use crate::diagnostic::Code;

/// An absolute path without `..`.
pub(super) fn absolute(
    reading: &mut Reading<'_>,
    key: &str,
    node: &Node,
) -> Option<Spanned<String>> {
    // Alone, YAML takes it for nothing.
    let home = matches!(&node.kind, Kind::Scalar { text, plain: true } if text == "~");
    let path = match home {
        true => Spanned::new("~".to_owned(), node.at.clone()),
        false => reading.text(key, node)?,
    };
    let text = &path.value;
    if !text.starts_with('/') {
        let known = ["${source}", "${host}", "${labels."];
        let label = if text.starts_with('~') {
            "`~` is not expanded; write the path from `/`"
        } else if text.contains("{{") {
            "a template was not rendered"
        } else if known.iter().any(|known| text.starts_with(known)) {
            "begin with a `/`"
        } else if text.starts_with('$') {
            "the environment is not consulted; write the path from `/`"
        } else {
            "write the path from `/`"
        };
        let message = format!("`{key}` is not absolute: `{text}`");
        reading.wrong(Code::RelativePath, &path.at, message, label);
        return None;
    }
    climbing(reading, key, path)
}

/// A path below something else: relative, without `..`.
pub(super) fn relative(
    reading: &mut Reading<'_>,
    key: &str,
    node: &Node,
) -> Option<Spanned<String>> {
    let path = reading.text(key, node)?;
    if path.value.starts_with('/') {
        let message = format!("`{key}` is below the source: `{}`", path.value);
        reading.wrong(
            Code::BadPath,
            &path.at,
            message,
            "write it without the leading `/`",
        );
        return None;
    }
    if name::normalised(&path.value).is_empty() {
        reading.wrong(
            Code::BadPath,
            &path.at,
            format!("`{key}` names the source itself"),
            "name something below it",
        );
        return None;
    }
    climbing(reading, key, path)
}

fn climbing(
    reading: &mut Reading<'_>,
    key: &str,
    path: Spanned<String>,
) -> Option<Spanned<String>> {
    if name::climbs(&path.value) {
        reading.wrong(
            Code::BadPath,
            &path.at,
            format!("`{key}` has a `..`"),
            "write where it leads",
        );
        return None;
    }
    Some(path)
}
