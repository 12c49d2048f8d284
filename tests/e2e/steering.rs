//! Pausing, the history, the tap and the live picture, with a real daemon and a local target.

use std::ffi::OsString;
use std::fs;
use std::path::Path;

use heliostat::service::tap::Told;
use serde_json::{Value, json};

use super::{PATIENCE, Story, equal, soon};
use crate::rig::service::Answer;
use crate::rig::tree::{Look, differences};
use crate::rig::wait_for;

impl Story {
    /// Runs a command against the service, and holds it to its exit code.
    #[track_caller]
    fn says(&self, code: i32, args: &[&str]) -> Answer {
        let answer = self.service.call(args);
        assert_eq!(answer.code, code, "{args:?}: {answer:?}");
        answer
    }

    fn differ(&self, target: &Path) -> usize {
        differences(&self.source, target, &Look::default()).len()
    }

    /// Runs a command against the service that lasts until it has enough.
    pub(super) fn lasts(&self, args: &[&str]) -> Answer {
        let mut args: Vec<OsString> = args.iter().map(OsString::from).collect();
        args.extend(["--socket".into(), self.service.socket().into()]);
        self.service.command_line(&args, PATIENCE)
    }
}

#[test]
fn nothing_is_sent_or_deleted_while_a_route_is_paused_not_even_over_a_kill() {
    let mut story = Story::with(&json!({"delete": "mirror", "maxDelete": "100%"}));
    for number in 0..20 {
        story.write(&format!("d/{number}"), "old");
    }
    story.start();
    let said = story.says(
        0,
        &[
            "pause",
            "site/module",
            "--for",
            "2h",
            "--reason",
            "restoring\x1b[2J",
        ],
    );
    assert_eq!(said.stdout, "paused: 1 route\n");
    let paused = story.shows("module", "paused", "paused");
    let why = paused["why"].as_str().unwrap();
    assert!(
        why.contains("restoring") && why.contains("heliostat resume site/module"),
        "{why}"
    );
    assert!(!why.contains('\x1b'), "{why:?}");
    for key in ["by", "reason", "since", "until"] {
        assert!(paused["paused"][key].is_string(), "{paused:#}");
    }

    fs::remove_dir_all(story.source.join("d")).unwrap();
    story.write("new", "new");
    equal(&story.source, &story.copy, &story.service);
    // What is asked for is done afterwards, and so it is said.
    for ask in ["trigger", "rescan"] {
        let said = story.says(0, &[ask, "site/module"]);
        assert!(
            said.stderr.contains("heliostat resume site/module"),
            "{said:?}"
        );
    }
    // Who waits hears it at once.
    let said = story.says(6, &["wait", "site", "--timeout", "10m"]);
    assert_eq!(said.stdout, "paused\n");
    assert!(said.stderr.contains("site/module: paused: by "), "{said:?}");
    story.says(0, &["wait", "site/copy"]);
    story.says(6, &["status", "--check"]);
    assert!(story.module.join("d/7").exists() && !story.module.join("new").exists());

    story.service.kill();
    story.write("later", "later");
    story.service.start();
    // The other target has what this start brought, so this one would have had its turn.
    equal(&story.source, &story.copy, &story.service);
    story.shows("module", "paused", "paused");
    assert!(story.module.join("d/7").exists() && !story.module.join("new").exists());
    // A reload leaves it as it is.
    story.says(0, &["reload"]);
    story.shows("module", "paused", "paused");
    let paths = story.says(0, &["status", "site/module", "--paths"]).stdout;
    assert!(
        paths.contains(" pending\n") && paths.contains(": paused ("),
        "{paths}"
    );

    let said = story.says(0, &["resume"]);
    assert_eq!(said.stdout, "resumed: 1 route\n");
    story.settle();
    let said = story.says(0, &["resume", "site"]);
    assert_eq!(said.stdout, "resumed: 0 routes\n");
}

#[test]
fn a_pause_ends_by_itself_also_one_of_an_earlier_process() {
    let mut story = Story::new(|_| {});
    story.start();
    let keeps = |story: &Story| story.says(0, &["pause", "--for", "4s"]);
    keeps(&story);
    story.write("a", "a");
    // Of itself: nobody ends it.
    equal(&story.source, &story.module, &story.service);
    story.settle();
    keeps(&story);
    story.service.kill();
    story.write("b", "b");
    story.service.start();
    story.settle();
    let log = story.service.log();
    assert!(log.contains("no longer paused: its time is up"), "{log}");
    for wrong in ["0s", "8d", "5", ""] {
        let said = story.service.call(&["pause", "--for", wrong]);
        assert!(said.code == 2, "{wrong}: {said:?}");
    }
}

#[test]
fn a_transfer_under_way_is_let_end_or_cancelled_by_a_pause() {
    let mut story = Story::new(|site| {
        site["targets"]["module"]["bandwidth"] = json!("100KiB/s");
        site["targets"]["module"]["warm"] = json!("off");
    });
    story.start();
    fs::write(story.source.join("large"), vec![7; 2 << 20]).unwrap();
    story.until("module", |route| route["state"] == "sending");
    let said = story.says(
        0,
        &[
            "pause",
            "site/module",
            "--cancel",
            "--for",
            "1h",
            "--reason",
            "a\x1b[2Jb",
        ],
    );
    assert_eq!(said.stdout, "paused: 1 route\n");
    let why = |route: &Value| route["why"].as_str().unwrap_or_default().to_owned();
    story.until("module", |route| {
        route["state"] == "paused" && !why(route).contains("is let end")
    });
    assert!(story.differ(&story.module) > 0, "it was cancelled");
    let cancelled = |args: &[&str]| {
        let mut all = vec!["history", "site/module", "--outcome", "cancelled"];
        all.extend(args);
        story.says(0, &all).stdout
    };
    let booked = wait_for(PATIENCE, || {
        let text = cancelled(&["--format", "json"]);
        let document: Value = serde_json::from_str(&text).unwrap();
        document["transfers"].get(0).cloned()
    });
    let one = booked.expect("what was cancelled is in the history");
    let reason = one["reason"].as_str().unwrap();
    assert!(
        reason.starts_with("paused by ") && reason.contains("[2Jb") && !reason.contains('\x1b'),
        "{one:#}"
    );
    assert_eq!(
        (&one["outcome"], &one["trigger"], &one["lagMs"]),
        (&json!("cancelled"), &json!("change"), &json!(0))
    );
    let table = cancelled(&[]);
    assert!(table.contains("  cancelled  change  "), "{table}");
    let failed = story
        .says(0, &["history", "site/module", "--failed"])
        .stdout;
    assert!(!failed.contains("cancelled"), "{failed}");
    story.says(0, &["resume", "site/module"]);
    story.until("module", |route| route["state"] == "sending");
    story.says(0, &["pause", "site/module", "--for", "1h"]);
    equal(&story.source, &story.module, &story.service);
    story.shows("module", "paused", "paused");
}

#[test]
fn a_name_that_is_not_there_is_met_with_the_one_that_was_meant() {
    let mut story = Story::new(|_| {});
    story.start();
    for args in [
        &["trigger", "siet"][..],
        &["rescan", "site/modul"],
        &["wait", "site/modul"],
        &["pause", "site/modul"],
        &["resume", "site/modul"],
        &["approve", "site/modul", "--id", "1"],
        &["status", "site/modul"],
        &["status", "site/modul", "--paths"],
        &["status", "--watch", "site/modul"],
        &["history", "site/modul"],
        &["tap", "site/modul"],
    ] {
        let said = story.says(1, args);
        let meant = if args[1] == "siet" {
            "`site`"
        } else {
            "`site/module`"
        };
        let text = format!("did you mean {meant}?");
        assert!(said.stderr.contains(&text), "{args:?}: {said:?}");
        let mut args = args.to_vec();
        args.extend(["--format", "json"]);
        let said = story.says(1, &args);
        let document: Value = serde_json::from_str(&said.stdout).unwrap();
        assert_eq!(document["formatVersion"], 1, "{args:?}");
        assert!(
            document["error"].as_str().unwrap().contains(&text),
            "{args:?}"
        );
    }
}

#[test]
fn the_history_is_filtered_outlives_restarts_and_is_read_without_the_service() {
    let mut story = Story::new(|site| {
        // A session begun ahead has logged in already.
        site["targets"]["module"]["warm"] = json!("off");
    });
    story.write("a", "hello");
    story.start();
    story.write("b", "hello");
    story.settle();
    story.daemon.set_password("another");
    story.write("c", "hello");
    story.until("module", |route| route["state"] == "failing");
    story.daemon.set_password("website");
    story.says(0, &["trigger", "site/module"]);
    story.settle();
    let transfers = |story: &Story, args: &[&str]| {
        let mut all = vec!["history", "--format", "json"];
        all.extend(args);
        let said = story.says(0, &all);
        let document: Value = serde_json::from_str(&said.stdout).unwrap();
        assert_eq!(document["formatVersion"], 1);
        document["transfers"].as_array().unwrap().clone()
    };
    // Written a moment after it ended.
    let failed = wait_for(PATIENCE, || {
        let failed = transfers(&story, &["site/module", "--failed"]);
        let done = transfers(&story, &["site/module", "--outcome", "done"]);
        (!failed.is_empty() && done.len() >= 3).then_some(failed)
    });
    let failed = failed.expect("it was booked");
    let one = &failed[0];
    assert_eq!(
        (&one["outcome"], &one["route"]),
        (&json!("failed"), &json!("site/module"))
    );
    assert!(
        one["reason"].as_str().unwrap().starts_with("auth"),
        "{one:#}"
    );
    let done = transfers(&story, &["site/copy", "--outcome", "done,partial"]);
    let first = done.last().unwrap();
    assert_eq!(
        (&first["trigger"], &first["bytes"]),
        (&json!("start"), &json!(5)),
        "{first:#}"
    );
    for key in ["at", "files", "deleted", "tookMs", "lagMs"] {
        assert!(!first[key].is_null(), "{key}: {first:#}");
    }
    assert_eq!(transfers(&story, &["--limit", "1"]).len(), 1);
    assert_eq!(transfers(&story, &["--until", "1h"]).len(), 0);
    let all = transfers(&story, &["--since", "1h"]).len();
    assert!(all >= 5, "{all}");
    let table = story.says(0, &["history", "--limit", "2"]).stdout;
    assert!(
        table.starts_with("WHEN ") && table.contains("more: `--limit`"),
        "{table}"
    );
    for (code, wrong) in [
        (2, ["--outcome", "well"]),
        (2, ["--limit", "0"]),
        (2, ["--since", "x"]),
    ] {
        story.says(code, &["history", wrong[0], wrong[1]]);
    }

    story.service.kill();
    let state = story.service.state();
    let state = state.to_str().unwrap();
    let offline = transfers(&story, &["--since", "1h", "--state-dir", state]).len();
    assert_eq!(offline, all, "what was killed has written it");
    let said = story.says(4, &["history", "--state-dir", "/nonexistent"]);
    assert!(said.stderr.contains("no service at"), "{said:?}");
    story.service.start();
    story.settle();
    assert!(transfers(&story, &["--since", "1h"]).len() >= all);
}

#[test]
fn the_tap_tells_from_the_event_to_the_outcome_and_costs_nothing_unheard() {
    let mut story = Story::new(|site| {
        site["exclude"] = json!(["*.tmp"]);
        site["targets"]["copy"]["exclude"] = json!(["/private/"]);
    });
    story.start();
    for number in 0..500 {
        story.write(&format!("unheard/{number}"), "x");
    }
    story.settle();
    let heard = |story: &Story, args: &[&str], act: &dyn Fn(u32)| -> Vec<Value> {
        let said = std::thread::scope(|scope| {
            let tap = scope.spawn(|| story.lasts(args));
            // Until it listens, nothing is told; so something happens until it has enough.
            let mut turn = 0;
            soon("the tap has enough", || {
                turn += 1;
                act(turn);
                tap.is_finished()
            });
            tap.join().unwrap()
        });
        assert_eq!(said.code, 0, "{said:?}");
        let lines = said.stdout.lines();
        let read = |line: &str| {
            // What a program that knows the types reads.
            let told: Result<Told, _> = serde_json::from_str(line);
            assert!(told.is_ok(), "{told:?}: {line}");
            serde_json::from_str(line).unwrap()
        };
        lines.map(read).collect()
    };
    let act = |turn: u32| {
        story.write(&format!("heard/{turn}"), "x");
        story.write(&format!("heard/{turn}.tmp"), "x");
        story.write(&format!("private/{turn}"), "x");
    };
    let items = heard(&story, &["tap", "--format", "json", "--limit", "400"], &act);
    let first = items[0]["number"].as_u64().unwrap();
    assert_eq!(first, 1, "something was made while nobody listened");
    let kinds = |kind: &str| {
        items
            .iter()
            .filter(|item| item["type"] == kind)
            .collect::<Vec<_>>()
    };
    let manifest = story.service.manifest();
    let filtered = kinds("filtered");
    let of_source = filtered
        .iter()
        .find(|item| item["rule"] == "*.tmp")
        .expect("an excluded file");
    assert_eq!(
        (&of_source["by"], &of_source["route"]),
        (&json!("exclude"), &Value::Null)
    );
    assert_eq!(of_source["place"], format!("{}:1", manifest.display()));
    let of_route = filtered.iter().find(|item| item["rule"] == "/private/");
    let of_route = of_route.expect("what one route leaves out");
    assert_eq!(of_route["route"], "site/copy");
    // In their order, for one path.
    let place = |what: &dyn Fn(&Value) -> bool| items.iter().position(what);
    let path = kinds("event")
        .iter()
        .find_map(|item| {
            item["path"]
                .as_str()
                .filter(|path| path.starts_with("heard/"))
        })
        .expect("an event")
        .to_owned();
    let event = place(&|item| item["type"] == "event" && item["path"] == path.as_str());
    let carries = |item: &Value| {
        item["sample"]
            .as_array()
            .is_some_and(|paths| paths.iter().any(|at| at == path.as_str()))
    };
    let transfer = place(&|item| item["type"] == "transfer" && carries(item));
    let (event, transfer) = (event.unwrap(), transfer.expect("it was sent"));
    assert!(event < transfer, "{items:#?}");
    let route = items[transfer]["route"].clone();
    let outcome = items[transfer..]
        .iter()
        .find(|item| item["type"] == "outcome" && item["route"] == route);
    assert_eq!(outcome.expect("it ended")["outcome"], "done");
    let window = kinds("window")
        .into_iter()
        .find(|item| item["route"] == route)
        .unwrap();
    assert!(
        window["paths"].as_u64().unwrap() >= 1 && window["why"].is_string(),
        "{window:#}"
    );

    // Only what was asked for.
    let args = [
        "tap",
        "site/copy",
        "--paths",
        "heard/*",
        "--format",
        "json",
        "--limit",
        "20",
    ];
    for item in heard(&story, &args, &act) {
        let path = item["path"].as_str();
        assert!(
            path.is_none_or(|path| path.starts_with("heard")),
            "{item:#}"
        );
        assert_ne!(item["route"], "site/module");
    }
    // It ends in time, also where nothing happens; and with the service.
    let said = story.lasts(&["tap", "--for", "100ms"]);
    assert_eq!((said.code, said.stderr.as_str()), (0, ""));
    let said = std::thread::scope(|scope| {
        let tap = scope.spawn(|| {
            let mut args: Vec<OsString> = vec!["tap".into(), "--socket".into()];
            args.push(story.service.socket().into());
            let said = story.service.command_line(&args, PATIENCE);
            (said.code, said.stderr)
        });
        soon("it listens", || {
            let metrics = story.service.call(&["tap", "--limit", "1", "--for", "1ms"]);
            metrics.code == 0
        });
        let id = story.service.id().unwrap();
        let id = rustix::process::Pid::from_raw(id as i32).unwrap();
        soon("the service ends it", || {
            // It may not have listened yet; then the socket is gone, with the same status.
            let _ = rustix::process::kill_process(id, rustix::process::Signal::TERM);
            tap.is_finished()
        });
        tap.join().unwrap()
    });
    assert_eq!(said.0, 4, "{said:?}");
}
