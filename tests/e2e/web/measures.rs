//! What is measured, as Prometheus reads it; and whether all is well, as a load balancer asks.

use std::collections::BTreeMap;
use std::process::{Command, Stdio};

use heliostat::service::metrics::table::METRICS;
use serde_json::json;

use super::*;

const OPEN: (&str, &str) = (
    "accept",
    "application/openmetrics-text;version=1.0.0,text/plain;q=0.5",
);

/// A service in which every metric has something to say: `site/copy` is in sync, `site/held` is held for want of a mount,
/// `site/quiet` is paused, the source `gone` is not there, and a heartbeat was delivered.
pub fn all_sides() -> (Web, Listener) {
    let listener = Listener::new("200 OK");
    let url = format!("http://{}/secret/", listener.address);
    let web = Web::whole(
        json!({"heartbeat": {"start": format!("{url}start"), "success": format!("{url}success"), "fail": format!("{url}fail"), "every": "1s"}}),
        |source, copy| {
            let held = copy.with_file_name("held");
            fs::create_dir(&held).unwrap();
            let mut mounted = local(&held);
            super::super::extend(&mut mounted, &json!({"guard": {"requireMount": true}}));
            let quiet = copy.with_file_name("quiet");
            fs::create_dir(&quiet).unwrap();
            let mut mirrored = local(&quiet);
            super::super::extend(&mut mirrored, &json!({"delete": "mirror"}));
            let gone = source.with_file_name("gone");
            let to = copy.with_file_name("to");
            fs::create_dir(&to).unwrap();
            json!({
                "site": site(source, json!({"copy": local(copy), "held": mounted, "quiet": mirrored})),
                "gone": site(&gone, json!({"to": local(&to)})),
            })
        },
    );
    assert!(
        web.settles("site/quiet", "in sync"),
        "{}",
        web.service.tail()
    );
    let paused = web
        .service
        .call(&["pause", "site/quiet", "--reason", "a test"]);
    assert_eq!(paused.code, 0, "{paused:?}");
    let there = wait_for(PATIENCE, || {
        let text = web.get("/metrics").body;
        let ready = text.contains("heliostat_route_held{")
            && text.contains("heliostat_heartbeat_last_delivered")
            && sample(
                &text,
                "heliostat_route_state{source=\"site\",target=\"copy\",state=\"in_sync\"}",
            ) == Some(1.0)
            && text.contains("heliostat_route_trouble{source=\"gone\"");
        ready.then_some(())
    });
    assert!(
        there.is_some(),
        "{}\n{}",
        web.get("/metrics").body,
        web.service.tail()
    );
    (web, listener)
}

/// The value of a sample, by everything before it.
pub fn sample(text: &str, name: &str) -> Option<f64> {
    let line = text.lines().find_map(|line| line.strip_prefix(name))?;
    line.trim().parse().ok()
}

/// The names of all samples, without `_bucket`, `_sum`, `_count`, and how many they have.
fn names(text: &str) -> BTreeMap<String, usize> {
    let mut names = BTreeMap::new();
    for line in text.lines().filter(|line| !line.starts_with('#')) {
        let name = line.split(['{', ' ']).next().unwrap();
        let bare = ["_bucket", "_sum", "_count"]
            .iter()
            .find_map(|end| name.strip_suffix(end));
        *names.entry(bare.unwrap_or(name).to_owned()).or_default() += 1;
    }
    names
}

fn promtool(args: &[&str], input: &str) {
    let mut child = Command::new("promtool")
        .args(args)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("promtool is there: tests/run.sh installs it");
    child
        .stdin
        .take()
        .unwrap()
        .write_all(input.as_bytes())
        .unwrap();
    let output = child.wait_with_output().unwrap();
    let said = [output.stdout, output.stderr].concat();
    let said = String::from_utf8_lossy(&said);
    assert!(output.status.success(), "{args:?}: {said}\n{input}");
}

#[test]
fn every_metric_of_the_table_is_there_and_prometheus_reads_all_of_them() {
    let (web, _listener) = all_sides();
    let classic = web.get("/metrics");
    assert_eq!(
        classic.header("content-type"),
        Some("text/plain; version=0.0.4; charset=utf-8")
    );
    promtool(&["check", "metrics"], &classic.body);
    let found = names(&classic.body);
    let named: Vec<String> = METRICS.iter().map(|metric| metric.full_name()).collect();
    for name in &named {
        assert!(
            found.contains_key(name),
            "{name} has no sample:\n{}",
            classic.body
        );
    }
    for name in found.keys() {
        assert!(named.contains(name), "{name} is not in the table");
    }
    for metric in METRICS {
        let line = classic.body.lines().find(|line| {
            line.strip_prefix(metric.name)
                .is_some_and(|rest| rest.starts_with(['{', '_', ' ']))
                && !line.contains("le=")
        });
        for label in metric.labels {
            assert!(
                line.unwrap().contains(&format!("{label}=\"")),
                "{metric:?}: {line:?}"
            );
        }
    }
    let open = web.ask("GET", "/metrics", &[OPEN], "");
    let kind = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    assert_eq!(open.header("content-type"), Some(kind));
    assert!(open.body.ends_with("# EOF\n"), "{}", open.body);
    assert_eq!(
        names(&open.body).keys().collect::<Vec<_>>(),
        found.keys().collect::<Vec<_>>()
    );
    assert!(!classic.body.contains("/secret/"));
    for path in [&web.source, &web.copy] {
        assert!(!classic.body.contains(path.to_str().unwrap()), "a path");
    }
    let held = "heliostat_route_held{source=\"site\",target=\"held\",reason=\"";
    assert!(classic.body.contains(held), "{}", classic.body);
    let state = |route: &str, state: &str| {
        let (source, target) = route.split_once('/').unwrap();
        let name = format!(
            "heliostat_route_state{{source=\"{source}\",target=\"{target}\",state=\"{state}\"}}"
        );
        sample(&classic.body, &name)
    };
    assert_eq!(state("site/copy", "in_sync"), Some(1.0));
    assert_eq!(state("site/copy", "held"), Some(0.0));
    assert_eq!(state("site/held", "held"), Some(1.0));
    assert_eq!(state("gone/to", "waiting"), Some(1.0));
    assert_eq!(state("site/quiet", "paused"), Some(1.0));
    let quiet = "source=\"site\",target=\"quiet\"";
    let of = |name: &str, more: &str| {
        sample(
            &classic.body,
            &format!("heliostat_route_paused{name}{{{quiet}{more}}}"),
        )
    };
    assert_eq!(of("", ",otherwise=\"in_sync\""), Some(1.0));
    let times = ["since", "until"].map(|end| of(&format!("_{end}_timestamp_seconds"), "").unwrap());
    // The default is an hour.
    assert!((times[1] - times[0] - 3600.0).abs() < 1.0, "{times:?}");
    assert_eq!(of("_deletions", ""), Some(0.0));
    for (name, value) in [("kept", 1.0), ("damaged", 0.0)] {
        assert_eq!(
            sample(&classic.body, &format!("heliostat_ledger_{name}")),
            Some(value)
        );
    }
    assert_eq!(state("site/copy", "not_compared"), Some(0.0));
}

#[test]
fn what_is_sent_is_counted_and_what_a_reload_removes_is_gone() {
    let mut web = Web::new(json!({}));
    let route = "{source=\"site\",target=\"copy\"}";
    let of = |name: &str| {
        sample(
            &web.get("/metrics").body,
            &format!("heliostat_route_{name}{route}"),
        )
    };
    let before = (
        of("sent_bytes_total").unwrap(),
        of("sent_files_total").unwrap(),
    );
    let took = of("transfer_duration_seconds_count").unwrap();
    write(&web.source, "large", &"x".repeat(100_000));
    assert!(web.service.wait(PATIENCE));
    let of = |name: &str| {
        sample(
            &web.get("/metrics").body,
            &format!("heliostat_route_{name}{route}"),
        )
    };
    assert!(of("sent_bytes_total").unwrap() >= before.0 + 100_000.0);
    assert!(of("sent_files_total").unwrap() > before.1);
    assert!(of("transfer_duration_seconds_count").unwrap() > took);
    assert_eq!(of("lag_seconds"), Some(0.0));
    assert!(of("last_success_timestamp_seconds").unwrap() > 1.7e9);
    assert!(of("last_compared_timestamp_seconds").unwrap() > 1.7e9);
    let text = web.get("/metrics").body;
    let events = sample(&text, "heliostat_source_events_total{source=\"site\"}");
    assert!(events.unwrap() > 0.0, "{text}");
    let other = web.copy.with_file_name("other");
    fs::create_dir(&other).unwrap();
    let sources = json!({"site": site(&web.source, json!({"other": local(&other)}))});
    fs::write(web.service.manifest(), manifest(&sources)).unwrap();
    let text = web.get("/metrics").body;
    assert_eq!(sample(&text, "heliostat_drift"), Some(1.0), "{text}");
    assert_eq!(web.service.call(&["reload"]).code, 0);
    assert!(web.service.wait(PATIENCE));
    let text = web.get("/metrics").body;
    assert!(!text.contains("target=\"copy\""), "{text}");
    assert!(text.contains("target=\"other\""), "{text}");
    assert_eq!(
        sample(&text, "heliostat_reloads_total{result=\"applied\"}"),
        Some(1.0)
    );
    assert_eq!(sample(&text, "heliostat_drift"), Some(0.0));
    fs::write(web.service.manifest(), "broken").unwrap();
    assert_ne!(web.service.call(&["reload"]).code, 0);
    let text = web.get("/metrics").body;
    assert_eq!(
        sample(&text, "heliostat_reloads_total{result=\"rejected\"}"),
        Some(1.0)
    );
    assert_eq!(sample(&text, "heliostat_reload_rejected"), Some(1.0));
    assert_eq!(sample(&text, "heliostat_drift"), Some(1.0));
}

#[test]
fn whether_all_is_well_is_said_in_a_status_and_in_a_line_for_each_thing_that_is_not() {
    let (web, _listener) = all_sides();
    for path in ["/-/healthy", "/-/ready"] {
        let answer = web.get(path);
        assert_eq!(answer.status, 200, "{answer:?}");
    }
    let answer = web.get("/-/insync");
    assert_eq!(answer.status, 503, "{answer:?}");
    let lines: Vec<&str> = answer.body.lines().collect();
    assert_eq!(lines.len(), 3, "{answer:?}");
    // It is meant, and still it is not in sync.
    let paused = lines
        .iter()
        .find(|line| line.starts_with("site/quiet: paused: by "));
    assert!(
        paused.is_some_and(|line| line.contains(": a test; heliostat resume site/quiet")),
        "{answer:?}"
    );
    assert!(
        lines
            .iter()
            .any(|line| line.starts_with("site/held: held: ")),
        "{answer:?}"
    );
    assert!(
        lines
            .iter()
            .any(|line| line.starts_with("gone/to: waiting: ")),
        "{answer:?}"
    );
    for (query, status) in [
        ("?route=site/copy", 200),
        ("?route=site", 503),
        ("?route=site/none", 404),
        ("?route=a/b/c", 400),
        ("?rout=site", 400),
        ("?lag=x", 400),
        ("?route=site/copy&lag=30", 200),
    ] {
        let answer = web.get(&format!("/-/insync{query}"));
        assert_eq!(answer.status, status, "{query}: {answer:?}");
    }
}

#[test]
fn a_name_that_is_no_text_is_escaped_wherever_it_is_shown() {
    use std::os::unix::ffi::OsStrExt;
    let web = Web::new(json!({}));
    let name = std::ffi::OsStr::from_bytes(b"b\xffa\x1b[31m\n<script>\"");
    // It cannot be sent: a directory with something in it stands in its place, and nothing may be deleted.
    fs::create_dir(web.copy.join(name)).unwrap();
    fs::write(web.copy.join(name).join("in the way"), "").unwrap();
    fs::write(web.source.join(name), "x").unwrap();
    let status = wait_for(PATIENCE, || {
        let status = web.get("/v1/status");
        (status.json()["routes"][0]["failingCount"] == 1).then_some(status)
    });
    let status =
        status.unwrap_or_else(|| panic!("{:?}\n{}", web.get("/v1/status"), web.service.tail()));
    let path = status.json()["routes"][0]["failing"][0]["path"]
        .as_str()
        .unwrap()
        .to_owned();
    assert!(
        path.bytes()
            .all(|byte| byte.is_ascii_graphic() || byte == b' '),
        "{path:?}"
    );
    let insync = web.get("/-/insync");
    assert_eq!(insync.status, 503);
    assert_eq!(insync.body.lines().count(), 1, "{insync:?}");
    assert!(!insync.body.contains('\u{1b}'), "{insync:?}");
    let metrics = web.get("/metrics").body;
    let failing = "heliostat_route_failing_paths{source=\"site\",target=\"copy\"}";
    assert_eq!(sample(&metrics, failing), Some(1.0));
    assert!(!metrics.contains("<script>"), "{metrics}");
    promtool(&["check", "metrics"], &metrics);
}

#[test]
fn metrics_stand_in_a_file_while_the_service_runs() {
    let scratch = Scratch::new();
    let path = scratch.path().join("heliostat.prom");
    let mut web = Web::new(json!({"metrics": {"textfile": path, "every": "1s"}}));
    let written = || {
        let text = fs::read_to_string(&path).ok()?;
        Some((sample(&text, "heliostat_written_timestamp_seconds")?, text))
    };
    let (first, text) =
        wait_for(PATIENCE, written).unwrap_or_else(|| panic!("{}", web.service.tail()));
    promtool(&["check", "metrics"], &text);
    assert_eq!(
        fs::metadata(&path).unwrap().permissions().mode() & 0o7777,
        0o644
    );
    // node_exporter has those of its own.
    assert!(!text.contains("process_"), "{text}");
    let later = wait_for(PATIENCE, || written().filter(|(at, _)| *at > first));
    assert!(later.is_some(), "{}", web.service.tail());
    assert!(
        text.contains("heliostat_route_state{source=\"site\",target=\"copy\""),
        "{text}"
    );
    let beside: Vec<_> = fs::read_dir(scratch.path())
        .unwrap()
        .map(|entry| entry.unwrap().file_name())
        .collect();
    assert!(beside.len() <= 2, "{beside:?}");
    assert_eq!(web.service.stop().0, 0);
    assert_eq!(
        fs::read_dir(scratch.path()).unwrap().count(),
        0,
        "what nobody writes is not read"
    );
}

#[test]
fn a_directory_that_is_not_there_is_said_once_and_written_to_when_it_is() {
    let scratch = Scratch::new();
    let path = scratch.path().join("later/heliostat.prom");
    let mut web = Web::new(json!({"metrics": {"textfile": path, "every": "1s"}}));
    let said = |web: &Web| web.service.log().matches("cannot write metrics").count();
    let warned = wait_for(PATIENCE, || (said(&web) > 0).then_some(()));
    assert!(warned.is_some(), "{}", web.service.tail());
    fs::create_dir(path.parent().unwrap()).unwrap();
    assert!(wait_for(PATIENCE, || path.exists().then_some(())).is_some());
    assert_eq!(said(&web), 1, "{}", web.service.log());
    assert!(web.service.wait(PATIENCE));
}
