//! What is told to one who wants to know which events were left out, and why. Nobody, mostly: then it costs a look at a
//! number an event.

use std::fmt::Debug;

use super::backend::RawKind;
use super::tree::Tree;
use crate::engine::RelPath;
use crate::filter::{Rule, Verdict};

/// Who listens. Called on the watch's thread: it never waits.
pub trait Ear: Debug + Send + Sync {
    /// Whether anybody does.
    fn listens(&self) -> bool;
    /// An event made no mark.
    fn left_out(&self, left: LeftOut<'_>);
}

/// An event that made no mark.
#[derive(Clone, Copy, Debug)]
pub struct LeftOut<'a> {
    /// Of which path.
    pub path: &'a RelPath,
    /// As the manifest names it.
    pub event: &'static str,
    /// Why.
    pub by: By<'a>,
}

/// What left an event out.
#[derive(Clone, Copy, Debug)]
pub enum By<'a> {
    /// This rule of the source's.
    Rule(&'a Rule),
    /// No `include` of the source matches.
    NoInclude,
    /// The source's `events` do not name it.
    Events,
}

impl Tree {
    /// Tells who listens, if the event of this kind makes no mark of its own.
    pub(super) fn explain(&self, path: &RelPath, kind: &RawKind) {
        let Some(ear) = self.scope.ear.as_ref().filter(|ear| ear.listens()) else {
            return;
        };
        let on = self.scope.events;
        let known = self.directories.get(path).is_some();
        // What concerns a directory's place is acted on whatever `events` says.
        let (event, directory, wanted) = match kind {
            RawKind::Created { directory } => ("create", *directory, on.create || *directory),
            RawKind::MovedTo(half) => {
                let directory = half.directory.unwrap_or(known);
                ("movedTo", directory, on.moved_to || directory)
            }
            RawKind::Written => ("closeWrite", false, on.close_write),
            RawKind::Modified => ("modify", false, on.modify),
            RawKind::Attributes => ("attrib", known, on.attrib),
            RawKind::MovedFrom(_) => ("movedFrom", known, on.moved_from || known),
            RawKind::Deleted { directory } => {
                let directory = *directory || known;
                ("delete", directory, on.delete || directory)
            }
            RawKind::Unmounted | RawKind::SelfMoved => return,
        };
        let decided = self.scope.filter.decide(path.as_bytes(), directory);
        let by = match (decided.verdict, decided.rule) {
            (Verdict::Excluded, Some(rule)) => By::Rule(rule),
            (Verdict::Excluded, None) => By::NoInclude,
            _ if !wanted => By::Events,
            _ => return,
        };
        ear.left_out(LeftOut { path, event, by });
    }
}
