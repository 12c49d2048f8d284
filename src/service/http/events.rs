//! `GET /v1/events`: that the picture is different, as server-sent events: [`News`](crate::service::news).

use std::convert::Infallible;
use std::time::Duration;

use axum::extract::{Query, State};
use axum::http::StatusCode;
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use futures_util::stream;
use tokio::sync::OwnedSemaphorePermit;

use super::server::{Server, chosen, refuse};
use crate::engine::Selector;
use crate::service::news::Listener;
use crate::service::protocol::Routes;

/// A line that says nothing goes over the connection so often: a reader that is gone is noticed.
const ALIVE: Duration = Duration::from_secs(10);

/// One who listens, with its place at the door until it has gone.
struct Follower {
    listener: Listener,
    selector: Selector,
    _stay: OwnedSemaphorePermit,
}

/// What is different from now on.
pub async fn events(State(server): State<Server>, Query(query): Query<Routes>) -> Response {
    let selector = match chosen(query.route.as_deref()) {
        Ok(selector) => selector,
        Err(response) => return response,
    };
    if query.route.is_some() && !server.knows(query.route.as_deref()).await {
        return server.no_such_route(query.route.as_deref()).await;
    }
    // It stays, as a wait does, and must not crowd out those who only look.
    let stay = match server.stay() {
        Ok(stay) => stay,
        Err(response) => return response,
    };
    let Some(listener) = server.facts().news.listen() else {
        return refuse(
            StatusCode::TOO_MANY_REQUESTS,
            "as many follow as can at once: ask for the status now and then",
        );
    };
    let follower = Follower {
        listener,
        selector,
        _stay: stay,
    };
    let begun = stream::iter([Ok::<_, Infallible>(Event::default().comment("listening"))]);
    let all = stream::StreamExt::chain(begun, stream::unfold(follower, next));
    Sse::new(all)
        .keep_alive(KeepAlive::new().interval(ALIVE))
        .into_response()
}

async fn next(mut follower: Follower) -> Option<(Result<Event, Infallible>, Follower)> {
    loop {
        let item = follower.listener.next().await?;
        if !item.is_meant(&follower.selector) {
            continue;
        }
        // It has neither maps with other keys than texts, nor numbers that are none.
        if let Ok(event) = Event::default()
            .id(item.number.to_string())
            .json_data(&item)
        {
            return Some((Ok(event), follower));
        }
    }
}
