//! Names that are one file: which objects of the target stand for which objects of the source, within one run.
//!
//! As with `rsync -aH` only the names that a run comes by are known to it: all of them in a full pass, those of the
//! list in a batch.
//!
//! Invariant: of a group only one name is made at a time. A thread that comes by another one meanwhile waits: it could
//! only make a second object of what is one file. Who makes a name waits for no other, so nobody waits for ever.

use std::collections::HashMap;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

use super::meta::Id;
use crate::engine::RelPath;

/// The groups seen so far. Holds only objects with more than one name; that many entries it costs, as it does rsync.
#[derive(Default)]
pub(super) struct Links {
    groups: Mutex<Groups>,
    led: Condvar,
}

#[derive(Default)]
struct Groups {
    /// By source object: a name of its group on the target, and which object that is; `None`: it is being made.
    leaders: HashMap<Id, Option<(RelPath, Id)>>,
    /// By target object with several names: the source object that the first of them stands for.
    claims: HashMap<Id, Id>,
}

/// What the next name of a group does.
pub(super) enum Turn<'a> {
    /// It is linked to this name, which is that object.
    Follow(RelPath, Id),
    /// It is the first one.
    Lead(Leading<'a>),
}

/// The first name of a group in the making. Whatever ends that, the next one leads then.
pub(super) struct Leading<'a> {
    links: &'a Links,
    source: Id,
}

impl Links {
    /// Asks for a name of the source object; waits while another name of it is made.
    pub(super) fn turn(&self, source: Id) -> Turn<'_> {
        let mut groups = self.groups();
        loop {
            match groups.leaders.get(&source) {
                None => {
                    groups.leaders.insert(source, None);
                    let links = self;
                    return Turn::Lead(Leading { links, source });
                }
                Some(Some((path, object))) => return Turn::Follow(path.clone(), *object),
                Some(None) => {
                    let woken = self.led.wait(groups);
                    groups = woken.unwrap_or_else(PoisonError::into_inner);
                }
            }
        }
    }

    /// `path` is in step, and further names of the same source object are linked to it.
    pub(super) fn lead(&self, source: Id, path: RelPath, target: Id) {
        self.groups().leaders.insert(source, Some((path, target)));
        self.led.notify_all();
    }

    /// A target object with several names stands for `source` under one of them; false: it stands for another one
    /// under another name, and must not be shared.
    pub(super) fn claim(&self, target: Id, source: Id) -> bool {
        *self.groups().claims.entry(target).or_insert(source) == source
    }

    /// Each change of the maps is one call: they are whole whoever broke off.
    fn groups(&self) -> MutexGuard<'_, Groups> {
        self.groups.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Leading<'_> {
    fn drop(&mut self) {
        let mut groups = self.links.groups();
        if groups.leaders.get(&self.source) == Some(&None) {
            groups.leaders.remove(&self.source);
        }
        drop(groups);
        self.links.led.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_next_name_follows_who_led_and_leads_where_nobody_did() {
        let links = Links::default();
        let path = RelPath::new(b"a").unwrap();
        let Turn::Lead(leading) = links.turn((1, 2)) else {
            panic!("nobody has led")
        };
        std::thread::scope(|scope| {
            let other = scope.spawn(|| matches!(links.turn((1, 2)), Turn::Lead(_)));
            drop(leading);
            assert!(
                other.join().unwrap(),
                "what was given up is led by the next"
            );
        });
        let Turn::Lead(leading) = links.turn((1, 2)) else {
            panic!("nobody has led")
        };
        std::thread::scope(|scope| {
            let other = scope.spawn(|| match links.turn((1, 2)) {
                Turn::Follow(path, object) => Some((path, object)),
                Turn::Lead(_) => None,
            });
            links.lead((1, 2), path.clone(), (3, 4));
            drop(leading);
            assert_eq!(other.join().unwrap(), Some((path.clone(), (3, 4))));
        });
        assert!(links.claim((3, 4), (1, 2)) && !links.claim((3, 4), (1, 5)));
    }
}
