//! The closed list of rsync options that a target may add, each with the form of its value.
//!
//! Whatever decides *which* paths are sent or deleted, how the far side is reached, or where files are kept is not
//! among them: heliostat builds its promises on these, so that they have keys of their own. Those are named in the
//! message.

use super::reading::{Reading, nearest};
use super::yaml::Node;
use super::{Spanned, name};
use crate::diagnostic::{Code, Diagnostic};

/// What an option takes.
enum Takes {
    Nothing,
    /// A value: what it is, and whether a text is one.
    Value(&'static str, fn(&str) -> bool),
}

/// Name without dashes, and what it takes.
const ALLOWED: &[(&str, Takes)] = &[
    (
        "chmod",
        Takes::Value("modes such as `D755,F644` or `u=rwX,go=rX`", chmod),
    ),
    (
        "chown",
        Takes::Value("`USER:GROUP`", |text| word(text, ".-_:*")),
    ),
    (
        "usermap",
        Takes::Value("`FROM:TO`, several with commas", |text| {
            text.contains(':') && word(text, ".-_:,*")
        }),
    ),
    (
        "groupmap",
        Takes::Value("`FROM:TO`, several with commas", |text| {
            text.contains(':') && word(text, ".-_:,*")
        }),
    ),
    (
        "iconv",
        Takes::Value("`LOCAL,REMOTE` character sets", |text| {
            text != "-" && word(text, ".-_,")
        }),
    ),
    ("fuzzy", Takes::Nothing),
    ("no-fuzzy", Takes::Nothing),
    ("whole-file", Takes::Nothing),
    ("no-whole-file", Takes::Nothing),
    (
        "partial-dir",
        Takes::Value(
            "one directory's name, which is made where a file is received",
            directory,
        ),
    ),
    ("delay-updates", Takes::Nothing),
    ("fsync", Takes::Nothing),
    ("sparse", Takes::Nothing),
    ("preallocate", Takes::Nothing),
    (
        "block-size",
        Takes::Value("a number of bytes up to 131072", |text| {
            number(text, 1, 131_072)
        }),
    ),
    (
        "compress-level",
        Takes::Value("a number from 0 to 22", |text| number(text, 0, 22)),
    ),
    (
        "skip-compress",
        Takes::Value("suffixes such as `gz/jpg/mp4`", |text| word(text, "/[]-_.")),
    ),
    (
        "checksum-choice",
        Takes::Value("an algorithm such as `xxh128`", |text| word(text, ",-_")),
    ),
    ("ipv4", Takes::Nothing),
    ("ipv6", Takes::Nothing),
];

/// Options that are not taken, with what is there instead.
const INSTEAD: &[(&[&str], &str)] = &[
    (
        &[
            "a",
            "archive",
            "A",
            "acls",
            "X",
            "xattrs",
            "H",
            "hard-links",
            "D",
            "devices",
            "specials",
            "l",
            "links",
            "p",
            "perms",
            "t",
            "times",
            "o",
            "owner",
            "g",
            "group",
            "numeric-ids",
            "E",
            "executability",
            "U",
            "atimes",
            "N",
            "crtimes",
        ],
        "use `attributes`",
    ),
    (
        &[
            "delete",
            "del",
            "delete-before",
            "delete-during",
            "delete-delay",
            "delete-after",
            "delete-excluded",
            "delete-missing-args",
            "force",
            "ignore-errors",
        ],
        "use `delete`",
    ),
    (&["max-delete"], "use `maxDelete`"),
    (
        &[
            "exclude",
            "exclude-from",
            "include",
            "include-from",
            "f",
            "filter",
            "F",
            "C",
            "cvs-exclude",
            "files-from",
            "from0",
            "0",
            "max-size",
            "min-size",
            "prune-empty-dirs",
            "m",
            "existing",
            "ignore-existing",
            "u",
            "update",
        ],
        "use `exclude` and `include`",
    ),
    (&["x", "one-file-system"], "use `oneFileSystem`"),
    (
        &["e", "rsh", "rsync-path", "blocking-io"],
        "use an `ssh://` url and `ssh`",
    ),
    (&["password-file"], "use `passwordFile`"),
    (&["port", "address"], "put it into the `url`"),
    (&["bwlimit"], "use `bandwidth`"),
    (
        &[
            "z",
            "compress",
            "compress-choice",
            "zc",
            "old-compress",
            "new-compress",
        ],
        "use `compress`",
    ),
    (
        &[
            "timeout",
            "contimeout",
            "stop-after",
            "stop-at",
            "time-limit",
        ],
        "use `timeout`",
    ),
    (
        &[
            "c",
            "checksum",
            "I",
            "ignore-times",
            "size-only",
            "modify-window",
            "@",
        ],
        "use `rescan: {compare: checksum}`",
    ),
    (&["n", "dry-run"], "use `heliostat run --dry-run`"),
    (
        &[
            "v",
            "verbose",
            "i",
            "itemize-changes",
            "P",
            "progress",
            "stats",
            "info",
            "debug",
            "log-file",
            "log-file-format",
            "out-format",
            "q",
            "quiet",
            "h",
            "human-readable",
        ],
        "heliostat logs by itself; see `heliostat status`",
    ),
    (&["partial"], "use `--partial-dir=NAME`"),
    (
        &["inplace", "append", "append-verify", "write-devices"],
        "a file on the target would be half its old and half its new version",
    ),
    (
        &["remove-source-files"],
        "heliostat never removes anything from a source",
    ),
    (
        &[
            "L",
            "copy-links",
            "k",
            "copy-dirlinks",
            "K",
            "keep-dirlinks",
            "copy-unsafe-links",
            "safe-links",
            "munge-links",
        ],
        "symlinks are sent as they are",
    ),
    (
        &[
            "b",
            "backup",
            "backup-dir",
            "suffix",
            "compare-dest",
            "copy-dest",
            "link-dest",
        ],
        "keep versions on the target's side, for instance with snapshots",
    ),
    (
        &["T", "temp-dir"],
        "files are written beside their final names, so that they can be renamed",
    ),
    (
        &["r", "recursive", "R", "relative", "d", "dirs", "no-r"],
        "heliostat decides which directories are walked",
    ),
];

/// `rsyncArgs: [--chmod=D755,F644, --fsync]`.
pub(super) fn rsync_args(
    reading: &mut Reading<'_>,
    key: &str,
    node: &Node,
) -> Option<Vec<Spanned<String>>> {
    let args = reading.list(key, node, |reading, item| arg(reading, key, item))?;
    for (index, arg) in args.iter().enumerate() {
        let option = |arg: &Spanned<String>| {
            let bare = arg.value.split('=').next().unwrap_or_default();
            bare.trim_start_matches("--")
                .trim_start_matches("no-")
                .to_owned()
        };
        if let Some(first) = args[..index]
            .iter()
            .find(|first| option(first) == option(arg))
        {
            reading.report(
                Diagnostic::new(
                    Code::DuplicateItem,
                    format!("`--{}` is listed twice", option(arg)),
                )
                .primary(&arg.at, "remove one of them")
                .secondary(&first.at, "first listed here"),
            );
        }
    }
    Some(args)
}

fn arg(reading: &mut Reading<'_>, key: &str, node: &Node) -> Option<Spanned<String>> {
    let text = reading.text(key, node)?;
    match check(&text.value) {
        Ok(()) => Some(text),
        Err((code, message, label)) => {
            reading.wrong(code, &text.at, message, label);
            None
        }
    }
}

/// Code, message and label of what is wrong with an option.
type Refusal = (Code, String, String);

fn check(text: &str) -> Result<(), Refusal> {
    let refuse = |message: String, label: &str| Err((Code::RsyncArg, message, label.to_owned()));
    let Some(long) = text.strip_prefix("--") else {
        let Some(short) = text.strip_prefix('-').and_then(|rest| rest.chars().next()) else {
            return refuse(
                format!("`{text}` is not an rsync option"),
                "write `--name` or `--name=value`, with quotes if there is a comma in it",
            );
        };
        let label = instead(&short.to_string()).unwrap_or("write options in their long form");
        return refuse(format!("rsync's `-{short}` is not allowed"), label);
    };
    let (name, value) = long
        .split_once('=')
        .map_or((long, None), |(name, value)| (name, Some(value)));
    let Some((_, takes)) = ALLOWED.iter().find(|(allowed, _)| *allowed == name) else {
        let negated = name.strip_prefix("no-").unwrap_or(name);
        let label = match instead(negated) {
            Some(instead) => instead.to_owned(),
            None if name.contains(' ') => "write `--name=value`".to_owned(),
            None => match nearest(name, ALLOWED.iter().map(|(allowed, _)| *allowed)) {
                Some(allowed) => format!("did you mean `--{allowed}`?"),
                None => "not one of the options that are taken".to_owned(),
            },
        };
        return refuse(format!("rsync's `--{name}` is not allowed"), &label);
    };
    match (takes, value) {
        (Takes::Nothing, None) => Ok(()),
        (Takes::Nothing, Some(_)) => {
            let message = format!("rsync's `--{name}` takes no value");
            Err((Code::RsyncArgValue, message, format!("write `--{name}`")))
        }
        (Takes::Value(_, fits), Some(value)) if fits(value) => Ok(()),
        (Takes::Value(what, _), _) => Err((
            Code::RsyncArgValue,
            format!("rsync's `--{name}` takes {what}"),
            format!("write `--{name}=…`"),
        )),
    }
}

fn instead(name: &str) -> Option<&'static str> {
    INSTEAD
        .iter()
        .find(|(names, _)| names.contains(&name))
        .map(|(_, instead)| *instead)
}

/// Letters, digits and these; not empty, no leading dash.
fn word(text: &str, also: &str) -> bool {
    !text.is_empty()
        && !text.starts_with('-')
        && text
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || also.contains(c))
}

fn number(text: &str, least: u32, most: u32) -> bool {
    text.bytes().all(|byte| byte.is_ascii_digit())
        && text
            .parse()
            .is_ok_and(|number| (least..=most).contains(&number))
}

/// A relative name stays with its file, and rsync protects it from deletion by itself.
fn directory(text: &str) -> bool {
    name::credential(text)
}

/// Comma-separated; each optionally `D` or `F`, then octal or symbolic.
fn chmod(text: &str) -> bool {
    let symbolic = |mode: &str| {
        let Some(operator) = mode.find(['+', '-', '=']) else {
            return false;
        };
        mode[..operator].chars().all(|c| "ugoa".contains(c))
            && mode[operator..].chars().all(|c| "+-=rwxXstugo".contains(c))
    };
    let octal = |mode: &str| {
        (3..=4).contains(&mode.len()) && mode.bytes().all(|byte| (b'0'..=b'7').contains(&byte))
    };
    text.split(',').all(|mode| {
        let mode = mode.strip_prefix(['D', 'F']).unwrap_or(mode);
        octal(mode) || symbolic(mode)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_changes_how_files_are_written_is_taken() {
        for text in [
            "--chmod=D755,F644",
            "--chmod=u=rwX,go=rX",
            "--chmod=ug+s",
            "--chown=www-data:www-data",
            "--chown=:web",
            "--iconv=UTF-8,ISO-8859-1",
            "--fuzzy",
            "--whole-file",
            "--no-whole-file",
            "--partial-dir=.rsync-partial",
            "--delay-updates",
            "--fsync",
            "--usermap=0-99:nobody,*:web",
            "--block-size=4096",
            "--ipv6",
        ] {
            assert_eq!(check(text), Ok(()), "{text}");
        }
    }

    #[test]
    fn what_has_a_key_of_its_own_names_it() {
        for (text, key) in [
            ("--delete", "`delete`"),
            ("--delete-excluded", "`delete`"),
            ("--max-delete=3", "`maxDelete`"),
            ("--exclude=x", "`exclude`"),
            ("--files-from=/x", "`exclude`"),
            ("-e", "`ssh`"),
            ("--rsh=sh", "`ssh`"),
            ("--rsync-path=sudo rsync", "`ssh`"),
            ("--password-file=/x", "`passwordFile`"),
            ("-avz", "`attributes`"),
            ("--no-perms", "`attributes`"),
            ("--bwlimit=1", "`bandwidth`"),
            ("--checksum", "`rescan"),
            ("--inplace", "half its old"),
            ("--remove-source-files", "never removes"),
            ("--backup-dir=/x", "versions"),
            ("--fuzy", "`--fuzzy`"),
            ("--daemon", "not one of"),
            ("--config=/x", "not one of"),
            ("fsync", "`--name`"),
            ("--", "not one of"),
            ("-", "`--name`"),
            ("--chmod D755", "`--name=value`"),
            ("-M--fake-super", "long form"),
        ] {
            let (code, message, label) = check(text).unwrap_err();
            assert_eq!(code, Code::RsyncArg, "{text}");
            assert!(label.contains(key), "{text}: {message}: {label}");
        }
    }

    #[test]
    fn values_are_typed() {
        for text in [
            "--chmod",
            "--chmod=",
            "--chmod=999",
            "--chmod=rwx",
            "--chmod=+x;rm",
            "--fsync=1",
            "--partial-dir=/tmp/x",
            "--partial-dir=..",
            "--partial-dir=a/b",
            "--chown=a b",
            "--iconv=-",
            "--iconv=.,$x",
            "--block-size=0",
            "--block-size=999999999999",
            "--compress-level=-1",
            "--usermap=x",
        ] {
            assert_eq!(
                check(text).map_err(|(code, ..)| code),
                Err(Code::RsyncArgValue),
                "{text}"
            );
        }
    }
}
