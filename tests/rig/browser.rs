//! A headless Chromium, steered over WebDriver by its chromedriver.
//!
//! Plain HTTP with JSON bodies over loopback: what a crate for it would add is a second runtime. The browser looks up no name
//! and speaks to loopback alone.

use std::fs::File;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use serde_json::{Value, json};

use super::process::Process;
use super::{Scratch, left_out, wait_for};

/// For the start of a browser and for each of its acts, on a machine that is busy.
const PATIENCE: Duration = Duration::from_secs(120);

/// What keeps it quiet and by itself.
const FLAGS: [&str; 11] = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--disable-dev-shm-usage",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-extensions",
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
];

/// A browser with one window; ended when it goes out of scope.
pub struct Browser {
    // Before the files that it has open.
    _driver: Process,
    port: u16,
    session: String,
    _scratch: Scratch,
}

impl Browser {
    /// Started; `None` where there is none, which is said.
    pub fn start() -> Option<Browser> {
        let program = ["/usr/bin/chromedriver", "/usr/local/bin/chromedriver"];
        let Some(program) = program
            .into_iter()
            .find(|program| Path::new(program).exists())
        else {
            left_out("no chromedriver");
            return None;
        };
        let scratch = Scratch::new();
        let said = scratch.path().join("driver.log");
        let log = File::create(&said).unwrap();
        let mut command = Command::new(program);
        command
            .arg("--port=0")
            .env("HOME", scratch.path())
            .env("TMPDIR", scratch.path())
            .stdout(log.try_clone().unwrap())
            .stderr(log);
        let driver = Process::spawn(&mut command);
        let port = wait_for(PATIENCE, || {
            let text = std::fs::read_to_string(&said).ok()?;
            let rest = text.split("successfully on port ").nth(1)?;
            rest.split('.').next()?.parse().ok()
        });
        let mut browser = Browser {
            _driver: driver,
            port: port.expect("chromedriver does not say its port"),
            session: String::new(),
            _scratch: scratch,
        };
        let mut flags: Vec<String> = FLAGS.map(str::to_owned).to_vec();
        let profile = browser._scratch.dir("profile");
        flags.push(format!("--user-data-dir={}", profile.display()));
        let wanted = json!({"capabilities": {"alwaysMatch": {
            "goog:chromeOptions": {"args": flags},
            "goog:loggingPrefs": {"browser": "ALL", "performance": "ALL"},
        }}});
        let session = browser.call("POST", "/session", &wanted);
        browser.session = format!("/session/{}", session["sessionId"].as_str().unwrap());
        Some(browser)
    }

    /// Loads a page.
    pub fn go(&self, address: &str) {
        self.act("POST", "/url", &json!({"url": address}));
    }

    /// What a function body returns in the page.
    pub fn run(&self, script: &str) -> Value {
        self.act(
            "POST",
            "/execute/sync",
            &json!({"script": script, "args": []}),
        )
    }

    /// As [`Browser::run`], until it returns something true.
    pub fn until(&self, what: &str, script: &str) -> Value {
        let found = wait_for(PATIENCE, || {
            let value = self.run(script);
            let is_true = !matches!(value, Value::Null | Value::Bool(false));
            is_true.then_some(value)
        });
        found.unwrap_or_else(|| panic!("{what}: never; the page: {}", self.text()))
    }

    /// What is to be read on the page.
    pub fn text(&self) -> String {
        let text = self.run("return document.body.innerText");
        text.as_str().unwrap_or_default().to_owned()
    }

    /// Presses a key: its WebDriver code.
    pub fn press(&self, key: char) {
        let keys = [
            json!({"type": "keyDown", "value": key}),
            json!({"type": "keyUp", "value": key}),
        ];
        self.act(
            "POST",
            "/actions",
            &json!({"actions": [{"type": "key", "id": "keys", "actions": keys}]}),
        );
    }

    /// The size of what is seen, and which theme is wished for.
    pub fn look(&self, width: u32, theme: &str) {
        let mobile = width < 600;
        let size = json!({"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": mobile});
        self.devtools("Emulation.setDeviceMetricsOverride", &size);
        let features = [
            json!({"name": "prefers-color-scheme", "value": theme}),
            json!({"name": "prefers-reduced-motion", "value": "reduce"}),
        ];
        self.devtools("Emulation.setEmulatedMedia", &json!({"features": features}));
    }

    /// Whether pages may run scripts.
    pub fn scripts(&self, allowed: bool) {
        self.devtools(
            "Emulation.setScriptExecutionDisabled",
            &json!({"value": !allowed}),
        );
    }

    /// What the console said since it was asked last, and the addresses that were asked for.
    pub fn heard(&self) -> (Vec<Value>, Vec<String>) {
        let log = |kind: &str| match self.act("POST", "/se/log", &json!({"type": kind})) {
            Value::Array(entries) => entries,
            other => panic!("{other}"),
        };
        let requests = log("performance").into_iter().filter_map(|entry| {
            let event: Value = serde_json::from_str(entry["message"].as_str()?).ok()?;
            let event = &event["message"];
            let sent = event["method"] == "Network.requestWillBeSent";
            let address = event["params"]["request"]["url"].as_str()?;
            // The browser's own first page is made of these.
            let own = address.starts_with("chrome:");
            (sent && !own).then(|| address.to_owned())
        });
        (log("browser"), requests.collect())
    }

    fn devtools(&self, command: &str, parameters: &Value) {
        self.act(
            "POST",
            "/goog/cdp/execute",
            &json!({"cmd": command, "params": parameters}),
        );
    }

    fn act(&self, method: &str, path: &str, body: &Value) -> Value {
        self.call(method, &format!("{}{path}", self.session), body)
    }

    /// One command, and its value.
    fn call(&self, method: &str, path: &str, body: &Value) -> Value {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        let (body, port) = (body.to_string(), self.port);
        let length = body.len();
        let request = format!(
            "{method} {path} HTTP/1.1\r\nhost: 127.0.0.1:{port}\r\nconnection: close\r\ncontent-type: application/json\r\ncontent-length: {length}\r\n\r\n{body}"
        );
        stream.write_all(request.as_bytes()).unwrap();
        let answer = answered(stream);
        let mut answer: Value = serde_json::from_slice(&answer).unwrap();
        let error = answer["value"]
            .get("error")
            .filter(|error| error.is_string());
        assert!(error.is_none(), "{method} {path} {body}: {answer}");
        answer["value"].take()
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        // The browser is in a group of its own; the driver ends it. Nothing more can be done while a test fails.
        if let Ok(mut stream) = TcpStream::connect(("127.0.0.1", self.port)) {
            let _ = stream.set_read_timeout(Some(Duration::from_secs(20)));
            let request = format!(
                "DELETE {} HTTP/1.1\r\nhost: 127.0.0.1:{}\r\nconnection: close\r\n\r\n",
                self.session, self.port
            );
            let _ = stream.write_all(request.as_bytes());
            let _ = stream.read(&mut [0; 1024]);
        }
    }
}

/// The body of an answer, which says its length.
fn answered(mut stream: TcpStream) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut part = [0; 65_536];
    loop {
        let read = stream.read(&mut part).unwrap();
        bytes.extend_from_slice(&part[..read]);
        let head = bytes.windows(4).position(|four| four == b"\r\n\r\n");
        let Some(head) = head else {
            assert!(read > 0, "cut off: {bytes:?}");
            continue;
        };
        let text = String::from_utf8_lossy(&bytes[..head]).to_lowercase();
        let length = text
            .lines()
            .find_map(|line| line.strip_prefix("content-length:"));
        let length: usize = length.expect("a length").trim().parse().unwrap();
        if bytes.len() >= head + 4 + length {
            return bytes[head + 4..head + 4 + length].to_vec();
        }
        assert!(read > 0, "cut off: {text}");
    }
}
