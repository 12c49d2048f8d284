//! The HTTP interface, as browsers, scrapers and hostile neighbours speak to it.

mod beats;
mod crowds;
mod doors;
mod listener;
mod measures;
mod page;
mod papers;

use std::fs::{self, Permissions};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use super::{PATIENCE, local, site, write};
use crate::rig::service::{Heliostat, manifest};
use crate::rig::{Scratch, wait_for};
use listener::Listener;

/// A service with one route, `site/copy`, to a local directory, which serves HTTP over TCP.
struct Web {
    // Ended before its files go.
    service: Heliostat,
    address: SocketAddr,
    source: PathBuf,
    copy: PathBuf,
    _scratch: Scratch,
}

/// An answer.
#[derive(Debug)]
struct Answer {
    status: u16,
    head: String,
    body: String,
}

impl Answer {
    fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    /// A header's value.
    fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().find_map(|line| {
            let (found, value) = line.split_once(": ")?;
            found.eq_ignore_ascii_case(name).then_some(value)
        })
    }
}

impl Web {
    /// Started and in sync. `agent` are further keys of the agent file.
    fn new(agent: Value) -> Web {
        Web::with(agent, json!({}))
    }

    /// As [`Web::new`], with further keys of the target.
    fn with(agent: Value, target: Value) -> Web {
        let mut web = Web::whole(agent, |source, copy| {
            let mut to = local(copy);
            super::extend(&mut to, &target);
            json!({"site": site(source, json!({"copy": to}))})
        });
        let settled = web.service.wait(PATIENCE);
        assert!(settled, "{}", web.service.tail());
        web
    }

    /// Started with further sources, in whatever state these are; further keys of the own target.
    fn with_more(more: &Value, target: Value) -> Web {
        Web::whole(json!({}), |source, copy| {
            let mut to = local(copy);
            super::extend(&mut to, &target);
            let mut sources = json!({"site": site(source, json!({"copy": to}))});
            super::extend(&mut sources, more);
            sources
        })
    }

    /// Whether a route comes to be in this state.
    fn settles(&self, name: &str, state: &str) -> bool {
        let found = wait_for(PATIENCE, || {
            let route = super::route(&self.service, name)?;
            (route["state"] == state).then_some(())
        });
        found.is_some()
    }

    /// Started; `sources` are made for a source and a target.
    fn whole(agent: Value, sources: impl FnOnce(&Path, &Path) -> Value) -> Web {
        Web::surrounded(agent, &[], sources)
    }

    /// As [`Web::whole`], with these variables.
    fn surrounded(
        mut agent: Value,
        env: &[(&str, &Path)],
        sources: impl FnOnce(&Path, &Path) -> Value,
    ) -> Web {
        let scratch = Scratch::new();
        // The socket is there for others too, where the agent file lets them in.
        for path in [scratch.path().to_owned(), scratch.dir("service")] {
            fs::set_permissions(path, Permissions::from_mode(0o755)).unwrap();
        }
        let (source, copy) = (scratch.dir("source"), scratch.dir("copy"));
        let sources = sources(&source, &copy);
        write(&source, "a", "a");
        let agent_file = scratch.path().join("agent.yaml");
        super::extend(
            &mut agent,
            &json!({"apiVersion": "heliostat/v1", "kind": "Agent"}),
        );
        if agent.get("http").is_none() {
            agent["http"] = json!({"listen": "127.0.0.1:0"});
        }
        fs::write(&agent_file, agent.to_string()).unwrap();
        let mut service = Heliostat::new(&scratch.dir("service"), &manifest(&sources))
            .arg("--agent")
            .arg(agent_file);
        for (name, value) in env {
            service = service.env(name, value);
        }
        service.start();
        let served = wait_for(PATIENCE, || {
            let log = service.log();
            let line = log.lines().find(|line| line.contains("serving HTTP"))?;
            let at = line.split("listen=").nth(1)?.split(' ').next()?;
            at.parse().ok()
        });
        let address = served.unwrap_or_else(|| panic!("not served:\n{}", service.tail()));
        Web {
            service,
            address,
            source,
            copy,
            _scratch: scratch,
        }
    }

    fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(self.address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.set_write_timeout(Some(PATIENCE)).unwrap();
        stream
    }

    /// One request over TCP, as a scraper makes it.
    fn ask(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> Answer {
        let host = self.address.to_string();
        let mut all = vec![("host", host.as_str())];
        all.extend(headers);
        let all: Vec<_> = match headers.iter().any(|(name, _)| *name == "host") {
            true => headers.to_vec(),
            false => all,
        };
        exchange(self.connect(), method, path, &all, body)
    }

    fn get(&self, path: &str) -> Answer {
        self.ask("GET", path, &[], "")
    }
}

/// One request with exactly these headers and a body, and its answer.
fn exchange(
    mut stream: impl Read + Write,
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
    body: &str,
) -> Answer {
    let headers: String = headers
        .iter()
        .map(|(name, value)| format!("{name}: {value}\r\n"))
        .collect();
    let length = body.len();
    let request = format!(
        "{method} {path} HTTP/1.1\r\nconnection: close\r\ncontent-length: {length}\r\n{headers}\r\n{body}"
    );
    // Who is refused early may hang up on the rest.
    let _ = stream.write_all(request.as_bytes());
    read(stream)
}

/// Reads an answer to its end.
fn read(mut stream: impl Read) -> Answer {
    let mut bytes = Vec::new();
    let ended = stream.read_to_end(&mut bytes);
    let text = String::from_utf8(bytes).unwrap();
    let (head, body) = text
        .split_once("\r\n\r\n")
        .unwrap_or_else(|| panic!("{ended:?}: {text:?}"));
    let chunked = head.to_lowercase().contains("transfer-encoding: chunked");
    Answer {
        status: head.split(' ').nth(1).unwrap().parse().unwrap(),
        head: head.to_owned(),
        body: if chunked {
            joined(body)
        } else {
            body.to_owned()
        },
    }
}

/// Chunks, put together.
fn joined(mut rest: &str) -> String {
    let mut whole = String::new();
    while let Some((size, after)) = rest.split_once("\r\n") {
        let size = usize::from_str_radix(size, 16).unwrap();
        whole.push_str(&after[..size]);
        rest = &after[size + 2..];
        if size == 0 {
            break;
        }
    }
    whole
}
