//! One alarm that goes off when it is due.
//!
//! The runtime's own timers go by whole milliseconds and are late by one to two of them, which is a third of the default
//! `quiet`; the kernel's are late by microseconds. Called by the world, whose loop waits for one moment at a time.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::time::Instant;

use rustix::io::Errno;
use rustix::time::{
    Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec, timerfd_create,
    timerfd_settime,
};
use tokio::io::unix::AsyncFd;

/// An alarm that is set to at most one moment.
#[derive(Debug)]
pub struct Alarm {
    timer: AsyncFd<OwnedFd>,
    set: Option<Instant>,
}

const NEVER: Timespec = Timespec {
    tv_sec: 0,
    tv_nsec: 0,
};

impl Alarm {
    /// One that is not set. Within a runtime only.
    #[allow(
        deprecated,
        reason = "deprecated for types whose descriptor may change or close under it: an `OwnedFd` does neither"
    )]
    pub fn new() -> io::Result<Alarm> {
        let flags = TimerfdFlags::CLOEXEC | TimerfdFlags::NONBLOCK;
        let timer = timerfd_create(TimerfdClockId::Monotonic, flags)?;
        Ok(Alarm {
            timer: AsyncFd::new(timer)?,
            set: None,
        })
    }

    /// Waits until `at`, by the clock of [`Instant`]; for ever without it. Given up at any moment, it is none the worse.
    pub async fn until(&mut self, at: Option<Instant>) {
        let Some(at) = at else {
            return std::future::pending().await;
        };
        while let Some(left) = at
            .checked_duration_since(Instant::now())
            .filter(|left| !left.is_zero())
        {
            if self.set != Some(at) {
                let value = Timespec::try_from(left).unwrap_or(Timespec {
                    tv_sec: i64::MAX,
                    tv_nsec: 0,
                });
                let once = Itimerspec {
                    it_interval: NEVER,
                    it_value: value,
                };
                // Refused only for times that are none.
                let _ = timerfd_settime(self.timer.get_ref(), TimerfdTimerFlags::empty(), &once);
                self.set = Some(at);
            }
            let Ok(mut ready) = self.timer.readable().await else {
                // The runtime ends.
                return std::future::pending().await;
            };
            match rustix::io::read(ready.get_inner().as_fd(), &mut [0; 8]) {
                Ok(_) => self.set = None,
                Err(Errno::AGAIN) => ready.clear_ready(),
                Err(_) => self.set = None,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    const SOON: Duration = Duration::from_millis(20);

    #[tokio::test]
    async fn it_goes_off_however_often_it_was_given_up() {
        let mut alarm = Alarm::new().unwrap();
        for round in 0..300 {
            let soon = Instant::now() + Duration::from_micros(100 * (round % 4));
            tokio::select! {
                biased;
                () = alarm.until(Some(soon)) => {}
                () = tokio::task::yield_now() => {}
            }
            let at = Instant::now() + Duration::from_micros(150 * (round % 5));
            let off = tokio::time::timeout(Duration::from_secs(60), alarm.until(Some(at))).await;
            assert!(off.is_ok() && Instant::now() >= at, "round {round}");
        }
    }

    #[tokio::test]
    async fn it_is_never_early_and_can_be_set_anew() {
        let mut alarm = Alarm::new().unwrap();
        let far = Instant::now() + Duration::from_secs(3600);
        let given_up = tokio::time::timeout(SOON, alarm.until(Some(far))).await;
        assert!(given_up.is_err());
        for _ in 0..3 {
            let at = Instant::now() + SOON;
            alarm.until(Some(at)).await;
            assert!(Instant::now() >= at);
        }
        alarm.until(Some(Instant::now())).await;
        assert!(
            tokio::time::timeout(SOON, alarm.until(None)).await.is_err(),
            "no moment never comes"
        );
    }
}
