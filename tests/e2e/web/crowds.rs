//! Those who come in thousands, say nothing, say too much, or do not listen.

use std::os::unix::net::UnixStream;
use std::time::Instant;

use serde_json::json;

use super::*;

/// Many times what is served at once.
const CROWD: usize = 10_000;
/// Connections that this process holds open at a time: it has descriptors for others, too.
const HELD: usize = 400;

const JSON: (&str, &str) = ("content-type", "application/json");

/// Open descriptors of the service.
fn descriptors(web: &Web) -> usize {
    let id = web.service.id().unwrap();
    fs::read_dir(format!("/proc/{id}/fd")).unwrap().count()
}

#[test]
fn a_crowd_that_says_nothing_keeps_nobody_out() {
    let mut web = Web::new(json!({}));
    let before = descriptors(&web);
    let mut crowd = std::collections::VecDeque::new();
    for number in 0..CROWD {
        let mut stream = web.connect();
        // Half of them begin to say something.
        if number % 2 == 0 {
            let _ = stream.write_all(b"GET /v1/status HTTP/1.1\r\nhost: loc");
        }
        crowd.push_back(stream);
        if crowd.len() > HELD {
            crowd.pop_front();
        }
        if number % 1000 == 999 {
            let answer = web.get("/v1/status");
            assert_eq!(answer.status, 200, "{answer:?}");
            assert!(web.service.status().is_some());
        }
    }
    let most = descriptors(&web);
    assert!(most < before + 100, "{before} became {most}");
    write(&web.source, "a", "b");
    assert!(web.service.wait(PATIENCE), "{}", web.service.tail());
    assert_eq!(fs::read(web.copy.join("a")).unwrap(), b"b");
    // Those that say nothing are hung up on, also where nobody else comes.
    let mut last = crowd.pop_back().unwrap();
    let mut rest = Vec::new();
    let began = Instant::now();
    let _ = last.read_to_end(&mut rest);
    assert!(began.elapsed() < PATIENCE);
    drop(crowd);
    let fewer = wait_for(PATIENCE, || (descriptors(&web) <= before + 2).then_some(()));
    assert!(fewer.is_some(), "{before} became {}", descriptors(&web));
}

#[test]
fn what_is_too_much_or_never_ends_is_refused() {
    let web = Web::new(json!({}));
    let host = web.address.to_string();
    let long = "x".repeat(1 << 20);
    let answer = web.ask("GET", "/v1/status", &[("x-long", &long)], "");
    assert_eq!(answer.status, 431, "{answer:?}");
    let many: Vec<(String, String)> = (0..200)
        .map(|number| (format!("x-{number}"), "x".to_owned()))
        .collect();
    let mut headers: Vec<(&str, &str)> = many
        .iter()
        .map(|(name, value)| (name.as_str(), value.as_str()))
        .collect();
    headers.push(("host", &host));
    let answer = web.ask("GET", "/v1/status", &headers, "");
    assert_eq!(answer.status, 431, "{answer:?}");
    let answer = web.ask("POST", "/v1/wait", &[JSON], &" ".repeat(17 << 10));
    assert_eq!(answer.status, 413, "{answer:?}");
    // A body that is announced and does not come.
    let mut stream = web.connect();
    let head = format!(
        "POST /v1/wait HTTP/1.1\r\nhost: {host}\r\ncontent-type: application/json\r\ncontent-length: 100\r\nconnection: close\r\n\r\n{{"
    );
    stream.write_all(head.as_bytes()).unwrap();
    let answer = read(stream);
    assert_eq!(answer.status, 408, "{answer:?}");
    // One in chunks, without an end.
    let mut stream = web.connect();
    let head = format!(
        "POST /v1/wait HTTP/1.1\r\nhost: {host}\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\nconnection: close\r\n\r\n"
    );
    stream.write_all(head.as_bytes()).unwrap();
    for _ in 0..20 {
        let chunk = format!("400\r\n{}\r\n", " ".repeat(0x400));
        if stream.write_all(chunk.as_bytes()).is_err() {
            break;
        }
    }
    let answer = read(stream);
    assert_eq!(answer.status, 413, "{answer:?}");
    assert!(!web.service.log().contains("panicked"));
}

#[test]
fn who_waits_over_tcp_in_masses_shuts_neither_the_socket_nor_himself_out_for_ever() {
    let mut web = Web::with(json!({}), json!({"sync": {"every": "24h"}}));
    write(&web.source, "a", "not sent before tomorrow");
    let host = web.address.to_string();
    let body = r#"{"timeoutSeconds": 3600}"#;
    let waiting: Vec<TcpStream> = (0..100)
        .map(|number| {
            let mut stream = web.connect();
            let wait = format!(
                "POST /v1/wait HTTP/1.1\r\nhost: {host}\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
                body.len()
            );
            // Who follows stays as well.
            let head = match number % 2 {
                0 => wait,
                _ => format!("GET /v1/events HTTP/1.1\r\nhost: {host}\r\n\r\n"),
            };
            // Those beyond the bound are hung up on.
            let _ = stream.write_all(head.as_bytes());
            stream
        })
        .collect();
    let mut socket = UnixStream::connect(web.service.socket()).unwrap();
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    let answer = exchange(&mut socket, "GET", "/v1/status", &[("host", "x")], "");
    assert_eq!(answer.status, 200, "{answer:?}");
    // The door is half full of waits at the most.
    let probed = wait_for(PATIENCE, || answers(&web, "/-/healthy"));
    assert!(probed.is_some(), "{}", web.service.tail());
    drop(waiting);
    let again = wait_for(PATIENCE, || answers(&web, "/v1/status"));
    assert!(again.is_some(), "{}", web.service.tail());
    assert_eq!(web.service.call(&["trigger"]).code, 0);
    assert!(web.service.wait(PATIENCE));
}

#[test]
fn who_asks_and_does_not_read_is_given_up() {
    let mut web = Web::new(json!({}));
    let host = web.address.to_string();
    let request = format!("GET /metrics HTTP/1.1\r\nhost: {host}\r\n\r\n").repeat(2000);
    // As many as the door has places, each with more to read than any buffer takes.
    let deaf: Vec<TcpStream> = (0..64)
        .map(|_| {
            let mut stream = web.connect();
            stream.set_nonblocking(true).unwrap();
            let _ = stream.write(request.as_bytes());
            stream
        })
        .collect();
    assert!(web.service.status().is_some(), "the socket is another door");
    write(&web.source, "a", "meanwhile");
    assert!(web.service.wait(PATIENCE), "{}", web.service.tail());
    let again = wait_for(PATIENCE, || answers(&web, "/-/healthy"));
    assert!(again.is_some(), "{}", web.service.tail());
    drop(deaf);
}

/// Whether the door has a place for one more, who is answered.
fn answers(web: &Web, path: &str) -> Option<()> {
    let mut stream = TcpStream::connect(web.address).ok()?;
    stream.set_read_timeout(Some(PATIENCE)).ok()?;
    let host = web.address;
    let request = format!("GET {path} HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).ok()?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).ok()?;
    answer.starts_with("HTTP/1.1 200").then_some(())
}
