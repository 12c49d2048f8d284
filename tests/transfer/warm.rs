//! Sessions that are begun ahead: taken where they fit, and without a trace where they do not.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::sync::Arc;
use std::time::Duration;

use heliostat::engine::{Dirt, Job, Work};
use heliostat::plan::{Compress, DeletePolicy, RouteName, RoutePlan, Target, TargetName};
use heliostat::transfer::progress::{Cancel, Progress};
use heliostat::transfer::{Context, Rsync, RsyncBinary};

use super::rig::{Rig, assert_done, mark, wait};
use crate::rig::left_out;
use crate::rig::sshd::Sshd;

/// A rig whose rsync writes down each of its starts.
struct Counted {
    rig: Rig,
    context: Context,
}

impl Counted {
    async fn new() -> Counted {
        let rig = Rig::new("").await;
        let path = rig.at("script");
        let started = rig.at("started");
        let (started, talks) = (started.display(), rig.at("talks"));
        let script = format!(
            "#!/bin/bash\necho $$ >> {started}\n[[ -e {} && $(wc -l < {started}) = 2 ]] && exec tr x y < /dev/zero > /dev/null\n\
             exec /usr/bin/rsync \"$@\"\n",
            talks.display()
        );
        fs::write(&path, script).unwrap();
        fs::set_permissions(&path, PermissionsExt::from_mode(0o755)).unwrap();
        let mut context = rig.context();
        context.rsync = Rsync::known(RsyncBinary {
            path,
            version: "3.5.0".into(),
        });
        Counted { rig, context }
    }

    fn route(&self) -> RoutePlan {
        self.rig.route(DeletePolicy::Propagate)
    }

    /// Over ssh, to the same place as the daemon's module.
    fn route_over(&self, sshd: &Sshd) -> RoutePlan {
        let text = |name: &str| Some(sshd.file(name).display().to_string());
        RoutePlan {
            target: Target::Ssh {
                user: Some("root".into()),
                host: "127.0.0.1".into(),
                port: Some(sshd.port()),
                path: self.rig.target.display().to_string(),
                identity_file: text("user key"),
                known_hosts_file: text("known hosts"),
                jump: None,
            },
            ..self.route()
        }
    }

    fn sshd(&self) -> Sshd {
        fs::create_dir(self.rig.at("sshd")).unwrap();
        Sshd::start(&self.rig.at("sshd"))
    }

    /// Writes a file and sends it.
    async fn send(&self, job: &Job, text: &str) {
        self.rig.write("d/f", text);
        let progress = Arc::new(Progress::new());
        let outcome = heliostat::transfer::run(job, &self.context, &Cancel::new(), &progress).await;
        assert_done(&outcome);
        let there = fs::read_to_string(self.rig.target.join("d/f")).unwrap();
        assert_eq!(there, text);
    }

    fn job(&self, route: RoutePlan) -> Job {
        let marks = vec![mark("d/f", Dirt::CONTENT)];
        self.rig.job(route, Work::Batch(marks))
    }

    fn started(&self) -> Vec<i32> {
        let text = fs::read_to_string(self.rig.at("started")).unwrap_or_default();
        text.lines().map(|line| line.parse().unwrap()).collect()
    }

    /// Waits until a session is begun, as the start of this number.
    fn begun(&self, number: usize) {
        wait("a session is begun", || self.started().len() >= number);
    }

    /// Ends all sessions; how many starts there were.
    async fn close(self) -> usize {
        heliostat::transfer::close(&self.context).await;
        let alive = self.alive();
        assert!(alive.is_empty(), "left behind: {alive:?}");
        self.started().len()
    }

    /// Those of the started that have not ended.
    fn alive(&self) -> Vec<i32> {
        let alive = |pid: &i32| {
            let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
            !stat.is_empty() && !stat.contains(") Z ")
        };
        self.started().into_iter().filter(alive).collect()
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_change_goes_through_the_session_that_the_one_before_began() {
    let counted = Counted::new().await;
    let job = counted.job(counted.route());
    for at in 0..5 {
        counted.send(&job, &format!("text {at}")).await;
        counted.begun(at + 2);
    }
    assert_eq!(
        counted.close().await,
        6,
        "the first, and a session for each"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_session_is_not_taken_for_another_command_or_root() {
    let counted = Counted::new().await;
    let job = counted.job(counted.route());
    counted.send(&job, "one").await;
    counted.begun(2);
    let packed = RoutePlan {
        compress: Compress::Zlib,
        ..counted.route()
    };
    counted.send(&counted.job(packed.clone()), "two").await;
    counted.begun(4);
    // Begun where no root was known; the guard itself refuses one that is not there.
    let root = heliostat::host::identify(&counted.rig.source).unwrap();
    let known = Job {
        root: Some(root),
        ..counted.job(packed)
    };
    counted.send(&known, "three").await;
    counted.begun(6);
    let off = RoutePlan {
        warm: false,
        ..counted.route()
    };
    counted.send(&counted.job(off), "four").await;
    assert_eq!(counted.close().await, 7, "the last begins none");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_session_that_came_to_nothing_costs_only_a_fresh_run() {
    let counted = Counted::new().await;
    let job = counted.job(counted.route());
    counted.send(&job, "one").await;
    counted.begun(2);
    // Its far side goes away: the daemon's child that serves it.
    let session = counted.started()[1];
    let far = || {
        let own = fs::read_to_string(format!(
            "/proc/{}/task/{0}/children",
            counted.rig.daemon_id()
        ));
        own.unwrap_or_default()
            .split_whitespace()
            .filter_map(|pid| pid.parse::<i32>().ok())
            .collect::<Vec<_>>()
    };
    wait("the daemon serves it", || far().len() == 1);
    let pid = rustix::process::Pid::from_raw(far()[0]).unwrap();
    rustix::process::kill_process(pid, rustix::process::Signal::KILL).unwrap();
    counted.send(&job, "two").await;
    assert!(counted.started()[2..].iter().all(|pid| *pid != session));
    counted.send(&job, "three").await;
    counted.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn over_ssh_too_each_change_goes_through_the_session_that_the_one_before_began() {
    if !Sshd::is_there() {
        return left_out("there is no sshd");
    }
    let counted = Counted::new().await;
    let sshd = counted.sshd();
    let job = counted.job(counted.route_over(&sshd));
    for at in 0..4 {
        counted.send(&job, &format!("text {at}")).await;
        counted.begun(at + 2);
    }
    assert_eq!(sshd.logins(), 1, "all over one lasting connection");
    assert_eq!(
        counted.close().await,
        5,
        "the first, and a session for each"
    );
}

/// sshd lets ten go over one connection, and they are for transfers first.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_routes_to_one_host_hold_only_a_few_sessions_on_its_connection() {
    if !Sshd::is_there() {
        return left_out("there is no sshd");
    }
    let counted = Counted::new().await;
    let sshd = counted.sshd();
    for at in 0..6 {
        let route = counted.route_over(&sshd);
        let name = RouteName {
            target: TargetName(format!("far-{at}")),
            ..route.name.clone()
        };
        let job = counted.job(RoutePlan { name, ..route });
        counted.send(&job, &format!("text {at}")).await;
    }
    assert_eq!(sshd.logins(), 1);
    assert_eq!(counted.close().await, 6 + 4);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_session_that_nobody_uses_is_renewed_twice_and_then_the_route_has_none() {
    let counted = Counted::new().await;
    let route = RoutePlan {
        timeout_ms: 6_000, // a session lasts half of it
        ..counted.route()
    };
    let job = counted.job(route);
    counted.send(&job, "one").await;
    counted.begun(4);
    wait("the last renewal is over", || counted.alive().is_empty());
    assert_eq!(
        counted.started().len(),
        4,
        "the first, a session, and two renewals"
    );
    counted.send(&job, "two").await;
    counted.begun(6);
    assert_eq!(counted.close().await, 6);
}

/// A far side that hangs up, or is not trusted any more, is asked by transfers alone, which have their backoff.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_session_that_ended_by_itself_is_not_begun_again() {
    let counted = Counted::new().await;
    let route = RoutePlan {
        timeout_ms: 4_000, // a session lasts half of it
        ..counted.route()
    };
    let life = Duration::from_millis(route.timeout_ms / 2);
    counted.send(&counted.job(route), "one").await;
    counted.begun(2);
    let session = rustix::process::Pid::from_raw(counted.started()[1]).unwrap();
    rustix::process::kill_process(session, rustix::process::Signal::KILL).unwrap();
    // What must not come, would come now.
    tokio::time::sleep(life * 2).await;
    assert_eq!(counted.close().await, 2);
}

/// It costs rsync all of a processor to hear it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_session_whose_far_side_only_talks_ends_soon_and_is_not_begun_again() {
    let counted = Counted::new().await;
    fs::write(counted.rig.at("talks"), "").unwrap();
    // A session lasts half of it: longer than is waited for below.
    let route = RoutePlan {
        timeout_ms: 60_000,
        ..counted.route()
    };
    counted.send(&counted.job(route), "one").await;
    counted.begun(2);
    wait("it ends", || counted.alive().is_empty());
    assert_eq!(counted.close().await, 2);
}
