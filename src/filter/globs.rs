//! Patterns on globset: which rule is the first to match a path.

use globset::{Candidate, GlobBuilder, GlobSet};

use super::PatternError;
use super::pattern::{Atom, Part, Pattern};

/// A set of patterns, each belonging to a rule by its place in the list.
#[derive(Debug)]
pub(super) struct Globs {
    any: Set,
    dirs: Set,
}

#[derive(Debug)]
struct Set {
    globs: GlobSet,
    /// By place in `globs`; rising, because patterns are added in the order of their rules.
    rules: Vec<usize>,
}

impl Globs {
    /// Compiles patterns that come with their rules' places, in rising order.
    pub(super) fn new<'a>(
        patterns: impl Iterator<Item = (usize, &'a Pattern)> + Clone,
    ) -> Result<Globs, PatternError> {
        let (any, dirs) = (patterns.clone(), patterns);
        Ok(Globs {
            any: Set::new(any.filter(|(_, pattern)| !pattern.dir_only))?,
            dirs: Set::new(dirs.filter(|(_, pattern)| pattern.dir_only))?,
        })
    }

    /// The first rule that matches.
    pub(super) fn first(&self, path: &Candidate<'_>, is_dir: bool) -> Option<usize> {
        let any = self.any.first(path);
        let dirs = if is_dir { self.dirs.first(path) } else { None };
        any.into_iter().chain(dirs).min()
    }
}

impl Set {
    fn new<'a>(patterns: impl Iterator<Item = (usize, &'a Pattern)>) -> Result<Set, PatternError> {
        let (mut globs, mut rules) = (Vec::new(), Vec::new());
        for (rule, pattern) in patterns {
            let glob = GlobBuilder::new(&spell(pattern))
                .literal_separator(true)
                .build();
            globs.push(glob.map_err(refused)?);
            rules.push(rule);
        }
        Ok(Set {
            globs: GlobSet::new(globs).map_err(refused)?,
            rules,
        })
    }

    fn first(&self, path: &Candidate<'_>) -> Option<usize> {
        // Most names match nothing: no list is built for them.
        if !self.globs.is_match_candidate(path) {
            return None;
        }
        self.globs
            .matches_candidate(path)
            .first()
            .map(|&place| self.rules[place])
    }
}

/// Every pattern was spelled by us, so only the size of all together can be refused.
fn refused(error: globset::Error) -> PatternError {
    PatternError::new(
        format!("the patterns cannot be compiled: {}", error.kind()),
        "use fewer or shorter patterns",
    )
}

fn spell(pattern: &Pattern) -> String {
    let mut out = String::from(if pattern.floating { "**/" } else { "" });
    for (at, part) in pattern.parts.iter().enumerate() {
        if at > 0 {
            out.push('/');
        }
        match part {
            Part::Deep => out.push_str("**"),
            Part::Name(atoms) => atoms.iter().for_each(|atom| spell_atom(*atom, &mut out)),
        }
    }
    out
}

fn spell_atom(atom: Atom, out: &mut String) {
    match atom {
        Atom::Char(c) => {
            if c.is_ascii_punctuation() {
                out.push('\\');
            }
            out.push(c);
        }
        Atom::One => out.push('?'),
        Atom::Many => out.push('*'),
        Atom::Class(class) => class.write_globset(out),
    }
}
