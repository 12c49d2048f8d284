//! A far side that means harm: what it says is bounded and shown harmlessly, and nobody else waits for it.

use std::io::{BufRead, BufReader, Write};
use std::net::TcpStream;
use std::sync::atomic::Ordering;

use serde_json::Value;

use super::super::{equal, limits, soon};
use super::{MEGABYTES, ODD, flood, greeted, message, order_to_end, plain, spoken_to, story};

/// The far side does this; the route says so after several tries, the other one is in sync all the while, and memory stays.
#[track_caller]
fn harmless(act: impl Fn(TcpStream) + Send + Sync + 'static) -> Value {
    let (mut story, count) = story(act);
    story.write("first", "1");
    story.service.start();
    let failing = |route: &Value| {
        let code = route["code"].as_str().unwrap_or_default();
        !["", "new", "change", "survey"].contains(&code)
            && ["retrying", "failed"].contains(&route["state"].as_str().unwrap_or_default())
    };
    let shown = story.until("module", failing);
    soon("it is tried again, or given up", || {
        count.load(Ordering::SeqCst) > 1 || shown["state"] == "failed"
    });
    story.write("second", "2");
    equal(&story.source, &story.copy, &story.service);
    let memory = limits::peak_megabytes(story.service.id().unwrap());
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

#[test]
fn a_flood_within_the_protocol() {
    let text = format!("{} {ODD}\n", "long ".repeat(40));
    let error = message(message::ERROR, text.as_bytes());
    harmless(move |stream| {
        if spoken_to(&stream).is_some() {
            flood(&stream, &error, 12);
        }
    });
}

/// The run that only counts tells of more deletions than a target has entries, by names that are as long as names can be.
#[test]
fn a_count_that_has_no_end() {
    let name = format!("{}/{ODD}", ["n"; 9].map(|part| part.repeat(100)).join("/"));
    let (mut story, _) = story(move |mut stream| {
        let Some(asked) = spoken_to(&stream) else {
            return;
        };
        let counts = asked.iter().any(|word| {
            let flags = word.split('.').next().unwrap_or_default();
            flags.starts_with('-') && !flags.starts_with("--") && flags.contains('n')
        });
        if counts {
            for number in 0..COUNTED {
                let path = format!("{number:06}/{name}\0");
                if stream
                    .write_all(&message(message::DELETED, path.as_bytes()))
                    .is_err()
                {
                    return;
                }
            }
        } else {
            let fence = b"Deletions stopped due to --max-delete limit (9 skipped)\n";
            let _ = stream.write_all(&message(message::WARNING, fence));
        }
        order_to_end(&stream, 25);
    });
    let text = std::fs::read_to_string(story.service.manifest()).unwrap();
    let mut manifest: Value = serde_json::from_str(&text).unwrap();
    let module = &mut manifest["sources"]["site"]["targets"]["module"];
    module["delete"] = "mirror".into();
    module["timeout"] = "60s".into();
    std::fs::write(story.service.manifest(), manifest.to_string()).unwrap();
    story.write("first", "1");
    story.service.start();
    let held = story.until("module", |route| route["state"] == "held");
    assert!(held["why"].to_string().contains("60,000"), "{held:#}");
    let memory = limits::peak_megabytes(story.service.id().unwrap());
    eprintln!("figure: resident memory beside a count of {COUNTED} long names {memory} MB");
    assert!(memory <= MEGABYTES, "{memory} MB");
    for args in [&["status"][..], &["status", "site/module"], &["history"]] {
        plain(&story.service.call(args).stdout);
    }
    assert!(held.to_string().len() < 100_000, "what it says is cut");
    equal(&story.source, &story.copy, &story.service);
}

/// Deletions that it tells of.
const COUNTED: usize = 60_000;
