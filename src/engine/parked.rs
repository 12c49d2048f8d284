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
    /// Names this parking among those before and after it.
    pub number: i64,
    /// Whether something was sent since: what the target has is not what the rows say any more, so all is marked again.
    pub sent: bool,
    /// Whether no checkpoint says so yet.
    begins: bool,
}

impl Parked {
    /// One that an earlier process parked.
    pub fn recalled(number: i64, stamp: Stamp) -> Parked {
        Parked {
            since: Some(stamp),
            asked: false,
            number,
            sent: false,
            begins: false,
        }
    }
}

impl Route {
    /// Whether it leaves a change of this path to the ledger. Not where a transfer may put something there that the kept
    /// rows do not know of: what vanished again, or was moved away and back, would differ from them in nothing.
    pub fn leaves_to_rows(&mut self, path: &RelPath, stamp: Stamp) -> bool {
        let kept = |parked: &Parked| !parked.asked && !parked.sent;
        if !self.parked.as_ref().is_some_and(kept)
            || self.running.is_some()
            || self.pass.is_some()
            || self.is_covered(path)
        {
            return false;
        }
        if let Some(parked) = &mut self.parked {
            parked.since = Some(parked.since.map_or(stamp, |since| since.min(stamp)));
        }
        true
    }

    /// Whether a mark of this path, or one above that covers it, waits to be sent.
    fn is_covered(&self, path: &RelPath) -> bool {
        let held = self.held.as_ref().map(|held| &held.load);
        if held.is_some_and(|load| load.pass.is_some()) {
            return true;
        }
        let marks = |at: &RelPath| {
            let failing = self.failing.get(at).map(|failed| failed.pending.dirt);
            let held = held.and_then(|load| {
                let retried = load.retried.get(at).map(|failed| failed.pending.dirt);
                load.marks.get(at).map(|mark| mark.dirt).or(retried)
            });
            let fills = self.filling.get(at).map(|mark| mark.dirt);
            let all = [
                self.pending.get(at).map(|mark| mark.dirt),
                fills,
                failing,
                held,
            ];
            all.into_iter().flatten()
        };
        if marks(path).next().is_some() {
            return true;
        }
        let parent = path.parent();
        let mut above = parent.clone();
        while let Some(at) = above {
            let names = |dirt: Dirt| dirt.has(Dirt::LISTING) && parent.as_ref() == Some(&at);
            let inside = |dirt: Dirt| !dirt.without(Dirt::ATTRIBUTES | Dirt::LISTING).is_empty();
            if marks(&at).any(|dirt| names(dirt) || inside(dirt)) {
                return true;
            }
            above = at.parent();
        }
        false
    }

    /// For the checkpoint.
    pub fn parking(&mut self) -> Parking {
        match &mut self.parked {
            None => Parking::No,
            Some(parked) => match std::mem::take(&mut parked.begins) {
                true => Parking::Begins(parked.number),
                false => Parking::Goes(parked.number),
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
    fn park(&mut self, most: usize, told: &[Mark], (stamp, now): (Stamp, Now)) -> bool {
        let ready = self.standing
            && self.parked.is_none()
            && self.running.is_none()
            && self.pass.is_none()
            && self.suspect.is_none();
        let all = |mark: &Mark| mark.path.is_root() && mark.dirt.has(Dirt::SUBTREE);
        let too_much = told.len() > most.max(PARKED_MARKS) || told.iter().any(all);
        if !ready || self.pending.len() <= most || too_much {
            return false;
        }
        self.mark(told, stamp);
        self.parked = Some(Parked {
            since: None,
            asked: false,
            number: i64::try_from(now.wall.as_nanosecond()).unwrap_or(i64::MAX),
            sent: false,
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
        if self.pass.is_none() && self.pending.is_empty() {
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
            let kept_back = self.pauses.hold(route) || state.is_kept_back(now);
            if kept_back && state.park(most, &told, (stamp, now)) {
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
