//! What a process may do beyond what its user may: its effective capabilities.

use std::fs;
use std::sync::OnceLock;

/// Who a process is, and what it may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Powers {
    /// Its effective user.
    pub user: u32,
    /// Its effective capabilities, a bit each.
    effective: u64,
}

/// A power that a service may want, by its number in capability.h.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Power {
    /// Gives files away.
    Chown = 0,
    /// Writes what belongs to others.
    DacOverride = 1,
    /// Reads what belongs to others.
    DacReadSearch = 2,
    /// Changes modes and times of what belongs to others.
    Fowner = 3,
    /// Makes device files.
    Mknod = 27,
}

impl Power {
    /// As it is written in a unit.
    pub fn name(self) -> &'static str {
        match self {
            Power::Chown => "CAP_CHOWN",
            Power::DacOverride => "CAP_DAC_OVERRIDE",
            Power::DacReadSearch => "CAP_DAC_READ_SEARCH",
            Power::Fowner => "CAP_FOWNER",
            Power::Mknod => "CAP_MKNOD",
        }
    }
}

impl Powers {
    /// This process's: asked once, for they do not change.
    pub fn own() -> Powers {
        static OWN: OnceLock<Powers> = OnceLock::new();
        let user = rustix::process::geteuid().as_raw();
        // Without `/proc` nobody else knows either: root has all, and others have none.
        let otherwise = Powers {
            user,
            effective: if user == 0 { u64::MAX } else { 0 },
        };
        *OWN.get_or_init(|| Powers::of("self").unwrap_or(otherwise))
    }

    /// Of the process with this id; `None`: it is not there, or may not be looked at.
    pub fn of(id: &str) -> Option<Powers> {
        Powers::read(&fs::read_to_string(format!("/proc/{id}/status")).ok()?)
    }

    /// Whether it has this power.
    pub fn has(self, power: Power) -> bool {
        self.effective & (1 << power as u32) != 0
    }

    /// The numbers of all that it has.
    pub fn bits(self) -> Vec<u32> {
        (0..u64::BITS)
            .filter(|bit| self.effective & (1 << bit) != 0)
            .collect()
    }

    /// proc_pid_status(5).
    pub(crate) fn read(status: &str) -> Option<Powers> {
        let line = |name: &str| {
            let mut lines = status.lines();
            lines.find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))
        };
        Some(Powers {
            user: line("Uid")?.split_whitespace().nth(1)?.parse().ok()?,
            effective: u64::from_str_radix(line("CapEff")?.trim(), 16).ok()?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn powers_are_read_off_a_process() {
        let status = "Name:\theliostat\nUid:\t0\t998\t998\t998\nCapInh:\t0000000000000004\nCapEff:\t0000000000000005\n";
        let powers = Powers::read(status).unwrap();
        assert_eq!(powers.user, 998);
        assert!(powers.has(Power::Chown) && powers.has(Power::DacReadSearch));
        assert!(!powers.has(Power::DacOverride) && !powers.has(Power::Mknod));
        assert_eq!(Powers::read("Name:\tx\n"), None);
        let own = Powers::own();
        assert_eq!(own.user, rustix::process::geteuid().as_raw());
        assert_eq!(Powers::of(&std::process::id().to_string()), Some(own));
        assert_eq!(Powers::of("0"), None);
    }
}
