//! What there is to say about each code, in one table.

use super::Severity::{Error, Warning};
use super::{Code, Entry};

/// Every code, in the order of [`Code`].
pub const REGISTRY: &[Entry] = &[
    error(
        Code::UnreadableFile,
        "H0001",
        "a manifest cannot be read",
        "The file does not exist, may not be read, or is not a regular file. Name a manifest file or a \
         directory of `*.yaml` and `*.yml` files that the caller may read.",
    ),
    error(
        Code::NotUtf8,
        "H0002",
        "a manifest is not UTF-8",
        "Manifests are UTF-8 text. Convert the file, for instance with `iconv -f latin1 -t utf-8`.",
    ),
    error(
        Code::TooLarge,
        "H0003",
        "a manifest is too large",
        "A manifest file may have 1 MiB: more is a mistake or an attack. Split it into several files of one \
         directory.",
    ),
    error(
        Code::TooDeep,
        "H0004",
        "a manifest is nested too deeply",
        "Values may be nested 64 levels deep, far more than any key needs. Look for brackets that were never \
         closed.",
    ),
    error(
        Code::YamlSyntax,
        "H0005",
        "a manifest is not valid YAML",
        "The text breaks YAML's own rules, so nothing of this document can be read. The caret shows where the \
         reader gave up; the mistake is there or just before it. Values that begin with `*`, `&`, `!`, `%`, \
         `@` or contain `: ` need quotes.",
    ),
    error(
        Code::YamlTab,
        "H0006",
        "a tab is used for indentation",
        "YAML is indented with spaces only. Replace the tab by spaces.",
    ),
    error(
        Code::YamlAlias,
        "H0007",
        "an alias or an anchor is used",
        "`*name` and `&name` are YAML aliases and anchors, which manifests do not have: what is shared \
         belongs under `defaults`. A glob such as `*.rs` or a schedule such as `*/5 * * * *` must be quoted: \
         `\"*.rs\"`.",
    ),
    error(
        Code::YamlTag,
        "H0008",
        "a tag is used",
        "`!name` is a YAML tag; manifests do not have them. Quote the value if it is meant to begin with `!`.",
    ),
    error(
        Code::DuplicateKey,
        "H0009",
        "a key is given twice",
        "Each key may be given once in a mapping. Most YAML readers would silently take the last one; remove \
         or merge one of them.",
    ),
    error(
        Code::MergeKey,
        "H0010",
        "a merge key is used",
        "`<<` is not part of manifests. Put what sources or targets share under `defaults`.",
    ),
    error(
        Code::YamlKey,
        "H0011",
        "a key is not a plain text",
        "Keys are single words or quoted texts, not lists, mappings or empty.",
    ),
    error(
        Code::NoManifest,
        "H0012",
        "there is no manifest",
        "No document was found in the given files. Write one with `heliostat init SOURCE URL`.",
    ),
    error(
        Code::TooManyProblems,
        "H0013",
        "too many problems",
        "The rest of the problems was left out, because nobody reads so many. Fix those that are shown and \
         validate again.",
    ),
    error(
        Code::YamlDirective,
        "H0014",
        "a YAML directive is used",
        "`%YAML` and `%TAG` are not part of manifests. Remove the line.",
    ),
    error(
        Code::ApiVersion,
        "H0101",
        "`apiVersion` is missing or unknown",
        "The first key of each document is `apiVersion: heliostat/v1`. It says how the rest is to be read.",
    ),
    error(
        Code::Kind,
        "H0102",
        "`kind` is missing or unknown",
        "A document is a `kind: Manifest` (sources and targets) or, in the file given with `--agent`, a \
         `kind: Agent` (settings of the host).",
    ),
    error(
        Code::MissingField,
        "H0103",
        "a required field is missing",
        "Some fields have no default: a manifest's `sources`, a source's `path` and `targets`, a target's \
         `url`. Add it.",
    ),
    error(
        Code::WrongType,
        "H0104",
        "a value has the wrong type",
        "The field takes another kind of value: a text, a number, `true` or `false`, a list or a mapping.",
    ),
    error(
        Code::UnknownField,
        "H0105",
        "unknown field",
        "The key is not one that a manifest has at this place. Nothing is ignored silently: correct its \
         spelling (keys are camelCase) or its indentation, or remove it.",
    ),
    error(
        Code::UnknownValue,
        "H0106",
        "unknown value",
        "The field takes one of a fixed set of words. Use one of those in the message.",
    ),
    error(
        Code::Empty,
        "H0107",
        "a value is empty",
        "The field was given without a value, or as an empty text, list or mapping. Give it a value or remove \
         the key.",
    ),
    error(
        Code::DuplicateItem,
        "H0108",
        "an item is listed twice",
        "A list names the same thing twice. Remove one of them.",
    ),
    error(
        Code::NotSupported,
        "H0109",
        "not supported yet",
        "The key is part of the manifest's language, but this version does not carry it out. It is refused \
         rather than ignored: remove it, or use a later version.",
    ),
    error(
        Code::BadName,
        "H0201",
        "a name is not a DNS label",
        "Names of sources and targets appear in status, metrics and file names: 1 to 63 lower-case letters, \
         digits and `-`, neither beginning nor ending with `-`.",
    ),
    error(
        Code::BadDuration,
        "H0202",
        "a duration cannot be read",
        "Durations have units: `250ms`, `30s`, `5m`, `1h30m`, `2d`.",
    ),
    error(
        Code::BadSize,
        "H0203",
        "a size or a rate cannot be read",
        "Sizes have units (`4KiB`, `10MB`), and rates are sizes a second (`40MiB/s`).",
    ),
    error(
        Code::BadPercentage,
        "H0204",
        "a count or a percentage cannot be read",
        "`maxDelete` is a whole number of entries (`500`) or a percentage (`10%`).",
    ),
    error(
        Code::BadTime,
        "H0205",
        "a time of day cannot be read",
        "Times are quoted and have two digits each: `\"22:30\"`; a window is `\"22:30-05:00\"`.",
    ),
    error(
        Code::RelativePath,
        "H0206",
        "a path is not absolute",
        "The service has no working directory that a relative path could mean. Write the path from `/`.",
    ),
    error(
        Code::BadPath,
        "H0207",
        "a path cannot be used",
        "Paths have no `..` and no control characters: what they mean must be plain to see.",
    ),
    error(
        Code::OutOfRange,
        "H0208",
        "a value is out of range",
        "The value is smaller or larger than what can be carried out. The message names the bounds.",
    ),
    error(
        Code::BadLabel,
        "H0209",
        "a label cannot be used",
        "Label keys begin with a letter and consist of letters, digits, `_`, `-` and `.`; values are texts of \
         at most 256 bytes in one line.",
    ),
    error(
        Code::BadText,
        "H0210",
        "a text holds characters that cannot be used",
        "Control characters and line breaks have no place in this value.",
    ),
    error(
        Code::ScheduleAndEvery,
        "H0211",
        "`schedule` and `every` exclude each other",
        "`schedule` is crontab(5) on the wall clock of a time zone; `every` is a fixed period. A rescan or a \
         sync has one of them: remove the other.",
    ),
    error(
        Code::Exclusive,
        "H0212",
        "fields exclude each other",
        "Only one of these fields can be given at a time. Remove the others.",
    ),
    error(
        Code::NeedsOther,
        "H0213",
        "a field needs another one",
        "The field has a meaning only together with another one. Add that one, or remove this.",
    ),
    error(
        Code::BadCron,
        "H0214",
        "a schedule cannot be read",
        "Schedules are the five fields of crontab(5): minute, hour, day of month, month, day of week; or a \
         name such as `@daily`.",
    ),
    error(
        Code::CronNeverFires,
        "H0215",
        "a schedule never fires",
        "No date matches the schedule, as in `0 0 30 2 *`. Correct the day or the month.",
    ),
    error(
        Code::UnknownTimeZone,
        "H0216",
        "an unknown time zone",
        "Time zones are IANA names such as `Europe/Berlin` or `UTC`.",
    ),
    error(
        Code::BadGlob,
        "H0217",
        "a pattern cannot be read",
        "Patterns are globs: `*` stays within a name, `**` crosses directories, `?`, `[a-z]`, `{a,b}`.",
    ),
    error(
        Code::GlobNamesSource,
        "H0218",
        "a pattern begins with the source's own path",
        "Patterns are relative to the source: a leading `/` means the source's root, not the host's.",
    ),
    error(
        Code::BadSubstitution,
        "H0219",
        "a substitution cannot be made",
        "In `url` and `path`: `${source}`, `${target}`, `${host}` and `${labels.X}` for a label that the \
         manifest or the host has. Nothing else is substituted, and the environment is not consulted.",
    ),
    error(
        Code::WindowsNeverOpen,
        "H0220",
        "the windows never open",
        "Taken together the windows let no transfer start at any time of the week.",
    ),
    error(
        Code::BadUrl,
        "H0301",
        "a url cannot be read",
        "A target is `rsync://user@host:port/module/path` (a daemon), `ssh://user@host:port/absolute/path` or \
         `file:///absolute/path`. IPv6 addresses are put in brackets.",
    ),
    error(
        Code::UnknownScheme,
        "H0302",
        "unknown scheme",
        "A target's url begins with `rsync://`, `ssh://` or `file://`.",
    ),
    error(
        Code::InlinePassword,
        "H0303",
        "a password is written in the manifest",
        "Manifests are kept in git and shown in listings. Put the password into a file that only its owner \
         may read and name it: `passwordFile: /etc/heliostat/secrets/NAME`; or use `passwordCredential` \
         (systemd) or `passwordEnv`. Consider the password to be known and change it.",
    ),
    error(
        Code::PercentEncoding,
        "H0304",
        "a url is percent-encoded",
        "`%20` and the like are not decoded, neither here nor by rsync: write the characters themselves, and \
         quote the url.",
    ),
    error(
        Code::WrongScheme,
        "H0305",
        "an option does not fit the url's scheme",
        "The option has no effect on this kind of target: passwords belong to `rsync://`, `ssh` to `ssh://`, \
         `guard.requireMount` to `file://`, `durability: full` too, compression and `rsyncArgs` to what rsync carries. Nothing is \
         ignored silently: remove the option or correct the url.",
    ),
    error(
        Code::RsyncArg,
        "H0306",
        "an rsync option is not allowed",
        "`rsyncArgs` takes a closed list of options. What touches file lists, deletions, remote shells, files \
         or daemons has a key of its own in the manifest, because heliostat must know of it to keep its \
         promises.",
    ),
    error(
        Code::RsyncArgValue,
        "H0307",
        "an rsync option's value cannot be used",
        "The option needs a value of another form, or takes none.",
    ),
    warning(
        Code::PasswordWithoutUser,
        "H0308",
        "a password without a user",
        "The url names no user, so rsync logs in as `nobody`. Write `rsync://USER@host/module`.",
    ),
    error(
        Code::SshOption,
        "H0309",
        "an ssh option cannot be used",
        "ssh takes values that begin with `-` for options of its own, and a jump host is `user@host:port`.",
    ),
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
];

const fn error(
    code: Code,
    id: &'static str,
    title: &'static str,
    explanation: &'static str,
) -> Entry {
    Entry {
        code,
        id,
        severity: Error,
        title,
        explanation,
    }
}

const fn warning(
    code: Code,
    id: &'static str,
    title: &'static str,
    explanation: &'static str,
) -> Entry {
    Entry {
        code,
        id,
        severity: Warning,
        title,
        explanation,
    }
}
