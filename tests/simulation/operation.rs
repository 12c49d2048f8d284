//! What can be done to a source: each operation as its system calls, with the events that they make.

use super::path::P;
use super::source::{Kind, RawKind, Source};

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

impl Source {
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
}
