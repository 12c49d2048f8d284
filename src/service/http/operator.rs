//! Who operates: as the log has it, one line a request, and as a pause is kept.
//!
//! At the socket that is the kernel's word for him (`SO_PEERCRED`), never the client's: what a client says of itself stands behind
//! it, as something that is said. The line is written however the request ends, also where its client has hung up by then.

use std::fmt::Write as _;
use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, to_bytes};
use axum::extract::{MatchedPath, Request};
use axum::http::StatusCode;
use axum::middleware::Next;
use axum::response::Response;
use nix::unistd::{Uid, User};

use super::caller::{Caller, Class, Peer};
use super::server::refuse;
use crate::engine::escape;

/// Of a body as it is logged: more than any true one has.
const SAID_MAX: usize = 400;
/// The name of a user may be a directory server's to tell, and that one away.
const NAMED_WITHIN: Duration = Duration::from_secs(2);
/// Of a name that a client gives itself.
const WORD_MAX: usize = 64;

/// Who operates. Every request that does has one among its extensions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Operator(Arc<str>);

impl Operator {
    async fn of(peer: Peer) -> Operator {
        let Peer::Process { uid, .. } = peer else {
            return Operator("somebody over HTTP".into());
        };
        let look = tokio::task::spawn_blocking(move || User::from_uid(Uid::from_raw(uid)));
        let user = match tokio::time::timeout(NAMED_WITHIN, look).await {
            Ok(Ok(Ok(Some(user)))) => escape(user.name.as_bytes()).into_owned(),
            _ => format!("uid {uid}"),
        };
        Operator(user.into())
    }

    /// With the name that the client gives itself: sudo's user is known to it alone. The error is for whoever asks.
    pub fn who_says(&self, word: Option<&str>) -> Result<String, &'static str> {
        let Some(word) = word.map(str::trim).filter(|word| !word.is_empty()) else {
            return Ok(self.0.to_string());
        };
        // Nothing by which the sentence around it could seem to end.
        let plain = |c: char| c.is_alphanumeric() || "._-@+$\\".contains(c);
        if word.len() > WORD_MAX || !word.chars().all(plain) {
            return Err("`by` is the name of a user");
        }
        if word == &*self.0 {
            return Ok(word.to_owned());
        }
        Ok(format!(
            "{} (says it is {})",
            self.0,
            escape(word.as_bytes())
        ))
    }
}

/// Lets nobody further who may not operate; says in the log who did what.
pub async fn operators(request: Request, next: Next) -> Response {
    let asked = request.extensions().get::<MatchedPath>();
    let path = asked.map_or_else(String::new, |path| path.as_str().to_owned());
    let Some(caller) = request.extensions().get::<Caller>().cloned() else {
        return refuse(StatusCode::INTERNAL_SERVER_ERROR, "nobody asks");
    };
    let operator = Operator::of(caller.peer).await;
    if caller.class != Some(Class::Operate) {
        // Without the process, which is another each time: what is said again and again is counted.
        let user = &*operator.0;
        tracing::warn!(user, "turned away, who asked for {path}");
        let error = match caller.names {
            Some(_) => {
                "only looking is allowed over TCP: use the control socket, or set `http: {operate: true}` in the agent file"
            }
            None => {
                "only looking is allowed to you: operating is for the service's own user, root, and the groups under `access: {operate: …}` in the agent file"
            }
        };
        return refuse(StatusCode::FORBIDDEN, error);
    }
    let (mut head, body) = request.into_parts();
    // It is here already, within its bounds.
    let Ok(body) = to_bytes(body, usize::MAX).await else {
        return refuse(StatusCode::BAD_REQUEST, "the body cannot be read");
    };
    let mut line = Line {
        process: process(caller.peer),
        peer: caller.peer,
        said: said(&body),
        status: None,
        operator: operator.clone(),
        path,
    };
    head.extensions.insert(operator);
    let response = next.run(Request::from_parts(head, Body::from(body))).await;
    line.status = Some(response.status().as_u16());
    response
}

/// What a process calls itself; it may be another by now, and may have chosen any name.
fn process(peer: Peer) -> Option<String> {
    let Peer::Process { pid: Some(pid), .. } = peer else {
        return None;
    };
    let name = std::fs::read(format!("/proc/{pid}/comm")).ok()?;
    Some(escape(name.trim_ascii_end()).into_owned())
}

/// A body in one line, cut.
fn said(body: &[u8]) -> String {
    let mut said = escape(&body[..body.len().min(SAID_MAX)]).into_owned();
    if body.len() > SAID_MAX {
        // A text takes whatever is written to it.
        let _ = write!(said, "… ({} bytes)", body.len());
    }
    said
}

/// The line of one request, written when it is over.
struct Line {
    operator: Operator,
    peer: Peer,
    process: Option<String>,
    path: String,
    said: String,
    /// `None`: nobody waited for an answer.
    status: Option<u16>,
}

impl Drop for Line {
    fn drop(&mut self) {
        let Line {
            operator,
            peer,
            process,
            path,
            said,
            status,
        } = self;
        let (user, process) = (&*operator.0, process.as_deref());
        match status {
            Some(status) => {
                tracing::info!(user, %peer, process, status, said, "asked for {path}");
            }
            None => {
                tracing::info!(user, %peer, process, said, "asked for {path} and hung up");
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::{self, Write};
    use std::sync::Mutex;

    use axum::Router;
    use axum::middleware::from_fn;
    use axum::routing::post;
    use hyper_util::service::TowerToHyperService;

    use super::*;

    #[derive(Clone, Default)]
    struct Written(Arc<Mutex<Vec<u8>>>);

    impl Write for Written {
        fn write(&mut self, line: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().write(line)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    /// What is logged of a request with this body, whose client hangs up after so long.
    fn logged(class: Class, body: &'static str, patience: Duration) -> String {
        let written = Written::default();
        let writer = written.clone();
        let subscriber = tracing_subscriber::fmt()
            .with_ansi(false)
            .with_writer(move || writer.clone())
            .finish();
        let slow = || async {
            std::future::pending::<()>().await;
        };
        let router = Router::new()
            .route("/v1/slow", post(slow))
            .route("/v1/quick", post(|body: String| async move { body }))
            .route_layer(from_fn(operators));
        let path = if patience.is_zero() { "quick" } else { "slow" };
        let mut request = Request::post(format!("/v1/{path}"))
            .body(Body::from(body))
            .unwrap();
        request.extensions_mut().insert(Caller {
            class: Some(class),
            peer: Peer::Process {
                uid: 0,
                pid: Some(std::process::id() as i32),
            },
            names: None,
        });
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        tracing::subscriber::with_default(subscriber, || {
            runtime.block_on(async {
                let answer =
                    hyper::service::Service::call(&TowerToHyperService::new(router), request);
                match patience {
                    Duration::ZERO => drop(answer.await),
                    patience => assert!(tokio::time::timeout(patience, answer).await.is_err()),
                }
            });
        });
        let bytes = written.0.lock().unwrap().clone();
        String::from_utf8(bytes).unwrap()
    }

    #[test]
    fn who_operates_is_in_the_log_also_when_he_hangs_up() {
        let name = std::fs::read_to_string("/proc/self/comm").unwrap();
        let process = format!("process=\"{}\"", name.trim_end());
        let line = logged(Class::Operate, "{\"a\": 1}\u{1b}[2J\n", Duration::ZERO);
        assert_eq!(line.lines().count(), 1, "{line}");
        for part in [
            "asked for /v1/quick ",
            "user=\"root\"",
            "peer=uid 0, pid ",
            &process,
            "status=200",
            "{\\\"a\\\": 1}",
        ] {
            assert!(line.contains(part), "{part}: {line}");
        }
        assert!(!line.contains('\u{1b}'), "{line:?}");
        let line = logged(Class::Operate, "", Duration::from_millis(200));
        assert!(line.contains("asked for /v1/slow and hung up"), "{line}");
        let line = logged(Class::Read, "", Duration::ZERO);
        assert!(
            line.contains("WARN") && line.contains("turned away") && line.contains("user=\"root\""),
            "{line}"
        );
        let long = "x".repeat(10_000);
        assert!(said(long.as_bytes()).len() < SAID_MAX + 50);
    }

    #[test]
    fn what_a_client_says_of_itself_stands_behind_who_it_is() {
        let root = Operator("root".into());
        assert_eq!(root.who_says(None).unwrap(), "root");
        assert_eq!(root.who_says(Some(" root ")).unwrap(), "root");
        assert_eq!(
            root.who_says(Some("alice")).unwrap(),
            "root (says it is alice)"
        );
        let long = "x".repeat(WORD_MAX + 1);
        for odd in ["a b", "a)", "a\u{1b}", "a\u{202e}", "a\nb", &long] {
            assert!(root.who_says(Some(odd)).is_err(), "{odd:?}");
        }
    }
}
