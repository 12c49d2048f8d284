//! One command line of rsync, as data.
//!
//! Every option is spelled out: an alias in `~/.popt` for `-a` was seen to delete the source. Nothing passes a shell.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::PathBuf;

use secrecy::SecretString;

use super::super::batch::{Act, Entry};
use super::super::temporary;
use super::steps::Step;
use crate::filter::{Filter, Verdict};
use crate::plan::{Attributes, Compare, Compress, Durability, RoutePlan, SourcePlan, Target};

/// A program with its arguments, environment and standard input.
#[derive(Debug)]
pub struct Invocation {
    /// Absolute.
    pub program: PathBuf,
    /// Without the program's name.
    pub arguments: Vec<OsString>,
    /// All of it.
    pub environment: Vec<(&'static str, OsString)>,
    /// The peer's password, for the environment.
    pub password: Option<SecretString>,
    /// The list of paths.
    pub input: Vec<u8>,
    /// Whether the program itself speaks to the peer over TCP: see [`quickack`](super::quickack).
    pub connects: bool,
    /// Whether a process of its group carries the lasting connection, and is left running when all went well.
    pub lasts: bool,
}

/// How far a run may go in deleting.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Leave {
    /// The policy is `never`: no option that deletes is given.
    Never,
    /// Everything but the deletions is done; that there would be some is reported.
    None,
    /// One listed path may leave if it is a file, link or empty directory.
    One,
    /// Nothing is done; everything that would be deleted is reported.
    Count,
    /// So many entries, which were counted before.
    Counted(u64),
}

/// What the arguments of a run follow from.
#[derive(Clone, Copy)]
pub struct Orders<'a> {
    /// From.
    pub source: &'a SourcePlan,
    /// To, and how.
    pub route: &'a RoutePlan,
    /// The route's filter.
    pub filter: &'a Filter,
    /// Bytes a second where the route has no limit of its own.
    pub bandwidth: Option<u64>,
    /// Whether the batch is a few small files: see [`Orders::tells_timeout`].
    pub small: bool,
}

/// rsync prints one line an entry: what happened (11 characters), bytes on the wire, name. The name last: it may have `|`.
pub const OUT_FORMAT: &str = "%i|%b|%n";
/// The option that says so. What is started has a mark before the format: see [`Invocation::marked`].
const OUT_FORMAT_OPTION: &str = "--out-format=";

impl Invocation {
    /// The arguments with this mark before every line about an entry. It is another one for each run, and rsync keeps it to
    /// itself: the far side is told no more of the format than `%i`.
    pub fn marked(&self, mark: &str) -> Vec<OsString> {
        let format = format!("{OUT_FORMAT_OPTION}{OUT_FORMAT}");
        let put = |argument: &OsString| match *argument == *format {
            true => format!("{OUT_FORMAT_OPTION}{mark}{OUT_FORMAT}").into(),
            false => argument.clone(),
        };
        self.arguments.iter().map(put).collect()
    }
}

impl Orders<'_> {
    /// The arguments of a run, `kind`'s own options and the destination included.
    pub fn arguments(
        &self,
        step: &Step,
        leave: Leave,
        kind: Vec<String>,
        destination: &str,
    ) -> Vec<OsString> {
        let mut all: Vec<OsString> = Vec::with_capacity(40);
        let mut push = |argument: &str| all.push(argument.into());
        metadata(self.route.attributes, &mut push);
        push(if step.recurse {
            "--recursive"
        } else {
            "--no-recursive"
        });
        deletions(step, leave, &mut push);
        if step.pass.is_none() {
            push("--from0");
            push("--files-from=-");
        } else {
            push("--stats");
        }
        // The receiver compares nanoseconds; by default rsync compares seconds, and a second edit within one stays unseen.
        push("--modify-window=-1");
        match step.pass {
            Some(Compare::Checksum) => push("--checksum"),
            _ if !step.trust => push("--ignore-times"),
            _ => {}
        }
        if self.source.one_file_system {
            push("--one-file-system");
        }
        if self.tells_timeout() {
            push(&format!("--timeout={}", seconds(self.route.timeout_ms)));
        } else {
            push("--whole-file");
        }
        if let Some(bytes) = self.route.bandwidth.or(self.bandwidth) {
            // KiB a second; 0 would mean no limit.
            push(&format!("--bwlimit={}", bytes.div_ceil(1024).max(1)));
        }
        match self.route.compress {
            Compress::None => {}
            Compress::Auto => push("--compress"),
            Compress::Zstd => push("--compress-choice=zstd"),
            Compress::Lz4 => push("--compress-choice=lz4"),
            Compress::Zlib => push("--compress-choice=zlibx"),
        }
        for option in ["--no-motd", "--no-human-readable"] {
            push(option);
        }
        if step.pass.is_some() && leave != Leave::Count {
            push("--info=progress2");
        }
        let args = &self.route.rsync_args;
        if self.route.durability != Durability::None && !args.iter().any(|arg| arg == "--fsync") {
            push("--fsync");
        }
        push(&format!("{OUT_FORMAT_OPTION}{OUT_FORMAT}"));
        for argument in self.route.rsync_args.iter().chain(&kind) {
            push(argument);
        }
        all.push(format!("--filter={}", temporary::rsync_rule()).into());
        if only_root_attributes(step) {
            all.push("--filter=- /*".into());
        }
        all.extend(self.passes(step));
        all.extend(
            self.filter
                .rsync_rules()
                .into_iter()
                .map(|rule| format!("--filter={rule}").into()),
        );
        all.push("--".into());
        all.push(format!("{}/", self.source.path.trim_end_matches('/')).into());
        all.push(destination.into());
        all
    }

    /// Whether rsync itself is told the route's timeout. The daemon answers it with a small packet of its own, behind
    /// which its next one waits for a delayed acknowledgement: 40 ms for a change that takes 12 (measured). A small batch
    /// goes without, and its watchdog ends it after the same time; it is sent whole, so that the far side has nothing to
    /// read for which it would be silent. With a large one it may well be, and only its keep-alives tell.
    pub fn tells_timeout(&self) -> bool {
        !(self.small && matches!(self.route.target, Target::Daemon { .. }))
    }

    /// rsync takes a missing path for a file. A removed directory that belongs only as the way to what is included would
    /// so be protected by the filter: it gets a rule of its own, before all others.
    fn passes(&self, step: &Step) -> Vec<OsString> {
        let removals = step
            .entries
            .iter()
            .filter(|entry| entry.act == Act::Remove)
            .map(|entry| entry.path.as_bytes());
        let needy =
            removals.filter(|path| self.filter.decide(path, false).verdict != Verdict::Included);
        needy
            .map(|path| [&b"--filter=+ /"[..], &literal(path)].concat())
            .map(OsString::from_vec)
            .collect()
    }
}

/// Whether a run is for the root's own attributes. rsync has no way to name the root without what is directly in it: a
/// rule hides that. With anything else in the list there would be no such entry, since the root's attributes go along.
fn only_root_attributes(step: &Step) -> bool {
    let own = |entry: &Entry| entry.path.is_root() && entry.act == Act::Attributes;
    matches!(&step.entries[..], [entry] if own(entry))
}

/// A path as a pattern that matches only itself: rsync knows backslashes only in patterns that have a wildcard.
fn literal(path: &[u8]) -> Vec<u8> {
    let wild = |byte: &u8| matches!(byte, b'*' | b'?' | b'[');
    if !path.iter().any(wild) {
        return path.to_vec();
    }
    path.iter()
        .flat_map(|byte| {
            if wild(byte) || *byte == b'\\' {
                vec![b'\\', *byte]
            } else {
                vec![*byte]
            }
        })
        .collect()
}

fn metadata(attributes: Attributes, push: &mut impl FnMut(&str)) {
    let Attributes {
        archive,
        acls,
        xattrs,
        hard_links,
        devices,
        numeric_ids,
    } = attributes;
    let archive_options: &[&str] = if archive {
        &["--links", "--perms", "--times", "--owner", "--group"]
    } else {
        &["--times"]
    };
    archive_options.iter().for_each(|option| push(option));
    for (wanted, options) in [
        (devices, &["--devices", "--specials"][..]),
        (hard_links, &["--hard-links"]),
        (acls, &["--acls"]),
        (xattrs, &["--xattrs"]),
        (numeric_ids, &["--numeric-ids"]),
    ] {
        if wanted {
            options.iter().for_each(|option| push(option));
        }
    }
}

fn deletions(step: &Step, leave: Leave, push: &mut impl FnMut(&str)) {
    if leave == Leave::Count {
        push("--dry-run");
    }
    if leave == Leave::Never || !step.delete {
        return;
    }
    match leave {
        // Nothing may go, so when it would go does not matter: but `--delete-after` needs the whole list first, and costs
        // a change 45 ms to a daemon that gathers small packets (measured: 60 ms instead of 14 ms).
        Leave::None => push("--delete-during"),
        // Without it a directory that is not empty stays whole, so that nothing is half deleted before it was counted.
        Leave::One => {}
        // After everything: a read error that comes late still stops them.
        _ => push("--delete-after"),
    }
    if step.pass.is_none() {
        push("--delete-missing-args");
    }
    match leave {
        Leave::One => push("--max-delete=1"),
        Leave::None => push("--max-delete=0"),
        Leave::Counted(count) => {
            push("--force");
            push(&format!("--max-delete={count}"));
        }
        Leave::Count => push("--force"),
        Leave::Never => {}
    }
}

/// rsync counts in whole seconds; 0 would mean for ever.
pub fn seconds(milliseconds: u64) -> u64 {
    milliseconds.div_ceil(1000).max(1)
}

/// The list for `--from0 --files-from=-`. Each entry begins with `./`: names beginning with `#` or `;` would be dropped.
///
/// A slash at the end is what makes rsync look into a directory without entering those in it, deletions included
/// (measured, 3.5). It also makes it follow a link that has taken the directory's place since it was looked at, as it does
/// with links above any listed path; 3.5 refuses links of other users there, and the mark of the swap puts the rest right.
pub fn list(step: &Step) -> Vec<u8> {
    if step.pass.is_some() {
        return Vec::new();
    }
    let size = step
        .entries
        .iter()
        .map(|entry| entry.path.as_bytes().len() + 4)
        .sum();
    let mut list = Vec::with_capacity(size);
    for entry in &step.entries {
        list.extend_from_slice(b"./");
        list.extend_from_slice(entry.path.as_bytes());
        if entry.act == Act::Listing && !entry.path.is_root() {
            list.push(b'/');
        }
        list.push(0);
    }
    list
}

/// Arguments as one line for a shell, for people to read and copy.
pub fn shell_line<'a>(words: impl Iterator<Item = &'a OsStr>) -> String {
    let mut line = String::new();
    for word in words {
        if !line.is_empty() {
            line.push(' ');
        }
        line.push_str(&shell_word(word.as_bytes()));
    }
    line
}

fn shell_word(word: &[u8]) -> String {
    let plain = |byte: &u8| byte.is_ascii_alphanumeric() || b"-_=./:@,%+|".contains(byte);
    let text = String::from_utf8_lossy(word);
    if !word.is_empty() && word.iter().all(plain) && !word.contains(&b'|') {
        return text.into_owned();
    }
    if text.contains(char::is_control) {
        return format!("$'{}'", crate::engine::escape(word).replace('\'', "\\'"));
    }
    format!("'{}'", text.replace('\'', "'\\''"))
}
