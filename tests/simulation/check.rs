//! What must hold: the comparison of a target with its source, and of a deletion with what the source has.

use heliostat::plan::DeletePolicy;

use super::path::P;
use super::source::{Facts, Kind, Source};
use super::target::Target;

/// A path that left a target.
#[derive(Clone, Copy, Debug)]
pub struct Deletion {
    pub path: P,
    /// When its transfer began.
    pub started: u64,
    /// Whether it was a directory there.
    pub directory: bool,
}

/// How a target is compared.
#[derive(Clone, Copy, Debug)]
pub struct Compared {
    pub delete: DeletePolicy,
    /// Whether content of equal size and time may differ: events were lost, and no pass by checksum was made since.
    pub quick: bool,
    /// Whether what vanished must be gone under `propagate` as well.
    pub seen: bool,
}

/// The first difference that is not allowed, if there is one.
pub fn difference(source: &Source, target: &Target, how: Compared) -> Option<String> {
    for (path, number) in &source.names {
        if path.is_excluded() {
            continue;
        }
        let inode = &source.inodes[*number];
        let Some(there) = target.tree.get(path) else {
            if in_the_way(source, target, *path, how.delete) {
                continue;
            }
            return Some(format!("`{path:?}` is not on the target"));
        };
        if in_the_way(source, target, *path, how.delete) || inode.blind {
            continue;
        }
        if let Some(why) = unequal(inode.facts, *there, how.quick) {
            return Some(format!(
                "`{path:?}` has another {why}: {:?} is {there:?} on the target",
                inode.facts
            ));
        }
    }
    for path in target.tree.keys() {
        let foreign = path.is_excluded() || source.names.contains_key(path);
        if foreign || target.shelters(*path) {
            continue;
        }
        let extra = match how.delete {
            DeletePolicy::Mirror => true,
            DeletePolicy::Propagate => {
                how.seen && source.vanished.contains(path) && !target.foreign.contains(path)
            }
            DeletePolicy::Never => false,
        };
        let kept = path
            .above()
            .any(|at| in_the_way(source, target, at, how.delete));
        if extra && !kept {
            return Some(format!(
                "`{path:?}` is on the target, and not in the source"
            ));
        }
    }
    None
}

/// A directory of the target in the place of something else, that may not be deleted.
pub fn in_the_way(source: &Source, target: &Target, path: P, delete: DeletePolicy) -> bool {
    let other = source
        .get(path)
        .is_some_and(|inode| inode.facts.kind != Kind::Directory);
    other && target.is_directory(path) && (delete == DeletePolicy::Never || target.shelters(path))
}

fn unequal(here: Facts, there: Facts, quick: bool) -> Option<&'static str> {
    if here.kind != there.kind {
        return Some("type");
    }
    if here.mode != there.mode {
        return Some("mode");
    }
    if here.mtime != there.mtime {
        return Some("time");
    }
    if here.size != there.size {
        return Some("size");
    }
    let trusted = quick && here.kind == Kind::File;
    (here.content != there.content && !trusted).then_some("content")
}

/// Why a path must not have left a target, if so. `now` is when it left.
pub fn wrong_deletion(source: &Source, deletion: Deletion, how: DeletePolicy) -> Option<String> {
    let Deletion {
        path,
        started,
        directory,
    } = deletion;
    if how == DeletePolicy::Never {
        return Some(format!("`{path:?}` left a target that never deletes"));
    }
    if path.is_excluded() {
        return Some(format!("`{path:?}` left a target, where it is protected"));
    }
    // What is covered or renamed away for a moment is still the source.
    let truth = source.truth().get(&path);
    let appeared = source.appeared.get(&path).copied().unwrap_or(0);
    if let Some(number) = truth
        && appeared < started
        && (source.inodes[*number].facts.kind == Kind::Directory || !directory)
    {
        return Some(format!(
            "`{path:?}` left a target, and was in the source all the time"
        ));
    }
    for above in path.above() {
        let Some(number) = source.truth().get(&above) else {
            continue;
        };
        let directory = source.inodes[*number].facts.kind == Kind::Directory;
        if directory
            && source
                .unreadable
                .get(number)
                .is_some_and(|since| *since < started)
        {
            return Some(format!(
                "`{path:?}` left a target while `{above:?}` cannot be read"
            ));
        }
    }
    let vanished = path
        .above()
        .chain([path])
        .any(|at| source.vanished.contains(&at));
    if how == DeletePolicy::Propagate && !vanished {
        return Some(format!("`{path:?}` left a target, and never vanished"));
    }
    None
}
