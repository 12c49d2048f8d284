//! What a full pass would do: for `run --dry-run`.

use std::path::PathBuf;
use std::sync::Arc;

use super::progress::{Cancel, Progress};
use super::{Context, Prepared, blocking, local, prepare, rsync};
use crate::engine::guard::{self, DeleteCase};
use crate::engine::{Deletions, Hold, Job, RelPath, Verdict};
use crate::plan::Target;

/// What a full pass would do.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Preview {
    /// Entries that would be sent or changed, in order.
    pub send: Vec<RelPath>,
    /// Entries that would be deleted.
    pub delete: Vec<RelPath>,
    /// Entries on the target (in the route's scope) before it; 0 where that is not known.
    pub target_entries: u64,
    /// Why nothing would be deleted before an operator has approved it, if so.
    pub held: Option<String>,
}

/// What a job, which is a full pass, would do. Changes nothing. An error is a line for people.
pub async fn preview(job: Job, context: &Context) -> Result<Preview, String> {
    let (_, prepared) = blocking(move || prepare(job))
        .await
        .map_err(|trouble| trouble.message)?;
    let prepared = prepared.map_err(|verdict| why(&verdict))?;
    let mut found = match &prepared.job.route.target {
        Target::Local { path } => {
            let target = PathBuf::from(path);
            let Prepared {
                job, filter, batch, ..
            } = prepared;
            let look = move || {
                let source_root = job.source.path.as_ref();
                let request = local::Request {
                    source_root,
                    target_root: &target,
                    filter: &filter,
                    batch: &batch,
                    job: &job,
                    tally: None,
                    gate: None,
                };
                let found = local::preview(&request)?;
                Ok::<_, String>(judged(found, &job, &filter))
            };
            return blocking(look).await.map_err(|trouble| trouble.message)?;
        }
        Target::Daemon { .. } | Target::Ssh { .. } => {
            let progress = Arc::new(Progress::new());
            rsync::preview(&prepared, context, &Cancel::new(), &progress)
                .await
                .map_err(|verdict| why(&verdict))?
        }
    };
    found.send.sort();
    let Prepared { job, filter, .. } = prepared;
    blocking(move || judged(found, &job, &filter))
        .await
        .map_err(|trouble| trouble.message)
}

/// Asks the guard about the deletions.
fn judged(mut found: Preview, job: &Job, filter: &crate::filter::Filter) -> Preview {
    found.delete.sort();
    let case = DeleteCase {
        route: &job.route,
        source: &job.source,
        leave: &job.deletes,
        source_empty: super::facts::is_empty(job.source.path.as_ref(), filter),
        target_entries: found.target_entries,
    };
    found.held = guard::deletions(case, &Deletions::of(&found.delete))
        .err()
        .map(|refusal| match refusal {
            guard::DeleteRefusal::Budget(plan) => format!(
                "would be held: {} deletions of {} are more than `maxDelete`",
                plan.count, plan.of
            ),
            guard::DeleteRefusal::Empty(refusal) => format!("would be held: {}", refusal.message),
        });
    found
}

fn why(verdict: &Verdict) -> String {
    match verdict {
        Verdict::Retry(trouble) | Verdict::Permanent(trouble) => trouble.message.clone(),
        Verdict::Held(Hold::Guard(refusal)) => refusal.message.clone(),
        Verdict::Held(Hold::Deletes(_)) | Verdict::Done | Verdict::Cancelled => {
            "it was not told".to_owned()
        }
    }
}
