//! The control socket's client side, for the commands that speak to a running service.

use std::io::ErrorKind;
use std::path::Path;
use std::time::Duration;

use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Bytes;
use hyper::{Method, Request, StatusCode};
use hyper_util::rt::TokioIo;
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::net::UnixStream;

use super::Failure;
use super::protocol::Refusal;

/// A million routes' status fits; more is not a status.
const ANSWER_MAX: usize = 512 << 20;
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

async fn exchange<A: DeserializeOwned>(
    socket: &Path,
    method: Method,
    path: &str,
    body: Option<&impl Serialize>,
) -> Result<A, Failure> {
    let lost = |error: &dyn std::fmt::Display| {
        Failure::NotReachable(format!(
            "no service at `{}`: {error}; is `heliostat run` running, with this `--socket`?",
            socket.display()
        ))
    };
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
    let response = sender
        .send_request(request)
        .await
        .map_err(|error| lost(&error))?;
    let status = response.status();
    let body = Limited::new(response.into_body(), ANSWER_MAX);
    let bytes = body
        .collect()
        .await
        .map_err(|error| lost(&error))?
        .to_bytes();
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
    let reason = match serde_json::from_slice::<Refusal>(&bytes) {
        Ok(refusal) => refusal.error,
        Err(_) => format!("the service answered {status}"),
    };
    Err(Failure::Refused(reason))
}
