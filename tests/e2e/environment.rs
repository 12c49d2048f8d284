//! What surrounds the service when it is started decides nothing: its children have an environment and a home of their own.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use super::Story;
use crate::rig::service::Heliostat;

/// A program that leaves a trace and does the user's will nowhere.
fn trap(directory: &Path, name: &str, trace: &Path) -> String {
    let at = directory.join(name);
    let script = format!("#!/bin/bash\necho {name} >> {}\nexit 1\n", trace.display());
    fs::write(&at, script).unwrap();
    fs::set_permissions(&at, Permissions::from_mode(0o755)).unwrap();
    at.display().to_string()
}

#[test]
fn neither_home_nor_path_nor_variables_reach_rsync() {
    let mut story = Story::new(|_| {});
    let (home, bin) = (story.scratch.dir("home"), story.scratch.dir("bin"));
    let trace = story.scratch.path().join("trace");
    // With the user's home, rsync would delete the source after it was sent.
    let aliases = "rsync alias -r --remove-source-files -r\nrsync alias --recursive --remove-source-files -r\n\
                   rsync alias --links --remove-source-files -l\nrsync alias -l --remove-source-files -l\n";
    fs::write(home.join(".popt"), aliases).unwrap();
    for name in ["rsync", "ssh", "env", "sh"] {
        trap(&bin, name, &trace);
    }
    let program = trap(&bin, "program", &trace);
    let text = fs::read_to_string(story.service.manifest()).unwrap();
    let mut service = Heliostat::new(&story.scratch.dir("surrounded"), &text)
        .env("HOME", &home)
        .env("PATH", &bin)
        .env("RSYNC_PASSWORD", "not it")
        .env("RSYNC_PROXY", "127.0.0.1:1")
        .env("RSYNC_PARTIAL_DIR", &bin)
        .env("RSYNC_PROTECT_ARGS", "0")
        .env("RSYNC_ICONV", ".")
        .env("RSYNC_CHECKSUM_LIST", "none")
        .env("LD_LIBRARY_PATH", &bin)
        .env("LD_PRELOAD", bin.join("none.so"))
        .env("LD_AUDIT", bin.join("none.so"))
        .env("GCONV_PATH", &bin)
        .env("IFS", "r");
    for name in [
        "RSYNC_RSH",
        "RSYNC_CONNECT_PROG",
        "RSYNC_SHELL",
        "BASH_ENV",
        "SSH_ASKPASS",
    ] {
        service = service.env(name, &program);
    }
    story.service = service;
    story.write("a", "a");
    story.write("d/b", "b");
    story.start();
    story.write("a", "another");
    story.settle();
    for (name, text) in [("a", "another"), ("d/b", "b")] {
        let kept = fs::read_to_string(story.source.join(name)).unwrap();
        assert_eq!(kept, text, "the source is as it was");
    }
    assert!(!trace.exists(), "run: {:?}", fs::read_to_string(&trace));
}

#[test]
fn a_url_is_taken_as_it_is_written() {
    let story = Story::new(|_| {});
    let validate = |url: &str| {
        let manifest = story.scratch.path().join("m.yaml");
        let sources = serde_json::json!({"site": super::site(&story.source,
            serde_json::json!({"t": {"url": url}}))});
        fs::write(&manifest, crate::rig::service::manifest(&sources)).unwrap();
        let args = ["validate".into(), manifest.into_os_string()];
        story.service.command_line(&args, super::PATIENCE)
    };
    let said = validate("rsync://me:hunter2@127.0.0.1/m");
    assert_ne!(said.code, 0, "{said:?}");
    let all = format!("{}{}", said.stdout, said.stderr);
    assert!(!all.contains("hunter2"), "{all}");
    let said = validate("rsync://127.0.0.1/m/my%20files");
    let all = format!("{}{}", said.stdout, said.stderr);
    assert!(all.contains("not decoded"), "{all}");
}
