//! What shows only where sources and targets are held against each other, and what is probably not meant.

use super::{Entry, error, warning};
use crate::diagnostic::Code;

/// `H04`, in the order of [`Code`].
pub(super) const ROWS: &[Entry] = &[
    error(
        Code::DuplicateSource,
        "H0401",
        "a source's name is used twice",
        "Names are the identity in status, history and reload, and unique over all files. Rename one of the \
         sources.",
    ),
    error(
        Code::TargetInsideSource,
        "H0402",
        "a target lies inside its source",
        "What is sent would be seen as a change and sent again, without an end. Move the target out of the \
         source.",
    ),
    error(
        Code::SourceInsideTarget,
        "H0403",
        "a source lies inside its target",
        "The target's deletions or overwritten files would hit the source itself. Move one out of the other.",
    ),
    error(
        Code::TwoDeletingRoutes,
        "H0404",
        "two routes delete in the same target",
        "Each of them would delete what the other one sends. Give them separate directories, or set `delete: \
         never` on one.",
    ),
    error(
        Code::TargetIsRoot,
        "H0405",
        "a target is the root directory",
        "Nothing is mirrored onto `/`. Name a directory below it.",
    ),
    warning(
        Code::SharedTarget,
        "H0406",
        "two routes write to the same target",
        "Neither deletes, but where both have a path of the same name the last one wins.",
    ),
    warning(
        Code::ModifyWithoutCloseWrite,
        "H0407",
        "`modify` without `closeWrite`",
        "Files are sent while they are still being written. Add `closeWrite`, or leave `events` out.",
    ),
    warning(
        Code::MirrorWithoutDelete,
        "H0408",
        "`delete: mirror` without the event `delete`",
        "Deletions do not trigger a transfer; a rescan still makes them. Add `delete` to `events` to have \
         them sent at once.",
    ),
    warning(
        Code::UnknownHost,
        "H0409",
        "a host that is never met",
        "No source runs on this host. Check its name against the `hosts` of the sources.",
    ),
    warning(
        Code::NoRoutes,
        "H0410",
        "nothing to do on this host",
        "All sources are suspended or belong to other hosts.",
    ),
    warning(
        Code::MaxDeleteWithoutDelete,
        "H0411",
        "`maxDelete` without deletions",
        "`delete` is `never`, so the limit has no effect. Remove it, or set `delete`.",
    ),
    warning(
        Code::IncludeNothing,
        "H0412",
        "a pattern that can never match",
        "A pattern is hidden by another one: exclude always wins.",
    ),
    error(
        Code::LiveMayNotLag,
        "H0413",
        "a live route may not lag",
        "`sync: live` with a schedule of its own, or a debounce longer than its rescan. Use `sync: {schedule: \
         …}` to gather changes.",
    ),
    error(
        Code::DebounceOrder,
        "H0414",
        "`maxWait` is shorter than `quiet`",
        "A batch leaves after `quiet` without a change, and at the latest after `maxWait`. The latter cannot \
         be the shorter one.",
    ),
    error(
        Code::HostFact,
        "H0415",
        "a fact of the host is missing",
        "The plan needs the host's name or one of its labels. Set it in the agent file, or with `--host`.",
    ),
    warning(
        Code::DeleteWithoutMaxDelete,
        "H0416",
        "deletions without `maxDelete`",
        "Without it a single pass may delete up to half of the target before it is held, which is far more than \
         most sources ever lose in a day. Say how much is normal, for instance `maxDelete: 10%`; above it the \
         route waits for `heliostat approve`.",
    ),
    warning(
        Code::DangerousSsh,
        "H0417",
        "an ssh option that gives the protection away",
        "A key or a list of known hosts in a directory where everybody may write can be replaced by anybody, and \
         an empty list knows no host. Keep both where only root may write, for instance in `/etc/heliostat/ssh`.",
    ),
    warning(
        Code::SecretInSource,
        "H0418",
        "a secret is sent with the source",
        "The file with the password or the key lies in the source and is not excluded, so that every target gets \
         a copy. Exclude it, or keep it elsewhere.",
    ),
    warning(
        Code::PlainText,
        "H0419",
        "an rsync daemon at a public address",
        "The rsync protocol is neither encrypted nor does it know whom it talks to: whoever is on the way reads \
         the files. Use `ssh://`, or a tunnel, and the tunnel's address.",
    ),
    warning(
        Code::SchedulesOverlap,
        "H0420",
        "schedules that overlap",
        "A jitter as long as the schedule's own period lets one time slide into the next; and a full pass that is \
         due whenever the gathered changes are sent makes that sending needless. Shorten the jitter, or move one \
         of them.",
    ),
    warning(
        Code::ScheduleOutsideWindows,
        "H0421",
        "a schedule that fires in closed windows only",
        "Every time of the schedule falls where the windows let no transfer start: it always waits until they open, \
         so that the schedule says something else than what happens. Move one of them; mind their time zones.",
    ),
    warning(
        Code::UnusedDefault,
        "H0422",
        "a default that nothing takes",
        "Every source or target of the manifest says this itself, or has a scheme for which it means nothing. Remove \
         it, or what overrides it.",
    ),
    warning(
        Code::NothingIncluded,
        "H0423",
        "everything is excluded",
        "An exclude matches every path, so that nothing is ever sent. Remove it; `include` says what belongs to a \
         source.",
    ),
    error(
        Code::BadAllow,
        "H0424",
        "a lint that cannot be allowed",
        "`metadata.allow` takes names of lints that warn, each with the reason why it is meant here. `heliostat \
         explain lints` lists them. What can lose data is an error and cannot be allowed.",
    ),
    warning(
        Code::HookWithoutTimeout,
        "H0425",
        "a hook without a timeout",
        "While a hook runs, nothing else is sent to its target. Without `timeout` it is ended after 30 seconds, which \
         may be too short for what it does, or far too long for what others wait for. Say how long it may last.",
    ),
];
