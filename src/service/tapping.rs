//! `GET /v1/tap`: the [`Tap`](super::tap) as server-sent events.

use std::convert::Infallible;
use std::time::Duration;

use axum::extract::{Query, State};
use axum::http::StatusCode;
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use futures_util::stream;
use serde::{Deserialize, Serialize};
use tokio::sync::OwnedSemaphorePermit;

use super::http::{Server, chosen, refuse};
use super::tap::{Listener, Told};
use crate::engine::Selector;
use crate::filter::{Filter, FilterSpec, Rule, Verdict};

/// A line that says nothing goes over the connection so often: a reader that is gone is noticed.
const ALIVE: Duration = Duration::from_secs(10);

/// What is asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct TapQuery {
    /// `SOURCE` or `SOURCE/TARGET`; none: all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub route: Option<String>,
    /// A glob as in a manifest: of what is told of single paths, only of those that match.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub paths: Option<String>,
}

/// What one listener wants to hear.
struct Wanted {
    selector: Selector,
    paths: Option<Filter>,
    /// Its place at the door, until it has gone.
    _stay: OwnedSemaphorePermit,
}

impl Wanted {
    fn wants(&self, told: &Told) -> bool {
        let of_path = |filter: &Filter, path: &str| {
            let verdict = |is_dir| filter.decide(path.as_bytes(), is_dir).verdict;
            verdict(false) == Verdict::Included
        };
        let path = self.paths.as_ref().zip(told.what.path());
        told.what.is_meant(&self.selector)
            && path.is_none_or(|(filter, path)| of_path(filter, path))
    }
}

/// What happens from now on. The first line says that it is listened to.
pub(super) async fn tap(State(server): State<Server>, Query(query): Query<TapQuery>) -> Response {
    let selector = match chosen(query.route.as_deref()) {
        Ok(selector) => selector,
        Err(response) => return response,
    };
    if query.route.is_some() && !server.knows(query.route.as_deref()).await {
        return server.no_such_route(query.route.as_deref()).await;
    }
    let paths = query.paths.map(|pattern| {
        Filter::compile(&FilterSpec {
            include: vec![Rule {
                pattern,
                origin: None,
            }],
            exclude: Vec::new(),
        })
    });
    let paths = match paths.transpose() {
        Ok(paths) => paths,
        Err(error) => return refuse(StatusCode::BAD_REQUEST, error.to_string()),
    };
    // It stays, as a wait does, and must not crowd out those who only look.
    let stay = match server.stay() {
        Ok(stay) => stay,
        Err(response) => return response,
    };
    let Some(listener) = server.facts().tap.listen() else {
        return refuse(
            StatusCode::TOO_MANY_REQUESTS,
            "as many listen as can at once: end one of them",
        );
    };
    let wanted = Wanted {
        selector,
        paths,
        _stay: stay,
    };
    let begun = stream::iter([Ok::<_, Infallible>(Event::default().comment("listening"))]);
    let items = stream::unfold((listener, wanted), next);
    let all = stream::StreamExt::chain(begun, items);
    Sse::new(all)
        .keep_alive(KeepAlive::new().interval(ALIVE))
        .into_response()
}

async fn next(
    (mut listener, wanted): (Listener, Wanted),
) -> Option<(Result<Event, Infallible>, (Listener, Wanted))> {
    loop {
        let told = listener.next().await?;
        if !wanted.wants(&told) {
            continue;
        }
        // Whatever is told can be written as JSON: it has neither maps with other keys than texts, nor numbers that are none.
        if let Ok(event) = Event::default()
            .id(told.number.to_string())
            .json_data(&*told)
        {
            return Some((Ok(event), (listener, wanted)));
        }
    }
}
