//! The tree of watched directories in memory: one node of forty bytes a directory, its name once.
//!
//! Owns the links between nodes and the three ways to one: by parent and name, by identity, by watch. A path is built on
//! demand, from a node up to the root, so that a rename changes one node whatever is below it. Knows nothing of the disk,
//! of backends and of what the tree means; `directories` is its only caller.
//!
//! Cost a directory: 40 bytes of node, its name, and in each of three tables four bytes and one of control at a load
//! between 7/16 and 7/8: 57 to 75 bytes and the name. A node takes and gives its place in constant time; only the
//! copying of names, after as many were forgotten as are left, looks at all of them.

use std::hash::{BuildHasher, RandomState};

use hashbrown::HashTable;

use super::backend::WatchId;
use super::disk::Identity;
use super::names::{Name, Names};
use crate::engine::RelPath;

/// A node's place; given again after the node was removed.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub(crate) struct NodeId(u32);

/// No node.
const NONE: u32 = u32::MAX;

/// Nodes that are made room for at once: nothing is ever copied, and a rest that is not used is small.
const PIECE: usize = 1024;

const WATCHED: u8 = 1;
const LOOSE: u8 = 2;

#[derive(Clone, Copy, Debug)]
struct Node {
    inode: u64,
    /// Place in `devices`.
    device: u32,
    parent: u32,
    name: u32,
    watch: i32,
    first: u32,
    /// Of the same parent; of a free place: the next free one.
    next: u32,
    prev: u32,
    length: u16,
    flags: u8,
}

/// The nodes of one tree.
#[derive(Debug, Default)]
pub(super) struct Nodes {
    pieces: Vec<Vec<Node>>,
    free: Option<u32>,
    count: usize,
    /// Of these, those on which a watch stands.
    watched: usize,
    root: Option<NodeId>,
    names: Names,
    /// Few: a tree lies on few file systems.
    devices: Vec<u64>,
    by_name: HashTable<u32>,
    by_identity: HashTable<u32>,
    by_watch: HashTable<u32>,
    hasher: RandomState,
}

impl Nodes {
    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.count
    }

    /// On how many of them a watch stands.
    pub(super) fn watched(&self) -> usize {
        self.watched
    }

    /// The node at `path`.
    pub(super) fn at(&self, path: &RelPath) -> Option<NodeId> {
        let mut here = self.root?;
        if !path.is_root() {
            for name in path.as_bytes().split(|byte| *byte == b'/') {
                here = self.child(here, name)?;
            }
        }
        Some(here)
    }

    /// Its child of this name.
    pub(super) fn child(&self, parent: NodeId, name: &[u8]) -> Option<NodeId> {
        let hash = self.hasher.hash_one((parent.0, name));
        self.by_name
            .find(hash, |id| {
                let node = self.node(*id);
                node.parent == parent.0 && self.names.get(name_of(node)) == name
            })
            .map(|id| NodeId(*id))
    }

    /// The node on which this watch stands.
    pub(super) fn watched_by(&self, watch: WatchId) -> Option<NodeId> {
        self.by_watch
            .find(self.hasher.hash_one(watch), |id| {
                self.node(*id).watch == watch.0
            })
            .map(|id| NodeId(*id))
    }

    /// Every node with this identity.
    pub(super) fn identified(&self, identity: Identity) -> impl Iterator<Item = NodeId> {
        let hash = self.hasher.hash_one(identity);
        self.by_identity
            .iter_hash(hash)
            .map(|id| NodeId(*id))
            .filter(move |id| self.identity(*id) == identity)
    }

    /// Its path, from the root.
    pub(super) fn path(&self, id: NodeId) -> RelPath {
        let mut way = Vec::new();
        let mut here = id.0;
        while self.node(here).parent != NONE {
            way.push(here);
            here = self.node(here).parent;
        }
        let mut bytes = Vec::new();
        for (at, id) in way.iter().rev().enumerate() {
            if at > 0 {
                bytes.push(b'/');
            }
            bytes.extend_from_slice(self.names.get(name_of(self.node(*id))));
        }
        RelPath::new(&bytes).unwrap_or_else(RelPath::root) // names are never `..`: they were a path's
    }

    /// Which directory it is.
    pub(super) fn identity(&self, id: NodeId) -> Identity {
        let node = self.node(id.0);
        Identity {
            device: self.devices[node.device as usize],
            inode: node.inode,
        }
    }

    /// The watch that stands on it.
    pub(super) fn watch(&self, id: NodeId) -> Option<WatchId> {
        let node = self.node(id.0);
        (node.flags & WATCHED != 0).then_some(WatchId(node.watch))
    }

    /// Its parent.
    pub(super) fn parent(&self, id: NodeId) -> Option<NodeId> {
        let parent = self.node(id.0).parent;
        (parent != NONE).then_some(NodeId(parent))
    }

    /// Whether something in it could not be found.
    pub(super) fn is_loose(&self, id: NodeId) -> bool {
        self.node(id.0).flags & LOOSE != 0
    }

    /// Says whether something in it could not be found.
    pub(super) fn set_loose(&mut self, id: NodeId, loose: bool) {
        let node = self.node_mut(id.0);
        node.flags = node.flags & !LOOSE | if loose { LOOSE } else { 0 };
    }

    /// It and everything below it, each after its parent.
    pub(super) fn subtree(&self, id: NodeId) -> impl Iterator<Item = NodeId> {
        let mut next = Some(id.0);
        std::iter::from_fn(move || {
            let here = next?;
            next = self.following(here, id.0);
            Some(NodeId(here))
        })
    }

    /// What comes after `here` on the way through `top`.
    fn following(&self, mut here: u32, top: u32) -> Option<u32> {
        let first = self.node(here).first;
        if first != NONE {
            return Some(first);
        }
        while here != top {
            let node = self.node(here);
            if node.next != NONE {
                return Some(node.next);
            }
            here = node.parent;
        }
        None
    }

    /// Makes a node, or the root where `under` is none; `None` if there is no room for its name.
    pub(super) fn add(
        &mut self,
        under: Option<(NodeId, &[u8])>,
        identity: Identity,
    ) -> Option<NodeId> {
        let device = self.device(identity.device)?;
        let name = self.names.keep(under.map_or(b"", |(_, name)| name))?;
        let node = Node {
            inode: identity.inode,
            device,
            parent: NONE,
            name: name.at,
            watch: 0,
            first: NONE,
            next: NONE,
            prev: NONE,
            length: name.length,
            flags: 0,
        };
        let id = match self.free {
            Some(id) => {
                let next = self.node(id).next;
                self.free = (next != NONE).then_some(next);
                *self.node_mut(id) = node;
                id
            }
            None => {
                if self.pieces.last().is_none_or(|piece| piece.len() == PIECE) {
                    self.pieces.push(Vec::with_capacity(PIECE));
                }
                let before = (self.pieces.len() - 1) * PIECE;
                let piece = self.pieces.last_mut()?;
                piece.push(node);
                u32::try_from(before + piece.len() - 1).ok()?
            }
        };
        self.count += 1;
        self.put_identity(id);
        match under {
            Some((parent, _)) => self.link(id, parent.0),
            None => self.root = Some(NodeId(id)),
        }
        Some(NodeId(id))
    }

    /// Which directory it is from now on.
    pub(super) fn set_identity(&mut self, id: NodeId, identity: Identity) {
        let Some(device) = self.device(identity.device) else {
            return;
        };
        self.take_identity(id.0);
        let node = self.node_mut(id.0);
        node.inode = identity.inode;
        node.device = device;
        self.put_identity(id.0);
    }

    /// Which watch stands on it from now on.
    pub(super) fn set_watch(&mut self, id: NodeId, watch: Option<WatchId>) {
        self.take_watch(id.0);
        self.watched -= usize::from(self.watch(id).is_some());
        self.watched += usize::from(watch.is_some());
        let node = self.node_mut(id.0);
        node.flags = node.flags & !WATCHED | if watch.is_some() { WATCHED } else { 0 };
        node.watch = watch.map_or(0, |watch| watch.0);
        if let Some(watch) = watch.filter(|watch| *watch != WatchId::BY_PATH) {
            let (pieces, hasher) = (&self.pieces, &self.hasher);
            self.by_watch
                .insert_unique(hasher.hash_one(watch), id.0, |id| {
                    hasher.hash_one(WatchId(look(pieces, *id).watch))
                });
        }
    }

    /// Hangs it under another parent and name, with all that is below it; false, and nothing is changed, if that parent
    /// is itself below it, the name is taken, or there is no room for it.
    pub(super) fn hang(&mut self, id: NodeId, parent: NodeId, name: &[u8]) -> bool {
        let mut above = Some(parent);
        while let Some(here) = above {
            if here == id {
                return false;
            }
            above = self.parent(here);
        }
        if self.child(parent, name).is_some() || self.parent(id).is_none() {
            return false;
        }
        let Some(name) = self.names.keep(name) else {
            return false;
        };
        self.unlink(id.0);
        self.names.forget(name_of(self.node(id.0)));
        let node = self.node_mut(id.0);
        (node.name, node.length) = (name.at, name.length);
        self.link(id.0, parent.0);
        self.tidy();
        true
    }

    /// Removes it and everything below it; says each one's place and watch first.
    pub(super) fn remove(&mut self, id: NodeId, mut each: impl FnMut(NodeId, Option<WatchId>)) {
        let all: Vec<NodeId> = self.subtree(id).collect();
        self.unlink(id.0);
        for gone in all {
            each(gone, self.watch(gone));
            self.watched -= usize::from(self.watch(gone).is_some());
            if gone != id {
                self.take_name(gone.0);
            }
            self.take_identity(gone.0);
            self.take_watch(gone.0);
            self.names.forget(name_of(self.node(gone.0)));
            let free = self.free.unwrap_or(NONE);
            self.node_mut(gone.0).next = free;
            self.free = Some(gone.0);
            self.count -= 1;
        }
        if self.root == Some(id) {
            *self = Nodes::default(); // with the room that it took
        } else {
            self.tidy();
        }
    }

    fn link(&mut self, id: u32, parent: u32) {
        let first = self.node(parent).first;
        let node = self.node_mut(id);
        (node.parent, node.prev, node.next) = (parent, NONE, first);
        if first != NONE {
            self.node_mut(first).prev = id;
        }
        self.node_mut(parent).first = id;
        let (pieces, hasher, names) = (&self.pieces, &self.hasher, &self.names);
        let hash = |id: &u32| {
            let node = look(pieces, *id);
            hasher.hash_one((node.parent, names.get(name_of(node))))
        };
        self.by_name.insert_unique(hash(&id), id, hash);
    }

    fn unlink(&mut self, id: u32) {
        let Node {
            parent, prev, next, ..
        } = *self.node(id);
        if parent == NONE {
            return;
        }
        self.take_name(id);
        if next != NONE {
            self.node_mut(next).prev = prev;
        }
        if prev != NONE {
            self.node_mut(prev).next = next;
        } else {
            self.node_mut(parent).first = next;
        }
    }

    fn take_name(&mut self, id: u32) {
        let node = self.node(id);
        let hash = self
            .hasher
            .hash_one((node.parent, self.names.get(name_of(node))));
        if let Ok(found) = self.by_name.find_entry(hash, |other| *other == id) {
            found.remove();
        }
    }

    fn put_identity(&mut self, id: u32) {
        let (pieces, hasher, devices) = (&self.pieces, &self.hasher, &self.devices);
        let hash = |id: &u32| {
            let node = look(pieces, *id);
            hasher.hash_one(Identity {
                device: devices[node.device as usize],
                inode: node.inode,
            })
        };
        self.by_identity.insert_unique(hash(&id), id, hash);
    }

    fn take_identity(&mut self, id: u32) {
        let hash = self.hasher.hash_one(self.identity(NodeId(id)));
        if let Ok(found) = self.by_identity.find_entry(hash, |other| *other == id) {
            found.remove();
        }
    }

    fn take_watch(&mut self, id: u32) {
        let hash = self.hasher.hash_one(WatchId(self.node(id).watch));
        if let Ok(found) = self.by_watch.find_entry(hash, |other| *other == id) {
            found.remove();
        }
    }

    fn device(&mut self, device: u64) -> Option<u32> {
        let at = match self.devices.iter().position(|known| *known == device) {
            Some(at) => at,
            None => {
                self.devices.push(device);
                self.devices.len() - 1
            }
        };
        u32::try_from(at).ok()
    }

    /// Copies the names that are left, where most were forgotten.
    fn tidy(&mut self) {
        let Some(root) = self.root.filter(|_| self.names.is_mostly_holes()) else {
            return;
        };
        let mut fresh = Names::default();
        let copied: Option<Vec<(NodeId, Name)>> = self
            .subtree(root)
            .map(|id| Some((id, fresh.keep(self.names.get(name_of(self.node(id.0))))?)))
            .collect();
        let Some(copied) = copied else { return }; // never: there was room for more before
        for (id, name) in copied {
            self.node_mut(id.0).name = name.at;
        }
        self.names = fresh; // the tables go by what a name says, not by where it stands
    }

    fn node(&self, id: u32) -> &Node {
        look(&self.pieces, id)
    }

    fn node_mut(&mut self, id: u32) -> &mut Node {
        &mut self.pieces[id as usize / PIECE][id as usize % PIECE]
    }

    /// Bytes that it takes.
    #[cfg(test)]
    pub(super) fn heap(&self) -> usize {
        let pieces: usize = self.pieces.iter().map(Vec::capacity).sum();
        let tables = [&self.by_name, &self.by_identity, &self.by_watch];
        pieces * size_of::<Node>()
            + self.names.heap()
            + tables.map(HashTable::allocation_size).iter().sum::<usize>()
    }
}

fn look(pieces: &[Vec<Node>], id: u32) -> &Node {
    &pieces[id as usize / PIECE][id as usize % PIECE]
}

fn name_of(node: &Node) -> Name {
    Name {
        at: node.name,
        length: node.length,
    }
}
