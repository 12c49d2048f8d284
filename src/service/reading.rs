//! The seam to what manifests are: who starts the service gives it a [`Reader`].
//!
//! The service knows plans alone. What it needs of files is a plan or why there is none, and whether they may have changed.

use std::fmt::Debug;
use std::time::{Duration, SystemTime};

use serde_json::Value;

use crate::plan::{Limits, Plan};

/// Reads the files that the service was started with.
pub trait Reader: Debug + Send + Sync {
    /// Reads and compiles everything, or says what is wrong. Blocks.
    fn read(&self) -> Result<Reading, Rejection>;

    /// What the files mean: every manifest with its defaults written out, and where each value comes from. Blocks.
    fn effective(&self) -> Result<Effective, Rejection>;

    /// What the files look like from outside: another one wherever another reading may come of it. Blocks.
    fn glance(&self) -> Glance;
}

/// What was read.
#[derive(Clone, Debug)]
pub struct Reading {
    /// For this host.
    pub plan: Plan,
    /// Bounds of the whole service.
    pub limits: Limits,
    /// The commit that the files were checked out from.
    pub revision: Option<String>,
    /// Warnings.
    pub diagnostics: Diagnostics,
    /// What of the host's settings takes effect with the next start only.
    pub notes: Vec<String>,
}

/// What files mean, for people.
#[derive(Clone, Debug)]
pub struct Effective {
    /// Of the plan that they make for this host.
    pub digest: String,
    /// YAML, line by line.
    pub lines: Vec<Line>,
}

/// A line of an effective manifest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// The line, without its end.
    pub text: String,
    /// Where its value comes from: `FILE:LINE`, or `default`; `None`: nothing is to be said of it.
    pub origin: Option<String>,
}

/// Why nothing was taken over.
#[derive(Clone, Debug)]
pub struct Rejection {
    /// One line.
    pub reason: String,
    /// The rest.
    pub diagnostics: Diagnostics,
}

/// What there is to say of files.
#[derive(Clone, Debug, Default)]
pub struct Diagnostics {
    /// For people, without colours; empty where there is nothing.
    pub report: String,
    /// For programs: a list.
    pub list: Value,
}

/// What files look like from outside.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Glance {
    /// Over names, identities, sizes and times.
    pub hash: [u8; 32],
    /// When the youngest of them changed.
    pub youngest: Option<SystemTime>,
}

/// What changes within a tick of the file system's clock bears the same time: what is older than this has the times that it
/// will have.
const SETTLED: Duration = Duration::from_secs(1);

impl Glance {
    /// Whether another glance that is equal says that nothing has changed.
    pub fn is_settled(&self, now: SystemTime) -> bool {
        match self.youngest.map(|youngest| now.duration_since(youngest)) {
            Some(Ok(age)) => age >= SETTLED,
            // From a clock that is ahead: it will not come to be.
            Some(Err(_)) | None => true,
        }
    }
}
