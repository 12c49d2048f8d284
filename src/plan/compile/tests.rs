//! Text in, rendered diagnostics or the plan out.

mod many_hosts;
mod touching;

use std::collections::BTreeMap;

use super::{Compiled, HostFacts};
use crate::diagnostic::{self, Report, Sources};
use crate::manifest::{self, SourceFile};
use crate::plan::{Durability, Plan};

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
fn durability_that_rsync_cannot_give_is_refused_wherever_it_is_written() {
    let text = |defaults: &str, durability: &str, url: &str| {
        format!(
            "{defaults}sources:\n  website:\n    path: /w\n    targets: {{t: {{{durability}url: \"{url}\"}}}}\n"
        )
    };
    let planned = |text: String| {
        let plan = plan(&text);
        plan.routes().next().unwrap().1.durability
    };
    let (full, file) = ("durability: full, ", "durability: file, ");
    let by_default = "defaults: {target: {durability: full}}\n";
    assert_eq!(planned(text("", "", "file:///t")), Durability::None);
    assert_eq!(planned(text("", full, "file:///t")), Durability::Full);
    assert_eq!(planned(text(by_default, "", "file:///t")), Durability::Full);
    assert_eq!(
        planned(text(by_default, file, "rsync://u@h/m")),
        Durability::File
    );
    assert_eq!(planned(text("", file, "ssh://h/t")), Durability::File);
    insta::assert_snapshot!(format!(
        "{}\n{}",
        wrong(&[&text("", full, "ssh://h/t")]),
        wrong(&[&text(by_default, "", "rsync://u@h/m")])
    ));
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
