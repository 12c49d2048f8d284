//! `hooks`: programs of the host's own around the transfers of a route.

use schemars::JsonSchema;
use serde::Serialize;

use super::fields::{Field, Fields};
use super::reading::{Bounds, Reading};
use super::yaml::Node;
use super::{Spanned, paths};
use crate::diagnostic::{Code, Place};

/// What is run around the transfers of a target.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Hooks {
    /// Before anything is written.
    pub before: Option<Hook>,
    /// When a transfer has changed something.
    pub after: Option<Hook>,
}

/// A program with its arguments.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hook {
    /// Where it was written.
    pub at: Place,
    /// argv, not empty; the first is an absolute path.
    pub run: Vec<Spanned<String>>,
    /// Milliseconds, from one second to one hour.
    pub timeout_ms: Option<Spanned<u64>>,
    /// What its failure means; the default is `fail` for `before`, `warn` for `after`.
    pub on_error: Option<Spanned<OnError>>,
}

/// What the failure of a hook means.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum OnError {
    /// It is logged and shown, and everything goes on.
    Warn,
    /// `before`: the transfer does not begin, and is tried again with growing delay. `after`: the route is not in sync until the hook has succeeded; it is run again with growing delay, and nothing is sent again for it.
    Fail,
}

impl Hooks {
    /// This one, and what it leaves open from `base`: a hook is replaced as a whole.
    #[must_use]
    pub fn over(self, base: &Hooks) -> Hooks {
        Hooks {
            before: self.before.or_else(|| base.before.clone()),
            after: self.after.or_else(|| base.after.clone()),
        }
    }
}

/// `hooks: {after: {run: [/program, argument], timeout: 30s, onError: warn}}`.
pub(super) fn hooks(reading: &mut Reading<'_>, field: Field<'_>) -> Hooks {
    let Some(mut fields) = Fields::of(reading, "hooks", "`hooks`", field.node) else {
        return Hooks::default();
    };
    let before = fields
        .take("before")
        .and_then(|field| hook(reading, "before", field));
    let after = fields
        .take("after")
        .and_then(|field| hook(reading, "after", field));
    fields.finish(reading, HOOKS_ELSEWHERE);
    Hooks { before, after }
}

/// Keys of a hook that people write beside its name.
const HOOKS_ELSEWHERE: &[(&str, &str)] = &[
    ("run", "`before` or `after`"),
    ("timeout", "`before` or `after`"),
    ("onError", "`before` or `after`"),
];

/// A hook that hangs would hold its route for ever.
pub(super) const TIMEOUT: Bounds = Bounds {
    ms: 1_000..=3_600_000,
    least: "1s",
    most: "1h",
    seconds: true,
};

fn hook(reading: &mut Reading<'_>, name: &'static str, field: Field<'_>) -> Option<Hook> {
    let at = field.key.at.clone();
    let mut fields = Fields::of(reading, name, "a hook", field.node)?;
    let run = match fields.take("run") {
        None => {
            fields.missing(reading, "run", &at);
            None
        }
        Some(run) => command(reading, run.node),
    };
    let timeout_ms = fields.read(reading, "timeout", |reading, key, node| {
        reading.duration(key, node, &TIMEOUT)
    });
    let on_error = fields.read(reading, "onError", |reading, key, node| {
        let words = [("warn", OnError::Warn), ("fail", OnError::Fail)];
        reading.choice(key, node, &words)
    });
    fields.finish(reading, &[]);
    Some(Hook {
        at,
        run: run?,
        timeout_ms,
        on_error,
    })
}

/// argv, without a shell.
fn command(reading: &mut Reading<'_>, node: &Node) -> Option<Vec<Spanned<String>>> {
    /// A command line of so many arguments is a list, which goes by a file.
    const ARGUMENTS_MAX: usize = 100;
    let mut first = true;
    let run = reading.list("run", node, |reading, item| {
        if std::mem::take(&mut first) {
            paths::absolute(reading, "run", item)
        } else {
            reading.text("run", item)
        }
    })?;
    if run.len() > ARGUMENTS_MAX {
        let message = format!("`run` has {} arguments", run.len());
        let label = format!("at most {ARGUMENTS_MAX}; the changed paths come by a file");
        reading.wrong(Code::OutOfRange, &node.at, message, label);
        return None;
    }
    // One that cannot be read has been said, and what is left is another command.
    let whole =
        matches!(&node.kind, super::yaml::Kind::Sequence(items) if items.len() == run.len());
    whole.then_some(run)
}
