//! The grammars of names and paths. Text in; what is wrong out.

/// Source and target names: 1 to 63 of `a-z`, `0-9` and `-`, with neither end a `-`.
pub fn dns_label(text: &str) -> Result<(), &'static str> {
    if text.is_empty() {
        Err("a name is not empty")
    } else if text.len() > 63 {
        Err("a name has at most 63 characters")
    } else if text.bytes().any(|byte| byte.is_ascii_uppercase()) {
        Err("a name is in lower case")
    } else if !text
        .bytes()
        .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
    {
        Err("a name consists of `a-z`, `0-9` and `-`")
    } else if text.starts_with('-') || text.ends_with('-') {
        Err("a name neither begins nor ends with `-`")
    } else {
        Ok(())
    }
}

/// Host names as people give them to machines: letters, digits, `-`, `_` and dots.
pub fn host(text: &str) -> bool {
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || b".-_".contains(&byte);
    (1..=253).contains(&text.len()) && text.bytes().all(fits) && !text.starts_with(['-', '.'])
}

/// Label keys, as they stand in `${labels.KEY}`.
pub fn label_key(text: &str) -> bool {
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || b".-_".contains(&byte);
    text.len() <= 63
        && text.starts_with(|c: char| c.is_ascii_alphabetic())
        && text.bytes().all(fits)
}

/// Names of environment variables.
pub fn variable(text: &str) -> bool {
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_') && text.bytes().all(fits)
}

/// Names of systemd credentials: one file name.
pub fn credential(text: &str) -> bool {
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || b".-_@:".contains(&byte);
    (1..=255).contains(&text.len()) && text.bytes().all(fits) && text != "." && text != ".."
}

/// Whether a path has a `..`.
pub fn climbs(path: &str) -> bool {
    path.split('/').any(|part| part == "..")
}

/// A path without `.`, double and trailing slashes; an absolute one stays absolute.
pub fn normalised(path: &str) -> String {
    let parts: Vec<&str> = path
        .split('/')
        .filter(|part| !part.is_empty() && *part != ".")
        .collect();
    format!(
        "{}{}",
        if path.starts_with('/') { "/" } else { "" },
        parts.join("/")
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_dns_labels() {
        for name in ["a", "web98", "a-b", "0", &"x".repeat(63)] {
            assert_eq!(dns_label(name), Ok(()), "{name}");
        }
        for name in ["", "Web", "a_b", "-a", "a-", "a.b", "ä", &"x".repeat(64)] {
            assert!(dns_label(name).is_err(), "{name}");
        }
    }

    #[test]
    fn paths_are_normalised_but_not_resolved() {
        assert_eq!(normalised("//a/./b//"), "/a/b");
        assert_eq!(normalised("/"), "/");
        assert_eq!(normalised("a/b/"), "a/b");
        assert!(climbs("/a/../b") && !climbs("/a..b/..."));
    }
}
