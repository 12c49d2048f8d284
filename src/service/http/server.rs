//! What every request can use: questions to the engine, orders to the reloader, facts of the service; and how a refusal
//! looks.

use std::sync::Arc;

use axum::Json;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot};

use crate::engine::status::Status;
use crate::engine::{Answer, Ask, Selector};
use crate::ledger::Ledger;
use crate::plan::{RouteName, SourceName, TargetName};
use crate::service::drift::Drifts;
use crate::service::effective::Effectives;
use crate::service::generations::Generations;
use crate::service::in_force::InForce;
use crate::service::metrics::Tally;
use crate::service::naming;
use crate::service::news::News;
use crate::service::protocol::{Done, FORMAT_VERSION, Refusal, StatusAnswer, selector};
use crate::service::question::Question;
use crate::service::reloader::{Order, Verdict, Wish};
use crate::service::tap::Tap;

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
    /// When the service started.
    pub started: std::time::Instant,
    /// Watches that this user may have.
    pub watch_limit: Option<u64>,
    /// What the files mean.
    pub effectives: Effectives,
    /// What was sent.
    pub ledger: Ledger,
    /// What was counted.
    pub tally: Tally,
    /// What happens.
    pub tap: Tap,
    /// That the picture is different.
    pub news: News,
}

/// What a request can use. Each door has one, with room of its own.
#[derive(Clone, Debug)]
pub struct Server {
    questions: mpsc::Sender<Question>,
    facts: Arc<Facts>,
    room: Arc<Semaphore>,
    long: Arc<Semaphore>,
}

impl Server {
    /// For doors at which `requests` may be under way at once: each waiter costs a task and an entry in the engine.
    pub fn new(questions: mpsc::Sender<Question>, facts: Arc<Facts>, requests: usize) -> Server {
        Server {
            questions,
            facts,
            room: Arc::new(Semaphore::new(requests)),
            long: Arc::new(Semaphore::new((requests / 2).max(1))),
        }
    }

    /// Facts of the service.
    pub fn facts(&self) -> &Facts {
        &self.facts
    }

    /// A place among those that stay for long, as waits and streams do, until it is dropped: they never take more than half of a
    /// door's places, so that a scrape or a probe beside them is answered.
    #[allow(clippy::result_large_err)] // an answer, made once a request
    pub fn stay(&self) -> Result<OwnedSemaphorePermit, Response> {
        let long = Arc::clone(&self.long);
        long.try_acquire_owned().map_err(|_| crowded())
    }

    /// A place among the requests under way, until it is dropped.
    #[allow(clippy::result_large_err)] // as above
    pub fn enter(&self) -> Result<OwnedSemaphorePermit, Response> {
        let room = Arc::clone(&self.room);
        room.try_acquire_owned().map_err(|_| crowded())
    }

    /// Asks the engine.
    pub async fn ask(&self, ask: Ask) -> Result<Answer, Response> {
        let _room = self.enter()?;
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

    /// Has something taken over.
    pub async fn order(&self, wish: Wish, by: &'static str) -> Response {
        let _room = match self.enter() {
            Ok(room) => room,
            Err(response) => return response,
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

    /// The engine's picture.
    pub async fn picture(&self) -> Result<Status, Response> {
        match self.ask(Ask::Status).await? {
            Answer::Status(status) => Ok(*status),
            other => Err(unexpected(&other)),
        }
    }

    /// The whole picture, as `status` has it.
    pub async fn status(&self) -> Result<StatusAnswer, Response> {
        let picture = self.picture().await?;
        Ok(self.around(picture).await)
    }

    /// A picture, with what surrounds the engine.
    pub async fn around(&self, status: Status) -> StatusAnswer {
        let facts = self.facts();
        StatusAnswer {
            format_version: FORMAT_VERSION,
            host: facts.host.clone(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            uptime_seconds: facts.started.elapsed().as_secs(),
            in_force: facts.in_force.get(),
            drift: facts.drifts.look().await,
            watch_limit: facts.watch_limit,
            status,
        }
    }

    /// The picture of some routes, with the paths that are pending.
    pub async fn paths(&self, route: Option<&str>) -> Result<Status, Response> {
        match self.ask(Ask::Paths(chosen(route)?)).await? {
            Answer::Status(status) => Ok(*status),
            other => Err(unexpected(&other)),
        }
    }

    /// Whether there is such a route.
    pub async fn knows(&self, route: Option<&str>) -> bool {
        let (Ok(selector), Ok(status)) = (selector(route), self.picture().await) else {
            return false;
        };
        let mut routes = status.routes.iter();
        routes.any(|status| {
            let (source, target) = status.route.split_once('/').unwrap_or((&status.route, ""));
            selector.matches(&RouteName {
                source: SourceName(source.to_owned()),
                target: TargetName(target.to_owned()),
            })
        })
    }

    /// Nobody has this name; the one that was probably meant is said.
    pub async fn no_such_route(&self, asked: Option<&str>) -> Response {
        let status = match self.picture().await {
            Ok(status) => status,
            Err(response) => return response,
        };
        let known = status.routes.iter().map(|route| route.route.as_str());
        let error = match asked {
            Some(asked) => naming::no_such_route(asked, known),
            None => "there are no routes: the manifests have none for this host".to_owned(),
        };
        refuse(StatusCode::NOT_FOUND, error)
    }

    /// Has the engine begin something, and says for how many routes; `asked`: the route as it was named.
    pub async fn begin(&self, ask: Ask, asked: Option<&str>) -> Response {
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
            Ok(Answer::NotKept(routes, error)) => {
                let note = format!("it does not outlive this process: {error}");
                done(routes, Vec::new(), Some(note))
            }
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

/// A request that is not carried out, with one line that says why.
pub fn refuse(status: StatusCode, error: impl Into<String>) -> Response {
    (
        status,
        Json(Refusal {
            format_version: FORMAT_VERSION,
            error: error.into(),
        }),
    )
        .into_response()
}

fn crowded() -> Response {
    refuse(
        StatusCode::TOO_MANY_REQUESTS,
        "too many requests at once: try again",
    )
}

/// The service goes away.
pub fn ending() -> Response {
    refuse(StatusCode::SERVICE_UNAVAILABLE, "the service is ending")
}

/// A fault of this program.
pub fn unexpected(answer: &Answer) -> Response {
    tracing::error!(?answer, "an answer to another question");
    refuse(
        StatusCode::INTERNAL_SERVER_ERROR,
        "the engine gave an answer to another question",
    )
}

/// Which routes a request means.
#[allow(clippy::result_large_err)] // an answer, made once a request
pub fn chosen(route: Option<&str>) -> Result<Selector, Response> {
    selector(route).map_err(|error| refuse(StatusCode::BAD_REQUEST, error))
}
