//! rsync over ssh, against a real sshd on loopback with keys of its own.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use heliostat::engine::{Dirt, Verdict, Work};
use heliostat::plan::{Compare, DeletePolicy, RoutePlan, Target};

use super::rig::{Rig, mark, wait};
use super::tree;
use crate::rig::left_out;
use crate::rig::sshd::Sshd;

fn sshd(rig: &Rig) -> Sshd {
    another(rig, "sshd")
}

fn another(rig: &Rig, name: &str) -> Sshd {
    fs::create_dir(rig.at(name)).unwrap();
    Sshd::start(&rig.at(name))
}

/// By way of these, which let in the holder of the target's key.
fn by_way_of(route: &mut RoutePlan, hosts: &[&Sshd]) {
    let hops: Vec<_> = hosts
        .iter()
        .map(|host| format!("root@127.0.0.1:{}", host.port()))
        .collect();
    if let Target::Ssh { jump, .. } = &mut route.target {
        *jump = Some(hops.join(","));
    }
}

fn route(rig: &Rig, sshd: &Sshd, path: PathBuf) -> RoutePlan {
    let text = |name: &str| Some(sshd.file(name).display().to_string());
    let target = Target::Ssh {
        user: Some("root".into()),
        host: "127.0.0.1".into(),
        port: Some(sshd.port()),
        path: path.display().to_string(),
        identity_file: text("user key"),
        known_hosts_file: text("known hosts"),
        jump: None,
    };
    RoutePlan {
        target,
        ..rig.route(DeletePolicy::Mirror)
    }
}

#[tokio::test]
async fn batches_go_over_one_lasting_connection_which_can_be_ended() {
    let rig = Rig::new("").await;
    let sshd = sshd(&rig);
    let target = rig.at("far place");
    fs::create_dir(&target).unwrap();
    let route = route(&rig, &sshd, target.clone());
    rig.write("d/a", "one");
    rig.write("d/b", "two");
    rig.pass(route.clone()).await;
    let sockets = || fs::read_dir(rig.at("run")).unwrap().count();
    assert_eq!(sockets(), 1);
    fs::remove_file(rig.source.join("d/a")).unwrap();
    rig.write("d/b", "2");
    rig.write("new/c", "three");
    rig.done(
        route.clone(),
        &[
            mark("d/a", Dirt::GONE),
            mark("d/b", Dirt::CONTENT),
            mark("new", Dirt::SUBTREE),
        ],
    )
    .await;
    assert_eq!(
        tree::differences(&tree::read(&rig.source), &tree::read(&target)),
        [""; 0]
    );
    assert_eq!((sockets(), sshd.logins()), (1, 1));
    heliostat::transfer::close(&rig.context()).await;
    wait("the connection ends", || sockets() == 0);
}

#[tokio::test]
async fn jump_hosts_are_reached_as_the_target_is_and_their_connections_last_too() {
    let rig = Rig::new("").await;
    let hosts = [
        another(&rig, "it's 5% of $HOME"),
        another(&rig, "jump"),
        another(&rig, "second jump"),
    ];
    let [sshd, first, second] = &hosts;
    first.befriend(sshd);
    second.befriend(sshd);
    for hops in [&[first][..], &[first, second]] {
        let target = rig.at(&format!("far {}", hops.len()));
        fs::create_dir(&target).unwrap();
        let mut route = route(&rig, sshd, target.clone());
        by_way_of(&mut route, hops);
        let before = [sshd, first, second].map(Sshd::logins);
        rig.write("d/a", "one");
        rig.pass(route.clone()).await;
        for content in ["two", "three"] {
            rig.write("d/a", content);
            rig.done(route.clone(), &[mark("d/a", Dirt::CONTENT)]).await;
        }
        assert_eq!(
            tree::differences(&tree::read(&rig.source), &tree::read(&target)),
            [""; 0]
        );
        let after = [sshd, first, second].map(Sshd::logins);
        let logins: Vec<_> = after
            .iter()
            .zip(before)
            .map(|(after, before)| after - before)
            .collect();
        assert_eq!(logins, [1, 1, hops.len() - 1]);
    }
    heliostat::transfer::close(&rig.context()).await;
}

#[tokio::test]
async fn the_line_that_plan_shows_can_be_copied_into_a_shell() {
    let rig = Rig::new("").await;
    let hosts = [
        another(&rig, "it's 5% of $HOME"),
        another(&rig, "jump"),
        another(&rig, "second jump"),
    ];
    let [sshd, first, second] = &hosts;
    first.befriend(sshd);
    second.befriend(sshd);
    let target = rig.at("far place");
    fs::create_dir(&target).unwrap();
    rig.write("d/a", "one");
    let mut route = route(&rig, sshd, target.clone());
    route.delete = DeletePolicy::Never;
    by_way_of(&mut route, &[first, second]);
    let job = rig.job(route.clone(), Work::Pass(Compare::Quick));
    let lines = heliostat::transfer::command_lines(&job.source, &route);
    let shell = Command::new("/bin/sh").args(["-c", &lines[1]]).output();
    let shell = shell.unwrap();
    assert!(shell.status.success(), "{shell:?}\n{}", lines[1]);
    assert_eq!(
        tree::differences(&tree::read(&rig.source), &tree::read(&target)),
        [""; 0]
    );
}

#[tokio::test]
async fn a_jump_host_that_is_not_known_is_not_trusted_and_is_named() {
    let rig = Rig::new("").await;
    let (sshd, jump) = (sshd(&rig), another(&rig, "jump"));
    rig.write("a", "a");
    let place = rig.at("far");
    fs::create_dir(&place).unwrap();
    let mut route = route(&rig, &sshd, place.clone());
    by_way_of(&mut route, &[&jump]);
    let outcome = rig.run(&rig.job(route, Work::Pass(Compare::Quick))).await;
    let Verdict::Retry(trouble) = &outcome.verdict else {
        panic!("{outcome:#?}");
    };
    assert_eq!(trouble.code, "unreachable");
    assert!(trouble.message.contains("jump host"), "{trouble:?}");
    assert_eq!((sshd.logins(), jump.logins()), (0, 0));
    heliostat::transfer::close(&rig.context()).await;
}

#[tokio::test]
async fn ssh_says_itself_what_is_wrong() {
    let rig = Rig::new("").await;
    let sshd = sshd(&rig);
    let place = rig.at("far");
    fs::create_dir(&place).unwrap();
    rig.write("a", "a");
    let with = |change: &dyn Fn(&mut Target)| {
        let mut route = route(&rig, &sshd, place.clone());
        change(&mut route.target);
        rig.job(route, Work::Pass(Compare::Quick))
    };
    let stranger = sshd.file("stranger").display().to_string();
    let nobody = sshd.file("no hosts").display().to_string();
    let cases = [
        (
            true,
            "auth",
            with(&|target| {
                if let Target::Ssh { identity_file, .. } = target {
                    *identity_file = Some(stranger.clone())
                }
            }),
        ),
        (
            true,
            "hostKey",
            with(&|target| {
                if let Target::Ssh {
                    known_hosts_file, ..
                } = target
                {
                    *known_hosts_file = Some(nobody.clone())
                }
            }),
        ),
        (
            false,
            "unreachable",
            with(&|target| {
                if let Target::Ssh { port, .. } = target {
                    *port = Some(1)
                }
            }),
        ),
        (
            false,
            "noDestination",
            with(&|target| {
                if let Target::Ssh { path, .. } = target {
                    *path = "/nowhere/at/all".into()
                }
            }),
        ),
    ];
    for (permanent, code, job) in cases {
        let outcome = rig.run(&job).await;
        let trouble = match &outcome.verdict {
            Verdict::Permanent(trouble) if permanent => trouble,
            Verdict::Retry(trouble) if !permanent => trouble,
            _ => panic!("{code}: {outcome:#?}"),
        };
        assert_eq!(trouble.code, code, "{trouble:?}");
    }
    heliostat::transfer::close(&rig.context()).await;
}

#[tokio::test]
async fn a_failing_path_on_the_far_side_is_named() {
    let rig = Rig::new("").await;
    let sshd = sshd(&rig);
    let target = rig.at("far");
    fs::create_dir(&target).unwrap();
    let route = route(&rig, &sshd, target.clone());
    rig.write("d/a", "one");
    rig.write("d/b", "one");
    rig.pass(route.clone()).await;
    let immutable = |on: &str| {
        Command::new("chattr")
            .arg(on)
            .arg(target.join("d/a"))
            .status()
            .unwrap()
            .success()
    };
    if !immutable("+i") {
        left_out("no file can be made immutable");
    } else {
        rig.write("d/a", "other");
        rig.write("d/b", "other");
        let marks = [mark("d/a", Dirt::CONTENT), mark("d/b", Dirt::CONTENT)];
        let outcome = rig.run(&rig.job(route, Work::Batch(marks.to_vec()))).await;
        immutable("-i");
        assert_eq!(outcome.verdict, Verdict::Done, "{outcome:#?}");
        assert_eq!(
            outcome
                .failed
                .iter()
                .map(|failure| failure.path.to_string())
                .collect::<Vec<_>>(),
            ["d/a"]
        );
    }
    heliostat::transfer::close(&rig.context()).await;
}
