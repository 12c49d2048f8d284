//! A batch becomes as few runs of rsync as are right: usually one.
//!
//! What makes two runs of one: `--ignore-times` holds for a whole run (so what is not trusted and what is are apart),
//! so does `--delete` (so under `propagate` subtrees that may lose something and those that may not are apart), and so
//! does recursion (so a directory's own attributes, and a listing that is reconciled alone, are apart from subtrees).
//! Measured: a listed path brings the
//! attributes of all its parents along, also when it is a removal; so an attribute entry above another entry needs no
//! run.

use std::collections::HashSet;

use super::super::batch::{Act, Batch, Entry};
use crate::plan::Compare;

/// One run of rsync.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Step {
    /// What it does, sorted by path; the list that rsync reads. Not read in a pass.
    pub entries: Vec<Entry>,
    /// Whether listed directories are entered.
    pub recurse: bool,
    /// Whether equal size and time is taken for equal content.
    pub trust: bool,
    /// Whether it may delete: listed paths that are missing, what stands in the way of a listed one, and what the source
    /// has not inside listed directories. rsync tells its filters to the receiver only with `--delete`: without it, a
    /// removed directory or `--force` was seen to take protected files along.
    pub delete: bool,
    /// A full pass over the whole tree, comparing so.
    pub pass: Option<Compare>,
}

impl Step {
    /// How many listed paths are to leave the target.
    pub fn removals(&self) -> usize {
        self.entries
            .iter()
            .filter(|entry| entry.act == Act::Remove)
            .count()
    }
}

/// The runs for a batch, in the order in which they are made. Empty for an empty batch. `deletes`: whether the route's
/// policy lets anything go.
pub fn steps(batch: &Batch, deletes: bool) -> Vec<Step> {
    if let Some(compare) = batch.pass {
        let delete = batch.entries.iter().any(|entry| entry.act.deletes());
        let entries = batch.entries.clone();
        return vec![Step {
            entries,
            recurse: true,
            trust: true,
            delete,
            pass: Some(compare),
        }];
    }
    let shape = |trust, delete| Step {
        recurse: true,
        trust,
        delete,
        ..Step::default()
    };
    let mut doubted = shape(false, false);
    let mut doubted_deleting = shape(false, true);
    let mut trusted = shape(true, false);
    let mut trusted_deleting = shape(true, true);
    let mut listings = Step {
        trust: true,
        delete: true,
        ..Step::default()
    };
    let mut plain = Vec::new();
    let mut attributes = Step {
        trust: true,
        ..Step::default()
    };
    for entry in &batch.entries {
        let step = match entry.act {
            Act::Reconcile {
                trust: false,
                delete: false,
            } => &mut doubted,
            Act::Reconcile {
                trust: false,
                delete: true,
            } => &mut doubted_deleting,
            Act::Reconcile {
                trust: true,
                delete: false,
            } => &mut trusted,
            Act::Reconcile {
                trust: true,
                delete: true,
            } => &mut trusted_deleting,
            Act::Listing => &mut listings,
            Act::Attributes => &mut attributes,
            Act::Send | Act::Remove => {
                plain.push(entry.clone());
                continue;
            }
        };
        step.entries.push(entry.clone());
    }
    // Files and removals go along with the subtrees that are entered in doubt. Nothing of them lies below one: it would be
    // covered by it.
    let crowd = if deletes {
        &mut doubted_deleting
    } else {
        &mut doubted
    };
    crowd.entries.extend(plain);
    drop_implied(&mut attributes, batch);
    let mut all = vec![
        doubted_deleting,
        doubted,
        trusted_deleting,
        trusted,
        listings,
        attributes,
    ];
    all.retain(|step| !step.entries.is_empty());
    for step in &mut all {
        step.entries.sort_by(|a, b| a.path.cmp(&b.path));
    }
    all
}

/// Leaves out the directories whose attributes travel as parents of another entry.
fn drop_implied(attributes: &mut Step, batch: &Batch) {
    let mut parents = HashSet::new();
    for entry in &batch.entries {
        parents.extend(entry.path.ancestors());
        if !entry.path.is_root() {
            parents.insert(b"");
        }
    }
    attributes
        .entries
        .retain(|entry| !parents.contains(entry.path.as_bytes()));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::RelPath;

    fn entry(path: &str, act: Act) -> Entry {
        Entry {
            path: RelPath::new(path.as_bytes()).unwrap(),
            act,
        }
    }

    fn listed(step: &Step) -> Vec<String> {
        step.entries
            .iter()
            .map(|entry| entry.path.to_string())
            .collect()
    }

    #[test]
    fn files_removals_and_moved_in_directories_share_one_run() {
        let batch = Batch {
            entries: vec![
                entry("a", Act::Remove),
                entry("b", Act::Send),
                entry(
                    "c",
                    Act::Reconcile {
                        trust: false,
                        delete: true,
                    },
                ),
            ],
            pass: None,
        };
        let steps = steps(&batch, true);
        assert_eq!(steps.len(), 1);
        assert_eq!(listed(&steps[0]), ["a", "b", "c"]);
        assert!(steps[0].recurse && !steps[0].trust && steps[0].delete);
    }

    #[test]
    fn attributes_above_another_entry_need_no_run() {
        let batch = Batch {
            entries: vec![
                entry("", Act::Attributes),
                entry("d", Act::Attributes),
                entry("d/x", Act::Send),
                entry("e", Act::Attributes),
            ],
            pass: None,
        };
        let steps = steps(&batch, true);
        assert_eq!(steps.len(), 2);
        assert_eq!(listed(&steps[0]), ["d/x"]);
        assert_eq!(listed(&steps[1]), ["e"]);
        assert!(!steps[1].recurse && steps[1].trust);
    }

    #[test]
    fn a_removal_below_a_subtree_that_keeps_has_its_own_run() {
        let batch = Batch {
            entries: vec![
                entry(
                    "d",
                    Act::Reconcile {
                        trust: false,
                        delete: false,
                    },
                ),
                entry("d/x", Act::Remove),
            ],
            pass: None,
        };
        let steps = steps(&batch, true);
        assert_eq!(
            steps.iter().map(listed).collect::<Vec<_>>(),
            [["d/x"], ["d"]]
        );
        assert_eq!(
            steps.iter().map(|step| step.delete).collect::<Vec<_>>(),
            [true, false]
        );
    }

    #[test]
    fn listings_have_a_run_of_their_own_that_enters_nothing() {
        let batch = Batch {
            entries: vec![
                entry("", Act::Attributes),
                entry("d", Act::Listing),
                entry("d/e", Act::Listing),
                entry("d/x", Act::Send),
                entry("f", Act::Attributes),
            ],
            pass: None,
        };
        let steps = steps(&batch, true);
        assert_eq!(
            steps.iter().map(listed).collect::<Vec<_>>(),
            [vec!["d/x"], vec!["d", "d/e"], vec!["f"]]
        );
        assert!(!steps[1].recurse && steps[1].trust && steps[1].delete);
        assert!(!steps[2].recurse && steps[2].trust && !steps[2].delete);
    }

    #[test]
    fn nothing_to_do_is_no_run() {
        assert_eq!(steps(&Batch::default(), true), []);
    }
}
