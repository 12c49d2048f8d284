//! Places that must not touch: targets and sources inside one another, rings of them, and routes that delete where another
//! one writes; at the end against the rules read word by word, on random sets.

use proptest::prelude::*;

use super::*;

#[test]
fn targets_and_sources_inside_one_another() {
    insta::assert_snapshot!(wrong(&["
sources:
  website:
    path: /data/./website/
    targets:
      inner: {url: \"file:///data//website/mirror\"}
      outer: {url: \"file:///data\"}
      same: {url: \"file:///data/website/\"}
      ssh: {url: \"ssh://root@127.0.0.1/data/website/x\"}
      this-host: {url: \"ssh://WEB1/data/website/x\"}
      elsewhere: {url: \"ssh://web2/data/website/x\"}
      neighbour: {url: \"file:///data/website2\"}
"]));
}

#[test]
fn rings_of_sources_are_refused_and_chains_are_not() {
    let chain = two("{url: \"file:///b/in\"}", "{url: \"file:///c\"}");
    assert_eq!(wrong(&[&chain]), "");
    let ring = two("{url: \"file:///b/in\"}", "{url: \"file:///a/back\"}");
    insta::assert_snapshot!(wrong(&[&ring]));
}

#[test]
fn a_long_ring_over_files() {
    let source = |name: &str, to: &str| {
        format!(
            "sources:\n  {name}:\n    path: /{name}\n    targets:\n      t: {{url: \"file:///{to}/x\"}}\n"
        )
    };
    insta::assert_snapshot!(wrong(&[
        &source("a", "b"),
        &source("b", "c"),
        &source("c", "a"),
        &source("d", "a")
    ]));
}

#[test]
fn two_deleting_routes() {
    let same = two(
        "{url: \"rsync://u@HOST.example.com/m/p\", delete: mirror}",
        "{url: \"rsync://host.example.com.:873/m//p/\", delete: propagate}",
    );
    insta::assert_snapshot!(wrong(&[&same]));
    let nested = two(
        "{url: \"file:///srv/mirror\", delete: mirror}",
        "{url: \"file:///srv/mirror/sub/b\", delete: mirror}",
    );
    insta::assert_snapshot!(wrong(&[&nested]));
}

#[test]
fn one_deleting_route_is_enough_where_paths_are_shared() {
    let shared = |first: &str, second: &str, delete_first: &str, delete_second: &str| {
        messages(&[&two(
            &format!("{{url: \"file://{first}\", delete: {delete_first}}}"),
            &format!("{{url: \"file://{second}\", delete: {delete_second}}}"),
        )])
    };
    let refused = |found: Vec<String>| {
        assert!(
            found.len() == 1 && found[0].starts_with("H0404"),
            "{found:?}"
        )
    };
    refused(shared("/t", "/t", "mirror", "never"));
    refused(shared("/t", "/t", "never", "propagate"));
    refused(shared("/t", "/t/s", "mirror", "never"));
    refused(shared("/t", "/t/s", "never", "mirror"));
    refused(shared("/t/s", "/t", "never", "mirror"));
    assert_eq!(
        shared("/t/a", "/t/ab", "mirror", "mirror"),
        Vec::<String>::new()
    );
    assert_eq!(shared("/t", "/t/s", "never", "never"), Vec::<String>::new());
    assert_eq!(
        shared("/t", "/t", "never", "never"),
        ["H0406 `a/x` and `b/y` write to the same target"]
    );
}

#[test]
fn what_the_outer_route_excludes_belongs_to_the_inner_one() {
    let nested = two(
        "{url: \"file:///t\", delete: mirror, exclude: [\"/sub/\"]}",
        "{url: \"file:///t/sub/b\", delete: mirror}",
    );
    assert_eq!(messages(&[&nested]), Vec::<String>::new());
}

#[test]
fn different_places_do_not_collide() {
    for (first, second) in [
        ("rsync://h/m/p", "rsync://h:8730/m/p"),
        ("rsync://h/m/p", "rsync://h/n/p"),
        ("rsync://h/m/p", "ssh://h/m/p"),
        ("ssh://h/p", "ssh://h:2222/p"),
        ("ssh://h/p", "file:///p"),
    ] {
        let text = two(
            &format!("{{url: \"{first}\", delete: mirror}}"),
            &format!("{{url: \"{second}\", delete: mirror}}"),
        );
        assert_eq!(messages(&[&text]), Vec::<String>::new());
    }
}

/// A source of a random set: its path, and each target's path with whether it deletes.
type Drawn = (&'static str, Vec<(&'static str, bool)>);

const PLACES: [&str; 7] = ["/a", "/a/b", "/a/b/c", "/a/bc", "/d", "/d/e", "/f"];

fn drawn() -> impl Strategy<Value = Vec<Drawn>> {
    let place = || prop::sample::select(&PLACES[..]);
    prop::collection::vec(
        (
            place(),
            prop::collection::vec((place(), any::<bool>()), 1..3),
        ),
        1..4,
    )
}

fn inside(inner: &str, outer: &str) -> bool {
    inner == outer
        || inner
            .strip_prefix(outer)
            .is_some_and(|rest| rest.starts_with('/'))
}

fn touch(a: &str, b: &str) -> bool {
    inside(a, b) || inside(b, a)
}

/// The rules read word by word: everything against everything.
fn should_be_refused(sources: &[Drawn]) -> bool {
    let own = sources
        .iter()
        .any(|(path, targets)| targets.iter().any(|(target, _)| touch(path, target)));
    let routes: Vec<_> = sources.iter().flat_map(|(_, targets)| targets).collect();
    let shared = routes.iter().enumerate().any(|(nth, (path, deletes))| {
        routes[..nth]
            .iter()
            .any(|(other, also)| (*deletes || *also) && touch(path, other))
    });
    // Which source feeds which, and what follows from that.
    let mut feeds: Vec<Vec<bool>> = sources
        .iter()
        .map(|(_, targets)| {
            sources
                .iter()
                .map(|(path, _)| targets.iter().any(|(at, _)| touch(at, path)))
                .collect()
        })
        .collect();
    for via in 0..sources.len() {
        for from in 0..sources.len() {
            for to in 0..sources.len() {
                feeds[from][to] |= feeds[from][via] && feeds[via][to];
            }
        }
    }
    let ring = (0..sources.len()).any(|source| feeds[source][source]);
    own || shared || ring
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn what_must_not_touch_is_refused_and_nothing_else(sources in drawn()) {
        let mut text = String::from("sources:\n");
        for (nth, (path, targets)) in sources.iter().enumerate() {
            text.push_str(&format!("  s{nth}:\n    path: {path}\n    targets:\n"));
            for (nth, (target, deletes)) in targets.iter().enumerate() {
                let delete = if *deletes { "mirror" } else { "never" };
                text.push_str(&format!("      t{nth}: {{url: \"file://{target}\", delete: {delete}}}\n"));
            }
        }
        let (compiled, _) = compile(&[&text], &host("web1"));
        prop_assert_eq!(compiled.plan.is_none(), should_be_refused(&sources), "{}\n{:?}", text, compiled.diagnostics);
        prop_assert_eq!(&compiled, &compile(&[&text], &host("web1")).0);
        // Looking at the files alone comes to the same.
        prop_assert_eq!(&compiled.diagnostics, &checked(&text));
    }
}
