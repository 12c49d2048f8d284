//! A source on a real tree, and a watch of it with the mechanism that is being tested.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, sync_channel};
use std::time::{Duration, Instant};

use heliostat::engine::{Dirt, Mark, Notice, RelPath, WatchReport};
use heliostat::filter::{FilterSpec, Rule};
use heliostat::plan::{EventSet, SourceGuard, SourceName, SourcePlan};
use heliostat::watch::{Mechanism, Surroundings, WatchHandle, WatchOptions, spawn};

/// Long enough for the slowest machine; only a failing test waits so long.
pub(crate) const DEADLINE: Duration = Duration::from_secs(60);

/// A source with a scratch directory around it.
pub(crate) struct World {
    pub(crate) scratch: tempfile::TempDir,
    pub(crate) plan: SourcePlan,
    pub(crate) watch_limit: Option<u64>,
}

/// A watch that runs, and what it told.
pub(crate) struct Watch {
    handle: Option<WatchHandle>,
    notices: Receiver<Notice>,
    barriers: u64,
}

impl World {
    /// The root is `root` below the scratch directory; it is made.
    pub(crate) fn new() -> World {
        let scratch = tempfile::tempdir().unwrap();
        let root = scratch.path().join("root");
        std::fs::create_dir(&root).unwrap();
        World {
            plan: plan(&root),
            scratch,
            watch_limit: None,
        }
    }

    pub(crate) fn exclude(mut self, patterns: &[&str]) -> World {
        self.plan.filter.exclude = patterns.iter().map(|pattern| rule(pattern)).collect();
        self
    }

    pub(crate) fn root(&self) -> PathBuf {
        PathBuf::from(&self.plan.path)
    }

    pub(crate) fn at(&self, path: &str) -> PathBuf {
        self.root().join(path)
    }

    pub(crate) fn cookies(&self) -> PathBuf {
        self.scratch.path().join("cookies")
    }

    /// Begins to watch; `queue` notices fit between the watch and the test.
    pub(crate) fn watch(&self, queue: usize) -> Watch {
        let (sender, notices) = sync_channel(queue);
        let options = WatchOptions {
            cookies: self.cookies(),
            watch_limit: self.watch_limit,
            mechanism: super::MECHANISM,
            surroundings: Surroundings::listen(),
            ear: None,
        };
        let handle = spawn(
            Arc::new(self.plan.clone()),
            options,
            Box::new(move |notice| sender.send(notice).is_ok()),
        );
        Watch {
            handle: Some(handle),
            notices,
            barriers: 0,
        }
    }

    /// Begins to watch, and waits until everything is watched.
    pub(crate) fn ready(&self) -> Watch {
        let mut watch = self.watch(1000);
        watch.until_ready();
        watch
    }
}

fn rule(pattern: &str) -> Rule {
    Rule {
        pattern: pattern.into(),
        origin: None,
    }
}

pub(crate) fn plan(root: &Path) -> SourcePlan {
    SourcePlan {
        name: SourceName("test".into()),
        path: root.to_str().unwrap().into(),
        filter: FilterSpec {
            include: vec![rule("**")],
            exclude: Vec::new(),
        },
        events: EventSet::default(),
        one_file_system: true,
        guard: SourceGuard::default(),
        labels: Default::default(),
        routes: Default::default(),
    }
}

/// The mechanism that is being tested, as a report names it.
pub(crate) fn name() -> &'static str {
    match super::MECHANISM {
        Mechanism::Fanotify => "fanotify",
        Mechanism::Notify => "notify",
        Mechanism::Polling => "polling",
        Mechanism::Auto | Mechanism::Inotify => "inotify",
    }
}

impl Watch {
    /// The next notice.
    pub(crate) fn next(&mut self) -> Notice {
        match self.notices.recv_timeout(DEADLINE) {
            Ok(notice) => notice,
            Err(RecvTimeoutError::Timeout) => panic!("nothing was told for {DEADLINE:?}"),
            Err(RecvTimeoutError::Disconnected) => panic!("the watch has ended"),
        }
    }

    /// Everything up to the first notice for which `end` holds, that one included.
    pub(crate) fn until(&mut self, end: impl Fn(&Notice) -> bool) -> Vec<Notice> {
        let deadline = Instant::now() + DEADLINE;
        let mut told = Vec::new();
        loop {
            let notice = self.next();
            let done = end(&notice);
            told.push(notice);
            if done {
                return told;
            }
            assert!(
                Instant::now() < deadline,
                "not told in time; last {:?}",
                told.iter().rev().take(5).collect::<Vec<_>>()
            );
        }
    }

    pub(crate) fn until_ready(&mut self) -> WatchReport {
        match self
            .until(|notice| matches!(notice, Notice::Ready(_)))
            .pop()
        {
            Some(Notice::Ready(report)) => {
                if report.by.mechanism != name() {
                    crate::rig::left_out(&format!("{}: {}", name(), report.by.why));
                }
                report
            }
            other => panic!("{other:?}"),
        }
    }

    pub(crate) fn until_waiting(&mut self) -> String {
        match self
            .until(|notice| matches!(notice, Notice::Waiting { .. }))
            .pop()
        {
            Some(Notice::Waiting { reason }) => reason,
            other => panic!("{other:?}"),
        }
    }

    /// Asks for a barrier without waiting for it.
    pub(crate) fn ask(&mut self) -> u64 {
        self.barriers += 1;
        self.handle.as_ref().unwrap().barrier(self.barriers);
        self.barriers
    }

    /// Everything that is told up to a barrier asked for now.
    pub(crate) fn barrier(&mut self) -> Vec<Notice> {
        let id = self.ask();
        self.until(|notice| *notice == Notice::Barrier(id))
    }

    /// The marks up to a barrier asked for now, joined, as lines.
    pub(crate) fn marks(&mut self) -> Vec<String> {
        let mut joined = std::collections::BTreeMap::<RelPath, Dirt>::new();
        for mark in marks(&self.barrier()) {
            *joined.entry(mark.path).or_default() |= mark.dirt;
        }
        joined
            .into_iter()
            .map(|(path, dirt)| format!("{path} {dirt}"))
            .collect()
    }

    /// Goes on with these excludes.
    pub(crate) fn rescope(&self, world: &World, exclude: &[&str]) {
        let mut plan = world.plan.clone();
        plan.filter.exclude = exclude.iter().map(|pattern| rule(pattern)).collect();
        self.rescope_to(&plan);
    }

    /// Goes on as this source.
    pub(crate) fn rescope_to(&self, plan: &SourcePlan) {
        self.handle.as_ref().unwrap().rescope(plan);
    }

    pub(crate) fn stop(mut self) {
        self.handle.take().unwrap().stop();
    }
}

/// The marks among these notices.
pub(crate) fn marks(notices: &[Notice]) -> Vec<Mark> {
    let changed = |notice: &Notice| match notice {
        Notice::Changed(marks) => Some(marks.clone()),
        _ => None,
    };
    notices.iter().filter_map(changed).flatten().collect()
}
