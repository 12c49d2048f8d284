//! What is written about the HTTP interface and the metrics: rules, dashboard, runbook, reference and examples, each held
//! against the program.

use std::collections::BTreeSet;
use std::process::Command;

use clap::{Parser as _, ValueEnum};
use heliostat::cli::Cli;
use heliostat::cli::schema::SchemaKind;
use heliostat::service::metrics::table::{self, METRICS};
use serde_json::json;

use super::*;

const ROUTER: &str = include_str!("../../../src/service/http/router.rs");
const PAGES: &str = include_str!("../../../src/service/http/page/look.rs");

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn page(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap()
}

/// The rules, as YAML says them: name, expression, annotations.
fn alerts() -> Vec<(String, String, Value)> {
    let rules: Value =
        serde_yaml::from_str(&page("examples/prometheus/heliostat.rules.yml")).unwrap();
    let rules = rules["groups"][0]["rules"].as_array().unwrap();
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    rules
        .iter()
        .map(|rule| {
            (
                text(&rule["alert"]),
                text(&rule["expr"]),
                rule["annotations"].clone(),
            )
        })
        .collect()
}

#[test]
fn prometheus_takes_the_rules_and_every_alert_is_tried() {
    for args in [
        ["check", "rules", "heliostat.rules.yml"],
        ["test", "rules", "heliostat.rules.test.yml"],
    ] {
        let output = Command::new("promtool")
            .args(args)
            .current_dir(root().join("examples/prometheus"))
            .output()
            .expect("promtool is there: tests/run.sh installs it");
        let said = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
        assert!(output.status.success(), "{args:?}: {said}");
    }
    let tests: Value =
        serde_yaml::from_str(&page("examples/prometheus/heliostat.rules.test.yml")).unwrap();
    let tried = |alert: &str, fires: bool| {
        let tests = tests["tests"].as_array().unwrap().iter();
        let tries = tests.flat_map(|test| test["alert_rule_test"].as_array().unwrap());
        tries.into_iter().any(|one| {
            one["alertname"] == *alert && fires != one["exp_alerts"].as_array().unwrap().is_empty()
        })
    };
    for (alert, ..) in alerts() {
        assert!(tried(&alert, true), "{alert} is not seen to fire");
        assert!(tried(&alert, false), "{alert} is not seen to be silent");
    }
}

#[test]
fn every_alert_has_its_page_in_the_runbook_and_every_page_its_alert() {
    let runbook = page("docs/runbook.md");
    let pages: BTreeSet<&str> = runbook
        .lines()
        .filter_map(|line| line.strip_prefix("## "))
        .collect();
    let alerts = alerts();
    let named: BTreeSet<&str> = alerts.iter().map(|(alert, ..)| alert.as_str()).collect();
    assert_eq!(pages, named);
    for (alert, _, annotations) in &alerts {
        let anchor = format!("docs/runbook.md#{}", alert.to_lowercase());
        assert_eq!(annotations["runbook"], anchor);
        let body = runbook.split(&format!("## {alert}\n")).nth(1).unwrap();
        let body = body.split("\n## ").next().unwrap();
        for part in ["**Means.**", "**Look.**", "**Do.**"] {
            assert!(body.contains(part), "{alert} has no {part}");
        }
    }
}

#[test]
fn every_command_of_the_runbook_is_one() {
    let runbook = page("docs/runbook.md").replace('\n', " ");
    let (mut wrong, mut tried) = (Vec::new(), 0);
    for code in runbook.split('`').skip(1).step_by(2) {
        if !code.starts_with("heliostat ") || code.starts_with("heliostat run ") {
            continue;
        }
        tried += 1;
        if let Err(error) = Cli::try_parse_from(code.split(' ')) {
            wrong.push(format!("{code}: {error}"));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    assert!(tried > 25, "{tried}");
}

/// Words of an expression that could be metrics of this program's.
fn metrics_in(expression: &str) -> BTreeSet<String> {
    let word = |c: char| !(c.is_ascii_alphanumeric() || c == '_');
    let words = expression.split(word);
    words
        .filter(|word| word.starts_with("heliostat_") || word.starts_with("process_"))
        .map(|word| {
            let bare = ["_bucket", "_sum", "_count"]
                .iter()
                .find_map(|end| word.strip_suffix(end));
            bare.unwrap_or(word).to_owned()
        })
        .collect()
}

#[test]
fn rules_and_dashboard_name_metrics_that_there_are() {
    // That each of the table is in the service's output is `measures`' to show.
    let there: BTreeSet<String> = METRICS.iter().map(|metric| metric.full_name()).collect();
    let rules: String = alerts()
        .into_iter()
        .map(|(_, expression, _)| expression + "\n")
        .collect();
    let dashboard = page("examples/prometheus/dashboard.json");
    let parsed: Value = serde_json::from_str(&dashboard).unwrap();
    for (what, text) in [("rules", &rules), ("dashboard", &dashboard)] {
        let named = metrics_in(text);
        assert!(named.len() > 10, "{what}: {named:?}");
        let unknown: Vec<_> = named.difference(&there).collect();
        assert!(unknown.is_empty(), "{what}: {unknown:?}");
    }
    // Panels neither share a place nor a number.
    let mut places = BTreeSet::new();
    let mut queries = 0;
    for panel in parsed["panels"].as_array().unwrap() {
        assert!(places.insert(panel["gridPos"].to_string()), "{panel}");
        assert!(places.insert(panel["id"].to_string()), "{panel}");
        for target in panel["targets"].as_array().into_iter().flatten() {
            queries += 1;
            let query = target["expr"].as_str().unwrap();
            let plain = query.replace("$__rate_interval", "5m");
            let rule =
                json!({"groups": [{"name": "a", "rules": [{"record": "a:b", "expr": plain}]}]});
            let scratch = Scratch::new();
            let file = scratch.path().join("rule.yml");
            fs::write(&file, rule.to_string()).unwrap();
            let output = Command::new("promtool")
                .args(["check", "rules"])
                .arg(file)
                .output()
                .unwrap();
            assert!(output.status.success(), "{query}: {output:?}");
        }
    }
    assert!(queries > 20);
}

#[test]
fn the_reference_of_metrics_is_the_table() {
    let path = root().join("docs/metrics.md");
    let text = page("docs/metrics.md");
    let head = "| --- | --- | --- | --- |\n";
    let at = text.find(head).unwrap() + head.len();
    let wanted = format!("{}{}", &text[..at], table::reference());
    if std::env::var_os("HELIOSTAT_UPDATE").is_some() {
        fs::write(path, wanted).unwrap();
    } else {
        assert_eq!(text, wanted, "written anew with HELIOSTAT_UPDATE=1");
    }
    for metric in METRICS {
        let base = metric.name.starts_with("heliostat_") || metric.name.starts_with("process_");
        assert!(base && metric.help.ends_with('.'), "{metric:?}");
        let unit = ["_milliseconds", "_ms", "_kb", "_mib", "_percent"];
        assert!(
            !unit.iter().any(|unit| metric.name.ends_with(unit)),
            "{metric:?}"
        );
        let bounded = ["path", "file", "message", "url", "why"];
        assert!(
            !metric.labels.iter().any(|label| bounded.contains(label)),
            "{metric:?}"
        );
    }
}

#[test]
fn the_page_about_http_names_every_request_and_no_other() {
    let page = page("docs/http.md");
    let served: BTreeSet<&str> = [ROUTER, PAGES]
        .iter()
        .flat_map(|text| text.split(".route(").skip(1))
        .filter_map(|rest| rest.trim_start().strip_prefix('"')?.split('"').next())
        .collect();
    let row = |line: &str| {
        let cell = line.strip_prefix("| `")?.split(" | ").next()?;
        let (method, _) = cell.split_once(' ')?;
        let paths = cell.split('/').count() > 1 && matches!(method, "GET" | "POST");
        paths.then(|| {
            let parts = cell[method.len()..]
                .split('`')
                .flat_map(|part| part.split(' '));
            let paths = parts.filter(|part| part.starts_with('/'));
            paths.map(str::to_owned).collect::<Vec<_>>()
        })
    };
    let named: BTreeSet<String> = page.lines().filter_map(row).flatten().collect();
    let served: BTreeSet<String> = served.into_iter().map(str::to_owned).collect();
    assert!(served.len() > 10);
    assert_eq!(named, served);
}

/// The schema of a document that is printed, as its file has it.
fn printed(kind: SchemaKind) -> jsonschema::Validator {
    let name = kind.to_possible_value().unwrap().get_name().to_owned();
    let path = root().join(format!("schemas/{name}.schema.json"));
    let wanted = kind.text();
    if std::env::var_os("HELIOSTAT_UPDATE").is_some() {
        fs::write(&path, &wanted).unwrap();
    }
    let written = fs::read_to_string(&path).unwrap();
    assert_eq!(
        written, wanted,
        "{name}: written anew with HELIOSTAT_UPDATE=1"
    );
    let page = page("docs/http.md");
    assert!(
        page.contains(&format!("(../schemas/{name}.schema.json)")),
        "{name} is not named"
    );
    jsonschema::draft7::new(&serde_json::from_str(&written).unwrap()).unwrap()
}

#[track_caller]
fn is_as(schema: &jsonschema::Validator, document: &Value) {
    let wrong: Vec<_> = schema
        .iter_errors(document)
        .map(|error| format!("{}: {error}", error.instance_path()))
        .collect();
    assert!(wrong.is_empty(), "{wrong:#?}: {document:#}");
}

fn keys(value: &Value) -> BTreeSet<String> {
    value.as_object().unwrap().keys().cloned().collect()
}

/// The lines of a stream's first events, as many as are wanted.
fn events(web: &Web, path: &str, count: usize, act: impl FnOnce()) -> Vec<Value> {
    use std::io::BufRead;
    let mut stream = web.connect();
    let host = web.address;
    write!(stream, "GET {path} HTTP/1.1\r\nhost: {host}\r\n\r\n").unwrap();
    let mut lines = std::io::BufReader::new(stream).lines();
    let begun = lines.find(|line| line.as_ref().unwrap().contains("listening"));
    assert!(begun.is_some());
    act();
    let data = lines.filter_map(|line| {
        let line = line.unwrap();
        let data = line.strip_prefix("data: ")?;
        Some(serde_json::from_str(data).unwrap())
    });
    data.take(count).collect()
}

#[test]
fn what_is_printed_is_as_its_schema_says_at_every_door() {
    let (web, _listener) = super::measures::all_sides();
    let schema = printed(SchemaKind::Status);
    let over_tcp = web.get("/v1/status").json();
    let command = web.service.status().unwrap();
    for status in [&over_tcp, &command] {
        is_as(&schema, status);
    }
    assert_eq!(keys(&over_tcp), keys(&command));
    let known =
        keys(&serde_json::from_str::<Value>(&SchemaKind::Status.text()).unwrap()["properties"]);
    assert_eq!(keys(&over_tcp), known, "what is not described is not there");
    let mut broken = over_tcp;
    broken["routes"][0]["state"] = "fine".into();
    assert!(!schema.is_valid(&broken));

    let schema = printed(SchemaKind::RunningPlan);
    let mut running = web.get("/v1/plan").json();
    is_as(&schema, &running);
    running["plan"]["sources"]["site"]["routes"]["copy"]["delete"] = "all".into();
    assert!(!schema.is_valid(&running));

    let schema = printed(SchemaKind::Plan);
    let manifest = web.service.manifest();
    let run = |args: &[&std::ffi::OsStr]| -> Value {
        let answer = web
            .service
            .command_line(&args.iter().map(Into::into).collect::<Vec<_>>(), PATIENCE);
        serde_json::from_str(&answer.stdout).unwrap_or_else(|error| panic!("{error}: {answer:?}"))
    };
    let mut planned = run(&[
        "plan".as_ref(),
        "--format=json".as_ref(),
        manifest.as_os_str(),
    ]);
    is_as(&schema, &planned);
    planned["next"][0]["what"] = "nothing".into();
    assert!(!schema.is_valid(&planned));

    let schema = printed(SchemaKind::Diagnostics);
    is_as(
        &schema,
        &run(&[
            "validate".as_ref(),
            "--format=json".as_ref(),
            manifest.as_os_str(),
        ]),
    );
    let bad = manifest.with_file_name("bad.yaml");
    fs::write(
        &bad,
        "{apiVersion: heliostat/v1, kind: Manifest, sources: {a: {path: /a, targets: {t: {url: 'file:///b', bandwith: 1MiB/s}}}}}",
    )
    .unwrap();
    let mut wrong = run(&[
        "validate".as_ref(),
        "--format=json".as_ref(),
        bad.as_os_str(),
    ]);
    is_as(&schema, &wrong);
    assert!(
        wrong["diagnostics"][0]["fix"]["edits"][0]["line"].is_u64(),
        "{wrong:#}"
    );
    let nowhere = run(&[
        "validate".as_ref(),
        "--format=json".as_ref(),
        "/nowhere".as_ref(),
    ]);
    is_as(&schema, &nowhere);
    wrong["diagnostics"][0]["line"] = "one".into();
    assert!(!schema.is_valid(&wrong));

    let schema = printed(SchemaKind::Tap);
    let told = events(&web, "/v1/tap?route=site/copy", 4, || {
        write(&web.source, "b", "b")
    });
    for item in &told {
        is_as(&schema, item);
        let mut other = item.clone();
        other["type"] = "gossip".into();
        assert!(!schema.is_valid(&other));
    }
    assert_eq!(told.len(), 4);

    let schema = printed(SchemaKind::Events);
    for item in &events(&web, "/v1/events", 2, || write(&web.source, "c", "c")) {
        is_as(&schema, item);
    }

    let schema = printed(SchemaKind::History);
    let mut history = web.get("/v1/history").json();
    is_as(&schema, &history);
    let ended = history["transfers"].as_array().unwrap();
    assert!(
        ended.iter().any(|run| run["outcome"] == "held"),
        "{history:#}"
    );
    history["transfers"][0]["files"] = (-1).into();
    assert!(!schema.is_valid(&history));
}

#[test]
fn the_agent_files_of_the_pages_are_taken() {
    for page_name in ["docs/http.md", "docs/metrics.md"] {
        let text = page(page_name);
        let blocks: Vec<&str> = text.split("```yaml\n").skip(1).collect();
        assert!(!blocks.is_empty(), "{page_name}");
        for block in blocks {
            let text = block.split("```").next().unwrap();
            let file = heliostat::manifest::SourceFile {
                name: page_name.into(),
                text: text.into(),
            };
            let (agent, problems) = heliostat::manifest::load_agent(&file);
            assert!(
                agent.is_some() && problems.is_empty(),
                "{text}: {problems:?}"
            );
        }
    }
}
