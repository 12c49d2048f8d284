//! How directories get their watches, and how those without one are polled.

use heliostat::engine::Dirt;

use super::bugs::Bug;
use super::path::P;
use super::source::Source;
use super::watcher::{Known, Watcher};

/// Between two looks at what has no watch, in microseconds.
const POLL: u64 = 5_000_000;

impl Watcher {
    pub fn left(&mut self, path: P, source: &Source) {
        let known = self.forget(path);
        if !path.is_excluded() {
            let gone = if self.has(Bug::GoneDropped) {
                Dirt::none()
            } else {
                Dirt::GONE
            };
            self.mark(path, Dirt::CONTENT | gone);
        }
        if known {
            self.came(path, Dirt::none(), source);
        }
    }

    /// Goes on by another filter: what it wants now and does not know is placed, and then the rest is given up.
    pub fn rescope(&mut self) {
        if self.has(Bug::RescopeForgotten) {
            return;
        }
        self.start(P::ROOT, Dirt::none(), Vec::new());
        if let Some(group) = self.groups.back_mut() {
            group.rewalk = true;
        }
    }

    /// The walk of [`Watcher::rescope`]; in one go, for what changes during it is told of what is known, and placed with
    /// what is not.
    pub fn rewalk(&mut self, source: &Source) -> Vec<P> {
        let known: Vec<P> = self.dirs.keys().copied().collect();
        let mut new = Vec::new();
        for path in known {
            match path.is_excluded() {
                true => drop(self.forget(path)),
                false => {
                    let listed = source.list(path).unwrap_or_default();
                    let mut wanted = wanted_directories(&listed, source);
                    wanted.retain(|child| !self.dirs.contains_key(child));
                    new.extend(wanted);
                }
            }
        }
        new
    }

    pub fn forget(&mut self, path: P) -> bool {
        let before = self.dirs.len();
        self.dirs.retain(|at, _| !at.within(path));
        self.kernel.retain(|_, at| !at.within(path));
        self.dirs.len() != before
    }

    pub fn came(&mut self, path: P, dirt: Dirt, source: &Source) {
        if path.is_excluded() || !source.is_directory(path) {
            return;
        }
        let found = source.number(path);
        let known = self.dirs.get(&path).map(|known| known.number);
        if known.is_some() && known == found {
            self.mark(path, Dirt::ATTRIBUTES | dirt);
        } else if self.has(Bug::MovedInNotEntered) && dirt.has(Dirt::GONE) {
            self.mark(path, Dirt::SUBTREE | Dirt::CONTENT | dirt);
        } else {
            let dirt = match self.bug {
                Some(Bug::NewDirectoryNotListed) => Dirt::ATTRIBUTES | dirt,
                Some(Bug::NewDirectoryTrusted) => Dirt::SUBTREE | dirt,
                _ => Dirt::SUBTREE | Dirt::CONTENT | dirt,
            };
            if self.has(Bug::ListedBeforeWatched) {
                self.mark(path, dirt);
                self.start(path, Dirt::none(), vec![path]);
            } else {
                self.start(path, dirt, vec![path]);
            }
        }
    }

    pub fn place(&mut self, source: &Source, steps: usize, now: u64) {
        for _ in 0..steps {
            let Some(group) = self.groups.front_mut() else {
                return;
            };
            if std::mem::take(&mut group.rewalk) {
                let new = self.rewalk(source);
                if let Some(group) = self.groups.front_mut() {
                    group.pending.extend(new);
                }
                continue;
            }
            let Some(path) = group.pending.pop() else {
                let done = self.groups.pop_front().expect("its front was looked at");
                self.mark(done.top, done.dirt);
                continue;
            };
            let children = self.place_one(path, source, now);
            if let Some(group) = self.groups.front_mut() {
                group.pending.extend(children);
            }
        }
    }

    fn place_one(&mut self, path: P, source: &Source, now: u64) -> Vec<P> {
        let Some(number) = source.number(path).filter(|_| source.is_directory(path)) else {
            return Vec::new();
        };
        match self.dirs.get(&path) {
            Some(known) if known.number == number && known.polled.is_none() => {
                return Vec::new();
            }
            Some(known) if known.number == number => {}
            Some(_) => {
                self.forget(path);
            }
            None => {}
        }
        self.dirs
            .retain(|_, known| known.number != number || known.polled.is_some());
        self.dirs
            .retain(|at, known| known.number != number || *at == path);
        let full = self.limit.is_some_and(|limit| self.kernel.len() >= limit);
        let Some(listed) = source.list(path).filter(|_| !full) else {
            return self.unwatched(path, number, source, now);
        };
        self.kernel.insert(number, path);
        self.dirs.insert(
            path,
            Known {
                number,
                polled: None,
            },
        );
        wanted_directories(&listed, source)
    }

    fn unwatched(&mut self, path: P, number: usize, source: &Source, now: u64) -> Vec<P> {
        self.blind = true;
        if self
            .dirs
            .get(&path)
            .is_some_and(|known| known.polled.is_some())
        {
            return Vec::new();
        }
        let polled = Some((sign(path, source), source_clock(source)));
        self.dirs.insert(path, Known { number, polled });
        if self.poll_at <= now {
            self.poll_at = now + POLL;
        }
        self.mark(path, Dirt::SUBTREE);
        wanted_directories(&source.list(path).unwrap_or_default(), source)
    }

    pub fn poll(&mut self, source: &Source, now: u64) {
        self.poll_at = now + POLL;
        if self.has(Bug::NeverPolled) {
            return;
        }
        let polled: Vec<P> = self
            .dirs
            .iter()
            .filter(|(_, known)| known.polled.is_some())
            .map(|(path, _)| *path)
            .collect();
        for path in polled {
            let Some(known) = self.dirs.get(&path).cloned() else {
                continue;
            };
            let Some((before, since)) = known.polled else {
                continue;
            };
            if !source.is_directory(path) || source.number(path) != Some(known.number) {
                self.left(path, source);
                continue;
            }
            let after = sign(path, source);
            if after != before || after.is_none() && before.is_some() {
                self.mark(path, Dirt::SUBTREE);
                for child in source.list(path).unwrap_or_default() {
                    let young = source.get(child).is_some_and(|inode| inode.ctime > since);
                    if young && !child.is_excluded() && !source.is_directory(child) {
                        self.mark(child, Dirt::CONTENT);
                    }
                }
            }
            if let Some(known) = self.dirs.get_mut(&path) {
                known.polled = Some((after, source_clock(source)));
            }
            let found = self.place_one(path, source, now);
            if self
                .dirs
                .get(&path)
                .is_some_and(|known| known.polled.is_none())
            {
                self.start(path, Dirt::SUBTREE, found);
            } else {
                let children = wanted_directories(&source.list(path).unwrap_or_default(), source);
                for child in children {
                    if !self.dirs.contains_key(&child) {
                        self.start(child, Dirt::SUBTREE | Dirt::CONTENT, vec![child]);
                    }
                }
            }
        }
    }
}

fn wanted_directories(listed: &[P], source: &Source) -> Vec<P> {
    let wanted = |path: &P| !path.is_excluded() && source.is_directory(*path);
    listed.iter().copied().filter(wanted).collect()
}

/// What a look at a directory's own entries shows; `None`: it cannot be read.
fn sign(path: P, source: &Source) -> Option<u64> {
    let mut sum = source.get(path)?.ctime;
    for child in source.list(path)? {
        let inode = source.get(child)?;
        let fact = inode.ctime.wrapping_mul(31) + u64::from(child.name());
        sum = sum.wrapping_mul(0x100_0000_01b3) ^ fact;
    }
    Some(sum)
}

/// The youngest change that there is.
fn source_clock(source: &Source) -> u64 {
    source
        .inodes
        .iter()
        .map(|inode| inode.ctime)
        .max()
        .unwrap_or(0)
}
