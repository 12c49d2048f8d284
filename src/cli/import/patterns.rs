//! rsync's patterns, one by one and from a file, as a manifest has them.

use super::draft::{Draft, What};

/// A file of patterns has fewer; what is more is no list that somebody wrote.
const PATTERNS_MAX: usize = 1000;

/// What a pattern of rsync comes to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Pattern {
    /// This glob of a manifest.
    Glob(String),
    /// It matches nothing, there as here.
    Nothing,
}

/// A pattern of rsync as one of a manifest; `None`: it has no such form.
pub fn glob(pattern: &str) -> Option<String> {
    match read(pattern)? {
        Pattern::Glob(glob) => Some(glob),
        Pattern::Nothing => None,
    }
}

fn read(pattern: &str) -> Option<Pattern> {
    let pattern = pattern.strip_prefix("- ").unwrap_or(pattern);
    let odd = pattern.starts_with("+ ") || pattern.starts_with('!');
    let blank = pattern.trim() != pattern;
    if pattern.is_empty()
        || odd
        || blank
        || pattern.contains(['{', '}', '\\'])
        || pattern.contains("***")
    {
        return None;
    }
    // rsync knows no `.` in a path: what is written so is never met.
    if pattern.split('/').any(|part| part == "." || part == "..") {
        return Some(Pattern::Nothing);
    }
    let inner = pattern.trim_end_matches('/');
    // There, a slash inside matches at any depth; here it is anchored.
    Some(Pattern::Glob(
        match !pattern.starts_with('/') && inner.contains('/') && !inner.starts_with("**/") {
            true => format!("**/{pattern}"),
            false => pattern.to_owned(),
        },
    ))
}

/// The patterns of a file, each with its line, as rsync reads them: one a line, comments and empty lines left out.
fn lines(text: &str) -> impl Iterator<Item = (usize, &str)> {
    // A carriage return ends a line there too.
    let lines = text.split('\n').enumerate();
    let parts = lines.flat_map(|(nth, line)| line.split('\r').map(move |part| (nth + 1, part)));
    parts.filter(|(_, line)| !line.is_empty() && !line.starts_with(['#', ';']))
}

/// Takes over what a file of patterns leaves out; whether all of it could be read. `was`: how the original names it.
pub fn from_file(
    path: &str,
    was: &str,
    line: usize,
    exclude: &mut Vec<String>,
    draft: &mut Draft,
) -> bool {
    let files = draft.files;
    let mut decide = |is: String| {
        draft.note(line, What::Decide, was, is);
        false
    };
    let never = "all is sent, and so `delete` is `never`; write it as `exclude`";
    if !path.starts_with('/') {
        return decide(format!(
            "the directory that it is in is not known here: what it leaves out is not known, {never}"
        ));
    }
    let text = match files.map(|read| read(path)) {
        Some(Ok(text)) => text,
        Some(Err(why)) => return decide(format!("cannot be read here ({why}): {never}")),
        None => return decide(format!("what it leaves out is not known here: {never}")),
    };
    let mut globs = Vec::new();
    for (at, pattern) in lines(&text) {
        match read(pattern) {
            Some(Pattern::Glob(glob)) => globs.push(glob),
            Some(Pattern::Nothing) => draft.note(
                line,
                What::Changed,
                format!("{was}, line {at}: `{pattern}`"),
                "left out: it matches nothing, as rsync's paths have no `.` in them",
            ),
            None => {
                draft.note(
                    line,
                    What::Decide,
                    format!("{was}, line {at}: `{pattern}`"),
                    format!("not a pattern that is read here: {never}"),
                );
                return false;
            }
        }
    }
    if globs.len() > PATTERNS_MAX {
        draft.note(
            line,
            What::Decide,
            was,
            format!("more than {PATTERNS_MAX} patterns: {never}"),
        );
        return false;
    }
    draft.note(
        line,
        What::Mapped,
        was,
        format!(
            "`exclude`, with the {} of today: the file itself is not read any more",
            counted(globs.len())
        ),
    );
    exclude.extend(globs);
    true
}

/// The globs of a source whose directory itself is sent, as that is written without a slash at its end: there, a path begins with
/// the directory's name. `source`: its path. Says what is otherwise than it looks.
pub fn below(globs: Vec<String>, source: &str, line: usize, draft: &mut Draft) -> Vec<String> {
    let (path, itself) = match source.strip_suffix('/') {
        Some(path) => (path, None),
        None => (source, source.rsplit('/').next()),
    };
    let mut kept = Vec::new();
    for glob in globs {
        let was = format!("the pattern `{glob}`");
        if let Some(rest) = glob.strip_prefix(path).filter(|rest| rest.starts_with('/')) {
            let is = format!(
                "it matches nothing, there as here: a pattern begins at the source; `{rest}` may be meant"
            );
            draft.note(line, What::Decide, was, is);
            kept.push(glob);
            continue;
        }
        let anchored = glob.strip_prefix('/');
        let (Some(name), Some(anchored)) = (itself, anchored) else {
            kept.push(glob);
            continue;
        };
        match anchored
            .strip_prefix(name)
            .filter(|rest| rest.starts_with('/'))
        {
            Some(rest) => {
                draft.note(
                    line,
                    What::Mapped,
                    was,
                    format!("`{rest}`: here a pattern begins in the source"),
                );
                kept.push(rest.to_owned());
            }
            None => draft.note(
                line,
                What::Changed,
                was,
                format!("left out: there it begins beside `{name}`, and matches nothing in it"),
            ),
        }
    }
    kept
}

fn counted(patterns: usize) -> String {
    match patterns {
        1 => "1 pattern".to_owned(),
        many => format!("{many} patterns"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_read_as_rsync_reads_it() {
        let text = "*.bak\r\n\n# no\n; no\ncache/\n/top\n x\n#\n";
        let read: Vec<(usize, &str)> = lines(text).collect();
        assert_eq!(read, [(1, "*.bak"), (5, "cache/"), (6, "/top"), (7, " x")]);
    }

    #[test]
    fn where_the_directory_itself_is_sent_a_pattern_begins_beside_it() {
        let globs = || {
            ["/data/x", "/x", "x", "/srv/data/y", "**/a/b"]
                .map(str::to_owned)
                .to_vec()
        };
        let mut draft = Draft::default();
        let kept = below(globs(), "/srv/data", 1, &mut draft);
        assert_eq!(kept, ["/x", "x", "/srv/data/y", "**/a/b"]);
        assert_eq!(draft.notes.len(), 3);
        let kept = below(globs(), "/srv/data/", 1, &mut draft);
        assert_eq!(kept, globs());
    }

    #[test]
    fn patterns_keep_their_depth() {
        for (pattern, wanted) in [
            ("*.bak", Some("*.bak")),
            ("a/b", Some("**/a/b")),
            ("/a/b", Some("/a/b")),
            ("**/a/b", Some("**/a/b")),
            ("a/", Some("a/")),
            ("- x", Some("x")),
            ("+ x", None),
            ("!", None),
            ("./a", None),
            ("a\\b", None),
            ("{a,b}", None),
            ("a/***", None),
            (" a", None),
            ("", None),
        ] {
            assert_eq!(glob(pattern).as_deref(), wanted, "{pattern}");
        }
    }
}
