//! The control socket's server side.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use axum::extract::{DefaultBodyLimit, Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use tokio::net::UnixListener;
use tokio::sync::{Semaphore, mpsc, oneshot};

use super::Failure;
use super::drift::Drifts;
use super::generations::Generations;
use super::in_force::InForce;
use super::naming::no_such_route;
use super::protocol::{
    ApproveBody, Done, FORMAT_VERSION, GenerationAnswer, GenerationsAnswer, PlanAnswer, Refusal,
    RescanBody, RollbackBody, Routes, StatusAnswer, StatusQuery, WaitAnswer, WaitBody, WaitResult,
    selector,
};
use super::reloader::{Order, Verdict, Wish};
use super::tap::Tap;
use super::{history, steer, tapping};
use crate::engine::status::{State as RouteState, Status};
use crate::engine::{Answer, Ask, Selector};
use crate::ledger::Ledger;
use crate::plan::{Compare, RouteName, SourceName, TargetName, digest};

/// A request's body; the largest true one is a few hundred bytes.
const BODY_MAX: usize = 16 << 10;
/// Requests at once: each waiter costs a task and an entry in the engine.
const REQUESTS_MAX: usize = 256;
/// The longest wait that can be asked for.
const WAIT_MAX: Duration = Duration::from_secs(7 * 24 * 3600);

/// One question to the engine, with where its answer goes. Dropping the receiver is saying that nobody waits any more.
#[derive(Debug)]
pub struct Question {
    /// What.
    pub ask: Ask,
    /// To whom.
    pub answer: oneshot::Sender<Answer>,
}

/// What the server knows of the service.
#[derive(Clone, Debug)]
pub struct Facts {
    /// The host's name.
    pub host: String,
    /// Which plan is in force.
    pub in_force: InForce,
    /// Whether the files are it.
    pub drifts: Drifts,
    /// Earlier plans.
    pub generations: Generations,
    /// Who takes another one over.
    pub orders: mpsc::Sender<Order>,
    /// What was sent.
    pub ledger: Ledger,
    /// What happens.
    pub tap: Tap,
    /// When the service started.
    pub started: std::time::Instant,
    /// Watches that this user may have.
    pub watch_limit: Option<u64>,
}

/// What a request's handler has.
#[derive(Clone, Debug)]
pub(super) struct Server {
    questions: mpsc::Sender<Question>,
    pub(super) facts: Arc<Facts>,
    room: Arc<Semaphore>,
}

/// The socket as long as it is served; removed when dropped.
#[derive(Debug)]
pub struct Control {
    path: PathBuf,
    task: tokio::task::JoinHandle<()>,
}

impl Drop for Control {
    fn drop(&mut self) {
        self.task.abort();
        // Whoever comes next removes a stale one as well.
        let _ = fs::remove_file(&self.path);
    }
}

/// Serves the socket at `path`: for this user alone. Called with the state directory's lock held; a socket that nobody
/// serves any more is replaced, one that is served is an error.
pub async fn serve(
    path: &Path,
    questions: mpsc::Sender<Question>,
    facts: Facts,
) -> Result<Control, Failure> {
    let fail = |act: &str, error: &dyn std::fmt::Display| {
        Failure::Setup(format!(
            "cannot {act} the control socket `{}`: {error}; choose another with `--socket`",
            path.display()
        ))
    };
    if let Some(parent) = path
        .parent()
        .filter(|parent| !parent.as_os_str().is_empty())
    {
        super::state::private_dir_or_existing(parent)
            .map_err(|error| fail("create the directory of", &error))?;
    }
    match fs::symlink_metadata(path) {
        Ok(meta) if meta.file_type().is_socket() => {
            if tokio::net::UnixStream::connect(path).await.is_ok() {
                return Err(fail("take", &"another heliostat serves it"));
            }
            fs::remove_file(path).map_err(|error| fail("replace", &error))?;
        }
        Ok(_) => return Err(fail("create", &"something else is there")),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(fail("look at", &error)),
    }
    // Narrow from its first moment: bound under another name in a private place would cross file systems, so the mask does it.
    let before = rustix::process::umask(rustix::fs::Mode::from_raw_mode(0o177));
    let bound = UnixListener::bind(path);
    rustix::process::umask(before);
    let listener = bound.map_err(|error| fail("create", &error))?;
    fs::set_permissions(path, fs::Permissions::from_mode(0o600))
        .map_err(|error| fail("protect", &error))?;
    let server = Server {
        questions,
        facts: Arc::new(facts),
        room: Arc::new(Semaphore::new(REQUESTS_MAX)),
    };
    let router = Router::new()
        .route("/v1/status", get(status))
        .route("/v1/plan", get(plan))
        .route("/v1/trigger", post(trigger))
        .route("/v1/rescan", post(rescan))
        .route("/v1/wait", post(wait))
        .route("/v1/pause", post(steer::pause))
        .route("/v1/resume", post(steer::resume))
        .route("/v1/history", get(history::history))
        .route("/v1/tap", get(tapping::tap))
        .route("/v1/approve", post(approve))
        .route("/v1/reload", post(reload))
        .route("/v1/rollback", post(rollback))
        .route("/v1/generations", get(generations))
        .fallback(|| async { refuse(StatusCode::NOT_FOUND, "no such request") })
        .layer(DefaultBodyLimit::max(BODY_MAX))
        .with_state(server);
    let task = tokio::spawn(async move {
        if let Err(error) = axum::serve(listener, router).await {
            tracing::error!("the control socket ended: {error}");
        }
    });
    Ok(Control {
        path: path.to_path_buf(),
        task,
    })
}

/// A refusal with its reason.
pub(super) fn refuse(status: StatusCode, error: impl Into<String>) -> Response {
    (
        status,
        Json(Refusal {
            format_version: FORMAT_VERSION,
            error: error.into(),
        }),
    )
        .into_response()
}

impl Server {
    pub(super) async fn ask(&self, ask: Ask) -> Result<Answer, Response> {
        let Ok(_room) = self.room.try_acquire() else {
            return Err(crowded());
        };
        let (sender, receiver) = oneshot::channel();
        self.questions
            .send(Question {
                ask,
                answer: sender,
            })
            .await
            .map_err(|_| ending())?;
        receiver.await.map_err(|_| ending())
    }

    async fn order(&self, wish: Wish, by: &'static str) -> Response {
        let Ok(_room) = self.room.try_acquire() else {
            return crowded();
        };
        let (sender, receiver) = oneshot::channel();
        let order = Order {
            wish,
            by,
            answer: Some(sender),
        };
        let sent = self.facts.orders.send(order).await;
        let reloaded = match sent {
            Ok(()) => receiver.await.ok(),
            Err(_) => None,
        };
        match reloaded {
            Some(reloaded) if reloaded.result == Verdict::Rejected => {
                (StatusCode::UNPROCESSABLE_ENTITY, Json(reloaded)).into_response()
            }
            Some(reloaded) => Json(reloaded).into_response(),
            None => ending(),
        }
    }

    /// Whether there is such a route.
    pub(super) async fn knows(&self, route: Option<&str>) -> bool {
        let Ok(selector) = selector(route) else {
            return false;
        };
        matches!(self.ask(Ask::Paths(selector)).await, Ok(Answer::Status(status)) if !status.routes.is_empty())
    }

    /// The one that was probably meant is named.
    pub(super) async fn no_such_route(&self, asked: Option<&str>) -> Response {
        let status = match self.picture().await {
            Ok(status) => status,
            Err(response) => return response,
        };
        let known = status.routes.iter().map(|route| route.route.as_str());
        let error = match asked {
            Some(asked) => no_such_route(asked, known),
            None => "there are no routes: the manifests have none for this host".to_owned(),
        };
        refuse(StatusCode::NOT_FOUND, error)
    }

    /// The picture with the pending paths.
    async fn paths(&self, route: Option<&str>) -> Result<Status, Response> {
        match self.ask(Ask::Paths(chosen(route)?)).await? {
            Answer::Status(status) => Ok(*status),
            other => Err(unexpected(&other)),
        }
    }

    async fn picture(&self) -> Result<Status, Response> {
        match self.ask(Ask::Status).await? {
            Answer::Status(status) => Ok(*status),
            other => Err(unexpected(&other)),
        }
    }

    /// Asks for something that is begun; `asked`: the route as it was named.
    pub(super) async fn begin(&self, ask: Ask, asked: Option<&str>) -> Response {
        let done = |routes, paused, note| {
            Json(Done {
                format_version: FORMAT_VERSION,
                routes,
                paused,
                note,
            })
            .into_response()
        };
        match self.ask(ask).await {
            Ok(Answer::Accepted(routes)) => done(routes, Vec::new(), None),
            Ok(Answer::Later { routes, paused }) => {
                let paused = paused.iter().map(ToString::to_string);
                done(routes, paused.collect(), None)
            }
            Ok(Answer::NotKept(routes, error)) => done(
                routes,
                Vec::new(),
                Some(format!("it does not outlive this process: {error}")),
            ),
            Ok(Answer::NoSuchRoute) => self.no_such_route(asked).await,
            Ok(Answer::NotHeld(None)) => refuse(
                StatusCode::CONFLICT,
                "the route is not held: nothing to approve",
            ),
            Ok(Answer::NotHeld(Some(id))) => refuse(
                StatusCode::CONFLICT,
                format!(
                    "the route holds another plan by now, `{id}`: look at `heliostat status` and approve that one"
                ),
            ),
            Ok(Answer::NotReleasable(why)) => refuse(
                StatusCode::CONFLICT,
                format!(
                    "approving does not release this hold, it ends by itself when its reason does: {why}"
                ),
            ),
            Ok(other) => unexpected(&other),
            Err(response) => response,
        }
    }
}

pub(super) fn crowded() -> Response {
    refuse(
        StatusCode::TOO_MANY_REQUESTS,
        "too many requests at once: try again",
    )
}

pub(super) fn ending() -> Response {
    refuse(StatusCode::SERVICE_UNAVAILABLE, "the service is ending")
}

pub(super) fn unexpected(answer: &Answer) -> Response {
    tracing::error!(?answer, "an answer to another question");
    refuse(
        StatusCode::INTERNAL_SERVER_ERROR,
        "the engine gave an answer to another question",
    )
}

#[allow(clippy::result_large_err)] // an answer, made once a request
pub(super) fn chosen(route: Option<&str>) -> Result<Selector, Response> {
    selector(route).map_err(|error| refuse(StatusCode::BAD_REQUEST, error))
}

async fn status(State(server): State<Server>, Query(query): Query<StatusQuery>) -> Response {
    let status = match query.paths {
        false => server.picture().await,
        true => server.paths(query.route.as_deref()).await,
    };
    let status = match status {
        Ok(status) => status,
        Err(response) => return response,
    };
    Json(StatusAnswer {
        format_version: FORMAT_VERSION,
        host: server.facts.host.clone(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        uptime_seconds: server.facts.started.elapsed().as_secs(),
        in_force: server.facts.in_force.get(),
        drift: server.facts.drifts.look().await,
        watch_limit: server.facts.watch_limit,
        status,
    })
    .into_response()
}

async fn plan(State(server): State<Server>) -> Response {
    match server.ask(Ask::Plan).await {
        Ok(Answer::Plan(plan)) => {
            let standing = server.facts.in_force.get();
            Json(PlanAnswer {
                format_version: FORMAT_VERSION,
                host: server.facts.host.clone(),
                generation: standing.generation,
                revision: standing.revision,
                digest: digest(&plan),
                plan: *plan,
            })
            .into_response()
        }
        Ok(other) => unexpected(&other),
        Err(response) => response,
    }
}

async fn trigger(State(server): State<Server>, Json(body): Json<Routes>) -> Response {
    match chosen(body.route.as_deref()) {
        Ok(selector) => {
            let ask = Ask::Trigger(selector);
            server.begin(ask, body.route.as_deref()).await
        }
        Err(response) => response,
    }
}

async fn rescan(State(server): State<Server>, Json(body): Json<RescanBody>) -> Response {
    let compare = if body.checksum {
        Compare::Checksum
    } else {
        Compare::Quick
    };
    match chosen(body.route.as_deref()) {
        Ok(selector) => {
            let ask = Ask::Rescan(selector, compare);
            server.begin(ask, body.route.as_deref()).await
        }
        Err(response) => response,
    }
}

async fn approve(State(server): State<Server>, Json(body): Json<ApproveBody>) -> Response {
    let Some((source, target)) = body.route.split_once('/') else {
        return refuse(StatusCode::BAD_REQUEST, "name one route: SOURCE/TARGET");
    };
    let name = RouteName {
        source: SourceName(source.to_owned()),
        target: TargetName(target.to_owned()),
    };
    let ask = Ask::Approve(name, body.id);
    server.begin(ask, Some(&body.route)).await
}

async fn reload(State(server): State<Server>) -> Response {
    server.order(Wish::Files, "reload").await
}

async fn rollback(State(server): State<Server>, Json(body): Json<RollbackBody>) -> Response {
    server.order(Wish::Back(body.generation), "rollback").await
}

async fn generations(State(server): State<Server>) -> Response {
    let kept = server.facts.generations.clone();
    let kept = tokio::task::spawn_blocking(move || kept.all()).await;
    let kept = kept.unwrap_or_default().into_iter();
    Json(GenerationsAnswer {
        format_version: FORMAT_VERSION,
        current: server.facts.in_force.get().generation,
        generations: kept
            .map(|kept| GenerationAnswer {
                number: kept.number,
                at: kept.at.to_string(),
                digest: kept.digest,
                revision: kept.revision,
                sources: kept.plan.sources.len(),
                routes: kept.plan.routes().count(),
            })
            .collect(),
    })
    .into_response()
}

async fn wait(State(server): State<Server>, Json(body): Json<WaitBody>) -> Response {
    let selector = match chosen(body.route.as_deref()) {
        Ok(selector) => selector,
        Err(response) => return response,
    };
    let timeout = Duration::try_from_secs_f64(body.timeout_seconds)
        .unwrap_or(WAIT_MAX)
        .min(WAIT_MAX);
    let (result, held) =
        match tokio::time::timeout(timeout, server.ask(Ask::Wait(selector.clone()))).await {
            Ok(Ok(Answer::Reached)) => (WaitResult::Reached, Vec::new()),
            Ok(Ok(Answer::Held(routes))) => (WaitResult::Held, routes),
            Ok(Ok(Answer::NoSuchRoute)) => {
                return server.no_such_route(body.route.as_deref()).await;
            }
            Ok(Ok(other)) => return unexpected(&other),
            Ok(Err(response)) => return response,
            Err(_) => (WaitResult::TimedOut, Vec::new()),
        };
    let late = match result {
        WaitResult::Reached => Vec::new(),
        WaitResult::Held | WaitResult::Paused | WaitResult::TimedOut => {
            match server.picture().await {
                Ok(status) => late(&status, &selector, &held),
                Err(response) => return response,
            }
        }
    };
    // What is paused goes on by itself; what is held wants somebody.
    let all_paused = |late: &[Late]| late.iter().all(|late| late.0 == RouteState::Paused);
    let result = match result {
        WaitResult::Held if all_paused(&late) => WaitResult::Paused,
        other => other,
    };
    let late = late.into_iter().map(|late| late.1).collect();
    Json(WaitAnswer {
        format_version: FORMAT_VERSION,
        result,
        late,
    })
    .into_response()
}

/// A route that keeps a wait waiting, and a line about it.
type Late = (RouteState, String);

/// The routes that keep a wait waiting, one line each.
fn late(status: &Status, selector: &Selector, held: &[RouteName]) -> Vec<Late> {
    let held: BTreeMap<String, ()> = held.iter().map(|name| (name.to_string(), ())).collect();
    let meant = |route: &str| {
        let Some((source, target)) = route.split_once('/') else {
            return false;
        };
        selector.matches(&RouteName {
            source: SourceName(source.to_owned()),
            target: TargetName(target.to_owned()),
        })
    };
    status
        .routes
        .iter()
        .filter(|route| {
            if held.is_empty() {
                meant(&route.route) && route.state != RouteState::InSync
            } else {
                held.contains_key(&route.route)
            }
        })
        .map(|route| {
            let (name, state) = (&route.route, route.state.word());
            let line = match &route.why {
                Some(why) => format!("{name}: {state}: {why}"),
                None => format!("{name}: {state}"),
            };
            (route.state, line)
        })
        .collect()
}
