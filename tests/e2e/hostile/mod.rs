//! Who means harm: a far side, and somebody who may write in a source.
//!
//! A far side speaks as much of rsync's protocol as is needed to be listened to, with the real rsync on our side.

mod ahead;
mod daemon;
mod source;
mod words;

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

use serde_json::json;

use super::{Story, retry};

/// Resident memory of the service whatever a far side says.
const MEGABYTES: u64 = 60;

/// What a terminal, a log or a page would take for its own.
const ODD: &str = "\u{1b}[2J\u{7}<script>alert(1)</script>\u{9b}31m";

/// Messages of rsync's protocol, as its `rsync.h` numbers them.
mod message {
    pub const ERROR_XFER: u8 = 1;
    pub const INFO: u8 = 2;
    pub const ERROR: u8 = 3;
    pub const WARNING: u8 = 4;
    pub const ERROR_EXIT: u8 = 86;
    pub const DELETED: u8 = 101;
}

/// Listens until the test's process ends; `act` has each connection on a thread of its own. The port, and how many there
/// were.
fn daemon(act: impl Fn(TcpStream) + Send + Sync + 'static) -> (u16, Arc<AtomicU64>) {
    let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let port = listener.local_addr().unwrap().port();
    let count = Arc::new(AtomicU64::new(0));
    let (seen, act) = (Arc::clone(&count), Arc::new(act));
    thread::spawn(move || {
        for stream in listener.incoming() {
            let Ok(stream) = stream else { break };
            seen.fetch_add(1, Ordering::SeqCst);
            let act = Arc::clone(&act);
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

/// Up to where messages are exchanged; what the client asks for.
fn spoken_to(mut stream: &TcpStream) -> Option<Vec<String>> {
    let mut reader = BufReader::new(stream);
    let mut line = String::new();
    stream.write_all(b"@RSYNCD: 31.0 md5\n").ok()?;
    for _ in ["its greeting", "the module"] {
        reader.read_line(&mut line).ok()?;
    }
    stream.write_all(b"@RSYNCD: OK\n").ok()?;
    let mut asked = Vec::new();
    loop {
        let mut word = Vec::new();
        reader.read_until(0, &mut word).ok()?;
        match word.pop() {
            None => return None,
            Some(_) if word.is_empty() => break,
            Some(_) => asked.push(String::from_utf8_lossy(&word).into_owned()),
        }
    }
    // No capabilities, and a seed.
    stream.write_all(&[0, 1, 2, 3, 4]).ok()?;
    Some(asked)
}

/// One message.
fn message(code: u8, data: &[u8]) -> Vec<u8> {
    let head = (u32::from(code + 7) << 24) | data.len() as u32;
    [&head.to_le_bytes()[..], data].concat()
}

/// Has the other side end with this status.
fn order_to_end(mut stream: &TcpStream, status: u32) {
    let order = message(message::ERROR_EXIT, &status.to_le_bytes());
    let _ = stream.write_all(&order);
    // It ends when it has heard the last of us.
    let _ = stream.shutdown(Shutdown::Write);
    wait_for_the_end(stream);
}

/// Waits until the other side has had enough.
fn wait_for_the_end(mut stream: &TcpStream) {
    let mut piece = [0; 4096];
    while stream.read(&mut piece).is_ok_and(|read| read > 0) {}
}

/// A story whose daemon is this one; the local target goes on.
fn story(act: impl Fn(TcpStream) + Send + Sync + 'static) -> (Story, Arc<AtomicU64>) {
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

/// Nothing in it that a terminal obeys.
#[track_caller]
fn plain(text: &str) {
    let odd = text
        .chars()
        .find(|c| c.is_control() && *c != '\n' && *c != '\t');
    assert_eq!(odd, None, "{}", &text[..text.len().min(2000)]);
}
