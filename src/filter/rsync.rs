//! Patterns as rsync filter rules. First match wins there, so: excludes, includes, the ways to them, and `- *` at last.
//!
//! What rsync reads otherwise than one would think (rsync(1) "PATTERN MATCHING RULES"; `exclude.c`, `wildmatch.c`):
//! - A pattern without `*`, `?` or `[` is literal, and a backslash in it too; with one of them it escapes.
//! - `a/b` matches at any depth; only a leading `/` anchors it.
//! - `**` with names on both sides stands for at least one: `/a/**/b` needs `/a/b` beside it.
//! - `x/***` matches a directory `x` and all below it, and no file `x`.
//! - There is no `{a,b}`; expansion was made before.
//!
//! An exclude is written for what is below it, too. A recursive transfer would not get there, but the receiver may: where
//! an excluded directory is in the way of a file, only those rules keep rsync from emptying it.

use super::pattern::{Atom, Part, Pattern};

/// The rules for these excludes and includes, in order, none twice.
pub(super) fn rules(exclude: &[&Pattern], include: &[&Pattern]) -> Vec<String> {
    let mut rules = Vec::new();
    for pattern in exclude {
        matching(pattern, '-', &mut rules);
    }
    if !include.iter().any(|pattern| pattern.is_everything()) {
        for pattern in include {
            matching(pattern, '+', &mut rules);
        }
        for pattern in include {
            for way in ways(pattern) {
                rules.push(format!("+ {}/", spell(&way, "")));
            }
        }
        rules.push("- *".to_owned());
    }
    let mut seen = std::collections::HashSet::new();
    rules.retain(|rule| seen.insert(rule.clone()));
    rules
}

/// The directories that lead to what the pattern may match, as directory patterns.
pub(super) fn ways(pattern: &Pattern) -> Vec<Pattern> {
    if pattern.floating {
        let anything = vec![Part::Name(vec![Atom::Many])];
        return vec![Pattern {
            floating: true,
            parts: anything,
            dir_only: true,
        }];
    }
    let way = |parts: &[Part]| Pattern {
        floating: false,
        parts: parts.to_vec(),
        dir_only: true,
    };
    let deep = pattern.parts.iter().position(|part| *part == Part::Deep);
    let named = deep.unwrap_or(pattern.parts.len() - 1);
    let mut ways: Vec<Pattern> = (1..=named).map(|end| way(&pattern.parts[..end])).collect();
    // Below a `**` any directory can be on the way.
    ways.extend(deep.map(|at| way(&pattern.parts[..=at])));
    ways
}

/// The rules for what the pattern matches, and for everything below that.
fn matching(pattern: &Pattern, sign: char, rules: &mut Vec<String>) {
    for variant in variants(pattern) {
        if variant.dir_only {
            rules.push(format!("{sign} {}", spell(&variant, "/***")));
            continue;
        }
        rules.push(format!("{sign} {}", spell(&variant, "")));
        if variant.parts.last() != Some(&Part::Deep) {
            rules.push(format!("{sign} {}", spell(&variant, "/**")));
        }
    }
}

/// The pattern with and without each `**` that stands between names.
fn variants(pattern: &Pattern) -> Vec<Pattern> {
    let mut all: Vec<Vec<Part>> = vec![Vec::new()];
    for (at, part) in pattern.parts.iter().enumerate() {
        let without = if *part == Part::Deep && at + 1 < pattern.parts.len() {
            all.clone()
        } else {
            Vec::new()
        };
        all.iter_mut().for_each(|parts| parts.push(part.clone()));
        all.extend(without);
    }
    all.into_iter()
        .map(|parts| Pattern {
            parts,
            ..pattern.clone()
        })
        .collect()
}

/// The pattern's text, with `below` at its end.
fn spell(pattern: &Pattern, below: &str) -> String {
    let atoms = |part: &Part| match part {
        Part::Deep => vec![Atom::Many],
        Part::Name(atoms) => atoms.clone(),
    };
    let wild = !below.is_empty()
        || pattern.parts.iter().flat_map(atoms).any(|atom| match atom {
            Atom::Char(c) => matches!(c, '*' | '?' | '['),
            Atom::One | Atom::Many | Atom::Class(_) => true,
        });
    let mut out = String::new();
    for (at, part) in pattern.parts.iter().enumerate() {
        if at > 0 || !pattern.floating {
            out.push('/');
        }
        match part {
            Part::Deep => out.push_str("**"),
            Part::Name(atoms) => atoms
                .iter()
                .for_each(|atom| spell_atom(*atom, wild, &mut out)),
        }
    }
    out.push_str(below);
    out
}

fn spell_atom(atom: Atom, wild: bool, out: &mut String) {
    match atom {
        // Not `\*`: with a `*` behind it rsync would find a `**`.
        Atom::Char('*') => out.push_str("[*]"),
        Atom::Char(c) => {
            if wild && matches!(c, '\\' | '?' | '[') {
                out.push('\\');
            }
            out.push(c);
        }
        Atom::One => out.push('?'),
        Atom::Many => out.push('*'),
        Atom::Class(class) => class.write_rsync(out),
    }
}
