//! What is fed with anything at all: each function takes bytes, and must neither panic nor take long.
//!
//! The tests feed them for some seconds with mutations of the repository's own texts; `fuzz/` wraps the same functions for
//! cargo-fuzz, for as long as one likes.

#[path = "ledger.rs"]
pub mod ledger;
#[path = "survey_row.rs"]
pub mod survey_row;

use std::sync::OnceLock;

use heliostat::diagnostic::{Report as Diagnostics, Severity, Sources, json, terminal};
use heliostat::engine::RelPath;
use heliostat::filter::{Filter, FilterSpec, Rule, Verdict};
use heliostat::manifest::{self, SourceFile};
use heliostat::plan::{self, Explain, HostFacts, Plan};
use heliostat::schedule::{Schedule, check_expression, check_zone};
use heliostat::service::protocol::{self, ApproveBody, RescanBody, Routes, WaitBody};
use heliostat::transfer::progress::Progress;
use heliostat::transfer::rsync::invocation::Leave;
use heliostat::transfer::rsync::judge::{Case, judge};
use heliostat::transfer::rsync::kind::kind_of;
use heliostat::transfer::rsync::report::{Report, Splitter};
use heliostat::transfer::rsync::steps::Step;
use jiff::Timestamp;

/// One of the functions.
pub type Target = fn(&[u8]);

/// All of them, by the names that they have under `fuzz/`.
pub const TARGETS: &[(&str, Target)] = &[
    ("manifest", manifest),
    ("filters", filters),
    ("cron", cron),
    ("rsync_output", rsync_output),
    ("control", control),
    ("ledger", ledger::ledger),
    ("survey_row", survey_row::survey_row),
];

/// A file as a manifest and as a host's settings: read, compiled, told; and whatever compiles can be run.
pub fn manifest(data: &[u8]) {
    let file = SourceFile {
        name: "fuzz.yaml".into(),
        text: String::from_utf8_lossy(data).into_owned(),
    };
    let (agent, problems) = manifest::load_agent(&file);
    assert!(agent.is_some() || !problems.is_empty());
    let files = [file];
    let (manifests, mut problems) = manifest::load(&files);
    let mut texts = Sources::new();
    texts.insert(&files[0].name, &files[0].text);
    let is_error =
        |problem: &heliostat::diagnostic::Diagnostic| problem.severity == Severity::Error;
    if problems.iter().any(is_error) {
        problems.extend(plan::check(&manifests, &texts));
    } else {
        let compiled = plan::compile(&manifests, &texts, &HostFacts::default());
        if let Some(plan) = &compiled.plan {
            runnable(plan);
        }
        problems.extend(compiled.diagnostics);
    }
    texts.mask(&problems);
    let told = || Diagnostics {
        sources: &texts,
        diagnostics: &problems,
        files: 1,
    };
    let _ = (terminal(told(), true), json(told()));
}

fn runnable(plan: &Plan) {
    for source in plan.sources.values() {
        Filter::compile(&source.filter).expect("a plan's patterns were checked");
        for route in source.routes.values() {
            Filter::compile(&route.filter).expect("a plan's patterns were checked");
        }
    }
    let explain = Explain {
        plan,
        now: Timestamp::UNIX_EPOCH,
        host: "host",
        command_lines: &|_, _| Vec::new(),
        watched_by: &|_| String::new(),
    };
    let _ = (explain.human(), explain.markdown());
}

/// Patterns, a line each, by turns of `exclude` and `include`; behind a NUL paths, separated by NULs.
pub fn filters(data: &[u8]) {
    let (patterns, paths) = match data.iter().position(|byte| *byte == 0) {
        Some(at) => (&data[..at], &data[at + 1..]),
        None => (data, &b"a/b/c"[..]),
    };
    let mut spec = FilterSpec {
        include: Vec::new(),
        exclude: Vec::new(),
    };
    for (at, pattern) in String::from_utf8_lossy(patterns).lines().enumerate() {
        let rules = if at % 2 == 0 {
            &mut spec.exclude
        } else {
            &mut spec.include
        };
        rules.push(Rule {
            pattern: pattern.to_owned(),
            origin: None,
        });
    }
    let Ok(filter) = Filter::compile(&spec) else {
        return;
    };
    assert!(filter.rsync_rules().iter().all(|rule| !rule.contains('\n')));
    // Each path costs each pattern.
    for path in paths.split(|byte| *byte == 0).take(100) {
        let Some(path) = RelPath::new(path).filter(|path| !path.is_root()) else {
            continue;
        };
        for is_dir in [false, true] {
            let verdict = filter.decide(path.as_bytes(), is_dir).verdict;
            // A walker, which knows the parent, comes to the same.
            let mut walked = Verdict::Parent;
            for above in path.ancestors().filter(|above| !above.is_empty()) {
                walked = filter.decide_child(walked, above, true).verdict;
            }
            walked = filter.decide_child(walked, path.as_bytes(), is_dir).verdict;
            assert_eq!(walked, verdict, "{path} (directory: {is_dir})");
        }
    }
}

/// A crontab expression, behind a line break a time zone, and the times at which it fires.
pub fn cron(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let (expression, zone) = text.split_once('\n').unwrap_or((&text, "Europe/Berlin"));
    if check_expression(expression).is_err() || check_zone(zone).is_err() {
        return;
    }
    let schedule = Schedule::Cron {
        expression: expression.to_owned(),
        time_zone: zone.to_owned(),
        jitter_ms: 0,
    };
    let mut at = Timestamp::UNIX_EPOCH;
    for _ in 0..5 {
        let Some(next) = schedule.next_after(at, "key") else {
            return;
        };
        assert!(next > at, "{expression:?} fires at {next} after {at}");
        at = next;
    }
}

/// The plan with one daemon's route that whatever rsync says is judged for.
fn daemon() -> &'static Plan {
    static PLAN: OnceLock<Plan> = OnceLock::new();
    PLAN.get_or_init(|| {
        let text = "{apiVersion: heliostat/v1, kind: Manifest, sources: {s: {path: /data, targets: {t: \
                    {url: 'rsync://u@h/m/sub', passwordFile: /p, delete: mirror}}}}}";
        let file = SourceFile {
            name: "one.yaml".into(),
            text: text.into(),
        };
        let (manifests, problems) = manifest::load(&[file]);
        let compiled = plan::compile(&manifests, &Sources::new(), &HostFacts::default());
        compiled.plan.unwrap_or_else(|| panic!("{problems:?}"))
    })
}

/// rsync's two streams, in pieces of the first byte's length, and what is made of them at every exit.
pub fn rsync_output(data: &[u8]) {
    let (size, data) = data
        .split_first()
        .map_or((1, data), |(size, rest)| (usize::from(*size).max(1), rest));
    let plan = daemon();
    let source = plan.sources.values().next().expect("it has one");
    let route = source.routes.values().next().expect("it has one");
    let kind = kind_of(&route.target).expect("a daemon is reached by rsync");
    for (mut report, leave) in [
        (Report::new(false), Leave::None),
        (Report::new(true), Leave::Count),
        (Report::preview(), Leave::Count),
    ] {
        let (mut splitter, progress) = (Splitter::default(), Progress::new());
        for piece in data.chunks(size) {
            splitter.feed(piece, |line| report.take(line, &progress));
        }
        splitter.end(|line| report.take(line, &progress));
        let step = Step::default();
        for code in [
            None,
            Some(0),
            Some(5),
            Some(12),
            Some(23),
            Some(24),
            Some(25),
        ] {
            let case = Case {
                source,
                route,
                kind,
                step: &step,
                leave,
            };
            let _ = judge(case, code, &report);
        }
    }
}

/// A request's body, as each of those that there are; and the rest of it as a route's name.
pub fn control(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let _ = protocol::selector(Some(&text));
    if let Ok(body) = serde_json::from_slice::<Routes>(data) {
        let _ = protocol::selector(body.route.as_deref());
    }
    if let Ok(body) = serde_json::from_slice::<RescanBody>(data) {
        let _ = protocol::selector(body.route.as_deref());
    }
    if let Ok(body) = serde_json::from_slice::<WaitBody>(data) {
        let _ = std::time::Duration::try_from_secs_f64(body.timeout_seconds);
    }
    if let Ok(body) = serde_json::from_slice::<ApproveBody>(data) {
        let again = serde_json::to_vec(&body).expect("it is text");
        assert_eq!(
            serde_json::from_slice::<ApproveBody>(&again).ok(),
            Some(body)
        );
    }
}
