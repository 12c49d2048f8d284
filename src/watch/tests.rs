//! The tree logic on a scripted backend: real directories, but only those events that a test tells.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::os::fd::AsFd;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use super::backend::{
    At, Backend, Move, Opened, Opener, Placed, RawEvent, RawKind, Site, WatchError, WatchId,
};
use super::disk::{Disk, Identity};
use super::inbox::{Feed, Inbox};
use super::mechanism::{Choice, Mechanism};
use super::scope::Scope;
use super::surroundings::Surroundings;
use super::tree::{Tree, Whole};
use super::worker::{Worker, WorkerParts};
use crate::engine::{Dirt, Notice};
use crate::filter::{Filter, FilterSpec, Rule};
use crate::plan::EventSet;

/// What a fake backend was asked, and what it answers; shared with the test.
#[derive(Default)]
struct Script {
    watched: BTreeSet<PathBuf>,
    refused: BTreeMap<PathBuf, WatchError>,
    /// Done right before a watch of that directory is placed: the race that a test is about.
    before: BTreeMap<PathBuf, Box<dyn FnMut() + Send>>,
    opened: usize,
    feed: Option<Feed>,
}

#[derive(Clone, Default)]
struct Fake(Arc<Mutex<Script>>);

impl Backend for Fake {
    fn watch(&mut self, site: Site<'_>) -> Result<WatchId, WatchError> {
        let directory = site.path;
        let act = self.0.lock().unwrap().before.remove(directory);
        if let Some(mut act) = act {
            act();
        }
        let mut script = self.0.lock().unwrap();
        if let Some(error) = script.refused.get(directory) {
            return Err(error.clone());
        }
        script.watched.insert(directory.into());
        Ok(WatchId::BY_PATH)
    }

    fn unwatch(&mut self, placed: Placed<'_>) {
        if let Placed::Under(directory) = placed {
            self.0.lock().unwrap().watched.remove(directory);
        }
    }
}

struct Rig {
    scratch: tempfile::TempDir,
    fake: Fake,
    tree: Tree,
}

/// Everything but `exclude` below a scratch directory.
pub(super) fn scope(scratch: &Path, exclude: &[&str]) -> Scope {
    let rule = |pattern: &&str| Rule {
        pattern: pattern.to_string(),
        origin: None,
    };
    let exclude = exclude.iter().map(rule).collect();
    Scope {
        filter: Filter::compile(&FilterSpec {
            include: vec![rule(&"**")],
            exclude,
        })
        .unwrap(),
        by_name: true,
        events: EventSet::default(),
        one_file_system: true,
        watch_limit: None,
        private: scratch.join("cookies"),
        ear: None,
    }
}

impl Rig {
    /// A watched tree with these directories.
    fn new(directories: &[&str]) -> Rig {
        let scratch = tempfile::tempdir().unwrap();
        let root = scratch.path().join("root");
        fs::create_dir(&root).unwrap();
        directories
            .iter()
            .for_each(|path| fs::create_dir_all(root.join(path)).unwrap());
        let found = fs::metadata(&root).unwrap();
        let disk = Disk::new(
            root,
            Identity {
                device: found.dev(),
                inode: found.ino(),
            },
        );
        let tree = Tree::new(
            disk,
            scope(scratch.path(), &["cache/", "*.tmp"]),
            Dirt::none(),
        );
        let mut rig = Rig {
            scratch,
            fake: Fake::default(),
            tree,
        };
        rig.settle();
        rig
    }

    fn at(&self, path: &str) -> PathBuf {
        match path {
            "" => self.scratch.path().join("root"),
            path => self.scratch.path().join("root").join(path),
        }
    }

    /// Tells these events, and returns the marks that follow.
    fn tell(&mut self, events: &[(RawKind, &str)]) -> Vec<String> {
        for (kind, path) in events {
            let path = self.at(path);
            if matches!(kind, RawKind::MovedFrom(_) | RawKind::Deleted { .. }) {
                // as notify does it: by path, whatever is there by now
                self.fake
                    .0
                    .lock()
                    .unwrap()
                    .watched
                    .retain(|watched| !watched.starts_with(&path));
            }
            let at = At::Path(path);
            self.tree
                .event(&mut self.fake, &RawEvent { kind: *kind, at });
        }
        self.settle()
    }

    fn settle(&mut self) -> Vec<String> {
        while !self.tree.is_settled(self.tree.last_group()) {
            self.tree.place(&mut self.fake, 1);
        }
        self.tree
            .marks()
            .take(usize::MAX)
            .iter()
            .map(|mark| format!("{} {}", mark.path, mark.dirt))
            .collect()
    }

    /// Looks at everything that is polled.
    fn poll(&mut self) {
        for id in self.tree.begin_round(true) {
            self.tree.poll_one(&mut self.fake, id);
        }
        self.tree.end_round();
    }

    /// What is watched, relative to the root.
    fn watched(&self) -> Vec<String> {
        let root = self.at("");
        let script = self.fake.0.lock().unwrap();
        script
            .watched
            .iter()
            .map(|path| path.strip_prefix(&root).unwrap().display().to_string())
            .collect()
    }
}

const AWAY: RawKind = RawKind::MovedFrom(Move::UNTOLD);
const HERE: RawKind = RawKind::MovedTo(Move::UNTOLD);
const NEW_DIRECTORY: RawKind = RawKind::Created { directory: true };
const NEW_FILE: RawKind = RawKind::Created { directory: false };
const DELETED: RawKind = RawKind::Deleted { directory: true };

#[test]
fn excluded_directories_and_symlinks_are_not_entered() {
    let mut rig = Rig::new(&["a/b", "cache/deep", "a/cache"]);
    assert_eq!(rig.watched(), ["", "a", "a/b"]);
    std::os::unix::fs::symlink("/", rig.at("a/link")).unwrap();
    assert_eq!(
        rig.tell(&[(NEW_FILE, "a/link"), (NEW_DIRECTORY, "a/link")]),
        ["a attributes", "a/link content"]
    );
    assert_eq!(rig.watched(), ["", "a", "a/b"]);
    assert_eq!(
        rig.tell(&[
            (RawKind::Written, "a/x.tmp"),
            (RawKind::Attributes, "cache")
        ]),
        [""; 0]
    );
    assert_eq!(
        rig.tell(&[(RawKind::Written, "../beside"), (NEW_FILE, "../beside")]),
        [""; 0]
    );
}

#[test]
fn what_is_made_while_the_watch_of_its_directory_is_placed_is_found() {
    let mut rig = Rig::new(&[]);
    fs::create_dir(rig.at("a")).unwrap();
    let inside = rig.at("a/b/c");
    let act = Box::new(move || fs::create_dir_all(&inside).unwrap());
    rig.fake.0.lock().unwrap().before.insert(rig.at("a"), act);
    assert_eq!(
        rig.tell(&[(NEW_DIRECTORY, "a")]),
        [". attributes", "a content+subtree"]
    );
    assert_eq!(rig.watched(), ["", "a", "a/b", "a/b/c"]);
    // The event of what the listing found already does not begin anew.
    assert_eq!(
        rig.tell(&[(NEW_DIRECTORY, "a/b")]),
        ["a attributes", "a/b attributes"]
    );
}

#[test]
fn a_directory_that_is_exchanged_while_its_watch_is_placed_is_placed_again() {
    let mut rig = Rig::new(&[]);
    fs::create_dir(rig.at("a")).unwrap();
    let (a, away) = (rig.at("a"), rig.scratch.path().join("away"));
    let act = Box::new(move || {
        fs::rename(&a, &away).unwrap();
        fs::create_dir_all(a.join("other")).unwrap();
    });
    rig.fake.0.lock().unwrap().before.insert(rig.at("a"), act);
    rig.tell(&[(NEW_DIRECTORY, "a")]);
    assert_eq!(rig.watched(), ["", "a", "a/other"]);
}

#[test]
fn a_stale_rename_that_ends_the_watch_of_what_is_there_now_has_it_placed_afresh() {
    let mut rig = Rig::new(&["a/b"]);
    // `a` went away and came again before anything of it was told.
    fs::rename(rig.at("a"), rig.scratch.path().join("away")).unwrap();
    fs::create_dir_all(rig.at("a/c")).unwrap();
    assert_eq!(
        rig.tell(&[(AWAY, "a")]),
        [". attributes", "a content+subtree+gone"]
    );
    assert_eq!(rig.watched(), ["", "a", "a/c"]);
    assert_eq!(
        rig.tell(&[(NEW_DIRECTORY, "a")]),
        [". attributes", "a attributes"]
    );
    // An event under the path of before is a hint, no more.
    assert_eq!(rig.tell(&[(RawKind::Written, "a/b/f")]), ["a/b/f content"]);
    assert_eq!(rig.watched(), ["", "a", "a/c"]);
}

#[test]
fn a_rename_within_the_tree_takes_its_watches_along() {
    let mut rig = Rig::new(&["a/b", "z"]);
    fs::rename(rig.at("a"), rig.at("z/y")).unwrap();
    let told = rig.tell(&[(AWAY, "a"), (HERE, "z/y"), (RawKind::SelfMoved, "z/y")]);
    assert_eq!(
        told,
        [
            ". attributes",
            "a content+gone",
            "z attributes",
            "z/y content+subtree+gone"
        ]
    );
    assert_eq!(rig.watched(), ["", "z", "z/y", "z/y/b"]);
}

#[test]
fn a_rename_that_a_listing_finds_before_its_event_is_no_alias() {
    let mut rig = Rig::new(&["a/b"]);
    fs::create_dir(rig.at("n")).unwrap();
    fs::rename(rig.at("a"), rig.at("n/a")).unwrap();
    assert_eq!(
        rig.tell(&[(NEW_DIRECTORY, "n")]),
        [". attributes", "n content+subtree"]
    );
    rig.tell(&[(AWAY, "a"), (HERE, "n/a")]);
    assert_eq!(rig.watched(), ["", "n", "n/a", "n/a/b"]);
    assert_eq!(rig.tree.counts(), (4, 0));
}

#[test]
fn a_file_in_a_directorys_place_and_back() {
    let mut rig = Rig::new(&["a/b"]);
    fs::remove_dir_all(rig.at("a")).unwrap();
    fs::write(rig.at("a"), "").unwrap();
    let told = rig.tell(&[(DELETED, "a/b"), (DELETED, "a"), (NEW_FILE, "a")]);
    assert_eq!(
        told,
        [
            ". attributes",
            "a attributes+content+gone",
            "a/b content+gone"
        ]
    );
    assert_eq!(rig.watched(), [""]);
    fs::remove_file(rig.at("a")).unwrap();
    fs::create_dir(rig.at("a")).unwrap();
    rig.tell(&[
        (RawKind::Deleted { directory: false }, "a"),
        (NEW_DIRECTORY, "a"),
    ]);
    assert_eq!(rig.watched(), ["", "a"]);
}

#[test]
fn a_directory_that_may_not_be_read_is_polled_and_its_siblings_are_watched() {
    let mut rig = Rig::new(&[]);
    for path in ["a", "b/c", "d"] {
        fs::create_dir_all(rig.at(path)).unwrap();
    }
    rig.fake
        .0
        .lock()
        .unwrap()
        .refused
        .insert(rig.at("b"), WatchError::Denied);
    let told = rig.tell(&[
        (NEW_DIRECTORY, "a"),
        (NEW_DIRECTORY, "b"),
        (NEW_DIRECTORY, "d"),
    ]);
    assert!(told.contains(&"b content+subtree".into()), "{told:?}");
    assert_eq!(
        (rig.watched().join(" "), rig.tree.counts()),
        (" a b/c d".into(), (4, 1))
    );
    assert_eq!(
        rig.tree.take_losses(),
        ["`b` may not be read: it is polled until it may"]
    );
    rig.fake.0.lock().unwrap().refused.clear();
    rig.poll();
    assert!(rig.settle().contains(&"b subtree".into()));
    assert_eq!(
        (rig.tree.counts(), rig.tree.take_losses().len()),
        ((5, 0), 0)
    );
}

#[test]
fn above_the_limit_everything_is_polled_and_told_once() {
    let mut rig = Rig::new(&[]);
    for path in ["a/b", "c"] {
        fs::create_dir_all(rig.at(path)).unwrap();
        let mut script = rig.fake.0.lock().unwrap();
        for path in ["a", "a/b", "c"] {
            script.refused.insert(
                rig.scratch.path().join("root").join(path),
                WatchError::Limit,
            );
        }
    }
    rig.tell(&[(NEW_DIRECTORY, "a"), (NEW_DIRECTORY, "c")]);
    assert_eq!(
        (rig.tree.counts(), rig.tree.take_losses().len()),
        ((1, 3), 1)
    );
    fs::write(rig.at("a/b/f"), "").unwrap();
    rig.poll();
    let told = rig.settle();
    assert!(
        told.contains(&"a/b subtree".into()) && told.contains(&"a/b/f content".into()),
        "{told:?}"
    );
    fs::remove_dir_all(rig.at("a/b")).unwrap();
    rig.poll();
    assert!(rig.settle().contains(&"a/b content+gone".into()));
    rig.fake.0.lock().unwrap().refused.clear();
    rig.poll();
    rig.settle();
    assert_eq!(
        (rig.tree.counts(), rig.tree.take_losses().len()),
        ((3, 0), 0)
    );
}

#[test]
fn events_of_the_root_itself_speak_of_the_whole_tree() {
    let mut rig = Rig::new(&[]);
    assert_eq!(rig.tell(&[(RawKind::Attributes, "")]), [". attributes"]);
    assert_eq!(rig.tree.take_whole(), Whole::Stands);
    rig.tell(&[(RawKind::SelfMoved, "")]);
    assert_eq!(rig.tree.take_whole(), Whole::Suspect);
    rig.tell(&[(DELETED, "")]);
    assert_eq!(rig.tree.take_whole(), Whole::Replaced);
}

/// A worker on a fake, in the test's own thread.
struct Bench {
    scratch: tempfile::TempDir,
    fake: Fake,
    inbox: Arc<Inbox>,
    worker: Worker,
    told: Receiver<Notice>,
}

impl Bench {
    fn new(refuse_to_open: bool) -> Bench {
        let scratch = tempfile::tempdir().unwrap();
        let root = scratch.path().join("root");
        fs::create_dir_all(root.join("a")).unwrap();
        let (fake, inbox, (sender, told)) =
            (Fake::default(), Arc::new(Inbox::default()), channel());
        let opened = fake.clone();
        let worker = Worker::new(WorkerParts {
            root,
            scope: scope(scratch.path(), &[]),
            sink: Box::new(move |notice| sender.send(notice).is_ok()),
            inbox: Arc::clone(&inbox),
            surroundings: Surroundings::deaf(),
            opener: Box::new(move |feed: Feed| {
                let mut script = opened.0.lock().unwrap();
                script.opened += 1;
                script.watched.clear();
                script.feed = Some(feed);
                if refuse_to_open {
                    Err("none is free".into())
                } else {
                    Ok(Box::new(opened.clone()) as Box<dyn Backend>)
                }
            }),
        });
        Bench {
            scratch,
            fake,
            inbox,
            worker,
            told,
        }
    }

    /// Turns until such a notice was told; everything up to it.
    fn until(&mut self, end: impl Fn(&Notice) -> bool) -> Vec<Notice> {
        let deadline = Instant::now() + Duration::from_secs(30);
        let mut all = Vec::new();
        loop {
            while let Ok(notice) = self.told.try_recv() {
                all.push(notice);
                if end(all.last().unwrap()) {
                    return all;
                }
            }
            assert!(Instant::now() < deadline, "{all:?}");
            assert!(self.worker.turn());
        }
    }

    /// The kernel tells of the cookie that is out.
    fn tell_cookies(&self) {
        let feed = self.fake.0.lock().unwrap().feed.clone().unwrap();
        for entry in fs::read_dir(self.scratch.path().join("cookies")).unwrap() {
            feed.push(RawEvent {
                kind: NEW_FILE,
                at: At::Path(entry.unwrap().path()),
            });
        }
    }
}

#[test]
fn an_overflow_has_everything_placed_anew_before_the_root_is_marked_and_barriers_come_after() {
    let mut bench = Bench::new(false);
    bench.until(|notice| matches!(notice, Notice::Ready(_)));
    bench.inbox.ask(7);
    bench.worker.turn();
    let feed = bench.fake.0.lock().unwrap().feed.clone().unwrap();
    feed.lost("the queue overflowed".into());
    fs::create_dir(bench.scratch.path().join("root/born")).unwrap();
    bench.tell_cookies(); // it arrives, but what stood before it may be lost
    let told = bench.until(|notice| matches!(notice, Notice::Changed(_)));
    assert_eq!(
        told[0],
        Notice::Lost {
            reason: "the queue overflowed".into()
        }
    );
    let Notice::Changed(marks) = told.last().unwrap() else {
        unreachable!()
    };
    assert!(
        marks
            .iter()
            .any(|mark| mark.path.is_root() && mark.dirt == Dirt::SUBTREE),
        "{told:?}"
    );
    assert!(
        bench
            .fake
            .0
            .lock()
            .unwrap()
            .watched
            .contains(&bench.scratch.path().join("root/born"))
    );
    assert_eq!(bench.fake.0.lock().unwrap().opened, 2);
    bench.tell_cookies();
    let told = bench.until(|notice| *notice == Notice::Barrier(7));
    assert_eq!(told.len(), 1, "{told:?}");
    // A second loss right after waits, so that the two cannot drive each other.
    bench
        .fake
        .0
        .lock()
        .unwrap()
        .feed
        .clone()
        .unwrap()
        .lost("again".into());
    bench.worker.turn();
    assert_eq!(bench.fake.0.lock().unwrap().opened, 2);
    bench.until(|notice| matches!(notice, Notice::Changed(_)));
    assert_eq!(bench.fake.0.lock().unwrap().opened, 3);
}

#[test]
fn where_no_mechanism_can_be_had_everything_is_polled_and_barriers_are_answered() {
    let mut bench = Bench::new(true);
    let told = bench.until(|notice| matches!(notice, Notice::Ready(_)));
    assert!(
        matches!(&told[0], Notice::Lost { reason } if reason.contains("polled")),
        "{told:?}"
    );
    assert!(
        matches!(told.last(), Some(Notice::Ready(report)) if (report.directories, report.unwatched) == (0, 2))
    );
    fs::write(bench.scratch.path().join("root/a/f"), "").unwrap();
    bench.inbox.ask(1);
    let told = bench.until(|notice| *notice == Notice::Barrier(1));
    let Notice::Changed(marks) = &told[0] else {
        panic!("{told:?}")
    };
    assert!(
        marks
            .iter()
            .any(|mark| mark.path.to_string() == "a/f" && mark.dirt == Dirt::CONTENT),
        "{told:?}"
    );
}

#[test]
fn the_kernels_own_queue_overflows_and_says_so() {
    for mechanism in [Mechanism::Inotify, Mechanism::Notify, Mechanism::Fanotify] {
        let scratch = tempfile::tempdir().unwrap();
        let inbox = Arc::new(Inbox::default());
        let (root, apart) = (scratch.path().to_owned(), scratch.path().join("apart"));
        let opened = Choice::new(mechanism, root, apart, None, false).open(inbox.feed());
        let Opened {
            mut backend, by, ..
        } = opened.unwrap();
        if by.why.contains("not fanotify") {
            eprintln!("fanotify left out: {}", by.why);
            continue;
        }
        let open = fs::File::open(scratch.path()).unwrap();
        let site = Site {
            path: scratch.path(),
            directory: open.as_fd(),
        };
        backend.watch(site).unwrap();
        let kernel_queue: usize = fs::read_to_string("/proc/sys/fs/inotify/max_queued_events")
            .unwrap()
            .trim()
            .parse()
            .unwrap();
        inbox.stalled(|| {
            for at in 0..kernel_queue * 2 {
                // fanotify joins equal events, however many others lie between.
                let name = match mechanism {
                    Mechanism::Fanotify => at.to_string(),
                    _ => (at % 2).to_string(),
                };
                fs::write(scratch.path().join(name), "").unwrap();
            }
        });
        let deadline = Instant::now() + Duration::from_secs(30);
        loop {
            if let Some(reason) = inbox.take(usize::MAX, deadline).lost {
                assert!(reason.contains("overflowed"), "{reason}");
                break;
            }
            assert!(Instant::now() < deadline);
        }
    }
}
