//! The checkpoint's way: remembered → recalled; surveyed, behind a barrier, committed.
//!
//! A route *stands* where what its target has is known relative to the rows in the ledger and the route's own marks. Then
//! a start, or a loss of events, needs no full pass: everything is *suspect* until a survey has compared the source with
//! the rows, and what differs is marked.

use std::collections::BTreeMap;

use super::change_set::ChangeSet;
use super::core::Engine;
use super::input::{Effect, Event};
use super::load::Load;
use super::parked::Parked;
use super::route::Route;
use super::{
    Commit, Dirt, Mark, Now, Parking, RootId, RouteMemory, Stamp, SurveyId, Surveyed, WatchReport,
};
use crate::plan::{
    Compare, DeletePolicy, OnStart, RouteName, SourceName, SourcePlan, Sync, TargetName, route_key,
    source_key,
};
use crate::schedule::Schedule;

/// A route with more marks than this is remembered by their directories: each checkpoint writes them all.
const REMEMBERED_MAX: usize = 20_000;

impl Route {
    /// Takes up what is remembered of it, if that was under the same plan; the periods of schedules in any case.
    pub fn recall(&mut self, memory: &RouteMemory, stamp: Stamp, now: Now) {
        // A period counts from the last time, and what came due while nobody was there is caught up with, once.
        if self.next_rescan.is_some() {
            self.next_rescan = self.next_rescan.into_iter().chain(memory.next_rescan).min();
        }
        if let Sync::Scheduled(schedule) = &self.plan.sync
            && memory.next_sync.is_some()
        {
            self.next_sync = self.next_sync.into_iter().chain(memory.next_sync).min();
            if matches!(schedule, Schedule::Every { .. }) {
                self.flush = memory.next_sync.is_some_and(|next| next <= now.wall);
            }
        }
        if memory.key != route_key(&self.source, &self.plan) {
            return;
        }
        self.last_good = memory.last_good;
        self.last_compared = memory.last_compared;
        self.target_entries = memory.target_entries;
        self.target = memory.target;
        self.mark(&memory.marks, stamp);
        match memory.pass {
            Some(compare) => self.want_pass(compare, stamp, "start"),
            None => self.standing = true,
        }
        if let Parking::Begins(number) | Parking::Goes(number) = memory.parked {
            self.parked = Some(Parked::recalled(number, stamp));
        }
    }

    /// What is to be remembered of it; `None`: nothing is known of its target.
    fn memory(&mut self) -> Option<RouteMemory> {
        let loads = || {
            let running = self.running.as_ref().map(|running| &running.load);
            running
                .into_iter()
                .chain(self.held.as_ref().map(|held| &held.load))
        };
        let passes = loads()
            .filter_map(|load| load.pass)
            .chain(self.pass)
            .map(|pass| pass.compare)
            // What comes into the filter is not marked yet.
            .chain(self.rescoping.as_ref().map(|_| super::START_COMPARE));
        // What is suspect is compared with the rows by the next start as by this one.
        let pass = passes.max_by_key(|compare| *compare == Compare::Checksum);
        let taken_as_right = self.plan.rescan.on_start == OnStart::Never;
        if pass.is_none() && !self.standing && !self.compared && !taken_as_right {
            return None;
        }
        let mut all = ChangeSet::default();
        for (path, pending) in self.pending.iter() {
            all.put_back(path.clone(), *pending);
        }
        for (path, pending) in self.filling.iter() {
            all.put_back(path.clone(), *pending);
        }
        for (path, failed) in self.failing.iter() {
            all.put_back(path.clone(), failed.pending);
        }
        for Load { marks, retried, .. } in loads() {
            for (path, pending) in marks {
                all.put_back(path.clone(), *pending);
            }
            for (path, failed) in retried.iter() {
                all.put_back(path.clone(), failed.pending);
            }
        }
        all.collapse(REMEMBERED_MAX, self.plan.delete == DeletePolicy::Propagate);
        let marks = all.take().into_iter().map(|(path, pending)| Mark {
            path,
            dirt: pending.dirt,
        });
        Some(RouteMemory {
            key: route_key(&self.source, &self.plan),
            marks: marks.collect(),
            pass,
            target_entries: self.target_entries,
            last_good: self.last_good,
            last_compared: self.last_compared,
            next_rescan: self.next_rescan,
            next_sync: self.next_sync,
            target: self.target,
            parked: self.parking(),
        })
    }

    /// What is older than this may differ: a comparison tells where the route stands, else only a full pass.
    fn doubt(&mut self, stamp: Stamp, trigger: &'static str) {
        if self.standing {
            self.suspect = self.suspect.or(Some(stamp));
        } else {
            self.despair(stamp, trigger);
        }
    }

    /// No comparison comes for what is suspect: a full pass makes up for that as well.
    pub(super) fn despair(&mut self, stamp: Stamp, trigger: &'static str) {
        let since = self.suspect.take().unwrap_or(stamp);
        self.want_pass(super::START_COMPARE, since, trigger);
    }
}

impl Engine {
    /// The watch stands: for the first time, or again.
    pub(super) fn stands(
        &mut self,
        name: &SourceName,
        report: WatchReport,
        now: Now,
        stamp: Stamp,
        effects: &mut Vec<Effect>,
    ) {
        self.break_survey(name, now, effects);
        let Some(source) = self.sources.get_mut(name) else {
            return;
        };
        let first = source.report.is_none();
        let before = source.report.as_ref().map(|before| &before.root);
        // The directory itself: the same one by another way holds what it held.
        let another = before.is_some_and(|before| before.0.last() != report.root.0.last());
        let key = rows_key(&source.plan, &report.root);
        source.ready(report.clone(), now.wall);
        effects.push(Effect::Tell(Event::Ready(name.clone(), report)));
        let unsettled = source.census.unsettled();
        source.census.stands(now);
        // The rows of another root say nothing of this one.
        let comparable = source.census.base == Some(key);
        if comparable {
            source.census.want(true, now.mono);
        } else {
            // Also where there is no base any more: what is on disk was not dropped with it.
            if std::mem::take(&mut source.claimed) {
                source.disowning = true;
                self.reloads.disown(name);
                effects.push(Effect::Disown(name.clone()));
            }
            source.census.drop_base(now.mono);
        }
        for route in routes_of(&mut self.routes, name) {
            if !comparable {
                route.give_up_parking(stamp);
            }
            // It stands, so who waited for it is looked at again.
            if let Some(held) = route.held.as_mut().filter(|held| held.is_of_root()) {
                held.next_check = now.mono;
            }
            route.standing &= comparable;
            let on_start = route.plan.rescan.on_start;
            let trigger = if first { "start" } else { "lost" };
            if first && on_start == OnStart::Always {
                route.want_pass(super::START_COMPARE, stamp, trigger);
            }
            // Nothing in it is trusted, as in a directory that was moved in: what was built twice from one archive has the
            // same sizes and times.
            if another {
                route.want_pass(Compare::Checksum, stamp, trigger);
            }
            match &unsettled {
                Some(marks) => route.mark(marks, stamp),
                None => route.despair(stamp, trigger),
            }
            if route.standing || !first || on_start != OnStart::Never {
                route.doubt(stamp, trigger);
            }
        }
    }

    /// The watch told of changes.
    pub(super) fn changed(
        &mut self,
        name: &SourceName,
        mut marks: Vec<Mark>,
        now: Now,
        stamp: Stamp,
        effects: &mut Vec<Effect>,
    ) {
        let Some(source) = self.sources.get_mut(name) else {
            return;
        };
        let of_all = |mark: &Mark| mark.path.is_root() && mark.dirt.has(Dirt::SUBTREE);
        let all = marks.iter().find(|mark| of_all(mark));
        // A survey tells what differs, but not for one that distrusts equal facts.
        let lost =
            all.is_some_and(|all| !all.dirt.has(Dirt::CONTENT)) && source.census.base.is_some();
        let mut broken = None;
        if all.is_some() {
            broken = source.census.compares();
            // Events were lost: what was surveyed meanwhile may have in it what nobody was told.
            self.break_survey(name, now, effects);
        }
        if lost {
            marks.retain(|mark| !of_all(mark));
        }
        let Some(source) = self.sources.get_mut(name) else {
            return;
        };
        let unsettled = match lost {
            true => source.census.unsettled(),
            false => Some(Vec::new()),
        };
        source.census.touched(&marks, now);
        if lost {
            source.census.lost(broken, now);
        }
        for route in routes_of(&mut self.routes, name) {
            // Where losses overtake the comparisons, only a pass comes to an end.
            if lost && (broken.is_some() || unsettled.is_none()) {
                route.despair(stamp, "lost");
            } else if lost {
                route.doubt(stamp, "lost");
            }
            route.heard(&marks, now);
            route.mark(unsettled.as_deref().unwrap_or_default(), stamp);
            route.mark(&marks, stamp);
        }
    }

    /// A survey came to its end.
    pub(super) fn surveyed(
        &mut self,
        now: Now,
        id: SurveyId,
        found: Surveyed,
        effects: &mut Vec<Effect>,
    ) {
        let stamp = self.stamp(now);
        let barrier = self.next_id();
        let under_way = |source: &mut super::source::Source| {
            source
                .census
                .surveying()
                .is_some_and(|survey| survey.id == id)
        };
        let Some((name, source)) = self
            .sources
            .iter_mut()
            .find_map(|(name, source)| under_way(source).then_some((name, source)))
        else {
            return; // abandoned
        };
        let release = source
            .census
            .surveying()
            .and_then(|survey| survey.release.clone());
        if let Some(route) = release {
            source.census.abandon();
            effects.push(Effect::ForgetSurvey(id));
            self.released(now, &route.route, found, effects);
            return;
        }
        let survey = source.census.surveying();
        let (compared, whole) =
            survey.map_or((false, false), |survey| (survey.compare, survey.is_whole()));
        let name = name.clone();
        let failed = matches!(found, Surveyed::Failed(_));
        let (marks, everything) = match found {
            Surveyed::Failed(reason) => {
                source.census.failed(now.mono);
                effects.push(Effect::ForgetSurvey(id));
                effects.push(Effect::Tell(Event::SurveyFailed(name.clone(), reason)));
                (Vec::new(), compared)
            }
            Surveyed::Done { marks, young } => {
                source.census.looked(&marks, &young, now);
                (marks, false)
            }
            Surveyed::Everything if whole => {
                source.census.looked(&[], &[], now);
                (Vec::new(), false)
            }
            Surveyed::Everything => {
                // The ledger may have no rows any more; all are made anew, once the passes are over.
                source.census.abandon();
                source.census.drop_base(now.mono);
                effects.push(Effect::ForgetSurvey(id));
                routes_of(&mut self.routes, &name).for_each(|route| route.give_up_parking(stamp));
                (Vec::new(), compared)
            }
        };
        if let Some(survey) = source.census.surveying() {
            survey.barrier = Some(barrier);
            effects.push(Effect::Barrier(source.watch, barrier));
        }
        if !compared {
            return;
        }
        for route in routes_of(&mut self.routes, &name) {
            if everything {
                route.standing &= failed;
                // Where nothing is suspect, a pass was wanted for it before.
                if route.suspect.is_some() {
                    route.despair(stamp, "lost");
                }
            } else {
                let since = route.suspect.take();
                if since.is_some() {
                    route.is_compared(now.wall);
                }
                // As old as the doubt that they answer: whoever waits since then waits for them. Also where a pass is under
                // way: it may have passed by what changed since.
                route.heard(&marks, now);
                route.mark(&marks, since.unwrap_or(stamp));
            }
        }
        if !failed {
            let differ = (!everything).then_some(marks.len());
            effects.push(Effect::Tell(Event::Surveyed(name, differ)));
        }
    }

    /// The barrier behind which a survey's rows may be kept has come.
    pub(super) fn settled(
        &mut self,
        name: &SourceName,
        barrier: u64,
        now: Now,
        effects: &mut Vec<Effect>,
    ) {
        let stamp = self.stamp(now);
        let Some(source) = self.sources.get_mut(name) else {
            return;
        };
        let Some(survey) = source
            .census
            .surveying()
            .filter(|survey| survey.barrier == Some(barrier))
        else {
            return;
        };
        let (id, key, whole) = (survey.id, survey.key.clone(), survey.is_whole());
        source.census.committed();
        source.claimed = true;
        self.park(name, now, stamp, effects);
        self.commit(name, id, key, whole, effects);
    }

    fn commit(
        &mut self,
        name: &SourceName,
        survey: SurveyId,
        key: String,
        whole: bool,
        effects: &mut Vec<Effect>,
    ) {
        let mut commit = Commit {
            survey,
            source: name.clone(),
            key,
            whole,
            routes: Default::default(),
        };
        for route in routes_of(&mut self.routes, name) {
            if let Some(memory) = route.memory() {
                route.standing = true;
                commit.routes.insert(route.plan.name.clone(), memory);
            }
        }
        effects.push(Effect::Commit(Box::new(commit)));
    }

    /// Writes the routes' memories, if something about them changed; the rows stay as they are.
    pub(super) fn save(&mut self, name: &SourceName, effects: &mut Vec<Effect>) {
        // What a single run saw is not what the rows say.
        if !self.watched {
            return;
        }
        let id = SurveyId(self.next_id());
        let Some(source) = self.sources.get_mut(name) else {
            return;
        };
        let Some(key) = source.census.base.clone() else {
            return;
        };
        source.census.saved();
        self.commit(name, id, key, false, effects);
    }
}

/// Identifies what the rows of a source depend on: also its root's inode, for an unmounted disk leaves another directory
/// in its place. Not the device, whose number a restart of the machine may change.
pub(super) fn rows_key(source: &SourcePlan, root: &RootId) -> String {
    let inode = root.0.last().map_or(0, |(_, inode)| *inode);
    format!("{}-{inode:x}", source_key(source))
}

/// The routes of one source: their names begin with its own.
pub(super) fn routes_of<'a>(
    routes: &'a mut BTreeMap<RouteName, Route>,
    source: &'a SourceName,
) -> impl Iterator<Item = &'a mut Route> {
    routes
        .range_mut(first_of(source)..)
        .take_while(move |(name, _)| name.source == *source)
        .map(|(_, route)| route)
}

pub(super) fn first_of(source: &SourceName) -> RouteName {
    RouteName {
        source: source.clone(),
        target: TargetName(String::new()),
    }
}
