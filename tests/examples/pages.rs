//! The command blocks of the documents, run: a page's blocks one after another, on a [`Stage`] of their own. What is not run
//! there is named below: either the test that takes the block's own text, or the reason why nothing here can run it.

use super::documents::{Block, block, fenced, pages};
use super::stage::{Played, Stage, steps};
use super::*;

/// What stands in for a run on the stage.
enum Instead {
    /// This test takes the block's text from the page, by [`block`].
    Test(&'static str),
    /// It cannot be run here. It is a script all the same: its syntax is checked.
    Why(&'static str),
}

use Instead::{Test, Why};

/// Page, the block's first line, and what stands in.
const NOT_RUN: &[(&str, &str, Instead)] = &[
    (
        "README.md",
        "bash examples/demo.sh",
        Test("examples::readme::the_two_commands_do_what_is_said_of_them"),
    ),
    (
        "docs/hooks.md",
        "#!/bin/bash",
        Test("examples::hooks::the_hook_of_the_page_purges_what_changed"),
    ),
    (
        "docs/systemd.md",
        "apt-get install",
        Test("examples::service::the_service_of_the_page_runs_as_its_user_with_one_capability"),
    ),
    (
        "docs/systemd.md",
        "install -D -m 644",
        Test("examples::service::the_service_of_the_page_runs_as_its_user_with_one_capability"),
    ),
    (
        "docs/systemd.md",
        "useradd --system",
        Test("examples::service::the_service_of_the_page_runs_as_its_user_with_one_capability"),
    ),
    (
        "docs/systemd.md",
        "#!/bin/sh",
        Test("examples::service::the_service_of_the_page_runs_as_its_user_with_one_capability"),
    ),
    (
        "docs/systemd.md",
        "#!/sbin/openrc-run",
        Why("a service of OpenRC, which is not here; tried by hand with Debian's"),
    ),
    (
        "docs/systemd.md",
        "podman build",
        Why("needs a container engine; tests/packages reads the file"),
    ),
];

/// What stands before a page's first command: files of the repository, and commands of the reader's.
pub(super) fn prepare(page: &str, stage: &mut Stage) {
    let mut before: Vec<&str> = Vec::new();
    match page {
        "README.md" => stage.copy("examples/website.yaml", "website.yaml"),
        "docs/import.md" => {
            stage.copy("tests/imports/sersync-default.xml", "confxml.xml");
            stage.copy("tests/imports/classic.sh", "rsync.sh");
        }
        "docs/deletes.md" | "docs/status.md" | "docs/reload.md" => {
            stage.copy("examples/website.yaml", "website.yaml");
            if page == "docs/reload.md" {
                before.push("git init -q -b main . && git add -A && git commit -qm first");
            }
            before.extend(["heliostat run website.yaml", "heliostat wait --timeout 60s"]);
        }
        "docs/http.md" | "docs/status-page.md" => {
            let text = read("examples/website.yaml").text;
            let text = text
                .replace("  website:", "  site:")
                .replace("web98:", "copy:");
            stage.write("site.yaml", &text);
            before.push("heliostat run site.yaml --http 127.0.0.1:9099");
            before.push("heliostat wait --timeout 60s");
            if page == "docs/status-page.md" {
                stage.with_ssh();
            }
        }
        "docs/gitops.md" => {
            stage.works_at("/var/lib/heliostat-pull/current");
            for folder in ["conf.d", "hosts"] {
                for entry in fs::read_dir(root().join("examples/gitops").join(folder)).unwrap() {
                    let name = entry.unwrap().file_name().into_string().unwrap();
                    let file = format!("{folder}/{name}");
                    // Its sources are not here, so nothing is sent anywhere.
                    let text = read(&format!("examples/gitops/{file}")).text;
                    let text = text.replace("path: /", "path: /nowhere/");
                    stage.write(&file, &text);
                }
            }
            stage.settings("hosts/web-origin-1.yaml");
            before.extend([
                "git init -q -b main . && git add -A && git commit -qm first && git update-ref refs/remotes/origin/main HEAD",
                "sed -i 's/delete: propagate/delete: mirror/' conf.d/20-backup.yaml; git commit -qam second",
                "heliostat run",
            ]);
        }
        _ => {}
    }
    for line in before {
        stage.done(line);
    }
}

fn is_command(block: &Block) -> bool {
    ["sh", "console", "bash"].contains(&block.language.as_str())
}

fn not_run(block: &Block) -> Option<usize> {
    let fits = |(page, first, _): &(&str, &str, Instead)| {
        *page == block.page && block.first().starts_with(first)
    };
    NOT_RUN.iter().position(fits)
}

/// The blocks of a page that are run.
fn to_run(page: &str) -> Vec<Block> {
    let blocks = fenced(page).into_iter().filter(is_command);
    blocks.filter(|block| not_run(block).is_none()).collect()
}

/// Runs a page; every output that it shows is compared.
fn play(page: &str) -> Played {
    let blocks = to_run(page);
    let mut stage = Stage::new();
    prepare(page, &mut stage);
    let played = stage
        .play(&blocks)
        .unwrap_or_else(|why| panic!("{page}: {why}"));
    let all = || blocks.iter().flat_map(steps);
    assert_eq!(played.commands, all().count(), "{page}");
    let shown = all().filter(|step| step.shown.is_some()).count();
    assert_eq!(played.compared, shown, "{page}");
    played
}

/// Pages with much to run, each a test of its own, so that they run at the same time.
const LONG: [&str; 4] = [
    "README.md",
    "docs/operations.md",
    "docs/reload.md",
    "docs/status.md",
];

#[test]
fn the_commands_of_the_readme_are_run() {
    let played = play(LONG[0]);
    assert!(played.commands >= 15 && played.compared >= 4, "{played:?}");
}

#[test]
fn the_commands_of_the_first_day_are_run() {
    let played = play(LONG[1]);
    assert!(played.commands >= 20 && played.compared >= 6, "{played:?}");
}

#[test]
fn the_commands_of_a_reload_are_run() {
    let played = play(LONG[2]);
    assert!(played.compared >= 4, "{played:?}");
}

#[test]
fn the_commands_that_look_and_steer_are_run() {
    assert!(play(LONG[3]).commands >= 14);
}

#[test]
fn the_commands_of_every_other_page_are_run() {
    let mut all = Played::default();
    for page in pages() {
        if LONG.contains(&page.as_str()) || to_run(&page).is_empty() {
            continue;
        }
        let played = play(&page);
        all.commands += played.commands;
        all.compared += played.compared;
    }
    assert!(all.commands >= 25 && all.compared >= 6, "{all:?}");
}

/// A block of a page that is not there.
fn planted(language: &str, text: &str) -> Block {
    Block {
        page: "planted".to_owned(),
        language: language.to_owned(),
        text: text.to_owned(),
    }
}

#[test]
fn a_page_that_says_another_thing_is_seen() {
    let mut stage = Stage::new();
    let mut says = |language: &str, text: &str| stage.play(&[planted(language, text)]);
    let version = concat!(
        "$ heliostat version\nheliostat ",
        env!("CARGO_PKG_VERSION"),
        "\n"
    );
    assert_eq!(says("console", version).unwrap().compared, 1);
    let other = version.replace("heliostat 0", "heliograph 0");
    assert!(says("console", &other).unwrap_err().contains("heliograph"));
    assert!(
        says(
            "console",
            &version.replace("\nheliostat", "\nmore\nheliostat")
        )
        .is_err()
    );
    assert!(says("sh", "false\n").unwrap_err().contains("ended with 1"));
    assert!(says("sh", "false   # ends with 1: so it is\n").is_ok());
    assert!(says("sh", "true    # ends with 1\n").is_err());
    assert!(says("sh", "heliostat no-such-command\n").is_err());
}

#[test]
fn what_is_not_run_has_a_test_that_takes_its_text_or_cannot_be_run() {
    let mut used = BTreeSet::new();
    for page in pages() {
        for left in fenced(&page).iter().filter(|block| is_command(block)) {
            let Some(at) = not_run(left) else { continue };
            assert!(
                used.insert(at),
                "{page}: `{}` stands for two blocks",
                NOT_RUN[at].1
            );
            match NOT_RUN[at].2 {
                Test(name) => assert_eq!(takes(name, &page, NOT_RUN[at].1), None),
                Why(why) => {
                    assert!(!why.is_empty());
                    parses(left);
                }
            }
        }
    }
    assert_eq!(used.len(), NOT_RUN.len(), "a block is not there any more");
    let why = NOT_RUN
        .iter()
        .filter(|(.., instead)| matches!(instead, Why(_)));
    assert!(why.count() <= 2, "more is left out than was");
}

/// Why it is not so that this test takes that block from the page.
fn takes(test: &str, page: &str, first: &str) -> Option<String> {
    let (module, name) = test.rsplit_once("::").expect("a path");
    let folder = module.replace("::", "/");
    let files = [
        format!("tests/{folder}.rs"),
        format!("tests/{folder}/mod.rs"),
    ];
    let Some(text) = files
        .iter()
        .find_map(|file| fs::read_to_string(root().join(file)).ok())
    else {
        return Some(format!("no file of `{module}`"));
    };
    let Some((_, body)) = text.split_once(&format!("#[test]\nfn {name}() {{\n")) else {
        return Some(format!("no test `{test}`"));
    };
    let body = body.split("\n}\n").next().unwrap_or_default();
    let call = format!("block(\"{page}\",\"{first}\")");
    let plain: String = body.chars().filter(|c| !c.is_whitespace()).collect();
    let call: String = call.chars().filter(|c| !c.is_whitespace()).collect();
    (!plain.contains(&call)).then(|| format!("`{test}` does not take the block: {call}"))
}

#[test]
fn a_test_that_takes_nothing_from_the_page_is_seen() {
    let (page, first) = ("docs/hooks.md", "#!/bin/bash");
    let says = |test| takes(test, page, first).unwrap_or_default();
    assert_eq!(
        says("examples::hooks::the_hook_of_the_page_purges_what_changed"),
        ""
    );
    assert!(says("examples::hooks::no_such").contains("no test"));
    assert!(says("examples::no_such::a").contains("no file"));
    let other = "examples::readme::the_two_commands_do_what_is_said_of_them";
    assert!(says(other).contains("does not take"));
    assert!(takes(other, "README.md", "bash examples/demo.sh").is_none());
    assert_eq!(block(page, first).page, page);
}

/// A script is one for its own interpreter, or for a shell.
fn parses(block: &Block) {
    let shell = match block.first() {
        "#!/bin/bash" => "bash",
        _ => "sh",
    };
    let output = std::process::Command::new(shell)
        .args(["-n", "-c", &block.text])
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "{}: {}: {output:?}",
        block.page,
        block.first()
    );
}

#[test]
fn no_command_hides_in_a_block_that_is_none() {
    let known = |word: &str| {
        let folders = ["/usr/local/bin", "/usr/bin", "/bin", "/usr/sbin", "/sbin"];
        word == "heliostat"
            || (!word.contains('/')
                && folders
                    .iter()
                    .any(|folder| Path::new(folder).join(word).is_file()))
    };
    let hides = |block: &Block| {
        let lines = block.text.lines().map(|line| line.trim_start_matches("$ "));
        lines
            .filter_map(|line| line.split_whitespace().next())
            .any(known)
    };
    let mut looked = 0;
    for page in pages() {
        // Written from the command line's own definition, and there only usage.
        if page == "docs/commands.md" {
            continue;
        }
        for block in fenced(&page) {
            if ["", "text"].contains(&block.language.as_str()) {
                assert!(!hides(&block), "{page}: `{}` is a command", block.first());
                looked += 1;
            }
        }
    }
    assert!(looked >= 1);
    assert!(hides(&planted(
        "text",
        "some words\nssh -L 9099:localhost:9099 web\n"
    )));
}
