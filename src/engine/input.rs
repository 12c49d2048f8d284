//! What goes into the engine and what comes out of it.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use super::detail::Detail;
use super::status::Status;
use super::{
    Commit, Hold, HookJob, Hooked, Job, Memory, Notice, Outcome, PathFailure, PathNote, Pause,
    PauseWish, RelPath, Stats, Survey, SurveyId, Surveyed, TransferId, Trouble, WatchId,
    WatchReport,
};
use crate::plan::{Compare, Limits, Plan, RouteName, SourceName, SourcePlan, TargetName, When};

/// What happens to the engine.
#[derive(Debug)]
pub enum Input {
    /// This plan is to be carried out from now on. Start-up is a reload from the empty plan.
    Reload(Reload),
    /// A watch tells something.
    Watch(WatchId, Notice),
    /// A transfer ended.
    Finished(TransferId, Outcome),
    /// A hook ended.
    Hooked(TransferId, Hooked),
    /// A survey ended.
    Surveyed(SurveyId, Surveyed),
    /// The ledger has taken back what it said of this source: see [`Effect::Disown`].
    Disowned(SourceName),
    /// Somebody asks for something, and hears of it under this number.
    Ask(RequestId, Ask),
    /// Nobody waits for this answer any more.
    Forget(RequestId),
    /// Send what can be sent now, start nothing after it, and say [`Effect::Drained`].
    Drain,
    /// Only time has passed.
    Tick,
}

/// A plan with what surrounds it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reload {
    /// The plan.
    pub plan: Plan,
    /// Its number, for status.
    pub generation: u64,
    /// This host's name: the jitter of its schedules hangs on it.
    pub host: String,
    /// Bounds of the whole service.
    pub limits: Limits,
    /// What was remembered before; a cache.
    pub memory: Memory,
    /// Whether sources are watched; else each is taken as it is, once, and there are no checkpoints: of what changes after
    /// it nothing would be heard.
    pub watched: bool,
}

/// Names an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RequestId(pub u64);

/// Which routes a request means.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Selector {
    /// `None`: every source.
    pub source: Option<SourceName>,
    /// `None`: every target of it.
    pub target: Option<TargetName>,
}

impl Selector {
    /// This route alone.
    pub fn of(name: &RouteName) -> Selector {
        Selector {
            source: Some(name.source.clone()),
            target: Some(name.target.clone()),
        }
    }

    /// Whether it means a route of this source.
    pub fn concerns(&self, source: &SourceName) -> bool {
        self.source.as_ref().is_none_or(|meant| meant == source)
    }

    /// Whether it means this route.
    pub fn matches(&self, name: &RouteName) -> bool {
        self.source
            .as_ref()
            .is_none_or(|source| *source == name.source)
            && self
                .target
                .as_ref()
                .is_none_or(|target| *target == name.target)
    }
}

/// What can be asked of the engine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ask {
    /// The picture.
    Status,
    /// The picture of these routes, with the paths that are pending.
    Paths(Selector),
    /// The plan that is carried out.
    Plan,
    /// Send nothing on these routes for a while. Answered when that is kept.
    Pause(Selector, PauseWish),
    /// End these pauses; by whom.
    Resume(Selector, String),
    /// One route, looked at closely.
    Detail(RouteName),
    /// Send now what is pending: windows, schedules and backoff are passed over once.
    Trigger(Selector),
    /// Compare with the target itself now.
    Rescan(Selector, Compare),
    /// Answer when everything that has changed up to now is on the targets.
    Wait(Selector),
    /// Release the hold whose id this is.
    Approve(RouteName, String),
    /// Take this plan over. Answered when nothing of an earlier one runs any more.
    Reload(Box<Reload>),
}

/// What the engine wants done. In the order given.
#[derive(Debug)]
pub enum Effect {
    /// Begin to watch.
    Watch(WatchId, Arc<SourcePlan>),
    /// End it.
    Unwatch(WatchId),
    /// From now on it watches by this source's filter and events; what came in is watched before what went out is not.
    Rescope(WatchId, Arc<SourcePlan>),
    /// Ask the watch for [`Notice::Barrier`] with this number.
    Barrier(WatchId, u64),
    /// Begin a transfer.
    Start(Box<Job>),
    /// End it soon; its outcome still comes.
    Cancel(TransferId),
    /// Run a hook; its end is an input.
    Hook(Box<HookJob>),
    /// Keep for the next start: nothing is owed to the route's `after` hook. Until a job that [owes](Job::owes).
    Settle(RouteName),
    /// Tell who asked.
    Answer(RequestId, Answer),
    /// Keep for the next start: these are all the pauses there are. Then tell who asked; where it cannot be kept,
    /// [`Answer::NotKept`].
    KeepPauses {
        /// All of them.
        pauses: BTreeMap<RouteName, Pause>,
        /// To whom.
        answer: Option<(RequestId, Answer)>,
    },
    /// Keep for the next start: the mount points that were seen below the source's root.
    Remember(SourceName, Vec<RelPath>),
    /// Make a survey. Its rows are kept under its id until they are committed or forgotten.
    Survey(Box<Survey>),
    /// The rows of this survey are void; it need not go on.
    ForgetSurvey(SurveyId),
    /// Write a checkpoint.
    Commit(Box<Commit>),
    /// Another root is in the source's place: what the ledger says of its rows and routes is to be taken back, on disk,
    /// before anything is sent from there. Else the first root, back after a crash, would be taken for what the targets have.
    /// So is it where the source's plan has another key. [`Input::Disowned`] says that it is done, once for each.
    Disown(SourceName),
    /// As [`Effect::Disown`], of one route alone: the rows stay.
    DisownRoute(RouteName),
    /// A line for the log.
    Tell(Event),
    /// Nothing runs any more and nothing will.
    Drained,
}

/// What who asked hears.
#[derive(Clone, Debug, PartialEq)]
pub enum Answer {
    /// The picture.
    Status(Box<Status>),
    /// The plan that is carried out.
    Plan(Box<Plan>),
    /// One route, looked at closely.
    Detail(Box<Detail>),
    /// It is begun, for so many routes.
    Accepted(usize),
    /// It is begun for so many routes; these of them are paused, and do it afterwards.
    Later {
        /// How many.
        routes: usize,
        /// Those that are paused.
        paused: Vec<RouteName>,
    },
    /// It is done, for so many routes, but cannot be kept for the next start, for this reason.
    NotKept(usize, String),
    /// Everything is on the targets.
    Reached,
    /// The plan was taken over.
    Reloaded,
    /// The service is ending: nothing is taken over any more.
    Ending,
    /// These routes are held or paused; everything else is on its target.
    Held(Vec<RouteName>),
    /// There is no such route.
    NoSuchRoute,
    /// The route is not held, or holds another plan: then its id.
    NotHeld(Option<String>),
    /// The route is held by a guard, which only what it misses releases: its message says what that is.
    NotReleasable(String),
}

/// What operators read.
#[derive(Clone, Debug, PartialEq)]
pub enum Event {
    /// A source is watched whole.
    Ready(SourceName, WatchReport),
    /// A source's root is not there.
    Waiting(SourceName, String),
    /// Events of a source were lost, and why; what makes up for it comes as changes, or when the watch stands again.
    Lost(SourceName, String),
    /// A source was compared with what the ledger knows of it: so many paths differ; `None`: too many to count.
    Surveyed(SourceName, Option<usize>),
    /// A source could not be compared with what the ledger knows of it.
    SurveyFailed(SourceName, String),
    /// A transfer brought things in step.
    Sent(Sent),
    /// A transfer failed as a whole.
    Failed {
        /// Which route.
        route: RouteName,
        /// Why it was made: see [`Sent::trigger`].
        trigger: &'static str,
        /// How long it took.
        took: Duration,
        /// What it had done by then.
        stats: Stats,
        /// The age of the oldest change that it did not bring there.
        lag: Duration,
        /// Why it failed.
        trouble: Trouble,
        /// Tries so far.
        tries: u32,
        /// Until the next.
        wait: Duration,
    },
    /// A transfer was told to end, and has ended.
    Cancelled {
        /// Which route's.
        route: RouteName,
        /// Why it was made: see [`Sent::trigger`].
        trigger: &'static str,
        /// How long it took.
        took: Duration,
        /// What it had done by then, as far as it has told.
        stats: Stats,
        /// Why it was told to end, one line, escaped.
        why: String,
    },
    /// Paths failed.
    PathsFailing {
        /// Which route.
        route: RouteName,
        /// How many there are now.
        count: usize,
        /// The first, with its reason.
        first: (RelPath, String),
    },
    /// Another directory is in the place of a route's local target: all is compared with it.
    Replaced(RouteName),
    /// A route cannot send, and so much has changed that from now on its changes are left to the ledger.
    Parked(RouteName),
    /// What was left to the ledger was compared: so many paths differ; `None`: it cannot be told, and all is compared with
    /// the target.
    Unparked(RouteName, Option<usize>),
    /// A route waits.
    Held {
        /// Which.
        route: RouteName,
        /// Why the transfer was made that is held: see [`Sent::trigger`].
        trigger: &'static str,
        /// How long it took.
        took: Duration,
        /// What it had done by then.
        stats: Stats,
        /// The age of the oldest change that it did not bring there.
        lag: Duration,
        /// Why it waits.
        hold: Hold,
        /// For `approve`.
        id: String,
    },
    /// A route goes on.
    Released(RouteName),
    /// An operator has paused a route.
    Paused(RouteName, Pause),
    /// A pause is over: somebody has ended it, or (`None`) its time is up.
    Resumed(RouteName, Option<String>),
    /// A failure is over.
    Recovered(RouteName),
    /// A hook ended.
    Hooked {
        /// Of which route.
        route: RouteName,
        /// Which.
        when: When,
        /// Why the transfer was made: see [`Sent::trigger`].
        trigger: &'static str,
        /// How.
        hooked: Hooked,
        /// Until it is run again for the same.
        wait: Option<Duration>,
    },
    /// Worth saying.
    Note(RouteName, PathNote),
}

/// One line a transfer.
#[derive(Clone, Debug, PartialEq)]
pub struct Sent {
    /// Which route.
    pub route: RouteName,
    /// `change`, `start`, `reload`, `rescan`, `lost`, `replaced`, `retry`, `approve`.
    pub trigger: &'static str,
    /// What was done.
    pub stats: Stats,
    /// How long it took.
    pub took: Duration,
    /// The age of its oldest change when it ended.
    pub lag: Duration,
    /// Paths that failed.
    pub failed: usize,
    /// The first of them, at most [`Sent::FAILURES_MAX`].
    pub failures: Vec<PathFailure>,
}

impl Sent {
    /// So many failing paths are told by name: what fails is seldom more than one thing, and `status` lists all that fail now.
    pub const FAILURES_MAX: usize = 20;
}
