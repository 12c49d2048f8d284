//! The port of `http.listen`: whether it is free, the service's own, or somebody else's.
//!
//! Whoever listens there is asked what only the service knows, and so is the service at its control socket: which plans it has
//! kept, and since when. Two services never answer alike.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, TcpStream};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::{Duration, Instant};

use super::{Finding, Subject};

/// Who listens and says nothing is not waited for.
const PATIENCE: Duration = Duration::from_secs(2);

/// Ten plans, each with its digest and commit, are a few kilobytes.
const ANSWER_MAX: usize = 64 << 10;

/// What is known of those who may listen there.
struct Heard {
    /// What whoever listens at the port answered.
    port: Option<String>,
    /// What the service answered at its control socket.
    service: Option<String>,
    /// Whether a service runs that does not talk to this user.
    silent: bool,
}

/// Looks at the port. `socket`: the service's control socket.
pub fn check(listen: SocketAddr, socket: &Path) -> Finding {
    let subject = Subject::new("http", listen);
    let service = UnixStream::connect(socket);
    match TcpListener::bind(listen) {
        Ok(_) if service.is_ok() => subject.warning(
            "the service runs, and does not listen there",
            "the agent file is read at the start: systemctl restart heliostat",
        ),
        Ok(_) => subject.good("the address can be listened on"),
        Err(error) if error.kind() == ErrorKind::AddrInUse => {
            let silent = matches!(&service, Err(error) if error.kind() == ErrorKind::PermissionDenied);
            let heard = Heard {
                port: reach(listen).and_then(ask),
                service: service.and_then(of_socket).ok().and_then(ask),
                silent,
            };
            taken(&subject, listen, &heard)
        }
        Err(error) if error.kind() == ErrorKind::PermissionDenied => subject.error(
            format!("this user may not listen there: {error}"),
            "set a port above 1023 in `http.listen`, or AmbientCapabilities=CAP_NET_BIND_SERVICE in the unit",
        ),
        Err(error) => subject.error(
            format!("the address cannot be listened on: {error}"),
            "set an address of this host in `http.listen`",
        ),
    }
}

fn taken(subject: &Subject, listen: SocketAddr, heard: &Heard) -> Finding {
    let which = format!(
        "`ss -ltnp 'sport = :{}'` shows which; end it, or set another port in `http.listen`",
        listen.port()
    );
    match (&heard.port, &heard.service) {
        (Some(port), Some(service)) if port == service => {
            subject.good("the service that runs listens there")
        }
        (Some(port), None) if is_heliostat(port) && heard.silent => subject.note(
            "a heliostat listens there; whether it is the service that runs, only root and who may use its control socket can tell",
        ),
        (Some(port), _) if is_heliostat(port) => {
            subject.error("another heliostat listens there", which)
        }
        _ => subject.error("another program listens there", which),
    }
}

/// Whether this is how a heliostat answers.
fn is_heliostat(answer: &str) -> bool {
    let document: Option<serde_json::Value> = serde_json::from_str(answer).ok();
    document.is_some_and(|document| {
        document["formatVersion"].is_number() && document["generations"].is_array()
    })
}

/// From this host, where it listens on every address.
fn reach(listen: SocketAddr) -> Option<TcpStream> {
    let ip = match listen.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    let stream = TcpStream::connect_timeout(&SocketAddr::new(ip, listen.port()), PATIENCE).ok()?;
    stream.set_read_timeout(Some(PATIENCE)).ok()?;
    stream.set_write_timeout(Some(PATIENCE)).ok()?;
    Some(stream)
}

fn of_socket(stream: UnixStream) -> io::Result<UnixStream> {
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    Ok(stream)
}

/// The body of its answer; `None`: it does not answer so.
fn ask(mut stream: impl Read + Write) -> Option<String> {
    let request = "GET /v1/generations HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n";
    stream.write_all(request.as_bytes()).ok()?;
    let (mut answer, mut some) = (Vec::new(), [0; 4096]);
    let until = Instant::now() + PATIENCE;
    loop {
        match stream.read(&mut some).ok()? {
            0 => break,
            count => answer.extend_from_slice(&some[..count]),
        }
        // Who goes on and on, or a byte at a time, is no heliostat.
        if answer.len() > ANSWER_MAX || Instant::now() > until {
            return None;
        }
    }
    let answer = String::from_utf8(answer).ok()?;
    let (head, body) = answer.split_once("\r\n\r\n")?;
    head.starts_with("HTTP/1.1 200 ").then(|| body.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::Grade;

    #[test]
    fn who_listens_is_told_apart() {
        const ONE: &str = r#"{"formatVersion":1,"current":1,"generations":[]}"#;
        const OTHER: &str = r#"{"formatVersion":1,"current":2,"generations":[]}"#;
        let judged = |port: Option<&str>, service: Option<&str>, silent| {
            let heard = Heard {
                port: port.map(str::to_owned),
                service: service.map(str::to_owned),
                silent,
            };
            let listen = "127.0.0.1:9099".parse().unwrap();
            let found = taken(&Subject::new("http", listen), listen, &heard);
            (found.grade, found.says)
        };
        let says = |found: (Grade, String), grade, part: &str| {
            assert!(found.0 == grade && found.1.contains(part), "{found:?}");
        };
        says(judged(Some(ONE), Some(ONE), false), Grade::Good, "service");
        says(
            judged(Some(ONE), Some(OTHER), false),
            Grade::Error,
            "another heliostat",
        );
        says(
            judged(Some(ONE), None, false),
            Grade::Error,
            "another heliostat",
        );
        says(judged(Some(ONE), None, true), Grade::Note, "only root");
        for strange in [None, Some("<html>"), Some("{}"), Some("[1]")] {
            says(
                judged(strange, Some(ONE), false),
                Grade::Error,
                "another program",
            );
            says(judged(strange, None, true), Grade::Error, "another program");
        }
    }

    #[test]
    fn an_answer_is_one_with_200() {
        struct Door(&'static [u8]);
        impl Read for Door {
            fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
                self.0.read(buffer)
            }
        }
        impl Write for Door {
            fn write(&mut self, buffer: &[u8]) -> io::Result<usize> {
                Ok(buffer.len())
            }
            fn flush(&mut self) -> io::Result<()> {
                Ok(())
            }
        }
        let answer = |text: &'static str| ask(Door(text.as_bytes()));
        assert_eq!(
            answer("HTTP/1.1 200 OK\r\na: b\r\n\r\n{}"),
            Some("{}".into())
        );
        assert_eq!(answer("HTTP/1.1 404 Not Found\r\n\r\n{}"), None);
        assert_eq!(answer("SSH-2.0-OpenSSH_10\r\n"), None);
        assert_eq!(answer(""), None);
    }
}
