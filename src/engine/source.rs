//! One source's state: its watch, and what is remembered of its root.

use std::collections::BTreeSet;
use std::sync::Arc;

use jiff::Timestamp;

use super::census::Census;
use super::{RelPath, SourceMemory, WatchId, WatchReport};
use crate::plan::SourcePlan;

/// The state of one source.
#[derive(Debug)]
pub struct Source {
    /// Its plan.
    pub plan: Arc<SourcePlan>,
    /// The watch that speaks for it.
    pub watch: WatchId,
    /// The watch's numbers; `None` until it first stood.
    pub report: Option<WatchReport>,
    /// Why the root is not watched now, if it is not.
    pub waiting: Option<String>,
    /// Since when it is watched, or is not there.
    pub since: Option<Timestamp>,
    /// The barrier behind which the watch sees by the new filter, if it does not yet.
    pub rescoping: Option<u64>,
    /// The ledger still says something of another root; nothing is sent before that is taken back.
    pub disowning: bool,
    /// Whether the ledger may say something of its rows, be it of rows that are not believed any more.
    pub claimed: bool,
    /// Mount points that were seen below the root.
    pub mounts: BTreeSet<RelPath>,
    /// Its part in the checkpoint.
    pub census: Census,
}

impl Source {
    /// A source whose watch is being set up.
    pub fn new(plan: Arc<SourcePlan>, watch: WatchId, memory: SourceMemory) -> Source {
        Source {
            plan,
            watch,
            report: None,
            waiting: None,
            since: None,
            rescoping: None,
            disowning: false,
            claimed: memory.rows.is_some(),
            mounts: memory.mounts.into_iter().collect(),
            census: Census::new(memory.rows),
        }
    }

    /// Whether transfers may start from it.
    pub fn is_ready(&self) -> bool {
        self.report.is_some() && self.waiting.is_none() && !self.disowning
    }

    /// The watch stands.
    pub fn ready(&mut self, report: WatchReport, at: Timestamp) {
        if self.report.is_none() || self.waiting.is_some() {
            self.since = Some(at);
        }
        self.report = Some(report);
        self.waiting = None;
    }

    /// The root is not there; true if that is news.
    pub fn waiting(&mut self, reason: &str, at: Timestamp) -> bool {
        if self.waiting.is_none() {
            self.since = Some(at);
        }
        let news = self.waiting.as_deref() != Some(reason);
        self.waiting = Some(reason.to_owned());
        news
    }

    /// Adds mount points that were seen; what is to be kept, if that is news. A mount that is gone stays remembered:
    /// its absence is what the guard looks for.
    pub fn remember(&mut self, mounts: &[RelPath]) -> Option<Vec<RelPath>> {
        let before = self.mounts.len();
        self.mounts.extend(mounts.iter().cloned());
        (self.mounts.len() != before).then(|| self.mounts.iter().cloned().collect())
    }

    /// An operator said that the lost mounts are meant to be gone; those that are there are seen again by the next transfer.
    pub fn forget_mounts(&mut self) {
        self.mounts.clear();
    }
}
