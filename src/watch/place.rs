//! How one directory gets its watch, and how those without one are polled.

use std::os::fd::AsFd;
use std::path::Path;

use super::backend::{Backend, Placed, Site, WatchError, WatchId};
use super::directories::NodeId;
use super::disk::{Entered, Identity, Look, OTHERS_MAX, Open, Signed};
use super::tree::Tree;
use crate::engine::{Dirt, RelPath};
use crate::host;

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
            let limit = self.scope.watch_limit.filter(|_| backend.is_limited());
            let full = limit.is_some_and(|limit| self.directories.watched() >= limit);
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
                    if self.is_doubted(&open) {
                        // What others change there gives no event. From here on polling tells what differs from this.
                        let state = self.sign(path, i64::MAX).ok().map(|now| now.signature);
                        self.directories.doubt(path, state);
                    }
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

    /// Whether a watch on this directory does not tell all; asked of the file system once for each device.
    fn is_doubted(&mut self, open: &Open) -> bool {
        let device = open.identity.device;
        *self
            .doubted
            .entry(device)
            .or_insert_with(|| host::foreign(&open.open).is_some())
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

    /// Which directories a round of polling looks at: those without a watch, and, where `doubted`, those whose watch does not
    /// tell all.
    pub(crate) fn begin_round(&mut self, doubted: bool) -> Vec<NodeId> {
        self.losses.limit_met = false;
        self.directories.polled(doubted)
    }

    /// A round of polling is over.
    pub(crate) fn end_round(&mut self) {
        self.reached = None;
        if self.directories.unwatched() == 0 {
            self.losses.limit_told = false;
        }
    }

    /// Looks at one polled directory, and tries to watch it where no watch stands on it.
    pub(crate) fn poll_one(&mut self, backend: &mut dyn Backend, id: NodeId) {
        let Some((path, before)) = self.directories.polled_at(id) else {
            return; // it has gone, or is watched meanwhile
        };
        let Some(known) = self.directories.get(&path) else {
            return;
        };
        let since = before.map_or(i64::MAX, |before| before.since()); // never read before: no file is known
        let children = match self.sign(&path, since) {
            Err(Look::Gone) => {
                let tell = self.scope.events.delete || self.scope.events.moved_from;
                return self.left(backend, path, tell, true);
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
                    self.differs(&path, &now, known.watch.is_some());
                }
                self.directories.set_state(&path, Some(now.signature));
                self.in_scope(&path, now.directories)
            }
        };
        if self.disk.identity(&path) != Ok(known.identity) && known.identity != UNKNOWN {
            return self.left(backend, path, false, true);
        }
        if known.watch.is_none() {
            let found = self.place_one(backend, &path);
            let now = self.directories.get(&path);
            if now.is_some_and(|directory| directory.watch.is_some()) {
                return self.start(path, Dirt::SUBTREE, found);
            }
        }
        for child in children {
            if self.directories.get(&child).is_none() && !self.is_left_out(&child) {
                self.start(child.clone(), Dirt::SUBTREE | Dirt::CONTENT, vec![child]);
            }
        }
    }

    /// Something in this directory is not as it was. What was changed on this host has been told already where a watch stands
    /// on it too: then, so that one more look at a file does not cost one at the whole tree below, the names in it are marked, and
    /// not what is below its directories, which are polled themselves.
    fn differs(&mut self, path: &RelPath, now: &Signed, doubted: bool) {
        if doubted && !now.directories.is_empty() && now.others.len() < OTHERS_MAX {
            self.marks
                .add(path.clone(), Dirt::LISTING | Dirt::ATTRIBUTES);
            for name in &now.others {
                self.marks.add(path.join(name), Dirt::ATTRIBUTES);
            }
        } else {
            self.marks.add(path.clone(), Dirt::SUBTREE);
        }
        for name in &now.young {
            self.marks.add(path.join(name), Dirt::CONTENT);
        }
    }

    /// Whether the directory at `path` is on a file system that the source does not reach into.
    fn is_left_out(&self, path: &RelPath) -> bool {
        let device = self.disk.root_identity().device;
        self.scope.one_file_system
            && self
                .disk
                .identity(path)
                .is_ok_and(|found| found.device != device)
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
