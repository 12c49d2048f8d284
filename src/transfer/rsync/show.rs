//! The exact command lines of a route, for `plan` to print: secrets by reference, lists as `--files-from=-`.

use std::ffi::OsString;

use super::invocation::{Leave, Orders, shell_line};
use super::kind::kind_of;
use super::steps::Step;
use crate::engine::RelPath;
use crate::filter::Filter;
use crate::plan::{Compare, DeletePolicy, RoutePlan, SourcePlan};
use crate::transfer::batch::{Act, Entry};

/// What stands for the number that is counted before anything is deleted.
const COUNTED: &str = "--max-delete=COUNTED";

/// The lines, ready for a shell: first a batch of changed paths, then a full pass. None where no rsync is run.
pub fn command_lines(source: &SourcePlan, route: &RoutePlan) -> Vec<String> {
    let (Some(kind), Ok(filter)) = (kind_of(&route.target), Filter::compile(&route.filter)) else {
        return Vec::new();
    };
    let delete = route.delete == DeletePolicy::Mirror;
    let act = Act::Reconcile {
        trust: true,
        delete,
    };
    let entries = vec![Entry {
        path: RelPath::root(),
        act,
    }];
    let leave = if route.delete == DeletePolicy::Never {
        Leave::Never
    } else {
        Leave::Counted(0)
    };
    let batch = Step {
        entries: entries.clone(),
        recurse: true,
        trust: false,
        delete,
        pass: None,
    };
    let pass = Step {
        entries,
        recurse: true,
        trust: true,
        delete,
        pass: Some(Compare::Quick),
    };
    let orders = Orders {
        source,
        route,
        filter: &filter,
        bandwidth: None,
        small: false,
    };
    let line = |step: &Step, leave: Leave| {
        let shown = kind.shown(&route.target);
        let mut words: Vec<OsString> = vec!["rsync".into()];
        words.extend(orders.arguments(step, leave, shown.options, &shown.destination));
        for word in &mut words {
            if word == "--max-delete=0" {
                *word = COUNTED.into();
            }
        }
        let line = shell_line(words.iter().map(OsString::as_os_str));
        if shown.before.is_empty() {
            line
        } else {
            format!("{} {line}", shown.before)
        }
    };
    let pass_leave = if delete { leave } else { Leave::Never };
    vec![line(&batch, leave), line(&pass, pass_leave)]
}
