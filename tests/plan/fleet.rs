//! `plan` and `validate` for the hosts of a fleet, far from all of them.

use std::fs;
use std::process::Command;

const WEB: &str = r#"apiVersion: heliostat/v1
kind: Manifest
sources:
  website:
    path: /data/website
    hosts: [web1, web2]
    targets:
      copy: {url: "ssh://h/copy/${labels.site}/${host}", delete: mirror}
"#;

struct Fleet(tempfile::TempDir);

impl Fleet {
    fn new(files: &[(&str, &str)]) -> Fleet {
        let fleet = Fleet(tempfile::tempdir().unwrap());
        for (name, text) in files {
            let path = fleet.0.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            let text = match name.starts_with("hosts/") {
                true => format!("apiVersion: heliostat/v1\nkind: Agent\n{text}"),
                false => (*text).to_owned(),
            };
            fs::write(path, text).unwrap();
        }
        fleet
    }

    fn run(&self, args: &[&str]) -> (i32, String) {
        let mut command = Command::new(env!("CARGO_BIN_EXE_heliostat"));
        let output = command
            .args(args)
            .current_dir(self.0.path())
            .output()
            .unwrap();
        let text = [&output.stdout[..], &output.stderr[..]].concat();
        (
            output.status.code().unwrap(),
            String::from_utf8(text).unwrap(),
        )
    }

    #[track_caller]
    fn check(&self, args: &[&str], code: i32, shown: &[&str]) -> String {
        let (actual, text) = self.run(args);
        assert_eq!(actual, code, "{text}");
        for part in shown {
            assert!(text.contains(part), "`{part}` is not in:\n{text}");
        }
        text
    }
}

#[test]
fn a_plan_is_made_for_any_host_of_the_fleet() {
    let fleet = Fleet::new(&[
        ("conf.d/web.yaml", WEB),
        ("hosts/web1.yaml", "labels: {site: bonn}\n"),
        ("hosts/second.yaml", "name: web2\nlabels: {site: kiel}\n"),
    ]);
    let at = ["--at", "2026-03-02T09:00:00Z"];
    let plan = |host: &'static str| {
        [
            &["plan", "conf.d", "--agents", "hosts", "--host", host],
            &at[..],
        ]
        .concat()
    };
    let text = fleet.check(&plan("web1"), 0, &["ssh://h/copy/bonn/web1"]);
    assert_eq!(fleet.run(&plan("web1")).1, text, "always the same");
    fleet.check(&plan("web2"), 0, &["ssh://h/copy/kiel/web2"]);
    fleet.check(&plan("db1"), 0, &["no source names the host `db1`"]);
    let alone = [&["plan", "conf.d", "--host", "web2"], &at[..]].concat();
    fleet.check(&alone, 1, &["name those of the fleet with `--agents DIR`"]);
}

#[test]
fn every_hosts_plan_is_checked() {
    let all = ["validate", "conf.d", "--all-hosts"];
    let known = [&all[..], &["--agents", "hosts"]].concat();
    let fleet = Fleet::new(&[
        ("conf.d/web.yaml", WEB),
        ("hosts/web1.yaml", "labels: {site: bonn}\n"),
        ("hosts/web2.yaml", "labels: {site: kiel}\n"),
    ]);
    fleet.check(&known, 0, &["valid"]);
    // Where nothing is said of the hosts, their labels are not held against the manifests.
    fleet.check(&all, 0, &["valid"]);
    // One host without the label, and another that is misspelled.
    let fleet = Fleet::new(&[
        (
            "conf.d/web.yaml",
            &WEB.replace("[web1, web2]", "[web1, web-2]"),
        ),
        ("hosts/web1.yaml", "labels: {site: bonn}\n"),
        ("hosts/web2.yaml", "labels: {rack: kiel}\n"),
    ]);
    fleet.check(
        &known,
        1,
        &[
            "the label `site` is known neither to the manifest nor to the host, on `web-2`",
            "no agent file is for the host `web-2`",
            "did you mean `web2`?",
            "no source names the host `web2`",
        ],
    );
    fleet.check(&all, 0, &[]);
    // Labels that lead two hosts' sources to one place are seen on the host that has both.
    let both = format!(
        "{WEB}  other:\n    path: /data/other\n    targets:\n      copy: {{url: \"ssh://h/copy/bonn/web1\", delete: mirror}}\n"
    );
    let fleet = Fleet::new(&[
        ("conf.d/web.yaml", &both),
        ("hosts/web1.yaml", "labels: {site: bonn}\n"),
        ("hosts/web2.yaml", "labels: {site: kiel}\n"),
    ]);
    let text = fleet.check(&known, 1, &["error[H04", ", on `web1`"]);
    assert!(!text.contains("on `web2`"), "{text}");
}

#[test]
fn the_agent_files_are_checked_too() {
    let fleet = Fleet::new(&[
        ("conf.d/web.yaml", WEB),
        ("hosts/web1.yaml", "labels: {site: bonn}\n"),
        ("hosts/web2.yaml", "lables: {site: kiel}\n"),
    ]);
    let args = ["validate", "conf.d", "--agents", "hosts"];
    fleet.check(&args, 1, &["hosts/web2.yaml:3:1", "did you mean `labels`?"]);
    fleet.check(
        &["validate", "conf.d", "--agents", "nosuch"],
        2,
        &["cannot read `nosuch`"],
    );
    fleet.check(
        &["plan", "conf.d", "--agents", "hosts", "--host", "web1"],
        1,
        &["did you mean `labels`?"],
    );
}
