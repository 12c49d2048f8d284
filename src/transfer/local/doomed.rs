//! Deleting what the survey listed and the guard let pass, and nothing else.

use std::collections::HashSet;
use std::ops::Range;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use rustix::fs::AtFlags;
use rustix::io::Errno;

use super::fault::{Stop, at_target, vanished, words};
use super::session::Session;
use super::tree::{Dir, For};
use crate::engine::RelPath;
use crate::transfer::tally::Did;

/// The paths that leave the target, sorted; each is deleted once.
#[derive(Default)]
pub(super) struct Doomed {
    paths: Vec<RelPath>,
    done: Vec<AtomicBool>,
    /// Directories that stay after all, since something in them does.
    kept: Mutex<HashSet<RelPath>>,
}

impl Doomed {
    /// From a sorted list.
    pub(super) fn new(paths: Vec<RelPath>) -> Doomed {
        debug_assert!(paths.is_sorted());
        Doomed {
            done: paths.iter().map(|_| AtomicBool::new(false)).collect(),
            paths,
            kept: Mutex::default(),
        }
    }

    /// Those that lie below a directory: neighbours in the sorted list, since they share its name and a slash.
    pub(super) fn below(&self, path: &RelPath) -> Range<usize> {
        let mut prefix = path.as_bytes().to_vec();
        prefix.push(b'/');
        let start = self
            .paths
            .partition_point(|path| path.as_bytes() < &prefix[..]);
        let count =
            self.paths[start..].partition_point(|path| path.as_bytes().starts_with(&prefix));
        start..start + count
    }

    /// A set is whole whoever broke off.
    fn kept(&self) -> MutexGuard<'_, HashSet<RelPath>> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Session<'_> {
    /// Deletes everything that is still to be deleted. The walk has settled the directories that it went through; those
    /// that lose something now are settled once more.
    pub(super) fn delete_the_doomed(&self) -> Result<(), Stop> {
        self.settle_later(self.doomed.paths.iter().filter_map(RelPath::parent));
        self.delete(0..self.doomed.paths.len())
    }

    /// Deletes a part of the list, backwards: what is in a directory comes before the directory.
    pub(super) fn delete(&self, range: Range<usize>) -> Result<(), Stop> {
        let mut parent: Option<(RelPath, Dir)> = None;
        for at in range.rev() {
            self.check()?;
            if self.doomed.done[at].swap(true, Ordering::Relaxed) {
                continue;
            }
            let path = self.doomed.paths[at].clone();
            let Some(above) = path.parent() else { continue };
            // Right before it goes: the source may have got it back since the survey.
            match self.source_has(&path) {
                Ok(false) => {}
                Ok(true) => {
                    self.report.again(&path);
                    self.doomed.kept().insert(above);
                    continue;
                }
                Err(error) => {
                    self.report.failed(
                        &path,
                        format!("looking for it in the source: {}", words(error)),
                    );
                    self.doomed.kept().insert(above);
                    continue;
                }
            }
            if parent.as_ref().is_none_or(|(of, _)| *of != above) {
                parent = match self.open_target(&above, For::Reach) {
                    Ok(dir) => Some((above.clone(), dir)),
                    Err(error) if vanished(error) => continue,
                    Err(error) => {
                        self.record(
                            &path,
                            Err::<(), _>(at_target("opening a directory of", error)),
                        )?;
                        self.doomed.kept().insert(above);
                        continue;
                    }
                };
            }
            let Some((_, dir)) = &parent else { continue };
            self.first_write()?;
            match remove(dir, path.name()) {
                Ok(true) => {
                    self.report.count(|stats| stats.deleted += 1);
                    self.tell(Did::Deleted, &path);
                }
                Ok(false) => {}
                Err(Errno::NOTEMPTY | Errno::EXIST) => {
                    if !self.doomed.kept().contains(&path) {
                        let reason = "not deleted: new entries appeared in it on the target";
                        self.report.failed(&path, reason.into());
                    }
                    self.doomed.kept().insert(above);
                }
                Err(error) => {
                    self.record(&path, Err::<(), _>(at_target("deleting on", error)))?;
                    self.doomed.kept().insert(above);
                }
            }
        }
        Ok(())
    }
}

/// Removes one name, whatever it is; false: it is not there any more.
fn remove(dir: &Dir, name: &[u8]) -> Result<bool, Errno> {
    let Some(meta) = dir.look(name)? else {
        return Ok(false);
    };
    let flags = if meta.is_dir() {
        AtFlags::REMOVEDIR
    } else {
        AtFlags::empty()
    };
    match rustix::fs::unlinkat(dir.fd(), name, flags) {
        Ok(()) => Ok(true),
        Err(Errno::NOENT) => Ok(false),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_lies_below_is_one_stretch_of_the_list() {
        let mut paths: Vec<_> = ["a", "a.b", "a/b", "a/b/c", "a/c", "a0", "b/x"]
            .iter()
            .filter_map(|path| RelPath::new(path.as_bytes()))
            .collect();
        paths.sort();
        let doomed = Doomed::new(paths.clone());
        let below = |path: &str| {
            let range = doomed.below(&RelPath::new(path.as_bytes()).unwrap());
            paths[range]
                .iter()
                .map(ToString::to_string)
                .collect::<Vec<_>>()
        };
        assert_eq!(below("a"), ["a/b", "a/b/c", "a/c"]);
        assert_eq!(below("a/b"), ["a/b/c"]);
        assert_eq!(below("b"), ["b/x"]);
        assert!(below("c").is_empty() && below("a0").is_empty());
    }
}
