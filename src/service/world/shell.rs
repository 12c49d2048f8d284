//! The seam to the engine: each effect is carried out, each input is waited for. It decides nothing.

use std::time::Duration;

use super::super::driver::Shell;
use super::super::log;
use super::super::vitals::Vitals;
use super::{Ending, World};
use crate::engine::{Effect, Input, Now};
use crate::host;

impl Shell for World {
    fn now(&self) -> Now {
        self.clock.now()
    }

    fn carry_out(&mut self, effect: Effect) {
        match effect {
            Effect::Watch(id, source) => self.watch(id, &source),
            Effect::Unwatch(id) => {
                if let Some(watch) = self.watches.remove(&id) {
                    // Its thread may wait for room among the inputs, which only this loop makes.
                    tokio::task::spawn_blocking(move || watch.stop());
                }
            }
            Effect::Rescope(id, source) => {
                if let Some(watch) = self.watches.get(&id) {
                    watch.rescope(&source);
                }
            }
            Effect::Barrier(id, barrier) => {
                if let Some(watch) = self.watches.get(&id) {
                    watch.barrier(barrier);
                }
            }
            Effect::Start(job) => {
                self.tapper.starts(&job);
                self.start(*job);
            }
            Effect::Cancel(id) => {
                if let Some(transfer) = self.transfers.get(&id) {
                    transfer.cancel.cancel();
                }
            }
            Effect::Hook(job) => self.hook(*job),
            Effect::Settle(route) => {
                if let Err(error) = self.settled.settle(&route) {
                    // The next start runs the hook once more.
                    tracing::debug!(%route, "cannot keep that its hook is done: {error}");
                }
            }
            Effect::Answer(id, answer) => {
                if let Some(waiting) = self.answers.remove(&id) {
                    // Who went away does not want it.
                    let _ = waiting.send(answer);
                }
            }
            Effect::KeepPauses { pauses, answer } => self.keep_pauses(pauses, answer),
            Effect::Remember(source, mounts) => self.keeper.remember(&source, mounts),
            Effect::Survey(survey) => self.keeper.survey(*survey, self.sender.clone()),
            Effect::ForgetSurvey(id) => self.keeper.forget(id),
            Effect::Commit(commit) => self.keeper.commit(*commit),
            Effect::Disown(source) => self.keeper.disown(source, self.sender.clone()),
            Effect::DisownRoute(route) => self.keeper.disown_route(route, self.sender.clone()),
            Effect::Tell(event) => {
                log::tell(&event);
                let now = self.clock.now().wall;
                self.tally.book(&event);
                self.keeper.book(&event, now);
                self.tapper.tells(&event, now);
            }
            Effect::Drained => self.ending = Ending::Over,
        }
    }

    async fn next(&mut self, deadline: Option<Duration>) -> Option<Input> {
        loop {
            if self.ending == Ending::Over {
                return None;
            }
            if let Some(id) = self.abandoned() {
                return Some(Input::Forget(id));
            }
            let end = match self.ending {
                Ending::Draining { until } | Ending::Cancelling { until } => Some(until),
                Ending::No | Ending::Over => None,
            };
            let passing = self.transfers.values().any(|transfer| transfer.pass);
            let show = passing.then(|| self.clock.now().mono + self.show_every);
            let wake = deadline.into_iter().chain(end).chain(show).min();
            let sign = self.vitals.as_ref().and_then(Vitals::due);
            let wake = wake
                .map(|at| self.clock.instant(at))
                .into_iter()
                .chain(sign)
                .min();
            tokio::select! {
                biased;
                signal = self.signals.next() => {
                    tracing::info!("{signal}: ending");
                    self.end_harder();
                    if !std::mem::replace(&mut self.drain_asked, true) {
                        return Some(Input::Drain);
                    }
                }
                Some(question) = self.questions.recv() => return Some(self.question(question)),
                Some(input) = self.inputs.recv() => {
                    if let Input::Hooked(id, _) = &input {
                        self.hooks.remove(id);
                    }
                    if let Input::Finished(id, _) = &input
                        && self.transfers.remove(id).is_some_and(|ended| ended.pass)
                    {
                        // What it took goes with it: the copier has had all of a tree's directories in hand.
                        tokio::task::spawn_blocking(host::give_back);
                    }
                    self.news.ring();
                    self.tapper.hear(&input);
                    return Some(input);
                }
                () = self.alarm.until(wake) => {
                    if end.is_some_and(|end| self.clock.now().mono >= end) {
                        self.end_harder();
                    } else {
                        self.news.ring();
                        return Some(Input::Tick);
                    }
                }
            }
        }
    }
}
