//! Defaults that nothing takes.
//!
//! A value keeps its place when it is merged into a source or a target, so that a default is in use where that place is
//! met again.

use std::collections::HashSet;

use super::document::Defaults;
use super::{Debounce, Hook, Rescan, Secret, SourceOptions, Spanned, TargetOptions};
use crate::diagnostic::{Code, Diagnostic, Place};

/// A key with the place of its value.
type Used<'a> = (&'static str, &'a Place);

/// One problem for each default that none of these has taken.
pub(super) fn defaults<'a>(
    defaults: &'a Defaults,
    sources: impl Iterator<Item = &'a SourceOptions>,
    targets: impl Iterator<Item = &'a TargetOptions>,
) -> Vec<Diagnostic> {
    let mut used = HashSet::new();
    for options in sources {
        used.extend(of_source(options).into_iter().map(|(_, at)| at));
    }
    for options in targets {
        used.extend(of_target(options).into_iter().map(|(_, at)| at));
    }
    let of_sources = of_source(&defaults.source).into_iter();
    let of_sources = of_sources.map(|one| (one, "source"));
    let of_targets = of_target(&defaults.target).into_iter();
    let all = of_sources.chain(of_targets.map(|one| (one, "target")));
    let unused = all.filter(|((_, at), _)| !used.contains(at));
    unused
        .map(|((key, at), what)| {
            let message = format!("no {what} takes the default `{key}`");
            Diagnostic::new(Code::UnusedDefault, message)
                .primary(
                    at,
                    format!("each {what} says it itself, or has no use for it"),
                )
                .help("remove it, or what overrides it")
        })
        .collect()
}

fn one<'a, T>(key: &'static str, value: &'a Option<Spanned<T>>) -> Option<Used<'a>> {
    value.as_ref().map(|value| (key, &value.at))
}

fn first<'a, T>(key: &'static str, values: &'a [Spanned<T>]) -> Option<Used<'a>> {
    values.first().map(|value| (key, &value.at))
}

fn of_source(options: &SourceOptions) -> Vec<Used<'_>> {
    let guard = &options.guard;
    let own = [
        first("hosts", options.hosts.as_deref().unwrap_or_default()),
        one("suspend", &options.suspend),
        first("include", options.include.as_deref().unwrap_or_default()),
        one("events", &options.events),
        one("oneFileSystem", &options.one_file_system),
        one("guard.marker", &guard.marker),
        one("guard.allowEmpty", &guard.allow_empty),
        one("guard.requireMount", &guard.require_mount),
    ];
    let own = own.into_iter().flatten().chain(excludes(&options.exclude));
    let times = debounce(&options.debounce).chain(rescan(&options.rescan));
    own.chain(times).collect()
}

fn of_target(options: &TargetOptions) -> Vec<Used<'_>> {
    let own = [
        options.password.as_ref().map(|secret| {
            let key = match &secret.value {
                Secret::File(_) => "passwordFile",
                Secret::Credential(_) => "passwordCredential",
                Secret::Env(_) => "passwordEnv",
            };
            (key, &secret.at)
        }),
        one("ssh.identityFile", &options.ssh.identity_file),
        one("ssh.knownHostsFile", &options.ssh.known_hosts_file),
        one("ssh.jump", &options.ssh.jump),
        one("delete", &options.delete),
        one("maxDelete", &options.max_delete),
        one("sync", &options.sync),
        first("windows", &options.windows),
        one("bandwidth", &options.bandwidth),
        one("warm", &options.warm),
        one("compress", &options.compress),
        one("attributes", &options.attributes),
        one("timeout", &options.timeout_ms),
        one("retry.initial", &options.retry.initial_ms),
        one("retry.max", &options.retry.max_ms),
        first("rsyncArgs", &options.rsync_args),
        one("guard.requireMount", &options.require_mount),
        hook("hooks.before", &options.hooks.before),
        hook("hooks.after", &options.hooks.after),
    ];
    let own = own.into_iter().flatten().chain(excludes(&options.exclude));
    let times = debounce(&options.debounce).chain(rescan(&options.rescan));
    own.chain(times).collect()
}

fn hook<'a>(key: &'static str, hook: &'a Option<Hook>) -> Option<Used<'a>> {
    hook.as_ref().map(|hook| (key, &hook.at))
}

/// Each counts for itself: they are joined, not replaced.
fn excludes(patterns: &[Spanned<String>]) -> impl Iterator<Item = Used<'_>> {
    patterns.iter().map(|pattern| ("exclude", &pattern.at))
}

fn debounce(debounce: &Debounce) -> impl Iterator<Item = Used<'_>> {
    let all = [
        one("debounce.quiet", &debounce.quiet_ms),
        one("debounce.maxWait", &debounce.max_wait_ms),
    ];
    all.into_iter().flatten()
}

fn rescan(rescan: &Rescan) -> impl Iterator<Item = Used<'_>> {
    let all = [
        one("rescan", &rescan.when),
        one("rescan.timeZone", &rescan.time_zone),
        one("rescan.jitter", &rescan.jitter_ms),
        one("rescan.compare", &rescan.compare),
        one("rescan.onStart", &rescan.on_start),
    ];
    all.into_iter().flatten()
}
