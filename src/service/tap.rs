//! What happens, told live to whoever listens: events, what is left out, windows, transfers, outcomes.
//!
//! Nobody is waited for. What is told goes into a ring of [`KEPT`] items; who reads too slowly is told how many were missed.
//! While nobody listens nothing is told: who has something to tell asks first ([`Tap::is_heard`]), which is a look at
//! one number, and items are numbered as they are made, so that it can be seen that none were.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tokio::sync::broadcast::{self, error::RecvError};

use super::history::End;
use crate::engine::Selector;
use crate::plan::{RouteName, SourceName, TargetName};

/// Items that a reader may be behind, of a few hundred bytes each.
pub const KEPT: usize = 1024;
/// Who listens at once: each costs the service some writing, and a human looks at one.
pub const LISTENERS_MAX: usize = 8;
/// Paths of a batch that are told by name.
pub const SAMPLE_MAX: usize = 10;

/// One thing that happened.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Told {
    /// Counts what was told since the service began, to whomever.
    pub number: u64,
    /// When.
    #[schemars(with = "String")]
    pub at: Timestamp,
    /// What.
    #[serde(flatten)]
    pub what: What,
}

/// What happened.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(
    tag = "type",
    rename_all = "camelCase",
    rename_all_fields = "camelCase"
)]
pub enum What {
    /// The watch saw a change: the path is dirty for the routes of its source.
    Event {
        /// Of which source.
        source: String,
        /// Which path, escaped.
        path: String,
        /// What is known of it: `content`, `attributes`, `subtree`, `gone`, `listing`.
        dirt: String,
    },
    /// The watch heard of a change, and it counts for nothing.
    Filtered {
        /// Of which source.
        source: String,
        /// The one route for which it counts for nothing; none: all of the source.
        route: Option<String>,
        /// Which path, escaped.
        path: String,
        /// The event, as the manifest names it; none where a route leaves out what its source does not.
        event: Option<String>,
        /// `exclude`, `include` (none matches) or `events`.
        by: String,
        /// The rule as it is written.
        rule: Option<String>,
        /// Its place in the manifests: `FILE:LINE`.
        place: Option<String>,
    },
    /// Changes wait.
    Window {
        /// For which route.
        route: String,
        /// How many paths.
        paths: u64,
        /// In how long they leave; none: not before something else happens.
        leaves_in_ms: Option<u64>,
        /// What they wait for.
        why: String,
    },
    /// A transfer begins.
    Transfer {
        /// Of which route.
        route: String,
        /// Its number, since the service began.
        transfer: u64,
        /// Why it is made.
        trigger: String,
        /// `batch`, or a full `pass`.
        kind: String,
        /// Paths of the batch.
        paths: u64,
        /// The first of them.
        sample: Vec<String>,
    },
    /// A transfer ended.
    Outcome(End),
    /// A route or a source is otherwise than before: held, released, paused, failing, watched, waiting, lost …
    State {
        /// Which source.
        source: String,
        /// Which route; none: the source as a whole.
        route: Option<String>,
        /// A word for it.
        state: String,
        /// More of it, for people.
        text: String,
    },
    /// The reader was too slow.
    Missed {
        /// So many items are not told, also such as were not asked for.
        count: u64,
    },
}

impl What {
    /// Whether it concerns what was asked for.
    pub fn is_meant(&self, selector: &Selector) -> bool {
        let of_source = |source: &str| selector.concerns(&SourceName(source.to_owned()));
        let of_route = |route: &str| {
            let (source, target) = route.split_once('/').unwrap_or((route, ""));
            selector.matches(&RouteName {
                source: SourceName(source.to_owned()),
                target: TargetName(target.to_owned()),
            })
        };
        match self {
            What::Event { source, .. } => of_source(source),
            What::Filtered { source, route, .. } | What::State { source, route, .. } => match route
            {
                Some(route) => of_route(route),
                None => of_source(source),
            },
            What::Window { route, .. } | What::Transfer { route, .. } => of_route(route),
            What::Outcome(end) => of_route(&end.route),
            What::Missed { .. } => true,
        }
    }

    /// The path that it is about, where it is about one.
    pub fn path(&self) -> Option<&str> {
        match self {
            What::Event { path, .. } | What::Filtered { path, .. } => Some(path),
            _ => None,
        }
    }
}

/// Where it is told. Cloning shares it.
#[derive(Clone, Debug)]
pub struct Tap(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    sender: broadcast::Sender<Arc<Told>>,
    listeners: AtomicUsize,
    made: AtomicU64,
}

impl Default for Tap {
    fn default() -> Tap {
        Tap(Arc::new(Inner {
            sender: broadcast::Sender::new(KEPT),
            listeners: AtomicUsize::new(0),
            made: AtomicU64::new(0),
        }))
    }
}

impl Tap {
    /// Whether anybody listens.
    pub fn is_heard(&self) -> bool {
        self.0.listeners.load(Ordering::Relaxed) > 0
    }

    /// Tells it to all who listen. Never waits.
    pub fn tell(&self, at: Timestamp, what: What) {
        let number = self.0.made.fetch_add(1, Ordering::Relaxed) + 1;
        // The last one may have gone away meanwhile.
        let _ = self.0.sender.send(Arc::new(Told { number, at, what }));
    }

    /// How many items were made since the service began.
    pub fn made(&self) -> u64 {
        self.0.made.load(Ordering::Relaxed)
    }

    /// Listens from now on; `None`: [`LISTENERS_MAX`] do already.
    pub fn listen(&self) -> Option<Listener> {
        let more = |count| (count < LISTENERS_MAX).then_some(count + 1);
        let listeners = &self.0.listeners;
        let receiver = self.0.sender.subscribe();
        listeners
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, more)
            .ok()?;
        Some(Listener {
            receiver,
            tap: self.clone(),
        })
    }
}

/// One who listens.
#[derive(Debug)]
pub struct Listener {
    receiver: broadcast::Receiver<Arc<Told>>,
    tap: Tap,
}

impl Listener {
    /// The next thing that happens; where some were missed, first how many.
    pub async fn next(&mut self) -> Option<Arc<Told>> {
        match self.receiver.recv().await {
            Ok(told) => Some(told),
            Err(RecvError::Lagged(count)) => Some(Arc::new(Told {
                number: self.tap.made(),
                at: Timestamp::now(),
                what: What::Missed { count },
            })),
            Err(RecvError::Closed) => None,
        }
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        self.tap.0.listeners.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::service::protocol::selector;

    fn event(source: &str, path: &str) -> What {
        What::Event {
            source: source.into(),
            path: path.into(),
            dirt: "content".into(),
        }
    }

    #[tokio::test]
    async fn a_slow_reader_hears_how_many_it_missed_and_delays_nobody() {
        let tap = Tap::default();
        assert!(!tap.is_heard());
        let (mut slow, mut fast) = (tap.listen().unwrap(), tap.listen().unwrap());
        assert!(tap.is_heard());
        let at = Timestamp::UNIX_EPOCH;
        for number in 1..=KEPT as u64 + 10 {
            tap.tell(at, event("s", "p"));
            assert_eq!(fast.next().await.unwrap().number, number);
        }
        let missed = slow.next().await.unwrap();
        assert_eq!(missed.what, What::Missed { count: 10 });
        assert_eq!(slow.next().await.unwrap().number, 11);
        drop((slow, fast));
        assert!(!tap.is_heard());
        assert_eq!(tap.made(), KEPT as u64 + 10);
    }

    #[test]
    fn only_so_many_listen_at_once() {
        let tap = Tap::default();
        let mut all: Vec<Listener> = (0..LISTENERS_MAX).map_while(|_| tap.listen()).collect();
        assert_eq!((all.len(), tap.listen().is_none()), (LISTENERS_MAX, true));
        all.pop();
        assert!(tap.listen().is_some());
    }

    #[test]
    fn what_was_asked_for_is_told_and_items_are_read_back() {
        let route = |route: &str| What::Window {
            route: route.into(),
            paths: 1,
            leaves_in_ms: Some(5),
            why: "gathers changes".into(),
        };
        let one = selector(Some("site/copy")).unwrap();
        assert!(event("site", "p").is_meant(&one) && !event("home", "p").is_meant(&one));
        assert!(route("site/copy").is_meant(&one) && !route("site/other").is_meant(&one));
        let source = selector(Some("site")).unwrap();
        assert!(route("site/other").is_meant(&source));
        let outcome = What::Outcome(End {
            route: "s/t".into(),
            trigger: "change".into(),
            outcome: "done".into(),
            files: 1,
            bytes: 2,
            deleted: 3,
            took_ms: 4,
            lag_ms: 5,
            reason: None,
            failed: Vec::new(),
            failed_count: 0,
        });
        let all = [
            event("s", "p"),
            route("s/t"),
            outcome,
            What::Missed { count: 3 },
        ];
        for what in all {
            let told = Told {
                number: 7,
                at: Timestamp::UNIX_EPOCH,
                what,
            };
            let text = serde_json::to_string(&told).unwrap();
            assert_eq!(serde_json::from_str::<Told>(&text).unwrap(), told, "{text}");
            assert_eq!(text.matches("\"at\":").count(), 1, "{text}");
        }
    }
}
