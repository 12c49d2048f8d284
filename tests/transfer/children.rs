//! What a child is given and what is done with one that misbehaves: a script stands in for rsync.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use heliostat::engine::{Dirt, Outcome, Verdict, Work};
use heliostat::plan::{Compare, DeletePolicy, RoutePlan, Secret, Target};
use heliostat::transfer::progress::{Cancel, Progress};
use heliostat::transfer::{Context, Rsync, RsyncBinary};

use super::rig::{Rig, mark};

/// A context whose rsync is this script; `$HERE` in it is the rig's directory, and `$MARK` what a line about an entry begins with.
fn scripted(rig: &Rig, script: &str) -> Context {
    let path = rig.at("script");
    fs::write(
        &path,
        format!(
            "#!/bin/bash\nHERE={}\nfor word; do case $word in --out-format=*) MARK=${{word#*=}}; MARK=${{MARK%%|*}}\\|;; esac; done\n\
             {script}\n",
            rig.at("").display()
        ),
    )
    .unwrap();
    fs::set_permissions(&path, PermissionsExt::from_mode(0o755)).unwrap();
    let mut context = rig.context();
    context.rsync = Rsync::known(RsyncBinary {
        path,
        version: "3.5.0".into(),
    });
    context
}

async fn run(rig: &Rig, route: RoutePlan, context: &Context, cancel: &Cancel) -> Outcome {
    let job = rig.job(route, Work::Pass(Compare::Quick));
    heliostat::transfer::run(&job, context, cancel, &Arc::new(Progress::new())).await
}

fn gone(pid: &str) -> bool {
    let stat = fs::read_to_string(format!("/proc/{}/stat", pid.trim())).unwrap_or_default();
    stat.is_empty() || stat.contains(") Z ")
}

async fn appears(path: &Path) -> String {
    let end = Instant::now() + Duration::from_secs(60);
    loop {
        match fs::read_to_string(path) {
            Ok(text) if text.ends_with('\n') => return text,
            _ => assert!(Instant::now() < end, "{} does not appear", path.display()),
        }
        tokio::task::yield_now().await;
    }
}

async fn ends(pid: &str) {
    let end = Instant::now() + Duration::from_secs(60);
    while !gone(pid) {
        assert!(Instant::now() < end, "{pid} still runs");
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn a_child_has_its_own_environment_and_no_secret_in_its_arguments() {
    let rig = Rig::new("").await;
    let context = scripted(
        &rig,
        // Whole at once: a session that is begun ahead writes them again.
        "/usr/bin/env | /usr/bin/sort > $HERE/new.$$; /usr/bin/mv $HERE/new.$$ $HERE/environment\n\
         echo \"$@\" > $HERE/new.$$; /usr/bin/mv $HERE/new.$$ $HERE/arguments",
    );
    let mut route = rig.route(DeletePolicy::Never);
    let name = "PATH".to_string();
    let value = std::env::var(&name).unwrap();
    if let Target::Daemon { password, .. } = &mut route.target {
        *password = Some(Secret::Env(name));
    }
    assert_eq!(
        run(&rig, route, &context, &Cancel::new()).await.verdict,
        Verdict::Done
    );
    let environment = fs::read_to_string(rig.at("environment")).unwrap();
    let names: Vec<&str> = environment
        .lines()
        .map(|line| line.split('=').next().unwrap())
        .collect();
    // `PWD`, `SHLVL` and `_` are the shell's own.
    let ours: Vec<&str> = names
        .into_iter()
        .filter(|name| !["PWD", "SHLVL", "_"].contains(name))
        .collect();
    assert_eq!(
        ours,
        [
            "HELIOSTAT_OWNER",
            "HELIOSTAT_ROUTE",
            "HOME",
            "LC_ALL",
            "PATH",
            "RSYNC_PASSWORD"
        ]
    );
    assert!(
        environment.contains(&format!("RSYNC_PASSWORD={value}\n"))
            && environment.contains("HELIOSTAT_OWNER=test\n")
            && environment.contains("HELIOSTAT_ROUTE=web/far\n")
    );
    let arguments = fs::read_to_string(rig.at("arguments")).unwrap();
    assert!(
        !arguments.contains(&value) && !arguments.contains("password"),
        "{arguments}"
    );
}

#[tokio::test]
async fn a_flood_of_output_is_drained_and_believed_in_nothing() {
    let rig = Rig::new("").await;
    for stream in ["1", "2"] {
        let context = scripted(
            &rig,
            &format!(
                "/usr/bin/yes 'who knows what this means' | /usr/bin/head -c 30000000 >&{stream}"
            ),
        );
        let outcome = run(
            &rig,
            rig.route(DeletePolicy::Never),
            &context,
            &Cancel::new(),
        )
        .await;
        assert!(
            matches!(&outcome.verdict, Verdict::Retry(trouble) if trouble.code == "unclear"),
            "{outcome:#?}"
        );
    }
}

#[tokio::test]
async fn a_list_that_nobody_reads_stops_nothing() {
    let rig = Rig::new("").await;
    let context = scripted(
        &rig,
        "/usr/bin/yes \"$MARK.f..t......|0|x\" | /usr/bin/head -n 60000",
    );
    let marks: Vec<_> = (0..20_000)
        .map(|number| mark(&format!("missing-{number}"), Dirt::GONE))
        .collect();
    for name in 0..20_000 {
        fs::write(rig.source.join(format!("missing-{name}")), "").unwrap();
    }
    let job = rig.job(rig.route(DeletePolicy::Never), Work::Batch(marks));
    let outcome =
        heliostat::transfer::run(&job, &context, &Cancel::new(), &Arc::new(Progress::new())).await;
    assert_eq!(outcome.verdict, Verdict::Done, "{:?}", outcome.verdict);
}

#[tokio::test]
async fn a_cancel_ends_the_whole_group_even_if_it_will_not_hear() {
    let rig = Rig::new("").await;
    let context = scripted(
        &rig,
        "trap '' TERM; /bin/sleep 1000 & echo $! > $HERE/child; echo $$ > $HERE/leader; wait; wait; /bin/sleep 1000",
    );
    let cancel = Cancel::new();
    let told = async {
        let pids = (
            appears(&rig.at("child")).await,
            appears(&rig.at("leader")).await,
        );
        cancel.cancel();
        pids
    };
    let (outcome, (child, leader)) = tokio::join!(
        run(&rig, rig.route(DeletePolicy::Never), &context, &cancel),
        told
    );
    assert_eq!(outcome.verdict, Verdict::Cancelled);
    // The leader was waited for; whose child is an orphan by then is told to end, and ends when it is scheduled.
    for pid in [leader, child] {
        ends(&pid).await;
    }
}

#[tokio::test]
async fn what_a_child_leaves_behind_goes_when_it_has_ended() {
    let rig = Rig::new("").await;
    // The grandchild keeps the outputs open and will not hear; its parent is long gone.
    let context = scripted(
        &rig,
        "(trap '' TERM; /bin/bash -c \"trap '' TERM; echo \\$\\$ > $HERE/grandchild; /bin/sleep 1000; true\" &) \
         ; until [ -s $HERE/grandchild ]; do :; done",
    );
    // A session begun ahead would be another such child, of which one waits for the end of the service.
    let route = RoutePlan {
        warm: false,
        ..rig.route(DeletePolicy::Never)
    };
    let outcome = run(&rig, route, &context, &Cancel::new()).await;
    assert_eq!(outcome.verdict, Verdict::Done);
    let grandchild = appears(&rig.at("grandchild")).await;
    ends(&grandchild).await;
}

#[tokio::test]
async fn an_rsync_that_is_too_old_is_refused_by_its_version() {
    let rig = Rig::new("").await;
    let path = rig.at("script");
    for (says, refused) in [
        (
            "rsync  version 3.1.3  protocol version 31",
            "is rsync 3.1.3: install 3.4 or later",
        ),
        (
            "{\"program\": \"rsync\", \"version\": \"3.3.9\"}",
            "is rsync 3.3.9: install 3.4 or later",
        ),
        (
            "no rsync at all",
            "does not tell its version: install rsync 3.4 or later",
        ),
    ] {
        let mut context = scripted(
            &rig,
            &format!("[ \"$1\" = -VV ] || echo ran > $HERE/ran; echo '{says}'"),
        );
        context.rsync = Rsync::new(Some(path.clone()));
        let route = rig.route(DeletePolicy::Never);
        let outcome = run(&rig, route, &context, &Cancel::new()).await;
        let message = match &outcome.verdict {
            Verdict::Retry(trouble) | Verdict::Permanent(trouble) => trouble.message.clone(),
            other => panic!("{other:?}"),
        };
        assert_eq!(message, format!("`{}` {refused}", path.display()));
        assert!(!rig.at("ran").exists(), "nothing but its version was asked");
    }
}

#[tokio::test]
async fn silence_is_ended_and_a_slow_talker_is_not() {
    let rig = Rig::new("").await;
    let mut route = rig.route(DeletePolicy::Never);
    route.timeout_ms = 1;
    let context = scripted(&rig, "/bin/sleep 1000");
    let began = Instant::now();
    let outcome = run(&rig, route.clone(), &context, &Cancel::new()).await;
    assert!(
        matches!(&outcome.verdict, Verdict::Retry(trouble) if trouble.code == "timeout"),
        "{outcome:#?}"
    );
    assert!(began.elapsed() < Duration::from_secs(12));
    let context = scripted(
        &rig,
        "for i in 1 2 3 4 5 6 7; do echo \"$MARK.f..t......|0|x\"; /bin/sleep 1; done",
    );
    assert_eq!(
        run(&rig, route, &context, &Cancel::new()).await.verdict,
        Verdict::Done
    );
}

#[tokio::test]
async fn a_signal_is_no_success() {
    let rig = Rig::new("").await;
    let context = scripted(&rig, "kill -SEGV $$");
    let outcome = run(
        &rig,
        rig.route(DeletePolicy::Never),
        &context,
        &Cancel::new(),
    )
    .await;
    assert!(
        matches!(&outcome.verdict, Verdict::Retry(trouble) if trouble.code == "killed"),
        "{outcome:#?}"
    );
}

/// The far generator is stopped: rsync's own timeout does not see it, because the sender's keep-alives reset it.
#[tokio::test]
async fn a_far_side_that_stands_still_is_given_up() {
    let rig = Rig::new("").await;
    for number in 0..3 {
        fs::write(rig.source.join(number.to_string()), vec![b'x'; 3_000_000]).unwrap();
    }
    let mut route = rig.route(DeletePolicy::Never);
    route.timeout_ms = 1000;
    route.bandwidth = Some(200_000);
    let job = rig.job(route, Work::Pass(Compare::Quick));
    let (context, cancel, progress) = (rig.context(), Cancel::new(), Arc::new(Progress::new()));
    let stop = async {
        let end = Instant::now() + Duration::from_secs(60);
        // The daemon's child for this connection is the generator; its child receives.
        let mut generator = None;
        while generator.is_none() {
            assert!(Instant::now() < end, "no transfer");
            generator = children(rig.daemon_id())
                .into_iter()
                .find(|child| !children(*child).is_empty());
            tokio::task::yield_now().await;
        }
        let generator = rustix::process::Pid::from_raw(generator.unwrap() as i32).unwrap();
        rustix::process::kill_process(generator, rustix::process::Signal::STOP).unwrap();
        generator
    };
    let began = Instant::now();
    let (outcome, generator) = tokio::join!(
        heliostat::transfer::run(&job, &context, &cancel, &progress),
        stop
    );
    let _ = rustix::process::kill_process(generator, rustix::process::Signal::KILL);
    assert!(
        matches!(&outcome.verdict, Verdict::Retry(trouble) if trouble.code == "timeout"),
        "{outcome:#?}"
    );
    assert!(
        began.elapsed() < Duration::from_secs(60),
        "{:?}",
        began.elapsed()
    );
}

fn children(parent: u32) -> Vec<u32> {
    let path = format!("/proc/{parent}/task/{parent}/children");
    fs::read_to_string(path)
        .unwrap_or_default()
        .split_whitespace()
        .map(|pid| pid.parse().unwrap())
        .collect()
}
