//! `/-/healthy`, `/-/ready`, `/-/insync`: 200 or 503, with a line for each thing that is not as it should be.

use std::time::Duration;

use axum::extract::{Query, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;

use super::server::{Server, chosen, refuse};
use crate::engine::Selector;
use crate::engine::status::{RouteStatus, State as RouteState, Status};
use crate::plan::{RouteName, SourceName, TargetName};

/// A loop that has not answered within this is stuck: its steps take milliseconds.
const ANSWER_WITHIN: Duration = Duration::from_secs(5);
/// Lines of an answer: it is for a glance.
const LINES_MAX: usize = 20;

/// The engine's loop answers.
pub async fn healthy(State(server): State<Server>) -> Response {
    match look(&server).await {
        Ok(_) => verdict("healthy", Vec::new()),
        Err(response) => response,
    }
}

/// Every source is watched, or is known not to be there.
pub async fn ready(State(server): State<Server>) -> Response {
    match look(&server).await {
        Ok(status) => verdict("ready", unready(&status)),
        Err(response) => response,
    }
}

/// Which routes, and how much is overlooked.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct InSyncQuery {
    /// `SOURCE` or `SOURCE/TARGET`; none: all.
    pub route: Option<String>,
    /// Changes so many seconds old, or younger, may be on their way.
    #[serde(default)]
    pub lag: f64,
}

/// Every change is on the targets.
pub async fn in_sync(
    State(server): State<Server>,
    query: Result<Query<InSyncQuery>, axum::extract::rejection::QueryRejection>,
) -> Response {
    let query = match query {
        Ok(Query(query)) => query,
        Err(error) => return refuse(StatusCode::BAD_REQUEST, error.body_text()),
    };
    let selector = match chosen(query.route.as_deref()) {
        Ok(selector) => selector,
        Err(response) => return response,
    };
    let status = match look(&server).await {
        Ok(status) => status,
        Err(response) => return response,
    };
    let named = selector != Selector::default();
    let meant: Vec<&RouteStatus> = status
        .routes
        .iter()
        .filter(|route| matches(&selector, &route.route))
        .collect();
    if named && meant.is_empty() {
        return server.no_such_route(query.route.as_deref()).await;
    }
    verdict("in sync", late(meant, query.lag))
}

async fn look(server: &Server) -> Result<Status, Response> {
    match tokio::time::timeout(ANSWER_WITHIN, server.picture()).await {
        Ok(picture) => picture,
        Err(_) => {
            let line = format!("the engine did not answer within {ANSWER_WITHIN:?}");
            Err(verdict("", vec![line]))
        }
    }
}

fn matches(selector: &Selector, route: &str) -> bool {
    route.split_once('/').is_some_and(|(source, target)| {
        selector.matches(&RouteName {
            source: SourceName(source.to_owned()),
            target: TargetName(target.to_owned()),
        })
    })
}

fn unready(status: &Status) -> Vec<String> {
    let unready = status.sources.iter();
    unready
        .filter(|source| !source.ready && source.waiting.is_none())
        .map(|source| format!("{}: the watches are being placed", source.name))
        .collect()
}

fn late(routes: Vec<&RouteStatus>, lag_max: f64) -> Vec<String> {
    let on_its_way = |route: &RouteStatus| {
        matches!(route.state, RouteState::Sending | RouteState::Pending)
            && route.failing_count == 0
            && route.lag_seconds.unwrap_or(0.0) <= lag_max
            && lag_max > 0.0
    };
    routes
        .into_iter()
        .filter(|route| route.state != RouteState::InSync && !on_its_way(route))
        .map(|route| match &route.why {
            Some(why) => format!("{}: {}: {why}", route.route, route.state.word()),
            None => format!("{}: {}", route.route, route.state.word()),
        })
        .collect()
}

fn verdict(good: &str, mut wrong: Vec<String>) -> Response {
    let status = match wrong.is_empty() {
        true => StatusCode::OK,
        false => StatusCode::SERVICE_UNAVAILABLE,
    };
    if wrong.is_empty() {
        wrong.push(good.to_owned());
    } else if wrong.len() > LINES_MAX {
        let more = wrong.len() - LINES_MAX;
        wrong.truncate(LINES_MAX);
        wrong.push(format!("and {more} more"));
    }
    let text = wrong.join("\n") + "\n";
    let kind = [(header::CONTENT_TYPE, "text/plain; charset=utf-8")];
    (status, kind, text).into_response()
}
