//! The requests: asks for everything that a page shows, and answers with it and the headers that guard it.

use std::collections::HashMap;
use std::time::Duration;

use axum::Router;
use axum::extract::{Path, Query, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use jiff::Timestamp;
use jiff::tz::TimeZone;
use maud::Markup;

use super::super::server::Server;
use super::filter::Filter;
use super::frame::{Frame, Live, sorry};
use super::history::History;
use super::route::{Known, route as route_page};
use super::words::{Clock, route_path};
use super::{files, overview};
use crate::engine::detail::Detail;
use crate::engine::{Answer, Ask};
use crate::ledger::Ledger;
use crate::plan::{Explain, Plan, RouteName, SourceName, SourcePlan, TargetName};
use crate::transfer;

/// Runs that are looked through: as many as the ledger keeps.
const RUNS_MAX: usize = 10_000;

/// What a page may: its own style and script, its own addresses; nothing inline, nothing from elsewhere, in no frame.
const POLICY: &str = "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'";

const STYLE: &str = include_str!("page.css");
const SCRIPT: &str = include_str!("live.js");
const ICON: &str = include_str!("icon.svg");

type Asked = Query<HashMap<String, String>>;

/// What is served to browsers. All of it is looking.
pub(in crate::service::http) fn pages() -> Router<Server> {
    let asset = |kind: &'static str, text: &'static str| {
        get(move || async move { ([(header::CONTENT_TYPE, kind)], text) })
    };
    Router::new()
        .route("/", get(all))
        .route("/routes/{source}/{target}", get(one))
        .route("/manifest", get(manifest))
        .route("/assets/page.css", asset("text/css; charset=utf-8", STYLE))
        .route(
            "/assets/live.js",
            asset("text/javascript; charset=utf-8", SCRIPT),
        )
        .route("/assets/icon.svg", asset("image/svg+xml", ICON))
}

fn clock() -> Clock {
    Clock {
        now: Timestamp::now(),
        zone: TimeZone::system(),
    }
}

fn live(query: &HashMap<String, String>) -> Live {
    match query.get("live").map(String::as_str) {
        Some("off") => Live::Off,
        _ => Live::On,
    }
}

/// All routes.
async fn all(State(server): State<Server>, Query(query): Asked) -> Response {
    let answer = match server.status().await {
        Ok(answer) => answer,
        Err(refused) => return instead(refused),
    };
    let (filter, clock) = (Filter::of(&query), clock());
    let frame = Frame {
        title: "Routes",
        answer: &answer,
        clock: &clock,
        here: &filter.address(),
        live: live(&query),
    };
    page(
        StatusCode::OK,
        frame.around(overview::overview(&answer, &filter, &clock)),
    )
}

/// One route.
async fn one(
    State(server): State<Server>,
    Path((source, target)): Path<(String, String)>,
    Query(query): Asked,
) -> Response {
    let name = RouteName {
        source: SourceName(source),
        target: TargetName(target),
    };
    let detail = match server.ask(Ask::Detail(name.clone())).await {
        Ok(Answer::Detail(detail)) => *detail,
        Ok(Answer::NoSuchRoute) => return no_such_page("There is no such route."),
        Ok(other) => return instead(super::super::server::unexpected(&other)),
        Err(refused) => return instead(refused),
    };
    let answer = match server.status().await {
        Ok(answer) => answer,
        Err(refused) => return instead(refused),
    };
    let text = name.to_string();
    let status = &answer.status;
    let route = status.routes.iter().find(|route| route.route == text);
    let source = status
        .sources
        .iter()
        .find(|source| source.name == name.source.0);
    let (Some(route), Some(source)) = (route, source) else {
        return no_such_page("The route was taken out just now.");
    };
    let history = match history(&server, name).await {
        Ok(history) => history,
        Err(refused) => return instead(refused),
    };
    let clock = clock();
    let explain = Explain {
        plan: &Plan::default(),
        now: clock.now,
        host: &answer.host,
        command_lines: &transfer::command_lines,
        watched_by: &|_: &SourcePlan| String::new(),
    };
    let rows = explain.route(&detail.source, &detail.route);
    let known = Known {
        route,
        source,
        detail: &detail as &Detail,
        history: &history,
        rows: &rows,
        up: Duration::from_secs(answer.uptime_seconds),
    };
    let frame = Frame {
        title: &text,
        answer: &answer,
        clock: &clock,
        here: &route_path(&text),
        live: live(&query),
    };
    page(StatusCode::OK, frame.around(route_page(&known, &clock)))
}

/// The route's runs. Read on a thread that may wait, and counted among the requests under way for as long.
async fn history(server: &Server, name: RouteName) -> Result<History, Response> {
    let room = server.enter()?;
    let ledger = server.facts().ledger.clone();
    let read = tokio::task::spawn_blocking(move || {
        let history = of_route(&ledger, &name);
        drop(room);
        history
    });
    Ok(read.await.unwrap_or_default())
}

fn of_route(ledger: &Ledger, name: &RouteName) -> History {
    let mut runs = ledger.runs(RUNS_MAX);
    let full = runs.len() >= RUNS_MAX;
    let begins = runs.last().map(|run| run.at).filter(|_| full);
    runs.retain(|run| run.route == *name);
    History { runs, begins }
}

/// The effective manifest.
async fn manifest(State(server): State<Server>, Query(query): Asked) -> Response {
    let answer = match server.status().await {
        Ok(answer) => answer,
        Err(refused) => return instead(refused),
    };
    let room = match server.enter() {
        Ok(room) => room,
        Err(refused) => return instead(refused),
    };
    let read = server.facts().effectives.get().await;
    drop(room);
    let Some(effective) = read else {
        return page(
            StatusCode::INTERNAL_SERVER_ERROR,
            sorry(
                "Manifest",
                "Reading the files ended in a fault of this program: please report it.",
                false,
            ),
        );
    };
    let clock = clock();
    let frame = Frame {
        title: "Manifest",
        answer: &answer,
        clock: &clock,
        here: "/manifest",
        live: Live::Never,
    };
    let number = query
        .get("page")
        .and_then(|page| page.parse().ok())
        .unwrap_or(1);
    page(
        StatusCode::OK,
        frame.around(files::files(&answer, &effective, number, &clock)),
    )
}

fn no_such_page(what: &str) -> Response {
    page(StatusCode::NOT_FOUND, sorry("Not here", what, false))
}

/// A refusal as a page, which tries again by itself.
fn instead(refused: Response) -> Response {
    let what = match refused.status() {
        StatusCode::TOO_MANY_REQUESTS => "Too many look at once.",
        StatusCode::SERVICE_UNAVAILABLE => "The service is ending.",
        _ => "The service cannot answer: its log says why.",
    };
    page(refused.status(), sorry("Not now", what, true))
}

fn page(status: StatusCode, markup: Markup) -> Response {
    let headers = [
        (
            header::CONTENT_TYPE,
            HeaderValue::from_static("text/html; charset=utf-8"),
        ),
        (
            header::CONTENT_SECURITY_POLICY,
            HeaderValue::from_static(POLICY),
        ),
    ];
    (status, headers, markup.into_string()).into_response()
}
