//! `/metrics`.

use std::time::Instant;

use axum::extract::State;
use axum::http::{HeaderMap, header};
use axum::response::{IntoResponse, Response};
use jiff::Timestamp;

use super::server::{Server, ending};
use crate::service::metrics::expose::{self, CLASSIC, OPEN_METRICS};
use crate::service::metrics::gather::{View, page};
use crate::service::metrics::page::Page;

/// The page of now, in the format that was asked for.
pub async fn metrics(State(server): State<Server>, headers: HeaderMap) -> Response {
    let page = match server.page().await {
        Ok(page) => page,
        Err(response) => return response,
    };
    let accept: Vec<&str> = headers
        .get_all(header::ACCEPT)
        .iter()
        .filter_map(|accept| accept.to_str().ok())
        .collect();
    let open = expose::wants_open_metrics(&accept.join(","));
    // Thousands of routes are megabytes of text: the threads that serve others do not write them.
    let written = tokio::task::spawn_blocking(move || match open {
        true => (OPEN_METRICS, expose::open_metrics(page)),
        false => (CLASSIC, expose::classic(page)),
    });
    let Ok((kind, text)) = written.await else {
        return ending();
    };
    ([(header::CONTENT_TYPE, kind)], text).into_response()
}

impl Server {
    /// What is measured, now.
    pub async fn page(&self) -> Result<Page, Response> {
        let began = Instant::now();
        let picture = self.picture().await?;
        let latency = began.elapsed();
        let status = self.around(picture).await;
        Ok(page(&View {
            status: &status,
            counts: self.facts().tally.counts(),
            ledger: self.facts().ledger.health(),
            latency,
            now: Timestamp::now(),
        }))
    }
}
