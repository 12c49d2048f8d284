//! Where in a tree the matches of a pattern can lie, so that a changed rule need not cost a look at everything.

use std::collections::BTreeSet;

use super::pattern::{Atom, Part, Pattern, parse};

/// Paths, relative to the root, at or below which everything lies that `pattern` can match; `None`: anywhere.
///
/// Never too narrow: a pattern that cannot be read is one that may match anywhere.
pub fn reach(pattern: &str) -> Option<BTreeSet<String>> {
    parse(pattern).ok()?.iter().map(literal).collect()
}

/// The names that every match begins with.
fn literal(pattern: &Pattern) -> Option<String> {
    if pattern.floating {
        return None;
    }
    let names: Vec<String> = pattern.parts.iter().map_while(name).collect();
    (!names.is_empty()).then(|| names.join("/"))
}

/// A name without wildcards.
fn name(part: &Part) -> Option<String> {
    let Part::Name(atoms) = part else {
        return None;
    };
    let char = |atom: &Atom| match atom {
        Atom::Char(c) => Some(*c),
        Atom::One | Atom::Many | Atom::Class(_) => None,
    };
    atoms.iter().map(char).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(pattern: &str, below: &[&str]) {
        let below = below.iter().map(|path| (*path).to_owned()).collect();
        assert_eq!(reach(pattern), Some(below), "{pattern}");
    }

    #[test]
    fn the_names_before_the_first_wildcard() {
        check("/cache/", &["cache"]);
        check("/a/b/*.tmp", &["a/b"]);
        check("a/b", &["a/b"]);
        check("/a/**/b", &["a"]);
        check("/x{1,2/y}/", &["x1", "x2/y"]);
        check(r"/a\*b/c?", &["a*b"]);
    }

    #[test]
    fn anywhere() {
        for pattern in [
            "*.tmp",
            "cache/",
            "**",
            "/*",
            "/[ab]/c",
            "**/a/b",
            "/a{,*}/../b",
            "{/a,b}",
        ] {
            assert_eq!(reach(pattern), None, "{pattern}");
        }
    }
}
