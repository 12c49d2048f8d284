//! The model's shell: virtual time, and everything that the engine acts upon and hears from.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::hash::DefaultHasher;

use heliostat::engine::{
    Answer, Ask, Engine, Event, Hold, Input, Notice, Pause, Reload, RequestId, Selector, SurveyId,
    TransferId, WatchId, Work,
};
use heliostat::plan::{Limits, Plan, RouteName, RoutePlan};

use super::bugs::Bug;
use super::ledger::{Down, Shelf};
use super::path::P;
use super::random::Random;
use super::script::Memory;
use super::script::{Item, Script, What, plan, route_name};
use super::source::{Facts, Kind, Source};
use super::target::Target;
use super::transfer::Transfer;
use super::verdict::WaitRecord;
use super::watcher::{Pace, Watcher};

pub const SECOND: u64 = 1_000_000;

/// Steps of the engine in one second that are taken for a loop.
const STEPS_MAX: u64 = 5_000;

/// Steps of the engine in one history.
const STEPS_IN_ALL: u64 = 60_000;

#[derive(Clone, Debug)]
pub enum Ev {
    Item(What),
    /// A fault ends.
    Ends(What),
    Close(usize, usize),
    Turn(usize),
    Tell(usize, u64, WatchId, Notice),
    Step(u64, TransferId),
    Approve,
    OrphansEnd,
    Look(u64, SurveyId),
    Durable(u64),
    Heal,
    /// From here on nothing is to happen any more.
    Rest,
    JudgeHealthy,
    HealAll,
    JudgeAll,
}

/// What was done, in numbers.
#[derive(Clone, Copy, Debug, Default)]
pub struct Figures {
    pub histories: u64,
    pub steps: u64,
    pub operations: u64,
    pub faults: u64,
    pub crashes: u64,
    pub transfers: u64,
    pub deletes: u64,
    pub holds: u64,
    pub waits: u64,
    pub in_sync: u64,
    pub surveys: u64,
    pub checkpoints: u64,
    pub released: u64,
}

pub struct World {
    pub script: Script,
    pub bug: Option<Bug>,
    pub now: u64,
    pub wall_shift: i64,
    pub random: Random,
    pub queue: BTreeMap<(u64, u64), Ev>,
    pub events: u64,
    pub sources: Vec<Source>,
    pub watchers: Vec<Option<Watcher>>,
    pub turns: Vec<Option<u64>>,
    pub told: Vec<u64>,
    pub in_flight: Vec<usize>,
    pub swallow: Vec<bool>,
    pub targets: Vec<Target>,
    pub transfers: BTreeMap<(u64, TransferId), Transfer>,
    pub incarnation: u64,
    pub plan: Plan,
    pub inputs: VecDeque<Input>,
    pub requests: u64,
    pub waits: BTreeMap<RequestId, WaitRecord>,
    pub held: BTreeMap<usize, String>,
    pub spent: Vec<VecDeque<(u64, i64)>>,
    pub quick: Vec<bool>,
    pub quiet: bool,
    pub stuck: Option<usize>,
    pub over: bool,
    pub crash: bool,
    pub crash_at: Option<u64>,
    /// Targets that were written to from another root than a checkpoint that may be found has rows of.
    pub strays: BTreeSet<usize>,
    pub bucket: (u64, u64),
    pub shelf: Shelf,
    /// Steps when everything was to have come to rest.
    pub rested: u64,
    pub lossy: Vec<bool>,
    /// The routes that are not in the manifest now, with their plans.
    pub dropped: BTreeMap<usize, RoutePlan>,
    /// The pauses that are on disk: what is said of them there must hold.
    pub pauses: BTreeMap<RouteName, Pause>,
    /// Who asked for a pause, and for which route.
    pub pausing: BTreeMap<RequestId, usize>,
    /// For planted bugs: a plan with other numbers was taken over.
    pub retuned: bool,
    /// For planted bugs: routes whose transfer was told to end.
    pub ended: BTreeSet<usize>,
    pub look: bool,
    pub judge: Option<Ev>,
    pub violation: Option<String>,
    pub figures: Figures,
    pub trace: Option<DefaultHasher>,
    pub log: Option<Vec<String>>,
}

impl World {
    pub fn new(script: Script, bug: Option<Bug>) -> World {
        let setup = &script.setup;
        setup.also.set();
        let grain = setup.grain;
        let root = Facts {
            kind: Kind::Directory,
            content: 0,
            size: 0,
            mtime: 1,
            mode: 0o700,
        };
        let routes = setup.routes.len();
        let target = |_| Target {
            tree: BTreeMap::from([(P::ROOT, root)]),
            ..Target::default()
        };
        let mut world = World {
            random: Random::new(setup.seed ^ 0xabcd),
            sources: (0..setup.sources).map(|_| Source::new(grain)).collect(),
            watchers: (0..setup.sources).map(|_| None).collect(),
            turns: vec![None; setup.sources],
            told: vec![0; setup.sources],
            in_flight: vec![0; setup.sources],
            swallow: vec![false; setup.sources],
            targets: (0..routes).map(target).collect(),
            spent: vec![VecDeque::new(); routes],
            quick: vec![false; setup.sources],
            plan: plan(setup),
            bug,
            now: 0,
            wall_shift: 0,
            queue: BTreeMap::new(),
            events: 0,
            transfers: BTreeMap::new(),
            incarnation: 0,
            inputs: VecDeque::new(),
            requests: 0,
            waits: BTreeMap::new(),
            held: BTreeMap::new(),
            quiet: false,
            stuck: None,
            over: false,
            crash: false,
            crash_at: None,
            strays: BTreeSet::new(),
            bucket: (0, 0),
            shelf: Shelf::default(),
            rested: 0,
            lossy: vec![false; setup.sources],
            dropped: BTreeMap::new(),
            pauses: BTreeMap::new(),
            pausing: BTreeMap::new(),
            retuned: false,
            ended: BTreeSet::new(),
            look: false,
            judge: None,
            violation: None,
            figures: Figures::default(),
            trace: None,
            log: None,
            script,
        };
        let items = world.script.items.clone();
        // What comes at zero is there before the service is.
        let (before, after): (Vec<Item>, Vec<Item>) =
            items.into_iter().partition(|item| item.at == 0);
        for item in before {
            world.item(item.what);
        }
        let mut end = 0;
        for item in after {
            world.at(item.at, Ev::Item(item.what));
            end = item.at;
        }
        world.at(end + 1000, Ev::Heal);
        world.reload();
        world
    }

    pub fn has(&self, bug: Bug) -> bool {
        self.bug == Some(bug)
    }

    pub fn note(&mut self, line: impl FnOnce() -> String) {
        if let Some(log) = &mut self.log {
            log.push(format!("{:>12.6} {}", self.now as f64 / 1e6, line()));
        }
    }

    pub fn violate(&mut self, why: String) {
        self.note(|| format!("VIOLATION {why}"));
        if self.violation.is_none() {
            self.violation = Some(why);
        }
        self.over = true;
    }

    pub fn at(&mut self, at: u64, event: Ev) {
        self.events += 1;
        self.queue.insert((at.max(self.now), self.events), event);
    }

    pub fn input(&mut self, input: Input) {
        self.inputs.push_back(input);
    }

    pub fn ask(&mut self, ask: Ask) -> RequestId {
        self.requests += 1;
        let id = RequestId(self.requests);
        self.input(Input::Ask(id, ask));
        id
    }

    pub fn reload(&mut self) {
        let reload = Reload {
            plan: self.plan.clone(),
            generation: 1,
            host: "h".to_owned(),
            limits: Limits::default(),
            memory: self.remembered(),
            watched: true,
        };
        self.input(Input::Reload(reload));
    }

    /// The service ends without a word.
    pub fn crash(&mut self, down: Down) {
        self.shelf.down = down;
        self.crash = true;
    }

    /// The service is down: what it knew is gone, what it started may go on for a while.
    pub fn restart(&mut self) {
        let Down {
            time: down,
            orphans,
            memory,
        } = self.shelf.down;
        self.note(|| format!("crash: down for {down}, orphans for {orphans}, ledger {memory:?}"));
        self.crash = false;
        self.figures.crashes += 1;
        self.incarnation += 1;
        self.inputs.clear();
        self.waits.clear();
        self.pausing.clear();
        self.held.clear();
        self.watchers.iter_mut().for_each(|watcher| *watcher = None);
        self.turns.iter_mut().for_each(|turn| *turn = None);
        self.in_flight.iter_mut().for_each(|count| *count = 0);
        self.lossy.iter_mut().for_each(|lossy| *lossy = true);
        self.excuse_strays();
        self.recover();
        self.spent.iter_mut().for_each(VecDeque::clear);
        for transfer in self.transfers.values_mut() {
            transfer.orphan = true;
        }
        let started = self.now + down;
        self.at(self.now + orphans.min(down), Ev::OrphansEnd);
        while let Some((&(at, number), _)) = self.queue.first_key_value() {
            if at > started || self.over {
                break;
            }
            if let Some(event) = self.queue.remove(&(at, number)) {
                self.now = at;
                self.happen(event);
            }
        }
        self.now = self.now.max(started);
        self.waits.clear();
        self.inputs.clear();
        self.crash = false;
        self.reload();
        if self.quiet {
            self.repair_drift();
        }
    }

    /// A ledger from before another root was in the source's place knows nothing of the pass over that one. Such a target
    /// counts as edited by somebody.
    fn excuse_strays(&mut self) {
        let old = self.shelf.down.memory == Memory::Old;
        for route in std::mem::take(&mut self.strays) {
            self.targets[route].drifted |= old;
        }
    }

    /// The route with this transfer's name.
    pub fn route(&self, name: &heliostat::plan::RouteName) -> usize {
        name.target.0[1..].parse().unwrap()
    }

    pub fn source_of(&self, watch: WatchId) -> Option<usize> {
        self.watchers
            .iter()
            .position(|watcher| watcher.as_ref().is_some_and(|watcher| watcher.id == watch))
    }

    /// Gives the kernel's events of a source to who watches it, and sees to it that it has its turn.
    pub fn flush(&mut self, source: usize) {
        let events = std::mem::take(&mut self.sources[source].events);
        if let Some(watcher) = &mut self.watchers[source] {
            for event in events {
                watcher.hear(event);
            }
        }
        for wait in self.waits.values_mut() {
            wait.saw(source, &self.sources[source]);
        }
        self.plan_turn(source);
    }

    pub fn plan_turn(&mut self, source: usize) {
        let Some(watcher) = &self.watchers[source] else {
            return;
        };
        let Some(next) = watcher.next(self.now, &self.sources[source]) else {
            return;
        };
        let delay = 1 + self.random.below(self.script.setup.delay);
        let next = next.max(self.now) + delay;
        if self.turns[source].is_none_or(|have| have > next) {
            self.turns[source] = Some(next);
            self.at(next, Ev::Turn(source));
        }
    }

    fn turn(&mut self, source: usize) {
        self.turns[source] = None;
        let pace = Pace {
            events: self.random.within(1, 6) as usize,
            places: self.random.within(0, 3) as usize,
        };
        let Some(watcher) = &mut self.watchers[source] else {
            return;
        };
        let notices = watcher.turn(self.now, &self.sources[source], pace);
        self.lossy[source] |= watcher.blind;
        let id = watcher.id;
        for notice in notices {
            let delay = self.random.below(200);
            self.told[source] = self.told[source].max(self.now + delay);
            self.in_flight[source] += 1;
            let event = Ev::Tell(source, self.incarnation, id, notice);
            self.at(self.told[source], event);
        }
        self.plan_turn(source);
    }

    fn tell(&mut self, source: usize, watch: WatchId, mut notice: Notice) {
        self.in_flight[source] -= 1;
        let name = &self.plan.sources.values().nth(source).unwrap().name;
        if let Notice::Changed(marks) = &mut notice {
            let mut running = self
                .transfers
                .values()
                .filter(|transfer| transfer.job.source.name == *name);
            if self.has(Bug::EventDuringRunAbsorbed) && running.next().is_some() {
                return;
            }
            if self.has(Bug::MarkClearedAtEnd) {
                for transfer in running {
                    if let Work::Batch(work) = &transfer.job.work {
                        marks.retain(|mark| !work.iter().any(|sent| sent.path == mark.path));
                    }
                }
            }
            if self.has(Bug::NoticesCut) {
                marks.truncate(4);
            }
            if self.has(Bug::LostSwallowsMarks) && std::mem::take(&mut self.swallow[source]) {
                return;
            }
        }
        self.swallow[source] |= matches!(notice, Notice::Lost { .. });
        self.input(Input::Watch(watch, notice));
    }

    /// One thing happens.
    pub fn happen(&mut self, event: Ev) {
        match event {
            Ev::Item(what) => self.item(what),
            Ev::Ends(what) => self.ends(what),
            Ev::Close(source, number) => {
                self.sources[source].close(number);
                self.flush(source);
            }
            Ev::Turn(source) => {
                if self.turns[source] == Some(self.now) {
                    self.turn(source);
                }
            }
            Ev::Tell(source, incarnation, watch, notice) => {
                if incarnation == self.incarnation {
                    self.tell(source, watch, notice);
                }
            }
            Ev::Step(incarnation, id) => self.step(incarnation, id),
            Ev::Look(incarnation, id) => {
                if incarnation == self.incarnation {
                    self.look_on(id);
                }
            }
            Ev::Durable(incarnation) => {
                if incarnation == self.incarnation {
                    self.durable();
                }
            }
            Ev::Approve => self.approve_all(),
            Ev::OrphansEnd => {
                if !self.has(Bug::OrphanGoesOn) && !self.has(Bug::OrphanIsHeard) {
                    self.transfers.retain(|_, transfer| !transfer.orphan);
                }
            }
            Ev::Heal => self.heal(),
            Ev::Rest => self.rested = self.figures.steps,
            Ev::HealAll => self.heal_all(),
            Ev::JudgeHealthy | Ev::JudgeAll => {
                self.judge = Some(event);
                self.input(Input::Tick);
            }
        }
    }

    pub fn answered(&mut self, id: RequestId, answer: &Answer) {
        if let Some(route) = self.pausing.remove(&id)
            && *answer == Answer::Accepted(1)
            && !self.pauses.contains_key(&self.name(route))
        {
            self.violate(format!(
                "t{route} is said to be paused, and nothing is kept of it"
            ));
        }
        if let Some(wait) = self.waits.remove(&id)
            && *answer == Answer::Reached
        {
            self.figures.waits += 1;
            if let Some(why) = wait.broken(self) {
                self.violate(format!("G4: a wait was answered, and {why}"));
            }
        }
    }

    pub fn tells(&mut self, event: &Event) {
        match event {
            Event::Held {
                route, hold, id, ..
            } => {
                self.figures.holds += 1;
                let route = self.route(route);
                if matches!(hold, Hold::Deletes(_)) {
                    self.held.insert(route, id.clone());
                    if self.quiet {
                        self.at(self.now + SECOND, Ev::Approve);
                    }
                }
            }
            Event::Released(route) => {
                let route = self.route(route);
                self.held.remove(&route);
            }
            _ => {}
        }
    }

    /// Looks at the engine after every step.
    pub fn after(&mut self, engine: &Engine) {
        self.figures.steps += 1;
        let second = self.now / SECOND;
        self.bucket = match self.bucket {
            (at, steps) if at == second => (at, steps + 1),
            _ => (second, 1),
        };
        if self.bucket.1 > STEPS_MAX || self.figures.steps > STEPS_IN_ALL {
            self.violate("the engine does not come to rest".to_owned());
        }
        if let Some(event) = self.judge.take() {
            self.judged(engine, &event);
        } else if std::mem::take(&mut self.look) {
            self.in_sync(engine);
        }
        if self.crash_at == Some(self.figures.steps) && !self.over {
            self.crash(Down::default());
        }
    }

    /// Selects everything.
    pub fn everything() -> Selector {
        Selector::default()
    }

    pub fn name(&self, route: usize) -> heliostat::plan::RouteName {
        route_name(&self.script.setup, route)
    }
}
