//! Measure: starting again on an unchanged tree, an overflow of the kernel's queue on it, and the memory that takes.
//!
//! A start compares the source with the ledger and is over when `wait` returns; the yardstick is one `rsync -a --delete`
//! that finds nothing to do on the same target. Both read a source that the page cache holds. What reaches the target
//! meanwhile is counted twice over: by `status`, and by the daemon's log, in which there must be no connection.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use serde::Serialize;
use serde_json::{Value, json};

use crate::measure::{Goal, Measure, Report, Unit};
use crate::place::{Place, RSYNC};
use crate::processes;
use crate::report::{Table, ratio, seconds};
use crate::rig::rsyncd::Rsyncd;
use crate::rig::service::{Heliostat, manifest};
use crate::rig::wait_for;
use crate::samples::median;
use crate::settings::Settings;

/// The measure.
pub const MEASURE: Measure = Measure {
    name: "restart",
    about: "a restart on an unchanged tree, an overflow on it, and resident memory",
    has_goals: true,
    run,
};

/// Files in a directory where times are measured, and where memory is.
const FILES_EACH: usize = 100;
const FILES_EACH_MANY: usize = 10;
/// Starts, and runs of rsync between them.
const RESTARTS: usize = 5;
/// Writes to two files in turn while the program does not run: more than the kernel's queue holds.
const WRITES: usize = 20_000;

/// How long anything may take until everything is sent and remembered.
const LONG: Duration = Duration::from_secs(1800);
/// How long the program may take to come to rest.
const REST_MAX: Duration = Duration::from_secs(120);
/// What the log says once the ledger has the whole source.
const REMEMBERED: &str = "whole=true";

/// Where the target is, and what was measured there.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Timing {
    target: &'static str,
    first_pass: f64,
    /// CPU of the survey after it, and of the ledger.
    remembered_cpu: f64,
    ledger_bytes: u64,
    restarts: Vec<f64>,
    restart_cpu: Vec<f64>,
    rsyncs: Vec<f64>,
    rsync_cpu: Vec<f64>,
    overflow: f64,
    overflow_cpu: f64,
    overflowed: bool,
    /// By the restarts: transfers and bytes by `status`, connections by the daemon's log.
    transfers: u64,
    bytes: u64,
    connections: u64,
    differences: usize,
}

/// A moment in the life of a service.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Moment {
    directories: usize,
    when: &'static str,
    resident: u64,
    resident_max: u64,
}

fn run(settings: &Settings) -> Report {
    let files = settings.files().into_iter().max().unwrap_or(100_000);
    let times = times(files);
    let moments = memory(files);
    let mut report = Report {
        tables: vec![times_table(&times, files), memory_table(&moments, files)],
        goals: goals(&times, &moments, files),
        raw: json!({"files": files, "times": times, "memory": moments}),
        failed: false,
    };
    report.failed = times.iter().any(|timing| timing.differences > 0);
    report
}

/// Both kinds of target, one after the other on one source. Both are equal to it from the beginning.
fn times(files: usize) -> Vec<Timing> {
    let place = made(files, FILES_EACH);
    vec![timing(&place, true), timing(&place, false)]
}

fn timing(place: &Place, module: bool) -> Timing {
    let own = place.own("restart");
    let mut daemon = Rsyncd::new(&own.join("rsyncd"), &place.module);
    let (target, settings) = if module {
        daemon.start();
        let settings = json!({"url": daemon.url(), "passwordFile": daemon.password_file()});
        (&place.module, settings)
    } else {
        (&place.local, local(&place.local))
    };
    let mut service = service(&own, &place.source, json!({"copy": mirror(settings)}));
    let began = Instant::now();
    service.start();
    in_step(&mut service);
    let first_pass = began.elapsed().as_secs_f64();
    let before = cpu(&service);
    remembered(&mut service);
    let remembered_cpu = cpu(&service) - before;
    let mut timing = Timing {
        target: if module { "daemon module" } else { "local" },
        first_pass,
        remembered_cpu,
        ledger_bytes: 0,
        restarts: Vec::new(),
        restart_cpu: Vec::new(),
        rsyncs: Vec::new(),
        rsync_cpu: Vec::new(),
        overflow: 0.0,
        overflow_cpu: 0.0,
        overflowed: false,
        transfers: 0,
        bytes: 0,
        connections: 0,
        differences: 0,
    };
    let (mut yardstick, mut url) = (Command::new(RSYNC), target.join("").into_os_string());
    yardstick.env_clear().args(["-a", "--delete"]);
    if module {
        let password = daemon.password_file();
        yardstick.arg(format!("--password-file={}", password.display()));
        url = daemon.url().into();
    }
    yardstick.arg(place.source.join("")).arg(url);
    for number in 0..RESTARTS {
        let (time, cpu) = no_op(&mut yardstick);
        timing.rsyncs.push(time);
        timing.rsync_cpu.push(cpu);
        service.stop();
        timing.ledger_bytes = size(&service.state().join("ledger.sqlite"));
        let log = daemon.log();
        let (time, cpu) = restart(&mut service);
        timing.restarts.push(time);
        timing.restart_cpu.push(cpu);
        timing.connections += connections(&daemon.log()) - connections(&log);
        let (transfers, bytes) = sent(&service);
        timing.transfers += transfers;
        timing.bytes += bytes;
        eprintln!("{}, restart {number}: {time:.2} s", timing.target);
    }
    overflow(place, target, &mut service, &mut timing);
    timing.differences = place.left_at(target).len();
    service.stop();
    timing
}

/// Stopped, more changes than the kernel's queue holds, and on again.
fn overflow(place: &Place, target: &Path, service: &mut Heliostat, timing: &mut Timing) {
    processes::rest(&[id(service)], REST_MAX);
    let (pid, before) = (Pid::from_raw(id(service) as i32).unwrap(), cpu(service));
    let two = [&place.files[0], &place.files[FILES_EACH]];
    kill_process(pid, Signal::STOP).unwrap();
    for number in 0..WRITES {
        place.write(two[number % 2], &format!("{number}\n"));
    }
    let began = Instant::now();
    kill_process(pid, Signal::CONT).unwrap();
    in_step(service);
    let there = || {
        let read = |root: &Path, at: usize| fs::read(root.join(two[at])).unwrap();
        let same = |at: &usize| read(&place.source, *at) == read(target, *at);
        [0, 1].iter().all(same).then_some(())
    };
    wait_for(LONG, there).expect("what was written last arrives");
    timing.overflow = began.elapsed().as_secs_f64();
    timing.overflow_cpu = cpu(service) - before;
    timing.overflowed = service.log().contains("overflowed");
    eprintln!("{}, overflow: {:.2} s", timing.target, timing.overflow);
}

/// In ten times as many directories, and in none, to subtract.
fn memory(files: usize) -> Vec<Moment> {
    let mut all = Vec::new();
    for files in [0, files] {
        let place = made(files, FILES_EACH_MANY);
        let targets = json!({"copy": mirror(local(&place.local))});
        let mut service = service(&place.own("restart"), &place.source, targets);
        let mut moment = |service: &Heliostat, when| {
            let (resident, resident_max) = processes::memory(id(service)).unwrap();
            eprintln!("{files} files, {when}: {resident} bytes resident, at most {resident_max}");
            all.push(Moment {
                directories: files / FILES_EACH_MANY,
                when,
                resident,
                resident_max,
            });
        };
        service.start();
        in_step(&mut service);
        remembered(&mut service);
        moment(
            &service,
            "at rest after a first pass that found equal trees",
        );
        restart(&mut service);
        moment(&service, "when a restart is in step");
        processes::rest(&[id(&service)], REST_MAX);
        moment(&service, "at rest after a restart");
        service.stop();
    }
    all
}

fn made(files: usize, each: usize) -> Place {
    let directories = files / each;
    eprintln!("making {directories} directories with {each} files each");
    Place::new(directories, each, true)
}

fn local(at: &Path) -> Value {
    json!({"url": format!("file://{}", at.display())})
}

fn mirror(mut settings: Value) -> Value {
    settings["delete"] = "mirror".into();
    settings["maxDelete"] = 1_000_000.into();
    settings
}

/// Periodic passes would hide what a start leaves out.
fn service(own: &Path, source: &Path, targets: Value) -> Heliostat {
    let sources = json!({"site": {"path": source, "rescan": {"every": "24h"}, "targets": targets}});
    let service = Heliostat::new(&own.join("service"), &manifest(&sources));
    service
        .arg("--log-level")
        .arg("info,heliostat::service::keeper=debug")
}

fn in_step(service: &mut Heliostat) {
    assert!(service.wait(LONG), "not in step:\n{}", service.tail());
}

/// Waits until the ledger has the whole source, and for rest.
fn remembered(service: &mut Heliostat) {
    let there = wait_for(LONG, || service.log().contains(REMEMBERED).then_some(()));
    assert!(there.is_some(), "nothing is kept:\n{}", service.tail());
    processes::rest(&[id(service)], REST_MAX);
}

/// Ends it if it runs, and starts it: seconds until it is in step, and its CPU until then.
fn restart(service: &mut Heliostat) -> (f64, f64) {
    if service.alive() {
        service.stop();
    }
    let began = Instant::now();
    service.start();
    in_step(service);
    (began.elapsed().as_secs_f64(), cpu(service))
}

/// Seconds and CPU of an rsync that has nothing to do; of a daemon's end, only the seconds.
fn no_op(command: &mut Command) -> (f64, f64) {
    let (began, before) = (Instant::now(), processes::ended_children());
    let status = command.stdin(Stdio::null()).status().unwrap();
    assert!(status.success(), "rsync: {status}");
    let cpu = processes::ended_children() - before;
    (began.elapsed().as_secs_f64(), cpu.as_secs_f64())
}

fn id(service: &Heliostat) -> u32 {
    service.id().expect("it runs")
}

fn cpu(service: &Heliostat) -> f64 {
    processes::cpu(&[id(service)]).as_secs_f64()
}

fn size(at: &Path) -> u64 {
    fs::metadata(at).map_or(0, |found| found.len())
}

fn connections(log: &str) -> u64 {
    log.matches("connect from").count() as u64
}

/// Transfers and bytes since it was started.
fn sent(service: &Heliostat) -> (u64, u64) {
    let status = service.status().expect("it answers");
    let number = |name: &str| status["routes"][0][name].as_u64().expect("it counts them");
    (number("transfers"), number("bytes"))
}

fn middle(all: &[f64]) -> f64 {
    median(all).unwrap_or(f64::NAN)
}

fn goals(times: &[Timing], moments: &[Moment], files: usize) -> Vec<Goal> {
    let mut all = Vec::new();
    let directories = files / FILES_EACH;
    for timing in times {
        let restart = middle(&timing.restarts);
        let name = format!(
            "{}, {files} files in {directories} directories",
            timing.target
        );
        let by = restart / middle(&timing.rsyncs);
        let what = format!("restart against a no-op rsync, {name}");
        all.push(Goal::at_most(what, 0.3, Unit::Times, Some(by)));
        let what = format!("bytes to the target by restarts, {name}");
        let bytes = timing.bytes + timing.transfers + timing.connections;
        all.push(Goal::at_most(what, 0.0, Unit::Bytes, Some(bytes as f64)));
        let what = format!("overflow against a restart, {name}");
        let by = timing.overflowed.then_some(timing.overflow / restart);
        all.push(Goal::at_most(what, 2.0, Unit::Times, by));
    }
    let most = moments.iter().map(|moment| moment.resident_max).max();
    let directories = files / FILES_EACH_MANY;
    all.push(Goal::at_most(
        format!("resident at most, {files} files in {directories} directories"),
        60.0,
        Unit::Megabytes,
        most.map(|bytes| bytes as f64 / 1e6),
    ));
    let what = "resident a watched directory, at rest after a restart";
    all.push(Goal::at_most(what, 150.0, Unit::Bytes, each(moments)));
    all
}

/// What a directory adds to a service that watches an empty one.
fn each(moments: &[Moment]) -> Option<f64> {
    let mut at_rest = moments
        .iter()
        .filter(|moment| moment.when.ends_with("rest after a restart"));
    let (empty, full) = (at_rest.next()?, at_rest.next()?);
    Some((full.resident as f64 - empty.resident as f64) / full.directories as f64)
}

fn times_table(all: &[Timing], files: usize) -> Table {
    let mut table = Table::new(
        &format!(
            "A restart on {files} unchanged files in {} directories",
            files / FILES_EACH
        ),
        &[
            "target",
            "first pass, all equal",
            "no-op rsync",
            "restart",
            "worst",
            "restart / rsync",
            "CPU restart",
            "CPU rsync",
            "sent",
            "overflow until equal",
            "overflow / restart",
            "ledger a file",
            "identical",
        ],
    );
    for timing in all {
        let (restart, rsync) = (middle(&timing.restarts), middle(&timing.rsyncs));
        let worst = timing.restarts.iter().copied().fold(0.0, f64::max);
        let identical = match timing.differences {
            0 => "yes".to_string(),
            count => format!("no: {count} paths differ"),
        };
        table.row(vec![
            timing.target.to_string(),
            seconds(timing.first_pass),
            seconds(rsync),
            seconds(restart),
            seconds(worst),
            ratio(restart, rsync),
            seconds(middle(&timing.restart_cpu)),
            seconds(middle(&timing.rsync_cpu)),
            format!("{} transfers, {} B", timing.transfers, timing.bytes),
            seconds(timing.overflow),
            ratio(timing.overflow, restart),
            format!("{:.1} B", timing.ledger_bytes as f64 / files.max(1) as f64),
            identical,
        ]);
    }
    table
}

fn memory_table(all: &[Moment], files: usize) -> Table {
    let mut table = Table::new(
        &format!("Resident memory with {files} files, and with none, to a local target"),
        &["directories", "when", "resident", "at most"],
    );
    for moment in all {
        let mb = |bytes: u64| format!("{:.1} MB", bytes as f64 / 1e6);
        table.row(vec![
            moment.directories.to_string(),
            moment.when.to_string(),
            mb(moment.resident),
            mb(moment.resident_max),
        ]);
    }
    table
}
