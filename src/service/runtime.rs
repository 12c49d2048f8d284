//! `run`: the service from its start to its end.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use super::alarm::Alarm;
use super::clock::Clock;
use super::drift::Drifts;
use super::driver::{self, Shell};
use super::effective::Effectives;
use super::files_watch;
use super::generations::{Generation, Generations};
use super::http::{self, Facts, Server, Tcp, TcpOptions};
use super::in_force::{InForce, Origin, Standing};
use super::keeper::Keeper;
use super::manager::Manager;
use super::metrics::textfile::Textfile;
use super::pauses::PauseFile;
use super::reading::Reader;
use super::reloader::{Order, Reloader};
use super::settled::Settled;
use super::signals::Signals;
use super::state::StateDir;
use super::vitals::{self, Vitals};
use super::world::{World, WorldParts};
use super::{Failure, heartbeat, orphans};
use crate::engine::{Engine, Input, Memory, Reload};
use crate::host;
use crate::ledger::{Ledger, Opened};
use crate::manifest::{Access, Heartbeat, Mechanism};
use crate::plan::{self, Compare, Limits, Plan, Target};
use crate::transfer::{Context, Rsync, RsyncBinary, hook};

/// What `run` needs to know.
#[derive(Debug)]
pub struct Options {
    /// The plan.
    pub plan: Plan,
    /// The host's name, for status.
    pub host: String,
    /// Bounds.
    pub limits: Limits,
    /// What watches.
    pub mechanism: Mechanism,
    /// Where state is kept.
    pub state_dir: PathBuf,
    /// The control socket; `None`: none.
    pub socket: Option<PathBuf>,
    /// Who else may use it.
    pub access: Access,
    /// HTTP over TCP; `None`: none.
    pub http: Option<TcpOptions>,
    /// Metrics in a file.
    pub textfile: Option<Textfile>,
    /// What somebody outside hears.
    pub heartbeat: Option<Heartbeat>,
    /// rsync's absolute path, where the agent file names one.
    pub rsync_path: Option<String>,
    /// Whether each file that is sent or deleted has a line in the log.
    pub log_files: bool,
}

/// Where the plan came from, and where another one may come from.
#[derive(Debug)]
pub struct Files {
    /// Reads them anew.
    pub reader: Arc<dyn Reader>,
    /// Whether they are taken over by themselves when they change.
    pub watch: bool,
    /// The commit that the plan's files were checked out from.
    pub revision: Option<String>,
    /// How this plan came to be the first.
    pub origin: Origin,
    /// The generation that it is, where it is not the files'.
    pub generation: Option<u64>,
}

/// Orders that wait to be carried out: each of them reads what there is then.
const ORDERS_MAX: usize = 16;

/// The textfile and the heartbeat each have one at a time.
const OWN_QUESTIONS: usize = 4;

/// A service's passes say how far they are in its log, so seldom…
const SHOW_EVERY: Duration = Duration::from_secs(5);
/// …and a single pass, which somebody may look at, so often.
const SHOW_ONCE_EVERY: Duration = Duration::from_millis(100);

/// A target's file system that does not answer is not waited for longer at the start.
const LOOK_MAX: Duration = Duration::from_secs(2);

/// What is under way at the end has ended by then, and the rest is the ledger's: a large one may take its time.
const CLOSE_MAX: Duration = Duration::from_secs(60);

/// At the end, threads that still block get so long: one that waits for a frozen file system would hold the end up for ever.
const BLOCKED_MAX: Duration = Duration::from_secs(1);

/// Does the service's work on a runtime of its own: transfers and the engine's loop on few threads.
pub fn block_on<T>(work: impl Future<Output = Result<T, Failure>>) -> Result<T, Failure> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .map_err(|error| Failure::Setup(format!("cannot start the runtime: {error}")))?;
    let done = runtime.block_on(work);
    runtime.shutdown_timeout(BLOCKED_MAX);
    done
}

/// Runs the service until a signal ends it. `show` sees what runs, at every step and while a full pass lasts.
pub fn run(options: Options, files: Files, mut show: impl FnMut(&World)) -> Result<(), Failure> {
    block_on(async {
        let manager = Manager::of_environment();
        manager.extend(vitals::STARTING_MAX);
        let (orders, taken) = mpsc::channel(ORDERS_MAX);
        let mut world = open(&options, Some(orders.clone())).await?;
        let generations = Generations::of(world.state().path());
        let at_start = (generations.clone(), options.plan.clone());
        let standing = first(&files, at_start).await?;
        let generation = standing.generation;
        let in_force = InForce::new(standing);
        let vitals = Vitals::new(manager.clone(), in_force.clone(), Instant::now());
        world.watched_by(vitals);
        let reloader = Reloader {
            reader: Arc::clone(&files.reader),
            generations: generations.clone(),
            in_force: in_force.clone(),
            plan: options.plan.clone(),
            limits: options.limits,
            host: options.host.clone(),
            asker: world.asker(),
            tally: world.tally(),
            manager: manager.clone(),
        };
        let mut tasks = JoinSet::new();
        tasks.spawn(reloader.run(taken));
        let facts = Arc::new(Facts {
            host: options.host.clone(),
            drifts: Drifts::new(Arc::clone(&files.reader), in_force.clone()),
            in_force,
            generations,
            orders: orders.clone(),
            started: Instant::now(),
            watch_limit: options.limits.watches.or_else(host::user_watches),
            effectives: Effectives::new(Arc::clone(&files.reader)),
            ledger: world.ledger(),
            tally: world.tally(),
            tap: world.tap().clone(),
            news: world.news().clone(),
        });
        let _control = match &options.socket {
            Some(path) => {
                let facts = Arc::clone(&facts);
                Some(http::serve(path, &options.access, world.asker(), facts).await?)
            }
            None => None,
        };
        let _tcp = options
            .http
            .clone()
            .map(|http| Tcp::serve(http, world.asker(), Arc::clone(&facts)));
        // What the service tells by itself asks at a desk of its own.
        let own = Server::new(world.asker(), facts, OWN_QUESTIONS);
        tasks.spawn(world.news().clone().tell(own.clone()));
        let textfile = options
            .textfile
            .clone()
            .map(|textfile| textfile.write(own.clone()));
        let _heartbeat = options
            .heartbeat
            .clone()
            .map(|settings| heartbeat::beat(settings, own, world.tally()));
        if files.watch {
            tasks.spawn(files_watch::watch(files.reader, orders));
        }
        let reload = Reload {
            plan: options.plan,
            generation,
            host: options.host,
            limits: options.limits,
            memory: world.remembered(),
            watched: true,
        };
        let mut engine = Engine::default();
        send(&mut engine, &mut world, Input::Reload(reload));
        driver::drive(&mut engine, &mut world, |engine, world| {
            show(world);
            world.looked(engine);
            world.stepped(engine);
        })
        .await;
        manager.extend(CLOSE_MAX);
        tasks.abort_all();
        if let Some(textfile) = textfile {
            textfile.end().await;
        }
        world.close().await;
        tracing::info!("ended");
        Ok(())
    })
}

/// What is in force at the start: the generation that it was before, where it is the same plan, else a new one.
async fn first(files: &Files, at: (Generations, Plan)) -> Result<Standing, Failure> {
    let (revision, origin, number) = (
        files.revision.clone(),
        files.origin.clone(),
        files.generation,
    );
    let look = move || {
        let (generations, plan) = at;
        let digest = plan::digest(&plan);
        let last = generations.last_good();
        let same = last.filter(|last| last.digest == digest);
        let (known, now) = (number.or(same.map(|last| last.number)), Timestamp::now());
        let generation = Generation {
            number: known.unwrap_or_else(|| generations.next()),
            at: now,
            digest: digest.clone(),
            revision: revision.clone(),
            plan,
        };
        let number = generation.number;
        let kept = match known {
            Some(_) => Ok(()),
            None => generations.keep(&generation),
        };
        if let Err(error) = kept.and_then(|()| generations.set_current(number)) {
            tracing::warn!(
                "the plan cannot be kept for `heliostat rollback` and the next start: {error}"
            );
        }
        Standing {
            generation: number,
            digest,
            revision,
            since: now.to_string(),
            origin,
            rejected: None,
        }
    };
    tokio::task::spawn_blocking(look)
        .await
        .map_err(|error| Failure::Setup(format!("cannot look at earlier generations: {error}")))
}

/// One input that comes from here.
pub fn send(engine: &mut Engine, world: &mut World, input: Input) {
    for effect in engine.step(world.now(), input) {
        world.carry_out(effect);
    }
}

/// The world, with its state directory locked and orphans ended. `orders`: who takes other files over; a world without is
/// for one pass, and watches nothing.
pub async fn open(
    options: &Options,
    orders: Option<mpsc::Sender<Order>>,
) -> Result<World, Failure> {
    let watched = orders.is_some();
    let signals = Signals::listen(orders)?;
    let state = StateDir::open(&options.state_dir)?;
    let owner = state.owner_tag();
    let ended = tokio::task::spawn_blocking(move || orphans::end(&owner))
        .await
        .map_err(|error| Failure::Setup(format!("cannot look for earlier transfers: {error}")))?;
    if ended.found > 0 {
        tracing::warn!(found = ended.found, left = ?ended.left, "ended transfers of an earlier run");
    }
    let private = state.path().to_owned();
    let ledger = move || Ledger::open(&private);
    let Opened {
        ledger,
        mut memory,
        damage,
    } = tokio::task::spawn_blocking(ledger)
        .await
        .map_err(|error| Failure::Setup(format!("cannot open the ledger: {error}")))?;
    if let Some(damage) = damage {
        tracing::warn!("{damage}");
    }
    let (plan, remembered) = (options.plan.clone(), std::mem::take(&mut memory));
    memory = known_targets(plan, remembered).await?;
    if watched {
        ledger.keep_only(options.plan.sources.keys().cloned());
    } else {
        // A single run compares with the targets themselves; only the guards' memory counts.
        memory.routes.clear();
    }
    match PauseFile::of(state.path()).read() {
        Ok(pauses) => memory.pauses = pauses,
        Err(damage) => tracing::warn!("{damage}"),
    }
    memory.settled_hooks = Settled::of(state.path()).load();
    let keeper = Keeper::new(ledger, state.path().to_owned());
    let mut context = context(options, state.run_dir(), state.owner_tag()).await?;
    context.orphans = ended.left;
    hook::sweep(&context);
    if !watched {
        // A single run has no next change, and would only wait for the sessions' end.
        context.sessions.close().await;
    }
    let alarm =
        Alarm::new().map_err(|error| Failure::Setup(format!("cannot make a timer: {error}")))?;
    Ok(World::new(WorldParts {
        clock: Clock::start(),
        alarm,
        state,
        context,
        watch_limit: options.limits.watches,
        mechanism: options.mechanism,
        memory,
        keeper,
        signals,
        watched,
        show_every: if watched { SHOW_EVERY } else { SHOW_ONCE_EVERY },
    }))
}

/// A local target that is another directory than it was, or not there, is to be compared with everything; so is one that
/// may have lost in the machine's last end what was written to it.
async fn known_targets(plan: Plan, memory: Memory) -> Result<Memory, Failure> {
    let look = move |mut memory: Memory| {
        for (_, route) in plan.routes() {
            let Target::Local { path } = &route.target else {
                continue;
            };
            if let Some(remembered) = memory.routes.get_mut(&route.name)
                && remembered.target.is_some()
                && remembered.target
                    != host::target_id_at(Path::new(path), route.durability.lasts())
            {
                // What is owed stays owed: it may be there again, and what vanished meanwhile must leave it.
                remembered.pass = remembered.pass.or(Some(Compare::Quick));
                remembered.target_entries = None;
            }
        }
        memory
    };
    let as_it_was = memory.clone();
    let looked = tokio::task::spawn_blocking(move || look(memory));
    match tokio::time::timeout(LOOK_MAX, looked).await {
        Ok(looked) => {
            looked.map_err(|error| Failure::Setup(format!("cannot look at the targets: {error}")))
        }
        // The first transfer to it sees which it is.
        Err(_) => Ok(as_it_was),
    }
}

/// What the host gives to every transfer.
pub async fn context(
    options: &Options,
    runtime_dir: PathBuf,
    owner_tag: String,
) -> Result<Context, Failure> {
    let home = runtime_dir.join("home");
    super::state::empty_dir(&home)
        .map_err(|error| Failure::Setup(format!("cannot create `{}`: {error}", home.display())))?;
    let rsync = Rsync::new(options.rsync_path.as_ref().map(PathBuf::from));
    let remote = |target: &Target| !matches!(target, Target::Local { .. });
    if options
        .plan
        .routes()
        .any(|(_, route)| remote(&route.target))
    {
        match rsync.get().await.map(RsyncBinary::warning) {
            Ok(None) => {}
            Ok(Some(warning)) => tracing::warn!("{warning}"),
            Err(missing) => tracing::warn!("{missing}"),
        }
    }
    Ok(Context {
        rsync,
        ssh: PathBuf::from("/usr/bin/ssh"),
        runtime_dir,
        owner_tag,
        orphans: Vec::new(),
        sessions: Default::default(),
        log_files: options.log_files,
    })
}
