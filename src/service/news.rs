//! That something in the picture is different, told to whoever follows it: status pages and `status --watch`.
//!
//! The engine's loop rings a [bell](News::ring) and goes on. While somebody listens, one look at the picture follows, however many
//! listen and however often it rang, and what is told is which routes are different: who wants to know how they are asks for the
//! picture. So a change is seen at once, and a service that is busy is looked at twice a second at most. While nobody listens
//! nothing is looked at, and ringing is a look at one number.
//!
//! Ages are no news: a lag that grows, seconds until the next try.

use std::collections::BTreeMap;
use std::collections::hash_map::DefaultHasher;
use std::hash::{Hash, Hasher};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tokio::sync::Notify;
use tokio::sync::broadcast::{self, error::RecvError};

use super::http::Server;
use super::protocol::StatusAnswer;
use crate::engine::status::{RouteStatus, Status};
use crate::engine::{Ask, Selector};
use crate::plan::{RouteName, SourceName, TargetName};

/// Who listens at once, at all doors together.
pub const LISTENERS_MAX: usize = 32;
/// Items that a listener may be behind; then it is told to look at everything.
const KEPT: usize = 64;
/// Routes of one item that are told by name.
const ROUTES_MAX: usize = 100;
/// Between two looks at the picture…
const SPACING: Duration = Duration::from_millis(500);
/// …or so many times as long as a look took: looking never takes more of the host than this leaves.
const SPACING_SHARE: u32 = 20;
/// What no bell tells of, as that the files are others, is looked for so often.
const ANYWAY: Duration = Duration::from_secs(10);

/// That something is different.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Item {
    /// Counts the items since the service began.
    pub number: u64,
    /// When it was seen.
    #[schemars(with = "String")]
    pub at: Timestamp,
    /// Anything may be different: the first item, and one after some were missed.
    pub everything: bool,
    /// Something that is not a route's is: the plan in force, the files, a source.
    pub service: bool,
    /// Routes that are different, or are there or gone; at most 100.
    pub routes: Vec<String>,
    /// Further routes.
    pub more: u64,
}

impl Item {
    /// Whether it concerns what was asked for.
    pub fn is_meant(&self, selector: &Selector) -> bool {
        let meant = |route: &String| {
            let (source, target) = route.split_once('/').unwrap_or((route, ""));
            selector.matches(&RouteName {
                source: SourceName(source.to_owned()),
                target: TargetName(target.to_owned()),
            })
        };
        self.everything || self.service || self.more > 0 || self.routes.iter().any(meant)
    }
}

/// Where it is rung and told. Cloning shares it.
#[derive(Clone, Debug)]
pub struct News(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    sender: broadcast::Sender<Item>,
    listeners: AtomicUsize,
    number: AtomicU64,
    bell: Notify,
}

impl Default for News {
    fn default() -> News {
        News(Arc::new(Inner {
            sender: broadcast::Sender::new(KEPT),
            listeners: AtomicUsize::new(0),
            number: AtomicU64::new(0),
            bell: Notify::new(),
        }))
    }
}

/// Whether a question changes nothing: else each look would ring for the next.
pub fn only_looks(ask: &Ask) -> bool {
    match ask {
        Ask::Status | Ask::Paths(_) | Ask::Plan | Ask::Detail(_) | Ask::Wait(_) => true,
        Ask::Pause(..)
        | Ask::Resume(..)
        | Ask::Trigger(_)
        | Ask::Rescan(..)
        | Ask::Approve(..)
        | Ask::Reload(_) => false,
    }
}

impl News {
    /// Something may be different. Never waits.
    pub fn ring(&self) {
        if self.0.listeners.load(Ordering::Relaxed) > 0 {
            self.0.bell.notify_one();
        }
    }

    /// Listens from now on; `None`: [`LISTENERS_MAX`] do already.
    pub fn listen(&self) -> Option<Listener> {
        let more = |count| (count < LISTENERS_MAX).then_some(count + 1);
        let receiver = self.0.sender.subscribe();
        self.0
            .listeners
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, more)
            .ok()?;
        self.0.bell.notify_one();
        Some(Listener {
            receiver,
            news: self.clone(),
        })
    }

    /// Looks whenever it rang, for as long as somebody listens, and tells what is different. Never ends.
    pub async fn tell(self, server: Server) {
        let mut before: Option<Gist> = None;
        loop {
            if self.0.listeners.load(Ordering::Relaxed) == 0 {
                before = None;
                self.0.bell.notified().await;
                continue;
            }
            let began = Instant::now();
            if let Ok(answer) = server.status().await {
                let now = Gist::of(&answer);
                let item = match &before {
                    Some(before) => self.difference(before, &now),
                    // Who listens may have looked before this.
                    None => Some(self.everything()),
                };
                if let Some(item) = item {
                    // The last one may have gone away meanwhile.
                    let _ = self.0.sender.send(item);
                }
                before = Some(now);
            }
            tokio::time::sleep(SPACING.max(began.elapsed() * SPACING_SHARE)).await;
            // Only that it is time for another look.
            let _ = tokio::time::timeout(ANYWAY, self.0.bell.notified()).await;
        }
    }

    /// Anything may be different.
    fn everything(&self) -> Item {
        Item {
            everything: true,
            service: true,
            ..self.item()
        }
    }

    fn item(&self) -> Item {
        Item {
            number: self.0.number.fetch_add(1, Ordering::Relaxed) + 1,
            at: Timestamp::now(),
            everything: false,
            service: false,
            routes: Vec::new(),
            more: 0,
        }
    }

    fn difference(&self, before: &Gist, now: &Gist) -> Option<Item> {
        let service = before.service != now.service;
        let changed = now
            .routes
            .iter()
            .filter(|(name, gist)| before.routes.get(*name) != Some(*gist));
        let gone = before
            .routes
            .iter()
            .filter(|(name, _)| !now.routes.contains_key(*name));
        let mut routes: Vec<String> = changed.chain(gone).map(|(name, _)| name.clone()).collect();
        if !service && routes.is_empty() {
            return None;
        }
        let more = routes.len().saturating_sub(ROUTES_MAX) as u64;
        routes.truncate(ROUTES_MAX);
        Some(Item {
            service,
            routes,
            more,
            ..self.item()
        })
    }
}

/// One who listens.
#[derive(Debug)]
pub struct Listener {
    receiver: broadcast::Receiver<Item>,
    news: News,
}

impl Listener {
    /// The next item; `None`: the service is over.
    pub async fn next(&mut self) -> Option<Item> {
        match self.receiver.recv().await {
            Ok(item) => Some(item),
            Err(RecvError::Lagged(_)) => Some(self.news.everything()),
            Err(RecvError::Closed) => None,
        }
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        self.news.0.listeners.fetch_sub(1, Ordering::Relaxed);
    }
}

/// A picture without its ages.
#[derive(Debug, PartialEq, Eq)]
struct Gist {
    service: u64,
    routes: BTreeMap<String, u64>,
}

impl Gist {
    fn of(answer: &StatusAnswer) -> Gist {
        let Status {
            generation,
            sources,
            routes,
        } = &answer.status;
        let mut service = DefaultHasher::new();
        let in_force = &answer.in_force;
        let rejected = in_force.rejected.as_ref().map(|rejected| &rejected.at);
        let drift = answer.drift.as_ref().map(|drift| &drift.message);
        (
            generation,
            &in_force.digest,
            &in_force.since,
            rejected,
            drift,
        )
            .hash(&mut service);
        for source in sources {
            let counts = (source.directories, source.unwatched, source.doubted);
            let waiting = source.waiting.as_deref().map(ageless);
            (&source.name, source.ready, counts).hash(&mut service);
            (&source.mechanism, waiting).hash(&mut service);
        }
        Gist {
            service: service.finish(),
            routes: routes
                .iter()
                .map(|route| (route.route.clone(), gist(route)))
                .collect(),
        }
    }
}

fn gist(route: &RouteStatus) -> u64 {
    let mut gist = DefaultHasher::new();
    let hold = route.hold.as_ref().map(|hold| &hold.id);
    let paused = route.paused.as_ref().map(|pause| pause.until);
    let why = route.why.as_deref().map(ageless);
    (route.state.word(), &route.code, why, hold, paused).hash(&mut gist);
    (route.pending, route.failing_count, route.transfers).hash(&mut gist);
    (route.files, route.bytes, route.deleted).hash(&mut gist);
    (&route.last_good, &route.last_compared).hash(&mut gist);
    (&route.next_rescan, &route.next_sync).hash(&mut gist);
    gist.finish()
}

/// A text without its numbers and their units: `try 6 in 2m` says the same a minute later.
fn ageless(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut number = false;
    for c in text.chars() {
        match c {
            '0'..='9' => {
                if !std::mem::replace(&mut number, true) {
                    out.push('#');
                }
            }
            's' | 'm' | 'h' | 'd' if number => number = false,
            other => {
                number = false;
                out.push(other);
            }
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::status::State;

    fn of(routes: &[RouteStatus], service: u64) -> Gist {
        let routes = routes.iter();
        Gist {
            service,
            routes: routes
                .map(|route| (route.route.clone(), gist(route)))
                .collect(),
        }
    }

    fn route(name: &str, why: &str) -> RouteStatus {
        RouteStatus {
            route: name.into(),
            why: Some(why.into()),
            ..RouteStatus::bare(State::Retrying)
        }
    }

    #[test]
    fn ages_are_no_news_and_everything_else_is() {
        let news = News::default();
        let before = route("a/b", "rsync 30: timeout; try 6 in 2m");
        let told = |after: &RouteStatus, service| {
            let before = of(std::slice::from_ref(&before), 1);
            news.difference(&before, &of(std::slice::from_ref(after), service))
        };
        let aged = RouteStatus {
            lag_seconds: Some(7.0),
            why: Some("rsync 30: timeout; try 6 in 59s".into()),
            ..before.clone()
        };
        assert_eq!(told(&aged, 1), None);
        for after in [
            route("a/b", "rsync 30: timeout; try 6 now"),
            RouteStatus {
                pending: 1,
                ..before.clone()
            },
            RouteStatus {
                last_good: Some("2026-06-01T12:00:00Z".into()),
                ..before.clone()
            },
            RouteStatus {
                state: State::Failing,
                ..before.clone()
            },
        ] {
            let item = told(&after, 1).unwrap();
            assert_eq!((item.routes, item.service), (vec!["a/b".to_owned()], false));
        }
        let item = told(&before, 2).unwrap();
        assert!(item.service && item.routes.is_empty());
        let other = told(&route("a/c", "x"), 1).unwrap();
        assert_eq!(other.routes, ["a/c", "a/b"], "one came and one went");
        let one = crate::service::protocol::selector(Some("a/c")).unwrap();
        let another = crate::service::protocol::selector(Some("z")).unwrap();
        assert!(other.is_meant(&one) && !other.is_meant(&another));
        assert!(item.is_meant(&another));
    }

    #[test]
    fn many_routes_are_counted_behind_the_first() {
        let many: Vec<RouteStatus> = (0..250).map(|n| route(&format!("a/{n}"), "x")).collect();
        let item = News::default()
            .difference(&of(&[], 1), &of(&many, 1))
            .unwrap();
        assert_eq!((item.routes.len(), item.more), (ROUTES_MAX, 150));
        let elsewhere = crate::service::protocol::selector(Some("z/z")).unwrap();
        assert!(item.is_meant(&elsewhere), "it may be among the others");
    }

    #[tokio::test]
    async fn who_is_too_slow_is_told_to_look_at_everything_and_only_so_many_listen() {
        let news = News::default();
        news.ring();
        let mut slow = news.listen().unwrap();
        for _ in 0..KEPT + 1 {
            let item = news.item();
            news.0.sender.send(item).unwrap();
        }
        assert!(slow.next().await.unwrap().everything);
        assert!(!slow.next().await.unwrap().everything);
        let all: Vec<Listener> = (1..LISTENERS_MAX).map_while(|_| news.listen()).collect();
        assert_eq!(
            (all.len(), news.listen().is_none()),
            (LISTENERS_MAX - 1, true)
        );
        drop(slow);
        assert!(news.listen().is_some());
    }
}
