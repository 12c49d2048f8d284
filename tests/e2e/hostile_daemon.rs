//! A far side that means harm: what it says is bounded and shown harmlessly, and nobody else waits for it.
//!
//! It speaks as much of the daemon's protocol as rsync needs to listen to it, with the real rsync on our side.

use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

use serde_json::{Value, json};

use super::{Story, retry};

/// Resident memory of the service whatever a far side says.
const MEGABYTES: u64 = 60;

/// What a terminal, a log or a page would take for its own.
const ODD: &str = "\u{1b}[2J\u{7}<script>alert(1)</script>\u{9b}31m";

/// Listens until the test's process ends; `act` has each connection on a thread of its own. The port, and how many there
/// were.
fn daemon(act: fn(TcpStream)) -> (u16, Arc<AtomicU64>) {
    let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let port = listener.local_addr().unwrap().port();
    let count = Arc::new(AtomicU64::new(0));
    let seen = Arc::clone(&count);
    thread::spawn(move || {
        for stream in listener.incoming() {
            let Ok(stream) = stream else { break };
            seen.fetch_add(1, Ordering::SeqCst);
            thread::spawn(move || act(stream));
        }
    });
    (port, count)
}

/// Says it until nobody listens, or this many mebibytes are said.
fn flood(mut stream: &TcpStream, line: &[u8], megabytes: usize) {
    let block = line.repeat((1 << 20) / line.len() + 1);
    for _ in 0..megabytes {
        if stream.write_all(&block).is_err() {
            return;
        }
    }
}

/// The greeting and the module's name are exchanged.
fn greeted(stream: &TcpStream) -> bool {
    let mut lines = BufReader::new(stream).lines();
    let said = (&mut &*stream).write_all(b"@RSYNCD: 31.0 sha512 sha256 sha1 md5 md4\n");
    said.is_ok() && lines.next().is_some() && lines.next().is_some()
}

/// A story whose daemon is this one; the local target goes on.
fn story(act: fn(TcpStream)) -> (Story, Arc<AtomicU64>) {
    let (port, count) = daemon(act);
    let story = Story::new(|site| {
        site["targets"]["module"] = json!({
            "url": format!("rsync://127.0.0.1:{port}/m"),
            "timeout": "2s",
            "retry": retry(),
        });
    });
    (story, count)
}

/// The far side does this; the route says so after several tries, the other one is in sync all the while, and memory stays.
#[track_caller]
fn harmless(act: fn(TcpStream)) -> Value {
    let (mut story, count) = story(act);
    story.write("first", "1");
    story.service.start();
    let failing = |route: &Value| {
        let code = route["code"].as_str().unwrap_or_default();
        !["", "new", "change", "survey"].contains(&code)
            && ["retrying", "failed"].contains(&route["state"].as_str().unwrap_or_default())
    };
    let shown = story.until("module", failing);
    super::soon("it is tried again, or given up", || {
        count.load(Ordering::SeqCst) > 1 || shown["state"] == "failed"
    });
    story.write("second", "2");
    super::equal(&story.source, &story.copy, &story.service);
    let memory = super::limits::peak_megabytes(story.service.id().unwrap());
    eprintln!("figure: resident memory beside a hostile daemon {memory} MB");
    assert!(memory <= MEGABYTES, "{memory} MB");
    for args in [
        &["status"][..],
        &["status", "--format", "json"],
        &["history"],
        &["status", "site/module"],
    ] {
        let answer = story.service.call(args);
        plain(&answer.stdout);
        plain(&answer.stderr);
    }
    plain(&story.service.log());
    assert!(shown.to_string().len() < 20_000, "what it says is cut");
    assert_eq!(story.service.stop().0, 0, "{}", story.service.tail());
    shown
}

/// Nothing in it that a terminal obeys.
#[track_caller]
fn plain(text: &str) {
    let odd = text
        .chars()
        .find(|c| c.is_control() && *c != '\n' && *c != '\t');
    assert_eq!(odd, None, "{}", &text[..text.len().min(2000)]);
}

#[test]
fn a_greeting_without_an_end() {
    harmless(|stream| flood(&stream, b"x", 1024));
}

#[test]
fn a_gigabyte_of_a_message_of_the_day() {
    let shown = harmless(|stream| {
        if greeted(&stream) {
            flood(
                &stream,
                format!("{} {ODD}\n", "long ".repeat(40)).as_bytes(),
                1024,
            );
        }
    });
    assert_eq!(shown["code"], "timeout", "{shown:#}");
    assert!(shown["why"].to_string().contains("talking"), "{shown:#}");
}

#[test]
fn an_error_that_is_written_for_a_terminal() {
    let shown = harmless(|mut stream| {
        if greeted(&stream) {
            let _ = stream.write_all(format!("@ERROR: no {ODD} module\n").as_bytes());
        }
    });
    let why = shown.to_string();
    assert!(why.contains("@ERROR") || why.contains("module"), "{why}");
}

#[test]
fn one_that_never_answers() {
    let shown = harmless(|stream| {
        let mut line = String::new();
        // Until the other side has had enough.
        while BufReader::new(&stream)
            .read_line(&mut line)
            .is_ok_and(|read| read > 0)
        {}
    });
    assert_eq!(shown["code"], "timeout", "{shown:#}");
}

#[test]
fn one_that_hangs_up_at_once() {
    harmless(drop);
}

#[test]
fn one_that_hangs_up_after_the_greeting() {
    harmless(|stream| {
        greeted(&stream);
    });
}

#[test]
fn one_that_hangs_up_where_the_protocol_begins() {
    harmless(|mut stream| {
        if greeted(&stream) {
            let _ = stream.write_all(b"@RSYNCD: OK\n");
        }
    });
}

#[test]
fn one_that_speaks_nonsense_where_the_protocol_begins() {
    harmless(|mut stream| {
        if greeted(&stream) && stream.write_all(b"@RSYNCD: OK\n").is_ok() {
            flood(&stream, &[0xff, 0x07, 0x1b, 0x00], 16);
        }
    });
}

#[test]
fn one_that_wants_another_protocol() {
    harmless(|mut stream| {
        let _ = stream.write_all(b"@RSYNCD: 9999.0\n");
        let _ = BufReader::new(&stream).lines().next();
        let _ = stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n");
    });
}
