//! The classes of reload, by what they cost.

use serde::Serialize;

/// What taking over a changed source or route means. In the order of what it costs: the class of several changes is the
/// highest of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Class {
    /// Equal: watches, marks and running transfers are untouched.
    Keep,
    /// Only numbers, times, labels and guards: they hold from now on. Nothing becomes dirty.
    Retune,
    /// Filters or triggers: watches are added and then removed, and only what came in is looked at. Of itself it deletes
    /// nothing on a target.
    Rescope,
    /// The target is another, or shall be otherwise: everything is dirty for that one route.
    Resync,
    /// The source is another: new watches, and everything is dirty for all its routes.
    Rebuild,
    /// Was not there before.
    Add,
    /// Is not there any more: it is drained, and nothing on its target is deleted.
    Remove,
}

impl Class {
    /// From the cheapest to the dearest, and then what comes and goes.
    pub const ALL: [Class; 7] = [
        Class::Keep,
        Class::Retune,
        Class::Rescope,
        Class::Resync,
        Class::Rebuild,
        Class::Add,
        Class::Remove,
    ];

    /// As it is written.
    pub fn word(self) -> &'static str {
        match self {
            Class::Keep => "keep",
            Class::Retune => "retune",
            Class::Rescope => "rescope",
            Class::Resync => "resync",
            Class::Rebuild => "rebuild",
            Class::Add => "add",
            Class::Remove => "remove",
        }
    }

    /// What it means for whoever waits for the target, in one clause.
    pub fn meaning(self) -> &'static str {
        match self {
            Class::Keep => "nothing happens",
            Class::Retune => "holds from now on; nothing is sent again",
            Class::Rescope => "only what came in is looked at; the reload itself deletes nothing",
            Class::Resync => "everything is compared with this target again",
            Class::Rebuild => "watched anew, and everything is compared with every target again",
            Class::Add => "watched and sent from now on, beginning with a full pass",
            Class::Remove => "ended; nothing on the target is deleted",
        }
    }
}
