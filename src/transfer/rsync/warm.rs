//! Sessions that are begun ahead: an rsync that is connected to its daemon or host, and logged in, and waits for its list.
//!
//! A change then costs one exchange with the far side instead of start, connection and log-in: 3 to 6 ms instead of 12 to a
//! daemon, and over ssh instead of 160 and more. One session is begun for a route when a transfer has succeeded, and lasts until
//! it is used, or for [`LIFE`], and is then renewed [`RENEWALS`] times. So a route that is at rest has none; neither has one whose
//! far side is short of connections ([`Sessions::refrain`]). A session that ended by itself is not renewed, nor one whose far
//! side talks instead of waiting, and none is begun after a transfer that failed: where the far side does not answer, or is
//! not trusted any more, only transfers ask it again, with their own backoff.
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
use crate::plan::{RouteName, Target};

/// How long a session waits to be used: shorter than daemons' and firewalls' patience with a silent connection. Half of the
/// route's timeout where that is shorter, for the far side goes by it.
pub const LIFE: Duration = Duration::from_secs(20);
/// So often a session that nobody used is followed by another: a route that changes once in a minute has one.
const RENEWALS: u32 = 2;
/// After this part of its life a session is looked at: one whose far side only talks ends then.
const LOOK: u32 = 8;
/// Without progress, after which a session is given up for a fresh run: its connection may be long dead.
pub const IDLE: Duration = Duration::from_secs(10);
/// In all; each is a process of some megabytes here and one on the other side.
const SESSIONS_MAX: usize = 16;
/// Over one ssh connection: sshd lets ten go over it by default (`MaxSessions`), and transfers need theirs.
const SSH_MAX: usize = 4;
/// After a far side said that it has no connection to spare, none to it is held ahead for so long.
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
    /// Until when, by far side.
    refrain: HashMap<String, Instant>,
    /// How often each route's session was asked for.
    asked: HashMap<RouteName, u64>,
    closed: bool,
    /// Those that end.
    ending: JoinSet<()>,
}

impl State {
    /// Takes the route's session out, for a transfer.
    fn remove(&mut self, route: &RouteName) -> Option<Session> {
        *self.asked.entry(route.clone()).or_default() += 1;
        self.open.remove(route)
    }

    fn has_room(&mut self, wish: &Wish) -> bool {
        let now = Instant::now();
        self.refrain.retain(|_, until| now < *until);
        let peer = peer(&wish.target);
        let crowded = matches!(wish.target, Target::Ssh { .. }) && {
            let same = |session: &&Session| self::peer(&session.wish.target) == peer;
            self.open.values().filter(same).count() >= SSH_MAX
        };
        let full = self.open.len() >= SESSIONS_MAX || self.open.contains_key(&wish.route);
        !(self.closed || full || crowded || self.refrain.contains_key(&peer))
    }

    fn end(&mut self, session: Session) {
        while self.ending.try_join_next().is_some() {}
        self.ending.spawn(async {
            end(session).await;
        });
    }
}

/// What a session is begun for.
#[derive(Debug)]
pub struct Wish {
    /// Whose changes go through it.
    pub route: RouteName,
    /// Where to.
    pub target: Target,
    /// The command, without a list.
    pub invocation: Invocation,
    /// The source's root.
    pub root: Option<RootId>,
    /// The route's.
    pub timeout: Duration,
}

impl Wish {
    fn life(&self) -> Duration {
        LIFE.min(self.timeout / 2)
    }
}

#[derive(Debug)]
struct Session {
    number: u64,
    wish: Wish,
    /// How often it may still be followed by another.
    renewals: u32,
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
        let mut session = self.lock().remove(route)?;
        let fits = session.wish.root == *root
            && is_same(&session.wish.invocation, invocation)
            && session.started.is_running()
            && session.stands_on(source);
        if fits {
            return Some(session.started);
        }
        end(session).await;
        None
    }

    /// Ends the route's session: what comes now is not for it. Whether there was one.
    pub async fn give_up(&self, route: &RouteName) -> bool {
        let session = self.lock().remove(route);
        let was_there = session.is_some();
        if let Some(session) = session {
            end(session).await;
        }
        was_there
    }

    /// Begins one, if the route has none and there is room.
    pub fn prepare(self: &Arc<Self>, wish: Wish) {
        self.begin(self.lock(), wish, RENEWALS);
    }

    fn begin(self: &Arc<Self>, mut state: MutexGuard<'_, State>, wish: Wish, renewals: u32) {
        if !state.has_room(&wish) {
            return;
        }
        // What cannot be started now is started, or said, when there is something to send.
        let Ok(started) = process::start(&wish.invocation) else {
            return;
        };
        state.last += 1;
        let (number, route, life) = (state.last, wish.route.clone(), wish.life());
        let session = Session {
            number,
            wish,
            renewals,
            started,
        };
        state.open.insert(route.clone(), session);
        drop(state);
        let sessions = Arc::clone(self);
        tokio::spawn(async move {
            tokio::time::sleep(life / LOOK).await;
            if !sessions.is_talked_to(&route, number) {
                tokio::time::sleep(life - life / LOOK).await;
            }
            sessions.expire(&route, number);
        });
    }

    /// Whether its far side talks, and keeps rsync busy with it.
    fn is_talked_to(&self, route: &RouteName, number: u64) -> bool {
        let state = self.lock();
        let session = state.open.get(route);
        session.is_some_and(|session| session.number == number && session.started.has_heard_much())
    }

    /// Its time is up: it ends, and another may take its place.
    fn expire(self: &Arc<Self>, route: &RouteName, number: u64) {
        let mut state = self.lock();
        let own = |session: &Session| session.number == number;
        if !state.open.get(route).is_some_and(own) {
            return;
        }
        let Some(mut session) = state.open.remove(route) else {
            return;
        };
        let lives = session.started.is_running() && !session.started.has_heard_much();
        let Some(renewals) = session.renewals.checked_sub(1).filter(|_| lives) else {
            return state.end(session);
        };
        let asked = state.asked.get(route).copied();
        let sessions = Arc::clone(self);
        state.ending.spawn(async move {
            let wish = end(session).await;
            let state = sessions.lock();
            // Else a transfer has begun meanwhile, and will begin one itself.
            if state.asked.get(&wish.route).copied() == asked {
                sessions.begin(state, wish, renewals);
            }
        });
    }

    /// A far side is short of connections: those to it that are held ahead are given back.
    pub fn refrain(&self, target: &Target) {
        let mut state = self.lock();
        let peer = peer(target);
        let theirs =
            |_: &RouteName, session: &mut Session| self::peer(&session.wish.target) == peer;
        let open: Vec<_> = state.open.extract_if(theirs).collect();
        state.refrain.insert(peer, Instant::now() + REFRAIN);
        for (_, session) in open {
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

/// Which far side a target is on, so far as connections to it are counted.
fn peer(target: &Target) -> String {
    match target {
        Target::Daemon { host, port, .. } => format!("rsync {host} {port}"),
        Target::Ssh {
            user, host, port, ..
        } => format!("ssh {user:?} {host} {port:?}"),
        Target::Local { .. } => String::new(),
    }
}

/// An empty list is nothing to do; what does not end by that is ended. For what it was begun.
async fn end(session: Session) -> Wish {
    let Session {
        wish, mut started, ..
    } = session;
    started.close_input();
    if timeout(END_WAIT, started.wait()).await.is_err() {
        started.end().await;
    }
    wish
}
