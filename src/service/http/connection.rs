//! A connection's bounds: how many there are, how long a request may take to come, how large its head may be.
//!
//! A desk that is full sends away whoever has waited longest without a request under way, so that a crowd that says nothing
//! keeps nobody out; only where every connection has one is the newcomer sent away.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use hyper::body::{Body as HttpBody, Bytes, Frame, Incoming, SizeHint};
use hyper::server::conn::http1;
use hyper::service::{Service, service_fn};
use hyper::{Request, Response};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::task::AbortHandle;

use super::caller::Caller;
use super::patient::Patient;

/// A request's line and headers have come within this, from the connection's begin or the end of the request before.
const HEAD_WITHIN: Duration = Duration::from_secs(10);
/// A request's line and headers.
const HEAD_MAX: usize = 16 << 10;
/// The headers of a request.
const HEADERS_MAX: usize = 64;
/// After an error in accepting, as when there are no more descriptors.
pub(super) const ACCEPT_AGAIN: Duration = Duration::from_millis(200);

/// Where those of one kind are served, so many at a time.
#[derive(Clone, Debug)]
pub(super) struct Desk {
    router: Router,
    crowd: Arc<Crowd>,
}

#[derive(Debug)]
struct Crowd {
    most: usize,
    present: Mutex<Present>,
}

#[derive(Debug, Default)]
struct Present {
    last: u64,
    all: BTreeMap<u64, Guest>,
}

#[derive(Debug)]
struct Guest {
    /// Requests under way.
    busy: Arc<AtomicUsize>,
    /// `None` until it is begun.
    task: Option<AbortHandle>,
}

impl Desk {
    /// With this many connections at a time.
    pub(super) fn new(router: Router, connections: usize) -> Desk {
        Desk {
            router,
            crowd: Arc::new(Crowd {
                most: connections,
                present: Mutex::default(),
            }),
        }
    }

    /// Serves a connection on a task of its own, if there is room or can be made.
    pub(super) fn attend<S>(&self, stream: S, caller: Caller)
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let busy = Arc::new(AtomicUsize::new(0));
        let Some(number) = self.crowd.enter(&busy) else {
            tracing::debug!(peer = %caller.peer, "sent away: every connection has a request under way");
            return;
        };
        let leave = Leave(Arc::clone(&self.crowd), number);
        let conversation = converse(stream, self.router.clone(), caller, busy);
        let task = tokio::spawn(async move {
            conversation.await;
            drop(leave);
        });
        // It may be gone by now.
        if let Some(guest) = self.crowd.present().all.get_mut(&number) {
            guest.task = Some(task.abort_handle());
        }
    }
}

impl Crowd {
    fn present(&self) -> MutexGuard<'_, Present> {
        self.present.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The newcomer's number, if there is room or can be made.
    fn enter(&self, busy: &Arc<AtomicUsize>) -> Option<u64> {
        let mut present = self.present();
        if present.all.len() >= self.most && !present.make_room() {
            return None;
        }
        present.last += 1;
        let number = present.last;
        let guest = Guest {
            busy: Arc::clone(busy),
            task: None,
        };
        present.all.insert(number, guest);
        Some(number)
    }
}

impl Present {
    /// Sends the first away that has no request under way.
    fn make_room(&mut self) -> bool {
        let idle = |guest: &Guest| guest.busy.load(Ordering::Relaxed) == 0;
        let first = self.all.iter().find_map(|(number, guest)| {
            let task = guest.task.as_ref().filter(|_| idle(guest))?;
            task.abort();
            Some(*number)
        });
        first.is_some_and(|number| self.all.remove(&number).is_some())
    }
}

/// Takes a guest off the list, however its task ends.
struct Leave(Arc<Crowd>, u64);

impl Drop for Leave {
    fn drop(&mut self) {
        self.0.present().all.remove(&self.1);
    }
}

async fn converse<S>(stream: S, router: Router, caller: Caller, busy: Arc<AtomicUsize>)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let router = TowerToHyperService::new(router);
    let service = service_fn(move |mut request: Request<Incoming>| {
        let busy = Busy::new(&busy);
        request.extensions_mut().insert(caller.clone());
        let answer = router.call(request);
        async move {
            let response: Response<Body> = answer.await?;
            Ok::<_, Infallible>(response.map(|body| Attended { body, _busy: busy }))
        }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_WITHIN)
        .max_buf_size(HEAD_MAX)
        .max_headers(HEADERS_MAX)
        .serve_connection(TokioIo::new(Patient::new(stream)), service);
    if let Err(error) = connection.await {
        tracing::debug!("a connection ended: {error}");
    }
}

/// A request is under way as long as this lives.
#[derive(Debug)]
struct Busy(Arc<AtomicUsize>);

impl Busy {
    fn new(count: &Arc<AtomicUsize>) -> Busy {
        count.fetch_add(1, Ordering::Relaxed);
        Busy(Arc::clone(count))
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// An answer's body; until it has gone, its request is under way.
#[derive(Debug)]
struct Attended {
    body: Body,
    _busy: Busy,
}

impl HttpBody for Attended {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        Pin::new(&mut self.body).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
