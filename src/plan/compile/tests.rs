//! Text in, rendered diagnostics or the plan out.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::{Compiled, HostFacts};
use crate::diagnostic::{self, Report, Sources};
use crate::manifest::{self, SourceFile};
use crate::plan::Plan;

pub(in crate::plan) fn host(name: &str) -> HostFacts {
    HostFacts {
        name: name.into(),
        labels: BTreeMap::from([("site".into(), "fra".into())]),
    }
}

/// Compiles the files, which must be good manifests by themselves.
pub(in crate::plan) fn compile(files: &[&str], host: &HostFacts) -> (Compiled, Sources) {
    let files: Vec<SourceFile> = files
        .iter()
        .enumerate()
        .map(|(nth, text)| SourceFile {
            name: format!("{}.yaml", char::from(b'a' + nth as u8)),
            text: format!(
                "apiVersion: heliostat/v1\nkind: Manifest\n{}",
                text.trim_start_matches('\n')
            ),
        })
        .collect();
    let mut texts = Sources::new();
    for file in &files {
        texts.insert(&file.name, &file.text);
    }
    let (manifests, diagnostics) = manifest::load(&files);
    assert_eq!(
        shown(&texts, &diagnostics),
        "",
        "the files are good manifests by themselves"
    );
    (super::compile(&manifests, &texts, host), texts)
}

fn shown(texts: &Sources, diagnostics: &[diagnostic::Diagnostic]) -> String {
    diagnostic::terminal(
        Report {
            sources: texts,
            diagnostics,
            files: texts.len(),
        },
        false,
    )
}

pub(in crate::plan) fn plan(text: &str) -> Plan {
    let (compiled, texts) = compile(&[text], &host("web1"));
    let Some(plan) = compiled.plan else {
        panic!("{}", shown(&texts, &compiled.diagnostics))
    };
    plan
}

/// What is wrong with the files, without the closing line.
fn wrong_on(host: &HostFacts, files: &[&str]) -> String {
    let (compiled, texts) = compile(files, host);
    let rejected = compiled
        .diagnostics
        .iter()
        .any(|d| d.severity == diagnostic::Severity::Error);
    assert_eq!(compiled.plan.is_none(), rejected);
    let text = shown(&texts, &compiled.diagnostics);
    text.rsplit_once("\n\n")
        .map_or(String::new(), |(text, _)| text.to_string())
}

fn wrong(files: &[&str]) -> String {
    wrong_on(&host("web1"), files)
}

/// The messages only.
fn messages(files: &[&str]) -> Vec<String> {
    compile(files, &host("web1"))
        .0
        .diagnostics
        .into_iter()
        .map(|d| format!("{} {}", d.code, d.message))
        .collect()
}

fn two(first: &str, second: &str) -> String {
    format!(
        "sources:\n  a:\n    path: /a\n    targets:\n      x: {first}\n  b:\n    path: /b\n    targets:\n      y: {second}\n"
    )
}

#[test]
fn the_smallest_manifest_has_every_default() {
    let plan = plan(
        "
sources:
  website:
    path: /data//website/
    targets:
      web98:
        url: rsync://website@172.16.6.98/website
        passwordFile: /etc/heliostat/secrets/website
",
    );
    insta::assert_snapshot!(serde_json::to_string_pretty(&plan).unwrap());
}

#[test]
fn everything_is_carried_over() {
    let text = r#"
metadata: {name: fleet, labels: {team: web}}
defaults:
  source: {exclude: ["*.swp"]}
  target: {timeout: 30s}
sources:
  website:
    path: /data/${labels.team}/${source}
    hosts: [web1, web2]
    include: ["/public/**", "*.html"]
    exclude: ["/cache/"]
    events: [create, closeWrite, move, delete]
    debounce: {quiet: 10ms, maxWait: 2s}
    oneFileSystem: false
    guard: {marker: .here, allowEmpty: true, requireMount: true}
    rescan: {schedule: "5 4 * * *", timeZone: Europe/Berlin, jitter: 1m, compare: checksum, onStart: always}
    targets:
      web98:
        url: rsync://${source}@172.16.6.98:8730/website/${host}/${target}
        passwordEnv: PW
        delete: mirror
        maxDelete: 12.5%
        sync: {schedule: "0 2 * * *", timeZone: Europe/Berlin, jitter: 5m}
        windows: [{deny: "08:00-18:00", days: [mon, fri]}]
        exclude: ["/videos/"]
        debounce: {quiet: 30s, maxWait: 5m}
        rescan: {every: 12h}
        bandwidth: 40MiB/s
        compress: zstd
        attributes: [archive, acls, hardLinks]
        retry: {initial: 2s, max: 5m}
        rsyncArgs: [--fuzzy]
      dr:
        url: ssh://mirror@dr.example.com:22/srv/${labels.site}
        ssh: {identityFile: /etc/id, knownHostsFile: /etc/kh, jump: bastion}
        delete: propagate
      nas:
        url: file:///mnt/nas/website
        guard: {requireMount: true}
"#;
    let first = plan(text);
    assert_eq!(first, plan(text), "the same text gives the same plan");
    insta::assert_snapshot!(serde_json::to_string_pretty(&first).unwrap());
}

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

#[test]
fn names_are_unique_over_files() {
    let source = "sources:\n  website:\n    path: /w\n    targets: {t: {url: \"file:///t\"}}\n";
    insta::assert_snapshot!(wrong(&[
        source,
        &source.replace("/w", "/v").replace("///t", "///u")
    ]));
}

#[test]
fn schedules_and_zones() {
    insta::assert_snapshot!(wrong(&["
sources:
  website:
    path: /w
    rescan: {schedule: \"0 0 30 2 *\", timeZone: Europe/Berln}
    targets:
      t:
        url: file:///t
        sync: {schedule: '0 25 * * *', timeZone: Mars}
      u:
        url: file:///u
        rescan: {schedule: 0 3 * *}
        windows: [{allow: \"08:00-09:00\", timeZone: Nowhere}]
      v:
        url: file:///v
        windows: [{allow: \"08:00-12:00\"}, {deny: \"00:00-24:00\"}]
"]));
}

#[test]
fn patterns() {
    insta::assert_snapshot!(wrong(&["
sources:
  website:
    path: /data/website
    include: [\"/data/website/public/\", \"/cache/keep\", \"*.html\", \"/ok/**\"]
    exclude: [\"/cache/\", \"[a-\", \"*.html\"]
    targets:
      t:
        url: file:///t
        exclude: [/data/website]
"]));
}

#[test]
fn substitution() {
    insta::assert_snapshot!(wrong(&["
sources:
  website:
    path: /data/${target}/${source}
    targets:
      t: {url: \"file:///t/${home}\"}
      u: {url: \"file:///u/${labels.nope}\"}
      v: {url: \"file:///v/${host\"}
"]));
    insta::assert_snapshot!(wrong_on(
        &HostFacts::default(),
        &[
            "sources:\n  website:\n    path: /data\n    targets:\n      t: {url: \"file:///t/${host}\"}\n"
        ]
    ));
}

#[test]
fn what_is_substituted_is_checked_again() {
    let hostile = HostFacts {
        name: "h".into(),
        labels: BTreeMap::from([("site".into(), "../etc".into())]),
    };
    let text = "
sources:
  website:
    path: /data/${labels.site}
    targets:
      t: {url: \"file:///t/${labels.site}\"}
";
    insta::assert_snapshot!(wrong_on(&hostile, &[text]));
}

#[test]
fn hosts_select_sources() {
    let text = "
sources:
  a: {path: /a, hosts: [web1], targets: {t: {url: \"file:///t\", delete: mirror}}}
  b: {path: /b, hosts: [web2], targets: {t: {url: \"file:///t\", delete: mirror}}}
  c: {path: /c, targets: {t: {url: \"file:///u\"}}}
  d: {path: /d, suspend: true, targets: {t: {url: \"file:///u\", delete: mirror}}}
";
    let names = |host_name: &str| {
        let plan = compile(&[text], &host(host_name)).0.plan.unwrap();
        plan.sources
            .into_keys()
            .map(|name| name.0)
            .collect::<Vec<_>>()
            .join(" ")
    };
    assert_eq!(names("web1"), "a c");
    assert_eq!(names("web2"), "b c");
    assert_eq!(names("other"), "c");
}

#[test]
fn hosts_that_delete_in_one_place() {
    let text = |url: &str| {
        format!(
            "sources:\n  a: {{path: /a, hosts: [web1, web2], targets: {{t: {{url: \"{url}\", delete: mirror}}}}}}\n"
        )
    };
    insta::assert_snapshot!(wrong(&[&text("rsync://h/m/p")]));
    assert_eq!(
        messages(&[&text("rsync://h/m/${host}")]),
        Vec::<String>::new()
    );
    assert_eq!(messages(&[&text("file:///p")]), Vec::<String>::new());
}

#[test]
fn nothing_to_do() {
    let text = "sources:\n  a: {path: /a, hosts: [web1], targets: {t: {url: \"file:///t\"}}}\n";
    insta::assert_snapshot!(wrong_on(&host("db1"), &[text]));
    insta::assert_snapshot!(wrong(&[&text.replace("hosts: [web1]", "suspend: true")]));
}

#[test]
fn warnings() {
    insta::assert_snapshot!(wrong(&["
defaults:
  target: {maxDelete: 10%}
sources:
  website:
    path: /w
    events: [create, modify]
    targets:
      t: {url: \"file:///t\", delete: mirror}
      u: {url: \"file:///u\", maxDelete: 5}
"]));
}

#[test]
fn bounds_that_are_the_wrong_way_round() {
    insta::assert_snapshot!(wrong(&["
sources:
  website:
    path: /w
    debounce: {maxWait: 1s}
    targets:
      t: {url: \"file:///t\", debounce: {quiet: 2s}}
      u: {url: \"file:///u\", debounce: {maxWait: 5m}, rescan: {every: 1m}}
"]));
    let text = "sources:\n  w:\n    path: /w\n    targets:\n      t: {url: \"file:///t\", debounce: {quiet: 2s}, retry: {max: 500ms}}\n";
    let plan = plan(text);
    let (_, route) = plan.routes().next().unwrap();
    assert_eq!(
        (route.debounce.quiet_ms, route.debounce.max_wait_ms),
        (2000, 2000)
    );
    assert_eq!((route.retry.initial_ms, route.retry.max_ms), (500, 500));
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

fn checked(text: &str) -> Vec<diagnostic::Diagnostic> {
    let file = SourceFile {
        name: "a.yaml".into(),
        text: format!("apiVersion: heliostat/v1\nkind: Manifest\n{text}"),
    };
    let mut texts = Sources::new();
    texts.insert(&file.name, &file.text);
    super::check(&manifest::load(&[file]).0, &texts)
}

#[test]
fn a_check_of_the_files_alone_needs_no_host() {
    let text = "
sources:
  a: {path: \"/a/${labels.unknown}\", hosts: [h1], targets: {t: {url: \"file:///t/${host}\"}}}
  b: {path: \"/b/${host}\", targets: {t: {url: \"file:///u/${labels.unknown}\"}, u: {url: \"file:///${nonsense}\"}}}
";
    let found: Vec<String> = checked(text)
        .into_iter()
        .map(|d| format!("{} {}", d.code, d.message))
        .collect();
    assert_eq!(found, ["H0219 unknown variable `${nonsense}`"]);
}
