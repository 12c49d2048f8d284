//! Absolute paths in their one spelling.

use super::collector::Collector;
use crate::diagnostic::{Code, Diagnostic, Place};

/// Folds `.`, doubled and trailing slashes of an absolute path. `Err` is what is wrong with it.
///
/// `..` is refused, not folded: on disk it means something else as soon as a symlink is in the way.
pub(super) fn normalise(text: &str) -> Result<String, &'static str> {
    if !text.starts_with('/') {
        return Err("is not absolute");
    }
    let mut out = String::with_capacity(text.len());
    for part in text.split('/') {
        match part {
            "" | "." => continue,
            ".." => return Err("has a `..`"),
            part if part.contains(['\0', '\n', '\r']) => return Err("has a character that paths here must not have"),
            part => {
                out.push('/');
                out.push_str(part);
            }
        }
    }
    if out.is_empty() { Err("is the root directory") } else { Ok(out) }
}

/// The source's path in its one spelling.
pub(super) fn source(text: &str, place: &Place, out: &mut Collector<'_>) -> Option<String> {
    match normalise(text) {
        Ok(path) => Some(path),
        Err(problem) => {
            let code = if text.starts_with('/') { Code::BadPath } else { Code::RelativePath };
            out.push(
                Diagnostic::new(code, format!("the path `{text}` {problem}"))
                    .primary(place, "")
                    .help("write an absolute path below `/`, without `..`"),
            );
            None
        }
    }
}

/// Whether `inner` is `outer` or lies below it; both in their one spelling, without a trailing slash.
pub(super) fn contains(outer: &str, inner: &str) -> bool {
    inner.strip_prefix(outer).is_some_and(|rest| outer.is_empty() || rest.is_empty() || rest.starts_with('/'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_spelling() {
        assert_eq!(normalise("/a//b/./c/"), Ok("/a/b/c".into()));
        assert!(normalise("/").is_err() && normalise("//.").is_err() && normalise("a").is_err());
        assert!(normalise("/a/../b").is_err() && normalise("").is_err() && normalise("/a\0").is_err());
    }

    #[test]
    fn containing() {
        assert!(contains("/a", "/a") && contains("/a", "/a/b") && contains("", "a/b") && contains("", ""));
        assert!(!contains("/a", "/ab") && !contains("/a/b", "/a"));
    }
}
