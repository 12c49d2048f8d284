//! Hooks: what they are told, when they are run, and what becomes of those that go wrong.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::{Value, json};

use super::{PATIENCE, Story, equal, extend, local, site, soon, write};
use crate::rig::service::{Heliostat, manifest};
use crate::rig::{Scratch, wait_for};

/// Writes down all that it is told, then does what `do` says.
const RECORDER: &str = r#"#!/bin/bash
mkdir "HERE/$HELIOSTAT_RUN"
/usr/bin/env -0 > "HERE/$HELIOSTAT_RUN/environment"
printf '%s\0' "$@" > "HERE/$HELIOSTAT_RUN/arguments"
/bin/cat "$HELIOSTAT_PATHS_FILE" > "HERE/$HELIOSTAT_RUN/paths"
/bin/cat "$HELIOSTAT_SUMMARY_FILE" > "HERE/$HELIOSTAT_RUN/summary"
pwd > "HERE/$HELIOSTAT_RUN/pwd"
/bin/ls "HERE/../copy" > "HERE/$HELIOSTAT_RUN/copy" 2>&1
echo "$HELIOSTAT_RUN" >> HERE/runs
[ -e HERE/do ] && . HERE/do
exit 0
"#;

/// A program that records, and where it does so.
struct Recorder(PathBuf);

/// One run of it.
#[derive(Debug)]
struct Run {
    environment: BTreeMap<String, String>,
    arguments: Vec<String>,
    paths: Vec<Vec<u8>>,
    summary: Value,
    /// What the local target had then.
    copy: String,
    directory: String,
}

impl Run {
    fn told(&self, name: &str) -> &str {
        self.environment
            .get(name)
            .unwrap_or_else(|| panic!("it is not told {name}: {:?}", self.environment))
    }

    fn names(&self) -> Vec<String> {
        let text = |path: &Vec<u8>| String::from_utf8_lossy(path).into_owned();
        self.paths.iter().map(text).collect()
    }
}

impl Recorder {
    fn new(scratch: &Scratch) -> Recorder {
        let here = scratch.dir("hook");
        let recorder = Recorder(here.clone());
        program(
            &recorder.program(),
            &RECORDER.replace("HERE", &here.display().to_string()),
        );
        recorder
    }

    fn program(&self) -> PathBuf {
        self.0.join("program")
    }

    /// What it does from now on, as a piece of a shell script.
    fn does(&self, what: &str) {
        let (new, at) = (self.0.join("do.new"), self.0.join("do"));
        fs::write(&new, what).unwrap();
        fs::rename(new, at).unwrap();
    }

    fn runs(&self) -> Vec<Run> {
        let names = fs::read_to_string(self.0.join("runs")).unwrap_or_default();
        names.lines().map(|name| self.run(name)).collect()
    }

    fn run(&self, name: &str) -> Run {
        let read = |file: &str| fs::read(self.0.join(name).join(file)).unwrap();
        let split = |bytes: Vec<u8>| -> Vec<Vec<u8>> {
            let mut all: Vec<Vec<u8>> =
                bytes.split(|byte| *byte == 0).map(<[u8]>::to_vec).collect();
            assert_eq!(all.pop(), Some(Vec::new()), "each is ended by a NUL");
            all
        };
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        let environment = split(read("environment")).into_iter().map(|entry| {
            let entry = text(entry);
            let (name, value) = entry.split_once('=').unwrap();
            (name.to_owned(), value.to_owned())
        });
        Run {
            environment: environment.collect(),
            arguments: split(read("arguments")).into_iter().map(text).collect(),
            paths: split(read("paths")),
            summary: serde_json::from_slice(&read("summary")).unwrap(),
            copy: text(read("copy")),
            directory: text(read("pwd")),
        }
    }

    /// Waits for this many runs; the last of them.
    #[track_caller]
    fn nth(&self, count: usize, service: &Heliostat) -> Run {
        let mut runs = Vec::new();
        wait_for(PATIENCE, || {
            runs = self.runs();
            (runs.len() >= count).then_some(())
        });
        assert_eq!(runs.len(), count, "{runs:#?}\n{}", service.tail());
        runs.pop().unwrap()
    }

    fn hook(&self, on_error: &str) -> Value {
        json!({"run": [self.program(), "${source} ${target}", "*; $(reboot)"], "timeout": "300s", "onError": on_error})
    }
}

/// A program, in place of what is there.
fn program(at: &Path, text: &str) {
    let new = at.with_extension("new");
    fs::write(&new, text).unwrap();
    fs::set_permissions(&new, PermissionsExt::from_mode(0o755)).unwrap();
    fs::rename(new, at).unwrap();
}

/// A story with these hooks at one of its targets.
fn story(target: &str, hooks: impl FnOnce(&Recorder) -> Value) -> (Story, Recorder) {
    let mut recorder = None;
    let story = Story::with_scratch(|scratch, site| {
        let made = Recorder::new(scratch);
        extend(
            &mut site["targets"][target],
            &json!({"hooks": hooks(&made)}),
        );
        for target in ["module", "copy"] {
            extend(&mut site["targets"][target], &json!({"delete": "mirror"}));
        }
        recorder = Some(made);
    });
    (story, recorder.unwrap())
}

#[test]
fn the_doctor_looks_at_the_programs() {
    let (story, hook) = story("copy", |hook| json!({"after": hook.hook("fail")}));
    let examine = || {
        let mut args = ["doctor", "--format=json", "--state-dir"]
            .map(Into::into)
            .to_vec();
        args.extend([
            story.service.state().into(),
            story.service.manifest().into(),
        ]);
        let answer = story.service.command_line(&args, PATIENCE);
        let found: Value = serde_json::from_str(&answer.stdout).unwrap();
        let all = found["findings"].as_array().unwrap().clone();
        let of_hook = all.into_iter().find(|finding| finding["check"] == "hook");
        of_hook.unwrap_or_else(|| panic!("{answer:?}"))
    };
    let good = examine();
    assert_eq!(
        (&good["grade"], &good["about"]),
        (&json!("good"), &json!("site/copy"))
    );
    fs::set_permissions(hook.program(), PermissionsExt::from_mode(0o757)).unwrap();
    let open = examine();
    assert_eq!(open["grade"], "error");
    let remedy = format!("chmod o-w {}", hook.program().display());
    assert_eq!(open["remedy"], remedy, "{open:#}");
    fs::remove_file(hook.program()).unwrap();
    assert!(
        examine()["says"]
            .as_str()
            .unwrap()
            .contains("the `after` hook"),
        "it is missed"
    );
}

/// Puts a whole file into the source: one event, and so one batch, however busy the machine is.
fn put(story: &Story, path: &str, content: &str) {
    let whole = story.scratch.path().join("whole");
    fs::write(&whole, content).unwrap();
    let at = story.source.join(path);
    fs::create_dir_all(at.parent().unwrap()).unwrap();
    fs::rename(whole, at).unwrap();
}

/// Waits until everything is in sync, and no hook runs.
#[track_caller]
fn rest(story: &mut Story, target: &str) {
    story.settle();
    story.in_sync(target);
}

#[test]
fn a_hook_is_told_what_changed() {
    for target in ["module", "copy"] {
        let (mut story, hook) = story(target, |hook| json!({"after": hook.hook("warn")}));
        put(&story, "a/b", "one");
        story.start();
        let first = hook.nth(1, &story.service);
        assert_eq!(first.told("HELIOSTAT_TRIGGER"), "start");
        assert_eq!(first.names(), ["a", "a/b"], "{target}");
        // Nothing of the service's own environment comes along.
        let known = ["LC_ALL", "PATH", "HOME", "PWD", "SHLVL", "_", "OLDPWD"];
        for name in first.environment.keys() {
            let own = name.starts_with("HELIOSTAT_");
            assert!(own || known.contains(&name.as_str()), "{name}");
        }
        assert_eq!(first.directory, "/\n");
        assert_eq!(
            first.arguments,
            [format!("site {target}"), "*; $(reboot)".into()]
        );

        // Names as they are.
        let odd = "line\nbreak \u{1b}[31m";
        put(&story, odd, "two");
        rest(&mut story, target);
        let second = hook.nth(2, &story.service);
        assert_eq!(second.names(), [odd]);
        let told = |name: &str| second.told(name).to_owned();
        for (name, value) in [
            ("HELIOSTAT_HOOK", "after"),
            ("HELIOSTAT_ROUTE", &format!("site/{target}")),
            ("HELIOSTAT_SOURCE", "site"),
            ("HELIOSTAT_TARGET", target),
            ("HELIOSTAT_SOURCE_PATH", story.source.to_str().unwrap()),
            ("HELIOSTAT_TRIGGER", "change"),
            ("HELIOSTAT_OUTCOME", "done"),
            ("HELIOSTAT_CREATED", "1"),
            ("HELIOSTAT_DELETED", "0"),
            ("HELIOSTAT_FAILED", "0"),
            ("HELIOSTAT_PATHS", "exact"),
            ("HELIOSTAT_PATHS_COUNT", "1"),
            ("HELIOSTAT_TRY", "1"),
        ] {
            assert_eq!(told(name), value, "{name}");
        }
        let url = told("HELIOSTAT_TARGET_URL");
        assert!(!url.contains("website:") && url.contains("://"), "{url}");
        assert_eq!(second.summary["formatVersion"], 1);
        // On the wire there is more.
        let bytes: u64 = told("HELIOSTAT_BYTES").parse().unwrap();
        assert!(bytes == 3 || target == "module" && bytes > 3, "{bytes}");
        assert_eq!(second.summary["stats"]["bytes"], bytes);
        assert_eq!(second.summary["route"], format!("site/{target}"));
        assert_eq!(second.summary["targetUrl"], url);
        assert_eq!(second.summary["paths"], "exact");
        assert!(
            !Path::new(&told("HELIOSTAT_PATHS_FILE")).exists(),
            "it is gone with the hook"
        );

        // What is deleted is among them.
        fs::remove_file(story.source.join("a/b")).unwrap();
        rest(&mut story, target);
        let third = hook.nth(3, &story.service);
        assert!(
            third.names().contains(&"a/b".to_owned()),
            "{:?}",
            third.names()
        );
        assert_eq!(third.told("HELIOSTAT_DELETED"), "1");

        // A pass that changes nothing runs none.
        assert_eq!(story.service.call(&["rescan", "--wait"]).code, 0);
        rest(&mut story, target);
        assert_eq!(hook.runs().len(), 3);
        assert_eq!(story.service.stop().0, 0);
    }
}

#[test]
fn a_hook_before_a_transfer_is_run_before_anything_is_written_and_only_then() {
    for target in ["module", "copy"] {
        let (mut story, hook) = story(
            target,
            |hook| json!({"before": hook.hook("fail"), "after": hook.hook("warn")}),
        );
        let there = match target {
            "module" => story.module.clone(),
            _ => story.copy.clone(),
        };
        hook.does("exit 3");
        put(&story, "a", "one");
        story.service.start();
        let route = story.until(target, |route| route["code"] == "hook");
        assert_eq!(route["state"], "retrying", "{route:#}");
        let why = route["why"].as_str().unwrap();
        assert!(
            why.contains("the `before` hook failed") && why.contains("exit status 3"),
            "{why}"
        );
        assert!(!there.join("a").exists(), "nothing is sent");
        hook.does("exit 0");
        rest(&mut story, target);
        let runs = hook.runs();
        let when = |at: usize| runs[at].told("HELIOSTAT_HOOK").to_owned();
        let count = runs.len();
        assert!(count >= 3, "{runs:#?}");
        assert_eq!((&*when(count - 2), &*when(count - 1)), ("before", "after"));
        assert_eq!(runs[count - 2].told("HELIOSTAT_OUTCOME"), "planned");
        if target == "copy" {
            assert!(!runs[count - 2].copy.contains('a') && runs[count - 1].copy.contains('a'));
        }

        // A pass that finds nothing to do runs neither.
        assert_eq!(story.service.call(&["rescan", "--wait"]).code, 0);
        rest(&mut story, target);
        assert_eq!(hook.runs().len(), count);

        // What differs in the target is found by one, and told.
        fs::write(there.join("a"), "drift").unwrap();
        assert_eq!(story.service.call(&["rescan", "--wait"]).code, 0);
        rest(&mut story, target);
        let after = hook.nth(count + 2, &story.service);
        assert_eq!(after.names(), ["a"]);
        assert_eq!(after.told("HELIOSTAT_TRIGGER"), "rescan");

        // What is held writes nothing.
        for name in 0..150 {
            story.write(&format!("many/{name}"), "x");
        }
        rest(&mut story, target);
        let count = hook.runs().len();
        // All at once: of what is removed one by one, the first few may go.
        let away = story.scratch.path().join("many");
        fs::rename(story.source.join("many"), away).unwrap();
        story.until(target, |route| route["state"] == "held");
        assert_eq!(hook.runs().len(), count, "{}", story.service.tail());
        assert_eq!(story.service.stop().0, 0);
    }
}

#[test]
fn a_far_side_with_one_connection_has_it_for_the_transfer_of_a_hook() {
    let (mut story, hook) = story("module", |hook| json!({"before": hook.hook("fail")}));
    let lock = story.scratch.path().join("lock");
    let narrow = format!("max connections = 1\nlock file = {}", lock.display());
    story.daemon = story.daemon.with_config(&narrow);
    story.daemon.restart();
    put(&story, "a", "one");
    story.start();
    hook.nth_at_least(1);
    rest(&mut story, "module");
    // The session that was begun ahead has the only place, and leaves it to the run that looks.
    for name in ["b", "c"] {
        put(&story, name, "two");
        rest(&mut story, "module");
        assert_eq!(hook.runs().last().unwrap().names(), [name]);
    }
    // A daemon takes a moment to know that a place is free again, which the transfer waits for: the hook is run once a change.
    let (log, runs) = (story.service.log(), hook.runs().len());
    assert!(log.matches("max connections").count() <= 6, "{log}");
    assert!((3..=4).contains(&runs), "{runs}\n{log}");
    assert_eq!(story.service.stop().0, 0);
}

#[test]
fn a_hook_that_must_succeed_is_run_again_and_nothing_is_sent_again() {
    let (mut story, hook) = story("module", |hook| json!({"after": hook.hook("fail")}));
    put(&story, "a", "one");
    story.start();
    let first = hook.nth(1, &story.service);
    assert_eq!(
        first.told("HELIOSTAT_PATHS"),
        "unknown",
        "nothing is known of an earlier run"
    );
    hook.does("echo no \u{1b}[31mroute >&2; exit 7");
    put(&story, "b", "two");
    let route = story.shows("module", "failing", "hook");
    let why = route["why"].as_str().unwrap();
    assert!(
        why.starts_with("hook failing: ") && why.contains("exit status 7: no \\x1b[31mroute"),
        "{why}"
    );
    assert!(story.module.join("b").exists(), "the content is there");
    assert!(route["lagSeconds"].as_f64().is_some(), "{route:#}");
    assert_eq!(story.service.call(&["status", "--check"]).code, 1);
    let waited = story
        .service
        .call(&["wait", "site/module", "--timeout", "100ms"]);
    assert_eq!(waited.code, 5, "{waited:?}");
    let transfers = route["transfers"].as_u64();
    hook.nth_at_least(4);
    let history = story
        .service
        .call(&["history", "site/module", "--failed", "--limit", "1"]);
    assert!(history.stdout.contains("hook: "), "{history:?}");
    assert!(history.stdout.contains("exit status 7"), "{history:?}");
    // What changes is sent between the tries.
    put(&story, "c", "three");
    equal(&story.source, &story.module, &story.service);
    hook.does("exit 0");
    story.settle();
    let route = story.in_sync("module");
    assert_eq!(
        route["transfers"].as_u64(),
        transfers.map(|count| count + 1),
        "{route:#}"
    );
    let last = hook.runs().pop().unwrap();
    assert_eq!(last.names(), ["b", "c"]);
    assert!(last.told("HELIOSTAT_TRY").parse::<u32>().unwrap() > 1);
    let log = story.service.log();
    assert!(
        log.contains("it says: no \\x1b[31mroute") && !log.contains('\u{1b}'),
        "{log}"
    );
    assert_eq!(story.service.stop().0, 0);
}

#[test]
fn a_hook_whose_failure_is_only_said_keeps_nothing_up() {
    let (mut story, hook) = story("copy", |hook| json!({"after": hook.hook("warn")}));
    hook.does("exit 9");
    put(&story, "a", "one");
    story.start();
    let route = story.shows("copy", "in sync", "hook");
    assert!(
        route["why"].as_str().unwrap().contains("exit status 9"),
        "{route:#}"
    );
    assert_eq!(story.service.call(&["status", "--check"]).code, 0);
    hook.does("exit 0");
    put(&story, "b", "two");
    story.until("copy", |route| {
        route["code"].is_null() && route["state"] == "in sync"
    });
    assert_eq!(hook.runs().len(), 2);
    assert_eq!(story.service.stop().0, 0);
}

/// Waits until no process has this file open or in its command line.
#[track_caller]
fn nobody_is_left(mark: &str) {
    let all = || -> Vec<String> {
        let entries = fs::read_dir("/proc").unwrap().flatten();
        let lines = entries.filter_map(|entry| fs::read(entry.path().join("cmdline")).ok());
        let lines = lines.map(|line| String::from_utf8_lossy(&line).replace('\0', " "));
        lines.filter(|line| line.contains(mark)).collect()
    };
    let mut left = Vec::new();
    wait_for(PATIENCE, || {
        left = all();
        left.is_empty().then_some(())
    });
    assert!(left.is_empty(), "{left:#?}");
}

/// A number of seconds that stands for one test's sleepers.
fn mark() -> String {
    format!("{}", 10_000_000 + fastrand::u32(..80_000_000))
}

#[test]
fn a_hook_that_hangs_is_ended_with_all_that_it_started_and_keeps_no_other_route_up() {
    let (mut story, hook) = story("module", |hook| {
        let mut hook = hook.hook("warn");
        hook["timeout"] = json!("2s");
        json!({"after": hook})
    });
    let mark = mark();
    // In its group, in a session of its own, and one that hears no SIGTERM.
    hook.does(&format!(
        "/bin/sleep {mark} &\n/usr/bin/setsid -f /bin/sleep {mark}\ntrap '' TERM\nwhile true; do /bin/sleep {mark}; done"
    ));
    put(&story, "a", "one");
    story.service.start();
    let why = |route: &Value| route["why"].as_str().unwrap_or_default().to_owned();
    let route = story.until("module", |route| {
        why(route).contains("the `after` hook runs")
    });
    assert_eq!(route["state"], "sending", "{route:#}");
    put(&story, "b", "two");
    equal(&story.source, &story.copy, &story.service);
    story.until("module", |route| {
        why(route).contains("ended after 2s, its `timeout`")
    });
    hook.does("exit 0");
    story.settle();
    nobody_is_left(&mark);
    assert_eq!(story.service.stop().0, 0);
}

#[test]
fn what_a_hook_leaves_running_ends_with_it() {
    let (mut story, hook) = story("copy", |hook| json!({"after": hook.hook("warn")}));
    let mark = mark();
    hook.does(&format!(
        "/usr/bin/setsid -f /bin/sleep {mark} > /dev/null 2>&1\n/bin/sleep {mark} &\nexit 0"
    ));
    put(&story, "a", "one");
    story.start();
    // Its pipes are held by a process that lives on: nobody waits for that.
    let route = story.in_sync("copy");
    assert!(route["code"].is_null(), "{route:#}");
    nobody_is_left(&mark);
    assert_eq!(story.service.stop().0, 0);
}

#[test]
fn a_hook_that_says_a_gigabyte_costs_nothing() {
    let (mut story, hook) = story("copy", |hook| json!({"after": hook.hook("fail")}));
    hook.does("/usr/bin/head -c 950000000 /dev/zero; /usr/bin/yes line | /usr/bin/head -c 50000000 >&2; exit 0");
    put(&story, "a", "one");
    story.start();
    let status =
        fs::read_to_string(format!("/proc/{}/status", story.service.id().unwrap())).unwrap();
    let peak = status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:"))
        .unwrap();
    let peak: u64 = peak.trim().trim_end_matches(" kB").parse().unwrap();
    assert!(peak < 200_000, "{peak} kB");
    let log = story.service.log();
    assert!(log.len() < 100_000, "{} bytes of log", log.len());
    assert!(log.contains("more lines"), "{log}");
    assert_eq!(hook.runs().len(), 1);
    assert_eq!(story.service.stop().0, 0);
}

#[test]
fn a_program_that_others_can_change_is_not_run() {
    let (mut story, hook) = story("copy", |hook| json!({"after": hook.hook("fail")}));
    put(&story, "a", "one");
    story.start();
    let ran = hook.runs().len();
    let why = |part: &str| {
        let route = story.until("copy", |route| {
            route["why"].as_str().is_some_and(|why| why.contains(part))
        });
        assert_eq!(route["state"], "failing", "{route:#}");
    };
    let away = hook.0.join("away");
    fs::rename(hook.program(), &away).unwrap();
    put(&story, "b", "two");
    why("No such file");
    fs::set_permissions(&away, PermissionsExt::from_mode(0o777)).unwrap();
    std::os::unix::fs::symlink(&away, hook.program()).unwrap();
    why("others may write");
    fs::set_permissions(&away, PermissionsExt::from_mode(0o644)).unwrap();
    why("is not executable");
    assert_eq!(hook.runs().len(), ran);
    fs::set_permissions(&away, PermissionsExt::from_mode(0o755)).unwrap();
    story.settle();
    assert_eq!(hook.runs().len(), ran + 1);
    assert_eq!(story.service.stop().0, 0);
}

#[test]
fn a_hook_that_must_succeed_survives_a_kill() {
    let (mut story, hook) = story("module", |hook| json!({"after": hook.hook("fail")}));
    let mark = mark();
    put(&story, "a", "one");
    story.start();
    let mut ran = hook.runs().len();
    // In its midst: it is ended by the next start, and run again, with nothing sent for it.
    hook.does(&format!(
        "/usr/bin/setsid -f /bin/sleep {mark}\n/bin/sleep {mark}"
    ));
    put(&story, "b", "two");
    ran += 1;
    hook.nth(ran, &story.service);
    story.service.kill();
    assert_eq!(fs::read_to_string(story.module.join("b")).unwrap(), "two");
    hook.does("exit 0");
    story.start();
    nobody_is_left(&mark);
    ran += 1;
    let last = hook.nth(ran, &story.service);
    assert_eq!(last.told("HELIOSTAT_PATHS"), "unknown");
    assert_eq!(last.told("HELIOSTAT_OUTCOME"), "unknown");
    assert_eq!(story.in_sync("module")["files"], 0, "nothing was sent");
    // Between two tries.
    hook.does("exit 1");
    put(&story, "c", "three");
    story.shows("module", "failing", "hook");
    story.service.kill();
    let before = hook.runs().len();
    story.service.start();
    story.shows("module", "failing", "hook");
    hook.does("exit 0");
    story.settle();
    assert!(hook.runs().len() > before);
    // Where it has succeeded, a kill costs nothing.
    ran = hook.runs().len();
    story.service.kill();
    story.start();
    assert_eq!(hook.runs().len(), ran, "{}", story.service.tail());
    // A lost state costs a further run.
    story.service.kill();
    fs::remove_dir_all(story.service.state()).unwrap();
    story.start();
    assert_eq!(hook.runs().len(), ran + 1);
    assert_eq!(story.service.stop().0, 0);
}

#[test]
fn a_hook_whose_failure_is_only_said_is_not_made_up_for_after_a_kill() {
    let (mut story, hook) = story("copy", |hook| json!({"after": hook.hook("warn")}));
    let mark = mark();
    put(&story, "a", "one");
    story.start();
    hook.nth(1, &story.service);
    hook.does(&format!(
        "/usr/bin/setsid -f /bin/sleep {mark}\n/bin/sleep {mark}"
    ));
    put(&story, "b", "two");
    hook.nth(2, &story.service);
    story.service.kill();
    assert_eq!(fs::read_to_string(story.copy.join("b")).unwrap(), "two");
    hook.does("exit 0");
    story.start();
    nobody_is_left(&mark);
    // Not once more, and the next change has its own.
    put(&story, "c", "three");
    rest(&mut story, "copy");
    let next = hook.nth(3, &story.service);
    assert_eq!(
        next.names(),
        ["c"],
        "what the killed one knew is not told again"
    );
    assert_eq!(story.service.stop().0, 0);
}

#[test]
fn the_end_of_the_service_ends_a_hook_and_owes_it() {
    let (mut story, hook) = story("copy", |hook| json!({"after": hook.hook("fail")}));
    let mark = mark();
    put(&story, "a", "one");
    story.start();
    let ran = hook.runs().len();
    hook.does(&format!("/bin/sleep {mark}"));
    put(&story, "b", "two");
    hook.nth(ran + 1, &story.service);
    let (code, took) = story.service.stop();
    assert_eq!(code, 0, "{}", story.service.tail());
    assert!(took < Duration::from_secs(15), "{took:?}");
    nobody_is_left(&mark);
    hook.does("exit 0");
    story.start();
    hook.nth(ran + 2, &story.service);
    assert_eq!(story.service.stop().0, 0);
}

#[test]
fn a_single_run_runs_hooks_and_a_dry_one_none() {
    let scratch = Scratch::new();
    let (source, copy) = (scratch.dir("source"), scratch.dir("copy"));
    let hook = Recorder::new(&scratch);
    let mut target = local(&copy);
    extend(
        &mut target,
        &json!({"hooks": {"before": hook.hook("warn"), "after": hook.hook("fail")}}),
    );
    write(&source, "a", "one");
    let text = manifest(&json!({"site": site(&source, json!({"copy": target}))}));
    let service = Heliostat::new(&scratch.dir("service"), &text);
    let run = |how: &str| {
        let mut args = ["run", how, "--state-dir"].map(Into::into).to_vec();
        args.extend([service.state().into(), service.manifest().into()]);
        service.command_line(&args, PATIENCE)
    };
    assert_eq!(run("--dry-run").code, 0);
    assert_eq!(hook.runs().len(), 0);
    let once = run("--once");
    assert_eq!(once.code, 0, "{once:?}");
    let told = |run: &Run| run.told("HELIOSTAT_HOOK").to_owned();
    assert_eq!(
        hook.runs().iter().map(told).collect::<Vec<_>>(),
        ["before", "after"]
    );
    assert_eq!(run("--once").code, 0);
    assert_eq!(hook.runs().len(), 2, "nothing changed");
    hook.does("[ $HELIOSTAT_HOOK = before ] || exit 4");
    write(&source, "b", "two");
    let once = run("--once");
    assert_eq!(once.code, 1, "{once:?}");
    assert!(once.stdout.contains("hook failing"), "{once:?}");
    // What is owed is made up for by the next, though there is nothing to send.
    hook.does("exit 0");
    assert_eq!(run("--once").code, 0);
    assert_eq!(hook.runs().len(), 5);
}

#[test]
fn a_removed_and_a_changed_hook_hold_from_the_reload_on() {
    let (mut story, hook) = story("copy", |hook| json!({"after": hook.hook("fail")}));
    hook.does("exit 1");
    put(&story, "a", "one");
    story.service.start();
    story.shows("copy", "failing", "hook");
    let text = fs::read_to_string(story.service.manifest()).unwrap();
    let mut changed: Value = serde_json::from_str(&text).unwrap();
    changed["sources"]["site"]["targets"]["copy"]["hooks"]["after"]["onError"] = json!("warn");
    fs::write(story.service.manifest(), changed.to_string()).unwrap();
    let reloaded = story.service.call(&["reload"]);
    assert!(reloaded.stdout.contains("retune 1"), "{reloaded:?}");
    story.settle();
    changed["sources"]["site"]["targets"]["copy"]["hooks"] = json!(null);
    let target = changed["sources"]["site"]["targets"]["copy"]
        .as_object_mut()
        .unwrap();
    target.remove("hooks");
    fs::write(story.service.manifest(), changed.to_string()).unwrap();
    assert_eq!(story.service.call(&["reload"]).code, 0);
    let ran = hook.runs().len();
    put(&story, "b", "two");
    story.settle();
    soon("nothing of it is shown", || {
        story.in_sync("copy")["code"].is_null()
    });
    assert_eq!(hook.runs().len(), ran);
    assert_eq!(story.service.stop().0, 0);
}

impl Recorder {
    /// Waits for at least this many runs.
    #[track_caller]
    fn nth_at_least(&self, count: usize) {
        soon("it is run again", || self.runs().len() >= count);
    }
}
