//! A watch that goes on under another filter.
//!
//! The tree takes the new filter at once, and then walks through the directories it knows: what is wanted now and was not
//! known is placed, and only when all of that stands is what is not wanted any more given up. Nothing is marked for it:
//! what came in is the engine's to mark, behind the barrier that it asks for with the new filter; that waits for the walk,
//! as for every group. An event is held against the new filter from the moment on at which the tree has it, so that of
//! what came in every change is told that is made after its directory was placed.
//!
//! A watch under another set of events needs the kernel's events anew only where `modify` came or went, which the mask is
//! made with. Then it is as if events had been lost: all watches are placed anew, and a survey tells what differs.

use std::time::Instant;

use super::backend::{Backend, Opener};
use super::scope::Scope;
use super::tree::{Group, Tree};
use super::worker::Worker;
use crate::engine::{Dirt, RelPath};

/// With a backend by path each watch that is ended costs a look at all of them: above so many they are kept. Their events
/// are for nobody.
const FORGOTTEN_MAX: usize = 256;

/// How a watch is to go on.
pub(crate) struct Rescoped {
    /// What is watched.
    pub(crate) scope: Scope,
    /// The mechanism for it.
    pub(crate) opener: Box<dyn Opener>,
}

impl std::fmt::Debug for Rescoped {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Rescoped").field(&self.scope).finish()
    }
}

/// The walk through the directories that are known.
#[derive(Debug)]
pub(super) struct Rewalk {
    /// Known directories that are still to be listed.
    listed: Vec<RelPath>,
    /// Known ones that are not wanted any more.
    unwanted: Vec<RelPath>,
}

impl Worker {
    /// Goes on under another filter or other events.
    pub(super) fn rescope(&mut self, to: Rescoped, now: Instant) {
        let mask = to.scope.events.modify != self.scope.events.modify;
        self.scope = to.scope;
        if mask {
            // Else the one that there is knows which mechanism proved good.
            self.opener = to.opener;
        }
        let Some(stand) = &mut self.stand else { return };
        stand.tree.rescope(self.scope.clone());
        if mask {
            self.lost("other events are asked for".into(), now);
        }
    }
}

impl Tree {
    /// Takes the new filter, and begins the walk.
    pub(super) fn rescope(&mut self, scope: Scope) {
        self.scope = scope;
        // A walk that is under way has seen some of the tree by the earlier filter.
        for group in &mut self.groups {
            group.rewalk = None;
        }
        self.start(RelPath::root(), Dirt::none(), Vec::new());
        if let Some(group) = self.groups.back_mut() {
            group.rewalk = Some(Rewalk {
                listed: vec![RelPath::root()],
                unwanted: Vec::new(),
            });
        }
    }

    /// One step of the walk of the first group; false where it has none, or it is over.
    pub(super) fn rewalk(&mut self, backend: &mut dyn Backend) -> bool {
        let Some(Group {
            rewalk: Some(walk), ..
        }) = self.groups.front_mut()
        else {
            return false;
        };
        if let Some(path) = walk.listed.pop() {
            self.relist(&path);
            return true;
        }
        // What came in is placed by now.
        match walk.unwanted.pop() {
            Some(path) => self.give_up(backend, &path),
            None => {
                if let Some(group) = self.groups.front_mut() {
                    group.rewalk = None;
                }
            }
        }
        true
    }

    /// Holds what is in a known directory against the new filter.
    fn relist(&mut self, path: &RelPath) {
        let Some(known) = self.directories.get(path) else {
            return; // forgotten meanwhile: what is there now is placed afresh
        };
        let names = match self.disk.list(path) {
            Ok((identity, names)) if identity == known.identity => names,
            // It has gone or moved on, which an event tells, or it cannot be read, and is polled.
            _ => return self.directories.set_loose(path),
        };
        let (mut known, mut new, mut unwanted) = (Vec::new(), Vec::new(), Vec::new());
        for child in names.iter().map(|name| path.join(name)) {
            match (
                self.directories.get(&child).is_some(),
                self.scope.wants(&child, true),
            ) {
                (true, true) => known.push(child),
                (false, true) => new.push(child),
                (true, false) => unwanted.push(child),
                (false, false) => {}
            }
        }
        if let Some(group) = self.groups.front_mut()
            && let Some(walk) = &mut group.rewalk
        {
            walk.listed.extend(known);
            walk.unwanted.extend(unwanted);
            group.pending.extend(new);
        }
    }

    fn give_up(&mut self, backend: &mut dyn Backend, path: &RelPath) {
        let cheap =
            backend.follows() || self.directories.count(path, FORGOTTEN_MAX + 1) <= FORGOTTEN_MAX;
        if !self.scope.wants(path, true) && cheap {
            self.forget(backend, path);
        }
    }
}
