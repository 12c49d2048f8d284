//! Include and exclude: decides which paths of a source belong to a route, and says which rule decided.
//!
//! One set of rules has two forms: [`Filter`], compiled once, which prunes watches, decides events and walks local
//! trees; and the rsync filter rules that [`Filter::rsync_rules`] writes. A property test holds both to the same
//! verdicts on the real rsync. The room knows nothing of the file system: paths and "is a directory" come in. Called by
//! the plan (checks, `match`), the watcher and the transfers.
//!
//! The way through: text ─[`check`]→ `Pattern`s (braces expanded, `**` and `[…]` made explicit) → globset (`globs`) and
//! rsync rules (`rsync`), each spelled anew, because the two read what a user writes in different ways. Names are bytes:
//! `?` is one byte and a set holds ASCII only, as in rsync.

mod class;
mod decide;
mod globs;
mod pattern;
mod reach;
mod rsync;
#[cfg(test)]
mod tests;

pub use decide::{Decision, Filter, Verdict};
pub use pattern::{PatternError, check};
pub use reach::reach;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Where a rule was written, for verdicts that name the line which made them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Origin {
    /// The manifest file as it was named on the command line.
    pub file: String,
    /// 1-based.
    pub line: u32,
}

/// One glob as written in the manifest, already checked by [`check`].
#[derive(Clone, Debug, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Rule {
    /// The glob as written.
    pub pattern: String,
    /// Where it was written; `None` for built-in defaults.
    pub origin: Option<Origin>,
}

/// Where a rule was written does not make it another rule: moving lines in a manifest changes no plan.
impl PartialEq for Rule {
    fn eq(&self, other: &Rule) -> bool {
        self.pattern == other.pattern
    }
}

/// The rules of one source or one route: what a path needs to belong to it. Data only; [`Filter`] is the compiled form.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct FilterSpec {
    /// A path must match one of these, be below a directory that does, or be the parent of what could. `**` alone: everything.
    pub include: Vec<Rule>,
    /// Always wins; an excluded directory is neither watched nor entered, and protected on the target.
    pub exclude: Vec<Rule>,
}
