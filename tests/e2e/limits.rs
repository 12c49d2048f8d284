//! What is bounded: the kernel's watches, the agent file's limits, and memory.

use std::fs;
use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::{PATIENCE, Story, local, remote, retry, site, soon};
use crate::rig::Scratch;
use crate::rig::mount::Mount;
use crate::rig::rsyncd::Rsyncd;
use crate::rig::service::{Heliostat, manifest};

/// Directories of a source that has more of them than watches.
const DIRECTORIES: u64 = 60;

/// Watches that there are for them.
const WATCHES: u64 = 25;

/// The service in a user namespace of its own, in which the kernel allows few watches.
fn few_watches() -> Vec<String> {
    let script =
        format!("echo {WATCHES} > /proc/sys/user/max_inotify_watches && exec \"$0\" \"$@\"");
    let words = ["unshare", "--user", "--map-root-user", "sh", "-c", &script];
    words.map(str::to_owned).to_vec()
}

/// Allows more of them, in the namespace of a process.
fn more_watches(process: u32) {
    let mut command = Command::new("nsenter");
    command.args(["--user", "--preserve-credentials", "--target"]);
    command.arg(process.to_string());
    command.args(["sh", "-c", "echo 1000 > /proc/sys/user/max_inotify_watches"]);
    assert!(command.status().unwrap().success());
}

/// How many directories of the source are watched, and how many are polled instead.
fn watched(story: &Story) -> (u64, u64) {
    let status = story.status();
    let count = |key| status["sources"][0][key].as_u64().unwrap_or_default();
    (count("directories"), count("unwatched"))
}

/// A story whose source has [`DIRECTORIES`].
fn wide() -> Story {
    let story = Story::with(&json!({"delete": "mirror", "maxDelete": 100_000}));
    for at in 0..DIRECTORIES - 1 {
        story.write(&format!("d{at}/f"), "first");
    }
    story
}

/// What is not watched is said, changes there arrive all the same, and nobody takes them for delivered before they are.
fn goes_on_with_few_watches(story: &mut Story) {
    story.start();
    let (directories, unwatched) = watched(story);
    assert!(unwatched > 0 && directories <= WATCHES, "{directories}");
    assert_eq!(directories + unwatched, DIRECTORIES);
    let polled =
        format!("{unwatched} directories are not watched but polled: heliostat doctor says why");
    for target in ["module", "copy"] {
        assert_eq!(story.in_sync(target)["why"], polled);
    }
    let shown = story.service.call(&["status"]).stdout;
    assert!(shown.contains(&polled), "{shown}");
    let told = format!("watches {directories} of {WATCHES}");
    assert!(shown.contains(&told), "{shown}");
    let log = story.service.log();
    let advice = "raise `limits.watches` or fs.inotify.max_user_watches";
    assert_eq!(log.matches(advice).count(), 1, "{log}");
    for at in 0..DIRECTORIES - 1 {
        story.write(&format!("d{at}/f"), "second");
    }
    fs::remove_file(story.source.join("d58/f")).unwrap();
    story.write("d57/new/deep/f", "in a new directory");
    story.settle();
}

#[test]
fn where_the_kernel_has_no_more_watches_it_polls_until_there_are() {
    let mut story = wide();
    let under = few_watches();
    let under: Vec<&str> = under.iter().map(String::as_str).collect();
    story.service = story.service.under(&under);
    goes_on_with_few_watches(&mut story);
    more_watches(story.service.id().unwrap());
    soon("everything is watched", || watched(&story).1 == 0);
    for target in ["module", "copy"] {
        assert_eq!(story.in_sync(target)["why"], Value::Null);
    }
    story.write("d58/f", "watched");
    story.settle();
}

#[test]
fn the_agents_limit_of_watches_is_one_too() {
    let mut story = wide();
    let settings = json!({"limits": {"watches": WATCHES}, "watch": "inotify"});
    let agent = agent(&story.scratch, &settings);
    story.service = story.service.arg("--agent").arg(agent);
    goes_on_with_few_watches(&mut story);
}

/// Where it can be had, which takes root: as the tests run.
#[test]
fn more_directories_than_inotify_may_watch_are_watched_by_fanotify() {
    if !rustix::process::geteuid().is_root() {
        return crate::rig::left_out("fanotify takes root");
    }
    let mut story = wide();
    let agent = agent(&story.scratch, &json!({"limits": {"watches": WATCHES}}));
    story.service = story.service.arg("--agent").arg(agent);
    story.start();
    let source = || story.status()["sources"][0].clone();
    assert_eq!(source()["mechanism"], "fanotify", "{}", source());
    assert_eq!(watched(&story), (DIRECTORIES, 0));
    let shown = story.service.call(&["status"]).stdout;
    let told = "site: fanotify, 60 directories: it has more directories than inotify may watch";
    assert!(shown.contains(told), "{shown}");
    for at in 0..DIRECTORIES - 1 {
        story.write(&format!("d{at}/f"), "second");
    }
    fs::remove_file(story.source.join("d58/f")).unwrap();
    story.write("d57/new/deep/f", "in a new directory");
    story.settle();
}

/// How often any thread of a process has woken, but for the one that hears of what happens above the sources: other tests work
/// in the same directory.
fn wakeups(process: u32) -> u64 {
    let threads = fs::read_dir(format!("/proc/{process}/task")).unwrap();
    let count = |at: PathBuf| -> Option<u64> {
        let status = fs::read_to_string(at.join("status")).ok()?;
        let value = |key: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(key));
            line.map(|line| line.trim().to_owned())
        };
        (value("Name:")? != "roots").then_some(())?;
        value("voluntary_ctxt_switches:")?.parse().ok()
    };
    threads
        .flatten()
        .filter_map(|task| count(task.path()))
        .sum()
}

#[test]
fn a_service_that_has_nothing_to_do_sleeps() {
    const WINDOW: Duration = Duration::from_secs(4);
    let scratch = Scratch::new();
    let (source, copy) = (scratch.dir("source"), scratch.dir("copy"));
    fs::create_dir_all(source.join("d/e")).unwrap();
    let text = manifest(&json!({"site": site(&source, json!({"copy": local(&copy)}))}));
    let mut service = Heliostat::new(&scratch.dir("service"), &text);
    service.start();
    assert!(service.wait(PATIENCE), "{}", service.tail());
    let process = service.id().unwrap();
    // Timers of what has just been done still come due; then none is left.
    let (mut since, mut before) = (Instant::now(), wakeups(process));
    soon("nothing woke it for four seconds", || {
        let now = wakeups(process);
        if now != before {
            (since, before) = (Instant::now(), now);
        }
        since.elapsed() >= WINDOW
    });
    fs::write(source.join("d/e/f"), "1").unwrap();
    assert!(service.wait(PATIENCE), "{}", service.tail());
    assert!(copy.join("d/e/f").exists());
}

fn agent(scratch: &Scratch, settings: &Value) -> PathBuf {
    let path = scratch.path().join("agent.yaml");
    let mut text = json!({"apiVersion": "heliostat/v1", "kind": "Agent"});
    for (key, value) in settings.as_object().unwrap() {
        text[key] = value.clone();
    }
    fs::write(&path, text.to_string()).unwrap();
    path
}

#[test]
fn no_more_transfers_run_at_once_than_the_agent_file_allows() {
    let scratch = Scratch::new();
    let (source, module) = (scratch.dir("source"), scratch.dir("module"));
    let mut daemon = Rsyncd::new(&scratch.dir("daemon"), &module);
    daemon.start();
    let mut targets = json!({});
    for at in 0..3 {
        let mut far = remote(&daemon);
        let below = scratch.dir(&format!("module/{at}"));
        far["url"] = json!(format!("{}/{at}", daemon.url()));
        targets[format!("far{at}")] = far;
        targets[format!("near{at}")] = local(&scratch.dir(&format!("near{at}")));
        assert!(below.exists());
    }
    for target in targets.as_object_mut().unwrap().values_mut() {
        target["bandwidth"] = json!("1MiB/s");
        target["retry"] = retry();
    }
    let limits = json!({"limits": {"transfers": 2, "transfersPerHost": 1}});
    let text = manifest(&json!({"site": site(&source, targets)}));
    let mut service = Heliostat::new(&scratch.dir("service"), &text)
        .arg("--agent")
        .arg(agent(&scratch, &limits));
    service.start();
    assert!(service.wait(PATIENCE), "{}", service.tail());
    fs::write(source.join("large"), vec![b'x'; 1 << 20]).unwrap();
    let mut most = [0, 0];
    soon("everything is there", || {
        let status = service.status().unwrap_or_default();
        let routes = status["routes"].as_array().cloned().unwrap_or_default();
        let running = |prefix: &str| {
            let runs = |route: &&Value| {
                let name = route["route"].as_str().unwrap();
                name.starts_with(prefix) && route["state"] == "sending"
            };
            routes.iter().filter(runs).count()
        };
        most = [
            most[0].max(running("site/")),
            most[1].max(running("site/far")),
        ];
        let there = |route: &Value| route["state"] == "in sync" && route["files"] != 0;
        !routes.is_empty() && routes.iter().all(there)
    });
    assert_eq!(most, [2, 1]);
    assert_eq!(service.stop().0, 0, "{}", service.tail());
}

/// Resident memory of a service, at most so far.
pub(in crate::e2e) fn peak_megabytes(process: u32) -> u64 {
    let status = fs::read_to_string(format!("/proc/{process}/status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kib: u64 = line
        .and_then(|line| line.trim().strip_suffix(" kB"))
        .and_then(|kib| kib.trim().parse().ok())
        .unwrap();
    kib / 1024
}

#[test]
fn a_hundred_thousand_files_take_little_memory() {
    const MEGABYTES: u64 = 60;
    let scratch = Scratch::new();
    let (source, copy) = (scratch.dir("source"), scratch.dir("copy"));
    // In memory: it is not the disk that is asked here.
    let _mounts = [&source, &copy].map(|at| Mount::tmpfs(at, "256m"));
    for directory in 0..10_000 {
        let at = source.join(format!("d{:02}/e{directory}", directory / 100));
        fs::create_dir_all(&at).unwrap();
        (0..10).for_each(|file| drop(fs::File::create(at.join(format!("f{file}"))).unwrap()));
    }
    let text = manifest(&json!({"site": site(&source, json!({"copy": local(&copy)}))}));
    let mut service = Heliostat::new(&scratch.dir("service"), &text);
    service.start();
    assert!(service.wait(PATIENCE), "{}", service.tail());
    let first = peak_megabytes(service.id().unwrap());
    for directory in 0..1_000 {
        let at = source.join(format!("d{:02}/e{directory}", directory / 100));
        fs::write(at.join("f0"), "changed").unwrap();
    }
    assert!(service.wait(PATIENCE), "{}", service.tail());
    let most = peak_megabytes(service.id().unwrap());
    eprintln!(
        "figure: resident memory with 10,100 directories and 100,000 files {first} MB, after 1,000 changes {most} MB"
    );
    assert!(most <= MEGABYTES, "{most} MB");
    assert_eq!(service.stop().0, 0, "{}", service.tail());
}
