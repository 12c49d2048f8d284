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
        waiting > WAITING_MAX
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
