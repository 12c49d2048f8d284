//! What is done to the world: operations, faults and their ends, and the healing before it is judged.

use heliostat::engine::{Ask, PauseWish, Selector};
use heliostat::plan::Compare;

use super::ledger::Down;
use super::script::What;
use super::verdict::WaitRecord;
use super::world::{Ev, SECOND, World};

/// Within so long everything must be in step, once nothing is wrong any more.
const WINDOW: u64 = 140 * SECOND;

/// And for so long before that nothing may happen any more.
const REST: u64 = 50 * SECOND;

impl World {
    pub fn item(&mut self, what: What) {
        self.note(|| format!("{what:?}"));
        if what.is_op() {
            self.figures.operations += 1;
        } else {
            self.figures.faults += 1;
        }
        let now = self.now;
        match what {
            What::Op(source, op) => {
                if let Some((number, time)) = self.sources[source].act(op, now) {
                    self.at(now + time, Ev::Close(source, number));
                }
                self.flush(source);
            }
            What::Overflow(source, time) => {
                if let Some(watcher) = &mut self.watchers[source] {
                    watcher.overflow(true);
                }
                self.lasts(what, time);
            }
            What::Unreadable(source, path, time) => {
                if let Some(number) = self.sources[source].number(path)
                    && path.depth() > 0
                {
                    self.sources[source].set_readable(number, false, now);
                    self.flush(source);
                    self.lasts(what, time);
                }
            }
            What::RootMissing(source, time) => {
                self.sources[source].set_missing(true);
                self.flush(source);
                self.lasts(what, time);
            }
            What::Unmount(source, time) => {
                if !self.script.setup.allow_empty {
                    self.sources[source].unmount(now);
                    self.flush(source);
                    self.lasts(what, time);
                }
            }
            What::ReplaceRoot(source, path) => {
                self.sources[source].replace(path, now);
                self.flush(source);
            }
            What::WatchLimit(source, limit, time) => {
                if let Some(watcher) = &mut self.watchers[source] {
                    watcher.limit = Some(limit);
                }
                self.lasts(what, time);
            }
            What::Offline(route, time) => {
                self.targets[route].trouble.offline = true;
                self.lasts(what, time);
            }
            What::Frozen(route, time) => {
                self.targets[route].trouble.frozen = true;
                self.lasts(what, time);
            }
            What::Restart(route) => self.targets[route].epoch += 1,
            What::ReadOnly(route, time) => {
                self.targets[route].trouble.read_only = true;
                self.lasts(what, time);
            }
            What::Refuses(route, time) => {
                self.targets[route].trouble.refuses = true;
                self.lasts(what, time);
            }
            What::Full(route, time) => {
                self.targets[route].trouble.room = Some(self.targets[route].tree.len() + 1);
                self.lasts(what, time);
            }
            What::Drift(route, drift) => self.targets[route].drift(drift, now),
            What::Crash {
                down,
                orphans,
                memory,
            } => self.crash(Down {
                time: down,
                orphans,
                memory,
            }),
            What::Wait => {
                if now > 0 {
                    let id = self.ask(Ask::Wait(World::everything()));
                    let record = WaitRecord::new(&self.sources, self.incarnation);
                    self.waits.insert(id, record);
                }
            }
            What::Rescan(_) => {
                self.ask(Ask::Rescan(World::everything(), Compare::Quick));
            }
            What::Trigger => {
                self.ask(Ask::Trigger(World::everything()));
            }
            What::Approve => self.approve_all(),
            What::ClockStep(seconds) => self.set_clock(seconds),
            What::Suspend(seconds) => {
                self.set_clock(seconds);
                self.targets.iter_mut().for_each(|target| target.epoch += 1);
            }
            What::Pause(route, time, cancel) => {
                let wish = PauseWish {
                    time: std::time::Duration::from_millis(time),
                    reason: None,
                    by: "me".to_owned(),
                    cancel,
                };
                let id = self.ask(Ask::Pause(Selector::of(&self.name(route)), wish));
                self.pausing.insert(id, route);
            }
            What::Resume => {
                self.ask(Ask::Resume(World::everything(), "me".to_owned()));
            }
            What::Retune(source) => self.retune(source),
            What::Refilter(also) => self.refilter(also),
            What::Resync(route) => self.resync(route),
            What::Rebuild(source) => self.rebuild(source),
            What::Drop(route) => self.drop_or_add(route),
        }
    }

    /// The wall clock goes by so many seconds at once.
    fn set_clock(&mut self, seconds: i64) {
        self.wall_shift += seconds;
        for source in &mut self.sources {
            source.wall = source.wall.saturating_add_signed(seconds * SECOND as i64);
        }
    }

    fn lasts(&mut self, what: What, time: u64) {
        self.at(self.now + time, Ev::Ends(what));
    }

    /// A fault is over.
    pub fn ends(&mut self, what: What) {
        let now = self.now;
        match what {
            What::Unreadable(source, ..) => {
                let shut: Vec<usize> = self.sources[source].unreadable.keys().copied().collect();
                for number in shut {
                    self.sources[source].set_readable(number, true, now);
                }
                self.flush(source);
            }
            What::RootMissing(source, _) => {
                self.sources[source].set_missing(false);
                self.flush(source);
            }
            What::Unmount(source, _) => {
                self.sources[source].mount(now);
                self.flush(source);
            }
            What::Overflow(source, _) => {
                if let Some(watcher) = &mut self.watchers[source] {
                    watcher.overflow(false);
                }
                self.plan_turn(source);
            }
            What::WatchLimit(source, ..) => {
                if let Some(watcher) = &mut self.watchers[source] {
                    watcher.limit = None;
                }
            }
            What::Offline(route, _) => self.targets[route].trouble.offline = false,
            What::Frozen(route, _) => self.targets[route].trouble.frozen = false,
            What::ReadOnly(route, _) => self.targets[route].trouble.read_only = false,
            What::Refuses(route, _) => self.targets[route].trouble.refuses = false,
            What::Full(route, _) => self.targets[route].trouble.room = None,
            _ => {}
        }
        if let What::Offline(route, _) | What::Frozen(route, _) = what
            && self.stuck == Some(route)
        {
            self.targets[route].trouble.frozen = true;
        }
    }

    pub fn approve_all(&mut self) {
        for (route, id) in self.held.clone() {
            let name = self.name(route);
            self.ask(Ask::Approve(name, id));
        }
    }

    /// Nothing changes any more, and nothing is wrong any more but with one target: that must not matter to the others.
    pub fn heal(&mut self) {
        self.note(|| "heal".to_owned());
        self.quiet = true;
        for source in 0..self.sources.len() {
            self.ends(What::Unreadable(source, super::path::P::ROOT, 0));
            self.ends(What::RootMissing(source, 0));
            self.ends(What::Unmount(source, 0));
            self.ends(What::WatchLimit(source, 0, 0));
            self.ends(What::Overflow(source, 0));
        }
        for target in &mut self.targets {
            target.trouble = super::target::Trouble::default();
        }
        for route in self.dropped.keys().copied().collect::<Vec<usize>>() {
            self.drop_or_add(route);
        }
        self.repair_drift();
        self.approve_all();
        let routes = self.targets.len();
        if routes > 1 && self.script.setup.seed.is_multiple_of(3) {
            let stuck = self.script.setup.seed as usize / 3 % routes;
            self.stuck = Some(stuck);
            self.targets[stuck].trouble.frozen = true;
            self.at(self.now + WINDOW, Ev::JudgeHealthy);
            self.at(self.now + WINDOW + 1, Ev::HealAll);
        } else {
            self.heal_all();
        }
    }

    /// What somebody did to a target only a pass by checksum repairs.
    pub fn repair_drift(&mut self) {
        if self.targets.iter().any(|target| target.drifted) {
            self.ask(Ask::Rescan(World::everything(), Compare::Checksum));
        }
    }

    pub fn heal_all(&mut self) {
        if let Some(stuck) = self.stuck.take() {
            self.targets[stuck].trouble.frozen = false;
        }
        self.at(self.now + WINDOW - REST, Ev::Rest);
        self.at(self.now + WINDOW, Ev::JudgeAll);
    }
}
