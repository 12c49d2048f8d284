//! A manifest with every default written out, as the types that serialise it.

use std::collections::BTreeMap;

use super::origins::Origins;
use crate::manifest::wire::{self, Rescan, RescanTimes, SyncTimes};
use crate::manifest::wire_values::{self as values, Event, Live, Never};
use crate::manifest::{
    API_VERSION, Attribute, Compare, Compress, Debounce, DeletePolicy, Durability, EventName, Hook,
    Hooks, Manifest, MaxDelete, OnError, OnStart, RescanWhen, Retry, Secret, Source, Spanned, Sync,
    Target, UrlParts, Warm, Window, defaults, name, unit,
};

/// The manifest as it is meant.
pub(super) fn effective(manifest: &Manifest, origins: &mut Origins<'_>) -> wire::Manifest {
    origins.within("metadata", |origins| {
        if let Some(name) = &manifest.name {
            origins.note("name", Some(&name.at));
        }
        origins.within("labels", |origins| {
            for (key, label) in &manifest.labels {
                origins.note(key, Some(&label.at));
            }
        });
    });
    let labels: BTreeMap<_, _> = manifest
        .labels
        .iter()
        .map(|(key, label)| (key.clone(), values::LabelText(label.value.clone())))
        .collect();
    let metadata = wire::Metadata {
        name: manifest
            .name
            .as_ref()
            .map(|name| values::Text(name.value.clone())),
        labels: (!labels.is_empty()).then_some(labels),
        allow: (!manifest.allow.is_empty()).then(|| {
            let allowed = manifest.allow.iter();
            allowed
                .map(|(lint, reason)| (lint.clone(), values::Text(reason.value.clone())))
                .collect()
        }),
    };
    let sources = origins.within("sources", |origins| {
        let sources = manifest.sources.iter();
        sources
            .map(|item| {
                (
                    item.name.value.clone(),
                    origins.within(&item.name.value, |o| source(item, o)),
                )
            })
            .collect()
    });
    wire::Manifest {
        api_version: API_VERSION.to_owned(),
        kind: "Manifest".to_owned(),
        metadata: (metadata.name.is_some()
            || metadata.labels.is_some()
            || metadata.allow.is_some())
        .then_some(metadata),
        defaults: None,
        sources,
    }
}

fn source(source: &Source, origins: &mut Origins<'_>) -> wire::Source {
    let options = &source.options;
    origins.note("path", Some(&source.path.at));
    let targets = origins.within("targets", |origins| {
        let targets = source.targets.iter();
        targets
            .map(|item| {
                (
                    item.name.value.clone(),
                    origins.within(&item.name.value, |o| target(source, item, o)),
                )
            })
            .collect()
    });
    match &options.include {
        Some(include) => origins.items("include", include),
        None => origins.note("include", None),
    }
    origins.items("exclude", &options.exclude);
    origins.note("events", options.events.as_ref().map(|events| &events.at));
    origins.items("hosts", options.hosts.as_deref().unwrap_or_default());
    let events = match &options.events {
        Some(events) => events.value.iter().map(|event| event.value).collect(),
        None => vec![
            EventName::Create,
            EventName::CloseWrite,
            EventName::Attrib,
            EventName::Move,
            EventName::Delete,
        ],
    };
    let include = match &options.include {
        Some(_) => globs(options.include.as_deref().unwrap_or_default()),
        None => Some(vec![values::Glob(defaults::INCLUDE.to_owned())]),
    };
    wire::Source {
        path: values::AbsolutePath(name::normalised(&source.path.value)),
        options: wire::SourceOptions {
            hosts: options.hosts.as_ref().map(|hosts| {
                hosts
                    .iter()
                    .map(|host| values::Host(host.value.clone()))
                    .collect()
            }),
            suspend: Some(origins.pick("suspend", options.suspend.as_ref(), false)),
            include,
            exclude: globs(&options.exclude),
            events: Some(events.into_iter().map(Event::Name).collect()),
            debounce: Some(debounce(&options.debounce, origins)),
            one_file_system: Some(origins.pick(
                "oneFileSystem",
                options.one_file_system.as_ref(),
                true,
            )),
            guard: Some(origins.within("guard", |origins| wire::SourceGuard {
                marker: origins.given("marker", options.guard.marker.as_ref()),
                allow_empty: Some(origins.pick(
                    "allowEmpty",
                    options.guard.allow_empty.as_ref(),
                    false,
                )),
                require_mount: Some(origins.pick(
                    "requireMount",
                    options.guard.require_mount.as_ref(),
                    false,
                )),
            })),
            rescan: Some(rescan(&options.rescan, origins)),
        },
        targets,
    }
}

pub(super) fn target(source: &Source, target: &Target, origins: &mut Origins<'_>) -> wire::Target {
    let options = &target.options;
    origins.note("url", Some(&target.url.at));
    let local = matches!(target.url.value.parts, UrlParts::Local { .. });
    let ssh = matches!(target.url.value.parts, UrlParts::Ssh { .. });
    let password = options.password.as_ref();
    let mut secret = |key: &str, name: Option<&String>| {
        let name = name?;
        origins.note(key, password.map(|password| &password.at));
        Some(name.clone())
    };
    let (mut file, mut credential, mut variable) = (None, None, None);
    match password.map(|password| &password.value) {
        Some(Secret::File(path)) => {
            file = secret("passwordFile", Some(path)).map(values::AbsolutePath)
        }
        Some(Secret::Credential(name)) => credential = secret("passwordCredential", Some(name)),
        Some(Secret::Env(name)) => variable = secret("passwordEnv", Some(name)),
        None => {}
    }
    origins.items("exclude", &options.exclude);
    if let Some(first) = options.windows.first() {
        origins.note("windows", Some(&first.at));
    }
    origins.note(
        "attributes",
        options.attributes.as_ref().map(|attributes| &attributes.at),
    );
    origins.items("rsyncArgs", &options.rsync_args);
    let attributes = match &options.attributes {
        Some(attributes) => attributes
            .value
            .iter()
            .map(|attribute| attribute.value)
            .collect(),
        None => vec![Attribute::Archive],
    };
    wire::Target {
        url: target.url.value.text.clone(),
        options: wire::TargetOptions {
            password_file: file,
            password_credential: credential,
            password_env: variable,
            ssh: ssh.then(|| access(target, origins)).flatten(),
            delete: Some(origins.pick("delete", options.delete.as_ref(), DeletePolicy::Never)),
            max_delete: origins
                .given("maxDelete", options.max_delete.as_ref())
                .map(|budget| match budget {
                    MaxDelete::Count(count) => {
                        values::MaxDelete::Count(u32::try_from(count).unwrap_or(u32::MAX))
                    }
                    MaxDelete::Share(share) => values::MaxDelete::Share(unit::written_share(share)),
                }),
            sync: Some(sync(options.sync.as_ref(), origins)),
            windows: (!options.windows.is_empty()).then(|| {
                options
                    .windows
                    .iter()
                    .map(|item| window(&item.value))
                    .collect()
            }),
            exclude: globs(&options.exclude),
            debounce: Some(debounce(
                &options.debounce.over(&source.options.debounce),
                origins,
            )),
            rescan: Some(rescan(
                &options.rescan.over(&source.options.rescan),
                origins,
            )),
            bandwidth: origins
                .given("bandwidth", options.bandwidth.as_ref())
                .map(|rate| values::Rate(unit::written_rate(rate))),
            warm: (!local).then(|| origins.pick("warm", options.warm.as_ref(), Warm::Auto)),
            compress: (!local)
                .then(|| origins.pick("compress", options.compress.as_ref(), Compress::None)),
            durability: Some(origins.pick(
                "durability",
                options.durability.as_ref(),
                Durability::None,
            )),
            attributes: Some(attributes),
            timeout: Some(duration(origins.pick(
                "timeout",
                options.timeout_ms.as_ref(),
                defaults::TIMEOUT_MS,
            ))),
            retry: Some(retry(&options.retry, origins)),
            rsync_args: (!options.rsync_args.is_empty()).then(|| {
                options
                    .rsync_args
                    .iter()
                    .map(|arg| values::RsyncArg(arg.value.clone()))
                    .collect()
            }),
            guard: local.then(|| {
                origins.within("guard", |origins| wire::TargetGuard {
                    require_mount: Some(origins.pick(
                        "requireMount",
                        options.require_mount.as_ref(),
                        false,
                    )),
                })
            }),
            hooks: hooks(&options.hooks, origins),
        },
    }
}

fn hooks(hooks: &Hooks, origins: &mut Origins<'_>) -> Option<wire::Hooks> {
    let mut one = |key: &'static str, hook: &Option<Hook>, otherwise: OnError| {
        let hook = hook.as_ref()?;
        Some(origins.within("hooks", |origins| {
            origins.within(key, |origins| {
                origins.items("run", &hook.run);
                let run = hook.run.iter();
                let timeout = hook.timeout_ms.as_ref();
                wire::Hook {
                    run: run.map(|word| values::Text(word.value.clone())).collect(),
                    timeout: Some(duration(origins.pick(
                        "timeout",
                        timeout,
                        defaults::HOOK_TIMEOUT_MS,
                    ))),
                    on_error: Some(origins.pick("onError", hook.on_error.as_ref(), otherwise)),
                }
            })
        }))
    };
    let written = wire::Hooks {
        before: one("before", &hooks.before, OnError::Fail),
        after: one("after", &hooks.after, OnError::Warn),
    };
    (written.before.is_some() || written.after.is_some()).then_some(written)
}

fn access(target: &Target, origins: &mut Origins<'_>) -> Option<wire::Ssh> {
    let ssh = &target.options.ssh;
    let path = |path: String| values::AbsolutePath(path);
    let written = origins.within("ssh", |origins| wire::Ssh {
        identity_file: origins
            .given("identityFile", ssh.identity_file.as_ref())
            .map(path),
        known_hosts_file: origins
            .given("knownHostsFile", ssh.known_hosts_file.as_ref())
            .map(path),
        jump: origins.given("jump", ssh.jump.as_ref()),
    });
    let any = written.identity_file.is_some()
        || written.known_hosts_file.is_some()
        || written.jump.is_some();
    any.then_some(written)
}

fn debounce(debounce: &Debounce, origins: &mut Origins<'_>) -> wire::Debounce {
    let (quiet, max_wait) = (debounce.quiet_ms.as_ref(), debounce.max_wait_ms.as_ref());
    let (quiet_ms, max_wait_ms) = defaults::bounds(
        quiet.map(|quiet| quiet.value),
        max_wait.map(|max_wait| max_wait.value),
        (defaults::QUIET_MS, defaults::MAX_WAIT_MS),
    );
    origins.within("debounce", |origins| wire::Debounce {
        quiet: Some(duration(origins.pick("quiet", quiet, quiet_ms))),
        max_wait: Some(duration(origins.pick("maxWait", max_wait, max_wait_ms))),
    })
}

fn retry(retry: &Retry, origins: &mut Origins<'_>) -> wire::Retry {
    let (initial, max) = (retry.initial_ms.as_ref(), retry.max_ms.as_ref());
    let (initial_ms, max_ms) = defaults::bounds(
        initial.map(|initial| initial.value),
        max.map(|max| max.value),
        (defaults::RETRY_INITIAL_MS, defaults::RETRY_MAX_MS),
    );
    origins.within("retry", |origins| wire::Retry {
        initial: Some(duration(origins.pick("initial", initial, initial_ms))),
        max: Some(duration(origins.pick("max", max, max_ms))),
    })
}

fn rescan(rescan: &crate::manifest::Rescan, origins: &mut Origins<'_>) -> Rescan {
    let when = rescan.when.as_ref();
    if let Some(Spanned {
        value: RescanWhen::Never,
        at,
    }) = when
    {
        origins.note("rescan", Some(at));
        // Nothing else can be written beside `never`, and nothing else holds but what is done at start.
        return Rescan::Never(Never::Never);
    }
    let jitter_default = if when.is_none() {
        defaults::RESCAN_JITTER_MS
    } else {
        0
    };
    Rescan::Times(origins.within("rescan", |origins| {
        let (schedule, every) = match when.map(|when| &when.value) {
            Some(RescanWhen::Every(period)) => (None, Some(duration(*period))),
            Some(RescanWhen::Schedule(schedule)) => (Some(values::Cron(schedule.clone())), None),
            _ => (
                Some(values::Cron(defaults::RESCAN_SCHEDULE.to_owned())),
                None,
            ),
        };
        origins.note(
            if every.is_some() { "every" } else { "schedule" },
            when.map(|when| &when.at),
        );
        let zone = schedule.is_some().then(|| {
            values::TimeZone(origins.pick(
                "timeZone",
                rescan.time_zone.as_ref(),
                defaults::TIME_ZONE.to_owned(),
            ))
        });
        RescanTimes {
            schedule,
            every,
            time_zone: zone,
            jitter: Some(duration(origins.pick(
                "jitter",
                rescan.jitter_ms.as_ref(),
                jitter_default,
            ))),
            compare: Some(origins.pick("compare", rescan.compare.as_ref(), Compare::Quick)),
            on_start: Some(origins.pick("onStart", rescan.on_start.as_ref(), OnStart::Auto)),
        }
    }))
}

fn sync(sync: Option<&Spanned<Sync>>, origins: &mut Origins<'_>) -> wire::Sync {
    origins.note("sync", sync.map(|sync| &sync.at));
    let (expression, period_ms, zone, jitter) = match sync.map(|sync| &sync.value) {
        None | Some(Sync::Live) => return wire::Sync::Live(Live::Live),
        Some(Sync::Schedule {
            expression,
            time_zone,
            jitter_ms,
        }) => (Some(expression), None, Some(time_zone), jitter_ms),
        Some(Sync::Every {
            period_ms,
            jitter_ms,
        }) => (None, Some(period_ms), None, jitter_ms),
    };
    wire::Sync::Times(origins.within("sync", |origins| SyncTimes {
        schedule: origins.given("schedule", expression).map(values::Cron),
        every: origins.given("every", period_ms).map(duration),
        time_zone: zone.map(|zone| {
            values::TimeZone(origins.pick(
                "timeZone",
                zone.as_ref(),
                defaults::TIME_ZONE.to_owned(),
            ))
        }),
        jitter: Some(duration(origins.pick("jitter", jitter.as_ref(), 0))),
    }))
}

fn window(window: &Window) -> wire::Window {
    use values::Day::{Fri, Mon, Sat, Sun, Thu, Tue, Wed};
    let times = values::Times(unit::written_window(window.from_min, window.to_min));
    let (allow, deny) = if window.allow {
        (Some(times), None)
    } else {
        (None, Some(times))
    };
    let days = [Mon, Tue, Wed, Thu, Fri, Sat, Sun];
    wire::Window {
        allow,
        deny,
        days: Some(
            days.into_iter()
                .zip(window.days)
                .filter(|(_, named)| *named)
                .map(|(day, _)| day)
                .collect(),
        ),
        time_zone: Some(values::TimeZone(
            window
                .time_zone
                .as_ref()
                .map_or(defaults::TIME_ZONE.to_owned(), |zone| zone.value.clone()),
        )),
    }
}

fn globs(globs: &[Spanned<String>]) -> Option<Vec<values::Glob>> {
    (!globs.is_empty()).then(|| {
        globs
            .iter()
            .map(|glob| values::Glob(glob.value.clone()))
            .collect()
    })
}

fn duration(ms: u64) -> values::Duration {
    values::Duration(unit::written_duration(ms))
}
