//! The command blocks of the documents, run: a page's blocks one after another, in a place of their own, against a real rsync
//! daemon. Paths and addresses of the texts stand for ones of that place; nothing else is changed. What cannot be run here
//! is named below, each with its reason.

use std::os::unix::fs::PermissionsExt;
use std::process::{Command, Stdio};
use std::time::Duration;

use super::documents::{Block, fenced, pages};
use super::*;
use crate::rig::Scratch;
use crate::rig::process::Process;
use crate::rig::rsyncd::Rsyncd;

/// A page may take that long on a busy machine.
const PATIENCE: Duration = Duration::from_secs(240);

/// Page, the block's first line, and why it is not run.
const NOT_RUN: &[(&str, &str, &str)] = &[
    (
        "README.md",
        "bash examples/demo.sh ",
        "the demonstration has a test of its own; the other line is this very run",
    ),
    (
        "README.md",
        "$ heliostat status",
        "a held deletion; the same story runs in e2e::deletes",
    ),
    (
        "README.md",
        "$ heliostat reload",
        "the numbers of a service with a history; runs in e2e::reload",
    ),
    (
        "docs/gitops.md",
        "heliostat validate --all-hosts",
        "run by examples::gitops in its repository",
    ),
    (
        "docs/gitops.md",
        "heliostat diff --all-hosts",
        "run by examples::gitops in its repository",
    ),
    (
        "docs/gitops.md",
        "heliostat diff --against running",
        "run by examples::gitops in its repository",
    ),
    (
        "docs/hooks.md",
        "#!/bin/bash",
        "a hook, which is given its files by a transfer; e2e::hooks runs one",
    ),
    (
        "docs/http.md",
        "curl -fsS http://localhost:9099/-/healthy",
        "run by e2e::web::papers",
    ),
    (
        "docs/http.md",
        "curl -fsS --unix-socket",
        "run by e2e::web::papers",
    ),
    (
        "docs/reload.md",
        "$ heliostat rollback --list",
        "the numbers of a service with a history; runs in e2e::reload",
    ),
    (
        "docs/status-page.md",
        "curl -fsS http://localhost:9099/",
        "run by e2e::web::papers",
    ),
    (
        "docs/systemd.md",
        "apt-get install",
        "needs systemd as the first process; tests/packages installs the package",
    ),
    (
        "docs/systemd.md",
        "install -D -m 644",
        "needs systemd as the first process",
    ),
    (
        "docs/systemd.md",
        "useradd --system",
        "changes the users of this host",
    ),
    (
        "docs/systemd.md",
        "#!/bin/sh",
        "a service of runit, which is not here",
    ),
    (
        "docs/systemd.md",
        "#!/sbin/openrc-run",
        "a service of OpenRC, which is not here",
    ),
    (
        "docs/systemd.md",
        "podman build",
        "needs a container engine; tests/packages reads the file",
    ),
];

/// Lines that do not end with 0, and are right so.
const ENDS_WITH: &[(&str, i32)] = &[
    // What is taken over twice is the same generation: there is nothing to go back to.
    ("heliostat rollback", 1),
];

fn is_command(block: &Block) -> bool {
    ["sh", "console", "bash"].contains(&block.language.as_str())
}

fn reason(block: &Block) -> Option<usize> {
    let fits = |(page, first, _): &(&str, &str, &str)| {
        *page == block.page && block.first().starts_with(first)
    };
    NOT_RUN.iter().position(fits)
}

/// Runs these blocks as one script, so that what one begins the next one sees.
fn run(page: &str, blocks: &[Block]) {
    let scratch = Scratch::new();
    let (data, work, bin) = (
        scratch.dir("website"),
        scratch.dir("work"),
        scratch.dir("bin"),
    );
    fs::create_dir(data.join("cache")).unwrap();
    for name in ["index.html", "cache/x"] {
        fs::write(data.join(name), name).unwrap();
    }
    let mut daemon = Rsyncd::new(&scratch.dir("daemon"), &scratch.dir("module"));
    daemon.start();
    let (socket, state) = (scratch.path().join("socket"), scratch.path().join("state"));
    let wrapper = format!(
        "#!/bin/sh\ncase $1 in\nrun|doctor) exec {binary} \"$@\" --state-dir {state} --socket {socket};;\n\
         status|wait|history|tap|pause|resume|trigger|rescan|reload|rollback|approve) exec {binary} \"$@\" --socket {socket};;\n\
         *) exec {binary} \"$@\";;\nesac\n",
        binary = env!("CARGO_BIN_EXE_heliostat"),
        state = state.display(),
        socket = socket.display(),
    );
    fs::write(bin.join("heliostat"), wrapper).unwrap();
    fs::set_permissions(bin.join("heliostat"), fs::Permissions::from_mode(0o755)).unwrap();
    let url = daemon.url();
    let password = daemon.password_file();
    let here = |text: &str| {
        text.replace("/data/website", data.to_str().unwrap())
            .replace("rsync://website@172.16.6.98/website", &url)
            .replace("/etc/rsync.passwd", password.to_str().unwrap())
    };
    let copy = |from: &str, to: &str| fs::write(work.join(to), here(&read(from).text)).unwrap();
    match page {
        "README.md" => copy("examples/website.yaml", "website.yaml"),
        "docs/import.md" => copy("tests/imports/sersync-default.xml", "confxml.xml"),
        _ => {}
    }
    let mut script = String::from(
        "set -u\nexport HOME=$PWD GIT_AUTHOR_NAME=a GIT_AUTHOR_EMAIL=a@example.com GIT_COMMITTER_NAME=a GIT_COMMITTER_EMAIL=a@example.com\n\
         git init -q -b main . && git add -A && git commit -q --allow-empty -m first\n\
         is() { status=$?; [ $status = $1 ] || { echo \"ended with $status: $2\"; exit 1; }; }\n",
    );
    for block in blocks {
        let mut expected = String::new();
        let mut last = None::<String>;
        for line in block.text.lines() {
            let (command, printed) = match (block.language.as_str(), line.strip_prefix("$ ")) {
                ("console", None) => (None, Some(line)),
                ("console", Some(command)) => (Some(command), None),
                _ => (Some(line), None),
            };
            if let Some(printed) = printed {
                expected += printed;
                expected.push('\n');
            }
            let Some(command) = command else { continue };
            close(&mut script, last.take(), &mut expected);
            let plain = command.split(" #").next().unwrap_or_default().trim_end();
            let service = plain.starts_with("heliostat run ")
                && !plain.contains("--once")
                && !plain.contains("--dry-run");
            let stays = plain.contains("--watch") || plain.starts_with("heliostat tap");
            let code = ENDS_WITH.iter().find(|(line, _)| *line == plain);
            let code = code.map_or(if stays { 124 } else { 0 }, |(_, code)| *code);
            let run = match (service, stays) {
                (true, _) => format!(
                    "{} >service.log 2>&1 &\nuntil heliostat status >/dev/null 2>&1; do kill -0 $! || {{ cat service.log; exit 1; }}; sleep 0.1; done",
                    here(plain)
                ),
                (_, true) => format!("timeout 2 {}", here(plain)),
                _ => here(plain),
            };
            script += &format!(
                "{{ {run}\n}} >said 2>&1; is {code} {}; cat said\n",
                quoted(plain)
            );
            last = Some(plain.to_owned());
        }
        close(&mut script, last, &mut expected);
    }
    script += "echo everything was run\n";
    fs::write(scratch.path().join("script"), script).unwrap();
    let output = scratch.path().join("output");
    let file = fs::File::create(&output).unwrap();
    let mut command = Command::new("bash");
    command
        .arg(scratch.path().join("script"))
        .current_dir(&work)
        .env_clear()
        .env(
            "PATH",
            format!("{}:/usr/local/bin:/usr/bin:/bin", bin.display()),
        )
        .stdin(Stdio::null())
        .stdout(file.try_clone().unwrap())
        .stderr(file);
    let mut process = Process::spawn(&mut command);
    let ended = process.wait(PATIENCE);
    let said = String::from_utf8_lossy(&fs::read(&output).unwrap()).into_owned();
    let good = ended.is_some_and(|status| status.success()) && said.contains("everything was run");
    assert!(good, "{page}: {ended:?}\n{said}");
    compare(page, &said);
}

/// After a command whose output the page shows, what it shows follows in the script's output.
fn close(script: &mut String, command: Option<String>, expected: &mut String) {
    if command.is_some() && !expected.is_empty() {
        let shown = std::mem::take(expected);
        *script += &format!(
            "echo '@@ printed'; cat said; echo '@@ shown'; cat <<'@@'\n{shown}@@\necho '@@ end'\n"
        );
    }
}

/// Words with a digit are times, counts and ids, and stand for any word that has one.
fn compare(page: &str, said: &str) {
    let words = |text: &str| -> Vec<String> {
        let one = |word: &str| match word.chars().any(|c| c.is_ascii_digit()) {
            true => "#".to_owned(),
            false => word.to_owned(),
        };
        text.split_whitespace().map(one).collect()
    };
    for part in said.split("@@ printed\n").skip(1) {
        let (printed, rest) = part.split_once("@@ shown\n").unwrap();
        let (shown, _) = rest.split_once("@@ end").unwrap();
        assert_eq!(words(printed), words(shown), "{page}:\n{printed}\n{shown}");
    }
}

fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', "'\\''"))
}

#[test]
fn every_command_block_is_run_or_has_a_reason() {
    let mut used = BTreeSet::new();
    let mut ran = 0;
    for page in pages() {
        let blocks: Vec<Block> = fenced(&page).into_iter().filter(is_command).collect();
        let (left, blocks): (Vec<Block>, Vec<Block>) = blocks
            .into_iter()
            .partition(|block| reason(block).is_some());
        used.extend(left.iter().filter_map(reason));
        if !blocks.is_empty() {
            run(&page, &blocks);
            ran += blocks.len();
        }
    }
    let unused: Vec<_> = (0..NOT_RUN.len())
        .filter(|at| !used.contains(at))
        .map(|at| NOT_RUN[at])
        .collect();
    assert!(unused.is_empty(), "no such block any more: {unused:?}");
    assert!(ran >= 8, "only {ran} blocks were run");
}
