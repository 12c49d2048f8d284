//! `plan` and `match` as commands: files in, output and exit status out.

mod diff;
mod fleet;
mod standing;

use std::path::{Path, PathBuf};

use heliostat::cli::client::Format;
use heliostat::cli::match_::{self, MatchArgs};
use heliostat::cli::plan::{self, PlanArgs, PlanFormat};

const GOOD: &str = r#"apiVersion: heliostat/v1
kind: Manifest
metadata: {labels: {team: web}}
sources:
  website:
    path: /data/website
    exclude: ["/cache/"]
    targets:
      web98:
        url: rsync://website@172.16.6.98/website/${host}
        passwordFile: /etc/heliostat/secrets/website
        delete: mirror
"#;

struct Scratch(tempfile::TempDir);

impl Scratch {
    fn new(files: &[(&str, &str)]) -> Scratch {
        let dir = tempfile::tempdir().expect("a test's own files and times are good");
        for (name, text) in files {
            std::fs::write(dir.path().join(name), text)
                .expect("a test's own files and times are good");
        }
        // An agent file of its own, so that the host's does not matter.
        std::fs::write(
            dir.path().join("agent.conf"),
            "apiVersion: heliostat/v1\nkind: Agent\nname: web1\n",
        )
        .expect("a test's own files and times are good");
        Scratch(dir)
    }

    fn path(&self) -> &Path {
        self.0.path()
    }

    /// Exit status, stdout and stderr, with the scratch directory taken out of them.
    fn output(
        &self,
        run: impl FnOnce(&mut Vec<u8>, &mut Vec<u8>) -> std::io::Result<u8>,
    ) -> (u8, String, String) {
        let (mut out, mut err) = (Vec::new(), Vec::new());
        let code = run(&mut out, &mut err).expect("a test's own files and times are good");
        let dir = self.path().display().to_string();
        let text = |bytes: Vec<u8>| {
            String::from_utf8(bytes)
                .expect("a test's own files and times are good")
                .replace(&dir, "DIR")
        };
        (code, text(out), text(err))
    }

    fn plan(&self, format: PlanFormat, host: Option<&str>) -> (u8, String, String) {
        let args = PlanArgs {
            paths: vec![self.path().to_path_buf()],
            host: host.map(str::to_string),
            at: Some(
                "2026-03-02T09:00:00Z"
                    .parse()
                    .expect("a test's own files and times are good"),
            ),
            agent: Some(self.path().join("agent.conf")),
            agents: None,
            format,
        };
        self.output(|out, err| plan::run(&args, false, out, err))
    }

    fn matches(&self, path: &str) -> (u8, String, String) {
        let args = MatchArgs {
            paths: vec![PathBuf::from(path)],
            manifest: vec![self.path().join("web.yaml")],
            agent: Some(self.path().join("agent.conf")),
            format: Format::Human,
        };
        self.output(|out, err| match_::run(&args, false, out, err))
    }
}

#[test]
fn a_plan_names_its_command_lines_and_no_secret() {
    let scratch = Scratch::new(&[("web.yaml", GOOD)]);
    let (code, out, err) = scratch.plan(PlanFormat::Human, None);
    assert_eq!((code, err.as_str()), (0, ""));
    assert!(
        out.starts_with(
            "host web1: 1 source, 1 route; next times after Mon 2026-03-02 09:00:00 +00:00\n"
        ),
        "{out}"
    );
    assert!(out.contains("    command   rsync "), "{out}");
    assert!(
        out.contains("rsync://website@172.16.6.98/website/web1"),
        "{out}"
    );
    let (_, again, _) = scratch.plan(PlanFormat::Human, None);
    assert_eq!(out, again);
}

#[test]
fn a_plan_is_one_json_document() {
    let scratch = Scratch::new(&[("web.yaml", GOOD)]);
    let (code, out, _) = scratch.plan(PlanFormat::Json, Some("other"));
    let document: serde_json::Value = serde_json::from_str(&out).unwrap();
    assert_eq!(code, 0);
    assert_eq!(document["host"], "other");
    assert_eq!(
        document["plan"]["sources"]["website"]["routes"]["web98"]["target"]["path"],
        "other"
    );
    assert_eq!(document["next"][0]["what"], "rescan");
    assert_eq!(
        document["commandLines"]["website/web98"]
            .as_array()
            .unwrap()
            .len(),
        2
    );
}

#[test]
fn errors_of_reading_and_of_compiling_are_said_at_once() {
    let bad = GOOD
        .replace("website:", "other:")
        .replace("delete: mirror", "delte: mirror");
    let worse = GOOD.replace(
        "/data/website\n",
        "/data/website\n    rescan: {schedule: \"0 0 30 2 *\"}\n",
    );
    let scratch = Scratch::new(&[("a.yaml", &bad), ("web.yaml", &worse)]);
    let (code, out, err) = scratch.plan(PlanFormat::Human, None);
    assert_eq!((code, out.as_str()), (1, ""));
    assert!(
        err.contains("unknown field `delte`") && err.contains("never fires"),
        "{err}"
    );
    let (code, out, _) = scratch.plan(PlanFormat::Json, None);
    let document: serde_json::Value = serde_json::from_str(&out).unwrap();
    assert_eq!(
        (
            code,
            document["valid"].as_bool(),
            document["errors"].as_u64()
        ),
        (1, Some(false), Some(2))
    );
}

#[test]
fn match_says_which_rule_decides() {
    let scratch = Scratch::new(&[("web.yaml", GOOD)]);
    let (code, out, err) = scratch.matches("/data/website/cache/x");
    assert_eq!((code, err.as_str()), (1, ""));
    assert!(
        out.contains("website/web98  excluded  by `/cache/`  DIR/web.yaml:7\n"),
        "{out}"
    );
    assert_eq!(scratch.matches("/data/website/x").0, 0);
    let (code, out, _) = scratch.matches("/elsewhere");
    assert_eq!(
        (code, out.as_str()),
        (1, "/elsewhere\n  in no source of this host\n")
    );
}
