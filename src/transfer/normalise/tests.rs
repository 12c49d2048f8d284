use std::cell::RefCell;
use std::collections::BTreeSet;

use proptest::prelude::*;

use super::*;
use crate::filter::{FilterSpec, Rule};

const GONE: Dirt = Dirt::GONE;
const CONTENT: Dirt = Dirt::CONTENT;
const ATTRIBUTES: Dirt = Dirt::ATTRIBUTES;
const SUBTREE: Dirt = Dirt::SUBTREE;
const LISTING: Dirt = Dirt::LISTING;

fn p(text: &str) -> RelPath {
    RelPath::new(text.as_bytes()).unwrap()
}

fn filter(include: &[&str], exclude: &[&str]) -> Filter {
    let rules = |patterns: &[&str]| {
        patterns
            .iter()
            .map(|text| Rule {
                pattern: text.to_string(),
                origin: None,
            })
            .collect()
    };
    Filter::compile(&FilterSpec {
        include: rules(include),
        exclude: rules(exclude),
    })
    .unwrap()
}

/// A source as a list of paths: `d/` a directory, `f` a file, `h@2` a file with two names, `x!` what cannot be looked at.
fn look(tree: &'static str) -> impl Fn(&RelPath) -> Seen {
    move |path| {
        let path = path.to_string();
        tree.split_whitespace()
            .find_map(
                |entry| match entry.trim_end_matches(['/', '!']).split('@').next() {
                    Some(name) if name == path && entry.ends_with('/') => Some(Seen::Directory),
                    Some(name) if name == path && entry.ends_with('!') => Some(Seen::Unknown),
                    Some(name) if name == path => Some(Seen::Other {
                        links: entry
                            .split('@')
                            .nth(1)
                            .map_or(1, |links| links.parse().unwrap()),
                    }),
                    _ => None,
                },
            )
            .unwrap_or(Seen::Missing)
    }
}

fn shown(act: Act) -> String {
    match act {
        Act::Remove => "remove".to_string(),
        Act::Send => "send".to_string(),
        Act::Attributes => "attributes".to_string(),
        Act::Listing => "listing".to_string(),
        Act::Reconcile { trust, delete } => {
            format!(
                "{}{}",
                if trust { "trust" } else { "doubt" },
                if delete { "-delete" } else { "" }
            )
        }
    }
}

fn check(tree: &'static str, delete: DeletePolicy, marks: &[(&str, Dirt)], expected: &[&str]) {
    let everything = filter(&["**"], &["*.tmp", "build/"]);
    let scope = Scope {
        filter: &everything,
        delete,
        hard_links: false,
        fences: &[],
        entries: None,
    };
    check_in(scope, tree, marks, expected);
}

/// A mirror that keeps hard links.
fn linking(filter: &Filter) -> Scope<'_> {
    Scope {
        filter,
        delete: Mirror,
        hard_links: true,
        fences: &[],
        entries: None,
    }
}

fn check_in(scope: Scope<'_>, tree: &'static str, marks: &[(&str, Dirt)], expected: &[&str]) {
    let marks = marks
        .iter()
        .map(|(path, dirt)| Mark {
            path: p(path),
            dirt: *dirt,
        })
        .collect();
    let batch = normalise(&Work::Batch(marks), scope, &look(tree));
    let found: Vec<String> = batch
        .entries
        .iter()
        .map(|entry| format!("{} {}", entry.path, shown(entry.act)))
        .collect();
    assert_eq!(found, expected);
    assert_eq!(batch.pass, None);
}

use DeletePolicy::{Mirror, Never, Propagate};

#[test]
fn what_a_path_is_now_decides() {
    check("d/ d/f e/", Mirror, &[("d/f", CONTENT)], &["d/f send"]);
    check("d/ d/f", Mirror, &[("d/f", GONE)], &["d/f send"]);
    check(
        "d/ d/f",
        Mirror,
        &[("d/f", SUBTREE | CONTENT)],
        &["d/f send"],
    );
    check(
        "d/ d/f",
        Mirror,
        &[("d/f", ATTRIBUTES), ("d", ATTRIBUTES)],
        &["d attributes", "d/f attributes"],
    );
    check("d/", Mirror, &[("d/f", CONTENT)], &["d/f remove"]);
    check("d/", Mirror, &[("d", SUBTREE)], &["d trust-delete"]);
    check(
        "d/",
        Mirror,
        &[("d", SUBTREE | CONTENT)],
        &["d doubt-delete"],
    );
    check("d/", Mirror, &[("d", CONTENT)], &["d doubt-delete"]);
    check("", Mirror, &[("", SUBTREE)], &[". trust-delete"]);
}

#[test]
fn only_what_was_seen_to_vanish_is_deleted_under_propagate() {
    check("d/", Propagate, &[("d", SUBTREE)], &["d trust"]);
    check(
        "d/",
        Propagate,
        &[("d", SUBTREE | GONE)],
        &["d trust-delete"],
    );
    check("d/", Propagate, &[("d/f", CONTENT)], &["d/f remove"]);
    check("d/", Never, &[("d", SUBTREE | GONE)], &["d trust"]);
}

#[test]
fn a_listing_is_one_directory_and_only_under_mirror() {
    check("d/", Mirror, &[("d", LISTING)], &["d listing"]);
    check("d/", Mirror, &[("d", LISTING | ATTRIBUTES)], &["d listing"]);
    check("", Mirror, &[("", LISTING)], &[". listing"]);
    for policy in [Propagate, Never] {
        check("d/", policy, &[("d", LISTING)], &["d attributes"]);
        check("", policy, &[("", LISTING | ATTRIBUTES)], &[". attributes"]);
        check("d/", policy, &[("d", LISTING | SUBTREE)], &["d trust"]);
    }
    check(
        "d/",
        Mirror,
        &[("d", LISTING | SUBTREE)],
        &["d trust-delete"],
    );
    check(
        "d/",
        Mirror,
        &[("d", LISTING | CONTENT)],
        &["d doubt-delete"],
    );
    check(
        "d/",
        Propagate,
        &[("d", LISTING | GONE)],
        &["d doubt-delete"],
    );
    check("build/ d/", Mirror, &[("build", LISTING)], &[]);
}

#[test]
fn a_listed_directory_that_is_none_any_more_was_seen_to_vanish() {
    check("d", Mirror, &[("d", LISTING)], &["d send"]);
    check("d!", Mirror, &[("d", LISTING)], &["d send"]);
    check("", Propagate, &[("d", LISTING)], &["d remove"]);
    check("", Never, &[("d", LISTING)], &[". attributes"]);
    check("d/ d/l", Mirror, &[("d/l/e", LISTING)], &["d/l send"]);
    let only = filter(&["*.rs"], &[]);
    let scope = Scope {
        filter: &only,
        delete: Mirror,
        hard_links: false,
        fences: &[],
        entries: None,
    };
    check_in(scope, "", &[("way", LISTING)], &["way remove"]);
    check_in(scope, "", &[("way", ATTRIBUTES)], &[]);
}

#[test]
fn a_listing_does_what_lies_directly_in_it_and_nothing_below() {
    check(
        "d/ d/f d/e/ d/e/g d/h",
        Mirror,
        &[
            ("d", LISTING),
            ("d/f", ATTRIBUTES),
            ("d/h", CONTENT),
            ("d/gone", GONE),
            ("d/e", ATTRIBUTES),
            ("d/e/g", ATTRIBUTES),
            ("d/e/gone", GONE),
        ],
        &[
            "d listing",
            "d/e/g attributes",
            "d/e/gone remove",
            "d/h send",
        ],
    );
    check(
        "d/ d/e/ d/s/",
        Mirror,
        &[("d", LISTING), ("d/e", LISTING), ("d/s", SUBTREE | CONTENT)],
        &["d listing", "d/e listing", "d/s doubt-delete"],
    );
    check(
        "d/ d/e/",
        Mirror,
        &[("d", SUBTREE), ("d/e", LISTING)],
        &["d trust-delete"],
    );
    // In byte order `d.x` stands between `d` and what is in it.
    check(
        "d/ d.x/",
        Mirror,
        &[("d", LISTING), ("d.x", ATTRIBUTES), ("d/x", GONE)],
        &["d listing", "d.x attributes"],
    );
}

#[test]
fn a_listing_and_a_tree_that_keeps_become_one_that_deletes() {
    let everything = filter(&["**"], &[]);
    let scope = linking(&everything);
    check_in(
        scope,
        "h@2 d/",
        &[("h", CONTENT), ("d", LISTING)],
        &[". trust", "d listing", "h send"],
    );
    check_in(
        scope,
        "h@2",
        &[("h", CONTENT), ("", LISTING)],
        &[". trust-delete", "h send"],
    );
}

#[test]
fn without_deleting_a_missing_path_leaves_its_parents_time() {
    check("d/", Never, &[("d/f", GONE)], &["d attributes"]);
    check(
        "d/ d/g",
        Never,
        &[("d/f", GONE), ("d", SUBTREE), ("d/g", CONTENT)],
        &["d trust", "d/g send"],
    );
    check("", Never, &[("f", GONE)], &[". attributes"]);
}

#[test]
fn the_topmost_ancestor_that_is_no_directory_stands_for_what_is_below() {
    check(
        "d/",
        Mirror,
        &[("d/e/f", CONTENT), ("d/e/g", ATTRIBUTES)],
        &["d/e remove"],
    );
    check(
        "d/ d/link",
        Mirror,
        &[("d/link/f", ATTRIBUTES)],
        &["d/link send"],
    );
    check("d/ d/e!", Mirror, &[("d/e/f", GONE)], &["d/e send"]);
}

#[test]
fn what_cannot_be_looked_at_is_never_removed() {
    check("x!", Mirror, &[("x", GONE | SUBTREE)], &["x send"]);
}

#[test]
fn excluded_paths_drop_out() {
    check(
        "f.tmp d/ d/f",
        Mirror,
        &[("f.tmp", CONTENT), ("gone.tmp", GONE), ("d/f", CONTENT)],
        &["d/f send"],
    );
    check(
        "build/ build/x",
        Mirror,
        &[("build", SUBTREE), ("build/x", CONTENT), ("build/y", GONE)],
        &[],
    );
    // A missing path that would be protected as a directory is left alone; as a file it belongs.
    check("", Mirror, &[("build", GONE)], &[]);
    check("build", Mirror, &[("build", CONTENT)], &["build send"]);
}

#[test]
fn a_removed_directory_that_was_only_a_way_is_removed() {
    let only = filter(&["*.rs"], &[]);
    let scope = Scope {
        filter: &only,
        delete: Mirror,
        hard_links: false,
        fences: &[],
        entries: None,
    };
    check_in(
        scope,
        "d/",
        &[("d/e/x.rs", GONE), ("d/y.txt", CONTENT)],
        &["d/e remove"],
    );
    check_in(scope, "d/ d/y.txt", &[("d/y.txt", CONTENT)], &[]);
}

#[test]
fn what_the_upper_entry_does_the_lower_need_not() {
    check(
        "d/ d/f d/e/",
        Mirror,
        &[
            ("d", SUBTREE | CONTENT),
            ("d/f", CONTENT),
            ("d/e", SUBTREE),
            ("d/x", GONE),
        ],
        &["d doubt-delete"],
    );
    check(
        "d/ d/f d/e/ d/g",
        Mirror,
        &[
            ("d", SUBTREE),
            ("d/f", CONTENT),
            ("d/e", SUBTREE | CONTENT),
            ("d/x", GONE),
            ("d/g", ATTRIBUTES),
        ],
        &["d trust-delete", "d/e doubt-delete", "d/f send"],
    );
    check(
        "d/ d/f d/e/",
        Propagate,
        &[
            ("d", SUBTREE | CONTENT),
            ("d/f", CONTENT),
            ("d/x", GONE),
            ("d/e", SUBTREE | GONE),
        ],
        &["d doubt", "d/e trust-delete", "d/x remove"],
    );
    check(
        "d/ d/f",
        Mirror,
        &[("", SUBTREE), ("d/f", CONTENT), ("d", ATTRIBUTES)],
        &[". trust-delete", "d/f send"],
    );
    // In byte order `d.x` stands between `d` and what is below it.
    check(
        "d/ d.x d/f",
        Mirror,
        &[("d", SUBTREE | CONTENT), ("d.x", CONTENT), ("d/f", CONTENT)],
        &["d doubt-delete", "d.x send"],
    );
}

#[test]
fn a_file_with_several_names_brings_the_tree_along() {
    let everything = filter(&["**"], &[]);
    let scope = linking(&everything);
    check_in(
        scope,
        "h@2 f",
        &[("h", CONTENT), ("f", CONTENT)],
        &[". trust", "f send", "h send"],
    );
    check_in(scope, "h@2 f", &[("f", CONTENT)], &["f send"]);
}

/// Everything is a directory, and notes where several names are looked for.
struct Searched {
    searched: RefCell<Vec<String>>,
    found: &'static str,
}

impl Look for Searched {
    fn look(&self, _: &RelPath) -> Seen {
        Seen::Directory
    }

    fn several_names_below(&self, directory: &RelPath) -> bool {
        self.searched.borrow_mut().push(directory.to_string());
        directory.to_string() == self.found
    }
}

#[test]
fn several_names_are_looked_for_once_and_until_they_are_found() {
    let everything = filter(&["**"], &[]);
    let marks = ["a", "a-b", "a/b", "a/b/c", "c", "d"].map(|at| Mark {
        path: p(at),
        dirt: SUBTREE,
    });
    let searched = |found| {
        let look = Searched {
            searched: RefCell::default(),
            found,
        };
        normalise(&Work::Batch(marks.to_vec()), linking(&everything), &look);
        look.searched.into_inner()
    };
    assert_eq!(searched("none"), ["a", "a-b", "c", "d"]);
    assert_eq!(searched("c"), ["a", "a-b", "c"]);
}

/// A source whose file `a/f` has these names.
struct Linked(Option<Vec<RelPath>>);

impl Look for Linked {
    fn look(&self, path: &RelPath) -> Seen {
        match path.name() {
            b"f" => Seen::Other { links: 3 },
            _ => Seen::Directory,
        }
    }

    fn names(&self, of: &[RelPath]) -> Option<Vec<RelPath>> {
        assert!(of.iter().all(|path| *path == p("a/f") || *path == p("a")));
        self.0.clone()
    }

    fn several_names_below(&self, _: &RelPath) -> bool {
        true
    }
}

#[test]
fn the_names_of_one_file_are_sent_together() {
    let (some, fences) = (filter(&["**"], &["*.tmp"]), [p("m")]);
    let scope = Scope {
        fences: &fences,
        ..linking(&some)
    };
    let names = ["a/f", "b/g", "b/x.tmp", "m/g"].map(p);
    let batch = |names: Option<&[RelPath]>, mark: (&str, Dirt)| {
        let (path, dirt) = (p(mark.0), mark.1);
        let work = Work::Batch(vec![Mark { path, dirt }]);
        let batch = normalise(&work, scope, &Linked(names.map(<[RelPath]>::to_vec)));
        let entries = batch.entries.iter();
        let shown = entries.map(|entry| format!("{} {}", entry.path, shown(entry.act)));
        shown.collect::<Vec<_>>()
    };
    let file = ("a/f", CONTENT);
    assert_eq!(batch(Some(&names), file), ["a/f send", "b/g send"]);
    assert_eq!(batch(None, file), [". trust", "a/f send"]);
    assert_eq!(batch(Some(&names), ("a/f", ATTRIBUTES)), ["a/f attributes"]);
    // What is in a doubted directory is covered by it.
    assert_eq!(
        batch(Some(&names), ("a", SUBTREE | CONTENT)),
        [". trust", "a doubt-delete", "b/g send"]
    );
    assert_eq!(
        batch(Some(&names), ("a", SUBTREE)),
        [". trust", "a trust-delete"]
    );
}

#[test]
fn mounts_are_a_fence() {
    let (everything, fences) = (filter(&["**"], &[]), [p("m")]);
    let scope = Scope {
        filter: &everything,
        delete: Mirror,
        hard_links: false,
        fences: &fences,
        entries: None,
    };
    check_in(scope, "m/ m/f", &[("m/f", CONTENT), ("m/gone", GONE)], &[]);
    check_in(scope, "m/", &[("m", SUBTREE)], &["m attributes"]);
}

#[test]
fn a_pass_is_the_root() {
    let everything = filter(&["**"], &[]);
    let scope = |delete| Scope {
        filter: &everything,
        delete,
        hard_links: false,
        fences: &[],
        entries: None,
    };
    for (delete, expected) in [
        (Mirror, "trust-delete"),
        (Propagate, "trust"),
        (Never, "trust"),
    ] {
        let batch = normalise(&Work::Pass(Compare::Checksum), scope(delete), &look(""));
        assert_eq!(
            (batch.pass, batch.entries.len()),
            (Some(Compare::Checksum), 1)
        );
        assert_eq!(shown(batch.entries[0].act), expected);
    }
}

/// Random trees as a map, so that ancestors are consistent.
fn trees() -> impl Strategy<Value = BTreeMap<String, Seen>> {
    let path = "[ab](/[ab]){0,3}";
    let seen = prop_oneof![
        3 => Just(Seen::Directory),
        2 => Just(Seen::Other { links: 1 }),
        1 => Just(Seen::Other { links: 2 }),
        1 => Just(Seen::Unknown),
    ];
    prop::collection::btree_map(path, seen, 0..16)
}

fn marks() -> impl Strategy<Value = Vec<(String, u8)>> {
    prop::collection::vec(("([ab](/[ab]){0,3})?", 1u8..32), 0..10)
}

fn dirt(bits: u8) -> Dirt {
    let all = [ATTRIBUTES, CONTENT, SUBTREE, GONE, LISTING];
    all.iter()
        .enumerate()
        .filter(|(at, _)| bits & (1 << at) != 0)
        .fold(Dirt::none(), |sum, (_, dirt)| sum | *dirt)
}

proptest! {
    #[test]
    fn every_batch_is_normal_and_leaves_no_mark_out(
        tree in trees(), marks in marks(), policy in prop_oneof![Just(Mirror), Just(Propagate), Just(Never)], hard_links: bool,
    ) {
        let asked = std::cell::RefCell::new(BTreeSet::new());
        let look = |path: &RelPath| {
            asked.borrow_mut().insert(path.clone());
            tree.get(&path.to_string()).copied().unwrap_or(Seen::Missing)
        };
        static EVERYTHING: std::sync::OnceLock<Filter> = std::sync::OnceLock::new();
        let everything = EVERYTHING.get_or_init(|| filter(&["**"], &[]));
        let scope = Scope { filter: everything, delete: policy, hard_links, fences: &[], entries: None };
        let work: Vec<Mark> = marks.iter().map(|(path, bits)| Mark { path: p(path), dirt: dirt(*bits) }).collect();
        let batch = normalise(&Work::Batch(work.clone()), scope, &look);
        let seen = asked.borrow().clone();
        for path in seen {
            let above = path.ancestors().all(|above| look(&RelPath::new(above).unwrap()) == Seen::Directory);
            prop_assert!(above, "looked through something at {path}");
        }
        for (upper, lower) in batch.entries.iter().zip(batch.entries.iter().skip(1)) {
            prop_assert!(upper.path < lower.path);
        }
        for entry in &batch.entries {
            let directory = |path: &RelPath| path.is_root() || look(path) == Seen::Directory;
            prop_assert!(entry.path.ancestors().all(|above| directory(&RelPath::new(above).unwrap())));
            match entry.act {
                Act::Remove => prop_assert!(policy != Never && look(&entry.path) == Seen::Missing),
                Act::Reconcile { delete, .. } => {
                    prop_assert!(directory(&entry.path) && (!delete || policy != Never));
                    let gone = work.iter().any(|mark| mark.path == entry.path && mark.dirt.has(GONE));
                    prop_assert!(policy != Propagate || !delete || gone);
                    // A directory whose names may differ is not reconciled without deleting.
                    let listed = work.iter().any(|mark| mark.path == entry.path && mark.dirt.has(LISTING));
                    prop_assert!(policy != Mirror || !listed || delete);
                }
                Act::Send => prop_assert!(!directory(&entry.path) && look(&entry.path) != Seen::Missing),
                Act::Listing => {
                    let listed = work.iter().any(|mark| mark.path == entry.path && mark.dirt.has(LISTING));
                    prop_assert!(policy == Mirror && listed && directory(&entry.path));
                }
                Act::Attributes => prop_assert!(look(&entry.path) != Seen::Missing || entry.path.is_root()),
            }
            for other in &batch.entries {
                let below = other.path != entry.path && other.path.starts_with(&entry.path);
                prop_assert!(!below || !covers((&entry.path, entry.act), (&other.path, other.act)), "{} covers {}", entry.path, other.path);
            }
        }
        for mark in &work {
            let done = batch.entries.iter().any(|entry| mark.path.starts_with(&entry.path) || entry.path.starts_with(&mark.path));
            let dropped = policy == Never && !batch.entries.is_empty();
            prop_assert!(done || dropped, "{} was left out", mark.path);
        }
    }
}

#[test]
fn a_list_that_costs_more_than_the_tree_is_a_pass_that_trusts_and_deletes_nothing() {
    let everything = filter(&["**"], &[]);
    let scope = |entries| Scope {
        filter: &everything,
        delete: Mirror,
        hard_links: false,
        fences: &[],
        entries,
    };
    let mark = |path: String, dirt| Mark {
        path: RelPath::new(path.as_bytes()).unwrap(),
        dirt,
    };
    let mut marks: Vec<Mark> = (0..2000)
        .map(|at| mark(format!("d/{at}"), ATTRIBUTES))
        .collect();
    marks.push(mark("content".into(), CONTENT));
    marks.push(mark("gone".into(), GONE | CONTENT));
    marks.push(mark("listing".into(), LISTING));
    let look = |path: &RelPath| match path.as_bytes() {
        b"gone" => Seen::Missing,
        b"d" | b"listing" => Seen::Directory,
        _ => Seen::Other { links: 1 },
    };
    let batch = |marks: &[Mark], entries| {
        normalise(&Work::Batch(marks.to_vec()), scope(entries), &look).entries
    };
    let whole = Act::Reconcile {
        trust: true,
        delete: false,
    };
    let shown: Vec<(String, Act)> = batch(&marks, Some(16_000))
        .into_iter()
        .map(|entry| (entry.path.to_string(), entry.act))
        .collect();
    let named = |path: &str, act| (path.to_string(), act);
    assert_eq!(
        shown,
        [
            named(&RelPath::root().to_string(), whole),
            named("content", Act::Send),
            named("gone", Act::Remove),
            named("listing", Act::Listing),
        ]
    );
    for entries in [None, Some(16_001)] {
        assert_eq!(batch(&marks, entries).len(), 2003, "a list");
    }
    // Joined with a listing of the root, it would delete everywhere: then it stays a list, of which that one does the removal.
    marks.push(mark(String::new(), LISTING));
    assert_eq!(batch(&marks, Some(10)).len(), 2003);
    // What goes along with others, and what must not be trusted, makes no pass.
    let mut marks = Vec::new();
    for at in 0..2000 {
        marks.push(mark(format!("e{at}"), ATTRIBUTES));
        marks.push(mark(format!("e{at}/f"), CONTENT));
    }
    let look = |path: &RelPath| match path.name() {
        b"f" => Seen::Other { links: 1 },
        _ => Seen::Directory,
    };
    let entries = normalise(&Work::Batch(marks), scope(Some(10)), &look).entries;
    assert!(entries.iter().all(|entry| !entry.path.is_root()));
}

#[test]
fn what_was_written_in_a_new_directory_is_sent_with_it_without_a_look() {
    let everything = filter(&["**"], &[]);
    let scope = |delete, hard_links, fences| Scope {
        filter: &everything,
        delete,
        hard_links,
        fences,
        entries: None,
    };
    let new = SUBTREE | CONTENT;
    let marks = [
        ("d", new),
        ("d/a", CONTENT | ATTRIBUTES),
        ("d/e", new),
        ("d/gone", GONE | CONTENT),
        ("d/x/listing", LISTING),
        ("d-", CONTENT),
        ("trusted", SUBTREE),
        ("trusted/a", CONTENT),
    ]
    .map(|(path, dirt)| Mark {
        path: p(path),
        dirt,
    });
    let asked = |scope: Scope<'_>| {
        let asked = RefCell::new(Vec::new());
        let look = |path: &RelPath| {
            asked.borrow_mut().push(path.to_string());
            match path.as_bytes() {
                b"d" | b"d/e" | b"d/x" | b"d/x/listing" | b"trusted" => Seen::Directory,
                b"d/gone" => Seen::Missing,
                _ => Seen::Other { links: 1 },
            }
        };
        let batch = normalise(&Work::Batch(marks.to_vec()), scope, &look);
        let acts: Vec<String> = (batch.entries.into_iter())
            .map(|entry| format!("{} {}", entry.path, shown(entry.act)))
            .collect();
        (acts, asked.into_inner())
    };
    let without = [
        "d",
        "d/gone",
        "d/x",
        "d/x/listing",
        "d-",
        "trusted",
        "trusted/a",
    ];
    let (acts, looked) = asked(scope(Never, false, &[]));
    assert_eq!(
        acts,
        ["d doubt", "d- send", "trusted trust", "trusted/a send"]
    );
    assert_eq!(looked, without);
    let (acts, looked) = asked(scope(Mirror, false, &[]));
    assert_eq!(
        acts,
        [
            "d doubt-delete",
            "d- send",
            "trusted trust-delete",
            "trusted/a send"
        ]
    );
    assert_eq!(looked, without);
    // What is missing, hard links, and what lies beyond a mount: each has to be looked at.
    let all = marks.len() + 1;
    assert_eq!(asked(scope(Propagate, false, &[])).1.len(), all);
    assert_eq!(asked(scope(Never, true, &[])).1.len(), all);
    let fence = [p("d")];
    assert_eq!(asked(scope(Never, false, &fence)).1.len(), all);
}
