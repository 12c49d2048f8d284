//! Asks whether a target can be reached, and sends nothing: a run with an empty list.
//!
//! rsync connects, logs in, enters the module or the directory, and ends. So an unknown module, a wrong password, a host
//! key that is not trusted or a missing rsync on the other side are told in the same words as by a transfer.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use super::super::Context;
use super::super::progress::{Cancel, Progress};
use super::invocation::{Leave, Orders};
use super::judge::{Case, judge};
use super::kind::kind_of;
use super::process::{self, Deadlines, End, Watched};
use super::report::Report;
use super::secret;
use super::steps::Step;
use crate::engine::{Trouble, Verdict};
use crate::filter::Filter;
use crate::plan::{RoutePlan, Secret, SourcePlan};

/// Nobody waits longer for a host that does not answer; the connection itself has ten seconds.
const TOTAL: Duration = Duration::from_secs(30);

/// Asks once. `None`: it can be reached, or needs no rsync. The source need not exist: rsync is started in `stand_in`
/// then.
pub async fn probe(
    source: &SourcePlan,
    route: &RoutePlan,
    context: &Context,
    stand_in: &Path,
) -> Option<Trouble> {
    let kind = kind_of(&route.target)?;
    if let Err(message) = context.rsync.get().await {
        return Some(usage("noRsync", message));
    }
    let mut source = source.clone();
    if !Path::new(&source.path).is_dir() {
        source.path = stand_in.to_string_lossy().into_owned();
    }
    let filter = match Filter::compile(&route.filter) {
        Ok(filter) => filter,
        Err(error) => return Some(usage("usage", format!("filter: {}", error.message))),
    };
    let orders = Orders {
        source: &source,
        route,
        filter: &filter,
        bandwidth: None,
        small: false,
    };
    let step = Step::default();
    let invocation = match kind.lower(orders, &step, Leave::Never, context) {
        Ok(invocation) => invocation,
        Err(trouble) => return Some(trouble),
    };
    let mut report = Report::new(false);
    let idle = Duration::from_millis(route.timeout_ms).min(TOTAL);
    let watched = Watched {
        deadlines: Deadlines { idle, total: TOTAL },
        report: &mut report,
        cancel: &Cancel::new(),
        progress: &Arc::new(Progress::new()),
    };
    let code = match process::run(&invocation, watched).await {
        End::Exit(code) => code,
        End::Trouble(trouble) => return Some(trouble),
        End::Cancelled => return None,
    };
    let case = Case {
        source: &source,
        route,
        kind,
        step: &step,
        leave: Leave::Never,
    };
    match judge(case, code, &report).verdict {
        Verdict::Retry(trouble) | Verdict::Permanent(trouble) => Some(trouble),
        Verdict::Done | Verdict::Held(_) | Verdict::Cancelled => None,
    }
}

/// What is wrong with a password's file, credential or variable, in a transfer's own words.
pub fn secret_trouble(secret: &Secret) -> Option<Trouble> {
    secret::look_up(secret).err()
}

fn usage(code: &'static str, message: String) -> Trouble {
    Trouble {
        code,
        message,
        soon: false,
    }
}
