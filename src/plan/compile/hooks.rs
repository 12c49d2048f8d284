//! A target's hooks, substituted.

use super::collector::Collector;
use super::substitute::{self, Variables};
use crate::diagnostic::{Code, Diagnostic, Place};
use crate::manifest;
use crate::plan::compile::source::Lowered;
use crate::plan::{Hook, Hooks, OnError};
use std::collections::HashSet;

/// Lowers both. One whose arguments cannot be substituted has been said, and is left out.
pub(super) fn lower(
    written: &manifest::Hooks,
    variables: Variables<'_>,
    out: &mut Collector<'_>,
) -> Hooks {
    let mut one = |hook: &Option<manifest::Hook>, otherwise: OnError| {
        let hook = hook.as_ref()?;
        let words = hook
            .run
            .iter()
            .map(|word| substitute::substituted(word, variables, out).map(|done| done.text));
        let words: Vec<Option<String>> = words.collect();
        let on_error = hook.on_error.as_ref().map(|written| match written.value {
            manifest::OnError::Warn => OnError::Warn,
            manifest::OnError::Fail => OnError::Fail,
        });
        let timeout = hook.timeout_ms.as_ref();
        Some(Hook {
            run: words.into_iter().collect::<Option<Vec<String>>>()?,
            timeout_ms: timeout.map_or(manifest::defaults::HOOK_TIMEOUT_MS, |ms| ms.value),
            on_error: on_error.unwrap_or(otherwise),
        })
    };
    Hooks {
        before: one(&written.before, OnError::Fail),
        after: one(&written.after, OnError::Warn),
    }
}

/// Those that do not say how long they may last. One that comes from `defaults` is said once.
pub(super) fn without_timeout(lowered: &[Lowered<'_>], out: &mut Collector<'_>) {
    let mut said: HashSet<&Place> = HashSet::new();
    for (_, target, route) in lowered.iter().flat_map(Lowered::targets) {
        let hooks = &target.options.hooks;
        for (name, hook) in [("before", &hooks.before), ("after", &hooks.after)] {
            let Some(hook) = hook.as_ref().filter(|hook| hook.timeout_ms.is_none()) else {
                continue;
            };
            if said.insert(&hook.at) {
                out.push(
                    Diagnostic::new(
                        Code::HookWithoutTimeout,
                        format!("the `{name}` hook of `{}` has no `timeout`", route.name),
                    )
                    .primary(&hook.at, "ended after 30s")
                    .help("add for instance `timeout: 30s`: nothing else is sent while it runs"),
                );
            }
        }
    }
}
