//! The commands on one story, in the order in which an operator meets them, with their exit codes.

use std::ffi::OsString;
use std::fs;
use std::path::PathBuf;

use serde_json::{Value, json};

use super::{PATIENCE, Story, equal, extend, local, site, write};
use crate::rig::Scratch;
use crate::rig::service::{Answer, Heliostat, manifest};
use crate::rig::tree::{Look, differences};

/// The binary, without a service.
struct Operator {
    scratch: Scratch,
    shell: Heliostat,
}

impl Operator {
    fn new() -> Operator {
        let scratch = Scratch::new();
        let shell = Heliostat::new(&scratch.dir("shell"), "");
        Operator { scratch, shell }
    }

    fn at(&self, name: &str) -> PathBuf {
        self.scratch.path().join(name)
    }

    /// Runs a command; `@name` stands for a path of this story.
    fn does(&self, line: &str) -> Answer {
        let word = |word: &str| match word.split_once('@') {
            Some((before, name)) => OsString::from(format!("{before}{}", self.at(name).display())),
            None => word.into(),
        };
        let arguments: Vec<OsString> = line.split_whitespace().map(word).collect();
        self.shell.command_line(&arguments, PATIENCE)
    }

    /// Runs it, and holds it to its exit code; what it said, with the story's place written as `@`.
    #[track_caller]
    fn says(&self, code: i32, line: &str) -> Said {
        let answer = self.does(line);
        assert_eq!(answer.code, code, "{line}: {answer:?}");
        let place = format!("{}/", self.scratch.path().display());
        let tidy = |text: String| text.replace(&place, "@");
        Said {
            line: line.to_owned(),
            stdout: tidy(answer.stdout),
            stderr: tidy(answer.stderr),
        }
    }
}

struct Said {
    line: String,
    stdout: String,
    stderr: String,
}

impl Said {
    /// Nothing was said but the result.
    #[track_caller]
    fn quietly(self) -> Said {
        assert_eq!(self.stderr, "", "{}", self.line);
        self
    }

    /// One document, with its version.
    #[track_caller]
    fn document(&self) -> Value {
        let document: Value = serde_json::from_str(&self.stdout)
            .unwrap_or_else(|error| panic!("{}: {error}\n{}", self.line, self.stdout));
        assert_eq!(document["formatVersion"], 1, "{}", self.line);
        document
    }

    #[track_caller]
    fn has(&self, parts: &[&str]) {
        let text = format!("{}{}", self.stdout, self.stderr);
        for part in parts {
            assert!(
                text.contains(part),
                "{}: `{part}` is not in\n{text}",
                self.line
            );
        }
    }
}

#[test]
fn from_the_first_manifest_to_the_first_pass() {
    let operator = Operator::new();
    write(&operator.scratch.dir("site"), "a", "hello");
    write(&operator.scratch.dir("site"), "sub/b.tmp", "x");
    operator.scratch.dir("mirror");

    operator
        .says(0, "init @site file://@mirror -o @first.yaml")
        .quietly();
    let text = fs::read_to_string(operator.at("first.yaml")).unwrap();
    assert!(
        text.starts_with("# ") && text.contains("delete: never"),
        "{text}"
    );
    operator
        .says(2, "init @site file://@mirror -o @first.yaml")
        .has(&["nothing is overwritten"]);
    assert_eq!(fs::read_to_string(operator.at("first.yaml")).unwrap(), text);
    let said = operator.says(2, "init @site nonsense://host/x");
    assert_eq!(said.stdout, "");

    let said = operator.says(0, "validate @first.yaml").quietly();
    let valid = "valid: 1 file, 1 source, 1 target, 0 warnings, digest ";
    assert!(said.stdout.starts_with(valid), "{}", said.stdout);
    let said = operator
        .says(0, "validate --format json @first.yaml")
        .quietly();
    assert_eq!(
        (&said.document()["valid"], &said.document()["diagnostics"]),
        (&json!(true), &json!([]))
    );

    let said = operator.says(0, "plan @first.yaml --host web").quietly();
    said.has(&[
        "host web: 1 source, 1 route",
        "route site/local",
        "target    file://@mirror",
        "delete    never",
    ]);
    let document = operator
        .says(0, "plan @first.yaml --format json")
        .quietly()
        .document();
    assert!(
        document["plan"]["sources"]["site"].is_object(),
        "{document:#}"
    );
    operator
        .says(0, "plan @first.yaml --format markdown")
        .quietly()
        .has(&["# heliostat plan", "### route site/local"]);
    assert_eq!(
        fs::read_dir(operator.at("mirror")).unwrap().count(),
        0,
        "looking changes nothing"
    );

    let said = operator.says(0, "run --once @first.yaml --state-dir @state");
    assert_eq!(
        said.stdout,
        "site/local: in sync: 3 files, 6 bytes, 0 deleted\n"
    );
    assert_eq!(
        differences(
            &operator.at("site"),
            &operator.at("mirror"),
            &Look::default()
        ),
        []
    );
    let document = operator
        .says(0, "run --once @first.yaml --state-dir @state --format json")
        .document();
    assert_eq!(
        (
            &document["routes"][0]["state"],
            &document["routes"][0]["files"]
        ),
        (&json!("in sync"), &json!(0))
    );

    let rendered = operator.says(0, "render @first.yaml").quietly();
    rendered.has(&["quiet: 5ms", "schedule: 17 3 * * *"]);
    fs::write(
        operator.at("rendered.yaml"),
        rendered
            .stdout
            .replace('@', &format!("{}/", operator.scratch.path().display())),
    )
    .unwrap();
    operator.says(0, "validate @rendered.yaml").quietly();
    let again = operator.says(0, "render @rendered.yaml").quietly();
    assert_eq!(again.stdout, rendered.stdout);

    let excluding = text.replace("# exclude:", "exclude:");
    assert_ne!(excluding, text);
    fs::write(operator.at("first.yaml"), excluding).unwrap();
    operator
        .says(0, "match @site/a --manifest @first.yaml")
        .quietly()
        .has(&["@site/a", "included"]);
    operator
        .says(1, "match @site/a @site/sub/b.tmp --manifest @first.yaml")
        .has(&["excluded  by `*.tmp`  @first.yaml:10"]);
    let document = operator
        .says(
            1,
            "match @site/sub/b.tmp --manifest @first.yaml --format json",
        )
        .document();
    assert_eq!(document["included"], false);
    operator.says(1, "match /elsewhere --manifest @first.yaml");

    let schema: Value = serde_json::from_str(&operator.says(0, "schema").quietly().stdout).unwrap();
    assert_eq!(schema["$schema"], "http://json-schema.org/draft-07/schema#");
    let version = concat!("heliostat ", env!("CARGO_PKG_VERSION"), "\n");
    assert_eq!(operator.says(0, "version").quietly().stdout, version);
    assert_eq!(
        operator
            .says(0, "version --format json")
            .quietly()
            .document()["version"],
        env!("CARGO_PKG_VERSION")
    );
    operator.says(0, "--help").quietly();
    for wrong in [
        "",
        "no-such-command",
        "run --no-such-flag",
        "status --format yaml",
        "wait --timeout soon",
    ] {
        assert_eq!(operator.says(2, wrong).stdout, "", "{wrong}");
    }
}

#[test]
fn bad_input_is_told_by_its_exit_code_and_starts_nothing() {
    let operator = Operator::new();
    operator.scratch.dir("site");
    let text = manifest(
        &json!({"site": {"path": "relative", "bandwith": 1, "targets": {"t": {"url": "file:///x"}}}}),
    );
    fs::write(operator.at("bad.yaml"), text).unwrap();
    fs::write(operator.at("broken.yaml"), "sources: [").unwrap();
    fs::write(operator.at("binary.yaml"), b"\xff\xfe\x00").unwrap();
    operator.says(1, "validate @bad.yaml").has(&[
        "H0",
        "@bad.yaml:1:",
        "bandwith",
        "relative",
        "2 errors in 1 of 1 file",
    ]);
    let document = operator
        .says(1, "validate @bad.yaml --format json")
        .quietly()
        .document();
    assert_eq!(
        (&document["valid"], &document["errors"]),
        (&json!(false), &json!(2))
    );
    assert_eq!(document["diagnostics"].as_array().unwrap().len(), 2);
    operator.says(1, "validate @broken.yaml");
    operator
        .says(2, "validate @nowhere.yaml")
        .has(&["@nowhere.yaml"]);
    let document = operator
        .says(2, "validate @nowhere.yaml --format json")
        .document();
    assert_eq!(document["valid"], false);
    for (line, code) in [
        ("plan @bad.yaml", 1),
        ("plan @bad.yaml --format json", 1),
        ("plan @nowhere.yaml", 2),
        ("render @bad.yaml", 1),
        ("match /x --manifest @bad.yaml", 1),
        ("run @bad.yaml --state-dir @state --socket @socket", 78),
        ("run @broken.yaml --state-dir @state --socket @socket", 78),
        ("run @binary.yaml --state-dir @state --socket @socket", 2),
        ("run --once @bad.yaml --state-dir @state", 1),
    ] {
        let said = operator.says(code, line);
        if line.contains("json") {
            said.document();
        }
        assert!(
            !operator.at("state").exists() && !operator.at("socket").exists(),
            "{line} started something"
        );
    }
    let code = operator.does("run @nowhere.yaml --state-dir @state").code;
    assert!(code == 2 || code == 78, "{code}");
}

#[test]
fn without_a_service_its_commands_say_so() {
    let operator = Operator::new();
    for line in [
        "status",
        "trigger",
        "rescan",
        "wait --timeout 1s",
        "approve a/b --id x",
    ] {
        let said = operator.says(4, &format!("{line} --socket @none"));
        said.has(&["error: no service at `@none`"]);
        assert_eq!(said.stdout, "");
        let document = operator
            .says(4, &format!("{line} --socket @none --format json"))
            .document();
        assert!(document["error"].is_string(), "{document:#}");
    }
}

#[test]
fn once_says_how_every_route_came_out() {
    let operator = Operator::new();
    let source = operator.scratch.dir("site");
    for name in ["a", "b", "c", "d"] {
        write(&source, name, name);
    }
    let target = |name: &str, keys: &Value| {
        let mut target = local(&operator.at(name));
        extend(&mut target, keys);
        target
    };
    let run = |targets: &Value, code: i32| {
        let text = manifest(&json!({"site": site(&source, targets.clone())}));
        fs::write(operator.at("once.yaml"), text).unwrap();
        operator.says(code, "run --once @once.yaml --state-dir @state")
    };
    operator.scratch.dir("over");
    for name in ["x", "y", "z"] {
        write(&operator.at("over"), name, "only here");
    }
    let good = target("good", &json!({}));
    let held = target("over", &json!({"delete": "mirror", "maxDelete": 2}));
    let bad = target("missing/below", &json!({}));
    let refused =
        json!({"url": "rsync://127.0.0.1:1/m", "retry": {"initial": "100ms", "max": "100ms"}});
    // Neither windows nor schedules keep a single pass back.
    let later = target("later", &json!({"sync": {"schedule": "0 0 1 1 *"}}));
    let said = run(&json!({"good": good, "later": later}), 0);
    said.has(&["site/good: in sync: ", "site/later: in sync: "]);
    let said = run(&json!({"good": good, "held": held}), 6);
    said.has(&[
        "site/good: in sync",
        "site/held: held",
        "would delete 3 of 3",
    ]);
    assert!(operator.at("over/x").exists());
    let said = run(
        &json!({"good": good, "held": held, "bad": bad, "refused": refused}),
        1,
    );
    said.has(&[
        "site/good: in sync",
        "site/held: held",
        "site/bad: retrying",
        "site/refused: retrying",
        "mount or create it",
    ]);
    assert_eq!(said.stdout.lines().count(), 4, "{}", said.stdout);
    let missing = json!({"site": site(&operator.at("nowhere"), json!({"good": good}))});
    fs::write(operator.at("once.yaml"), manifest(&missing)).unwrap();
    operator
        .says(1, "run --once @once.yaml --state-dir @state")
        .has(&["site/good: waiting", "@nowhere"]);
}

#[test]
fn a_dry_run_shows_what_a_pass_would_do_and_does_nothing() {
    let operator = Operator::new();
    let (source, over) = (operator.scratch.dir("site"), operator.scratch.dir("over"));
    write(&source, "new", "n");
    write(&over, "old", "o");
    let mut target = local(&over);
    extend(&mut target, &json!({"delete": "mirror"}));
    fs::write(
        operator.at("m.yaml"),
        manifest(&json!({"site": site(&source, json!({ "over": target }))})),
    )
    .unwrap();
    let said = operator.says(0, "run --dry-run @m.yaml --state-dir @state");
    said.has(&["site/over", "new", "old"]);
    let document = operator
        .says(0, "run --dry-run @m.yaml --state-dir @state --format json")
        .document();
    let route = &document["routes"][0];
    assert_eq!(
        (&route["send"], &route["delete"]),
        (&json!(["new"]), &json!(["old"])),
        "{document:#}"
    );
    assert!(over.join("old").exists() && !over.join("new").exists());
}

#[test]
fn a_running_service_answers() {
    let mut story = Story::with(&json!({"debounce": {"quiet": "30s", "maxWait": "60s"}}));
    story.write("a", "a");
    story.start();
    let document = |arguments: &[&str], code: i32| {
        let mut all = arguments.to_vec();
        all.extend(["--format", "json"]);
        let answer = story.service.call(&all);
        assert_eq!(answer.code, code, "{arguments:?}: {answer:?}");
        let document: Value = serde_json::from_str(&answer.stdout).unwrap();
        assert_eq!(document["formatVersion"], 1, "{arguments:?}");
        document
    };
    let status = document(&["status"], 0);
    let routes: Vec<&Value> = status["routes"]
        .as_array()
        .unwrap()
        .iter()
        .map(|route| &route["route"])
        .collect();
    assert_eq!(routes, ["site/copy", "site/module"]);
    assert_eq!(
        document(&["status", "site/copy"], 0)["routes"]
            .as_array()
            .unwrap()
            .len(),
        1
    );
    let table = story.service.call(&["status"]);
    assert!(
        table.stdout.contains("ROUTE") && table.stdout.contains("site/module  in sync"),
        "{table:?}"
    );
    // Gathered for a while, unless an operator is in a hurry.
    story.write("b", "b");
    story.until("copy", |route| route["state"] == "pending");
    story.until("module", |route| route["state"] == "pending");
    assert_eq!(
        document(&["wait", "--timeout", "50ms"], 5)["result"],
        "timedOut"
    );
    let answer = story.service.call(&["wait", "--timeout", "50ms"]);
    assert!(
        answer.stdout == "not in time\n"
            && answer
                .stderr
                .contains("site/copy: pending: gathers changes"),
        "{answer:?}"
    );
    assert_eq!(document(&["trigger", "site/copy"], 0)["routes"], 1);
    assert_eq!(document(&["wait", "site/copy"], 0)["result"], "reached");
    equal(&story.source, &story.copy, &story.service);
    assert!(
        !story.module.join("b").exists(),
        "only the other was triggered"
    );
    // Drift on the target is no event; a rescan finds it.
    fs::write(story.copy.join("a"), "drifted, and of another size").unwrap();
    fs::remove_file(story.copy.join("b")).unwrap();
    assert_eq!(document(&["rescan"], 0)["routes"], 2);
    assert_eq!(document(&["wait"], 0)["result"], "reached");
    for target in [&story.module, &story.copy] {
        assert_eq!(differences(&story.source, target, &Look::default()), []);
    }
    let time = fs::metadata(story.copy.join("a"))
        .unwrap()
        .modified()
        .unwrap();
    fs::write(story.copy.join("a"), "b").unwrap();
    fs::File::options()
        .write(true)
        .open(story.copy.join("a"))
        .unwrap()
        .set_modified(time)
        .unwrap();
    assert_eq!(
        story
            .service
            .call(&["rescan", "site/copy", "--checksum"])
            .code,
        0
    );
    assert_eq!(story.service.call(&["wait"]).code, 0);
    assert_eq!(fs::read(story.copy.join("a")).unwrap(), b"a");
    for wrong in [
        &["trigger", "none"][..],
        &["rescan", "site/none"],
        &["wait", "none/x"],
    ] {
        let answer = document(wrong, 1);
        assert!(answer["error"].is_string(), "{wrong:?}: {answer:#}");
    }
}
