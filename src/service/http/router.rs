//! Which path is what, and of which class.

use axum::Router;
use axum::http::StatusCode;
use axum::middleware::from_fn;
use axum::routing::{get, post};

use super::server::{Server, refuse};
use super::{api, caller, events, health, operator, page, scrape};
use crate::service::{history, steer, tapping};

/// Every request that is served. What is new gets its line in the table of its class.
pub fn router(server: Server) -> Router {
    looking()
        .merge(page::pages())
        .merge(operating().route_layer(from_fn(operator::operators)))
        .fallback(|| async { refuse(StatusCode::NOT_FOUND, "no such request") })
        .layer(from_fn(caller::admit))
        .with_state(server)
}

/// *Read*: looking and waiting.
fn looking() -> Router<Server> {
    Router::new()
        .route("/v1/status", get(api::status))
        .route("/v1/events", get(events::events))
        .route("/v1/plan", get(api::plan))
        .route("/v1/generations", get(api::generations))
        .route("/v1/wait", post(api::wait))
        .route("/v1/history", get(history::history))
        .route("/v1/tap", get(tapping::tap))
        .route("/-/healthy", get(health::healthy))
        .route("/-/ready", get(health::ready))
        .route("/-/insync", get(health::in_sync))
        .route("/metrics", get(scrape::metrics))
}

/// *Operate*: whatever changes what the service does.
fn operating() -> Router<Server> {
    Router::new()
        .route("/v1/trigger", post(api::trigger))
        .route("/v1/rescan", post(api::rescan))
        .route("/v1/approve", post(api::approve))
        .route("/v1/pause", post(steer::pause))
        .route("/v1/resume", post(steer::resume))
        .route("/v1/reload", post(api::reload))
        .route("/v1/rollback", post(api::rollback))
}
