//! What a manifest costs to be judged grows with its length and no faster, however wrong it is: `validate` also reads
//! what others wrote, and the service reads it again on each reload.
//!
//! Held against itself, the same mistakes twice as often, in processor time of the thread: neither the machine nor its
//! other work counts.

use std::io;
use std::time::Duration;

use heliostat::cli::validate::{self, ValidateArgs};
use rustix::time::{ClockId, clock_gettime};

/// Twice the length may take so many times as long. What is quadratic takes four times as long.
const RATIO_MAX: f64 = 3.0;
/// Of so many tries the fastest counts.
const TRIES: usize = 3;

/// The text with its mistakes so often.
type Shape = fn(usize) -> String;

fn list(count: usize, item: impl Fn(usize) -> String) -> String {
    (0..count).map(item).collect::<Vec<_>>().join(", ")
}

fn spent() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
}

fn cost(text: &str) -> Duration {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("a.yaml");
    let start = "apiVersion: heliostat/v1\nkind: Manifest\nsources: ";
    std::fs::write(&file, format!("{start}{text}\n")).unwrap();
    let args = ValidateArgs {
        paths: vec![file],
        ..ValidateArgs::default()
    };
    let tries = (0..TRIES).map(|_| {
        let before = spent();
        validate::run(&args, &mut io::sink(), &mut io::sink()).unwrap();
        spent() - before
    });
    tries.min().unwrap()
}

#[test]
fn twice_the_mistakes_cost_twice_the_time() {
    let shapes: [(&str, usize, Shape); 7] = [
        // As many as are shown, so that the length of the line counts for each of them.
        ("duplicate keys", 100, |n| {
            let value = "x".repeat(1000);
            format!("{{{}}}", list(n, |_| format!("a: \"{value}\"")))
        }),
        ("aliases", 1000, |n| {
            format!("[{}]", list(n, |_| "*a".into()))
        }),
        ("passwords in urls", 1000, |n| {
            format!("[{}]", list(n, |_| "\"rsync://u:p@h\"".into()))
        }),
        ("schemes in one word", 4000, |n| {
            format!("\"{}\"", "a:b/://".repeat(n))
        }),
        ("inline passwords", 1000, |n| {
            format!("{{{}}}", list(n, |_| "password: x".into()))
        }),
        ("unknown fields", 1000, |n| {
            let fields = list(n, |i| format!("k{i}: 1"));
            format!("{{a: {{path: /a, targets: {{t: {{{fields}}}}}}}}}")
        }),
        ("targets in one place", 400, |n| {
            let targets = list(n, |i| format!("t{i}: {{url: \"file:///b\"}}"));
            format!("{{a: {{path: /a, targets: {{{targets}}}}}}}")
        }),
    ];
    let mut slow = Vec::new();
    for (name, count, shape) in shapes {
        let (once, twice) = (cost(&shape(count)), cost(&shape(2 * count)));
        let ratio = twice.as_secs_f64() / once.as_secs_f64();
        eprintln!("{name}: {once:?}, {twice:?}: {ratio:.2}");
        if ratio > RATIO_MAX {
            slow.push(format!("{name}: {once:?}, and twice as many {twice:?}"));
        }
    }
    assert!(slow.is_empty(), "{slow:#?}");
}
