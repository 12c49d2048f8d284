//! The model as the driver's shell: the next thing that happens, and what the engine wants done.

use std::hash::Hash;
use std::time::Duration;

use heliostat::engine::{Effect, Input, Notice, Now};
use heliostat::service::driver::Shell;

use super::bugs::Bug;
use super::source::WALL;
use super::watcher::Watcher;
use super::world::{Ev, World};

impl Shell for World {
    fn now(&self) -> Now {
        let epoch = jiff::Timestamp::from_microsecond(WALL as i64).unwrap();
        let wall = epoch
            + jiff::SignedDuration::from_micros(self.now as i64)
            + jiff::SignedDuration::from_secs(self.wall_shift);
        Now {
            mono: Duration::from_micros(self.now),
            wall,
        }
    }

    fn carry_out(&mut self, effect: Effect) {
        if let Some(trace) = &mut self.trace {
            format!("{} {effect:?}", self.now).hash(trace);
        }
        match effect {
            Effect::Watch(id, plan) => {
                let source: usize = plan.name.0[1..].parse().unwrap();
                let queue = self.script.setup.queue_max;
                let mut watcher = Watcher::new(id, queue, None, self.bug);
                watcher.blind = self.incarnation > 0 || self.now > 0;
                self.watchers[source] = Some(watcher);
                self.at(self.now + 1, Ev::Turn(source));
                self.turns[source] = Some(self.now + 1);
            }
            Effect::Unwatch(id) => {
                if let Some(source) = self.source_of(id) {
                    self.watchers[source] = None;
                }
            }
            Effect::Rescope(id, _) => {
                if let Some(source) = self.source_of(id) {
                    if let Some(watcher) = &mut self.watchers[source] {
                        watcher.rescope();
                    }
                    self.plan_turn(source);
                }
            }
            Effect::Barrier(id, barrier) => {
                let early = self.has(Bug::SurveyBarrierEarly) && self.waits.is_empty();
                if early {
                    self.input(Input::Watch(id, Notice::Barrier(barrier)));
                } else if let Some(source) = self.source_of(id) {
                    if let Some(watcher) = &mut self.watchers[source] {
                        watcher.ask(barrier);
                    }
                    self.plan_turn(source);
                }
            }
            Effect::Start(job) => self.start(job),
            Effect::Cancel(id) => {
                let told = self.transfers.get(&(self.incarnation, id));
                if let Some(route) = told.map(|transfer| self.route(transfer.name())) {
                    self.ended.insert(route);
                }
                if let Some(transfer) = self.transfers.get_mut(&(self.incarnation, id)) {
                    transfer.cancelled = true;
                }
            }
            Effect::Hook(_) | Effect::Settle(_) => unreachable!("no route of a script has hooks"),
            Effect::Answer(id, answer) => self.answered(id, &answer),
            Effect::KeepPauses { pauses, answer } => {
                self.pauses = pauses;
                if let Some((id, answer)) = answer {
                    self.answered(id, &answer);
                }
            }
            Effect::Remember(source, mounts) => self.shelf.remember(source, mounts),
            Effect::Survey(survey) => self.survey(survey),
            Effect::ForgetSurvey(id) => self.forget_survey(id),
            Effect::Commit(commit) => self.commit(*commit),
            Effect::Disown(source) => self.disown(source),
            Effect::DisownRoute(route) => self.disown_route(&route),
            Effect::Tell(event) => {
                self.note(|| format!("tell {event:?}"));
                self.tells(&event);
            }
            Effect::Drained => {}
        }
    }

    async fn next(&mut self, deadline: Option<Duration>) -> Option<Input> {
        loop {
            if self.over || self.crash {
                return None;
            }
            if let Some(input) = self.inputs.pop_front() {
                self.note(|| format!("input {input:?}"));
                return Some(input);
            }
            let deadline = deadline.map(|at| at.as_nanos().div_ceil(1000) as u64);
            let next = self.queue.first_key_value().map(|(key, _)| *key);
            match (next, deadline) {
                (None, None) => {
                    self.violate("nothing happens any more".to_owned());
                    return None;
                }
                (Some((at, _)), Some(deadline)) if deadline < at => {
                    self.now = self.now.max(deadline);
                    return Some(Input::Tick);
                }
                (None, Some(deadline)) => {
                    self.now = self.now.max(deadline);
                    return Some(Input::Tick);
                }
                (Some(key), _) => {
                    self.now = key.0;
                    if let Some(event) = self.queue.remove(&key) {
                        self.happen(event);
                    }
                }
            }
        }
    }
}
