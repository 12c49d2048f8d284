use super::*;

fn filter(include: &[&str], exclude: &[&str]) -> Filter {
    let rules = |patterns: &[&str]| {
        let rule = |pattern: &&str| Rule {
            pattern: (*pattern).to_owned(),
            origin: None,
        };
        patterns.iter().map(rule).collect()
    };
    Filter::compile(&FilterSpec {
        include: rules(include),
        exclude: rules(exclude),
    })
    .unwrap()
}

/// Each path with its verdict (`+` included, `p` parent, `-` excluded) and the pattern that decided; a trailing `/`
/// makes it a directory.
fn check_verdicts(include: &[&str], exclude: &[&str], expected: &str) {
    let filter = filter(include, exclude);
    let shown: Vec<String> = expected
        .lines()
        .map(str::trim)
        .filter(|line| !line.is_empty())
        .map(|line| {
            let path = line.split_whitespace().nth(1).unwrap_or_default();
            let decision =
                filter.decide(path.trim_end_matches('/').as_bytes(), path.ends_with('/'));
            let sign = match decision.verdict {
                Verdict::Included => '+',
                Verdict::Parent => 'p',
                Verdict::Excluded => '-',
            };
            let rule = decision
                .rule
                .map_or(String::new(), |rule| format!(" {}", rule.pattern));
            format!("{sign} {path}{rule}")
        })
        .collect();
    let expected: Vec<&str> = expected
        .lines()
        .map(str::trim)
        .filter(|line| !line.is_empty())
        .collect();
    assert_eq!(shown, expected);
}

fn check_refused(pattern: &str, message: &str) {
    let error = check(pattern).expect_err(pattern);
    assert_eq!(error.message, message);
    assert!(error.help.is_some());
}

#[test]
fn without_a_slash_any_depth_with_one_anchored() {
    check_verdicts(
        &["**"],
        &["*.tmp", "/cache/", "doc/draft", "old/"],
        "
        + a **
        - a.tmp *.tmp
        - x/y/a.tmp *.tmp
        - cache/ /cache/
        - cache/a/b /cache/
        + cache **
        + x/cache/ **
        - doc/draft doc/draft
        + x/doc/draft **
        - x/old/ old/
        - x/old/y old/
        + x/old **
        ",
    );
}

#[test]
fn an_included_directory_includes_all_below_it_and_the_ways_to_it_are_parents() {
    check_verdicts(
        &["/a/b", "/c/**/d", "/e/**"],
        &["*.tmp"],
        "
        p a/ /a/b
        - a
        - a/x
        - a/x/
        + a/b/ /a/b
        + a/b /a/b
        + a/b/c/d /a/b
        - a/b/c.tmp/d *.tmp
        p c/ /c/**/d
        + c/d /c/**/d
        p c/x/ /c/**/d
        p c/x/y/ /c/**/d
        - c/x/y
        + c/x/y/d/z /c/**/d
        p e/ /e/**
        - e
        + e/f /e/**
        + e/f/g /e/**
        - z/
        - z/a/b
        ",
    );
}

#[test]
fn an_include_at_any_depth_makes_every_directory_a_parent() {
    check_verdicts(
        &["*.txt", "pub/"],
        &["/private"],
        "
        p a/ *.txt
        p a/b/ *.txt
        + a/b/c.txt *.txt
        + a/b.txt/c *.txt
        - a/b/c
        + a/pub/c pub/
        - a/pub
        - private/ /private
        - private/c.txt /private
        ",
    );
}

#[test]
fn the_root_always_belongs() {
    let root = Decision {
        verdict: Verdict::Included,
        rule: None,
    };
    assert_eq!(filter(&["**"], &["**"]).decide(b"", true), root);
    assert_eq!(filter(&["/a"], &["*"]).decide(b"", true), root);
    assert_eq!(filter(&[], &[]).decide(b"", true), root);
}

#[test]
fn nothing_included_leaves_nothing() {
    check_verdicts(&[], &[], "- a\n- a/\n- a/b");
    assert_eq!(filter(&[], &[]).rsync_rules(), ["- *"]);
}

#[test]
fn names_are_bytes() {
    let filter = filter(&["**"], &["?.log", "caf\u{e9}", "[!a-z]x", "*\n*"]);
    let excluded = |path: &[u8]| filter.decide(path, false).verdict == Verdict::Excluded;
    assert!(excluded(b"\xff.log"));
    assert!(
        !excluded("\u{e9}.log".as_bytes()),
        "two bytes, and `?` is one, as in rsync"
    );
    assert!(excluded("caf\u{e9}".as_bytes()));
    assert!(excluded(b"\xfex"));
    assert!(!excluded(b"ax"));
    assert!(excluded(b"a/b\nc"));
    assert!(!excluded(b"A.LOG"));
}

#[test]
fn braces_are_expanded_as_a_shell_does() {
    check_verdicts(
        &["**"],
        &["{a,b{c,d}}.x", "{/top,deep}", "[{]", "e{,f}"],
        "
        - a.x {a,b{c,d}}.x
        - bd.x {a,b{c,d}}.x
        + b.x **
        - top {/top,deep}
        + y/top **
        - y/deep {/top,deep}
        - { [{]
        - e e{,f}
        - ef e{,f}
        ",
    );
}

#[test]
fn a_walker_needs_the_parents_verdict_only() {
    let filter = filter(&["/a/b"], &["*.tmp"]);
    let child = |parent, path: &str| filter.decide_child(parent, path.as_bytes(), true).verdict;
    assert_eq!(
        child(Verdict::Included, "a"),
        Verdict::Parent,
        "the root's own verdict is not inherited"
    );
    assert_eq!(child(Verdict::Parent, "a/b"), Verdict::Included);
    assert_eq!(child(Verdict::Included, "a/b/c"), Verdict::Included);
    assert_eq!(child(Verdict::Included, "a/b/c.tmp"), Verdict::Excluded);
    assert_eq!(child(Verdict::Excluded, "x/a"), Verdict::Excluded);
}

#[test]
fn rules_for_rsync() {
    let check = |include: &[&str], exclude: &[&str], expected: &[&str]| {
        assert_eq!(filter(include, exclude).rsync_rules(), expected);
    };
    check(&["**"], &[], &[]);
    check(
        &["**"],
        &["/cache/", "*.tmp"],
        &["- /cache/***", "- *.tmp", "- *.tmp/**"],
    );
    check(
        &["/a/b"],
        &["a\\\\b", "{x,y}"],
        &[
            "- a\\b",
            "- a\\\\b/**",
            "- x",
            "- x/**",
            "- y",
            "- y/**",
            "+ /a/b",
            "+ /a/b/**",
            "+ /a/",
            "- *",
        ],
    );
    check(
        &["/a/**/b/", "**/c"],
        &[],
        &[
            "+ /a/**/b/***",
            "+ /a/b/***",
            "+ c",
            "+ c/**",
            "+ /a/",
            "+ /a/**/",
            "+ */",
            "- *",
        ],
    );
    check(
        &["**"],
        &["\\*\\[[]a-c-]"],
        &["- [*]\\[[a-c\\]\\-]", "- [*]\\[[a-c\\]\\-]/**"],
    );
}

#[test]
fn what_is_refused_says_what_to_write() {
    check_refused("", "an empty pattern matches nothing");
    check_refused("/", "the pattern names the source itself");
    check_refused("!a", "`!` does not turn a pattern round");
    check_refused("a**", "`**` must stand alone between slashes");
    check_refused("a/**.c/d", "`**` must stand alone between slashes");
    check_refused("***", "`**` must stand alone between slashes");
    check_refused("a//b", "`//` holds an empty name");
    check_refused("a//", "`//` holds an empty name");
    check_refused("{a,b/}/c", "`//` holds an empty name");
    check_refused("./a", "`.` and `..` are not names of anything in a source");
    check_refused(
        "a/../b",
        "`.` and `..` are not names of anything in a source",
    );
    check_refused("[a", "`[` is not closed");
    check_refused("[]", "`[` is not closed");
    check_refused("[!", "`[` is not closed");
    check_refused("[a/b]", "`/` cannot stand in `[…]`");
    check_refused("[[:alpha:]]", "POSIX classes as `[:alpha:]` are not known");
    check_refused("[z-a]", "the range `z-a` runs backwards");
    check_refused(
        "[ä]",
        "`ä` cannot stand in `[…]`: names are matched byte by byte",
    );
    check_refused("{a,b", "`{` is not closed");
    check_refused("a}", "`}` was not opened");
    check_refused("{a,}", "the pattern names the source itself");
    check_refused("a\\", "`\\` at the end escapes nothing");
    check_refused("a\\/b", "`/` cannot be escaped: no name holds one");
    check_refused("a\0b", "a pattern cannot hold a NUL byte");
    check_refused("[\0]", "a pattern cannot hold a NUL byte");
    check_refused(&"a".repeat(1025), "the pattern is longer than 1024 bytes");
}

#[test]
fn expansion_is_bounded() {
    let message = "the pattern stands for more than 1000 patterns";
    check_refused(&"{a,b}".repeat(10), message);
    check_refused(&"{a,b}".repeat(100), message);
    check_refused(&format!("/{}a", "a/**/".repeat(10)), message);
    assert_eq!(check(&"{a,b}".repeat(9)), Ok(()));
    let deep = format!("{}a{}", "{".repeat(500), "}".repeat(500));
    assert_eq!(check(&deep), Ok(()), "no overflow on deep nesting");
}

#[test]
fn all_patterns_together_are_bounded() {
    let rule = |n: usize| Rule {
        pattern: format!("{n}{}", "{a,b}".repeat(9)),
        origin: None,
    };
    let spec = FilterSpec {
        include: Vec::new(),
        exclude: (0..60).map(rule).collect(),
    };
    let error = Filter::compile(&spec).unwrap_err();
    assert_eq!(
        error.message,
        "the patterns are more than 524288 bytes to rsync"
    );
}

#[test]
fn a_pattern_refused_at_compile_time_is_named() {
    let rule = Rule {
        pattern: "a\n**".to_owned(),
        origin: None,
    };
    let error = Filter::compile(&FilterSpec {
        include: vec![rule],
        exclude: Vec::new(),
    })
    .unwrap_err();
    assert_eq!(
        error.message,
        "pattern `a\\n**`: `**` must stand alone between slashes"
    );
}

#[test]
fn every_printable_character_in_brackets_matches_itself_alone() {
    let printable = || (b' '..=b'~').filter(|c| *c != b'/');
    for c in printable() {
        let plain = filter(&["**"], &[&format!("[\\{}]", char::from(c))]);
        let negated = filter(&["**"], &[&format!("[!\\{}]", char::from(c))]);
        for other in printable() {
            let excluded =
                |filter: &Filter| filter.decide(&[other], false).verdict == Verdict::Excluded;
            assert_eq!(excluded(&plain), c == other, "{}", char::from(c));
            assert_eq!(excluded(&negated), c != other, "{}", char::from(c));
        }
    }
}
