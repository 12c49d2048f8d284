//! A far side that takes the session that is begun ahead for its stage: the batch arrives all the same, by a fresh run.

use std::io::{self, Write};
use std::net::{Shutdown, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::thread;

use serde_json::json;

use super::super::{Story, limits, soon};
use super::{
    MEGABYTES, ODD, daemon, flood, message, order_to_end, plain, spoken_to, wait_for_the_end,
};

/// What a session may meet, and its name.
type Way = (&'static str, fn(&TcpStream));

/// Each of them.
const WAYS: [Way; 6] = [
    ("an end", |_| {}),
    ("silence", wait_for_the_end),
    ("a greeting without an end", |stream| {
        flood(stream, b"x", 1024);
    }),
    ("escape codes, and then silence", |mut stream| {
        if spoken_to(stream).is_some() {
            let _ = stream.write_all(&message(message::ERROR, ODD.as_bytes()));
            wait_for_the_end(stream);
        }
    }),
    ("errors without an end", |stream| {
        let error = message(message::ERROR_XFER, format!("{ODD}\n").as_bytes());
        if spoken_to(stream).is_some() {
            flood(stream, &error, 1024);
        }
    }),
    (
        "a word that it is done, and an order to end",
        |mut stream| {
            if spoken_to(stream).is_some() {
                let forged = message(message::INFO, b">f+++++++++|5|behind\n");
                let _ = stream.write_all(&forged);
                order_to_end(stream, 23);
            }
        },
    ),
];

/// Carries everything to a daemon and back.
fn relay(client: TcpStream, port: u16) -> Option<()> {
    let server = TcpStream::connect(("127.0.0.1", port)).ok()?;
    for stream in [&client, &server] {
        stream.set_nodelay(true).ok()?;
    }
    let carry = |mut from: TcpStream, mut to: TcpStream| {
        let _ = io::copy(&mut from, &mut to);
        let _ = to.shutdown(Shutdown::Write);
    };
    let (from, to) = (client.try_clone().ok()?, server.try_clone().ok()?);
    thread::spawn(move || carry(from, to));
    carry(server, client);
    Some(())
}

#[test]
fn a_session_that_waits_for_its_batch_may_meet_anything() {
    // The next connection meets this one of the ways, counted from 1; at 0 the daemon.
    let next = Arc::new(AtomicUsize::new(0));
    let meets = Arc::clone(&next);
    let mut story = Story::new(|site| {
        let module = &mut site["targets"]["module"];
        let url = module["url"].as_str().unwrap().to_owned();
        let (head, rest) = url.rsplit_once(':').unwrap();
        let (port, path) = rest.split_once('/').unwrap();
        let server: u16 = port.parse().unwrap();
        let (port, _) = daemon(move |stream| match meets.swap(0, SeqCst) {
            0 => drop(relay(stream, server)),
            way => WAYS[way - 1].1(&stream),
        });
        module["url"] = json!(format!("{head}:{port}/{path}"));
        module["timeout"] = json!("3s");
    });
    story.start();
    for (number, (way, _)) in WAYS.iter().enumerate() {
        next.store(number + 1, SeqCst);
        // What succeeds begins the session that meets it.
        story.write("before", way);
        story.settle();
        soon("it is met", || next.load(SeqCst) == 0);
        story.write("behind", way);
        story.settle();
    }
    let memory = limits::peak_megabytes(story.service.id().unwrap());
    assert!(memory <= MEGABYTES, "{memory} MB");
    plain(&story.service.log());
    let history = story.service.call(&["history"]);
    plain(&history.stdout);
    assert_eq!(story.service.stop().0, 0, "{}", story.service.tail());
}
