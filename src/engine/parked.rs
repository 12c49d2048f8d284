//! Routes whose changes cost no memory: those that cannot send for so long that their marks become too many.
//!
//! From a checkpoint on, such a route is *parked*: what changes is not marked for it any more, but the ledger keeps the
//! rows that its checkpoint had before they are replaced. Invariant: for each directory, what the target has equals what
//! those rows say, or a mark covers it. When it can send again, and has sent what was marked, the source is compared with
//! them, and what differs becomes marks. So an outage costs rows, one for each directory that changed, however often it
//! did; and a name that came and went meanwhile costs nothing.
//!
//! What is marked already stays marked, and is joined with what comes: a name that was created after its directory was
//! surveyed is in no row, and only its mark can carry that it vanished.

use super::core::Engine;
use super::input::{Effect, Event};
use super::route::Route;
use super::{Dirt, Mark, Now, Parking, RelPath, Stamp, Surveyed};
use crate::plan::{RouteName, SourceName, Sync};
use crate::schedule;

/// A route that cannot send is parked above so many marks: about 3 MB.
pub const PARKED_MARKS: usize = 20_000;

/// What is known of a parked route's changes.
#[derive(Clone, Copy, Debug)]
pub struct Parked {
    /// The first change that was not marked.
    pub since: Option<Stamp>,
    /// Whether the survey that tells what they are is asked for. What comes from then on is marked again.
    pub asked: bool,
    /// Whether no checkpoint says so yet.
    begins: bool,
}

impl Parked {
    /// One that an earlier process parked.
    pub fn recalled(stamp: Stamp) -> Parked {
        Parked {
            since: Some(stamp),
            asked: false,
            begins: false,
        }
    }
}

impl Route {
    /// Whether it leaves a change of this path to the ledger.
    pub fn leaves_to_rows(&mut self, path: &RelPath, stamp: Stamp) -> bool {
        let known = self.pending.has(path) || self.failing.get(path).is_some();
        let Some(parked) = self.parked.as_mut().filter(|parked| !parked.asked) else {
            return false;
        };
        if !known {
            parked.since = Some(parked.since.map_or(stamp, |since| since.min(stamp)));
        }
        !known
    }

    /// For the checkpoint.
    pub fn parking(&mut self) -> Parking {
        match &mut self.parked {
            None => Parking::No,
            Some(parked) => match std::mem::take(&mut parked.begins) {
                true => Parking::Begins,
                false => Parking::Goes,
            },
        }
    }

    /// Whether nothing can be sent now, for a reason that may last.
    fn is_kept_back(&self, now: Now) -> bool {
        self.backoff.is_some()
            || self.held.is_some()
            || (matches!(self.plan.sync, Sync::Scheduled(_)) && !self.flush)
            || !schedule::open(&self.plan.windows, now.wall)
    }

    /// Parks it, if it has more marks than `most`. `told`: what was told since the rows of this checkpoint were read.
    fn park(&mut self, most: usize, told: &[RelPath], stamp: Stamp) -> bool {
        let ready = self.parked.is_none() && self.pass.is_none() && self.suspect.is_none();
        if !ready || self.pending.len() <= most || told.len() > most.max(PARKED_MARKS) {
            return false;
        }
        let marks = told.iter().map(|path| Mark {
            path: path.clone(),
            dirt: Dirt::ATTRIBUTES,
        });
        self.mark(&marks.collect::<Vec<_>>(), stamp);
        self.parked = Some(Parked {
            since: None,
            asked: false,
            begins: true,
        });
        true
    }

    /// There is nothing to compare with: a full pass makes up for what was not marked.
    pub fn give_up_parking(&mut self, stamp: Stamp) {
        if let Some(parked) = self.parked.take() {
            let since = parked.since.unwrap_or(stamp);
            self.want_pass(super::START_COMPARE, since, "lost");
        }
    }

    /// Nothing was left to the ledger, or all of it is marked.
    fn unpark(&mut self) {
        self.parked = None;
        if self.pass.is_none() && self.pending.is_empty() && self.failing.is_empty() {
            self.flush = false;
            self.forced = false;
        }
    }
}

impl Engine {
    /// An engine that parks a route that cannot send above so many marks.
    pub fn parking_above(marks: usize) -> Engine {
        let mut engine = Engine::default();
        engine.parked_marks = marks;
        engine
    }

    /// Before a checkpoint with new rows: parks what has too many marks.
    pub(super) fn park(
        &mut self,
        name: &SourceName,
        now: Now,
        stamp: Stamp,
        effects: &mut Vec<Effect>,
    ) {
        let Some(source) = self.sources.get(name) else {
            return;
        };
        let told = source.census.told();
        let most = self.parked_marks;
        for (route, state) in self.routes.iter_mut().filter(|(at, _)| at.source == *name) {
            if state.is_kept_back(now) && state.park(most, &told, stamp) {
                effects.push(Effect::Tell(Event::Parked(route.clone())));
            }
        }
    }

    /// It can send again: what changed meanwhile is to be told, if anything has.
    pub(super) fn release(&mut self, name: &RouteName) {
        let Some(route) = self.routes.get_mut(name) else {
            return;
        };
        match &mut route.parked {
            Some(parked) if parked.since.is_some() => parked.asked = true,
            _ => route.unpark(),
        }
    }

    /// The survey that was asked for came to its end.
    pub(super) fn released(
        &mut self,
        now: Now,
        name: &RouteName,
        found: Surveyed,
        effects: &mut Vec<Effect>,
    ) {
        let stamp = self.stamp(now);
        let Some(route) = self.routes.get_mut(name) else {
            return;
        };
        let differ = match found {
            Surveyed::Done { marks, .. } => {
                let since = route.parked.and_then(|parked| parked.since);
                route.parked = None;
                route.heard(&marks, now);
                route.mark(&marks, since.unwrap_or(stamp));
                route.unpark();
                Some(marks.len())
            }
            Surveyed::Everything | Surveyed::Failed(_) => {
                route.give_up_parking(stamp);
                None
            }
        };
        effects.push(Effect::Tell(Event::Unparked(name.clone(), differ)));
        // The rows that were kept for it go with this; what it is parked with next begins anew.
        self.save(&name.source, effects);
    }
}
