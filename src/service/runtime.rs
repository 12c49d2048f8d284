//! `run`: the service from its start to its end.

use std::path::{Path, PathBuf};
use std::time::Instant;

use tokio::signal::unix::{Signal, SignalKind, signal};

use super::clock::Clock;
use super::control::{self, Facts};
use super::driver::{self, Shell};
use super::state::StateDir;
use super::world::{World, WorldParts};
use super::{Failure, orphans};
use crate::engine::{Engine, Input, Reload};
use crate::plan::{Limits, Plan};
use crate::transfer::{Context, RsyncBinary};

/// What `run` needs to know.
#[derive(Debug)]
pub struct Options {
    /// The plan.
    pub plan: Plan,
    /// The host's name, for status.
    pub host: String,
    /// Bounds.
    pub limits: Limits,
    /// Where state is kept.
    pub state_dir: PathBuf,
    /// The control socket; `None`: none.
    pub socket: Option<PathBuf>,
    /// rsync's absolute path, where the agent file names one.
    pub rsync_path: Option<String>,
}

/// The signals that end the service.
#[derive(Debug)]
pub struct Signals {
    terminate: Signal,
    interrupt: Signal,
    hangup: Signal,
}

impl Signals {
    /// From now on they are heard instead of ending the process.
    pub fn listen() -> Result<Signals, Failure> {
        let listen = |kind| {
            signal(kind)
                .map_err(|error| Failure::Setup(format!("cannot listen for signals: {error}")))
        };
        Ok(Signals {
            terminate: listen(SignalKind::terminate())?,
            interrupt: listen(SignalKind::interrupt())?,
            hangup: listen(SignalKind::hangup())?,
        })
    }

    /// The next one's name.
    pub async fn next(&mut self) -> &'static str {
        loop {
            tokio::select! {
                _ = self.terminate.recv() => return "SIGTERM",
                _ = self.interrupt.recv() => return "SIGINT",
                _ = self.hangup.recv() => tracing::warn!("SIGHUP: reloading is not supported yet: restart to take changed manifests over"),
            }
        }
    }
}

/// A runtime for the service: transfers and the engine's loop on few threads.
pub fn runtime() -> Result<tokio::runtime::Runtime, Failure> {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .map_err(|error| Failure::Setup(format!("cannot start the runtime: {error}")))
}

/// Runs the service until a signal ends it.
pub fn run(options: Options) -> Result<(), Failure> {
    runtime()?.block_on(async {
        let (mut world, _control) = open(&options, true).await?;
        let reload = Reload {
            plan: options.plan,
            host: options.host,
            limits: options.limits,
            memory: world.remembered(),
        };
        let mut engine = Engine::default();
        send(&mut engine, &mut world, Input::Reload(reload));
        driver::drive(&mut engine, &mut world, |_, _| {}).await;
        world.close().await;
        tracing::info!("ended");
        Ok(())
    })
}

/// One input that comes from here.
pub fn send(engine: &mut Engine, world: &mut World, input: Input) {
    for effect in engine.step(world.now(), input) {
        world.carry_out(effect);
    }
}

/// The world, with its state directory locked, orphans ended and the control socket served.
pub async fn open(
    options: &Options,
    watched: bool,
) -> Result<(World, Option<control::Control>), Failure> {
    let signals = Signals::listen()?;
    let state = StateDir::open(&options.state_dir)?;
    let owner = state.owner_tag();
    let ended = tokio::task::spawn_blocking(move || orphans::end(&owner))
        .await
        .map_err(|error| Failure::Setup(format!("cannot look for earlier transfers: {error}")))?;
    if ended.found > 0 {
        tracing::warn!(found = ended.found, left = ?ended.left, "ended transfers of an earlier run");
    }
    let (memory, damage) = state.memory();
    if let Some(damage) = damage {
        tracing::warn!("{damage}");
    }
    let context = context(options, &state).await?;
    let digest = digest(&options.plan);
    let watch_limit = options.limits.watches;
    let world = World::new(WorldParts {
        clock: Clock::start(),
        state,
        context,
        watch_limit,
        memory,
        signals,
        watched,
    });
    let control = match &options.socket {
        Some(path) => {
            let watch_limit = watch_limit.or_else(user_watches);
            let facts = Facts {
                host: options.host.clone(),
                digest,
                started: Instant::now(),
                watch_limit,
            };
            Some(control::serve(path, world.asker(), facts).await?)
        }
        None => None,
    };
    Ok((world, control))
}

/// What the host gives to every transfer.
async fn context(options: &Options, state: &StateDir) -> Result<Context, Failure> {
    let runtime_dir = state.run_dir();
    let home = runtime_dir.join("home");
    super::state::private_dir(&home)
        .map_err(|error| Failure::Setup(format!("cannot create `{}`: {error}", home.display())))?;
    let rsync = RsyncBinary::find(options.rsync_path.as_deref().map(Path::new)).await;
    Ok(Context {
        rsync,
        ssh: PathBuf::from("/usr/bin/ssh"),
        runtime_dir,
        owner_tag: state.owner_tag(),
    })
}

/// The plan's content as a short hash, independent of comments and order.
pub fn digest(plan: &Plan) -> String {
    // Plans are plain data; were one not to serialise, its digest would merely be that of nothing.
    let text = serde_json::to_vec(plan).unwrap_or_default();
    blake3::hash(&text).to_hex()[..12].to_owned()
}

fn user_watches() -> Option<u64> {
    std::fs::read_to_string("/proc/sys/fs/inotify/max_user_watches")
        .ok()?
        .trim()
        .parse()
        .ok()
}
