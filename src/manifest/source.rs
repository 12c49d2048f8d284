//! A source and what it shares with `defaults.source`.

use super::fields::Fields;
use super::reading::{Reading, listed, nearest};
use super::target::{self, Named, names};
use super::yaml::{Key, Kind, Node};
use super::{
    EventName, Source, SourceGuard, SourceOptions, Spanned, TargetOptions, name, paths, timing,
};
use crate::diagnostic::{Code, Diagnostic};

/// `defaults`.
#[derive(Default)]
pub(super) struct Defaults {
    pub(super) source: SourceOptions,
    pub(super) target: TargetOptions,
}

/// Keys that people write at a source, but which belong elsewhere.
const ELSEWHERE: &[(&str, &str)] = &[
    ("url", "a target"),
    ("delete", "a target"),
    ("maxDelete", "a target"),
    ("sync", "a target"),
    ("windows", "a target"),
    ("bandwidth", "a target"),
    ("compress", "a target"),
    ("warm", "a target"),
    ("durability", "a target"),
    ("attributes", "a target"),
    ("timeout", "a target"),
    ("retry", "a target"),
    ("hooks", "a target"),
    ("passwordFile", "a target"),
    ("rsyncArgs", "a target"),
    ("labels", "`metadata`"),
    ("marker", "`guard`"),
    ("allowEmpty", "`guard`"),
    ("requireMount", "`guard`"),
    ("schedule", "`rescan`, or a target's `sync`"),
    ("every", "`rescan`, or a target's `sync`"),
    ("quiet", "`debounce`"),
    ("maxWait", "`debounce`"),
];

/// One entry of `sources`.
pub(super) fn source(
    reading: &mut Reading<'_>,
    named: Named<'_>,
    defaults: &Defaults,
) -> Option<Source> {
    let mut fields = Fields::of(reading, &named.key.text, "a source", named.node)?;
    let path_field = fields.take("path");
    let path = path_field.and_then(|field| paths::absolute(reading, "path", field.node));
    if path_field.is_none() {
        fields.missing(reading, "path", &named.key.at);
    }
    let options = options(reading, &mut fields);
    let targets_field = fields.take("targets");
    if targets_field.is_none() {
        fields.missing(reading, "targets", &named.key.at);
    }
    fields.finish(reading, ELSEWHERE);
    let targets = targets_field
        .and_then(|field| names(reading, "targets", field.node))
        .unwrap_or_default();
    let targets = targets
        .into_iter()
        .filter_map(|named| target::target(reading, named, &defaults.target))
        .collect();
    Some(Source {
        name: named.name?,
        path: path?,
        options: options.over(&defaults.source),
        targets,
    })
}

/// What a source and `defaults.source` may say alike.
pub(super) fn options(reading: &mut Reading<'_>, fields: &mut Fields<'_>) -> SourceOptions {
    SourceOptions {
        hosts: fields.read(reading, "hosts", hosts),
        suspend: fields.read(reading, "suspend", |reading, key, node| {
            reading.boolean(key, node)
        }),
        include: fields.read(reading, "include", |reading, key, node| {
            reading.texts(key, node)
        }),
        exclude: fields
            .read(reading, "exclude", |reading, key, node| {
                reading.texts(key, node)
            })
            .unwrap_or_default(),
        events: fields.read(reading, "events", events),
        debounce: fields
            .read(reading, "debounce", timing::debounce)
            .unwrap_or_default(),
        one_file_system: fields.read(reading, "oneFileSystem", |reading, key, node| {
            reading.boolean(key, node)
        }),
        guard: fields.read(reading, "guard", guard).unwrap_or_default(),
        rescan: fields
            .read(reading, "rescan", timing::rescan)
            .unwrap_or_default(),
    }
}

impl SourceOptions {
    /// This one, and what it leaves open from `base`; lists replace, `exclude` appends.
    #[must_use]
    pub fn over(self, base: &SourceOptions) -> SourceOptions {
        SourceOptions {
            hosts: self.hosts.or_else(|| base.hosts.clone()),
            suspend: self.suspend.or_else(|| base.suspend.clone()),
            include: self.include.or_else(|| base.include.clone()),
            exclude: appended(&base.exclude, self.exclude),
            events: self.events.or_else(|| base.events.clone()),
            debounce: self.debounce.over(&base.debounce),
            one_file_system: self
                .one_file_system
                .or_else(|| base.one_file_system.clone()),
            guard: SourceGuard {
                marker: self.guard.marker.or_else(|| base.guard.marker.clone()),
                allow_empty: self
                    .guard
                    .allow_empty
                    .or_else(|| base.guard.allow_empty.clone()),
                require_mount: self
                    .guard
                    .require_mount
                    .or_else(|| base.guard.require_mount.clone()),
            },
            rescan: self.rescan.over(&base.rescan),
        }
    }
}

/// Both lists, what is in both only once.
pub(super) fn appended(
    base: &[Spanned<String>],
    own: Vec<Spanned<String>>,
) -> Vec<Spanned<String>> {
    let more = own
        .into_iter()
        .filter(|item| !base.iter().any(|first| first.value == item.value));
    base.iter().cloned().chain(more).collect()
}

fn hosts(reading: &mut Reading<'_>, key: &str, node: &Node) -> Option<Vec<Spanned<String>>> {
    let hosts = reading.texts(key, node)?;
    for host in hosts.iter().filter(|host| !name::host(&host.value)) {
        let message = format!("`{}` is not a host's name", host.value);
        reading.wrong(
            Code::BadName,
            &host.at,
            message,
            "hosts are named one by one, without patterns",
        );
    }
    Some(hosts)
}

fn guard(reading: &mut Reading<'_>, key: &str, node: &Node) -> Option<SourceGuard> {
    let mut fields = Fields::of(reading, key, "a source's guard", node)?;
    let guard = SourceGuard {
        marker: fields.read(reading, "marker", paths::relative),
        allow_empty: fields.read(reading, "allowEmpty", |reading, key, node| {
            reading.boolean(key, node)
        }),
        require_mount: fields.read(reading, "requireMount", |reading, key, node| {
            reading.boolean(key, node)
        }),
    };
    fields.finish(reading, &[("maxDelete", "a target")]);
    Some(guard)
}

/// Names as they are in manifests; inotifywait's own (`close_write`) are taken, too.
const EVENTS: [(&str, EventName); 8] = [
    ("create", EventName::Create),
    ("closeWrite", EventName::CloseWrite),
    ("attrib", EventName::Attrib),
    ("move", EventName::Move),
    ("movedFrom", EventName::MovedFrom),
    ("movedTo", EventName::MovedTo),
    ("delete", EventName::Delete),
    ("modify", EventName::Modify),
];
const INOTIFYWAIT: [(&str, EventName); 3] = [
    ("close_write", EventName::CloseWrite),
    ("moved_from", EventName::MovedFrom),
    ("moved_to", EventName::MovedTo),
];

fn events(
    reading: &mut Reading<'_>,
    key: &str,
    node: &Node,
) -> Option<Spanned<Vec<Spanned<EventName>>>> {
    let events = reading.list(key, node, event)?;
    reading.distinct(key, &events);
    Some(Spanned::new(events, node.at.clone()))
}

fn event(reading: &mut Reading<'_>, node: &Node) -> Option<Spanned<EventName>> {
    let text = reading.text("events", node)?;
    if let Some((_, event)) = EVENTS
        .iter()
        .chain(&INOTIFYWAIT)
        .find(|(name, _)| *name == text.value)
    {
        return Some(Spanned::new(*event, text.at));
    }
    let label = match text.value.as_str() {
        "access" | "open" | "close_nowrite" | "closeNowrite" => {
            "reading changes nothing; remove it".to_owned()
        }
        "close" => "write `closeWrite`".to_owned(),
        "delete_self" | "move_self" | "deleteSelf" | "moveSelf" | "unmount" => {
            "directories are always watched for it; remove it".to_owned()
        }
        other => match nearest(other, EVENTS.iter().map(|(name, _)| *name)) {
            Some(name) => format!("did you mean `{name}`?"),
            None => format!("takes {}", listed(EVENTS.iter().map(|(name, _)| *name))),
        },
    };
    reading.wrong(
        Code::UnknownValue,
        &text.at,
        format!("unknown event `{}`", text.value),
        label,
    );
    None
}

/// A checked name of a source or a target.
pub(super) fn checked_name(reading: &mut Reading<'_>, key: &Key) -> Option<Spanned<String>> {
    match name::dns_label(&key.text) {
        Ok(()) => Some(Spanned::new(key.text.clone(), key.at.clone())),
        Err(message) => {
            let suggestion = suggested(&key.text);
            let label = match name::dns_label(&suggestion) {
                Ok(()) => format!("write for instance `{suggestion}`"),
                Err(_) => "as in `web-98`".to_owned(),
            };
            reading.report(
                Diagnostic::new(Code::BadName, format!("bad name `{}`: {message}", key.text))
                    .primary(&key.at, label),
            );
            None
        }
    }
}

fn suggested(text: &str) -> String {
    let plain: String = text
        .to_lowercase()
        .chars()
        .map(|c| if c.is_ascii_alphanumeric() { c } else { '-' })
        .take(63)
        .collect();
    plain.trim_matches('-').to_owned()
}

/// Whether a node is a mapping of names, or reports that it is not.
pub(super) fn is_list(node: &Node) -> bool {
    matches!(node.kind, Kind::Sequence(_))
}
