//! The compiled form: one verdict a path, and the rule that made it.

use std::fmt;
use std::sync::Arc;

use globset::Candidate;

use super::globs::Globs;
use super::pattern::{Pattern, parse};
use super::{FilterSpec, PatternError, Rule, rsync};

/// Bytes of all rsync rules of one filter: they are arguments of a process, for which the kernel has 2 MiB by default,
/// and every path is held against them one after the other.
const RSYNC_BYTES_MAX: usize = 512 * 1024;

/// Bytes of one rsync rule: from 4096 on rsync drops it, with a line on stderr only.
const RSYNC_RULE_BYTES_MAX: usize = 4000;

/// What a path is to a route.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It belongs; so does everything below it that is not excluded.
    Included,
    /// A directory that belongs only as the way to what may be included below it.
    Parent,
    /// It does not belong: neither watched, entered nor sent, and protected on the target.
    Excluded,
}

/// A verdict with the rule that made it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Decision<'a> {
    /// What the path is.
    pub verdict: Verdict,
    /// The rule that decided; `None` for the root, and for what no include matches.
    pub rule: Option<&'a Rule>,
}

/// A [`FilterSpec`], compiled. Cloning is cheap.
///
/// Paths are bytes, relative to the root, without a slash at either end; `?` matches one byte, as in rsync.
#[derive(Clone)]
pub struct Filter(Arc<Compiled>);

struct Compiled {
    spec: FilterSpec,
    exclude: Globs,
    include: Globs,
    /// Directories on the way to what may be included.
    ways: Globs,
    /// The rule that includes everything, if there is one: then neither `include` nor `ways` is asked.
    everything: Option<usize>,
    rsync: Vec<String>,
}

impl Filter {
    /// Compiles the rules. Fails on the first pattern that [`check`](super::check) refuses, or where all of them together
    /// are too much.
    pub fn compile(spec: &FilterSpec) -> Result<Filter, PatternError> {
        let exclude = parse_all(&spec.exclude)?;
        let include = parse_all(&spec.include)?;
        let ways: Vec<(usize, Pattern)> = include
            .iter()
            .flat_map(|(rule, pattern)| rsync::ways(pattern).into_iter().map(|way| (*rule, way)))
            .collect();
        let everything = include
            .iter()
            .find(|(_, pattern)| pattern.is_everything())
            .map(|(rule, _)| *rule);
        let rsync = rsync::rules(&patterns(&exclude), &patterns(&include));
        if rsync.iter().any(|rule| rule.len() > RSYNC_RULE_BYTES_MAX) {
            return Err(PatternError::new(
                format!("a pattern is longer than {RSYNC_RULE_BYTES_MAX} bytes to rsync"),
                "use fewer `[…]` in it",
            ));
        }
        if rsync.iter().map(String::len).sum::<usize>() > RSYNC_BYTES_MAX {
            return Err(too_long());
        }
        Ok(Filter(Arc::new(Compiled {
            spec: spec.clone(),
            exclude: globs(&exclude)?,
            include: globs(&include)?,
            ways: globs(&ways)?,
            everything,
            rsync,
        })))
    }

    /// Looks at a whole path, its parents included. The empty path is the root, which always belongs.
    pub fn decide(&self, path: &[u8], is_dir: bool) -> Decision<'_> {
        if path.is_empty() {
            return Decision {
                verdict: Verdict::Included,
                rule: None,
            };
        }
        let (mut parent, mut inherited) = (Verdict::Included, None);
        for (end, _) in path.iter().enumerate().filter(|(_, byte)| **byte == b'/') {
            let decision = self.decide_child(parent, &path[..end], true);
            if decision.verdict == Verdict::Excluded {
                return decision;
            }
            parent = decision.verdict;
            inherited = decision.rule.or(inherited);
        }
        let decision = self.decide_child(parent, path, is_dir);
        match decision.verdict {
            Verdict::Included => Decision {
                rule: decision.rule.or(inherited),
                ..decision
            },
            Verdict::Parent | Verdict::Excluded => decision,
        }
    }

    /// As [`decide`](Self::decide), for walkers that know the verdict on the parent directory: `path` is still the whole
    /// path, but looked at once. For what lies directly in the root `parent` makes no difference. The rule is `None` also
    /// where the parent's own inclusion or exclusion decides.
    pub fn decide_child(&self, parent: Verdict, path: &[u8], is_dir: bool) -> Decision<'_> {
        let Compiled {
            spec,
            exclude,
            include,
            ways,
            everything,
            ..
        } = &*self.0;
        if parent == Verdict::Excluded {
            return Decision {
                verdict: Verdict::Excluded,
                rule: None,
            };
        }
        let candidate = Candidate::from_bytes(path);
        if let Some(rule) = exclude.first(&candidate, is_dir) {
            return Decision {
                verdict: Verdict::Excluded,
                rule: spec.exclude.get(rule),
            };
        }
        if let Some(rule) = everything {
            return Decision {
                verdict: Verdict::Included,
                rule: spec.include.get(*rule),
            };
        }
        if parent == Verdict::Included && path.contains(&b'/') {
            return Decision {
                verdict: Verdict::Included,
                rule: None,
            };
        }
        if let Some(rule) = include.first(&candidate, is_dir) {
            return Decision {
                verdict: Verdict::Included,
                rule: spec.include.get(rule),
            };
        }
        if is_dir && let Some(rule) = ways.first(&candidate, true) {
            return Decision {
                verdict: Verdict::Parent,
                rule: spec.include.get(rule),
            };
        }
        Decision {
            verdict: Verdict::Excluded,
            rule: None,
        }
    }

    /// The same rules for rsync, one for each `--filter=RULE` argument, in order. In a recursive transfer from the root
    /// they keep what [`decide`](Self::decide) keeps; what they exclude is protected on the receiver, and so is all below it.
    pub fn rsync_rules(&self) -> Vec<String> {
        self.0.rsync.clone()
    }
}

impl fmt::Debug for Filter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Filter").field(&self.0.spec).finish()
    }
}

/// The patterns of each rule, with the rule's place.
fn parse_all(rules: &[Rule]) -> Result<Vec<(usize, Pattern)>, PatternError> {
    let mut all = Vec::new();
    let mut bytes = 0;
    for (place, rule) in rules.iter().enumerate() {
        let patterns = parse(&rule.pattern).map_err(|error| PatternError {
            message: format!(
                "pattern `{}`: {}",
                rule.pattern.escape_debug(),
                error.message
            ),
            help: error.help,
        })?;
        // None takes fewer bytes to rsync than it has atoms: what would be refused for that is not spelled out first.
        bytes += patterns.iter().map(Pattern::atoms).sum::<usize>();
        if bytes > RSYNC_BYTES_MAX {
            return Err(too_long());
        }
        all.extend(patterns.into_iter().map(|pattern| (place, pattern)));
    }
    Ok(all)
}

fn too_long() -> PatternError {
    PatternError::new(
        format!("the patterns are more than {RSYNC_BYTES_MAX} bytes to rsync"),
        "use fewer patterns, or fewer `{…}` in them",
    )
}

fn globs(patterns: &[(usize, Pattern)]) -> Result<Globs, PatternError> {
    Globs::new(patterns.iter().map(|(rule, pattern)| (*rule, pattern)))
}

fn patterns(of_rules: &[(usize, Pattern)]) -> Vec<&Pattern> {
    of_rules.iter().map(|(_, pattern)| pattern).collect()
}
