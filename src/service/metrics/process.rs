//! This process in numbers, as the kernel has them.

use std::fs;

/// Of a second: what the kernel shows to programs is always in these, whatever it counts in itself.
const TICKS: f64 = 100.0;

/// This process.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Process {
    /// Seconds.
    pub cpu: f64,
    /// Seconds, of children that have ended.
    pub children_cpu: f64,
    /// Bytes.
    pub resident: u64,
    /// Seconds since the epoch.
    pub start: f64,
    /// Open descriptors.
    pub fds: u64,
    /// Descriptors that may be open.
    pub fds_max: Option<u64>,
}

impl Process {
    /// As it is now; `None` where there is no `/proc`.
    pub(super) fn look() -> Option<Process> {
        let read = |name: &str| fs::read_to_string(name).ok();
        let mut process = of(
            &read("/proc/self/stat")?,
            &read("/proc/self/status")?,
            &read("/proc/stat")?,
        )?;
        // The directory that is being read is one of them.
        process.fds = (fs::read_dir("/proc/self/fd").ok()?.count() as u64).saturating_sub(1);
        process.fds_max = rustix::process::getrlimit(rustix::process::Resource::Nofile).current;
        Some(process)
    }
}

fn of(stat: &str, status: &str, host: &str) -> Option<Process> {
    // The name may hold blanks and parentheses; the third field follows the last one.
    let rest = stat.rsplit_once(')')?.1;
    let fields: Vec<&str> = rest.split_ascii_whitespace().collect();
    let ticks = |number: usize| {
        let ticks: f64 = fields.get(number - 3)?.parse().ok()?;
        Some(ticks / TICKS)
    };
    let line = |text: &str, name: &str| {
        let rest = text.lines().find_map(|line| line.strip_prefix(name))?;
        rest.split_ascii_whitespace().next()?.parse::<u64>().ok()
    };
    Some(Process {
        cpu: ticks(14)? + ticks(15)?,
        children_cpu: ticks(16)? + ticks(17)?,
        resident: line(status, "VmRSS:")? * 1024,
        start: line(host, "btime ")? as f64 + ticks(22)?,
        ..Process::default()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernel_is_read_as_it_writes() {
        let stat = "7 (a) b) S 1 7 7 0 -1 4194560 1 2 3 4 150 50 1000 24 20 0 9 0 250 1 1 1";
        let status = "Name:\ta\nVmHWM:\t   9 kB\nVmRSS:\t   1024 kB\n";
        let host = "cpu 1 2 3\nbtime 1000\n";
        let process = of(stat, status, host).unwrap();
        assert_eq!((process.cpu, process.children_cpu), (2.0, 10.24));
        assert_eq!((process.resident, process.start), (1 << 20, 1002.5));
        assert_eq!(of("", "", ""), None);
        let now = Process::look().unwrap();
        assert!(
            now.fds > 2 && now.resident > 1 << 20 && now.start > 1e9,
            "{now:?}"
        );
    }
}
