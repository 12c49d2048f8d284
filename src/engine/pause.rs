//! Routes that an operator has paused: nothing is sent or deleted on their targets until the pause is over.
//!
//! A gate in front of what a route is due for, and nothing else: changes gather meanwhile, surveys and checkpoints go on,
//! holds, failures and schedules stay as they are, and what an operator asks for (`trigger`, `rescan`, `approve`) is done
//! afterwards. Invariant: no transfer of a paused route starts. One that runs is let end, or cancelled where that is asked for.
//!
//! Every pause ends by itself: when the wall clock says so, or its time has passed by the monotonic one, whichever comes
//! first. So neither a machine that sleeps nor a clock that is set back makes one longer than was asked for.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Now;
use super::core::Engine;
use super::input::{Answer, Effect, Event, RequestId, Selector};
use super::route::until;
use crate::plan::RouteName;

/// The shortest pause: shorter ones are over before anybody has read that they began.
pub const PAUSE_MIN: Duration = Duration::from_secs(1);
/// The longest pause: who needs more suspends the source in its manifest, where others see it.
pub const PAUSE_MAX: Duration = Duration::from_secs(7 * 24 * 3600);

/// A pause, as it is kept and shown.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Pause {
    /// What for, in the operator's words.
    pub reason: Option<String>,
    /// Who.
    pub by: String,
    /// Since when; a later word on the same route leaves it.
    #[schemars(with = "String")]
    pub since: Timestamp,
    /// When the last word was given: it holds for so long as is between this and `until`.
    #[schemars(with = "String")]
    pub said: Timestamp,
    /// When it ends by itself.
    #[schemars(with = "String")]
    pub until: Timestamp,
}

/// What an operator asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PauseWish {
    /// For how long; bounded by [`PAUSE_MIN`] and [`PAUSE_MAX`].
    pub time: Duration,
    /// What for.
    pub reason: Option<String>,
    /// Who.
    pub by: String,
    /// Whether transfers that run are cancelled; else they are let end.
    pub cancel: bool,
}

/// The routes that are paused, also some that are not in the plan at present.
#[derive(Debug, Default)]
pub struct Pauses(BTreeMap<RouteName, Active>);

#[derive(Debug)]
struct Active {
    pause: Pause,
    /// By the monotonic clock.
    ends: Duration,
}

impl Active {
    fn new(pause: Pause, now: Now) -> Active {
        let asked = until(pause.said, pause.until).min(PAUSE_MAX);
        let left = until(now.wall, pause.until).min(asked);
        Active {
            ends: now.mono + left,
            pause,
        }
    }

    fn is_over(&self, now: Now) -> bool {
        now.wall >= self.pause.until || now.mono >= self.ends
    }

    fn left(&self, now: Now) -> Duration {
        until(now.wall, self.pause.until).min(self.ends.saturating_sub(now.mono))
    }
}

impl Pauses {
    /// Whether nothing is to be sent on this route.
    pub fn hold(&self, route: &RouteName) -> bool {
        self.0.contains_key(route)
    }

    /// The pause of this route, and how long it still lasts.
    pub fn of(&self, route: &RouteName, now: Now) -> Option<(&Pause, Duration)> {
        let active = self.0.get(route)?;
        Some((&active.pause, active.left(now)))
    }

    /// Takes up those of an earlier process.
    pub fn recall(&mut self, kept: &BTreeMap<RouteName, Pause>, now: Now) {
        for (route, pause) in kept {
            let active = Active::new(pause.clone(), now);
            if !active.is_over(now) {
                self.0.entry(route.clone()).or_insert(active);
            }
        }
    }

    /// As they are kept.
    fn kept(&self) -> BTreeMap<RouteName, Pause> {
        let all = self.0.iter();
        all.map(|(route, active)| (route.clone(), active.pause.clone()))
            .collect()
    }

    /// When the next one ends; the wall clock is looked at again at the latest after `look`.
    pub fn deadline(&self, now: Now, look: Duration) -> Option<Duration> {
        let all = self.0.values();
        all.map(|active| now.mono + active.left(now).min(look))
            .min()
    }
}

impl Engine {
    /// Pauses what is selected. Answered when it is kept, so that it outlives this process from then on.
    pub(super) fn pause(
        &mut self,
        now: Now,
        request: RequestId,
        (selector, wish): (&Selector, PauseWish),
        effects: &mut Vec<Effect>,
    ) {
        let time = wish.time.clamp(PAUSE_MIN, PAUSE_MAX);
        let mut count = 0;
        for (name, route) in &mut self.routes {
            if !selector.matches(name) {
                continue;
            }
            let before = self.pauses.0.get(name);
            let pause = Pause {
                reason: wish.reason.clone(),
                by: wish.by.clone(),
                since: before.map_or(now.wall, |before| before.pause.since),
                said: now.wall,
                until: now.wall.saturating_add(time).unwrap_or(Timestamp::MAX),
            };
            if let Some(running) = route.running.as_mut().filter(|_| wish.cancel) {
                let reason = wish.reason.as_ref().map(|reason| format!(": {reason}"));
                let why = format!("paused by {}{}", wish.by, reason.unwrap_or_default());
                running.cancelled.get_or_insert(why);
                effects.push(Effect::Cancel(running.id));
            }
            effects.push(Effect::Tell(Event::Paused(name.clone(), pause.clone())));
            self.pauses.0.insert(name.clone(), Active::new(pause, now));
            count += 1;
        }
        if count == 0 {
            effects.push(Effect::Answer(request, Answer::NoSuchRoute));
            return;
        }
        self.keep_pauses(Some((request, Answer::Accepted(count))), effects);
    }

    /// Ends pauses of what is selected, also of routes that are not in the plan at present.
    pub(super) fn resume(
        &mut self,
        request: RequestId,
        selector: &Selector,
        by: &str,
        effects: &mut Vec<Effect>,
    ) {
        let over = self
            .pauses
            .0
            .extract_if(.., |name, _| selector.matches(name));
        let over: Vec<RouteName> = over.map(|(name, _)| name).collect();
        if over.is_empty() {
            let answer = match self.routes.keys().any(|name| selector.matches(name)) {
                true => Answer::Accepted(0),
                false => Answer::NoSuchRoute,
            };
            effects.push(Effect::Answer(request, answer));
            return;
        }
        let count = over.len();
        for name in over {
            effects.push(Effect::Tell(Event::Resumed(name, Some(by.to_owned()))));
        }
        self.keep_pauses(Some((request, Answer::Accepted(count))), effects);
    }

    /// Ends those whose time is up.
    pub(super) fn end_pauses(&mut self, now: Now, effects: &mut Vec<Effect>) {
        let over = self
            .pauses
            .0
            .extract_if(.., |_, active| active.is_over(now));
        let over: Vec<RouteName> = over.map(|(name, _)| name).collect();
        if over.is_empty() {
            return;
        }
        let ended = over.into_iter().map(|name| Event::Resumed(name, None));
        effects.extend(ended.map(Effect::Tell));
        self.keep_pauses(None, effects);
    }

    fn keep_pauses(&self, answer: Option<(RequestId, Answer)>, effects: &mut Vec<Effect>) {
        effects.push(Effect::KeepPauses {
            pauses: self.pauses.kept(),
            answer,
        });
    }

    /// The answer to something that was begun for so many routes: those of them that are paused do it afterwards.
    pub(super) fn begun(&self, selector: &Selector, answer: Answer) -> Answer {
        let Answer::Accepted(routes) = answer else {
            return answer;
        };
        let names = self.routes.keys();
        let paused: Vec<RouteName> = names
            .filter(|name| selector.matches(name) && self.pauses.hold(name))
            .cloned()
            .collect();
        match paused.is_empty() {
            true => Answer::Accepted(routes),
            false => Answer::Later { routes, paused },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::{SourceName, TargetName};

    fn now(mono: u64, wall: i64) -> Now {
        Now {
            mono: Duration::from_secs(mono),
            wall: Timestamp::from_second(wall).unwrap(),
        }
    }

    fn taken_up(said: i64, until: i64, at: Now) -> Pauses {
        let name = RouteName {
            source: SourceName("s".into()),
            target: TargetName("t".into()),
        };
        let pause = Pause {
            reason: None,
            by: "me".into(),
            since: Timestamp::from_second(said).unwrap(),
            said: Timestamp::from_second(said).unwrap(),
            until: Timestamp::from_second(until).unwrap(),
        };
        let mut pauses = Pauses::default();
        pauses.recall(&[(name, pause)].into(), at);
        pauses
    }

    fn left(pauses: &Pauses, now: Now) -> Option<u64> {
        let (name, active) = pauses.0.first_key_value()?;
        if active.is_over(now) {
            return None;
        }
        pauses.of(name, now).map(|(_, left)| left.as_secs())
    }

    #[test]
    fn no_clock_makes_a_pause_longer_than_was_asked_for() {
        // Asked for at 1,000 for 100 seconds; another process takes it up.
        let pauses = taken_up(1_000, 1_100, now(5, 1_040));
        assert_eq!(left(&pauses, now(5, 1_040)), Some(60));
        assert_eq!(left(&pauses, now(65, 1_090)), None, "by its own time");
        assert_eq!(
            left(&pauses, now(6, 1_100)),
            None,
            "by the wall clock, as after a sleep"
        );
        assert_eq!(
            left(&pauses, now(25, -9_000)),
            Some(40),
            "the clock was set back"
        );
        // The clock was set back while nobody was there.
        let pauses = taken_up(1_000, 1_100, now(0, -900_000));
        assert_eq!(left(&pauses, now(0, -900_000)), Some(100));
        // Over before it is taken up; and one that a damaged or foreign file makes endless.
        assert!(taken_up(1_000, 1_100, now(0, 1_100)).0.is_empty());
        let week = PAUSE_MAX.as_secs();
        let pauses = taken_up(0, 900_000_000, now(0, 0));
        assert_eq!(left(&pauses, now(0, 0)), Some(week));
        assert_eq!(left(&pauses, now(week, 0)), None);
    }
}
