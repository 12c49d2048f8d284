//! Who may what at which door.

use std::os::unix::net::UnixStream;
use std::thread;

use rustix::process::{Gid, Uid};
use serde_json::json;

use super::*;

/// Of nobody on this host.
const READERS: u32 = 4_711_001;
const OPERATORS: u32 = 4_711_002;
const SOMEBODY: u32 = 4_711_003;

/// Reads, each with a body that is right.
const READING: [(&str, &str, &str); 4] = [
    ("GET", "/v1/status", ""),
    ("GET", "/v1/plan", ""),
    ("GET", "/v1/generations", ""),
    ("POST", "/v1/wait", r#"{"timeoutSeconds": 60}"#),
];

/// Acts, each with a body that is right, and how it is answered where it is let through.
const OPERATING: [(&str, &str, u16); 7] = [
    ("/v1/trigger", "{}", 200),
    ("/v1/rescan", "{}", 200),
    ("/v1/pause", r#"{"forSeconds": 60, "by": "alice"}"#, 200),
    ("/v1/resume", r#"{"by": "alice"}"#, 200),
    ("/v1/reload", "", 200),
    ("/v1/rollback", "{}", 422),
    ("/v1/approve", r#"{"route": "site/copy", "id": "x"}"#, 409),
];

const JSON: (&str, &str) = ("content-type", "application/json");

#[test]
fn over_tcp_one_looks_and_does_not_act() {
    let web = Web::new(json!({}));
    for (method, path, body) in READING {
        let answer = web.ask(method, path, &[JSON], body);
        assert_eq!(answer.status, 200, "{path}: {answer:?}");
        assert_eq!(answer.header("x-content-type-options"), Some("nosniff"));
        assert_eq!(answer.header("cache-control"), Some("no-store"));
        assert!(answer.header("content-security-policy").is_some());
        assert!(answer.header("access-control-allow-origin").is_none());
    }
    for (path, body, _) in OPERATING {
        let answer = web.ask("POST", path, &[JSON], body);
        assert_eq!(answer.status, 403, "{path}: {answer:?}");
        assert_eq!(answer.header("x-content-type-options"), Some("nosniff"));
        let error = answer.json()["error"].to_string();
        assert!(error.contains("operate: true"), "{path}: {error}");
    }
    assert_eq!(web.get("/v1/nothing").status, 404);
    for path in ["/", "/routes/site/copy", "/manifest", "/assets/page.css"] {
        assert_eq!(web.get(path).status, 200, "{path}");
        assert_eq!(web.ask("POST", path, &[JSON], "{}").status, 405, "{path}");
        let rebound = web.ask("GET", path, &[("host", "evil.example")], "");
        assert_eq!(rebound.status, 421, "{path}");
    }
}

#[test]
fn over_tcp_one_acts_where_the_agent_file_says_so_and_no_page_from_elsewhere_does() {
    let web = Web::new(json!({"http": {
        "listen": "127.0.0.1:0", "operate": true, "hosts": ["sync.example.com"],
    }}));
    for (path, body, status) in OPERATING {
        let answer = web.ask("POST", path, &[JSON], body);
        assert_eq!(answer.status, status, "{path}: {answer:?}");
        // The log is written behind the answer.
        let told = format!("asked for {path} ");
        let told = || web.service.log().contains(&told).then_some(());
        assert!(wait_for(PATIENCE, told).is_some(), "{}", web.service.log());
        let before = web.service.log().lines().count();
        for (headers, refused) in [
            (&[][..], 415),
            (&[("content-type", "text/plain")], 415),
            (&[JSON, ("origin", "http://evil.example")], 403),
            (&[JSON, ("sec-fetch-site", "cross-site")], 403),
            (&[JSON, ("host", "evil.example")], 421),
        ] {
            let answer = web.ask("POST", path, headers, body);
            assert_eq!(answer.status, refused, "{path} {headers:?}: {answer:?}");
        }
        let answer = web.ask("OPTIONS", path, &[], "");
        assert!(answer.status >= 400, "{answer:?}");
        assert!(answer.header("access-control-allow-origin").is_none());
        let log = web.service.log();
        let acted = log
            .lines()
            .skip(before)
            .find(|line| line.contains("asked for"));
        assert_eq!(acted, None);
    }
    for host in ["sync.example.com", "localhost", "127.0.0.1"] {
        let answer = web.ask("GET", "/v1/status", &[("host", host)], "");
        assert_eq!(answer.status, 200, "{host}: {answer:?}");
    }
    let rebound = web.ask("GET", "/v1/status", &[("host", "evil.example")], "");
    assert_eq!(rebound.status, 421);
    assert!(!rebound.body.contains("site/copy"), "{rebound:?}");
    // Who did what is in the log.
    let log = web.service.log();
    let triggered = log
        .lines()
        .find(|line| line.contains("asked for /v1/trigger"));
    assert!(
        triggered.is_some_and(|line| line.contains("peer=127.0.0.1:")),
        "{log}"
    );
    named(&web, "somebody over HTTP (says it is alice)");
}

#[test]
fn an_address_that_others_reach_is_not_served_by_accident() {
    let scratch = Scratch::new();
    let text = manifest(
        &json!({"site": site(&scratch.dir("source"), json!({"copy": local(&scratch.dir("copy"))}))}),
    );
    let refused = |agent: Value, args: &[&str]| {
        let file = scratch.path().join("agent.yaml");
        let mut agent = agent;
        super::super::extend(
            &mut agent,
            &json!({"apiVersion": "heliostat/v1", "kind": "Agent"}),
        );
        fs::write(&file, agent.to_string()).unwrap();
        let mut service = Heliostat::new(&scratch.dir("service"), &text)
            .arg("--agent")
            .arg(&file);
        for arg in args {
            service = service.arg(arg);
        }
        service.start();
        let code = service.ended(PATIENCE).expect("it does not start");
        assert_ne!(code, 0);
        service.log()
    };
    let log = refused(json!({}), &["--http", "0.0.0.0:0"]);
    assert!(log.contains("remote: true"), "{log}");
    let log = refused(json!({"http": {"listen": "[::]:0"}}), &[]);
    assert!(log.contains("remote: true"), "{log}");
    let log = refused(
        json!({"http": {"listen": "0.0.0.0:0", "remote": true, "operate": true}}),
        &[],
    );
    assert!(log.contains("loopback address alone"), "{log}");
}

/// Asks at the socket as this user in this group alone; what a thread is, its connections are.
fn as_user(web: &Web, uid: u32, group: u32, request: (&str, &str, &str)) -> Option<Answer> {
    let socket = web.service.socket();
    let (method, path, body) = request;
    let (method, path, body) = (method.to_owned(), path.to_owned(), body.to_owned());
    thread::spawn(move || {
        let gid = Gid::from_raw(uid);
        rustix::thread::set_thread_groups(&[Gid::from_raw(group)]).unwrap();
        rustix::thread::set_thread_res_gid(gid, gid, gid).unwrap();
        let uid = Uid::from_raw(uid);
        rustix::thread::set_thread_res_uid(uid, uid, uid).unwrap();
        let stream = UnixStream::connect(socket).ok()?;
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        let headers = [("host", "x"), JSON];
        Some(exchange(stream, &method, &path, &headers, &body))
    })
    .join()
    .unwrap()
}

#[test]
fn at_the_socket_a_user_may_what_his_groups_may() {
    if !rustix::process::geteuid().is_root() {
        return crate::rig::left_out("only root can be somebody else");
    }
    let web = Web::new(json!({"access": {
        "read": [READERS.to_string()], "operate": [OPERATORS.to_string(), "no-such-group"],
    }}));
    let reading = READING.map(|request| (request, 200));
    let operating = OPERATING.map(|(path, body, status)| (("POST", path, body), status));
    for (request, status) in reading.into_iter().chain(operating) {
        let reads = request.0 == "GET" || request.1 == "/v1/wait";
        let asked = |group| as_user(&web, SOMEBODY, group, request).unwrap();
        let answer = asked(OPERATORS);
        assert_eq!(answer.status, status, "{request:?}: {answer:?}");
        let answer = asked(READERS);
        assert_eq!(
            answer.status,
            if reads { 200 } else { 403 },
            "{request:?}: {answer:?}"
        );
        let answer = asked(SOMEBODY);
        assert_eq!(answer.status, 403, "{request:?}: {answer:?}");
        assert!(!answer.body.contains("site/copy"), "{answer:?}");
        // Groups count, also where they are the user's only one.
        let first = as_user(&web, READERS, SOMEBODY, request).unwrap();
        assert_eq!(
            first.status,
            answer.status.min(if reads { 200 } else { 403 })
        );
    }
    let log = web.service.log();
    assert!(log.contains("no-such-group"), "{log}");
    let (user, peer) = (
        format!("user=\"uid {SOMEBODY}\""),
        format!("peer=uid {SOMEBODY}, pid "),
    );
    for (path, ..) in OPERATING {
        let asked = format!("asked for {path} ");
        let lines: Vec<&str> = log.lines().filter(|line| line.contains(&asked)).collect();
        let line = lines.iter().find(|line| line.contains("status="));
        let whole = |line: &&&str| {
            [&user, &peer, "process=", "said="]
                .iter()
                .all(|part| line.contains(*part))
        };
        assert!(line.filter(whole).is_some(), "{path}: {log}");
        let away = lines.iter().find(|line| line.contains("turned away"));
        assert!(away.is_some(), "{path}: {log}");
    }
    named(&web, &format!("uid {SOMEBODY} (says it is alice)"));
}

/// The one who has paused and resumed is this one, whatever he says of himself.
#[track_caller]
fn named(web: &Web, user: &str) {
    let by = format!("by=\"{user}\"");
    for word in ["paused: no reason given", "no longer paused"] {
        let said = || {
            let log = web.service.log();
            let mut lines = log.lines();
            lines
                .any(|line| line.contains(word) && line.contains(&by))
                .then_some(())
        };
        let found = wait_for(PATIENCE, said);
        assert!(found.is_some(), "{word} {by}: {}", web.service.log());
    }
}

#[test]
fn nobody_else_connects_where_no_group_is_named() {
    if !rustix::process::geteuid().is_root() {
        return crate::rig::left_out("only root can be somebody else");
    }
    let web = Web::new(json!({}));
    let answer = as_user(&web, SOMEBODY, SOMEBODY, READING[0]);
    assert!(answer.is_none(), "{answer:?}");
}
