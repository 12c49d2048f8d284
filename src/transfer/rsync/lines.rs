//! One line of rsync's output, understood.
//!
//! Pure: bytes in, [`Line`] out. The texts are rsync 3.4's and 3.5's in the C locale; what is not known comes out as
//! [`Line::Other`], and then nothing is taken for done.
//!
//! Names are escaped by rsync: a control byte or invalid UTF-8 is `\#ooo`, and a backslash before `#` and three digits
//! is itself escaped, so undoing it is exact. Quotes are not escaped: a name ends at the line's last quote.

use crate::engine::escape;

/// Of a line that is kept for people, more is not shown: it may be a far side's, and go into status, log and history. rsync's
/// own are shorter, unless they name a path, and those are understood.
const SHOWN_MAX: usize = 1024;

/// Of what failed, and of why: a few words each, and there may be one for every path.
const REASON_MAX: usize = 160;

/// What a line says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Line {
    /// An entry was dealt with.
    Item(Item),
    /// A directory stays on the target: something protected or unlisted is in it, or nothing may be deleted.
    Kept(Vec<u8>),
    /// A directory on the target stands where something else should be.
    Blocked(Vec<u8>),
    /// A special file (or a link, where links are not kept) is left out.
    LeftOut(Vec<u8>),
    /// It was there when listed, and no more when read.
    Vanished(Vec<u8>),
    /// Changed while it was read; rsync tries it again by itself, or has given it up.
    Unsteady(Vec<u8>),
    /// Something failed with a path.
    Failed(Failed),
    /// The fence stopped so many deletions.
    Fence(u64),
    /// A read error stopped all deletions.
    DeletionSkipped,
    /// A number of the statistics.
    Number(Number, u64),
    /// So many entries of so many are dealt with; of a list that still grows, so many are known.
    Progress {
        /// Dealt with.
        done: u64,
        /// Known.
        total: u64,
    },
    /// Says nothing that other lines do not.
    Known,
    /// rsync's closing line, or a daemon's or ssh's refusal: what the exit code says in words.
    Closing(String),
    /// Anything else.
    Other(String),
}

/// An itemised entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Item {
    /// What happened.
    pub did: Did,
    /// Bytes on the wire.
    pub bytes: u64,
    /// Its name under the root, without slash at the end.
    pub name: Vec<u8>,
    /// A directory of which nothing but the time differs: something in it was changed.
    pub only_time: bool,
}

/// What happened to an entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Did {
    /// New on the target.
    Created,
    /// Sent.
    Changed,
    /// Only its attributes changed.
    Attributes,
    /// Left the target.
    Deleted,
}

/// A path that failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failed {
    /// As rsync wrote it, its escapes undone: absolute on the sender; relative or absolute on the receiver.
    pub path: Vec<u8>,
    /// Whether the sender says so.
    pub sender: bool,
    /// Whether rsync surely spoke of the temporary file that stands in for it; it may have done so anywhere.
    pub temporary: bool,
    /// What failed, for people: `mkstemp: permission denied`.
    pub reason: String,
    /// Whether the reason is that it is not there, or no longer what it was when it was listed.
    pub missing: bool,
}

impl Failed {
    fn at(path: Vec<u8>, reason: &str) -> Failed {
        Failed {
            path,
            sender: false,
            temporary: false,
            reason: reason.to_string(),
            missing: false,
        }
    }
}

/// A number of the statistics.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Number {
    /// Entries in the source's scope, its root and what is left out included.
    Listed,
    /// Of which devices and special files.
    Special,
    /// Of which symlinks.
    Links,
    /// New on the target.
    Created,
    /// Deleted.
    Deleted,
}

/// Understands a line of rsync's own, without its newline. A line of statistics may have several numbers.
pub fn read(line: &[u8]) -> Vec<Line> {
    match item(line.strip_suffix(b"\r").unwrap_or(line)) {
        Some(item) => vec![Line::Item(item)],
        None => read_said(line),
    }
}

/// Understands a line that may be the far side's: whatever it looks like, it is no entry that was dealt with.
pub fn read_said(line: &[u8]) -> Vec<Line> {
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    let text = String::from_utf8_lossy(line);
    if let Some(numbers) = numbers(&text) {
        return numbers;
    }
    vec![message(line, &text)]
}

fn item(line: &[u8]) -> Option<Item> {
    let (what, rest) = (line.get(..11)?, line.get(11..)?.strip_prefix(b"|")?);
    let cut = rest.iter().position(|byte| *byte == b'|')?;
    let bytes = std::str::from_utf8(&rest[..cut]).ok()?.parse().ok()?;
    let did = match what {
        b"*deleting  " => Did::Deleted,
        _ if !b"<>ch.".contains(&what[0]) || !b"fdLDS".contains(&what[1]) => return None,
        _ if what.ends_with(b"+++++++++") => Did::Created,
        _ if what[0] == b'.' => Did::Attributes,
        _ => Did::Changed,
    };
    let name = unescape(&rest[cut + 1..]);
    let name = name.strip_suffix(b"/").unwrap_or(&name);
    let name = name.strip_prefix(b"./").unwrap_or(name);
    let flags = &what[2..];
    let time = |flag: &u8| matches!(flag, b'.' | b't' | b' ');
    let only_time = did == Did::Attributes && what[1] == b'd' && flags.iter().all(time);
    Some(Item {
        did,
        bytes,
        only_time,
        name: if name == b"." {
            Vec::new()
        } else {
            name.to_vec()
        },
    })
}

/// Undoes rsync's `\#ooo`.
pub fn unescape(bytes: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        if let [
            b'\\',
            b'#',
            a @ b'0'..=b'3',
            b @ b'0'..=b'7',
            c @ b'0'..=b'7',
            ..,
        ] = &bytes[at..]
        {
            out.push((a - b'0') << 6 | (b - b'0') << 3 | (c - b'0'));
            at += 5;
        } else {
            out.push(bytes[at]);
            at += 1;
        }
    }
    out
}

/// `--info=progress2`: `  1234  20%  1.00kB/s    0:00:01 (xfr#1, to-chk=299/301)`; `ir-chk` while the list grows.
fn progress(text: &str) -> Option<Line> {
    let text = text.trim(); // a line that is shorter than the one before it is filled up with blanks
    let mut words = text.split_whitespace();
    words.next()?.parse::<u64>().ok()?;
    words.next()?.strip_suffix('%')?.parse::<u64>().ok()?;
    words.next()?.strip_suffix("B/s")?;
    let Some((_, counts)) = text.split_once("-chk=") else {
        return Some(Line::Known);
    };
    let (left, total) = counts.strip_suffix(')')?.split_once('/')?;
    let (left, total): (u64, u64) = (left.parse().ok()?, total.parse().ok()?);
    Some(Line::Progress {
        done: total.saturating_sub(left),
        total,
    })
}

fn numbers(text: &str) -> Option<Vec<Line>> {
    const SILENT: [&str; 10] = [
        "Number of regular files transferred: ",
        "Total file size: ",
        "Total transferred file size: ",
        "Literal data: ",
        "Matched data: ",
        "File list ",
        "Total bytes ",
        "sent ",
        "total size is ",
        "Number of ",
    ];
    if text.is_empty() {
        return Some(vec![Line::Known]);
    }
    if let Some(progress) = progress(text) {
        return Some(vec![progress]);
    }
    let first = |rest: &str| rest.split([' ', '(']).next()?.parse::<u64>().ok();
    if let Some(rest) = text.strip_prefix("Number of files: ") {
        let part = |name: &str| {
            first(
                rest.split(name)
                    .nth(1)?
                    .trim_end_matches(')')
                    .split([',', ')'])
                    .next()?,
            )
        };
        let special = part("dev: ").unwrap_or(0) + part("special: ").unwrap_or(0);
        return Some(vec![
            Line::Number(Number::Listed, first(rest)?),
            Line::Number(Number::Special, special),
            Line::Number(Number::Links, part("link: ").unwrap_or(0)),
        ]);
    }
    if let Some(rest) = text.strip_prefix("Number of created files: ") {
        return Some(vec![Line::Number(Number::Created, first(rest)?)]);
    }
    if let Some(rest) = text.strip_prefix("Number of deleted files: ") {
        return Some(vec![Line::Number(Number::Deleted, first(rest)?)]);
    }
    let silent = |prefix: &&str| {
        text.strip_prefix(*prefix)
            .is_some_and(|rest| rest.contains(|c: char| c.is_ascii_digit()))
    };
    SILENT.iter().any(silent).then(|| vec![Line::Known])
}

fn message(line: &[u8], text: &str) -> Line {
    let after = |prefix: &str| line.strip_prefix(prefix.as_bytes());
    if let Some(name) = after("cannot delete non-empty directory: ") {
        return Line::Kept(unescape(name));
    }
    if let Some(rest) = after("could not make way for ")
        && let Some(cut) = find(rest, b": ")
    {
        return Line::Blocked(unescape(&rest[cut + 2..]));
    }
    if let Some(name) = after("skipping non-regular file ") {
        return Line::LeftOut(unescape(strip_quotes(name)));
    }
    for prefix in [
        "skipping daemon-excluded file ",
        "skipping daemon-excluded directory ",
        "ERROR: daemon refused to receive file ",
        "ERROR: daemon refused to receive directory ",
    ] {
        if let Some(name) = after(prefix) {
            let reason = "the daemon's own filter excludes it";
            return Line::Failed(Failed::at(unescape(strip_quotes(name)), reason));
        }
    }
    // Of a path that is too long for rsync only the directory can be named again.
    if let Some(rest) = after("filename overflows max-path len by ")
        && let Some(cut) = find(rest, b": ")
        && let Some(end) = rest.iter().rposition(|byte| *byte == b'/')
        && cut + 2 < end
    {
        let reason = "something in it has too long a path for rsync";
        return Line::Failed(Failed::at(unescape(&rest[cut + 2..end]), reason));
    }
    for prefix in ["file has vanished: ", "directory has vanished: "] {
        if let Some(name) = after(prefix) {
            return Line::Vanished(unescape(strip_quotes(name)));
        }
    }
    // Above a listed path that is to be deleted; the path itself is dealt with.
    if let Some(name) = after("WARNING: parent dir is absent in the file list: ") {
        return Line::Vanished(unescape(name));
    }
    if let Some(at) = find(line, b" failed verification -- update ") {
        let name = line[..at]
            .strip_prefix(b"WARNING: ")
            .or_else(|| line[..at].strip_prefix(b"ERROR: "));
        return Line::Unsteady(unescape(name.unwrap_or(&line[..at])));
    }
    if let Some(rest) = text.strip_prefix("Deletions stopped due to --max-delete limit") {
        let skipped = rest
            .strip_prefix(" (")
            .and_then(|rest| rest.strip_suffix(" skipped)"));
        // Without a number nothing is known of how many.
        return Line::Fence(skipped.and_then(|n| n.parse().ok()).unwrap_or(u64::MAX));
    }
    if text.starts_with("IO error encountered -- skipping file deletion") {
        return Line::DeletionSkipped;
    }
    if text.starts_with("*** Skipping any contents from this failed directory ***")
        || text.starts_with("rsync warning: some files vanished before they could be transferred")
    {
        return Line::Known;
    }
    if let Some(failed) = failed(line) {
        return Line::Failed(failed);
    }
    let shown = shown(line);
    let closing = [
        "rsync error: ",
        "@ERROR: ",
        "ERROR: ",
        "rsync: ",
        "rsync warning: ",
    ];
    if closing.iter().any(|prefix| text.starts_with(prefix)) || text.contains("@ERROR: ") {
        return Line::Closing(shown);
    }
    Line::Other(shown)
}

fn cut(bytes: &[u8], most: usize) -> &[u8] {
    &bytes[..bytes.len().min(most)]
}

/// As much of a line or a name as is shown, escaped.
pub fn shown(bytes: &[u8]) -> String {
    escape(cut(bytes, SHOWN_MAX)).into_owned()
}

/// `rsync: [receiver] mkstemp "/sub/.name.Ab3dEf" (in module) failed: Permission denied (13)` and its kin.
fn failed(line: &[u8]) -> Option<Failed> {
    let rest = line.strip_prefix(b"rsync: ")?;
    let (who, rest) = match rest.strip_prefix(b"[") {
        Some(rest) => {
            let cut = find(rest, b"] ")?;
            (&rest[..cut], &rest[cut + 2..])
        }
        None => (&b""[..], rest),
    };
    let error = errno(rest)?;
    let body = &rest[..error.at];
    let (verb, path) = if let Some(at) = find(body, b"delete_file: ") {
        let call = &body[at + 13..];
        let open = call.iter().position(|byte| *byte == b'(')?;
        let close = call.iter().rposition(|byte| *byte == b')')?;
        (call.get(..open)?, call.get(open + 1..close)?)
    } else if let Some(of_acl) = acl(body) {
        of_acl
    } else {
        let open = body.iter().position(|byte| *byte == b'"')?;
        let close = body
            .iter()
            .rposition(|byte| *byte == b'"')
            .filter(|close| close > &open)?;
        let verb = body[..open].trim_ascii();
        let mut path = &body[open + 1..close];
        // `rename "…" (in m) -> "…"`: the second is what was meant. `symlink "…" -> "…"`: the first.
        if verb.ends_with(b"rename") || verb.ends_with(b"copy") {
            path = renamed_to(path);
        } else if verb.ends_with(b"symlink") {
            let end = find(path, b"\" (in ").or_else(|| find(path, b"\" -> \""));
            path = &path[..end.unwrap_or(path.len())];
        } else if find(verb, b"xattr(").is_some() {
            // `fsetxattr("/d/.name.Ab3dEf" (in m),"user.foo")`, or without module, or without the attribute's name.
            let end = rfind(path, b"\" (in ").or_else(|| rfind(path, b"\",\""));
            path = &path[..end.unwrap_or(path.len())];
        }
        (verb, path)
    };
    let verb = escape(cut(verb, REASON_MAX)).into_owned();
    let temporary = ["mkstemp", "write failed on", "close failed on"]
        .iter()
        .any(|word| verb.contains(word));
    Some(Failed {
        path: unescape(path),
        sender: who == b"sender",
        temporary: temporary && verb.contains("mkstemp"),
        reason: format!(
            "{}: {}",
            verb.trim_end_matches(" failed on")
                .trim_end_matches('(')
                .trim_start_matches("recv_generator: "),
            error.text
        ),
        // ENOENT, ENOTDIR, EISDIR: the name is another thing by now.
        missing: matches!(error.number, 2 | 20 | 21),
    })
}

/// `set_acl: xacl_set(d/.name.Ab3dEf, ACL_TYPE_ACCESS)`: the call, and the path, which has no quotes.
fn acl(body: &[u8]) -> Option<(&[u8], &[u8])> {
    let rest = body
        .strip_suffix(b", ACL_TYPE_ACCESS)")
        .or_else(|| body.strip_suffix(b", ACL_TYPE_DEFAULT)"))?;
    let open = rest.iter().position(|byte| *byte == b'(')?;
    Some((&rest[..open], &rest[open + 1..]))
}

/// Of `/d/.name.Ab3dEf" (in m) -> "d/name` the part after the arrow. A name may have an arrow of its own: the right one has
/// the same name on both sides.
fn renamed_to(paths: &[u8]) -> &[u8] {
    const ARROW: &[u8] = b" -> \"";
    let last = |path: &[u8]| {
        path.iter()
            .rposition(|byte| *byte == b'/')
            .map_or(0, |at| at + 1)
    };
    let arrows = paths
        .windows(ARROW.len())
        .enumerate()
        .filter(|(_, window)| *window == ARROW);
    let mut sides = arrows.map(|(at, _)| (&paths[..at], &paths[at + ARROW.len()..]));
    let same = |(left, right): &(&[u8], &[u8])| {
        let left = rfind(left, b"\" (in ").map_or(*left, |end| &left[..end]);
        let left = left.strip_suffix(b"\"").unwrap_or(left);
        let name = &left[last(left)..];
        let whole = name.get(..name.len().saturating_sub(7));
        let right = &right[last(right)..];
        // A name that begins with a dot gets no second one.
        whole == Some(right) || whole.and_then(|name| name.strip_prefix(b".")) == Some(right)
    };
    let right = sides.clone().find(same).or_else(|| sides.next_back());
    right.map_or(paths, |(_, right)| right)
}

struct Errno {
    at: usize,
    text: String,
    number: u32,
}

/// The `: Permission denied (13)` at a line's end, and the ` failed` before it.
fn errno(line: &[u8]) -> Option<Errno> {
    let open = rfind(line, b" (")?;
    let number = std::str::from_utf8(line.get(open + 2..)?.strip_suffix(b")")?)
        .ok()?
        .parse()
        .ok()?;
    let colon = rfind(&line[..open], b": ")?;
    let at = line[..colon]
        .strip_suffix(b" failed")
        .map_or(colon, <[u8]>::len);
    let mut text = escape(cut(&line[colon + 2..open], REASON_MAX)).into_owned();
    text.get_mut(..1)?.make_ascii_lowercase();
    Some(Errno { at, text, number })
}

fn strip_quotes(name: &[u8]) -> &[u8] {
    let name = name.strip_prefix(b"\"").unwrap_or(name);
    match name.iter().rposition(|byte| *byte == b'"') {
        Some(end) => &name[..end],
        None => name,
    }
}

fn find(haystack: &[u8], needle: &[u8]) -> Option<usize> {
    haystack
        .windows(needle.len())
        .position(|window| window == needle)
}

fn rfind(haystack: &[u8], needle: &[u8]) -> Option<usize> {
    haystack
        .windows(needle.len())
        .rposition(|window| window == needle)
}
