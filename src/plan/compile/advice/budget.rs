//! What is deleted, and how much of it.

use std::collections::HashSet;

use crate::diagnostic::{Code, Diagnostic, Place};
use crate::plan::compile::collector::Collector;
use crate::plan::compile::source::Lowered;
use crate::plan::{DeleteBudget, DeletePolicy};

/// Routes that delete, and do not say how much is normal. A policy that comes from `defaults` is said once.
pub(super) fn unbounded(lowered: &[Lowered<'_>], out: &mut Collector<'_>) {
    let mut said: HashSet<&Place> = HashSet::new();
    for (_, target, route) in lowered.iter().flat_map(Lowered::targets) {
        let Some(policy) = &target.options.delete else {
            continue;
        };
        if route.delete == DeletePolicy::Never
            || route.max_delete != DeleteBudget::Default
            || !said.insert(&policy.at)
        {
            continue;
        }
        out.push(
            Diagnostic::new(
                Code::DeleteWithoutMaxDelete,
                format!("`{}` deletes, and has no `maxDelete`", route.name),
            )
            .primary(
                &policy.at,
                "up to half of the target may go in one pass before it is held",
            )
            .help("add for instance `maxDelete: 10%`"),
        );
    }
}
