//! The requests of the JSON interface; [`protocol`](crate::service::protocol) describes them.

use std::collections::BTreeSet;
use std::time::Duration;

use axum::Json;
use axum::extract::{Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};

use super::server::{Server, chosen, refuse, unexpected};
use crate::engine::status::{State as RouteState, Status};
use crate::engine::{Answer, Ask, Selector};
use crate::plan::{Compare, RouteName, SourceName, TargetName, digest};
use crate::service::protocol::{
    ApproveBody, FORMAT_VERSION, GenerationAnswer, GenerationsAnswer, PlanAnswer, RescanBody,
    RollbackBody, Routes, StatusQuery, WaitAnswer, WaitBody, WaitResult,
};
use crate::service::reloader::Wish;

/// The longest wait that can be asked for.
const WAIT_MAX: Duration = Duration::from_secs(7 * 24 * 3600);

/// The whole picture.
pub async fn status(State(server): State<Server>, Query(query): Query<StatusQuery>) -> Response {
    let picture = match query.paths {
        false => server.picture().await,
        true => server.paths(query.route.as_deref()).await,
    };
    match picture {
        Ok(picture) if query.paths && query.route.is_some() && picture.routes.is_empty() => {
            server.no_such_route(query.route.as_deref()).await
        }
        Ok(picture) => Json(server.around(picture).await).into_response(),
        Err(response) => response,
    }
}

/// The plan that runs.
pub async fn plan(State(server): State<Server>) -> Response {
    match server.ask(Ask::Plan).await {
        Ok(Answer::Plan(plan)) => {
            let standing = server.facts().in_force.get();
            Json(PlanAnswer {
                format_version: FORMAT_VERSION,
                host: server.facts().host.clone(),
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

/// Sends now what is pending.
pub async fn trigger(State(server): State<Server>, Json(body): Json<Routes>) -> Response {
    match chosen(body.route.as_deref()) {
        Ok(selector) => {
            let ask = Ask::Trigger(selector);
            server.begin(ask, body.route.as_deref()).await
        }
        Err(response) => response,
    }
}

/// Compares with the targets now.
pub async fn rescan(State(server): State<Server>, Json(body): Json<RescanBody>) -> Response {
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

/// Releases a hold for the plan that was shown.
pub async fn approve(State(server): State<Server>, Json(body): Json<ApproveBody>) -> Response {
    let name = match chosen(Some(&body.route)) {
        Ok(Selector {
            source: Some(source),
            target: Some(target),
        }) => RouteName { source, target },
        Ok(_) => return refuse(StatusCode::BAD_REQUEST, "name one route: SOURCE/TARGET"),
        Err(response) => return response,
    };
    let ask = Ask::Approve(name, body.id);
    server.begin(ask, Some(&body.route)).await
}

/// Takes the files over.
pub async fn reload(State(server): State<Server>) -> Response {
    server.order(Wish::Files, "reload").await
}

/// Goes back to an earlier generation.
pub async fn rollback(State(server): State<Server>, Json(body): Json<RollbackBody>) -> Response {
    server.order(Wish::Back(body.generation), "rollback").await
}

/// Those that are kept.
pub async fn generations(State(server): State<Server>) -> Response {
    let kept = server.facts().generations.clone();
    let kept = tokio::task::spawn_blocking(move || kept.all()).await;
    let kept = kept.unwrap_or_default().into_iter();
    Json(GenerationsAnswer {
        format_version: FORMAT_VERSION,
        current: server.facts().in_force.get().generation,
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

/// Answers when everything that has changed up to now is on the targets.
pub async fn wait(State(server): State<Server>, Json(body): Json<WaitBody>) -> Response {
    let selector = match chosen(body.route.as_deref()) {
        Ok(selector) => selector,
        Err(response) => return response,
    };
    let _stay = match server.stay() {
        Ok(stay) => stay,
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
    let all_paused = late.iter().all(|(state, _)| *state == RouteState::Paused);
    let result = match result {
        WaitResult::Held if all_paused => WaitResult::Paused,
        other => other,
    };
    let late = late.into_iter().map(|(_, line)| line).collect();
    Json(WaitAnswer {
        format_version: FORMAT_VERSION,
        result,
        late,
    })
    .into_response()
}

/// The routes that keep a wait waiting, with a line about each.
fn late(status: &Status, selector: &Selector, held: &[RouteName]) -> Vec<(RouteState, String)> {
    let held: BTreeSet<String> = held.iter().map(RouteName::to_string).collect();
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
                held.contains(&route.route)
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
