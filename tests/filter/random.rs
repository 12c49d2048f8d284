//! Random trees under random rules, from an alphabet chosen to hurt.
//!
//! `HELIOSTAT_CASES` sets the number of trees, `HELIOSTAT_SEED` repeats a run; the seed of a red run is printed.

use heliostat::filter::{Filter, FilterSpec, Rule, Verdict, check};
use proptest::prelude::*;
use proptest::sample::select;
use proptest::test_runner::{Config, RngAlgorithm, TestCaseError, TestRng, TestRunner};

use super::{Case, Kind, Receiver, SOURCE, Tree, build, divergence, plant, unprotected};
use crate::rig::Scratch;
use crate::rig::rsyncd::Rsyncd;

const CASES: u32 = 150;

const PROTECTION_CASES: u32 = 50;

const DAEMON_CASES: u32 = 30;

/// Rule sets tried on one tree, at the same time.
const SPECS: usize = 3;

const NAMES: [&[u8]; 26] = [
    b"a",
    b"b",
    b"c",
    b"ab",
    b"aab",
    b"a.b",
    b"a.",
    b".a",
    b"*",
    b"**",
    b"a*b",
    b"?",
    b"[a]",
    b"[",
    b"]",
    b"a\\",
    b"\\*",
    b"-",
    b"!",
    b"^",
    b"\xff",
    "\u{e9}".as_bytes(),
    b"a\nb",
    b" a",
    b"a ",
    b"{a,b}",
];

const GLOBS: [&str; 52] = [
    "a",
    "b",
    "c",
    "ab",
    "a.b",
    "a.",
    ".a",
    "*",
    "?",
    "??",
    "a*",
    "*b",
    "*.b",
    "*.*",
    "a*b",
    "a?b",
    "[ab]",
    "[a-c]",
    "[!a]",
    "[^a-c]",
    "[]a]",
    "[!]a]",
    "[-a]",
    "[a-]",
    "[!]",
    "[*]",
    "[*]*",
    "[\\]-]",
    "[!\\]-]",
    "[\\^!]",
    "[\\!]",
    "[+-9]",
    "[\\\\]*",
    "[[]*",
    "\\*",
    "\\**",
    "\\[a]",
    "[a]",
    "a\\\\",
    "\\\\*",
    "{a,b}",
    "{a,{b,c}}*",
    "{,a}b",
    "\\{a,b\\}",
    "\u{e9}",
    "*\n*",
    " a",
    "a ",
    "**",
    "a[!c]b",
    "a[+-9]b",
    "a?b",
];

fn trees() -> impl Strategy<Value = Tree> {
    // Mostly names that meet: rare ones alone would hardly ever match a rule.
    let name = prop_oneof![3 => select(&NAMES[..4]), 1 => select(&NAMES[..])];
    let path = prop::collection::vec(name, 1..=4);
    let kind = prop_oneof![2 => Just(Kind::Dir), 4 => Just(Kind::File), 1 => Just(Kind::Link)];
    prop::collection::vec((path, kind), 0..14).prop_map(|paths| {
        let mut tree = Tree::new();
        for (path, kind) in paths {
            plant(&mut tree, &path.join(&b'/'), kind);
        }
        tree
    })
}

/// A source, and a target that has directories where the source has files.
fn trees_at_odds() -> impl Strategy<Value = (Tree, Tree)> {
    (trees(), trees(), select(&NAMES[..4])).prop_map(|(source, more, name)| {
        let mut target = Tree::new();
        for (path, _) in source.iter().filter(|(_, kind)| **kind != Kind::Dir) {
            plant(&mut target, &[&path[..], name].join(&b'/'), Kind::File);
        }
        for (path, kind) in more {
            plant(&mut target, &path, kind);
        }
        (source, target)
    })
}

fn patterns() -> impl Strategy<Value = String> {
    let parts = prop::collection::vec(
        prop_oneof![3 => select(&GLOBS[..]), 3 => select(&["a", "b", "ab", "*", "**"][..])],
        1..=4,
    );
    let plain = (
        select(&["", "", "/", "**/"][..]),
        parts,
        select(&["", "", "/"][..]),
    )
        .prop_map(|(head, parts, tail)| format!("{head}{}{tail}", parts.join("/")));
    let braced = (patterns_within(), patterns_within(), select(&GLOBS[..]))
        .prop_map(|(one, two, more)| format!("{{{one},{two}}}{more}"));
    prop_oneof![9 => plain, 1 => braced].prop_filter("refused", |pattern| check(pattern).is_ok())
}

fn patterns_within() -> impl Strategy<Value = String> {
    prop::collection::vec(select(&GLOBS[..]), 1..=3).prop_map(|parts| parts.join("/"))
}

fn specs() -> impl Strategy<Value = FilterSpec> {
    let rules = |count| {
        prop::collection::vec(
            patterns().prop_map(|pattern| Rule {
                pattern,
                origin: None,
            }),
            count,
        )
    };
    let everything = Just(vec![Rule {
        pattern: "**".to_owned(),
        origin: None,
    }]);
    let include = prop_oneof![1 => everything, 2 => rules(0..4)];
    (include, rules(0..4)).prop_map(|(include, exclude)| FilterSpec { include, exclude })
}

/// Runs `property` on as many cases as asked for, and says how to repeat them.
fn run<S: Strategy>(
    cases: u32,
    strategy: &S,
    property: impl Fn(S::Value) -> Result<(), TestCaseError>,
) {
    let number = |name: &str| {
        std::env::var(name)
            .ok()
            .and_then(|text| text.parse::<u64>().ok())
    };
    let seed = number("HELIOSTAT_SEED").unwrap_or_else(|| fastrand::u64(..));
    let cases = number("HELIOSTAT_CASES").map_or(cases, |cases| cases as u32);
    println!("HELIOSTAT_SEED={seed} HELIOSTAT_CASES={cases}");
    let mut bytes = [0; 32];
    bytes[..8].copy_from_slice(&seed.to_le_bytes());
    let config = Config {
        cases,
        failure_persistence: None,
        max_shrink_iters: 400,
        ..Config::default()
    };
    let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &bytes);
    if let Err(failure) = TestRunner::new_with_rng(config, rng).run(strategy, property) {
        panic!("HELIOSTAT_SEED={seed} HELIOSTAT_CASES={cases}\n{failure}");
    }
}

/// Some rule sets on one pair of trees, at the same time.
fn on_all(
    rule: fn(&Case<'_>, &FilterSpec) -> Option<String>,
    receiver: Receiver<'_>,
    source: &Tree,
    target: &Tree,
    specs: &[FilterSpec],
) -> Result<(), TestCaseError> {
    let scratch = Scratch::new();
    let root = scratch.dir("source");
    build(&root, source, SOURCE);
    let case = Case {
        root: &root,
        source,
        target,
        receiver,
    };
    let reports: Vec<String> = std::thread::scope(|scope| {
        let runs: Vec<_> = specs
            .iter()
            .map(|spec| scope.spawn(|| rule(&case, spec)))
            .collect();
        runs.into_iter()
            .filter_map(|run| run.join().unwrap())
            .collect()
    });
    if reports.is_empty() {
        Ok(())
    } else {
        Err(TestCaseError::fail(reports.join("\n")))
    }
}

#[test]
fn decide_and_rsync_agree_on_random_trees_and_rules() {
    let strategy = (trees(), trees(), prop::collection::vec(specs(), SPECS));
    run(CASES, &strategy, |(source, target, specs)| {
        on_all(divergence, Receiver::Local, &source, &target, &specs)
    });
}

/// Here the two trees may be at odds about what a path is: a file where the target has a directory with protected files.
#[test]
fn what_is_protected_survives_whatever_comes_in_its_way() {
    let strategy = (trees_at_odds(), prop::collection::vec(specs(), SPECS));
    run(PROTECTION_CASES, &strategy, |((source, target), specs)| {
        on_all(unprotected, Receiver::Local, &source, &target, &specs)
    });
}

/// Between two programs the rules are written out once more, by rsync, and read again.
#[test]
fn a_daemon_that_is_sent_the_rules_agrees_too() {
    let scratch = Scratch::new();
    let module = scratch.dir("module");
    let mut daemon = Rsyncd::new(&scratch.dir("daemon"), &module);
    daemon.start();
    let strategy = (trees(), trees(), prop::collection::vec(specs(), SPECS));
    run(DAEMON_CASES, &strategy, |(source, target, specs)| {
        on_all(
            divergence,
            Receiver::Daemon(&daemon, &module),
            &source,
            &target,
            &specs,
        )
    });
}

/// Both forms could be wrong alike about the ways to what is included. So, from what single patterns match: a path is
/// included exactly if it or a directory above it matches an include, and none of them an exclude.
#[test]
fn what_an_include_matches_is_reached_wherever_it_lies() {
    run(2000, &(trees(), specs()), |(tree, spec)| {
        let filter = Filter::compile(&spec).unwrap();
        let matching = |rules: &[Rule]| {
            let everything = vec![Rule {
                pattern: "**".to_owned(),
                origin: None,
            }];
            Filter::compile(&FilterSpec {
                include: everything,
                exclude: rules.to_vec(),
            })
            .unwrap()
        };
        let (included, excluded) = (matching(&spec.include), matching(&spec.exclude));
        for (path, kind) in tree {
            let is_dir = kind == Kind::Dir;
            let matched = |by: &Filter| by.decide(&path, is_dir).verdict == Verdict::Excluded;
            let belongs = matched(&included) && !matched(&excluded);
            let verdict = filter.decide(&path, is_dir).verdict;
            prop_assert_eq!(
                verdict == Verdict::Included,
                belongs,
                "{}",
                path.escape_ascii()
            );
        }
        Ok(())
    });
}
