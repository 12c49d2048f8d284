//! Values of a plan as they are written in a manifest.

use serde::Serialize;

use crate::manifest::unit;
use crate::plan::explain::words;
use crate::plan::{Attributes, DeleteBudget, EventSet, Secret, Sync};
use crate::schedule::Schedule;

/// A word of the manifest that is spelled as the plan's JSON has it.
pub(super) fn word(value: &impl Serialize) -> String {
    match serde_json::to_value(value) {
        Ok(serde_json::Value::String(word)) => word,
        other => format!("{other:?}"),
    }
}

pub(super) fn flag(value: &bool) -> String {
    value.to_string()
}

pub(super) fn duration(ms: &u64) -> String {
    words::duration(*ms)
}

pub(super) fn sync(sync: &Sync) -> String {
    match sync {
        Sync::Live => "live".into(),
        Sync::Scheduled(schedule) => words::schedule(schedule),
    }
}

pub(super) fn rescan(schedule: &Option<Schedule>) -> String {
    schedule
        .as_ref()
        .map_or_else(|| "never".into(), words::schedule)
}

pub(super) fn budget(budget: &DeleteBudget) -> String {
    match budget {
        DeleteBudget::Default => "50%, at least 100".into(),
        DeleteBudget::Count(count) => count.to_string(),
        DeleteBudget::Share(share) => unit::written_share(*share),
    }
}

/// The names of the events that trigger.
pub(super) fn events(set: EventSet) -> Vec<&'static str> {
    let EventSet {
        create,
        close_write,
        attrib,
        moved_from,
        moved_to,
        delete,
        modify,
    } = set;
    named([
        (create, "create"),
        (close_write, "closeWrite"),
        (attrib, "attrib"),
        (moved_from, "movedFrom"),
        (moved_to, "movedTo"),
        (delete, "delete"),
        (modify, "modify"),
    ])
}

/// The names of what is kept of the metadata.
pub(super) fn attributes(attributes: Attributes) -> Vec<&'static str> {
    let Attributes {
        archive,
        acls,
        xattrs,
        hard_links,
        devices,
        numeric_ids,
    } = attributes;
    named([
        (archive, "archive"),
        (acls, "acls"),
        (xattrs, "xattrs"),
        (hard_links, "hardLinks"),
        (devices, "devices"),
        (numeric_ids, "numericIds"),
    ])
}

fn named<const N: usize>(all: [(bool, &'static str); N]) -> Vec<&'static str> {
    let set = all.into_iter().filter(|(on, _)| *on);
    set.map(|(_, name)| name).collect()
}

/// Where a secret is; never the secret.
pub(super) fn secret(secret: &Secret) -> String {
    match secret {
        Secret::File(path) => format!("passwordFile {path}"),
        Secret::Credential(name) => format!("passwordCredential {name}"),
        Secret::Env(name) => format!("passwordEnv {name}"),
    }
}
