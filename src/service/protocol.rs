//! What goes over the control socket and, where it is served, over TCP: HTTP/1.1 with JSON bodies, so that
//! `curl --unix-socket` is a client too. `docs/http.md` says who may ask for what.
//!
//! | request | body | answer |
//! | --- | --- | --- |
//! | `GET /v1/status` | – ([`StatusQuery`]) | [`StatusAnswer`] |
//! | `GET /v1/events` | – ([`Routes`]) | server-sent events, each a [`news::Item`](super::news::Item) |
//! | `GET /v1/plan` | – | [`PlanAnswer`] |
//! | `POST /v1/trigger` | [`Routes`] | [`Done`] |
//! | `POST /v1/rescan` | [`RescanBody`] | [`Done`] |
//! | `POST /v1/wait` | [`WaitBody`] | [`WaitAnswer`] |
//! | `POST /v1/pause` | [`PauseBody`](super::steer::PauseBody) | [`Done`] |
//! | `POST /v1/resume` | [`ResumeBody`](super::steer::ResumeBody) | [`Done`] |
//! | `GET /v1/history` | – ([`HistoryQuery`](super::history::HistoryQuery)) | [`HistoryAnswer`](super::history::HistoryAnswer) |
//! | `GET /v1/tap` | – ([`TapQuery`](super::tapping::TapQuery)) | server-sent events, each a [`Told`](super::tap::Told) |
//! | `POST /v1/approve` | [`ApproveBody`] | [`Done`] |
//! | `POST /v1/reload` | – | [`Reloaded`](super::reloader::Reloaded) |
//! | `POST /v1/rollback` | [`RollbackBody`] | [`Reloaded`](super::reloader::Reloaded) |
//! | `GET /v1/generations` | – | [`GenerationsAnswer`] |
//!
//! Errors come as [`Refusal`] with a 4xx status. What a reload rejected comes as its usual answer, with 422.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::drift::Drift;
use super::in_force::Standing;
use crate::engine::Selector;
use crate::engine::status::Status;
use crate::plan::{Plan, SourceName, TargetName};

/// Counts changes that a reader of an older version would misread.
pub const FORMAT_VERSION: u32 = 1;

/// Which routes a request means.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Routes {
    /// `SOURCE` or `SOURCE/TARGET`; none: all.
    pub route: Option<String>,
}

/// `POST /v1/rescan`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RescanBody {
    /// As in [`Routes`].
    pub route: Option<String>,
    /// Compare contents.
    #[serde(default)]
    pub checksum: bool,
}

/// `POST /v1/wait`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct WaitBody {
    /// As in [`Routes`].
    pub route: Option<String>,
    /// At most so long.
    pub timeout_seconds: f64,
}

/// `POST /v1/approve`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ApproveBody {
    /// `SOURCE/TARGET`.
    pub route: String,
    /// The hold's id.
    pub id: String,
}

/// `POST /v1/rollback`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RollbackBody {
    /// Its number; none: the one before that which is in force.
    pub generation: Option<u64>,
}

/// The generations that are kept.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct GenerationsAnswer {
    /// [`FORMAT_VERSION`].
    pub format_version: u32,
    /// The one in force.
    pub current: u64,
    /// The oldest first.
    pub generations: Vec<GenerationAnswer>,
}

/// One generation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct GenerationAnswer {
    /// Its number.
    pub number: u64,
    /// When it came in force first.
    pub at: String,
    /// Of its plan.
    pub digest: String,
    /// The commit that its files were checked out from.
    pub revision: Option<String>,
    /// How many sources it has.
    pub sources: usize,
    /// How many routes.
    pub routes: usize,
}

/// It is begun.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Done {
    /// [`FORMAT_VERSION`].
    pub format_version: u32,
    /// For so many routes.
    pub routes: usize,
    /// Those of them that are paused, and do it afterwards.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub paused: Vec<String>,
    /// What else is to be known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
}

/// What `GET /v1/status` may be asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct StatusQuery {
    /// The pending paths as well, of these routes alone.
    #[serde(default)]
    pub paths: bool,
    /// With `paths`: `SOURCE` or `SOURCE/TARGET`; none: all.
    #[serde(default)]
    pub route: Option<String>,
}

/// How a wait ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct WaitAnswer {
    /// [`FORMAT_VERSION`].
    pub format_version: u32,
    /// How.
    pub result: WaitResult,
    /// The routes that are not there yet, each with its reason.
    pub late: Vec<String>,
}

/// How a wait ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum WaitResult {
    /// Everything is on the targets.
    Reached,
    /// Everything but what is held (and, it may be, what is paused).
    Held,
    /// Everything but what is paused.
    Paused,
    /// Not in time.
    TimedOut,
}

/// The whole picture.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct StatusAnswer {
    /// [`FORMAT_VERSION`].
    pub format_version: u32,
    /// The host's name.
    pub host: String,
    /// The program's version.
    pub version: String,
    /// Since the start.
    pub uptime_seconds: u64,
    /// The plan in force and how that came to be: `digest`, `revision`, `since`, `origin`, `rejected`.
    #[serde(flatten)]
    pub in_force: Standing,
    /// How the files are not what runs; `None`: they are.
    pub drift: Option<Drift>,
    /// Watches that this user may have; `None`: unknown.
    pub watch_limit: Option<u64>,
    /// The rest.
    #[serde(flatten)]
    pub status: Status,
}

/// The plan that runs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PlanAnswer {
    /// [`FORMAT_VERSION`].
    pub format_version: u32,
    /// The host's name.
    pub host: String,
    /// The number of the generation in force.
    pub generation: u64,
    /// The commit that its files were checked out from.
    pub revision: Option<String>,
    /// Its content's hash, shortened.
    pub digest: String,
    /// The plan. There are no secrets in one.
    pub plan: Plan,
}

/// Why a request was refused.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Refusal {
    /// [`FORMAT_VERSION`].
    pub format_version: u32,
    /// One line, with the way out.
    pub error: String,
}

/// Reads `SOURCE` or `SOURCE/TARGET`.
pub fn selector(route: Option<&str>) -> Result<Selector, String> {
    let Some(route) = route else {
        return Ok(Selector::default());
    };
    let (source, target) = match route.split_once('/') {
        Some((source, target)) => (source, Some(target)),
        None => (route, None),
    };
    if source.is_empty() || target.is_some_and(|target| target.is_empty() || target.contains('/')) {
        return Err(format!(
            "`{}` is no route: give SOURCE or SOURCE/TARGET",
            route.escape_default()
        ));
    }
    Ok(Selector {
        source: Some(SourceName(source.to_owned())),
        target: target.map(|target| TargetName(target.to_owned())),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn routes_are_read() {
        assert_eq!(selector(None), Ok(Selector::default()));
        assert_eq!(selector(Some("a")).unwrap().target, None);
        assert_eq!(
            selector(Some("a/b")).unwrap().target,
            Some(TargetName("b".into()))
        );
        for wrong in ["", "/b", "a/", "a/b/c"] {
            assert!(selector(Some(wrong)).is_err(), "{wrong}");
        }
    }
}
