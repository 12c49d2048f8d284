//! `kind: Agent`: the settings of a host.

use std::ops::RangeInclusive;

use super::document::labels;
use super::fields::Fields;
use super::reading::Reading;
use super::yaml::Node;
use super::{Agent, Limits, Mechanism, Spanned, name, paths, reach, telling};
use crate::diagnostic::Code;

/// Each transfer is a process or a thread with its own memory.
const TRANSFERS: RangeInclusive<u64> = 1..=1024;
/// The kernel's own upper bound of `max_user_watches`.
const WATCHES: RangeInclusive<u64> = 1..=2_147_483_647;

/// The document's remaining fields, once `apiVersion` and `kind` are taken.
pub(super) fn agent(reading: &mut Reading<'_>, mut fields: Fields<'_>, node: &Node) -> Agent {
    let agent = Agent {
        at: node.at.clone(),
        name: fields.read(reading, "name", host_name),
        labels: fields.read(reading, "labels", labels).unwrap_or_default(),
        manifests: fields
            .read(reading, "manifests", manifests)
            .unwrap_or_default(),
        state_dir: fields.read(reading, "stateDir", paths::absolute),
        socket: fields.read(reading, "socket", paths::absolute),
        limits: fields.read(reading, "limits", limits).unwrap_or_default(),
        watch: fields.read(reading, "watch", watch),
        rsync_path: fields.read(reading, "rsync", rsync),
        watch_manifests: fields.read(reading, "watchManifests", |reading, key, node| {
            reading.boolean(key, node)
        }),
        access: fields.read(reading, "access", reach::access),
        http: fields.read(reading, "http", reach::http),
        metrics: fields.read(reading, "metrics", telling::metrics),
        heartbeat: fields.read(reading, "heartbeat", telling::heartbeat),
    };
    fields.finish(
        reading,
        &[
            ("sources", "a `kind: Manifest`"),
            ("metadata", "a `kind: Manifest`"),
        ],
    );
    agent
}

fn host_name(reading: &mut Reading<'_>, key: &str, node: &Node) -> Option<Spanned<String>> {
    let text = reading.text(key, node)?;
    if name::host(&text.value) {
        return Some(text);
    }
    let message = format!("`{}` is not a host's name", text.value);
    reading.wrong(
        Code::BadName,
        &text.at,
        message,
        "letters, digits, `-`, `_` and dots",
    );
    None
}

fn manifests(reading: &mut Reading<'_>, key: &str, node: &Node) -> Option<Vec<Spanned<String>>> {
    let paths = reading.list(key, node, |reading, item| {
        paths::absolute(reading, key, item)
    })?;
    reading.distinct(key, &paths);
    Some(paths)
}

fn limits(reading: &mut Reading<'_>, key: &str, node: &Node) -> Option<Limits> {
    let mut fields = Fields::of(reading, key, "`limits`", node)?;
    // The bounds keep the number within `u32`.
    let small = |number: Spanned<u64>| {
        let value = u32::try_from(number.value).ok()?;
        Some(Spanned::new(value, number.at))
    };
    let limits = Limits {
        transfers: fields
            .read(reading, "transfers", |reading, key, node| {
                reading.count(key, node, TRANSFERS)
            })
            .and_then(small),
        transfers_per_host: fields
            .read(reading, "transfersPerHost", |reading, key, node| {
                reading.count(key, node, TRANSFERS)
            })
            .and_then(small),
        bandwidth: fields.read(reading, "bandwidth", |reading, key, node| {
            reading.rate(key, node)
        }),
        watches: fields.read(reading, "watches", |reading, key, node| {
            reading.count(key, node, WATCHES)
        }),
    };
    fields.finish(reading, &[]);
    Some(limits)
}

fn watch(reading: &mut Reading<'_>, key: &str, node: &Node) -> Option<Spanned<Mechanism>> {
    let words = [
        ("auto", Mechanism::Auto),
        ("inotify", Mechanism::Inotify),
        ("fanotify", Mechanism::Fanotify),
        ("notify", Mechanism::Notify),
        ("polling", Mechanism::Polling),
    ];
    reading.choice(key, node, &words)
}

fn rsync(reading: &mut Reading<'_>, key: &str, node: &Node) -> Option<Spanned<String>> {
    let mut fields = Fields::of(reading, key, "`rsync`", node)?;
    let path = fields.read(reading, "path", paths::absolute);
    fields.finish(reading, &[]);
    path
}
