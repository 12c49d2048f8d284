//! Tests as an ordinary user: root runs them once more as `nobody`.

use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::process::Command;

const NOBODY: u32 = 65534;

/// Runs the test of this full name with `body`: at once, or, as root, in a child process that is not.
pub fn ordinarily(name: &str, body: impl FnOnce()) {
    if !rustix::process::geteuid().is_root() {
        return body();
    }
    let scratch = tempfile::Builder::new()
        .prefix("heliostat-nobody-")
        .tempdir()
        .unwrap();
    std::fs::set_permissions(scratch.path(), PermissionsExt::from_mode(0o777)).unwrap();
    // Where the test program lies may be shut to others.
    let program = scratch.path().join("tests");
    let own = std::env::current_exe().unwrap();
    if std::fs::hard_link(&own, &program).is_err() {
        std::fs::copy(&own, &program).unwrap();
    }
    let output = Command::new(&program)
        .args(["--exact", name])
        .env("TMPDIR", scratch.path())
        .current_dir(scratch.path())
        .uid(NOBODY)
        .gid(NOBODY)
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(
        output.status.success() && text.contains("1 passed"),
        "{text}"
    );
}
