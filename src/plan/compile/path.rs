//! Absolute paths in their one spelling.

use super::collector::Collector;
use crate::diagnostic::{Code, Diagnostic, Place};
use crate::manifest::name;

/// Folds `.`, doubled and trailing slashes of an absolute path. `Err` is what is wrong with it.
///
/// `..` is refused, not folded: on disk it means something else as soon as a symlink is in the way.
pub(super) fn normalise(text: &str) -> Result<String, &'static str> {
    if !text.starts_with('/') {
        return Err("is not absolute");
    }
    if name::climbs(text) {
        return Err("has a `..`");
    }
    if text.contains(['\0', '\n', '\r']) {
        return Err("has a character that paths here must not have");
    }
    Ok(name::normalised(text))
}

/// The source's path in its one spelling.
pub(super) fn source(text: &str, place: &Place, out: &mut Collector<'_>) -> Option<String> {
    match normalise(text) {
        Ok(path) => Some(path),
        Err(problem) => {
            let code = if text.starts_with('/') {
                Code::BadPath
            } else {
                Code::RelativePath
            };
            out.push(
                Diagnostic::new(code, format!("the path `{text}` {problem}"))
                    .primary(place, "")
                    .help("write an absolute path, without `..`"),
            );
            None
        }
    }
}

/// Whether `inner` is `outer` or lies below it; both in their one spelling, without a trailing slash; `/` contains
/// every absolute path.
pub(super) fn contains(outer: &str, inner: &str) -> bool {
    let open = outer.is_empty() || outer == "/";
    inner
        .strip_prefix(outer)
        .is_some_and(|rest| open || rest.is_empty() || rest.starts_with('/'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_spelling() {
        assert_eq!(normalise("/a//b/./c/"), Ok("/a/b/c".into()));
        assert_eq!(
            (normalise("/"), normalise("//.")),
            (Ok("/".into()), Ok("/".into()))
        );
        assert!(normalise("a").is_err());
        assert!(
            normalise("/a/../b").is_err() && normalise("").is_err() && normalise("/a\0").is_err()
        );
    }

    #[test]
    fn containing() {
        assert!(contains("/", "/a") && contains("/", "/"));
        assert!(
            contains("/a", "/a")
                && contains("/a", "/a/b")
                && contains("", "a/b")
                && contains("", "")
        );
        assert!(!contains("/a", "/ab") && !contains("/a/b", "/a"));
    }
}
