//! What is printed and kept: Markdown tables, facts of the machine, raw results.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::{Value, json};

/// A table in Markdown.
pub struct Table {
    title: String,
    rows: Vec<Vec<String>>,
}

impl Table {
    /// With these headings.
    pub fn new(title: &str, headings: &[&str]) -> Table {
        let headings = headings.iter().map(|heading| heading.to_string()).collect();
        Table {
            title: title.to_string(),
            rows: vec![headings],
        }
    }

    /// One more line.
    pub fn row(&mut self, cells: Vec<String>) {
        self.rows.push(cells);
    }

    /// Prints it.
    pub fn print(&self) {
        println!("\n### {}\n", self.title);
        for (number, row) in self.rows.iter().enumerate() {
            println!("| {} |", row.join(" | "));
            if number == 0 {
                println!("|{}", " --- |".repeat(row.len()));
            }
        }
    }
}

/// `12.3 ms`.
pub fn milliseconds(time: f64) -> String {
    match time {
        time if time < 100.0 => format!("{time:.1} ms"),
        time => format!("{time:.0} ms"),
    }
}

/// `1.23 s`.
pub fn seconds(time: f64) -> String {
    format!("{time:.2} s")
}

/// `1.5 ×`; nothing where there is nothing to measure by.
pub fn ratio(this: f64, by: f64) -> String {
    if by > 0.0 {
        format!("{:.2} ×", this / by)
    } else {
        "–".to_string()
    }
}

/// What the results depend on.
pub fn machine() -> Value {
    let read = |path: &str| {
        fs::read_to_string(path)
            .unwrap_or_default()
            .trim()
            .to_string()
    };
    json!({
        "cores": std::thread::available_parallelism().map_or(0, usize::from),
        "kernel": read("/proc/sys/kernel/osrelease"),
        "load": load(),
        "fileSystem": file_system(),
        "rsync": first_line("rsync", "--version"),
        "lsyncd": first_line("lsyncd", "-version"),
        "inotifywait": first_line("inotifywait", "--help"),
        "watchman": format!("watchman {}", first_line("watchman", "--version")),
        "optimised": !cfg!(debug_assertions),
    })
}

/// One, five and fifteen minutes: above the number of cores, times say little and ratios more.
pub fn load() -> String {
    let text = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    text.split(' ').take(3).collect::<Vec<_>>().join(" ")
}

fn first_line(program: &str, option: &str) -> String {
    let Ok(output) = Command::new(program).arg(option).output() else {
        return "not installed".to_string();
    };
    let text = String::from_utf8_lossy(&output.stdout);
    text.lines().next().unwrap_or_default().trim().to_string()
}

fn file_system() -> String {
    let at = std::env::temp_dir();
    match rustix::fs::statfs(&at).map(|facts| facts.f_type) {
        Ok(0xef53) => "ext4".to_string(),
        Ok(0x0102_1994) => "tmpfs".to_string(),
        Ok(0x5846_5342) => "xfs".to_string(),
        Ok(number) => format!("{number:#x}"),
        Err(error) => error.to_string(),
    }
}

/// Keeps a text among the results; where it is.
pub fn keep(name: &str, text: &str) -> PathBuf {
    let target = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let directory = target.parent().unwrap_or(target).join("bench");
    fs::create_dir_all(&directory).unwrap();
    let path = directory.join(name);
    fs::write(&path, text).unwrap();
    path
}
