//! The filter's two forms against each other: what `decide` keeps is what the real rsync creates and deletes under the same rules.
//!
//! One run a case shows both sides: the target begins with a tree of its own, so what must arrive, what must vanish and
//! what must be protected are seen at once, by path, type and content.

mod random;

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::Path;
use std::process::{Command, Output};

use heliostat::filter::{Filter, FilterSpec, Rule, Verdict};

use crate::rig::rsyncd::Rsyncd;

/// What stands at a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Dir,
    File,
    /// To `.`: a directory, which nobody may follow.
    Link,
}

/// By path, relative to the root; parents of every path are there, and are directories.
type Tree = BTreeMap<Vec<u8>, Kind>;

/// By path: the kind, and whose it is.
type Found = BTreeMap<Vec<u8>, (Kind, Side)>;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Side {
    Source,
    Target,
    /// Directories are alike on both sides.
    Either,
}

/// Adds a path with its parents, unless something else stands in the way.
fn plant(tree: &mut Tree, path: &[u8], kind: Kind) {
    for (end, _) in path.iter().enumerate().filter(|(_, byte)| **byte == b'/') {
        if *tree.entry(path[..end].to_vec()).or_insert(Kind::Dir) != Kind::Dir {
            return;
        }
    }
    tree.entry(path.to_vec()).or_insert(kind);
}

/// A tree of paths; a trailing `/` makes a directory, a trailing `@` a link.
fn tree(paths: &[&str]) -> Tree {
    let mut tree = Tree::new();
    for path in paths {
        match path.as_bytes() {
            [path @ .., b'/'] => plant(&mut tree, path, Kind::Dir),
            [path @ .., b'@'] => plant(&mut tree, path, Kind::Link),
            path => plant(&mut tree, path, Kind::File),
        }
    }
    tree
}

fn spec(include: &[&str], exclude: &[&str]) -> FilterSpec {
    let rules = |patterns: &[&str]| {
        patterns
            .iter()
            .map(|pattern| Rule {
                pattern: (*pattern).to_owned(),
                origin: None,
            })
            .collect()
    };
    FilterSpec {
        include: rules(include),
        exclude: rules(exclude),
    }
}

/// What the target holds at the end, by our own verdicts.
fn expected(source: &Tree, target: &Tree, filter: &Filter) -> Found {
    let mut found = Found::new();
    walk(source, filter, b"", Verdict::Included, &mut found);
    for (path, kind) in target {
        let excluded = filter.decide(path, *kind == Kind::Dir).verdict == Verdict::Excluded;
        if !excluded {
            continue;
        }
        let whose = if *kind == Kind::Dir {
            Side::Either
        } else {
            Side::Target
        };
        found.insert(path.clone(), (*kind, whose));
        // A directory that would go stays for what is protected in it.
        for (end, _) in path.iter().enumerate().filter(|(_, byte)| **byte == b'/') {
            found
                .entry(path[..end].to_vec())
                .or_insert((Kind::Dir, Side::Either));
        }
    }
    found
}

/// A walk as the program makes it: by the verdict on the parent, and not into what is excluded.
fn walk(source: &Tree, filter: &Filter, directory: &[u8], parent: Verdict, found: &mut Found) {
    for (path, kind) in children(source, directory) {
        let is_dir = *kind == Kind::Dir;
        let verdict = filter.decide_child(parent, path, is_dir).verdict;
        assert_eq!(
            verdict,
            filter.decide(path, is_dir).verdict,
            "{}",
            path.escape_ascii()
        );
        if verdict == Verdict::Excluded {
            continue;
        }
        let whose = if is_dir { Side::Either } else { Side::Source };
        found.insert(path.clone(), (*kind, whose));
        if is_dir {
            walk(source, filter, path, verdict, found);
        }
    }
}

fn children<'a>(
    tree: &'a Tree,
    directory: &'a [u8],
) -> impl Iterator<Item = (&'a Vec<u8>, &'a Kind)> {
    tree.iter().filter(
        move |(path, _)| match path.iter().rposition(|byte| *byte == b'/') {
            Some(slash) => &path[..slash] == directory,
            None => directory.is_empty(),
        },
    )
}

/// What is in the way of a plain answer: a path that is of two kinds on the two sides, and all below it.
fn without_conflicts(source: &Tree, target: &Tree) -> Tree {
    let mut clean = Tree::new();
    for (path, kind) in target {
        let parent_fits = match path.iter().rposition(|byte| *byte == b'/') {
            Some(slash) => clean.contains_key(&path[..slash]),
            None => true,
        };
        if parent_fits && source.get(path).is_none_or(|other| other == kind) {
            clean.insert(path.clone(), *kind);
        }
    }
    clean
}

/// Makes the tree on disk; files say whose they are, by content and by length.
fn build(root: &Path, tree: &Tree, content: &str) {
    fs::create_dir_all(root).unwrap();
    for (path, kind) in tree {
        let at = root.join(OsStr::from_bytes(path));
        match kind {
            Kind::Dir => fs::create_dir(at).unwrap(),
            Kind::File => fs::write(at, content).unwrap(),
            Kind::Link => {
                std::os::unix::fs::symlink(if content == SOURCE { "." } else { "./." }, at).unwrap()
            }
        }
    }
}

const SOURCE: &str = "source";
const TARGET: &str = "the target's";

fn read_back(root: &Path) -> Found {
    let (mut found, mut open) = (Found::new(), vec![Vec::new()]);
    while let Some(directory) = open.pop() {
        for entry in fs::read_dir(root.join(OsStr::from_bytes(&directory))).unwrap() {
            let entry = entry.unwrap();
            let mut path = directory.clone();
            if !path.is_empty() {
                path.push(b'/');
            }
            path.extend(entry.file_name().into_vec());
            let kind = entry.file_type().unwrap();
            let whose = |is_source| {
                if is_source {
                    Side::Source
                } else {
                    Side::Target
                }
            };
            let what = if kind.is_dir() {
                open.push(path.clone());
                (Kind::Dir, Side::Either)
            } else if kind.is_symlink() {
                (
                    Kind::Link,
                    whose(fs::read_link(entry.path()).unwrap().as_os_str() == "."),
                )
            } else {
                (
                    Kind::File,
                    whose(fs::read(entry.path()).unwrap() == SOURCE.as_bytes()),
                )
            };
            found.insert(path, what);
        }
    }
    found
}

/// Who receives.
#[derive(Clone, Copy)]
enum Receiver<'a> {
    /// The same program: it has the rules without anybody sending them.
    Local,
    /// A daemon whose module is this directory: it is sent the rules.
    Daemon(&'a Rsyncd, &'a Path),
}

/// Trees to bring in step; the source is already on disk.
#[derive(Clone, Copy)]
struct Case<'a> {
    root: &'a Path,
    source: &'a Tree,
    target: &'a Tree,
    receiver: Receiver<'a>,
}

/// Lets the real rsync bring the target in step with the source, and reads what it is then.
fn sync(case: &Case<'_>, filter: &Filter) -> (Output, Found) {
    let parent = match case.receiver {
        Receiver::Local => tempfile::tempdir(),
        Receiver::Daemon(_, module) => tempfile::tempdir_in(module),
    };
    let parent = parent.unwrap();
    let target_root = parent.path().join("target");
    build(&target_root, case.target, TARGET);
    let mut command = Command::new("/usr/bin/rsync");
    command
        .env_clear()
        .env("HOME", case.root)
        .args(["-r", "--links", "--delete"]);
    command.args(
        filter
            .rsync_rules()
            .iter()
            .map(|rule| format!("--filter={rule}")),
    );
    command.arg(case.root.join(""));
    match case.receiver {
        Receiver::Local => command.arg(target_root.join("")),
        Receiver::Daemon(daemon, module) => {
            command.arg(format!(
                "--password-file={}",
                daemon.password_file().display()
            ));
            let inside = target_root.strip_prefix(module).unwrap().display();
            command.arg(format!("{}/{inside}/", daemon.url()))
        }
    };
    (command.output().unwrap(), read_back(&target_root))
}

/// How the two forms differ on this case; `None` where they agree.
fn divergence(case: &Case<'_>, spec: &FilterSpec) -> Option<String> {
    let filter = Filter::compile(spec).unwrap();
    let target = without_conflicts(case.source, case.target);
    let (output, found) = sync(
        &Case {
            target: &target,
            ..*case
        },
        &filter,
    );
    let expected = expected(case.source, &target, &filter);
    let complaint = String::from_utf8_lossy(&output.stderr).into_owned();
    if expected == found && output.status.success() && complaint.is_empty() {
        return None;
    }
    let mut report = format!("{spec:?}\nrsync: {}\n{complaint}", output.status);
    for rule in filter.rsync_rules() {
        report += &format!("  {}\n", rule.escape_debug());
    }
    for path in expected.keys().chain(found.keys()) {
        if expected.get(path) != found.get(path) {
            let (ours, theirs) = (expected.get(path), found.get(path));
            report += &format!(
                "{}: decide {ours:?}, rsync {theirs:?}\n",
                path.escape_ascii()
            );
        }
    }
    Some(report)
}

/// What was protected and is gone or changed, whatever the source put in its way; `None` where nothing is.
fn unprotected(case: &Case<'_>, spec: &FilterSpec) -> Option<String> {
    let filter = Filter::compile(spec).unwrap();
    let (output, found) = sync(case, &filter);
    let mut kept = Found::new();
    walk(case.source, &filter, b"", Verdict::Included, &mut kept);
    let protected = case.target.iter().filter(|(path, kind)| {
        // A name that belongs as what it is in the source takes the place of what it was.
        let is_dir = **kind == Kind::Dir;
        !kept.contains_key(*path) && filter.decide(path, is_dir).verdict == Verdict::Excluded
    });
    let whose = |kind| {
        if kind == Kind::Dir {
            Side::Either
        } else {
            Side::Target
        }
    };
    let gone: Vec<String> = protected
        .filter(|(path, kind)| found.get(*path) != Some(&(**kind, whose(**kind))))
        .map(|(path, kind)| {
            format!(
                "{}: {kind:?}, now {:?}",
                path.escape_ascii(),
                found.get(path)
            )
        })
        .collect();
    let report = || format!("{spec:?}\n{}\n{output:?}\n", gone.join("\n"));
    (!gone.is_empty()).then(report)
}

/// The forms must agree on this case.
fn agree(source: &[&str], target: &[&str], include: &[&str], exclude: &[&str]) {
    let scratch = tempfile::tempdir().unwrap();
    let root = scratch.path().join("source");
    let source = tree(source);
    build(&root, &source, SOURCE);
    let target = tree(target);
    let case = Case {
        root: &root,
        source: &source,
        target: &target,
        receiver: Receiver::Local,
    };
    if let Some(report) = divergence(&case, &spec(include, exclude)) {
        panic!("{report}");
    }
}

#[test]
fn the_parents_of_an_included_file_are_sent() {
    agree(
        &["a/b/keep", "a/b/other", "a/c", "d"],
        &["a/x", "y/z"],
        &["/a/b/keep"],
        &[],
    );
}

#[test]
fn an_infix_slash_anchors() {
    agree(&["a/b", "x/a/b"], &["x/y/a/b", "a/c"], &["**"], &["a/b"]);
}

#[test]
fn two_stars_between_names_stand_for_none_too() {
    agree(
        &["foo/bar", "foo/x/bar", "foo/x/y/bar", "x/foo/bar"],
        &["foo/z/bar"],
        &["**"],
        &["/foo/**/bar"],
    );
}

#[test]
fn a_backslash_is_literal_without_wildcards_and_escapes_with_them() {
    agree(
        &["a\\b", "a*b", "axb", "a\\*b"],
        &["c\\d"],
        &["**"],
        &["a\\\\b", "a\\*b"],
    );
}

#[test]
fn an_excluded_directory_in_the_way_of_a_file_is_not_emptied() {
    let scratch = tempfile::tempdir().unwrap();
    let (source, target) = (scratch.path().join("source"), scratch.path().join("target"));
    build(&source, &tree(&["cache", "x"]), SOURCE);
    build(&target, &tree(&["cache/precious"]), TARGET);
    let filter = Filter::compile(&spec(&["**"], &["/cache/"])).unwrap();
    let output = Command::new("/usr/bin/rsync")
        .env_clear()
        .args(["-r", "--delete", "--force"])
        .args(
            filter
                .rsync_rules()
                .iter()
                .map(|rule| format!("--filter={rule}")),
        )
        .arg(source.join(""))
        .arg(target.join(""))
        .output()
        .unwrap();
    assert_eq!(
        fs::read(target.join("cache/precious")).unwrap(),
        TARGET.as_bytes(),
        "{output:?}"
    );
    assert!(target.join("x").exists());
}
