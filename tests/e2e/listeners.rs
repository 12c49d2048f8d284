//! A listener at the tap that hardly reads: it is told what it missed, and costs the service little.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;

use serde_json::Value;
use serde_json::json;

use super::{PATIENCE, local, site, write};
use crate::rig::Scratch;
use crate::rig::mount::Mount;
use crate::rig::service::{Heliostat, manifest};

/// Files of a round, with long names: what is told of them is more than the kernel, the connection and the ring hold.
const FILES: usize = 3_000;

/// Far above what is kept for one who does not read.
const GROWS_MAX_KIB: u64 = 24 << 10;

/// CPU time of a process so far, in ticks of 10 ms.
fn cpu(process: u32) -> u64 {
    let stat = fs::read_to_string(format!("/proc/{process}/stat")).unwrap();
    let fields: Vec<&str> = stat
        .rsplit(')')
        .next()
        .unwrap()
        .split_whitespace()
        .collect();
    let field = |at: usize| fields[at].parse::<u64>().unwrap();
    field(11) + field(12)
}

fn resident_kib(process: u32) -> u64 {
    let status = fs::read_to_string(format!("/proc/{process}/status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    line.unwrap()
        .trim()
        .trim_end_matches(" kB")
        .parse()
        .unwrap()
}

/// Every file gets another content.
fn change(source: &Path, content: &str) {
    for number in 0..FILES {
        let name = format!("d{}/{number:0>240}", number % 20);
        write(source, &name, content);
    }
}

/// The CPU time that `act` takes the service until everything is on the target.
fn costs(service: &mut Heliostat, act: impl FnOnce()) -> u64 {
    let before = cpu(service.id().unwrap());
    act();
    assert!(service.wait(PATIENCE), "{}", service.tail());
    cpu(service.id().unwrap()) - before
}

/// How many items were told and how many were missed, up to the event of `the last`. Whatever was not told is counted: no number
/// is missing without a word.
fn read_all(tap: UnixStream) -> (u64, u64) {
    let (mut told, mut missed) = (0, 0);
    for line in BufReader::new(tap).lines() {
        let line = line.unwrap();
        let Some(data) = line.strip_prefix("data: ") else {
            continue; // lengths of chunks, and what servers say beside their events
        };
        let item: Value = serde_json::from_str(data).unwrap();
        if item["type"] == "missed" {
            missed += item["count"].as_u64().unwrap();
            continue;
        }
        told += 1;
        assert_eq!(item["number"], told + missed, "{item:#}");
        if item["path"] == "the last" {
            return (told, missed);
        }
    }
    panic!("hung up on after {told} items");
}

#[test]
fn a_reader_that_is_too_slow_is_told_so_and_holds_nothing_up() {
    let scratch = Scratch::new();
    let (source, copy) = (scratch.dir("source"), scratch.dir("copy"));
    // In memory: it is not the disk that is asked here.
    let _mounts = [&source, &copy].map(|at| Mount::tmpfs(at, "64m"));
    let text = manifest(&json!({"site": site(&source, json!({"copy": local(&copy)}))}));
    let mut service = Heliostat::new(&scratch.dir("service"), &text);
    service.start();
    costs(&mut service, || change(&source, "first"));
    // More than once: many changes may be told as few.
    let changes = |what: &str| (0..3).for_each(|_| change(&source, what));
    let unheard = costs(&mut service, || changes("unheard"));

    let mut last = None;
    for _ in 0..6 {
        let mut slow = UnixStream::connect(service.socket()).unwrap();
        slow.set_read_timeout(Some(PATIENCE)).unwrap();
        slow.write_all(b"GET /v1/tap HTTP/1.1\r\nhost: heliostat\r\n\r\n")
            .unwrap();
        let mut begun = Vec::new();
        while !begun.ends_with(b": listening\n\n\r\n") {
            let mut byte = [0];
            slow.read_exact(&mut byte).unwrap();
            begun.push(byte[0]);
        }
        let before = resident_kib(service.id().unwrap());
        let (heard, (told, missed)) = std::thread::scope(|scope| {
            let mut reader = None;
            let heard = costs(&mut service, || {
                // Nothing is read meanwhile; not for long, or it would be hung up on.
                changes("heard");
                reader = Some(scope.spawn(|| read_all(slow)));
            });
            fs::write(source.join("the last"), "x").unwrap();
            (heard, reader.unwrap().join().unwrap())
        });
        let grown = resident_kib(service.id().unwrap()).saturating_sub(before);
        last = Some((heard, told, missed, grown));
        // What came in a lump was told in few words, and nothing had to be missed.
        if missed > 0 {
            break;
        }
    }
    let (heard, told, missed, grown) = last.unwrap();
    eprintln!(
        "figure: 3 times {FILES} changed files took {unheard} ticks of CPU unheard and {heard} with a slow listener: {:.2} x; {told} items \
         told, {missed} missed; resident memory grew by {grown} kB",
        heard as f64 / unheard.max(1) as f64
    );
    assert!(missed > 0, "{told} told");
    assert!(grown < GROWS_MAX_KIB, "{grown} kB");
    assert!(
        heard <= unheard * 3 + 20,
        "{heard} ticks heard, {unheard} unheard"
    );
    assert_eq!(service.stop().0, 0, "{}", service.tail());
}
