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
    match look(server.picture()).await {
        Ok(_) => verdict("healthy", Vec::new()),
        Err(response) => response,
    }
}

/// Every source is watched, or is known not to be there.
pub async fn ready(State(server): State<Server>) -> Response {
    match look(server.picture()).await {
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
    let status = match look(server.picture()).await {
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

async fn look(picture: impl Future<Output = Result<Status, Response>>) -> Result<Status, Response> {
    match tokio::time::timeout(ANSWER_WITHIN, picture).await {
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::status::SourceStatus;

    fn route(state: RouteState, lag_seconds: Option<f64>, failing_count: u64) -> RouteStatus {
        RouteStatus {
            lag_seconds,
            failing_count,
            why: Some("because".into()),
            ..RouteStatus::bare(state)
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_loop_that_does_not_answer_is_not_healthy() {
        let answer = look(std::future::pending()).await.unwrap_err();
        assert_eq!(answer.status(), StatusCode::SERVICE_UNAVAILABLE);
        let status = Status {
            generation: 1,
            sources: Vec::new(),
            routes: Vec::new(),
        };
        assert_eq!(look(async { Ok(status.clone()) }).await.unwrap(), status);
    }

    #[test]
    fn only_what_is_on_its_way_is_overlooked_and_only_for_so_long() {
        for (state, lag, failing, max, good) in [
            (RouteState::InSync, None, 0, 0.0, true),
            (RouteState::Sending, Some(1.0), 0, 0.0, false),
            (RouteState::Sending, Some(1.0), 0, 2.0, true),
            (RouteState::Pending, Some(1.0), 0, 2.0, true),
            (RouteState::Pending, Some(3.0), 0, 2.0, false),
            (RouteState::Sending, Some(1.0), 1, 2.0, false),
            (RouteState::Retrying, Some(1.0), 0, 2.0, false),
            (RouteState::Starting, Some(1.0), 0, 2.0, false),
            (RouteState::NotCompared, None, 0, 2.0, false),
            (RouteState::Held, None, 0, 2.0, false),
            (RouteState::Pending, Some(1.0), 0, f64::NAN, false),
        ] {
            let route = route(state, lag, failing);
            assert_eq!(late(vec![&route], max).is_empty(), good, "{route:?} {max}");
        }
    }

    #[test]
    fn what_is_paused_is_not_in_sync_and_says_so() {
        let paused = RouteStatus {
            why: Some("by me for another 5m; heliostat resume a/b".into()),
            ..RouteStatus::bare(RouteState::Paused)
        };
        let line = "a/b: paused: by me for another 5m; heliostat resume a/b";
        assert_eq!(late(vec![&paused], 3600.0), [line]);
    }

    #[test]
    fn a_source_that_is_known_to_be_missing_does_not_keep_the_service_unready() {
        let source = |ready, waiting: Option<&str>| SourceStatus {
            name: "a".into(),
            path: "/a".into(),
            ready,
            directories: 0,
            unwatched: 0,
            doubted: 0,
            mechanism: None,
            mechanism_why: None,
            waiting: waiting.map(str::to_owned),
        };
        let lines = |source| {
            unready(&Status {
                generation: 1,
                sources: vec![source],
                routes: Vec::new(),
            })
            .len()
        };
        assert_eq!(lines(source(false, None)), 1);
        assert_eq!(lines(source(true, None)), 0);
        assert_eq!(lines(source(false, Some("it is not there"))), 0);
    }
}
