//! The kernel's own word on the clock: whether something keeps it in step with the world's.
//!
//! chrony, ntpd, systemd-timesyncd and ptp4l's helpers all tell the kernel how far off the clock may be at most, and take the mark
//! off that says that nobody does. Where nobody has told it for long, the kernel sets the mark again.
#![allow(unsafe_code)] // the one call that this file is about

use std::io;
use std::time::Duration;

/// What the kernel says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Kept {
    /// Whether something keeps the clock in step.
    pub synchronized: bool,
    /// How far off it may be at most, as far as is known.
    pub off_at_most: Duration,
}

/// Asks the kernel; changes nothing, and needs no power.
pub fn kept() -> io::Result<Kept> {
    // SAFETY: all of it is integers, of which zeroes are values; `modes` = 0 asks for nothing to be set.
    let mut answer: libc::timex = unsafe { std::mem::zeroed() };
    // SAFETY: the pointer is to a whole `timex` that outlives the call, and nobody else has it.
    let state = unsafe { libc::adjtimex(&mut answer) };
    if state < 0 {
        return Err(io::Error::last_os_error());
    }
    let unsynchronized = answer.status & libc::STA_UNSYNC != 0 || state == libc::TIME_ERROR;
    Ok(Kept {
        synchronized: !unsynchronized,
        off_at_most: Duration::from_micros(u64::try_from(answer.maxerror).unwrap_or(0)),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What it says differs from host to host; but the mark and the bound go together.
    #[test]
    fn the_kernel_answers() {
        match kept() {
            Ok(kept) => assert!(
                !kept.synchronized || kept.off_at_most < Duration::from_secs(3600),
                "{kept:?}"
            ),
            // As in a sandbox.
            Err(error) => assert_eq!(error.kind(), io::ErrorKind::PermissionDenied, "{error}"),
        }
    }
}
