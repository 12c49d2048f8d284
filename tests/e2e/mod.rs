//! End to end: the built binary, a real rsync daemon with authentication, a local directory.
//!
//! Periodic passes are off in all of them, or they would hide what the event path loses. What is waited for is a
//! condition with a deadline; the deadlines are for a machine that is busy with other things.

mod commands;
mod crashes;
mod deletes;
mod doctor;
mod doctor_agent;
mod doctor_host;
mod drift;
mod dry_run;
mod durable;
mod environment;
mod exits;
mod failures;
mod faults;
mod histories;
mod hook_costs;
mod hooks;
mod hostile;
mod lifecycle;
mod limits;
mod listeners;
mod live;
mod logs;
mod manager;
mod planted;
mod reload;
mod reload_kills;
mod restart;
mod running_plan;
mod schedules;
mod secrets;
mod short;
mod socket;
mod steering;
mod supervision;
mod unprivileged;
mod web;

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::{Value, json};

use crate::rig::rsyncd::Rsyncd;
use crate::rig::service::{Heliostat, manifest};
use crate::rig::tree::{Look, differences, wait_equal};
use crate::rig::{Scratch, wait_for};

/// For anything that takes a moment on an idle machine.
const PATIENCE: Duration = Duration::from_secs(90);

/// Differences that a failure shows.
const SHOWN_MAX: usize = 10;

/// One source, `site`, with two targets: `module` on a daemon, and `copy`, a local directory.
/// What may watch: each in turn, so that every one is in the histories and the crashes of every run. `HELIOSTAT_WATCH` names one
/// for all.
const MECHANISMS: [&str; 4] = ["auto", "fanotify", "notify", "polling"];

/// The mechanism of the history with this number.
fn mechanism(number: u64) -> String {
    let turn = MECHANISMS[(number % MECHANISMS.len() as u64) as usize];
    std::env::var("HELIOSTAT_WATCH").unwrap_or_else(|_| turn.to_owned())
}

struct Story {
    // Ended before its files go.
    service: Heliostat,
    daemon: Rsyncd,
    source: PathBuf,
    module: PathBuf,
    copy: PathBuf,
    scratch: Scratch,
}

impl Story {
    /// The daemon runs, the service does not yet. `change` sees the source's part of the manifest.
    fn new(change: impl FnOnce(&mut Value)) -> Story {
        Story::with_scratch(|_, site| change(site))
    }

    /// The same, where the change needs a place for files of its own.
    fn with_scratch(change: impl FnOnce(&Scratch, &mut Value)) -> Story {
        let scratch = Scratch::new();
        let (source, module, copy) = (
            scratch.dir("source"),
            scratch.dir("module"),
            scratch.dir("copy"),
        );
        let mut daemon = Rsyncd::new(&scratch.dir("daemon"), &module);
        daemon.start();
        let mut site = site(
            &source,
            json!({"module": remote(&daemon), "copy": local(&copy)}),
        );
        change(&scratch, &mut site);
        let text = manifest(&json!({ "site": site }));
        let service = Heliostat::new(&scratch.dir("service"), &text);
        Story {
            service,
            daemon,
            source,
            module,
            copy,
            scratch,
        }
    }

    /// A story in which both targets have these further keys.
    fn with(keys: &Value) -> Story {
        Story::new(|site| {
            for target in site["targets"].as_object_mut().unwrap().values_mut() {
                extend(target, keys);
            }
        })
    }

    /// Starts the service and waits until it says that everything is in sync.
    fn start(&mut self) {
        self.service.start();
        self.settle();
    }

    /// Waits until the service says that everything is in sync, and holds it to its word at once.
    #[track_caller]
    fn settle(&mut self) {
        let settled = self.service.wait(PATIENCE);
        assert!(
            settled,
            "not in sync:\n{:#}\n{}",
            self.status(),
            self.service.tail()
        );
        for target in [&self.module, &self.copy] {
            let left = differences(&self.source, target, &Look::default());
            let shown = &left[..left.len().min(SHOWN_MAX)];
            assert!(
                left.is_empty(),
                "said to be in sync, and {} differ in {}: {shown:#?}\n{}",
                left.len(),
                target.display(),
                self.service.tail()
            );
        }
    }

    fn status(&self) -> Value {
        self.service.status().unwrap_or_default()
    }

    /// Writes a file of the source, with the directories above it.
    fn write(&self, path: &str, content: &str) {
        write(&self.source, path, content);
    }

    /// Waits until a route is as `condition` wants it; the route.
    #[track_caller]
    fn until(&self, target: &str, condition: impl Fn(&Value) -> bool) -> Value {
        until(&self.service, &format!("site/{target}"), condition)
    }

    /// Waits until a route is in this state with this code; the route.
    #[track_caller]
    fn shows(&self, target: &str, state: &str, code: &str) -> Value {
        self.until(target, |route| {
            route["state"] == state && route["code"] == code
        })
    }

    /// Waits until a route is in sync; the route.
    #[track_caller]
    fn in_sync(&self, target: &str) -> Value {
        self.until(target, |route| route["state"] == "in sync")
    }
}

/// A source without periodic passes.
fn site(path: &Path, targets: Value) -> Value {
    json!({"path": path, "rescan": {"every": "24h"}, "targets": targets})
}

/// Tried again soon, so that healing is not what a test waits for.
fn retry() -> Value {
    json!({"initial": "200ms", "max": "1s"})
}

/// A daemon's module as a target.
fn remote(daemon: &Rsyncd) -> Value {
    json!({"url": daemon.url(), "passwordFile": daemon.password_file(), "retry": retry()})
}

/// A local directory as a target.
fn local(path: &Path) -> Value {
    json!({"url": format!("file://{}", path.display()), "retry": retry()})
}

/// Adds keys to a mapping.
fn extend(value: &mut Value, keys: &Value) {
    let keys = keys.as_object().unwrap().clone();
    value.as_object_mut().unwrap().extend(keys);
}

/// Writes a file, with the directories above it.
fn write(root: &Path, path: &str, content: &str) {
    let path = root.join(path);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, content).unwrap();
}

/// A route in the status; `None` while there is no such status.
fn route(service: &Heliostat, name: &str) -> Option<Value> {
    let status = service.status()?;
    let routes = status["routes"].as_array()?;
    routes.iter().find(|route| route["route"] == name).cloned()
}

/// Waits until a route is as `condition` wants it; the route.
#[track_caller]
fn until(service: &Heliostat, name: &str, condition: impl Fn(&Value) -> bool) -> Value {
    let mut last = None;
    let found = wait_for(PATIENCE, || {
        last = route(service, name);
        last.clone().filter(|route| condition(route))
    });
    match found {
        Some(route) => route,
        None => panic!(
            "{name} did not get there: {:#}\n{}",
            last.unwrap_or_default(),
            service.tail()
        ),
    }
}

/// Waits until the trees are equal.
#[track_caller]
fn equal(source: &Path, target: &Path, service: &Heliostat) {
    if let Err(left) = wait_equal(source, target, PATIENCE, &Look::default()) {
        let shown = &left[..left.len().min(SHOWN_MAX)];
        panic!(
            "{} differ in {}: {shown:#?}\n{:#}\n{}",
            left.len(),
            target.display(),
            service.status().unwrap_or_default(),
            service.tail()
        );
    }
}

/// A number from the environment.
fn knob(name: &str, otherwise: u64) -> u64 {
    match std::env::var(name) {
        Ok(value) => value
            .parse()
            .unwrap_or_else(|_| panic!("{name} is no number: {value}")),
        Err(_) => otherwise,
    }
}

/// Waits for a condition.
#[track_caller]
fn soon(what: &str, mut condition: impl FnMut() -> bool) {
    let found = wait_for(PATIENCE, || condition().then_some(()));
    assert!(found.is_some(), "waited in vain: {what}");
}
