//! Whether the files are what runs: looked at when somebody asks for the status.
//!
//! A glance at the files comes first, and only where that is another one than before are they read and their plan's
//! digest compared; so a status costs a few system calls a file, and comments or another order are no drift.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::in_force::InForce;
use super::reading::{Glance, Reader};
use crate::plan;

/// Files that cannot be looked at within this are said to be unknown: a status is for hurried people.
const PATIENCE: Duration = Duration::from_secs(2);

/// How the files are not what runs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Drift {
    /// Of the plan that the files make; `None` where they make none.
    pub digest: Option<String>,
    /// One line, with what to do.
    pub message: String,
}

/// Looks for it.
#[derive(Clone, Debug)]
pub struct Drifts {
    reader: Arc<dyn Reader>,
    in_force: InForce,
    last: Arc<Mutex<Option<(Glance, Found)>>>,
}

/// What files make.
type Found = Result<String, String>;

impl Drifts {
    /// Looks at what this reader reads.
    pub fn new(reader: Arc<dyn Reader>, in_force: InForce) -> Drifts {
        Drifts {
            reader,
            in_force,
            last: Arc::default(),
        }
    }

    /// How the files are not what runs; `None`: they are.
    pub async fn look(&self) -> Option<Drift> {
        let (reader, last) = (Arc::clone(&self.reader), Arc::clone(&self.last));
        let looked = tokio::task::spawn_blocking(move || found(reader.as_ref(), &last));
        let found = match tokio::time::timeout(PATIENCE, looked).await {
            Ok(Ok(found)) => found,
            Ok(Err(_)) | Err(_) => {
                return Some(Drift {
                    digest: None,
                    message: "whether the files are what runs cannot be told: they take too long to be read"
                        .into(),
                });
            }
        };
        match found {
            Ok(digest) if digest == self.in_force.get().digest => None,
            Ok(digest) => Some(Drift {
                digest: Some(digest),
                message: "the files are not what runs: `heliostat diff --against running` shows how, `heliostat reload` takes them over"
                    .into(),
            }),
            Err(reason) => Some(Drift {
                digest: None,
                message: format!(
                    "the files are not what runs, and cannot be taken over: {reason}: `heliostat validate` shows all"
                ),
            }),
        }
    }
}

fn found(reader: &dyn Reader, last: &Mutex<Option<(Glance, Found)>>) -> Found {
    let glance = reader.glance();
    let known = last.lock().unwrap_or_else(PoisonError::into_inner).clone();
    if let Some((_, found)) = known.filter(|(before, _)| *before == glance) {
        return found;
    }
    let found = match reader.read() {
        Ok(reading) => Ok(plan::digest(&reading.plan)),
        Err(rejection) => Err(rejection.reason),
    };
    let settled = glance.is_settled(SystemTime::now());
    let keep = settled.then(|| (glance, found.clone()));
    *last.lock().unwrap_or_else(PoisonError::into_inner) = keep;
    found
}
