//! Include and exclude, with their lines.

use super::collector::Collector;
use crate::diagnostic::{Code, Diagnostic};
use crate::filter::{self, Filter, FilterSpec, Rule, Verdict};
use crate::manifest::{self, Spanned, defaults};

/// The rules of a source. Wrong ones are left out and reported.
pub(super) fn source(source: &manifest::Source, root: &str, out: &mut Collector<'_>) -> FilterSpec {
    let include = match &source.options.include {
        Some(patterns) => rules(patterns, root, false, out),
        None => vec![Rule {
            pattern: defaults::INCLUDE.into(),
            origin: None,
        }],
    };
    let spec = FilterSpec {
        include,
        exclude: rules(&source.options.exclude, root, true, out),
    };
    once(&spec, &source.name, out, |out| {
        if let Some(patterns) = &source.options.include {
            hidden_includes(patterns, &spec, out);
        }
        compilable(&spec, &source.name, out);
    });
    spec
}

/// The rules of a route: the source's, narrowed. There is no way to widen them.
pub(super) fn route(
    target: &manifest::Target,
    base: &FilterSpec,
    root: &str,
    out: &mut Collector<'_>,
) -> FilterSpec {
    let mut spec = base.clone();
    if !target.options.exclude.is_empty() {
        spec.exclude
            .extend(rules(&target.options.exclude, root, true, out));
        once(&spec, &target.name, out, |out| {
            compilable(&spec, &target.name, out);
        });
    }
    spec
}

/// Looks at a filter, unless it was looked at for another host: to compile it costs more than all the rest.
fn once<'a>(
    spec: &FilterSpec,
    of: &Spanned<String>,
    out: &mut Collector<'a>,
    look: impl FnOnce(&mut Collector<'a>),
) {
    let rules = spec.include.len() + spec.exclude.len();
    if !out.knows_filter(&of.at, rules) {
        let mark = out.mark();
        look(out);
        out.remember_filter(&of.at, rules, mark);
    }
}

/// Patterns that every path matches, itself or by its top directory.
const EVERYTHING: [&str; 6] = ["*", "**", "/*", "/**", "**/*", "**/"];

fn rules(
    patterns: &[Spanned<String>],
    root: &str,
    exclude: bool,
    out: &mut Collector<'_>,
) -> Vec<Rule> {
    let mut rules = Vec::with_capacity(patterns.len());
    for pattern in patterns {
        if let Some(mut diagnostic) = wrong(pattern, root) {
            // A default is right for other sources as it is.
            if let Some(fix) = &mut diagnostic.fix {
                fix.certain &= !out.shared(&pattern.at);
            }
            out.push(diagnostic);
        } else {
            if exclude && EVERYTHING.contains(&pattern.value.as_str()) {
                out.push(
                    Diagnostic::new(
                        Code::NothingIncluded,
                        format!("`{}` excludes everything", pattern.value),
                    )
                    .primary(&pattern.at, "nothing is ever sent")
                    .help("remove it; `include` says what belongs to a source"),
                );
            }
            if pattern.value.contains("${") {
                out.push(
                    Diagnostic::new(
                        Code::IncludeNothing,
                        format!("`{}`: nothing is substituted in patterns", pattern.value),
                    )
                    .primary(&pattern.at, "meant as it is written, with `$` and braces")
                    .help("write the name itself"),
                );
            }
            rules.push(Rule {
                pattern: pattern.value.clone(),
                origin: Some(out.origin(&pattern.at)),
            });
        }
    }
    rules
}

fn wrong(pattern: &Spanned<String>, root: &str) -> Option<Diagnostic> {
    if let Some(inner) = below_root(&pattern.value, root) {
        let correction = match inner.trim_matches('/') {
            "" => "this is the source itself; patterns name what is inside".to_string(),
            _ => format!("patterns start at the source: write `{inner}`"),
        };
        let last = root.rsplit('/').next().unwrap_or_default();
        let meant = root.trim_start_matches('/');
        let mut chars = last.chars();
        let escaped = chars
            .next()
            .map(|first| format!("[{first}]{}", chars.as_str()))
            .unwrap_or_default();
        let literal = format!("/{}{escaped}{inner}", &meant[..meant.len() - last.len()]);
        let names_inside = !inner.trim_matches('/').is_empty();
        let problem = Diagnostic::new(
            Code::GlobNamesSource,
            format!(
                "the pattern `{}` begins with the source's own path",
                pattern.value
            ),
        )
        .primary(&pattern.at, correction)
        .help(format!(
            "for a directory `{meant}` inside the source write `{literal}`"
        ));
        return Some(match names_inside {
            true => problem.mend(&pattern.at, manifest::quoted(inner), true),
            false => problem,
        });
    }
    let error = filter::check(&pattern.value).err()?;
    let diagnostic = Diagnostic::new(Code::BadGlob, error.message).primary(&pattern.at, "");
    // From the directory that one is in, as a shell has it: the source.
    let rooted = pattern
        .value
        .strip_prefix('.')
        .filter(|rest| rest.starts_with('/'));
    let diagnostic = match rooted.filter(|rest| filter::check(rest).is_ok()) {
        Some(rooted) => diagnostic.mend(&pattern.at, manifest::quoted(rooted), true),
        None => diagnostic,
    };
    Some(match error.help {
        Some(help) => diagnostic.help(help),
        None => diagnostic,
    })
}

/// What is left of a pattern when the source's own path is taken off, with the slash that follows; `None` if it does not begin so.
fn below_root<'a>(pattern: &'a str, root: &str) -> Option<&'a str> {
    // Every anchored pattern begins with `/`, also where that is the source.
    if matches!(root, "" | "/") || !pattern.starts_with('/') {
        return None;
    }
    let mut rest = pattern;
    for part in root.split('/').filter(|part| !part.is_empty()) {
        rest = rest.trim_start_matches('/').strip_prefix(part)?;
        if !(rest.is_empty() || rest.starts_with('/')) {
            return None;
        }
    }
    Some(rest)
}

/// Each pattern is good by itself; together they may still be too many.
fn compilable(spec: &FilterSpec, name: &Spanned<String>, out: &mut Collector<'_>) {
    if let Err(error) = Filter::compile(spec) {
        let diagnostic = Diagnostic::new(Code::BadGlob, error.message).primary(&name.at, "");
        out.push(match error.help {
            Some(help) => diagnostic.help(help),
            None => diagnostic,
        });
    }
}

/// Warns of includes that an exclude always beats.
fn hidden_includes(patterns: &[Spanned<String>], spec: &FilterSpec, out: &mut Collector<'_>) {
    let everything = vec![Rule {
        pattern: "**".into(),
        origin: None,
    }];
    let only_excludes = FilterSpec {
        include: everything,
        exclude: spec.exclude.clone(),
    };
    let Ok(filter) = Filter::compile(&only_excludes) else {
        return;
    };
    for pattern in patterns {
        let same = |rule: &&Rule| rule.pattern == pattern.value;
        let hidden_by = spec.exclude.iter().find(same).or_else(|| {
            let (path, whole) = literal(&pattern.value)?;
            // A pattern of letters only may mean a file or a directory: it is hidden if both are.
            let as_dir = filter.decide(path.as_bytes(), true);
            let as_file = filter.decide(path.as_bytes(), false);
            let excluded = as_dir.verdict == Verdict::Excluded
                && (!whole || pattern.value.ends_with('/') || as_file.verdict == Verdict::Excluded);
            if excluded { as_dir.rule } else { None }
        });
        if let Some(rule) = hidden_by {
            let line = rule
                .origin
                .as_ref()
                .map(|origin| format!(" (line {})", origin.line))
                .unwrap_or_default();
            out.push(
                Diagnostic::new(
                    Code::IncludeNothing,
                    format!(
                        "the include `{}` can match nothing: exclude always wins",
                        pattern.value
                    ),
                )
                .primary(
                    &pattern.at,
                    format!("hidden by the exclude `{}`{line}", rule.pattern),
                ),
            );
        }
    }
}

/// The part of an anchored pattern before its first wildcard, in whole components, and whether that is all of it. `None`
/// for patterns that match at any depth.
fn literal(pattern: &str) -> Option<(String, bool)> {
    if !pattern.trim_end_matches('/').contains('/') {
        return None;
    }
    let parts: Vec<&str> = pattern.split('/').filter(|part| !part.is_empty()).collect();
    let plain = parts
        .iter()
        .take_while(|part| !part.contains(['*', '?', '[', '{', '\\']))
        .count();
    (plain > 0).then(|| (parts[..plain].join("/"), plain == parts.len()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn own_path() {
        assert_eq!(
            below_root("/data/website/cache/", "/data/website"),
            Some("/cache/")
        );
        assert_eq!(below_root("//data//website", "/data/website"), Some(""));
        assert_eq!(below_root("/data/website2/x", "/data/website"), None);
        assert_eq!(below_root("data/website/x", "/data/website"), None);
        assert_eq!(below_root("/data/x", "/data/website"), None);
        assert_eq!(below_root("/etc/x", "/"), None);
    }

    #[test]
    fn literal_prefixes() {
        assert_eq!(literal("/a/b/*.c"), Some(("a/b".into(), false)));
        assert_eq!(literal("a/b"), Some(("a/b".into(), true)));
        assert_eq!(literal("*.c"), None);
        assert_eq!(literal("**/x"), None);
        assert_eq!(literal("cache/"), None);
    }
}
