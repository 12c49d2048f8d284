//! rsync's options, word by word: what a manifest says for them.

use super::draft::{Draft, Target, What};
use super::patterns::{from_file, glob};
use super::place::Access;

/// What the options of one rsync come to.
#[derive(Debug, Default)]
pub struct Options {
    /// Keys of the target.
    pub target: Target,
    /// For its url.
    pub access: Access,
    /// Globs that are left out.
    pub exclude: Vec<String>,
    /// Whether nothing may be deleted, whatever `--delete` says: it is not known what is left out, or another option has a say in it.
    pub keeps_all: bool,
    /// Words that are no options: sources, and the destination at last.
    pub rest: Vec<String>,
    /// Of `-a`: l p t o g, and recursion.
    parts: String,
    archive: bool,
    recursive: bool,
    one_file_system: bool,
}

/// Options that need no word here, in their long form.
const NEEDLESS: &[&str] = &[
    "verbose",
    "quiet",
    "progress",
    "stats",
    "human-readable",
    "partial",
    "itemize-changes",
    "msgs2stderr",
    "no-motd",
    "info",
    "debug",
    "log-file",
    "log-file-format",
    "out-format",
    "recursive",
    "times",
    "contimeout",
    "daemon-timeout",
    "blocking-io",
    "outbuf",
    "no-inc-recursive",
    "inc-recursive",
    "modify-window",
    "force",
    "delete-missing-args",
    "from0",
    "protect-args",
    "secluded-args",
    "8-bit-output",
    "sockopts",
    "temp-dir",
];

/// Options that a manifest takes as `rsyncArgs`.
const KEPT: &[&str] = &[
    "chmod",
    "chown",
    "usermap",
    "groupmap",
    "iconv",
    "partial-dir",
    "block-size",
    "compress-level",
    "skip-compress",
    "checksum-choice",
    "fuzzy",
    "no-fuzzy",
    "whole-file",
    "no-whole-file",
    "delay-updates",
    "fsync",
    "sparse",
    "preallocate",
    "ipv4",
    "ipv6",
];

/// Options with a value that may be the next word.
const VALUED: &[&str] = &[
    "bwlimit",
    "timeout",
    "contimeout",
    "port",
    "password-file",
    "rsh",
    "exclude",
    "exclude-from",
    "include",
    "include-from",
    "filter",
    "max-delete",
    "rsync-path",
    "files-from",
    "compare-dest",
    "copy-dest",
    "link-dest",
    "backup-dir",
    "suffix",
    "temp-dir",
    "log-file",
    "out-format",
    "log-file-format",
    "chmod",
    "chown",
    "iconv",
    "partial-dir",
    "block-size",
    "max-size",
    "min-size",
    "address",
    "sockopts",
    "info",
    "debug",
    "modify-window",
    "compress-level",
    "skip-compress",
    "usermap",
    "groupmap",
    "checksum-choice",
    "compress-choice",
];

impl Options {
    /// Reads the words behind `rsync`.
    pub fn read(words: &[String], line: usize, draft: &mut Draft) -> Options {
        let mut options = Options::default();
        let mut words = words.iter();
        while let Some(word) = words.next() {
            if let Some(long) = word.strip_prefix("--").filter(|long| !long.is_empty()) {
                let (name, mut value) = match long.split_once('=') {
                    Some((name, value)) => (name, Some(value.to_owned())),
                    None => (long, None),
                };
                if value.is_none() && VALUED.contains(&name) {
                    value = words.next().cloned();
                }
                options.long(name, value.as_deref(), line, draft);
            } else if word.starts_with('-') && word.len() > 1 {
                for (at, letter) in word[1..].char_indices() {
                    // These take the rest of the word, or the next one.
                    if let Some(name) = match letter {
                        'e' => Some("rsh"),
                        'f' => Some("filter"),
                        'T' => Some("temp-dir"),
                        'B' => Some("block-size"),
                        _ => None,
                    } {
                        let rest = &word[1 + at + 1..];
                        let value = match rest.is_empty() {
                            true => words.next().cloned(),
                            false => Some(rest.trim_start_matches('=').to_owned()),
                        };
                        options.long(name, value.as_deref(), line, draft);
                        break;
                    }
                    options.short(letter, line, draft);
                }
            } else {
                options.rest.push(word.clone());
            }
        }
        options.end(line, draft);
        options
    }

    fn short(&mut self, letter: char, line: usize, draft: &mut Draft) {
        let name = match letter {
            'a' => {
                self.archive = true;
                return;
            }
            'r' => {
                self.recursive = true;
                return;
            }
            'l' | 'p' | 't' | 'o' | 'g' => {
                self.parts.push(letter);
                return;
            }
            'v' | 'q' | 'h' | 'P' | 'i' | 's' | '0' => return,
            'D' => "devices",
            'A' => "acls",
            'X' => "xattrs",
            'H' => "hard-links",
            'z' => "compress",
            'W' => "whole-file",
            'S' => "sparse",
            'x' => "one-file-system",
            'y' => "fuzzy",
            '4' => "ipv4",
            '6' => "ipv6",
            'u' => "update",
            'c' => "checksum",
            'n' => "dry-run",
            'R' => "relative",
            'L' => "copy-links",
            'b' => "backup",
            'C' => "cvs-exclude",
            'd' => "dirs",
            'F' => "filter",
            other => {
                draft.note(
                    line,
                    What::Decide,
                    format!("`-{other}`"),
                    "not known here: left out",
                );
                return;
            }
        };
        self.long(name, None, line, draft);
    }

    /// One option by its long name.
    pub fn long(&mut self, name: &str, value: Option<&str>, line: usize, draft: &mut Draft) {
        let written = match value {
            Some(value) if name != "rsh" => format!("`--{name}={value}`"),
            _ => format!("`--{name}`"),
        };
        let target = &mut self.target;
        let number = value.and_then(|value| value.parse::<u64>().ok());
        let mut note = |what, is: &str| draft.note(line, what, written.clone(), is);
        match name {
            "archive" => self.archive = true,
            "links" => self.parts.push('l'),
            "perms" => self.parts.push('p'),
            "owner" => self.parts.push('o'),
            "group" => self.parts.push('g'),
            "delete" | "delete-before" | "delete-during" | "delete-delay" | "delete-after" | "del" => target.mirror = true,
            "delete-excluded" => {
                target.mirror = true;
                note(What::Changed, "what is excluded is protected on the target, and never deleted");
            }
            "ignore-errors" => note(
                What::Changed,
                "left out: with it, what lies in a directory that cannot be read is deleted",
            ),
            "max-delete" => match number {
                Some(count) => {
                    target.max_delete = Some(count);
                    note(What::Changed, "`maxDelete`: above it nothing is deleted at all, and the route is held");
                }
                None => note(What::Decide, "no number: left out"),
            },
            "acls" => target.attributes.push("acls"),
            "xattrs" => target.attributes.push("xattrs"),
            "hard-links" => target.attributes.push("hardLinks"),
            "devices" | "specials" => target.attributes.push("devices"),
            "numeric-ids" => target.attributes.push("numericIds"),
            "compress" | "compress-choice" => target.compress = true,
            "one-file-system" => self.one_file_system = true,
            "bwlimit" => match value.and_then(kib) {
                Some(0) => {}
                Some(rate) => {
                    target.bandwidth_kib = Some(rate);
                    note(What::Mapped, "`bandwidth`");
                }
                None => note(What::Decide, "not read: left out, so that nothing limits it; set `bandwidth`"),
            },
            "timeout" => match number {
                Some(0) => {}
                Some(seconds) => {
                    target.timeout_s = Some(seconds);
                    note(What::Mapped, "`timeout`");
                }
                None => note(What::Decide, "no number: left out"),
            },
            "port" => match value.and_then(|value| value.parse().ok()) {
                Some(port) => self.access.port = Some(port),
                None => note(What::Decide, "no port: left out"),
            },
            "password-file" => match value {
                Some(file) if file.starts_with('/') => {
                    target.password_file = Some(file.to_owned());
                    note(What::Mapped, "`passwordFile`: mode 600, the password alone in it, owned by who runs heliostat");
                }
                Some(file) if file.starts_with("<(") => draft.note(
                    line,
                    What::Refused,
                    "`--password-file`",
                    "a password stands in the script: put it into a file of mode 0600, and change it, as it was readable here",
                ),
                _ => note(What::Refused, "not an absolute path: where the password is cannot be known; write it from `/`"),
            },
            "rsh" => self.rsh(value.unwrap_or_default(), line, draft),
            "exclude" => match value.map(glob) {
                Some(Some(glob)) => {
                    note(What::Mapped, &format!("`exclude: {glob:?}`"));
                    self.exclude.push(glob);
                }
                _ => {
                    self.keeps_all = true;
                    note(What::Decide, "not a pattern that is read here: left out, and so `delete` is `never`; write it as `exclude`");
                }
            },
            "exclude-from" => {
                let path = value.unwrap_or_default();
                self.keeps_all |= !from_file(path, &written, line, &mut self.exclude, draft);
            }
            "include" | "include-from" | "filter" | "cvs-exclude" | "files-from" | "max-size" | "min-size" => {
                self.keeps_all = true;
                note(
                    What::Decide,
                    "what it leaves out is not known here: all is sent, and so `delete` is `never`; write it as `exclude` or `include`",
                );
            }
            "update" => note(
                What::Decide,
                "left out: it keeps a file that is newer on the target, and here the target becomes as the source is; what is changed there must be excluded",
            ),
            "existing" | "ignore-existing" | "append" | "append-verify" | "size-only" | "ignore-times" => {
                note(What::Decide, "left out: the target becomes as the source is");
            }
            "inplace" => note(What::Changed, "a file is wholly its old or its new version at every moment"),
            "checksum" => note(What::Changed, "each changed file is sent by its content; for full passes write `rescan: {compare: checksum}`"),
            "dry-run" => {
                self.keeps_all = true;
                let is = "left out, and so `delete` is `never`: `heliostat run --dry-run` shows what would be done";
                note(What::Changed, is);
            }
            "remove-source-files" => note(What::Decide, "left out: heliostat changes nothing in a source"),
            "relative" | "dirs" => {
                self.keeps_all = true;
                let is = "left out, and so `delete` is `never`: the source's contents are sent, with all that is in it, and not the path to it";
                note(What::Decide, is);
            }
            "copy-links" | "copy-unsafe-links" | "copy-dirlinks" | "keep-dirlinks" | "safe-links" => {
                note(What::Decide, "left out: symlinks are sent as symlinks");
            }
            "backup" | "backup-dir" | "suffix" | "link-dest" | "compare-dest" | "copy-dest" => {
                self.keeps_all = true;
                let is = "left out, and so `delete` is `never`: earlier versions are not kept here; snapshots of the target can keep them";
                note(What::Decide, is);
            }
            name if KEPT.contains(&name) => {
                target.rsync_args.push(match value {
                    Some(value) => format!("--{name}={value}"),
                    None => format!("--{name}"),
                });
            }
            name if NEEDLESS.contains(&name) => {}
            name if name.starts_with("no-d") || name.starts_with("no-r") => {
                self.keeps_all = true;
                note(What::Decide, "left out, and so `delete` is `never`");
            }
            name if name.starts_with("no-") => note(What::Decide, "left out: attributes are kept as `attributes` says"),
            _ => note(What::Decide, "not known here: left out"),
        }
    }

    /// `ssh -p 2222 -i /key`.
    pub fn rsh(&mut self, command: &str, line: usize, draft: &mut Draft) {
        let words: Vec<&str> = command.split_whitespace().collect();
        let Some((program, rest)) = words.split_first() else {
            return;
        };
        self.access.shell = true;
        if program.rsplit('/').next() == Some("sshpass") {
            draft.note(
                line,
                What::Refused,
                "`sshpass`",
                "a password stands in the command: make a key with `ssh-keygen`, name it as `identityFile`, and change the password",
            );
            return;
        }
        if program.rsplit('/').next() != Some("ssh") {
            draft.note(
                line,
                What::Decide,
                format!("the remote shell `{program}`"),
                "left out: ssh is used",
            );
        }
        let mut rest = rest.iter();
        while let Some(word) = rest.next() {
            let (flag, joined) = word.split_at(word.len().min(2));
            let mut value = || match joined.is_empty() {
                true => rest.next().copied().unwrap_or_default(),
                false => joined,
            };
            match flag {
                "-p" => self.access.ssh_port = value().parse().ok(),
                "-i" => self.target.identity_file = Some(value().to_owned()),
                "-l" => self.access.user = Some(value().to_owned()),
                "-J" => self.target.jump = Some(value().to_owned()),
                "-o" => self.ssh_option(value(), line, draft),
                "-q" | "-T" | "-x" | "-4" | "-6" | "-a" | "-C" => {}
                _ => draft.note(line, What::Decide, format!("ssh's `{word}`"), "left out"),
            }
        }
    }

    fn ssh_option(&mut self, option: &str, line: usize, draft: &mut Draft) {
        let (name, value) = option.split_once('=').unwrap_or((option, ""));
        match name {
            "Port" => self.access.ssh_port = value.parse().ok(),
            "User" => self.access.user = Some(value.to_owned()),
            "IdentityFile" => self.target.identity_file = Some(value.to_owned()),
            "ProxyJump" => self.target.jump = Some(value.to_owned()),
            "UserKnownHostsFile" if value != "/dev/null" => {
                self.target.known_hosts_file = Some(value.to_owned());
            }
            "UserKnownHostsFile" | "StrictHostKeyChecking" => draft.note(
                line,
                What::Changed,
                format!("ssh's `{name}={value}`"),
                "left out: the host's key must be known; `ssh-keyscan HOST` into a file for `knownHostsFile`",
            ),
            "BatchMode" | "ConnectTimeout" | "ControlMaster" | "ControlPath" | "ControlPersist" | "Compression"
            | "ServerAliveInterval" | "ServerAliveCountMax" | "LogLevel" => {}
            _ => draft.note(line, What::Decide, format!("ssh's `{name}`"), "left out"),
        }
    }

    fn end(&mut self, line: usize, draft: &mut Draft) {
        let has = |part: char| self.archive || self.parts.contains(part);
        let missing: Vec<&str> = [
            ('l', "links"),
            ('p', "perms"),
            ('t', "times"),
            ('o', "owner"),
            ('g', "group"),
        ]
        .into_iter()
        .filter_map(|(part, name)| (!has(part)).then_some(name))
        .collect();
        if !missing.is_empty() && (self.archive || self.recursive || !self.parts.is_empty()) {
            draft.note(
                line,
                What::Changed,
                format!("`-{}{}`", if self.recursive { "r" } else { "" }, self.parts),
                format!("`attributes: [archive]` also keeps {}", missing.join(", ")),
            );
        }
        let attributes = &mut self.target.attributes;
        if !attributes.is_empty() {
            attributes.sort_unstable();
            attributes.dedup();
            attributes.insert(0, "archive");
        }
        if !self.one_file_system && (self.archive || self.recursive) {
            draft.note(
                line,
                What::Changed,
                "without `-x`",
                "mounts below the source are left out, and protected on the target; `oneFileSystem: false` takes them in",
            );
        }
    }
}

/// rsync's rate in KiB a second: `1000`, `500k`, `1.5m`.
fn kib(text: &str) -> Option<u64> {
    let unit = text.trim_start_matches(|c: char| c.is_ascii_digit() || c == '.');
    let number: f64 = text[..text.len() - unit.len()].parse().ok()?;
    let factor = match unit.to_ascii_lowercase().as_str() {
        "" | "k" | "kib" => 1.0,
        "kb" => 1000.0 / 1024.0,
        "m" | "mib" => 1024.0,
        "mb" => 1_000_000.0 / 1024.0,
        "g" | "gib" => 1024.0 * 1024.0,
        _ => return None,
    };
    Some((number * factor).round() as u64)
}
