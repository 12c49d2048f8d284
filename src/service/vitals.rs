//! Signs of life for the service manager, given by the engine's loop after each of its steps.
//!
//! *Ready* is the service when each source stands, or it is known why it does not: from then on no change is missed, and who
//! is ordered after it may write. One source that never says either (a file system that hangs) does not keep it from that
//! for longer than [`READY_MAX`]. Until then the manager is asked for more time, as long as the loop goes round.
//!
//! The watchdog is fed here and nowhere else: an engine that is stuck starves it. Its due time is one of the loop's own, and
//! half of what the manager allows, so that a service at rest wakes no oftener for it.

use std::time::{Duration, Instant};

use super::in_force::{InForce, Origin};
use super::manager::Manager;
use crate::engine::Summary;

/// The start is not held up for longer by sources that do not say how they are.
const READY_MAX: Duration = Duration::from_secs(300);
/// While it starts, it is said so often that it does…
const STARTING_EVERY: Duration = Duration::from_secs(20);
/// …and so much time is asked for.
pub const STARTING_MAX: Duration = Duration::from_secs(120);
/// The line follows what it says by so much: what is over by then was not worth saying…
const LINE_AFTER: Duration = Duration::from_secs(1);
/// …but the start's end, which others wait for.
const READY_AFTER: Duration = Duration::from_millis(20);
/// A manager that takes nothing is tried again after twice the time, and at last so seldom.
const AGAIN_MAX: Duration = Duration::from_secs(60);

/// What the engine's loop tells the manager.
#[derive(Debug)]
pub struct Vitals {
    manager: Manager,
    in_force: InForce,
    started: Instant,
    stage: Stage,
    /// When the last beat was, or while it starts the last sign.
    beaten: Instant,
    /// When the line is to be drawn anew.
    line_due: Option<Instant>,
    said: String,
    /// What was not taken is said again after so long.
    again: Duration,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    Starting,
    Ready,
    Stopping,
}

impl Vitals {
    /// The service starts now.
    pub fn new(manager: Manager, in_force: InForce, now: Instant) -> Vitals {
        Vitals {
            manager,
            in_force,
            started: now,
            stage: Stage::Starting,
            beaten: now,
            line_due: Some(now),
            said: String::new(),
            again: LINE_AFTER,
        }
    }

    /// When the loop is to make a step for this.
    pub fn due(&self) -> Option<Instant> {
        if !self.manager.listens() {
            return None;
        }
        let beat = match self.stage {
            Stage::Starting => Some(self.beaten + STARTING_EVERY),
            Stage::Ready | Stage::Stopping => self.beat_due(),
        };
        beat.into_iter().chain(self.line_due).min()
    }

    fn beat_due(&self) -> Option<Instant> {
        Some(self.beaten + self.manager.watchdog()? / 2)
    }

    /// The engine has made a step; `summary` draws how everything is, which is not for every step.
    pub fn step(&mut self, now: Instant, stopping: bool, summary: impl FnOnce() -> Summary) {
        if !self.manager.listens() {
            return;
        }
        if stopping && self.stage != Stage::Stopping {
            self.stage = Stage::Stopping;
            self.manager.stopping("ending: what is under way may end");
        }
        let beat = match self.stage {
            Stage::Starting => now >= self.beaten + STARTING_EVERY,
            Stage::Ready | Stage::Stopping => self.beat_due().is_some_and(|due| now >= due),
        };
        if beat {
            self.beaten = now;
            match self.stage {
                Stage::Starting => self.manager.extend(STARTING_MAX),
                Stage::Ready | Stage::Stopping => self.manager.beat(),
            };
        }
        if self.stage == Stage::Stopping {
            self.line_due = None;
            return;
        }
        let soon = match self.stage {
            Stage::Starting => now + READY_AFTER,
            Stage::Ready | Stage::Stopping => now + LINE_AFTER,
        };
        let due = self.line_due.map_or(soon, |due| due.min(soon));
        self.line_due = Some(due);
        // At a beat at once: a service at rest would wake once more for nothing.
        if now >= due || beat {
            self.line_due = None;
            self.draw(&summary(), now);
        }
    }

    fn draw(&mut self, summary: &Summary, now: Instant) {
        let line = self.line(summary);
        let late = self.started + READY_MAX;
        let ready = self.stage == Stage::Starting && (summary.stands() || now >= late);
        if self.stage == Stage::Starting && !ready {
            self.line_due = Some(late);
        }
        if !ready && !self.manager.overwritten() && line == self.said {
            return;
        }
        let taken = match ready {
            true => self.manager.ready(&line),
            false => self.manager.status(&line),
        };
        if !taken {
            self.line_due = Some(now + self.again);
            self.again = (self.again * 2).min(AGAIN_MAX);
            return;
        }
        self.said = line;
        self.again = LINE_AFTER;
        if ready {
            self.stage = Stage::Ready;
            self.beaten = now;
        }
    }

    /// With what nobody may overlook.
    fn line(&self, summary: &Summary) -> String {
        let standing = self.in_force.get();
        let mut line = summary.line();
        if let Some(rejected) = &standing.rejected {
            line += &format!("; the last reload was rejected: {}", rejected.reason);
        }
        if let Origin::LastGood { .. } = standing.origin {
            line += &format!(
                "; the manifests are broken: the last good generation {} runs",
                standing.generation
            );
        }
        line
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixDatagram;

    use super::*;
    use crate::engine::status::State;
    use crate::service::in_force::Standing;

    const HALF: Duration = Duration::from_secs(30);

    struct Life {
        listener: UnixDatagram,
        manager: Manager,
        in_force: InForce,
        vitals: Vitals,
        now: Instant,
        _scratch: tempfile::TempDir,
    }

    impl Life {
        fn new() -> Life {
            let scratch = tempfile::tempdir().unwrap();
            let path = scratch.path().join("notify");
            let listener = UnixDatagram::bind(&path).unwrap();
            listener.set_nonblocking(true).unwrap();
            let manager = Manager::at(path.as_os_str(), Some(2 * HALF)).unwrap();
            let in_force = InForce::new(Standing {
                generation: 7,
                digest: String::new(),
                revision: None,
                since: String::new(),
                origin: Origin::Files,
                rejected: None,
            });
            let now = Instant::now();
            Life {
                listener,
                vitals: Vitals::new(manager.clone(), in_force.clone(), now),
                manager,
                in_force,
                now,
                _scratch: scratch,
            }
        }

        /// A step after this time, in which everything is as given; what the manager hears of it.
        fn step(&mut self, after: Duration, summary: &Summary) -> Vec<String> {
            self.now += after;
            self.vitals.step(self.now, false, || summary.clone());
            self.heard()
        }

        fn heard(&self) -> Vec<String> {
            let (mut buffer, mut all) = ([0; 4096], Vec::new());
            while let Ok(length) = self.listener.recv(&mut buffer) {
                all.push(String::from_utf8(buffer[..length].to_vec()).unwrap());
            }
            all
        }

        /// How long until the loop must make a step.
        fn due(&self) -> Duration {
            self.vitals.due().unwrap() - self.now
        }
    }

    fn summary(told: usize, in_sync: usize) -> Summary {
        Summary {
            sources: 2,
            told,
            routes: 2,
            in_sync,
            ailing: Vec::new(),
        }
    }

    const NONE: [&str; 0] = [];
    const NOW: Duration = Duration::ZERO;

    #[test]
    fn the_start_is_over_when_every_source_stands_and_asks_for_time_until_then() {
        let mut life = Life::new();
        assert_eq!(life.due(), NOW);
        let one = summary(1, 0);
        let line = "STATUS=0 of 2 routes in sync; 1 of 2 sources stand";
        assert_eq!(life.step(NOW, &one), [line]);
        for _ in 0..3 {
            assert_eq!(life.due(), STARTING_EVERY);
            assert_eq!(
                life.step(STARTING_EVERY, &one),
                ["EXTEND_TIMEOUT_USEC=120000000"]
            );
        }
        assert_eq!(life.step(NOW, &summary(2, 0)), NONE);
        assert_eq!(life.due(), READY_AFTER);
        let ready = "READY=1\nSTATUS=0 of 2 routes in sync";
        assert_eq!(life.step(READY_AFTER, &summary(2, 0)), [ready]);
        assert_eq!(life.due(), HALF);
    }

    #[test]
    fn a_source_that_never_says_how_it_is_holds_nobody_up_for_ever() {
        let mut life = Life::new();
        let mut since = NOW;
        loop {
            let due = life.due();
            since += due;
            let heard = life.step(due, &summary(1, 1));
            if heard.iter().any(|message| message.starts_with("READY=1")) {
                break;
            }
            assert!(since < READY_MAX, "{heard:?}");
        }
        assert_eq!(since, READY_MAX);
        assert!(life.vitals.said.contains("1 of 2 sources stand"));
    }

    #[test]
    fn only_steps_feed_the_watchdog_and_rest_needs_no_others() {
        let mut life = Life::new();
        life.step(NOW, &summary(2, 2));
        for _ in 0..3 {
            assert_eq!(life.due(), HALF);
            assert_eq!(life.step(HALF, &summary(2, 2)), ["WATCHDOG=1"]);
        }
        life.step(HALF * 9, &summary(2, 2));
        assert_eq!(life.step(HALF / 2, &summary(2, 2)), NONE, "it is not due");
        life.vitals.step(life.now, true, || unreachable!());
        assert_eq!(
            life.heard(),
            ["STOPPING=1\nSTATUS=ending: what is under way may end"]
        );
        life.now += HALF;
        life.vitals.step(life.now, true, || unreachable!());
        assert_eq!(life.heard(), ["WATCHDOG=1"], "the end is watched as well");
    }

    #[test]
    fn what_is_over_within_a_second_is_not_said_and_what_lasts_is() {
        let mut life = Life::new();
        life.step(NOW, &summary(2, 2));
        assert_eq!(life.step(NOW, &summary(2, 1)), NONE);
        assert_eq!(life.due(), LINE_AFTER);
        assert_eq!(life.step(LINE_AFTER / 2, &summary(2, 2)), NONE);
        assert_eq!(life.step(LINE_AFTER / 2, &summary(2, 2)), NONE);
        assert_eq!(life.due(), HALF - LINE_AFTER);
        let mut held = summary(2, 1);
        held.ailing = vec![(State::Held, "home/nas".into())];
        life.step(NOW, &held);
        let line = "STATUS=1 of 2 routes in sync; home/nas held";
        assert_eq!(life.step(LINE_AFTER, &held), [line]);
    }

    #[tokio::test]
    async fn a_rejected_reload_stays_in_the_line_until_one_succeeds() {
        let mut life = Life::new();
        life.step(NOW, &summary(2, 2));
        let healthy = "STATUS=2 of 2 routes in sync";
        assert!(life.manager.reloading().await);
        life.in_force.reject("reload", "`a.yaml`: no such key", "");
        life.manager.reloaded(Some("rejected: no such key")).await;
        assert_eq!(life.heard().len(), 2);
        // Nothing else has changed, and what is shown is not what was said last.
        life.step(NOW, &summary(2, 2));
        let line = format!("{healthy}; the last reload was rejected: `a.yaml`: no such key");
        assert_eq!(life.step(LINE_AFTER, &summary(2, 2)), [line]);
        let mut standing = life.in_force.get();
        standing.rejected = None;
        standing.origin = Origin::LastGood {
            reason: String::new(),
        };
        life.in_force.set(standing);
        life.step(NOW, &summary(2, 2));
        let line = format!("{healthy}; the manifests are broken: the last good generation 7 runs");
        assert_eq!(life.step(LINE_AFTER, &summary(2, 2)), [line]);
    }

    #[test]
    fn who_does_not_take_it_is_told_again_and_not_waited_for() {
        let mut life = Life::new();
        while life.manager.beat() {}
        assert_eq!(life.vitals.stage, Stage::Starting);
        life.vitals.step(life.now, false, || summary(2, 2));
        assert_eq!(
            (life.vitals.stage, life.due()),
            (Stage::Starting, LINE_AFTER)
        );
        life.now += LINE_AFTER;
        life.vitals.step(life.now, false, || summary(2, 2));
        assert_eq!(life.due(), LINE_AFTER * 2);
        assert!(!life.heard().is_empty());
        let ready = "READY=1\nSTATUS=2 of 2 routes in sync";
        assert_eq!(life.step(LINE_AFTER * 2, &summary(2, 2)), [ready]);
    }

    #[test]
    fn without_a_manager_nothing_is_due() {
        let life = Life::new();
        let mut vitals = Vitals::new(Manager::default(), life.in_force.clone(), life.now);
        assert_eq!(vitals.due(), None);
        vitals.step(life.now, true, || unreachable!());
    }
}
