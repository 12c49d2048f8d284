//! Marks become a batch: every marked path is looked at again, and what it is *now* decides what is done.
//!
//! Pure over [`Look`]. The rules, each of which answers something that rsync gets wrong silently:
//!
//! 1. A path whose ancestor is missing, or is no real directory, is replaced by the topmost such ancestor: below a
//!    link rsync would make a real directory in the link's place.
//! 2. A missing path is removed from the target where the route deletes. Where it does not, only its parent's
//!    attributes (its time has changed) go.
//! 3. What could not be looked at is never taken as missing: it is sent, and rsync says what is wrong with it.
//! 4. Excluded paths drop out, because rsync's filters do not stop what is listed by name. A missing path that would be
//!    excluded as a directory is left alone: rsync takes what is missing for a file and would delete a protected
//!    directory. One that would be excluded as a file was a directory (a watch marks only what its filter keeps), and is
//!    removed only if it was seen to vanish.
//! 5. Of two entries, one below the other, the lower one goes if the upper one does all that it would
//!    ([`covers`]); so what was seen to vanish is still removed below a directory that is reconciled without deleting.
//! 6. With `oneFileSystem` a path below a mount drops out, and the mount point itself is only a directory with
//!    attributes: a listed path would be its own file system to rsync.
//! 7. A changed listing is reconciled only where the route mirrors; elsewhere it is the directory's attributes. What is no
//!    directory any more was one when its listing was marked: it was seen to vanish.
//! 8. Where hard links are kept, writing through one name changes the others without an event for them, and rsync links
//!    only what it lists together: a file with several names brings all of them along, distrusted as it is itself. By the
//!    quick check another name, of the old content with the same size and time, would be taken for right, and the new
//!    content be replaced by a link to it. So do the files with several names in a directory that is not trusted. Where
//!    such a directory is entered at all, the whole tree comes along by the quick check, which links what is in step; and
//!    so it does where the names are too many to be listed.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use super::batch::{Act, Batch, Entry};
use super::temporary::is_temporary;
use crate::engine::{Dirt, Mark, RelPath, Work};
use crate::filter::{Filter, Verdict};
use crate::plan::{Compare, DeletePolicy};

/// What a path is, links not followed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Seen {
    /// Not there.
    Missing,
    /// A real directory.
    Directory,
    /// Anything else: a file, link or special file.
    Other {
        /// How many names it has.
        links: u64,
    },
    /// It could not be looked at.
    Unknown,
}

/// Looks at one path. Only called for paths all of whose ancestors are real directories.
pub trait Look {
    /// What is there.
    fn look(&self, path: &RelPath) -> Seen;

    /// Every name of the files with several names that are among these or below the directories among them; `None`: that
    /// cannot be known. Only asked where hard links are kept.
    fn names(&self, of: &[RelPath]) -> Option<Vec<RelPath>> {
        let _ = of;
        None
    }

    /// Whether something below this directory has several names, or may have. Only asked where hard links are kept.
    fn several_names_below(&self, directory: &RelPath) -> bool {
        let _ = directory;
        false
    }
}

impl<F: Fn(&RelPath) -> Seen> Look for F {
    fn look(&self, path: &RelPath) -> Seen {
        self(path)
    }
}

/// What normalising needs to know of a route.
#[derive(Clone, Copy)]
pub struct Scope<'a> {
    /// The route's filter.
    pub filter: &'a Filter,
    /// Its policy.
    pub delete: DeletePolicy,
    /// Whether hard links are kept.
    pub hard_links: bool,
    /// Mount points below the root that are not entered; empty where they are.
    pub fences: &'a [RelPath],
    /// About how many entries the tree has; `None` where that is not known, or where a list costs no more than they do.
    pub entries: Option<u64>,
}

/// rsync reads its list byte by byte, two system calls each, and looks at each listed path and its parent: 20 µs for a short
/// path, where an entry in a pass takes 3 to 5 (measured, 100,000 files).
const LIST_SHARE: u64 = 8;

/// A shorter list is read in a moment whatever the tree.
const LIST_MIN: usize = 1000;

/// The batch that does a job's work.
pub fn normalise(work: &Work, scope: Scope<'_>, look: &dyn Look) -> Batch {
    match work {
        Work::Pass(compare) => pass(*compare, scope.delete),
        Work::Batch(marks) => Batch {
            entries: entries(marks, scope, look),
            pass: None,
        },
    }
}

fn pass(compare: Compare, delete: DeletePolicy) -> Batch {
    let act = Act::Reconcile {
        trust: true,
        delete: delete == DeletePolicy::Mirror,
    };
    Batch {
        entries: vec![Entry {
            path: RelPath::root(),
            act,
        }],
        pass: Some(compare),
    }
}

fn entries(marks: &[Mark], scope: Scope<'_>, look: &dyn Look) -> Vec<Entry> {
    let mut eye = Eye {
        look,
        seen: HashMap::new(),
    };
    let mut subjects: BTreeMap<RelPath, (Seen, Dirt)> = BTreeMap::new();
    // New directories: what was written in one since it was made is sent with it, and need not be looked at.
    let mut entered: HashSet<Box<[u8]>> = HashSet::new();
    for mark in marks {
        let inside = (mark.path.ancestors()).any(|above| entered.contains(above));
        if inside && mark.dirt.without(DOUBTED).is_empty() {
            continue;
        }
        let (path, seen, dirt) = subject(mark, &mut eye);
        if path == mark.path && enters_in_doubt(&path, seen, dirt, scope) {
            entered.insert(path.as_bytes().into());
        }
        if let Some(fence) = scope.fences.iter().find(|fence| path.starts_with(fence)) {
            if *fence == path {
                subjects.entry(path).or_insert((seen, Dirt::none())).1 |= Dirt::ATTRIBUTES;
            }
            continue;
        }
        subjects.entry(path).or_insert((seen, Dirt::none())).1 |= dirt;
    }
    let mut acts: BTreeMap<RelPath, Act> = BTreeMap::new();
    let mut links = Links::default();
    for (path, (seen, dirt)) in subjects {
        let Some((path, act)) = act(path, seen, dirt, scope) else {
            continue;
        };
        if scope.hard_links {
            links.see(&path, (seen, act), look);
        }
        add(&mut acts, path, act);
    }
    links.bring(&mut acts, scope, look);
    shorten(&mut acts, scope);
    let kept = acts
        .iter()
        .filter(|(path, act)| !covered(&acts, path, **act));
    kept.map(|(path, act)| Entry {
        path: path.clone(),
        act: *act,
    })
    .collect()
}

/// Whether whatever is in this directory is sent or leaves with it, so that these marks below it ([`DOUBTED`]) need no look:
/// what they would come to is [covered](covers) whatever is there. Not under `propagate`, where what is missing by now leaves by
/// its own name; nor with hard links, of which each name counts.
fn enters_in_doubt(path: &RelPath, seen: Seen, dirt: Dirt, scope: Scope<'_>) -> bool {
    let keeps = scope.delete == DeletePolicy::Propagate && !dirt.has(Dirt::GONE);
    seen == Seen::Directory
        && dirt.has(Dirt::SUBTREE.with(Dirt::CONTENT))
        && !(keeps || scope.hard_links || is_temporary(path.name()))
        && !scope.fences.iter().any(|fence| path.starts_with(fence))
        && scope.filter.decide(path.as_bytes(), true).verdict != Verdict::Excluded
}

/// What needs nothing of its own in a directory that is entered, and in which nothing is trusted.
const DOUBTED: Dirt = Dirt::SUBTREE.with(Dirt::CONTENT).with(Dirt::ATTRIBUTES);

/// Rule 9.
fn shorten(acts: &mut BTreeMap<RelPath, Act>, scope: Scope<'_>) {
    let root = RelPath::root();
    // A listing of the root, joined with what enters everything, would delete everywhere.
    let listed = matches!(acts.get(&root), Some(Act::Listing));
    let Some(entries) = scope.entries.filter(|_| !listed && acts.len() >= LIST_MIN) else {
        return;
    };
    let whole = Act::Reconcile {
        trust: true,
        delete: false,
    };
    // Attributes above another entry go along with it, and cost nothing.
    let implied: HashSet<&[u8]> = acts.keys().flat_map(RelPath::ancestors).collect();
    let shortens = |(path, act): &(&RelPath, &Act)| {
        covers((&root, whole), (path, **act)) && !implied.contains(path.as_bytes())
    };
    let count = acts.iter().filter(shortens).count();
    if count >= LIST_MIN && (count as u64).saturating_mul(LIST_SHARE) >= entries {
        add(acts, root, whole);
    }
}

/// What of a batch has names that the batch may not list.
#[derive(Default)]
struct Links {
    /// Files with several names, and directories with such files in them, that are not trusted.
    doubted: Vec<RelPath>,
    /// Directories that were searched.
    searched: BTreeSet<RelPath>,
    /// What is in step is to be linked.
    pass: bool,
}

impl Links {
    /// Takes one act in, in the order of paths.
    fn see(&mut self, path: &RelPath, (seen, act): (Seen, Act), look: &dyn Look) {
        match act {
            Act::Send if matches!(seen, Seen::Other { links } if links > 1) => {
                self.doubted.push(path.clone());
            }
            Act::Reconcile { trust, .. } if !path.is_root() => {
                let mut above = path.ancestors().filter_map(RelPath::new);
                let again = above.any(|above| self.searched.contains(&above));
                // Once a pass is made, only what is doubted still matters.
                if (again || self.pass && trust) || !look.several_names_below(path) {
                    self.searched.insert(path.clone());
                    return;
                }
                self.pass = true;
                if !trust {
                    self.doubted.push(path.clone());
                }
            }
            // What is new in a listing has a mark of its own.
            Act::Send | Act::Reconcile { .. } | Act::Remove | Act::Attributes | Act::Listing => {}
        }
    }

    /// Brings the other names along.
    fn bring(self, acts: &mut BTreeMap<RelPath, Act>, scope: Scope<'_>, look: &dyn Look) {
        let names = match self.doubted.is_empty() {
            true => Some(Vec::new()),
            false => look.names(&self.doubted),
        };
        if names.is_none() || self.pass {
            let act = Act::Reconcile {
                trust: true,
                delete: false,
            };
            add(acts, RelPath::root(), act);
        }
        let fenced = |name: &RelPath| scope.fences.iter().any(|fence| name.starts_with(fence));
        for name in names.unwrap_or_default() {
            let verdict = scope.filter.decide(name.as_bytes(), false).verdict;
            if verdict == Verdict::Included && !fenced(&name) && !is_temporary(name.name()) {
                add(acts, name, Act::Send);
            }
        }
    }
}

/// Remembers what it saw: many marks share their ancestors.
struct Eye<'a> {
    look: &'a dyn Look,
    seen: HashMap<RelPath, Seen>,
}

impl Eye<'_> {
    fn look(&mut self, path: &RelPath) -> Seen {
        if path.is_root() {
            return Seen::Directory;
        }
        if let Some(seen) = self.seen.get(path) {
            return *seen;
        }
        let seen = self.look.look(path);
        self.seen.insert(path.clone(), seen);
        seen
    }
}

/// The mark's path, or the topmost ancestor that is no real directory; what it is, and how dirty.
fn subject(mark: &Mark, eye: &mut Eye<'_>) -> (RelPath, Seen, Dirt) {
    for ancestor in mark.path.ancestors() {
        let Some(ancestor) = RelPath::new(ancestor) else {
            continue;
        };
        let seen = eye.look(&ancestor);
        if seen != Seen::Directory {
            return (ancestor, seen, Dirt::CONTENT | Dirt::GONE);
        }
    }
    let seen = eye.look(&mark.path);
    let mut dirt = mark.dirt;
    if seen != Seen::Directory && dirt.has(Dirt::LISTING) {
        dirt |= Dirt::CONTENT | Dirt::GONE;
    }
    (mark.path.clone(), seen, dirt)
}

fn act(path: RelPath, seen: Seen, dirt: Dirt, scope: Scope<'_>) -> Option<(RelPath, Act)> {
    let verdict = |is_dir| scope.filter.decide(path.as_bytes(), is_dir).verdict;
    let deletes = scope.delete == DeletePolicy::Mirror
        || (scope.delete == DeletePolicy::Propagate && dirt.has(Dirt::GONE));
    match seen {
        _ if dirt.is_empty() || is_temporary(path.name()) => None,
        Seen::Missing if verdict(true) == Verdict::Excluded => None,
        Seen::Missing if verdict(false) != Verdict::Included && !dirt.has(Dirt::GONE) => None,
        Seen::Missing if scope.delete == DeletePolicy::Never => {
            Some((path.parent()?, Act::Attributes))
        }
        Seen::Missing => Some((path, Act::Remove)),
        Seen::Directory if !path.is_root() && verdict(true) == Verdict::Excluded => None,
        Seen::Directory if dirt.without(Dirt::LISTING | Dirt::ATTRIBUTES).is_empty() => {
            let mirrors = scope.delete == DeletePolicy::Mirror;
            let act = if mirrors && dirt.has(Dirt::LISTING) {
                Act::Listing
            } else {
                Act::Attributes
            };
            Some((path, act))
        }
        // Content alone: a file that has become a directory. Gone alone: another directory than before. A listing that is
        // marked along with either is in it: where that matters, under `mirror`, it deletes.
        Seen::Directory => {
            let trust = dirt.has(Dirt::SUBTREE) && !dirt.has(Dirt::CONTENT);
            Some((
                path,
                Act::Reconcile {
                    trust,
                    delete: deletes,
                },
            ))
        }
        Seen::Other { .. } if verdict(false) != Verdict::Included => None,
        Seen::Other { .. } if dirt == Dirt::ATTRIBUTES => Some((path, Act::Attributes)),
        Seen::Other { .. } => Some((path, Act::Send)),
        Seen::Unknown
            if verdict(true) == Verdict::Excluded && verdict(false) != Verdict::Included =>
        {
            None
        }
        Seen::Unknown => Some((path, Act::Send)),
    }
}

/// Joins an act to what is already to be done with the same path.
fn add(acts: &mut BTreeMap<RelPath, Act>, path: RelPath, act: Act) {
    let joined = match (acts.get(&path), act) {
        (
            Some(Act::Reconcile {
                trust: a,
                delete: b,
            }),
            Act::Reconcile { trust, delete },
        ) => Act::Reconcile {
            trust: *a && trust,
            delete: *b || delete,
        },
        // No act does both, and one that does more is right: the route mirrors.
        (Some(Act::Reconcile { trust, .. }), Act::Listing) => Act::Reconcile {
            trust: *trust,
            delete: true,
        },
        (Some(Act::Listing), Act::Reconcile { trust, .. }) => Act::Reconcile {
            trust,
            delete: true,
        },
        (Some(there), Act::Attributes) => *there,
        _ => act,
    };
    acts.insert(path, joined);
}

fn covered(acts: &BTreeMap<RelPath, Act>, path: &RelPath, act: Act) -> bool {
    let root = (!path.is_root()).then(RelPath::root);
    root.into_iter()
        .chain(path.ancestors().filter_map(RelPath::new))
        .any(|above| {
            acts.get(&above)
                .is_some_and(|upper| covers((&above, *upper), (path, act)))
        })
}

/// Whether doing `upper` with a directory does all that `lower` would do with something below it.
fn covers((above, upper): (&RelPath, Act), (path, lower): (&RelPath, Act)) -> bool {
    match (upper, lower) {
        (Act::Attributes, _) => false,
        (Act::Listing, Act::Attributes | Act::Remove) => path.parent().as_ref() == Some(above),
        (Act::Listing, _) => false,
        (Act::Remove | Act::Send, _) | (_, Act::Attributes) => true,
        (Act::Reconcile { delete, .. }, Act::Remove | Act::Listing) => delete,
        (Act::Reconcile { trust, .. }, Act::Send) => !trust,
        (
            Act::Reconcile { trust, delete },
            Act::Reconcile {
                trust: lower_trust,
                delete: lower_delete,
            },
        ) => (!trust || lower_trust) && (delete || !lower_delete),
    }
}

#[cfg(test)]
mod tests;
