//! The picture that `status` shows, as data.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Pause;

/// Everything, worst route first.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Status {
    /// Counts the plans that were taken over since the start.
    pub generation: u64,
    /// By name.
    pub sources: Vec<SourceStatus>,
    /// Worst first, then by name.
    pub routes: Vec<RouteStatus>,
}

impl Status {
    /// Directories that are watched, of all sources.
    pub fn watched(&self) -> u64 {
        self.sources.iter().map(|source| source.directories).sum()
    }
}

/// One source.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct SourceStatus {
    /// Its name.
    pub name: String,
    /// Its root.
    pub path: String,
    /// Whether every directory in scope is watched or polled.
    pub ready: bool,
    /// Directories watched.
    pub directories: u64,
    /// Directories that should be watched and are polled instead.
    pub unwatched: u64,
    /// Directories watched that are polled as well, because others may change them without an event here.
    #[serde(default)]
    pub doubted: u64,
    /// What watches: `inotify`, `fanotify`, `notify` or `polling`.
    #[serde(default)]
    pub mechanism: Option<String>,
    /// Why that one.
    #[serde(default)]
    pub mechanism_why: Option<String>,
    /// Why it is not ready.
    pub waiting: Option<String>,
}

/// How a route is. In the order of how much it wants to be looked at.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
pub enum State {
    /// Waits for an operator or a guard.
    #[serde(rename = "held")]
    Held,
    /// Only a change of the manifest, the host or the peer helps; tried again slowly.
    #[serde(rename = "failing")]
    Failing,
    /// The source is not there.
    #[serde(rename = "waiting")]
    Waiting,
    /// Failed as a whole, tried again with backoff.
    #[serde(rename = "retrying")]
    Retrying,
    /// An operator has paused it; that ends by itself.
    #[serde(rename = "paused")]
    Paused,
    /// Not known yet: no pass has ended since the start.
    #[serde(rename = "starting")]
    Starting,
    /// A transfer runs.
    #[serde(rename = "sending")]
    Sending,
    /// Changes wait for their window, schedule or turn.
    #[serde(rename = "pending")]
    Pending,
    /// `onStart: never`, and nothing has changed since: taken to be right, not compared.
    #[serde(rename = "not compared")]
    NotCompared,
    /// Every change up to now is on the target.
    #[serde(rename = "in sync")]
    InSync,
}

impl State {
    /// As `status` prints it.
    pub fn word(self) -> &'static str {
        match self {
            State::Held => "held",
            State::Failing => "failing",
            State::Waiting => "waiting",
            State::Retrying => "retrying",
            State::Paused => "paused",
            State::Starting => "starting",
            State::Sending => "sending",
            State::Pending => "pending",
            State::NotCompared => "not compared",
            State::InSync => "in sync",
        }
    }
}

/// One route.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct RouteStatus {
    /// `source/target`.
    pub route: String,
    /// Where to, without secrets.
    pub target: String,
    /// How it is.
    pub state: State,
    /// Age of the oldest change that is not on the target, in seconds.
    pub lag_seconds: Option<f64>,
    /// Changed paths that are not on the target.
    pub pending: u64,
    /// When a transfer last succeeded.
    pub last_good: Option<String>,
    /// When a full pass last compared the target itself, and nothing failed.
    #[serde(default)]
    pub last_compared: Option<String>,
    /// When the next periodic pass is due.
    pub next_rescan: Option<String>,
    /// When gathered changes are sent next.
    pub next_sync: Option<String>,
    /// A stable word for the trouble, if there is one.
    pub code: Option<String>,
    /// What to know or to do, one line.
    pub why: Option<String>,
    /// What is held.
    pub hold: Option<HoldStatus>,
    /// By whom it is paused, what for and until when.
    #[serde(default)]
    pub paused: Option<Pause>,
    /// How it would be without its pause.
    #[serde(default)]
    pub without_pause: Option<State>,
    /// While it is paused: names that were seen to vanish, and would be deleted on the target. Where the policy deletes.
    #[serde(default)]
    pub paused_deletions: Option<u64>,
    /// Pending paths, where these were asked for: the first [`PATHS_MAX`] (fewer where many routes were asked for), those under way
    /// first. [`RouteStatus::pending`] counts all of them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub pending_paths: Vec<PendingStatus>,
    /// Failing paths, the first [`PATHS_MAX`].
    pub failing: Vec<PathStatus>,
    /// How many fail.
    pub failing_count: u64,
    /// Transfers since the start.
    pub transfers: u64,
    /// Entries sent since the start.
    pub files: u64,
    /// Bytes sent since the start.
    pub bytes: u64,
    /// Entries deleted since the start.
    pub deleted: u64,
}

#[cfg(test)]
impl RouteStatus {
    /// `a/b`, of which nothing is known but this: tests say what is different.
    pub fn bare(state: State) -> RouteStatus {
        RouteStatus {
            route: "a/b".to_owned(),
            target: String::new(),
            state,
            lag_seconds: None,
            pending: 0,
            last_good: None,
            last_compared: None,
            next_rescan: None,
            next_sync: None,
            code: None,
            why: None,
            hold: None,
            paused: None,
            without_pause: None,
            paused_deletions: None,
            pending_paths: Vec::new(),
            failing: Vec::new(),
            failing_count: 0,
            transfers: 0,
            files: 0,
            bytes: 0,
            deleted: 0,
        }
    }
}

/// What is held.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct HoldStatus {
    /// For `approve`.
    pub id: String,
    /// `deletes`, or the guard's name.
    pub reason: String,
    /// Entries that would be deleted.
    pub count: Option<u64>,
    /// Of so many on the target.
    pub of: Option<u64>,
    /// The first of them.
    pub sample: Vec<String>,
    /// Since when.
    pub since: String,
}

/// A failing path.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PathStatus {
    /// Which, escaped.
    pub path: String,
    /// Why.
    pub reason: String,
    /// Since when.
    pub since: String,
    /// Tries so far.
    pub tries: u32,
    /// Seconds until the next.
    pub next_try_seconds: f64,
    /// Whether that one is under way.
    #[serde(default)]
    pub trying: bool,
}

/// A path that is not on the target yet, and does not fail.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PendingStatus {
    /// Which, escaped; `.` is the whole source.
    pub path: String,
    /// What is known of it: `content`, `attributes`, `subtree`, `gone`, `listing`, `fill`; or [`EVERYTHING`], which no mark is
    /// and [`RouteStatus::pending`] does not count.
    pub dirt: String,
    /// The age of its oldest change.
    pub age_seconds: f64,
    /// Why it is not there yet.
    pub reason: String,
}

/// Not a path, but a pass over all of them.
pub const EVERYTHING: &str = "everything";

/// Failing paths, and pending ones, in one answer, of each route.
pub const PATHS_MAX: usize = 1000;

/// `12ms`, `3.4s`, `5m`.
pub fn milliseconds(number: u64) -> String {
    match number {
        0..=999 => format!("{number}ms"),
        1000..=119_999 => format!("{}.{}s", number / 1000, number % 1000 / 100),
        _ => span(number / 1000),
    }
}

/// Seconds for people: `5s`, `14m`, `3h`, `12d`.
pub fn span(seconds: u64) -> String {
    match seconds {
        0..=119 => format!("{seconds}s"),
        120..=7199 => format!("{}m", seconds / 60),
        7200..=172_799 => format!("{}h", seconds / 3600),
        _ => format!("{}d", seconds / 86_400),
    }
}
