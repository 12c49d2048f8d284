//! Sessions that are begun ahead, for daemons: an rsync that is connected and authenticated and waits for its list.
//!
//! A change then costs one exchange with the daemon instead of start, connection and log-in: 3 to 6 ms instead of 12. One
//! session is begun for a route when a transfer has succeeded, and lasts until it is used, or for [`LIFE`]. So a route
//! that is at rest has none; neither has one whose daemon is short of connections ([`Sessions::refrain`]).
//!
//! Nothing depends on it but time. A session is only taken where the very same command would be started now, on the same
//! root directory, which rsync has entered already, and whatever goes wrong in it is done again by a fresh run. One that is
//! not used gets an empty list: rsync then does nothing, and ends by itself. So does one whose service was killed, for its
//! standard input ends with it.

use std::collections::HashMap;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use secrecy::ExposeSecret;
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout};

use super::invocation::Invocation;
use super::process::{self, Started};
use crate::engine::RootId;
use crate::plan::RouteName;

/// How long a session waits to be used: shorter than daemons' and firewalls' patience with a silent connection.
pub const LIFE: Duration = Duration::from_secs(20);
/// Without progress, after which a session is given up for a fresh run: its connection may be long dead.
pub const IDLE: Duration = Duration::from_secs(10);
/// In all; each is a process of some megabytes here and one on the other side.
const SESSIONS_MAX: usize = 16;
/// After a daemon said that it has no connection to spare, none is held ahead for so long.
const REFRAIN: Duration = Duration::from_secs(600);
/// After the empty list: longer, and the connection is dead.
const END_WAIT: Duration = Duration::from_secs(2);

/// The sessions of all routes.
#[derive(Debug, Default)]
pub struct Sessions(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    open: HashMap<RouteName, Session>,
    last: u64,
    refrain: Option<Instant>,
    closed: bool,
    /// Those that end.
    ending: JoinSet<()>,
}

impl State {
    fn end(&mut self, session: Session) {
        while self.ending.try_join_next().is_some() {}
        self.ending.spawn(end(session));
    }
}

#[derive(Debug)]
struct Session {
    number: u64,
    /// With what it was begun; without a list.
    invocation: Invocation,
    root: Option<RootId>,
    started: Started,
}

impl Session {
    /// Whether rsync has entered the directory that is the source now, or is still where it was started: then it enters
    /// what it finds, as a fresh run does. It is not enough to know which one the source was when the session was begun.
    fn stands_on(&self, source: &Path) -> bool {
        let identity = |path: &Path| {
            let found = std::fs::metadata(path).ok()?;
            Some((found.dev(), found.ino()))
        };
        let here = self.started.directory();
        here.is_some() && (here == identity(source) || here == identity(Path::new("/")))
    }
}

impl Sessions {
    /// Takes the route's session, if this is what it was begun for. One that is not is ended first, so that a target never
    /// has two rsyncs of one route.
    pub async fn take(
        &self,
        route: &RouteName,
        invocation: &Invocation,
        root: &Option<RootId>,
        source: &Path,
    ) -> Option<Started> {
        let mut session = self.lock().open.remove(route)?;
        let fits = session.root == *root
            && is_same(&session.invocation, invocation)
            && session.started.is_running()
            && session.stands_on(source);
        if fits {
            return Some(session.started);
        }
        end(session).await;
        None
    }

    /// Ends the route's session: what comes now is not for it.
    pub async fn give_up(&self, route: &RouteName) {
        let session = self.lock().open.remove(route);
        if let Some(session) = session {
            end(session).await;
        }
    }

    /// Begins one, if the route has none and there is room.
    pub fn prepare(
        self: &Arc<Self>,
        route: &RouteName,
        invocation: Invocation,
        root: Option<RootId>,
    ) {
        let mut state = self.lock();
        let refrains = state.refrain.is_some_and(|until| Instant::now() < until);
        let full = state.open.len() >= SESSIONS_MAX || state.open.contains_key(route);
        if state.closed || refrains || full {
            return;
        }
        // What cannot be started now is started, or said, when there is something to send.
        let Ok(started) = process::start(&invocation) else {
            return;
        };
        state.last += 1;
        let number = state.last;
        let session = Session {
            number,
            invocation,
            root,
            started,
        };
        state.open.insert(route.clone(), session);
        drop(state);
        let (sessions, route) = (Arc::clone(self), route.clone());
        tokio::spawn(async move {
            tokio::time::sleep(LIFE).await;
            sessions.expire(&route, number);
        });
    }

    fn expire(&self, route: &RouteName, number: u64) {
        let mut state = self.lock();
        let own = |session: &Session| session.number == number;
        if state.open.get(route).is_some_and(own)
            && let Some(session) = state.open.remove(route)
        {
            state.end(session);
        }
    }

    /// A daemon is short of connections: those that are held ahead are given back.
    pub fn refrain(&self) {
        let mut state = self.lock();
        state.refrain = Some(Instant::now() + REFRAIN);
        for (_, session) in std::mem::take(&mut state.open) {
            state.end(session);
        }
    }

    /// Ends all of them, for the end of the service.
    pub async fn close(&self) {
        let mut ending = {
            let mut state = self.lock();
            state.closed = true;
            for (_, session) in std::mem::take(&mut state.open) {
                state.end(session);
            }
            std::mem::take(&mut state.ending)
        };
        // A fault in one is no reason to leave the others.
        while ending.join_next().await.is_some() {}
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether both start the same. The lists do not count.
fn is_same(a: &Invocation, b: &Invocation) -> bool {
    let password = |invocation: &Invocation| {
        let password = invocation.password.as_ref();
        password.map(|password| password.expose_secret().to_owned())
    };
    a.program == b.program
        && a.arguments == b.arguments
        && a.environment == b.environment
        && password(a) == password(b)
}

/// An empty list is nothing to do; what does not end by that is ended.
async fn end(session: Session) {
    let Session { mut started, .. } = session;
    started.close_input();
    if timeout(END_WAIT, started.wait()).await.is_err() {
        started.end().await;
    }
}
