//! What is wrong within one file: its text, its structure, its values.

use super::{Entry, error, warning};
use crate::diagnostic::Code;

/// `H00` to `H03`, in the order of [`Code`].
pub(super) const ROWS: &[Entry] = &[
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
        "A manifest file may have 1 MiB, and stand for 5,000 routes; a document may have 100,000 patterns, and a \
         source or target 5,000, with those that come from `defaults`: more is a mistake or an attack. Split it into \
         several files of one directory.",
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
         spelling (keys are camelCase) or its indentation, or remove it. What is written below it is judged \
         once it has a name that is known.",
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
         at most 256 bytes in one line. There are at most 64.",
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
];
