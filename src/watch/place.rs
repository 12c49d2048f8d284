//! How one directory gets its watch, and how those without one are polled.

use super::backend::{Backend, WatchError};
use super::disk::{Identity, Look, Signed};
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

impl Tree {
    /// Places the watch of one directory, lists it, and returns the directories in it that are to be placed.
    pub(super) fn place_one(&mut self, backend: &mut dyn Backend, path: &RelPath) -> Vec<RelPath> {
        let absolute = path.under(self.disk.root());
        if self.scope.is_private(&absolute) {
            return Vec::new();
        }
        let mut last = UNKNOWN;
        for _ in 0..TRIES {
            let before = match self.disk.identity(path) {
                Ok(identity) => identity,
                Err(Look::Gone) => return Vec::new(), // an event, or its parent's poll, says so too
                Err(Look::Unreadable) => return self.unwatched(path, UNKNOWN, Unwatched::Denied),
            };
            last = before;
            let foreign =
                self.scope.one_file_system && before.device != self.disk.root_identity().device;
            match self.directories.get(path) {
                Some(known) if known.identity == before && known.watched && !foreign => {
                    return Vec::new();
                }
                Some(known) if known.identity == before && !foreign => {}
                // A watch that is still under this path would make the backend take the new one for placed.
                Some(_) => self.forget(backend, path),
                None => {}
            }
            if foreign {
                return Vec::new();
            }
            while let Some(other) = self.directories.find(before, path) {
                if self.disk.identity(&other) == Ok(before) {
                    return self.unwatched(path, before, Unwatched::Alias(other));
                }
                self.directories.remove(&other); // renamed from there; the event for that is on its way
            }
            let full = self
                .scope
                .watch_limit
                .is_some_and(|limit| self.directories.watched() >= limit);
            if full || self.losses.limit_met {
                return self.unwatched(path, before, Unwatched::Limit);
            }
            match backend.watch(&absolute) {
                Ok(()) => match self.disk.list(path) {
                    Ok((after, names)) if after == before => {
                        self.directories.insert_watched(path, before);
                        return self.in_scope(path, names);
                    }
                    Ok(_) | Err(Look::Gone) => backend.unwatch(&absolute),
                    Err(Look::Unreadable) => {
                        backend.unwatch(&absolute);
                        return self.unwatched(path, before, Unwatched::Denied);
                    }
                },
                Err(WatchError::Gone) => {}
                Err(WatchError::Limit) => return self.unwatched(path, before, Unwatched::Limit),
                Err(WatchError::Denied) => return self.unwatched(path, before, Unwatched::Denied),
                Err(WatchError::Off) => return self.unwatched(path, before, Unwatched::Off),
                Err(WatchError::Other(reason)) => {
                    return self.unwatched(path, before, Unwatched::Other(reason));
                }
            }
        }
        self.unwatched(
            path,
            last,
            Unwatched::Other("it is replaced again and again".into()),
        )
    }

    /// Looks at every directory without a watch, and tries to watch it.
    pub(crate) fn poll(&mut self, backend: &mut dyn Backend) {
        self.losses.limit_met = false;
        let polled: Vec<_> = self.directories.polled().collect();
        for (path, before) in polled {
            let Some(known) = self
                .directories
                .get(&path)
                .filter(|directory| !directory.watched)
            else {
                continue;
            };
            let since = before.map_or(i64::MAX, |before| before.since()); // never read before: no file is known
            let children = match self.sign(&path, since) {
                Err(Look::Gone) => {
                    self.left(
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
                self.left(path, false, true);
                continue;
            }
            let found = self.place_one(backend, &path);
            if self
                .directories
                .get(&path)
                .is_some_and(|directory| directory.watched)
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
        if self.directories.unwatched() == 0 {
            self.losses.limit_told = false;
        }
    }

    fn unwatched(&mut self, path: &RelPath, identity: Identity, why: Unwatched) -> Vec<RelPath> {
        self.losses.limit_met |= matches!(why, Unwatched::Limit);
        if self
            .directories
            .get(path)
            .is_some_and(|known| !known.watched && known.identity == identity)
        {
            return Vec::new(); // its state is compared with the next poll's, so it is not touched here
        }
        let (state, names) = match self.sign(path, i64::MAX) {
            Ok(found) => (Some(found.signature), found.directories),
            Err(_) => (None, Vec::new()),
        };
        self.directories.insert_polled(path, identity, state);
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

    fn in_scope(&self, path: &RelPath, names: Vec<Vec<u8>>) -> Vec<RelPath> {
        names
            .iter()
            .map(|name| path.join(name))
            .filter(|child| self.scope.wants(child, true))
            .collect()
    }
}
