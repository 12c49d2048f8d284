//! Finds passwords in texts, so that none of them is ever shown.
//!
//! Everything that is drawn goes through here: messages when they are made, source texts when they are kept. It is a
//! second fence: whoever finds an inline secret reports it; this one keeps it from the screen even when another
//! mistake in the same line is what is being reported.

use std::net::Ipv6Addr;
use std::ops::Range;

/// Keys whose inline values are taken for secrets, in whatever spelling of case.
pub const KEYS: &[&str] = &["password", "passwd", "passphrase", "secret"];

/// Where a url's text has a password: the bytes between the user's `:` and the `@`.
///
/// A password may itself hold `/`, `@` or `:`, so that this is wider than the grammar: what stands behind the first
/// `:` of the authority and is no port is a password if an `@` comes later.
pub fn in_url(text: &str) -> Option<Range<usize>> {
    let start = text.find("://")? + 3;
    let rest = &text[start..];
    let authority = &rest[..rest.find('/').unwrap_or(rest.len())];
    if authority.starts_with('[') {
        return None;
    }
    let colon = authority.find(':')?;
    let end = match authority.rfind('@') {
        Some(at) if at > colon => at,
        Some(_) => return None,
        // No `@` before the first slash: `host:873/path@x` has a port, `user:p/w@host` a password.
        None if authority[colon + 1..]
            .bytes()
            .all(|byte| byte.is_ascii_digit()) =>
        {
            return None;
        }
        None => rest.rfind('@').filter(|at| *at > colon)?,
    };
    Some(start + colon + 1..start + end)
}

/// As [`in_url`], and also what stands where a port should be but is none: a password whose `@` was forgotten.
pub fn may_be_in_url(text: &str) -> Option<Range<usize>> {
    in_url(text).or_else(|| {
        let start = text.find("://")? + 3;
        let authority = &text[start..][..text[start..].find('/').unwrap_or(text.len() - start)];
        let colon = authority.find(':')?;
        let port = &authority[colon + 1..];
        let harmless = port.bytes().all(|byte| byte.is_ascii_digit())
            || port.starts_with("${")
            || authority.starts_with('[')
            || authority.contains('@')
            || authority.parse::<Ipv6Addr>().is_ok();
        (!harmless).then_some(start + colon + 1..start + authority.len())
    })
}

/// Every range of a whole text, or of a message, that looks like a secret.
pub fn in_text(text: &str) -> Vec<Range<usize>> {
    let mut found = Vec::new();
    let mut offset = 0;
    for line in text.split_inclusive('\n') {
        urls_in_line(line, offset, &mut found);
        keys_in_line(line, offset, &mut found);
        offset += line.len();
    }
    found
}

fn urls_in_line(line: &str, offset: usize, found: &mut Vec<Range<usize>>) {
    let mut from = 0;
    // Where the word ends that the url is in, and behind its last `@`: found once for all that looks like a url in it.
    let (mut end, mut last_at) = (0, 0);
    while let Some(at) = line[from..].find("://") {
        let start = from + at;
        if start >= end {
            let rest = &line[start..];
            end = rest
                .find(|c: char| c.is_whitespace() || matches!(c, '"' | '\'' | '`'))
                .map_or(line.len(), |at| start + at);
            last_at = rest[..end - start]
                .rfind('@')
                .map_or(0, |at| start + at + 1);
        }
        // Nothing behind both the authority and the last `@` tells whether there is a password.
        let authority = line[start + 3..end].find('/');
        let authority = authority.map_or(end, |at| start + 3 + at + 1);
        if let Some(range) = may_be_in_url(&line[start..authority.max(last_at)]) {
            found.push(offset + start + range.start..offset + start + range.end);
        }
        from = start + 3;
    }
}

/// `password: hunter2`, also quoted and inside `{…}`; the references (`passwordFile:`) have longer keys.
fn keys_in_line(line: &str, offset: usize, found: &mut Vec<Range<usize>>) {
    let lower = line.to_ascii_lowercase();
    for key in KEYS {
        for (at, _) in lower.match_indices(key) {
            let before = lower[..at].chars().next_back();
            if before.is_some_and(|c| {
                c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '/' | '.' | '`')
            }) {
                continue;
            }
            let rest = lower[at + key.len()..].trim_start_matches(['"', '\'']);
            let Some(value) = rest.trim_start().strip_prefix(':') else {
                continue;
            };
            // In YAML a key's colon is followed by a blank: `password:x` is no key, but may well be meant as one.
            let start = lower.len() - value.trim_start_matches([' ', '\t']).len();
            let end = line.trim_end().len();
            if start < end {
                found.push(offset + start..offset + end);
            }
        }
    }
}

/// The text with these ranges replaced by as many asterisks as they have bytes, so that offsets stay right.
pub fn masked(text: &str, ranges: &[Range<usize>]) -> String {
    let mut ranges = ranges.to_vec();
    ranges.sort_by_key(|range| range.start);
    let mut ranges = ranges.into_iter().peekable();
    let mut secret_until = 0;
    let mut out = String::with_capacity(text.len());
    for (index, c) in text.char_indices() {
        while let Some(range) = ranges.next_if(|range| range.start <= index) {
            secret_until = secret_until.max(range.end);
        }
        if c != '\n' && c != '\r' && index < secret_until {
            out.extend(std::iter::repeat_n('*', c.len_utf8()));
        } else {
            out.push(c);
        }
    }
    out
}

/// A message fit to be shown: one line, no secrets (`***`, whatever their length) and no control characters.
pub fn clean(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut from = 0;
    for range in in_text(text) {
        if range.start >= from {
            push_escaped(&mut out, &text[from..range.start]);
            out.push_str("***");
            from = range.end;
        }
    }
    push_escaped(&mut out, &text[from..]);
    out
}

fn push_escaped(out: &mut String, text: &str) {
    for c in text.chars() {
        // Bidirectional controls would let a value turn the message around it.
        if c.is_control()
            || matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
        {
            out.extend(c.escape_default());
        } else {
            out.push(c);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, shown: &str) {
        assert_eq!(masked(text, &in_text(text)), shown);
    }

    #[test]
    fn passwords_in_urls_are_masked_whatever_they_hold() {
        check("url: rsync://u:pw@h/m", "url: rsync://u:**@h/m");
        check("url: \"rsync://u:p/w@h/m\"", "url: \"rsync://u:***@h/m\"");
        check("rsync://u:p@w@h/m", "rsync://u:***@h/m");
        check("rsync://:pw@h/m", "rsync://:**@h/m");
        check("rsync://u:pw", "rsync://u:**");
    }

    #[test]
    fn ports_addresses_and_users_are_not_passwords() {
        for text in [
            "rsync://u@h:873/m",
            "rsync://h:873/m@2x.png",
            "ssh://[::1]:22/x",
            "file:///a:b@c",
        ] {
            check(text, text);
        }
    }

    #[test]
    fn inline_passwords_are_masked_and_references_are_not() {
        check("password: hunter2", "password: *******");
        check("{\"password\": \"x y\"}", "{\"password\": ******");
        check("passwordFile: /etc/x", "passwordFile: /etc/x");
        check("path: /data/secret: x", "path: /data/secret: x");
    }

    #[test]
    fn messages_are_one_line() {
        assert_eq!(
            clean("a\nb\u{1b}[2Jc rsync://u:secret@h"),
            "a\\nb\\u{1b}[2Jc rsync://u:***@h"
        );
    }
}
