//! Every failure has its own word and message, and what it does not concern is done.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use heliostat::engine::{Dirt, Hold, Outcome, Trouble, Verdict, Work};
use heliostat::plan::{Compare, DeleteBudget, DeletePolicy, RoutePlan, Secret, Target};
use heliostat::transfer::progress::{Cancel, Progress};
use heliostat::transfer::{Rsync, RsyncBinary};

use super::rig::{Rig, assert_done, filter, mark, path, secret, wait};
use super::tree;
use crate::rig::left_out;

fn trouble(outcome: &Outcome) -> (&'static str, &Trouble) {
    match &outcome.verdict {
        Verdict::Retry(trouble) => ("retry", trouble),
        Verdict::Permanent(trouble) => ("permanent", trouble),
        _ => panic!("{outcome:#?}"),
    }
}

/// A pass over a route must fail so, and its message must say that much.
async fn fails(rig: &Rig, route: RoutePlan, what: &str, code: &str, says: &str) {
    let outcome = rig.run(&rig.job(route, Work::Pass(Compare::Quick))).await;
    let (kind, trouble) = trouble(&outcome);
    assert_eq!((kind, trouble.code), (what, code), "{trouble:?}");
    assert!(trouble.message.contains(says), "{trouble:?}");
    assert!(!trouble.message.contains('\n'), "{trouble:?}");
}

fn with_password(rig: &Rig, secret: Option<Secret>) -> RoutePlan {
    let mut route = rig.route(DeletePolicy::Mirror);
    if let Target::Daemon { password, .. } = &mut route.target {
        *password = secret;
    }
    route
}

#[tokio::test]
async fn passwords() {
    let rig = Rig::new("").await;
    rig.write("a", "a");
    let file = |name: &str| Some(Secret::File(rig.at(name).display().to_string()));
    secret(&rig.at("wrong"), "not it\n");
    fails(
        &rig,
        with_password(&rig, file("wrong")),
        "permanent",
        "auth",
        "auth failed on module m",
    )
    .await;
    fails(
        &rig,
        with_password(&rig, None),
        "permanent",
        "auth",
        "auth failed",
    )
    .await;
    fails(
        &rig,
        with_password(&rig, file("nowhere")),
        "permanent",
        "passwordFile",
        "nowhere",
    )
    .await;
    secret(&rig.at("open"), "x\n");
    fs::set_permissions(rig.at("open"), PermissionsExt::from_mode(0o644)).unwrap();
    fails(
        &rig,
        with_password(&rig, file("open")),
        "permanent",
        "passwordFile",
        "chmod 600",
    )
    .await;
    secret(&rig.at("theirs"), "x\n");
    std::os::unix::fs::chown(rig.at("theirs"), Some(1000), None).unwrap();
    fails(
        &rig,
        with_password(&rig, file("theirs")),
        "permanent",
        "passwordFile",
        "chown root",
    )
    .await;
    // Whose link it is decides what a far side is told of.
    secret(&rig.at("ours"), "x\n");
    std::os::unix::fs::symlink(rig.at("ours"), rig.at("link")).unwrap();
    std::os::unix::fs::lchown(rig.at("link"), Some(1000), None).unwrap();
    fails(
        &rig,
        with_password(&rig, file("link")),
        "permanent",
        "passwordFile",
        "another user's symlink",
    )
    .await;
    fails(
        &rig,
        with_password(&rig, Some(Secret::Env("HELIOSTAT_TEST_UNSET".into()))),
        "permanent",
        "passwordFile",
        "HELIOSTAT_TEST_UNSET",
    )
    .await;
    rig.pass(rig.route(DeletePolicy::Mirror)).await;
}

#[tokio::test]
async fn modules() {
    let rig = Rig::new(
        "[ro]\npath = /tmp\nread only = yes\n[gone]\npath = /nowhere/at/all\nread only = no\n",
    )
    .await;
    rig.write("a", "a");
    let module = |name: &str| RoutePlan {
        target: rig.module(name),
        ..rig.route(DeletePolicy::Mirror)
    };
    fails(
        &rig,
        module("none"),
        "permanent",
        "unknownModule",
        "Unknown module",
    )
    .await;
    fails(&rig, module("ro"), "permanent", "readOnly", "read only").await;
    fails(
        &rig,
        module("gone"),
        "retry",
        "noDestination",
        "mount or create",
    )
    .await;
    let mut route = rig.route(DeletePolicy::Mirror);
    if let Target::Daemon { path, .. } = &mut route.target {
        *path = "not/made/yet".into();
    }
    fails(&rig, route, "retry", "noDestination", "not/made/yet").await;
    let mut route = rig.route(DeletePolicy::Mirror);
    if let Target::Daemon { port, .. } = &mut route.target {
        *port = 1;
    }
    fails(&rig, route, "retry", "unreachable", "refused").await;
}

#[tokio::test]
async fn a_busy_daemon_is_asked_again_soon() {
    let rig = Rig::new("[one]\npath = /tmp\nread only = yes\nmax connections = 1\n").await;
    fs::OpenOptions::new()
        .append(true)
        .open(rig.at("rsyncd.conf"))
        .unwrap();
    let address = ("127.0.0.1", rig.port);
    let lock = rig.at("lock");
    let text = fs::read_to_string(rig.at("rsyncd.conf")).unwrap();
    fs::write(
        rig.at("rsyncd.conf"),
        format!("lock file = {}\n{text}", lock.display()),
    )
    .unwrap();
    // A client that never says which files it wants holds the only place.
    let mut holder = std::net::TcpStream::connect(address).unwrap();
    std::io::Write::write_all(
        &mut holder,
        b"@RSYNCD: 31.0 sha512 sha256 sha1 md5 md4\none\n",
    )
    .unwrap();
    wait("the place is taken", || {
        lock.metadata().is_ok_and(|info| info.len() > 0) || lock.exists()
    });
    let route = RoutePlan {
        target: rig.module("one"),
        ..rig.route(DeletePolicy::Mirror)
    };
    let outcome = rig.run(&rig.job(route, Work::Pass(Compare::Quick))).await;
    let (kind, trouble) = trouble(&outcome);
    assert_eq!(
        (kind, trouble.code, trouble.soon),
        ("retry", "busy", true),
        "{trouble:?}"
    );
}

#[tokio::test]
async fn a_full_target() {
    let rig = Rig::new("").await;
    let status = Command::new("mount")
        .args(["-t", "tmpfs", "-o", "size=64k", "tmpfs"])
        .arg(&rig.target)
        .status()
        .unwrap();
    assert!(status.success());
    let _mounted = Mounted(&rig.target);
    rig.write("small", "fits");
    rig.write("zlarge", &"x".repeat(300_000));
    fails(
        &rig,
        rig.route(DeletePolicy::Never),
        "retry",
        "noSpace",
        "no space left",
    )
    .await;
}

struct Mounted<'a>(&'a Path);

impl Drop for Mounted<'_> {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(self.0).status();
    }
}

#[tokio::test]
async fn one_path_fails_alone() {
    let rig = Rig::new("").await;
    rig.write("d/stuck", "old");
    rig.write("d/free", "old");
    rig.pass(rig.route(DeletePolicy::Mirror)).await;
    let stuck = rig.target.join("d/stuck");
    let immutable = |on: &str| {
        Command::new("chattr")
            .arg(on)
            .arg(&stuck)
            .stderr(Stdio::null())
            .status()
            .unwrap()
            .success()
    };
    if !immutable("+i") {
        return left_out("no file can be made immutable");
    }
    rig.write("d/stuck", "newer");
    rig.write("d/free", "newer");
    let marks = [
        mark("d/stuck", Dirt::CONTENT),
        mark("d/free", Dirt::CONTENT),
    ];
    let outcome = rig
        .run(&rig.job(rig.route(DeletePolicy::Mirror), Work::Batch(marks.to_vec())))
        .await;
    fs::remove_file(rig.source.join("d/stuck")).unwrap();
    let gone = [mark("d/stuck", Dirt::GONE)];
    let removal = rig
        .run(&rig.job(rig.route(DeletePolicy::Mirror), Work::Batch(gone.to_vec())))
        .await;
    let pass = rig
        .run(&rig.job(rig.route(DeletePolicy::Mirror), Work::Pass(Compare::Quick)))
        .await;
    immutable("-i");
    for (outcome, reason) in [(outcome, "rename"), (removal, "unlink"), (pass, "unlink")] {
        assert_eq!(outcome.verdict, Verdict::Done, "{outcome:#?}");
        assert_eq!(outcome.failed.len(), 1, "{outcome:#?}");
        assert_eq!(outcome.failed[0].path, path(b"d/stuck"));
        assert!(outcome.failed[0].reason.contains(reason), "{outcome:#?}");
    }
    assert_eq!(
        fs::read_to_string(rig.target.join("d/free")).unwrap(),
        "newer"
    );
    rig.done(rig.route(DeletePolicy::Mirror), &gone).await;
    assert!(!stuck.exists());
}

#[tokio::test]
async fn never_keeps_a_directory_in_the_way_and_says_so() {
    let rig = Rig::new("").await;
    rig.write("d/x", "x");
    rig.pass(rig.route(DeletePolicy::Never)).await;
    fs::remove_dir_all(rig.source.join("d")).unwrap();
    rig.write("d", "a file now");
    rig.write("e", "beside it");
    let marks = [
        mark("d", Dirt::CONTENT | Dirt::GONE),
        mark("e", Dirt::CONTENT),
    ];
    let outcome = rig
        .run(&rig.job(rig.route(DeletePolicy::Never), Work::Batch(marks.to_vec())))
        .await;
    assert_eq!(outcome.verdict, Verdict::Done);
    assert_eq!(outcome.failed.len(), 1, "{outcome:#?}");
    assert!(
        outcome.failed[0].path == path(b"d") && outcome.failed[0].reason.contains("delete: never"),
        "{outcome:#?}"
    );
    assert!(rig.target.join("d/x").exists() && rig.target.join("e").exists());
}

#[tokio::test]
async fn a_directory_with_something_protected_in_it_stays_in_the_way() {
    let rig = Rig::new("").await;
    rig.write("d/x", "x");
    rig.pass(rig.route(DeletePolicy::Mirror)).await;
    fs::write(rig.target.join("d/keep.tmp"), "ours").unwrap();
    let mut route = rig.route(DeletePolicy::Mirror);
    route.filter = filter(&["**"], &["*.tmp"]);
    fs::remove_dir_all(rig.source.join("d")).unwrap();
    rig.write("e", "beside it");
    let outcome = rig
        .done(
            route.clone(),
            &[mark("d", Dirt::GONE), mark("e", Dirt::CONTENT)],
        )
        .await;
    assert_eq!(outcome.notes.len(), 1, "{outcome:#?}");
    assert!(!rig.target.join("d/x").exists() && rig.target.join("d/keep.tmp").exists());
    rig.write("d", "a file now");
    let outcome = rig
        .run(&rig.job(route, Work::Batch(vec![mark("d", Dirt::CONTENT)])))
        .await;
    assert_eq!((outcome.verdict, outcome.failed.len()), (Verdict::Done, 1));
    assert!(outcome.failed[0].reason.contains("protected"));
}

#[tokio::test]
async fn what_never_is_dropped_for_still_brings_the_directory_in_step() {
    let rig = Rig::new("").await;
    rig.write("d/x", "x");
    rig.write("d/y", "y");
    rig.pass(rig.route(DeletePolicy::Never)).await;
    fs::remove_file(rig.source.join("d/x")).unwrap();
    rig.done(rig.route(DeletePolicy::Never), &[mark("d/x", Dirt::GONE)])
        .await;
    let differences = tree::differences(&tree::read(&rig.source), &tree::read(&rig.target));
    assert_eq!(differences, ["extra `d/x`"]);
}

#[tokio::test]
async fn special_files_are_left_out_and_said() {
    let rig = Rig::new("").await;
    let fifo = rig.source.join("fifo");
    assert!(
        Command::new("mkfifo")
            .arg(&fifo)
            .status()
            .unwrap()
            .success()
    );
    let outcome = rig
        .done(
            rig.route(DeletePolicy::Mirror),
            &[mark("fifo", Dirt::CONTENT)],
        )
        .await;
    assert_eq!(outcome.notes.len(), 1, "{outcome:#?}");
    assert_eq!(
        rig.pass(rig.route(DeletePolicy::Mirror))
            .await
            .stats
            .target_entries,
        Some(0)
    );
    let mut route = rig.route(DeletePolicy::Mirror);
    route.attributes.devices = true;
    rig.done(route, &[mark("fifo", Dirt::CONTENT)]).await;
    assert_eq!(
        rig.target.join("fifo").symlink_metadata().unwrap().mode(),
        fifo.symlink_metadata().unwrap().mode()
    );
}

#[tokio::test]
async fn no_rsync_and_no_source() {
    let rig = Rig::new("").await;
    let job = rig.job(rig.route(DeletePolicy::Mirror), Work::Pass(Compare::Quick));
    let mut context = rig.context();
    context.rsync = Rsync::new(Some(rig.at("not-installed")));
    let run = async |context| {
        heliostat::transfer::run(&job, &context, &Cancel::new(), &Arc::new(Progress::new())).await
    };
    assert_eq!(trouble(&run(context).await).1.code, "noRsync");
    let mut context = rig.context();
    let binary = RsyncBinary {
        path: rig.at("nothing"),
        version: "3.5.0".into(),
    };
    context.rsync = Rsync::known(binary);
    assert_eq!(trouble(&run(context).await).1.code, "noRsync");
    fs::remove_dir(&rig.source).unwrap();
    let outcome = run(rig.context()).await;
    assert!(
        matches!(&outcome.verdict, Verdict::Held(Hold::Guard(refusal)) if refusal.guard == "rootMissing"),
        "{outcome:#?}"
    );
}

#[tokio::test]
async fn a_daemon_that_hangs_is_given_up_and_a_cancel_is_heard() {
    let rig = Rig::new("").await;
    rig.write("a", "a");
    let listener = std::net::TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let mut route = rig.route(DeletePolicy::Mirror);
    if let Target::Daemon { port, .. } = &mut route.target {
        *port = listener.local_addr().unwrap().port();
    }
    route.timeout_ms = 1000;
    fails(&rig, route.clone(), "retry", "timeout", "").await;
    route.timeout_ms = 600_000;
    let cancel = Cancel::new();
    let job = rig.job(route, Work::Pass(Compare::Quick));
    let (context, progress) = (rig.context(), Arc::new(Progress::new()));
    let began = Instant::now();
    let accepted = async {
        let taken = tokio::task::spawn_blocking(move || {
            (listener.accept().unwrap(), listener.accept().unwrap())
        })
        .await
        .unwrap();
        cancel.cancel();
        taken
    };
    let (outcome, _taken) = tokio::join!(
        heliostat::transfer::run(&job, &context, &cancel, &progress),
        accepted
    );
    assert_eq!(outcome.verdict, Verdict::Cancelled);
    assert!(
        began.elapsed() < Duration::from_secs(8),
        "ended with its group"
    );
}

#[tokio::test]
async fn the_budget_of_a_first_pass_is_known_from_it() {
    let rig = Rig::new("").await;
    rig.write("a", "a");
    rig.write("d/b", "b");
    let mut route = rig.route(DeletePolicy::Mirror);
    route.max_delete = DeleteBudget::Share(1000);
    let outcome = rig.pass(route).await;
    assert_eq!(outcome.stats.target_entries, Some(3));
    assert_eq!((outcome.stats.created, outcome.stats.deleted), (3, 0));
    assert_done(&outcome);
}

/// rsync's temporary file for `.htaccess` is called as that for `htaccess` would be: the wrong one was shown as failing,
/// and the right one taken for done.
#[tokio::test]
async fn a_hidden_file_fails_under_its_own_name() {
    let rig = Rig::new("").await;
    rig.write("d/.htaccess", "old");
    rig.write("d/plain", "old");
    let route = rig.route(DeletePolicy::Mirror);
    rig.pass(route.clone()).await;
    rig.write("d/.htaccess", "changed");
    rig.write("d/plain", "changed");
    let chattr = |flag: &str| {
        let done = Command::new("chattr")
            .arg(flag)
            .arg(rig.target.join("d"))
            .status();
        assert!(done.unwrap().success());
    };
    chattr("+i");
    let mut found = Vec::new();
    for work in [
        Work::Pass(Compare::Quick),
        Work::Batch(vec![
            mark("d/.htaccess", Dirt::CONTENT),
            mark("d/plain", Dirt::CONTENT),
        ]),
        Work::Batch(vec![mark("d", Dirt::LISTING)]),
    ] {
        found.push(rig.run(&rig.job(route.clone(), work)).await);
    }
    chattr("-i");
    for outcome in found {
        assert_eq!(outcome.verdict, Verdict::Done, "{outcome:#?}");
        let failed: Vec<_> = outcome
            .failed
            .iter()
            .map(|it| it.path.to_string())
            .collect();
        let files: Vec<_> = failed.iter().filter(|path| *path != "d").collect();
        assert_eq!(files, ["d/.htaccess", "d/plain"], "{outcome:#?}");
    }
}

/// A file that the daemon's own filter refuses used to keep the whole route from ever being in sync.
#[tokio::test]
async fn what_the_daemon_excludes_fails_alone() {
    let rig = Rig::new("exclude = /hidden /hdir/").await;
    rig.write("hidden", "x");
    rig.write("hdir/in", "x");
    rig.write("ok", "x");
    let route = rig.route(DeletePolicy::Mirror);
    for work in [
        Work::Pass(Compare::Quick),
        Work::Batch(
            ["hidden", "hdir", "ok"]
                .map(|name| mark(name, Dirt::CONTENT))
                .to_vec(),
        ),
    ] {
        let outcome = rig.run(&rig.job(route.clone(), work)).await;
        assert_eq!(outcome.verdict, Verdict::Done, "{outcome:#?}");
        let failed: Vec<_> = outcome
            .failed
            .iter()
            .map(|it| it.path.to_string())
            .collect();
        assert_eq!(failed, ["hdir", "hidden"]);
        assert!(rig.target.join("ok").exists());
    }
}

/// An ACL or attribute that the target cannot keep: the file fails by its name, not by that of its temporary file.
#[tokio::test]
async fn attributes_that_the_target_cannot_keep_fail_with_their_file() {
    let place = tempfile::tempdir().unwrap();
    let mounted = Command::new("mount")
        .args(["-t", "ramfs", "ramfs"])
        .arg(place.path())
        .status()
        .unwrap();
    assert!(mounted.success());
    let rig = Rig::new(&format!(
        "[r]\npath = {}\nread only = no\n",
        place.path().display()
    ))
    .await;
    rig.write("d/.f", "x");
    rig.write("g", "x");
    rig.write("ok", "x");
    let set = |name: &str, value: &[u8], path: &str| {
        let path = rig.source.join(path);
        let flags = rustix::fs::XattrFlags::empty();
        rustix::fs::lsetxattr(path, name, value, flags).unwrap();
    };
    set("user.foo", b"bar", "g");
    // Version 2; user, user 1, group, mask, others.
    let mut acl = 2u32.to_le_bytes().to_vec();
    for (tag, id) in [
        (1u16, u32::MAX),
        (2, 1),
        (4, u32::MAX),
        (16, u32::MAX),
        (32, u32::MAX),
    ] {
        acl.extend(tag.to_le_bytes());
        acl.extend(4u16.to_le_bytes());
        acl.extend(id.to_le_bytes());
    }
    set("system.posix_acl_access", &acl, "d/.f");
    let mut route = rig.route(DeletePolicy::Mirror);
    route.target = rig.module("r");
    route.attributes.acls = true;
    route.attributes.xattrs = true;
    let mut found = Vec::new();
    for _ in 0..2 {
        found.push(
            rig.run(&rig.job(route.clone(), Work::Pass(Compare::Quick)))
                .await,
        );
    }
    let unmounted = Command::new("umount").arg("-l").arg(place.path()).status();
    assert!(unmounted.unwrap().success());
    for outcome in found {
        assert_eq!(outcome.verdict, Verdict::Done, "{outcome:#?}");
        let failed: Vec<_> = outcome
            .failed
            .iter()
            .map(|it| it.path.to_string())
            .collect();
        assert_eq!(failed, ["d/.f", "g"], "{outcome:#?}");
    }
}
