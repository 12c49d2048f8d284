//! Which plan is in force and how that came to be, for whoever asks.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Which plan is in force. Cloning shares it.
#[derive(Clone, Debug)]
pub struct InForce(Arc<Mutex<Standing>>);

/// What is said of the plan in force.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Standing {
    /// Its number; in `status` this is `generation`.
    #[serde(skip)]
    pub generation: u64,
    /// Its content's hash, shortened.
    pub digest: String,
    /// The commit that its files were checked out from.
    pub revision: Option<String>,
    /// Since when it is in force.
    pub since: String,
    /// Where it comes from.
    pub origin: Origin,
    /// The last attempt to reload, if that was rejected.
    pub rejected: Option<Rejected>,
}

/// Where the plan in force comes from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "from", rename_all = "camelCase")]
pub enum Origin {
    /// The files.
    Files,
    /// An operator went back to it, until the next reload.
    Rollback {
        /// The generation that was in force before.
        before: u64,
    },
    /// The files were broken at the start, and this was in force last.
    LastGood {
        /// What is wrong with them, one line.
        reason: String,
    },
}

/// An attempt that was rejected.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Rejected {
    /// When.
    pub at: String,
    /// Who asked: `reload`, `SIGHUP`, `watchManifests`.
    pub by: String,
    /// One line.
    pub reason: String,
    /// All that is wrong, for people; bounded. The status page shows it; who asked for the reload has it already.
    #[serde(skip)]
    pub report: String,
}

/// A longer report is cut: its first errors are those that are mended first.
const REPORT_MAX: usize = 64 << 10;

impl InForce {
    /// This is in force.
    pub fn new(standing: Standing) -> InForce {
        InForce(Arc::new(Mutex::new(standing)))
    }

    /// What is said of it now.
    pub fn get(&self) -> Standing {
        self.lock().clone()
    }

    /// Something else is.
    pub fn set(&self, standing: Standing) {
        *self.lock() = standing;
    }

    /// An attempt was rejected.
    pub fn reject(&self, by: &str, reason: &str, report: &str) {
        self.lock().rejected = Some(Rejected {
            at: Timestamp::now().to_string(),
            by: by.to_owned(),
            reason: reason.to_owned(),
            report: report[..report.floor_char_boundary(REPORT_MAX)].to_owned(),
        });
    }

    fn lock(&self) -> MutexGuard<'_, Standing> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
