//! Hooks are part of the language, but not yet carried out: checked in full, then refused.

use super::fields::{Field, Fields};
use super::paths;
use super::reading::{Bounds, Reading};
use super::yaml::Node;
use crate::diagnostic::Code;

/// `hooks: {after: {run: [/program, argument], timeout: 30s, onError: warn}}`.
pub(super) fn hooks(reading: &mut Reading<'_>, field: Field<'_>) {
    const TIMEOUT: Bounds = Bounds {
        ms: 1_000..=3_600_000,
        least: "1s",
        most: "1h",
        seconds: true,
    };
    if let Some(mut fields) = Fields::of(reading, "hooks", "`hooks`", field.node) {
        if let Some(after) = fields.take("after")
            && let Some(mut fields) = Fields::of(reading, "after", "a hook", after.node)
        {
            match fields.take("run") {
                None => fields.missing(reading, "run", &after.key.at),
                Some(run) => command(reading, run.node),
            }
            fields.read(reading, "timeout", |reading, key, node| {
                reading.duration(key, node, &TIMEOUT)
            });
            fields.read(reading, "onError", |reading, key, node| {
                reading.choice(key, node, &[("warn", ()), ("fail", ())])
            });
            fields.finish(reading, &[]);
        }
        fields.finish(reading, &[]);
    }
    reading.wrong(
        Code::NotSupported,
        &field.key.at,
        "`hooks` is not supported yet",
        "remove it for now",
    );
}

/// argv, without a shell.
fn command(reading: &mut Reading<'_>, node: &Node) {
    let mut first = true;
    reading.list("run", node, |reading, item| {
        if std::mem::take(&mut first) {
            paths::absolute(reading, "run", item)
        } else {
            reading.text("run", item)
        }
    });
}
