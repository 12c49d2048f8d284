//! A path below a source's root, as bytes.

use std::borrow::Cow;
use std::ffi::OsStr;
use std::fmt;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use serde::{Serialize, Serializer};

/// A path relative to a source's root: bytes, components joined by `/`, no leading or trailing slash, no empty, `.` or
/// `..` component. The root itself is empty.
///
/// File names are bytes from end to end; only [`fmt::Display`] (escaped, for people) turns them into text.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RelPath(Box<[u8]>);

impl RelPath {
    /// The source's root.
    pub fn root() -> RelPath {
        RelPath(Box::default())
    }

    /// Reads a relative path, folding repeated slashes and `.`; `None` if it is absolute or has a `..`.
    pub fn new(bytes: &[u8]) -> Option<RelPath> {
        if bytes.first() == Some(&b'/') {
            return None;
        }
        let mut out = Vec::with_capacity(bytes.len());
        for part in bytes.split(|b| *b == b'/') {
            match part {
                b"" | b"." => continue,
                b".." => return None,
                name => {
                    if !out.is_empty() {
                        out.push(b'/');
                    }
                    out.extend_from_slice(name);
                }
            }
        }
        Some(RelPath(out.into()))
    }

    /// What `path` is below `root`; `None` if it is not below it.
    pub fn below(root: &Path, path: &Path) -> Option<RelPath> {
        let rest = path.strip_prefix(root).ok()?;
        RelPath::new(rest.as_os_str().as_bytes())
    }

    /// The child `name` of this directory. `name` is one component.
    pub fn join(&self, name: &[u8]) -> RelPath {
        debug_assert!(!name.is_empty() && !name.contains(&b'/'));
        let mut out = Vec::with_capacity(self.0.len() + 1 + name.len());
        out.extend_from_slice(&self.0);
        if !out.is_empty() {
            out.push(b'/');
        }
        out.extend_from_slice(name);
        RelPath(out.into())
    }

    /// The directory that holds it; `None` for the root.
    pub fn parent(&self) -> Option<RelPath> {
        if self.is_root() {
            return None;
        }
        let cut = self.0.iter().rposition(|b| *b == b'/').unwrap_or(0);
        Some(RelPath(self.0[..cut].into()))
    }

    /// The last component; empty for the root.
    pub fn name(&self) -> &[u8] {
        let cut = self
            .0
            .iter()
            .rposition(|b| *b == b'/')
            .map_or(0, |at| at + 1);
        &self.0[cut..]
    }

    /// Every directory above it, from the topmost component down to its parent; the root is not among them.
    pub fn ancestors(&self) -> impl Iterator<Item = &[u8]> {
        self.0
            .iter()
            .enumerate()
            .filter(|(_, b)| **b == b'/')
            .map(|(at, _)| &self.0[..at])
    }

    /// Whether it is `other` or lies below it.
    pub fn starts_with(&self, other: &RelPath) -> bool {
        other.is_root()
            || (self.0.starts_with(&other.0)
                && (self.0.len() == other.0.len() || self.0[other.0.len()] == b'/'))
    }

    /// Whether it is the source's root.
    pub fn is_root(&self) -> bool {
        self.0.is_empty()
    }

    /// The bytes, without leading slash.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// As a path for system calls, relative to the root; `.` for the root itself.
    pub fn as_path(&self) -> &Path {
        if self.is_root() {
            Path::new(".")
        } else {
            Path::new(OsStr::from_bytes(&self.0))
        }
    }

    /// The absolute path under `root`.
    pub fn under(&self, root: &Path) -> PathBuf {
        if self.is_root() {
            root.to_path_buf()
        } else {
            root.join(OsStr::from_bytes(&self.0))
        }
    }
}

impl fmt::Display for RelPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_root() {
            f.write_str(".")
        } else {
            f.write_str(&escape(&self.0))
        }
    }
}

impl fmt::Debug for RelPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

impl Serialize for RelPath {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// Bytes from outside (file names, a peer's messages) as one line of text that can do nothing to a terminal: control
/// characters, invalid UTF-8, bidirectional overrides and the backslash itself become `\xNN` or `\u{NNNN}`.
pub fn escape(bytes: &[u8]) -> Cow<'_, str> {
    let hostile = |c: char| {
        c.is_control()
            || c == '\\'
            || matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}')
    };
    if let Ok(text) = std::str::from_utf8(bytes)
        && !text.contains(hostile)
    {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(bytes.len() + 8);
    for chunk in bytes.utf8_chunks() {
        for c in chunk.valid().chars() {
            match c {
                '\\' => out.push_str("\\\\"),
                '\n' => out.push_str("\\n"),
                '\t' => out.push_str("\\t"),
                '\r' => out.push_str("\\r"),
                c if hostile(c) && c.is_ascii() => out.push_str(&format!("\\x{:02x}", c as u32)),
                c if hostile(c) => out.push_str(&format!("\\u{{{:x}}}", c as u32)),
                c => out.push(c),
            }
        }
        for byte in chunk.invalid() {
            out.push_str(&format!("\\x{byte:02x}"));
        }
    }
    Cow::Owned(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn p(text: &str) -> RelPath {
        RelPath::new(text.as_bytes()).unwrap()
    }

    #[test]
    fn normal_form() {
        assert_eq!(p("a//b/./c/").as_bytes(), b"a/b/c");
        assert!(p("").is_root() && p("./").is_root());
        assert_eq!(RelPath::new(b"/a"), None);
        assert_eq!(RelPath::new(b"a/../b"), None);
    }

    #[test]
    fn family() {
        assert_eq!(p("a/b").parent(), Some(p("a")));
        assert_eq!(p("a").parent(), Some(RelPath::root()));
        assert_eq!(RelPath::root().parent(), None);
        assert_eq!(
            p("a/b/c").ancestors().collect::<Vec<_>>(),
            [&b"a"[..], b"a/b"]
        );
        assert_eq!(p("a/b").name(), b"b");
        assert!(
            p("a/b").starts_with(&p("a"))
                && p("a").starts_with(&p("a"))
                && !p("ab").starts_with(&p("a"))
        );
        assert!(p("a").starts_with(&RelPath::root()));
        assert_eq!(p("a").join(b"b"), p("a/b"));
        assert_eq!(RelPath::root().join(b"b"), p("b"));
    }

    #[test]
    fn names_cannot_speak_to_the_terminal() {
        assert_eq!(escape("grün/x y".as_bytes()), "grün/x y");
        assert_eq!(escape(b"a\nb\x1b[31m\\\xff"), "a\\nb\\x1b[31m\\\\\\xff");
        assert_eq!(escape("\u{202e}x".as_bytes()), "\\u{202e}x");
    }
}
