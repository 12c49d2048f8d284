//! A directory that is renamed within the tree takes its watches along.
//!
//! Only with a backend that follows, and only when both halves of the rename stand side by side in the queue (the kernel
//! puts them there in one go; another event may still come between). Everything else is a name that went and a name that came, which
//! places all that is below afresh: slower, and always right. This file must be sure of four things before it
//! keeps what is known:
//!
//! - *The directory at the new path is the one that was known at the old one*, on the disk now. Where it has moved on,
//!   or two directories were exchanged, what the queue tells next is decided by placing afresh.
//! - *Nothing below waits to be placed.* What waits is kept by path, and would be looked for under the old one.
//! - *What is below is wanted under the new path as it was under the old one* (`Scope::by_name`): otherwise directories
//!   that were excluded there and are not here would stay unseen.
//! - *Nothing below was missed.* Between the rename and its event, the events from below were taken in under the old path,
//!   where nothing was found. Each of those left its directory loose, and what is loose is listed again here. What was
//!   found there though, because another directory has taken the old path, was refused by `place`, for it goes by the
//!   parent's identity; that has then placed the other directory over the one that is renamed here, and the first point fails.

use super::backend::{Backend, Move, RawEvent, RawKind};
use super::tree::Tree;
use crate::engine::{Dirt, RelPath};

/// With more than this waiting to be placed, it is not looked through for what is below one directory.
const WAITING_MAX: usize = 4096;

impl Tree {
    /// Takes in two events that are the halves of one rename; false, and nothing is done, where they are not, or where
    /// the directory's watches cannot be kept.
    pub(crate) fn renamed(
        &mut self,
        backend: &mut dyn Backend,
        from: &RawEvent,
        to: &RawEvent,
    ) -> bool {
        if !backend.follows() || !self.scope.by_name || !are_halves(from.kind, to.kind) {
            return false;
        }
        let (Some(old), Some(new)) = (self.place_of(&from.at), self.place_of(&to.at)) else {
            return false;
        };
        let Some(known) = self.directories.get(&old) else {
            return false;
        };
        if old == new
            || self.disk.identity(&new) != Ok(known.identity)
            || !self.scope.wants(&new, true)
            || self.scope.is_private(&new.under(self.disk.root()))
            || self.has_waiting(&old)
            || self.has_waiting(&new)
        {
            return false;
        }
        if !new.starts_with(&old) {
            self.forget(backend, &new); // an empty directory that was replaced
        }
        if !self.directories.rename(&old, &new) {
            return false;
        }
        self.parent_changed(&old);
        self.parent_changed(&new);
        if self.scope.events.moved_from && self.scope.wants(&old, true) {
            self.marks.add(old, Dirt::CONTENT | Dirt::GONE);
        }
        let missed = self
            .directories
            .take_loose(&new)
            .into_iter()
            .flat_map(|loose| self.missing_in(&loose))
            .collect();
        self.start(new, Dirt::SUBTREE | Dirt::CONTENT | Dirt::GONE, missed);
        true
    }

    /// Whether something at or below `path` waits to be placed, or to be marked after that.
    fn has_waiting(&self, path: &RelPath) -> bool {
        let waiting: usize = self
            .groups
            .iter()
            .map(|group| 1 + group.pending.len())
            .sum();
        let walks = self.groups.iter().any(|group| group.rewalk.is_some());
        waiting > WAITING_MAX
            || walks
            || self.groups.iter().any(|group| {
                let mut all = group.pending.iter().chain([&group.top]);
                all.any(|waits| waits.starts_with(path))
            })
    }

    /// What in the directory at `path` is not known and should be.
    fn missing_in(&mut self, path: &RelPath) -> Vec<RelPath> {
        let known = self.directories.get(path).map(|known| known.identity);
        match self.disk.list(path) {
            Ok((identity, names)) if Some(identity) == known => {
                let mut all = self.in_scope(path, names);
                all.retain(|child| self.directories.get(child).is_none());
                all
            }
            // It has moved on: another event is on its way, and finds it loose again.
            _ => {
                self.directories.set_loose(path);
                Vec::new()
            }
        }
    }
}

/// Whether these are the two halves of one directory's rename.
fn are_halves(from: RawKind, to: RawKind) -> bool {
    let (RawKind::MovedFrom(from), RawKind::MovedTo(to)) = (from, to) else {
        return false;
    };
    let is_directory = |half: Move| half.directory == Some(true);
    from.cookie != 0 && from.cookie == to.cookie && is_directory(from) && is_directory(to)
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::MetadataExt;
    use std::path::PathBuf;
    use std::sync::Arc;
    use std::time::{Duration, Instant};

    use super::*;
    use crate::watch::backend::At;
    use crate::watch::disk::{Disk, Identity};
    use crate::watch::inbox::Inbox;
    use crate::watch::inotify::Inotify;
    use crate::watch::tests::scope;

    /// A tree on the kernel's own events, each taken in when the test says so.
    struct Rig {
        scratch: tempfile::TempDir,
        inbox: Arc<Inbox>,
        backend: Box<dyn Backend>,
        tree: Tree,
    }

    impl Rig {
        fn new(directories: &[&str]) -> Rig {
            let scratch = tempfile::tempdir().unwrap();
            let root = scratch.path().join("root");
            fs::create_dir(&root).unwrap();
            for path in directories {
                fs::create_dir_all(root.join(path)).unwrap();
            }
            let found = fs::metadata(&root).unwrap();
            let identity = Identity {
                device: found.dev(),
                inode: found.ino(),
            };
            let inbox = Arc::new(Inbox::default());
            let mut rig = Rig {
                backend: Inotify::open(inbox.feed(), false).unwrap(),
                tree: Tree::new(
                    Disk::new(root, identity),
                    scope(scratch.path(), &[]),
                    Dirt::none(),
                ),
                scratch,
                inbox,
            };
            rig.settle();
            rig
        }

        fn at(&self, path: &str) -> PathBuf {
            self.scratch.path().join("root").join(path)
        }

        fn rename(&self, from: &str, to: &str) {
            fs::rename(self.at(from), self.at(to)).unwrap();
        }

        /// What the kernel has to tell by now, but for attributes.
        fn told(&self) -> Vec<RawEvent> {
            fs::write(self.at("last"), "").unwrap();
            fs::remove_file(self.at("last")).unwrap();
            let is_last =
                |event: &RawEvent| matches!(&event.at, At::Entry(_, name) if &**name == b"last");
            let deadline = Instant::now() + Duration::from_secs(30);
            let mut told = Vec::new();
            loop {
                for event in self.inbox.take(1, deadline).events {
                    match event.kind {
                        RawKind::Deleted { .. } if is_last(&event) => return told,
                        RawKind::Attributes => {}
                        _ if is_last(&event) => {}
                        _ => told.push(event),
                    }
                }
                assert!(Instant::now() < deadline, "{told:?}");
            }
        }

        /// Takes in these events as the worker does, and places nothing yet.
        fn take_in(&mut self, events: &[RawEvent]) {
            let mut rest = events;
            while let Some((event, after)) = rest.split_first() {
                rest = after;
                let backend = self.backend.as_mut();
                match after.split_first() {
                    Some((next, after)) if self.tree.renamed(backend, event, next) => rest = after,
                    _ => self.tree.event(backend, event),
                }
            }
        }

        fn settle(&mut self) {
            while !self.tree.is_settled(self.tree.last_group()) {
                self.tree.place(self.backend.as_mut(), 1);
            }
        }

        /// Whether a new file in this directory is told.
        fn follows(&mut self, directory: &str) -> bool {
            self.tree.marks().clear();
            fs::write(self.at(directory).join("f"), "").unwrap();
            let told = self.told();
            self.take_in(&told);
            let wanted = RelPath::new(format!("{directory}/f").as_bytes()).unwrap();
            let marks = self.tree.marks().take(usize::MAX);
            marks.iter().any(|mark| mark.path == wanted)
        }
    }

    #[test]
    fn a_renamed_directory_keeps_its_watches_and_is_marked_under_both_names() {
        let mut rig = Rig::new(&["a/b/c", "z"]);
        let before = rig.tree.directories.get(&RelPath::new(b"a/b/c").unwrap());
        rig.rename("a", "z/y");
        let told = rig.told();
        rig.take_in(&told);
        rig.settle();
        let after = rig.tree.directories.get(&RelPath::new(b"z/y/b/c").unwrap());
        assert_eq!(before, after, "the same watch");
        let marks = rig.tree.marks().take(usize::MAX);
        let marks: Vec<String> = marks
            .iter()
            .map(|mark| format!("{} {}", mark.path, mark.dirt))
            .collect();
        assert_eq!(
            marks,
            [
                ". attributes",
                "a content+gone",
                "z attributes",
                "z/y content+subtree+gone"
            ]
        );
        assert!(rig.follows("z/y/b/c"));
    }

    #[test]
    fn what_lies_under_the_old_name_by_now_is_not_taken_for_what_was_renamed() {
        let mut rig = Rig::new(&["a"]);
        fs::create_dir(rig.at("a/x")).unwrap();
        rig.rename("a", "b");
        fs::create_dir_all(rig.at("a/x")).unwrap();
        for event in rig
            .told()
            .chunk_by(|one, other| are_halves(one.kind, other.kind))
        {
            rig.take_in(event);
            rig.settle(); // so that `a/x` is placed before the rename is heard of
        }
        assert!(rig.follows("b/x") && rig.follows("a/x"));
    }

    #[test]
    fn what_another_directory_hid_for_a_moment_is_found_after_the_rename() {
        let mut rig = Rig::new(&["a", "o"]);
        fs::create_dir(rig.at("a/x")).unwrap();
        rig.rename("a", "t");
        rig.rename("o", "a");
        let told = rig.told();
        rig.take_in(&told[..1]);
        rig.tree.place(rig.backend.as_mut(), 1); // finds the other one above `a/x`
        rig.rename("a", "o");
        rig.rename("t", "a");
        rig.settle(); // finds what it knows at `a`
        rig.rename("a", "t");
        rig.take_in(&told[1..]);
        let told = rig.told();
        rig.take_in(&told);
        rig.settle();
        assert!(rig.follows("t/x"));
    }

    #[test]
    fn what_still_waits_to_be_placed_is_found_after_the_rename() {
        let mut rig = Rig::new(&["a"]);
        fs::create_dir_all(rig.at("a/x/y")).unwrap();
        rig.rename("a", "b");
        let told = rig.told();
        rig.take_in(&told);
        rig.settle();
        assert!(rig.follows("b/x") && rig.follows("b/x/y"));
    }
}
