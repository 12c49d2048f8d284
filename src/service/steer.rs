//! `POST /v1/pause` and `POST /v1/resume`.

use std::time::Duration;

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use axum::{Extension, Json};
use serde::{Deserialize, Serialize};

use super::http::{Operator, Server, chosen, refuse};
use crate::engine::{Ask, PAUSE_MAX, PAUSE_MIN, PauseWish, escape};

/// Longer words of an operator are refused: they stand in a line of `status`.
const WORDS_MAX: usize = 200;

/// `POST /v1/pause`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PauseBody {
    /// `SOURCE` or `SOURCE/TARGET`; none: all.
    pub route: Option<String>,
    /// For so long: at least a second, at most seven days.
    pub for_seconds: f64,
    /// What for.
    #[serde(default)]
    pub reason: Option<String>,
    /// Whom the client takes itself for, as sudo's user: said behind who it is.
    #[serde(default)]
    pub by: Option<String>,
    /// Whether transfers that run are cancelled; else they are let end.
    #[serde(default)]
    pub cancel: bool,
}

/// `POST /v1/resume`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ResumeBody {
    /// `SOURCE` or `SOURCE/TARGET`; none: all.
    pub route: Option<String>,
    /// Whom the client takes itself for, as sudo's user: said behind who it is.
    #[serde(default)]
    pub by: Option<String>,
}

/// Pauses routes.
pub(super) async fn pause(
    State(server): State<Server>,
    Extension(operator): Extension<Operator>,
    Json(body): Json<PauseBody>,
) -> Response {
    let by = operator.who_says(body.by.as_deref());
    let wish = match by.map_err(str::to_owned).and_then(|by| wish(&body, by)) {
        Ok(wish) => wish,
        Err(error) => return refuse(StatusCode::BAD_REQUEST, error),
    };
    match chosen(body.route.as_deref()) {
        Ok(selector) => {
            let ask = Ask::Pause(selector, wish);
            server.begin(ask, body.route.as_deref()).await
        }
        Err(response) => response,
    }
}

/// Ends pauses.
pub(super) async fn resume(
    State(server): State<Server>,
    Extension(operator): Extension<Operator>,
    Json(body): Json<ResumeBody>,
) -> Response {
    let by = match operator.who_says(body.by.as_deref()) {
        Ok(by) => by,
        Err(error) => return refuse(StatusCode::BAD_REQUEST, error),
    };
    match chosen(body.route.as_deref()) {
        Ok(selector) => {
            let ask = Ask::Resume(selector, by);
            server.begin(ask, body.route.as_deref()).await
        }
        Err(response) => response,
    }
}

fn wish(body: &PauseBody, by: String) -> Result<PauseWish, String> {
    let time = Duration::try_from_secs_f64(body.for_seconds)
        .ok()
        .filter(|time| (PAUSE_MIN..=PAUSE_MAX).contains(time))
        .ok_or("a pause lasts from 1s to 7d: for longer, set `suspend: true` in the manifest")?;
    let reason = body.reason.as_deref().map(words).transpose()?;
    Ok(PauseWish {
        time,
        reason: reason.filter(|reason| !reason.is_empty()),
        by,
        cancel: body.cancel,
    })
}

/// One line, escaped, as everything that is shown.
fn words(text: &str) -> Result<String, String> {
    let text = text.trim();
    if text.len() > WORDS_MAX {
        return Err(format!("a reason has at most {WORDS_MAX} bytes"));
    }
    Ok(escape(text.as_bytes()).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn body(for_seconds: f64, reason: Option<&str>) -> PauseBody {
        PauseBody {
            route: None,
            for_seconds,
            reason: reason.map(str::to_owned),
            by: None,
            cancel: false,
        }
    }

    #[test]
    fn a_pause_has_bounds_and_its_words_are_one_line() {
        for wrong in [0.0, 0.5, -1.0, f64::NAN, f64::INFINITY, 604_801.0] {
            assert!(wish(&body(wrong, None), "root".into()).is_err(), "{wrong}");
        }
        let wish = |seconds, reason| wish(&body(seconds, reason), "root".into());
        let said = wish(604_800.0, Some(" a\u{1b}[2J\nb ")).unwrap();
        let reason = said.reason.unwrap();
        assert!(!reason.contains(['\u{1b}', '\n']), "{reason}");
        assert_eq!((said.time, said.by.as_str()), (PAUSE_MAX, "root"));
        assert_eq!(wish(1.0, Some(" ")).unwrap().reason, None);
        assert!(wish(1.0, Some(&"x".repeat(201))).is_err());
    }
}
