//! The pages as HTML: each state, names that are hostile, and bounds.

use jiff::Timestamp;
use jiff::tz::TimeZone;
use maud::Markup;
use serde_json::{Value, json};

use super::filter::{Filter, ROWS_MAX};
use super::frame::{Frame, Live, sorry};
use super::history::History;
use super::route::Known;
use super::words::Clock;
use super::{files, overview, route};
use crate::engine::detail::Detail;
use crate::engine::status::PendingStatus;
use crate::engine::{PathFailure, RelPath, escape};
use crate::ledger::Run;
use crate::manifest::{self, SourceFile};
use crate::plan::{self, Explain, HostFacts, Plan, RouteName, SourceName, SourcePlan, TargetName};
use crate::service::in_force::Rejected;
use crate::service::protocol::StatusAnswer;
use crate::service::reading::{Diagnostics, Effective, Line, Rejection};
use crate::transfer;

/// What somebody may call a file to see what a page does with it.
const HOSTILE: [&[u8]; 5] = [
    b"<script>alert(1)</script>",
    b"\"><img src=x onerror=alert(1)>",
    b"line\nbreak\tand \x1b[31mred",
    b"\xff\xfe not utf-8",
    "\u{202e}gpj.exe \u{2066}".as_bytes(),
];

fn clock() -> Clock {
    Clock {
        now: "2026-06-01T12:00:00Z".parse().unwrap(),
        zone: TimeZone::UTC,
    }
}

/// A route in sync, with other values for some keys.
fn one(name: &str, other: Value) -> Value {
    let mut route = json!({
        "route": name, "target": "rsync://backup@mirror.example.com/site", "state": "in sync", "lagSeconds": null,
        "pending": 0, "lastGood": "2026-06-01T11:59:56Z", "nextRescan": "2026-06-02T03:25:00Z", "nextSync": null,
        "code": null, "why": null, "hold": null, "failing": [], "failingCount": 0,
        "transfers": 12, "files": 51_002, "bytes": 7_340_032, "deleted": 3,
    });
    let other = other.as_object().unwrap().clone();
    route.as_object_mut().unwrap().extend(other);
    route
}

fn held() -> Value {
    one(
        "website/nas",
        json!({
            "state": "held", "lagSeconds": 10_800.0, "pending": 51_002, "code": "deletes",
            "why": "would delete 51002 of 51010: heliostat approve website/nas --id 7c1e",
            "hold": {"id": "7c1e", "reason": "deletes", "count": 51_002, "of": 51_010, "since": "2026-06-01T09:00:00Z",
                     "sample": HOSTILE.map(|name| escape(name).into_owned())},
        }),
    )
}

fn failing() -> Value {
    let paths = HOSTILE.map(|name| {
        json!({"path": escape(name), "reason": "mkstemp: <b>permission</b> denied", "since": "2026-06-01T11:00:00Z",
               "tries": 7, "nextTrySeconds": 90.0, "trying": false})
    });
    one(
        "website/dr",
        json!({
            "state": "failing", "lagSeconds": 3600.0, "pending": 2345, "code": "paths", "failing": paths, "failingCount": 2345,
            "why": "2345 paths fail: `a`: <i>permission</i> denied; try 8 in 90s",
        }),
    )
}

fn answer(routes: Vec<Value>) -> StatusAnswer {
    serde_json::from_value(json!({
        "formatVersion": 1, "host": "web-origin-1", "version": "0.1.0", "uptimeSeconds": 1_036_800,
        "digest": "91af00c2b7de", "revision": "0123456789abcdef0123", "since": "2026-05-20T12:00:00Z",
        "origin": {"from": "files"}, "rejected": null, "drift": null, "watchLimit": 192_536, "generation": 42,
        "sources": [{"name": "website", "path": "/srv/web", "ready": true, "directories": 41_230, "unwatched": 0,
                     "doubted": 2, "mechanism": "inotify", "mechanismWhy": "a local file system", "waiting": null}],
        "routes": routes,
    }))
    .unwrap()
}

fn framed(answer: &StatusAnswer, here: &str, content: Markup) -> String {
    let frame = Frame {
        title: "Title",
        answer,
        clock: &clock(),
        here,
        live: Live::On,
    };
    frame.around(content).into_string()
}

fn all(answer: &StatusAnswer, filter: &Filter) -> String {
    framed(
        answer,
        &filter.address(),
        overview::overview(answer, filter, &clock()),
    )
}

/// One element a line, without the symbols, which are the same on every page.
fn lines(page: &str) -> String {
    let begin = page.find("<a class=\"skip\"").unwrap();
    page[begin..].replace("><", ">\n<")
}

fn name(of: &str) -> RouteName {
    RouteName {
        source: SourceName("website".into()),
        target: TargetName(of.into()),
    }
}

fn plan() -> Plan {
    let file = SourceFile {
        name: "web.yaml".into(),
        text: r#"{apiVersion: heliostat/v1, kind: Manifest, sources: {website: {path: /srv/web, exclude: ["*.tmp"], targets: {
            dr: {url: "rsync://backup@mirror.example.com/site", passwordFile: /etc/heliostat/secret, delete: propagate, maxDelete: 10,
                 exclude: ["<b>*"], windows: [{deny: "08:00-18:00", days: [mon], timeZone: Europe/Berlin}]},
            nas: {url: "file:///mnt/nas"}}}}}"#
            .into(),
    };
    let (manifests, problems) = manifest::load(&[file]);
    let compiled = plan::compile(&manifests, &Default::default(), &HostFacts::default());
    compiled.plan.unwrap_or_else(|| panic!("{problems:?}"))
}

fn runs(of: &RouteName) -> Vec<Run> {
    let run = |minutes: i64, result: &str| {
        let mut run = Run::example(of.clone());
        run.at = clock().now - jiff::SignedDuration::from_mins(minutes);
        run.result = result.into();
        if result == "done" || result == "partial" {
            run.stats.files = 12;
            run.stats.bytes = 3 << 20;
            run.lag_ms = 1200;
        }
        run
    };
    let mut failed = run(3, "failed");
    failed.trouble = Some("timeout: rsync 30: <u>timeout</u>".into());
    let mut partial = run(130, "partial");
    partial.failed = vec![PathFailure {
        path: RelPath::new(HOSTILE[0]).unwrap(),
        reason: "is <em>locked</em>".into(),
    }];
    partial.failed_count = 3;
    vec![failed, run(61, "done"), partial, run(500, "done")]
}

fn page_of(target: &str, status: Value, history: History) -> String {
    let answer = answer(vec![status]);
    let (plan, of) = (plan(), name(target));
    let source = &plan.sources[&of.source];
    let pending = HOSTILE.map(|name| PendingStatus {
        path: escape(name).into_owned(),
        dirt: "content+attributes".into(),
        age_seconds: 61.0,
        reason: "waits for its turn".into(),
    });
    let detail = Detail {
        source: std::sync::Arc::new(source.clone()),
        route: std::sync::Arc::new(source.routes[&of.target].clone()),
        source_since: Some("2026-05-20T12:00:01Z".parse().unwrap()),
        compared: true,
        compared_since: Some("2026-05-20T12:00:07Z".parse().unwrap()),
        hook: None,
        failed: None,
        running: None,
        pending: pending.to_vec(),
    };
    let explain = Explain {
        plan: &plan,
        now: clock().now,
        host: "web-origin-1",
        command_lines: &transfer::command_lines,
        watched_by: &|_: &SourcePlan| String::new(),
    };
    let known = Known {
        route: &answer.status.routes[0],
        source: &answer.status.sources[0],
        detail: &detail,
        history: &history,
        rows: &explain.route(&detail.source, &detail.route),
        up: std::time::Duration::from_secs(answer.uptime_seconds),
    };
    framed(
        &answer,
        "/routes/website/dr",
        route::route(&known, &clock()),
    )
}

/// Nothing of a name or a reason has become markup, or steers what reads it.
fn is_harmless(page: &str) {
    for markup in [
        "<script>alert",
        "<img",
        "onerror=alert(1)>",
        "<b>perm",
        "<i>",
        "<u>",
        "<em>",
        "<b>*",
    ] {
        assert!(!page.contains(markup), "{markup} in {page}");
    }
    let steers = |c: char| {
        (c.is_control() && c != '\n')
            || matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
    };
    assert_eq!(page.find(steers), None, "{page}");
    assert!(!page.contains("line\nbreak"), "{page}");
    let inline = [" style=", " onclick=", "javascript:", "<style"];
    assert!(
        !inline.iter().any(|inline| page.contains(inline)),
        "the policy forbids it"
    );
}

#[test]
fn all_is_well() {
    let page = all(
        &answer(vec![one("website/web98", json!({}))]),
        &Filter::of(&Default::default()),
    );
    insta::assert_snapshot!(lines(&page));
}

#[test]
fn some_want_somebody() {
    let mut answer = answer(vec![held(), failing(), one("website/web98", json!({}))]);
    answer.drift = serde_json::from_value(json!({
        "digest": "77", "message": "the files are not what runs: `heliostat reload` takes them over",
    }))
    .unwrap();
    answer.in_force.rejected = Some(Rejected {
        at: "2026-06-01T11:58:00Z".into(),
        by: "watchManifests".into(),
        reason: "web.yaml:4:1: unknown field `<b>permission`".into(),
        report: "error[H0105]".into(),
    });
    let page = all(&answer, &Filter::of(&Default::default()));
    is_harmless(&page);
    insta::assert_snapshot!(lines(&page));
}

#[test]
fn there_is_nothing_yet() {
    let mut answer = answer(Vec::new());
    answer.status.sources.clear();
    let page = all(&answer, &Filter::of(&Default::default()));
    assert!(
        page.contains("No routes") && page.contains("heliostat init"),
        "{page}"
    );
    assert!(!page.contains("<table"), "{page}");
}

#[test]
fn what_runs_is_not_the_files() {
    for (origin, said) in [
        (
            json!({"from": "rollback", "before": 43}),
            "from generation 43 to 42",
        ),
        (
            json!({"from": "lastGood", "reason": "<b>perm"}),
            "so generation 42 runs: &lt;b&gt;perm",
        ),
    ] {
        let mut answer = answer(vec![one("website/web98", json!({}))]);
        answer.in_force.origin = serde_json::from_value(origin).unwrap();
        let page = all(&answer, &Filter::of(&Default::default()));
        assert!(page.contains(said), "{page}");
    }
}

#[test]
fn a_route_that_is_held() {
    let page = page_of("nas", held(), History::default());
    is_harmless(&page);
    assert!(
        page.contains("would delete <b>51,002</b> of 51,010"),
        "{page}"
    );
    assert!(
        page.contains("<code>heliostat approve website/nas --id 7c1e</code>"),
        "{page}"
    );
    assert!(page.contains("and 50,997 more"), "{page}");
    assert!(page.contains("copied by heliostat itself"), "{page}");
    let guard = one(
        "website/nas",
        json!({"state": "held", "code": "marker", "why": "`.ok` is not there",
               "hold": {"id": "1", "reason": "marker", "count": null, "of": null, "sample": [], "since": "2026-06-01T09:00:00Z"}}),
    );
    let page = page_of("nas", guard, History::default());
    assert!(
        page.contains("<code>marker</code>") && !page.contains("heliostat approve"),
        "{page}"
    );
}

#[test]
fn a_route_that_fails() {
    let history = History {
        runs: runs(&name("dr")),
        begins: Some("2026-06-01T07:00:00Z".parse().unwrap()),
    };
    let page = page_of("dr", failing(), history);
    is_harmless(&page);
    // The secret's file is named, nothing else of it.
    assert!(page.contains("--password-file"), "{page}");
    insta::assert_snapshot!(lines(&page));
}

#[test]
fn the_manifest_says_where_each_value_comes_from() {
    let line = |text: &str, origin: Option<&str>| Line {
        text: text.into(),
        origin: origin.map(str::to_owned),
    };
    let effective = Effective {
        digest: "91af00c2b7de".into(),
        lines: vec![
            line("sources:", None),
            line("  path: <b>permission", Some("web.yaml:4")),
            line("  suspend: false", Some("default")),
        ],
    };
    let shown = |answer: &StatusAnswer, effective, page| {
        let content = files::files(answer, &effective, page, &clock());
        framed(answer, "/manifest", content)
    };
    let mut answer = answer(Vec::new());
    let page = shown(&answer, Ok(effective.clone()), 1);
    is_harmless(&page);
    assert!(
        page.contains("This is what runs") && page.contains("<bdi>web.yaml:4</bdi>"),
        "{page}"
    );
    answer.in_force.digest = "other".into();
    let page = shown(&answer, Ok(effective.clone()), 1);
    assert!(page.contains("This is not what runs"), "{page}");
    answer.in_force.rejected = Some(Rejected {
        at: "2026-06-01T11:58:00Z".into(),
        by: "SIGHUP".into(),
        reason: "web.yaml:4:1: unknown field".into(),
        report: "error[H0105]: <b>permission\n  --> web.yaml:4:1\n".into(),
    });
    let broken = Rejection {
        reason: "web.yaml:9:9: no such thing".into(),
        diagnostics: Diagnostics {
            report: "error[H0999]: the second report".into(),
            list: json!([]),
        },
    };
    let page = shown(&answer, Err(broken), 1);
    is_harmless(&page);
    for said in [
        "2m ago",
        "by SIGHUP",
        "error[H0105]",
        "web.yaml:9:9",
        "the second report",
    ] {
        assert!(page.contains(said), "{said}: {page}");
    }
    // The files are as the last reload found them: what is wrong is said once.
    let same = Rejection {
        reason: "web.yaml:4:1: unknown field".into(),
        diagnostics: Diagnostics {
            report: "error[H0105]: <b>permission\n  --> web.yaml:4:1\n".into(),
            list: json!([]),
        },
    };
    let page = shown(&answer, Err(same), 1);
    assert_eq!(page.matches("error[H0105]").count(), 1, "{page}");
    let many = Effective {
        lines: vec![
            line(
                "  exclude: a rather long pattern, as they are",
                Some("web.yaml:4")
            );
            50_000
        ],
        ..effective
    };
    let page = shown(&answer, Ok(many.clone()), 3);
    assert!(
        page.contains("4,001–6,000 of 50,000 lines"),
        "{}",
        &page[..3000]
    );
    assert!(page.len() < 1_000_000, "{}", page.len());
    let last = shown(&answer, Ok(many), usize::MAX);
    assert!(last.contains("48,001–50,000 of") && !last.contains("After"));
}

#[test]
fn ten_thousand_routes_are_a_small_page() {
    let long = "x".repeat(63);
    let many = (0..10_000).map(|nth| {
        let name = format!("{}{nth:05}/{long}", &long[5..]);
        let why = "w".repeat(200);
        match nth {
            0..3 => one(&name, json!({"state": "retrying", "why": why})),
            _ => one(&name, json!({})),
        }
    });
    let answer = answer(many.collect());
    let of = |pairs: &[(&str, &str)]| {
        Filter::of(
            &pairs
                .iter()
                .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
                .collect(),
        )
    };
    let page = all(&answer, &of(&[]));
    assert!(page.len() < 1_000_000, "{}", page.len());
    assert_eq!(page.matches("<tr id=\"route-").count(), ROWS_MAX);
    assert!(
        page.contains("1–200 of 10,000 routes")
            && page.contains("3 of 10,000 routes need attention.")
    );
    let page = all(&answer, &of(&[("page", "50")]));
    assert!(page.contains("9,801–10,000 of") && !page.contains(">After<"));
    let page = all(&answer, &of(&[("state", "retrying")]));
    assert_eq!(page.matches("<tr id=\"route-").count(), 3);
    let page = all(&answer, &of(&[("find", "X09999/")]));
    assert_eq!(page.matches("<tr id=\"route-").count(), 1);
    let page = all(&answer, &of(&[("find", "\"><script>alert(1)")]));
    is_harmless(&page);
    assert!(page.contains("No route matches"), "{}", &page[..3000]);
}

#[test]
fn a_page_that_cannot_be_says_so_and_tries_again() {
    let page = sorry("Not now", "The service is ending.", true).into_string();
    assert!(
        page.contains("http-equiv=\"refresh\"") && page.contains("The service is ending."),
        "{page}"
    );
    assert!(
        !sorry("Not here", "", false)
            .into_string()
            .contains("refresh")
    );
}

#[test]
fn a_report_of_a_rejected_reload_is_bounded() {
    let standing = crate::service::in_force::Standing {
        generation: 1,
        digest: String::new(),
        revision: None,
        since: Timestamp::UNIX_EPOCH.to_string(),
        origin: crate::service::in_force::Origin::Files,
        rejected: None,
    };
    let in_force = crate::service::in_force::InForce::new(standing);
    in_force.reject("reload", "wrong", &"ü".repeat(1 << 20));
    let report = in_force.get().rejected.unwrap().report;
    assert!(
        report.len() <= 64 << 10 && report.len() > 60 << 10,
        "{}",
        report.len()
    );
}
