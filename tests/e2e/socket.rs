//! The control socket, as one who is no client of ours speaks to it.

use std::io::{Read, Write};
use std::net::Shutdown;
use std::os::unix::net::UnixStream;
use std::time::Duration;

use serde_json::{Value, json};

use super::{PATIENCE, Story};

/// Longer than anything that is read.
const LONG: usize = 1 << 20;

/// Longer than a body may be, and no longer than what a socket takes at once.
const LONG_BODY: usize = 64 << 10;

/// Connections that stay open and say nothing.
const SILENT: usize = 300;

/// Sends these bytes, and returns what is answered until the other side ends it. What is no request may be cut off; who
/// hangs up is not answered.
fn answer_to(story: &Story, bytes: &[u8], hang_up: bool) -> String {
    let mut stream = UnixStream::connect(story.service.socket()).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.set_write_timeout(Some(PATIENCE)).unwrap();
    let _ = stream.write_all(bytes);
    if hang_up {
        let _ = stream.shutdown(Shutdown::Write);
    }
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer);
    String::from_utf8_lossy(&answer).into_owned()
}

fn request(method: &str, path: &str, headers: &str, body: &str) -> Vec<u8> {
    let length = body.len();
    format!(
        "{method} {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: {length}\r\n{headers}\r\n{body}"
    )
    .into_bytes()
}

#[test]
fn whatever_is_said_to_the_socket_is_refused_and_harms_nobody() {
    let mut story = Story::with(&json!({"delete": "mirror"}));
    story.write("a", "a");
    story.start();
    let status = |answer: &str| {
        let mut words = answer.split(' ');
        assert!(words.next().unwrap().starts_with("HTTP/1."), "{answer:?}");
        words.next().unwrap().parse::<u16>().unwrap()
    };
    let json = "Content-Type: application/json\r\n";
    let post = |path: &str, body: &str| request("POST", path, json, body);
    for (code, bytes) in [
        (200, request("GET", "/v1/status", "", "")),
        (200, request("GET", "/", "", "")),
        (404, request("GET", "/v1/none", "", "")),
        (404, request("GET", "/v1/../../etc/passwd", "", "")),
        (405, request("GET", "/v1/trigger", "", "")),
        (405, request("DELETE", "/v1/status", "", "")),
        (415, request("POST", "/v1/trigger", "", "{}")),
        (400, post("/v1/trigger", "{")),
        (400, post("/v1/trigger", "\u{0}")),
        (422, post("/v1/trigger", "[]")),
        (422, post("/v1/trigger", r#"{"rout": "site"}"#)),
        (422, post("/v1/approve", r#"{"route": "site/copy"}"#)),
        (400, post("/v1/approve", r#"{"route": "site", "id": "x"}"#)),
        (400, post("/v1/rescan", r#"{"route": "../../x"}"#)),
        (404, post("/v1/rescan", r#"{"route": "site/none"}"#)),
        (413, post("/v1/trigger", &" ".repeat(LONG_BODY))),
    ] {
        let answer = answer_to(&story, &bytes, false);
        let sent = String::from_utf8_lossy(&bytes[..bytes.len().min(200)]).into_owned();
        assert_ne!(answer, "", "{sent:?}");
        assert_eq!(status(&answer), code, "{sent:?}: {answer:?}");
    }
    let mut random = fastrand::Rng::with_seed(9);
    let garbage: Vec<u8> = (0..LONG).map(|_| random.u8(..)).collect();
    for bytes in [
        &b""[..],
        b"\0",
        b"\r\n\r\n\r\n",
        b"GET",
        b"GET / HTTP/9.9\r\n\r\n",
        b"GET /v1/status HTTP/1.1\r\nContent-Length: -1\r\n\r\n",
        b"POST /v1/wait HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 999999999999\r\n\r\n{",
        b"POST /v1/trigger HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nfffffffffffffffff\r\n",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        &[b'A'; LONG],
        &garbage,
    ] {
        let answer = answer_to(&story, bytes, true);
        assert!(answer.is_empty() || status(&answer) >= 400, "{answer:?}");
    }
    // Nor is it shut to others by those who hold it open.
    let silent: Vec<UnixStream> = (0..SILENT)
        .map(|_| UnixStream::connect(story.service.socket()).unwrap())
        .collect();
    story.write("a", "b");
    story.settle();
    drop(silent);
    let waiting = post("/v1/wait", r#"{"timeoutSeconds": 1e300}"#);
    let answer = answer_to(&story, &waiting, false);
    let body: Value = serde_json::from_str(answer.split("\r\n\r\n").nth(1).unwrap()).unwrap();
    assert_eq!(body["result"], "reached", "{answer}");
    let (code, took) = story.service.stop();
    assert!(
        code == 0 && took < Duration::from_secs(10),
        "{code} {took:?}"
    );
    assert!(!story.service.log().contains("panicked"));
}
