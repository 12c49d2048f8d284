//! rsync over ssh, against a real sshd on loopback with keys of its own.

use std::fs;
use std::net::TcpStream;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use heliostat::engine::{Dirt, Verdict, Work};
use heliostat::plan::{Compare, DeletePolicy, RoutePlan, Target};

use super::rig::{Rig, free_port, mark, secret, wait};
use super::tree;

struct Sshd {
    child: Child,
    port: u16,
}

impl Drop for Sshd {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn key(path: PathBuf) -> PathBuf {
    let mut command = Command::new("ssh-keygen");
    command
        .args(["-q", "-t", "ed25519", "-N", "", "-f"])
        .arg(&path);
    assert!(command.stdin(Stdio::null()).status().unwrap().success());
    path
}

fn sshd(rig: &Rig) -> Sshd {
    // The privilege-separated half wants it; a host that runs sshd has it.
    fs::create_dir_all("/run/sshd").unwrap();
    let (host, user, port) = (
        key(rig.at("host key")),
        key(rig.at("user key")),
        free_port(),
    );
    key(rig.at("stranger"));
    let public = |path: &PathBuf| {
        fs::read_to_string(path.with_file_name(format!(
            "{}.pub",
            path.file_name().unwrap().to_str().unwrap()
        )))
        .unwrap()
    };
    secret(&rig.at("authorized"), &public(&user));
    fs::write(
        rig.at("known hosts"),
        format!("[127.0.0.1]:{port} {}", public(&host)),
    )
    .unwrap();
    fs::write(rig.at("no hosts"), "").unwrap();
    let config = format!(
        "Port {port}\nListenAddress 127.0.0.1\nHostKey \"{}\"\nAuthorizedKeysFile {}\nUsePAM no\nStrictModes no\n\
         PasswordAuthentication no\nPermitRootLogin yes\nPidFile none\nBanner {}\n",
        host.display(),
        rig.at("authorized").display(),
        rig.at("rsyncd.conf").display(),
    );
    fs::write(rig.at("sshd_config"), config).unwrap();
    let mut command = Command::new("/usr/sbin/sshd");
    command.args(["-D", "-e", "-f"]).arg(rig.at("sshd_config"));
    let child = command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let sshd = Sshd { child, port };
    wait("sshd listens", || {
        TcpStream::connect(("127.0.0.1", port)).is_ok()
    });
    sshd
}

fn route(rig: &Rig, sshd: &Sshd, path: PathBuf) -> RoutePlan {
    let text = |name: &str| Some(rig.at(name).display().to_string());
    let target = Target::Ssh {
        user: Some("root".into()),
        host: "127.0.0.1".into(),
        port: Some(sshd.port),
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
    assert_eq!(sockets(), 1);
    heliostat::transfer::close(&rig.context()).await;
    wait("the connection ends", || sockets() == 0);
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
    let stranger = rig.at("stranger").display().to_string();
    let nobody = rig.at("no hosts").display().to_string();
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
    if immutable("+i") {
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
