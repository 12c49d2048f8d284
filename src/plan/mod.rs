//! The plan: what will happen, as data.
//!
//! Owns [`Plan`] and its parts, the compiler from manifests, the explanation of a plan, and the difference of two with what
//! a reviewer reads of it. A plan that exists is
//! runnable. It is `Eq + Serialize`, holds no compiled globs and no trait objects, and its maps are sorted, so that
//! diff, golden tests, `plan --format json` and reload come for free. Compiling touches no disk, network, clock or
//! environment; facts of the host come in as a value. Called by the engine (reload), the service and the commands.

mod address;
mod compile;
mod diff;
mod explain;
mod hooks;
mod names;
mod review;
mod standing;
mod types;

pub use compile::{Compiled, Compiler, Counted, HostFacts, check, compile, review};
pub use diff::{
    Change, Class, DeleteRisk, Look, PlanDiff, RouteDiff, SourceDiff, What as ChangedTo, diff,
};
pub use explain::{Explain, Kind, NextTime, Row, Value, What, grouped, jitter_key, next_times};
pub use hooks::{Hook, Hooks, OnError, When};
pub use names::{RouteName, SourceName, TargetName};
pub use review::{Measured, Review, Tally, Watched, listed};
pub use standing::{digest, route_key, source_key};
pub use types::*;
