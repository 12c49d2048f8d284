//! One route, field by field.

use super::change::Changes;
use super::{Class, Look, RouteDiff, deletes, written};
use crate::filter::Rule;
use crate::plan::explain::words;
use crate::plan::{Debounce, Hook, Hooks, Rescan, Retry, RoutePlan, Secret, SourcePlan, Target};
use crate::schedule::Window;

pub(super) fn added(new: &RoutePlan) -> RouteDiff {
    RouteDiff {
        class: Class::Add,
        changes: Vec::new(),
        look: Look::Everything,
        deletes: deletes::added(new),
    }
}

pub(super) fn removed() -> RouteDiff {
    RouteDiff {
        class: Class::Remove,
        changes: Vec::new(),
        look: Look::Nothing,
        deletes: Vec::new(),
    }
}

/// A route with its source, before and after; `of_source` is the source's class.
pub(super) fn changed(
    before: (&SourcePlan, &RoutePlan),
    after: (&SourcePlan, &RoutePlan),
    of_source: Class,
) -> RouteDiff {
    let (old, new) = (before.1, after.1);
    let mut out = Changes::default();
    place(&old.target, &new.target, &mut out);
    let elsewhere = out.class() >= Class::Resync;
    own(before, after, &mut out);
    let class = out.class().max(of_source);
    let added_triggers = {
        let (old, new) = (
            written::events(before.0.events),
            written::events(after.0.events),
        );
        new.iter().any(|name| !old.contains(name))
    };
    let look = match class {
        Class::Keep | Class::Retune => Look::Nothing,
        Class::Rescope if added_triggers => Look::Everything,
        Class::Rescope => Look::widened(&old.filter, &new.filter),
        _ => Look::Everything,
    };
    RouteDiff {
        class,
        changes: out.0,
        look,
        deletes: deletes::changed(before, after, elsewhere),
    }
}

/// Where the route leads, and how it gets in there.
fn place(old: &Target, new: &Target, out: &mut Changes) {
    use Class::{Resync, Retune};
    out.value(
        ("url", Resync),
        (&old.to_string(), &new.to_string()),
        String::clone,
    );
    let (old, new) = (Access::of(old), Access::of(new));
    let Access {
        password,
        identity_file,
        known_hosts_file,
        jump,
    } = old;
    let path = |path: &Option<&String>| path.cloned();
    out.optional(("password", Retune), (&password, &new.password), |secret| {
        secret.map(written::secret)
    });
    // On the far side a key may be bound to a directory of its own, and behind another jump host the same name may be
    // another machine.
    let files = (&identity_file, &new.identity_file);
    out.optional(("ssh.identityFile", Resync), files, path);
    let files = (&known_hosts_file, &new.known_hosts_file);
    out.optional(("ssh.knownHostsFile", Retune), files, path);
    out.optional(("ssh.jump", Resync), (&jump, &new.jump), path);
}

/// What a target's url does not show.
#[derive(Default)]
struct Access<'a> {
    password: Option<&'a Secret>,
    identity_file: Option<&'a String>,
    known_hosts_file: Option<&'a String>,
    jump: Option<&'a String>,
}

impl Access<'_> {
    fn of(target: &Target) -> Access<'_> {
        match target {
            Target::Daemon {
                // In the url, which has all of these.
                user: _,
                host: _,
                port: _,
                module: _,
                path: _,
                password,
            } => Access {
                password: password.as_ref(),
                ..Access::default()
            },
            Target::Ssh {
                user: _,
                host: _,
                port: _,
                path: _,
                identity_file,
                known_hosts_file,
                jump,
            } => Access {
                identity_file: identity_file.as_ref(),
                known_hosts_file: known_hosts_file.as_ref(),
                jump: jump.as_ref(),
                ..Access::default()
            },
            Target::Local { path: _ } => Access::default(),
        }
    }
}

/// Everything but the target's place.
fn own(
    (old_source, old): (&SourcePlan, &RoutePlan),
    (new_source, new): (&SourcePlan, &RoutePlan),
    out: &mut Changes,
) {
    use Class::{Rescope, Resync, Retune};
    let RoutePlan {
        // Who is compared was found by it.
        name: _,
        // Compared by `place`.
        target: _,
        // Its own excludes are compared here; the source's, and all includes, with the source.
        filter: _,
        delete,
        max_delete,
        sync,
        windows,
        debounce: Debounce {
            quiet_ms,
            max_wait_ms,
        },
        rescan: Rescan {
            schedule,
            compare,
            on_start,
        },
        bandwidth,
        compress,
        warm,
        durability,
        attributes,
        timeout_ms,
        retry: Retry { initial_ms, max_ms },
        rsync_args,
        require_mount,
        hooks: Hooks {
            before: hook_before,
            after: hook_after,
        },
    } = old;
    let rules = (own_excludes(old_source, old), own_excludes(new_source, new));
    out.list(("exclude", Rescope), rules, |rule| rule.pattern.clone());
    out.value(("delete", Resync), (delete, &new.delete), written::word);
    let budgets = (max_delete, &new.max_delete);
    out.value(("maxDelete", Retune), budgets, written::budget);
    out.value(("sync", Retune), (sync, &new.sync), written::sync);
    out.list(
        ("windows", Retune),
        (&windows[..], &new.windows[..]),
        |window: &Window| words::window(window),
    );
    let times = (quiet_ms, &new.debounce.quiet_ms);
    out.value(("debounce.quiet", Retune), times, written::duration);
    let times = (max_wait_ms, &new.debounce.max_wait_ms);
    out.value(("debounce.maxWait", Retune), times, written::duration);
    let schedules = (schedule, &new.rescan.schedule);
    out.value(("rescan", Retune), schedules, written::rescan);
    let words = (compare, &new.rescan.compare);
    out.value(("rescan.compare", Retune), words, written::word);
    let words = (on_start, &new.rescan.on_start);
    out.value(("rescan.onStart", Retune), words, written::word);
    let rates = (bandwidth, &new.bandwidth);
    out.optional(("bandwidth", Retune), rates, |rate| rate.map(words::rate));
    out.value(
        ("compress", Retune),
        (compress, &new.compress),
        written::word,
    );
    let flags = (warm, &new.warm);
    out.value(("warm", Retune), flags, |warm| {
        if *warm { "auto" } else { "off" }.to_owned()
    });
    let words = (durability, &new.durability);
    out.value(("durability", Retune), words, written::word);
    let (before, after) = (
        written::attributes(*attributes),
        written::attributes(new.attributes),
    );
    out.list(("attributes", Resync), (&before, &after), |name| {
        (*name).to_owned()
    });
    let times = (timeout_ms, &new.timeout_ms);
    out.value(("timeout", Retune), times, written::duration);
    let times = (initial_ms, &new.retry.initial_ms);
    out.value(("retry.initial", Retune), times, written::duration);
    let times = (max_ms, &new.retry.max_ms);
    out.value(("retry.max", Retune), times, written::duration);
    rsync_arguments(rsync_args, &new.rsync_args, out);
    let flags = (require_mount, &new.require_mount);
    out.value(("guard.requireMount", Retune), flags, written::flag);
    let hook = |hook: &Option<Hook>| hook.as_ref().map(words::hook);
    let hooks = (hook_before, &new.hooks.before);
    out.optional(("hooks.before", Retune), hooks, hook);
    let hooks = (hook_after, &new.hooks.after);
    out.optional(("hooks.after", Retune), hooks, hook);
}

/// The excludes of a route that are not its source's: they follow these.
fn own_excludes<'a>(source: &SourcePlan, route: &'a RoutePlan) -> &'a [Rule] {
    let inherited = source.filter.exclude.len();
    route.filter.exclude.get(inherited..).unwrap_or_default()
}

/// Those that only say how it is done change nothing on the target.
fn rsync_arguments(old: &[String], new: &[String], out: &mut Changes) {
    let shaping = |args: &[String]| -> Vec<String> {
        let shaping = args.iter().filter(|arg| shapes_the_target(arg));
        shaping.cloned().collect()
    };
    let class = if shaping(old) == shaping(new) {
        Class::Retune
    } else {
        Class::Resync
    };
    let joined = |args: &&[String]| (!args.is_empty()).then(|| args.join(" "));
    out.optional(("rsyncArgs", class), (&old, &new), joined);
}

/// Options that change neither what is on a target nor which target it is. An option that is not named here is taken to
/// do so: `partial-dir` and `delay-updates` keep a directory of that name out of the transfer, and `ipv4` may lead to
/// another host.
const ONLY_HOW: &[&str] = &[
    "fuzzy",
    "no-fuzzy",
    "whole-file",
    "no-whole-file",
    "fsync",
    "sparse",
    "preallocate",
    "block-size",
    "compress-level",
    "skip-compress",
    "checksum-choice",
];

/// Whether an rsync option has a say in what comes to be on the target.
pub(in crate::plan) fn shapes_the_target(arg: &str) -> bool {
    let name = arg.trim_start_matches('-');
    let name = name.split_once('=').map_or(name, |(name, _)| name);
    !ONLY_HOW.contains(&name)
}
