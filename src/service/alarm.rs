//! When the engine wants to be asked again, to the microsecond.
//!
//! The runtime's own timers go off at whole milliseconds, and after them: behind a window of 5 ms that is a fifth of what a
//! small change takes. The kernel's timer as a descriptor (timerfd_create(2)) goes off when it is due. Where there is none
//! (a system call filter), the runtime's is what there is. Called by the world's loop, which alone waits.

use std::future::pending;
use std::io::{self, ErrorKind};
use std::os::fd::AsFd;
use std::time::Instant;

use rustix::time::{
    Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec, timerfd_create,
    timerfd_settime,
};
use tokio::net::unix::pipe;

/// One timer, set anew for each wait.
#[derive(Debug)]
pub struct Alarm {
    /// Read as a pipe is, which the runtime knows how to wait for.
    timer: Option<pipe::Receiver>,
}

impl Alarm {
    /// A timer that is not set. Within a runtime.
    pub fn unset() -> Alarm {
        let flags = TimerfdFlags::NONBLOCK | TimerfdFlags::CLOEXEC;
        let timer = timerfd_create(TimerfdClockId::Monotonic, flags).ok();
        Alarm {
            timer: timer.and_then(|timer| pipe::Receiver::from_owned_fd_unchecked(timer).ok()),
        }
    }

    /// Returns at this instant; never, where there is none. Nothing is lost when the wait is given up.
    pub async fn at(&mut self, instant: Option<Instant>) {
        let Some(instant) = instant else {
            return pending().await;
        };
        match &self.timer {
            Some(timer) if wait(timer, instant).await.is_ok() => {}
            _ => tokio::time::sleep_until(instant.into()).await,
        }
    }
}

async fn wait(timer: &pipe::Receiver, instant: Instant) -> io::Result<()> {
    let left = instant.saturating_duration_since(Instant::now());
    if left.is_zero() {
        return Ok(());
    }
    let once = Itimerspec {
        it_interval: Timespec::default(),
        it_value: Timespec::try_from(left).map_err(io::Error::other)?,
    };
    // To set it takes back what it has told before.
    timerfd_settime(timer.as_fd(), TimerfdTimerFlags::empty(), &once)?;
    loop {
        timer.readable().await?;
        match timer.try_read(&mut [0; 8]) {
            Ok(_) => return Ok(()),
            // It was ready for an earlier wait, which nobody heard.
            Err(error) if error.kind() == ErrorKind::WouldBlock => {}
            Err(error) => return Err(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[tokio::test]
    async fn it_goes_off_when_it_is_due_and_not_before_however_often_it_is_set() {
        let mut alarm = Alarm::unset();
        assert!(alarm.timer.is_some(), "this host has such timers");
        alarm.at(Some(Instant::now())).await;
        for _ in 0..20 {
            let due = Instant::now() + Duration::from_micros(1500);
            // Given up, be it after it went off: the next wait is for its own instant.
            let given_up = tokio::time::timeout(Duration::from_millis(2), alarm.at(Some(due)));
            let _ = given_up.await;
            let due = Instant::now() + Duration::from_micros(700);
            alarm.at(Some(due)).await;
            assert!(Instant::now() >= due);
        }
        let never = tokio::time::timeout(Duration::from_millis(5), alarm.at(None));
        assert!(never.await.is_err());
    }
}
