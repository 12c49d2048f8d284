//! The control socket's client side, for the commands that speak to a running service.

use std::io::ErrorKind;
use std::ops::ControlFlow;
use std::path::Path;
use std::time::Duration;

use http_body_util::{BodyExt, Full, Limited};
use hyper::body::{Bytes, Incoming};
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::net::UnixStream;
use tokio::sync::mpsc::{self, error::TrySendError};

use super::Failure;
use super::protocol::Refusal;

/// A million routes' status fits; more is not a status.
const ANSWER_MAX: usize = 512 << 20;
/// A longer line is no event: its longest part is a path of 4 KB, escaped.
const LINE_MAX: usize = 1 << 20;
/// A running service answers at once; a wait adds its own time.
const PATIENCE: Duration = Duration::from_secs(15);

/// One request to the service at `socket`. `patience`: how much longer than usual the answer may take.
pub fn call<A: DeserializeOwned>(
    socket: &Path,
    method: Method,
    path: &str,
    body: Option<&impl Serialize>,
    patience: Duration,
) -> Result<A, Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::Setup(format!("cannot start the client: {error}")))?;
    let whole = exchange(socket, method, path, body);
    runtime.block_on(async {
        match tokio::time::timeout(PATIENCE.saturating_add(patience), whole).await {
            Ok(answer) => answer,
            Err(_) => Err(Failure::NotReachable(format!(
                "no answer from the service at `{}`",
                socket.display()
            ))),
        }
    })
}

/// Looks, from within a runtime.
pub async fn look<A: DeserializeOwned>(socket: &Path, path: &str) -> Result<A, Failure> {
    let whole = exchange(socket, Method::GET, path, None::<&()>);
    match tokio::time::timeout(PATIENCE, whole).await {
        Ok(answer) => answer,
        Err(_) => Err(Failure::NotReachable(format!(
            "no answer from the service at `{}`",
            socket.display()
        ))),
    }
}

fn lost(socket: &Path, error: &dyn std::fmt::Display) -> Failure {
    Failure::NotReachable(format!(
        "no service at `{}`: {error}; is `heliostat run` running, with this `--socket`?",
        socket.display()
    ))
}

async fn exchange<A: DeserializeOwned>(
    socket: &Path,
    method: Method,
    path: &str,
    body: Option<&impl Serialize>,
) -> Result<A, Failure> {
    let response = send(socket, method, path, body).await?;
    let (status, bytes) = whole(socket, response).await?;
    if status == StatusCode::OK {
        return serde_json::from_slice(&bytes).map_err(|error| {
            Failure::NotReachable(format!(
                "the service's answer cannot be read ({error}): is it of another version?"
            ))
        });
    }
    // What a reload rejected is an answer.
    if status == StatusCode::UNPROCESSABLE_ENTITY
        && let Ok(answer) = serde_json::from_slice(&bytes)
    {
        return Ok(answer);
    }
    Err(refused(status, &bytes))
}

async fn whole(
    socket: &Path,
    response: Response<Incoming>,
) -> Result<(StatusCode, Bytes), Failure> {
    let status = response.status();
    let body = Limited::new(response.into_body(), ANSWER_MAX);
    let bytes = body.collect().await.map_err(|error| lost(socket, &error))?;
    Ok((status, bytes.to_bytes()))
}

fn refused(status: StatusCode, bytes: &[u8]) -> Failure {
    let reason = match serde_json::from_slice::<Refusal>(bytes) {
        Ok(refusal) => refusal.error,
        Err(_) => format!("the service answered {status}"),
    };
    match status {
        StatusCode::BAD_REQUEST => Failure::Usage(reason),
        _ => Failure::Refused(reason),
    }
}

/// Reads server-sent events from `path`, each one's data, until `each` has enough, time is up (both `Ok(true)`), or the service
/// ends (`Ok(false)`).
pub fn events(
    socket: &Path,
    path: &str,
    time: Option<Duration>,
    mut each: impl FnMut(&[u8]) -> ControlFlow<()>,
) -> Result<bool, Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::Setup(format!("cannot start the client: {error}")))?;
    let listen = listen(socket, path, &mut each);
    runtime.block_on(async {
        match time {
            None => listen.await,
            Some(time) => tokio::time::timeout(time, listen).await.unwrap_or(Ok(true)),
        }
    })
}

/// As [`events`], from within a runtime and without an end: each event is a sign, and several that nobody has taken are one. The
/// signs end when the service does, or where it refuses.
pub fn signs(socket: &Path, path: &str) -> mpsc::Receiver<()> {
    let (sender, signs) = mpsc::channel(1);
    let (socket, path) = (socket.to_owned(), path.to_owned());
    tokio::spawn(async move {
        let each = &mut |_: &[u8]| match sender.try_send(()) {
            Err(TrySendError::Closed(())) => ControlFlow::Break(()),
            Ok(()) | Err(TrySendError::Full(())) => ControlFlow::Continue(()),
        };
        // Why it ended is for the next question to tell.
        let _ = listen(&socket, &path, each).await;
    });
    signs
}

async fn listen(
    socket: &Path,
    path: &str,
    each: &mut impl FnMut(&[u8]) -> ControlFlow<()>,
) -> Result<bool, Failure> {
    let response = send(socket, Method::GET, path, None::<&()>).await?;
    if response.status() != StatusCode::OK {
        let (status, bytes) = whole(socket, response).await?;
        return Err(refused(status, &bytes));
    }
    let mut body = response.into_body();
    let mut lines = Lines::default();
    while let Some(frame) = body.frame().await {
        // A service that is killed breaks the connection off in the midst of it.
        let Ok(frame) = frame else { break };
        let Some(data) = frame.data_ref() else {
            continue;
        };
        for line in lines.take(data)? {
            if let Some(data) = line.strip_prefix(b"data: ")
                && each(data).is_break()
            {
                return Ok(true);
            }
        }
    }
    Ok(false)
}

/// Puts lines together from pieces.
#[derive(Default)]
struct Lines(Vec<u8>);

impl Lines {
    fn take(&mut self, data: &[u8]) -> Result<Vec<Vec<u8>>, Failure> {
        self.0.extend_from_slice(data);
        let mut whole = Vec::new();
        while let Some(end) = self.0.iter().position(|byte| *byte == b'\n') {
            let mut line: Vec<u8> = self.0.drain(..=end).collect();
            line.pop();
            whole.push(line);
        }
        match self.0.len() > LINE_MAX {
            true => Err(Failure::NotReachable(
                "the service sends what is no event: is it of another version?".into(),
            )),
            false => Ok(whole),
        }
    }
}

async fn send(
    socket: &Path,
    method: Method,
    path: &str,
    body: Option<&impl Serialize>,
) -> Result<Response<Incoming>, Failure> {
    let lost = |error: &dyn std::fmt::Display| lost(socket, error);
    let stream = UnixStream::connect(socket)
        .await
        .map_err(|error| match error.kind() {
            ErrorKind::NotFound => lost(&"there is no such socket"),
            ErrorKind::ConnectionRefused => lost(&"nobody listens"),
            ErrorKind::PermissionDenied => {
                lost(&"only the service's own user, root, and the groups that `access` in its agent file names may speak to it")
            }
            _ => lost(&error),
        })?;
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream))
        .await
        .map_err(|error| lost(&error))?;
    tokio::spawn(connection);
    let body = match body {
        Some(body) => serde_json::to_vec(body).map_err(|error| lost(&error))?,
        None => Vec::new(),
    };
    let request = Request::builder()
        .method(method)
        .uri(path)
        .header("host", "heliostat")
        .header("content-type", "application/json")
        .body(Full::new(Bytes::from(body)))
        .map_err(|error| lost(&error))?;
    sender
        .send_request(request)
        .await
        .map_err(|error| lost(&error))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_put_together_and_bounded() {
        let mut lines = Lines::default();
        assert!(lines.take(b"da").unwrap().is_empty());
        let two = lines.take(b"ta: 1\n\nrest").unwrap();
        assert_eq!(two, [b"data: 1".to_vec(), Vec::new()]);
        assert_eq!(lines.take(b"\n").unwrap(), [b"rest".to_vec()]);
        assert!(lines.take(&vec![b'x'; LINE_MAX + 1]).is_err());
    }
}
