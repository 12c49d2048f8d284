//! The history of transfers: `GET /v1/history`, and what the command shows of it.
//!
//! The ledger keeps the last 10,000 transfers that ended, of the last 30 days. A hold or a failure that stays the same is there
//! once a try. One that was told to end says why, and what it had deleted by then.

use std::collections::BTreeSet;

use axum::Json;
use axum::extract::{Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::http::{Server, chosen, refuse};
use super::protocol::FORMAT_VERSION;
use crate::engine::{Selector, escape};
use crate::ledger::{RUNS_MAX, Run};

/// Transfers in one answer, where no limit is given.
pub const LIMIT: usize = 50;
/// The largest limit: all that are kept.
pub const LIMIT_MAX: usize = RUNS_MAX as usize;

/// How transfers come out.
pub const OUTCOMES: [&str; 5] = ["done", "partial", "failed", "held", "cancelled"];

/// What is asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct HistoryQuery {
    /// `SOURCE` or `SOURCE/TARGET`; none: all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub route: Option<String>,
    /// Ended at or after this instant.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since: Option<Timestamp>,
    /// Ended before this instant.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<Timestamp>,
    /// Of [`OUTCOMES`], separated by commas; none: all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub outcome: Option<String>,
    /// At most so many, the last ones.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<usize>,
}

/// Transfers that ended, the last one first.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct HistoryAnswer {
    /// [`FORMAT_VERSION`].
    pub format_version: u32,
    /// The last one first.
    pub transfers: Vec<Transfer>,
    /// How many more fit what was asked for.
    pub more: usize,
}

/// A transfer that ended, and when.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Transfer {
    /// When it ended.
    #[schemars(with = "String")]
    pub at: Timestamp,
    /// What became of it.
    #[serde(flatten)]
    pub end: End,
}

/// What became of a transfer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct End {
    /// `source/target`.
    pub route: String,
    /// Why it was made: `change`, `start`, `reload`, `rescan`, `lost`, `replaced`, `retry`, `approve`.
    pub trigger: String,
    /// `done`, `partial` (all but the paths that failed), `failed`, `held` or `cancelled` (told to end, by a pause, a reload or the
    /// service's end).
    pub outcome: String,
    /// Entries sent or changed.
    pub files: u64,
    /// Of file content, as far as it went over the wire.
    pub bytes: u64,
    /// Entries deleted.
    pub deleted: u64,
    /// How long it took.
    pub took_ms: u64,
    /// The age of its oldest change when it ended: of one that failed or is held, of what it did not bring there; of one that was
    /// cancelled, 0.
    pub lag_ms: u64,
    /// Why it did not come out well.
    pub reason: Option<String>,
    /// The first paths that failed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub failed: Vec<FailedPath>,
    /// How many failed.
    #[serde(default)]
    pub failed_count: u64,
}

/// A path that failed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct FailedPath {
    /// Which, escaped.
    pub path: String,
    /// Why.
    pub reason: String,
}

impl From<Run> for Transfer {
    fn from(run: Run) -> Transfer {
        Transfer {
            at: run.at,
            end: run.into(),
        }
    }
}

impl From<Run> for End {
    fn from(run: Run) -> End {
        let first = run.failed.first();
        let first = first.map(|first| match run.failed_count {
            0 | 1 => format!("{}: {}", first.path, first.reason),
            many => format!(
                "{many} paths failed, the first: {}: {}",
                first.path, first.reason
            ),
        });
        let failed = run.failed.iter().map(|failure| FailedPath {
            path: failure.path.to_string(),
            reason: failure.reason.clone(),
        });
        End {
            route: run.route.to_string(),
            trigger: run.trigger,
            outcome: run.result,
            files: run.stats.files,
            bytes: run.stats.bytes,
            deleted: run.stats.deleted,
            took_ms: run.took_ms,
            lag_ms: run.lag_ms,
            reason: run.trouble.or(first),
            failed: failed.collect(),
            failed_count: run.failed_count,
        }
    }
}

/// Which transfers are meant.
#[derive(Clone, Debug)]
pub struct Wanted {
    selector: Selector,
    outcomes: BTreeSet<String>,
    query: HistoryQuery,
}

impl Wanted {
    /// What a query means; the error is for whoever asks.
    pub fn new(selector: Selector, query: HistoryQuery) -> Result<Wanted, String> {
        let words = query.outcome.iter().flat_map(|words| words.split(','));
        let mut outcomes = BTreeSet::new();
        for word in words.map(str::trim) {
            if !OUTCOMES.contains(&word) {
                return Err(format!(
                    "`{}` is no outcome: give {}",
                    escape(word.as_bytes()),
                    OUTCOMES.join(", ")
                ));
            }
            outcomes.insert(word.to_owned());
        }
        if query.limit == Some(0) {
            return Err(format!("a limit is from 1 to {LIMIT_MAX}"));
        }
        Ok(Wanted {
            selector,
            outcomes,
            query,
        })
    }

    /// Those of `runs`, which come the last one first.
    pub fn of(&self, runs: impl IntoIterator<Item = Run>) -> HistoryAnswer {
        let limit = self.query.limit.unwrap_or(LIMIT).min(LIMIT_MAX);
        let (mut transfers, mut more) = (Vec::new(), 0);
        for run in runs {
            if !self.means(&run) {
                continue;
            }
            if transfers.len() < limit {
                transfers.push(run.into());
            } else {
                more += 1;
            }
        }
        HistoryAnswer {
            format_version: FORMAT_VERSION,
            transfers,
            more,
        }
    }

    fn means(&self, run: &Run) -> bool {
        self.selector.matches(&run.route)
            && self.query.since.is_none_or(|since| run.at >= since)
            && self.query.until.is_none_or(|until| run.at < until)
            && (self.outcomes.is_empty() || self.outcomes.contains(&run.result))
    }
}

/// Past transfers. A route that is not there any more has a history too, so an unknown one has an empty one.
pub(super) async fn history(
    State(server): State<Server>,
    Query(query): Query<HistoryQuery>,
) -> Response {
    let selector = match chosen(query.route.as_deref()) {
        Ok(selector) => selector,
        Err(response) => return response,
    };
    let asked = query.route.clone();
    let wanted = match Wanted::new(selector, query) {
        Ok(wanted) => wanted,
        Err(error) => return refuse(StatusCode::BAD_REQUEST, error),
    };
    let ledger = server.facts().ledger.clone();
    let read = tokio::task::spawn_blocking(move || {
        let runs = ledger.runs(LIMIT_MAX);
        let known = runs.iter().any(|run| wanted.selector.matches(&run.route));
        (wanted.of(runs), known)
    });
    match read.await {
        Ok((_, false)) if asked.is_some() && !server.knows(asked.as_deref()).await => {
            server.no_such_route(asked.as_deref()).await
        }
        Ok((answer, _)) => Json(answer).into_response(),
        Err(_) => refuse(
            StatusCode::INTERNAL_SERVER_ERROR,
            "reading the history ended in a fault of this program: please report it",
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::{PathFailure, RelPath, Stats};
    use crate::plan::{RouteName, SourceName, TargetName};
    use crate::service::protocol::selector;

    fn run(second: i64, target: &str, result: &str) -> Run {
        Run {
            at: Timestamp::from_second(second).unwrap(),
            route: RouteName {
                source: SourceName("site".into()),
                target: TargetName(target.into()),
            },
            trigger: "change".into(),
            took_ms: 12,
            lag_ms: 34,
            result: result.into(),
            trouble: None,
            stats: Stats::default(),
            failed: Vec::new(),
            failed_count: 0,
        }
    }

    fn seconds(route: Option<&str>, query: HistoryQuery) -> (Vec<i64>, usize) {
        let runs = [
            run(50, "a", "done"),
            run(40, "b", "failed"),
            run(30, "a", "held"),
            run(20, "b", "partial"),
            run(10, "a", "done"),
        ];
        let answer = Wanted::new(selector(route).unwrap(), query)
            .unwrap()
            .of(runs);
        let at = answer
            .transfers
            .iter()
            .map(|transfer| transfer.at.as_second());
        (at.collect(), answer.more)
    }

    #[test]
    fn filters_are_joined_and_the_last_come_first() {
        let at = |second| Some(Timestamp::from_second(second).unwrap());
        let all = HistoryQuery::default;
        assert_eq!(seconds(None, all()), (vec![50, 40, 30, 20, 10], 0));
        assert_eq!(seconds(Some("site/b"), all()), (vec![40, 20], 0));
        assert_eq!(seconds(Some("other"), all()), (vec![], 0));
        let between = HistoryQuery {
            since: at(20),
            until: at(50),
            ..all()
        };
        assert_eq!(seconds(None, between.clone()), (vec![40, 30, 20], 0));
        let failed = HistoryQuery {
            outcome: Some("failed, held".into()),
            ..between
        };
        assert_eq!(seconds(None, failed), (vec![40, 30], 0));
        let few = HistoryQuery {
            limit: Some(2),
            ..all()
        };
        assert_eq!(seconds(None, few), (vec![50, 40], 3));
        for (outcome, limit) in [(Some("well"), None), (Some(""), None), (None, Some(0))] {
            let query = HistoryQuery {
                outcome: outcome.map(str::to_owned),
                limit,
                ..all()
            };
            assert!(Wanted::new(Selector::default(), query).is_err());
        }
    }

    #[test]
    fn a_transfer_in_part_names_its_first_path() {
        let failure = |at: &[u8]| PathFailure {
            path: RelPath::new(at).unwrap(),
            reason: "permission denied".into(),
        };
        let partial = Run {
            failed: vec![failure(b"a\nb"), failure(b"c")],
            failed_count: 7,
            ..run(1, "a", "partial")
        };
        let shown = End::from(partial);
        let reason = shown.reason.unwrap();
        assert!(
            reason.starts_with("7 paths failed, the first: a"),
            "{reason}"
        );
        assert!(!reason.contains('\n'), "{reason}");
        assert_eq!((shown.failed.len(), shown.failed_count), (2, 7));
    }
}
