//! What of a tree is watched, and what triggers.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::ear::Ear;
use crate::engine::RelPath;
use crate::filter::{Filter, FilterSpec, Verdict};
use crate::plan::EventSet;

/// What of a tree is watched, and what triggers.
#[derive(Clone)]
pub(crate) struct Scope {
    /// Excluded directories are never entered.
    pub(crate) filter: Filter,
    /// Whether a rename above a directory cannot bring it, or what is in it, into scope or out of it.
    pub(crate) by_name: bool,
    /// Applied after the kernel, and never to what keeps the tree right.
    pub(crate) events: EventSet,
    /// Whether directories on another device are left out.
    pub(crate) one_file_system: bool,
    /// At most so many directories are watched; the rest is polled.
    pub(crate) watch_limit: Option<u64>,
    /// The service's own directory, which is never part of a source.
    pub(crate) private: PathBuf,
    /// Who wants to know what is left out.
    pub(crate) ear: Option<Arc<dyn Ear>>,
}

/// Whether these rules decide a directory below a wanted one by its own name: everything is included, and no exclude
/// pattern has a slash but at its end. Then what a directory holds is wanted wherever it is.
pub(crate) fn decides_by_name(spec: &FilterSpec) -> bool {
    let floats = |pattern: &str| !pattern.strip_suffix('/').unwrap_or(pattern).contains('/');
    spec.include.iter().all(|rule| rule.pattern == "**")
        && !spec.include.is_empty()
        && spec.exclude.iter().all(|rule| floats(&rule.pattern))
}

impl Scope {
    /// Whether `path` belongs to the source, be it only as the way to what does.
    pub(crate) fn wants(&self, path: &RelPath, is_directory: bool) -> bool {
        self.filter.decide(path.as_bytes(), is_directory).verdict != Verdict::Excluded
    }

    /// Whether the directory at this absolute path is the service's own.
    pub(crate) fn is_private(&self, path: &Path) -> bool {
        path == self.private
    }
}

impl std::fmt::Debug for Scope {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Scope")
            .field("events", &self.events)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::filter::Rule;

    #[test]
    fn only_patterns_that_float_decide_by_name() {
        let rules = |patterns: &[&str]| -> Vec<Rule> {
            let rule = |pattern: &&str| Rule {
                pattern: pattern.to_string(),
                origin: None,
            };
            patterns.iter().map(rule).collect()
        };
        let by_name = |include: &[&str], exclude: &[&str]| {
            decides_by_name(&FilterSpec {
                include: rules(include),
                exclude: rules(exclude),
            })
        };
        assert!(by_name(&["**"], &[]) && by_name(&["**"], &["*.tmp", "cache/", "{a,b}"]));
        for exclude in ["/cache/", "a/cache", "**/x/", "{a,b/c}", "a/**"] {
            assert!(!by_name(&["**"], &["*.tmp", exclude]), "{exclude}");
        }
        assert!(!by_name(&["docs"], &[]) && !by_name(&["**", "docs/"], &[]) && !by_name(&[], &[]));
    }
}
