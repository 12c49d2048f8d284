//! Somebody who may write in a source: whatever he plants there is a name and a content, or nothing.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::process::Command;

use rustix::fs::{CWD, FileType, Mode, OFlags, makedev, mkdirat, mknodat, open, openat};
use serde_json::json;

use super::super::{Story, soon};
use super::plain;

/// Nobody holds so much.
const TERABYTE: u64 = 1 << 40;

/// Deeper than the kernel takes a path: 40 names of 200 bytes.
const LEVELS: usize = 40;

/// Where rsync is told what to leave out, in names that would do it, with rules that would leave out everything.
const RULES: &[&str] = &[
    ".rsync-filter",
    ".cvsignore",
    ".gitignore",
    "merge",
    ". merge",
    ": .rsync-filter",
    "dir-merge .rsync-filter",
    "+ *",
    "- *",
    "!",
    "--delete",
    "--delete-excluded",
    "--remove-source-files",
    "-e sh -c reboot",
    "--rsync-path=reboot",
    "#a",
    ";b",
    "host:module",
    "host::module",
    "rsync:",
];

fn directory(at: impl AsRef<Path>) -> OwnedFd {
    open(at.as_ref(), OFlags::DIRECTORY, Mode::empty()).unwrap()
}

/// The directory so many levels below, made on the way, or found; `None`: it is not there.
fn deep(top: &Path, make: bool) -> Option<OwnedFd> {
    let name = "d".repeat(200);
    let mut here = directory(top);
    for _ in 0..LEVELS {
        if make {
            mkdirat(&here, &*name, Mode::RWXU).unwrap();
        }
        here = openat(&here, &*name, OFlags::DIRECTORY, Mode::empty()).ok()?;
    }
    Some(here)
}

fn kept(directory: &OwnedFd) -> Option<String> {
    let file = openat(directory, "file", OFlags::RDONLY, Mode::empty()).ok()?;
    std::io::read_to_string(File::from(file)).ok()
}

#[test]
fn what_is_planted_in_a_source_is_a_name_and_a_content() {
    let mut story = Story::new(|site| {
        for target in ["module", "copy"] {
            site["targets"][target]["delete"] = json!("mirror");
        }
        // rsync reads every hole of it.
        site["targets"]["module"]["exclude"] = json!(["/terabyte"]);
    });
    let at = |name: &str| story.source.join(name);
    for name in RULES {
        fs::write(at(name), "- *\n*\n+ nothing\n!\n").unwrap();
    }
    let long = [b"\x1b[31m\n:\xff"[..].to_vec(), vec![b'n'; 247]].concat();
    fs::write(story.source.join(OsStr::from_bytes(&long)), "long").unwrap();
    File::create(at("terabyte"))
        .unwrap()
        .set_len(TERABYTE)
        .unwrap();
    // Under our own temporary names nothing is ever sent.
    fs::write(at(".heliostat-0123456789abcdef.tmp"), "temporary").unwrap();
    fs::create_dir(at(".heliostat-fedcba9876543210.tmp")).unwrap();
    fs::write(at(".heliostat-fedcba9876543210.tmp/file"), "temporary").unwrap();
    let _socket = UnixListener::bind(at("socket")).unwrap();
    let special = |kind, name: &str, device| {
        let made = mknodat(CWD, at(name), kind, Mode::RUSR | Mode::WUSR, device);
        assert!(made.is_ok() || !rustix::process::geteuid().is_root());
    };
    special(FileType::Fifo, "fifo", 0);
    // Whoever opened it would read for ever.
    special(FileType::CharacterDevice, "zero", makedev(1, 5));
    let bottom = deep(&story.source, true).unwrap();
    let write = |text: &str| {
        let flags = OFlags::CREATE | OFlags::WRONLY | OFlags::TRUNC;
        let file = openat(&bottom, "file", flags, Mode::RUSR | Mode::WUSR).unwrap();
        std::io::Write::write_all(&mut File::from(file), text.as_bytes()).unwrap();
    };
    write("one");

    story.service.start();
    story.in_sync("copy");
    // rsync has no name for it, and says so; everything else is there.
    let shown = story.shows("module", "failing", "paths");
    assert!(shown.to_string().contains("too long a path"), "{shown:#}");
    let there = |top: &Path, name: &str| fs::symlink_metadata(top.join(name)).is_ok();
    for target in [&story.module, &story.copy] {
        assert!(RULES.iter().all(|name| there(target, name)));
        for name in ["fifo", "zero", "socket", ".heliostat-0123456789abcdef.tmp"] {
            assert!(!there(target, name), "{name}");
        }
        assert!(!there(target, ".heliostat-fedcba9876543210.tmp"));
    }
    assert_eq!(
        fs::metadata(story.copy.join("terabyte")).unwrap().len(),
        TERABYTE
    );
    let copied = || deep(&story.copy, false).and_then(|bottom| kept(&bottom));
    assert_eq!(copied().as_deref(), Some("one"));
    // The events of the deep, too.
    write("two");
    soon("it is copied", || copied().as_deref() == Some("two"));
    story.in_sync("copy");

    for name in ["fifo", "zero", "socket", "terabyte", &"d".repeat(200)] {
        // Not even the standard library can name what is in it.
        let removed = Command::new("/bin/rm").arg("-rf").arg(at(name)).status();
        assert!(removed.unwrap().success(), "{name}");
    }
    for name in [
        ".heliostat-0123456789abcdef.tmp",
        ".heliostat-fedcba9876543210.tmp",
    ] {
        let removed = Command::new("/bin/rm").arg("-rf").arg(at(name)).status();
        assert!(removed.unwrap().success(), "{name}");
    }
    story.settle();
    plain(&story.service.log());
    for args in [&["status"][..], &["history"], &["status", "--paths"]] {
        plain(&story.service.call(args).stdout);
    }
}
