//! What is counted as it happens.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use jiff::Timestamp;

use crate::engine::{Event, Sent};
use crate::plan::{RouteName, SourceName};

/// How long transfers take: a warm session to a first pass.
const BOUNDS: [f64; 14] = [
    0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0, 60.0, 300.0, 1800.0, 7200.0,
];

/// Times that took what, and how long all together.
#[derive(Clone, Debug, PartialEq)]
pub struct Durations {
    /// Seconds.
    pub sum: f64,
    /// Up to this many seconds, and more than the bound before: so many.
    pub buckets: Vec<(f64, u64)>,
}

impl Default for Durations {
    fn default() -> Durations {
        let bounds = BOUNDS.into_iter().chain([f64::INFINITY]);
        Durations {
            sum: 0.0,
            buckets: bounds.map(|bound| (bound, 0)).collect(),
        }
    }
}

impl Durations {
    /// One more.
    pub fn add(&mut self, seconds: f64) {
        self.sum += seconds;
        let fits = |(bound, _): &&mut (f64, u64)| seconds <= *bound;
        if let Some((_, count)) = self.buckets.iter_mut().find(fits) {
            *count += 1;
        }
    }
}

/// Of one route.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct RouteCounts {
    /// Ended without a failing path.
    pub done: u64,
    /// Some paths failed.
    pub partial: u64,
    /// Failed as a whole.
    pub failed: u64,
    /// Held.
    pub held: u64,
    /// Told to end.
    pub cancelled: u64,
    /// Sent.
    pub bytes: u64,
    /// Sent.
    pub files: u64,
    /// On the target.
    pub deleted: u64,
    /// Of those that were not failures as a whole.
    pub took: Durations,
}

/// Of one source.
#[derive(Clone, Debug, Default)]
pub struct SourceCounts {
    /// Changed paths that its watch told of.
    pub events: Arc<AtomicU64>,
    /// Times that events were lost.
    pub lost: u64,
}

/// What was counted.
#[derive(Clone, Debug, Default)]
pub struct Counts {
    /// By name.
    pub routes: BTreeMap<RouteName, RouteCounts>,
    /// By name.
    pub sources: BTreeMap<SourceName, SourceCounts>,
    /// Attempts to reload, by result.
    pub reloads: BTreeMap<&'static str, u64>,
    /// By kind and result.
    pub heartbeats: BTreeMap<(&'static str, &'static str), u64>,
    /// The last that was delivered.
    pub heartbeat: Option<Timestamp>,
}

/// What is counted. Cloning shares it.
#[derive(Clone, Debug, Default)]
pub struct Tally(Arc<Mutex<Counts>>);

impl Tally {
    /// What was counted up to now.
    pub fn counts(&self) -> Counts {
        self.lock().clone()
    }

    /// Counts what an event says, if anything.
    pub fn book(&self, event: &Event) {
        let mut counts = self.lock();
        match event {
            Event::Sent(sent) => counts
                .routes
                .entry(sent.route.clone())
                .or_default()
                .sent(sent),
            Event::Failed { route, .. } => {
                counts.routes.entry(route.clone()).or_default().failed += 1;
            }
            Event::Cancelled { route, stats, .. } => {
                let counts = counts.routes.entry(route.clone()).or_default();
                counts.cancelled += 1;
                counts.deleted += stats.deleted;
            }
            Event::Held { route, .. } => {
                counts.routes.entry(route.clone()).or_default().held += 1;
            }
            Event::Lost(source, _) => {
                counts.sources.entry(source.clone()).or_default().lost += 1;
            }
            _ => {}
        }
    }

    /// Where a source's watch counts what it tells of.
    pub fn events(&self, source: &SourceName) -> Arc<AtomicU64> {
        let mut counts = self.lock();
        Arc::clone(&counts.sources.entry(source.clone()).or_default().events)
    }

    /// An attempt to reload came to this.
    pub fn reload(&self, result: &'static str) {
        *self.lock().reloads.entry(result).or_default() += 1;
    }

    /// A heartbeat of this kind was delivered, or not.
    pub fn heartbeat(&self, kind: &'static str, delivered: bool) {
        let mut counts = self.lock();
        let result = if delivered { "delivered" } else { "failed" };
        *counts.heartbeats.entry((kind, result)).or_default() += 1;
        if delivered {
            counts.heartbeat = Some(Timestamp::now());
        }
    }

    fn lock(&self) -> MutexGuard<'_, Counts> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl RouteCounts {
    fn sent(&mut self, sent: &Sent) {
        if sent.failed == 0 {
            self.done += 1;
        } else {
            self.partial += 1;
        }
        self.bytes += sent.stats.bytes;
        self.files += sent.stats.files;
        self.deleted += sent.stats.deleted;
        self.took.add(sent.took.as_secs_f64());
    }
}

impl SourceCounts {
    /// Changed paths that its watch told of.
    pub fn events(&self) -> u64 {
        self.events.load(Ordering::Relaxed)
    }
}
