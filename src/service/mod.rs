//! The thin shell around the engine: it carries effects out and reports back. It decides nothing.
//!
//! Owns the driver loop, the production [`World`](world::World) (watches, transfers, answers), the state directory,
//! the HTTP interface with its client, signals, log lines and what the service manager hears; and what plan is in force: `reloader` takes another one over,
//! `generations` keeps those that were, `files_watch` and `drift` see that the files are others. Called by the commands
//! `run`, `status`, `trigger`, `rescan`, `wait`, `approve`, `reload` and `rollback`. It must not know manifests: a compiled
//! plan comes in, and a [`Reader`](reading::Reader) that makes another one of the files.

pub mod alarm;
pub mod client;
mod clock;
pub mod drift;
pub mod driver;
pub mod effective;
pub mod files_watch;
pub mod generations;
pub mod heartbeat;
pub mod history;
pub mod http;
pub mod in_force;
pub mod keeper;
pub mod log;
pub mod manager;
pub mod metrics;
pub mod naming;
pub mod news;
pub mod once;
pub mod orphans;
mod pauses;
pub mod preview;
pub mod protocol;
pub mod question;
pub mod reading;
pub mod reloader;
pub mod runtime;
mod sealed;
pub mod settled;
pub mod signals;
pub mod state;
pub mod steer;
pub mod tap;
mod tapper;
pub mod tapping;
pub mod vitals;
pub mod world;

/// Why a command of the service ended without doing its work.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// The surroundings are not right: a directory, a lock, a socket.
    #[error("{0}")]
    Setup(String),
    /// Nobody answers at the control socket.
    #[error("{0}")]
    NotReachable(String),
    /// What was asked for cannot be read.
    #[error("{0}")]
    Usage(String),
    /// The service refused, with its reason.
    #[error("{0}")]
    Refused(String),
}
