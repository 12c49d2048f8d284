//! What is run around the transfers of a route.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What is run around the transfers of a route.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Hooks {
    /// Before anything is written.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub before: Option<Hook>,
    /// When something was changed, and whenever `before` was run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<Hook>,
}

/// A program with its arguments.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Hook {
    /// argv, substituted, not empty; the first is an absolute path.
    pub run: Vec<String>,
    /// It is ended when it lasts longer.
    pub timeout_ms: u64,
    /// What its failure means.
    pub on_error: OnError,
}

/// What the failure of a hook means.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum OnError {
    /// It is said, and everything goes on.
    Warn,
    /// What it belongs to is not done.
    Fail,
}

/// Which of the hooks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum When {
    /// Before anything is written.
    Before,
    /// When something was changed.
    After,
}

impl When {
    /// As it is written.
    pub fn word(self) -> &'static str {
        match self {
            When::Before => "before",
            When::After => "after",
        }
    }
}

impl Hooks {
    /// Whether there are none.
    pub fn are_none(&self) -> bool {
        self.before.is_none() && self.after.is_none()
    }

    /// Whether a transfer counts only when its `after` hook has succeeded.
    pub fn after_must_succeed(&self) -> bool {
        let after = self.after.as_ref();
        after.is_some_and(|hook| hook.on_error == OnError::Fail)
    }

    /// Those that there are.
    pub fn all(&self) -> impl Iterator<Item = (When, &Hook)> {
        let before = self.before.iter().map(|hook| (When::Before, hook));
        before.chain(self.after.iter().map(|hook| (When::After, hook)))
    }
}
