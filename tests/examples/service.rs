//! The commands of `docs/systemd.md`, in a root of their own, where users may be made and units be put.

use std::process::Command;

use super::documents::block;
use super::*;
use crate::rig::Scratch;

const PAGE: &str = "docs/systemd.md";

#[test]
fn the_service_of_the_page_runs_as_its_user_with_one_capability() {
    let scratch = Scratch::new();
    let given = |name: &str, text: &str| {
        let file = scratch.path().join(name);
        fs::write(&file, text).unwrap();
        file
    };
    // There is no other host: the target is a directory.
    let packaged = block("docs/systemd.md", "apt-get install").text;
    let url = "rsync://website@172.16.6.98/website";
    assert_eq!(packaged.matches(url).count(), 1, "{PAGE}");
    let packaged = packaged.replace(url, "file:///srv/mirror");
    let texts = [
        given("packaged", &packaged),
        given(
            "drop-in",
            &block("docs/systemd.md", "install -D -m 644").text,
        ),
        given("users", &block("docs/systemd.md", "useradd --system").text),
        given("run", &block("docs/systemd.md", "#!/bin/sh").text),
        given(
            "sysusers.conf",
            &read("packaging/sysusers.d/heliostat.conf").text,
        ),
    ];
    let files = [
        "packaging/systemd/heliostat.service",
        "packaging/systemd/drop-ins/local-targets.conf",
        "packaging/etc/agent.yaml",
    ];
    let output = Command::new("unshare")
        .args([
            "--mount",
            "--propagation",
            "private",
            "--pid",
            "--fork",
            "--kill-child",
            "bash",
        ])
        .arg(root().join("tests/packages/root.sh"))
        .arg(root().join("tests/examples/service.sh"))
        .arg(env!("CARGO_BIN_EXE_heliostat"))
        .args(texts)
        .args(files.map(|file| root().join(file)))
        .env_clear()
        // Where that root is mounted.
        .env("TMPDIR", scratch.path())
        .env(
            "PATH",
            "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
        )
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
    assert!(
        output.status.success() && said.contains("as it should be\n"),
        "{said}"
    );
}
