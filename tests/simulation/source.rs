//! The source: a small file system with inodes, names and times, and the events that the kernel makes of each operation.
//!
//! Names lead to inodes; an operation is one or several system calls at one instant. Each leaves its raw events behind
//! for whoever watches the directory, in the kernel's order. Numbers of inodes are never used again.

use std::collections::{BTreeMap, BTreeSet};

use super::path::P;

/// The wall clock when everything begins, in microseconds.
pub const WALL: u64 = 1_780_000_000_000_000;

#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash)]
pub enum Kind {
    File,
    Directory,
    Link,
}

/// What is compared between a source and its target.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash)]
pub struct Facts {
    pub kind: Kind,
    /// Every write makes another one; of a link: where it leads.
    pub content: u32,
    pub size: u32,
    pub mtime: u64,
    pub mode: u16,
}

#[derive(Clone, Debug)]
pub struct Inode {
    pub facts: Facts,
    /// Never twice the same: what a perfect signature knows.
    pub ctime: u64,
    /// As the file system's clock had it.
    pub coarse: u64,
    pub readable: bool,
    pub names: u32,
    /// It was changed through one of several names, which no event tells of the others.
    pub blind: bool,
    /// Open for writing: what was written is told when it is closed.
    pub open: u32,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum RawKind {
    Created {
        directory: bool,
    },
    Written,
    Attributes,
    MovedFrom,
    MovedTo,
    Deleted {
        directory: bool,
    },
    /// The root itself was renamed, removed or covered.
    RootGone,
}

/// An event, as the kernel queues it for whoever watches the directory.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Raw {
    pub directory: usize,
    pub name: u8,
    pub kind: RawKind,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Op {
    /// Creates or overwrites a file.
    Write(P, u32),
    /// Other content, same size, time put back.
    Rewrite(P),
    /// Opens, writes, and closes after so many microseconds.
    Scribble(P, u64),
    Chmod(P),
    Touch(P),
    Mkdir(P),
    /// `mkdir -p`, then files in it.
    Burst(P),
    Rename(P, P),
    Exchange(P, P),
    /// `rm -r`.
    Remove(P),
    Link(P, P),
    /// A symlink, made aside and renamed over what is there.
    Symlink(P),
    /// A file for a directory, a directory for a file.
    Retype(P),
}

#[derive(Debug)]
pub struct Source {
    pub names: BTreeMap<P, usize>,
    pub inodes: Vec<Inode>,
    pub events: Vec<Raw>,
    /// When a name last came to be: before that it was absent.
    pub appeared: BTreeMap<P, u64>,
    /// Names that left or were replaced as a whole, ever.
    pub vanished: BTreeSet<P>,
    /// The mounted tree, while something else is at the root.
    aside: Option<BTreeMap<P, usize>>,
    pub missing: bool,
    /// The root was last renamed, and not unmounted.
    pub was_renamed: bool,
    /// Since when a directory has been unreadable, without a break.
    pub unreadable: BTreeMap<usize, u64>,
    contents: u32,
    ctimes: u64,
    /// Microseconds of the file system's clock.
    grain: u64,
    now: u64,
    /// What the wall clock is ahead of the time in the model, in microseconds.
    pub wall: u64,
    /// Counts the changes.
    pub version: u64,
}

impl Source {
    pub fn new(grain: u64) -> Source {
        let mut source = Source {
            names: BTreeMap::new(),
            inodes: Vec::new(),
            events: Vec::new(),
            appeared: BTreeMap::new(),
            vanished: BTreeSet::new(),
            aside: None,
            missing: false,
            was_renamed: false,
            unreadable: BTreeMap::new(),
            contents: 0,
            ctimes: 0,
            grain,
            now: 0,
            wall: WALL,
            version: 0,
        };
        let root = source.inode(Kind::Directory, 0);
        source.names.insert(P::ROOT, root);
        source
    }

    pub fn root(&self) -> Option<usize> {
        (!self.missing).then(|| self.names[&P::ROOT])
    }

    pub fn get(&self, path: P) -> Option<&Inode> {
        if self.missing {
            return None;
        }
        self.names.get(&path).map(|number| &self.inodes[*number])
    }

    pub fn number(&self, path: P) -> Option<usize> {
        self.names.get(&path).copied().filter(|_| !self.missing)
    }

    pub fn is_directory(&self, path: P) -> bool {
        self.get(path)
            .is_some_and(|inode| inode.facts.kind == Kind::Directory)
    }

    /// What is in a directory, by name; `None` if it is none, or may not be read, or something above it may not.
    pub fn list(&self, path: P) -> Option<Vec<P>> {
        let closed = |path| self.get(path).is_none_or(|inode| !inode.readable);
        if !self.is_directory(path) || closed(path) || path.above().any(closed) {
            return None;
        }
        Some(self.children(path))
    }

    fn children(&self, path: P) -> Vec<P> {
        self.names
            .range(path..path.after())
            .map(|(at, _)| *at)
            .filter(|at| at.parent() == Some(path))
            .collect()
    }

    fn below(&self, path: P) -> Vec<P> {
        self.names
            .range(path..path.after())
            .map(|(at, _)| *at)
            .collect()
    }

    pub fn is_open(&self) -> bool {
        self.inodes
            .iter()
            .any(|inode| inode.open > 0 && inode.names > 0)
    }

    fn inode(&mut self, kind: Kind, size: u32) -> usize {
        self.contents += 1;
        self.ctimes += 1;
        let time = self.clock();
        self.inodes.push(Inode {
            facts: Facts {
                kind,
                content: if kind == Kind::Directory {
                    0
                } else {
                    self.contents
                },
                size,
                mtime: time,
                mode: if kind == Kind::Directory {
                    0o755
                } else {
                    0o644
                },
            },
            ctime: self.ctimes,
            coarse: time,
            readable: true,
            names: 1,
            blind: false,
            open: 0,
        });
        self.inodes.len() - 1
    }

    /// The file system's clock.
    fn clock(&self) -> u64 {
        (self.now + self.wall) / self.grain * self.grain
    }

    fn changed(&mut self, number: usize) {
        self.ctimes += 1;
        let time = self.clock();
        let inode = &mut self.inodes[number];
        inode.ctime = self.ctimes;
        inode.coarse = time;
    }

    fn modified(&mut self, number: usize) {
        self.changed(number);
        let inode = &mut self.inodes[number];
        inode.facts.mtime = inode.coarse;
    }

    fn tell(&mut self, path: P, kind: RawKind) {
        if let Some(directory) = path.parent().and_then(|parent| self.number(parent)) {
            let name = path.name();
            self.events.push(Raw {
                directory,
                name,
                kind,
            });
        }
    }

    fn put(&mut self, path: P, number: usize) {
        self.names.insert(path, number);
        self.appeared.insert(path, self.now);
        if let Some(parent) = path.parent() {
            let parent = self.names[&parent];
            self.modified(parent);
        }
    }

    /// Takes one name out; what is below it must be gone.
    fn take(&mut self, path: P) -> Option<usize> {
        let number = self.names.remove(&path)?;
        self.vanished.insert(path);
        let parent = self.names[&path.parent()?];
        self.modified(parent);
        Some(number)
    }

    fn unlink(&mut self, path: P) {
        if let Some(number) = self.take(path) {
            self.inodes[number].names -= 1;
            self.changed(number);
        }
    }

    /// Removes whatever is at `path`, with its events.
    fn remove(&mut self, path: P) {
        let mut below = self.below(path);
        below.reverse();
        for path in below {
            let directory = self.is_directory(path);
            self.unlink(path);
            self.tell(path, RawKind::Deleted { directory });
        }
    }

    /// Whether something may come to be at `path`: its parent is a directory.
    fn has_place(&self, path: P) -> bool {
        path.parent()
            .is_some_and(|parent| self.is_directory(parent))
    }

    /// Does one operation at `now`; one that cannot be done does nothing. The inode that stays open, with its time.
    pub fn act(&mut self, op: Op, now: u64) -> Option<(usize, u64)> {
        if self.missing || self.aside.is_some() {
            return None;
        }
        self.now = now;
        self.version += 1;
        match op {
            Op::Write(path, size) => self.write(path, size),
            Op::Rewrite(path) => {
                if let Some(number) = self.file(path) {
                    self.contents += 1;
                    self.inodes[number].facts.content = self.contents;
                    self.inodes[number].blind |= self.inodes[number].names > 1;
                    self.changed(number);
                    self.tell(path, RawKind::Written);
                    self.tell(path, RawKind::Attributes);
                }
            }
            Op::Scribble(path, time) => {
                let number = self.file(path)?;
                self.contents += 1;
                let inode = &mut self.inodes[number];
                inode.facts.content = self.contents;
                inode.facts.size += 1;
                inode.open += 1;
                inode.blind |= inode.names > 1;
                self.modified(number);
                return Some((number, time));
            }
            Op::Chmod(path) => {
                if let Some(number) = self.number(path).filter(|_| path != P::ROOT) {
                    let inode = &mut self.inodes[number];
                    inode.facts.mode ^= 0o022;
                    inode.blind |= inode.names > 1;
                    self.changed(number);
                    self.tell(path, RawKind::Attributes);
                }
            }
            Op::Touch(path) => {
                if let Some(number) = self.number(path).filter(|_| path != P::ROOT) {
                    self.inodes[number].blind |= self.inodes[number].names > 1;
                    self.modified(number);
                    self.tell(path, RawKind::Attributes);
                }
            }
            Op::Mkdir(path) => self.mkdir(path),
            Op::Burst(path) => {
                for above in path.above().chain([path]) {
                    self.mkdir(above);
                }
                for name in [b'a', b'b'] {
                    if let Some(file) = path.join(name) {
                        self.write(file, 1);
                    }
                }
            }
            Op::Rename(from, to) => self.rename(from, to),
            Op::Exchange(a, b) => self.exchange(a, b),
            Op::Remove(path) => {
                if path != P::ROOT {
                    self.remove(path);
                }
            }
            Op::Link(from, to) => {
                if let Some(number) = self.file(from)
                    && self.has_place(to)
                    && self.number(to).is_none()
                {
                    self.inodes[number].names += 1;
                    self.changed(number);
                    self.put(to, number);
                    self.tell(to, RawKind::Created { directory: false });
                    self.tell(from, RawKind::Attributes);
                }
            }
            Op::Symlink(path) => {
                if self.has_place(path) && !self.is_directory(path) {
                    let number = self.inode(Kind::Link, 1);
                    if self.number(path).is_some() {
                        self.unlink(path);
                    }
                    self.put(path, number);
                    self.tell(path, RawKind::MovedTo);
                }
            }
            Op::Retype(path) => {
                if self.is_directory(path) && path != P::ROOT {
                    self.remove(path);
                    self.write(path, 1);
                } else if self.number(path).is_some() && path != P::ROOT {
                    self.remove(path);
                    self.mkdir(path);
                }
            }
        }
        None
    }

    fn file(&self, path: P) -> Option<usize> {
        self.number(path)
            .filter(|number| self.inodes[*number].facts.kind == Kind::File)
    }

    fn write(&mut self, path: P, size: u32) {
        if let Some(number) = self.file(path) {
            self.contents += 1;
            let inode = &mut self.inodes[number];
            inode.facts.content = self.contents;
            inode.facts.size = size;
            inode.blind |= inode.names > 1;
            self.modified(number);
            self.tell(path, RawKind::Written);
        } else if self.number(path).is_none() && self.has_place(path) {
            let number = self.inode(Kind::File, size);
            self.put(path, number);
            self.tell(path, RawKind::Created { directory: false });
            self.tell(path, RawKind::Written);
        }
    }

    fn mkdir(&mut self, path: P) {
        if self.number(path).is_none() && self.has_place(path) {
            let number = self.inode(Kind::Directory, 0);
            self.put(path, number);
            self.tell(path, RawKind::Created { directory: true });
        }
    }

    fn rename(&mut self, from: P, to: P) {
        let clash = to.within(from) || from.within(to) || from == P::ROOT || to == P::ROOT;
        let Some(number) = self.number(from).filter(|_| !clash && self.has_place(to)) else {
            return;
        };
        if !self.fits(from, to) {
            return;
        }
        let directory = self.is_directory(from);
        if let Some(there) = self.number(to) {
            let empty = self.below(to).len() == 1;
            if there == number || self.is_directory(to) != directory || !empty {
                return;
            }
            self.unlink(to);
        }
        let moved = self.lift(from);
        self.lay(moved, from, to);
        self.changed(number);
        self.tell(from, RawKind::MovedFrom);
        self.tell(to, RawKind::MovedTo);
    }

    fn exchange(&mut self, a: P, b: P) {
        let clash = a.within(b) || b.within(a);
        let (Some(first), Some(second)) = (self.number(a), self.number(b)) else {
            return;
        };
        if clash || first == second || !self.fits(a, b) || !self.fits(b, a) {
            return;
        }
        let (here, there) = (self.lift(a), self.lift(b));
        self.lay(here, a, b);
        self.lay(there, b, a);
        self.changed(first);
        self.changed(second);
        for (from, to) in [(a, b), (b, a)] {
            self.tell(from, RawKind::MovedFrom);
            self.tell(to, RawKind::MovedTo);
        }
    }

    fn fits(&self, from: P, to: P) -> bool {
        self.below(from)
            .iter()
            .all(|path| path.moved(from, to).is_some())
    }

    fn lift(&mut self, path: P) -> Vec<(P, usize)> {
        let mut lifted = Vec::new();
        for at in self.below(path) {
            lifted.extend(self.names.remove(&at).map(|number| (at, number)));
            self.vanished.insert(at);
        }
        let parent = self.names[&path.parent().unwrap_or_default()];
        self.modified(parent);
        lifted
    }

    fn lay(&mut self, lifted: Vec<(P, usize)>, from: P, to: P) {
        for (at, number) in lifted {
            let at = at.moved(from, to).expect("it was seen to fit");
            self.names.insert(at, number);
            self.appeared.insert(at, self.now);
        }
        let parent = self.names[&to.parent().unwrap_or_default()];
        self.modified(parent);
    }

    /// Ends the writing that was begun by a scribble.
    pub fn close(&mut self, number: usize) {
        self.version += 1;
        self.inodes[number].open -= 1;
        let path = self.names.iter().find(|(_, at)| **at == number);
        if let Some(path) = path.map(|(path, _)| *path) {
            self.tell(path, RawKind::Written);
        }
    }

    pub fn set_readable(&mut self, number: usize, readable: bool, now: u64) {
        self.now = now;
        if self.inodes[number].readable == readable {
            return;
        }
        self.version += 1;
        self.inodes[number].readable = readable;
        match readable {
            true => self.unreadable.remove(&number),
            false => self.unreadable.insert(number, now),
        };
        self.changed(number);
        let paths: Vec<P> = self
            .names
            .iter()
            .filter(|(_, at)| **at == number)
            .map(|(path, _)| *path)
            .collect();
        for path in paths {
            self.tell(path, RawKind::Attributes);
        }
    }

    fn root_gone(&mut self) {
        self.version += 1;
        let directory = self.names[&P::ROOT];
        self.events.push(Raw {
            directory,
            name: 0,
            kind: RawKind::RootGone,
        });
    }

    /// The root is renamed away, or comes back.
    pub fn set_missing(&mut self, missing: bool) {
        if self.missing != missing {
            self.root_gone();
            self.missing = missing;
            self.was_renamed = true;
        }
    }

    /// The file system at the root goes: what is there now is an empty directory.
    pub fn unmount(&mut self, now: u64) {
        if self.aside.is_none() {
            self.now = now;
            self.was_renamed = false;
            self.root_gone();
            let root = self.inode(Kind::Directory, 0);
            self.aside = Some(std::mem::replace(
                &mut self.names,
                BTreeMap::from([(P::ROOT, root)]),
            ));
        }
    }

    pub fn mount(&mut self, now: u64) {
        if let Some(names) = self.aside.take() {
            self.now = now;
            self.version += 1; // what is covered tells nothing
            self.names = names;
        }
    }

    pub fn is_unmounted(&self) -> bool {
        self.aside.is_some()
    }

    /// The tree that belongs there, be it covered or out of reach for a moment.
    pub fn truth(&self) -> &BTreeMap<P, usize> {
        self.aside.as_ref().unwrap_or(&self.names)
    }

    /// Another directory takes the root's place, with new files of the same content, but for the entry `without`.
    pub fn replace(&mut self, without: P, now: u64) {
        if self.aside.is_some() {
            return;
        }
        self.now = now;
        self.version += 1;
        let old = std::mem::take(&mut self.names); // a swapped link above the root: no event tells it
        for (path, number) in old {
            if without != P::ROOT && path.within(without) {
                self.vanished.insert(path);
                continue;
            }
            let mut inode = self.inodes[number].clone();
            (inode.names, inode.open, inode.readable) = (1, 0, true);
            self.ctimes += 1;
            inode.ctime = self.ctimes;
            inode.coarse = self.clock();
            self.inodes.push(inode);
            self.names.insert(path, self.inodes.len() - 1);
            self.appeared.insert(path, now);
            self.vanished.insert(path);
        }
    }
}
