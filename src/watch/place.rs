//! How one directory gets its watch, and how those without one are polled.

use std::os::fd::AsFd;
use std::path::Path;

use super::backend::{Backend, Placed, Site, WatchError, WatchId};
use super::disk::{Entered, Identity, Look, Open, Signed};
use super::tree::Tree;
use crate::engine::{Dirt, RelPath};

/// A directory that is replaced again and again while its watch is placed is polled after so many tries.
const TRIES: usize = 4;

/// Reasons kept until they are told: the report has the full number.
const REASONS_MAX: usize = 16;

/// Stands for a directory that cannot even be looked at.
const UNKNOWN: Identity = Identity {
    device: 0,
    inode: 0,
};

/// Why a directory is polled instead.
enum Unwatched {
    Limit,
    Denied,
    Off,
    Alias(RelPath),
    Other(String),
}

/// Ends a watch that was placed just now.
fn unwatch(backend: &mut dyn Backend, watch: WatchId, path: &Path) {
    backend.unwatch(match backend.follows() {
        true => Placed::Number(watch),
        false => Placed::Under(path),
    });
}

impl Tree {
    /// Places the watch of one directory, lists it, and returns the directories in it that are to be placed.
    pub(super) fn place_one(&mut self, backend: &mut dyn Backend, path: &RelPath) -> Vec<RelPath> {
        let absolute = path.under(self.disk.root());
        if self.scope.is_private(&absolute) {
            return Vec::new();
        }
        let parent = match path.parent() {
            None => None,
            Some(above) => match self.directories.get(&above) {
                Some(known) => Some(known.identity).filter(|identity| *identity != UNKNOWN),
                None => return Vec::new(), // forgotten meanwhile: it is found again with its parent
            },
        };
        let mut last = UNKNOWN;
        for _ in 0..TRIES {
            let open = match self.enter(path, parent) {
                Ok(Entered::Here(open, above)) => {
                    self.reach(backend, path.parent(), above);
                    open
                }
                Ok(Entered::Elsewhere) => {
                    self.again_from_parent(path);
                    return Vec::new();
                }
                Err(Look::Gone) => {
                    self.missed(path); // an event, or its parent's poll, says so too
                    return Vec::new();
                }
                Err(Look::Unreadable) => return self.unwatched(path, UNKNOWN, Unwatched::Denied),
            };
            let before = open.identity;
            last = before;
            let foreign =
                self.scope.one_file_system && before.device != self.disk.root_identity().device;
            match self.directories.get(path) {
                Some(known) if known.identity == before && known.watch.is_some() && !foreign => {
                    return Vec::new();
                }
                Some(known) if known.identity == before && !foreign => {}
                // A watch that is still under this path would make a backend take the new one for placed.
                Some(_) => {
                    self.forget(backend, path);
                }
                None => {}
            }
            if foreign {
                return Vec::new();
            }
            while let Some(other) = self.directories.find(before, path) {
                // One that cannot be looked at now is taken for what it was: what lies below it stays watched.
                if matches!(self.disk.identity(&other), Err(Look::Unreadable))
                    || self.disk.identity(&other) == Ok(before)
                {
                    return self.unwatched(path, before, Unwatched::Alias(other));
                }
                self.moved_on(backend, &other, None);
            }
            let full = self
                .scope
                .watch_limit
                .is_some_and(|limit| self.directories.watched() >= limit);
            if full || self.losses.limit_met {
                return self.unwatched(path, before, Unwatched::Limit);
            }
            let site = Site {
                path: &absolute,
                directory: open.open.as_fd(),
            };
            let watch = match backend.watch(site) {
                Ok(watch) => watch,
                Err(WatchError::Gone) => continue,
                Err(WatchError::Limit) => return self.unwatched(path, before, Unwatched::Limit),
                Err(WatchError::Denied) => return self.unwatched(path, before, Unwatched::Denied),
                Err(WatchError::Off) => return self.unwatched(path, before, Unwatched::Off),
                Err(WatchError::Other(reason)) => {
                    return self.unwatched(path, before, Unwatched::Other(reason));
                }
            };
            if let Some(other) = self.directories.with_watch(watch).filter(|at| at != path) {
                // One directory for the kernel, under two identities: a layered file system has copied it up.
                let known = self.directories.get(&other).map(|known| known.identity);
                let seen = self.disk.identity(&other);
                if matches!(seen, Err(Look::Unreadable)) || seen.ok() == known {
                    return self.unwatched(path, before, Unwatched::Alias(other));
                }
                self.moved_on(backend, &other, Some(watch));
            }
            let listed = match backend.follows() {
                true => open
                    .list(self.disk.counted(&open))
                    .map(|names| (before, names)),
                false => self.disk.list(path),
            };
            match listed {
                Ok((after, names))
                    if after == before && self.directories.insert_watched(path, before, watch) =>
                {
                    let children = self.in_scope(path, names);
                    if !children.is_empty() {
                        self.reach(backend, Some(path.clone()), Some(open));
                    }
                    return children;
                }
                Ok(_) | Err(Look::Gone) => unwatch(backend, watch, &absolute),
                Err(Look::Unreadable) => {
                    unwatch(backend, watch, &absolute);
                    return self.unwatched(path, before, Unwatched::Denied);
                }
            }
        }
        self.unwatched(
            path,
            last,
            Unwatched::Other("it is replaced again and again".into()),
        )
    }

    /// As [`Disk::enter`](super::disk::Disk::enter), by the open parent where there is one: its path does not matter then.
    fn enter(&self, path: &RelPath, parent: Option<Identity>) -> Result<Entered, Look> {
        match (&self.reached, path.parent()) {
            (Some((at, reached)), Some(above))
                if *at == above && Some(reached.identity) == parent =>
            {
                Ok(Entered::Here(reached.enter(path.name())?, None))
            }
            _ => self.disk.enter(path, parent),
        }
    }

    /// Keeps a directory open for what is placed in it next, until this round of placing is over. A backend by path goes
    /// by what the path means now, so nothing is kept for it.
    fn reach(&mut self, backend: &dyn Backend, at: Option<RelPath>, open: Option<Open>) {
        if let (true, Some(at), Some(open)) = (backend.follows(), at, open) {
            self.reached = Some((at, open));
        }
    }

    /// The directory that was known at `other` has another name now; the event for that is on its way.
    fn moved_on(&mut self, backend: &mut dyn Backend, other: &RelPath, keep: Option<WatchId>) {
        let numbered = backend.follows();
        self.directories.remove(other, |watch| {
            if numbered && Some(watch) != keep {
                backend.unwatch(Placed::Number(watch));
            }
        });
    }

    /// At the path of its parent is another directory than the one that was placed there: it was renamed, and the event
    /// for that is on its way, or a layered file system has copied it up, and no event is. Either way what is there
    /// now is placed, and with it what it holds.
    fn again_from_parent(&mut self, path: &RelPath) {
        self.missed(path); // the other one may have gone again until then, and this is what is left
        if let Some(parent) = path.parent() {
            self.start(parent.clone(), Dirt::SUBTREE | Dirt::CONTENT, vec![parent]);
        }
    }

    /// Looks at every directory without a watch, and tries to watch it.
    pub(crate) fn poll(&mut self, backend: &mut dyn Backend) {
        self.losses.limit_met = false;
        for (path, before) in self.directories.polled() {
            let Some(known) = self
                .directories
                .get(&path)
                .filter(|directory| directory.watch.is_none())
            else {
                continue;
            };
            let since = before.map_or(i64::MAX, |before| before.since()); // never read before: no file is known
            let children = match self.sign(&path, since) {
                Err(Look::Gone) => {
                    self.left(
                        backend,
                        path.clone(),
                        self.scope.events.delete || self.scope.events.moved_from,
                        true,
                    );
                    continue;
                }
                Err(Look::Unreadable) => {
                    if before.is_some() {
                        self.marks.add(path.clone(), Dirt::SUBTREE);
                    }
                    self.directories.set_state(&path, None);
                    Vec::new()
                }
                Ok(now) => {
                    if before.is_none_or(|before| !before.proves(now.signature)) {
                        self.marks.add(path.clone(), Dirt::SUBTREE);
                        for name in now.young {
                            self.marks.add(path.join(&name), Dirt::CONTENT);
                        }
                    }
                    self.directories.set_state(&path, Some(now.signature));
                    self.in_scope(&path, now.directories)
                }
            };
            if self.disk.identity(&path) != Ok(known.identity) && known.identity != UNKNOWN {
                self.left(backend, path, false, true);
                continue;
            }
            let found = self.place_one(backend, &path);
            if self
                .directories
                .get(&path)
                .is_some_and(|directory| directory.watch.is_some())
            {
                self.start(path, Dirt::SUBTREE, found);
            } else {
                for child in children {
                    if self.directories.get(&child).is_some() {
                        continue;
                    }
                    self.start(child.clone(), Dirt::SUBTREE | Dirt::CONTENT, vec![child]);
                }
            }
        }
        self.reached = None;
        if self.directories.unwatched() == 0 {
            self.losses.limit_told = false;
        }
    }

    fn unwatched(&mut self, path: &RelPath, identity: Identity, why: Unwatched) -> Vec<RelPath> {
        self.losses.limit_met |= matches!(why, Unwatched::Limit);
        if self
            .directories
            .get(path)
            .is_some_and(|known| known.watch.is_none() && known.identity == identity)
        {
            return Vec::new(); // its state is compared with the next poll's, so it is not touched here
        }
        let (state, names) = match self.sign(path, i64::MAX) {
            Ok(found) => (Some(found.signature), found.directories),
            Err(_) => (None, Vec::new()),
        };
        if !self.directories.insert_polled(path, identity, state) {
            return Vec::new(); // forgotten meanwhile: it is found again with its parent
        }
        self.marks.add(path.clone(), Dirt::SUBTREE);
        self.note(path, why);
        self.in_scope(path, names)
    }

    fn note(&mut self, path: &RelPath, why: Unwatched) {
        let reason = match why {
            Unwatched::Off => return,
            Unwatched::Limit if self.losses.limit_told => return,
            Unwatched::Limit => {
                self.losses.limit_told = true;
                "the limit of watches is reached, the rest is polled: raise `limits.watches` or fs.inotify.max_user_watches"
                    .to_string()
            }
            Unwatched::Denied => format!("`{path}` may not be read: it is polled until it may"),
            Unwatched::Alias(other) => {
                format!("`{path}` is the same directory as `{other}`: it is polled")
            }
            Unwatched::Other(reason) => {
                format!("`{path}` cannot be watched, and is polled: {reason}")
            }
        };
        if self.losses.reasons.len() < REASONS_MAX {
            self.losses.reasons.push(reason);
        }
    }

    fn sign(&self, path: &RelPath, since: i64) -> Result<Signed, Look> {
        self.disk.sign(path, since, |name, is_directory| {
            self.scope.wants(&path.join(name), is_directory)
        })
    }

    pub(super) fn in_scope(&self, path: &RelPath, names: Vec<Vec<u8>>) -> Vec<RelPath> {
        names
            .iter()
            .map(|name| path.join(name))
            .filter(|child| self.scope.wants(child, true))
            .collect()
    }
}
